//! The run itself: viewers begin when they are due, until the time is over or somebody says stop.
//!
//! Whoever waits for an answer then is waited for, so that no silence is forgotten; whoever reads is let go. Absent on
//! purpose: slowing down because the gate does.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::{interval, timeout};

use super::cause::Cause;
use super::client::Pool;
use super::films::Film;
use super::homes::Home;
use super::progress::{LOOK, Progress};
use super::scenario::{Behaviour, Scenario};
use super::script::{Player, Script, tabs};
use super::tally::Party;
use super::viewer::{Shared, Tab};
use super::zipf::Zipf;
use crate::Failure;
use crate::random::{Random, Weighted};
use crate::schedule::Arrivals;

/// Beyond the patience with an answer: what is left of blocks is read, and tasks end.
const AFTER_PATIENCE: Duration = Duration::from_secs(5);
/// Between one tab of a viewer and the next, in seconds at most.
const TABS_WITHIN_S: f64 = 3.0;

/// Who comes.
pub(super) struct Crowd {
    pub(super) scenario: Scenario,
    pub(super) films: Vec<Rc<Film>>,
    pub(super) homes: Vec<Home>,
    pub(super) viewers_max: u32,
    pub(super) seed: u64,
    /// Connections to the gate that all viewers share, if they do.
    pub(super) gate_pool: Option<Rc<Pool>>,
}

/// How a run went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ran {
    pub(super) lasted: Duration,
    /// Somebody said stop.
    pub(super) is_early: bool,
}

/// What is ready before the clock runs.
struct Cast {
    crowd: Crowd,
    zipf: Zipf,
    behaviours: Weighted<Rc<Behaviour>>,
    shared: Rc<Shared>,
    there: Rc<There>,
}

/// Viewers that are there.
#[derive(Default)]
struct There {
    count: Cell<u32>,
    left: Notify,
}

/// Runs, within a `LocalSet`.
///
/// # Errors
/// The system has no timer left.
pub(super) async fn drive(crowd: Crowd, shared: Rc<Shared>) -> Result<Ran, Failure> {
    let begun = shared.tally.borrow().begun;
    let lasts = Duration::from_secs_f64(crowd.scenario.lasts_s());
    let there = Rc::new(There::default());
    let cast = Cast {
        zipf: Zipf::new(crowd.films.len(), crowd.scenario.zipf),
        behaviours: crowd.scenario.behaviours.map(|behaviour| Rc::new(behaviour.clone())),
        crowd,
        shared: Rc::clone(&shared),
        there: Rc::clone(&there),
    };
    let mut progress = Progress::new(lasts);
    let whole = async {
        let come = async {
            cast.come(begun).await;
            // If nobody is there and nobody comes any more, nothing more can happen.
            tokio::select! {
                () = shared.alarm.until(begun + lasts) => {}
                () = there.all_gone() => {}
            }
        };
        let is_early = tokio::select! {
            () = come => false,
            () = shared.stop.stopped() => true,
        };
        let ran = Ran { lasted: begun.elapsed(), is_early };
        shared.stop.set();
        // Whoever is left after all that is seen as a film that did not end.
        let _ = timeout(shared.patience + AFTER_PATIENCE, there.all_gone()).await;
        ran
    };
    let look = async {
        let mut looks = interval(LOOK);
        loop {
            looks.tick().await;
            progress.look(begun.elapsed(), &shared.tally.borrow().counts);
        }
    };
    let ran = tokio::select! {
        ran = whole => Ok(ran),
        Err(error) = shared.alarm.run() => Err(Failure::during("the timer of the load")(error)),
        () = look => unreachable!("it goes on for ever"),
    };
    progress.end();
    ran
}

impl There {
    async fn all_gone(&self) {
        while self.count.get() > 0 {
            self.left.notified().await;
        }
    }
}

impl Cast {
    /// Lets viewers come when they are due; those for whom there is no room are counted.
    async fn come(&self, begun: Instant) {
        let scenario = &self.crowd.scenario;
        let arrivals = Arrivals::new(&scenario.phases, scenario.process, self.crowd.seed);
        for (number, after) in (0_u64..).zip(arrivals) {
            let due = begun + after;
            self.shared.alarm.until(due).await;
            if self.there.count.get() >= self.crowd.viewers_max {
                self.shared.tally.borrow_mut().fault(Party::Bench, Cause::NotStarted, Instant::now());
            } else {
                self.begin(number, due);
            }
        }
    }

    /// One viewer, who is the same in every run with the same seed.
    fn begin(&self, number: u64, due: Instant) {
        let mut random = Random::new(self.crowd.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (Some(behaviour), false) = (self.behaviours.draw(&mut random), self.crowd.homes.is_empty())
        else {
            return;
        };
        let home = self.crowd.homes[random.below(self.crowd.homes.len())].clone();
        let target = random.below(self.shared.targets.len());
        let pool = Pool::own();
        let gate_pool = self.crowd.gate_pool.clone().unwrap_or_else(|| Rc::clone(&pool));
        let mut begins = due;
        let tabs: Vec<Tab> = (0..tabs(behaviour, &mut random))
            .map(|index| {
                if index > 0 {
                    begins += Duration::from_secs_f64(random.between(0.0, TABS_WITHIN_S));
                }
                Tab {
                    shared: Rc::clone(&self.shared),
                    pool: Rc::clone(&pool),
                    gate_pool: Rc::clone(&gate_pool),
                    home: home.clone(),
                    film: Rc::clone(&self.crowd.films[self.zipf.draw(&mut random)]),
                    player: Player::draw(behaviour, &mut random),
                    script: Script::new(Rc::clone(behaviour), Random::new(random.next())),
                    begun: begins,
                    target,
                }
            })
            .collect();
        let (shared, there) = (Rc::clone(&self.shared), Rc::clone(&self.there));
        there.count.set(there.count.get() + 1);
        shared.tally.borrow_mut().came(Instant::now());
        spawn_local(async move {
            let watching: Vec<_> = tabs.into_iter().map(|tab| spawn_local(tab.watch())).collect();
            for tab in watching {
                // A tab that panicked has no end.
                if let Ok(end) = tab.await {
                    shared.tally.borrow_mut().ended(end);
                }
            }
            shared.tally.borrow_mut().went(Instant::now());
            there.count.set(there.count.get() - 1);
            there.left.notify_one();
        });
    }
}
