//! Looks at a run: moments, close-ups after events, and how everything stands.

use std::collections::HashSet;

use super::Run;
use crate::demand::At;

/// One moment of a run.
#[derive(Clone, Debug)]
pub struct Sample {
    /// When.
    pub at: At,
    /// Viewers who want to watch.
    pub viewers: u64,
    /// Of them, those who do.
    pub watching: u64,
    /// Starts a second since the moment before.
    pub starts_per_s: f64,
    /// Answers that sent a viewer nowhere since the beginning.
    pub refusals: u64,
    /// Viewers of each node.
    pub nodes: Vec<u32>,
}

/// How everything stands.
#[derive(Clone, Debug)]
pub struct Standing {
    /// When.
    pub at: At,
    /// Viewers who want to watch.
    pub viewers: u64,
    /// By node.
    pub nodes: Vec<NodeStanding>,
    /// Kilometres of each group that watches, ascending.
    pub km: Vec<f32>,
}

/// How one node stands.
#[derive(Clone, Debug, Default)]
pub struct NodeStanding {
    /// Viewers now.
    pub viewers: u64,
    /// Different films that are watched from it.
    pub films: usize,
    /// Kilometres of each group that watches from it, ascending.
    pub km: Vec<f32>,
}

impl Run<'_> {
    pub(super) fn sample(&mut self) {
        let seconds = (self.sample_every * self.tick_ms) as f64 / 1e3;
        let nodes: Vec<u32> = self.by_node();
        let sample = Sample {
            at: self.at(),
            viewers: self.viewers(),
            watching: self.watching(),
            starts_per_s: self.state.starts as f64 / seconds,
            refusals: self.state.refusals,
            nodes,
        };
        self.state.starts = 0;
        self.state.samples.push(sample);
    }

    pub(super) fn close_up(&mut self) {
        let now_ms = self.state.now_ms;
        if self.state.blows.iter().any(|blow| now_ms <= blow.until_ms) {
            let nodes = self.by_node();
            for blow in self.state.blows.iter_mut().filter(|blow| now_ms <= blow.until_ms) {
                blow.close_up.push((now_ms - blow.at_ms, nodes.clone()));
            }
        }
    }

    /// Viewers who want to watch.
    #[must_use]
    pub fn viewers(&self) -> u64 {
        self.state.crowd.len() as u64 * self.scene.terms.unit
    }

    /// Viewers who do.
    #[must_use]
    pub fn watching(&self) -> u64 {
        self.state.nodes.iter().map(|node| node.viewers).sum()
    }

    fn by_node(&self) -> Vec<u32> {
        self.state.nodes.iter().map(|node| u32::try_from(node.viewers).unwrap_or(u32::MAX)).collect()
    }

    /// How everything stands now.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let mut nodes = vec![NodeStanding::default(); self.state.nodes.len()];
        let (mut all, mut films) = (Vec::new(), HashSet::new());
        for (_, spot, film, node) in self.state.crowd.seated() {
            if let Some(km) = self.sites[spot].site.distance_km(node) {
                nodes[node].km.push(km);
                all.push(km);
            }
            if films.insert((node, film)) {
                nodes[node].films += 1;
            }
        }
        all.sort_unstable_by(f32::total_cmp);
        for (standing, server) in nodes.iter_mut().zip(&self.state.nodes) {
            standing.km.sort_unstable_by(f32::total_cmp);
            standing.viewers = server.viewers;
        }
        Standing { at: self.at(), viewers: self.viewers(), nodes, km: all }
    }
}
