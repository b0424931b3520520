//! An evening of viewers, in simulated time: who starts, where the gate sends them, what befalls nodes meanwhile.
//!
//! Viewers come in groups of equal size that start, watch and leave together: one /24 that watches one film from one
//! spot, which is what the gate's hash takes together too. Nodes say how many they serve when they are probed, by the
//! gate's own schedule, and between two probes the gate counts what it sent there: so the load that a choice goes by
//! is as old here as it is there. Absent on purpose: bytes, connections and the speed of nodes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter::repeat_n;

use watchgate::decide::client;
use watchgate::decide::health::{Rules, State as Verdict};
use watchgate::decide::plan::plan;
use watchgate::decide::rank::{Facts, viewer_key};
use watchgate::probe::schedule::Schedule;
use watchgate::state::Snapshot;
use watchgate::state::places::Site;
use watchgate_config::{Config, Mode, Profile};
use watchgate_geoip::Databases;

use crate::demand::{At, Demand};
use crate::event::{Event, What};
use crate::fault::Failure;
use crate::films::Films;
use crate::fleet;
use crate::mix::{Mix, Seat};
use crate::random::{Draw, Random};

use self::blow::Blow;
use self::crowd::{Crowd, Lost};
use self::seen::Fleet;
use self::without::Without;

pub mod blow;
pub mod crowd;
mod probes;
mod seen;
mod standing;
pub mod without;
mod worst;

pub use self::seen::{Seen, sites};
pub use self::standing::{Sample, Standing};
pub use self::worst::{Consequence, Index};

/// The gates' clock is so far ahead of the curve's: nodes are probed, and up, before the first viewer comes.
const AHEAD_MS: u64 = 60_000;
/// Moments kept of a whole run.
const SAMPLES: u64 = 200;

/// What is simulated.
#[derive(Debug)]
pub struct Scene {
    /// The gate's configuration.
    pub config: Config,
    /// Who watches from where.
    pub mix: Mix,
    /// How many, and when.
    pub demand: Demand,
    /// What they watch.
    pub films: Films,
    /// The rest.
    pub terms: Terms,
}

/// The numbers of a simulation.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// The same seed, the same run.
    pub seed: u64,
    /// Viewers of one group.
    pub unit: u64,
    /// Gates that share the viewers. Each knows its own redirects at once, and those of the others by the nodes' word.
    pub gates: u64,
    /// Nodes die without a word (power, network): connections stand still until time runs out. Otherwise they are reset.
    pub is_silent: bool,
    /// After so long on average an interrupted viewer asks again.
    pub retry_ms: u64,
    /// What follows an event is looked at for so long.
    pub watch_ms: u64,
}

/// One run of a scene.
#[derive(Debug)]
pub struct Run<'a> {
    scene: &'a Scene,
    sites: &'a [Seen<'a>],
    /// In the order of time.
    events: Vec<Event>,
    rules: Rules,
    tick_ms: u64,
    sample_every: u64,
    draw: Draw,
    /// For its fleet; places are those of `sites`.
    snapshot: Snapshot,
    /// What the nodes' handles say, read when it changes: a choice looks at hundreds of nodes.
    facts: Vec<Facts>,
    /// Nodes in slow start.
    returning: Vec<usize>,
    state: State,
}

/// All that changes in a run, but what the nodes' handles hold.
#[derive(Clone, Debug)]
struct State {
    now_ms: u64,
    ticks: u64,
    random: Random,
    crowd: Crowd,
    nodes: Vec<Server>,
    schedule: Schedule,
    /// When a round of probes ends, at which node, and whether the node was there when it began.
    rounds: BinaryHeap<Reverse<(u64, usize, bool)>>,
    /// When a viewer's failure is told to the health task, and of which node.
    reports: BinaryHeap<Reverse<(u64, usize)>>,
    next_event: usize,
    /// Since the last sample.
    starts: u64,
    /// Answers that sent a viewer nowhere, in all.
    refusals: u64,
    blows: Vec<Blow>,
    samples: Vec<Sample>,
}

/// A node as it is, whatever the gate thinks.
#[derive(Clone, Debug)]
struct Server {
    is_there: bool,
    /// It tells how many requests it serves.
    tells: bool,
    /// Viewers it serves.
    viewers: u64,
    most: u64,
    most_at_ms: u64,
    /// What it told last.
    word: u32,
    decayed_ms: u64,
    /// Viewers sent there by other gates than the one whose count is kept.
    elsewhere: u64,
    /// The event that ended it.
    blow: Option<usize>,
}

impl<'a> Run<'a> {
    /// At the beginning of the curve, with the viewers who are there by then.
    ///
    /// # Errors
    /// A fault of this program.
    pub fn new(scene: &'a Scene, sites: &'a [Seen<'a>], mut events: Vec<Event>) -> Result<Self, Failure> {
        let rules = watchgate::probe::rules(&scene.config.health);
        let tick_ms = rules.interval_ms.clamp(500, 10_000);
        let begin_ms = scene.demand.begin().0 + 1;
        let ticks = (scene.demand.end().0 - scene.demand.begin().0) / tick_ms;
        let shares: Vec<f64> = scene.mix.spots.iter().map(|spot| spot.share).collect();
        let count = scene.config.nodes.len();
        let state = State {
            now_ms: begin_ms,
            ticks: 0,
            random: Random::of(scene.terms.seed, 3),
            crowd: Crowd::new(tick_ms),
            nodes: scene.config.nodes.iter().map(|node| Server::new(node.profile, begin_ms)).collect(),
            schedule: Schedule::new(repeat_n(Verdict::Unproven, count), rules, begin_ms),
            rounds: BinaryHeap::new(),
            reports: BinaryHeap::new(),
            next_event: 0,
            starts: 0,
            refusals: 0,
            blows: Vec::new(),
            samples: Vec::new(),
        };
        events.sort_by_key(|event| event.at);
        let mut run = Self {
            scene,
            sites,
            events,
            rules,
            tick_ms,
            sample_every: (ticks / SAMPLES).max(1),
            draw: Draw::new(&shares),
            snapshot: fleet::snapshot(scene.config.clone(), Databases::empty())?,
            facts: Vec::new(),
            returning: Vec::new(),
            state,
        };
        run.learn_all();
        run.advance(begin_ms + AHEAD_MS);
        run.come(run.wanted().saturating_sub(run.state.crowd.len()), 0);
        // They began before the curve did.
        run.state.starts = 0;
        Ok(run)
    }

    /// A second run that goes on from here on its own, with other events.
    ///
    /// # Errors
    /// A fault of this program.
    pub fn fork(&self, events: Vec<Event>) -> Result<Self, Failure> {
        let snapshot = fleet::snapshot(self.scene.config.clone(), Databases::empty())?;
        for (at, node) in snapshot.fleet.nodes.iter().enumerate() {
            let (machine, server) = (self.state.schedule.machine(at), &self.state.nodes[at]);
            node.live.set_state(machine.state(), machine.returned_ms());
            if server.tells {
                node.live.heard_load(server.word);
            }
            let heard = if server.tells { server.word } else { 0 };
            let sent = self.snapshot.fleet.nodes[at].live.viewers().saturating_sub(heard);
            (0..sent).for_each(|_| node.live.count_sent());
        }
        let mut state = self.state.clone();
        (state.next_event, state.blows, state.samples) = (0, Vec::new(), Vec::new());
        state.crowd.forget_losses();
        state.nodes.iter_mut().for_each(|node| node.blow = None);
        let (draw, facts) = (self.draw.clone(), Vec::new());
        let mut fork =
            Self { events, snapshot, facts, returning: self.returning.clone(), state, draw, ..*self };
        fork.learn_all();
        Ok(fork)
    }

    /// Goes on to a time of the curve.
    pub fn run_to(&mut self, at: At) {
        while self.at() < at {
            self.tick();
        }
    }

    /// The configuration that it runs by.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.scene.config
    }

    /// The time of the curve.
    #[must_use]
    pub fn at(&self) -> At {
        curve_time(self.state.now_ms)
    }

    /// The most viewers that a node had so far, and when.
    #[must_use]
    pub fn most(&self, node: usize) -> (u64, At) {
        (self.state.nodes[node].most, curve_time(self.state.nodes[node].most_at_ms))
    }

    /// What became of the events so far.
    #[must_use]
    pub fn blows(&self) -> &[Blow] {
        &self.state.blows
    }

    /// Moments of the run.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.state.samples
    }

    /// Answers that sent a viewer nowhere.
    #[must_use]
    pub fn refusals(&self) -> u64 {
        self.state.refusals
    }

    /// What the gate thinks of a node.
    #[must_use]
    pub fn verdict(&self, node: usize) -> Verdict {
        self.state.schedule.machine(node).state()
    }

    /// One step: who has seen enough leaves, and as many come as the curve wants, spread over the step.
    fn tick(&mut self) {
        let began_ms = self.state.now_ms;
        for (slot, node) in self.state.crowd.leave(self.state.ticks) {
            self.part(slot, node);
        }
        let wanted = self.wanted();
        while self.state.crowd.len() > wanted {
            let Some((slot, node)) = self.state.crowd.leave_early(self.state.ticks) else { break };
            self.part(slot, node);
        }
        self.come(wanted.saturating_sub(self.state.crowd.len()), self.tick_ms);
        self.advance(began_ms + self.tick_ms);
        self.state.ticks += 1;
        self.close_up();
        if self.state.ticks.is_multiple_of(self.sample_every) {
            self.sample();
        }
    }

    /// Groups that the curve wants now.
    fn wanted(&self) -> usize {
        let viewers = self.scene.demand.at(self.at()).viewers;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "viewers are some billions at most"
        )]
        let groups = (viewers / self.scene.terms.unit as f64).round() as usize;
        groups
    }

    fn come(&mut self, groups: usize, over_ms: u64) {
        let began_ms = self.state.now_ms;
        for n in 0..groups as u64 {
            self.advance(began_ms + over_ms * (2 * n + 1) / (2 * groups as u64));
            let origin = self.draw.draw(&mut self.state.random);
            let film = self.scene.films.draw(&mut self.state.random);
            let group = match self.scene.mix.spots[origin].seat {
                Seat::Address(address) => client::group(address).as_u64(),
                // Some /24 of the place, which no address has.
                Seat::Place(_) => 0x50 << 56 | (origin as u64) << 24 | self.state.random.bits() >> 40,
            };
            let key = viewer_key(group, &self.scene.films.uuid(film));
            let minutes = self.scene.demand.at(self.at()).view_minutes;
            let (ticks, unit) = (self.state.ticks, self.state.random.unit());
            let slot = self.state.crowd.enter(key, origin, film, ticks, minutes * 60_000.0, unit);
            self.state.starts += self.scene.terms.unit;
            self.seat(slot, None);
        }
    }

    fn part(&mut self, slot: usize, node: Option<usize>) {
        if let Some(node) = node {
            self.state.nodes[node].viewers -= self.scene.terms.unit;
        }
        self.state.crowd.free(slot);
    }

    /// The gate's choice for a group: the node, or nobody.
    fn choose(&self, slot: usize, gone: Option<&[bool]>) -> Option<usize> {
        let (origin, key) = self.state.crowd.question(slot);
        let seen = &self.sites[origin];
        let fleet = self.fleet(&seen.site);
        let (question, policy) = (seen.question(key), self.snapshot.policy);
        let plan = match gone {
            None => plan(&question, &fleet, policy, 1),
            Some(gone) => plan(&question, &Without { nodes: &fleet, gone, sent: None }, policy, 1),
        };
        plan.winner().map(|winner| winner.node)
    }

    fn fleet<'b>(&'b self, site: &'b Site<'b>) -> Fleet<'b> {
        Fleet { facts: &self.facts, snapshot: &self.snapshot, site }
    }

    fn learn_all(&mut self) {
        let (now_ms, slow_start_ms) = (self.state.now_ms, self.snapshot.slow_start_ms);
        let facts = self
            .snapshot
            .fleet
            .nodes
            .iter()
            .map(|node| node.weighed().facts(now_ms, slow_start_ms, false, false));
        self.facts = facts.collect();
    }

    /// Asks a node's handle for what is known of it now.
    fn learn(&mut self, node: usize) {
        let (now_ms, slow_start_ms) = (self.state.now_ms, self.snapshot.slow_start_ms);
        self.facts[node] = self.snapshot.fleet.weighed(node).facts(now_ms, slow_start_ms, false, false);
    }

    /// What is known of nodes in slow start changes with time alone.
    fn learn_of_returning(&mut self) {
        for at in (0..self.returning.len()).rev() {
            let node = self.returning[at];
            self.learn(node);
            if self.facts[node].budget_share >= 1.0 {
                self.returning.swap_remove(at);
            }
        }
    }

    /// Asks the gate for a group, and does what becomes of it.
    fn seat(&mut self, slot: usize, lost: Option<Lost>) {
        self.learn_of_returning();
        let unit = self.scene.terms.unit;
        let Some(node) = self.choose(slot, self.failed(lost).as_deref()) else {
            self.state.refusals += unit;
            if let Some(blow) = lost.map(|lost| lost.blow).or_else(|| self.last_blow()) {
                self.state.blows[blow].refused += unit;
            }
            let wait_ms = self.patience();
            return self.ask_again(slot, lost, wait_ms);
        };
        if self.state.nodes[node].is_there {
            return self.watch(slot, node, lost);
        }
        let blow = self.state.nodes[node].blow;
        if let Some(blow) = blow {
            self.state.blows[blow].sent_to_dead += unit;
        }
        let wait_ms = if self.is_stream() { self.attempt_ms(lost.is_some()) } else { self.patience() };
        let since_ms = self.state.now_ms;
        let lost = lost.or_else(|| blow.map(|blow| Lost { blow, node: None, tried: None, since_ms }));
        let lost = lost.map(|lost| Lost { tried: Some(node), ..lost });
        self.ask_again(slot, lost, wait_ms);
    }

    /// Nodes that have failed a stream, which goes on elsewhere. A redirected viewer asks anew.
    fn failed(&self, lost: Option<Lost>) -> Option<Vec<bool>> {
        let lost = lost.filter(|_| self.is_stream())?;
        let failed = [lost.node, lost.tried].into_iter().flatten();
        let mut gone: Option<Vec<bool>> = None;
        for node in failed.filter(|node| !self.state.nodes[*node].is_there) {
            gone.get_or_insert_with(|| vec![false; self.state.nodes.len()])[node] = true;
        }
        gone
    }

    /// How long a stream waits for a dead node before another one is asked. Films that begin are answered by a second
    /// request; when a node's viewers all move at once, there are not enough of those for them.
    fn attempt_ms(&self, is_moved: bool) -> u64 {
        let stream = &self.scene.config.stream;
        if !self.scene.terms.is_silent {
            return 1;
        }
        let hedge_after = stream.hedge_after.filter(|_| !is_moved);
        watchgate::clock::millis(hedge_after.unwrap_or(stream.first_byte_timeout))
    }

    fn watch(&mut self, slot: usize, node: usize, lost: Option<Lost>) {
        let unit = self.scene.terms.unit;
        self.state.crowd.put(slot, Some(node));
        let server = &mut self.state.nodes[node];
        server.viewers += unit;
        if server.viewers > server.most {
            (server.most, server.most_at_ms) = (server.viewers, self.state.now_ms);
        }
        // The gate whose count is kept sends one of so many.
        server.elsewhere += unit;
        let own = server.elsewhere / self.scene.terms.gates;
        server.elsewhere %= self.scene.terms.gates;
        let live = &self.snapshot.fleet.nodes[node].live;
        (0..own).for_each(|_| live.count_sent());
        self.learn(node);
        if let Some(lost) = lost {
            let site = &self.sites[self.state.crowd.question(slot).0].site;
            let km = |node: usize| site.distance_km(node).unwrap_or(0.0);
            let from = lost.node.map(|from| (from, km(from)));
            let waited_ms = self.state.now_ms - lost.since_ms;
            self.state.blows[lost.blow].settled(from, (node, km(node)), waited_ms);
        }
    }

    fn ask_again(&mut self, slot: usize, lost: Option<Lost>, wait_ms: u64) {
        self.state.crowd.ask(slot, self.state.now_ms + wait_ms, lost);
    }

    /// How long an interrupted viewer takes to ask again: half of the mean to half more.
    fn patience(&mut self) -> u64 {
        let mean = self.scene.terms.retry_ms as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some seconds")]
        let wait_ms = (mean * (0.5 + self.state.random.unit())) as u64;
        wait_ms.max(1)
    }

    fn is_stream(&self) -> bool {
        self.scene.config.watch.mode == Mode::Stream
    }

    fn last_blow(&self) -> Option<usize> {
        let now_ms = self.state.now_ms;
        self.state.blows.iter().rposition(|blow| now_ms <= blow.until_ms)
    }

    fn befall(&mut self, event: &Event) {
        let now_ms = self.state.now_ms;
        let (at, unit) = (self.state.blows.len(), self.scene.terms.unit);
        let before: Vec<u64> = self.state.nodes.iter().map(|node| node.viewers).collect();
        let mut blow = Blow::new(event, now_ms, now_ms + self.scene.terms.watch_ms, before);
        for &node in &event.nodes {
            let server = &mut self.state.nodes[node];
            server.is_there = event.what == What::Return;
            if event.what == What::Kill {
                blow.on_them += server.viewers;
                (server.viewers, server.blow) = (0, Some(at));
            }
        }
        self.state.blows.push(blow);
        if event.what == What::Return {
            return;
        }
        let stream = &self.scene.config.stream;
        let stall_ms =
            if self.scene.terms.is_silent { watchgate::clock::millis(stream.stall_timeout) } else { 1 };
        for (slot, node) in self.state.crowd.seated_on(&event.nodes) {
            let wait_ms = if self.is_stream() { stall_ms } else { self.patience() };
            self.state.crowd.put(slot, None);
            let lost = Lost { blow: at, node: Some(node), tried: None, since_ms: now_ms };
            self.state.crowd.ask(slot, now_ms + wait_ms, Some(lost));
        }
        if self.is_stream() {
            self.tell_failures(event, now_ms, unit);
        }
    }
}

/// The time of the curve at a moment of the gates' clock.
#[must_use]
pub fn curve_time(clock_ms: u64) -> At {
    At(clock_ms.saturating_sub(1 + AHEAD_MS))
}

impl Server {
    fn new(profile: Profile, now_ms: u64) -> Self {
        Self {
            is_there: true,
            // MinIO's X-Ratelimit fields; nobody else's say it.
            tells: profile == Profile::Minio,
            viewers: 0,
            most: 0,
            most_at_ms: now_ms,
            word: 0,
            decayed_ms: now_ms,
            elsewhere: 0,
            blow: None,
        }
    }
}

#[cfg(test)]
mod tests;
