use std::sync::Arc;

use prometheus::Registry;
use tokio::sync::mpsc::error::TryRecvError;

use super::*;
use crate::decide::health::State;
use crate::decide::member::Member;
use crate::fleet::Live;
use crate::fleet::metrics::{LiveMetrics, NodeFamilies};

/// A node that is up, and what it tells.
fn live() -> (Arc<Live>, Experiences, LiveMetrics) {
    let metrics = NodeFamilies::register(&Registry::new()).unwrap().live(&"ams".parse().unwrap());
    let (reporter, experiences) = channel();
    let live = Live::new(Member(7), 0, reporter, metrics.clone());
    live.set_state(State::Up, None);
    (Arc::new(live), experiences, metrics)
}

/// What was told since, in words: `+` is a success.
fn told(experiences: &mut Experiences) -> String {
    let words = std::iter::from_fn(|| experiences.try_recv().ok()).map(|experience| {
        assert_eq!(experience.node, Member(7));
        match experience.met {
            Met::Trouble(trouble) => trouble.as_str(),
            Met::Success => "+",
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_success_is_told_once_after_failures() {
    let (live, mut experiences, _) = live();
    (0..100).for_each(|_| live.served());
    assert_eq!(told(&mut experiences), "", "on good days nothing is");
    live.failed(Trouble::Refused);
    live.failed(Trouble::Cut);
    (0..100).for_each(|_| live.served());
    live.failed(Trouble::Lie);
    live.served();
    assert_eq!(told(&mut experiences), "refused cut + lie +");
}

#[test]
fn a_busy_node_is_counted_and_not_told_of() {
    let (live, mut experiences, metrics) = live();
    live.failed(Trouble::Busy);
    live.served();
    assert_eq!(told(&mut experiences), "");
    assert_eq!(metrics.trouble(Trouble::Busy), 1);
}

#[test]
fn of_a_node_that_is_not_up_nothing_is_told() {
    let (live, mut experiences, metrics) = live();
    for state in [State::Down, State::Unproven] {
        live.set_state(state, None);
        live.failed(Trouble::Timeout);
        live.served();
    }
    assert_eq!(told(&mut experiences), "");
    assert_eq!(metrics.trouble(Trouble::Timeout), 2);
}

#[test]
fn a_full_way_drops_and_counts_but_no_success_is_lost() {
    let (live, mut experiences, metrics) = live();
    let more = 7;
    (0..UNDER_WAY_MAX + more).for_each(|_| live.failed(Trouble::Stall));
    assert_eq!(metrics.dropped.get(), more as u64);
    assert_eq!(metrics.trouble(Trouble::Stall), (UNDER_WAY_MAX + more) as u64);
    live.served();
    assert_eq!(metrics.dropped.get(), more as u64 + 1);
    assert_eq!(told(&mut experiences).split(' ').count(), UNDER_WAY_MAX);
    live.served();
    assert_eq!(told(&mut experiences), "+", "the next success tells it");
}

#[test]
fn without_a_health_task_nothing_breaks() {
    let (live, experiences, metrics) = live();
    drop(experiences);
    live.failed(Trouble::Cut);
    live.served();
    assert_eq!(metrics.dropped.get(), 1);
}

#[test]
fn every_failure_has_a_success_told_after_it() {
    let (live, mut experiences, _) = live();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    live.failed(Trouble::Cut);
                    live.served();
                }
            });
        }
    });
    live.served();
    let words = told(&mut experiences);
    assert!(words.ends_with('+'), "{words}");
    assert_eq!(words.matches("cut").count(), 400);
    assert_eq!(experiences.try_recv(), Err(TryRecvError::Empty));
}
