//! A catalog in a database: what it said is remembered, and it is asked as seldom as possible.
//!
//! However many viewers wait for a film, one question is asked about it; a bounded number of questions is on its way,
//! and beyond that there is no answer at once. Absent on purpose: PostgreSQL, which stands behind [`Source`].

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::Registry;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::read::Short;
use super::row::Shape;
use super::{CatalogError, NoAnswer};
use crate::clock::Clock;
use crate::decide::watch::Film;
use memory::{Memory, Recall};
use metrics::DatabaseMetrics;
use outage::Outage;

mod memory;
mod metrics;
mod outage;
mod postgres;

use postgres::Postgres;

/// Questions on their way, for each connection: one that is answered, and some that wait for it.
const QUESTIONS_PER_CONNECTION: usize = 4;
/// From one look at the memory's bounds to the next.
const SETTLE_EVERY: Duration = Duration::from_secs(10);

/// Whoever knows the rows of films. Its limits of time are its own.
pub(super) trait Source: Send + Sync + 'static {
    /// The film's row; none: there is no such film, or it has no row.
    fn row(&self, film: Film) -> impl Future<Output = Result<Option<String>, Failed>> + Send;

    /// Whether a question could be asked now.
    fn prove(&self) -> impl Future<Output = Result<(), Failed>> + Send;
}

/// Why a source did not answer; without any secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failed {
    #[error("{0} took longer than catalog.postgres.timeout")]
    Timeout(&'static str),
    #[error("{0}")]
    Error(String),
}

/// What is known of a film, with what was read from its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word<R> {
    Row(R),
    Unknown,
    Ask,
}

/// See the module.
pub(super) struct Database<S> {
    shared: Arc<Shared<S>>,
}

struct Shared<S> {
    source: S,
    shape: Shape,
    memory: Memory,
    outage: Outage,
    running: Mutex<Running>,
    room: Arc<Semaphore>,
    room_max: usize,
    clock: Clock,
    metrics: DatabaseMetrics,
}

/// The questions that are being asked, each with what will come of it.
type Running = HashMap<Film, watch::Receiver<Option<Result<(), NoAnswer>>>>;

/// A catalog in PostgreSQL.
pub(super) type Opened = Database<Postgres>;

/// Opens no connection.
pub(super) fn open(
    config: &watchgate_config::Postgres,
    shape: Shape,
    clock: Clock,
    registry: &Registry,
) -> Result<Opened, CatalogError> {
    let source = Postgres::open(config)?;
    Ok(Database::new(source, config, shape, clock, DatabaseMetrics::register(registry)?))
}

impl<S: Source> Database<S> {
    fn new(
        source: S,
        config: &watchgate_config::Postgres,
        shape: Shape,
        clock: Clock,
        metrics: DatabaseMetrics,
    ) -> Self {
        let connections = usize::try_from(config.connections.get()).unwrap_or(usize::MAX);
        let room_max = connections.saturating_mul(QUESTIONS_PER_CONNECTION).min(Semaphore::MAX_PERMITS);
        let shared = Shared {
            source,
            shape,
            memory: Memory::new(config),
            outage: Outage::default(),
            running: Mutex::default(),
            room: Arc::new(Semaphore::new(room_max)),
            room_max,
            clock,
            metrics,
        };
        Self { shared: Arc::new(shared) }
    }

    /// What is known of the film; `read` gets its row.
    pub(super) fn look<R>(&self, film: &Film, read: impl FnOnce(&str) -> R) -> Word<R> {
        let shared = &self.shared;
        let now_ms = shared.clock.now_ms();
        match shared.memory.recall(film, now_ms, read) {
            Recall::Fresh(row) => Word::Row(row),
            Recall::Due(row) => {
                if !shared.outage.is_on() || shared.outage.claims_try(now_ms) {
                    self.refresh(film);
                }
                Word::Row(row)
            }
            Recall::Old(row) if shared.outage.is_on() => {
                if shared.outage.claims_try(now_ms) {
                    self.refresh(film);
                }
                Word::Row(row)
            }
            Recall::Unknown => Word::Unknown,
            Recall::Old(_) | Recall::Bad | Recall::Nothing => Word::Ask,
        }
    }

    /// Asks about the film, together with all others who do now.
    pub(super) async fn ask(&self, film: &Film) -> Result<(), NoAnswer> {
        let shared = &self.shared;
        let mut outcome = {
            let mut running = shared.running();
            match running.entry(*film) {
                Entry::Occupied(question) => question.get().clone(),
                Entry::Vacant(place) => {
                    // A question is noted down before it leaves `running`: none that ended is asked again.
                    match shared.memory.recall(film, shared.clock.now_ms(), |_| ()) {
                        Recall::Fresh(()) | Recall::Due(()) | Recall::Unknown => return Ok(()),
                        Recall::Bad => return Err(NoAnswer::BadRow),
                        Recall::Old(()) | Recall::Nothing => {}
                    }
                    let Ok(room) = Arc::clone(&shared.room).try_acquire_owned() else {
                        shared.metrics.refused.inc();
                        return if shared.memory.lean(film, shared.clock.now_ms()) {
                            Ok(())
                        } else {
                            Err(NoAnswer::Busy)
                        };
                    };
                    let (ends, outcome) = watch::channel(None);
                    tokio::spawn(Arc::clone(shared).question(*film, room, ends));
                    place.insert(outcome).clone()
                }
            }
        };
        let ended = outcome.wait_for(Option::is_some).await;
        // An error says that the question ended by a fault in it, or with the runtime.
        ended.ok().and_then(|outcome| *outcome).unwrap_or(Err(NoAnswer::Database))
    }

    /// Asks about a film that is known, behind the viewer's back. It takes at most half of the room: those who wait
    /// come first.
    fn refresh(&self, film: &Film) {
        let shared = &self.shared;
        let Ok(runtime) = Handle::try_current() else { return };
        if shared.room.available_permits() * 2 <= shared.room_max {
            return;
        }
        if let Entry::Vacant(place) = shared.running().entry(*film)
            && let Ok(room) = Arc::clone(&shared.room).try_acquire_owned()
        {
            let (ends, outcome) = watch::channel(None);
            runtime.spawn(Arc::clone(shared).question(*film, room, ends));
            place.insert(outcome);
        }
    }

    /// Tries the database once, then keeps the memory within its bounds.
    pub(super) async fn run(&self, mut shutdown: watch::Receiver<bool>) {
        let shared = &self.shared;
        tokio::select! {
            biased;
            () = super::stopped(&mut shutdown) => return,
            proof = shared.source.prove() => match proof {
                Ok(()) => shared.answered(),
                Err(failed) => shared.failed(&failed),
            },
        }
        let mut ticks = tokio::time::interval(SETTLE_EVERY);
        loop {
            tokio::select! {
                biased;
                () = super::stopped(&mut shutdown) => return,
                _ = ticks.tick() => {
                    shared.memory.settle();
                    shared.count();
                }
            }
        }
    }
}

impl<S: Source> Shared<S> {
    fn running(&self) -> MutexGuard<'_, Running> {
        // Nothing that runs under the lock can panic half way through a change.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One question from its beginning to its end; whoever waits for it learns what came of it.
    async fn question(
        self: Arc<Self>,
        film: Film,
        room: OwnedSemaphorePermit,
        ends: watch::Sender<Option<Result<(), NoAnswer>>>,
    ) {
        let noted = Noted { shared: &*self, film };
        let timer = self.metrics.seconds.start_timer();
        let row = self.source.row(film).await;
        timer.observe_duration();
        let outcome = self.note(film, row);
        drop(noted);
        drop(room);
        ends.send_replace(Some(outcome));
    }

    fn note(&self, film: Film, row: Result<Option<String>, Failed>) -> Result<(), NoAnswer> {
        let now_ms = self.clock.now_ms();
        let leans_or = |why: NoAnswer| if self.memory.lean(&film, now_ms) { Ok(()) } else { Err(why) };
        let text = match row {
            Ok(text) => text,
            Err(failed) => {
                self.failed(&failed);
                return match failed {
                    Failed::Timeout(_) => leans_or(NoAnswer::Timeout),
                    Failed::Error(_) => leans_or(NoAnswer::Database),
                };
            }
        };
        self.answered();
        // Web frameworks write an empty text for "no file".
        let outcome = match text.filter(|text| !text.is_empty()) {
            None => {
                self.metrics.none.inc();
                self.memory.forget(film, now_ms);
                Ok(())
            }
            Some(text) => match self.shape.read(&text) {
                Ok(row) => {
                    self.metrics.found.inc();
                    self.memory.learn(film, row, now_ms);
                    Ok(())
                }
                Err(wrong) => {
                    self.metrics.bad_row.inc();
                    if self.memory.refuse(film, now_ms) {
                        tracing::error!(
                            %film,
                            key = ?Short(&text),
                            "the catalog's database has a bad key for a film: it {}",
                            wrong.why
                        );
                    }
                    leans_or(NoAnswer::BadRow)
                }
            },
        };
        self.count();
        outcome
    }

    fn answered(&self) {
        self.metrics.up.set(1);
        if self.outage.ends() {
            tracing::info!("the catalog's database answers again");
        }
    }

    fn failed(&self, failed: &Failed) {
        self.metrics.up.set(0);
        match failed {
            Failed::Timeout(_) => self.metrics.timeout.inc(),
            Failed::Error(_) => self.metrics.error.inc(),
        }
        if self.outage.begins(self.clock.now_ms()) {
            tracing::warn!(
                cause = %failed,
                "the catalog's database does not answer: films that it named before go on, others get a 503"
            );
        } else {
            tracing::debug!(cause = %failed, "a question to the catalog's database failed");
        }
    }

    fn count(&self) {
        let (known, unknown) = self.memory.counts();
        let gauge = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.metrics.known.set(gauge(known));
        self.metrics.unknown.set(gauge(unknown));
    }
}

/// Takes a question off the list when it ends, in whatever way.
struct Noted<'a, S: Source> {
    shared: &'a Shared<S>,
    film: Film,
}

impl<S: Source> Drop for Noted<'_, S> {
    fn drop(&mut self) {
        self.shared.running().remove(&self.film);
    }
}

impl<S> fmt::Debug for Database<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("memory", &self.shared.memory).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
