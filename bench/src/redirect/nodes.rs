//! The storage nodes of the measurement: a stub that says 200 to whatever is asked, and the fleet that it plays.
//!
//! The gate's probes find every node well, every node says that it holds every film, and the choice is by place alone.
//! Absent on purpose: bytes of films; nobody follows the links.

use std::net::SocketAddr;
use std::path::Path;

use super::lineup::Lines;
use crate::random::Random;
use crate::{Failure, stub};

/// Whether the gate writes its access line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AccessLine {
    /// As it does by default.
    Written,
    /// Switched off.
    Off,
}

/// Whether the gate asks who holds a film.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presence {
    /// As it does by default; what it heard is believed for as long as the measurement takes, so that the requests of
    /// viewers are measured and not the questions to nodes.
    Asked {
        /// Films that are remembered.
        capacity: u64,
    },
    /// Switched off.
    Off,
}

/// What the gate's configuration depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) nodes: usize,
    /// A node's budget of viewers; links are counted against it as if each brought a viewer who stays a while.
    pub(crate) max_viewers: u32,
    pub(crate) access_line: AccessLine,
    pub(crate) presence: Presence,
    /// From probe to probe of a node; `None`: as by default.
    pub(crate) probe_every_s: Option<u64>,
}

impl Setting {
    /// What to expect of its log.
    pub(crate) fn lines(&self) -> Lines {
        match self.access_line {
            AccessLine::Written => Lines::Written,
            AccessLine::Off => Lines::None,
        }
    }
}

/// As an operator would have it.
pub(crate) const USUAL: Setting = Setting {
    nodes: 5,
    max_viewers: stub::ROOMY,
    access_line: AccessLine::Written,
    presence: Presence::Asked { capacity: 1_000_000 },
    probe_every_s: None,
};

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

/// The gate's configuration file: what the measurement needs, everything else by default. All nodes are found at
/// `stub`.
pub(super) fn config(
    http: SocketAddr,
    admin: SocketAddr,
    setting: &Setting,
    database: &Path,
    stub: SocketAddr,
) -> String {
    let presence = match setting.presence {
        Presence::Asked { capacity } => {
            format!("enabled = true\ncapacity = {capacity}\npositive_ttl = \"24h\"\n")
        }
        Presence::Off => "enabled = false\n".to_owned(),
    };
    let probes = setting.probe_every_s.map(|seconds| format!("interval = \"{seconds}s\"\nrise = 1\n"));
    let mut text = format!(
        "[listen]\nhttp = \"{http}\"\nadmin = \"{admin}\"\n\n[viewer]\ntrusted_proxies = [\"127.0.0.0/8\"]\n\n\
         [geoip]\ndatabases = [{:?}]\n\n[bucket]\nname = \"movies\"\n\n[log]\naccess = {}\n\n\
         [health]\n{}\n[presence]\n{presence}",
        database.to_string_lossy(),
        setting.access_line == AccessLine::Written,
        probes.unwrap_or_default(),
    );
    let mut random = Random::new(6);
    for node in 0..setting.nodes {
        text.push_str(&stub::node(node, site(node, &mut random), stub, setting.max_viewers));
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
        let check = |setting: Setting, parts: &[&str]| {
            let text = config(here, here, &setting, Path::new("/a\"b.mmdb"), here);
            assert_eq!(text.matches("[[node]]").count(), setting.nodes);
            for part in parts {
                assert!(text.contains(part), "no {part} in\n{text}");
            }
        };
        check(
            USUAL,
            &["databases = [\"/a\\\"b.mmdb\"]", "access = true", "[presence]\nenabled = true\ncapacity"],
        );
        let (access_line, presence) = (AccessLine::Off, Presence::Off);
        let other = Setting { nodes: 7, access_line, presence, probe_every_s: Some(60), ..USUAL };
        check(other, &["[presence]\nenabled = false", "access = false", "[health]\ninterval = \"60s\""]);
    }
}
