//! Gates with routes, and a node for the films.

use std::io::Write;
use std::sync::{Arc, Mutex};

use watchgate::geoip::Databases;
use watchgate_node::Node;

pub(crate) use crate::gates::*;
pub(crate) use crate::server::{BIG, Server};
pub(crate) use crate::viewer::{Answer, Viewer};

/// A gate, its node, and what it logged.
pub(crate) struct Story {
    pub(crate) gate: TestGate,
    _node: Node,
}

/// A route as an operator writes it.
pub(crate) fn route(prefix: &str, to: &[&Server], keys: &str) -> String {
    let to: Vec<String> = to.iter().map(|server| server.url()).collect();
    format!(
        "[[route]]\nprefix = \"{prefix}\"\nto = {to:?}\nhealth_interval = \"1s\"\nhealth_timeout = \"1s\"\n{keys}\n"
    )
}

impl Story {
    /// A gate that believes what loopback says of its viewers.
    pub(crate) async fn with(routes: &[String]) -> Self {
        Self::open(routes, |toml| toml, None).await
    }

    pub(crate) async fn open(
        routes: &[String],
        change: impl FnOnce(String) -> String,
        log: Option<watchgate::access_log::AccessLog>,
    ) -> Self {
        let node = Node::builder("ams").credential("gate", "gate-secret").bucket("movies");
        let node = node.start().await.expect("a node");
        node.put(KEY, b"film".to_vec(), "video/mp4").expect("the film");
        let setup = Setup::new().extra(&routes.concat()).node_with(
            "ams",
            &node.endpoint(),
            ("gate", "gate-secret"),
            "",
        );
        let gate = TestGate::open(&change(setup.toml()), Databases::empty(), log);
        gate.until_state("ams", "up", None).await;
        Self { gate, _node: node }
    }

    pub(crate) async fn viewer(&self) -> Viewer {
        Viewer::connect(self.gate.addr).await
    }

    /// One request on a connection of its own.
    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.viewer().await.get(target).await
    }

    pub(crate) fn requests(&self, route: &str, class: &str) -> f64 {
        self.gate.metric("watchgate_route_requests_total", &[("route", route), ("class", class)])
    }

    pub(crate) fn up(&self, server: &str) -> f64 {
        self.gate.metric("watchgate_route_upstream_up", &[("upstream", server)])
    }
}

/// Where a gate may write its access lines.
#[derive(Clone, Default)]
pub(crate) struct Paper(Arc<Mutex<Vec<u8>>>);

impl Paper {
    pub(crate) fn lines(&self) -> Vec<serde_json::Value> {
        let text = self.0.lock().expect("not poisoned").clone();
        let text = String::from_utf8(text).expect("text");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }
}

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
