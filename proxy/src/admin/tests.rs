use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::http::{HeaderMap, Method};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

use super::*;
use crate::config;
use crate::geoip::Databases;

mod events;

const WAIT: Duration = Duration::from_secs(10);
const TOKEN: &str = "correct-horse-battery";
const FILM: &str = "0b9ab1a5-29d9-4f2d-9d5a-0f1e2d3c4b5a";

/// A gate with one node, which nobody probes.
fn a_gate(registry: &Registry, first_verdict_timeout: &str) -> Arc<Gate> {
    a_gate_with(registry, first_verdict_timeout, "")
}

fn a_gate_with(registry: &Registry, first_verdict_timeout: &str, tables: &str) -> Arc<Gate> {
    let text = format!(
        "{tables}[health]\nfirst_verdict_timeout = \"{first_verdict_timeout}\"\n[bucket]\nname = \"movies\"\n\
         [[node]]\nid = \"msk\"\nendpoint = \"http://192.0.2.1:9000\"\nat = {{ lat = 55.75, lon = 37.62 }}\n\
         access_key = \"gate\"\nsecret_key = \"not-so-secret\"\n"
    );
    let source = config::Source { text: &text, path: None, env: &BTreeMap::new() };
    let config = config::parse(&source).unwrap().config;
    Arc::new(Gate::new(config, Databases::empty(), registry).unwrap())
}

struct Running {
    at: SocketAddr,
    stop: watch::Sender<bool>,
    served: tokio::task::JoinHandle<()>,
}

struct Got {
    status: u16,
    headers: HeaderMap,
    body: String,
}

async fn start(gate: &Arc<Gate>, registry: &Registry, token: Option<&str>) -> Running {
    let admin = token.map(Secret::new);
    let tokens = Tokens { admin: admin.as_ref(), events: None };
    start_router(router(Arc::clone(gate), registry.clone(), tokens, None)).await
}

async fn start_router(router: Router) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (stop, shutdown) = watch::channel(false);
    Running { at, stop, served: tokio::spawn(serve(listener, router, shutdown)) }
}

impl Running {
    async fn ask(&self, method: Method, path: &str, fields: &[(&str, &str)]) -> Got {
        self.send(method, path, fields, String::new()).await
    }

    async fn send(&self, method: Method, path: &str, fields: &[(&str, &str)], body: String) -> Got {
        let stream = TcpStream::connect(self.at).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(hyper_util::rt::TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = hyper::Request::builder().method(method).uri(path);
        if fields.iter().all(|(name, _)| *name != "host") {
            request = request.header("host", self.at.to_string());
        }
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(body).unwrap();
        let (head, body) = timeout(WAIT, sender.send_request(request)).await.unwrap().unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Got {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    async fn get(&self, path: &str) -> Got {
        self.ask(Method::GET, path, &[]).await
    }
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.body))
    }

    /// The problem's detail; what every problem must have is checked on the way.
    #[track_caller]
    fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let body = self.json();
        assert_eq!((&body["status"], &body["type"]), (&status.into(), &"about:blank".into()));
        assert!(body["title"].as_str().is_some_and(|title| !title.is_empty()));
        body["detail"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn what_there_is_to_read() {
    let registry = Registry::new();
    let gate = a_gate(&registry, "10m");
    let running = start(&gate, &registry, None).await;
    let got = running.get("/metrics").await;
    assert_eq!(
        (got.status, &got.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"),
        (200, true)
    );
    assert_eq!(
        (running.get("/").await.body, running.get("/livez").await.body),
        (INDEX.to_owned(), "ok\n".to_owned())
    );

    let nodes = running.get("/api/v1/nodes").await.json();
    assert_eq!(nodes[0]["id"], "msk");
    assert_eq!(running.get("/api/v1/nodes/msk").await.json()["id"], "msk");
    assert_eq!(running.get("/api/v1/nodes/spb").await.problem(404), "no node of this id");

    let got = running.get(&format!("/api/v1/explain?film={FILM}&ip=2001:db8::1&method=HEAD")).await;
    let decision = got.json();
    assert_eq!((&decision["film"], &decision["method"]), (&FILM.into(), &"HEAD".into()));
    assert!(decision["path"].is_null());
    assert_eq!(decision["viewer"]["address"], "2001:db8::1");
    assert_eq!(got.headers["cache-control"], "no-store");
    assert_eq!(got.headers["x-content-type-options"], "nosniff");
    assert_eq!(
        running.get("/api/v1/explain?film=x&ip=::1").await.problem(400),
        "film: not a uuid of 8-4-4-4-12 hex digits"
    );
}

#[tokio::test]
async fn a_file_of_a_tree_is_explained_in_the_mode_of_a_request() {
    let registry = Registry::new();
    let trees =
        "[watch]\nobject = \"films/{uuid}/{path}\"\nsegments = \"redirect\"\n[presence]\nenabled = false\n";
    let gate = a_gate_with(&registry, "10m", trees);
    let running = start(&gate, &registry, None).await;
    let check = async |asked: &str, path: &str, mode: &str| {
        let decision = running.get(&format!("/api/v1/explain?film={FILM}&ip=::1&{asked}")).await.json();
        assert_eq!((&decision["film"], &decision["path"]), (&FILM.into(), &path.into()));
        assert_eq!((&decision["mode"], &decision["outcome"]), (&mode.into(), &mode.into()));
        assert_eq!(decision["key"], format!("films/{FILM}/{path}"));
    };
    check("path=hd/master.m3u8", "hd/master.m3u8", "stream").await;
    check("path=hd%2Fmaster.M3U8&mode=redirect", "hd/master.M3U8", "stream").await;
    check("path=hd/a%20%26b.ts", "hd/a &b.ts", "redirect").await;
    check("path=1.ts&mode=stream", "1.ts", "stream").await;
    let refused = running.get(&format!("/api/v1/explain?film={FILM}&ip=::1")).await.problem(400);
    assert!(refused.starts_with("path: missing; films are trees of files here"), "{refused}");

    let registry = Registry::new();
    let running = start(&a_gate(&registry, "10m"), &registry, None).await;
    let refused = running.get(&format!("/api/v1/explain?film={FILM}&ip=::1&path=1.ts")).await.problem(400);
    assert!(refused.starts_with("path: a film is one object here"), "{refused}");
}

#[tokio::test]
async fn ready_is_who_has_verdicts_or_waited_long_enough_and_is_not_leaving() {
    let registry = Registry::new();
    let gate = a_gate(&registry, "10m");
    let running = start(&gate, &registry, None).await;
    assert_eq!(running.get("/readyz").await.problem(503), "1 of 1 nodes have no verdict yet");
    assert_eq!(running.get("/livez").await.status, 200);

    let registry = Registry::new();
    let gate = a_gate(&registry, "100ms");
    let running = start(&gate, &registry, None).await;
    let ready = async { while running.get("/readyz").await.status != 200 {} };
    timeout(WAIT, ready).await.expect("ready in time");
    gate.leave();
    assert_eq!(running.get("/readyz").await.problem(503), "the gate is shutting down");
}

#[tokio::test]
async fn drain_and_enable_answer_with_the_node() {
    let registry = Registry::new();
    let gate = a_gate(&registry, "10m");
    let running = start(&gate, &registry, None).await;
    for (verb, draining) in [("drain", true), ("drain", true), ("enable", false)] {
        let got = running.ask(Method::POST, &format!("/api/v1/nodes/msk/{verb}"), &[]).await;
        assert_eq!((got.status, &got.json()["draining"]), (200, &draining.into()));
        assert_eq!(running.get("/api/v1/nodes/msk").await.json()["draining"], draining);
    }
    running.ask(Method::POST, "/api/v1/nodes/spb/drain", &[]).await.problem(404);
    let got = running.get("/api/v1/nodes/msk/drain").await;
    got.problem(405);
    assert_eq!(got.headers["allow"], "POST");
    let foreign = [("sec-fetch-site", "cross-site")];
    running.ask(Method::POST, "/api/v1/nodes/msk/drain", &foreign).await.problem(403);
    assert_eq!(running.get("/api/v1/nodes/msk").await.json()["draining"], false);
}

#[tokio::test]
async fn the_token_is_wanted_for_all_but_the_probes() {
    let registry = Registry::new();
    let gate = a_gate(&registry, "10m");
    let running = start(&gate, &registry, Some(TOKEN)).await;
    let bearer = format!("Bearer {TOKEN}");
    let with = [("authorization", bearer.as_str()), ("host", "gate.example")];
    let explain = format!("/api/v1/explain?film={FILM}&ip=::1");
    for path in ["/", "/metrics", "/api/v1/nodes", "/api/v1/nodes/msk", &explain] {
        let got = running.get(path).await;
        got.problem(401);
        assert_eq!(got.headers["www-authenticate"], "Bearer realm=\"watchgate\"");
        assert_eq!(running.ask(Method::GET, path, &with).await.status, 200, "{path}");
    }
    for verb in ["drain", "enable"] {
        let path = format!("/api/v1/nodes/msk/{verb}");
        running.ask(Method::POST, &path, &[]).await.problem(401);
        assert_eq!(running.ask(Method::POST, &path, &with).await.status, 200, "{path}");
    }
    running.get("/nowhere").await.problem(401);
    running.ask(Method::GET, "/nowhere", &with).await.problem(404);
    for path in ["/livez", "/readyz"] {
        assert_ne!(running.ask(Method::GET, path, &[("host", "gate.example")]).await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn a_name_that_may_be_a_strangers_is_refused() {
    let registry = Registry::new();
    let gate = a_gate(&registry, "10m");
    let running = start(&gate, &registry, None).await;
    for (path, status) in [("/api/v1/nodes", 421), ("/metrics", 421), ("/livez", 200)] {
        let got = running.ask(Method::GET, path, &[("host", "rebound.example:9900")]).await;
        assert_eq!(got.status, status, "{path}");
    }
}

#[tokio::test]
async fn a_stop_finishes_who_asks_and_waits_for_nobody_that_does_nothing() {
    let registry = Registry::new();
    let gate = a_gate(&registry, "10m");
    let running = start(&gate, &registry, None).await;
    let [mut idle, mut asking, mut silent, mut stuck] = [
        connected(&running, "GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await,
        connected(&running, "GET /livez HTTP/1.1\r\nho").await,
        connected(&running, "").await,
        connected(&running, "GET /livez HTTP/1.1\r\nho").await,
    ];
    assert_ne!(timeout(WAIT, idle.read(&mut [0; 1024])).await.unwrap().unwrap(), 0);

    running.stop.send_replace(true);

    assert!(is_closed(&mut idle).await, "who waits between requests is sent away at once");
    asking.write_all(b"st: localhost\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(WAIT, asking.read_to_string(&mut answer)).await.expect("an answer in time").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    timeout(WAIT, running.served).await.expect("stopped in time").unwrap();
    assert!(is_closed(&mut silent).await && is_closed(&mut stuck).await);
}

async fn connected(running: &Running, says: &str) -> TcpStream {
    let mut stream = TcpStream::connect(running.at).await.unwrap();
    stream.write_all(says.as_bytes()).await.unwrap();
    stream
}

async fn is_closed(stream: &mut TcpStream) -> bool {
    matches!(timeout(WAIT, stream.read(&mut [0; 64])).await, Ok(Ok(0) | Err(_)))
}

#[tokio::test]
async fn a_long_head_is_cut_off() {
    let registry = Registry::new();
    let gate = a_gate(&registry, "10m");
    let running = start(&gate, &registry, None).await;
    let mut stream = TcpStream::connect(running.at).await.unwrap();
    let head = format!("GET /livez HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(64 * 1024));
    // The other side may close while this is still being written.
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = timeout(WAIT, stream.read_to_end(&mut answer)).await.expect("closed in time");
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
}
