//! Each profile before nodes with the manners of its store, by the stores' sources and documentation.

use std::collections::BTreeSet;

use reqwest::Method;
use tokio::task::JoinSet;
use watchgate::decide::event::Kind;
use watchgate_node::{Credential, Fault, Health, Lag, Manners, Node, Policy, Scope, Seen};

use crate::gates::{CITIES, FILM, KEY, TestGate, eventually};
use crate::support::{GATE, film, gate, link_plays, streams, watch};
use crate::weed::until;

const PROFILES: [(&str, Manners); 6] = [
    ("minio", Manners::Minio),
    ("rustfs", Manners::Rustfs),
    ("seaweedfs", Manners::Seaweedfs),
    ("garage", Manners::Garage),
    ("ceph", Manners::Ceph),
    ("s3", Manners::S3),
];
/// What keeps a store from asking its peers.
const HONEST: &str = "x-minio-source-proxy-request";

/// The story of every profile, side by side: verdicts take their time.
async fn for_each<F: Future<Output = ()> + Send + 'static>(story: impl Fn(&'static str, Manners) -> F) {
    let stories: JoinSet<()> =
        PROFILES.into_iter().map(|(profile, manners)| story(profile, manners)).collect();
    stories.join_all().await;
}

/// A node whose key may read, and that has no film yet.
async fn empty(city: usize, manners: Manners) -> Node {
    let reader = Credential::new(GATE.0, GATE.1).policy(Policy::ReadOnly);
    let builder = Node::builder(CITIES[city].0).credentials(reader).bucket("movies").manners(manners);
    builder.start().await.expect("a node")
}

async fn holder(manners: Manners) -> Node {
    let node = empty(0, manners).await;
    node.put(KEY, film(), "video/mp4").expect("the film");
    node
}

/// Requests of the gate's own that are signed.
fn signed(node: &Node) -> Vec<Seen> {
    let is_link = |seen: &Seen| seen.query.as_deref().is_some_and(|query| query.contains("X-Amz-Signature"));
    node.seen().into_iter().filter(|seen| seen.signature_ok.is_some() && !is_link(seen)).collect()
}

/// Rounds of probes so far.
fn rounds(node: &Node) -> usize {
    node.seen()
        .iter()
        .filter(|seen| seen.method == "HEAD" && seen.path.trim_end_matches('/') == "/movies")
        .count()
}

#[tokio::test]
async fn a_store_is_asked_what_it_has_and_its_films_play() {
    for (profile, manners) in PROFILES {
        let node = holder(manners).await;
        let redirecting = gate("redirect", profile, &[&node.endpoint()]).await;
        let asked: BTreeSet<_> = node.seen().into_iter().map(|seen| (seen.method, seen.path)).collect();
        let health = match profile {
            "minio" | "rustfs" => Some("/minio/health/cluster/read"),
            "seaweedfs" => Some("/healthz"),
            _ => None,
        };
        let wanted = [health.map(|path| ("GET", path)), Some(("HEAD", "/movies"))].into_iter().flatten();
        let wanted: BTreeSet<_> = wanted.map(|(method, path)| (method.to_owned(), path.to_owned())).collect();
        assert_eq!(asked, wanted, "{profile}");
        link_plays(&redirecting).await;
        streams(&gate("stream", profile, &[&node.endpoint()]).await).await;
    }
}

#[tokio::test]
async fn only_minio_and_rustfs_are_kept_from_asking_their_peers() {
    for (profile, manners) in PROFILES {
        let (near, far) = (empty(0, manners).await, empty(2, manners).await);
        far.put(KEY, film(), "video/mp4").expect("the film");
        // Had it been asked without the header, MinIO would fetch the film from its peer.
        near.replicate_to(&far, Lag::Frozen);
        let gate = gate("stream", profile, &[&near.endpoint(), &far.endpoint()]).await;
        streams(&gate).await;
        for node in [&near, &far] {
            let seen = signed(node);
            assert!(seen.iter().any(|seen| seen.path.ends_with(KEY)), "{profile}: {} was asked", node.name());
            let is_kept = matches!(profile, "minio" | "rustfs");
            for seen in seen {
                let header = seen.headers.get(HONEST).map(String::as_str);
                assert_eq!(header, is_kept.then_some("false"), "{profile}: {seen:?}");
                assert_eq!((seen.proxied_from, seen.signature_ok), (None, Some(true)), "{profile}");
            }
        }
    }
}

#[tokio::test]
async fn what_takes_a_store_down() {
    for_each(comes_and_goes).await;
}

async fn comes_and_goes(profile: &'static str, manners: Manners) {
    let node = holder(manners).await;
    let gate = gate("redirect", profile, &[&node.endpoint()]).await;
    let down = async |reason: &str| gate.until_state("ams", "down", Some(reason)).await;
    let up = async || gate.until_state("ams", "up", None).await;

    node.faults().set(Fault::Status(503).on(Scope::S3));
    down("status").await;
    node.faults().clear();
    up().await;

    node.remove_bucket("movies");
    down("no_bucket").await;
    node.add_bucket("movies");
    up().await;

    // Only MinIO tells a wrong key from a missing permission where there is no body to say it in.
    node.remove_credential(GATE.0);
    down(if profile == "minio" { "bad_signature" } else { "forbidden" }).await;
    node.add_credential(Credential::new(GATE.0, GATE.1));
    up().await;

    node.set_health(Health::Down);
    if matches!(profile, "minio" | "rustfs" | "seaweedfs") {
        down("status").await;
    } else {
        let before = rounds(&node);
        eventually("more rounds", || rounds(&node) > before + 4).await;
        assert_eq!(gate.gate.nodes()[0].state, "up", "{profile} has no health page");
    }
}

#[tokio::test]
async fn load_is_the_stores_word_or_the_gates_count() {
    for_each(is_loaded).await;
}

async fn is_loaded(profile: &'static str, manners: Manners) {
    let node = holder(manners).await;
    let gate = gate("redirect", profile, &[&node.endpoint()]).await;
    for _ in 0..20 {
        watch(&gate, Method::GET, &[]).await.location();
    }
    let viewers = || gate.gate.nodes()[0].viewers;
    if profile == "minio" {
        eventually("MinIO says that nobody came", || viewers() == 0).await;
    } else {
        let before = rounds(&node);
        eventually("more rounds", || rounds(&node) > before + 2).await;
        assert!(viewers() > 0, "{profile}: viewers are counted where they are sent");
    }
}

#[tokio::test]
async fn a_film_is_pinned_to_its_version_where_that_may_be_read() {
    for (profile, manners) in PROFILES {
        let node = holder(manners).await;
        let gate = gate("stream", profile, &[&node.endpoint()]).await;
        let got = watch(&gate, Method::GET, &[]).await;
        assert!(got.status == 200 && got.body == film(), "{profile}: {} {}", got.status, got.body.len());
        let gets = signed(&node).into_iter().filter(|seen| seen.method == "GET");
        let of_version: Vec<_> = gets
            .filter(|seen| seen.query.as_deref().is_some_and(|query| query.contains("versionId")))
            .collect();
        assert_eq!(of_version.is_empty(), profile == "garage", "{profile}");
        let is_refused = |seen: &Seen| seen.status == Some(403);
        assert_eq!(of_version.iter().any(is_refused), profile == "s3", "{profile}: {of_version:?}");
        assert!(resumes(&gate) < 1.0, "{profile}: no failure of the node");
    }
}

fn resumes(gate: &TestGate) -> f64 {
    gate.metric("watchgate_resumes_total", &[])
}

#[tokio::test]
async fn a_film_whose_delete_is_told_is_gone_with_a_marker_or_without() {
    for (profile, manners) in PROFILES {
        let node = holder(manners).await;
        let gate = gate("stream", profile, &[&node.endpoint()]).await;
        assert_eq!(watch(&gate, Method::HEAD, &[]).await.status, 200, "{profile} {FILM}");
        node.delete(KEY).expect("the bucket is there");
        gate.gate.object_changed(KEY, Kind::Removed);
        until("the film is gone", async || watch(&gate, Method::HEAD, &[]).await.status == 404).await;
        assert_eq!(watch(&gate, Method::GET, &[]).await.status, 404, "{profile}");
    }
}
