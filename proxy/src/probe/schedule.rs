//! Which node is probed when: all health machines, and one queue of what is due.
//!
//! No clock, socket or task: a simulation runs through hours of it in no time, and does so in the tests. A node
//! is in the queue or in flight, never both, so its rounds cannot overlap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::decide::health::{Machine, Reason, Rules, Transition, first_offset_ms};

/// Rounds in flight at most. Each holds two connections, so this bounds the descriptors that probes can take. A
/// smaller fleet never meets it; a larger one does only while hundreds of nodes are silent at once, and then waits.
pub(super) const IN_FLIGHT_MAX: usize = 256;

/// All machines and when each is next.
#[derive(Debug)]
pub(super) struct Schedule {
    rules: Rules,
    slots: Vec<Slot>,
    /// Earliest first: when, and which node.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    in_flight: usize,
}

#[derive(Debug)]
struct Slot {
    machine: Machine,
    /// Not yet moved to its own part of the interval.
    bunched: bool,
}

impl Schedule {
    /// Every node is due at once: the gate is ready when each has a verdict.
    pub(super) fn new(count: usize, rules: Rules, now_ms: u64) -> Self {
        Self {
            rules,
            slots: (0..count).map(|_| Slot { machine: Machine::new(now_ms), bunched: true }).collect(),
            due: (0..count).map(|index| Reverse((now_ms, index))).collect(),
            in_flight: 0,
        }
    }

    /// A node whose round starts now, if one is due and a place is free. It is in flight until it is `finished` or
    /// `unasked`.
    pub(super) fn start(&mut self, now_ms: u64) -> Option<usize> {
        let Reverse((at_ms, index)) = *self.due.peek()?;
        if at_ms > now_ms || self.in_flight >= IN_FLIGHT_MAX {
            return None;
        }
        self.due.pop();
        self.in_flight += 1;
        Some(index)
    }

    /// How long until `start` has something to say; `None`: not before a round ends.
    pub(super) fn wait_ms(&self, now_ms: u64) -> Option<u64> {
        let Reverse((at_ms, _)) = self.due.peek()?;
        (self.in_flight < IN_FLIGHT_MAX).then(|| at_ms.saturating_sub(now_ms))
    }

    /// A round ended; says when that changed the node's state.
    pub(super) fn finished(
        &mut self,
        index: usize,
        now_ms: u64,
        round: Result<(), Reason>,
    ) -> Option<Transition> {
        let count = self.slots.len();
        let slot = &mut self.slots[index];
        let transition = slot.machine.observe(now_ms, round, &self.rules);
        let mut wait_ms = slot.machine.next_probe_in_ms(&self.rules);
        if wait_ms > 0 && slot.bunched {
            // The first rounds came in one burst. Shortening one wait, never lengthening it, spreads the later ones.
            slot.bunched = false;
            wait_ms -= first_offset_ms(index, count, wait_ms);
        }
        self.queue(index, now_ms.saturating_add(wait_ms));
        transition
    }

    /// A round that came to nothing through our own fault: it says nothing of the node.
    pub(super) fn unasked(&mut self, index: usize, now_ms: u64) {
        self.queue(index, now_ms.saturating_add(self.rules.interval_ms));
    }

    /// The machine of a node.
    pub(super) fn machine(&self, index: usize) -> &Machine {
        &self.slots[index].machine
    }

    fn queue(&mut self, index: usize, at_ms: u64) {
        self.in_flight -= 1;
        self.due.push(Reverse((at_ms, index)));
    }
}

#[cfg(test)]
mod tests;
