//! When requests are due, and who sends the next one: an open loop.
//!
//! A request is due by the schedule, whether the ones before it are answered or not; one that finds no connection free
//! is sent late, and the waiting is part of its time. Absent on purpose: anything that is sent.

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::sync::{Notify, Semaphore};

use crate::Failure;

/// So many a second, evenly spread, the first one at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    pub(crate) begun: Instant,
    /// A second; at least 1.
    pub(crate) rate: u32,
    /// In all.
    pub(crate) total: u64,
}

impl Schedule {
    /// When the one with this number is due, counted from 0.
    pub(crate) fn at(&self, number: u64) -> Instant {
        let rate = u64::from(self.rate);
        let part_ns = number % rate * 1_000_000_000 / rate;
        self.begun + Duration::from_secs(number / rate) + Duration::from_nanos(part_ns)
    }

    /// How many have become due by now.
    fn due(&self, now: Instant) -> u64 {
        let elapsed_ns = now.saturating_duration_since(self.begun).as_nanos();
        // What is due within this nanosecond is due.
        let whole = ((elapsed_ns + 1) * u128::from(self.rate)).div_ceil(1_000_000_000);
        u64::try_from(whole).unwrap_or(u64::MAX).min(self.total)
    }
}

/// Hands out what is due, in order, to whoever is free.
#[derive(Debug)]
pub(crate) struct Tickets {
    schedule: Schedule,
    /// A permit for each one that is due and not taken, and one that ends the waiting once there are no more.
    ready: Semaphore,
    issued: Cell<u64>,
    taken: Cell<u64>,
    /// The first number that is not handed out any more.
    end: Cell<u64>,
}

/// What becomes of those that are due and not taken when there shall be no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Late {
    /// They are still sent.
    Sent,
    /// They are given up.
    GivenUp,
}

impl Tickets {
    pub(crate) fn new(schedule: Schedule) -> Self {
        Self {
            schedule,
            ready: Semaphore::new(0),
            issued: Cell::new(0),
            taken: Cell::new(0),
            end: Cell::new(schedule.total),
        }
    }

    /// Waits for the next one and says when it was due; `None`: there are no more.
    pub(crate) async fn next(&self) -> Option<Instant> {
        self.ready.acquire().await.ok()?.forget();
        let number = self.taken.get();
        if number >= self.end.get() {
            // The next one who waits is told, too.
            self.ready.add_permits(1);
            return None;
        }
        self.taken.set(number + 1);
        Some(self.schedule.at(number))
    }

    /// Makes them ready as they become due, until all are, or [`Tickets::stop`] is called.
    ///
    /// # Errors
    /// The system has no timer or no thread left.
    pub(crate) async fn issue(&self) -> Result<(), Failure> {
        let ticks = Ticks::every(Duration::from_secs(1) / self.schedule.rate);
        let ticks = ticks.map_err(Failure::during("the timer of the load"))?;
        while self.issued.get() < self.end.get() {
            let due = self.schedule.due(Instant::now()).min(self.end.get());
            let fresh = due.saturating_sub(self.issued.get());
            self.issued.set(self.issued.get() + fresh);
            // A count of requests that one process sends.
            self.ready.add_permits(usize::try_from(fresh).unwrap_or_default());
            ticks.next().await;
        }
        self.ready.add_permits(1);
        Ok(())
    }

    /// No more become due.
    pub(crate) fn stop(&self, late: Late) {
        self.end.set(if late == Late::Sent { self.issued.get() } else { self.taken.get() });
        self.ready.add_permits(1);
    }

    /// Those that were due and that nobody took.
    pub(crate) fn left(&self) -> u64 {
        self.issued.get() - self.taken.get()
    }
}

/// A timer that is exact to some ten microseconds, in a thread of its own; tokio's counts whole milliseconds.
#[derive(Debug)]
struct Ticks {
    ticked: Arc<Notify>,
    over: Arc<AtomicBool>,
}

impl Ticks {
    fn every(interval: Duration) -> io::Result<Self> {
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_CLOEXEC)?;
        timer.set(Expiration::Interval(TimeSpec::from(interval)), TimerSetTimeFlags::empty())?;
        let ticks = Self { ticked: Arc::default(), over: Arc::default() };
        let (ticked, over) = (Arc::clone(&ticks.ticked), Arc::clone(&ticks.over));
        let run = move || {
            while !over.load(Ordering::Relaxed) && timer.wait().is_ok() {
                ticked.notify_one();
            }
        };
        thread::Builder::new().name("ticks".to_owned()).spawn(run)?;
        Ok(ticks)
    }

    /// Waits until it has ticked since it was last waited for.
    async fn next(&self) {
        self.ticked.notified().await;
    }
}

impl Drop for Ticks {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(rate: u32, total: u64) -> Schedule {
        Schedule { begun: Instant::now(), rate, total }
    }

    #[test]
    fn what_is_due_follows_the_clock() {
        let check = |rate: u32, after_ms: u64, expected: u64| {
            let schedule = schedule(rate, 1_000_000_000);
            let due = schedule.due(schedule.begun + Duration::from_millis(after_ms));
            assert_eq!(due, expected, "{rate} a second, after {after_ms} ms");
        };
        check(500, 0, 1);
        check(500, 1, 1);
        check(500, 2, 2);
        check(500, 1000, 501);
        check(5000, 1000, 5001);
        check(3, 333, 1);
        check(3, 334, 2);
        check(1, 3_600_000, 3601);
        let few = schedule(5000, 7);
        assert_eq!(few.due(few.begun + Duration::from_secs(9)), 7);
        assert_eq!(few.due(few.begun.checked_sub(Duration::from_secs(1)).unwrap()), 1);
    }

    #[test]
    fn each_is_due_at_its_own_moment() {
        for rate in [1, 3, 7, 500, 5000, 99_999] {
            let schedule = schedule(rate, u64::MAX);
            for number in [0, 1, 2, 499, 5000, 123_456_789] {
                let at = schedule.at(number);
                assert_eq!(schedule.due(at), number + 1, "number {number} at {rate} a second");
                if number > 0 {
                    assert_eq!(
                        schedule.due(at.checked_sub(Duration::from_nanos(1)).unwrap()),
                        number,
                        "{number} at {rate}"
                    );
                }
            }
        }
    }

    #[tokio::test]
    async fn each_goes_to_one_and_the_end_to_all() {
        let tickets = Tickets::new(schedule(20_000, 300));
        let worker = async || {
            let (mut taken, mut late) = (0, 0);
            while let Some(due) = tickets.next().await {
                taken += 1;
                late += u64::from(Instant::now() >= due);
            }
            (taken, late)
        };
        let (issued, one, other) = tokio::join!(tickets.issue(), worker(), worker());
        issued.unwrap();
        assert_eq!((one.0 + other.0, one.1 + other.1), (300, 300), "none before its time");
        assert_eq!(tickets.left(), 0);
    }

    #[tokio::test]
    async fn what_is_late_at_the_end_is_sent_or_not() {
        let check = async |late: Late, expected: (u64, u64)| {
            let tickets = Tickets::new(schedule(20_000, u64::MAX));
            let stop = async {
                while tickets.issued.get() < 10 {
                    tokio::task::yield_now().await;
                }
                tickets.next().await.unwrap();
                tickets.stop(late);
                let mut more = 0;
                while tickets.next().await.is_some() {
                    more += 1;
                }
                (more, tickets.left())
            };
            let (issued, (more, left)) = tokio::join!(tickets.issue(), stop);
            issued.unwrap();
            let all = tickets.issued.get() - 1;
            assert_eq!((more / all, left / all), expected, "{late:?}: {more} more, {left} left of {all}");
        };
        check(Late::Sent, (1, 0)).await;
        check(Late::GivenUp, (0, 1)).await;
    }
}
