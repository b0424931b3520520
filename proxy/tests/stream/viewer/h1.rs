//! HTTP/1.1 on a plain socket.

use std::fmt::Write;
use std::io::ErrorKind;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Ask, End, Head};

const READ_BYTES: usize = 64 << 10;
const HEAD_END: &[u8] = b"\r\n\r\n";

pub(crate) struct Connection {
    stream: TcpStream,
    /// Read, but not taken yet.
    rest: BytesMut,
}

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self { stream, rest: BytesMut::new() }
    }

    pub(super) async fn ask(mut self, ask: &Ask) -> Option<(Head, super::Body)> {
        let mut request = format!("{} {} HTTP/1.1\r\nhost: films.example\r\n", ask.method, ask.path);
        for (name, value) in &ask.headers {
            let _ = write!(request, "{name}: {value}\r\n");
        }
        request.push_str("\r\n");
        self.stream.write_all(request.as_bytes()).await.ok()?;
        let head = self.head().await?;
        assert_eq!(head.header("transfer-encoding"), None, "a film's length is known");
        let length = head.header("content-length").map_or(0, |length| length.parse().expect("a number"));
        let has_body = ask.method != "HEAD" && !matches!(head.status, 204 | 304);
        let body = Body { connection: self, left: if has_body { length } else { 0 } };
        Some((head, super::Body::H1(body)))
    }

    async fn head(&mut self) -> Option<Head> {
        let end = loop {
            if let Some(at) = self.rest.windows(HEAD_END.len()).position(|window| window == HEAD_END) {
                break at + HEAD_END.len();
            }
            if !self.fill().await {
                assert!(self.rest.is_empty(), "half a head: {:?}", self.rest);
                return None;
            }
        };
        let head = self.rest.split_to(end);
        let mut lines = std::str::from_utf8(&head).expect("an ASCII head").split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().expect("a status");
        let fields = lines.filter_map(|line| line.split_once(": "));
        let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
        Some(Head { status, fields })
    }

    /// Reads what has come; false: the connection is at its end.
    async fn fill(&mut self) -> bool {
        self.rest.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.rest).await {
            Ok(read) => read > 0,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("{error}"),
        }
    }
}

pub(crate) struct Body {
    connection: Connection,
    /// Promised and not taken.
    left: u64,
}

impl Body {
    pub(super) async fn piece(&mut self, most: usize) -> Result<Bytes, End> {
        let rest = &mut self.connection.rest;
        if self.left == 0 {
            assert!(rest.is_empty(), "bytes behind the promised ones: {rest:?}");
            return Err(End::Whole);
        }
        if rest.is_empty() && !self.connection.fill().await {
            return Err(End::Cut);
        }
        let rest = &mut self.connection.rest;
        let most = rest.len().min(most).min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let piece = rest.split_to(most).freeze();
        self.left -= piece.len() as u64;
        Ok(piece)
    }

    pub(super) fn again(self) -> Connection {
        assert_eq!(self.left, 0, "the body was not read");
        self.connection
    }
}
