//! Orders the nodes that may answer one viewer's request for one film.
//!
//! A node's place in the order follows from that node and the viewer alone, never from another node:
//! this is why a node that comes or goes moves nobody else's viewers, and why the scan may stop early.
//! Absent on purpose: health and presence are judged by the caller and come in as [`Facts::dropped`].

mod scan;

use serde::Serialize;
use smallvec::SmallVec;

pub use self::scan::{rank, score_all};

/// Great-circle kilometres that count as one millisecond: light in fibre, there and back.
const KM_PER_MS: f64 = 100.0;
/// The least spread: nodes nearer to each other than this, in milliseconds, share their viewers.
const SPREAD_MIN_MS: f64 = 10.0;
/// What a node at half of its budget costs more than an idle one, in milliseconds.
const LOAD_HALF_MS: f64 = 5.0;
/// The load term's ceiling just below a full budget, in milliseconds.
const LOAD_MAX_MS: f64 = 1_000.0;

/// Which statement put a node where it is; an earlier one beats every later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// An operator's rule for the viewer's network.
    Cidr,
    /// An operator's rule for the viewer's autonomous system.
    Asn,
    /// An operator's rule for the viewer's country.
    Country,
    /// Geography.
    Geo,
}

impl Tier {
    /// The word used in JSON, headers and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cidr => "cidr",
            Self::Asn => "asn",
            Self::Country => "country",
            Self::Geo => "geo",
        }
    }
}

/// Why a node does not take this viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dropped {
    /// Switched off in the configuration.
    Disabled,
    /// An operator drains it: it keeps its viewers and takes no new ones.
    Draining,
    /// No verdict of the health checks yet.
    Unproven,
    /// The health checks say it is down.
    Down,
    /// An `https` viewer is never sent to an `http` address.
    Scheme,
    /// It does not hold the film.
    Absent,
    /// The film was deleted.
    Deleted,
    /// It holds another version of the film than the newest.
    StaleVersion,
    /// It refuses us: its configuration, never a word about the film.
    Forbidden,
    /// It was asked for the film and has not answered.
    Unanswered,
    /// A better tier has a node.
    LowerTier,
    /// Its viewer budget is full.
    OverBudget,
    /// It returned a moment ago, and the part of its budget it may use so far is full.
    SlowStart,
}

impl Dropped {
    /// The word used in JSON, headers and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Draining => "draining",
            Self::Unproven => "unproven",
            Self::Down => "down",
            Self::Scheme => "scheme",
            Self::Absent => "absent",
            Self::Deleted => "deleted",
            Self::StaleVersion => "stale_version",
            Self::Forbidden => "forbidden",
            Self::Unanswered => "unanswered",
            Self::LowerTier => "lower_tier",
            Self::OverBudget => "over_budget",
            Self::SlowStart => "slow_start",
        }
    }

    /// Whether a policy for "everything is down" may look past this reason.
    #[must_use]
    pub fn is_health(self) -> bool {
        matches!(self, Self::Unproven | Self::Down)
    }

    /// Whether it is about this film alone.
    #[must_use]
    pub fn is_presence(self) -> bool {
        matches!(self, Self::Absent | Self::Deleted | Self::StaleVersion | Self::Forbidden | Self::Unanswered)
    }
}

/// What of a node stays as it is configured.
#[derive(Clone, Copy, Debug)]
pub struct Fixed {
    /// Hash of the node's id ([`seed`]).
    pub seed: u64,
    /// 1 / weight.
    pub weight_inverse: f64,
    /// Configured addition to the distance cost, in milliseconds; not below 0.
    pub base_ms: f64,
}

/// What is known of one node at the moment of the choice.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Viewers in flight as a share of the whole budget: 0 is idle, 1 is full.
    pub load: f64,
    /// The part of the budget that may be used now, (0, 1]: below 1 during slow start.
    pub budget_share: f64,
    /// Why the node is out of the question, whatever its score and whatever the film.
    pub dropped: Option<Dropped>,
    /// Why it is out of the question for this film.
    pub lacks: Option<Dropped>,
}

impl Facts {
    /// The part of the cost that the load makes, in milliseconds; not below 0.
    fn load_ms(&self) -> f64 {
        load_ms(self.load, self.budget_share)
    }
}

/// The fleet as the chooser sees it; facts are read only of the nodes that may win.
pub trait Nodes {
    /// How many nodes there are.
    fn count(&self) -> usize;
    /// What of one of them stays as it is configured.
    fn fixed(&self, node: usize) -> Fixed;
    /// What is known of it now.
    fn facts(&self, node: usize) -> Facts;
    /// Kilometres from the viewer's place to the node; `None` while the place is unknown.
    fn distance_km(&self, node: usize) -> Option<f32>;
    /// Whether the node is farther away than so many kilometres, if that can be told for less than the distance; false:
    /// it has to be measured.
    fn is_beyond(&self, node: usize, km: f64) -> bool {
        let _ = (node, km);
        false
    }
}

/// The nodes nearest to a place, nearest first: all of the fleet, or a first part of it.
#[derive(Clone, Copy, Debug)]
pub struct Near<'a> {
    /// Node and kilometres, ascending.
    pub nodes: &'a [(u32, f32)],
}

/// What the viewer's side brings into the choice.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Hash of viewer group and film ([`viewer_key`]).
    pub key: u64,
    /// The spread `T` in milliseconds ([`spread_ms`]).
    pub spread_ms: f64,
    /// Nodes named by operator rules that match this viewer, by tier; empty where no rule matches.
    pub rules: [(Tier, &'a [usize]); 3],
    /// The nodes by distance; `None`: scan the whole fleet.
    pub near: Option<Near<'a>>,
}

/// One node with its figures; [`Ranking`] keeps the best ones in order.
#[derive(Clone, Copy, Debug)]
pub struct Scored {
    /// Index into the fleet.
    pub node: usize,
    /// The best tier that names it.
    pub tier: Tier,
    /// Kilometres, if the viewer's place is known.
    pub distance_km: Option<f32>,
    /// Distance, base and load, in milliseconds.
    pub cost_ms: f64,
    /// The part of the cost that the load makes, in milliseconds.
    pub load_ms: f64,
    /// The hash's part, `0..T`, in milliseconds.
    pub spread_ms: f64,
    /// Share of the whole budget in use.
    pub load: f64,
    /// Why it does not take this viewer; a full node is still used when nobody else is left.
    pub dropped: Option<Dropped>,
    seed: u64,
}

impl Scored {
    /// Cost and spread together, in milliseconds.
    #[must_use]
    pub fn score_ms(&self) -> f64 {
        self.cost_ms + self.spread_ms
    }

    /// Kilometres as the choice takes them: all are equally near to a viewer whose place is unknown.
    fn km(&self) -> f32 {
        self.distance_km.unwrap_or(0.0)
    }

    fn is_full(&self) -> bool {
        matches!(self.dropped, Some(Dropped::OverBudget | Dropped::SlowStart))
    }

    /// Whether the chooser may send the viewer there at all.
    #[must_use]
    pub fn is_candidate(&self) -> bool {
        self.dropped.is_none() || self.is_full()
    }

    pub(super) fn is_before(&self, other: &Self) -> bool {
        let class = |scored: &Self| (scored.is_full(), scored.tier);
        class(self)
            .cmp(&class(other))
            .then_with(|| self.score_ms().total_cmp(&other.score_ms()))
            .then_with(|| self.seed.cmp(&other.seed))
            .is_lt()
    }
}

/// The best nodes, best first, and the nearest one that could have been chosen.
#[derive(Clone, Debug, Default)]
pub struct Ranking {
    /// At most as many as were asked for.
    pub best: SmallVec<[Scored; 4]>,
    /// The candidate at the least distance among all that were looked at, full ones included.
    pub nearest: Option<Scored>,
    /// The best of those looked at that are out of the question only because of the film.
    pub passed: Option<Scored>,
}

impl Ranking {
    fn offer(&mut self, scored: Scored, depth: usize) {
        if !scored.is_candidate() {
            let is_passed = scored.dropped.is_some_and(Dropped::is_presence);
            if is_passed && self.passed.as_ref().is_none_or(|passed| scored.is_before(passed)) {
                self.passed = Some(scored);
            }
            return;
        }
        let nearer = |than: &Scored| scored.km() < than.km();
        if self.nearest.as_ref().is_none_or(nearer) {
            self.nearest = Some(scored);
        }
        let at = self.best.iter().position(|other| scored.is_before(other)).unwrap_or(self.best.len());
        if at < depth {
            self.best.truncate(depth - 1);
            self.best.insert(at, scored);
        }
    }

    /// What a node of the geo tier must not cost more than to enter the list; `None`: it is open.
    fn limit_ms(&self, depth: usize) -> Option<f64> {
        let worst = self.best.last().filter(|worst| self.best.len() == depth && !worst.is_full())?;
        // Whoever a rule names is before all others, whatever it costs.
        Some(if worst.tier < Tier::Geo { f64::NEG_INFINITY } else { worst.score_ms() })
    }
}

/// What a distance costs, in milliseconds.
fn km_ms(km: f32) -> f64 {
    f64::from(km) / KM_PER_MS
}

/// What a budget in use costs, in milliseconds: nothing while idle, 5 at half, 81 at nine tenths.
///
/// It grows without a step up to a full budget and goes on growing beyond, so that of several full
/// nodes the least full one is taken.
fn load_ms(load: f64, budget_share: f64) -> f64 {
    let used = load / budget_share;
    if used >= 1.0 {
        return LOAD_MAX_MS * used;
    }
    (2.0 * LOAD_HALF_MS * used * used / (1.0 - used)).min(LOAD_MAX_MS)
}

/// The spread `T` for a place of this accuracy: how much the costs of two nodes may differ before the
/// farther one is out of the question, in milliseconds.
///
/// A viewer somewhere within the radius may be nearer to one node and farther from the other by the
/// radius each, so the difference of two distances is uncertain by twice the radius.
#[must_use]
pub fn spread_ms(radius_km: Option<u16>) -> f64 {
    SPREAD_MIN_MS.max(radius_km.map_or(0.0, |radius| 2.0 * f64::from(radius) / KM_PER_MS))
}

/// The hash of viewer group and film, the same in every gate and for ever.
#[must_use]
pub fn viewer_key(group: u64, film: &[u8; 16]) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(film, group)
}

/// The hash of a node's id, the same in every gate and for ever.
#[must_use]
pub fn seed(node_id: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(node_id.as_bytes())
}

/// A number in (0, 1) that follows from the two hashes alone (the finaliser of `SplitMix64`, Steele et al. 2014).
fn unit(key: u64, seed: u64) -> f64 {
    let mut z = key ^ seed.rotate_left(32);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    ((z >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests;
