//! The body of one answer of one node, read in large pieces straight from the connection.
//!
//! What streaming costs is wake-ups, not copies: a read takes all there is, up to what the viewer's pace allows. A
//! body that was read to its end gives its connection back; dropped before, it closes it.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{BufMut, Bytes};
use pingora::connectors::TransportConnector;
use pingora::protocols::Stream;
use tokio::io::AsyncReadExt;

use super::buffer::{Buffers, Chunk};

/// How long an unused connection to a node is kept: less than the 30 s after which `MinIO` closes it.
pub(super) const IDLE: Duration = Duration::from_secs(20);

/// See the module.
#[derive(Debug)]
pub(super) struct Body {
    stream: Stream,
    early: Bytes,
    left: u64,
    /// The pool's key, if the connection may be used again.
    reuse: Option<u64>,
}

impl Body {
    pub(super) fn new(stream: Stream, early: Bytes, length: u64, reuse: Option<u64>) -> Self {
        Self { stream, early, left: length, reuse }
    }

    /// Bytes that are still to come.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// No more than `length` bytes are wanted: what follows is not read, and the connection not used again.
    pub(super) fn limit(&mut self, length: u64) {
        if length < self.left {
            self.left = length;
            self.reuse = None;
        }
    }

    /// Reads what there is, at least one byte and at most `most`. No buffer is held while nothing is there, and nothing
    /// is lost if this is dropped.
    ///
    /// # Errors
    /// The connection failed, or ended before the body did.
    pub(super) async fn read(&mut self, buffers: &Buffers, most: usize) -> io::Result<Chunk> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(most);
        let chunk = if self.early.is_empty() {
            poll_fn(|cx| self.fill(cx, buffers, most)).await?
        } else {
            let mut chunk = buffers.chunk();
            chunk.room().extend_from_slice(&self.early.split_to(most.min(self.early.len())));
            chunk
        };
        self.left -= chunk.rest().len() as u64;
        Ok(chunk)
    }

    /// Reads until the piece is full or nothing more is there. Over TLS a read gives one record of 16 KiB.
    fn fill(&mut self, cx: &mut Context<'_>, buffers: &Buffers, most: usize) -> Poll<io::Result<Chunk>> {
        let mut chunk = buffers.chunk();
        loop {
            let read = chunk.rest().len();
            if read == most {
                return Poll::Ready(Ok(chunk));
            }
            let mut room = chunk.room().limit(most - read);
            match pin!(self.stream.read_buf(&mut room)).poll(cx) {
                Poll::Ready(Ok(1..)) => {}
                // What came before an end or an error is the viewer's; the next read meets it again.
                _ if read > 0 => return Poll::Ready(Ok(chunk)),
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into())),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Gives the connection back, if the body was read to its end.
    pub(super) fn release(self, connector: &TransportConnector) {
        if let Some(key) = self.reuse.filter(|_| self.left == 0) {
            connector.release_stream(self.stream, key, Some(IDLE));
        }
    }
}
