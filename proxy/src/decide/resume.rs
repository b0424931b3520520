//! Keeps one film going over several nodes: who is asked next, what a failure means, and when to give up.
//!
//! A film goes on from the byte at which it stopped, and only with bytes of the same version ([`judge`]). A node
//! that cannot serve this film is barred for the rest of it; one that merely failed is tried again after the
//! others. Absent on purpose: sockets, clocks and waiting; the pump does what is said here.

mod failure;
mod judge;
mod outcome;

use smallvec::SmallVec;

pub use self::{
    failure::{Failure, Lie},
    judge::{Answer, Ask, Head, Identity, Judged, judge},
    outcome::{NoFilm, Word, no_film},
};

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask this node at once.
    Ask(usize),
    /// Every node has failed since the last byte: ask this one again, after so many milliseconds.
    Again {
        /// The node.
        node: usize,
        /// How long to wait before.
        pause_ms: u64,
    },
    /// Nobody is left, or too much has failed in a row.
    GiveUp,
}

/// What is remembered of the nodes for one film and one viewer.
#[derive(Clone, Debug)]
pub struct Course {
    attempts_max: u32,
    /// Rounds over all nodes since the last byte.
    rounds: u32,
    /// In the order of the nodes.
    known: SmallVec<[Known; 4]>,
    last: Option<Failure>,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    node: usize,
    /// How it last failed.
    heard: Option<Failure>,
    /// It failed since the last byte, in this round.
    failed: bool,
    /// It was left because it was slow: only if nobody else is there.
    slow: bool,
}

/// The first pause; each further one is three times as long, up to [`PAUSE_MAX_MS`].
const PAUSE_MS: u64 = 100;
/// A player's buffer outlasts a few of these, and a node is not asked more often while nothing works.
const PAUSE_MAX_MS: u64 = 3_000;

impl Course {
    /// A film that begins; it ends when every node has failed `attempts_max` times in a row without a byte.
    #[must_use]
    pub fn new(attempts_max: u32) -> Self {
        Self { attempts_max: attempts_max.max(1), rounds: 0, known: SmallVec::new(), last: None }
    }

    /// Who is asked next. `order`: the nodes that may take the viewer now, best first; `at`: the one that serves
    /// now and is kept as long as it may be, so that a film does not wander between nodes about equally near.
    ///
    /// A node that is not in `order` (down, draining, gone from the fleet) is not asked.
    pub fn step(&mut self, order: &[usize], at: Option<usize>) -> Step {
        if let Some(node) = self.fresh(order, at) {
            return Step::Ask(node);
        }
        let Some(node) = self.usable(order).next() else { return Step::GiveUp };
        if self.rounds + 1 >= self.attempts_max {
            return Step::GiveUp;
        }
        // Only failures can have emptied the round: begin the next one.
        self.known.iter_mut().for_each(|known| known.failed = false);
        let pause_ms = PAUSE_MS.saturating_mul(3_u64.saturating_pow(self.rounds)).min(PAUSE_MAX_MS);
        self.rounds += 1;
        Step::Again { node, pause_ms }
    }

    /// The next node for a request that runs beside the one at `at`: none of those that failed or are barred.
    #[must_use]
    pub fn beside(&self, order: &[usize], at: usize) -> Option<usize> {
        let other = |node: &usize| *node != at && !self.known(*node).is_some_and(|known| known.failed);
        self.usable(order).find(other)
    }

    /// Whether somebody else than `at` could take over at once.
    #[must_use]
    pub fn has_other(&self, order: &[usize], at: usize) -> bool {
        self.beside(order, at).is_some_and(|node| !self.known(node).is_some_and(|known| known.slow))
    }

    /// A node failed.
    pub fn failed(&mut self, node: usize, failure: Failure) {
        self.last = Some(failure);
        let known = self.known_mut(node);
        known.failed |= failure.counts();
        known.slow |= failure == Failure::Drip;
        known.heard = Some(failure);
    }

    /// A node serves after all: what it was barred for is no matter.
    pub fn forgive(&mut self, node: usize) {
        let known = self.known_mut(node);
        (known.heard, known.failed) = (None, false);
    }

    /// Bytes came: the rounds begin anew, and so does everybody's chance but that of slow nodes.
    pub fn progressed(&mut self) {
        if self.last.take().is_some() {
            self.rounds = 0;
            self.known.iter_mut().for_each(|known| known.failed = false);
        }
    }

    /// Whether everybody who may serve has failed since the last byte.
    #[must_use]
    pub fn is_in_need(&self) -> bool {
        self.rounds > 0
    }

    /// What failed last since the last byte.
    #[must_use]
    pub fn last(&self) -> Option<Failure> {
        self.last
    }

    /// How a node failed last, if it did.
    #[must_use]
    pub fn heard(&self, node: usize) -> Option<Failure> {
        self.known(node).and_then(|known| known.heard)
    }

    /// Whether a node cannot serve the film.
    #[must_use]
    pub fn is_barred(&self, node: usize) -> bool {
        self.heard(node).is_some_and(Failure::bars)
    }

    /// Whether nothing has gone wrong with a node since the last byte.
    #[must_use]
    pub fn is_fresh(&self, node: usize) -> bool {
        !self.is_barred(node) && !self.known(node).is_some_and(|known| known.failed)
    }

    fn fresh(&self, order: &[usize], at: Option<usize>) -> Option<usize> {
        let unfailed = |node: &usize| !self.known(*node).is_some_and(|known| known.failed);
        let fast = |node: &usize| !self.known(*node).is_some_and(|known| known.slow);
        let stay = at.filter(|at| self.usable(order).any(|node| node == *at));
        stay.filter(|node| unfailed(node) && fast(node))
            .or_else(|| self.usable(order).filter(unfailed).find(fast))
            .or_else(|| self.usable(order).find(unfailed))
    }

    fn usable<'a>(&self, order: &'a [usize]) -> impl Iterator<Item = usize> + use<'a, '_> {
        order.iter().copied().filter(|node| !self.is_barred(*node))
    }

    fn known(&self, node: usize) -> Option<&Known> {
        self.known.binary_search_by_key(&node, |known| known.node).ok().map(|at| &self.known[at])
    }

    fn known_mut(&mut self, node: usize) -> &mut Known {
        let at = self.known.binary_search_by_key(&node, |known| known.node).unwrap_or_else(|at| {
            self.known.insert(at, Known { node, heard: None, failed: false, slow: false });
            at
        });
        &mut self.known[at]
    }
}

#[cfg(test)]
mod tests;
