//! Gates in this process for the stories of every test program that includes this file.
//!
//! Absent on purpose: viewers and films, which differ from program to program.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use watchgate::access_log::AccessLog;
use watchgate::config::{Config, Source, parse};
use watchgate::front::{FrontDoor, bind};
use watchgate::gate::Gate;
use watchgate::gate::report::NodeReport;
use watchgate::geoip::Databases;

/// The film of all stories.
pub(crate) const FILM: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";
/// Its object key.
pub(crate) const KEY: &str = "0f8fad5b-d9cb-469f-a165-70867728950e.mp4";

/// A viewer in Amsterdam and in Sao Paulo.
pub(crate) const AMSTERDAM: &str = "192.0.2.10";
pub(crate) const SAO_PAULO: &str = "203.0.113.10";

/// The three cities: node id, coordinates, viewers' network.
pub(crate) const CITIES: [(&str, f64, f64, &str); 3] = [
    ("ams", 52.37, 4.9, "192.0.2.0/24"),
    ("sin", 1.35, 103.82, "198.51.100.0/24"),
    ("gru", -23.55, -46.63, "203.0.113.0/24"),
];

/// How long a story waits for a state before it fails: far more than it takes, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A gate before its nodes.
pub(crate) struct TestGate {
    pub(crate) gate: Arc<Gate>,
    pub(crate) registry: Registry,
    pub(crate) addr: SocketAddr,
    shutdown: watch::Sender<bool>,
    serving: Vec<JoinHandle<()>>,
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
    /// Where the gate writes its access lines, if it does.
    pub(crate) access_log: Option<AccessLog>,
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self { extra: String::new(), watch: String::new(), nodes: Vec::new(), access_log: None }
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
        TestGate::open(&self.toml(), Databases::empty(), self.access_log.clone())
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
    pub(crate) fn open(toml: &str, databases: Databases, access_log: Option<AccessLog>) -> Self {
        let registry = Registry::new();
        let mut gate = Gate::new(config(toml), databases, &registry).expect("a gate");
        if let Some(log) = access_log {
            gate = gate.with_access_log(log);
        }
        let gate = Arc::new(gate);
        let (shutdown, down) = watch::channel(false);
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let door = FrontDoor::new(Arc::clone(&gate), 10_000, &registry).expect("metrics");
        let background = tokio::spawn(Arc::clone(&gate).run(down.clone()));
        let serving = tokio::spawn(async move {
            door.serve(vec![listener], down, Duration::from_secs(1)).await;
        });
        Self { gate, registry, addr, shutdown, serving: vec![background, serving] }
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

/// The text as a configuration.
pub(crate) fn config(toml: &str) -> Config {
    let source = Source { text: toml, path: None, env: &BTreeMap::new() };
    parse(&source).unwrap_or_else(|faults| panic!("{toml}\n{faults}")).config
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

/// Finds a program on the `PATH`, or says on stderr that the story is skipped: a failure where the variable `required`
/// is set.
pub(crate) fn found(program: &str, required: &str, story: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file());
    if found.is_none() {
        assert!(std::env::var_os(required).is_none(), "{program} is not on the PATH, and {required} is set");
        // Past the test harness, which keeps what a passing test prints.
        let _ = writeln!(std::io::stderr(), "skipped: {story}: {program} is not on the PATH");
    }
    found
}
