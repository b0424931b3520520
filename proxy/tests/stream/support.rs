//! Stages: nodes that hold a film, a gate that streams it, and what can be asked of them.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use watchgate::access_log::AccessLog;
use watchgate::config::LogFormat;
use watchgate_node::{Lag, Node, Seen};

use crate::gates::{KEY, PATIENCE, Setup, TestGate};
use crate::host::Host;

/// A generated film: every byte can be checked, none is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Film {
    pub(crate) size: u64,
    pub(crate) seed: u64,
}

/// Nodes, the nearest to Amsterdam first; the rest follow in this order whatever the viewer's hash says.
const NODES: [(&str, &str); 3] = [("ams", ""), ("gru", ""), ("sin", "base_ms = 500")];

/// A stage before it is set up.
pub(crate) struct Staging {
    film: Film,
    nodes: usize,
    /// Keys of `[stream]`, later ones in place of earlier ones.
    stream: Vec<(String, String)>,
    health: String,
    watch: String,
    source: bool,
}

/// A gate in stream mode before nodes that hold the film, the first of them its source.
pub(crate) struct Stage {
    pub(crate) gate: TestGate,
    pub(crate) host: Host,
    pub(crate) nodes: Vec<Node>,
    pub(crate) film: Film,
    lines: Lines,
}

impl Staging {
    pub(crate) fn new(nodes: usize, size: u64) -> Self {
        let staging = Self {
            film: Film { size, seed: 7 },
            nodes,
            stream: Vec::new(),
            // A busy machine is no reason for a verdict.
            health: "interval = \"400ms\"\ntimeout = \"400ms\"\nrise = 1\nfall = 10\nslow_start = \"0s\""
                .to_owned(),
            watch: String::new(),
            source: false,
        };
        staging
            .stream("first_byte_timeout", "\"400ms\"")
            .stream("stall_timeout", "\"400ms\"")
            .stream("hedge_after", "\"off\"")
    }

    /// A key of `[stream]`.
    pub(crate) fn stream(mut self, key: &str, value: &str) -> Self {
        self.stream.retain(|(have, _)| have != key);
        self.stream.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Keys of `[watch]`.
    pub(crate) fn watch(mut self, keys: &str) -> Self {
        self.watch.push_str(keys);
        self
    }

    pub(crate) async fn up(self) -> Stage {
        let mut nodes = Vec::new();
        for number in 0..self.nodes {
            nodes.push(empty_node(number).await);
        }
        nodes[0].put_generated(KEY, self.film.size, self.film.seed).expect("the film");
        for replica in &nodes[1..] {
            nodes[0].replicate_to(replica, Lag::After(Duration::ZERO));
            replica.wait_until(|node| node.has(KEY), PATIENCE).await.expect("replicated");
        }
        self.before(nodes).await
    }

    /// The gate before nodes that hold whatever the story gave them.
    pub(crate) async fn before(self, nodes: Vec<Node>) -> Stage {
        let lines = Lines::default();
        let log = AccessLog::start(LogFormat::Json, lines.clone()).expect("a thread");
        let stream: String = self.stream.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
        let mut setup = Setup::new()
            .watch("mode = \"stream\"")
            .watch(&self.watch)
            .extra(&format!("[stream]\n{stream}[health]\n{}", self.health));
        setup.access_log = Some(log);
        for (number, node) in nodes.iter().enumerate() {
            let role = if self.source && number == 0 { "role = \"source\"\n" } else { "" };
            let keys = format!("{role}{}", NODES[number].1);
            setup = setup.node_with(node.name(), &node.endpoint(), ("gate", "gate-secret"), &keys);
        }
        let gate = setup.start_proven().await;
        gate.until("all are up", |nodes| nodes.iter().all(|node| node.state == "up")).await;
        let host = Host::start(Arc::clone(&gate.gate)).await;
        Stage { gate, host, nodes, film: self.film, lines }
    }
}

impl Stage {
    pub(crate) fn near(&self) -> &Node {
        &self.nodes[0]
    }

    /// How often a film went on elsewhere after it had begun at this node.
    pub(crate) fn resumes_from(&self, node: &Node) -> f64 {
        self.gate.metric("watchgate_resumes_total", &[("from", node.name())])
    }

    /// The access lines so far.
    pub(crate) fn lines(&self) -> Vec<serde_json::Value> {
        let text = self.lines.0.lock().unwrap_or_else(PoisonError::into_inner);
        text.split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| serde_json::from_slice(line).expect("a line of JSON"))
            .collect()
    }
}

/// A node without films, at the place of its number.
pub(crate) async fn empty_node(number: usize) -> Node {
    let builder = Node::builder(NODES[number].0).credential("gate", "gate-secret").bucket("movies");
    builder.start().await.expect("a node")
}

/// Requests for the body of a film that the node has seen.
pub(crate) fn gets(node: &Node) -> Vec<Seen> {
    node.seen().into_iter().filter(|seen| seen.method == "GET" && seen.path.ends_with(KEY)).collect()
}

/// What the access log writes.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
