//! The switches over HTTP.

use std::net::Ipv4Addr;

use serde_json::{Value, json};
use watchgate_node::{Cut, Fault, Health, Node, Scope};

use crate::client::{Ask, Connection, End, Got};
use crate::{ACCESS, SECRET};

struct Controlled(Node);

impl Controlled {
    async fn start() -> Self {
        let node = Node::builder("ams").credential(ACCESS, SECRET).bucket("movies");
        let node = node.control((Ipv4Addr::LOCALHOST, 0).into()).start().await.unwrap();
        node.put("film.mp4", "0123456789", "video/mp4").unwrap();
        Self(node)
    }

    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Got {
        let mut ask = Ask::new(method, path);
        if let Some(body) = body {
            ask = ask.with("content-type", "application/json").body(body.to_string().as_bytes());
        }
        let addr = self.0.control_addr().unwrap();
        let mut connection = Connection::open(addr).await;
        connection.send(&ask, &addr.to_string()).await;
        connection.receive(method).await
    }

    async fn ok(&self, method: &str, path: &str, body: Option<Value>) {
        let got = self.call(method, path, body).await;
        assert_eq!(got.status, 204, "{method} {path}: {}", got.text());
    }

    async fn state(&self) -> Value {
        serde_json::from_slice(&self.call("GET", "/state", None).await.body).unwrap()
    }
}

#[tokio::test]
async fn faults() {
    let node = Controlled::start().await;
    node.ok("POST", "/faults", Some(json!({"fault": {"status": 503}, "scope": "heads", "times": 1}))).await;
    assert_eq!(node.0.faults().rules(), [Fault::Status(503).on(Scope::Heads).times(1)]);
    let head = Ask::new("HEAD", "/movies/film.mp4").signed(&node.0);
    assert_eq!(head.send(&node.0).await.status, 503);
    assert_eq!(head.send(&node.0).await.status, 200, "only once");
    node.ok("POST", "/faults", Some(json!({"fault": "gzip"}))).await;
    let listed: Value = serde_json::from_slice(&node.call("GET", "/faults", None).await.body).unwrap();
    assert_eq!(listed, json!([{"fault": "gzip", "scope": "objects", "times": null}]));
    node.ok("DELETE", "/faults", None).await;
    assert_eq!(node.0.faults().rules(), []);
    let wrong = node.call("POST", "/faults", Some(json!({"fault": "nonsense"}))).await;
    assert_eq!(wrong.status, 422, "{}", wrong.text());
}

#[tokio::test]
async fn settings_and_state() {
    let node = Controlled::start().await;
    let settings = json!({"health": "offline", "clock_skew_s": -960, "slots": 3, "bandwidth_bytes_per_s": 5});
    node.ok("PUT", "/settings", Some(settings)).await;
    let state = node.state().await;
    assert_eq!(state["health"], serde_json::to_value(Health::Offline).unwrap());
    assert_eq!((&state["clock_skew_s"], &state["slots"]), (&json!(-960), &json!(3)));
    assert_eq!(state["bandwidth_bytes_per_s"], json!(5));
    let wrong = node.call("PUT", "/settings", Some(json!({"slot": 3}))).await;
    assert_eq!(wrong.status, 422, "{}", wrong.text());
}

#[tokio::test]
async fn life_and_death() {
    let node = Controlled::start().await;
    let get = Ask::new("GET", "/movies/film.mp4").signed(&node.0);
    node.ok("POST", "/kill", None).await;
    assert!(tokio::net::TcpStream::connect(node.0.addr()).await.is_err(), "refused");
    node.ok("POST", "/revive", None).await;
    node.ok("POST", "/freeze", None).await;
    assert_eq!(node.state().await["frozen"], json!(true));
    node.ok("POST", "/thaw", None).await;
    let mut connection = Connection::open(node.0.addr()).await;
    connection.send(&get, &node.0.addr().to_string()).await;
    assert_eq!(connection.receive("GET").await.status, 200);
    node.ok("POST", "/cut", Some(serde_json::to_value(Cut::Reset).unwrap())).await;
    assert_eq!(connection.read(&mut Vec::new(), 1).await, End::Reset);
    let seen: Value = serde_json::from_slice(&node.call("GET", "/seen?limit=1", None).await.body).unwrap();
    assert_eq!((&seen[0]["path"], &seen[0]["status"]), (&json!("/movies/film.mp4"), &json!(200)));
    node.ok("DELETE", "/seen", None).await;
    assert!(node.0.seen().is_empty());
}

#[tokio::test]
async fn copies_from_other_processes() {
    let node = Controlled::start().await;
    let copy = |version: &str, size: Option<u64>| {
        json!({"bucket": "movies", "key": "copy.mp4", "version_id": version, "modified_s": 1_795_435_200,
               "size": size, "seed": 7})
    };
    node.ok("PUT", "/films", Some(copy("v1", Some(100)))).await;
    let get = Ask::new("GET", "/movies/copy.mp4").signed(&node.0);
    let got = get.send(&node.0).await;
    assert_eq!((got.status, got.header("x-amz-version-id")), (200, Some("v1")));
    assert_eq!(watchgate_node::first_wrong_byte(7, 0, &got.body), None);
    node.ok("PUT", "/films", Some(copy("v2", None))).await;
    let got = get.send(&node.0).await;
    assert_eq!((got.status, got.header("x-amz-delete-marker")), (404, Some("true")));
    node.ok("DELETE", "/films", Some(json!({"bucket": "movies", "key": "copy.mp4"}))).await;
    let got = get.send(&node.0).await;
    assert_eq!((got.status, got.header("x-amz-delete-marker")), (404, None), "lost without a marker");
    let elsewhere = json!({"bucket": "b", "key": "k", "version_id": "v", "modified_s": 0, "size": 1});
    assert_eq!(node.call("PUT", "/films", Some(elsewhere)).await.status, 404);
}

#[tokio::test]
async fn policies() {
    let node = Controlled::start().await;
    let get = Ask::new("GET", "/movies/film.mp4").signed(&node.0);
    node.ok("PUT", "/policy", Some(json!({"access_key": ACCESS, "policy": "no_get_object"}))).await;
    assert_eq!(get.send(&node.0).await.status, 403);
    node.ok("PUT", "/policy", Some(json!({"access_key": ACCESS, "policy": "all"}))).await;
    assert_eq!(get.send(&node.0).await.status, 200);
    let unknown = json!({"access_key": "nobody", "policy": "all"});
    assert_eq!(node.call("PUT", "/policy", Some(unknown)).await.status, 404);
}
