use super::*;
use crate::decide::health::{Ejection, State, down_within_ms};

const RULES: Rules = Rules {
    interval_ms: 2_000,
    timeout_ms: 1_000,
    rise: 2,
    fall: 3,
    slow_start_ms: 30_000,
    ejection: Ejection::OURS,
};
const ROUND_MS: u64 = 3;

/// A fleet in virtual time: a good round takes [`ROUND_MS`], one of a frozen node the whole time-out.
struct Simulation {
    schedule: Schedule,
    now_ms: u64,
    /// When each node freezes, and when it is back.
    frozen: Vec<(u64, u64)>,
    in_flight: BinaryHeap<Reverse<(u64, usize, bool)>>,
    started: Vec<(u64, usize)>,
    transitions: Vec<(u64, usize, State)>,
}

impl Simulation {
    fn new(count: usize, rules: Rules) -> Self {
        Self {
            schedule: Schedule::new(count, rules, 1),
            now_ms: 1,
            frozen: vec![(u64::MAX, u64::MAX); count],
            in_flight: BinaryHeap::new(),
            started: Vec::new(),
            transitions: Vec::new(),
        }
    }

    fn freeze(mut self, index: usize, from_ms: u64, to_ms: u64) -> Self {
        self.frozen[index] = (from_ms, to_ms);
        self
    }

    fn run_until(mut self, last_ms: u64) -> Self {
        while self.now_ms <= last_ms {
            while let Some(index) = self.schedule.start(self.now_ms) {
                let (from_ms, to_ms) = self.frozen[index];
                let done_ms = self.now_ms + ROUND_MS;
                let bad = done_ms > from_ms && self.now_ms < to_ms;
                let ends_ms = if bad { self.now_ms + self.schedule.rules.timeout_ms } else { done_ms };
                self.in_flight.push(Reverse((ends_ms, index, bad)));
                self.started.push((self.now_ms, index));
            }
            assert!(self.in_flight.len() <= IN_FLIGHT_MAX);
            let due_ms = self.schedule.wait_ms(self.now_ms).map(|wait_ms| self.now_ms + wait_ms);
            let ends_ms = self.in_flight.peek().map(|Reverse((ends_ms, ..))| *ends_ms);
            let next_ms = due_ms.into_iter().chain(ends_ms).min().expect("a fleet is never idle for good");
            assert!(next_ms > self.now_ms || ends_ms == Some(next_ms), "it would spin");
            self.now_ms = next_ms;
            while let Some(Reverse((ends_ms, index, bad))) = self.in_flight.peek().copied() {
                if ends_ms > self.now_ms {
                    break;
                }
                self.in_flight.pop();
                let round = if bad { Err(Reason::Timeout) } else { Ok(()) };
                if let Some(change) = self.schedule.finished(index, self.now_ms, round) {
                    self.transitions.push((self.now_ms, index, change.to));
                }
            }
        }
        self
    }

    fn first(&self, index: usize, to: State) -> Option<u64> {
        self.transitions
            .iter()
            .find(|(_, node, state)| *node == index && *state == to)
            .map(|(at_ms, ..)| *at_ms)
    }
}

#[test]
fn a_frozen_node_is_down_in_time_whenever_it_freezes() {
    let check = |count: usize, rules: Rules| {
        for (turn, from_ms) in (10..4_000).chain(20_000..22_100).step_by(37).enumerate() {
            let index = turn % count;
            let fleet =
                Simulation::new(count, rules).freeze(index, from_ms, u64::MAX).run_until(from_ms + 60_000);
            let down_ms = fleet.first(index, State::Down).expect("down");
            let took_ms = down_ms - from_ms;
            assert!(took_ms <= down_within_ms(&rules), "{count} nodes, from {from_ms}: {took_ms} ms");
        }
    };
    check(1, RULES);
    check(7, RULES);
    check(256, RULES);
    check(3, Rules { fall: 1, ..RULES });
    check(3, Rules { fall: 10, interval_ms: 10_000, ..RULES });
    check(3, Rules { interval_ms: 100, timeout_ms: 10, ..RULES });
}

#[test]
fn every_node_has_a_first_verdict_at_once() {
    let check = |count: usize, within_ms: u64| {
        let fleet = Simulation::new(count, RULES).run_until(within_ms);
        let proven = |index: &usize| fleet.schedule.machine(*index).state() == State::Up;
        assert_eq!((0..count).filter(proven).count(), count);
    };
    check(1, 2 * ROUND_MS);
    check(256, 2 * ROUND_MS);
    check(1000, 8 * ROUND_MS);
}

#[test]
fn a_node_that_is_silent_from_the_start_is_down_after_its_rounds_alone() {
    let fleet = Simulation::new(3, RULES).freeze(1, 0, u64::MAX).run_until(10_000);
    assert_eq!(fleet.first(1, State::Down), Some(1 + 3 * 1_000));
}

#[test]
fn later_rounds_are_spread_over_the_interval() {
    let fleet = Simulation::new(100, RULES).run_until(60_000);
    for from_ms in (10_000..58_000).step_by(200) {
        let window = from_ms..from_ms + 200;
        let started = fleet.started.iter().filter(|(at_ms, _)| window.contains(at_ms)).count();
        assert!((8..=12).contains(&started), "{started} rounds from {from_ms} ms");
    }
}

#[test]
fn a_large_fleet_is_asked_as_often_as_a_small_one() {
    let fleet = Simulation::new(1000, RULES).run_until(62_000);
    let mut rounds = vec![0; 1000];
    fleet.started.iter().for_each(|(_, index)| rounds[*index] += 1);
    assert!(rounds.iter().all(|count| (30..=33).contains(count)), "{rounds:?}");
}

#[test]
fn a_fleet_that_is_silent_as_a_whole_is_down_in_the_end() {
    let mut fleet = Simulation::new(1000, RULES);
    fleet.frozen = vec![(0, u64::MAX); 1000];
    let fleet = fleet.run_until(30_000);
    assert!((0..1000).all(|index| fleet.first(index, State::Down).is_some()));
}

#[test]
fn a_returning_node_is_up_after_its_rise() {
    let fleet = Simulation::new(4, RULES).freeze(2, 20_000, 40_000).run_until(60_000);
    let up_ms = fleet.transitions.iter().filter(|(_, index, to)| (*index, *to) == (2, State::Up)).nth(1);
    let (up_ms, ..) = *up_ms.expect("up again");
    // It may return in the middle of a round that is lost already, then a wait, a good round, a wait, a good round.
    assert!(up_ms - 40_000 <= RULES.timeout_ms + 2 * (RULES.interval_ms + ROUND_MS), "{up_ms}");
    assert_eq!(fleet.schedule.machine(2).returned_ms(), Some(up_ms));
}

#[test]
fn a_round_that_could_not_be_asked_changes_nothing() {
    let mut schedule = Schedule::new(1, RULES, 1);
    let mut now_ms = 1;
    for _ in 0..10 {
        assert_eq!(schedule.start(now_ms), Some(0));
        assert_eq!(schedule.start(now_ms), None, "it is in flight");
        schedule.unasked(0, now_ms);
        assert_eq!(schedule.wait_ms(now_ms), Some(RULES.interval_ms), "no haste");
        now_ms += RULES.interval_ms;
    }
    assert_eq!(schedule.machine(0).state(), State::Unproven);
}

#[test]
fn an_empty_fleet_waits_for_nothing() {
    let mut schedule = Schedule::new(0, RULES, 1);
    assert_eq!((schedule.start(1), schedule.wait_ms(1)), (None, None));
}
