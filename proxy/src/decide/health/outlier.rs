//! Ejects a node whose probes are answered while its viewers' requests fail.
//!
//! A row of failures without a success between ejects it for a while, longer each time; then good rounds of probes
//! bring it back. Absent on purpose: reasons to tell one failure from another, and shares of requests. A share needs
//! many requests to mean something, and a small fleet at night has few.

use super::{Machine, State};

/// Failures in a row that eject. One viewer's attempts at a film go round the nodes and do not reach it at one of them.
const ROW: usize = 5;

/// The numbers of ejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// A whole row lies within this time: failures hours apart at a quiet node have nothing to do with each other.
    pub within_ms: u64,
    /// Failures nearer to each other are one event and count once. Connections that break together (a restart, the
    /// flush of a firewall's table) say no more than one of them does; and the probes, which a failure hurries, have
    /// the time to find a dead node first and to name the reason.
    pub event_ms: u64,
    /// For how long the first ejection lasts. Each further one lasts twice as long.
    pub first_ms: u64,
    /// Longer than this lasts none.
    pub longest_ms: u64,
    /// So long after its return from the last one, the next is a first one again.
    pub forgiven_after_ms: u64,
}

impl Ejection {
    /// What every gate goes by: a row takes between 1 and 30 seconds; ejections last 10 s, 20 s and so on up to 5
    /// minutes, and ten minutes of peace forgive them.
    pub const OURS: Self = Self {
        within_ms: 30_000,
        event_ms: 250,
        first_ms: 10_000,
        longest_ms: 300_000,
        forgiven_after_ms: 600_000,
    };
}

/// What viewers' requests say of one node.
#[derive(Clone, Debug, Default)]
pub(super) struct Outlier {
    /// When the last events of the row were, oldest first; of these the last `length` count.
    row: [u64; ROW],
    length: usize,
    /// Set while ejected: from when on good rounds count again.
    held_until_ms: Option<u64>,
    /// Ejections that are not forgiven.
    ejections: u32,
    /// When it last came back from one.
    released_ms: Option<u64>,
}

impl Outlier {
    /// A request failed; says whether the row is full.
    pub(super) fn failed(&mut self, now_ms: u64, rules: &Ejection) -> bool {
        let same_event = self.length > 0 && now_ms.saturating_sub(self.row[ROW - 1]) < rules.event_ms;
        if !same_event {
            self.row.rotate_left(1);
            self.row[ROW - 1] = now_ms;
            self.length = ROW.min(self.length + 1);
        }
        self.length == ROW && now_ms.saturating_sub(self.row[0]) <= rules.within_ms
    }

    /// The row begins anew.
    pub(super) fn break_row(&mut self) {
        self.length = 0;
    }

    pub(super) fn eject(&mut self, now_ms: u64, rules: &Ejection) {
        let in_peace_ms = self.released_ms.map(|released_ms| now_ms.saturating_sub(released_ms));
        if in_peace_ms.is_some_and(|ms| ms >= rules.forgiven_after_ms) {
            self.ejections = 0;
        }
        let times = 1_u64.checked_shl(self.ejections).unwrap_or(u64::MAX);
        let lasts_ms = rules.first_ms.saturating_mul(times).min(rules.longest_ms);
        self.ejections = self.ejections.saturating_add(1);
        self.held_until_ms = Some(now_ms.saturating_add(lasts_ms));
    }

    pub(super) fn is_ejected(&self) -> bool {
        self.held_until_ms.is_some()
    }

    /// Whether good rounds do not count yet.
    pub(super) fn is_held(&self, now_ms: u64) -> bool {
        self.held_until_ms.is_some_and(|until_ms| now_ms < until_ms)
    }

    /// Good rounds count from now on.
    pub(super) fn end_hold(&mut self, now_ms: u64) {
        self.held_until_ms = self.held_until_ms.map(|until_ms| until_ms.min(now_ms));
    }

    /// Good rounds brought it back.
    pub(super) fn release(&mut self, now_ms: u64) {
        if self.held_until_ms.take().is_some() {
            self.released_ms = Some(now_ms);
        }
    }

    /// The probes fail as well: the ejection only came first, and is none.
    pub(super) fn annul(&mut self) {
        if self.held_until_ms.take().is_some() {
            self.ejections = self.ejections.saturating_sub(1);
        }
    }
}

/// The fleet without the node in question, as far as it decides whether that one may be ejected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// Not drained.
    pub enabled: usize,
    /// Up, and not drained.
    pub up: usize,
    /// Ejected, drained or not.
    pub ejected: usize,
}

impl Others {
    /// Counts one of them.
    pub fn count(&mut self, machine: &Machine, draining: bool) {
        self.enabled += usize::from(!draining);
        self.up += usize::from(!draining && machine.state() == State::Up);
        self.ejected += usize::from(machine.is_ejected());
    }

    /// With it no more than half of the enabled nodes are ejected, and it is not the last one that is up: an
    /// ejection may be wrong (a film that breaks every node, a fault of our own network), and then it must not take
    /// the fleet with it.
    #[must_use]
    pub fn allow_ejection(&self) -> bool {
        self.up > 0 && 2 * (self.ejected + 1) <= self.enabled + 1
    }
}

#[cfg(test)]
mod tests;
