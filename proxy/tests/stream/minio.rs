//! Films of real MinIO nodes: replicated by MinIO itself, killed, frozen and cut off under a crowd of viewers.
//!
//! Where MinIO is missing, each story says so on stderr and passes; with `WATCHGATE_REQUIRE_MINIO=1`
//! (as in CI) it fails instead.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;

use crate::gates::{AMSTERDAM, CITIES, KEY, SAO_PAULO, eventually};
use crate::minio_cluster::{Cluster, GATE, Tools, tools};
use crate::relay::Relay;
use crate::support::*;
use crate::viewer::*;

/// Of one connection between gate and node: slow enough that a fault hits films that run.
const BYTES_PER_S: u64 = 5_000_000;
const VIEWERS: usize = 50;
/// MinIO lets go of a reader after 30 to 35 seconds.
const PAUSE: Duration = Duration::from_secs(90);
/// Windows grow to 1, 2, 4, 8, 16 and 32 MiB: this is in the last one of them.
const BEGINNING: u64 = 36 << 20;
/// Less than MinIO takes for reading.
const CRAWL_BYTES_PER_S: u64 = 30_000;

/// Verdicts as in production, only sooner.
const HEALTH: &str = "interval = \"1s\"\ntimeout = \"500ms\"\nrise = 2\nslow_start = \"0s\"";

/// MinIO nodes behind a network each, and a gate before them.
struct Fleet {
    cluster: Cluster,
    relays: Vec<Relay>,
    stage: Stage,
}

/// A gate before the nodes, with a network of its own to each.
async fn before(cluster: &Cluster, staging: Staging) -> (Stage, Vec<Relay>) {
    let mut relays = Vec::new();
    let mut rig = staging.health(HEALTH).rig();
    for (node, (city, ..)) in cluster.nodes.iter().zip(CITIES) {
        let addr = node.endpoint().trim_start_matches("http://").parse().expect("an address");
        let relay = Relay::start(addr, BYTES_PER_S);
        rig = rig.node(city, &relay.endpoint(), GATE, "");
        relays.push(relay);
    }
    (rig.raise(Vec::new()).await, relays)
}

impl Fleet {
    async fn start(cluster: Cluster, staging: Staging) -> Self {
        let (stage, relays) = before(&cluster, staging).await;
        Self { cluster, relays, stage }
    }

    fn resumes(&self) -> u64 {
        self.stage.resumes()
    }
}

fn bytes(size: usize, seed: u64) -> Bytes {
    let mut bytes = vec![0; size];
    watchgate_node::generate(seed, 0, &mut bytes);
    bytes.into()
}

/// Any number below `most`, another one each time.
fn any_below(most: u64) -> u64 {
    RandomState::new().build_hasher().finish() % most
}

/// Watches a part of the film to its end, and tells of each megabyte.
async fn watched(answer: Answer, film: Bytes, first: u64, length: u64, told: Arc<AtomicU64>) {
    let mut answer = answer.shows(film, first);
    assert_eq!(answer.promised, Some(length));
    while answer.bytes < length {
        let before = answer.bytes;
        assert!(answer.until(length.min(before + 1_000_000)).await, "cut: {before} of {length} from {first}");
        told.fetch_add(answer.bytes - before, Ordering::Relaxed);
    }
    assert_eq!(answer.end().await, End::Whole);
}

/// What happens to the node that serves most films, or to all.
#[derive(Clone, Copy, Debug)]
enum Blow {
    Kill,
    Freeze,
    Reset,
    BlackHole,
    ResetAll,
}

/// One blow, and the way back from it once films have felt it.
async fn strike(fleet: &mut Fleet, tools: &Tools, blow: Blow) {
    let streams = |node: &usize| fleet.stage.count("watchgate_streams", &[("node", CITIES[*node].0)]);
    let node = (0..fleet.cluster.nodes.len()).max_by_key(streams).expect("nodes");
    let before = fleet.resumes();
    match blow {
        Blow::Kill => fleet.cluster.nodes[node].kill(),
        Blow::Freeze => fleet.cluster.nodes[node].signal("STOP"),
        Blow::Reset => fleet.relays[node].reset(),
        Blow::BlackHole => fleet.relays[node].black_hole(true),
        Blow::ResetAll => fleet.relays.iter().for_each(Relay::reset),
    }
    eventually(&format!("{blow:?} at {node} hits films"), || fleet.resumes() > before).await;
    match blow {
        Blow::Kill => fleet.cluster.restart(tools, node).await,
        Blow::Freeze => fleet.cluster.nodes[node].signal("CONT"),
        Blow::BlackHole => fleet.relays[node].black_hole(false),
        Blow::Reset | Blow::ResetAll => return,
    }
    fleet.stage.gate.until_state(CITIES[node].0, "up", None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_viewers_lose_no_byte_to_dying_nodes() {
    let Some(tools) = tools("fifty_viewers_lose_no_byte_to_dying_nodes") else { return };
    let film = bytes(200_000_000, 1);
    let size = film.len() as u64;
    let cluster = Cluster::start(&tools, 3).await;
    cluster.put(KEY, &film);
    cluster.until_replicated(KEY).await;
    let staging = Staging::new(0, size)
        .stream("first_byte_timeout", "\"1s\"")
        .stream("stall_timeout", "\"1s\"")
        .stream("hedge_after", "\"500ms\"");
    let mut fleet = Fleet::start(cluster, staging).await;
    let (told, mut all) = (Arc::new(AtomicU64::new(0)), 0);
    let mut viewers = JoinSet::new();
    for number in 0..VIEWERS {
        let speaks = BOTH[number % BOTH.len()];
        let ask = Ask::film().from(["192.0.2.10", "198.51.100.10", "203.0.113.10"][number % 3]);
        let first = if number % 4 < 2 { 0 } else { any_below(size / 2) };
        let ask = if first == 0 { ask } else { ask.range(&format!("bytes={first}-")) };
        all += size - first;
        let viewer = Viewer::connect(speaks, &fleet.stage).await;
        let (film, told) = (film.clone(), Arc::clone(&told));
        viewers.spawn(async move { watched(viewer.ask(&ask).await, film, first, size - first, told).await });
    }
    let blows = [Blow::Kill, Blow::Freeze, Blow::Reset, Blow::BlackHole, Blow::ResetAll, Blow::Kill];
    let share = all / (blows.len() as u64 + 2);
    for (number, blow) in blows.into_iter().enumerate() {
        let at = share * (number as u64 + 1) / 2 + any_below(share / 2);
        eventually("the films run", || told.load(Ordering::Relaxed) >= at).await;
        strike(&mut fleet, &tools, blow).await;
    }
    while let Some(viewer) = viewers.join_next().await {
        viewer.expect("a whole film");
    }
    assert_eq!(told.load(Ordering::Relaxed), all);
    let stage = &fleet.stage;
    assert_eq!(stage.count("watchgate_requests_total", &[("outcome", "cut")]), 0);
    assert_eq!(stage.count("watchgate_requests_total", &[("outcome", "stream")]), VIEWERS as u64);
}

/// Reads nothing for longer than MinIO waits, or reads so slowly that MinIO takes it for nothing, and then the rest.
async fn dawdled(viewer: Viewer, film: Bytes, crawls: bool) {
    let size = film.len() as u64;
    let mut answer = viewer.ask(&Ask::film()).await.shows(film, 0);
    // Up to windows that no kernel holds: MinIO has to wait.
    assert!(answer.until(BEGINNING).await);
    if crawls {
        answer.paced(CRAWL_BYTES_PER_S, BEGINNING + CRAWL_BYTES_PER_S * PAUSE.as_secs()).await;
    } else {
        answer.pause(PAUSE).await;
    }
    assert_eq!((answer.end().await, answer.bytes), (End::Whole, size), "crawls: {crawls}");
}

#[tokio::test(flavor = "multi_thread")]
async fn films_outlast_minios_patience() {
    let Some(tools) = tools("films_outlast_minios_patience") else { return };
    let film = bytes(100_000_000, 1);
    let cluster = Cluster::start(&tools, 1).await;
    cluster.put(KEY, &film);
    let mut viewers = JoinSet::new();
    let mut gates = Vec::new();
    // One gate lets MinIO go in time, the other one is let go.
    for park_after in ["\"10s\"", "\"10m\""] {
        let staging = Staging::new(0, film.len() as u64)
            .stream("first_byte_timeout", "\"5s\"")
            .stream("stall_timeout", "\"10s\"")
            .stream("park_after", park_after);
        let (stage, relays) = before(&cluster, staging).await;
        for speaks in BOTH {
            for crawls in [true, false] {
                let viewer = Viewer::connect(speaks, &stage).await;
                viewers.spawn(dawdled(viewer, film.clone(), crawls));
            }
        }
        gates.push((stage, relays));
    }
    viewers.join_all().await;
    for (stage, _) in &gates {
        let moves: Vec<_> = stage.lines().iter().map(|line| line["watchgate.resumes"].clone()).collect();
        assert_eq!(stage.resumes(), 0, "a viewer's pace says nothing against a node: {moves:?}");
        assert_eq!(stage.count("watchgate_node_transitions_total", &[("to", "down")]), 0);
    }
    let told: Vec<(u64, u64)> = gates
        .iter()
        .map(|(stage, relays)| (stage.count("watchgate_parks_total", &[]), relays[0].ended_by_node()))
        .collect();
    assert!(told[0].0 >= 4 && told[0].1 == 0, "parks, and connections that MinIO ended: {told:?}");
    assert!(told[1].0 == 0 && told[1].1 >= 2, "parks, and connections that MinIO ended: {told:?}");
}

/// The version of the film that is on top at a node; nothing: a delete marker.
fn on_top(cluster: &Cluster, node: usize) -> Option<String> {
    let versions = cluster.mc(&["ls", "--json", "--versions", &format!("n{node}/movies/{KEY}")]);
    let newest = versions.lines().next().expect("a version");
    let newest: serde_json::Value = serde_json::from_str(newest).expect("JSON");
    let is_marker = newest["isDeleteMarker"].as_bool().unwrap_or(false);
    (!is_marker).then(|| newest["versionId"].as_str().expect("an id").to_owned())
}

/// All of them read until they have so many bytes.
async fn on_to(watching: Vec<Answer>, bytes: u64) -> Vec<Answer> {
    let mut reading = JoinSet::new();
    for mut answer in watching {
        reading.spawn(async move {
            assert!(answer.until(bytes).await, "{} of {bytes}", answer.bytes);
            answer
        });
    }
    reading.join_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_that_is_overwritten_or_deleted_plays_to_its_end() {
    let Some(tools) = tools("a_film_that_is_overwritten_or_deleted_plays_to_its_end") else { return };
    let film = bytes(40_000_000, 1);
    let size = film.len() as u64;
    let cluster = Cluster::start(&tools, 2).await;
    cluster.put(KEY, &film);
    cluster.until_replicated(KEY).await;
    let mut fleet = Fleet::start(cluster, Staging::new(0, size).stream("window", "\"1MiB\"")).await;
    let mut watching = Vec::new();
    for speaks in BOTH {
        for from in [AMSTERDAM, SAO_PAULO] {
            let answer = Viewer::connect(speaks, &fleet.stage).await.ask(&Ask::film().from(from)).await;
            let mut answer = answer.shows(film.clone(), 0);
            assert!(answer.until(2_000_000).await);
            watching.push(answer);
        }
    }
    let first = on_top(&fleet.cluster, 0);
    assert_eq!(first, on_top(&fleet.cluster, 1), "MinIO copies the version's id");
    fleet.cluster.put(KEY, &bytes(1_000_000, 2));
    eventually("overwritten on both", || {
        let top = on_top(&fleet.cluster, 0);
        top != first && on_top(&fleet.cluster, 1) == top
    })
    .await;
    watching = on_to(watching, 12_000_000).await;
    fleet.cluster.mc(&["rm", &format!("n0/movies/{KEY}")]);
    eventually("deleted on both", || (0..2).all(|node| on_top(&fleet.cluster, node).is_none())).await;
    watching = on_to(watching, 22_000_000).await;
    fleet.cluster.nodes[0].kill();
    watching = on_to(watching, size).await;
    for answer in &mut watching {
        assert_eq!((answer.end().await, answer.bytes), (End::Whole, size));
    }
    assert!(fleet.resumes() >= 1);
}
