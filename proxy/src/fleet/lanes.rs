//! The ways of questions to one node: so many at once, so many that wait, and no more.
//!
//! Questions that viewers wait for and those that keep the memory fresh have lanes of their own, so that a flood of
//! unknown names takes nothing from films that are watched. Absent on purpose: the questions (`gate::find`).

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Semaphore, SemaphorePermit};

/// Questions that viewers wait for, at once.
const AT_ONCE: usize = 64;
/// Questions about films that are watched, at once.
const FRESH_AT_ONCE: usize = 16;
/// Questions that wait for their turn in one lane; beyond them a question fails at once.
const WAITING_MAX: usize = 1024;

/// See the module.
#[derive(Debug)]
pub(crate) struct Lanes {
    /// For those that a viewer waits for.
    pub(crate) waited_for: Lane,
    /// For those behind a viewer's back.
    pub(crate) fresh: Lane,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct Lane {
    turns: Semaphore,
    waiting: AtomicUsize,
}

impl Lanes {
    pub(super) fn new() -> Self {
        Self { waited_for: Lane::new(AT_ONCE), fresh: Lane::new(FRESH_AT_ONCE) }
    }
}

impl Lane {
    fn new(at_once: usize) -> Self {
        Self { turns: Semaphore::new(at_once), waiting: AtomicUsize::new(0) }
    }

    /// A turn for a question; `None`: too many wait for theirs.
    pub(crate) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(turn) = self.turns.try_acquire() {
            return Some(turn);
        }
        if self.waiting.fetch_add(1, Ordering::Relaxed) >= WAITING_MAX {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        let turn = self.turns.acquire().await.ok();
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        turn
    }
}
