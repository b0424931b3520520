use std::collections::BTreeMap;

use prometheus::Registry;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;
use crate::answer::wire::Wire;
use crate::config;
use crate::geoip::Databases;

const WAIT: Duration = Duration::from_secs(10);
const ASK: &str = "GET /watch/0b9ab1a5-29d9-4f2d-9d5a-0f1e2d3c4b5a HTTP/1.1\r\nHost: films.example\r\n\r\n";

/// One viewer's connection, and the task that serves it.
struct Connection {
    viewer: TcpStream,
    direct: Arc<Direct>,
    stop: watch::Sender<bool>,
    served: JoinHandle<bool>,
}

const CONFIG: &str = "[bucket]\nname = \"movies\"\n[[node]]\nid = \"msk\"\nendpoint = \"http://192.0.2.1:9000\"\n\
    at = { lat = 55.75, lon = 37.62 }\naccess_key = \"gate\"\nsecret_key = \"not-so-secret\"\n";
/// Somewhere where nobody listens.
const ROUTE: &str = "[[route]]\nprefix = \"/\"\nto = \"http://127.0.0.1:1\"\n";

async fn connect(patience: Duration) -> Connection {
    connect_to(CONFIG, patience).await
}

async fn connect_to(text: &str, patience: Duration) -> Connection {
    let source = config::Source { text, path: None, env: &BTreeMap::new() };
    let config = config::parse(&source).unwrap().config;
    let registry = Registry::new();
    let gate = Arc::new(Gate::new(config, Databases::empty(), &registry).unwrap().assuming_all_up());
    let routes = Routes::new(&gate, &registry).unwrap();
    let direct = Arc::new(Direct { patience, ..Direct::new(gate, routes) });
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let viewer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (stream, peer) = listener.accept().await.unwrap();
    let (stop, shutdown) = watch::channel(false);
    let theirs = Arc::clone(&direct);
    let served = tokio::spawn(async move {
        theirs.process_new(Box::new(Wire::new(stream, peer)), &shutdown).await.is_none()
    });
    Connection { viewer, direct, stop, served }
}

impl Connection {
    async fn send(&mut self, text: &str) {
        self.viewer.write_all(text.as_bytes()).await.unwrap();
    }

    /// The heads of so many answers without a body.
    async fn heads(&mut self, count: usize) -> String {
        let mut got = String::new();
        let mut bytes = [0; 4096];
        while got.matches("\r\n\r\n").count() < count {
            let read = timeout(WAIT, self.viewer.read(&mut bytes)).await.expect("an answer in time").unwrap();
            assert!(read > 0, "the connection ended after {got:?}");
            got.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
        }
        got
    }

    /// What comes until the gate closes the connection.
    async fn rest(mut self) -> String {
        let mut got = String::new();
        timeout(WAIT, self.viewer.read_to_string(&mut got)).await.expect("an end in time").unwrap();
        assert!(timeout(WAIT, self.served).await.expect("an end in time").expect("no panic"));
        got
    }
}

#[tokio::test]
async fn one_connection_carries_many_requests() {
    let mut connection = connect(WAIT).await;
    for _ in 0..3 {
        connection.send(ASK).await;
        let head = connection.heads(1).await;
        assert!(head.starts_with("HTTP/1.1 302 ") && head.contains("keep-alive"), "{head}");
    }
    connection.send(&ASK.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).await;
    let head = connection.rest().await;
    assert!(head.starts_with("HTTP/1.1 302 ") && head.contains("close"), "{head}");
}

#[tokio::test]
async fn what_is_no_request_gets_a_short_answer_and_the_end() {
    for (ask, status) in [
        ("CONNECT films.example:443 HTTP/1.1\r\nHost: films.example\r\n\r\n", "405"),
        ("nonsense\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nHost films.example\r\n\r\n", "400"),
    ] {
        let mut connection = connect(WAIT).await;
        connection.send(ask).await;
        let head = connection.rest().await;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{ask:?}: {head}");
    }
}

#[tokio::test]
async fn a_request_that_does_not_come_is_not_waited_for_for_ever() {
    let patience = Duration::from_millis(100);
    assert_eq!(connect(patience).await.rest().await, "");
    let mut between = connect(patience).await;
    between.send(ASK).await;
    assert!(between.heads(1).await.starts_with("HTTP/1.1 302 "));
    assert_eq!(between.rest().await, "");
    let mut half = connect(patience).await;
    half.send(&ASK[..40]).await;
    assert_eq!(half.rest().await, "");
}

#[tokio::test]
async fn patience_begins_anew_with_each_request() {
    let patience = Duration::from_millis(300);
    let mut connection = connect(patience).await;
    let begun = Instant::now();
    while begun.elapsed() < 3 * patience {
        connection.send(ASK).await;
        assert!(connection.heads(1).await.starts_with("HTTP/1.1 302 "));
    }
    assert_eq!(connection.rest().await, "");
}

#[tokio::test]
async fn at_the_end_who_asks_is_answered_and_who_waits_is_let_go() {
    let mut asks = connect(WAIT).await;
    asks.stop.send_replace(true);
    asks.send(ASK).await;
    let head = asks.rest().await;
    assert!(head.starts_with("HTTP/1.1 302 ") && head.contains("close"), "{head}");

    let mut waits = connect(WAIT).await;
    waits.send(ASK).await;
    assert!(waits.heads(1).await.contains("keep-alive"));
    waits.direct.cleanup().await;
    assert_eq!(waits.rest().await, "");
}

/// With routes a head is waited for no longer than without, however it drips in.
#[tokio::test]
async fn a_door_with_routes_waits_no_longer() {
    let config = format!("{CONFIG}{ROUTE}");
    for begin in ["", "GET /x HTTP/1.1\r\nHost: ", "GET /watch/x HTTP/1.1\r\nHost: films.example\r\n"] {
        let mut connection = connect_to(&config, Duration::from_millis(100)).await;
        connection.send(begin).await;
        assert_eq!(connection.rest().await, "", "{begin:?}");
    }
    let mut connection = connect_to(&config, WAIT).await;
    connection.send(&ASK.repeat(3)).await;
    let heads = connection.heads(3).await;
    assert_eq!(heads.matches("HTTP/1.1 302 ").count(), 3, "{heads}");
    connection.direct.cleanup().await;
    assert_eq!(connection.rest().await, "", "who has no request yet is let go");
}
