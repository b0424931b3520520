//! The body of one answer: a part of a film, at a pace, to the planned end.
//!
//! A body that ends early by plan never ends for hyper: it goes silent and leaves
//! the order to cut in the connection's script, so that the promise of
//! `Content-Length` stays as made.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep};

use crate::content::Content;
use crate::faults::{BodyFaults, Cut};
use crate::inner::Call;
use crate::wire::Script;

const PIECE_BYTES_MAX: u64 = 64 << 10;
/// A paced body says something so often.
const PACED_PIECES_PER_S: u64 = 20;
/// So late may a paced body be and still catch up; more would be a burst.
const LATE_MAX: Duration = Duration::from_millis(100);

pub(crate) struct NodeBody {
    content: Content,
    offset: u64,
    /// Promised bytes not yet given.
    left: u64,
    sent: u64,
    silent_at: Option<u64>,
    cut_at: Option<(u64, Cut)>,
    long_by: u64,
    bytes_per_s: Option<u64>,
    due: Instant,
    wait: Option<Pin<Box<Sleep>>>,
    script: Arc<Script>,
    call: Call,
}

impl NodeBody {
    pub(crate) fn new(
        content: Content,
        offset: u64,
        length: u64,
        faults: BodyFaults,
        script: Arc<Script>,
        call: Call,
    ) -> Self {
        let short = (faults.short_by > 0).then(|| (length.saturating_sub(faults.short_by), Cut::Close));
        Self {
            content,
            offset,
            left: length,
            sent: 0,
            silent_at: faults.stall_after,
            cut_at: faults.cut_after.or(short),
            long_by: faults.long_by,
            bytes_per_s: faults.bytes_per_s,
            due: Instant::now(),
            wait: None,
            script,
            call,
        }
    }

    /// The slower of the fault's and the node's pace.
    fn pace(&self) -> Option<u64> {
        match (self.bytes_per_s, self.call.bandwidth()) {
            (Some(drip), Some(bandwidth)) => Some(drip.min(bandwidth)),
            (drip, bandwidth) => drip.or(bandwidth),
        }
    }

    /// Gives the next piece and plans when the one after it is due.
    fn take_piece(&mut self, now: Instant) -> Bytes {
        let mut most = PIECE_BYTES_MAX.min(self.left);
        for end in [self.silent_at, self.cut_at.map(|(end, _)| end)].into_iter().flatten() {
            // Polled only while `sent` is short of both ends.
            most = most.min(end.saturating_sub(self.sent));
        }
        if let Some(bytes_per_s) = self.pace() {
            most = most.min((bytes_per_s / PACED_PIECES_PER_S).max(1));
            // Below 64 KiB, as every piece: exact in a double.
            let piece_s = most as f64 / bytes_per_s as f64;
            let earliest = now.checked_sub(LATE_MAX).unwrap_or(now);
            self.due = self.due.max(earliest) + Duration::from_secs_f64(piece_s);
            self.wait = (self.due > now).then(|| Box::pin(tokio::time::sleep_until(self.due)));
        }
        // At most 64 KiB, so it fits.
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let piece = self.content.piece(self.offset, most);
        let length = piece.len() as u64;
        self.offset += length;
        self.left -= length.min(self.left);
        self.sent += length;
        self.call.sent(length);
        if self.left == 0 && self.long_by > 0 {
            self.script.say_after(self.long_by);
        }
        piece
    }
}

impl Body for NodeBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = &mut *self;
        if this.left == 0 {
            return Poll::Ready(None);
        }
        if let Some((_, cut)) = this.cut_at.filter(|(end, _)| this.sent >= *end) {
            this.script.cut(cut);
            return Poll::Pending;
        }
        if this.silent_at.is_some_and(|end| this.sent >= end) {
            return Poll::Pending;
        }
        if let Some(wait) = &mut this.wait {
            std::task::ready!(wait.as_mut().poll(cx));
            this.wait = None;
        }
        Poll::Ready(Some(Ok(Frame::data(this.take_piece(Instant::now())))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
