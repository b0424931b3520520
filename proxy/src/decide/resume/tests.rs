use proptest::prelude::*;

use super::*;

mod judged;
mod model;

const ATTEMPTS: u32 = 6;

fn course() -> Course {
    Course::new(ATTEMPTS)
}

#[test]
fn the_best_node_is_asked_and_kept() {
    let mut course = course();
    assert_eq!(course.step(&[2, 0, 1], None), Step::Ask(2));
    assert_eq!(course.step(&[0, 1, 2], Some(2)), Step::Ask(2), "still able: the film stays");
    assert_eq!(course.step(&[0, 1], Some(2)), Step::Ask(0), "down or draining: it moves");
    assert_eq!(course.step(&[], Some(2)), Step::GiveUp);
}

#[test]
fn a_failed_node_gets_its_chance_after_the_others() {
    let mut course = course();
    course.failed(0, Failure::Cut);
    assert_eq!(course.step(&[0, 1], Some(0)), Step::Ask(1));
    course.failed(1, Failure::Stall);
    assert_eq!(course.step(&[0, 1], Some(1)), Step::Again { node: 0, pause_ms: 100 });
    course.failed(0, Failure::Refused);
    assert_eq!(course.step(&[0, 1], Some(0)), Step::Ask(1));
    course.failed(1, Failure::Busy);
    assert_eq!(course.step(&[0, 1], Some(1)), Step::Again { node: 0, pause_ms: 300 });
    course.progressed();
    course.failed(0, Failure::Cut);
    assert_eq!(course.step(&[0, 1], Some(0)), Step::Ask(1), "bytes came: everything begins anew");
}

#[test]
fn a_film_ends_when_every_node_has_failed_so_often_in_a_row() {
    for nodes in [1, 2, 7] {
        let order: Vec<usize> = (0..nodes).collect();
        let (mut course, mut failures, mut waited_ms) = (course(), 0, 0);
        loop {
            let node = match course.step(&order, None) {
                Step::Ask(node) => node,
                Step::Again { node, pause_ms } => {
                    waited_ms += pause_ms;
                    node
                }
                Step::GiveUp => break,
            };
            course.failed(node, Failure::FirstByte);
            failures += 1;
        }
        assert_eq!(failures, nodes * ATTEMPTS as usize, "of {nodes}");
        assert_eq!(waited_ms, 100 + 300 + 900 + 2_700 + 3_000, "as long with many nodes as with one");
        assert_eq!(course.last(), Some(Failure::FirstByte));
        course.progressed();
        assert_eq!((course.step(&order, None), course.last()), (Step::Ask(0), None));
    }
}

#[test]
fn a_node_that_comes_back_is_asked_however_much_has_failed() {
    let mut course = Course::new(1);
    course.failed(0, Failure::Refused);
    course.failed(1, Failure::Refused);
    assert_eq!(course.step(&[0, 1], None), Step::GiveUp);
    assert_eq!(course.step(&[0, 1, 2], None), Step::Ask(2));
}

#[test]
fn a_node_that_cannot_serve_the_film_is_not_asked_again() {
    for failure in
        [Failure::Absent, Failure::Deleted, Failure::Stale, Failure::Forbidden, Failure::Lie(Lie::Tag)]
    {
        let mut course = course();
        course.failed(0, failure);
        course.progressed();
        assert_eq!(course.step(&[0, 1], Some(0)), Step::Ask(1), "{failure:?}");
        course.failed(1, failure);
        assert_eq!(course.step(&[0, 1], None), Step::GiveUp, "{failure:?}");
        assert_eq!(course.heard(1), Some(failure));
    }
}

#[test]
fn who_has_a_version_that_will_do_after_all_is_asked_again() {
    let mut course = course();
    course.failed(0, Failure::Stale);
    assert_eq!(course.step(&[0], None), Step::GiveUp);
    course.forgive(0);
    assert_eq!((course.step(&[0], None), course.heard(0)), (Step::Ask(0), None));
}

#[test]
fn words_about_the_film_do_not_use_up_the_attempts() {
    let mut course = Course::new(1);
    (0..20).for_each(|node| course.failed(node, Failure::Absent));
    let order: Vec<usize> = (0..21).collect();
    assert_eq!(course.step(&order, None), Step::Ask(20));
}

#[test]
fn a_slow_node_is_better_than_none() {
    let mut course = course();
    assert!(course.has_other(&[0, 1], 0));
    course.failed(0, Failure::Drip);
    assert_eq!(course.step(&[0, 1], Some(0)), Step::Ask(1));
    assert!(!course.has_other(&[0, 1], 1), "two slow nodes do not hand a film to and fro");
    course.progressed();
    assert_eq!(course.step(&[0, 1], Some(1)), Step::Ask(1));
    course.failed(1, Failure::Cut);
    assert_eq!(course.step(&[0, 1], Some(1)), Step::Ask(0));
}

#[test]
fn a_hedge_goes_to_somebody_who_has_not_failed() {
    let mut course = course();
    assert_eq!(course.beside(&[0, 1, 2], 0), Some(1));
    course.failed(1, Failure::Busy);
    assert_eq!(course.beside(&[0, 1, 2], 0), Some(2));
    course.failed(2, Failure::Absent);
    assert_eq!(course.beside(&[0, 1, 2], 0), None);
}

#[test]
fn pauses_grow_and_end() {
    let mut course = Course::new(u32::MAX);
    let pauses = (0..100).map(|_| {
        course.failed(0, Failure::Refused);
        match course.step(&[0], Some(0)) {
            Step::Again { pause_ms, .. } => pause_ms,
            other => panic!("{other:?}"),
        }
    });
    let pauses: Vec<u64> = pauses.collect();
    assert_eq!(pauses[..5], [100, 300, 900, 2_700, 3_000]);
    assert_eq!(pauses[99], 3_000);
}

#[test]
fn every_failure_has_a_word_of_its_own() {
    let lies =
        [Lie::Whole, Lie::Range, Lie::Total, Lie::Tag, Lie::NoTag, Lie::Coded, Lie::Length, Lie::Status];
    let all = [
        Failure::Refused,
        Failure::ConnectTimeout,
        Failure::FirstByte,
        Failure::NoAnswer,
        Failure::Stall,
        Failure::Drip,
        Failure::Cut,
        Failure::Down,
        Failure::Busy,
        Failure::Status,
        Failure::Forbidden,
        Failure::Absent,
        Failure::Deleted,
        Failure::Stale,
    ];
    let all: Vec<Failure> = all.into_iter().chain(lies.map(Failure::Lie)).collect();
    let indices: Vec<usize> = all.iter().map(|failure| failure.index()).collect();
    assert_eq!(indices, (0..Failure::WORDS.len()).collect::<Vec<_>>());
    assert_eq!(Failure::Lie(Lie::Tag).as_str(), "lie_tag");
    assert_eq!(Failure::Stale.as_str(), "stale_version");
}

#[test]
fn who_has_to_say_no_before_a_film_is_unknown() {
    use Failure as F;
    /// `*` before a word marks the source, `-` a node that was not asked.
    #[track_caller]
    fn check(words: &[(&str, Option<Failure>)], expected: NoFilm) {
        let words = words.iter().map(|(mark, said)| Word { is_source: *mark == "*", said: *said });
        assert_eq!(no_film(words.clone()), expected, "{:?}", words.collect::<Vec<_>>());
    }
    check(&[("*", Some(F::Absent)), ("", Some(F::Absent))], NoFilm::Unknown);
    check(&[("*", Some(F::Absent)), ("", None), ("", Some(F::Refused))], NoFilm::Unknown);
    check(&[("*", Some(F::Deleted)), ("", Some(F::Absent))], NoFilm::Deleted);
    check(&[("*", Some(F::Absent)), ("", Some(F::Deleted))], NoFilm::Unknown);
    check(&[("*", None), ("", Some(F::Absent))], NoFilm::NoAnswer);
    check(&[("*", Some(F::Status)), ("", Some(F::Absent))], NoFilm::NoAnswer);
    check(&[("*", Some(F::Forbidden)), ("", Some(F::Deleted))], NoFilm::NoAnswer);
    check(&[("", Some(F::Absent)), ("", Some(F::Absent))], NoFilm::Unknown);
    check(&[("", Some(F::Absent)), ("", Some(F::Deleted))], NoFilm::Deleted);
    check(&[("", Some(F::Absent)), ("", None)], NoFilm::NoAnswer);
    check(&[("", Some(F::Absent)), ("", Some(F::FirstByte))], NoFilm::NoAnswer);
    check(&[("*", Some(F::Forbidden)), ("", Some(F::Forbidden)), ("", None)], NoFilm::Forbidden);
    check(&[("*", Some(F::FirstByte)), ("", Some(F::ConnectTimeout))], NoFilm::Late);
    check(&[("*", Some(F::FirstByte)), ("", Some(F::Status))], NoFilm::Failed);
    check(&[("*", Some(F::Lie(Lie::Whole)))], NoFilm::Failed);
    check(&[("", Some(F::Busy)), ("", Some(F::Busy)), ("", None)], NoFilm::Failed);
    check(&[("*", None), ("", None)], NoFilm::NoAnswer);
}

proptest! {
    #[test]
    fn a_step_names_a_usable_node_and_ends(
        failures in proptest::collection::vec((0_usize..4, 0_usize..14, any::<bool>()), 0..60),
    ) {
        const KINDS: [Failure; 14] = [
            Failure::Refused, Failure::ConnectTimeout, Failure::FirstByte, Failure::NoAnswer, Failure::Stall,
            Failure::Drip, Failure::Cut, Failure::Down, Failure::Busy, Failure::Status, Failure::Forbidden,
            Failure::Absent, Failure::Stale, Failure::Lie(Lie::Range),
        ];
        let mut course = course();
        let mut at = None;
        let mut in_a_row = [0_u32; 4];
        for (skip, kind, progress) in failures {
            let order: Vec<usize> = (0..4).filter(|node| *node != skip).collect();
            match course.step(&order, at) {
                Step::Ask(node) | Step::Again { node, .. } => {
                    prop_assert!(order.contains(&node));
                    prop_assert!(!course.is_barred(node));
                    if progress {
                        course.progressed();
                        in_a_row = [0; 4];
                    }
                    let failure = KINDS[kind];
                    in_a_row[node] += u32::from(failure.counts());
                    course.failed(node, failure);
                    at = Some(node);
                }
                Step::GiveUp => {
                    let all_barred = order.iter().all(|node| course.is_barred(*node));
                    prop_assert!(all_barred || in_a_row.iter().sum::<u32>() >= ATTEMPTS);
                }
            }
        }
    }
}
