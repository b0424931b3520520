//! Where the viewers of a spot are for the gate, with the nodes in order of distance.
//!
//! The gate keeps the 64 nearest nodes beside a place and scans the whole fleet when those do not settle a choice, which
//! in a busy fleet of a thousand is most of the time. Here as many are kept as memory allows. That changes what a choice
//! costs and not what it is: the order only says where the scan may stop.

use watchgate::decide::rank::{Facts, Fixed, Near, Nodes, Question};
use watchgate::state::Snapshot;
use watchgate::state::places::Site;

use crate::mix::{Mix, Seat};

/// Distances kept for all spots together: 8 bytes each.
const KEPT_MAX: usize = 25_000_000;
/// As many as the gate itself keeps.
const KEPT_MIN: usize = 64;

/// See the module.
#[derive(Debug)]
pub struct Seen<'a> {
    /// As the gate sees it.
    pub site: Site<'a>,
    near: Box<[(u32, f32)]>,
}

impl Seen<'_> {
    /// The viewer's side of the choice; `key` is the hash of viewer group and film.
    #[must_use]
    pub fn question(&self, key: u64) -> Question<'_> {
        let question = self.site.question(key);
        Question { near: question.near.map(|_| Near { nodes: &self.near }), ..question }
    }
}

/// The fleet as the chooser sees it, from what was learned of each node; a viewer comes over http, and every node holds
/// every film.
pub(super) struct Fleet<'a> {
    pub(super) facts: &'a [Facts],
    pub(super) snapshot: &'a Snapshot,
    pub(super) site: &'a Site<'a>,
}

impl Nodes for Fleet<'_> {
    fn count(&self) -> usize {
        self.facts.len()
    }

    fn fixed(&self, node: usize) -> Fixed {
        self.snapshot.fleet.fixed(node)
    }

    fn facts(&self, node: usize) -> Facts {
        self.facts[node]
    }

    fn distance_km(&self, node: usize) -> Option<f32> {
        self.site.distance_km(node)
    }

    fn is_beyond(&self, node: usize, km: f64) -> bool {
        self.site.is_beyond(node, km)
    }
}

/// Where the viewers of each spot are; the snapshot is one of the same configuration, with its databases.
#[must_use]
pub fn sites<'a>(snapshot: &'a Snapshot, mix: &Mix) -> Vec<Seen<'a>> {
    let kept = (KEPT_MAX / mix.spots.len().max(1)).max(KEPT_MIN);
    let seen = |seat: &Seat| {
        let site = match seat {
            Seat::Address(address) => snapshot.places.site(Some(*address)),
            Seat::Place(place) => snapshot.places.site_of(*place),
        };
        let distance = |(node, at)| site.distance_km(at).map(|km| (node, km));
        let nodes = (0_u32..).zip(0..snapshot.fleet.nodes.len());
        let mut near: Vec<(u32, f32)> = nodes.filter_map(distance).collect();
        near.sort_unstable_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        near.truncate(kept);
        Seen { site, near: near.into() }
    };
    mix.spots.iter().map(|spot| seen(&spot.seat)).collect()
}
