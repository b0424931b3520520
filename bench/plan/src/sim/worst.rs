//! What would follow if nodes went now, without playing it: everybody on them is asked for again, and counted.
//!
//! A search tries thousands of these and plays only the worst one. Absent on purpose: time. Nothing is noticed late here.

use watchgate::decide::plan::plan;

use super::Run;
use super::without::Without;

/// Groups asked for in one try at most; more are stood for by these.
const GROUPS_MAX: usize = 20_000;

/// Who watches from where, to be built once for many tries.
#[derive(Clone, Debug)]
pub struct Index(Vec<Vec<u32>>);

/// What would follow.
#[derive(Clone, Debug)]
pub struct Consequence {
    /// Viewers beyond the budgets of the nodes that are left, or without any node.
    pub beyond: f64,
    /// Of the fullest node's budget.
    pub share: f64,
    /// Viewers on the nodes in question.
    pub viewers: f64,
    /// Who takes most of them, first.
    pub takers: Vec<usize>,
}

impl Consequence {
    /// Whether this is worse than another: more viewers beyond budgets, then a fuller node, then more viewers met.
    #[must_use]
    pub fn is_worse(&self, than: &Self) -> bool {
        let order = self.beyond.total_cmp(&than.beyond).then(self.share.total_cmp(&than.share));
        order.then(self.viewers.total_cmp(&than.viewers)).is_gt()
    }
}

impl Run<'_> {
    /// Who watches from where now.
    #[must_use]
    pub fn index(&self) -> Index {
        let mut index = vec![Vec::new(); self.state.nodes.len()];
        for (slot, _, _, node) in self.state.crowd.seated() {
            index[node].push(u32::try_from(slot).unwrap_or(u32::MAX));
        }
        Index(index)
    }

    /// What would follow if these nodes went.
    #[must_use]
    pub fn consequence(&self, index: &Index, nodes: &[usize]) -> Consequence {
        let mut gone = vec![false; self.state.nodes.len()];
        for node in nodes {
            gone[*node] = true;
        }
        let slots: Vec<u32> = nodes.iter().flat_map(|node| &index.0[*node]).copied().collect();
        let step = slots.len().div_ceil(GROUPS_MAX).max(1);
        let (unit, budget) = (self.scene.terms.unit as f64, |node: usize| {
            f64::from(self.scene.config.nodes[node].max_viewers.get())
        });
        let (mut sent, mut refused) = (vec![0.0; gone.len()], 0.0);
        let asked = slots.iter().step_by(step);
        let each = unit * slots.len() as f64 / asked.len().max(1) as f64;
        for slot in asked {
            let (spot, key) = self.state.crowd.question(*slot as usize);
            let seen = &self.sites[spot];
            let fleet = self.fleet(&seen.site);
            let without = Without { nodes: &fleet, gone: &gone, sent: Some(&sent) };
            match plan(&seen.question(key), &without, self.snapshot.policy, 1)
                .winner()
                .map(|winner| winner.node)
            {
                Some(node) => sent[node] += each / budget(node),
                None => refused += each,
            }
        }
        let left = || (0..gone.len()).filter(|node| !gone[*node]);
        let after = |node: usize| self.state.nodes[node].viewers as f64 + sent[node] * budget(node);
        let mut takers: Vec<usize> = left().filter(|node| sent[*node] > 0.0).collect();
        takers.sort_by(|a, b| (sent[*b] * budget(*b)).total_cmp(&(sent[*a] * budget(*a))));
        Consequence {
            beyond: refused + left().map(|node| (after(node) - budget(node)).max(0.0)).sum::<f64>(),
            share: left().map(|node| after(node) / budget(node)).fold(0.0, f64::max),
            viewers: slots.len() as f64 * unit,
            takers,
        }
    }
}
