//! One request on a connection of its own, and the bytes of its answer.
//!
//! Plain HTTP/1.1. Absent on purpose: what the answer means, and pace.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::viewer::field;

/// A viewer's receive buffer: what lies in it a fault cannot touch.
const RECEIVE_BUFFER: u32 = 64 << 10;
/// A head, or the body of a refusal, is no longer.
const TEXT_MAX: usize = 64 << 10;

/// An answer whose head has been read.
#[derive(Debug)]
pub(super) struct Answer {
    stream: TcpStream,
    pub(super) status: u16,
    head: String,
    /// Bytes of the body that came with the head.
    early: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// No connection, or it ended.
    Broken(String),
    /// Nothing came for as long as was to be waited.
    Late,
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}

impl Answer {
    /// Asks. `more`: further header lines, each with its end.
    pub(super) async fn of(
        to: SocketAddr,
        host: &str,
        path: &str,
        more: &str,
        patience: Duration,
    ) -> Result<Self, Failed> {
        let ask = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: VLC/3.0.21 LibVLC/3.0.21\r\nAccept: */*\r\n\
             Connection: close\r\n{more}\r\n"
        );
        let exchange = async {
            let socket = TcpSocket::new_v4()?;
            socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
            let mut stream = socket.connect(to).await?;
            stream.write_all(ask.as_bytes()).await?;
            let mut head = Vec::with_capacity(4096);
            let end = loop {
                if stream.read_buf(&mut head).await? == 0 {
                    return Err(Failed::Broken("closed the connection instead of answering".to_owned()));
                }
                if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
                    break end + 4;
                }
                if head.len() > TEXT_MAX {
                    return Err(Failed::Broken("answers with a head without an end".to_owned()));
                }
            };
            let early = head.split_off(end);
            let head = String::from_utf8_lossy(&head).into_owned();
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
            let status = status.ok_or_else(|| Failed::Broken("answers without a status".to_owned()))?;
            Ok(Self { stream, status, head, early })
        };
        timeout(patience, exchange).await.unwrap_or(Err(Failed::Late))
    }

    /// The value of a header field.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }

    /// Length of the body and of the whole film, where the answer is bytes `from` and all that follow. `Err`: what else.
    pub(super) fn promised(&self, from: Option<u64>) -> Result<(u64, u64), String> {
        let length = self.field("content-length").and_then(|length| length.parse::<u64>().ok());
        let Some(length) = length.filter(|_| self.field("transfer-encoding").is_none()) else {
            return Err("the answer does not say how long it is".to_owned());
        };
        let Some(from) = from else { return Ok((length, length)) };
        let whole = from + length;
        let range = format!("bytes {from}-{}/{whole}", whole.saturating_sub(1));
        match self.field("content-range") {
            Some(got) if got == range => Ok((length, whole)),
            got => Err(format!("Content-Range {got:?} in place of {range}")),
        }
    }

    /// Reads what is there of the body. 0: the connection has ended.
    pub(super) async fn read(&mut self, buffer: &mut [u8], patience: Duration) -> Result<usize, Failed> {
        if !self.early.is_empty() {
            let now = self.early.len().min(buffer.len());
            buffer[..now].copy_from_slice(&self.early[..now]);
            self.early.drain(..now);
            return Ok(now);
        }
        Ok(timeout(patience, self.stream.read(buffer)).await.map_err(|_| Failed::Late)??)
    }

    /// A short body as text.
    pub(super) async fn text(mut self, patience: Duration) -> String {
        let mut text = std::mem::take(&mut self.early);
        let rest = self.stream.take(TEXT_MAX as u64);
        // What came until then is looked at, whatever ends it.
        let _ = timeout(patience, { rest }.read_to_end(&mut text)).await;
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Head lines as they came.
    pub(super) fn head(&self) -> &str {
        &self.head
    }
}
