//! What health says of nodes, rightly or wrongly: films go on whoever is said to be down, and a node that fails its
//! viewers alone is found out.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use watchgate_node::{Fault, Health, Node};

use crate::gates::{KEY, PATIENCE};
use crate::support::*;
use crate::viewer::*;

/// What takes long enough at [`BANDWIDTH`] for verdicts that come late.
const SIZE: u64 = 16_000_000;
const BANDWIDTH: u64 = 2_000_000;

/// What keeps viewers from a node that would serve them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Barred {
    /// Its health page says so; films come as ever.
    Down,
    /// By an operator.
    Drained,
}

use Barred::{Down, Drained};

async fn bar(stage: &Stage, node: &Node, barred: Barred) {
    match barred {
        Down => {
            node.set_health(Health::Down);
            stage.gate.until_state(node.name(), "down", None).await;
        }
        Drained => assert!(stage.gate.gate.drain(node.name(), true).is_some()),
    }
}

fn asked(stage: &Stage) -> usize {
    stage.nodes.iter().map(|node| gets(node).len()).sum()
}

/// A film under way when nobody may take viewers any more.
async fn plays_on(all_down: &'static str, barred: [Barred; 2], speaks: Speaks) {
    let what = format!("{all_down}, {barred:?}, {speaks:?}");
    let staging = Staging::new(2, SIZE).watchful().with_source().stream("window", "\"512KiB\"");
    let stage = staging.watch(&format!("all_down = \"{all_down}\"")).up().await;
    let limit = |bytes_per_s| stage.nodes.iter().for_each(|node| node.set_bandwidth(bytes_per_s));
    limit(Some(BANDWIDTH));
    let mut answer = Viewer::connect(speaks, &stage).await.ask(&Ask::film()).await.shows(stage.film, 0);
    assert!(answer.until(300_000).await, "{what}");
    for (node, barred) in stage.nodes.iter().zip(barred) {
        bar(&stage, node, barred).await;
    }
    let before = asked(&stage);
    assert!(answer.until(answer.bytes + 2_500_000).await, "{what}");
    assert!(asked(&stage) > before, "{what}: windows are asked for all the same");
    // For the far node while that one was still well; from there it is not better anywhere.
    assert!(stage.resumes() <= 1, "{what}: {} resumes, {} requests", stage.resumes(), asked(&stage));
    let death = async {
        let dead = stage.kill_serving().await;
        limit(None);
        dead
    };
    let (dead, end) = tokio::join!(death, answer.end());
    assert_eq!((end, answer.bytes), (End::Whole, SIZE), "{what}");
    assert!(stage.resumes_from(dead) >= 1, "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_plays_on_when_nobody_may_take_viewers() {
    let mut rows = JoinSet::new();
    for all_down in ["nearest-anyway", "source", "refuse"] {
        for barred in [[Down, Down], [Drained, Drained], [Down, Drained], [Drained, Down]] {
            let speaks = BOTH[rows.len() % 2];
            rows.spawn(plays_on(all_down, barred, speaks));
        }
    }
    rows.join_all().await;
}

/// Why the near node, which may take viewers, does not serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    /// Killed a moment ago.
    Killed,
    /// It lost the film.
    Film,
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_nodes_do_not_use_up_the_chances_of_the_one_that_lives() {
    let stage = Staging::new(3, 500_000).watchful().stream("attempts", "2").up().await;
    for node in &stage.nodes[1..] {
        node.kill().await;
        stage.gate.until_state(node.name(), "down", None).await;
    }
    stage.near().faults().set(Fault::ResetAfter(100_000).times(1));
    let mut answer = Viewer::connect(Speaks::H1, &stage).await.ask(&Ask::film()).await.shows(stage.film, 0);
    assert_eq!((answer.end().await, answer.bytes), (End::Whole, 500_000));
    assert!(stage.resumes_from(stage.near()) >= 1, "the reset hit");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_that_only_a_barred_node_has_is_not_refused() {
    for (source, lost, barred, status) in [
        (false, Lost::Killed, Down, 200),
        (false, Lost::Killed, Drained, 200),
        (false, Lost::Film, Down, 200),
        (false, Lost::Film, Drained, 200),
        (true, Lost::Killed, Drained, 200),
        // The source knows, and says no.
        (true, Lost::Film, Drained, 404),
    ] {
        let staging = Staging::new(2, 1000)
            .health("interval = \"1s\"\ntimeout = \"500ms\"\nrise = 1\nfall = 1\nslow_start = \"0s\"");
        let stage = if source { staging.with_source() } else { staging }.up().await;
        let [near, far] = &stage.nodes[..] else { panic!("two nodes") };
        bar(&stage, far, barred).await;
        match lost {
            Lost::Killed => near.kill().await,
            Lost::Film => near.forget(KEY),
        }
        let what = format!("source: {source}, {lost:?}, {barred:?}");
        let answer = Viewer::connect(Speaks::H1, &stage).await.ask(&Ask::film()).await;
        assert_eq!(answer.status(), status, "{what}");
        assert_eq!(gets(far).is_empty(), status == 404, "{what}");
        if status == 200 {
            assert_eq!(answer.shows(stage.film, 0).end().await, End::Whole, "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_fails_its_viewers_alone_is_ejected_and_comes_back() {
    let stage = Staging::new(2, 100_000).watchful().up().await;
    let [near, far] = &stage.nodes[..] else { panic!("two nodes") };
    let watch = async |speaks| {
        let mut answer = Viewer::connect(speaks, &stage).await.ask(&Ask::film()).await.shows(stage.film, 0);
        assert_eq!((answer.status(), answer.end().await, answer.bytes), (200, End::Whole, 100_000));
    };
    let is_ejected = || {
        let told = stage.gate.gate.nodes();
        told.iter().any(|node| node.id == "ams" && node.reason.as_deref() == Some("ejected"))
    };
    // Probes ask for the bucket: they are answered.
    near.faults().set(Fault::Status(503));
    let began = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    while !is_ejected() {
        ticks.tick().await;
        watch(Speaks::H1).await;
        assert!(began.elapsed() < PATIENCE, "{:?}", stage.gate.gate.nodes());
    }
    // Five events in a row, a quarter of a second from each other.
    assert!(began.elapsed() >= Duration::from_secs(1) && gets(near).len() >= 5);
    stage.gate.until_state("ams", "down", Some("ejected")).await;
    stage.gate.until_state("gru", "up", None).await;
    let ejected = Instant::now();
    let downs = |node: &Node| {
        stage.count("watchgate_node_transitions_total", &[("node", node.name()), ("to", "down")])
    };
    assert_eq!((downs(near), downs(far)), (1, 0));
    near.forget_seen();
    for speaks in BOTH {
        watch(speaks).await;
    }
    assert_eq!(gets(near), [], "its viewers go elsewhere at once");
    near.faults().clear();
    stage.gate.until_state("ams", "up", None).await;
    // Ten seconds, less what the verdict took to be seen here.
    assert!(ejected.elapsed() >= Duration::from_secs(9), "{:?}", ejected.elapsed());
    watch(Speaks::H1).await;
    assert!(!gets(near).is_empty(), "it serves again");
    assert_eq!(downs(near), 1);
}
