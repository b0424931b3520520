//! Films that outlive the fleet they began with: a reload moves them to other nodes and other credentials.

use watchgate::gate::reload::{ReloadError, Reloaded};
use watchgate::geoip::Databases;
use watchgate_node::{Cut, Node};

use crate::gates::{KEY, Setup, config, eventually};
use crate::support::*;
use crate::viewer::*;

const SIZE: u64 = 12_000_000;
const BANDWIDTH: u64 = 4_000_000;

/// As [`Staging::rig`] has it, with these nodes.
fn toml(nodes: &[&Node], key: (&str, &str)) -> String {
    let health = "[health]\ninterval = \"1m\"\ntimeout = \"20s\"\nrise = 1\nslow_start = \"0s\"";
    let setup =
        Setup::new().watch("mode = \"stream\"").extra(&format!("[stream]\nwindow = \"1MiB\"\n{health}"));
    nodes.iter().fold(setup, |setup, node| setup.node_with(node.name(), &node.endpoint(), key, "")).toml()
}

/// The gate's configuration becomes this one.
async fn reload(stage: &Stage, toml: &str) -> Result<Reloaded, ReloadError> {
    stage.gate.gate.reload(config(toml), Databases::empty()).await
}

async fn holder(number: usize, film: Film) -> Node {
    let node = empty_node(number).await;
    node.put_generated(KEY, film.size, film.seed).expect("the film");
    node.set_bandwidth(Some(BANDWIDTH));
    node
}

/// A viewer that has seen the first megabyte of a film in short windows.
async fn midway(stage: &Stage, speaks: Speaks) -> Answer {
    stage.nodes.iter().for_each(|node| node.set_bandwidth(Some(BANDWIDTH)));
    let mut answer = Viewer::connect(speaks, stage).await.ask(&Ask::film()).await.shows(stage.film, 0);
    assert!(answer.until(1_000_000).await);
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_moves_to_a_fleet_that_was_not_there_when_it_began() {
    over_both(async |speaks| {
        let stage = Staging::new(2, SIZE).stream("window", "\"1MiB\"").up().await;
        let mut answer = midway(&stage, speaks).await;
        // The same film made again has the same tag, as a copy has.
        let others = [holder(0, stage.film).await, holder(1, stage.film).await];
        let [ams, gru] = &others;
        let reloaded = reload(&stage, &toml(&[gru, ams], ("gate", "gate-secret"))).await;
        assert_eq!(reloaded.expect("a good configuration").unwell, vec![]);
        for node in &stage.nodes {
            node.refuse().await;
            node.cut_connections(Cut::Reset).await;
        }
        assert_eq!((answer.end().await, answer.bytes), (End::Whole, SIZE), "{speaks:?}");
        assert!(others.iter().any(|node| !gets(node).is_empty()), "the others had to serve the rest");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_goes_on_with_other_credentials() {
    over_both(async |speaks| {
        let stage = Staging::new(1, SIZE).stream("window", "\"1MiB\"").up().await;
        let mut answer = midway(&stage, speaks).await;
        let near = stage.near();
        near.add_credential(watchgate_node::Credential::new("next", "next-secret"));
        reload(&stage, &toml(&[near], ("next", "next-secret"))).await.expect("a good configuration");
        near.remove_credential("gate");
        assert_eq!((answer.end().await, answer.bytes), (End::Whole, SIZE), "{speaks:?}");
        let asked = gets(near);
        assert!(asked.iter().all(|seen| seen.status.is_none_or(|status| status < 400)), "{asked:?}");
    })
    .await;
}

/// A node that was taken out has no new requests; what it was sending it may end.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_taken_out_is_not_asked_again() {
    over_both(async |speaks| {
        let stage = Staging::new(2, SIZE).stream("window", "\"1MiB\"").up().await;
        let mut answer = midway(&stage, speaks).await;
        let [ams, gru] = [&stage.nodes[0], &stage.nodes[1]];
        reload(&stage, &toml(&[gru], ("gate", "gate-secret"))).await.expect("a good configuration");
        let last = gets(ams).len();
        assert_eq!((answer.end().await, answer.bytes), (End::Whole, SIZE), "{speaks:?}");
        // A request that was on its way at that moment may have come after it.
        assert!(gets(ams).len() <= last + 1, "{} after {last}", gets(ams).len());
        assert!(!gets(gru).is_empty());
        eventually("nothing is open there", || ams.in_flight() == 0).await;
        assert_eq!(stage.resumes(), 0, "nobody failed");
    })
    .await;
}
