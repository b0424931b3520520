//! The body of one answer of one node, read in large pieces straight from the connection.
//!
//! What streaming costs is wake-ups, not copies: a read takes all there is, up to what the viewer's pace allows. A
//! body that was read to its end gives its connection back; dropped before, it closes it.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use pingora::connectors::TransportConnector;
use pingora::protocols::Stream;
use tokio::io::AsyncReadExt;

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

    /// Reads what there is, at least one byte and at most `most`, using `buffer` and leaving it for the next read.
    /// Nothing is lost if this is dropped.
    ///
    /// # Errors
    /// The connection failed, or ended before the body did.
    pub(super) async fn read(&mut self, buffer: &mut BytesMut, most: usize) -> io::Result<Bytes> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(most);
        let bytes = if self.early.is_empty() {
            if buffer.capacity() > 2 * most {
                // What a viewer at speed needed is too much for one who is not.
                *buffer = BytesMut::new();
            }
            buffer.reserve(most);
            poll_fn(|cx| self.fill(cx, buffer, most)).await?;
            buffer.split().freeze()
        } else {
            self.early.split_to(most.min(self.early.len()))
        };
        self.left -= bytes.len() as u64;
        Ok(bytes)
    }

    /// Reads until the piece is full or nothing more is there. Over TLS a read gives one record of 16 KiB.
    fn fill(&mut self, cx: &mut Context<'_>, buffer: &mut BytesMut, most: usize) -> Poll<io::Result<()>> {
        while buffer.len() < most {
            let room = most - buffer.len();
            let mut piece = (&mut *buffer).limit(room);
            let read = pin!(self.stream.read_buf(&mut piece)).poll(cx);
            match read {
                Poll::Pending if buffer.is_empty() => return Poll::Pending,
                Poll::Ready(Err(error)) if buffer.is_empty() => return Poll::Ready(Err(error)),
                // What came before an end or an error is the viewer's; the next read meets it again.
                Poll::Pending | Poll::Ready(Err(_) | Ok(0)) => break,
                Poll::Ready(Ok(_)) => {}
            }
        }
        if buffer.is_empty() {
            Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()))
        } else {
            Poll::Ready(Ok(()))
        }
    }

    /// Gives the connection back, if the body was read to its end.
    pub(super) fn release(self, connector: &TransportConnector) {
        if let Some(key) = self.reuse.filter(|_| self.left == 0) {
            connector.release_stream(self.stream, key, Some(IDLE));
        }
    }
}
