//! What is known of which film at which node: the memory of many films.
//!
//! A film that is known is read from a plain map, without waiting and without a lock; films nobody holds are kept apart,
//! so that a flood of unknown names drives out none that is watched. Absent on purpose: asking nodes (`gate::find`), and
//! what their words mean (`decide::presence`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus::{IntCounter, IntCounterVec, IntGaugeVec, Opts, Registry};
use smallvec::SmallVec;
use tokio::sync::Notify;
use watchgate_config as config;

use crate::clock::millis;
use crate::decide::member::Member;
use crate::decide::presence::{Known, Times, Version};
use crate::decide::resume::Failure;
use crate::kept::{Bounds, Kept};

/// Bytes of one film that [`config::Presence::capacity`] counts as one: a film of a usual name on up to four nodes. What
/// the maps add to it is not in it.
const UNIT_BYTES: usize = 1024;
/// Of so many films that are kept there may be one that nobody holds.
const LACKING_SHARE: u64 = 64;
/// Films that nobody holds are remembered in this number at least.
const LACKING_MIN: u64 = 1024;
/// A film that is not asked for any more is remembered for so many times of `positive_ttl`: its last holders are better
/// than none while no node answers.
const KEPT_TIMES: u32 = 10;
/// Never due.
const NEVER: u64 = u64::MAX;

/// See the module.
#[derive(Debug)]
pub struct Presence {
    held: Kept<Name, Remembered>,
    lacking: Kept<Name, Remembered>,
    rules: ArcSwap<Rules>,
    metrics: PresenceMetrics,
}

/// What a reload changes. How much is remembered, and for how long, stays as it was at the start.
#[derive(Clone, Debug)]
pub struct Rules {
    /// How long words are believed.
    pub times: Times,
    /// Whose word weighs more.
    pub source: Option<Member>,
    /// Who has left the fleet, in order: their late answers count no more.
    gone: Vec<Member>,
}

impl Rules {
    /// Of a fleet that nobody has left.
    #[must_use]
    pub fn of(config: &config::Presence, source: Option<Member>) -> Self {
        let (positive_ms, negative_ms) = (millis(config.positive_ttl), millis(config.negative_ttl));
        Self { times: Times { positive_ms, negative_ms }, source, gone: Vec::new() }
    }

    fn is_gone(&self, node: Member) -> bool {
        self.gone.binary_search(&node).is_ok()
    }
}

/// An object key where it is looked for: most stand beside what is remembered, without a pointer to follow.
type Name = SmallVec<[u8; 48]>;

/// What a request reads: a copy, so that it has to follow no pointer and to wait for nobody.
#[derive(Debug)]
struct Remembered {
    known: Known,
    /// When somebody should be asked again if the film is watched, in milliseconds of the gate's clock.
    due_ms: u64,
    entry: Arc<Entry>,
}

/// One film: what is known of it, and who is being asked.
#[derive(Debug)]
pub struct Entry {
    key: Arc<str>,
    state: Mutex<State>,
    /// As [`Remembered::due_ms`], until somebody sees to it.
    due_ms: AtomicU64,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    known: Known,
    asking: SmallVec<[Asking; 4]>,
    /// Since when a holder is known, in milliseconds of the gate's clock.
    holder_since_ms: Option<u64>,
}

/// A question on its way to a node.
#[derive(Clone, Copy, Debug)]
struct Asking {
    node: Member,
    /// Something happened since it was sent: its answer may be older.
    again: bool,
}

/// How a film was found in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// A node that takes the viewer is known to hold it.
    Hit,
    /// Somebody had to be asked first.
    Miss,
    /// It is known that nobody holds it.
    Negative,
}

#[derive(Debug)]
struct PresenceMetrics {
    lookups: [IntCounter; 3],
    films: IntGaugeVec,
}

impl Presence {
    /// An empty memory, and its metrics.
    ///
    /// # Errors
    /// The registry has families of these names.
    pub fn new(
        config: &config::Presence,
        source: Option<Member>,
        registry: &Registry,
    ) -> prometheus::Result<Self> {
        let capacity = u64::from(config.capacity.get());
        let lacking = (capacity / LACKING_SHARE).max(LACKING_MIN);
        // Long enough for whoever waits for the answer, and then as long as it is believed.
        let lacking_ttl = config.negative_ttl + Duration::from_secs(10);
        Ok(Self {
            held: Kept::new(Bounds { weight_max: capacity, ttl: Some(config.positive_ttl * KEPT_TIMES) }),
            lacking: Kept::new(Bounds { weight_max: lacking, ttl: Some(lacking_ttl) }),
            rules: ArcSwap::from_pointee(Rules::of(config, source)),
            metrics: PresenceMetrics::register(registry)?,
        })
    }

    /// How long words are believed; requests read it from their snapshot.
    #[must_use]
    pub fn times(&self) -> Times {
        self.rules.load().times
    }

    /// Whether a node has left the fleet: what it says counts no more.
    #[must_use]
    pub fn has_left(&self, node: Member) -> bool {
        self.rules.load().is_gone(node)
    }

    /// Other rules from now on, and those who `left` are forgotten: what they said is taken out of every film that they
    /// spoke of, which may take a second, and who waits for their answers is woken. To be called where that disturbs
    /// nobody; one call at a time.
    pub fn adopt(&self, rules: &Rules, left: Vec<Member>) {
        let mut gone = self.rules.load().gone.clone();
        let is_complete = left.is_empty();
        gone.extend(left);
        gone.sort_unstable();
        self.rules.store(Arc::new(Rules { gone, ..rules.clone() }));
        if is_complete {
            return;
        }
        let rules = self.rules.load();
        let concerned = |film: &Remembered| {
            let spoke = film.known.words().iter().any(|word| rules.is_gone(word.node));
            (spoke || film.entry.is_waiting()).then(|| Arc::clone(&film.entry))
        };
        for films in [&self.held, &self.lacking] {
            for entry in films.filter_map(concerned) {
                let mut state = entry.state();
                let was_held = state.known.is_held();
                if state.known.forget(|node| rules.is_gone(node), rules.source) {
                    self.remember(&entry, &mut state, was_held, &rules);
                }
                drop(state);
                entry.changed.notify_waiters();
            }
        }
    }

    /// Reads what is known of a film. Neither waits nor allocates. The second value: somebody should be asked again,
    /// because the film is watched; whoever gets it has to see to it.
    pub fn look<R>(
        &self,
        key: &str,
        now_ms: u64,
        read: impl FnOnce(Option<&Known>) -> R,
    ) -> (R, Option<Arc<Entry>>) {
        let read = |film: Option<&Remembered>| {
            let due = film.filter(|film| film.due_ms <= now_ms && film.entry.claim(now_ms));
            (read(film.map(|film| &film.known)), due.map(|film| Arc::clone(&film.entry)))
        };
        self.held.look(key.as_bytes(), |held| match held {
            Some(held) => read(Some(held)),
            None => self.lacking.look(key.as_bytes(), read),
        })
    }

    /// What is known of a film, to be kept by whoever asks for it; made if there is nothing.
    #[must_use]
    pub fn entry(&self, key: &str) -> Arc<Entry> {
        if let Some(entry) = self.find(key) {
            return entry;
        }
        let entry = Arc::new(Entry::new(key.into()));
        let film = Remembered { known: Known::default(), due_ms: NEVER, entry: Arc::clone(&entry) };
        let there =
            self.lacking.insert_if_absent(key.as_bytes().into(), film, 1, |film| Arc::clone(&film.entry));
        if let Some(held) = self.held.get(key.as_bytes(), |film| Arc::clone(&film.entry)) {
            // Somebody found a holder meanwhile, and the film moved.
            self.lacking.remove(key.as_bytes());
            return held;
        }
        there.unwrap_or(entry)
    }

    /// What is known of a film, if anything is.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<Arc<Entry>> {
        let entry = |film: &Remembered| Arc::clone(&film.entry);
        let key = key.as_bytes();
        self.held.get(key, entry).or_else(|| self.lacking.get(key, entry))
    }

    /// A node has answered for a film, or failed to.
    pub fn hear(&self, entry: &Arc<Entry>, node: Member, heard: Result<Version, Failure>, now_ms: u64) {
        // Writers wait for each other, so that the last word is the one that is remembered; readers for nobody.
        let mut state = entry.state();
        // Read behind the lock: whoever is forgotten under it is not heard again.
        let rules = self.rules.load();
        if rules.is_gone(node) {
            return;
        }
        let was_held = state.known.is_held();
        state.known.hear(node, heard, now_ms, rules.source);
        if !was_held && state.known.is_held() {
            state.holder_since_ms = Some(now_ms);
        }
        self.remember(entry, &mut state, was_held, &rules);
        drop(state);
        entry.changed.notify_waiters();
    }

    /// Shows what is known now.
    fn remember(&self, entry: &Arc<Entry>, state: &mut State, was_held: bool, rules: &Rules) {
        let is_held = state.known.is_held();
        if !is_held {
            state.holder_since_ms = None;
        }
        let due_ms = state.known.due_ms(rules.times).unwrap_or(NEVER);
        entry.due_ms.store(due_ms, Ordering::Relaxed);
        let film = Remembered { known: state.known.clone(), due_ms, entry: Arc::clone(entry) };
        let bytes = size_of::<Remembered>() + size_of::<Entry>() + entry.key.len() + film.known.bytes();
        let weight = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX);
        let (to, from) = if is_held { (&self.held, &self.lacking) } else { (&self.lacking, &self.held) };
        to.insert(entry.key.as_bytes().into(), film, weight);
        if was_held != is_held {
            from.remove(entry.key.as_bytes());
        }
    }

    /// Counts how a film was found.
    pub fn count(&self, lookup: Lookup) {
        self.metrics.lookups[lookup as usize].inc();
    }

    /// Forgets what is due to be forgotten; to be called now and then.
    pub fn tidy(&self) {
        self.held.settle();
        self.lacking.settle();
        let show = |kind: &str, films: usize| {
            self.metrics.films.with_label_values(&[kind]).set(i64::try_from(films).unwrap_or(i64::MAX));
        };
        show("held", self.held.len());
        show("lacking", self.lacking.len());
    }
}

impl Entry {
    fn new(key: Arc<str>) -> Self {
        Self { key, state: Mutex::default(), due_ms: AtomicU64::new(NEVER), changed: Notify::new() }
    }

    /// The film's object key.
    #[must_use]
    pub fn key(&self) -> &Arc<str> {
        &self.key
    }

    /// What is known now.
    #[must_use]
    pub fn known(&self) -> Known {
        self.state().known.clone()
    }

    /// Whether somebody is known to hold it.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.state().known.is_held()
    }

    /// Wakes those who wait for an answer.
    #[must_use]
    pub fn changed(&self) -> &Notify {
        &self.changed
    }

    /// Since when a holder is known, in milliseconds of the gate's clock.
    #[must_use]
    pub fn holder_since_ms(&self) -> Option<u64> {
        self.state().holder_since_ms
    }

    /// Whether a node has been asked and has not answered.
    #[must_use]
    pub fn is_asking(&self, node: Member) -> bool {
        self.state().asking.iter().any(|asking| asking.node == node)
    }

    /// Whether anybody has been asked and has not answered.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.state().asking.is_empty()
    }

    /// Whether the caller is the one to ask a node: nobody else is doing so. `again`: something happened, so that an
    /// answer on its way may be older; whoever asks now asks once more.
    #[must_use]
    pub fn begin(&self, node: Member, again: bool) -> bool {
        let mut state = self.state();
        if let Some(asking) = state.asking.iter_mut().find(|asking| asking.node == node) {
            asking.again |= again;
            return false;
        }
        state.asking.push(Asking { node, again: false });
        true
    }

    /// The question that [`Entry::begin`] allowed is answered; true: it has to be asked once more.
    #[must_use]
    pub fn end(&self, node: Member) -> bool {
        let mut state = self.state();
        let Some(at) = state.asking.iter().position(|asking| asking.node == node) else { return false };
        if state.asking[at].again {
            state.asking[at].again = false;
            return true;
        }
        state.asking.swap_remove(at);
        drop(state);
        self.changed.notify_waiters();
        false
    }

    /// Nobody who is due can be asked before then, in milliseconds of the gate's clock.
    pub fn rest_until(&self, due_ms: u64) {
        self.due_ms.store(due_ms, Ordering::Relaxed);
    }

    /// A lock that is held for a few instructions; whoever panicked with it left it whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the caller is the one to see to it that somebody is asked again.
    fn claim(&self, now_ms: u64) -> bool {
        let due_ms = self.due_ms.load(Ordering::Relaxed);
        due_ms <= now_ms
            && self.due_ms.compare_exchange(due_ms, NEVER, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl PresenceMetrics {
    fn register(registry: &Registry) -> prometheus::Result<Self> {
        let about =
            "Films looked for in the memory of what nodes hold, by whether somebody had to be asked first.";
        let lookups = IntCounterVec::new(Opts::new("watchgate_presence_lookups_total", about), &["result"])?;
        registry.register(Box::new(lookups.clone()))?;
        let about = "Films in the memory of what nodes hold, by whether anybody holds them.";
        let films = IntGaugeVec::new(Opts::new("watchgate_presence_films", about), &["kind"])?;
        registry.register(Box::new(films.clone()))?;
        let lookups = ["hit", "miss", "negative"].map(|result| lookups.with_label_values(&[result]));
        Ok(Self { lookups, films })
    }
}

#[cfg(test)]
mod tests;
