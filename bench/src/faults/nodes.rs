//! The nodes of a drill, of either kind, and what can be done to them and to the films on them.
//!
//! Absent on purpose: what it is done for.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::film::Film;
use crate::Failure;
use crate::process::{LOOK, Place, Server};
use crate::random::Random;
use crate::stage::minio::Cluster;
use crate::stage::own::{Own, Version};
use crate::stage::{ACCESS_KEY, CITIES};

/// How long replication may take when nothing holds it up.
const REPLICATED: Duration = Duration::from_secs(30);
/// Unix time of first versions; every further one is a minute later.
const FIRST_S: u64 = 1_795_435_200;

/// See the module.
#[derive(Debug)]
pub(super) enum Nodes {
    Own(Vec<Own>),
    Minio(Box<Cluster>),
}

/// Which nodes of the program there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// `watchgate-node`, in memory, with switches for every fault
    Own,
    /// Real MinIO, with replication; minio and mc have to be on the PATH
    Minio,
}

impl Nodes {
    /// Starts them, empty.
    ///
    /// # Errors
    /// A program is missing or does not come up.
    pub(super) async fn start(place: &Place, kind: Kind) -> Result<Self, Failure> {
        match kind {
            Kind::Minio => Ok(Self::Minio(Box::new(Cluster::start(place).await?))),
            Kind::Own => {
                let mut nodes = Vec::new();
                for city in CITIES {
                    nodes.push(Own::start(place, city.id).await?);
                }
                Ok(Self::Own(nodes))
            }
        }
    }

    pub(super) fn address(&self, node: usize) -> std::net::SocketAddr {
        match self {
            Self::Own(nodes) => nodes[node].address,
            Self::Minio(cluster) => cluster.address(node),
        }
    }

    fn process(&self, node: usize) -> Result<&Server, Failure> {
        let process = match self {
            Self::Own(nodes) => nodes[node].process(),
            Self::Minio(cluster) => cluster.process(node),
        };
        process.ok_or_else(|| Failure::Misbehaved(format!("{} does not run", CITIES[node].id)))
    }

    /// Number of its process.
    pub(super) fn id(&self, node: usize) -> Result<u32, Failure> {
        Ok(self.process(node)?.id())
    }

    pub(super) fn signal(&self, node: usize, signal: Signal) -> Result<(), Failure> {
        self.process(node)?.signal(signal)
    }

    /// SIGKILL.
    pub(super) fn kill(&mut self, node: usize) {
        match self {
            Self::Own(nodes) => nodes[node].kill(),
            Self::Minio(cluster) => cluster.kill(node),
        }
    }

    /// Starts all that were killed, at once, with their films.
    pub(super) async fn revive(&mut self, place: &Place) -> Result<(), Failure> {
        match self {
            Self::Minio(cluster) => cluster.revive(place).await,
            Self::Own(nodes) => {
                let [first, second, third] = &mut nodes[..] else { return Ok(()) };
                tokio::try_join!(first.revive(place), second.revive(place), third.revive(place))?;
                Ok(())
            }
        }
    }

    /// Turns a switch that only nodes of our own have.
    pub(super) async fn switch(
        &self,
        node: usize,
        method: &str,
        path: &str,
        body: &Value,
    ) -> Result<(), Failure> {
        match self {
            Self::Own(nodes) => nodes[node].control(method, path, body).await,
            Self::Minio(_) => Err(Failure::Misbehaved(format!("MinIO has no switch {path}"))),
        }
    }

    /// How many bytes a second own nodes give to each connection: over loopback a film is swallowed whole.
    pub(super) async fn narrow(&self, bytes_per_s: u64) -> Result<(), Failure> {
        if let Self::Own(nodes) = self {
            for node in nodes {
                node.control("PUT", "/settings", &json!({"bandwidth_bytes_per_s": bytes_per_s})).await?;
            }
        }
        Ok(())
    }

    /// Uploads the film's version to the source, and waits until every node has it.
    pub(super) async fn put(&mut self, place: &Place, film: &Film, version: usize) -> Result<(), Failure> {
        self.put_at_source(place, film, version).await?;
        self.replicate(film, version).await
    }

    /// Uploads the film's version to the source. MinIO replicates it, unless that is held up.
    pub(super) async fn put_at_source(
        &mut self,
        place: &Place,
        film: &Film,
        version: usize,
    ) -> Result<(), Failure> {
        match self {
            Self::Own(nodes) => nodes[0].copy_in(&film.key(), &own_version(film, version)).await,
            Self::Minio(cluster) => {
                let upload = place.scratch.path().join("upload");
                let written = film.reels[version].write(&upload);
                written.map_err(Failure::during(upload.display().to_string()))?;
                cluster.upload(&upload, &film.key()).await
            }
        }
    }

    /// Holds replication up, or lets it go on. Between own nodes there is none that could go on.
    pub(super) fn hold_replication(&self, held: bool) {
        if let Self::Minio(cluster) = self {
            cluster.hold_replication(held);
        }
    }

    /// Waits until what the source has of the film is on every node; own nodes get it here.
    pub(super) async fn replicate(&mut self, film: &Film, version: usize) -> Result<(), Failure> {
        match self {
            Self::Own(nodes) => {
                for node in &mut nodes[1..] {
                    node.copy_in(&film.key(), &own_version(film, version)).await?;
                }
                Ok(())
            }
            Self::Minio(cluster) => {
                let begun = Instant::now();
                let behind = |node: &usize| !cluster.has_versions(*node, &film.key(), version + 1);
                while (1..CITIES.len()).any(|node| behind(&node)) {
                    if begun.elapsed() > REPLICATED {
                        let key = film.key();
                        return Err(Failure::Misbehaved(format!("MinIO has not replicated {key} in 30 s")));
                    }
                    sleep(LOOK).await;
                }
                Ok(())
            }
        }
    }

    /// Loses a film on one node.
    pub(super) async fn forget(&mut self, node: usize, film: &Film) -> Result<(), Failure> {
        match self {
            Self::Own(nodes) => nodes[node].forget(&film.key()).await,
            Self::Minio(cluster) => cluster.lose(node, &film.key(), true),
        }
    }

    /// Brings back what a node lost.
    pub(super) async fn restore(&mut self, node: usize, film: &Film) -> Result<(), Failure> {
        match self {
            Self::Own(nodes) => nodes[node].copy_in(&film.key(), &own_version(film, 0)).await,
            Self::Minio(cluster) => cluster.lose(node, &film.key(), false),
        }
    }

    /// Deletes a film everywhere, with a marker.
    pub(super) async fn take_down(&mut self, film: &Film) -> Result<(), Failure> {
        match self {
            Self::Own(nodes) => {
                // Beyond the last version there is nothing but a marker.
                let marker = own_version(film, film.reels.len());
                for node in nodes {
                    node.copy_in(&film.key(), &marker).await?;
                }
                Ok(())
            }
            Self::Minio(cluster) => cluster.delete(&film.key()).await,
        }
    }

    /// Gives or takes the gate's right to read films on a node.
    pub(super) async fn allow(&self, node: usize, may: bool) -> Result<(), Failure> {
        match self {
            Self::Own(_) => {
                let policy = if may { "all" } else { "no_get_object" };
                let body = json!({"access_key": ACCESS_KEY, "policy": policy});
                self.switch(node, "PUT", "/policy", &body).await
            }
            Self::Minio(cluster) => cluster.allow(node, may).await,
        }
    }
}

/// The same version on every node: id and time come from the film alone.
fn own_version(film: &Film, version: usize) -> Version {
    let number = version as u64;
    let seed = film.reels.first().map_or(0, |reel| reel.seed);
    let reel = film.reels.get(version);
    Version {
        id: Random::new(seed.wrapping_mul(1000) + number).uuid(),
        modified_s: FIRST_S + 60 * number,
        size: reel.map(|reel| reel.bytes),
        seed: reel.map_or(0, |reel| reel.seed),
    }
}
