//! Buffers for what is on its way from a node to a viewer, shared by all films of a gate.
//!
//! A buffer is large, because large reads are what makes streaming cheap, and is in use only from the moment at which
//! there is something to read until the viewer's connection has taken it. Whoever waits holds none, but for a rest
//! that the viewer's connection did not take, in a buffer of its size.

use std::fmt;
use std::sync::Arc;

use bytes::{Buf, BytesMut};
use crossbeam_queue::ArrayQueue;

use crate::decide::pace::READ_FAST;

/// Buffers that are kept for the next read: 8 MiB. More may be in use at a time, and are freed then.
const KEPT: usize = 8;
/// A rest up to here moves into a buffer of its size while the viewer is waited for; a larger one hardly needs less room.
const SMALL: usize = 256 << 10;

/// See the module.
#[derive(Clone)]
pub(super) struct Buffers(Arc<ArrayQueue<BytesMut>>);

/// What was read and has not been handed on yet.
pub(super) struct Chunk {
    bytes: BytesMut,
    home: Buffers,
}

impl Buffers {
    pub(super) fn new() -> Self {
        Self(Arc::new(ArrayQueue::new(KEPT)))
    }

    /// An empty chunk with room for [`READ_FAST`] bytes.
    pub(super) fn chunk(&self) -> Chunk {
        let bytes = self.0.pop().unwrap_or_else(|| BytesMut::with_capacity(READ_FAST));
        Chunk { bytes, home: self.clone() }
    }
}

impl Chunk {
    /// To read into, as long as nothing was taken.
    pub(super) fn room(&mut self) -> &mut BytesMut {
        &mut self.bytes
    }

    /// What is left of it.
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes
    }

    /// The first `count` bytes are handed on.
    pub(super) fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }

    /// Before a wait: a small rest gives the large buffer back.
    pub(super) fn settle(&mut self) {
        if self.bytes.len() <= SMALL {
            let rest = BytesMut::from(&self.bytes[..]);
            self.give_back(rest);
        }
    }

    /// Forgets what is left.
    pub(super) fn clear(&mut self) {
        self.give_back(BytesMut::new());
    }

    fn give_back(&mut self, instead: BytesMut) {
        let mut bytes = std::mem::replace(&mut self.bytes, instead);
        bytes.clear();
        // What was taken from the front comes back into reach: nobody else holds a part of it.
        if bytes.try_reclaim(READ_FAST) {
            // A full store frees it.
            let _ = self.home.0.push(bytes);
        }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.clear();
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk").field("rest", &self.bytes.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers").field("kept", &self.0.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_whole_and_empty() {
        let buffers = Buffers::new();
        let mut chunk = buffers.chunk();
        chunk.room().extend_from_slice(&vec![7; READ_FAST]);
        let place = chunk.rest().as_ptr();
        chunk.advance(READ_FAST - 1);
        drop(chunk);
        let mut chunk = buffers.chunk();
        assert_eq!((chunk.rest().len(), chunk.room().capacity()), (0, READ_FAST));
        chunk.room().extend_from_slice(b"x");
        assert_eq!(chunk.rest().as_ptr(), place, "the same memory");
    }

    #[test]
    fn a_small_rest_moves_out_and_keeps_its_bytes() {
        let buffers = Buffers::new();
        let mut chunk = buffers.chunk();
        chunk.room().extend_from_slice(&vec![1; READ_FAST]);
        chunk.advance(READ_FAST - SMALL - 1);
        chunk.settle();
        assert_eq!(buffers.0.len(), 0, "too large to move");
        chunk.advance(1);
        chunk.settle();
        assert_eq!((buffers.0.len(), chunk.rest()), (1, &vec![1; SMALL][..]));
        chunk.clear();
        assert_eq!((buffers.0.len(), chunk.rest().len()), (1, 0), "its own small buffer is freed");
    }

    #[test]
    fn no_more_buffers_are_kept_than_the_store_holds() {
        let buffers = Buffers::new();
        let chunks: Vec<Chunk> = (0..KEPT + 9).map(|_| buffers.chunk()).collect();
        drop(chunks);
        assert_eq!(buffers.0.len(), KEPT);
    }
}
