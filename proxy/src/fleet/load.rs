//! How many requests a node serves now, as well as one gate can know.
//!
//! The node's own word is true across all gates and for redirected viewers, but old by the time it is used: what
//! began since is added to it. A node that gives no word is taken to serve our own streams and a decaying count of
//! redirects. Atomics alone: no lock, and nothing here waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::Live;

/// Marks an unknown figure in an atomic.
const UNKNOWN: u32 = u32::MAX;

/// In how many milliseconds half of the viewers that were sent to a node count as gone, if the node does not say how
/// many it serves. Players fetch a film in many requests; a minute without a new one is a viewer who left.
const HALF_LIFE_MS: f64 = 60_000.0;
/// Counts are whole: decay in steps that take a tenth, not in many that each cut off a fraction.
const DECAY_STEP_MS: u64 = 10_000;

/// What part (0..=1) of the viewers sent to a node that says nothing of its load counts as gone, so many milliseconds
/// after the last such step; `None`: it is too early for the next one.
#[must_use]
pub fn decay_after(passed_ms: u64) -> Option<f64> {
    (passed_ms >= DECAY_STEP_MS).then(|| 1.0 - 0.5_f64.powf(passed_ms as f64 / HALF_LIFE_MS))
}

/// See the module.
#[derive(Debug)]
pub(super) struct Load {
    /// Requests in flight by the node's own word, [`UNKNOWN`] if it gives none.
    in_flight: AtomicU32,
    /// Viewers redirected there: since the node's word, or decaying where it gives none.
    sent: AtomicU32,
    /// Our streams that run there.
    running: AtomicU32,
    /// How many words were heard (upper half), and how many of the running streams began since the last one (lower
    /// half). In one atomic, so that a stream leaves the count that it entered, and no other.
    fresh: AtomicU64,
}

impl Load {
    pub(super) fn unknown() -> Self {
        Self {
            in_flight: AtomicU32::new(UNKNOWN),
            sent: AtomicU32::new(0),
            running: AtomicU32::new(0),
            fresh: AtomicU64::new(0),
        }
    }

    pub(super) fn viewers(&self) -> u32 {
        let sent = self.sent.load(Ordering::Relaxed);
        match self.in_flight.load(Ordering::Relaxed) {
            UNKNOWN => sent.saturating_add(self.running.load(Ordering::Relaxed)),
            in_flight => {
                let fresh = halves(self.fresh.load(Ordering::Relaxed)).1;
                in_flight.saturating_add(sent).saturating_add(fresh)
            }
        }
    }

    pub(super) fn count_sent(&self) {
        self.sent.fetch_add(1, Ordering::Relaxed);
    }

    /// The node's word: it covers all that began before.
    pub(super) fn heard(&self, in_flight: u32) {
        self.in_flight.store(in_flight.min(UNKNOWN - 1), Ordering::Relaxed);
        self.sent.store(0, Ordering::Relaxed);
        let next = |fresh| Some(whole(halves(fresh).0.wrapping_add(1), 0));
        let _ = self.fresh.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }

    /// The node gives no word; of the redirects counted, `decay` (0..=1) count no longer.
    pub(super) fn unheard(&self, decay: f64) {
        self.in_flight.store(UNKNOWN, Ordering::Relaxed);
        let kept = 1.0 - decay.clamp(0.0, 1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a part of a u32 is a u32"
        )]
        let keep = |sent: u32| (f64::from(sent) * kept) as u32;
        let _ = self.sent.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |sent| Some(keep(sent)));
    }

    /// A stream begins; says how many words were heard before it.
    fn begins(&self) -> u32 {
        self.running.fetch_add(1, Ordering::Relaxed);
        // The lower half does not run over: there are not so many streams.
        halves(self.fresh.fetch_add(1, Ordering::Relaxed)).0
    }

    /// A stream that began after so many words ends. If there was another word since, it is part of that.
    fn ends(&self, began_after: u32) {
        self.running.fetch_sub(1, Ordering::Relaxed);
        let _ = self.fresh.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |fresh| {
            let (words, streams) = halves(fresh);
            (words == began_after && streams > 0).then(|| whole(words, streams - 1))
        });
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the halves of a u64")]
fn halves(whole: u64) -> (u32, u32) {
    ((whole >> 32) as u32, whole as u32)
}

fn whole(upper: u32, lower: u32) -> u64 {
    u64::from(upper) << 32 | u64::from(lower)
}

/// One stream in flight on a node, until it is dropped.
#[derive(Debug)]
#[must_use = "it counts only while it is kept"]
pub struct Streaming {
    live: Arc<Live>,
    began_after: u32,
}

impl Streaming {
    pub(super) fn begin(live: &Arc<Live>) -> Self {
        live.metrics.streams.inc();
        Self { began_after: live.load.begins(), live: Arc::clone(live) }
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        self.live.load.ends(self.began_after);
        self.live.metrics.streams.dec();
    }
}

#[cfg(test)]
mod tests;
