//! Finds out whether nodes answer before viewers are sent to them: the same rounds and the same verdicts as those of the
//! task, for nodes that are new to it or are to be asked otherwise than before.
//!
//! Absent on purpose: what follows for the configuration that they stand in (`gate::reload`).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::resolve::{System, look_up};
use super::round::{Asker, Verdict};
use super::schedule::FIRST_ROUNDS_MAX;
use super::tell::{self, Times, Told};
use super::{Prober, rules};
use crate::clock::Clock;
use crate::decide::health::{Machine, Rules, State};
use crate::fleet::Node;
use crate::state::Snapshot;

/// Whoever reloads waits no longer than this for all verdicts together.
const PROOF_MAX: Duration = Duration::from_secs(8);

/// What was found out of one node.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The node.
    pub node: Arc<Node>,
    /// [`State::Unproven`]: the time was too short for a verdict.
    pub state: State,
    /// Why it is not up, in words.
    pub cause: String,
    machine: Machine,
}

impl Proof {
    /// The fleet of the proof is in place now: a node that does not answer as it is asked from now on is no longer up,
    /// whatever it was before.
    pub fn holds(&self, clock: &Clock) {
        if self.state == State::Down && self.node.live.state() == State::Up {
            let times = Times { now_ms: clock.now_ms(), unix_ms: clock.unix_ms() };
            tell::disproved(&self.node, &self.machine, &self.cause, times);
        }
    }
}

impl Prober {
    /// Asks these nodes of a fleet that is not in place yet. What is found is written down at once of those that nothing
    /// was known of; of the others when it [`holds`](Proof::holds).
    pub async fn prove(
        &self,
        snapshot: &Snapshot,
        nodes: impl Iterator<Item = Arc<Node>>,
        clock: &Clock,
    ) -> Vec<Proof> {
        let asker = Arc::new(self.asker(snapshot, clock));
        let rules = rules(&snapshot.config.health);
        let deadline = Instant::now() + PROOF_MAX.min(snapshot.config.health.first_verdict_timeout);
        let (mut tasks, mut proofs) = (JoinSet::new(), Vec::new());
        for node in nodes {
            if tasks.len() >= FIRST_ROUNDS_MAX
                && let Some(Ok(proof)) = tasks.join_next().await
            {
                proofs.push(proof);
            }
            let asker = Arc::clone(&asker);
            tasks.spawn(async move { proof(&asker, node, rules, deadline).await });
        }
        while let Some(proof) = tasks.join_next().await {
            // One that panicked has been reported, and proves nothing.
            proofs.extend(proof.ok());
        }
        proofs
    }
}

async fn proof(asker: &Asker, node: Arc<Node>, rules: Rules, deadline: Instant) -> Proof {
    let now_ms = asker.clock.now_ms();
    let (mut machine, mut told) = (Machine::new(now_ms), Told::new(now_ms));
    let is_new = node.live.state() == State::Unproven;
    let mut cause = "no verdict in time".to_owned();
    if let Err(unresolved) = resolved(&node, deadline).await {
        cause = unresolved;
    }
    for turn in 0.. {
        let Ok(round) = timeout_at(deadline, asker.round(&node, turn, None)).await else { break };
        let verdict = match round.verdict {
            Verdict::Good => Ok(()),
            // This machine's fault: the next one may tell more.
            Verdict::Bad(_) if round.is_late => {
                cause.clone_from(&round.cause);
                continue;
            }
            Verdict::Bad(reason) => Err(reason),
            Verdict::Unasked => break,
        };
        if verdict.is_err() {
            cause.clone_from(&round.cause);
        }
        let now_ms = asker.clock.now_ms();
        let transition = machine.observe(now_ms, verdict, &rules);
        if is_new {
            let times = Times { now_ms, unix_ms: asker.clock.unix_ms() };
            tell::round(&node, &machine, transition, &round, &mut told, times);
        }
        if machine.state() != State::Unproven {
            break;
        }
        let pause = Duration::from_millis(machine.next_probe_in_ms(&rules));
        if timeout_at(deadline, tokio::time::sleep(pause)).await.is_err() {
            break;
        }
    }
    Proof { node, state: machine.state(), cause, machine }
}

/// Sees that the node has an address.
async fn resolved(node: &Node, deadline: Instant) -> Result<(), String> {
    if node.live.addresses.load().is_some() {
        return Ok(());
    }
    let endpoint = &node.config.endpoint;
    let (host, port) = (endpoint.bare_host(), endpoint.port());
    let found = match host.parse::<IpAddr>() {
        Ok(address) => Ok(vec![SocketAddr::new(address, port)]),
        Err(_) => timeout_at(deadline, look_up(&System, host, port))
            .await
            .unwrap_or_else(|_| Err("resolving: not in time".to_owned())),
    };
    node.live.addresses.store(Some(Arc::new(found?)));
    Ok(())
}
