//! Verdicts from records made by hand.

use super::super::catalogue::{Fault, Promise, STORIES};
use super::super::seen::{Change, End, Gap, GateLog, Log, Role, Sample, Visit, Which};
use super::super::times::{Pick, Times};
use super::*;
use crate::stage::Mode;

const WHOLE: End = End::Whole { version: 0 };

/// One who came to nyc so long after the fault, which came at 1000 ms.
fn came(after_ms: i64, sent_to: usize, end: End) -> Visit {
    let asked_ms = u64::try_from(1000 + after_ms).unwrap();
    Visit {
        role: Role::Arriving,
        which: Which::Clip,
        home: 1,
        asked_ms,
        ended_ms: asked_ms + 10,
        gate_ms: 5,
        sent_to: Some(sent_to),
        bytes: 0,
        silence: Gap { ms: 20, from_ms: asked_ms },
        wait: Gap { ms: 30, from_ms: asked_ms },
        end,
    }
}

/// The fault came at 1000 ms, was lifted at 9000 ms, and all was over at 12000 ms.
fn log(mode: Mode, visits: Vec<Visit>) -> Log {
    let gate = GateLog { mode, visits, changes: Vec::new(), samples: Vec::new() };
    Log {
        harm_from_ms: 1000,
        harm_at_ms: 1000,
        lift_from_ms: Some(9000),
        lift_at_ms: Some(9000),
        over_ms: 12_000,
        harmed: vec![1],
        gates: vec![gate],
        ..Log::default()
    }
}

fn of(promise: Promise, log: &Log) -> Option<String> {
    // Bound 2 s, positive_ttl 2 s, silence 2.5 s, slack 1 s.
    let times = Times::of(Pick::Short);
    Case { times: &times, log, gate: &log.gates[0] }.broken(promise)
}

#[track_caller]
fn check(promise: Promise, log: &Log, expected: &str) {
    let broken = of(promise, log).unwrap_or_default();
    let right = if expected.is_empty() { broken.is_empty() } else { broken.contains(expected) };
    assert!(right, "{promise:?}: {broken:?} in place of {expected:?}");
}

#[test]
fn who_is_sent_to_a_dead_node_too_late() {
    let refused = || End::NodeRefused { status: 0 };
    let check = |after_ms: i64, sent_to: usize, end: End, expected: &str| {
        check(Promise::NotSent, &log(Mode::Redirect, vec![came(after_ms, sent_to, end)]), expected);
    };
    check(2_900, 1, refused(), "");
    check(3_100, 1, refused(), "later than 2000 ms after it stopped: 1 of 1");
    check(3_100, 1, WHOLE, "");
    // Another node's fault is another promise's.
    check(3_100, 0, refused(), "");
    // Lifted while it was asked for.
    check(8_100, 1, refused(), "");
}

#[test]
fn playing_on() {
    let silent = |ms: u64| {
        let mut visit = came(0, 1, WHOLE);
        visit.silence.ms = ms;
        visit
    };
    let check = |visit: Visit, expected: &str| {
        check(Promise::PlaysOn, &log(Mode::Stream, vec![came(0, 0, WHOLE), visit]), expected);
    };
    check(silent(2_500), "");
    check(silent(2_501), "silent for 2501 ms, 2500 ms at most: 1 of 2");
    check(
        came(0, 1, End::Cut { at: 7 }),
        "asked 0 ms after the fault, answered by the gate after 5 ms, sent to nyc: cut at byte 7",
    );
    check(came(-500, 1, End::Refused { status: 502 }), "asked -500 ms after the fault");
    let mut unfinished = log(Mode::Stream, Vec::new());
    unfinished.unfinished.push(Mode::Stream);
    super::tests::check(Promise::PlaysOn, &unfinished, "not come to an end");
}

#[test]
fn promises_about_ends() {
    let all = |end: End| log(Mode::Stream, vec![came(3_500, 1, end)]);
    check(Promise::Bytes, &all(End::Wrong { at: 5 }), "wrong at byte 5");
    check(Promise::Bytes, &all(End::Cut { at: 5 }), "");
    check(Promise::CutShort, &all(End::Cut { at: 5 }), "");
    check(Promise::CutShort, &all(End::Padded("3 bytes after the end".to_owned())), "3 bytes after the end");
    check(Promise::Discreet, &all(End::Refused { status: 503 }), "");
    check(Promise::Discreet, &all(End::Leaky { status: 503, word: "127.0.0.1:9".to_owned() }), "127.0.0.1:9");
    check(Promise::Gone, &all(End::Refused { status: 404 }), "");
    check(Promise::Gone, &all(WHOLE), "whole");
    check(Promise::Newest, &all(WHOLE), "1 of 1");
    check(Promise::Newest, &all(End::Whole { version: 1 }), "");
}

#[test]
fn only_holders_get_viewers_of_a_new_film() {
    let fresh = |sent_to: usize, end: End| {
        log(Mode::Redirect, vec![Visit { which: Which::Fresh, ..came(100, sent_to, end) }])
    };
    check(Promise::Holders, &fresh(0, WHOLE), "");
    check(Promise::Holders, &fresh(1, End::NodeRefused { status: 404 }), "404 from the node");
    check(Promise::Holders, &fresh(2, WHOLE), "sent to sin");
    check(Promise::Holders, &fresh(0, End::Refused { status: 404 }), "refused with 404");
}

#[test]
fn blame_and_calm() {
    let change = |at_ms: u64, node: usize, state: &str| Change { at_ms, node, state: state.to_owned() };
    let with = |changes: Vec<Change>, visits: Vec<Visit>| {
        let mut log = log(Mode::Redirect, visits);
        log.gates[0].changes = changes;
        log
    };
    let own = with(vec![change(1500, 1, "down: refused"), change(9500, 1, "up")], Vec::new());
    check(Promise::Blameless, &own, "");
    check(Promise::Calm, &own, "");
    let other = with(vec![change(1500, 2, "down: ejected")], Vec::new());
    check(Promise::Blameless, &other, "sin was called down: ejected 500 ms after the fault");
    let again = with(vec![change(9500, 1, "up"), change(9900, 1, "down: timeout")], Vec::new());
    check(Promise::Calm, &again, "nyc was called down: timeout again 900 ms after it was well");
    let sent = |nodes: &[usize]| {
        let visits = nodes.iter().zip(0_i64..).map(|(node, turn)| came(8_500 + turn * 10, *node, WHOLE));
        with(Vec::new(), visits.collect())
    };
    check(Promise::Calm, &sent(&[2, 2, 0, 1, 1]), "");
    check(
        Promise::Calm,
        &sent(&[1, 0, 1, 2, 0, 1]),
        "viewers near nyc were sent to nyc, fra, nyc, sin, fra, nyc",
    );
}

#[test]
fn found_and_back() {
    let mut log = log(
        Mode::Stream,
        vec![came(-200, 1, WHOLE), came(900, 0, WHOLE), came(8_100, 0, WHOLE), came(8_600, 1, WHOLE)],
    );
    let found = |log: &Log| detected(log, &log.gates[0]).map(|found| (found.after_ms, found.by));
    assert_eq!(found(&log), Some((900, "a viewer was sent elsewhere".to_owned())));
    assert_eq!(
        returned_ms(&log, &log.gates[0]),
        Some(610),
        "from when it was well to the end of a visit there"
    );
    let sample = |at_ms: u64, left: u64| Sample { at_ms, resumes: vec![9, left, 9], sent_bytes: Vec::new() };
    log.gates[0].samples = vec![sample(900, 2), sample(1500, 2), sample(1600, 3)];
    assert_eq!(found(&log), Some((600, "a film went on elsewhere".to_owned())));
    log.gates[0].changes = vec![Change { at_ms: 1300, node: 1, state: "down: refused".to_owned() }];
    assert_eq!(found(&log), Some((300, "down: refused".to_owned())));
    log.harmed = vec![1, 2];
    assert_eq!(returned_ms(&log, &log.gates[0]), None, "nobody was served by sin");
    check(Promise::Returns, &log, "none within");
    (log.lift_from_ms, log.lift_at_ms) = (None, None);
    check(Promise::Returns, &log, "");
}

#[test]
fn a_fault_that_nobody_met_proves_nothing() {
    let check = |mode: Mode, sent_to: usize, expected: bool| {
        let log = log(mode, vec![came(900, sent_to, WHOLE)]);
        assert_eq!(met_nobody(&log, &log.gates[0]), expected, "{mode:?}, sent to {sent_to}");
    };
    check(Mode::Stream, 1, true);
    check(Mode::Stream, 0, false);
    check(Mode::Redirect, 1, false);
}

#[test]
fn a_new_version_is_back_when_it_is_served() {
    let newer = End::Whole { version: 1 };
    let log =
        log(Mode::Redirect, vec![came(2000, 0, newer.clone()), came(8_100, 1, WHOLE), came(8_600, 1, newer)]);
    assert_eq!(returned_ms(&log, &log.gates[0]), Some(610));
}

#[test]
fn astray_by_half_seconds() {
    let refused = || End::NodeRefused { status: 0 };
    let visits = vec![
        came(-100, 1, refused()),
        came(0, 1, refused()),
        came(499, 0, WHOLE),
        came(1_000, 1, refused()),
        Visit { sent_to: None, ..came(1_100, 1, End::Refused { status: 503 }) },
    ];
    let log = log(Mode::Redirect, visits);
    let buckets: Vec<_> = astray(&log, &log.gates[0])
        .iter()
        .map(|bucket| (bucket.from_ms, bucket.asked, bucket.lost))
        .collect();
    assert_eq!(buckets, [(0, 2, 1), (500, 0, 0), (1000, 2, 1)]);
}

#[test]
fn counts_add_up() {
    let story = STORIES.iter().find(|story| story.fault == Fault::Kill).unwrap();
    let ends =
        [WHOLE, End::Cut { at: 3 }, End::Cut { at: 4 }, End::Refused { status: 503 }, End::Wrong { at: 1 }];
    let log = log(Mode::Stream, ends.into_iter().map(|end| came(0, 1, end)).collect());
    let verdict = verdict(story, &Times::of(Pick::Short), &log, &log.gates[0]);
    let (whole, broken, refused) = (verdict.whole, verdict.broken, verdict.refused);
    assert_eq!((verdict.viewers, whole, broken, refused, verdict.wrong), (5, 1, 3, 1, 1));
    assert_eq!(verdict.ends["cut short"], 2);
    assert_eq!((verdict.silence_ms, verdict.wait_ms), (20, 30));
    assert!(verdict.promises.iter().any(|held| held.promise == Promise::Bytes && held.broken.is_some()));
}
