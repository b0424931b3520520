//! A viewer: one connection that asks for the film, or its beginning, and looks at what comes.
//!
//! Viewers of a measurement share one thread and the buffer that they read into, so that ten thousand of them are
//! cheap. Absent on purpose: pace, which is the measurement's.

use std::cell::RefCell;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::film::Film;

/// How long an answer may take to begin, and a film to go on.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is read lands here and is looked at before anybody else reads.
pub(crate) type Scratch = RefCell<Vec<u8>>;

/// How a viewer's connection is made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wire {
    /// The address it comes from; `None`: as the kernel chooses.
    pub(crate) from: Option<IpAddr>,
    /// Its receive buffer in bytes; `None`: as the kernel chooses.
    pub(crate) receive_buffer: Option<u32>,
}

/// A connection, and the part of the film that is still to come on it.
#[derive(Debug)]
pub(crate) struct Viewer {
    stream: TcpStream,
    film: Film,
    next: u64,
    end: u64,
}

/// A scratch buffer for one thread's viewers: 256 KiB stay in a core's cache.
pub(crate) fn scratch() -> Scratch {
    RefCell::new(vec![0; 256 << 10])
}

impl Viewer {
    /// Connects.
    pub(crate) async fn connect(to: SocketAddr, film: Film, wire: Wire) -> Result<Self, String> {
        let connect = async {
            let socket = if to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
            if let Some(bytes) = wire.receive_buffer {
                socket.set_recv_buffer_size(bytes)?;
            }
            if let Some(from) = wire.from {
                socket.bind((from, 0).into())?;
            }
            let stream = socket.connect(to).await?;
            stream.set_nodelay(true)?;
            Ok::<_, io::Error>(stream)
        };
        let stream = connect.await.map_err(|error| format!("refused a connection: {error}"))?;
        Ok(Self { stream, film, next: 0, end: 0 })
    }

    /// Asks for the film, or for so many bytes of its beginning, and reads the head of the answer.
    ///
    /// Returns how many bytes of the film came along with it.
    ///
    /// # Errors
    /// The answer is not the film.
    pub(crate) async fn ask(
        &mut self,
        path: &str,
        first: Option<u64>,
        scratch: &Scratch,
    ) -> Result<u64, String> {
        let range = first.map(|bytes| format!("Range: bytes=0-{}\r\n", bytes - 1)).unwrap_or_default();
        let sent = self.stream.write_all(request(path, &range).as_bytes()).await;
        sent.map_err(|error| format!("broke a connection: {error}"))?;
        let mut head = Vec::new();
        let end = loop {
            let read = self.receive(scratch, 4096, |bytes| head.extend_from_slice(bytes)).await?;
            if read == 0 {
                return Err("closed a connection instead of answering".to_owned());
            }
            if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
        };
        let text = String::from_utf8_lossy(&head[..end]);
        if !is_film(&text, self.film, first) {
            return Err(format!("answered GET {path} {range:?}not with the film:\n{}", text.trim_end()));
        }
        (self.next, self.end) = (0, first.unwrap_or(self.film.bytes));
        self.take(&head[end..])?;
        Ok(self.next)
    }

    /// Reads at most so many bytes of the film, as many as are there.
    ///
    /// # Errors
    /// They are not the film's next ones, or none came in time.
    pub(crate) async fn read(&mut self, scratch: &Scratch, at_most: u64) -> Result<u64, String> {
        let at_most = usize::try_from(at_most.min(self.left())).unwrap_or(usize::MAX);
        let (film, next) = (self.film, self.next);
        let mut right = true;
        let read = self.receive(scratch, at_most, |bytes| right = film.has(next, bytes)).await?;
        if read == 0 {
            return Err(format!("cut the film short at byte {next} of {}", self.end));
        }
        self.next += read as u64;
        if right { Ok(read as u64) } else { Err(strange(next)) }
    }

    /// Bytes that are still to come of what was asked for.
    pub(crate) fn left(&self) -> u64 {
        self.end - self.next
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), String> {
        let next = self.next;
        self.next += bytes.len() as u64;
        let right = self.next <= self.end && self.film.has(next, bytes);
        if right { Ok(()) } else { Err(strange(next)) }
    }

    /// Waits for bytes and shows them. 0: the connection was closed.
    async fn receive(
        &self,
        scratch: &Scratch,
        at_most: usize,
        show: impl FnOnce(&[u8]),
    ) -> Result<usize, String> {
        let received = async {
            loop {
                self.stream.readable().await?;
                let mut scratch = scratch.borrow_mut();
                let most = at_most.min(scratch.len());
                match self.stream.try_read(&mut scratch[..most]) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Err(error),
                    Ok(read) => {
                        show(&scratch[..read]);
                        return Ok(read);
                    }
                }
            }
        };
        match timeout(PATIENCE, received).await {
            Ok(received) => received.map_err(|error| format!("broke a connection: {error}")),
            Err(_) => Err(format!("sent nothing for {PATIENCE:?}, at byte {} of {}", self.next, self.end)),
        }
    }
}

fn strange(at: u64) -> String {
    format!("sent other bytes than the film's after byte {at}")
}

/// Whether the head of an answer announces what was asked for, whole and as it is.
fn is_film(head: &str, film: Film, first: Option<u64>) -> bool {
    let length = field(head, "content-length").and_then(|length| length.parse().ok());
    let plain = field(head, "transfer-encoding").is_none() && field(head, "content-encoding").is_none();
    let announced = match first {
        None => head.starts_with("HTTP/1.1 200 ") && length == Some(film.bytes),
        Some(bytes) => {
            let range = format!("bytes 0-{}/{}", bytes - 1, film.bytes);
            let right = field(head, "content-range") == Some(range.as_str());
            head.starts_with("HTTP/1.1 206 ") && length == Some(bytes) && right
        }
    };
    plain && announced
}

/// A request as a player sends it. `more`: further header lines, each with its end.
pub(crate) fn request(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: films.example\r\nUser-Agent: VLC/3.0.21 LibVLC/3.0.21\r\n\
         Accept: */*\r\n{more}\r\n"
    )
}

/// The value of a header field.
pub(crate) fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut fields = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;

    use super::*;

    const FILM: Film = Film { bytes: 5000 };

    #[test]
    fn heads_of_films() {
        let check = |head: &str, first: Option<u64>, expected: bool| {
            let head = format!("HTTP/1.1 {}\r\n\r\n", head.replace('\n', "\r\n"));
            assert_eq!(is_film(&head, FILM, first), expected, "{head}");
        };
        check("200 OK\ncontent-length: 5000", None, true);
        check("206 Partial Content\nContent-Length: 10\nContent-Range: bytes 0-9/5000", Some(10), true);
        check("200 OK\nContent-Length: 4999", None, false);
        check("200 OK\nContent-Length: 5000\nContent-Encoding: gzip", None, false);
        check("200 OK\nTransfer-Encoding: chunked", None, false);
        check("302 Found\nContent-Length: 0", None, false);
        check("200 OK\nContent-Length: 5000", Some(10), false);
        check("206 Partial Content\nContent-Length: 10\nContent-Range: bytes 1-10/5000", Some(10), false);
    }

    /// A server that reads one request and answers with these bytes.
    async fn told(answer: Vec<u8>) -> Result<u64, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serve = async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_buf(&mut Vec::with_capacity(4096)).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        };
        let watch = async {
            let scratch = scratch();
            let mut viewer = Viewer::connect(address, FILM, Wire::default()).await?;
            let mut seen = viewer.ask("/film", None, &scratch).await?;
            while viewer.left() > 0 {
                seen += viewer.read(&scratch, 1000).await?;
            }
            Ok(seen)
        };
        tokio::join!(serve, watch).1
    }

    #[tokio::test]
    async fn a_viewer_sees_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("film");
        FILM.write(&path).unwrap();
        let film = std::fs::read(&path).unwrap();
        let answer = |film: &[u8]| [b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n", film].concat();
        assert_eq!(told(answer(&film)).await, Ok(5000));
        let short = told(answer(&film[..4000])).await.unwrap_err();
        assert!(short.contains("cut the film short at byte 4000 of 5000"), "{short}");
        let shifted = [&film[..1000], &film[1008..], &film[..8]].concat();
        assert!(told(answer(&shifted)).await.unwrap_err().contains("other bytes"));
        assert!(told(b"HTTP/1.1 503 No\r\n\r\n".to_vec()).await.unwrap_err().contains("not with the film"));
    }
}
