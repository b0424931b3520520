//! What the viewer is told when a server fails, and what the operator reads of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use tokio::sync::watch;
use watchgate::access_log::AccessLog;
use watchgate::config::LogFormat;
use watchgate::front::{FrontDoor, Stopped, bind};

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_502_from_the_first_request_on() {
    let gone = Server::start("gone").await;
    let to = route("/", &[&gone], "");
    gone.stop().await;
    let story = Story::with(&[to]).await;
    for _ in 0..3 {
        let answer = story.get("/x").await;
        assert_eq!((answer.status, answer.problem().as_str()), (502, "no_upstream"));
        assert_eq!(answer.field("connection"), Some("close"));
    }
    let labels = [("route", "/"), ("reason", "no_upstream")];
    assert!((story.gate.metric("watchgate_route_refusals_total", &labels) - 3.0).abs() < 0.1);
    assert!((story.requests("/", "refused") - 3.0).abs() < 0.1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_an_answer_is_504_and_one_that_breaks_off_is_502() {
    let server = Server::start("api").await;
    let story = Story::with(&[route("/", &[&server], "read_timeout = \"300ms\"")]).await;
    let answer = story.get("/hang").await;
    assert_eq!((answer.status, answer.problem().as_str()), (504, "upstream_timeout"));
    assert!(!answer.text().contains("127.0.0.1"), "{}", answer.text());
    for method in ["GET", "POST"] {
        let answer = story.viewer().await.ask(method, "/drop", "").await;
        assert_eq!((answer.status, answer.problem().as_str()), (502, "upstream_failed"), "{method}");
    }
    assert_eq!(server.asked().len(), 3, "what a server may have acted upon is not sent again");
    let head = story.viewer().await.ask("HEAD", "/drop", "").await;
    assert_eq!(head.status, 502);
    assert!(head.field("content-length").is_some_and(|length| length != "0"), "{head:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_is_never_ended_cleanly() {
    let server = Server::start("api").await;
    let story = Story::with(&[route("/", &[&server], "")]).await;
    let mut viewer = story.viewer().await;
    viewer.send("GET /cut HTTP/1.1\r\nHost: films.example\r\n\r\n").await;
    let head = viewer.head().await;
    assert_eq!((head.status, head.field("content-length")), (200, Some("8")));
    assert_eq!(viewer.rest().await, b"half");
    eventually("it is counted", || story.requests("/", "cut") > 0.5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_leaves_a_line_and_is_counted() {
    let server = Server::start("api").await;
    let paper = Paper::default();
    let log = AccessLog::start(LogFormat::Json, paper.clone()).expect("a thread");
    let routes = [route("/api/", &[&server], "read_timeout = \"300ms\"")];
    let story = Story::open(&routes, |toml| toml, Some(log.clone())).await;
    let mut viewer = story.viewer().await;
    let id = viewer.get("/api/films?secret=1").await.field("x-request-id").expect("an id").to_owned();
    viewer.get("/api/../x").await;
    story.get("/api/hang").await;
    let mut left = story.viewer().await;
    left.send("GET /api/hang HTTP/1.1\r\nHost: films.example\r\n\r\n").await;
    eventually("it is on its way", || server.asked().len() == 3).await;
    drop(left);
    eventually("it is over", || story.requests("/api/", "viewer_left") > 0.5).await;
    assert!(log.finish(Duration::from_secs(10)));
    let lines = paper.lines();
    let word = |line: &serde_json::Value, name: &str| line[name].as_str().unwrap_or("-").to_owned();
    let told: Vec<_> = lines
        .iter()
        .map(|line| (word(line, "url.path"), word(line, "watchgate.outcome"), word(line, "watchgate.reason")))
        .collect();
    let row =
        |path: &str, outcome: &str, reason: &str| (path.to_owned(), outcome.to_owned(), reason.to_owned());
    let expected = [
        row("/api/films", "routed", "ok"),
        row("/api/../x", "refused", "bad_path"),
        row("/api/hang", "refused", "upstream_timeout"),
        row("/api/hang", "viewer_left", "viewer_left"),
    ];
    assert_eq!(told, expected);
    assert_eq!(word(&lines[0], "request_id"), id);
    assert_eq!(word(&lines[0], "watchgate.route"), "/api/");
    assert_eq!(word(&lines[0], "watchgate.upstream"), server.url());
    assert_eq!(lines[0]["http.response.body.size"], "api GET /api/films?secret=1".len());
    assert_eq!(word(&lines[1], "watchgate.upstream"), "-");
    assert!((story.requests("/api/", "2xx") - 1.0).abs() < 0.1);
    assert!((story.requests("/api/", "refused") - 2.0).abs() < 0.1);
}

/// What runs is finished, and what waits for a request is let go.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_running_requests() {
    let server = Server::start("api").await;
    let toml = Setup::new()
        .extra(&route("/", &[&server], "read_timeout = \"1s\""))
        .node_with("ams", "http://127.0.0.1:9", ("gate", "gate-secret"), "")
        .toml();
    let source =
        watchgate::config::Source { text: &toml, path: None, env: &std::collections::BTreeMap::new() };
    let config = watchgate::config::parse(&source).expect("a configuration").config;
    let registry = Registry::new();
    let gate = watchgate::Gate::new(config, watchgate::geoip::Databases::empty(), &registry).expect("a gate");
    let door = FrontDoor::new(Arc::new(gate), 100, &registry).expect("metrics");
    let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
    let addr = listener.local_addr().expect("an address");
    let (stop, stopping) = watch::channel(false);
    let done =
        tokio::spawn(async move { door.serve(vec![listener], stopping, Duration::from_secs(30)).await });
    let mut waiting = Viewer::connect(addr).await;
    assert_eq!(waiting.get("/x").await.status, 200);
    let mut running = Viewer::connect(addr).await;
    running.send("GET /hang HTTP/1.1\r\nHost: films.example\r\n\r\n").await;
    eventually("it is on its way", || server.asked().len() == 2).await;
    stop.send_replace(true);
    assert_eq!(waiting.rest().await, b"", "nobody waits for a next request");
    assert_eq!(running.answer().await.status, 504, "its answer came after the stop");
    assert_eq!(done.await.expect("no panic"), Stopped { cut: 0 });
}
