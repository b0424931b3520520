use proptest::prelude::*;

use super::*;
use crate::decide::health::{Reason, Rules, Transition, Trouble};

const RULES: Rules = Rules {
    interval_ms: 2_000,
    timeout_ms: 1_000,
    rise: 2,
    fall: 3,
    slow_start_ms: 30_000,
    ejection: Ejection::OURS,
};

/// A machine that came up, at 0 ms.
fn up() -> Machine {
    let mut machine = Machine::new(0);
    (0..RULES.rise).for_each(|_| {
        machine.observe(0, Ok(()), &RULES);
    });
    machine
}

/// What happens to one node: `x` a failure, `b` a busy answer, `s` a success, `+` and `-` rounds of probes.
fn happens(machine: &mut Machine, now_ms: u64, event: char) -> Option<Transition> {
    match event {
        'x' if machine.failed(now_ms, Trouble::Stall, &RULES) => return machine.eject(now_ms, &RULES),
        'x' => {}
        'b' => assert!(!machine.failed(now_ms, Trouble::Busy, &RULES), "nobody is ejected for being busy"),
        's' => machine.served(),
        '+' => return machine.observe(now_ms, Ok(()), &RULES),
        '-' => return machine.observe(now_ms, Err(Reason::Refused), &RULES),
        _ => panic!("{event:?} is no event"),
    }
    None
}

/// Feeds events to a node that is up, the first one a step after 0 and then one a step; a space passes the time of
/// one. `expected` is when it changed, in steps, to `u` up, `e` ejected or `d` down by its probes.
#[track_caller]
fn check(step_ms: u64, events: &str, expected: &str) -> Machine {
    let mut machine = up();
    let mut changes = Vec::new();
    for (step, event) in (1..).zip(events.chars()) {
        let now_ms = step * step_ms;
        let before = (machine.state(), machine.is_ejected());
        let transition = if event == ' ' { None } else { happens(&mut machine, now_ms, event) };
        let after = (machine.state(), machine.is_ejected());
        assert_eq!(transition.is_some(), before.0 != after.0, "{events} at step {step}");
        let word = match after {
            (State::Up, false) => 'u',
            (State::Down, true) => 'e',
            (State::Down, false) => 'd',
            other => panic!("{other:?} at step {step}"),
        };
        if before != after {
            changes.push(format!("{word}{step}"));
        }
        if let Some(transition) = transition {
            assert_eq!((transition.to, machine.since_ms()), (after.0, now_ms));
            assert_eq!(transition.reason == Some(Reason::Ejected), after.1, "{events} at step {step}");
        }
        assert_eq!(machine.reason() == Some(Reason::Ejected), after.1, "{events} at step {step}");
    }
    assert_eq!(changes.join(" "), expected, "{events}");
    machine
}

#[test]
fn a_row_of_failures_ejects() {
    check(1_000, "xxxx", "");
    check(1_000, "xxxxx", "e5");
    check(1_000, "xxxxsx", "");
    check(1_000, "xxxxsxxxx", "");
    check(1_000, "xxxxsxxxxx", "e10");
    check(1_000, "sxsxsxsxsxsxsxsxsxsxsxs", "");
}

#[test]
fn probes_neither_fill_nor_break_a_row() {
    check(1_000, "x+x+x+x+x", "e9");
    check(1_000, "x-x+x-x+x", "e9");
    check(1_000, "xxxx+-+-+-+-", "");
}

#[test]
fn a_busy_node_is_not_ejected() {
    check(1_000, "bbbbbbbbbbbbbbb", "");
    check(1_000, "xbxbxbxbbb", "");
    // Nor does a busy answer excuse others.
    check(1_000, "xbxbxbxbx", "e9");
}

#[test]
fn a_row_lies_within_its_time() {
    check(7_500, "xxxxx", "e5");
    check(7_501, "xxxxx", "");
    check(7_501, "xxxxxxxxxxxxxxxx", "");
    // The first ones are too old, the last ones are near enough to each other.
    check(1_000, "xxx                           xx", "");
    check(1_000, "xxx                           xxxxx", "e35");
}

#[test]
fn failures_at_one_moment_are_one_event() {
    check(0, &"x".repeat(1_000), "");
    check(1, &"x".repeat(1_000), "");
    check(1, &"x".repeat(1_001), "e1001");
    check(250, "xxxxx", "e5");
    check(249, "xxxxxxxxx", "e9");
    // Two bursts, and all is well.
    let burst = "x".repeat(100);
    check(1, &format!("{burst}{}{burst}s", " ".repeat(900)), "");
}

#[test]
fn an_ejected_node_returns_by_good_rounds_after_its_time() {
    // Ejected after the fifth second, for ten: the rounds at 15 and 16 count, those before do not.
    let machine = check(1_000, "xxxxx++++++++++++", "e5 u16");
    assert_eq!(machine.returned_ms(), Some(16_000), "and is taken up slowly");
    check(1_000, "xxxxx+++++++++-++", "e5 u17");
    check(1_000, "xxxxx++++++++++-+", "e5");
    check(1_000, "xxxxx                                          ++", "e5 u49");
    // The row is forgotten, and what is under way while it is out does not count.
    check(1_000, "xxxxxxxxxxxxxx++xxxx", "e5 u16");
    check(1_000, "xxxxxxxxxxxxxx++xxxxx", "e5 u16 e21");
}

#[test]
fn a_node_that_fails_its_probes_is_down_in_the_ordinary_way() {
    let machine = check(1_000, "xxxxx---", "e5 d8");
    assert_eq!((machine.reason(), machine.since_ms()), (Some(Reason::Refused), 5_000));
    check(1_000, "xxxxx---++", "e5 d8 u10");
    check(1_000, "xxxxx--+--+--", "e5");
    check(1_000, "---xxxxxx", "d3");
    check(1_000, "---++xxxx", "d3 u5");
    check(1_000, "xx---++xxxx", "d5 u7");
}

/// Ejects a machine that is up and brings it back at once; says how long good rounds did not count.
fn held_ms(machine: &mut Machine, now_ms: u64) -> u64 {
    machine.eject(now_ms, &RULES).expect("it was up");
    let mut end_ms = now_ms;
    while machine.is_ejected() {
        end_ms += 1_000;
        machine.observe(end_ms, Ok(()), &RULES);
    }
    end_ms - now_ms - 1_000 * u64::from(RULES.rise - 1)
}

#[test]
fn repeated_ejections_last_longer_until_forgiven() {
    let mut machine = up();
    let mut now_ms = 1_000;
    for expected_s in [10, 20, 40, 80, 160, 300, 300, 300] {
        let held = held_ms(&mut machine, now_ms);
        assert_eq!(held, expected_s * 1_000);
        now_ms = machine.since_ms() + RULES.ejection.forgiven_after_ms - 1;
    }
    now_ms = machine.since_ms() + RULES.ejection.forgiven_after_ms;
    assert_eq!(held_ms(&mut machine, now_ms), 10_000);
    assert_eq!(held_ms(&mut machine, now_ms + 50_000), 20_000);
}

#[test]
fn an_ejection_that_the_probes_confirm_is_not_held_against_the_node() {
    let mut machine = check(1_000, "xxxxx---++", "e5 d8 u10");
    assert_eq!(held_ms(&mut machine, 20_000), 10_000);
    assert_eq!(held_ms(&mut machine, 60_000), 20_000);
}

#[test]
fn a_thousand_ejections_last_no_longer_than_the_longest() {
    let mut outlier = Outlier::default();
    for turn in 0..1_000 {
        let now_ms = turn * 400_000;
        outlier.eject(now_ms, &RULES.ejection);
        assert!(outlier.is_held(now_ms + 9_999) && !outlier.is_held(now_ms + 300_000), "{turn}");
        outlier.release(now_ms + 300_000);
    }
    outlier.eject(u64::MAX - 1, &RULES.ejection);
    assert!(outlier.is_held(u64::MAX - 1));
}

#[test]
fn a_pardoned_node_returns_by_good_rounds() {
    let mut machine = check(1_000, "xxxxx++", "e5");
    machine.pardon(8_000);
    assert!(machine.is_ejected(), "it still has to be good");
    assert_eq!(machine.observe(9_000, Ok(()), &RULES), None);
    assert_eq!(machine.observe(10_000, Ok(()), &RULES).map(|turn| turn.to), Some(State::Up));
    // Nothing to pardon, and nothing that is lengthened.
    machine.pardon(11_000);
    assert!(!machine.is_ejected());
    machine.eject(12_000, &RULES);
    machine.pardon(u64::MAX);
    for now_ms in [31_998, 31_999, 32_000] {
        assert_eq!(machine.observe(now_ms, Ok(()), &RULES), None, "a second one lasts 20 s");
    }
    assert!(machine.observe(32_001, Ok(()), &RULES).is_some());
}

#[test]
fn only_a_node_that_is_up_is_ejected() {
    let mut unproven = Machine::new(0);
    assert!((1..20).all(|step| !unproven.failed(step * 1_000, Trouble::Cut, &RULES)));
    assert_eq!(unproven.eject(20_000, &RULES), None);
    assert_eq!((unproven.state(), unproven.is_ejected()), (State::Unproven, false));
    let mut down = check(1_000, "---", "d3");
    assert_eq!(down.eject(20_000, &RULES), None);
    assert!(!down.is_ejected());
    let mut ejected = check(1_000, "xxxxx", "e5");
    assert_eq!(ejected.eject(6_000, &RULES), None);
    assert!(!ejected.outlier.is_held(15_000), "its time is not lengthened");
}

#[test]
fn half_of_the_fleet_at_most_and_never_the_last() {
    #[track_caller]
    fn check(enabled: usize, up: usize, ejected: usize, expected: bool) {
        assert_eq!(Others { enabled, up, ejected }.allow_ejection(), expected, "{enabled} {up} {ejected}");
    }
    check(0, 0, 0, false);
    check(1, 1, 0, true);
    check(1, 0, 0, false);
    check(1, 0, 1, false);
    check(2, 2, 0, true);
    check(2, 1, 1, false);
    check(3, 2, 1, true);
    check(3, 1, 2, false);
    check(4, 3, 1, true);
    check(4, 2, 2, false);
    check(999, 1, 0, true);
    check(999, 500, 499, true);
    check(999, 499, 500, false);
}

#[test]
fn drained_nodes_do_not_carry_the_fleet() {
    let (up, down) = (up(), check(1_000, "---", "d3"));
    let ejected = check(1_000, "xxxxx", "e5");
    let mut others = Others::default();
    for (machine, draining) in
        [(&up, false), (&up, true), (&down, false), (&ejected, true), (&ejected, false)]
    {
        others.count(machine, draining);
    }
    assert_eq!(others, Others { enabled: 3, up: 1, ejected: 2 });
}

/// Anything that can happen to a node, in milliseconds after what happened before; of a dozen events or so, this many
/// are bad rounds.
fn any_event(bad: u32) -> impl Strategy<Value = (u64, usize, char)> {
    let gap_ms = prop_oneof![4 => 0..400_u64, 4 => 0..3_000_u64, 1 => 0..60_000_u64];
    let event = prop_oneof![8 => Just('x'), 1 => Just('s'), 1 => Just('b'), 5 => Just('+'), bad => Just('-')];
    (gap_ms, 0..840_usize, event)
}

fn others(fleet: &[Machine], index: usize) -> Others {
    let mut others = Others::default();
    let rest = fleet.iter().enumerate().filter(|(other, _)| *other != index);
    rest.for_each(|(_, machine)| others.count(machine, false));
    others
}

proptest! {
    /// Whatever happens to a fleet: no more than half of it is ejected, and no ejection takes the last node.
    #[test]
    fn the_cap_holds(count in 1..8_usize, events in prop::collection::vec(any_event(6), 0..200)) {
        let mut fleet = vec![up(); count];
        let mut now_ms = 0;
        for (gap_ms, index, event) in events {
            now_ms += gap_ms;
            let index = index % count;
            let was_up = fleet.iter().filter(|machine| machine.state() == State::Up).count();
            let others = others(&fleet, index);
            let machine = &mut fleet[index];
            if event == 'x' {
                if machine.failed(now_ms, Trouble::Cut, &RULES) && others.allow_ejection() {
                    machine.eject(now_ms, &RULES);
                    prop_assert!(was_up >= 2, "the last one was ejected");
                }
            } else {
                happens(machine, now_ms, event);
            }
            let ejected = fleet.iter().filter(|machine| machine.is_ejected()).count();
            prop_assert!(2 * ejected <= count, "{} of {} are ejected", ejected, count);
        }
    }

    /// A node whose viewers are all served is where its probes say.
    #[test]
    fn successes_never_eject(events in prop::collection::vec((any_event(1), any::<bool>()), 0..120)) {
        let (mut served, mut unknown) = (up(), up());
        let mut now_ms = 0;
        for ((gap_ms, _, event), probed) in events {
            now_ms += gap_ms;
            if !probed || !"+-".contains(event) {
                served.served();
                served.failed(now_ms, Trouble::Busy, &RULES);
                continue;
            }
            prop_assert_eq!(happens(&mut served, now_ms, event), happens(&mut unknown, now_ms, event));
            prop_assert!(!served.is_ejected());
            prop_assert_eq!(served.state(), unknown.state());
        }
    }

    /// An ejection follows from a row alone: five events or more since the last success, in time.
    #[test]
    fn an_ejection_has_its_row(events in prop::collection::vec(any_event(1), 0..120)) {
        let mut machine = up();
        let mut now_ms = 0;
        let mut failures_ms = Vec::new();
        for (gap_ms, _, event) in events {
            now_ms += gap_ms;
            match event {
                'x' if machine.state() == State::Up => failures_ms.push(now_ms),
                's' => failures_ms.clear(),
                _ => {}
            }
            let transition = happens(&mut machine, now_ms, event);
            if machine.is_ejected() && transition.is_some() {
                let from_ms = now_ms.saturating_sub(RULES.ejection.within_ms);
                let recent = failures_ms.iter().filter(|at_ms| **at_ms >= from_ms);
                prop_assert!(recent.clone().count() >= ROW);
                let span_ms = now_ms - recent.min().expect("a row");
                prop_assert!(span_ms >= RULES.ejection.event_ms * (ROW as u64 - 1), "{} ms", span_ms);
            }
            if transition.is_some() {
                failures_ms.clear();
            }
        }
    }

    /// However often it was ejected: answered probes bring it back after the longest time and its rise.
    #[test]
    fn nobody_stays_ejected(events in prop::collection::vec(any_event(1), 0..120)) {
        let mut machine = up();
        let mut now_ms = 0;
        for (gap_ms, _, event) in events {
            now_ms += gap_ms;
            happens(&mut machine, now_ms, event);
        }
        now_ms += RULES.ejection.longest_ms;
        (0..RULES.rise).for_each(|_| { machine.observe(now_ms, Ok(()), &RULES); });
        prop_assert_eq!((machine.state(), machine.is_ejected()), (State::Up, false));
    }
}
