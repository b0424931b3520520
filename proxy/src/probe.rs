//! Knows which nodes are up: one task asks them all, again and again, and writes down what it heard.
//!
//! Two probes a round: the health URL of the node's profile and a signed request, on fresh connections under one
//! deadline; what viewers' requests met comes in beside them. `decide::health` judges, [`crate::fleet::Live`] keeps the
//! verdicts, requests only read them. Absent on purpose: Pingora, and anything that a viewer's request would wait for.

#[cfg(test)]
mod fixture;
mod http;
mod prove;
mod resolve;
mod round;
pub mod schedule;
mod task;
mod tell;
mod tls;

use std::sync::{Arc, OnceLock};

use rustls::ClientConfig;
use tokio::sync::{Mutex, watch};
use watchgate_config::{Health, Scheme};

use self::resolve::System;
use self::round::Asker;
use self::task::{Charge, Parts, Task};
use crate::clock::{Clock, millis};
use crate::decide::health::{Ejection, Rules};
use crate::fleet::experience::Experiences;
use crate::state::Snapshot;

pub use self::prove::Proof;
pub use self::tls::ProbeError;

/// Everything that probing needs beside the fleet.
#[derive(Debug)]
pub struct Prober {
    /// Set if a node is reached over https.
    tls: OnceLock<Arc<ClientConfig>>,
    rounds: watch::Sender<u64>,
    /// What viewers' requests met. Held by the one task that is at work.
    experiences: Mutex<Experiences>,
}

impl Prober {
    /// Reads this machine's trusted certificates, if a node is reached over https. Opens no socket.
    ///
    /// # Errors
    /// [`ProbeError`]: TLS is needed and there is nothing to trust.
    pub fn new(snapshot: &Snapshot, experiences: Experiences) -> Result<Self, ProbeError> {
        let prober = Self {
            tls: OnceLock::new(),
            rounds: watch::Sender::new(0),
            experiences: Mutex::new(experiences),
        };
        prober.prepare(snapshot)?;
        Ok(prober)
    }

    /// Reads this machine's trusted certificates, if nothing before needed them and a node of this fleet does.
    ///
    /// # Errors
    /// As [`Prober::new`].
    pub fn prepare(&self, snapshot: &Snapshot) -> Result<(), ProbeError> {
        let mut nodes = snapshot.fleet.nodes.iter();
        let is_needed = nodes.any(|node| node.config.endpoint.scheme() == Scheme::Https);
        if is_needed && self.tls.get().is_none() {
            // An error says that somebody else has set the same.
            let _ = self.tls.set(tls::native()?);
        }
        Ok(())
    }

    /// Probes the nodes until `shutdown` is true or its sender is gone, and ends at once then. `snapshot` is asked for
    /// those of the moment, again whenever `changed` ticks.
    pub async fn run(
        &self,
        snapshot: impl Fn() -> Arc<Snapshot>,
        changed: watch::Receiver<()>,
        clock: &Clock,
        mut shutdown: watch::Receiver<bool>,
    ) {
        // A second task waits for the first one's end: a machine has one owner.
        let mut experiences = tokio::select! {
            biased;
            _ = shutdown.wait_for(|stop| *stop) => return,
            experiences = self.experiences.lock() => experiences,
        };
        let charge = || {
            let snapshot = snapshot();
            let rules = rules(&snapshot.config.health);
            Charge { nodes: snapshot.fleet.nodes.clone(), asker: self.asker(&snapshot, clock), rules }
        };
        let parts = Parts { resolver: System, rounds: &self.rounds, experiences: &mut experiences };
        Task::new(charge(), parts).run(shutdown, changed, charge).await;
    }

    fn asker(&self, snapshot: &Snapshot, clock: &Clock) -> Asker {
        let health = &snapshot.config.health;
        let (timeout, canary) = (health.timeout, health.canary.clone());
        Asker { tls: self.tls.get().cloned(), clock: *clock, timeout, canary }
    }

    /// Counts the rounds that ended, and the ejections: whoever waits for a state looks again when it changes.
    #[must_use]
    pub fn rounds(&self) -> watch::Receiver<u64> {
        self.rounds.subscribe()
    }
}

/// What the operator's numbers mean to the machines of all nodes.
#[must_use]
pub fn rules(health: &Health) -> Rules {
    Rules {
        interval_ms: millis(health.interval),
        timeout_ms: millis(health.timeout),
        rise: health.rise.get(),
        fall: health.fall.get(),
        slow_start_ms: millis(health.slow_start),
        ejection: Ejection::OURS,
    }
}

#[cfg(test)]
mod tests;
