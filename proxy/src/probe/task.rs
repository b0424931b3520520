//! The one task that owns the health of all nodes: it starts rounds, takes in what they found, and tells the rest.
//!
//! Rounds and look-ups run beside it and return here; nothing else writes a machine, a report or an address. Absent
//! on purpose: what an answer means (`round`), and when a node is due (`schedule`).

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};

use super::resolve::{Name, Need, Resolve, look_up};
use super::round::{Asker, Round, Verdict};
use super::schedule::{Judged, Known, Schedule};
use super::tell;
use crate::decide::health::{Rules, State};
use crate::decide::member::Member;
use crate::fleet::Node;
use crate::fleet::experience::{Experience, Experiences, Met};
use crate::sign::DayKeys;

/// A machine without time for its probes blames no node for so many rounds in a row. Then it has to: a node that is dead
/// must not be taken for well for as long as the machine is busy.
const LATE_MAX: u32 = 3;

/// What a configuration says.
pub(super) struct Charge {
    pub(super) nodes: Vec<Arc<Node>>,
    pub(super) asker: Asker,
    pub(super) rules: Rules,
}

/// What the task is made from, beside a charge.
pub(super) struct Parts<'a, R> {
    pub(super) resolver: R,
    /// Counts rounds that ended, and ejections.
    pub(super) rounds: &'a watch::Sender<u64>,
    /// What viewers' requests met.
    pub(super) experiences: &'a mut Experiences,
}

/// See the module.
pub(super) struct Task<'a, R> {
    asker: Arc<Asker>,
    schedule: Schedule,
    resolver: Arc<R>,
    watched: Vec<Watched>,
    /// Where a node stands in `watched`.
    places: HashMap<Member, usize>,
    rounds: JoinSet<Round>,
    /// Which node a running round is about.
    running: HashMap<Id, usize>,
    look_ups: JoinSet<(Member, Result<Vec<SocketAddr>, String>)>,
    ended: &'a watch::Sender<u64>,
    experiences: &'a mut Experiences,
    /// The last round could not be asked: said once.
    starved: bool,
}

struct Watched {
    node: Arc<Node>,
    /// None for an address, which needs no resolver.
    name: Option<Name>,
    /// Picks among the addresses; moves on when one does not answer.
    turn: usize,
    reached: bool,
    /// Rounds in a row that were not counted because this machine was late.
    late: u32,
    told: tell::Told,
}

impl<'a, R: Resolve> Task<'a, R> {
    pub(super) fn new(charge: Charge, parts: Parts<'a, R>) -> Self {
        let now_ms = charge.asker.clock.now_ms();
        let states = charge.nodes.iter().map(|node| node.live.state());
        Self {
            schedule: Schedule::new(states, charge.rules, now_ms),
            watched: charge.nodes.iter().map(|node| Watched::new(node, now_ms)).collect(),
            places: places(&charge.nodes),
            asker: Arc::new(charge.asker),
            resolver: Arc::new(parts.resolver),
            rounds: JoinSet::new(),
            running: HashMap::new(),
            look_ups: JoinSet::new(),
            ended: parts.rounds,
            experiences: parts.experiences,
            starved: false,
        }
    }

    /// Runs until `shutdown` is true or its sender is gone; what is in flight then is dropped. When `changed` ticks there
    /// is another charge.
    pub(super) async fn run(
        mut self,
        mut shutdown: watch::Receiver<bool>,
        mut changed: watch::Receiver<()>,
        charge: impl Fn() -> Charge,
    ) {
        loop {
            let now_ms = self.asker.clock.now_ms();
            while let Some(index) = self.schedule.start(now_ms) {
                self.start(index, now_ms);
            }
            let wait = self.schedule.wait_ms(now_ms).map(Duration::from_millis);
            tokio::select! {
                biased;
                _ = shutdown.wait_for(|stop| *stop) => return,
                Ok(()) = changed.changed() => self.adopt(charge()),
                Some(round) = self.rounds.join_next_with_id() => self.end(round),
                Some(look_up) = self.look_ups.join_next() => self.resolved(look_up),
                Some(experience) = self.experiences.recv() => self.heard(experience),
                () = tokio::time::sleep(wait.unwrap_or_default()), if wait.is_some() => {}
            }
        }
    }

    /// Other nodes from now on; those that stay keep all that is known of them.
    fn adopt(&mut self, charge: Charge) {
        let now_ms = self.asker.clock.now_ms();
        let mut before: Vec<_> = self.watched.drain(..).map(Some).collect();
        let old = |node: &Arc<Node>| self.places.get(&node.live.member).copied();
        let (mut known, mut moved) = (Vec::new(), HashMap::new());
        for (index, node) in charge.nodes.iter().enumerate() {
            let stays = old(node).and_then(|old| Some((old, before.get_mut(old)?.take()?)));
            let (is_known, watched) = match stays {
                Some((old, watched)) => {
                    let state = node.live.state();
                    // Else somebody who asked it in another way has put it down.
                    let is_as_before = self.schedule.machine(old).state() == state;
                    let known = if is_as_before { Known::Before(old) } else { Known::State(state) };
                    if is_as_before {
                        moved.insert(old, index);
                    }
                    (known, Watched { node: Arc::clone(node), ..watched })
                }
                None => (Known::State(node.live.state()), Watched::new(node, now_ms)),
            };
            known.push(is_known);
            self.watched.push(watched);
        }
        self.schedule.adopt(known, charge.rules, now_ms);
        let running = self.running.drain().filter_map(|(id, old)| Some((id, *moved.get(&old)?)));
        self.running = running.collect();
        self.places = places(&charge.nodes);
        self.asker = Arc::new(charge.asker);
    }

    fn start(&mut self, index: usize, now_ms: u64) {
        let resolved = self.look_up_if_due(index, now_ms);
        let watched = &self.watched[index];
        refresh_keys(&watched.node, self.asker.clock.unix_ms() / 1000);
        let (asker, node, turn) = (Arc::clone(&self.asker), Arc::clone(&watched.node), watched.turn);
        let handle = self.rounds.spawn(async move { asker.round(&node, turn, resolved).await });
        self.running.insert(handle.id(), index);
    }

    /// Starts a look-up if it is time for one. A node without an address gets something to wait for.
    fn look_up_if_due(&mut self, index: usize, now_ms: u64) -> Option<watch::Receiver<()>> {
        let watched = &mut self.watched[index];
        let name = watched.name.as_mut()?;
        let wait = name.wait();
        if name.need(now_ms, watched.reached) == Need::Refresh {
            name.starts();
            let (resolver, node) = (Arc::clone(&self.resolver), Arc::clone(&watched.node));
            self.look_ups.spawn(async move {
                let endpoint = &node.config.endpoint;
                let found = look_up(&*resolver, endpoint.bare_host(), endpoint.port()).await;
                (node.live.member, found)
            });
        }
        wait
    }

    fn resolved(&mut self, look_up: Result<(Member, Result<Vec<SocketAddr>, String>), JoinError>) {
        let Ok((member, found)) = look_up else {
            tracing::error!("a name's look-up ended by a fault in the gate; please report it");
            return;
        };
        // A reload may have taken the node away.
        let Some(&index) = self.places.get(&member) else { return };
        let watched = &mut self.watched[index];
        let Some(name) = &mut watched.name else { return };
        let live = &watched.node.live;
        let is_found = found.is_ok();
        match found {
            Ok(addresses) if live.addresses.load().as_deref() != Some(&addresses) => {
                tell::moved(&watched.node, &addresses);
                live.addresses.store(Some(Arc::new(addresses)));
            }
            Ok(_) => {}
            Err(cause) => {
                tracing::debug!(node = watched.node.config.id.as_str(), cause, "the name did not resolve");
            }
        }
        name.ends(self.asker.clock.now_ms(), is_found);
    }

    fn end(&mut self, round: Result<(Id, Round), JoinError>) {
        let (id, round) = round.unwrap_or_else(|error| {
            tracing::error!("a round of probes ended by a fault in the gate; please report it");
            (error.id(), Round::unasked("a fault in the gate".to_owned()))
        });
        // Every round was put there when it started, and a reload takes out those of nodes that left.
        let Some(index) = self.running.remove(&id) else { return };
        let now_ms = self.asker.clock.now_ms();
        let watched = &mut self.watched[index];
        watched.reached = !round.unreached();
        if !watched.reached {
            watched.turn = watched.turn.wrapping_add(1);
        }
        if is_excused(&mut watched.late, round.is_late) {
            return self.unasked(index, now_ms, &round);
        }
        let verdict = match round.verdict {
            Verdict::Good => Ok(()),
            Verdict::Bad(reason) => Err(reason),
            Verdict::Unasked => return self.unasked(index, now_ms, &round),
        };
        self.starved = false;
        let draining = |index: usize| self.watched[index].node.live.is_draining();
        let transition = self.schedule.finished(index, now_ms, verdict, draining);
        let times = tell::Times { now_ms, unix_ms: self.asker.clock.unix_ms() };
        let machine = self.schedule.machine(index);
        let watched = &mut self.watched[index];
        tell::round(&watched.node, machine, transition, &round, &mut watched.told, times);
        if transition.is_some_and(|change| change.to == State::Down) && self.all_down() {
            tracing::error!(nodes = self.watched.len(), "no node is up");
        }
        self.ended.send_modify(|count| *count += 1);
    }

    fn heard(&mut self, experience: Experience) {
        // A reload may have taken the node away.
        let Some(&index) = self.places.get(&experience.node) else { return };
        let Met::Trouble(trouble) = experience.met else { return self.schedule.served(index) };
        let now_ms = self.asker.clock.now_ms();
        let draining = |index: usize| self.watched[index].node.live.is_draining();
        let judged = self.schedule.failed(index, now_ms, trouble, draining);
        let watched = &mut self.watched[index];
        match judged {
            Judged::Noted => {}
            Judged::Spared => tell::spared(&watched.node, trouble, &mut watched.told, now_ms),
            Judged::Ejected(transition) => {
                let times = tell::Times { now_ms, unix_ms: self.asker.clock.unix_ms() };
                tell::ejected(&watched.node, self.schedule.machine(index), transition, trouble, times);
                self.ended.send_modify(|count| *count += 1);
            }
        }
    }

    fn unasked(&mut self, index: usize, now_ms: u64, round: &Round) {
        if !std::mem::replace(&mut self.starved, true) {
            tracing::error!(
                cause = round.cause,
                "this machine cannot probe its nodes, or has no time for it; their last states stay"
            );
        }
        self.schedule.unasked(index, now_ms);
        self.ended.send_modify(|count| *count += 1);
    }

    fn all_down(&self) -> bool {
        self.watched.iter().enumerate().all(|(index, _)| self.schedule.machine(index).state() == State::Down)
    }
}

impl Watched {
    fn new(node: &Arc<Node>, now_ms: u64) -> Self {
        let endpoint = &node.config.endpoint;
        let literal = endpoint.bare_host().parse::<IpAddr>().ok();
        if let Some(address) = literal {
            node.live.addresses.store(Some(Arc::new(vec![SocketAddr::new(address, endpoint.port())])));
        }
        Self {
            node: Arc::clone(node),
            name: literal.is_none().then(Name::new),
            turn: 0,
            reached: true,
            late: 0,
            told: tell::Told::new(now_ms),
        }
    }
}

/// Whether a round does not count; `late`: how many in a row did not before it.
fn is_excused(late: &mut u32, is_late: bool) -> bool {
    *late = if is_late { late.saturating_add(1) } else { 0 };
    (1..=LATE_MAX).contains(late)
}

fn places(nodes: &[Arc<Node>]) -> HashMap<Member, usize> {
    nodes.iter().map(|node| node.live.member).zip(0..).collect()
}

/// Costs some 10 µs once a day and node, before the round that needs it.
fn refresh_keys(node: &Node, unix_s: u64) {
    if node.keys.load().stale(unix_s) {
        node.keys.store(Arc::new(DayKeys::derive(node.config.secret_key.expose(), unix_s, &node.region)));
    }
}

#[cfg(test)]
mod tests;
