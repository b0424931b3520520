//! A stage: a source and two replicas in three cities, as processes of their own, and gates before them.
//!
//! Viewers' places come from `X-Forwarded-For`, which the gate believes from loopback, and from rules for three
//! networks: no database is needed. Absent on purpose: what is played here.

use std::fmt::Write;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::SystemTime;

use crate::process::{Place, Server, free_address};
use crate::random::Random;
use crate::{Failure, gate};

pub(crate) mod minio;
pub(crate) mod own;

/// The bucket of every node.
pub(crate) const BUCKET: &str = "movies";
/// The gate's user at every node.
pub(crate) const ACCESS_KEY: &str = "gate";
/// The user's secret; looked for in whatever the gate says.
pub(crate) const SECRET_KEY: &str = "gate-secret-of-the-stage";

/// A city with a node, and a network whose viewers live there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct City {
    /// The node's id.
    pub(crate) id: &'static str,
    /// Degrees.
    at: (f64, f64),
    /// The second number of the viewers' addresses, `10.x.0.0/16`.
    network: u8,
}

/// The first one is the source. No two are near each other, so that distance alone decides.
pub(crate) const CITIES: [City; 3] = [
    City { id: "fra", at: (50.11, 8.68), network: 20 },
    City { id: "nyc", at: (40.71, -74.01), network: 30 },
    City { id: "sin", at: (1.35, 103.82), network: 40 },
];

impl City {
    /// A viewer there.
    pub(crate) fn viewer(self, number: u8) -> IpAddr {
        Ipv4Addr::new(10, self.network, number, 7).into()
    }
}

/// What the gate does with viewers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mode {
    Stream,
    Redirect,
}

impl Mode {
    /// As in the configuration.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Redirect => "redirect",
        }
    }
}

/// How a gate is started.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    pub(crate) mode: Mode,
    /// Where each city's node is asked, by gate and viewers.
    pub(crate) endpoints: [SocketAddr; CITIES.len()],
    /// Further tables, each with its head; times above all.
    pub(crate) tables: &'a str,
    /// Its limit of open files.
    pub(crate) files: Option<u32>,
}

/// A gate that runs.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) process: Server,
    /// For viewers.
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// Its configuration.
    pub(crate) file: PathBuf,
}

impl Gate {
    /// Starts it and waits until every node is up.
    ///
    /// # Errors
    /// It is not built, or does not come so far in half a minute.
    pub(crate) async fn start(place: &Place, setup: &Setup<'_>) -> Result<Self, Failure> {
        let (address, admin, name) =
            (quiet_address()?, quiet_address()?, format!("gate-{}", setup.mode.word()));
        let file = place.written(&format!("{name}.toml"), &config(address, admin, setup))?;
        let limit = setup.files.map(|files| format!("--nofile={files}:{files}"));
        let under: Vec<&str> = match &limit {
            Some(limit) => vec!["prlimit", limit],
            None => Vec::new(),
        };
        let command = ["watchgate", "-c", &file, "run"];
        let mut process = Server::launch(place, &under, &name, &command, address).await?;
        let up = || async move { gate::nodes_up(admin).await == Some(CITIES.len()) };
        process.wait_until("has all its nodes up", up).await?;
        Ok(Self { process, address, admin, file: file.into() })
    }
}

/// A port of the loopback that nobody has now and that no outgoing connection will be given: a node that is killed finds
/// its port free when it comes back.
fn quiet_address() -> Result<SocketAddr, Failure> {
    const FIRST: u16 = 10_000;
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let end = range.split_whitespace().next().and_then(|first| first.parse::<u16>().ok());
    let ports = end.and_then(|end| end.checked_sub(FIRST)).map_or(0, usize::from);
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut random = Random::new(u64::from(std::process::id()) << 32 ^ u64::from(since.subsec_nanos()));
    for _ in 0..ports.min(100) {
        // Below the first outgoing one, which is a u16.
        let port = FIRST + u16::try_from(random.below(ports)).unwrap_or_default();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok((Ipv4Addr::LOCALHOST, port).into());
        }
    }
    free_address()
}

fn config(address: SocketAddr, admin: SocketAddr, setup: &Setup<'_>) -> String {
    let mut text = format!(
        "[listen]\nhttp = \"{address}\"\nadmin = \"{admin}\"\n\n[viewer]\ntrusted_proxies = [\"127.0.0.0/8\"]\n\n\
         [watch]\nmode = \"{}\"\ndecision_header = true\n\n[bucket]\nname = \"{BUCKET}\"\n\n{}",
        setup.mode.word(),
        setup.tables,
    );
    for (index, (city, endpoint)) in CITIES.iter().zip(setup.endpoints).enumerate() {
        let (City { id, at: (lat, lon), network }, role) =
            (city, if index == 0 { "source" } else { "replica" });
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "\n[[geoip.rule]]\ncidr = \"10.{network}.0.0/16\"\nat = {{ lat = {lat}, lon = {lon} }}\n\
             \n[[node]]\nid = \"{id}\"\nrole = \"{role}\"\nendpoint = \"http://{endpoint}\"\n\
             at = {{ lat = {lat}, lon = {lon} }}\naccess_key = \"{ACCESS_KEY}\"\nsecret_key = \"{SECRET_KEY}\"\n"
        );
    }
    text
}
