//! The way of what viewers' requests met at nodes to the one task that owns all health.
//!
//! Bounded, and nobody waits at its entrance: a report that finds it full is dropped and counted. Successes are told
//! only after a failure, so that on good days nothing goes this way. Absent on purpose: what follows from a report
//! (`decide::health`).

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::mpsc;

use crate::decide::health::Trouble;
use crate::decide::member::Member;

/// Reports under way at most. The task empties it in microseconds; this is room for the streams of a large node that
/// break all at once, of which the first few tell the whole story.
const UNDER_WAY_MAX: usize = 1024;

/// One request's experience with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Experience {
    /// The node. It may have left the fleet.
    pub node: Member,
    /// What it was.
    pub met: Met,
}

/// What a request met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// It failed by the node's fault.
    Trouble(Trouble),
    /// It went well, after others had failed.
    Success,
}

/// The requests' end; every node has one.
#[derive(Clone, Debug)]
pub struct Reporter(mpsc::Sender<Experience>);

/// The health task's end.
pub type Experiences = mpsc::Receiver<Experience>;

/// Both ends: one pair for a gate, whatever is reloaded.
#[must_use]
pub fn channel() -> (Reporter, Experiences) {
    let (sender, receiver) = mpsc::channel(UNDER_WAY_MAX);
    (Reporter(sender), receiver)
}

/// One node's entrance.
#[derive(Debug)]
pub(super) struct Entrance {
    node: Member,
    reporter: Reporter,
    /// There are failures that no success was told after.
    outstanding: AtomicBool,
}

/// The report did not get in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Entrance {
    pub(super) fn new(node: Member, reporter: Reporter) -> Self {
        Self { node, reporter, outstanding: AtomicBool::new(false) }
    }

    pub(super) fn failed(&self, trouble: Trouble) -> Result<(), Full> {
        self.tell(Met::Trouble(trouble))?;
        // After it was told: a success that comes between is told for nothing, but none is missing.
        self.outstanding.store(true, Ordering::Release);
        Ok(())
    }

    pub(super) fn served(&self) -> Result<(), Full> {
        if !self.outstanding.load(Ordering::Relaxed) || !self.outstanding.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        // The next success tries again: failures must not stand there without it.
        self.tell(Met::Success).inspect_err(|_| self.outstanding.store(true, Ordering::Release))
    }

    /// Fails, too, when the task is gone for good; then nobody is left to tell.
    fn tell(&self, met: Met) -> Result<(), Full> {
        self.reporter.0.try_send(Experience { node: self.node, met }).map_err(|_| Full)
    }
}

#[cfg(test)]
mod tests;
