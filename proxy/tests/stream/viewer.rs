//! Viewers that hide nothing: what they were told, which bytes came, and how the body ended.
//!
//! A viewer reads as its story wants it: at once, at a pace, not at all. Its socket takes little, so that back-pressure
//! reaches the gate soon.

mod h1;
mod h2;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpSocket, TcpStream};

use crate::gates::{AMSTERDAM, FILM, PATIENCE};
use crate::support::{Film, Stage};

/// What a viewer's kernel holds unread.
const RECEIVE_BUFFER_BYTES: u32 = 128 << 10;
/// A paced viewer reads so often.
const READS_PER_S: u64 = 20;

/// The protocol between viewer and gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaks {
    H1,
    H2,
}

pub(crate) const BOTH: [Speaks; 2] = [Speaks::H1, Speaks::H2];

/// Plays a story over both protocols at once: where one waits, the other goes on.
pub(crate) async fn over_both(story: impl AsyncFn(Speaks)) {
    tokio::join!(story(Speaks::H1), story(Speaks::H2));
}

/// A request before it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
}

impl Ask {
    /// GET of the film of all stories, from Amsterdam.
    pub(crate) fn film() -> Self {
        Self::path("GET", &format!("/watch/{FILM}"))
    }

    /// Any request, from Amsterdam.
    pub(crate) fn path(method: &'static str, path: &str) -> Self {
        Self { method, path: path.to_owned(), headers: vec![("x-forwarded-for", AMSTERDAM.to_owned())] }
    }

    /// From elsewhere.
    pub(crate) fn from(mut self, viewer: &str) -> Self {
        viewer.clone_into(&mut self.headers[0].1);
        self
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn range(self, range: &str) -> Self {
        self.with("range", range)
    }

    pub(crate) fn head(self) -> Self {
        Self { method: "HEAD", ..self }
    }
}

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// As long as promised, and properly ended.
    Whole,
    /// Short of the promise: the connection was closed or reset, or the stream was reset.
    Cut,
}

/// A connection on which nothing is asked.
pub(crate) enum Viewer {
    H1(h1::Connection),
    H2(h2::Connection),
}

impl Viewer {
    pub(crate) async fn connect(speaks: Speaks, stage: &Stage) -> Self {
        match speaks {
            Speaks::H1 => Self::H1(h1::Connection::new(connected(stage.gate.addr).await)),
            Speaks::H2 => Self::H2(h2::Connection::new(connected(stage.h2_addr().await).await).await),
        }
    }

    /// Asks, and reads the head of the answer.
    pub(crate) async fn ask(self, ask: &Ask) -> Answer {
        self.tell(ask).await.expect("an answer")
    }

    /// As [`Viewer::ask`]; nothing: the connection ended without an answer.
    pub(crate) async fn tell(self, ask: &Ask) -> Option<Answer> {
        let told = async {
            Some(match self {
                Self::H1(connection) => connection.ask(ask).await?,
                Self::H2(connection) => connection.ask(ask).await?,
            })
        };
        let (head, body) = tokio::time::timeout(PATIENCE, told).await.expect("an answer in time")?;
        let promised = head.header("content-length").map(|length| length.parse().expect("a number"));
        Some(Answer { head, promised, body, bytes: 0, film: None, wrong: None })
    }
}

async fn connected(addr: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES).expect("an open socket");
    let stream = socket.connect(addr).await.expect("a connection");
    stream.set_nodelay(true).expect("an open socket");
    stream
}

/// Status and fields, names in lower case.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(String, String)>,
}

impl Head {
    /// The field's value if there is one line of it, or its lines joined.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        let lines: Vec<&str> =
            self.fields.iter().filter(|(have, _)| have == name).map(|(_, value)| value.as_str()).collect();
        (!lines.is_empty()).then(|| lines.join(", "))
    }
}

enum Body {
    H1(h1::Body),
    H2(h2::Body),
}

/// The right bytes of a film.
pub(crate) enum Footage {
    Generated(Film),
    Bytes(Bytes),
}

impl From<Film> for Footage {
    fn from(film: Film) -> Self {
        Self::Generated(film)
    }
}

impl From<Bytes> for Footage {
    fn from(bytes: Bytes) -> Self {
        Self::Bytes(bytes)
    }
}

impl Footage {
    /// The film's offset of the first byte in `got` that is not the film's; `got` starts at `offset`.
    fn first_wrong_byte(&self, offset: u64, got: &[u8]) -> Option<u64> {
        match self {
            Self::Generated(film) => watchgate_node::first_wrong_byte(film.seed, offset, got),
            Self::Bytes(bytes) => {
                let start = usize::try_from(offset).expect("a film in memory");
                let want = bytes.get(start..).unwrap_or_default();
                // At once, because it is much to compare and nearly always right.
                if want.starts_with(got) {
                    return None;
                }
                let right = want.iter().zip(got).take_while(|(want, got)| want == got).count();
                Some(offset + right as u64)
            }
        }
    }
}

/// An answer whose body is read as the story wants it. To drop it is to leave.
pub(crate) struct Answer {
    pub(crate) head: Head,
    /// `Content-Length`.
    pub(crate) promised: Option<u64>,
    body: Body,
    /// Bytes of the body read so far.
    pub(crate) bytes: u64,
    /// What the bytes are compared with, and where the first of them stands in it.
    film: Option<(Footage, u64)>,
    wrong: Option<u64>,
}

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.head.status
    }

    pub(crate) fn header(&self, name: &str) -> String {
        self.head.header(name).unwrap_or_default()
    }

    /// From now on every byte is compared with the film's; the first one read is the film's at `offset`.
    pub(crate) fn shows(mut self, film: impl Into<Footage>, offset: u64) -> Self {
        self.film = Some((film.into(), offset));
        self
    }

    /// The next bytes as they come, or how the body ended.
    async fn piece(&mut self, most: usize) -> Result<Bytes, End> {
        let piece = match &mut self.body {
            Body::H1(body) => body.piece(most).await,
            Body::H2(body) => body.piece(most).await,
        }?;
        if let Some((film, offset)) = &self.film
            && self.wrong.is_none()
        {
            self.wrong = film.first_wrong_byte(offset + self.bytes, &piece);
        }
        self.bytes += piece.len() as u64;
        Ok(piece)
    }

    /// Reads until so many bytes have come in total; true: they have, false: the body ended before.
    pub(crate) async fn until(&mut self, bytes: u64) -> bool {
        let reading = async {
            while self.bytes < bytes {
                let most = usize::try_from(bytes - self.bytes).unwrap_or(usize::MAX);
                if self.piece(most).await.is_err() {
                    return false;
                }
            }
            true
        };
        let in_time = tokio::time::timeout(PATIENCE, reading).await.expect("the bytes in time");
        self.check();
        in_time
    }

    /// Reads at a pace until so many bytes have come in total, or the body ended.
    pub(crate) async fn paced(&mut self, bytes_per_s: u64, bytes: u64) {
        let mut ticks = tokio::time::interval(Duration::from_secs(1).div_f64(READS_PER_S as f64));
        while self.bytes < bytes {
            ticks.tick().await;
            let next = bytes.min(self.bytes + bytes_per_s / READS_PER_S);
            if !self.until(next).await {
                break;
            }
        }
    }

    /// Reads nothing for so long: a pause is what is tried, not waited for.
    pub(crate) async fn pause(&mut self, length: Duration) {
        tokio::time::sleep(length).await;
    }

    /// Reads to the end.
    pub(crate) async fn end(&mut self) -> End {
        let reading = async {
            loop {
                if let Err(end) = self.piece(usize::MAX).await {
                    return end;
                }
            }
        };
        let end = tokio::time::timeout(PATIENCE, reading).await.expect("the end in time");
        self.check();
        end
    }

    /// Reads all of it as text.
    pub(crate) async fn text(&mut self) -> String {
        let mut text = Vec::new();
        let reading = async {
            loop {
                match self.piece(usize::MAX).await {
                    Ok(piece) => text.extend_from_slice(&piece),
                    Err(end) => break end,
                }
            }
        };
        let end = tokio::time::timeout(PATIENCE, reading).await.expect("the text in time");
        assert_eq!(end, End::Whole);
        String::from_utf8(text).expect("text")
    }

    fn check(&self) {
        assert_eq!(self.wrong, None, "the film's offset of the first wrong byte, {} bytes read", self.bytes);
    }

    /// The connection, for the next request; over HTTP/1.1 the body must have been read.
    pub(crate) fn again(self) -> Viewer {
        match self.body {
            Body::H1(body) => Viewer::H1(body.again()),
            Body::H2(body) => Viewer::H2(body.again()),
        }
    }
}
