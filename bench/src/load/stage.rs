//! A small fleet to try things on: three nodes in different cities that hold films, and the gate before them.
//!
//! All of it are programs of ours in processes of their own, which end with the [`Stage`]. Absent on purpose: faults;
//! who wants some asks a node's control address.

use std::fmt::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::process::{Place, Server, free_address};
use crate::stub::ROOMY;
use crate::{Failure, gate};

/// Names of nodes, and where they are in degrees.
pub(crate) const NODES: [(&str, f64, f64); 3] =
    [("frankfurt", 50.11, 8.68), ("new-york", 40.71, -74.01), ("singapore", 1.35, 103.82)];

const ACCESS_KEY: &str = "watchgate-bench";
/// No secret: the nodes live as long as the run, on the loopback.
const SECRET_KEY: &str = "a secret of the measurement";

/// A film's file, and the uuid that it is asked for by.
#[derive(Clone, Debug)]
pub(crate) struct FilmFile {
    pub(crate) uuid: String,
    pub(crate) path: PathBuf,
}

/// How the gate is set up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting<'a> {
    /// Otherwise it redirects.
    pub(crate) streams: bool,
    /// Which header of viewers on the loopback it believes; `None`: none.
    pub(crate) header: Option<&'a str>,
    pub(crate) database: &'a Path,
    /// Further tables of its configuration file.
    pub(crate) more: &'a str,
}

/// A node that runs.
#[derive(Debug)]
pub(crate) struct StagedNode {
    /// Held for its end.
    _server: Server,
    name: &'static str,
    at: (f64, f64),
    address: SocketAddr,
}

/// A fleet that runs.
#[derive(Debug)]
pub(crate) struct Stage {
    /// Held for its end. Before the nodes, so that it ends first.
    pub(crate) gate: Server,
    /// Held for their end.
    _nodes: Vec<StagedNode>,
    /// The gate's configuration file.
    pub(crate) config: String,
}

impl Stage {
    /// Starts everything, and waits until the gate has found all nodes up.
    ///
    /// # Errors
    /// A program is not built, ended, or is not ready in time.
    pub(crate) async fn start(
        place: &Place,
        films: &[FilmFile],
        setting: Setting<'_>,
    ) -> Result<Self, Failure> {
        let mut nodes = Vec::new();
        for (name, lat, lon) in NODES {
            nodes.push(StagedNode::start(place, name, (lat, lon), films).await?);
        }
        let (address, admin) = (free_address()?, free_address()?);
        let config = config(address, admin, &nodes, setting);
        let gate = gate::start(place, None, "gate", address, admin, nodes.len(), &config).await?;
        Ok(Self { gate, _nodes: nodes, config })
    }
}

impl StagedNode {
    async fn start(
        place: &Place,
        name: &'static str,
        at: (f64, f64),
        films: &[FilmFile],
    ) -> Result<Self, Failure> {
        let address = free_address()?;
        let listen = address.to_string();
        let mut command = vec!["watchgate-node", "--name", name, "--bucket", "movies", "--address", &listen];
        command.extend(["--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY]);
        let load = |film: &FilmFile| format!("{}={}.mp4", film.path.display(), film.uuid);
        let loads: Vec<String> = films.iter().map(load).collect();
        for load in &loads {
            command.extend(["--load", load]);
        }
        let mut server = Server::start(place, None, name, &command, address).await?;
        // It listens before it has read its films.
        server.wait_for_log("holds its films", "S3 on").await?;
        Ok(Self { _server: server, name, at, address })
    }
}

fn config(http: SocketAddr, admin: SocketAddr, nodes: &[StagedNode], setting: Setting<'_>) -> String {
    let Setting { streams, header, database, more } = setting;
    let mode = if streams { "stream" } else { "redirect" };
    let mut text = format!(
        "[listen]\nhttp = \"{http}\"\nadmin = \"{admin}\"\n\n[watch]\nmode = \"{mode}\"\ndecision_header = true\n\n\
         [geoip]\ndatabases = [\"{}\"]\n\n[bucket]\nname = \"movies\"\n",
        database.display()
    );
    // Writing to a String does not fail, here and below.
    if let Some(header) = header {
        let _ = write!(text, "\n[viewer]\ntrusted_proxies = [\"127.0.0.0/8\"]\nheader = \"{header}\"\n");
    }
    text.push_str(more);
    for StagedNode { name, at: (lat, lon), address, .. } in nodes {
        let _ = write!(
            text,
            "\n[[node]]\nid = \"{name}\"\nendpoint = \"http://{address}\"\nat = {{ lat = {lat:.2}, lon = {lon:.2} }}\n\
             max_viewers = {ROOMY}\naccess_key = \"{ACCESS_KEY}\"\nsecret_key = \"{SECRET_KEY}\"\n"
        );
    }
    text
}
