//! Finds the nodes whose end would hurt most: one, two, or a region of the fleet.
//!
//! Two of many are searched for among the worst single ones and those who take their viewers: nodes that do not share
//! viewers do not make each other worse. Tries run on several threads; what is found does not depend on how many.

use std::cmp::Ordering;

use crate::event::{Named, regions};
use crate::parallel;
use crate::sim::{Consequence, Index, Run};
use crate::world::World;

/// Up to so many nodes, every pair is tried.
const ALL_PAIRS: usize = 12;
/// Beyond that, so many of the worst single ones are paired ...
const WORST: usize = 24;
/// ... each with so many of those who would take its viewers.
const TAKERS: usize = 6;

/// What is to be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum WhatIf {
    /// The worst node.
    One,
    /// The worst two.
    Two,
    /// The worst country or continent, as long as it is not the whole fleet.
    Region,
}

/// Nodes that may end together.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// What they are called.
    pub name: String,
    /// Ascending.
    pub nodes: Vec<usize>,
}

/// The worst candidate as the run stands now; `None`: the fleet has none that leaves a node.
#[must_use]
pub fn worst(
    run: &Run<'_>,
    what: WhatIf,
    nodes: &[Named],
    world: &World,
    threads: usize,
) -> Option<Candidate> {
    let index = run.index();
    let find = |candidates: Vec<Candidate>| -> Vec<(Candidate, Consequence)> {
        let mut found = tried(run, &index, candidates, threads);
        // Stable, so that the first one of equals stays first.
        found.sort_by(|a, b| match (a.1.is_worse(&b.1), b.1.is_worse(&a.1)) {
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            _ => Ordering::Equal,
        });
        found
    };
    let group = |mut of: Vec<usize>| {
        of.sort_unstable();
        let names: Vec<&str> = of.iter().map(|node| nodes[*node].id.as_str()).collect();
        Candidate { name: names.join(","), nodes: of }
    };
    let count = nodes.len();
    let singles = || find((0..count).map(|node| group(vec![node])).collect());
    let candidates = match what {
        WhatIf::One if count > 1 => singles(),
        WhatIf::Two if count > 2 && count <= ALL_PAIRS => {
            find((0..count).flat_map(|a| (0..a).map(move |b| vec![b, a])).map(group).collect())
        }
        WhatIf::Two if count > 2 => {
            let singles = singles();
            let pairs = singles.iter().take(WORST).flat_map(|(single, follows)| {
                follows.takers.iter().take(TAKERS).map(|taker| vec![single.nodes[0], *taker])
            });
            find(pairs.map(group).collect())
        }
        WhatIf::Region => {
            let regions = regions(nodes, world).into_iter();
            find(regions.map(|(name, nodes)| Candidate { name, nodes }).collect())
        }
        _ => Vec::new(),
    };
    candidates.into_iter().next().map(|(candidate, _)| candidate)
}

fn tried(
    run: &Run<'_>,
    index: &Index,
    candidates: Vec<Candidate>,
    threads: usize,
) -> Vec<(Candidate, Consequence)> {
    parallel::each(candidates, threads, |candidate| {
        let follows = run.consequence(index, &candidate.nodes);
        (candidate, follows)
    })
}
