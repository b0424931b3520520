//! The one place where time is read: a steady clock for durations, and the calendar for signatures and reports.
//!
//! Decisions get their time as an argument; only tasks and handlers hold a [`Clock`].

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// A gate's clock, started once and copied to whoever needs it.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// Milliseconds since the start, counted from 1, so that 0 can mean "never". Never goes back.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.at_ms(Instant::now())
    }

    /// The same of a moment that was taken already.
    #[must_use]
    pub fn at_ms(&self, moment: Instant) -> u64 {
        millis(moment.saturating_duration_since(self.started)).saturating_add(1)
    }

    /// Unix time in milliseconds; it jumps when somebody sets the machine's clock. Before 1970 it is 0.
    #[must_use]
    pub fn unix_ms(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, millis)
    }
}

/// Whole milliseconds of a duration, saturating.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A moment in Unix milliseconds as RFC 3339 in UTC, with a fraction only where there is one. Beyond the year 9999
/// it is the calendar's last moment.
#[must_use]
pub fn rfc3339(unix_ms: u64) -> String {
    let moment = i64::try_from(unix_ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    moment.unwrap_or(Timestamp::MAX).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steady_clock_starts_at_one_and_never_goes_back() {
        let clock = Clock::start();
        let mut last_ms = clock.now_ms();
        assert!(last_ms >= 1);
        for _ in 0..1000 {
            let now_ms = clock.now_ms();
            assert!(now_ms >= last_ms);
            last_ms = now_ms;
        }
    }

    #[test]
    fn durations_saturate() {
        let check = |duration: Duration, expected: u64| assert_eq!(millis(duration), expected);
        check(Duration::ZERO, 0);
        check(Duration::from_micros(1999), 1);
        check(Duration::from_secs(90), 90_000);
        check(Duration::MAX, u64::MAX);
    }

    #[test]
    fn moments_are_written_in_utc() {
        let check = |unix_ms: u64, expected: &str| assert_eq!(rfc3339(unix_ms), expected);
        check(0, "1970-01-01T00:00:00Z");
        check(1_795_435_200_000, "2026-11-23T12:00:00Z");
        check(1_795_435_200_250, "2026-11-23T12:00:00.25Z");
        check(u64::MAX, &Timestamp::MAX.to_string());
    }
}
