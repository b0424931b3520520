//! The gate before real MinIO: one source and its replicas, with bucket replication set up by `mc`.
//!
//! Where MinIO is missing, each story says so on stderr and passes; with `WATCHGATE_REQUIRE_MINIO=1`
//! (as in CI) it fails instead.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Instant;

use reqwest::Method;
use watchgate::sign::{Addressing, DayKey, HeaderRequest, Resource, Scheme, Target, TargetParts, link_time};

use crate::minio_cluster::{self as cluster, Cluster, REQUIRED, tools};
use crate::support::*;

const INTERVAL_MS: u64 = 1000;
const TIMEOUT_MS: u64 = 500;
const FALL: u64 = 3;

fn health() -> String {
    format!(
        "[health]\ninterval = \"{INTERVAL_MS}ms\"\ntimeout = \"{TIMEOUT_MS}ms\"\nfall = {FALL}\nslow_start = \"0s\""
    )
}

/// A gate before the cluster's nodes, each in the city of its turn.
async fn gate(cluster: &Cluster) -> TestGate {
    let mut setup = Setup::new().extra(&health());
    for (node, (city, ..)) in cluster.nodes.iter().zip(CITIES) {
        setup = setup.node_with(city, &node.endpoint(), cluster::GATE, "");
    }
    let gate = setup.start_proven().await;
    gate.until("all are up", |nodes| nodes.iter().all(|node| node.state == "up")).await;
    gate
}

async fn status(method: Method, url: &str) -> u16 {
    reqwest::Client::new().request(method, url).send().await.expect("MinIO answers").status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn links_play_at_the_nearest_node_and_altered_ones_do_not() {
    let Some(tools) = tools("links_play_at_the_nearest_node_and_altered_ones_do_not") else { return };
    let cluster = Cluster::start(&tools, 3).await;
    cluster.put(KEY, &film());
    let gate = gate(&cluster).await;
    for (node, viewer) in cluster.nodes.iter().zip([AMSTERDAM, SINGAPORE, SAO_PAULO]) {
        cluster.until_replicated(KEY).await;
        let link = gate.watch(viewer).await.location().to_owned();
        assert!(link.starts_with(&format!("{}/movies/", node.endpoint())), "{viewer}: {link}");
        let got = Got::of(reqwest::get(&link).await.expect("MinIO answers")).await;
        assert!((got.status, got.body == film()) == (200, true), "{viewer}: {}", got.status);
        let seek = reqwest::Client::new()
            .get(&link)
            .header("range", "bytes=1000-1999")
            .send()
            .await
            .expect("answer");
        let seek = Got::of(seek).await;
        assert!(seek.status == 206 && seek.body == film()[1000..2000]);
        assert_eq!(status(Method::HEAD, &link).await, 403, "a GET link is no HEAD link");
        let head = gate.ask(Method::HEAD, &format!("/watch/{FILM}"), viewer).send().await.expect("an answer");
        assert_eq!(status(Method::HEAD, Got::of(head).await.location()).await, 200);
        let flipped = match link.pop_last() {
            (start, '0') => format!("{start}1"),
            (start, _) => format!("{start}0"),
        };
        for altered in [flipped, link.replace(KEY, "other.mp4"), link.replace("Expires=", "Expires=1")] {
            assert_eq!(status(Method::GET, &altered).await, 403, "{altered}");
        }
    }
    assert!(gate.gate.drain("sin", true).is_some());
    let moved = gate.watch(SINGAPORE).await.location().to_owned();
    assert!(!moved.starts_with(&cluster.nodes[1].endpoint()), "a drained node takes nobody: {moved}");
    assert_eq!(status(Method::GET, &moved).await, 200);
}

/// The last character apart.
trait PopLast {
    fn pop_last(&self) -> (&str, char);
}

impl PopLast for String {
    fn pop_last(&self) -> (&str, char) {
        let last = self.chars().next_back().expect("not empty");
        (&self[..self.len() - last.len_utf8()], last)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_every_kind_are_signed_as_minio_reads_them() {
    let Some(tools) = tools("keys_of_every_kind_are_signed_as_minio_reads_them") else { return };
    let cluster = Cluster::start(&tools, 1).await;
    let node = &cluster.nodes[0];
    let endpoint = node.endpoint();
    let target = Target::new(TargetParts {
        scheme: Scheme::Http,
        authority: endpoint.trim_start_matches("http://"),
        bucket: "movies",
        addressing: Addressing::Path,
        region: "us-east-1",
        access_key: cluster::GATE.0,
        session_token: None,
    });
    let now_s =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let day = |unix_s| DayKey::derive(cluster::GATE.1, unix_s, "us-east-1");
    for key in
        ["two words.mp4", "a+b%20c.mp4", "(brackets) & 'quotes'!.mp4", "тест/電影 ü.mp4", "tilde~=@:,;$*.mp4"]
    {
        cluster.put(key, b"bytes");
        let time = link_time(now_s, 1, 60);
        let link = |method| target.presign(&day(time.signed_at_s()), method, key, None, time);
        assert_eq!(status(Method::GET, &link(watchgate::sign::Method::Get)).await, 200, "{key}");
        assert_eq!(status(Method::HEAD, &link(watchgate::sign::Method::Head)).await, 200, "{key}");
        let request = HeaderRequest {
            method: watchgate::sign::Method::Head,
            resource: Resource::Object(key),
            query: &[],
            headers: &[],
            unix_s: now_s,
        };
        let signed = target.sign_headers(&day(now_s), &request);
        let mut head = reqwest::Client::new().head(format!("{endpoint}{}", signed.path_and_query));
        for (name, value) in signed.pairs().filter(|(name, _)| *name != "host") {
            head = head.header(name, value);
        }
        assert_eq!(head.send().await.expect("MinIO answers").status(), 200, "{key}");
        let past = link_time(now_s - 3600, 1, 60);
        let expired = target.presign(&day(past.signed_at_s()), watchgate::sign::Method::Get, key, None, past);
        assert_eq!(status(Method::GET, &expired).await, 403, "an expired link of {key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_node_is_down_in_time_and_a_killed_one_comes_back() {
    let Some(tools) = tools("a_frozen_node_is_down_in_time_and_a_killed_one_comes_back") else { return };
    let mut cluster = Cluster::start(&tools, 2).await;
    cluster.put(KEY, &film());
    cluster.until_replicated(KEY).await;
    let gate = gate(&cluster).await;
    let at = |cluster: &Cluster, node: usize| cluster.nodes[node].endpoint();
    assert!(gate.watch(AMSTERDAM).await.location().starts_with(&at(&cluster, 0)));

    cluster.nodes[0].signal("STOP");
    let frozen = Instant::now();
    gate.until_state("ams", "down", Some("timeout")).await;
    let promised_ms = u128::from(INTERVAL_MS + FALL * TIMEOUT_MS);
    // The second beyond the promise is for a machine that does other things as well.
    assert!(frozen.elapsed().as_millis() <= promised_ms + 1000, "down after {:?}", frozen.elapsed());
    let link = gate.watch(AMSTERDAM).await.location().to_owned();
    assert!(link.starts_with(&at(&cluster, 1)));
    assert_eq!(status(Method::GET, &link).await, 200, "the film plays on the other node");

    cluster.nodes[0].signal("CONT");
    gate.until_state("ams", "up", None).await;
    assert!(gate.watch(AMSTERDAM).await.location().starts_with(&at(&cluster, 0)));

    cluster.nodes[0].kill();
    gate.until_state("ams", "down", Some("refused")).await;
    assert!(gate.watch(AMSTERDAM).await.location().starts_with(&at(&cluster, 1)));
    cluster.restart(&tools, 0).await;
    gate.until_state("ams", "up", None).await;
    let link = gate.watch(AMSTERDAM).await.location().to_owned();
    assert!(link.starts_with(&at(&cluster, 0)));
    assert_eq!(status(Method::GET, &link).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_keys_buckets_and_permissions_are_named() {
    let Some(tools) = tools("wrong_keys_buckets_and_permissions_are_named") else { return };
    let cluster = Cluster::start(&tools, 1).await;
    cluster.put("canary", b"tweet");
    let endpoint = cluster.nodes[0].endpoint();
    let canary = format!("{}\ncanary = \"canary\"", health());
    let gate = Setup::new()
        .extra(&canary)
        .node_with("ams-right", &endpoint, cluster::GATE, "")
        .node_with("ams-stranger", &endpoint, ("stranger", "gate-secret-1"), "")
        .node_with("ams-secret", &endpoint, (cluster::GATE.0, "wrong-secret-1"), "")
        .node_with("ams-barred", &endpoint, cluster::BARRED, "")
        .start_proven()
        .await;
    gate.until_state("ams-right", "up", None).await;
    gate.until_state("ams-stranger", "down", Some("bad_signature")).await;
    gate.until_state("ams-secret", "down", Some("bad_signature")).await;
    gate.until_state("ams-barred", "down", Some("forbidden")).await;

    let gate = Setup::new()
        .extra(&canary.replace("\"canary\"", "\"nowhere\""))
        .node_with("ams", &endpoint, cluster::GATE, "")
        .start_proven()
        .await;
    gate.until_state("ams", "down", Some("no_canary")).await;
    let setup = Setup::new().extra(&health()).node_with("ams", &endpoint, cluster::ROOT, "");
    let elsewhere = setup.toml().replace("name = \"movies\"", "name = \"nowhere\"");
    let gate = TestGate::start(&elsewhere, watchgate::geoip::Databases::empty());
    gate.until_state("ams", "down", Some("no_bucket")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_clock_is_named() {
    let Some(tools) = tools("a_wrong_clock_is_named") else { return };
    let Some(faketime) = found("faketime", REQUIRED, "a_wrong_clock_is_named") else { return };
    let cluster = Cluster::start(&tools, 1).await;
    let setup =
        Setup::new().extra(&health()).node_with("ams", &cluster.nodes[0].endpoint(), cluster::GATE, "");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("watchgate.toml");
    let admin = free_port();
    let listen = format!("[listen]\nhttp = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:{admin}\"\n{}", setup.toml());
    std::fs::write(&file, listen).expect("written");
    // MinIO is a static Go program whose clock cannot be faked; the difference is what counts.
    let gate = Command::new(faketime)
        .args(["-f", "+20m", env!("CARGO_BIN_EXE_watchgate"), "-c"])
        .arg(&file)
        .arg("run")
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("the gate starts");
    let _gate = Running(gate);
    let nodes = || async {
        let answer = reqwest::get(format!("http://127.0.0.1:{admin}/api/v1/nodes")).await.ok()?;
        serde_json::from_slice::<serde_json::Value>(&answer.bytes().await.ok()?).ok()
    };
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(50));
    let named = async {
        loop {
            ticks.tick().await;
            let Some(nodes) = nodes().await else { continue };
            if nodes[0]["state"] == "down" && nodes[0]["reason"] == "clock_skew" {
                return nodes[0]["clock_skew_s"].as_i64().expect("a skew");
            }
        }
    };
    let skew_s = tokio::time::timeout(PATIENCE, named).await.expect("the wrong clock is named in time");
    assert!((-1210..=-1190).contains(&skew_s), "the node is 20 minutes behind the gate: {skew_s}");
}
