//! The fleet without some of its nodes, and with viewers on others of whom it does not know yet.

use watchgate::decide::rank::{Dropped, Facts, Fixed, Nodes};

/// See the module. Nodes that are gone are out of the question whatever the policy for days on which all are down.
#[derive(Debug)]
pub struct Without<'a, N> {
    /// The fleet as it is.
    pub nodes: &'a N,
    /// Who is gone, by node.
    pub gone: &'a [bool],
    /// Load to be added, by node, as a share of its budget.
    pub sent: Option<&'a [f64]>,
}

impl<N: Nodes> Nodes for Without<'_, N> {
    fn count(&self) -> usize {
        self.nodes.count()
    }

    fn fixed(&self, node: usize) -> Fixed {
        self.nodes.fixed(node)
    }

    fn facts(&self, node: usize) -> Facts {
        let mut facts = self.nodes.facts(node);
        if self.gone[node] {
            facts.dropped = Some(Dropped::Disabled);
        }
        if let Some(sent) = self.sent {
            facts.load += sent[node];
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
