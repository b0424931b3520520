//! Asks nodes whether they hold a film: for a viewer who waits, and behind the back of those who do not.
//!
//! A question goes to a node once, however many viewers wait for its answer, and outlives them; each node has lanes for
//! them (`fleet::lanes`). Absent on purpose: what an answer means (`decide::presence`).

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use super::choose::{Among, Chooser};
use super::serve::Size;
use crate::answer::pump::Engine;
use crate::clock::Clock;
use crate::config;
use crate::decide::health::State;
use crate::decide::member::Member;
use crate::decide::presence::{Breadth, GRACE_MS, Known, Next, Standing, Version, next};
use crate::decide::resume::{Failure, NoFilm, Word, no_film};
use crate::fleet::Node;
use crate::presence::{Entry, Presence};
use crate::state::Snapshot;

/// Fleets up to this size are asked whole, so that viewers elsewhere need not wait; in a larger one with a source, so
/// many of the nearest nodes and the source settle it.
const ASKED_MAX: usize = 16;
/// Films that no node is known to hold and that are looked for by streaming them, at once. The parts of trees are among
/// them, each of them unknown once: nodes that take a second for a first byte must not make a bottleneck of this.
const UNKNOWN_AT_ONCE: usize = 2048;

/// How often what has expired is taken out.
const TIDY_EVERY: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Finder {
    pub(super) presence: Presence,
    engine: Arc<Engine>,
    clock: Clock,
    unknown: Semaphore,
}

/// Why a question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// A viewer waits for the answer.
    Viewer,
    /// The node was not asked yet, and a later viewer might have to wait.
    Gap,
    /// Its word is getting old.
    Age,
    /// Something happened to the film.
    Event,
}

impl Finder {
    pub(super) fn new(presence: Presence, engine: Arc<Engine>, clock: Clock) -> Self {
        Self { presence, engine, clock, unknown: Semaphore::new(UNKNOWN_AT_ONCE) }
    }

    /// Asks until it is known who serves the viewer, or that nobody can, or for as long as one question may take. False:
    /// nobody had to be asked.
    pub(super) async fn find(
        self: &Arc<Self>,
        snapshot: &Arc<Snapshot>,
        chooser: &Chooser<'_>,
        entry: &Arc<Entry>,
        size: Size,
    ) -> bool {
        let mut asked = false;
        let began_ms = self.clock.now_ms();
        let patience = snapshot.config.stream.connect_timeout + snapshot.config.stream.first_byte_timeout;
        let deadline = Instant::now() + patience;
        let source = snapshot.fleet.source().filter(|source| is_up(snapshot, *source));
        let has_left = |node: &usize| self.presence.has_left(snapshot.fleet.member(*node));
        loop {
            let mut changed = pin!(entry.changed().notified());
            changed.as_mut().enable();
            let now_ms = self.clock.now_ms();
            let waited_ms = now_ms - began_ms;
            let breadth = match size {
                // Whoever serves the film has most likely all of it, unless it hangs.
                Size::Part if waited_ms < GRACE_MS => Breadth::One,
                // Whoever has left is not heard any more.
                _ => Breadth::Several { source: source.filter(|source| !has_left(source)) },
            };
            let holder_for_ms =
                entry.holder_since_ms().map(|since_ms| now_ms.saturating_sub(since_ms.max(began_ms)));
            let step = {
                let known = entry.known();
                let member = |node| snapshot.fleet.member(node);
                let mut order = order(snapshot, chooser, Among::hopeful(Some(&known), now_ms));
                order.retain(|node| !has_left(node));
                let standing = |node| known.standing(member(node), now_ms, snapshot.times);
                next(&order, breadth, standing, |node| entry.is_asking(member(node)), holder_for_ms)
            };
            match step {
                Next::Go | Next::GiveUp => return asked,
                Next::Ask(nodes) => {
                    asked = true;
                    nodes.into_iter().for_each(|node| self.ask(snapshot, entry, node, Cause::Viewer));
                }
                Next::Wait => {
                    let patient_ms = holder_for_ms.or((breadth == Breadth::One).then_some(waited_ms));
                    let grace = patient_ms.map(|ms| Duration::from_millis(GRACE_MS.saturating_sub(ms)));
                    let until = grace.map_or(deadline, |grace| deadline.min(Instant::now() + grace));
                    asked = true;
                    if timeout_at(until, changed).await.is_err() && Instant::now() >= deadline {
                        return asked;
                    }
                }
            }
        }
    }

    /// Asks those who were not asked yet, so that later viewers need not wait. Large fleets are not asked whole.
    pub(super) fn fill(self: &Arc<Self>, snapshot: &Arc<Snapshot>, entry: &Arc<Entry>) {
        let nodes = snapshot.fleet.nodes.len();
        if nodes > ASKED_MAX {
            return;
        }
        for node in (0..nodes).filter(|node| is_up(snapshot, *node)) {
            if entry.known().word(snapshot.fleet.member(node)).is_none() {
                self.ask(snapshot, entry, node, Cause::Gap);
            }
        }
    }

    /// Waits for all who were asked, for as long as one question may take: for those who want to see everybody's word.
    pub(super) async fn settled(&self, snapshot: &Snapshot, entry: &Entry) {
        let stream = &snapshot.config.stream;
        let all = async {
            loop {
                let mut changed = pin!(entry.changed().notified());
                changed.as_mut().enable();
                if !entry.is_waiting() {
                    return;
                }
                changed.await;
            }
        };
        // Who has not answered by then is shown so.
        let _ = tokio::time::timeout(stream.connect_timeout + stream.first_byte_timeout, all).await;
    }

    /// Asks again whoever is due. A node that is down is not asked: it has nothing to say, and says so slowly.
    pub(super) fn refresh(self: &Arc<Self>, snapshot: &Arc<Snapshot>, entry: &Arc<Entry>) {
        let now_ms = self.clock.now_ms();
        let (known, times) = (entry.known(), snapshot.times);
        let due = known.due(now_ms, times).filter_map(|member| snapshot.fleet.place(member));
        let due: Vec<usize> = due.filter(|node| is_up(snapshot, *node)).collect();
        if due.is_empty() {
            entry.rest_until(now_ms + times.negative_ms);
        }
        for node in due {
            self.ask(snapshot, entry, node, Cause::Age);
        }
    }

    /// Something happened to the film: whatever its nodes said may be over.
    pub(super) fn ask_again(self: &Arc<Self>, snapshot: &Arc<Snapshot>, key: &str) {
        let Some(entry) = self.presence.find(key) else { return };
        let known = entry.known();
        for node in 0..snapshot.fleet.nodes.len() {
            let member = snapshot.fleet.member(node);
            // An answer that is on its way may be older than the event.
            if known.word(member).is_some() || entry.is_asking(member) {
                self.ask(snapshot, &entry, node, Cause::Event);
            }
        }
    }

    /// What a request to a node met, outside the questions of the memory.
    pub(super) fn heard(&self, node: &Node, key: &str, heard: Result<Version, Failure>) {
        let entry = self.presence.entry(key);
        told(node, heard.as_ref().err().copied());
        self.presence.hear(&entry, node.live.member, heard, self.clock.now_ms());
    }

    /// A turn for a film that no node is known to hold; `None`: there are too many.
    pub(super) async fn turn(&self, within: Duration) -> Option<tokio::sync::SemaphorePermit<'_>> {
        tokio::time::timeout(within, self.unknown.acquire()).await.ok()?.ok()
    }

    /// Keeps the memory within its bounds, until `shutdown` is true.
    pub(super) async fn tidy(&self, mut shutdown: watch::Receiver<bool>) {
        let mut every = tokio::time::interval(TIDY_EVERY);
        loop {
            tokio::select! {
                _ = every.tick() => self.presence.tidy(),
                ended = shutdown.wait_for(|ended| *ended) => {
                    drop(ended);
                    return;
                }
            }
        }
    }

    fn ask(self: &Arc<Self>, snapshot: &Arc<Snapshot>, entry: &Arc<Entry>, node: usize, cause: Cause) {
        // A host that tells us of an event from elsewhere has to wait for a viewer's question.
        let Ok(runtime) = Handle::try_current() else { return };
        let node = Arc::clone(&snapshot.fleet.nodes[node]);
        let member = node.live.member;
        if !entry.begin(member, cause == Cause::Event) {
            return;
        }
        // It may have answered since somebody found that it had not.
        let has_answered = match cause {
            Cause::Viewer => self.standing(entry, member) != Standing::Unknown,
            Cause::Gap => entry.known().word(member).is_some(),
            Cause::Age | Cause::Event => false,
        };
        if has_answered && !entry.end(member) {
            return;
        }
        let (finder, snapshot, entry) = (Arc::clone(self), Arc::clone(snapshot), Arc::clone(entry));
        // On its own: viewers who leave must not take the answer with them that others wait for.
        runtime.spawn(async move {
            loop {
                let heard = finder.look(&node, &entry, cause, &snapshot.config.stream).await;
                finder.presence.hear(&entry, member, heard, finder.clock.now_ms());
                if !entry.end(member) {
                    return;
                }
            }
        });
    }

    fn standing(&self, entry: &Entry, node: Member) -> Standing {
        entry.known().standing(node, self.clock.now_ms(), self.presence.times())
    }

    async fn look(
        &self,
        node: &Arc<Node>,
        entry: &Entry,
        cause: Cause,
        config: &config::Stream,
    ) -> Result<Version, Failure> {
        let lanes = &node.live.lanes;
        let lane = if cause == Cause::Viewer { &lanes.waited_for } else { &lanes.fresh };
        let Some(_turn) = lane.turn().await else { return Err(Failure::Busy) };
        let heard = self.engine.look(node, entry.key(), config).await;
        node.metrics.count_check(heard.as_ref().err().copied());
        told(node, heard.as_ref().err().copied());
        heard
    }
}

/// Who is asked for a viewer, best first: those who may take the viewer; then whoever else answers, because one of them
/// may be the only holder, or the one whose word is missing.
fn order(snapshot: &Snapshot, chooser: &Chooser<'_>, among: Among<'_>) -> Vec<usize> {
    let nodes = snapshot.fleet.nodes.len();
    let depth = if snapshot.fleet.source().is_some() { nodes.min(ASKED_MAX) } else { nodes };
    let (plan, _) = chooser.plan(among, depth);
    let mut order: Vec<usize> = plan.ranking.best.iter().map(|scored| scored.node).collect();
    if order.len() < depth {
        let others = (0..nodes).filter(|node| is_up(snapshot, *node));
        let others: Vec<usize> = others.filter(|node| !order.contains(node)).collect();
        order.extend(others.into_iter().take(depth - order.len()));
    }
    order
}

/// Why nobody holds a film, from what is known to a viewer who came at `since_ms` of the gate's clock.
pub(super) fn no_holder(snapshot: &Snapshot, known: Option<&Known>, since_ms: u64) -> NoFilm {
    match nobody(snapshot, |node| known?.said(node, since_ms, snapshot.times)) {
        // Nothing was asked for but a word.
        NoFilm::Failed | NoFilm::Late => NoFilm::NoAnswer,
        why => why,
    }
}

/// Why nobody has a film, by what each node of the fleet said.
pub(super) fn nobody(snapshot: &Snapshot, said: impl Fn(Member) -> Option<Failure>) -> NoFilm {
    let source = snapshot.fleet.source_member();
    let words = snapshot.fleet.nodes.iter().map(|node| {
        let member = node.live.member;
        Word { is_source: source == Some(member), said: said(member) }
    });
    no_film(words)
}

/// Worth a question. A draining node is.
fn is_up(snapshot: &Snapshot, node: usize) -> bool {
    snapshot.fleet.nodes[node].live.state() == State::Up
}

/// A node that refuses us is the operator's to mend, and said once.
fn told(node: &Node, failure: Option<Failure>) {
    let id = node.config.id.as_str();
    match failure {
        Some(Failure::Forbidden) if node.live.set_refuses_films(true) => {
            tracing::error!(
                node = id,
                "the node refuses us films: its key needs s3:GetObject on the bucket's objects and \
                 s3:ListBucket on the bucket; viewers go elsewhere"
            );
        }
        None if node.live.set_refuses_films(false) => {
            tracing::info!(node = id, "the node gives us films again");
        }
        _ => {}
    }
}
