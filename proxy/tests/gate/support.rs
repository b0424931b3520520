//! Gates, nodes and viewers for the stories.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use reqwest::header::HeaderMap;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use watchgate::config::{Source, parse};
use watchgate::front::{FrontDoor, bind};
use watchgate::gate::Gate;
use watchgate::gate::report::NodeReport;
use watchgate::geoip::Databases;
use watchgate_node::Node;

/// The film of all stories.
pub(crate) const FILM: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
/// Its object key.
pub(crate) const KEY: &str = "0f8fad5b-d9cb-469f-a165-70867728950e.mp4";

/// A viewer in Amsterdam, Singapore and Sao Paulo, and nowhere.
pub(crate) const AMSTERDAM: &str = "192.0.2.10";
pub(crate) const SINGAPORE: &str = "198.51.100.10";
pub(crate) const SAO_PAULO: &str = "203.0.113.10";
pub(crate) const NOWHERE: &str = "100.64.0.1";

/// The three cities: node id, coordinates, viewers' network.
pub(crate) const CITIES: [(&str, f64, f64, &str); 3] = [
    ("ams", 52.37, 4.9, "192.0.2.0/24"),
    ("sin", 1.35, 103.82, "198.51.100.0/24"),
    ("gru", -23.55, -46.63, "203.0.113.0/24"),
];

/// How long a story waits for a state before it fails: far more than it takes, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A gate before its nodes, and a viewer's client.
pub(crate) struct TestGate {
    pub(crate) gate: Arc<Gate>,
    pub(crate) registry: Registry,
    pub(crate) addr: SocketAddr,
    shutdown: watch::Sender<bool>,
    serving: Vec<JoinHandle<()>>,
    client: reqwest::Client,
}

impl Drop for TestGate {
    fn drop(&mut self) {
        self.shutdown.send_replace(true);
        for task in &self.serving {
            task.abort();
        }
    }
}

/// What the gate of a story is configured with.
pub(crate) struct Setup {
    /// Tables before the nodes, in addition to the rules for the three cities.
    pub(crate) extra: String,
    /// Keys of `[watch]`.
    pub(crate) watch: String,
    /// `(id, endpoint, access key, secret key, keys of the node)`, at the city of that id.
    pub(crate) nodes: Vec<(String, String, String, String, String)>,
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self { extra: String::new(), watch: String::new(), nodes: Vec::new() }
    }

    pub(crate) fn watch(mut self, keys: &str) -> Self {
        self.watch.push_str(keys);
        self.watch.push('\n');
        self
    }

    pub(crate) fn extra(mut self, tables: &str) -> Self {
        self.extra.push_str(tables);
        self.extra.push('\n');
        self
    }

    pub(crate) fn node(self, id: &str, endpoint: &str) -> Self {
        self.node_with(id, endpoint, ("gate", "gate-secret"), "")
    }

    pub(crate) fn node_with(mut self, id: &str, endpoint: &str, key: (&str, &str), keys: &str) -> Self {
        let node = (id.to_owned(), endpoint.to_owned(), key.0.to_owned(), key.1.to_owned(), keys.to_owned());
        self.nodes.push(node);
        self
    }

    /// The configuration as an operator would write it.
    pub(crate) fn toml(&self) -> String {
        let mut text =
            String::from("[viewer]\ntrusted_proxies = [\"127.0.0.0/8\"]\n[bucket]\nname = \"movies\"\n");
        if !self.extra.contains("[health]") {
            text.push_str("[health]\ninterval = \"200ms\"\ntimeout = \"200ms\"\nslow_start = \"0s\"\n");
        }
        let _ = write!(text, "[watch]\n{}\n{}", self.watch, self.extra);
        for (_, lat, lon, network) in CITIES {
            let _ =
                write!(text, "[[geoip.rule]]\ncidr = \"{network}\"\nat = {{ lat = {lat}, lon = {lon} }}\n");
        }
        for (id, endpoint, access, secret, keys) in &self.nodes {
            let city =
                CITIES.iter().find(|(city, ..)| id.starts_with(city)).expect("a node in one of the cities");
            let _ = write!(
                text,
                "[[node]]\nid = \"{id}\"\nendpoint = \"{endpoint}\"\nat = {{ lat = {}, lon = {} }}\n\
                 access_key = \"{access}\"\nsecret_key = \"{secret}\"\n{keys}\n",
                city.1, city.2
            );
        }
        text
    }

    /// Starts the gate without waiting for anything.
    pub(crate) fn start(&self) -> TestGate {
        TestGate::start(&self.toml(), Databases::empty())
    }

    /// Starts the gate and waits until every node has a verdict.
    pub(crate) async fn start_proven(&self) -> TestGate {
        let gate = self.start();
        gate.until("every node has a verdict", |nodes| nodes.iter().all(|node| node.state != "unproven"))
            .await;
        gate
    }
}

impl TestGate {
    pub(crate) fn start(toml: &str, databases: Databases) -> Self {
        let source = Source { text: toml, path: None, env: &BTreeMap::new() };
        let config = parse(&source).unwrap_or_else(|faults| panic!("{toml}\n{faults}")).config;
        let registry = Registry::new();
        let gate = Arc::new(Gate::new(config, databases, &registry).expect("a gate"));
        let (shutdown, down) = watch::channel(false);
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let door = FrontDoor::new(Arc::clone(&gate), 10_000, &registry).expect("metrics");
        let background = tokio::spawn(Arc::clone(&gate).run(down.clone()));
        let serving = tokio::spawn(async move {
            door.serve(vec![listener], down, Duration::from_secs(1)).await;
        });
        let client =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("client");
        Self { gate, registry, addr, shutdown, serving: vec![background, serving], client }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// A request of one viewer.
    pub(crate) fn ask(&self, method: reqwest::Method, path: &str, viewer: &str) -> reqwest::RequestBuilder {
        self.client.request(method, self.url(path)).header("x-forwarded-for", viewer)
    }

    /// GET of the film by one viewer.
    pub(crate) async fn watch(&self, viewer: &str) -> Got {
        let path = format!("/watch/{FILM}");
        Got::of(self.ask(reqwest::Method::GET, &path, viewer).send().await.expect("an answer")).await
    }

    /// Waits, bounded, until the nodes are as the story wants them.
    pub(crate) async fn until(&self, what: &str, reached: impl Fn(&[NodeReport]) -> bool) {
        eventually(what, || reached(&self.gate.nodes())).await;
    }

    pub(crate) async fn until_state(&self, id: &str, state: &str, reason: Option<&str>) {
        let reached = |node: &NodeReport| {
            node.id == id
                && node.state == state
                && reason.is_none_or(|reason| node.reason.as_deref() == Some(reason))
        };
        self.until(&format!("{id} is {state} {reason:?}"), |nodes| nodes.iter().any(reached)).await;
    }

    /// The sum of a metric over all series that have these labels.
    pub(crate) fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|family| family.name() == name);
        let of = |metric: &prometheus::proto::Metric| {
            let has = |(name, value): &(&str, &str)| {
                metric.get_label().iter().any(|label| label.name() == *name && label.value() == *value)
            };
            let value = metric.get_counter().get_value() + metric.get_gauge().get_value();
            labels.iter().all(has).then_some(value)
        };
        family.map_or(0.0, |family| family.get_metric().iter().filter_map(of).sum())
    }
}

/// A bounded wait for a state; looks again whenever the runtime has nothing better to do for a moment.
pub(crate) async fn eventually(what: &str, reached: impl Fn() -> bool) {
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let waiting = async {
        while !reached() {
            ticks.tick().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "not reached in time: {what}");
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) async fn of(response: reqwest::Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, body: response.bytes().await.expect("a whole body").to_vec() }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    pub(crate) fn location(&self) -> &str {
        assert_eq!(self.status, 302, "{self:?}");
        self.header("location")
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// Whether the redirect leads to this node.
    pub(crate) fn leads_to(&self, node: &Node) -> bool {
        self.location().starts_with(&format!("{}/", node.endpoint()))
    }
}

/// A process that ends with its owner.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // A program started by a wrapper is in the wrapper's group, if it was given one. It may have ended already.
        let group = format!("-{}", self.0.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port()
}

/// A node that holds the film; its key is known to the gates of the stories.
pub(crate) async fn node(name: &str) -> Node {
    let builder = Node::builder(name).credential("gate", "gate-secret").bucket("movies");
    let node = builder.start().await.expect("a node");
    node.put(KEY, film(), "video/mp4").expect("the film");
    node
}

/// The film's bytes.
pub(crate) fn film() -> Vec<u8> {
    (0_u32..50_000).flat_map(u32::to_le_bytes).collect()
}

/// The three nodes of the three cities, and a gate before them that knows them.
pub(crate) async fn three() -> ([Node; 3], TestGate) {
    let nodes = [node("ams").await, node("sin").await, node("gru").await];
    let mut setup = Setup::new();
    for node in &nodes {
        setup = setup.node(node.name(), &node.endpoint());
    }
    (nodes, setup.start_proven().await)
}
