//! Whether the database answers, and when that is worth a line in the log. Time comes in as an argument.
//!
//! During an outage films that were known are served at once, however old, and one of them a second is asked about, to
//! see whether it is over.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::memory::claims;

/// From one try to the next, of all films together.
const TRY_PAUSE_MS: u64 = 1_000;
/// A database that comes and goes is told of this often.
const TELL_PAUSE_MS: u64 = 10_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Outage {
    on: AtomicBool,
    told: AtomicBool,
    try_ms: AtomicU64,
    tell_ms: AtomicU64,
}

impl Outage {
    pub(super) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    /// A question failed. Says whether to tell of it.
    pub(super) fn begins(&self, now_ms: u64) -> bool {
        self.on.store(true, Ordering::Relaxed);
        !self.told.load(Ordering::Relaxed)
            && claims(&self.tell_ms, now_ms, TELL_PAUSE_MS)
            && !self.told.swap(true, Ordering::Relaxed)
    }

    /// A question was answered. Says whether to tell that the outage is over.
    pub(super) fn ends(&self) -> bool {
        self.is_on() && self.on.swap(false, Ordering::Relaxed) && self.told.swap(false, Ordering::Relaxed)
    }

    /// Whether the caller is the one who tries.
    pub(super) fn claims_try(&self, now_ms: u64) -> bool {
        claims(&self.try_ms, now_ms, TRY_PAUSE_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_once_and_so_is_its_end() {
        let outage = Outage::default();
        assert!(!outage.is_on() && !outage.ends());
        assert!(outage.begins(1_000) && outage.is_on());
        assert!(!outage.begins(1_000) && !outage.begins(100_000));
        assert!(outage.ends() && !outage.is_on());
        assert!(!outage.ends());
    }

    #[test]
    fn a_database_that_comes_and_goes_does_not_fill_the_log() {
        let outage = Outage::default();
        assert!(outage.begins(1_000) && outage.ends());
        assert!(!outage.begins(2_000), "too soon after the last line");
        assert!(!outage.ends(), "its beginning was not told");
        assert!(!outage.begins(10_999));
        assert!(outage.begins(11_000), "it stays away: now it is told");
        assert!(outage.ends());
    }

    #[test]
    fn one_film_a_second_tries() {
        let outage = Outage::default();
        assert!(outage.claims_try(5_000) && !outage.claims_try(5_000) && !outage.claims_try(5_999));
        assert!(outage.claims_try(6_000));
    }
}
