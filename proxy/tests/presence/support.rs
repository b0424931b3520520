//! Nodes, viewers and gates for the stories of presence.

use reqwest::Method;
use watchgate::decide::client::Scheme;
use watchgate::gate::Ask;
use watchgate_node::{Lag, Node, Seen};

pub(crate) use crate::gates::*;
pub(crate) use crate::got::Got;

/// The three nodes of the three cities; `ams` is the source.
pub(crate) struct Stage {
    pub(crate) ams: Node,
    pub(crate) sin: Node,
    pub(crate) gru: Node,
}

/// Words are believed for so long that nothing is asked again within a story.
pub(crate) const LONG: &str = "[presence]\npositive_ttl = \"24h\"\nnegative_ttl = \"1h\"";
/// Words grow old at once.
pub(crate) const SHORT: &str = "[presence]\npositive_ttl = \"1s\"\nnegative_ttl = \"100ms\"";

impl Stage {
    /// Nodes without films, and without replication.
    pub(crate) async fn bare() -> Self {
        let node = async |name: &str| {
            let builder = Node::builder(name).credential("gate", "gate-secret").bucket("movies");
            builder.start().await.expect("a node")
        };
        Self { ams: node("ams").await, sin: node("sin").await, gru: node("gru").await }
    }

    /// The source replicates to both others, as far behind as is said.
    pub(crate) async fn replicating(lag: Lag) -> Self {
        let stage = Self::bare().await;
        stage.ams.replicate_to(&stage.sin, lag);
        stage.ams.replicate_to(&stage.gru, lag);
        stage
    }

    pub(crate) fn nodes(&self) -> [&Node; 3] {
        [&self.ams, &self.sin, &self.gru]
    }

    /// The film on every node, the same version.
    pub(crate) async fn with_film(self) -> Self {
        self.ams.replicate_to(&self.sin, Lag::After(std::time::Duration::ZERO));
        self.ams.replicate_to(&self.gru, Lag::After(std::time::Duration::ZERO));
        self.ams.put(KEY, film(1), "video/mp4").expect("the film");
        eventually("the film is everywhere", || self.nodes().iter().all(|node| node.has(KEY))).await;
        self
    }

    pub(crate) fn setup(&self) -> Setup {
        let key = ("gate", "gate-secret");
        let setup = Setup::new().node_with("ams", &self.ams.endpoint(), key, "role = \"source\"");
        setup.node_with("sin", &self.sin.endpoint(), key, "").node_with("gru", &self.gru.endpoint(), key, "")
    }

    /// All HEAD requests for films that reached nodes.
    pub(crate) fn asked(&self) -> usize {
        self.nodes().iter().map(|node| heads(node).len()).sum()
    }
}

/// The questions for films that a node has seen.
pub(crate) fn heads(node: &Node) -> Vec<Seen> {
    node.seen().into_iter().filter(|seen| seen.method == "HEAD" && seen.path.contains(".mp4")).collect()
}

/// The film's bytes in one of its versions.
pub(crate) fn film(version: u32) -> Vec<u8> {
    (0_u32..50_000).flat_map(|word| (word ^ version).to_le_bytes()).collect()
}

/// What an operator asks about the film and a viewer in Sao Paulo.
pub(crate) fn asked() -> Ask {
    Ask {
        film: FILM.parse().expect("a film"),
        path: String::new(),
        address: SAO_PAULO.parse().expect("an address"),
        method: watchgate::decide::watch::Method::Get,
        scheme: Scheme::Http,
        mode: None,
    }
}

/// Before all nodes are up nobody is worth a question.
pub(crate) async fn up(setup: &Setup) -> TestGate {
    let gate = setup.start_proven().await;
    gate.until("all are up", |nodes| nodes.iter().all(|node| node.state == "up")).await;
    gate
}

impl TestGate {
    pub(crate) async fn get(&self, path: &str, viewer: &str) -> Got {
        self.ask(Method::GET, path, viewer, &[]).await
    }

    pub(crate) async fn ask(&self, method: Method, path: &str, viewer: &str, fields: &[(&str, &str)]) -> Got {
        let client =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("client");
        let url = format!("http://{}{path}", self.addr);
        let request = client.request(method, url).header("x-forwarded-for", viewer);
        let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        Got::of(request.send().await.expect("an answer")).await
    }

    /// Many viewers in Sao Paulo at once.
    pub(crate) async fn get_all(&self, paths: impl Iterator<Item = String>) -> Vec<Got> {
        let client =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("client");
        let mut viewers = tokio::task::JoinSet::new();
        for path in paths {
            let request = client.get(format!("http://{}{path}", self.addr));
            let request = request.header("x-forwarded-for", SAO_PAULO).send();
            viewers.spawn(async move { Got::of(request.await.expect("an answer")).await });
        }
        viewers.join_all().await
    }

    pub(crate) async fn watch(&self, viewer: &str) -> Got {
        self.get(&format!("/watch/{FILM}"), viewer).await
    }

    /// Waits, bounded, until a viewer's request is answered as the story wants it.
    pub(crate) async fn until_watched(
        &self,
        viewer: &str,
        what: &str,
        reached: impl Fn(&Got) -> bool,
    ) -> Got {
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(20));
        let mut last = None;
        let waiting = async {
            loop {
                ticks.tick().await;
                let got = self.watch(viewer).await;
                if reached(&got) {
                    return got;
                }
                last = Some(got);
            }
        };
        let reached = tokio::time::timeout(PATIENCE, waiting).await;
        reached.unwrap_or_else(|_| panic!("not reached in time: {what}; {last:?}"))
    }

    pub(crate) fn lookups(&self, result: &str) -> u64 {
        // A count.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small whole number")]
        let count = self.metric("watchgate_presence_lookups_total", &[("result", result)]) as u64;
        count
    }
}

impl Got {
    /// Whether the redirect leads to this node.
    pub(crate) fn leads_to(&self, node: &Node) -> bool {
        self.status == 302 && self.header("location").starts_with(&format!("{}/", node.endpoint()))
    }

    /// What the link leads to.
    pub(crate) async fn follow(&self) -> Got {
        Got::of(reqwest::get(self.location()).await.expect("the node answers")).await
    }

    /// The reason in the problem document.
    pub(crate) fn problem(&self) -> String {
        let json: serde_json::Value = serde_json::from_slice(&self.body).expect("JSON");
        json["type"].as_str().expect("a type").trim_start_matches("urn:watchgate:problem:").to_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}
