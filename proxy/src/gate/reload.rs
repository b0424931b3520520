//! Another configuration under running requests: built aside, proved, put in place whole, or not at all.
//!
//! Requests go on with the snapshot they began with; films go on with the nodes of the new one. What is known of nodes and
//! films stays, as far as it is about the same stores. Absent on purpose: reading files, and what tells that it is time;
//! the host has them.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use watchgate_config::Config;
use watchgate_geoip::Databases;

use super::Gate;
use crate::decide::health::State;
use crate::fleet::Node;
use crate::presence::Rules;
use crate::probe::{ProbeError, Proof};
use crate::state::Snapshot;

mod fixed;

/// What a reload did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloaded {
    /// Nodes that were not there before, by id.
    pub added: Vec<String>,
    /// Nodes that are not there any more.
    pub removed: Vec<String>,
    /// Nodes of which something else is written.
    pub changed: Vec<String>,
    /// Of those that are new or asked otherwise than before, who does not answer well; viewers are sent elsewhere.
    pub unwell: Vec<Unwell>,
    /// Keys with other values that only a restart brings; until then the old ones hold.
    pub restart: Vec<String>,
}

/// A node that does not answer well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unwell {
    /// Its id.
    pub node: String,
    /// Why, in a word or a sentence.
    pub cause: String,
}

/// Why everything is as it was before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// One at a time.
    #[error("a reload is under way; ask again when it has ended")]
    Busy,
    /// As for a gate that starts.
    #[error(transparent)]
    NoTls(super::GateError),
    /// A node is reached over https, and this machine trusts nobody.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// Some nodes are up, and none would be.
    #[error("nothing was changed, because no node would be up: {}", listed(.0))]
    NobodyLeft(Vec<Unwell>),
}

fn listed(unwell: &[Unwell]) -> String {
    let each: Vec<_> = unwell.iter().map(|Unwell { node, cause }| format!("{node}: {cause}")).collect();
    each.join("; ")
}

impl Gate {
    /// Takes another configuration and other databases, under whatever requests are running. Nodes that are new, or are to
    /// be asked with other credentials or elsewhere, are asked first, which takes up to 8 s if they do not answer. Keys
    /// that only a restart brings keep their values; they are named in what is returned. Needs [`Gate::run`] to be running
    /// if nodes are to be watched from then on.
    ///
    /// # Errors
    /// [`ReloadError`]; nothing has changed then.
    pub async fn reload(&self, mut config: Config, databases: Databases) -> Result<Reloaded, ReloadError> {
        let Ok(_alone) = self.reloading.try_lock() else { return Err(ReloadError::Busy) };
        let before = self.snapshot.load_full();
        let restart = fixed::keep(&mut config, &before.config, self.engine.is_some());
        if self.engine.is_some() {
            super::tls_for(&config).map_err(ReloadError::NoTls)?;
        }
        let next = Snapshot::new(config, databases, Some(&before.fleet), &self.makings, self.clock.unix_ms());
        let next = Arc::new(next);
        let proved = self.proved(&before, &next).await;
        let proofs = proved.inspect_err(|_| self.tidy_metrics(&next, &before))?;
        self.snapshot.store(Arc::clone(&next));
        for proof in &proofs {
            proof.holds(&self.clock);
        }
        self.changed.send_replace(());
        self.forget(&before, &next).await;
        self.tidy_metrics(&before, &next);
        Ok(Reloaded {
            restart: restart.into_iter().map(str::to_owned).collect(),
            ..told(&before, &next, &proofs)
        })
    }

    async fn proved(&self, before: &Snapshot, next: &Snapshot) -> Result<Vec<Proof>, ReloadError> {
        self.prober.prepare(next)?;
        let unproven = next.fleet.unproven_since(&before.fleet).map(Arc::clone);
        let proofs = self.prober.prove(next, unproven, &self.clock).await;
        if is_end(before, next, &proofs) {
            return Err(ReloadError::NobodyLeft(unwell(&proofs)));
        }
        Ok(proofs)
    }

    /// What the memory of films holds of nodes that have left.
    async fn forget(&self, before: &Snapshot, next: &Snapshot) {
        let Some(finder) = &self.finder else { return };
        let rules = Rules::of(&next.config.presence, next.fleet.source_member());
        let left: Vec<_> = before.fleet.left_by(&next.fleet).map(|node| node.live.member).collect();
        let finder = Arc::clone(finder);
        // Of a million films it takes a second.
        let forgotten = tokio::task::spawn_blocking(move || finder.presence.adopt(&rules, left));
        // One that panicked has been reported.
        let _ = forgotten.await;
    }

    /// Takes out the figures of nodes that are only in the fleet which does not hold, and shows the others as they are.
    fn tidy_metrics(&self, gone: &Snapshot, holds: &Snapshot) {
        for node in &gone.fleet.nodes {
            if holds.fleet.by_id(node.config.id.as_str()).is_none() {
                self.makings.families.retire(&node.config.id);
            }
        }
        for node in &holds.fleet.nodes {
            node.metrics.show_state(node.live.state(), node.live.is_draining());
        }
    }
}

/// Whether somebody serves now, and nobody would.
fn is_end(before: &Snapshot, next: &Snapshot, proofs: &[Proof]) -> bool {
    let proof = |node: &Arc<Node>| proofs.iter().find(|proof| Arc::ptr_eq(&proof.node, node));
    let would_be_up = |node: &Arc<Node>| match proof(node) {
        Some(proof) => proof.state == State::Up,
        None => node.live.state() == State::Up,
    };
    let is_up = |node: &Arc<Node>| node.live.state() == State::Up;
    before.fleet.nodes.iter().any(is_up) && !next.fleet.nodes.iter().any(would_be_up)
}

fn unwell(proofs: &[Proof]) -> Vec<Unwell> {
    let bad = proofs.iter().filter(|proof| proof.state != State::Up);
    let told = bad.map(|proof| Unwell { node: proof.node.config.id.to_string(), cause: proof.cause.clone() });
    let mut told: Vec<_> = told.collect();
    told.sort_by(|one, other| one.node.cmp(&other.node));
    told
}

fn told(before: &Snapshot, next: &Snapshot, proofs: &[Proof]) -> Reloaded {
    let ids = |snapshot: &Snapshot| -> BTreeSet<String> {
        snapshot.fleet.nodes.iter().map(|node| node.config.id.to_string()).collect()
    };
    let (old, new) = (ids(before), ids(next));
    let is_changed = |node: &&Arc<Node>| {
        let before = before.fleet.by_id(node.config.id.as_str());
        before.is_some_and(|before| !Arc::ptr_eq(before, node))
    };
    let changed = next.fleet.nodes.iter().filter(is_changed);
    Reloaded {
        added: new.difference(&old).cloned().collect(),
        removed: old.difference(&new).cloned().collect(),
        changed: changed.map(|node| node.config.id.to_string()).collect(),
        unwell: unwell(proofs),
        restart: Vec::new(),
    }
}
