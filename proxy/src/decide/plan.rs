//! Turns an order of nodes into what the viewer gets, and says why.
//!
//! Serving and explaining take the same step here, so that an explanation is never a second opinion.
//! Absent on purpose: links, headers and statuses; they are renderings of a [`Plan`].

use serde::Serialize;

use super::rank::{Dropped, Facts, Fixed, Nodes, Question, Ranking, Scored, Tier, rank};

/// What to do while no node is healthy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllDown {
    /// Choose as if every node were up.
    NearestAnyway,
    /// Send everybody to the source.
    Source,
    /// Answer 503.
    Refuse,
}

/// The facts of a whole fleet that a policy needs.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// What to do while no node is healthy.
    pub all_down: AllDown,
    /// Index of the source, if the fleet has one.
    pub source: Option<usize>,
}

/// Why this node, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// It is the nearest node that takes viewers.
    Nearest,
    /// An operator's rule names it.
    Rule,
    /// It shares its viewers with a nearer node that is about as near.
    Spread,
    /// A nearer node is busy.
    Load,
    /// Nothing is healthy and the policy chose.
    AllDown,
    /// The nodes before it do not hold the film.
    OnlyHolder,
    /// The nodes before it failed when they were asked.
    NodeFailed,
}

impl Why {
    /// Every value, for tables that are indexed by it.
    pub const ALL: [Self; 7] = [
        Self::Nearest,
        Self::Rule,
        Self::Spread,
        Self::Load,
        Self::AllDown,
        Self::OnlyHolder,
        Self::NodeFailed,
    ];

    /// The word used in JSON, headers, metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nearest => "nearest",
            Self::Rule => "rule",
            Self::Spread => "spread",
            Self::Load => "load",
            Self::AllDown => "all_down",
            Self::OnlyHolder => "only_holder",
            Self::NodeFailed => "node_failed",
        }
    }
}

/// The nodes for one viewer, best first.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The winner and the alternates; empty: the request is refused, because everything is down or, if nodes were
    /// passed over for it, because nobody who may take viewers holds the film.
    pub ranking: Ranking,
    /// Why the winner won, or that everything is down.
    pub why: Why,
}

impl Plan {
    /// The node that is chosen.
    #[must_use]
    pub fn winner(&self) -> Option<&Scored> {
        self.ranking.best.first()
    }

    /// Whether nodes are well but known to lack the film.
    #[must_use]
    pub fn is_film_missing(&self) -> bool {
        self.ranking.best.is_empty() && self.ranking.passed.is_some()
    }
}

/// Chooses at most `depth` nodes: healthy ones, else whatever the policy says.
pub fn plan(question: &Question<'_>, nodes: &impl Nodes, policy: Policy, depth: usize) -> Plan {
    let ranking = rank(question, nodes, depth);
    if let Some(winner) = ranking.best.first() {
        let why = why(winner, &ranking);
        return Plan { ranking, why };
    }
    if ranking.passed.is_some() {
        // Nodes are well enough; it is the film that they lack.
        return Plan { ranking, why: Why::OnlyHolder };
    }
    let ranking = match (policy.all_down, policy.source) {
        (AllDown::NearestAnyway, _) => rank(question, &Anyway { nodes, only: None }, depth),
        (AllDown::Source, Some(source)) => rank(question, &Anyway { nodes, only: Some(source) }, depth),
        (AllDown::Source, None) | (AllDown::Refuse, _) => Ranking::default(),
    };
    Plan { ranking, why: Why::AllDown }
}

/// The order in which nodes are tried for a film once every node that may take viewers has failed it: all of them, as if
/// nothing were known of their health and of the film, and nobody drained them. Words may be old, and a film is better
/// than none.
pub fn last_resort(question: &Question<'_>, nodes: &impl Nodes, depth: usize) -> Ranking {
    rank(question, &Desperate(nodes), depth)
}

/// The fleet with its health, the operator's drains and the presence of the film forgotten.
struct Desperate<'a, N>(&'a N);

impl<N: Nodes> Nodes for Desperate<'_, N> {
    fn count(&self) -> usize {
        self.0.count()
    }

    fn fixed(&self, node: usize) -> Fixed {
        self.0.fixed(node)
    }

    fn facts(&self, node: usize) -> Facts {
        let mut facts = self.0.facts(node);
        facts.dropped = facts.dropped.filter(|dropped| !dropped.is_health() && *dropped != Dropped::Draining);
        facts.lacks = None;
        facts
    }

    fn distance_km(&self, node: usize) -> Option<f32> {
        self.0.distance_km(node)
    }

    fn is_beyond(&self, node: usize, km: f64) -> bool {
        self.0.is_beyond(node, km)
    }
}

fn why(winner: &Scored, ranking: &Ranking) -> Why {
    if ranking.passed.as_ref().is_some_and(|passed| passed.is_before(winner)) {
        return Why::OnlyHolder;
    }
    if winner.tier < Tier::Geo {
        return Why::Rule;
    }
    let Some(nearest) = ranking.nearest.as_ref().filter(|nearest| nearest.node != winner.node) else {
        return Why::Nearest;
    };
    if nearest.distance_km == winner.distance_km {
        return Why::Spread;
    }
    let idle = |scored: &Scored| scored.score_ms() - scored.load_ms;
    if nearest.dropped.is_some() || idle(nearest) < idle(winner) { Why::Load } else { Why::Spread }
}

/// The fleet with its health forgotten.
struct Anyway<'a, N> {
    nodes: &'a N,
    only: Option<usize>,
}

impl<N: Nodes> Nodes for Anyway<'_, N> {
    fn count(&self) -> usize {
        self.nodes.count()
    }

    fn fixed(&self, node: usize) -> Fixed {
        self.nodes.fixed(node)
    }

    fn facts(&self, node: usize) -> Facts {
        let mut facts = self.nodes.facts(node);
        if self.only.is_some_and(|only| only != node) {
            facts.dropped = Some(facts.dropped.unwrap_or(Dropped::Down));
        } else {
            facts.dropped = facts.dropped.filter(|dropped| !dropped.is_health());
        }
        facts
    }

    fn distance_km(&self, node: usize) -> Option<f32> {
        self.nodes.distance_km(node)
    }

    fn is_beyond(&self, node: usize, km: f64) -> bool {
        self.nodes.is_beyond(node, km)
    }
}

#[cfg(test)]
mod tests;
