//! Two gates with one configuration: they know nothing of each other, and a viewer cannot tell them apart.
//!
//! Absent on purpose: what stands before them (a name with two addresses, a load balancer), which sees two
//! equal upstreams.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::{Client, Method};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use watchgate::admin::{self, Tokens};
use watchgate::config::Secret;
use watchgate::decide::client::Scheme;
use watchgate::gate::Ask;
use watchgate_node::{Lag, Node};

use crate::support::*;

const TOKEN: &str = "told-by-the-nodes-1";
/// No answer of a node grows old within a story.
const SURE: &str = "[presence]\npositive_ttl = \"1h\"\nnegative_ttl = \"1h\"";

/// A source in Amsterdam, another node in the same place, one in Singapore and one in Sao Paulo: empty ones.
async fn fleet() -> Vec<Node> {
    let mut nodes = Vec::new();
    for name in ["ams", "ams-2", "sin", "gru"] {
        let builder = Node::builder(name).credential("gate", "gate-secret").bucket("movies");
        nodes.push(builder.start().await.expect("a node"));
    }
    for replica in &nodes[1..] {
        nodes[0].replicate_to(replica, Lag::After(Duration::ZERO));
    }
    nodes
}

/// Uploads to the source, and waits for the replicas.
async fn upload(nodes: &[Node], key: &str, bytes: Vec<u8>) {
    nodes[0].put(key, bytes, "video/mp4").expect("the film");
    let everywhere = || !nodes[0].is_pending(key) && nodes.iter().all(|node| node.has(key));
    eventually("the film is replicated", everywhere).await;
}

fn setup(nodes: &[Node], mode: &str) -> Setup {
    let setup = Setup::new().watch(&format!("mode = \"{mode}\"")).extra(SURE);
    nodes.iter().enumerate().fold(setup, |setup, (number, node)| {
        let role = if number == 0 { "role = \"source\"" } else { "" };
        // So roomy that a few viewers make no difference.
        let keys = format!("max_viewers = 1000000\n{role}");
        setup.node_with(node.name(), &node.endpoint(), ("gate", "gate-secret"), &keys)
    })
}

async fn up(setup: &Setup) -> TestGate {
    let gate = setup.start_proven().await;
    gate.until("all are up", |nodes| nodes.iter().all(|node| node.state == "up")).await;
    gate
}

async fn two(nodes: &[Node], mode: &str) -> [TestGate; 2] {
    let setup = setup(nodes, mode);
    [up(&setup).await, up(&setup).await]
}

async fn ask(gate: &TestGate, method: Method, film: &str, viewer: &str) -> Got {
    Got::of(gate.ask(method, &format!("/watch/{film}"), viewer).send().await.expect("an answer")).await
}

/// Until each gate has every node's word on the film: as long as one is missing, the first holder that answers is taken.
async fn settle(gates: &[TestGate; 2], film: &str) {
    let ask = Ask {
        film: film.parse().expect("a film"),
        path: String::new(),
        address: AMSTERDAM.parse().expect("an address"),
        method: watchgate::decide::watch::Method::Get,
        scheme: Scheme::Http,
        mode: None,
    };
    for gate in gates {
        gate.gate.look_for(&ask).await;
    }
}

/// The same link from both gates. A window may end between two requests: then the next one agrees.
async fn same_link(gates: &[TestGate; 2], method: &Method, film: &str, viewer: &str) -> String {
    let [one, other] = gates;
    let first = ask(one, method.clone(), film, viewer).await.location().to_owned();
    let second = ask(other, method.clone(), film, viewer).await.location().to_owned();
    if first != second {
        let again = ask(one, method.clone(), film, viewer).await.location().to_owned();
        assert_eq!(again, second, "{method} of {film} by {viewer}");
    }
    second
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_the_same_whoever_gives_them() {
    let nodes = fleet().await;
    let films: Vec<String> = (1..=8).map(|n| format!("{n:08x}-0000-4000-8000-000000000000")).collect();
    for film in &films {
        upload(&nodes, &format!("{film}.mp4"), film.clone().into_bytes()).await;
    }
    let gates = two(&nodes, "redirect").await;
    let groups = (0..12).map(|group| format!("100.64.{group}.7"));
    let viewers: Vec<String> = groups.chain([AMSTERDAM, SINGAPORE, SAO_PAULO].map(str::to_owned)).collect();
    let mut chosen = BTreeSet::new();
    for film in &films {
        settle(&gates, film).await;
        for viewer in &viewers {
            let link = same_link(&gates, &Method::GET, film, viewer).await;
            assert!(link.contains("versionId="), "{link}");
            chosen.insert(link.split("/movies/").next().expect("a node").to_owned());
        }
        same_link(&gates, &Method::HEAD, film, AMSTERDAM).await;
    }
    assert_eq!(chosen.len(), nodes.len(), "every node is somebody's: {chosen:?}");
    let link = same_link(&gates, &Method::GET, &films[0], NOWHERE).await;
    assert_eq!(Got::of(reqwest::get(link).await.expect("an answer")).await.body, films[0].as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_is_the_business_of_one_gate_until_the_other_is_told_too() {
    let nodes = fleet().await;
    upload(&nodes, KEY, film()).await;
    let gates = two(&nodes, "redirect").await;
    settle(&gates, FILM).await;
    let before = same_link(&gates, &Method::GET, FILM, SINGAPORE).await;
    assert!(before.starts_with(&format!("{}/", nodes[2].endpoint())), "{before}");

    gates[0].gate.drain("sin", true).expect("a node of this id");
    let moved = ask(&gates[0], Method::GET, FILM, SINGAPORE).await.location().to_owned();
    assert!(!moved.starts_with(&format!("{}/", nodes[2].endpoint())), "{moved}");
    assert!(
        ask(&gates[1], Method::GET, FILM, SINGAPORE).await.leads_to(&nodes[2]),
        "the other one knows nothing"
    );

    gates[1].gate.drain("sin", true).expect("a node of this id");
    let both = same_link(&gates, &Method::GET, FILM, SINGAPORE).await;
    let node = |link: &str| link.split("/movies/").next().map(str::to_owned);
    assert_eq!(node(&both), node(&moved), "both move a viewer to the same node");
    for gate in &gates {
        gate.gate.drain("sin", false).expect("a node of this id");
    }
    let after = same_link(&gates, &Method::GET, FILM, SINGAPORE).await;
    assert_eq!(node(&after), node(&before));
}

/// Where a gate takes events, as long as the sender lives.
async fn events(gate: &TestGate) -> (String, watch::Sender<bool>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/api/v1/events", listener.local_addr().expect("an address"));
    let tokens = Tokens { admin: None, events: Some(&Secret::new(TOKEN)) };
    let router = admin::router(gate.gate.clone(), gate.registry.clone(), tokens, None);
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(admin::serve(listener, router, stopped));
    (url, stop)
}

async fn tell(url: &str, name: &str) {
    let event = serde_json::json!({ "EventName": name, "Key": format!("movies/{KEY}") });
    let answer = Client::new().post(url).bearer_auth(TOKEN).body(event.to_string()).send().await;
    assert_eq!(answer.expect("an answer").status(), 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_news_to_the_gate_that_it_reaches() {
    let nodes = fleet().await;
    let gates = two(&nodes, "redirect").await;
    let ends = [events(&gates[0]).await, events(&gates[1]).await];
    for gate in &gates {
        assert_eq!(ask(gate, Method::GET, FILM, AMSTERDAM).await.status, 404, "not uploaded yet");
    }
    upload(&nodes, KEY, film()).await;
    let status = async |gate| ask(gate, Method::GET, FILM, AMSTERDAM).await.status;
    let until = async |gate, wanted| {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        let reached = async {
            while status(gate).await != wanted {
                ticks.tick().await;
            }
        };
        tokio::time::timeout(PATIENCE, reached).await.expect("the event has its effect");
    };
    tell(&ends[0].0, "s3:ObjectCreated:Put").await;
    until(&gates[0], 302).await;
    assert_eq!(status(&gates[1]).await, 404, "the other one believes what it heard");
    tell(&ends[1].0, "s3:ObjectCreated:Put").await;
    until(&gates[1], 302).await;
    settle(&gates, FILM).await;
    same_link(&gates, &Method::GET, FILM, AMSTERDAM).await;

    nodes[0].delete(KEY).expect("it was there");
    for (gate, (url, _stop)) in gates.iter().zip(&ends) {
        tell(url, "s3:ObjectRemoved:DeleteMarkerCreated").await;
        until(gate, 404).await;
    }
}

/// A film of its own for each seed, in which no two places look alike.
fn long_film(seed: u32) -> Vec<u8> {
    (0..1_000_000_u32).flat_map(|place| (place ^ seed).to_le_bytes()).collect()
}

fn slow(nodes: &[Node], bytes_per_s: Option<u64>) {
    for node in nodes {
        node.set_bandwidth(bytes_per_s);
    }
}

/// GET of the film with these headers.
async fn stream(gate: &TestGate, headers: &[(&str, &str)]) -> Got {
    let request = gate.ask(Method::GET, &format!("/watch/{FILM}"), AMSTERDAM);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    Got::of(request.send().await.expect("an answer")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seek_at_the_other_gate_gets_bytes_of_the_same_film() {
    let (nodes, old, new) = (fleet().await, long_film(1), long_film(2));
    upload(&nodes, KEY, old.clone()).await;
    let gates = two(&nodes, "stream").await;
    let first = stream(&gates[0], &[("range", "bytes=0-999")]).await;
    assert!(first.status == 206 && first.body == old[..1000], "{}", first.status);
    let etag = first.header("etag").to_owned();
    for (start, end) in [(1_000, 1_999), (2_000_000, 2_000_999), (3_999_000, 3_999_999)] {
        for gate in [&gates[1], &gates[0]] {
            let seek = stream(gate, &[("range", &format!("bytes={start}-{end}")), ("if-range", &etag)]).await;
            assert!(seek.status == 206 && seek.body == old[start..=end], "{start}: {}", seek.status);
            assert_eq!(seek.header("etag"), etag);
        }
    }

    // Replaced between two seeks. Whoever knows of it starts anew; nobody goes on with bytes of another film.
    upload(&nodes, KEY, new.clone()).await;
    let (url, _stop) = events(&gates[1]).await;
    tell(&url, "s3:ObjectCreated:Put").await;
    eventually("the event is counted", || {
        gates[1].metric("watchgate_events_total", &[("kind", "created")]) > 0.0
    })
    .await;
    let seek = [("range", "bytes=2000000-2000999"), ("if-range", etag.as_str())];
    let is_old = |got: &Got| got.body == old[2_000_000..2_001_000] && got.header("etag") == etag;
    let is_new = |got: &Got| got.status == 200 && got.body == new && got.header("etag") != etag;
    let mut fresh = stream(&gates[1], &seek).await;
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    while fresh.status == 206 {
        assert!(is_old(&fresh), "a part of another film");
        ticks.tick().await;
        fresh = stream(&gates[1], &seek).await;
    }
    assert!(is_new(&fresh), "the whole of the new film: {}", fresh.status);
    let seek = stream(&gates[0], &seek).await;
    assert!((seek.status == 206 && is_old(&seek)) || is_new(&seek), "never a part of each: {}", seek.status);
}

#[test]
fn a_film_goes_on_at_the_other_gate_when_one_dies() {
    let (doomed, steady) = (Runtime::new().expect("a runtime"), Runtime::new().expect("a runtime"));
    let wanted = long_film(3);
    let (nodes, other) = steady.block_on(async {
        let nodes = fleet().await;
        upload(&nodes, KEY, wanted.clone()).await;
        let other = up(&setup(&nodes, "stream")).await;
        // Slow enough that most of the film is still to come when the gate dies.
        slow(&nodes, Some(2_000_000));
        (nodes, other)
    });
    // Its tasks and sockets end with its runtime, as with a process.
    let gate = doomed.block_on(up(&setup(&nodes, "stream")));
    let (mut answer, mut got, etag) = steady.block_on(async {
        let request = gate.ask(Method::GET, &format!("/watch/{FILM}"), AMSTERDAM);
        let mut answer = request.send().await.expect("an answer");
        let etag = answer.headers()["etag"].to_str().expect("text").to_owned();
        let mut got = Vec::new();
        while got.len() < 300_000 {
            got.extend(answer.chunk().await.expect("a gate that lives").expect("more of it"));
        }
        (answer, got, etag)
    });
    drop(gate);
    doomed.shutdown_background();
    steady.block_on(async {
        let broken = loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => got.extend(chunk),
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        assert!(broken && got.len() < wanted.len(), "the viewer sees a cut, after {} bytes", got.len());
        slow(&nodes, None);
        let range = format!("bytes={}-", got.len());
        let rest = stream(&other, &[("range", &range), ("if-range", &etag)]).await;
        assert_eq!((rest.status, rest.header("etag")), (206, etag.as_str()));
        got.extend(&rest.body);
        assert!(got == wanted, "every byte, and each once");
        drop(other);
    });
}
