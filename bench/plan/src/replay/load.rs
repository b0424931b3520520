//! How many viewers each node would have at once, by the minute, as well as a log can tell.
//!
//! A viewer is a group and a film; it watches for a fixed time from its first ask on, and asks for seeks meanwhile.
//! Memory is bounded: by the minutes of that time, and by a number of viewers beyond which asks count anew.

use std::collections::HashMap;

/// Viewers remembered at once.
const VIEWERS_MAX: usize = 1_000_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Load {
    /// New viewers of each node in each of the last minutes; the slot of a minute is its rest by the length.
    minutes: Vec<Vec<u32>>,
    now: u64,
    on: Vec<u64>,
    most: Vec<(u64, u64)>,
}

/// Who watches what, since when.
#[derive(Debug, Default)]
pub(super) struct Watching {
    since: HashMap<u64, u64>,
    /// Asks that could not be told from those of a new viewer.
    pub(super) forgotten: u64,
}

impl Watching {
    /// Whether this is a viewer who does not watch yet.
    pub(super) fn begins(&mut self, key: u64, minute: u64, view_minutes: u64) -> bool {
        if let Some(since) = self.since.get(&key)
            && minute < since + view_minutes
        {
            return false;
        }
        if self.since.len() >= VIEWERS_MAX {
            self.since.retain(|_, since| minute < *since + view_minutes);
        }
        if self.since.len() >= VIEWERS_MAX {
            self.forgotten += 1;
        } else {
            self.since.insert(key, minute);
        }
        true
    }
}

impl Load {
    pub(super) fn new(nodes: usize, view_minutes: u64) -> Self {
        let length = usize::try_from(view_minutes).unwrap_or(1).max(1);
        Self { minutes: vec![vec![0; nodes]; length], now: 0, on: vec![0; nodes], most: vec![(0, 0); nodes] }
    }

    /// A viewer begins at a node; says whether a minute has passed. Lines come late: what is older than the time of
    /// watching is over.
    pub(super) fn begins(&mut self, node: usize, minute: u64) -> bool {
        let length = self.minutes.len() as u64;
        if self.now == 0 {
            self.now = minute;
        }
        let passed = self.now < minute;
        while self.now < minute {
            self.now += 1;
            // A gap longer than everybody watches leaves nobody.
            if minute - self.now > length {
                self.now = minute - length;
            }
            let slot = self.slot(self.now);
            for (on, gone) in self.on.iter_mut().zip(std::mem::take(&mut self.minutes[slot])) {
                *on -= u64::from(gone);
            }
            self.minutes[slot] = vec![0; self.on.len()];
        }
        if minute + length > self.now {
            let slot = self.slot(minute);
            self.minutes[slot][node] += 1;
            self.on[node] += 1;
            if self.on[node] > self.most[node].0 {
                self.most[node] = (self.on[node], self.now);
            }
        }
        passed
    }

    fn slot(&self, minute: u64) -> usize {
        usize::try_from(minute % self.minutes.len() as u64).unwrap_or_default()
    }

    /// Viewers of a node now.
    pub(super) fn on(&self, node: usize) -> u64 {
        self.on[node]
    }

    /// The most viewers of a node, and in which minute.
    pub(super) fn most(&self, node: usize) -> (u64, u64) {
        self.most[node]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viewers_are_there_for_their_time() {
        let mut load = Load::new(2, 3);
        let steps = [(0, 100), (0, 101), (0, 102), (1, 103), (0, 104)];
        let on: Vec<u64> = steps
            .into_iter()
            .map(|(node, minute)| {
                load.begins(node, minute);
                load.on(0)
            })
            .collect();
        assert_eq!(on, [1, 2, 3, 2, 2]);
        // A late line counts where it belongs; one that is too late does not.
        load.begins(1, 102);
        load.begins(1, 101);
        assert_eq!((load.on(1), load.most(0), load.most(1)), (2, (3, 102), (2, 104)));
        load.begins(1, 1_000_000);
        assert_eq!((load.on(0), load.on(1)), (0, 1));
    }

    #[test]
    fn who_asks_again_is_no_new_viewer() {
        let mut watching = Watching::default();
        let asks = [(1, 10), (1, 12), (2, 12), (1, 13)];
        assert_eq!(asks.map(|(key, minute)| watching.begins(key, minute, 3)), [true, false, true, true]);
    }
}
