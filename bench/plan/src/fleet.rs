//! The fleet that is planned with: a real configuration read away from its secrets, or a made one.
//!
//! Either goes through the gate's own reader, and the snapshot is the gate's own. Absent on purpose: the environment,
//! which belongs to the gate's machine and not to this one.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use prometheus::Registry;
use watchgate::fleet::Makings;
use watchgate::state::Snapshot;
use watchgate_config::{Config, Source, parse_without_secrets};
use watchgate_geoip::Databases;

use crate::event::Named;
use crate::fault::Failure;
use crate::world::World;

/// A node of a made fleet.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Its budget.
    pub max_viewers: u32,
}

/// Reads a configuration file; its secrets need not be there.
///
/// # Errors
/// All of its faults.
pub fn read(path: &Path) -> Result<Config, Failure> {
    let text = std::fs::read_to_string(path).map_err(Failure::of(path))?;
    Ok(parse_without_secrets(&Source { text: &text, path: Some(path), env: &BTreeMap::new() })?.config)
}

/// A fleet of nodes in the largest cities, one in each while there are cities; `sizes` may be shorter, its last one
/// holds for the rest.
///
/// # Errors
/// A fault of this program.
pub fn made(count: usize, sizes: &[Size], is_stream: bool, world: &World) -> Result<Config, Failure> {
    let mode = if is_stream { "stream" } else { "redirect" };
    let mut text = format!("[bucket]\nname = \"films\"\n[watch]\nmode = \"{mode}\"\n");
    for number in 0..count {
        let city = &world.cities[number % world.cities.len()];
        let max_viewers = sizes.get(number).or(sizes.last()).map_or(1, |size| size.max_viewers.max(1));
        let id = id(city.name, number);
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "[[node]]\nid = \"{id}\"\nendpoint = \"https://{id}.films.example\"\nat = {{ lat = {:.2}, lon = {:.2} }}\n\
             max_viewers = {max_viewers}\naccess_key = \"gate\"\n",
            city.at.lat(),
            city.at.lon()
        );
    }
    let loaded = parse_without_secrets(&Source { text: &text, path: None, env: &BTreeMap::new() });
    loaded.map(|loaded| loaded.config).map_err(|faults| Failure::Ours(faults.to_string()))
}

/// A node's id from its city's name: letters that an id may have, and a number that makes it unique.
fn id(city: &str, number: usize) -> String {
    let plain = city.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase());
    let plain: String = plain.take(20).collect();
    format!("{plain}{}{}", if plain.is_empty() { "n" } else { "-" }, number + 1)
}

/// What the gate makes of a configuration, with a state of its own for every node.
///
/// # Errors
/// A fault of this program.
pub fn snapshot(config: Config, databases: Databases) -> Result<Snapshot, Failure> {
    // Nobody hears what requests met: viewers here are counted, not served.
    let (makings, _) = Makings::new(&Registry::new()).map_err(|error| Failure::Ours(error.to_string()))?;
    Ok(Snapshot::new(config, databases, None, &makings, 0))
}

/// Opens databases.
///
/// # Errors
/// All of their faults.
pub fn databases(paths: &[std::path::PathBuf]) -> Result<Databases, Failure> {
    Databases::open(paths).map_err(|errors| {
        let mut lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        lines.push("databases of this machine can be named with --city".to_owned());
        Failure::Databases(lines.join("\n"))
    })
}

/// The nodes as events name them.
#[must_use]
pub fn named(config: &Config) -> Vec<Named> {
    config.nodes.iter().map(|node| Named { id: node.id.to_string(), at: node.at }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_fleet_is_a_configuration() {
        let world = World::new();
        let config = made(2000, &[Size { max_viewers: 7 }], true, &world).unwrap();
        assert_eq!(config.nodes.len(), 2000);
        assert_eq!(config.nodes[0].id.as_str(), "shanghai-1");
        assert!(config.nodes.iter().all(|node| node.max_viewers.get() == 7));
    }

    #[test]
    fn ids_are_plain() {
        assert_eq!(id("São Paulo", 11), "sopaulo-12");
        assert_eq!(id("北京", 0), "n1");
    }
}
