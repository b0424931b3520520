//! When nobody can serve, or nobody any more: what the viewer is told before the first byte, and how it sees after it
//! that the film is not whole.

use tokio::task::JoinSet;
use watchgate_node::{Fault, Lag, Node};

use crate::gates::{AMSTERDAM, KEY, PATIENCE, SAO_PAULO, eventually};
use crate::support::*;
use crate::viewer::*;

const SIZE: u64 = 20_000_000;
const BANDWIDTH: u64 = 4_000_000;

/// Judges a refusal: a problem document that gives nothing of the house away.
async fn refused(mut answer: Answer, status: u16, stage: &Stage, what: &str) -> Viewer {
    assert_eq!(answer.status(), status, "{what}: {:?}", answer.head);
    assert_eq!(answer.header("content-type"), "application/problem+json", "{what}");
    assert_eq!(answer.header("cache-control"), "no-store", "{what}");
    let text = answer.text().await;
    let problem: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(problem["status"], status, "{what}: {text}");
    assert_eq!(problem["request_id"], answer.header("x-request-id").as_str(), "{what}");
    for name in ["type", "title", "detail"] {
        assert!(problem[name].as_str().is_some_and(|text| !text.is_empty()), "{what}: no {name} in {text}");
    }
    let all = format!("{:?} {text}", answer.head.fields);
    let ports: Vec<String> = stage.nodes.iter().map(|node| node.addr().port().to_string()).collect();
    for secret in ["ams", "gru", "sin", "movies", ".mp4", "127.0.0.1", "gate-secret", "MinIO", "Amz"] {
        assert!(!all.contains(secret), "{what}: {secret} in {all}");
    }
    // Digits may stand in a request id, but not a whole port behind a colon.
    assert!(!ports.iter().any(|port| all.contains(&format!(":{port}"))), "{what}: {all}");
    answer.again()
}

/// All nodes fail before the first byte; the viewer asks with GET, a range and HEAD.
async fn all_fail(fault: Fault, status: u16, speaks: Speaks) {
    let staging = Staging::new(2, SIZE);
    let stage = if status == 504 { staging.impatient() } else { staging }.up().await;
    stage.nodes.iter().for_each(|node| node.faults().set(fault.clone()));
    let what = format!("{fault:?}, {speaks:?}");
    let answer = Viewer::connect(speaks, &stage).await.ask(&Ask::film()).await;
    assert_ne!(answer.header("retry-after"), "60", "MinIO's minute is not the viewer's: {what}");
    let viewer = refused(answer, status, &stage, &what).await;
    let viewer = refused(viewer.ask(&Ask::film().range("bytes=-5")).await, status, &stage, &what).await;
    let mut head = viewer.ask(&Ask::film().head()).await;
    assert_eq!(head.status(), status, "HEAD {what}");
    assert_eq!((head.end().await, head.bytes), (End::Whole, 0), "HEAD {what}");
    for node in &stage.nodes {
        assert!(node.seen().iter().any(|seen| seen.path.ends_with(KEY)), "{what}: {node:?} was not asked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_all_nodes_are_502_and_late_ones_504() {
    let mut rows = JoinSet::new();
    for (fault, status) in [
        (Fault::Status(503), 502),
        (Fault::Status(500), 502),
        (Fault::Status(429), 502),
        (Fault::Status(403), 502),
        (Fault::HangUp, 502),
        (Fault::Gzip, 502),
        (Fault::DelayMs(60_000), 504),
        (Fault::DripHead(100), 504),
    ] {
        for speaks in BOTH {
            rows.spawn(all_fail(fault.clone(), status, speaks));
        }
    }
    rows.join_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_nodes_are_no_unknown_film() {
    let stage = Staging::new(2, SIZE).watchful().up().await;
    for node in &stage.nodes {
        node.kill().await;
    }
    let viewer = Viewer::connect(Speaks::H1, &stage).await;
    let viewer = refused(viewer.ask(&Ask::film()).await, 502, &stage, "just killed").await;
    stage.gate.until("both are down", |nodes| nodes.iter().all(|node| node.state == "down")).await;
    // `nearest-anyway`: the nearest is asked all the same.
    let viewer = refused(viewer.ask(&Ask::film()).await, 502, &stage, "down").await;
    stage.near().revive().await.expect("the port");
    let mut answer = viewer.ask(&Ask::film().range("bytes=0-99")).await.shows(stage.film, 0);
    assert_eq!((answer.status(), answer.end().await), (206, End::Whole));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_down_is_503_where_the_operator_wants_it() {
    let stage = Staging::new(2, SIZE).watchful().watch("all_down = \"refuse\"").up().await;
    for node in &stage.nodes {
        node.kill().await;
    }
    stage.gate.until("both are down", |nodes| nodes.iter().all(|node| node.state == "down")).await;
    let answer = Viewer::connect(Speaks::H1, &stage).await.ask(&Ask::film()).await;
    let retry_after: u64 = answer.header("retry-after").parse().expect("seconds");
    assert!((1..=10).contains(&retry_after), "{retry_after}");
    refused(answer, 503, &stage, "refuse").await;
}

/// A node's part in the story of one film.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    Film,
    Nothing,
    Deleted,
    /// 503 to everything about films.
    Silence,
    /// Killed, and known to be down.
    Down,
}

/// The first node is the source if the story has one.
async fn with(source: bool, holds: &[Holds]) -> Stage {
    let mut staging = Staging::new(holds.len(), 1000).watchful();
    if source {
        staging = staging.with_source();
    }
    let mut nodes = Vec::new();
    for (number, holds) in holds.iter().enumerate() {
        let node = empty_node(number).await;
        if matches!(holds, Holds::Film | Holds::Deleted) {
            node.put_generated(KEY, 1000, 7).expect("the film");
        }
        if *holds == Holds::Deleted {
            node.delete(KEY).expect("a marker");
        }
        nodes.push(node);
    }
    let stage = staging.before(nodes).await;
    for (node, holds) in stage.nodes.iter().zip(holds) {
        match holds {
            Holds::Silence => node.faults().set(Fault::Status(503)),
            Holds::Down => {
                node.kill().await;
                stage.gate.until_state(node.name(), "down", None).await;
            }
            _ => {}
        }
    }
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_is_unknown_only_on_the_word_of_somebody_who_knows() {
    use Holds::{Deleted, Down, Film, Nothing, Silence};
    let rows: &[(bool, &[Holds], u16)] = &[
        // The source's word counts, whatever the replicas are.
        (true, &[Nothing, Nothing], 404),
        (true, &[Nothing, Down], 404),
        (true, &[Nothing, Silence], 404),
        (true, &[Deleted, Deleted], 404),
        (true, &[Deleted, Nothing], 404),
        // A replica's word does not.
        (true, &[Down, Nothing], 503),
        (true, &[Silence, Nothing], 503),
        (true, &[Down, Nothing, Nothing], 503),
        // Without a source all enabled nodes have to agree.
        (false, &[Nothing, Nothing], 404),
        (false, &[Nothing, Deleted], 404),
        (false, &[Deleted, Deleted, Deleted], 404),
        (false, &[Nothing, Down], 503),
        (false, &[Nothing, Silence], 503),
        // Whoever has it serves it.
        (true, &[Film, Nothing], 200),
        (true, &[Nothing, Film], 200),
        (true, &[Down, Film], 200),
        (true, &[Silence, Film], 200),
        (false, &[Nothing, Nothing, Film], 200),
        (false, &[Down, Nothing, Film], 200),
    ];
    for (source, holds, status) in rows {
        let stage = with(*source, holds).await;
        for viewer in [AMSTERDAM, SAO_PAULO] {
            let what = format!("source: {source}, {holds:?}, {viewer}");
            let answer = Viewer::connect(Speaks::H1, &stage).await.ask(&Ask::film().from(viewer)).await;
            if *status == 200 {
                let mut answer = answer.shows(stage.film, 0);
                assert_eq!((answer.status(), answer.end().await), (200, End::Whole), "{what}");
            } else {
                refused(answer, *status, &stage, &what).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_not_let_fetch_a_film_from_its_peer() {
    let stage = Staging::new(2, 1000).up().await;
    let [near, far] = &stage.nodes[..] else { panic!("two nodes") };
    near.forget(KEY);
    let mut answer = Viewer::connect(Speaks::H1, &stage).await.ask(&Ask::film()).await.shows(stage.film, 0);
    assert_eq!((answer.status(), answer.end().await), (200, End::Whole));
    assert!(near.seen().iter().all(|seen| seen.proxied_from.is_none()), "{:?}", near.seen());
    assert!(gets(near).iter().any(|seen| seen.status == Some(404)) && !gets(far).is_empty());
}

/// A stage of slow nodes, and a viewer in the middle of the film.
async fn midway(speaks: Speaks) -> (Stage, Answer) {
    let stage = Staging::new(2, SIZE).impatient().up().await;
    stage.nodes.iter().for_each(|node| node.set_bandwidth(Some(BANDWIDTH)));
    let mut answer = Viewer::connect(speaks, &stage).await.ask(&Ask::film()).await.shows(stage.film, 0);
    assert!(answer.until(1_000_000).await);
    (stage, answer)
}

/// The answer ends short, and is counted and logged as cut.
async fn cut(mut answer: Answer, stage: &Stage, what: &str) {
    let end = answer.end().await;
    assert_eq!((answer.status(), answer.promised), (200, Some(SIZE)), "{what}");
    assert_eq!(end, End::Cut, "{what}: {} bytes", answer.bytes);
    assert!(answer.bytes < SIZE, "{what}");
    eventually("the access line tells", || {
        stage.lines().iter().any(|line| {
            line["watchgate.outcome"] == "cut"
                && line["http.response.body.size"]
                    .as_u64()
                    .is_some_and(|sent| (answer.bytes..SIZE).contains(&sent))
        })
    })
    .await;
    assert_eq!(stage.count("watchgate_requests_total", &[("outcome", "cut")]), 1, "{what}");
    assert_eq!(stage.count("watchgate_streams", &[]), 0, "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_nodes_die_in_the_middle_the_viewer_sees_it() {
    over_both(async |speaks| {
        let (stage, answer) = midway(speaks).await;
        for node in &stage.nodes {
            node.kill().await;
        }
        cut(answer, &stage, &format!("killed, {speaks:?}")).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_nodes_freeze_in_the_middle_the_viewer_is_let_go() {
    over_both(async |speaks| {
        let (stage, answer) = midway(speaks).await;
        stage.nodes.iter().for_each(Node::freeze);
        cut(answer, &stage, &format!("frozen, {speaks:?}")).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_of_the_same_name_are_not_glued_on() {
    let played = async |speaks, (size, seed)| {
        let nodes = vec![empty_node(0).await, empty_node(1).await];
        nodes[0].put_generated(KEY, SIZE, 7).expect("the film");
        nodes[1].put_generated(KEY, size, seed).expect("another film");
        for node in &nodes {
            node.set_bandwidth(Some(BANDWIDTH));
        }
        let stage = Staging::new(2, SIZE).before(nodes).await;
        let mut answer = Viewer::connect(speaks, &stage).await.ask(&Ask::film()).await.shows(stage.film, 0);
        assert!(answer.until(1_000_000).await);
        stage.near().kill().await;
        cut(answer, &stage, &format!("{size} bytes of {seed}, {speaks:?}")).await;
        assert!(!gets(&stage.nodes[1]).is_empty(), "it was asked");
    };
    over_both(async |speaks| {
        tokio::join!(played(speaks, (SIZE, 8)), played(speaks, (SIZE + 1, 7)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_only_holder_that_fails_once_is_asked_once_more() {
    for speaks in BOTH {
        let nodes = vec![empty_node(0).await, empty_node(1).await];
        nodes[0].put_generated(KEY, 1000, 7).expect("the film");
        let stage = Staging::new(2, 1000).with_source().without_presence().before(nodes).await;
        stage.near().faults().set(Fault::Status(503).times(1));
        let mut answer = Viewer::connect(speaks, &stage).await.ask(&Ask::film()).await.shows(stage.film, 0);
        assert_eq!((answer.status(), answer.end().await), (200, End::Whole));
        assert_eq!(gets(stage.near()).len(), 2, "it failed, and was asked again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_that_is_not_replicated_yet_comes_from_where_it_is() {
    let nodes = vec![empty_node(0).await, empty_node(1).await];
    nodes[0].replicate_to(&nodes[1], Lag::Frozen);
    nodes[0].put_generated(KEY, 1000, 7).expect("the film");
    let stage = Staging::new(2, 1000).with_source().forgetful().before(nodes).await;
    let [source, replica] = &stage.nodes[..] else { panic!("two nodes") };
    for speaks in BOTH {
        let ask = Ask::film().from(SAO_PAULO);
        let mut answer = Viewer::connect(speaks, &stage).await.ask(&ask).await.shows(stage.film, 0);
        assert_eq!((answer.status(), answer.end().await), (200, End::Whole));
    }
    assert!(gets(replica).iter().all(|seen| seen.status == Some(404)) && !gets(replica).is_empty());
    source.set_lag(replica, Lag::After(std::time::Duration::ZERO));
    replica.wait_until(|node| node.has(KEY), PATIENCE).await.expect("replicated");
    // Every viewer gets the film, and sooner or later from the replica.
    let served = || gets(replica).iter().any(|seen| seen.status == Some(206));
    let taken = async {
        while !served() {
            let ask = Ask::film().from(SAO_PAULO);
            let mut answer = Viewer::connect(Speaks::H1, &stage).await.ask(&ask).await.shows(stage.film, 0);
            assert_eq!((answer.status(), answer.end().await), (200, End::Whole));
        }
    };
    tokio::time::timeout(PATIENCE, taken).await.expect("the replica takes its viewers");
}
