//! The fleet of a configuration: made from nothing, or from the fleet before it, whose nodes keep what is known of them.
//!
//! A node is the same store as long as its id, its endpoint and its bucket are the same: then it stays the same member
//! with the same health, load and drain, whatever else is written of it. Absent on purpose: whether a new node answers
//! (`probe::prove`), and when the fleet is put in place (`gate::reload`).

use std::sync::Arc;

use prometheus::Registry;
use watchgate_config as config;

use super::experience::{self, Experiences, Reporter};
use super::metrics::NodeFamilies;
use super::{Fleet, Live, Node};
use crate::decide::member::Member;

/// What all fleets of a gate are made with.
#[derive(Clone, Debug)]
pub struct Makings {
    /// The metrics.
    pub families: NodeFamilies,
    /// Where nodes report to.
    pub reporter: Reporter,
}

impl Makings {
    /// Registers the metrics; the second value is the health task's end.
    ///
    /// # Errors
    /// The registry has families of their names.
    pub fn new(registry: &Registry) -> prometheus::Result<(Self, Experiences)> {
        let families = NodeFamilies::register(registry)?;
        let (reporter, experiences) = experience::channel();
        Ok((Self { families, reporter }, experiences))
    }
}

impl Fleet {
    /// The nodes of a configuration. What stands there as before is the node from before.
    #[must_use]
    pub fn made(
        config: &config::Config,
        earlier: Option<&Fleet>,
        makings: &Makings,
        now_unix_ms: u64,
    ) -> Self {
        let mut next = earlier.map_or(0, |earlier| earlier.next);
        let node = |written: &config::Node| {
            let before = earlier.and_then(|earlier| earlier.same_store(written, &config.bucket));
            if let Some(before) = before
                && before.config == *written
                && *before.region == *config.bucket.region
            {
                return Arc::clone(before);
            }
            let live = before.map_or_else(
                || {
                    let member = Member(next);
                    next += 1;
                    let metrics = makings.families.live(&written.id);
                    Arc::new(Live::new(member, now_unix_ms, makings.reporter.clone(), metrics))
                },
                |before| Arc::clone(&before.live),
            );
            let metrics = makings.families.node(&written.id);
            let mut node = Node::new(written.clone(), &config.bucket, live, metrics, now_unix_ms / 1000);
            if let Some(before) = before.filter(|before| before.config.has_credentials_of(written)) {
                node.credentials_unix_s = before.credentials_unix_s;
            }
            // Until the fleet is in place the figures of a name are those of the store that has it now.
            if earlier.is_none_or(|earlier| earlier.by_id(written.id.as_str()).is_none()) {
                node.metrics.show_state(node.live.state(), false);
            }
            Arc::new(node)
        };
        let nodes: Vec<_> = config.nodes.iter().map(node).collect();
        let mut members: Vec<_> = nodes.iter().map(|node| node.live.member).zip(0..).collect();
        members.sort_unstable();
        let fixed = nodes.iter().map(|node| node.fixed).collect();
        let weighed = nodes.iter().map(|node| node.weighed.clone()).collect();
        Self { nodes, fixed, weighed, members, next, bucket: config.bucket.name.clone() }
    }

    /// The node before that is the same store as this one.
    fn same_store(&self, written: &config::Node, bucket: &config::Bucket) -> Option<&Arc<Node>> {
        let before = self.by_id(written.id.as_str())?;
        (self.bucket == bucket.name && before.config.is_same_store(written)).then_some(before)
    }

    /// Those who are not in the next fleet: other stores by now, or none.
    pub fn left_by<'a>(&'a self, next: &'a Fleet) -> impl Iterator<Item = &'a Arc<Node>> {
        self.nodes.iter().filter(|node| next.place(node.live.member).is_none())
    }

    /// Those who are asked otherwise than in the fleet before, or were not in it: nothing proves that they answer.
    pub fn unproven_since<'a>(&'a self, earlier: &'a Fleet) -> impl Iterator<Item = &'a Arc<Node>> {
        let is_proven = |node: &&Arc<Node>| {
            let before = earlier.by_member(node.live.member);
            before
                .is_some_and(|before| before.region == node.region && before.config.is_asked_as(&node.config))
        };
        self.nodes.iter().filter(move |node| !is_proven(node))
    }
}

/// How two configurations of a node differ.
trait Compared {
    /// Requests go to the same store.
    fn is_same_store(&self, other: &Self) -> bool;
    /// They are signed with the same secrets.
    fn has_credentials_of(&self, other: &Self) -> bool;
    /// The store cannot tell them apart.
    fn is_asked_as(&self, other: &Self) -> bool;
}

impl Compared for config::Node {
    fn is_same_store(&self, other: &Self) -> bool {
        (&self.id, &self.endpoint, self.addressing) == (&other.id, &other.endpoint, other.addressing)
    }

    fn has_credentials_of(&self, other: &Self) -> bool {
        self.access_key == other.access_key
            && self.secret_key == other.secret_key
            && self.session_token == other.session_token
    }

    fn is_asked_as(&self, other: &Self) -> bool {
        self.is_same_store(other) && self.profile == other.profile && self.has_credentials_of(other)
    }
}

#[cfg(test)]
mod tests;
