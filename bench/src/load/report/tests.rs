use std::time::{Duration, Instant};

use super::super::homes::Home;
use super::super::tally::Node;
use super::*;
use crate::run::Report as _;

pub(in super::super) fn set_up() -> SetUp {
    SetUp {
        scenario: "s".to_owned(),
        about: "about <it>".to_owned(),
        text: "zipf = 1".to_owned(),
        phases: vec![Phase { lasts_s: 2.0, from: 10.0, to: 10.0 }],
        targets: vec!["http://gate/watch/".to_owned()],
        machine: "m".to_owned(),
        films: 3,
        films_with_blocks: 2,
        database: "made".to_owned(),
        http: "HTTP/1.1".to_owned(),
        viewer_header: "x-forwarded-for".to_owned(),
        resolve_only: false,
        viewers_max: 10,
        seed: 1,
        wanted_s: 2.0,
        ran_s: 2.0,
        stopped_early: false,
        errors_max: 0.0,
        began: "2026-11-26T12:00:00Z".to_owned(),
    }
}

/// A hundred starts that took 1 to 100 ms, the last four of which broke at the node and were resumed.
pub(in super::super) fn tally() -> Tally {
    let mut tally = Tally::new(Instant::now(), Duration::from_secs(1));
    let begun = tally.begun;
    let home = |lon| Home { address: [10, 0, 0, 1].into(), country: "DE".to_owned(), at: Some((50.0, lon)) };
    let fra = tally.node("fra", || Node { name: "fra".to_owned(), at: Some((50.1, 8.7)), ..Node::default() });
    let nyc = tally.node("nyc", || Node { name: "nyc".to_owned(), ..Node::default() });
    for number in 1..=100_u64 {
        let due = begun + Duration::from_millis(number * 15);
        let took = Duration::from_millis(number);
        let node = if number % 4 == 0 { nyc } else { fra };
        tally.came(due);
        tally.due(Kind::Start, due);
        tally.sent(due, due);
        tally.answered(Kind::Start, due, due + took);
        tally.sent_to(node, &home(if node == fra { 10.0 } else { -70.0 }));
        tally.first_byte(Kind::Start, due, due + 2 * took);
        tally.read(node, 1000, 990, due + 2 * took);
        if number > 96 {
            tally.fault(Party::Node(node), Cause::Reset, due + 2 * took);
            tally.resumed(due, due + took);
        }
        tally.ended(End::Left);
        tally.went(due + took);
    }
    tally.fault(Party::Node(fra), Cause::ClosedInPause, begun);
    tally
}

#[test]
fn figures_are_those_of_the_counts() {
    let report = Report::new(set_up(), &tally());
    let row = &report.requests[0];
    assert_eq!((row.kind, row.due, row.answered), (Kind::Start, 100, 100));
    assert!((row.gate.p50_ms - 50.0).abs() < 0.1 && (row.gate.max_ms - 100.0).abs() < 0.1, "{row:?}");
    assert!((row.first_byte.p99_ms - 198.0).abs() < 0.3, "{row:?}");
    assert_eq!((report.errors, report.bytes.read, report.bytes.checked), (4, 100_000, 99_000));
    assert!((report.error_share - 0.04).abs() < 1e-9 && (report.bytes.checked_share - 0.99).abs() < 1e-9);
    assert_eq!((report.nodes[0].sent, report.nodes[1].sent, report.nodes[0].errors), (75, 25, 3));
    assert_eq!((report.resumes.healed, report.resumes.lost), (4, 0));
    let due: f64 = report.slots.iter().map(|slot| slot.due_per_s * report.slot_s).sum();
    assert!((due - 100.0).abs() < 1e-9);
    assert_eq!((report.map.len(), report.map[0].requests), (2, 75), "the most first");
}

#[test]
fn errors_beyond_what_is_allowed_are_a_complaint() {
    let check = |errors_max: f64, expected: &[&str]| {
        let report = Report::new(SetUp { errors_max, ..set_up() }, &tally());
        assert_eq!(report.complaints, expected);
        assert_eq!(report.is_whole(), expected.is_empty());
    };
    check(0.04, &[]);
    check(0.039, &["4 errors in 100 requests, 4.000 %; allowed are 3.900 %"]);
}

#[test]
fn one_wrong_block_is_a_complaint_whatever_is_allowed() {
    let mut tally = tally();
    tally.wrong("3d825f60-9fff-4dfe-b294-1a45fa1e115d", 65_536, 1);
    let report = Report::new(SetUp { errors_max: 1.0, ..set_up() }, &tally);
    let expected = "1 blocks had other bytes than the film; the first one: film 3d825f60-9fff-4dfe-b294-1a45fa1e115d, byte 65536, from nyc";
    assert_eq!(report.complaints, [expected]);
    assert!(report.table().contains(&format!("FAILED: {expected}")));
}

#[test]
fn nothing_asked_is_a_complaint() {
    let report = Report::new(set_up(), &Tally::new(Instant::now(), Duration::from_secs(1)));
    assert_eq!(report.complaints, ["nobody came, so that nothing was asked"]);
}

#[test]
fn the_table_says_it_all() {
    let table = Report::new(SetUp { errors_max: 1.0, ..set_up() }, &tally()).table();
    for part in [
        "Scenario s: 100 viewers watched films from http://gate/watch/ in 2.0 s; most at once: ",
        "| start | 100 | 100 | 50.0",
        "| fra | 75 | 75.0 % | 0.1 | 3 |",
        "| fra | reset | 3 |  |",
        "| fra | closed_in_pause | 1 | no error |",
        "0.1 MiB checked against the films (99.0 %), 0 wrong blocks.",
        "Breaks: 4 films went on after one, silent for at most 100 ms; 0 did not.",
        "Errors: 4 (4.000 % of requests).",
    ] {
        assert!(table.contains(part), "{part}\n{table}");
    }
}
