//! Which node is probed when: all health machines, and one queue of what is due.
//!
//! No clock, socket or task: a simulation runs through hours of it in no time, and does so in the tests. A node
//! is in the queue or in flight, never both, so its rounds cannot overlap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::decide::health::{Machine, Others, Reason, Rules, State, Transition, Trouble, first_offset_ms};

/// First rounds in flight at most. They are due all at once, and a large fleet's would be late by the machine's own fault.
/// Later ones are spread over the interval and do not wait for each other: however many nodes are silent at once, each is
/// down in time. There is one for each node at most, and it holds two connections.
pub const FIRST_ROUNDS_MAX: usize = 256;

/// A node has one extra round in this time at most, however many viewers' requests fail there.
pub const EXTRA_EVERY_MS: u64 = 1_000;

/// A round that is due within this time is not worth an extra one before it.
const SOON_MS: u64 = 100;

/// All machines and when each is next.
#[derive(Clone, Debug)]
pub struct Schedule {
    rules: Rules,
    slots: Vec<Slot>,
    /// Earliest first: when, and which node.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    in_flight: usize,
}

#[derive(Clone, Debug)]
struct Slot {
    machine: Machine,
    /// Not yet moved to its own part of the interval.
    bunched: bool,
    /// When it is due, while it is in the queue.
    due_ms: Option<u64>,
    /// When the last extra round was asked for.
    hurried_ms: Option<u64>,
    /// The extra round is to follow the one in flight, which may be about the time before the failure.
    again: bool,
    /// When the round was due that an extra one came before. It takes place all the same, or nodes whose viewers
    /// fail at the same time would be probed at the same time ever after.
    kept_ms: Option<u64>,
}

/// What is known of a node that is taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It was at this index before.
    Before(usize),
    /// It is new here, and in this state by somebody else's word.
    State(State),
}

/// What a viewer's failed request led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judged {
    /// Nothing yet.
    Noted,
    /// The node would be ejected, but too few would be left.
    Spared,
    /// It is ejected.
    Ejected(Transition),
}

impl Schedule {
    /// A node for each state, all of them due at once: the gate is ready when each has a verdict.
    #[must_use]
    pub fn new(states: impl IntoIterator<Item = State>, rules: Rules, now_ms: u64) -> Self {
        let mut schedule = Self { rules, slots: Vec::new(), due: BinaryHeap::new(), in_flight: 0 };
        schedule.adopt(states.into_iter().map(Known::State), rules, now_ms);
        schedule
    }

    /// Other nodes from now on, and other rules. Who was there stays as it is, in flight if it is so; rounds of those who
    /// are left out are not to be `finished`.
    pub fn adopt(&mut self, nodes: impl IntoIterator<Item = Known>, rules: Rules, now_ms: u64) {
        let latest_ms = now_ms.saturating_add(rules.interval_ms);
        let mut before: Vec<Option<Slot>> = self.slots.drain(..).map(Some).collect();
        let slots = nodes.into_iter().map(|node| match node {
            Known::State(state) => Slot::new(state, now_ms),
            Known::Before(index) => {
                let slot = before.get_mut(index).and_then(Option::take);
                slot.map_or_else(|| Slot::new(State::Unproven, now_ms), |slot| slot.not_after(latest_ms))
            }
        });
        self.slots = slots.collect();
        let due = self.slots.iter().enumerate().filter_map(|(index, slot)| Some((slot.due_ms?, index)));
        self.due = due.map(Reverse).collect();
        self.in_flight = self.slots.len() - self.due.len();
        self.rules = rules;
    }

    /// A node whose round starts now, if one is due and a place is free. It is in flight until it is `finished` or
    /// `unasked`.
    pub fn start(&mut self, now_ms: u64) -> Option<usize> {
        let Reverse((at_ms, index)) = *self.due.peek()?;
        if at_ms > now_ms || !self.has_place(index) {
            return None;
        }
        self.due.pop();
        self.slots[index].due_ms = None;
        self.in_flight += 1;
        Some(index)
    }

    /// How long until `start` has something to say; `None`: not before a round ends.
    #[must_use]
    pub fn wait_ms(&self, now_ms: u64) -> Option<u64> {
        let Reverse((at_ms, index)) = *self.due.peek()?;
        self.has_place(index).then(|| at_ms.saturating_sub(now_ms))
    }

    /// A round ended; says when that changed the node's state. `draining` says it of each node.
    pub fn finished(
        &mut self,
        index: usize,
        now_ms: u64,
        round: Result<(), Reason>,
        draining: impl Fn(usize) -> bool,
    ) -> Option<Transition> {
        let count = self.slots.len();
        let alone = self.slots[index].machine.is_ejected() && self.others(index, draining).up == 0;
        let slot = &mut self.slots[index];
        if alone {
            slot.machine.pardon(now_ms);
        }
        let transition = slot.machine.observe(now_ms, round, &self.rules);
        let mut wait_ms = slot.machine.next_probe_in_ms(&self.rules);
        if wait_ms > 0 && slot.bunched {
            // The first rounds came in one burst. Shortening one wait, never lengthening it, spreads the later ones.
            slot.bunched = false;
            wait_ms -= first_offset_ms(index, count, wait_ms);
        }
        let at_ms = slot.next_ms(now_ms, wait_ms);
        self.queue(index, at_ms);
        transition
    }

    /// A round that came to nothing through our own fault: it says nothing of the node.
    pub fn unasked(&mut self, index: usize, now_ms: u64) {
        self.slots[index].again = false;
        self.queue(index, now_ms.saturating_add(self.rules.interval_ms));
    }

    /// A viewer's request failed at a node.
    ///
    /// The next round follows at once, so that a node that died between two of them is not waited for; and one
    /// failure too many ejects it. A drained node has no new viewers to be kept from.
    pub fn failed(
        &mut self,
        index: usize,
        now_ms: u64,
        trouble: Trouble,
        draining: impl Fn(usize) -> bool,
    ) -> Judged {
        if !trouble.is_fault() || self.slots[index].machine.state() != State::Up {
            return Judged::Noted;
        }
        self.hurry(index, now_ms);
        if !self.slots[index].machine.failed(now_ms, trouble, &self.rules) || draining(index) {
            return Judged::Noted;
        }
        if !self.others(index, draining).allow_ejection() {
            return Judged::Spared;
        }
        self.slots[index].machine.eject(now_ms, &self.rules).map_or(Judged::Noted, Judged::Ejected)
    }

    /// A viewer's request went well at a node.
    pub fn served(&mut self, index: usize) {
        self.slots[index].machine.served();
    }

    /// The machine of a node.
    #[must_use]
    pub fn machine(&self, index: usize) -> &Machine {
        &self.slots[index].machine
    }

    fn has_place(&self, index: usize) -> bool {
        self.in_flight < FIRST_ROUNDS_MAX || self.slots[index].machine.state() != State::Unproven
    }

    fn others(&self, index: usize, draining: impl Fn(usize) -> bool) -> Others {
        let mut others = Others::default();
        let rest = self.slots.iter().enumerate().filter(|(other, _)| *other != index);
        rest.for_each(|(other, slot)| others.count(&slot.machine, draining(other)));
        others
    }

    fn hurry(&mut self, index: usize, now_ms: u64) {
        let slot = &mut self.slots[index];
        if slot.hurried_ms.is_some_and(|at_ms| now_ms.saturating_sub(at_ms) < EXTRA_EVERY_MS) {
            return;
        }
        match slot.due_ms {
            Some(due_ms) if due_ms <= now_ms.saturating_add(SOON_MS) => {}
            Some(due_ms) => {
                (slot.hurried_ms, slot.kept_ms, slot.due_ms) = (Some(now_ms), Some(due_ms), Some(now_ms));
                self.due.retain(|Reverse((_, queued))| *queued != index);
                self.due.push(Reverse((now_ms, index)));
            }
            None => (slot.hurried_ms, slot.again) = (Some(now_ms), true),
        }
    }

    fn queue(&mut self, index: usize, at_ms: u64) {
        self.in_flight -= 1;
        self.slots[index].due_ms = Some(at_ms);
        self.due.push(Reverse((at_ms, index)));
    }
}

impl Slot {
    fn new(state: State, now_ms: u64) -> Self {
        Self {
            machine: Machine::known(state, now_ms),
            bunched: true,
            due_ms: Some(now_ms),
            hurried_ms: None,
            again: false,
            kept_ms: None,
        }
    }

    /// Due by then at the latest: an interval that became shorter holds at once. Many nodes may come to the same moment
    /// by it, and are spread again.
    fn not_after(mut self, latest_ms: u64) -> Self {
        if let Some(due_ms) = self.due_ms.as_mut().filter(|due_ms| **due_ms > latest_ms) {
            *due_ms = latest_ms;
            self.bunched = true;
        }
        self.kept_ms = self.kept_ms.filter(|kept_ms| *kept_ms <= latest_ms);
        self
    }

    /// When the next round starts, after one that would be followed in `wait_ms` if nobody had hurried it.
    fn next_ms(&mut self, now_ms: u64, wait_ms: u64) -> u64 {
        let again = std::mem::take(&mut self.again) && self.machine.state() == State::Up;
        if wait_ms == 0 {
            return now_ms;
        }
        let regular_ms = now_ms.saturating_add(wait_ms);
        let kept_ms = self.kept_ms.take().filter(|kept_ms| (now_ms..regular_ms).contains(kept_ms));
        let next_ms = kept_ms.unwrap_or(regular_ms);
        if again {
            self.kept_ms = Some(next_ms);
            return now_ms;
        }
        next_ms
    }
}

#[cfg(test)]
mod tests;
