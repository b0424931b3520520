//! What a replay found, as figures.

use std::collections::BTreeMap;

use serde::Serialize;

/// Half of the globe's girth in kilometres, and a little more.
const KM_MAX: usize = 20_100;

/// A whole replay.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Replay {
    /// Lines that were read.
    pub lines: u64,
    /// Lines that are no access lines.
    pub bad: u64,
    /// The first of them, with file, line and what is wrong.
    pub bad_examples: Vec<String>,
    /// Access lines that sent nobody to a node, by outcome.
    pub passed_over: BTreeMap<String, u64>,
    /// Access lines that were compared.
    pub asks: u64,
    /// Of them, those without a viewer's address.
    pub without_address: u64,
    /// Compared with what the log says, not with another configuration.
    pub against_log: bool,
    /// Whether nodes filled up.
    pub with_load: bool,
    /// How long a viewer was taken to watch.
    pub view_minutes: u64,
    /// Asks that go where they went.
    pub stay: u64,
    /// Asks that go elsewhere.
    pub move_count: u64,
    /// Networks of viewers (/24, /56) in the log.
    pub groups: u64,
    /// Of them, those with an ask that goes elsewhere.
    pub moved_groups: u64,
    /// There are more of them than are told apart.
    pub groups_full: bool,
    /// Asks that were counted as new viewers for want of memory.
    pub forgotten: u64,
    /// Asks that go farther than before.
    pub farther: u64,
    /// Kilometres of asks that move, before.
    pub km_before: Histogram,
    /// After.
    pub km_after: Histogram,
    /// By way and reason, most first.
    pub moves: Vec<Move>,
    /// Nodes of the configuration before.
    pub before: Option<Vec<NodeUse>>,
    /// Nodes of the configuration after.
    pub after: Vec<NodeUse>,
    /// The first that move, explained.
    pub examples: Vec<Example>,
}

/// Asks that take the same way for the same reason.
#[derive(Clone, Debug, Serialize)]
pub struct Move {
    /// The node before, `nobody` if there was none.
    pub from: String,
    /// The node after.
    pub to: String,
    /// Why.
    pub reason: String,
    /// How many.
    pub asks: u64,
}

/// A node and what it would carry.
#[derive(Clone, Debug, Serialize)]
pub struct NodeUse {
    /// Its id.
    pub id: String,
    /// Asks that were sent there.
    pub asks: u64,
    /// The most viewers at once.
    pub most: u64,
    /// In which minute, RFC 3339.
    pub most_at: String,
    /// Its budget.
    pub max_viewers: u32,
    /// The most as a part of that.
    pub share: f64,
}

/// One ask that moves.
#[derive(Clone, Debug, Serialize)]
pub struct Example {
    /// When, RFC 3339.
    pub time: String,
    /// The viewer's network.
    pub viewer: String,
    /// What was asked for.
    pub film: String,
    /// Where it went.
    pub from: String,
    /// Where it goes.
    pub to: String,
    /// Why.
    pub reason: String,
    /// Why it went there, by the log.
    pub logged: String,
    /// The choice before, if there is a configuration of before.
    pub before: Option<ExampleSide>,
    /// The choice after.
    pub after: ExampleSide,
}

/// One choice.
#[derive(Clone, Debug, Serialize)]
pub struct ExampleSide {
    /// Degrees north.
    pub lat: Option<f64>,
    /// Degrees east.
    pub lon: Option<f64>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// As in `explain`.
    pub place_from: &'static str,
    /// As in `explain`.
    pub why: &'static str,
    /// The best nodes, and the one of before.
    pub nodes: Vec<ExampleNode>,
}

/// One node's part in a choice; names as in `explain`.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "named and told as in `explain`")]
pub struct ExampleNode {
    pub id: String,
    pub tier: &'static str,
    pub distance_km: Option<f64>,
    pub cost_ms: f64,
    pub spread_ms: f64,
    pub score_ms: f64,
    pub dropped: Option<&'static str>,
}

/// Distances by the kilometre: as much memory for a million lines as for one.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; KM_MAX + 1], total: 0 }
    }
}

impl Histogram {
    /// One more.
    pub fn add(&mut self, km: f32) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "kept within the table")]
        let at = (km.max(0.0) as usize).min(KM_MAX);
        self.counts[at] += 1;
        self.total += 1;
    }

    /// Kilometres that this part of all is not beyond.
    #[must_use]
    pub fn at(&self, part: f64) -> u64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a count")]
        let wanted = ((self.total as f64 * part).ceil() as u64).max(1);
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        found.map_or(0, |km| km as u64)
    }
}

impl Serialize for Histogram {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let parts = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("most", 1.0)];
        to.collect_map(parts.map(|(name, part)| (name, self.at(part))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_found_again() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.at(0.5), 0);
        (1..=100_u8).for_each(|km| histogram.add(f32::from(km)));
        histogram.add(1e9);
        assert_eq!([0.5, 0.9, 1.0].map(|part| histogram.at(part)), [51, 91, KM_MAX as u64]);
    }
}
