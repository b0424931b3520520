//! What happened in a run, counted while it happens: in all, and in short slots of time.
//!
//! A request is counted when it is due, when it is sent and when its answer begins, each in the slot of that moment, so
//! that a gap between the three is seen. Everything is bounded. Absent on purpose: figures, which the report makes.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

use super::cause::Cause;
use super::homes::Home;

/// Slots of a run, and a few for those who are waited for at its end.
const SLOTS_MAX: usize = 400;
/// Nodes that are told apart.
const NODES_MAX: usize = 2000;
/// Wrong blocks that are told in full.
const WRONG_MAX: usize = 20;
/// Width of a cell of the map, in degrees.
const CELL_DEGREES: f64 = 2.5;

/// Why the gate is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Start,
    Seek,
    /// A viewer whose film broke off comes back.
    Resume,
}

/// With whom something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Party {
    Gate,
    /// By its index in [`Counts::nodes`].
    Node(usize),
    /// The load generator itself.
    Bench,
}

/// How a film ended for its viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    /// Seen to its end.
    Whole,
    /// The viewer went when it was time.
    Left,
    /// The viewer had enough.
    Abandoned,
    /// Broken, and not to be had again.
    Lost,
    /// The run was over.
    RunOver,
}

/// Times in microseconds.
pub(super) type Times = Histogram<u64>;

/// A short time of the run.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) due: u32,
    pub(super) sent: u32,
    pub(super) answered: u32,
    /// From due to the gate's answer, by the moment of the answer.
    pub(super) gate_us: Histogram<u32>,
    /// From due to the first byte of the film.
    pub(super) first_byte_us: Histogram<u32>,
    /// Most viewers at once.
    pub(super) viewers: u32,
    /// Bytes by node.
    pub(super) bytes: Vec<u64>,
    pub(super) faults: BTreeMap<Cause, u32>,
    pub(super) resumed: u32,
}

/// Requests of one kind.
#[derive(Debug)]
pub(super) struct Requests {
    pub(super) due: u64,
    pub(super) answered: u64,
    pub(super) gate_us: Times,
    pub(super) first_byte_us: Times,
}

/// A node that viewers were sent to.
#[derive(Clone, Debug, Default)]
pub(super) struct Node {
    pub(super) name: String,
    /// Latitude and longitude, if known.
    pub(super) at: Option<(f64, f64)>,
    /// Requests that were sent there.
    pub(super) sent: u64,
    pub(super) bytes: u64,
}

/// A block that was not the film's.
#[derive(Clone, Debug, Serialize)]
pub(super) struct WrongBlock {
    pub(super) film: String,
    pub(super) at: u64,
    pub(super) from: String,
}

/// All that is counted.
#[derive(Debug)]
pub(super) struct Counts {
    pub(super) slots: Vec<Slot>,
    pub(super) kinds: BTreeMap<Kind, Requests>,
    /// From due to sent.
    pub(super) late_us: Times,
    pub(super) nodes: Vec<Node>,
    pub(super) faults: BTreeMap<(Party, Cause), u64>,
    pub(super) ends: BTreeMap<End, u64>,
    pub(super) came: u64,
    pub(super) at_once: u32,
    pub(super) at_once_max: u32,
    pub(super) read: u64,
    pub(super) checked: u64,
    pub(super) wrong_blocks: u64,
    pub(super) wrong: Vec<WrongBlock>,
    /// Breaks after which the film went on.
    pub(super) resumed: u64,
    /// From the break to the next byte.
    pub(super) silence_us: Times,
    /// Viewers by cell and node.
    pub(super) cells: HashMap<(i16, i16, usize), u64>,
    known: HashMap<String, usize>,
}

/// Counts against a clock.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) counts: Counts,
    pub(super) begun: Instant,
    pub(super) slot: Duration,
}

impl Tally {
    /// `slot`: so long that the run has at most some hundred.
    pub(super) fn new(begun: Instant, slot: Duration) -> Self {
        let counts = Counts {
            slots: Vec::new(),
            kinds: BTreeMap::new(),
            late_us: times(),
            nodes: Vec::new(),
            faults: BTreeMap::new(),
            ends: BTreeMap::new(),
            came: 0,
            at_once: 0,
            at_once_max: 0,
            read: 0,
            checked: 0,
            wrong_blocks: 0,
            wrong: Vec::new(),
            resumed: 0,
            silence_us: times(),
            cells: HashMap::new(),
            known: HashMap::new(),
        };
        Self { counts, begun, slot }
    }

    /// A node by what it is called in links or decisions; beyond a bound all others are one.
    pub(super) fn node(&mut self, key: &str, known: impl FnOnce() -> Node) -> usize {
        if let Some(index) = self.counts.known.get(key) {
            return *index;
        }
        if self.counts.nodes.len() >= NODES_MAX {
            return NODES_MAX - 1;
        }
        let is_last = self.counts.nodes.len() + 1 == NODES_MAX;
        self.counts.nodes.push(if is_last {
            Node { name: "all others".to_owned(), ..Node::default() }
        } else {
            known()
        });
        let index = self.counts.nodes.len() - 1;
        self.counts.known.insert(key.to_owned(), index);
        index
    }

    pub(super) fn came(&mut self, now: Instant) {
        // So that slots until now have those who were there in them, here and below.
        self.slot(now);
        self.counts.came += 1;
        self.counts.at_once += 1;
        self.counts.at_once_max = self.counts.at_once_max.max(self.counts.at_once);
        let at_once = self.counts.at_once;
        let slot = self.slot(now);
        slot.viewers = slot.viewers.max(at_once);
    }

    pub(super) fn went(&mut self, now: Instant) {
        self.slot(now);
        self.counts.at_once = self.counts.at_once.saturating_sub(1);
    }

    pub(super) fn ended(&mut self, end: End) {
        *self.counts.ends.entry(end).or_default() += 1;
    }

    pub(super) fn due(&mut self, kind: Kind, due: Instant) {
        self.kind(kind).due += 1;
        self.slot(due).due += 1;
    }

    pub(super) fn sent(&mut self, due: Instant, now: Instant) {
        self.sent_to_link(due, now);
        self.slot(now).sent += 1;
    }

    /// A seek is sent to the node of a link, past the gate.
    pub(super) fn sent_to_link(&mut self, due: Instant, now: Instant) {
        self.counts.late_us.saturating_record(micros(due, now));
    }

    /// The gate's answer is there, and is what it should be.
    pub(super) fn answered(&mut self, kind: Kind, due: Instant, now: Instant) {
        let requests = self.kind(kind);
        requests.answered += 1;
        requests.gate_us.saturating_record(micros(due, now));
        let slot = self.slot(now);
        slot.answered += 1;
        slot.gate_us.saturating_record(micros(due, now));
    }

    /// There is no answer, after all this time, which counts among the times: they would look better without it.
    pub(super) fn unanswered(&mut self, kind: Kind, due: Instant, now: Instant) {
        self.kind(kind).gate_us.saturating_record(micros(due, now));
        self.slot(now).gate_us.saturating_record(micros(due, now));
    }

    pub(super) fn first_byte(&mut self, kind: Kind, due: Instant, now: Instant) {
        self.kind(kind).first_byte_us.saturating_record(micros(due, now));
        self.slot(now).first_byte_us.saturating_record(micros(due, now));
    }

    /// A viewer is sent to a node, or gets the film of it.
    pub(super) fn sent_to(&mut self, node: usize, home: &Home) {
        if let Some(node) = self.counts.nodes.get_mut(node) {
            node.sent += 1;
        }
        if let Some((lat, lon)) = home.at {
            #[expect(clippy::cast_possible_truncation, reason = "degrees are small numbers")]
            let cell = |degrees: f64| (degrees / CELL_DEGREES).floor() as i16;
            *self.counts.cells.entry((cell(lat), cell(lon), node)).or_default() += 1;
        }
    }

    pub(super) fn read(&mut self, node: usize, bytes: u64, checked: u64, now: Instant) {
        self.counts.read += bytes;
        self.counts.checked += checked;
        if let Some(node) = self.counts.nodes.get_mut(node) {
            node.bytes += bytes;
        }
        let slot = self.slot(now);
        if slot.bytes.len() <= node {
            slot.bytes.resize(node + 1, 0);
        }
        slot.bytes[node] += bytes;
    }

    pub(super) fn wrong(&mut self, film: &str, at: u64, node: usize) {
        self.counts.wrong_blocks += 1;
        if self.counts.wrong.len() < WRONG_MAX {
            let from = self.counts.nodes.get(node).map(|node| node.name.clone()).unwrap_or_default();
            self.counts.wrong.push(WrongBlock { film: film.to_owned(), at, from });
        }
    }

    pub(super) fn fault(&mut self, party: Party, cause: Cause, now: Instant) {
        *self.counts.faults.entry((party, cause)).or_default() += 1;
        *self.slot(now).faults.entry(cause).or_default() += 1;
    }

    /// A broken film goes on.
    pub(super) fn resumed(&mut self, broke: Instant, now: Instant) {
        self.counts.resumed += 1;
        self.counts.silence_us.saturating_record(micros(broke, now));
        self.slot(now).resumed += 1;
    }

    fn kind(&mut self, kind: Kind) -> &mut Requests {
        let empty = || Requests { due: 0, answered: 0, gate_us: times(), first_byte_us: times() };
        self.counts.kinds.entry(kind).or_insert_with(empty)
    }

    fn slot(&mut self, at: Instant) -> &mut Slot {
        let passed = at.saturating_duration_since(self.begun).as_nanos();
        let index = usize::try_from(passed / self.slot.as_nanos().max(1)).unwrap_or(SLOTS_MAX);
        let index = index.min(SLOTS_MAX - 1);
        while self.counts.slots.len() <= index {
            self.counts.slots.push(Slot::new(self.counts.at_once));
        }
        &mut self.counts.slots[index]
    }
}

impl Slot {
    fn new(viewers: u32) -> Self {
        // Two digits are enough for a line; ten minutes are more than anything may take.
        let times = || Histogram::new_with_bounds(1, 600_000_000, 2).expect("these bounds are allowed");
        Self {
            due: 0,
            sent: 0,
            answered: 0,
            gate_us: times(),
            first_byte_us: times(),
            viewers,
            bytes: Vec::new(),
            faults: BTreeMap::new(),
            resumed: 0,
        }
    }
}

/// The middle of a cell, in degrees.
pub(super) fn middle(lat: i16, lon: i16) -> (f64, f64) {
    let degrees = |cell: i16| (f64::from(cell) + 0.5) * CELL_DEGREES;
    (degrees(lat), degrees(lon))
}

fn times() -> Times {
    // Allowed is any range from 1 on that ends above 2, with up to 5 digits.
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("these bounds are allowed")
}

fn micros(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally() -> Tally {
        Tally::new(Instant::now(), Duration::from_secs(1))
    }

    #[test]
    fn a_late_answer_is_seen_where_it_is_due_and_where_it_comes() {
        let mut tally = tally();
        let begun = tally.begun;
        let at = |ms: u64| begun + Duration::from_millis(ms);
        tally.due(Kind::Start, at(500));
        tally.sent(at(500), at(1500));
        tally.answered(Kind::Start, at(500), at(2500));
        let slots: Vec<_> =
            tally.counts.slots.iter().map(|slot| (slot.due, slot.sent, slot.answered)).collect();
        assert_eq!(slots, [(1, 0, 0), (0, 1, 0), (0, 0, 1)]);
        assert!(tally.counts.slots[2].gate_us.max() >= 1_990_000, "from when it was due");
        assert!(tally.counts.late_us.max() >= 999_000);
    }

    #[test]
    fn viewers_at_once_are_seen_in_slots_without_events() {
        let mut tally = tally();
        let begun = tally.begun;
        let at = |s: u64| begun + Duration::from_secs(s);
        tally.came(at(0));
        tally.came(at(0));
        tally.went(at(3));
        tally.came(at(5));
        tally.went(at(6));
        let viewers: Vec<u32> = tally.counts.slots.iter().map(|slot| slot.viewers).collect();
        assert_eq!(viewers, [2, 2, 2, 2, 1, 2, 2]);
        assert_eq!((tally.counts.at_once, tally.counts.at_once_max, tally.counts.came), (1, 2, 3));
    }

    #[test]
    fn everything_is_bounded() {
        let mut tally = tally();
        let late = tally.begun + Duration::from_secs(1_000_000);
        tally.due(Kind::Seek, late);
        assert_eq!(tally.counts.slots.len(), SLOTS_MAX);
        for number in 0..3000 {
            let name = number.to_string();
            let index = tally.node(&name, || Node { name: name.clone(), ..Node::default() });
            tally.read(index, 1, 0, late);
            tally.wrong("film", 0, index);
        }
        assert_eq!(tally.counts.nodes.len(), NODES_MAX);
        assert_eq!(tally.counts.nodes[NODES_MAX - 1].name, "all others");
        assert_eq!(tally.counts.nodes[NODES_MAX - 1].bytes, 1001);
        assert_eq!((tally.counts.wrong.len(), tally.counts.wrong_blocks), (WRONG_MAX, 3000));
    }

    #[test]
    fn cells_hold_their_middles() {
        let mut tally = tally();
        let home = |at| Home { address: [10, 0, 0, 1].into(), country: String::new(), at };
        tally.sent_to(0, &home(Some((52.5, -0.1))));
        tally.sent_to(0, &home(None));
        let (lat, lon, _) = *tally.counts.cells.keys().next().unwrap();
        let (lat, lon) = middle(lat, lon);
        assert!(
            (lat - 52.5).abs() <= CELL_DEGREES / 2.0 + 1e-9 && (lon + 0.1).abs() <= CELL_DEGREES,
            "{lat} {lon}"
        );
        assert_eq!(tally.counts.cells.len(), 1);
    }
}
