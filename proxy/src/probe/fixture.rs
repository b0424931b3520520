//! Nodes of a fleet for the tests of probing, made from configuration text as in real life.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus::{Registry, TextEncoder};
use rustls::ClientConfig;
use watchgate_config::{Source, parse};
use watchgate_node::Node as Store;

use super::round::Asker;
use crate::clock::Clock;
use crate::fleet::experience::Experiences;
use crate::fleet::{Fleet, Makings, Node};

pub(super) const ACCESS_KEY: &str = "gate";
pub(super) const SECRET_KEY: &str = "a-secret-of-the-tests";
pub(super) const BUCKET: &str = "movies";
pub(super) const REGION: &str = "us-east-1";

/// Long enough for the slowest machine; no test that passes waits for it.
pub(super) const BOUND: Duration = Duration::from_secs(20);

/// A fleet node, or several, and the registry that their metrics are in.
pub(super) struct Fixture {
    /// The first one.
    pub(super) node: Arc<Node>,
    pub(super) nodes: Vec<Arc<Node>>,
    registry: Registry,
    /// What viewers' requests met there, until a task takes it.
    pub(super) experiences: Option<Experiences>,
}

impl Fixture {
    /// A node of this profile; `more` are further lines of its table, or tables of further nodes.
    pub(super) fn new(endpoint: &str, profile: &str, more: &str) -> Self {
        let text = format!(
            "[bucket]\nname = {BUCKET:?}\nregion = {REGION:?}\n\
             [[node]]\nid = \"ams\"\nprofile = {profile:?}\nendpoint = {endpoint:?}\n\
             at = {{ lat = 52.37, lon = 4.9 }}\naccess_key = {ACCESS_KEY:?}\nsecret_key = {SECRET_KEY:?}\n{more}"
        );
        let config = parse(&Source { text: &text, path: None, env: &BTreeMap::new() }).unwrap().config;
        let registry = Registry::new();
        let unix_ms = Clock::start().unix_ms();
        let (makings, experiences) = Makings::new(&registry).unwrap();
        let nodes = Fleet::made(&config, None, &makings, unix_ms).nodes;
        Self { node: Arc::clone(&nodes[0]), nodes, registry, experiences: Some(experiences) }
    }

    /// The same with its address known, as the task leaves it.
    pub(super) fn at(self, address: SocketAddr) -> Self {
        self.node.live.addresses.store(Some(Arc::new(vec![address])));
        self
    }

    /// A line of the metrics is there.
    pub(super) fn assert_metric(&self, line: &str) {
        let text = TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap();
        assert!(text.lines().any(|have| have == line), "{line} is not in {text}");
    }
}

/// An in-memory node that knows our key and holds our bucket, empty.
pub(super) async fn store() -> Store {
    let store = Store::builder("ams").credential(ACCESS_KEY, SECRET_KEY).bucket(BUCKET).start().await;
    store.expect("loopback has ports")
}

pub(super) fn asker(timeout: Duration, canary: Option<&str>, tls: Option<Arc<ClientConfig>>) -> Asker {
    Asker { tls, clock: Clock::start(), timeout, canary: canary.map(str::to_owned) }
}
