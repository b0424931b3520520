//! Nodes and viewers for the stories of redirects.

use watchgate::geoip::Databases;
use watchgate_node::Node;

pub(crate) use crate::gates::*;
pub(crate) use crate::got::Got;

/// A viewer in Singapore.
pub(crate) const SINGAPORE: &str = "198.51.100.10";
/// A viewer whose place is unknown.
pub(crate) const NOWHERE: &str = "100.64.0.1";

impl Setup {
    pub(crate) fn node(self, id: &str, endpoint: &str) -> Self {
        self.node_with(id, endpoint, ("gate", "gate-secret"), "")
    }
}

impl TestGate {
    pub(crate) fn start(toml: &str, databases: Databases) -> Self {
        Self::open(toml, databases, None)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// A request of one viewer.
    pub(crate) fn ask(&self, method: reqwest::Method, path: &str, viewer: &str) -> reqwest::RequestBuilder {
        let client =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("client");
        client.request(method, self.url(path)).header("x-forwarded-for", viewer)
    }

    /// GET of the film by one viewer.
    pub(crate) async fn watch(&self, viewer: &str) -> Got {
        let path = format!("/watch/{FILM}");
        Got::of(self.ask(reqwest::Method::GET, &path, viewer).send().await.expect("an answer")).await
    }
}

impl Got {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// Whether the redirect leads to this node.
    pub(crate) fn leads_to(&self, node: &Node) -> bool {
        self.location().starts_with(&format!("{}/", node.endpoint()))
    }
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
