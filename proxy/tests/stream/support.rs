//! Stages: nodes that hold a film, a gate that streams it, and what can be asked of them.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::OnceCell;
use watchgate::access_log::AccessLog;
use watchgate::config::LogFormat;
use watchgate_node::{Content, Lag, Node, Put, Seen};

use crate::gates::{KEY, PATIENCE, Setup, TestGate, eventually};
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
    presence: String,
    source: bool,
}

/// A gate in stream mode before nodes that hold the film, the first of them its source.
pub(crate) struct Stage {
    pub(crate) gate: TestGate,
    host: OnceCell<Host>,
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
            // One verdict is enough, and a busy machine is no reason for another.
            health: "interval = \"1m\"\ntimeout = \"20s\"\nrise = 1\nslow_start = \"0s\"".to_owned(),
            watch: String::new(),
            presence: String::new(),
            source: false,
        };
        // Nor is it a reason to leave a node.
        staging.waiting("20s").stream("hedge_after", "\"off\"")
    }

    /// Nodes that are late are left soon, for stories that wait for it.
    pub(crate) fn impatient(self) -> Self {
        self.waiting("1s")
    }

    fn waiting(self, so_long: &str) -> Self {
        let so_long = format!("\"{so_long}\"");
        self.stream("first_byte_timeout", &so_long).stream("stall_timeout", &so_long)
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

    /// Nodes are asked for films by viewers' requests alone.
    pub(crate) fn without_presence(self) -> Self {
        Self { presence: "enabled = false".to_owned(), ..self }
    }

    /// A node's word that it lacks a film is soon too old.
    pub(crate) fn forgetful(self) -> Self {
        Self { presence: "negative_ttl = \"100ms\"".to_owned(), ..self }
    }

    /// Verdicts come soon, for stories that wait for one.
    pub(crate) fn watchful(self) -> Self {
        self.health("interval = \"200ms\"\ntimeout = \"200ms\"\nrise = 1\nfall = 3\nslow_start = \"0s\"")
    }

    /// Keys of `[health]`, in place of those that make verdicts rare.
    pub(crate) fn health(self, keys: &str) -> Self {
        Self { health: keys.to_owned(), ..self }
    }

    /// The first node is the source.
    pub(crate) fn with_source(self) -> Self {
        Self { source: true, ..self }
    }

    pub(crate) async fn up(self) -> Stage {
        let Film { size, seed } = self.film;
        self.holding(Content::Generated { size, seed }).await
    }

    /// The nodes hold this film in place of a generated one.
    pub(crate) async fn up_with(self, film: Vec<u8>) -> Stage {
        self.holding(Content::Bytes(film.into())).await
    }

    async fn holding(self, content: Content) -> Stage {
        let mut nodes = Vec::new();
        for number in 0..self.nodes {
            nodes.push(empty_node(number).await);
        }
        let put = Put { content, content_type: "video/mp4".to_owned(), etag: None };
        nodes[0].put_as(KEY, put).expect("the film");
        for replica in &nodes[1..] {
            nodes[0].replicate_to(replica, Lag::After(Duration::ZERO));
            replica.wait_until(|node| node.has(KEY), PATIENCE).await.expect("replicated");
        }
        self.before(nodes).await
    }

    /// The gate before nodes that hold whatever the story gave them.
    pub(crate) async fn before(self, nodes: Vec<Node>) -> Stage {
        let source = self.source;
        let mut rig = self.rig();
        for (number, node) in nodes.iter().enumerate() {
            let role = if source && number == 0 { "role = \"source\"\n" } else { "" };
            let keys = format!("{role}{}", NODES[number].1);
            rig = rig.node(node.name(), &node.endpoint(), ("gate", "gate-secret"), &keys);
        }
        rig.raise(nodes).await
    }

    /// The gate's configuration, still without nodes.
    pub(crate) fn rig(self) -> Rig {
        let lines = Lines::default();
        let log = AccessLog::start(LogFormat::Json, lines.clone()).expect("a thread");
        let stream: Vec<String> = self.stream.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        let mut setup = Setup::new().watch("mode = \"stream\"").watch(&self.watch).extra(&format!(
            "[stream]\n{}\n[health]\n{}\n[presence]\n{}",
            stream.join("\n"),
            self.health,
            self.presence
        ));
        setup.access_log = Some(log);
        Rig { setup, film: self.film, lines }
    }
}

/// A gate before it starts, whatever its nodes are.
pub(crate) struct Rig {
    setup: Setup,
    film: Film,
    lines: Lines,
}

impl Rig {
    pub(crate) fn node(self, id: &str, endpoint: &str, key: (&str, &str), keys: &str) -> Self {
        Self { setup: self.setup.node_with(id, endpoint, key, keys), ..self }
    }

    /// Starts the gate and waits until all its nodes are up.
    pub(crate) async fn raise(self, nodes: Vec<Node>) -> Stage {
        let gate = self.setup.start_proven().await;
        gate.until("all are up", |nodes| nodes.iter().all(|node| node.state == "up")).await;
        Stage { gate, host: OnceCell::new(), nodes, film: self.film, lines: self.lines }
    }
}

impl Stage {
    /// Where the gate speaks HTTP/2; opened when somebody wants it.
    pub(crate) async fn h2_addr(&self) -> SocketAddr {
        self.host.get_or_init(|| Host::start(Arc::clone(&self.gate.gate))).await.addr
    }

    pub(crate) fn near(&self) -> &Node {
        &self.nodes[0]
    }

    /// A metric that counts: the sum over all series that have these labels.
    pub(crate) fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        format!("{:.0}", self.gate.metric(name, labels)).parse().expect("a whole number")
    }

    /// How often films left a node that failed them.
    pub(crate) fn resumes(&self) -> u64 {
        self.count("watchgate_resumes_total", &[])
    }

    /// How often films left this node.
    pub(crate) fn resumes_from(&self, node: &Node) -> u64 {
        self.count("watchgate_resumes_total", &[("from", node.name())])
    }

    /// Kills the node that sends the film now, in the middle of an answer: all stand still while it is looked for, so
    /// that nobody comes to the end of one meanwhile and the death hits nothing.
    pub(crate) async fn kill_serving(&self) -> &Node {
        let caught = OnceLock::new();
        let catch = || {
            self.nodes.iter().for_each(Node::freeze);
            let Some(node) = self.nodes.iter().find(|node| node.in_flight() > 0) else {
                self.nodes.iter().for_each(Node::thaw);
                return false;
            };
            caught.set(node).is_ok()
        };
        eventually("a node sends the film", catch).await;
        let dead = *caught.get().expect("just caught");
        dead.kill().await;
        self.nodes.iter().for_each(Node::thaw);
        dead
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

/// Bytes that a request's `Range` wants of the film.
pub(crate) fn wanted(seen: &Seen, film: Film) -> u64 {
    let range = seen.range.as_deref().and_then(|range| range.strip_prefix("bytes=")).expect("a range");
    let (first, last) = range.split_once('-').expect("a range");
    let first: u64 = first.parse().expect("a number");
    last.parse().unwrap_or(u64::MAX).min(film.size - 1) + 1 - first
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
