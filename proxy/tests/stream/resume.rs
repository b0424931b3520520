//! A film goes on: wherever a node breaks, however often, and with the bytes of the version it began with.

use std::time::{Duration, Instant};

use watchgate_node::{Cut, Fault, Node, Scope, Seen, Versioning};

use crate::gates::{CITIES, KEY, PATIENCE, eventually};
use crate::support::*;
use crate::viewer::*;

const SIZE: u64 = 12_000_000;
const BANDWIDTH: u64 = 4_000_000;

/// Nodes too fast for their faults to be late are too fast for these stories.
fn slowed(stage: &Stage) {
    stage.nodes.iter().for_each(|node| node.set_bandwidth(Some(BANDWIDTH)));
}

/// A viewer that has seen the first megabyte of a slowed film.
async fn midway(stage: &Stage, speaks: Speaks) -> Answer {
    slowed(stage);
    let mut answer = Viewer::connect(speaks, stage).await.ask(&Ask::film()).await.shows(stage.film, 0);
    assert!(answer.until(1_000_000).await);
    answer
}

async fn whole(mut answer: Answer, film: Film, what: &str) -> Viewer {
    assert_eq!((answer.end().await, answer.bytes), (End::Whole, film.size), "{what}");
    answer.again()
}

fn sent(node: &Node) -> u64 {
    gets(node).iter().map(|seen| seen.sent).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_survives_one_failure_after_the_other() {
    over_both(async |speaks| {
        // Each node breaks in each of its answers; two failures in a row without a byte would end the film.
        let stage = Staging::new(3, 2_000_000).impatient().stream("attempts", "2").up().await;
        let faults = [Fault::ResetAfter(60_000), Fault::CloseAfter(50_000), Fault::StallAfter(40_000)];
        for (node, fault) in stage.nodes.iter().zip(faults) {
            node.faults().set(fault);
        }
        let answer = Viewer::connect(speaks, &stage).await.ask(&Ask::film()).await.shows(stage.film, 0);
        whole(answer, stage.film, &format!("{speaks:?}")).await;
        let resumes = stage.resumes();
        assert!(resumes >= 30, "2 MB in pieces of at most 60 kB, but {resumes} resumes");
    })
    .await;
}

/// A gate may ask for a window before it needs it. That one is of no use when the window before it breaks.
#[tokio::test(flavor = "multi_thread")]
async fn a_break_while_the_next_window_is_on_its_way_costs_no_byte() {
    /// So slow that both answers are on their way for half a second at least.
    const PACE: u64 = BANDWIDTH / 2;
    let struck = async |speaks, blow| {
        // A viewer that is late, because the machine is, still gets windows so large that the next is asked for early.
        let staging = Staging::new(2, 4 * SIZE).stream("park_after", "\"1m\"");
        let stage = if blow == "freeze" { staging.impatient() } else { staging }.up().await;
        let near = stage.near();
        let mut answer = midway(&stage, speaks).await;
        near.set_bandwidth(Some(PACE));
        let two_answers = |near: &Node| {
            let open: Vec<Seen> = gets(near).into_iter().filter(|seen| !seen.finished).collect();
            open.len() == 2 && open.iter().all(|seen| seen.sent > 0)
        };
        let strike = async {
            let in_time = Instant::now() + PATIENCE;
            loop {
                near.wait_until(two_answers, PATIENCE).await.expect("the next window is asked for early");
                // So slow that neither comes to its end before the blow falls.
                near.set_bandwidth(Some(1_000));
                if two_answers(near) {
                    break;
                }
                assert!(Instant::now() < in_time, "{speaks:?}, {blow}: never long enough");
                near.set_bandwidth(Some(PACE));
            }
            match blow {
                "reset" => near.cut_connections(Cut::Reset).await,
                "close" => near.cut_connections(Cut::Close).await,
                _ => near.freeze(),
            }
            // The blow fell; the rest may come at full speed.
            stage.nodes[1].set_bandwidth(None);
        };
        let (end, ()) = tokio::join!(answer.end(), strike);
        assert_eq!((end, answer.bytes), (End::Whole, stage.film.size), "{speaks:?}, {blow}");
        assert!(stage.resumes_from(near) >= 1, "{speaks:?}, {blow}");
    };
    over_both(async |speaks| {
        tokio::join!(struck(speaks, "reset"), struck(speaks, "close"), struck(speaks, "freeze"));
    })
    .await;
}

/// The request for the next window finds the only slot taken, by the window before it.
#[tokio::test(flavor = "multi_thread")]
async fn a_film_does_not_stand_in_its_own_way() {
    over_both(async |speaks| {
        let stage = Staging::new(2, 2 * SIZE).up().await;
        stage.near().set_slots(1);
        let answer = midway(&stage, speaks).await;
        whole(answer, stage.film, &format!("{speaks:?}")).await;
        let is_busy = |seen: &Seen| seen.status == Some(429);
        assert!(gets(stage.near()).iter().any(is_busy), "{speaks:?}: {:?}", gets(stage.near()));
        assert_eq!((stage.resumes(), gets(&stage.nodes[1])), (0, Vec::new()), "{speaks:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_comes_back_is_used_again() {
    over_both(async |speaks| {
        let stage = Staging::new(2, SIZE).watchful().up().await;
        let [near, far] = &stage.nodes[..] else { panic!("two nodes") };
        let mut answer = midway(&stage, speaks).await;
        near.kill().await;
        let before = sent(near);
        assert!(answer.until(4_000_000).await);
        assert!(sent(far) > 0, "the far node goes on");
        near.revive().await.expect("the port");
        stage.gate.until_state("ams", "up", None).await;
        far.kill().await;
        whole(answer, stage.film, &format!("{speaks:?}")).await;
        assert!(sent(near) > before, "the near node goes on again");
        assert!(stage.resumes_from(near) >= 1 && stage.resumes_from(far) >= 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_connection_is_nobodys_fault() {
    let stage = Staging::new(2, 500_000).up().await;
    let [near, far] = &stage.nodes[..] else { panic!("two nodes") };
    let mut viewer = Viewer::connect(Speaks::H1, &stage).await;
    for round in ["first", "closed", "reset", "hung up"] {
        match round {
            "closed" => near.cut_connections(Cut::Close).await,
            "reset" => near.cut_connections(Cut::Reset).await,
            // The node takes the request on the idle connection, and ends it just then.
            "hung up" => near.faults().set(Fault::HangUp.times(1)),
            _ => {}
        }
        let answer = viewer.ask(&Ask::film()).await.shows(stage.film, 0);
        viewer = whole(answer, stage.film, round).await;
    }
    assert!(near.faults().rules().is_empty(), "it hung up");
    assert_eq!(gets(far), [], "the near node is asked again instead");
    assert_eq!(stage.resumes(), 0);
    assert!(stage.gate.gate.nodes().iter().all(|node| node.state == "up"));
}

#[tokio::test(flavor = "multi_thread")]
async fn draining_moves_a_stream_at_its_next_window() {
    over_both(async |speaks| {
        let stage = Staging::new(2, SIZE).stream("window", "\"512KiB\"").up().await;
        let [near, far] = &stage.nodes[..] else { panic!("two nodes") };
        let answer = midway(&stage, speaks).await;
        assert!(stage.gate.gate.drain("ams", true).is_some());
        whole(answer, stage.film, &format!("{speaks:?}")).await;
        assert!(sent(far) > SIZE / 2, "the far node takes over: {}", sent(far));
        for seen in gets(near) {
            assert_eq!(seen.sent, wanted(&seen, stage.film), "no window is cut short: {seen:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_node_is_left_when_it_stalls() {
    over_both(async |speaks| {
        let stage = Staging::new(2, SIZE).impatient().up().await;
        let answer = midway(&stage, speaks).await;
        stage.near().freeze();
        let frozen = Instant::now();
        whole(answer, stage.film, &format!("{speaks:?}")).await;
        assert!(stage.resumes_from(stage.near()) >= 1);
        // The rest takes 3 s; ten more are for a busy machine.
        assert!(frozen.elapsed() < Duration::from_secs(13), "{:?}", frozen.elapsed());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_moves_the_streams_that_wait() {
    over_both(async |speaks| {
        let stage = Staging::new(2, SIZE).watchful().stream("stall_timeout", "\"10m\"").up().await;
        let answer = midway(&stage, speaks).await;
        stage.near().freeze();
        whole(answer, stage.film, &format!("{speaks:?}")).await;
        stage.gate.until_state("ams", "down", None).await;
        assert!(stage.resumes_from(stage.near()) >= 1);
    })
    .await;
}

/// What happens to a film's name while the film plays.
async fn renamed_under_way(staging: Staging, speaks: Speaks, change: impl Fn(&Node)) -> (Stage, Answer) {
    let stage = staging.stream("window", "\"512KiB\"").up().await;
    let answer = midway(&stage, speaks).await;
    change(stage.near());
    for node in &stage.nodes {
        let settled = || !stage.near().is_pending(KEY) && node.name() != "";
        eventually("all nodes know it", settled).await;
    }
    (stage, answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_was_begun_plays_to_its_end() {
    let overwrite = |node: &Node| {
        node.put_generated(KEY, SIZE / 2, 8).expect("another film");
    };
    let delete = |node: &Node| {
        node.delete(KEY).expect("a marker");
    };
    let changed = async |speaks, change: fn(&Node)| {
        let (stage, answer) = renamed_under_way(Staging::new(2, SIZE), speaks, change).await;
        // The version is on the other node, too.
        stage.near().kill().await;
        whole(answer, stage.film, &format!("{speaks:?}")).await;
        let gets: Vec<Seen> = stage.nodes.iter().flat_map(gets).collect();
        let pinned = |seen: &&Seen| seen.query.as_ref().is_some_and(|query| query.contains("versionId="));
        assert_eq!(gets.iter().filter(pinned).count(), gets.len() - 1, "all but the first: {gets:?}");
        assert!(gets.iter().skip(1).all(|seen| seen.headers.contains_key("if-match")), "{gets:?}");
    };
    over_both(async |speaks| {
        tokio::join!(changed(speaks, overwrite), changed(speaks, delete));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_pinning_another_version_is_never_mixed_in() {
    over_both(async |speaks| {
        let staging = Staging::new(2, SIZE).stream("pin_version", "false");
        let (stage, mut answer) = renamed_under_way(staging, speaks, |node| {
            node.put_generated(KEY, SIZE, 8).expect("another film");
        })
        .await;
        assert_eq!(answer.end().await, End::Cut);
        assert!(answer.bytes >= 1_000_000);
        let gets: Vec<Seen> = stage.nodes.iter().flat_map(gets).collect();
        assert!(gets.iter().all(|seen| seen.query.is_none()), "{gets:?}");
        assert!(gets.iter().any(|seen| seen.status == Some(412)), "If-Match protects: {gets:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_versions_if_match_protects_and_an_old_copy_goes_on() {
    let played = async |speaks, has_old_copy: bool| {
        let mut nodes = Vec::new();
        for (city, ..) in [CITIES[0], CITIES[2]] {
            let builder = Node::builder(city).credential("gate", "gate-secret").bucket("movies");
            let node = builder.versioning(Versioning::Off).start().await.expect("a node");
            node.put_generated(KEY, SIZE, 7).expect("the film");
            nodes.push(node);
        }
        let stage = Staging::new(2, SIZE).stream("window", "\"512KiB\"").before(nodes).await;
        let mut answer = midway(&stage, speaks).await;
        for node in &stage.nodes[..if has_old_copy { 1 } else { 2 }] {
            node.put_generated(KEY, SIZE, 8).expect("another film");
        }
        let end = answer.end().await;
        assert_eq!(end, if has_old_copy { End::Whole } else { End::Cut }, "{speaks:?}");
        assert!(gets(stage.near()).iter().any(|seen| seen.status == Some(412)), "{:?}", gets(stage.near()));
        if has_old_copy {
            assert_eq!(answer.bytes, SIZE);
            assert!(sent(&stage.nodes[1]) > 0);
        }
    };
    over_both(async |speaks| {
        tokio::join!(played(speaks, true), played(speaks, false));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_made_by_hand_continue_each_other() {
    over_both(async |speaks| {
        // The same bytes and tag, but not by replication: each node has a version id of its own.
        let nodes = vec![empty_node(0).await, empty_node(1).await];
        let ids: Vec<String> =
            nodes.iter().map(|node| node.put_generated(KEY, SIZE, 7).expect("the film").version_id).collect();
        assert_ne!(ids[0], ids[1]);
        let stage = Staging::new(2, SIZE).before(nodes).await;
        let answer = midway(&stage, speaks).await;
        stage.near().kill().await;
        whole(answer, stage.film, &format!("{speaks:?}")).await;
        assert!(sent(&stage.nodes[1]) > 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_first_byte_is_hedged() {
    for speaks in BOTH {
        let staging = Staging::new(2, 500_000).stream("hedge_after", "\"100ms\"");
        let stage = staging.stream("first_byte_timeout", "\"5m\"").up().await;
        stage.near().faults().set(Fault::DelayMs(300_000).on(Scope::Gets));
        let answer = Viewer::connect(speaks, &stage).await.ask(&Ask::film()).await.shows(stage.film, 0);
        whole(answer, stage.film, &format!("{speaks:?}")).await;
        assert!(sent(&stage.nodes[1]) >= stage.film.size);
        assert_eq!(stage.count("watchgate_hedges_total", &[("won", "second")]), 1);
        eventually("the late request is given up", || stage.near().in_flight() == 0).await;
    }
}
