//! The whole gate with a catalog: what viewers see of rows, of a list that changes, and of an outage.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::task::JoinSet;
use watchgate_node::Node;

use crate::gates::{Setup, TestGate, eventually};
use crate::server::{QUERY, Server, programs};
use crate::support::{A, B, C};

const UNKNOWN: &str = "00000000-0000-4000-8000-0000000000ff";

/// A node with these objects, and a gate before it whose catalog is told by these lines.
async fn stage(objects: &[&str], watch: &str, catalog: &str) -> (Node, TestGate) {
    let node = Node::builder("ams").credential("gate", "gate-secret").bucket("movies");
    let node = node.start().await.expect("a node");
    for key in objects {
        node.put(key, key.as_bytes().to_vec(), "video/mp4").expect("an object");
    }
    let setup = Setup::new().watch(watch).extra(catalog);
    // One verdict is enough, and a busy machine is no reason for another.
    let setup = setup.extra("[health]\ninterval = \"1m\"\ntimeout = \"20s\"\nrise = 1\nslow_start = \"0s\"");
    let setup = setup.extra("[presence]\nnegative_ttl = \"100ms\"");
    let setup = setup.node_with("ams", &node.endpoint(), ("gate", "gate-secret"), "role = \"source\"");
    (node, setup.start_proven().await)
}

/// A viewer's answer: the status, and the object that a link leads to or the reason of a refusal.
async fn watch(gate: &TestGate, path: &str) -> (u16, String) {
    let client =
        reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("client");
    let got = client.get(format!("http://{}/watch/{path}", gate.addr)).send().await.expect("an answer");
    let status = got.status().as_u16();
    if status == 302 {
        let link = got.headers()["location"].to_str().expect("text").to_owned();
        let followed = reqwest::get(&link).await.expect("the node answers");
        assert_eq!(followed.status(), 200, "{link}");
        return (status, followed.text().await.expect("text"));
    }
    let body = got.text().await.expect("text");
    let problem: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
    let reason = problem["type"].as_str().map(|name| name.trim_start_matches("urn:watchgate:problem:"));
    (status, reason.map_or(body.clone(), str::to_owned))
}

fn leads_to(key: &str) -> (u16, String) {
    (302, key.to_owned())
}

fn refused(status: u16, reason: &str) -> (u16, String) {
    (status, reason.to_owned())
}

async fn until(gate: &TestGate, film: &str, wanted: (u16, String)) {
    let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
    let reached = async {
        while watch(gate, film).await != wanted {
            ticks.tick().await;
        }
    };
    let reached = tokio::time::timeout(crate::gates::PATIENCE, reached).await;
    assert!(reached.is_ok(), "not reached in time: {film} {wanted:?}");
}

/// Written aside and moved into place, as a careful program does it.
fn write(file: &Path, text: &str) {
    let aside = file.with_extension("new");
    std::fs::write(&aside, text).expect("written");
    std::fs::rename(&aside, file).expect("moved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_decides_and_is_read_again_when_it_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("films.csv");
    let hard = "movies/Некто (2020) 100% + more.mp4";
    write(&file, &format!("uuid,key\n{A},/{hard}\n"));
    let catalog = format!("[catalog]\nfile = {file:?}");
    let (_node, gate) = stage(&[hard, "b.mp4"], "", &catalog).await;
    assert_eq!(watch(&gate, A).await, leads_to(hard));
    assert_eq!(watch(&gate, B).await, refused(404, "unknown_film"));
    write(&file, &format!("uuid,key\n{A},{hard}\n{B},b.mp4\n{C},missing.mp4\n"));
    until(&gate, B, leads_to("b.mp4")).await;
    assert_eq!(watch(&gate, C).await, refused(404, "unknown_film"), "listed, and no node holds it");
    write(&file, &format!("uuid,key\n{A},../../etc/passwd\n"));
    eventually("the bad list is noticed", || {
        gate.metric("watchgate_catalog_reloads_total", &[("result", "failed")]) >= 1.0
    })
    .await;
    assert_eq!(watch(&gate, A).await, leads_to(hard), "the last good list goes on");
    write(&file, &format!("uuid,key\n{B},b.mp4\n"));
    until(&gate, A, refused(404, "unknown_film")).await;
    assert_eq!(watch(&gate, B).await, leads_to("b.mp4"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_folder_is_a_films_tree() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("films.jsonl");
    write(&file, &format!("{{\"uuid\":\"{A}\",\"key\":\"series/one/\"}}\n"));
    let catalog = format!("[catalog]\nfile = {file:?}");
    let keys = "object = \"{uuid}/{path}\"\nsegments = \"redirect\"";
    let objects = ["series/one/master.m3u8", "series/one/720p/1.ts", "secret.ts"];
    let (_node, gate) = stage(&objects, keys, &catalog).await;
    assert_eq!(watch(&gate, &format!("{A}/720p/1.ts")).await, leads_to("series/one/720p/1.ts"));
    let manifest = watch(&gate, &format!("{A}/master.m3u8")).await;
    assert_eq!(manifest, (200, "series/one/master.m3u8".to_owned()));
    assert_eq!(watch(&gate, &format!("{A}/..%2f..%2fsecret.ts")).await, refused(400, "bad_path"));
    assert_eq!(watch(&gate, &format!("{B}/master.m3u8")).await, refused(404, "unknown_film"));
}

#[tokio::test(flavor = "multi_thread")]
async fn viewers_of_known_films_notice_nothing_of_an_outage() {
    let Some(programs) = programs("viewers_of_known_films_notice_nothing_of_an_outage") else { return };
    let mut server = Server::start(programs).await;
    server.films(&[(A, Some("/a.mp4")), (B, Some("b.mp4")), (C, None)]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let url = folder.path().join("url");
    std::fs::write(&url, server.url()).expect("written");
    let catalog = format!(
        "[catalog.postgres]\nurl_file = {url:?}\nquery = {QUERY:?}\nttl = \"1s\"\nnegative_ttl = \"100ms\"\n\
         timeout = \"1s\""
    );
    let (_node, gate) = stage(&["a.mp4", "b.mp4"], "", &catalog).await;
    let gate = Arc::new(gate);
    assert_eq!(watch(&gate, A).await, leads_to("a.mp4"));
    assert_eq!(watch(&gate, C).await, refused(404, "unknown_film"));

    let (over, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut viewers = JoinSet::new();
    for _ in 0..10 {
        let (gate, over, answers) = (Arc::clone(&gate), Arc::clone(&over), Arc::clone(&answers));
        viewers.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                assert_eq!(watch(&gate, A).await, leads_to("a.mp4"));
                answers.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let more = async |what: &str| {
        let before = answers.load(Ordering::Relaxed);
        eventually(what, || answers.load(Ordering::Relaxed) >= before + 200).await;
    };
    more("viewers watch").await;
    server.stop();
    for film in [B, UNKNOWN] {
        until(&gate, film, refused(503, "no_answer")).await;
    }
    more("viewers watch although the database is down").await;
    assert_eq!(watch(&gate, UNKNOWN).await, refused(503, "no_answer"), "silence is no word about a film");
    server.run().await;
    until(&gate, B, leads_to("b.mp4")).await;
    until(&gate, UNKNOWN, refused(404, "unknown_film")).await;
    more("viewers watch").await;
    over.store(true, Ordering::Relaxed);
    viewers.join_all().await;
}
