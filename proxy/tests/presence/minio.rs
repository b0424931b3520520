//! Who holds a film, on real MinIO nodes: replicated, held back, deleted, overwritten and forbidden by MinIO itself.
//!
//! Where MinIO is missing, each story says so on stderr and passes; with `WATCHGATE_REQUIRE_MINIO=1`
//! (as in CI) it fails instead.

mod cable;
mod crowd;
mod deleted;
mod events;
mod forbidden;
mod late;
mod load;
mod reels;

use std::net::SocketAddr;

use self::cable::Cable;
use crate::minio_cluster::{Cluster, Env, GATE, Tools};
use crate::support::*;

/// A viewer in Singapore.
const SINGAPORE: &str = "198.51.100.10";
/// Of the nodes, in the order of the cities.
const AMS: usize = 0;
const SIN: usize = 1;
const GRU: usize = 2;

/// A busy machine is no reason for a verdict, and a frozen node is noticed by those who ask it.
const STEADY: &str = "[health]\ninterval = \"20s\"\ntimeout = \"20s\"\nrise = 1\nslow_start = \"0s\"";

/// Three nodes, and a cable from the source to each replica.
struct Fleet {
    cluster: Cluster,
    to_sin: Cable,
    to_gru: Cable,
}

impl Fleet {
    async fn start(tools: &Tools) -> Self {
        Self::start_with(tools, &[]).await
    }

    async fn start_with(tools: &Tools, env: Env<'_>) -> Self {
        let cluster = Cluster::apart(tools, 3, env).await;
        let cable = |node: usize| {
            let cable = Cable::start(addr(&cluster.nodes[node].endpoint()));
            cluster.replicate(node, &cable.addr().to_string());
            cable
        };
        let (to_sin, to_gru) = (cable(SIN), cable(GRU));
        Self { cluster, to_sin, to_gru }
    }

    /// A gate before the nodes that answers in this mode.
    async fn gate(&self, mode: &str, tables: &str) -> TestGate {
        up(&setup(&self.cluster, mode, tables)).await
    }

    fn leads_to(&self, got: &Got, node: usize) -> bool {
        leads_to(&self.cluster, got, node)
    }

    /// The film's newest version at a node: its id, and whether it is a delete marker.
    fn on_top_of(&self, node: usize) -> (String, bool) {
        let versions = self.cluster.mc(&["ls", "--json", "--versions", &format!("n{node}/movies/{KEY}")]);
        let newest = versions.lines().next().expect("a version");
        let newest: serde_json::Value = serde_json::from_str(newest).expect("JSON");
        let id = newest["versionId"].as_str().expect("an id").to_owned();
        (id, newest["isDeleteMarker"].as_bool().unwrap_or(false))
    }

    /// Puts a delete marker upon the film.
    fn delete(&self) {
        self.cluster.mc(&["rm", &format!("n0/movies/{KEY}")]);
    }

    /// Takes the delete marker away. MinIO shows the film again once every replica has taken its own away, too.
    fn undelete(&self) {
        let (marker, is_marker) = self.on_top_of(AMS);
        assert!(is_marker, "it is deleted");
        self.cluster.mc(&["rm", "--version-id", &marker, &format!("n0/movies/{KEY}")]);
    }
}

fn setup(cluster: &Cluster, mode: &str, tables: &str) -> Setup {
    let watch = format!("mode = \"{mode}\"\ndecision_header = true");
    let setup = Setup::new().watch(&watch).extra(STEADY).extra(tables);
    cluster.nodes.iter().zip(CITIES).enumerate().fold(setup, |setup, (number, (node, (city, ..)))| {
        let role = if number == AMS { "role = \"source\"" } else { "" };
        setup.node_with(city, &node.endpoint(), GATE, role)
    })
}

fn leads_to(cluster: &Cluster, got: &Got, node: usize) -> bool {
    got.status == 302 && got.header("location").starts_with(&format!("{}/", cluster.nodes[node].endpoint()))
}

fn addr(endpoint: &str) -> SocketAddr {
    endpoint.trim_start_matches("http://").parse().expect("an address")
}

impl Got {
    /// Whether this node streamed it.
    fn is_from(&self, node: usize) -> bool {
        self.header("watchgate-decision").starts_with(&format!("node={};", CITIES[node].0))
    }
}
