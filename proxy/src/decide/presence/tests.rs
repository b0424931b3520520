use super::*;

const TIMES: Times = Times { positive_ms: 60_000, negative_ms: 5_000 };
const SOURCE: Member = Member(0);

fn version(etag: &str, modified_s: u64) -> Version {
    Version {
        film: Identity {
            etag: format!("\"{etag}\"").into(),
            size: 1000,
            version_id: Some(format!("id-{etag}").into()),
            last_modified_unix_s: Some(modified_s),
        },
        content_type: Some("video/mp4".into()),
    }
}

fn old() -> Version {
    version("old", 100)
}

fn new() -> Version {
    version("new", 200)
}

/// What was heard, node after node, a second apart, the first at 1 s.
fn known(heard: &[(u32, Result<Version, Failure>)]) -> (Known, u64) {
    let mut known = Known::default();
    let mut now_ms = 0;
    for (node, heard) in heard {
        now_ms += 1000;
        known.hear(Member(*node), heard.clone(), now_ms, Some(SOURCE));
    }
    (known, now_ms)
}

fn standings(known: &Known, now_ms: u64) -> Vec<Standing> {
    (0..3).map(|node| known.standing(Member(node), now_ms, TIMES)).collect()
}

use Standing::{Holds, Unknown};

fn lacks(dropped: Dropped) -> Standing {
    Standing::Lacks(dropped)
}

#[test]
fn what_nodes_say_is_what_they_are_to_a_viewer() {
    let check = |heard: &[(u32, Result<Version, Failure>)], expected: [Standing; 3]| {
        let (known, now_ms) = known(heard);
        assert_eq!(standings(&known, now_ms), expected, "{heard:?}");
    };
    check(&[], [Unknown; 3]);
    check(&[(1, Ok(old()))], [Unknown, Holds, Unknown]);
    check(&[(0, Ok(old())), (1, Err(Failure::Absent))], [Holds, lacks(Dropped::Absent), Unknown]);
    check(&[(0, Ok(old())), (1, Err(Failure::Forbidden))], [Holds, lacks(Dropped::Forbidden), Unknown]);
    check(&[(1, Err(Failure::Busy))], [Unknown, lacks(Dropped::Unanswered), Unknown]);
    check(&[(1, Err(Failure::FirstByte))], [Unknown, lacks(Dropped::Unanswered), Unknown]);
    // Who held it a moment ago and fails to answer now holds it still.
    check(&[(1, Ok(old())), (1, Err(Failure::Status))], [Unknown, Holds, Unknown]);
    check(
        &[(1, Err(Failure::Absent)), (1, Err(Failure::Status))],
        [Unknown, lacks(Dropped::Absent), Unknown],
    );
    check(&[(1, Err(Failure::Absent)), (1, Ok(old()))], [Unknown, Holds, Unknown]);
}

#[test]
fn the_newest_version_counts() {
    let check = |heard: &[(u32, Result<Version, Failure>)], expected: [Standing; 3]| {
        let (known, now_ms) = known(heard);
        assert_eq!(standings(&known, now_ms), expected, "{heard:?}");
        let mut reversed = heard.to_vec();
        reversed.reverse();
        let (known, now_ms) = super::tests::known(&reversed);
        assert_eq!(standings(&known, now_ms), expected, "the order does not count: {heard:?}");
    };
    let stale = lacks(Dropped::StaleVersion);
    check(&[(0, Ok(new())), (1, Ok(old())), (2, Ok(new()))], [Holds, stale, Holds]);
    check(&[(0, Ok(old())), (1, Ok(new()))], [stale, Holds, Unknown]);
    // Within one second the source knows best, and without its word all gates agree on one.
    check(&[(0, Ok(version("a", 200))), (1, Ok(version("b", 200)))], [Holds, stale, Unknown]);
    check(&[(1, Ok(version("a", 200))), (2, Ok(version("b", 200)))], [Unknown, stale, Holds]);
    // Copies with an id of their own are the same bytes.
    let mut copy = old();
    copy.film.version_id = None;
    check(&[(0, Ok(old())), (1, Ok(copy))], [Holds, Holds, Unknown]);
}

#[test]
fn who_was_behind_is_so_until_asked_again() {
    let check = |heard: &[(u32, Result<Version, Failure>)], expected: [Option<Dropped>; 3]| {
        let (known, _) = known(heard);
        assert_eq!([0, 1, 2].map(|node| known.was_behind(Member(node))), expected, "{heard:?}");
    };
    check(&[], [None; 3]);
    check(&[(0, Ok(new())), (1, Ok(new())), (2, Err(Failure::Absent))], [None; 3]);
    check(&[(0, Ok(new())), (1, Ok(old()))], [None, Some(Dropped::StaleVersion), None]);
    check(
        &[(0, Ok(new())), (1, Ok(old())), (1, Err(Failure::Busy))],
        [None, Some(Dropped::StaleVersion), None],
    );
    check(&[(0, Ok(new())), (1, Ok(old())), (1, Ok(new()))], [None; 3]);
    check(&[(1, Ok(old())), (0, Err(Failure::Deleted))], [None, Some(Dropped::Deleted), None]);
    check(&[(1, Ok(old())), (0, Err(Failure::Deleted)), (0, Ok(old()))], [None; 3]);
}

#[test]
fn a_deletion_counts_against_what_was_deleted() {
    let check = |heard: &[(u32, Result<Version, Failure>)], expected: [Standing; 3]| {
        let (known, now_ms) = known(heard);
        assert_eq!(standings(&known, now_ms), expected, "{heard:?}");
    };
    let gone = lacks(Dropped::Deleted);
    let deleted = || Err(Failure::Deleted);
    // The source has deleted it, a replica has not heard of it yet.
    check(&[(0, Ok(old())), (1, Ok(old())), (0, deleted())], [gone, gone, Unknown]);
    check(&[(1, Ok(old())), (0, deleted())], [gone, gone, Unknown]);
    // It was uploaded again elsewhere since.
    check(&[(0, Ok(old())), (0, deleted()), (1, Ok(new()))], [gone, Holds, Unknown]);
    // Undeleted at the source, and a replica has not heard of that yet.
    check(&[(1, Ok(old())), (1, deleted()), (0, Ok(old()))], [Holds, gone, Unknown]);
    check(&[(1, deleted()), (0, Ok(old()))], [Holds, gone, Unknown]);
    // While the source says nothing, a replica that has heard of a deletion knows more than one that has not.
    check(&[(1, Ok(old())), (2, Ok(old())), (1, deleted())], [Unknown, gone, gone]);
    check(&[(1, Ok(old())), (1, deleted()), (2, Ok(new()))], [Unknown, gone, Holds]);
    // Nobody knows what was deleted there, or when.
    check(&[(1, deleted()), (2, Ok(old()))], [Unknown, gone, Holds]);
}

#[test]
fn words_grow_old() {
    let check = |heard: &[(u32, Result<Version, Failure>)], after_ms: u64, expected: [Standing; 3]| {
        let (known, now_ms) = known(heard);
        assert_eq!(standings(&known, now_ms + after_ms), expected, "{heard:?} after {after_ms} ms");
    };
    check(&[(0, Ok(old()))], 60_000, [Holds, Unknown, Unknown]);
    check(&[(0, Ok(old()))], 60_100, [Unknown; 3]);
    check(&[(0, Err(Failure::Absent))], 5_000, [lacks(Dropped::Absent), Unknown, Unknown]);
    check(&[(0, Err(Failure::Absent))], 5_100, [Unknown; 3]);
    // With a holder nobody has to wait for those who had none: they are asked behind the viewers' backs.
    check(&[(1, Err(Failure::Absent)), (0, Ok(old()))], 30_000, [Holds, lacks(Dropped::Absent), Unknown]);
    check(&[(0, Err(Failure::Busy))], 5_100, [Unknown; 3]);
    // A failure gives a word that is too old no longer life, and is itself one.
    let (mut known, _) = known(&[(0, Ok(old()))]);
    known.hear(SOURCE, Err(Failure::Refused), 61_500, Some(SOURCE));
    assert_eq!(known.standing(SOURCE, 61_500, TIMES), lacks(Dropped::Unanswered));
}

#[test]
fn what_is_watched_is_asked_again_in_time() {
    let due_s =
        |heard: &[(u32, Result<Version, Failure>)]| known(heard).0.due_ms(TIMES).map(|due_ms| due_ms / 1000);
    assert_eq!(due_s(&[]), None);
    assert_eq!(due_s(&[(0, Err(Failure::Absent))]), None, "the next viewer asks");
    assert_eq!(due_s(&[(0, Ok(old()))]), Some(31));
    assert_eq!(due_s(&[(0, Ok(old())), (1, Err(Failure::Absent))]), Some(7));
    assert_eq!(due_s(&[(0, Ok(old())), (1, Err(Failure::Busy))]), Some(7));
    // The more often a node denies the film, the rarer it is asked, but not more rarely than the holders.
    let deny = |times: usize| {
        let mut heard = vec![(0, Ok(old()))];
        heard.extend((0..times).map(|_| (1, Err(Failure::Absent))));
        let (known, now_ms) = known(&heard);
        known.word(Member(1)).unwrap().due_ms(TIMES) - now_ms
    };
    let pauses: Vec<u64> = [1, 2, 3, 4, 5, 60].into_iter().map(deny).collect();
    assert_eq!(pauses, [5_000, 10_000, 20_000, 30_000, 30_000, 30_000]);
    let (known, now_ms) = known(&[(0, Ok(old())), (1, Err(Failure::Absent)), (2, Ok(old()))]);
    assert_eq!(known.due(now_ms, TIMES).count(), 0);
    assert_eq!(known.due(now_ms + 4_000, TIMES).collect::<Vec<_>>(), [Member(1)]);
    assert_eq!(known.due(now_ms + 60_000, TIMES).collect::<Vec<_>>(), [0, 1, 2].map(Member));
}

#[test]
fn who_has_to_give_up_is_told_what_was_said() {
    let check = |heard: &[(u32, Result<Version, Failure>)], after_ms: u64, expected: [Option<Failure>; 2]| {
        let (known, now_ms) = known(heard);
        assert_eq!(
            [0, 1].map(|node| known.said(Member(node), now_ms + after_ms, TIMES)),
            expected,
            "{heard:?}"
        );
    };
    check(&[(0, Err(Failure::Absent))], 0, [Some(Failure::Absent), None]);
    check(&[(0, Err(Failure::Absent))], 6_000, [None, None]);
    check(&[(0, Err(Failure::Busy))], 0, [Some(Failure::Busy), None]);
    check(&[(0, Ok(old()))], 0, [None, None]);
    // A deletion that a replica has not heard of is believed as long as it keeps viewers from that replica.
    let deleted = [Some(Failure::Deleted), Some(Failure::Deleted)];
    for after_ms in [0, 6_000, 59_000] {
        check(&[(1, Ok(old())), (0, Err(Failure::Deleted))], after_ms, deleted);
    }
    // So is a denial while somebody else is known to hold the film, but perhaps cannot be asked.
    check(&[(1, Ok(old())), (0, Err(Failure::Absent))], 6_000, [Some(Failure::Absent), None]);
    check(&[(0, Err(Failure::Deleted))], 6_000, [None, None]);
    // Nobody answers twice because somebody else takes long.
    let mut known = Known::default();
    known.hear(SOURCE, Err(Failure::Absent), 1090, Some(SOURCE));
    let hasty = Times { negative_ms: 0, ..TIMES };
    assert_eq!(known.said(SOURCE, 1080, hasty), Some(Failure::Absent), "heard since the viewer came");
}

#[test]
fn one_version_is_kept_once() {
    let (known, _) = known(&[(0, Ok(old())), (1, Ok(old())), (2, Ok(new()))]);
    assert!(Arc::ptr_eq(known.version(SOURCE).unwrap(), known.version(Member(1)).unwrap()));
    assert_eq!(known.newest().map(|newest| &**newest), Some(&new()));
    assert!(known.has_heard(Member(2), &new().film, 3_000, TIMES));
    assert!(!known.has_heard(Member(2), &new().film, 30_000, TIMES), "it is time to hear it again");
    assert!(!known.has_heard(SOURCE, &new().film, 3_000, TIMES));
}

mod steps {
    use super::super::next::*;
    use super::*;

    const UNANSWERED: Standing = Standing::Lacks(Dropped::Unanswered);
    const ABSENT: Standing = Standing::Lacks(Dropped::Absent);

    struct Scene<'a> {
        order: &'a [usize],
        standing: [Standing; 6],
        asking: &'a [usize],
        breadth: Breadth,
        holder_for_ms: Option<u64>,
    }

    impl Scene<'_> {
        fn next(&self) -> Next {
            let asking = |node| self.asking.contains(&node);
            next(self.order, self.breadth, |node| self.standing[node], asking, self.holder_for_ms)
        }
    }

    const ORDER: &[usize] = &[0, 1, 2, 3, 4, 5];

    fn scene(standing: [Standing; 6]) -> Scene<'static> {
        let breadth = Breadth::Several { source: Some(5) };
        Scene { order: ORDER, standing, asking: &[], breadth, holder_for_ms: None }
    }

    fn ask(nodes: &[usize]) -> Next {
        Next::Ask(nodes.into())
    }

    #[test]
    fn the_nearest_and_the_source_are_asked_first() {
        assert_eq!(scene([Unknown; 6]).next(), ask(&[0, 1, 2, 5]));
        assert_eq!(Scene { asking: &[0, 1, 2, 5], ..scene([Unknown; 6]) }.next(), Next::Wait);
        assert_eq!(Scene { asking: &[1, 2, 5], ..scene([Unknown; 6]) }.next(), ask(&[0]));
        let one_denied = [ABSENT, Unknown, Unknown, Unknown, Unknown, Unknown];
        assert_eq!(Scene { asking: &[1, 2, 5], ..scene(one_denied) }.next(), ask(&[3]));
    }

    #[test]
    fn a_part_of_a_film_is_asked_for_at_one_node_after_the_other() {
        let part = |standing| Scene { breadth: Breadth::One, ..scene(standing) };
        assert_eq!(part([Unknown; 6]).next(), ask(&[0]));
        assert_eq!(Scene { asking: &[0], ..part([Unknown; 6]) }.next(), Next::Wait);
        let first_denied = [ABSENT, Unknown, Unknown, Unknown, Unknown, Unknown];
        assert_eq!(part(first_denied).next(), ask(&[1]));
        assert_eq!(part([ABSENT, ABSENT, ABSENT, ABSENT, ABSENT, Unknown]).next(), ask(&[5]));
        assert_eq!(part([ABSENT; 6]).next(), Next::GiveUp);
    }

    #[test]
    fn a_holder_is_taken_when_nobody_better_can_come() {
        let nearest_holds = [Holds, Unknown, Unknown, Unknown, Unknown, Unknown];
        assert_eq!(Scene { asking: &[1, 2, 5], ..scene(nearest_holds) }.next(), Next::Go);
        let second_holds = [Unknown, Holds, Unknown, Unknown, Unknown, Unknown];
        assert_eq!(Scene { asking: &[0], ..scene(second_holds) }.next(), Next::Wait);
        assert_eq!(scene(second_holds).next(), ask(&[0]), "and those behind it are of no interest");
        let late = Scene { asking: &[0], holder_for_ms: Some(GRACE_MS), ..scene(second_holds) };
        assert_eq!(late.next(), Next::Go);
        assert_eq!(Scene { holder_for_ms: Some(GRACE_MS - 1), ..late }.next(), Next::Wait);
        let nearest_fails = [UNANSWERED, Holds, Unknown, Unknown, Unknown, Unknown];
        assert_eq!(scene(nearest_fails).next(), Next::Go);
    }

    #[test]
    fn nobody_is_given_up_before_everybody_was_asked() {
        let but_the_last = [ABSENT, ABSENT, ABSENT, ABSENT, Unknown, ABSENT];
        assert_eq!(scene(but_the_last).next(), ask(&[4]));
        assert_eq!(Scene { asking: &[4], ..scene(but_the_last) }.next(), Next::Wait);
        assert_eq!(scene([ABSENT; 6]).next(), Next::GiveUp);
        assert_eq!(scene([UNANSWERED; 6]).next(), Next::GiveUp);
        // The source's word counts although it takes no viewers.
        let source_unknown = [ABSENT, ABSENT, ABSENT, ABSENT, ABSENT, Unknown];
        let near: &[usize] = &[0, 1, 2];
        assert_eq!(Scene { order: near, ..scene(source_unknown) }.next(), ask(&[5]));
        assert_eq!(Scene { order: near, asking: &[5], ..scene(source_unknown) }.next(), Next::Wait);
        assert_eq!(next(&[], Breadth::One, |_| Unknown, |_| false, None), Next::GiveUp);
    }
}

#[test]
fn who_leaves_takes_its_words_along() {
    let gone = |members: &'static [u32]| move |node: Member| members.contains(&node.0);
    let said = [(0, Ok(old())), (1, Ok(new())), (2, Ok(old()))];
    let stale = lacks(Dropped::StaleVersion);
    let (mut known, now_ms) = known(&said);
    assert_eq!(standings(&known, now_ms), [stale, Holds, stale]);
    assert!(!known.forget(gone(&[7]), Some(SOURCE)), "it never spoke");
    assert!(known.forget(gone(&[1, 7]), Some(SOURCE)));
    assert_eq!(standings(&known, now_ms), [Holds, Unknown, Holds], "theirs is the newest now");
    assert_eq!(known.newest().map(|newest| &**newest), Some(&old()));
    assert!(known.forget(gone(&[0, 2]), None));
    assert!(!known.is_held() && known.words().is_empty() && known.due_ms(TIMES).is_none());
}

/// A deletion that only the one who left knew of is forgotten with it.
#[test]
fn a_deletion_leaves_with_whoever_knew_of_it() {
    let said = [(0, Ok(old())), (0, Err(Failure::Deleted)), (1, Ok(old()))];
    let (mut known, now_ms) = known(&said);
    assert_eq!(known.standing(Member(1), now_ms, TIMES), lacks(Dropped::Deleted));
    assert!(known.forget(|node| node == SOURCE, None));
    assert_eq!(known.standing(Member(1), now_ms, TIMES), Holds);
}
