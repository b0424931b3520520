//! Waiting for exact moments: to some ten microseconds, where tokio's timers count whole milliseconds.
//!
//! Absent on purpose: a thread. The kernel's timer wakes the runtime as a socket would.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::rc::Rc;
use std::time::Instant;

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

/// A timer for one who waits.
#[derive(Debug)]
pub(super) struct Timer(AsyncFd<Fd>);

#[derive(Debug)]
struct Fd(TimerFd);

/// A timer for many who wait. Somebody has to [`Alarm::run`] it.
#[derive(Debug)]
pub(crate) struct Alarm {
    waiting: RefCell<BTreeMap<(Instant, u64), Rc<Notify>>>,
    next: Cell<u64>,
    /// The first one of those who wait is another one now.
    changed: Notify,
}

/// A place among those who wait; left when it is dropped.
struct Place<'a> {
    alarm: &'a Alarm,
    key: (Instant, u64),
}

impl Timer {
    /// # Errors
    /// The system has none left.
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_CLOEXEC | TimerFlags::TFD_NONBLOCK;
        let timer = Fd(TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?);
        #[expect(
            deprecated,
            reason = "its successor is unsafe; `Fd` owns what it names for as long as it lives"
        )]
        let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
        Ok(Self(timer))
    }

    /// Waits for a moment. If it is over, others get a turn all the same.
    ///
    /// # Errors
    /// The system does not keep its timer.
    pub(super) async fn until(&mut self, at: Instant) -> io::Result<()> {
        let mut left = at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            tokio::task::yield_now().await;
        }
        while !left.is_zero() {
            let timer = &self.0.get_ref().0;
            timer.set(Expiration::OneShot(TimeSpec::from(left)), TimerSetTimeFlags::empty())?;
            let mut ready = self.0.readable().await?;
            // An old expiry may have been left; the clock decides.
            let _ = self.0.get_ref().0.wait();
            ready.clear_ready();
            left = at.saturating_duration_since(Instant::now());
        }
        Ok(())
    }
}

impl AsRawFd for Fd {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Alarm {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self { waiting: RefCell::default(), next: Cell::new(0), changed: Notify::new() })
    }

    /// Waits for a moment.
    pub(crate) async fn until(&self, at: Instant) {
        if at <= Instant::now() {
            return;
        }
        let key = (at, self.next.get());
        self.next.set(key.1 + 1);
        let rung = Rc::new(Notify::new());
        let is_first = {
            let mut waiting = self.waiting.borrow_mut();
            waiting.insert(key, Rc::clone(&rung));
            waiting.first_key_value().is_some_and(|(first, _)| *first == key)
        };
        let _place = Place { alarm: self, key };
        if is_first {
            self.changed.notify_one();
        }
        rung.notified().await;
    }

    /// Wakes all when it is their time; never ends by itself.
    ///
    /// # Errors
    /// The system has no timer left.
    pub(crate) async fn run(&self) -> io::Result<()> {
        let mut timer = Timer::new()?;
        loop {
            let first = self.waiting.borrow().first_key_value().map(|((at, _), _)| *at);
            match first {
                None => self.changed.notified().await,
                Some(at) => tokio::select! {
                    () = self.changed.notified() => {}
                    done = timer.until(at) => done?,
                },
            }
            self.ring(Instant::now());
        }
    }

    fn ring(&self, now: Instant) {
        let mut waiting = self.waiting.borrow_mut();
        while let Some(first) = waiting.first_entry() {
            if first.key().0 > now {
                break;
            }
            first.remove().notify_one();
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.alarm.waiting.borrow_mut().remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn all_are_woken_and_none_too_early() {
        let alarm = Alarm::new();
        let begun = Instant::now();
        let wait = async |ms: u64| {
            let at = begun + Duration::from_millis(ms);
            alarm.until(at).await;
            assert!(Instant::now() >= at, "{ms} ms");
        };
        tokio::select! {
            _ = alarm.run() => {}
            _ = async { tokio::join!(wait(12), wait(3), wait(0), wait(7), wait(3)) } => {}
        }
        assert!(alarm.waiting.borrow().is_empty());
    }

    #[tokio::test]
    async fn who_gives_up_leaves_no_place() {
        let alarm = Alarm::new();
        let late = alarm.until(Instant::now() + Duration::from_hours(1));
        tokio::select! {
            biased;
            () = late => unreachable!("an hour has not passed"),
            () = async {} => {}
        }
        assert!(alarm.waiting.borrow().is_empty());
    }
}
