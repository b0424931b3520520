//! One story from its beginning to its end: people come, the fault comes, goes, and all is as before, or is not.
//!
//! Who makes the fault is the scene's business, and what it means the judge's.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::audience::{Visits, admit};
use super::judge::returned_ms;
use super::look::{Said, follow};
use super::seen::{Finding, GateLog, Log};
use super::visit::Door;
use super::world::{Films, Phase, World};
use crate::{Failure, say};

/// What is left of films is read within this time, or the story ends without it.
const HURRY: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(50);

/// Who makes a fault.
pub(super) trait Scene {
    /// Makes it; it is there when this returns. What is to be asked for from now on may be put into the films.
    ///
    /// # Errors
    /// It could not be made: then the story says nothing.
    async fn harm(&mut self, films: &RefCell<Films>) -> Result<(), Failure>;

    /// Lifts it; what was harmed is well when this returns. `false`: nothing lifts it.
    ///
    /// # Errors
    /// As [`Self::harm`].
    async fn lift(&mut self, films: &RefCell<Films>) -> Result<bool, Failure>;

    /// What was looked for elsewhere, once all is over.
    fn findings(&self) -> Vec<Finding>;
}

/// What a story needs beside its scene.
#[derive(Debug)]
pub(super) struct Cast {
    pub(super) doors: Vec<(Door, SocketAddr)>,
    /// The nodes that will be harmed; the first one is most viewers' nearest.
    pub(super) harmed: Vec<usize>,
    /// How long the fault lasts.
    pub(super) hold_ms: u64,
}

/// Plays it.
///
/// # Errors
/// The fault could not be made or lifted.
pub(super) async fn play(world: World, cast: &Cast, scene: &mut impl Scene) -> Result<Log, Failure> {
    let world = Rc::new(world);
    let local = LocalSet::new();
    let log = local.run_until(async {
        let near = cast.harmed.first().copied().unwrap_or_default();
        let mut watched = Vec::new();
        for &(door, admin) in &cast.doors {
            let said = Rc::new(RefCell::new(Said::default()));
            let looking = spawn_local(follow(Rc::clone(&world), admin, Rc::clone(&said)));
            let (audience, visits) = admit(&world, door, near);
            watched.push(Watched { door, said, looking, audience, visits });
        }
        let late = Rc::new(Cell::new(0));
        let watchman = spawn_local(watch(Rc::clone(&late)));
        let log = acts(&world, cast, scene, &mut watched).await;
        watchman.abort();
        let log = log.map(|log| Log { late_ms: late.get(), ..log });
        for gate in watched {
            gate.looking.abort();
            gate.audience.abort();
        }
        log
    });
    log.await
}

/// A gate and all who look at it.
struct Watched {
    door: Door,
    said: Rc<RefCell<Said>>,
    looking: tokio::task::JoinHandle<()>,
    audience: tokio::task::JoinHandle<()>,
    visits: Visits,
}

impl Watched {
    fn log(&self) -> GateLog {
        let said = self.said.borrow();
        GateLog {
            mode: self.door.mode,
            visits: self.visits.borrow().clone(),
            changes: said.changes.clone(),
            samples: said.samples.clone(),
        }
    }
}

/// Keeps the longest time by which a short sleep took too long.
async fn watch(late: Rc<Cell<u64>>) {
    loop {
        let due = Instant::now() + LOOK;
        sleep_until(due).await;
        late.set(late.get().max(u64::try_from(due.elapsed().as_millis()).unwrap_or(u64::MAX)));
    }
}

async fn acts(
    world: &World,
    cast: &Cast,
    scene: &mut impl Scene,
    watched: &mut [Watched],
) -> Result<Log, Failure> {
    sleep(Duration::from_millis(world.times.settle_ms)).await;
    let mut log = Log { harmed: cast.harmed.clone(), harm_from_ms: world.now_ms(), ..Log::default() };
    scene.harm(&world.films).await?;
    log.harm_at_ms = world.now_ms();
    say(&format!("  the fault is there, made in {} ms", log.harm_at_ms - log.harm_from_ms));
    world.enter(Phase::Harm);
    sleep(Duration::from_millis(cast.hold_ms)).await;
    let lift_from_ms = world.now_ms();
    if scene.lift(&world.films).await? {
        (log.lift_from_ms, log.lift_at_ms) = (Some(lift_from_ms), Some(world.now_ms()));
        say(&format!("  the fault is gone, lifted in {} ms", world.now_ms() - lift_from_ms));
    }
    world.enter(Phase::After);
    let until = Instant::now() + Duration::from_millis(world.times.return_ms);
    while log.lift_at_ms.is_some() && Instant::now() < until {
        log.gates = watched.iter().map(Watched::log).collect();
        if log.gates.iter().all(|gate| returned_ms(&log, gate).is_some()) {
            break;
        }
        sleep(LOOK).await;
    }
    sleep(Duration::from_millis(world.times.calm_ms)).await;
    world.enter(Phase::Hurry);
    let end = Instant::now() + HURRY;
    for gate in &mut *watched {
        let left = end.saturating_duration_since(Instant::now());
        if timeout(left, &mut gate.audience).await.is_err() {
            log.unfinished.push(gate.door.mode);
        }
    }
    log.over_ms = world.now_ms();
    log.gates = watched.iter().map(Watched::log).collect();
    log.findings = scene.findings();
    Ok(log)
}
