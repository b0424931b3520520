//! One configuration as it would choose, all of its nodes up.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use watchgate::decide::client;
use watchgate::decide::plan::{Plan, plan};
use watchgate::decide::rank::{Scored, score_all, viewer_key};
use watchgate::decide::watch::Film;
use watchgate::state::places::Site;
use watchgate::state::{Snapshot, View};
use watchgate_config::Mode;

use super::entry::Entry;
use crate::fault::Failure;
use crate::fleet;

/// Nodes that an explanation shows.
const DEPTH: usize = 3;
/// The gate's clock stands still: nothing here depends on time but load, which is set.
const NOW_MS: u64 = 1;

/// See the module.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) snapshot: Snapshot,
    https_only: bool,
}

/// One viewer's wish, at one side.
pub(super) struct Wish<'a> {
    side: &'a Side,
    pub(super) site: Site<'a>,
    key: u64,
}

impl Side {
    pub(super) fn open(config: &Path, city: &[PathBuf], is_https: bool) -> Result<Self, Failure> {
        let config = fleet::read(config)?;
        let databases = fleet::databases(if city.is_empty() { &config.geoip.databases } else { city })?;
        // A gate that streams reaches nodes its own way, whatever the viewer's scheme.
        let https_only = is_https && config.watch.mode == Mode::Redirect;
        Ok(Self { snapshot: fleet::snapshot(config, databases)?, https_only })
    }

    pub(super) fn id(&self, node: usize) -> &str {
        self.snapshot.config.nodes[node].id.as_str()
    }

    pub(super) fn find(&self, id: &str) -> Option<usize> {
        self.snapshot.config.nodes.iter().position(|node| node.id.as_str() == id)
    }

    pub(super) fn wish(&self, client: Option<IpAddr>, film: &Film) -> Wish<'_> {
        let group = client.map_or(0, |address| client::group(address).as_u64());
        let site = self.snapshot.places.site(client);
        Wish { side: self, site, key: viewer_key(group, film.as_bytes()) }
    }
}

impl Wish<'_> {
    /// The hash of viewer group and film.
    pub(super) fn key(&self) -> u64 {
        self.key
    }

    pub(super) fn plan(&self) -> Plan {
        plan(&self.site.question(self.key), &self.view(), self.side.snapshot.policy, DEPTH)
    }

    /// Every node with its figures.
    pub(super) fn all(&self) -> Vec<Scored> {
        score_all(&self.site.question(self.key), &self.view())
    }

    pub(super) fn distance_km(&self, node: usize) -> Option<f32> {
        self.site.distance_km(node)
    }

    fn view(&self) -> View<'_> {
        View {
            snapshot: &self.side.snapshot,
            site: &self.site,
            now_ms: NOW_MS,
            https_only: self.side.https_only,
            assume_up: true,
            take_draining: false,
            held: None,
        }
    }
}

/// Whether a node was chosen for the viewer, as far as the line says.
pub(super) fn was_sent(entry: &Entry) -> bool {
    matches!(entry.outcome.as_str(), "redirect" | "link" | "stream" | "not_modified" | "viewer_left" | "cut")
}
