//! What became of one event: who was on the nodes, who waited how long, where they are now.

use std::collections::BTreeMap;

use crate::event::{Event, What};

/// See the module.
#[derive(Clone, Debug)]
pub struct Blow {
    /// What it is called.
    pub words: String,
    /// What it was.
    pub what: What,
    /// Whom it met.
    pub nodes: Vec<usize>,
    /// When, by the gates' clock.
    pub at_ms: u64,
    /// Until when it is looked at.
    pub until_ms: u64,
    /// Viewers on the nodes when it came.
    pub on_them: u64,
    /// Answers that named a node which was dead.
    pub sent_to_dead: u64,
    /// Answers that named nobody, while it was looked at.
    pub refused: u64,
    /// How long the gates took to see each of the nodes down, or up again, in milliseconds.
    pub seen_ms: Vec<Option<u64>>,
    /// Kilometres before and after, of each group that watched from the nodes and watches again.
    pub moves: Vec<(f32, f32)>,
    /// Groups that went from one node to another.
    pub flows: BTreeMap<(usize, usize), u64>,
    /// How long each of them, and each that was sent to a dead node, went without, in milliseconds.
    pub waits_ms: Vec<u64>,
    /// Viewers of every node when it came.
    pub before: Vec<u64>,
    /// Viewers of every node, tick by tick, while it is looked at: milliseconds since the event first.
    pub close_up: Vec<(u64, Vec<u32>)>,
}

impl Blow {
    /// At its beginning.
    #[must_use]
    pub fn new(event: &Event, at_ms: u64, until_ms: u64, before: Vec<u64>) -> Self {
        Self {
            words: event.words.clone(),
            what: event.what,
            seen_ms: vec![None; event.nodes.len()],
            nodes: event.nodes.clone(),
            at_ms,
            until_ms,
            on_them: 0,
            sent_to_dead: 0,
            refused: 0,
            moves: Vec::new(),
            flows: BTreeMap::new(),
            waits_ms: Vec::new(),
            before,
            close_up: Vec::new(),
        }
    }

    /// A group watches again after so long: before from this node at so many kilometres, now from that.
    pub fn settled(&mut self, from: Option<(usize, f32)>, to: (usize, f32), waited_ms: u64) {
        if let Some(from) = from {
            self.moves.push((from.1, to.1));
            *self.flows.entry((from.0, to.0)).or_default() += 1;
        }
        self.waits_ms.push(waited_ms);
    }

    /// The gates have seen a node go, or return.
    pub fn seen(&mut self, node: usize, now_ms: u64) {
        let at_ms = self.at_ms;
        if let Some(at) = self.nodes.iter().position(|known| *known == node) {
            self.seen_ms[at].get_or_insert(now_ms - at_ms);
        }
    }
}
