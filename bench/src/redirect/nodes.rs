//! The storage nodes of the measurement: a stub that says 200 to whatever is asked, and the fleet that it plays.
//!
//! The gate's probes find every node well, every node says that it holds every film, and the choice is by place alone.
//! Absent on purpose: bytes of films; nobody follows the links.

use std::net::SocketAddr;
use std::path::Path;

use crate::random::Random;
use crate::{Failure, stub};

/// Whether the gate writes its access line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccessLine {
    /// As it does by default.
    Written,
    /// Switched off.
    Off,
}

/// Whether the gate asks who holds a film.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// As it does by default; what it heard is believed for as long as the measurement takes, so that the requests of
    /// viewers are measured and not the questions to nodes.
    Asked,
    /// Switched off.
    Off,
}

/// What the gate's configuration depends on.
#[derive(Debug)]
pub(super) struct Fleet<'a> {
    pub(super) nodes: usize,
    /// A node's budget of viewers; links are counted against it as if each brought a viewer who stays a while.
    pub(super) max_viewers: u32,
    pub(super) access_line: AccessLine,
    pub(super) presence: Presence,
    pub(super) database: &'a Path,
    /// Where all nodes are found.
    pub(super) stub: SocketAddr,
}

/// Starts the stub, which says that every node holds every film. The gate asks for those by HEAD, so that no byte
/// follows.
///
/// # Errors
/// No port or no thread is left.
pub(super) fn start() -> Result<SocketAddr, Failure> {
    stub::start(|head, to| {
        if head.starts_with(b"HEAD ") {
            stub::held(to, "200 OK", 4_000_000_000, format_args!(""));
        } else {
            // The probe of health reads to the end.
            stub::well(to);
        }
    })
}

/// The gate's configuration file: what the measurement needs, everything else by default.
pub(super) fn config(http: SocketAddr, admin: SocketAddr, fleet: &Fleet<'_>) -> String {
    let mut text = format!(
        "[listen]\nhttp = \"{http}\"\nadmin = \"{admin}\"\n\n[viewer]\ntrusted_proxies = [\"127.0.0.0/8\"]\n\n\
         [geoip]\ndatabases = [{:?}]\n\n[bucket]\nname = \"movies\"\n\n[log]\naccess = {}\n\n\
         [presence]\nenabled = {}\npositive_ttl = \"24h\"\n",
        fleet.database.to_string_lossy(),
        fleet.access_line == AccessLine::Written,
        fleet.presence == Presence::Asked,
    );
    let mut random = Random::new(6);
    for node in 0..fleet.nodes {
        text.push_str(&stub::node(node, site(node, &mut random), fleet.stub, fleet.max_viewers));
    }
    text
}

/// The first five are cities on five continents, the others stand anywhere.
fn site(node: usize, random: &mut Random) -> (f64, f64) {
    stub::CITIES
        .get(node)
        .copied()
        .unwrap_or_else(|| (random.between(-55.0, 70.0), random.between(-180.0, 180.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_is_written() {
        let here = SocketAddr::from(([127, 0, 0, 1], 1));
        let database = Path::new("/a\"b.mmdb");
        let (access_line, presence) = (AccessLine::Off, Presence::Off);
        let fleet = Fleet { nodes: 7, max_viewers: 9, access_line, presence, database, stub: here };
        let text = config(here, here, &fleet);
        assert!(text.contains("[presence]\nenabled = false"), "{text}");
        assert_eq!(text.matches("[[node]]").count(), 7);
        assert!(text.contains("databases = [\"/a\\\"b.mmdb\"]") && text.contains("access = false"), "{text}");
    }
}
