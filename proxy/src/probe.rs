//! Knows which nodes are up: one task asks them all, again and again, and writes down what it heard.
//!
//! Two probes a round: the health URL of the node's profile and a signed request, on fresh connections under one
//! deadline; what viewers' requests met comes in beside them. `decide::health` judges, [`crate::fleet::Live`] keeps the verdicts, requests only read them. Absent on
//! purpose: Pingora, and anything that a viewer's request would wait for.

#[cfg(test)]
mod fixture;
mod http;
mod resolve;
mod round;
pub mod schedule;
mod task;
mod tell;
mod tls;

use std::sync::Arc;

use rustls::ClientConfig;
use tokio::sync::{Mutex, watch};
use watchgate_config::{Health, Scheme};

use self::resolve::System;
use self::round::Asker;
use self::task::{Parts, Task};
use crate::clock::{Clock, millis};
use crate::decide::health::{Ejection, Rules};
use crate::fleet::experience::Experiences;
use crate::state::Snapshot;

pub use self::tls::ProbeError;

/// Everything that probing needs beside the fleet.
#[derive(Debug)]
pub struct Prober {
    /// Set if a node is reached over https.
    tls: Option<Arc<ClientConfig>>,
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
        let mut nodes = snapshot.fleet.nodes.iter();
        let https = nodes.any(|node| node.config.endpoint.scheme() == Scheme::Https);
        let tls = if https { Some(tls::native()?) } else { None };
        Ok(Self { tls, rounds: watch::Sender::new(0), experiences: Mutex::new(experiences) })
    }

    /// Probes the nodes until `shutdown` is true or its sender is gone, and ends at once then.
    pub async fn run(&self, snapshot: &Snapshot, clock: &Clock, mut shutdown: watch::Receiver<bool>) {
        // A second task waits for the first one's end: a machine has one owner.
        let mut experiences = tokio::select! {
            biased;
            _ = shutdown.wait_for(|stop| *stop) => return,
            experiences = self.experiences.lock() => experiences,
        };
        let health = &snapshot.config.health;
        let task = Task::new(Parts {
            nodes: &snapshot.fleet.nodes,
            asker: Asker {
                tls: self.tls.clone(),
                clock: *clock,
                timeout: health.timeout,
                canary: health.canary.clone(),
            },
            rules: rules(health),
            region: &snapshot.config.bucket.region,
            resolver: System,
            rounds: &self.rounds,
            experiences: &mut experiences,
        });
        task.run(shutdown).await;
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
