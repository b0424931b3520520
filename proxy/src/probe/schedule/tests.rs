use proptest::prelude::*;

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

fn unproven(count: usize) -> impl Iterator<Item = State> {
    std::iter::repeat_n(State::Unproven, count)
}

/// No node is drained.
fn nobody(_: usize) -> bool {
    false
}

/// A fleet in virtual time: a good round takes [`ROUND_MS`], one of a frozen node the whole time-out.
struct Simulation {
    schedule: Schedule,
    now_ms: u64,
    /// When each node freezes, and when it is back.
    frozen: Vec<(u64, u64)>,
    /// What viewers' requests meet: when, where, and whether it is a trouble.
    reports: BinaryHeap<Reverse<(u64, usize, bool)>>,
    judged: Vec<(u64, usize, Judged)>,
    in_flight: BinaryHeap<Reverse<(u64, usize, bool)>>,
    started: Vec<(u64, usize)>,
    transitions: Vec<(u64, usize, State)>,
}

impl Simulation {
    fn new(count: usize, rules: Rules) -> Self {
        Self {
            schedule: Schedule::new(unproven(count), rules, 1),
            now_ms: 1,
            frozen: vec![(u64::MAX, u64::MAX); count],
            reports: BinaryHeap::new(),
            judged: Vec::new(),
            in_flight: BinaryHeap::new(),
            started: Vec::new(),
            transitions: Vec::new(),
        }
    }

    fn freeze(mut self, index: usize, from_ms: u64, to_ms: u64) -> Self {
        self.frozen[index] = (from_ms, to_ms);
        self
    }

    /// Viewers' requests fail there at these moments.
    fn fail(mut self, index: usize, moments_ms: impl IntoIterator<Item = u64>) -> Self {
        self.reports.extend(moments_ms.into_iter().map(|at_ms| Reverse((at_ms, index, true))));
        self
    }

    fn serve(mut self, index: usize, moments_ms: impl IntoIterator<Item = u64>) -> Self {
        self.reports.extend(moments_ms.into_iter().map(|at_ms| Reverse((at_ms, index, false))));
        self
    }

    fn report(&mut self) {
        while let Some(Reverse((at_ms, index, fails))) = self.reports.peek().copied() {
            if at_ms > self.now_ms {
                break;
            }
            self.reports.pop();
            if !fails {
                self.schedule.served(index);
                continue;
            }
            let judged = self.schedule.failed(index, self.now_ms, Trouble::Cut, nobody);
            self.judged.push((self.now_ms, index, judged));
            if let Judged::Ejected(change) = judged {
                self.transitions.push((self.now_ms, index, change.to));
            }
            let ejected = self.schedule.slots.iter().filter(|slot| slot.machine.is_ejected()).count();
            assert!(2 * ejected <= self.schedule.slots.len());
        }
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
            let is_unproven = |slot: &Slot| slot.machine.state() == State::Unproven;
            let first = self
                .in_flight
                .iter()
                .filter(|Reverse((_, index, _))| is_unproven(&self.schedule.slots[*index]));
            assert!(first.count() <= FIRST_ROUNDS_MAX);
            let due_ms = self.schedule.wait_ms(self.now_ms).map(|wait_ms| self.now_ms + wait_ms);
            let ends_ms = self.in_flight.peek().map(|Reverse((ends_ms, ..))| *ends_ms);
            let reported_ms = self.reports.peek().map(|Reverse((at_ms, ..))| (*at_ms).max(self.now_ms));
            let moments_ms = [due_ms, ends_ms, reported_ms];
            let next_ms = moments_ms.into_iter().flatten().min().expect("a fleet is never idle for good");
            assert!(next_ms > self.now_ms || due_ms != Some(next_ms), "it would spin");
            self.now_ms = next_ms;
            self.report();
            while let Some(Reverse((ends_ms, index, bad))) = self.in_flight.peek().copied() {
                if ends_ms > self.now_ms {
                    break;
                }
                self.in_flight.pop();
                let round = if bad { Err(Reason::Timeout) } else { Ok(()) };
                if let Some(change) = self.schedule.finished(index, self.now_ms, round, nobody) {
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
fn however_many_nodes_freeze_at_once_all_are_down_in_time() {
    let check = |silent: std::ops::Range<usize>| {
        let from_ms = 20_000;
        let mut fleet = Simulation::new(1000, RULES);
        fleet.frozen[silent.clone()].fill((from_ms, u64::MAX));
        let fleet = fleet.run_until(from_ms + 60_000);
        let took_ms = silent.clone().map(|index| fleet.first(index, State::Down).expect("down") - from_ms);
        let last_ms = took_ms.max().expect("some");
        assert!(last_ms <= down_within_ms(&RULES), "{silent:?}: {last_ms} ms");
        // The others are asked as often as ever.
        let well = (0..1000).find(|index| !silent.contains(index));
        let rounds = |index| fleet.started.iter().filter(|(_, of)| *of == index).count();
        assert!(well.is_none_or(|well| rounds(well) >= 38), "{silent:?}");
    };
    check(0..257);
    check(100..715);
    check(0..1000);
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
    let mut schedule = Schedule::new(unproven(1), RULES, 1);
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
    let mut schedule = Schedule::new(unproven(0), RULES, 1);
    assert_eq!((schedule.start(1), schedule.wait_ms(1)), (None, None));
}

/// The longest time from a node's freeze, noticed by a viewer `late_ms` afterwards, until it is down.
fn longest_ms(late_ms: Option<u64>) -> u64 {
    let took_ms = (20_000..22_100).step_by(13).map(|from_ms| {
        let fleet = Simulation::new(3, RULES).freeze(1, from_ms, u64::MAX);
        let fleet = fleet.fail(1, late_ms.map(|late_ms| from_ms + late_ms)).run_until(from_ms + 10_000);
        fleet.first(1, State::Down).expect("down") - from_ms
    });
    took_ms.max().expect("some")
}

#[test]
fn a_failure_hurries_the_next_round() {
    let rounds_ms = 3 * RULES.timeout_ms;
    assert!(longest_ms(None) > rounds_ms + RULES.interval_ms - 50, "the interval is waited for");
    let late_ms = 20;
    assert!(longest_ms(Some(late_ms)) <= rounds_ms + late_ms + SOON_MS + ROUND_MS, "it is not");
}

#[test]
fn a_failure_while_a_round_is_in_flight_asks_for_another() {
    let mut schedule = Schedule::new(unproven(1), RULES, 1);
    let mut round = |now_ms: u64, fails: bool| {
        assert_eq!(schedule.start(now_ms), Some(0));
        if fails {
            assert_eq!(schedule.failed(0, now_ms, Trouble::Refused, nobody), Judged::Noted);
        }
        schedule.finished(0, now_ms + 1, Ok(()), nobody);
        schedule.wait_ms(now_ms + 1)
    };
    assert_eq!(round(10, false), Some(0));
    assert_eq!(round(20, false), Some(2_000));
    assert_eq!(round(2_021, true), Some(0));
    assert_eq!(
        round(2_022, true),
        Some(1_999),
        "one extra round a second, and the regular one stays where it was"
    );
    assert_eq!(round(4_022, false), Some(2_000));
}

#[test]
fn a_busy_answer_hurries_nothing() {
    let mut schedule = Schedule::new(unproven(1), RULES, 1);
    for now_ms in [1, 2] {
        schedule.start(now_ms);
        schedule.finished(0, now_ms, Ok(()), nobody);
    }
    assert_eq!(schedule.failed(0, 3, Trouble::Busy, nobody), Judged::Noted);
    assert_eq!(schedule.wait_ms(3), Some(1_999));
    assert_eq!(schedule.failed(0, 3, Trouble::Lie, nobody), Judged::Noted);
    assert_eq!(schedule.wait_ms(3), Some(0));
}

#[test]
fn extra_rounds_are_few_and_regular_ones_stay() {
    let calm = Simulation::new(5, RULES).run_until(60_000);
    // Every failure is followed by a success: a node that breaks one film of many.
    let moments = |from_ms: u64| (from_ms..60_000).step_by(10);
    let storm = Simulation::new(5, RULES).fail(2, moments(10_000)).serve(2, moments(10_001));
    let storm = storm.run_until(60_000);
    assert_eq!(storm.transitions, calm.transitions);
    let rounds = |fleet: &Simulation, of: usize| -> Vec<u64> {
        fleet.started.iter().filter(|(_, index)| *index == of).map(|(at_ms, _)| *at_ms).collect()
    };
    let (before, after) = (rounds(&calm, 2), rounds(&storm, 2));
    let extra = after.len() - before.len();
    assert!((25..=50).contains(&extra), "{extra} extra rounds in 50 s, beside one regular one in two");
    for at_ms in before {
        let nearest_ms = after.iter().map(|other_ms| other_ms.abs_diff(at_ms)).min();
        assert!(nearest_ms.is_some_and(|ms| ms <= SOON_MS), "the round at {at_ms} ms did not take place");
    }
    (0..5)
        .filter(|index| *index != 2)
        .for_each(|index| assert_eq!(rounds(&storm, index), rounds(&calm, index)));
}

#[test]
fn failures_everywhere_at_once_do_not_bunch_the_rounds() {
    let mut fleet = Simulation::new(100, RULES);
    for index in 0..100 {
        fleet = fleet.fail(index, [20_000]);
    }
    let fleet = fleet.run_until(60_000);
    for from_ms in (24_000..58_000).step_by(200) {
        let started =
            fleet.started.iter().filter(|(at_ms, _)| (from_ms..from_ms + 200).contains(at_ms)).count();
        assert!((8..=12).contains(&started), "{started} rounds from {from_ms} ms");
    }
}

#[test]
fn a_node_that_fails_its_viewers_is_out_for_longer_and_longer() {
    let fleet = Simulation::new(3, RULES).fail(1, (10_000..80_000).step_by(100)).run_until(80_000);
    let mut turns = fleet.transitions.iter().filter(|(at_ms, ..)| *at_ms > 100);
    let mut turn = |expected: State| {
        let (at_ms, index, state) = turns.next().copied().expect("it turns");
        assert_eq!((index, state), (1, expected), "at {at_ms} ms");
        at_ms
    };
    let mut up_ms = 10_000;
    for out_ms in [10_000, 20_000] {
        let down_ms = turn(State::Down);
        assert!((1_000..=1_300).contains(&(down_ms - up_ms)), "five events take a second: {down_ms}");
        up_ms = turn(State::Up);
        let rise_ms = up_ms - down_ms - out_ms;
        // The first good round may come right at the end of its time.
        assert!((RULES.interval_ms..=2 * (RULES.interval_ms + ROUND_MS)).contains(&rise_ms), "{rise_ms}");
    }
}

#[test]
fn when_all_nodes_fail_their_viewers_half_of_them_stay() {
    let check = |count: usize, expected: usize| {
        let mut fleet = Simulation::new(count, RULES);
        for index in 0..count {
            fleet = fleet.fail(index, (10_000..18_000).step_by(300));
        }
        let fleet = fleet.run_until(18_000);
        let up = (0..count).filter(|index| fleet.schedule.machine(*index).state() == State::Up).count();
        assert_eq!(up, expected);
        assert!(fleet.judged.iter().any(|(.., judged)| *judged == Judged::Spared), "{count}");
    };
    check(1, 1);
    check(2, 1);
    check(3, 2);
    check(4, 2);
    check(9, 5);
}

#[test]
fn an_ejected_node_is_taken_back_early_when_no_other_is_left() {
    let fleet = || Simulation::new(2, RULES).fail(0, (10_000..12_000).step_by(300));
    let ejected_ms = fleet().run_until(12_000).first(0, State::Down).expect("ejected");
    let fleet = fleet().freeze(1, 12_000, u64::MAX).run_until(40_000);
    let gone_ms = fleet.first(1, State::Down).expect("the other one froze");
    let back_ms = fleet.transitions.iter().rev().find(|(_, index, _)| *index == 0).expect("back").0;
    assert!(gone_ms < ejected_ms + 10_000, "the test is about the time of the ejection");
    assert!((gone_ms..=gone_ms + 2 * (RULES.interval_ms + ROUND_MS)).contains(&back_ms), "{back_ms}");
    assert_eq!(fleet.schedule.machine(0).state(), State::Up);
}

#[test]
fn a_drained_node_is_not_ejected_and_is_no_other() {
    let judged = |draining: usize| {
        let mut schedule = Schedule::new(unproven(2), RULES, 1);
        for now_ms in [1, 2] {
            while let Some(index) = schedule.start(now_ms) {
                schedule.finished(index, now_ms, Ok(()), nobody);
            }
        }
        let judged =
            (1..=5).map(|s| schedule.failed(0, s * 1_000, Trouble::Stall, |index| index == draining));
        judged.last().expect("five")
    };
    assert_eq!(judged(0), Judged::Noted);
    assert_eq!(judged(1), Judged::Spared);
    assert!(matches!(judged(2), Judged::Ejected(_)));
}

proptest! {
    /// Whatever viewers meet before and after: a frozen node is down within the promise.
    #[test]
    fn failures_never_delay_a_verdict(
        from_ms in 5_000..20_000_u64,
        failures in prop::collection::vec((0..3_usize, 0..30_000_u64), 0..60),
    ) {
        let mut fleet = Simulation::new(3, RULES).freeze(1, from_ms, u64::MAX);
        for (index, at_ms) in failures {
            fleet = fleet.fail(index, [at_ms]).serve(index, [at_ms + 1]);
        }
        let fleet = fleet.run_until(40_000);
        let down_ms = fleet.first(1, State::Down).expect("down");
        prop_assert!(down_ms <= from_ms + down_within_ms(&RULES), "{} after {}", down_ms, from_ms);
    }
}

#[test]
fn who_stays_keeps_its_state_and_its_turn() {
    let mut schedule = Schedule::new(unproven(3), RULES, 1);
    for index in 0..3 {
        assert_eq!(schedule.start(1), Some(index));
    }
    // The first two are up, the third is in flight.
    for index in [0, 1] {
        schedule.finished(index, 2, Ok(()), nobody);
        assert_eq!(schedule.start(2), Some(index), "rise, without a wait");
        schedule.finished(index, 3, Ok(()), nobody);
        assert_eq!(schedule.machine(index).state(), State::Up);
    }
    let due_ms = schedule.wait_ms(3).map(|wait_ms| 3 + wait_ms);
    // The first leaves, one comes, and all have other places.
    let nodes = [Known::Before(2), Known::State(State::Unproven), Known::Before(1)];
    schedule.adopt(nodes, RULES, 4);
    let states = [0, 1, 2].map(|index| schedule.machine(index).state());
    assert_eq!(states, [State::Unproven, State::Unproven, State::Up]);
    assert_eq!(schedule.start(4), Some(1), "the new one, at once");
    assert_eq!(schedule.start(4), None, "the one in flight is not asked twice");
    schedule.finished(0, 5, Ok(()), nobody);
    schedule.finished(1, 5, Ok(()), nobody);
    assert_eq!(schedule.start(5), Some(0));
    assert!(due_ms.is_some_and(|due_ms| due_ms > 5), "{due_ms:?}");
}

#[test]
fn a_shorter_interval_holds_at_once() {
    let slow = Rules { interval_ms: 3_600_000, ..RULES };
    let mut schedule = Schedule::new([State::Up; 4], slow, 1);
    for index in 0..4 {
        assert_eq!(schedule.start(1), Some(index));
        schedule.finished(index, 1, Ok(()), nobody);
    }
    schedule.adopt((0..4).map(Known::Before), RULES, 10);
    let started: Vec<usize> = std::iter::from_fn(|| schedule.start(10 + RULES.interval_ms)).collect();
    assert_eq!(started.len(), 4);
    // And they do not stay together.
    for index in started {
        schedule.finished(index, 10 + RULES.interval_ms, Ok(()), nobody);
    }
    let next = |schedule: &mut Schedule, at_ms: u64| std::iter::from_fn(|| schedule.start(at_ms)).count();
    assert!(next(&mut schedule, 10 + 2 * RULES.interval_ms - 1) > 0, "spread over the interval");
}

#[test]
fn a_node_that_was_found_down_has_to_rise() {
    let mut schedule = Schedule::new([State::Down], RULES, 1);
    let mut now_ms = 1;
    for good in 1..=RULES.rise {
        assert_eq!(schedule.start(now_ms), Some(0));
        let transition = schedule.finished(0, now_ms, Ok(()), nobody);
        assert_eq!(transition.is_some(), good == RULES.rise, "after {good}");
        now_ms += RULES.interval_ms;
    }
}
