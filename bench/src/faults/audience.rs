//! Who comes: some who have begun when the fault comes, some who come meanwhile, some who pause, one who seeks.
//!
//! Most of them live near the node that is harmed. Absent on purpose: randomness; the same people come every time.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::{JoinSet, spawn_local};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::seen::{Role, Visit, Which};
use super::visit::{Door, Guest, visit};
use super::world::{Phase, World};
use crate::random::Random;
use crate::stage::{CITIES, Mode};

/// One who seeks reads so much in each place.
const SEEK_BYTES: u64 = 512 << 10;
/// One who pauses has read so much before.
const PAUSED_AT: u64 = 1 << 20;
/// People who arrive are not more than so many at once; then those who would come stay away.
const CROWD_MAX: usize = 200;
/// Viewer networks of each city.
const NETWORKS: u8 = 3;

/// The visits of one gate's viewers, in the order in which they ended.
pub(super) type Visits = Rc<RefCell<Vec<Visit>>>;

/// Lets everybody in, near this node most of them, and returns when all have left.
pub(super) async fn attend(world: Rc<World>, door: Door, near: usize, visits: Visits) {
    let mut people = JoinSet::new();
    for guest in begun(&world, near) {
        let (world, visits) = (Rc::clone(&world), Rc::clone(&visits));
        people.spawn_local(async move {
            let seen = visit(&world, door, guest).await;
            visits.borrow_mut().push(seen);
        });
    }
    people.spawn_local(seek(Rc::clone(&world), door, near, Rc::clone(&visits)));
    arrive(&world, door, near, &visits).await;
    while people.join_next().await.is_some() {}
}

/// Those who have begun before the fault.
fn begun(world: &World, near: usize) -> Vec<Guest> {
    let watching = Guest {
        role: Role::Watching,
        which: Which::Feature,
        home: near,
        number: 0,
        from: None,
        leaves_after: None,
        pace: Some(world.size.pace),
        pauses_after: None,
        wakes_after: Duration::ZERO,
    };
    // Of four two or three live near the node, and of the rest some in each city.
    let homes = [near, near, (near + 1) % CITIES.len(), near, (near + 2) % CITIES.len()];
    let watchers = (0..world.size.watching).map(|number| {
        let home = homes[usize::from(number) % homes.len()];
        Guest { home, number: number % NETWORKS, ..watching }
    });
    let paused = (0..world.size.paused).map(|number| Guest {
        role: Role::Paused,
        number: number % NETWORKS,
        // The first goes on in the middle of the fault, the second at its end.
        wakes_after: Duration::from_millis(1500) + Duration::from_mins(1) * u32::from(number),
        pauses_after: Some(PAUSED_AT),
        pace: None,
        ..watching
    });
    watchers.chain(paused).collect()
}

async fn seek(world: Rc<World>, door: Door, near: usize, visits: Visits) {
    let mut random = Random::new(4);
    // The newest version of the film may be the shortest.
    let bytes = world.film(Which::Feature).reels.iter().map(|reel| reel.bytes).min().unwrap_or_default();
    let last = usize::try_from(bytes.saturating_sub(SEEK_BYTES)).unwrap_or(usize::MAX).max(1);
    while world.phase() < Phase::Hurry {
        let guest = Guest {
            role: Role::Seeking,
            which: Which::Feature,
            home: near,
            number: 1,
            from: Some(random.below(last) as u64),
            leaves_after: Some(SEEK_BYTES),
            pace: Some(world.size.pace),
            pauses_after: None,
            wakes_after: Duration::ZERO,
        };
        let seen = visit(&world, door, guest).await;
        let failed = !seen.is_whole();
        visits.borrow_mut().push(seen);
        // Whoever is refused presses the key again, but not at once.
        sleep(Duration::from_millis(if failed { 500 } else { 50 })).await;
    }
}

async fn arrive(world: &Rc<World>, door: Door, near: usize, visits: &Visits) {
    let every = match door.mode {
        Mode::Stream => world.size.stream_every,
        Mode::Redirect => world.size.redirect_every,
    };
    // Of four three live near the node.
    let homes = [near, (near + 1) % CITIES.len(), near, near, near, (near + 2) % CITIES.len(), near, near];
    let (mut ticks, mut crowd, mut number) = (interval(every), JoinSet::new(), 0_usize);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while world.phase() < Phase::Hurry {
        ticks.tick().await;
        while crowd.try_join_next().is_some() {}
        if crowd.len() >= CROWD_MAX {
            continue;
        }
        let guest = Guest {
            role: Role::Arriving,
            which: world.wanted(),
            home: homes[number % homes.len()],
            // Below the number of networks, which is small.
            number: u8::try_from(number / homes.len() % usize::from(NETWORKS)).unwrap_or_default(),
            from: None,
            leaves_after: None,
            pace: None,
            pauses_after: None,
            wakes_after: Duration::ZERO,
        };
        number += 1;
        let (world, visits) = (Rc::clone(world), Rc::clone(visits));
        crowd.spawn_local(async move {
            let seen = visit(&world, door, guest).await;
            visits.borrow_mut().push(seen);
        });
    }
    while crowd.join_next().await.is_some() {}
}

/// Starts the audience of one gate on this thread's local set.
pub(super) fn admit(world: &Rc<World>, door: Door, near: usize) -> (tokio::task::JoinHandle<()>, Visits) {
    let visits = Visits::default();
    (spawn_local(attend(Rc::clone(world), door, near, Rc::clone(&visits))), visits)
}
