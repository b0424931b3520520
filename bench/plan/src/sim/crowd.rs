//! All groups of viewers who are there: where each of them watches, when it leaves, and who waits to ask again.
//!
//! Absent on purpose: why they are sent where.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Nobody watches more films in a row than this many mean times.
const LIVES_MAX: f64 = 8.0;
/// Ticks that the calendar holds: 8 mean times of 6 hours in ticks of 2 s are 86,400.
const CALENDAR: usize = 1 << 17;

const NOWHERE: u32 = u32::MAX;

/// Groups, kept in slots.
#[derive(Clone, Debug)]
pub struct Crowd {
    groups: Vec<Group>,
    free: Vec<u32>,
    /// Who leaves in which tick, by the tick's number within the ring.
    calendar: Vec<Vec<u32>>,
    asks: BinaryHeap<Reverse<Ask>>,
    tick_ms: u64,
    count: usize,
}

#[derive(Clone, Debug)]
struct Group {
    key: u64,
    spot: u32,
    film: u32,
    node: u32,
    /// Tells this group from those that had the slot before.
    serial: u32,
}

/// A group that lost its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lost {
    /// The event that did it.
    pub blow: usize,
    /// The node it watched from; `None`: it had only been sent to one that was dead.
    pub node: Option<usize>,
    /// The last one that it was sent to in vain.
    pub tried: Option<usize>,
    /// When.
    pub since_ms: u64,
}

/// Ordered by time, then by slot: so the order of two at one moment is always the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ask {
    at_ms: u64,
    slot: u32,
    serial: u32,
    lost: Option<Lost>,
}

impl Crowd {
    /// Nobody.
    #[must_use]
    pub fn new(tick_ms: u64) -> Self {
        Self {
            groups: Vec::new(),
            free: Vec::new(),
            calendar: vec![Vec::new(); CALENDAR],
            asks: BinaryHeap::new(),
            tick_ms,
            count: 0,
        }
    }

    /// Groups that are there.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether nobody is there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// A group comes in a tick, and stays for a time that is exponential with this mean; `unit` (0..1) is chance. Says its
    /// slot.
    pub fn enter(&mut self, key: u64, origin: usize, film: u32, tick: u64, mean_ms: f64, unit: f64) -> usize {
        let lives = (-(1.0 - unit).ln()).min(LIVES_MAX);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "bounded by the calendar below"
        )]
        let stays = ((lives * mean_ms / self.tick_ms as f64).ceil() as u64).clamp(1, CALENDAR as u64 - 1);
        let slot = self.free.pop().unwrap_or_else(|| {
            self.groups.push(Group { key: 0, spot: 0, film: 0, node: NOWHERE, serial: 0 });
            index(self.groups.len() - 1)
        });
        let group = &mut self.groups[slot as usize];
        *group = Group { key, spot: index(origin), film, node: NOWHERE, serial: group.serial };
        self.calendar[ring(tick + stays)].push(slot);
        self.count += 1;
        slot as usize
    }

    /// Those who leave in this tick, with the node they watch from.
    pub fn leave(&mut self, tick: u64) -> Vec<(usize, Option<usize>)> {
        let leaving = std::mem::take(&mut self.calendar[ring(tick)]);
        leaving.into_iter().map(|slot| (slot as usize, self.node(slot as usize))).collect()
    }

    /// The next one to leave, ahead of its time.
    pub fn leave_early(&mut self, tick: u64) -> Option<(usize, Option<usize>)> {
        let mut ahead = (1..CALENDAR as u64).map(|ahead| ring(tick + ahead));
        let at = ahead.find(|at| !self.calendar[*at].is_empty())?;
        let slot = self.calendar[at].pop()? as usize;
        Some((slot, self.node(slot)))
    }

    /// The slot of a group that left.
    pub fn free(&mut self, slot: usize) {
        let group = &mut self.groups[slot];
        (group.node, group.serial) = (NOWHERE, group.serial.wrapping_add(1));
        self.free.push(index(slot));
        self.count -= 1;
    }

    /// Its spot and the key of its choice.
    #[must_use]
    pub fn question(&self, slot: usize) -> (usize, u64) {
        (self.groups[slot].spot as usize, self.groups[slot].key)
    }

    /// Where it watches from now on.
    pub fn put(&mut self, slot: usize, node: Option<usize>) {
        self.groups[slot].node = node.map_or(NOWHERE, index);
    }

    fn node(&self, slot: usize) -> Option<usize> {
        Some(self.groups[slot].node).filter(|node| *node != NOWHERE).map(|node| node as usize)
    }

    /// Those who watch: slot, spot, film and node.
    pub fn seated(&self) -> impl Iterator<Item = (usize, usize, u32, usize)> {
        let groups = self.groups.iter().enumerate().filter(|(_, group)| group.node != NOWHERE);
        groups.map(|(slot, group)| (slot, group.spot as usize, group.film, group.node as usize))
    }

    /// Groups that are there and do not watch.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.count - self.seated().count()
    }

    /// Those who watch from one of these nodes, which ascend, with the node.
    #[must_use]
    pub fn seated_on(&self, nodes: &[usize]) -> Vec<(usize, usize)> {
        let of = |(slot, _, _, node)| nodes.binary_search(&node).is_ok().then_some((slot, node));
        self.seated().filter_map(of).collect()
    }

    /// It will ask the gate again.
    pub fn ask(&mut self, slot: usize, at_ms: u64, lost: Option<Lost>) {
        let serial = self.groups[slot].serial;
        self.asks.push(Reverse(Ask { at_ms, slot: index(slot), serial, lost }));
    }

    /// When the next one asks.
    #[must_use]
    pub fn next_ask_ms(&self) -> Option<u64> {
        self.asks.peek().map(|ask| ask.0.at_ms)
    }

    /// The next one that asks; `None` of those who left meanwhile.
    pub fn pop_ask(&mut self) -> Option<(usize, Option<Lost>)> {
        let Reverse(ask) = self.asks.pop()?;
        let is_there = self.groups[ask.slot as usize].serial == ask.serial;
        is_there.then_some((ask.slot as usize, ask.lost))
    }

    /// Those who wait do so for no event any more.
    pub fn forget_losses(&mut self) {
        let forgetful = |ask: Reverse<Ask>| Reverse(Ask { lost: None, ..ask.0 });
        self.asks = std::mem::take(&mut self.asks).into_iter().map(forgetful).collect();
    }

    /// Those who wait because of these nodes ask now.
    pub fn hurry(&mut self, node: usize, now_ms: u64) {
        let hurried = |mut ask: Reverse<Ask>| {
            // Who tries another one by now waits for that.
            if ask.0.lost.is_some_and(|lost| lost.tried.or(lost.node) == Some(node)) {
                ask.0.at_ms = ask.0.at_ms.min(now_ms);
            }
            ask
        };
        self.asks = std::mem::take(&mut self.asks).into_iter().map(hurried).collect();
    }
}

/// Slots, spots and nodes are far fewer than 2^32.
fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(NOWHERE)
}

fn ring(tick: u64) -> usize {
    usize::try_from(tick % CALENDAR as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_come_stay_and_leave() {
        let mut crowd = Crowd::new(1_000);
        let short = crowd.enter(1, 0, 0, 0, 1_000.0, 0.1);
        let long = crowd.enter(2, 1, 0, 0, 1_000.0, 0.99);
        crowd.put(long, Some(3));
        assert_eq!(crowd.leave(1), [(short, None)]);
        crowd.free(short);
        assert_eq!(crowd.len(), 1);
        assert_eq!(crowd.seated_on(&[1, 3]), [(long, 3)]);
        assert_eq!(crowd.leave_early(1), Some((long, Some(3))));
        crowd.free(long);
        assert!(crowd.is_empty() && crowd.leave_early(1).is_none());
    }

    #[test]
    fn who_left_asks_no_more_though_another_has_the_slot() {
        let mut crowd = Crowd::new(1_000);
        let slot = crowd.enter(1, 0, 0, 0, 1_000.0, 0.5);
        crowd.ask(slot, 50, None);
        crowd.free(slot);
        assert_eq!(crowd.enter(2, 0, 0, 0, 1_000.0, 0.5), slot);
        assert_eq!((crowd.next_ask_ms(), crowd.pop_ask()), (Some(50), None));
    }

    #[test]
    fn a_verdict_hurries_those_who_wait_for_that_node() {
        let mut crowd = Crowd::new(1_000);
        let lost = |node| Some(Lost { blow: 0, node: Some(node), tried: None, since_ms: 1 });
        let slots: Vec<usize> = (0..2).map(|n| crowd.enter(n, 0, 0, 0, 1_000.0, 0.5)).collect();
        crowd.ask(slots[0], 5_000, lost(7));
        crowd.ask(slots[1], 4_000, lost(8));
        crowd.hurry(7, 2_000);
        assert_eq!((crowd.next_ask_ms(), crowd.pop_ask()), (Some(2_000), Some((slots[0], lost(7)))));
        assert_eq!(crowd.next_ask_ms(), Some(4_000));
    }
}
