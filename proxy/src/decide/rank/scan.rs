//! The pass over a fleet for one viewer, which leaves out whoever cannot win.
//!
//! Of most nodes of a large fleet that follows from the viewer's place and a hash alone. What is left out changes nothing:
//! the order is the one that weighing everybody gives. Absent on purpose: what a score is made of (`rank`).

use super::{Dropped, Facts, Fixed, KM_PER_MS, Nodes, Question, Ranking, Scored, Tier, km_ms, unit};

/// More than rounding can make of a distance.
const ROUNDING_KM: f64 = 1.0;

/// The best `depth` nodes for this viewer, best first; empty: no node may take the viewer.
///
/// Without a full node in the way the scan reads only as many nodes as it must: a node whose distance
/// and hash alone cost more than the worst score on the list cannot enter it.
pub fn rank(question: &Question<'_>, nodes: &impl Nodes, depth: usize) -> Ranking {
    let depth = depth.max(1);
    let ranking = Ranking::default();
    let mut scan = Scan { question, nodes, depth, ranking, ceiling_ms: f64::INFINITY };
    scan.ruled();
    if let Some(near) = question.near {
        if scan.near(near.nodes) {
            return scan.ranking;
        }
        // Once more from the beginning, with a bound that most nodes are beyond.
        scan.ceiling_ms = scan.ranking.limit_ms(depth).unwrap_or(f64::INFINITY);
        scan.ranking.best.clear();
        scan.ruled();
    }
    scan.whole();
    scan.ranking
}

/// Every node of the fleet with its figures, in the fleet's order: what `explain` shows.
pub fn score_all(question: &Question<'_>, nodes: &impl Nodes) -> Vec<Scored> {
    (0..nodes.count())
        .map(|node| {
            let tier = question.rules.iter().find(|(_, of_tier)| of_tier.contains(&node));
            score(question, nodes, node, tier.map_or(Tier::Geo, |(tier, _)| *tier), nodes.distance_km(node))
        })
        .collect()
}

/// One pass over the fleet for one viewer.
struct Scan<'a, N> {
    question: &'a Question<'a>,
    nodes: &'a N,
    depth: usize,
    ranking: Ranking,
    /// As many nodes as are wanted are known to cost no more than this, in milliseconds.
    ceiling_ms: f64,
}

impl<N: Nodes> Scan<'_, N> {
    /// Those whom the operator's rules name, each in its best tier.
    fn ruled(&mut self) {
        for (tier, of_tier) in self.question.rules {
            for &node in of_tier {
                if self.named(node) == Some(tier) {
                    let distance_km = self.nodes.distance_km(node);
                    self.ranking.offer(score(self.question, self.nodes, node, tier, distance_km), self.depth);
                }
            }
        }
    }

    /// The nearest nodes, nearest first. True: nobody who is farther away can enter the list any more.
    fn near(&mut self, near: &[(u32, f32)]) -> bool {
        for &(node, distance_km) in near {
            let node = node as usize;
            self.ceiling_ms = self.ranking.limit_ms(self.depth).unwrap_or(f64::INFINITY);
            if self.ceiling_ms < km_ms(distance_km) {
                return true;
            }
            if self.named(node).is_none() {
                self.weigh(&Bid::of(self.question, self.nodes, node, Tier::Geo), distance_km);
            }
        }
        near.len() >= self.nodes.count()
    }

    /// Everybody whom no rule names, in the order of the fleet.
    fn whole(&mut self) {
        for node in 0..self.nodes.count() {
            if self.named(node).is_some() {
                continue;
            }
            if let Some(limit_ms) = self.ranking.limit_ms(self.depth) {
                self.ceiling_ms = self.ceiling_ms.min(limit_ms);
            }
            let bid = Bid::of(self.question, self.nodes, node, Tier::Geo);
            let nearest_km = f64::from(self.nearest_km());
            let is_beyond = |load_ms: f64| {
                let reach_km = bid.reach_km(self.ceiling_ms - load_ms).max(nearest_km);
                self.nodes.is_beyond(node, reach_km)
            };
            if is_beyond(0.0) {
                continue;
            }
            // To see how it is takes less than to measure how far it is.
            let facts = self.nodes.facts(node);
            if !is_beyond(facts.load_ms()) {
                self.ranking.offer(bid.scored(self.nodes.distance_km(node), facts), self.depth);
            }
        }
    }

    /// One of the nearest nodes. Of most of a large fleet it follows from place and hash alone that they cannot win: how
    /// they are is not looked at, which would be memory that no other viewer of late has touched.
    fn weigh(&mut self, bid: &Bid, km: f32) {
        // Even a loser may be the nearest.
        if self.ceiling_ms < bid.least_ms(km) && self.nearest_km() <= km {
            return;
        }
        self.ranking.offer(bid.scored(Some(km), self.nodes.facts(bid.node)), self.depth);
    }

    fn nearest_km(&self) -> f32 {
        self.ranking.nearest.as_ref().map_or(f32::INFINITY, Scored::km)
    }

    /// The best tier whose rule names the node.
    fn named(&self, node: usize) -> Option<Tier> {
        let rules = &self.question.rules;
        rules.iter().find(|(_, of_tier)| of_tier.contains(&node)).map(|(tier, _)| *tier)
    }
}

/// A node as far as it follows from its configuration and the viewer.
struct Bid {
    node: usize,
    tier: Tier,
    fixed: Fixed,
    spread_ms: f64,
}

impl Bid {
    fn of(question: &Question<'_>, nodes: &impl Nodes, node: usize, tier: Tier) -> Self {
        let fixed = nodes.fixed(node);
        let u = unit(question.key, fixed.seed);
        #[expect(clippy::float_cmp, reason = "exactly 1 is the default weight, and skips the power")]
        let share = if fixed.weight_inverse == 1.0 { u } else { u.powf(fixed.weight_inverse) };
        Self { node, tier, fixed, spread_ms: question.spread_ms * (1.0 - share) }
    }

    /// The score of an idle node at this distance.
    fn least_ms(&self, km: f32) -> f64 {
        km_ms(km) + self.fixed.base_ms + self.spread_ms
    }

    /// At more kilometres than this it costs more than the limit, however idle it is.
    fn reach_km(&self, limit_ms: f64) -> f64 {
        (limit_ms - self.fixed.base_ms - self.spread_ms) * KM_PER_MS + ROUNDING_KM
    }

    fn scored(&self, distance_km: Option<f32>, facts: Facts) -> Scored {
        let load_ms = facts.load_ms();
        let full = || {
            if facts.load >= 1.0 {
                Some(Dropped::OverBudget)
            } else {
                (facts.load >= facts.budget_share).then_some(Dropped::SlowStart)
            }
        };
        Scored {
            node: self.node,
            tier: self.tier,
            distance_km,
            cost_ms: km_ms(distance_km.unwrap_or(0.0)) + self.fixed.base_ms + load_ms,
            load_ms,
            spread_ms: self.spread_ms,
            load: facts.load,
            dropped: facts.dropped.or(facts.lacks).or_else(full),
            seed: self.fixed.seed,
        }
    }
}

fn score(
    question: &Question<'_>,
    nodes: &impl Nodes,
    node: usize,
    tier: Tier,
    distance_km: Option<f32>,
) -> Scored {
    Bid::of(question, nodes, node, tier).scored(distance_km, nodes.facts(node))
}
