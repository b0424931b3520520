//! Another configuration under running viewers: taken whole, or not at all, and nothing that is known is lost.
//!
//! Absent on purpose: files and signals (`process`), and films on their way (`stream`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use watchgate::decide::event::Kind;
use watchgate::gate::reload::{ReloadError, Reloaded, Unwell};
use watchgate::geoip::Databases;
use watchgate_node::{Credential, Fault, Node, Scope};

use crate::support::*;

/// No answer of a node grows old within a story.
const SURE: &str = "[presence]\npositive_ttl = \"1h\"\nnegative_ttl = \"1h\"";

fn setup(nodes: &[&Node]) -> Setup {
    let all = Setup::new().extra(SURE);
    nodes.iter().fold(all, |setup, node| setup.node(node.name(), &node.endpoint()))
}

/// The gate's configuration becomes this one.
async fn reload(gate: &TestGate, toml: &str) -> Result<Reloaded, ReloadError> {
    gate.gate.reload(config(toml), Databases::empty()).await
}

/// Questions for the film, and requests for it, that a node has seen.
fn asked(node: &Node) -> usize {
    node.seen().iter().filter(|seen| seen.path.ends_with(KEY)).count()
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

/// Viewers who ask all the time; each answer has to lead to one of the nodes.
struct Crowd {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<usize>,
}

impl Crowd {
    fn before(gate: &TestGate, nodes: &[&Node]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (url, stopped) = (gate.url(&format!("/watch/{FILM}")), Arc::clone(&stop));
        let places: Vec<String> = nodes.iter().map(|node| format!("{}/", node.endpoint())).collect();
        let task = tokio::spawn(async move {
            let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
            let (client, mut answers) = (client.expect("client"), 0);
            while !stopped.load(Ordering::Relaxed) {
                for viewer in [AMSTERDAM, SINGAPORE, SAO_PAULO] {
                    let got = client.get(&url).header("x-forwarded-for", viewer).send().await;
                    let got = Got::of(got.expect("an answer")).await;
                    assert_eq!(got.status, 302, "{got:?}");
                    let place = got.location();
                    assert!(places.iter().any(|node| place.starts_with(node)), "{place}");
                    answers += 1;
                }
            }
            answers
        });
        Self { stop, task }
    }

    async fn went_well(self) {
        self.stop.store(true, Ordering::Relaxed);
        assert!(self.task.await.expect("every answer was good") > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_come_and_go_under_viewers() {
    let [ams, sin] = [node("ams").await, node("sin").await];
    let gate = setup(&[&ams]).start_proven().await;
    let crowd = Crowd::before(&gate, &[&ams, &sin]);
    assert!(gate.watch(SINGAPORE).await.leads_to(&ams));

    let reloaded = reload(&gate, &setup(&[&ams, &sin]).toml()).await.expect("a good configuration");
    assert_eq!((&reloaded.added, &reloaded.unwell, &reloaded.changed), (&ids(&["sin"]), &vec![], &vec![]));
    // It was asked before it was let in: it takes viewers with the next request.
    assert!(gate.watch(SINGAPORE).await.leads_to(&sin));
    assert!(gate.watch(AMSTERDAM).await.leads_to(&ams));

    let reloaded = reload(&gate, &setup(&[&sin]).toml()).await.expect("a good configuration");
    assert_eq!((reloaded.added, reloaded.removed), (ids(&[]), ids(&["ams"])));
    assert!(gate.watch(AMSTERDAM).await.leads_to(&sin));
    assert!(gate.gate.node("ams").is_none());
    let text = prometheus::TextEncoder::new().encode_to_string(&gate.registry.gather()).expect("text");
    let left: Vec<&str> = text.lines().filter(|line| line.contains("\"ams\"")).collect();
    assert_eq!(left, Vec::<&str>::new(), "a node that left has no figures");
    assert!(text.contains("watchgate_node_up{node=\"sin\"} 1\n"), "{text}");
    // It is probed from now on: its end is noticed.
    crowd.went_well().await;
    sin.kill().await;
    gate.until_state("sin", "down", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_known_of_films_goes_with_the_nodes_and_not_with_their_places() {
    let nodes = [node("ams").await, node("sin").await, node("gru").await];
    let [ams, sin, gru] = &nodes;
    for node in [ams, sin] {
        node.forget(KEY);
    }
    let gate = setup(&[ams, sin, gru]).start_proven().await;
    assert!(gate.watch(AMSTERDAM).await.leads_to(gru), "the only holder");
    let known = "everybody has said so";
    eventually(known, || nodes.iter().all(|node| asked(node) == 1)).await;

    for order in [[gru, ams, sin], [sin, gru, ams], [ams, sin, gru]] {
        reload(&gate, &setup(&order).toml()).await.expect("a good configuration");
        for viewer in [AMSTERDAM, SINGAPORE, SAO_PAULO] {
            assert!(gate.watch(viewer).await.leads_to(gru), "still the only holder");
        }
    }
    // One in the middle leaves, and what the others said stays theirs.
    reload(&gate, &setup(&[ams, gru]).toml()).await.expect("a good configuration");
    assert!(gate.watch(SINGAPORE).await.leads_to(gru));
    assert_eq!(nodes.each_ref().map(asked), [1; 3], "and nobody was asked again");
}

/// The same id, and another store behind it: nothing that the old one said is believed of the new one.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_moves_has_to_speak_for_itself() {
    let ([old, new], gru) = ([node("ams").await, node("ams").await], node("gru").await);
    new.forget(KEY);
    let gate = setup(&[&old, &gru]).start_proven().await;
    assert!(gate.watch(AMSTERDAM).await.leads_to(&old));
    let reloaded = reload(&gate, &setup(&[&new, &gru]).toml()).await.expect("a good configuration");
    assert_eq!((reloaded.changed, reloaded.removed), (ids(&["ams"]), ids(&[])));
    assert!(gate.watch(AMSTERDAM).await.leads_to(&gru), "the film is not there yet");
    assert_eq!(asked(&new), 1, "it was asked");
}

/// The newest version counts as long as somebody of the fleet holds it.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_leaves_with_its_only_holder() {
    let [ams, sin] = [node("ams").await, node("sin").await];
    let source =
        |setup: Setup| setup.node_with("ams", &ams.endpoint(), ("gate", "gate-secret"), "role = \"source\"");
    let gate = source(setup(&[&sin])).start_proven().await;
    assert!(gate.watch(SINGAPORE).await.leads_to(&sin));
    ams.put(KEY, b"newer".to_vec(), "video/mp4").expect("a film");
    gate.gate.object_changed(KEY, Kind::Created);
    let is_behind = async { while !gate.watch(SINGAPORE).await.leads_to(&ams) {} };
    tokio::time::timeout(PATIENCE, is_behind).await.expect("sin is known to be behind");

    eventually("sin has been asked, too", || asked(&sin) == 2).await;
    reload(&gate, &setup(&[&sin]).toml()).await.expect("a good configuration");
    assert!(gate.watch(SINGAPORE).await.leads_to(&sin), "what it holds is the newest by now");
    assert_eq!(asked(&sin), 2, "which it had said");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_drains_outlive_a_reload() {
    let nodes = [node("ams").await, node("sin").await, node("gru").await];
    let [ams, sin, gru] = &nodes;
    let gate = setup(&[ams, sin, gru]).start_proven().await;
    sin.kill().await;
    gate.until_state("sin", "down", None).await;
    gate.gate.drain("ams", true).expect("a node");
    let since = gate.gate.node("sin").expect("a node").since;

    let weighted = nodes.iter().fold(Setup::new().extra(SURE), |setup, node| {
        setup.node_with(node.name(), &node.endpoint(), ("gate", "gate-secret"), "weight = 2.0")
    });
    let reloaded = reload(&gate, &weighted.toml()).await.expect("a good configuration");
    assert_eq!((reloaded.changed, reloaded.unwell), (ids(&["ams", "sin", "gru"]), vec![]));
    let after = gate.gate.node("sin").expect("a node");
    assert_eq!((after.state.as_str(), after.since), ("down", since));
    assert!(gate.gate.node("ams").expect("a node").draining);
    assert!(gate.watch(AMSTERDAM).await.leads_to(gru));
    assert_eq!(gate.metric("watchgate_node_up", &[("node", "gru")]).to_bits(), 1_f64.to_bits());
    // Whoever watches it now watches the same node.
    sin.revive().await.expect("its port");
    gate.until_state("sin", "up", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_change_under_viewers() {
    let ams = node("ams").await;
    let gate = setup(&[&ams]).start_proven().await;
    let crowd = Crowd::before(&gate, &[&ams]);
    ams.add_credential(Credential::new("next", "next-secret"));
    let next = Setup::new().extra(SURE).node_with("ams", &ams.endpoint(), ("next", "next-secret"), "");
    let reloaded = reload(&gate, &next.toml()).await.expect("a good configuration");
    assert_eq!((reloaded.changed, reloaded.unwell), (ids(&["ams"]), vec![]));
    ams.remove_credential("gate");
    let got = gate.watch(AMSTERDAM).await;
    let served = reqwest::get(got.location()).await.expect("the node answers");
    assert_eq!(served.status(), 200);
    assert_eq!(served.bytes().await.expect("the film"), film());
    crowd.went_well().await;
    gate.until_state("ams", "up", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slip_that_would_end_the_service_changes_nothing() {
    let [ams, sin] = [node("ams").await, node("sin").await];
    let gate = setup(&[&ams, &sin]).start_proven().await;
    let crowd = Crowd::before(&gate, &[&ams, &sin]);
    let slip = |node: &Node, secret: &str| (node.name().to_owned(), node.endpoint(), secret.to_owned());
    let with = |nodes: &[(String, String, String)]| {
        let all = Setup::new().extra(SURE);
        let with = nodes
            .iter()
            .fold(all, |setup, (id, endpoint, secret)| setup.node_with(id, endpoint, ("gate", secret), ""));
        with.toml()
    };
    let refused = reload(&gate, &with(&[slip(&ams, "wrong"), slip(&sin, "wrong")])).await;
    let Err(ReloadError::NobodyLeft(unwell)) = refused else { panic!("{refused:?}") };
    let told: Vec<&str> = unwell.iter().map(|Unwell { node, .. }| node.as_str()).collect();
    assert_eq!(told, ["ams", "sin"]);
    assert!(unwell.iter().all(|Unwell { cause, .. }| cause.contains("SignatureDoesNotMatch")), "{unwell:?}");
    assert_eq!(gate.metric("watchgate_node_up", &[]).to_bits(), 2_f64.to_bits());
    assert!(gate.watch(SINGAPORE).await.leads_to(&sin));

    // One wrong secret is not the end: the node stays away, and is named.
    let reloaded = reload(&gate, &with(&[slip(&ams, "gate-secret"), slip(&sin, "wrong")])).await;
    let unwell = reloaded.expect("somebody is left").unwell;
    assert_eq!(unwell.len(), 1, "{unwell:?}");
    let sin_now = gate.gate.node("sin").expect("a node");
    assert_eq!((sin_now.state.as_str(), sin_now.reason.as_deref()), ("down", Some("bad_signature")));
    assert!(gate.watch(SINGAPORE).await.leads_to(&ams), "with the first request after it");
    crowd.went_well().await;
    assert!(gate.watch(SINGAPORE).await.leads_to(&ams));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_a_restart_brings_is_named_and_the_rest_is_taken() {
    let ams = node("ams").await;
    let gate = setup(&[&ams]).start_proven().await;
    let other = setup(&[&ams])
        .watch("prefix = \"/films/\"\nlink_lifetime = \"1h\"\ndecision_header = true")
        .extra("[log]\nlevel = \"debug\"");
    let reloaded = reload(&gate, &other.toml()).await.expect("a good configuration");
    assert_eq!(reloaded.restart, ["watch.prefix", "log"]);
    let got = gate.watch(AMSTERDAM).await;
    assert!(got.location().contains("X-Amz-Expires=") && got.leads_to(&ams), "{got:?}");
    assert!(got.headers.contains_key("watchgate-decision"), "the rest holds: {got:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_one_reload_at_a_time() {
    let ams = node("ams").await;
    let gate = setup(&[&ams]).start_proven().await;
    // It answers nobody, so that the proof takes its time.
    let silent = node("sin").await;
    silent.freeze();
    let toml = setup(&[&ams, &silent]).toml();
    let slow = reload(&gate, &toml);
    let quick = async {
        let busy = || async { matches!(reload(&gate, &setup(&[&ams]).toml()).await, Err(ReloadError::Busy)) };
        assert!(busy().await, "the other one is under way");
    };
    let (reloaded, ()) = tokio::join!(slow, quick);
    let reloaded = reloaded.expect("somebody is left");
    assert_eq!(reloaded.unwell.iter().map(|unwell| unwell.node.as_str()).collect::<Vec<_>>(), ["sin"]);
    assert!(gate.watch(SINGAPORE).await.leads_to(&ams));
}

/// Every fleet of the three after every other: places, members and rounds in flight change all the time, and each viewer
/// goes where the fleet of that moment has its place.
/// Who waits for the word of a node that leaves is not left waiting, and not told that nobody has the film.
#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_node_that_leaves_goes_to_those_who_came() {
    let [ams, gru] = [node("ams").await, node("gru").await];
    let patient = "[stream]\nfirst_byte_timeout = \"10m\"";
    let gate = setup(&[&ams]).extra(patient).start_proven().await;
    ams.faults().set(Fault::DelayMs(3_600_000).on(Scope::Heads));
    let waiting = gate.watch(AMSTERDAM);
    let reloading = async {
        eventually("ams is asked", || asked(&ams) == 1).await;
        reload(&gate, &setup(&[&gru]).extra(patient).toml()).await.expect("a good configuration");
    };
    let both = async { tokio::join!(waiting, reloading) };
    let (got, ()) = tokio::time::timeout(PATIENCE, both).await.expect("an answer in time");
    assert!(got.leads_to(&gru), "{got:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn fleets_follow_each_other_in_any_order() {
    let nodes = [node("ams").await, node("sin").await, node("gru").await];
    let [ams, sin, gru] = &nodes;
    let gate = setup(&[ams, sin, gru]).start_proven().await;
    let crowd = Crowd::before(&gate, &[ams, sin, gru]);
    // From each of the seven fleets to each other one: a walk of all differences.
    let walk = (1..7_u32).flat_map(|step| (0..7_u32).map(move |turn| 1 + (step * turn + step) % 7));
    for (turn, fleet) in walk.enumerate() {
        let mut of: Vec<&Node> =
            nodes.iter().enumerate().filter(|(bit, _)| fleet >> bit & 1 == 1).map(|(_, node)| node).collect();
        let places = of.len();
        of.rotate_left(turn % places);
        let reloaded = reload(&gate, &setup(&of).toml()).await.expect("a good configuration");
        assert_eq!(reloaded.unwell, vec![]);
        for (viewer, home) in [(AMSTERDAM, ams), (SINGAPORE, sin), (SAO_PAULO, gru)] {
            let got = gate.watch(viewer).await;
            let is_at_home = of.iter().any(|node| node.name() == home.name());
            let to: Vec<&&Node> = of.iter().filter(|node| got.leads_to(node)).collect();
            assert_eq!(to.len(), 1, "{viewer} in turn {turn}: {got:?}");
            assert!(!is_at_home || got.leads_to(home), "{viewer} in turn {turn}: {got:?}");
        }
    }
    crowd.went_well().await;
}
