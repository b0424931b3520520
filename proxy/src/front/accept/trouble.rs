//! What to do when `accept` fails: how long to pause, and when to say so. Pure.
//!
//! A full file table does not empty by asking again, so the pauses grow; a connection that died in the queue is one
//! viewer's affair, so there is none. Only the first failure of a burst is worth a line.

use std::io;
use std::time::{Duration, Instant};

const PAUSE_MIN: Duration = Duration::from_millis(5);
const PAUSE_MAX: Duration = Duration::from_millis(500);
/// Bursts that follow each other this closely are one: a table at its limit fails and recovers many times a second.
const QUIET: Duration = Duration::from_secs(30);

/// The failures of one listener since it last did well.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    failures: u64,
    pause: Duration,
    burst: Burst,
    telling: bool,
}

/// A run of like events, of which only the first is told.
#[derive(Debug, Default)]
pub(super) struct Burst {
    told_at: Option<Instant>,
}

impl Burst {
    /// Whether the event begins a burst.
    pub(super) fn is_new(&mut self, now: Instant) -> bool {
        if self.told_at.is_some_and(|at| now.saturating_duration_since(at) < QUIET) {
            return false;
        }
        self.told_at = Some(now);
        true
    }
}

/// What the operator should hear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Say {
    Nothing,
    Failing,
    Over { failures: u64 },
}

impl Trouble {
    /// Takes a failure; returns how long to leave the listener alone.
    pub(super) fn failed(&mut self, error: &io::Error, now: Instant) -> (Duration, Say) {
        if is_of_one_connection(error) {
            return (Duration::ZERO, Say::Nothing);
        }
        self.failures += 1;
        self.pause = (self.pause * 2).clamp(PAUSE_MIN, PAUSE_MAX);
        if self.telling || !self.burst.is_new(now) {
            return (self.pause, Say::Nothing);
        }
        self.telling = true;
        (self.pause, Say::Failing)
    }

    /// Takes a success.
    pub(super) fn over(&mut self) -> Say {
        self.pause = Duration::ZERO;
        let failures = std::mem::take(&mut self.failures);
        if std::mem::take(&mut self.telling) { Say::Over { failures } } else { Say::Nothing }
    }
}

/// Errors of a connection that ended before it was taken; the listener is well.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, WouldBlock};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | WouldBlock)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL_TABLE: i32 = 24;
    const ABORTED: i32 = 103;

    fn failed(trouble: &mut Trouble, errno: i32, now: Instant) -> (u128, Say) {
        let (pause, say) = trouble.failed(&io::Error::from_raw_os_error(errno), now);
        (pause.as_millis(), say)
    }

    #[test]
    fn a_full_table_is_told_once_and_asked_ever_less_often() {
        let (mut trouble, now) = (Trouble::default(), Instant::now());
        let pauses: Vec<_> = (0..9).map(|_| failed(&mut trouble, FULL_TABLE, now)).collect();
        assert_eq!(pauses[0], (5, Say::Failing));
        assert_eq!(pauses[1..3], [(10, Say::Nothing), (20, Say::Nothing)]);
        assert_eq!(pauses[7..], [(500, Say::Nothing), (500, Say::Nothing)], "the pause has a bound");
        assert_eq!(trouble.over(), Say::Over { failures: 9 });
        assert_eq!(trouble.over(), Say::Nothing);
    }

    #[test]
    fn bursts_close_together_are_told_as_one() {
        let (mut trouble, now) = (Trouble::default(), Instant::now());
        assert_eq!(failed(&mut trouble, FULL_TABLE, now), (5, Say::Failing));
        assert_eq!(trouble.over(), Say::Over { failures: 1 });
        assert_eq!(
            failed(&mut trouble, FULL_TABLE, now + QUIET / 2),
            (5, Say::Nothing),
            "the pause starts anew"
        );
        assert_eq!(trouble.over(), Say::Nothing);
        assert_eq!(failed(&mut trouble, FULL_TABLE, now + QUIET), (5, Say::Failing));
    }

    #[test]
    fn a_connection_that_died_in_the_queue_is_no_trouble() {
        let (mut trouble, now) = (Trouble::default(), Instant::now());
        assert_eq!(failed(&mut trouble, ABORTED, now), (0, Say::Nothing));
        assert_eq!(trouble.over(), Say::Nothing);
    }
}
