//! What befalls nodes at what time, as an operator writes it: `msk@20:30`, `europe@21:00`, `52.5,13.4,500@21:00`.
//!
//! Absent on purpose: what follows from it.

use watchgate_geoip::{ContinentCode, Coordinates, CountryCode};

use crate::demand::At;
use crate::world::World;

const CONTINENTS: [(&str, &str); 7] = [
    ("africa", "AF"),
    ("antarctica", "AN"),
    ("asia", "AS"),
    ("europe", "EU"),
    ("north-america", "NA"),
    ("oceania", "OC"),
    ("south-america", "SA"),
];

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Nodes end, with every connection.
    Kill,
    /// They are there again.
    Return,
}

/// Something that happens to nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What it is called.
    pub words: String,
    /// When.
    pub at: At,
    /// What.
    pub what: What,
    /// To which nodes, ascending; at least one.
    pub nodes: Vec<usize>,
}

/// A node as far as events can name it.
#[derive(Clone, Debug)]
pub struct Named {
    /// Its id.
    pub id: String,
    /// Where it is.
    pub at: Coordinates,
}

enum Region {
    Continent(ContinentCode),
    Country(CountryCode),
    Circle(Coordinates, f64),
}

/// Reads `WHO@TIME`, where `WHO` is a node's id, several with commas, or a region.
///
/// # Errors
/// What it should look like, or that no node is meant.
pub fn read(text: &str, what: What, nodes: &[Named], world: &World) -> Result<Event, String> {
    let form = "it is written WHO@TIME, for example msk@20:30, europe@20:30, DE@20:30 or 52.5,13.4,500@20:30";
    let Some((who, at)) = text.rsplit_once('@') else { return Err(format!("{text:?} has no @; {form}")) };
    let at: At = at.parse()?;
    let found = match by_ids(who, nodes) {
        Some(found) => found,
        None => match region(who)? {
            Some(region) => in_region(&region, nodes, world),
            None => return Err(unknown(who, nodes)),
        },
    };
    if found.is_empty() {
        return Err(format!("no node lies in {who}"));
    }
    Ok(Event { words: words(who, what, found.len()), at, what, nodes: found })
}

/// An event in words.
#[must_use]
pub fn words(who: &str, what: What, nodes: usize) -> String {
    match (what, nodes) {
        (What::Kill, 1) => format!("{who} dies"),
        (What::Kill, _) => format!("{who} ({nodes} nodes) die"),
        (What::Return, 1) => format!("{who} returns"),
        (What::Return, _) => format!("{who} ({nodes} nodes) return"),
    }
}

/// The nodes of each continent and country of the fleet that has any: what a search for the worst region tries.
#[must_use]
pub fn regions(nodes: &[Named], world: &World) -> Vec<(String, Vec<usize>)> {
    let mut regions: std::collections::BTreeMap<String, Vec<usize>> = std::collections::BTreeMap::new();
    for (at, node) in nodes.iter().enumerate() {
        let Some(city) = world.nearest(node.at) else { continue };
        regions.entry(city.country.to_string()).or_default().push(at);
        if let Some(country) = world.country(city.country) {
            regions.entry(continent_name(country.continent).to_owned()).or_default().push(at);
        }
    }
    // A region that is the whole fleet leaves nobody to look at.
    regions.into_iter().filter(|(_, of_region)| of_region.len() < nodes.len()).collect()
}

/// A continent in words.
#[must_use]
pub fn continent_name(code: ContinentCode) -> &'static str {
    CONTINENTS.iter().find(|(_, known)| *known == code.as_str()).map_or("elsewhere", |(name, _)| name)
}

fn by_ids(who: &str, nodes: &[Named]) -> Option<Vec<usize>> {
    let at = |id: &str| nodes.iter().position(|node| node.id == id);
    let mut found = who.split(',').map(at).collect::<Option<Vec<_>>>()?;
    found.sort_unstable();
    found.dedup();
    Some(found)
}

fn region(who: &str) -> Result<Option<Region>, String> {
    let name = who.to_ascii_lowercase().replace([' ', '_'], "-");
    if let Some((_, code)) = CONTINENTS.iter().find(|(known, _)| *known == name) {
        return Ok(code.parse().ok().map(Region::Continent));
    }
    if let [lat, lon, km] = who.split(',').collect::<Vec<_>>()[..] {
        let part = |text: &str, least: f64| crate::sheet::number(text.trim(), least);
        let at =
            Coordinates::new(part(lat, -90.0)?, part(lon, -180.0)?).map_err(|error| error.to_string())?;
        return Ok(Some(Region::Circle(at, part(km, 0.0)?)));
    }
    Ok(who.parse().ok().map(Region::Country))
}

fn in_region(region: &Region, nodes: &[Named], world: &World) -> Vec<usize> {
    let is_in = |at: Coordinates| match region {
        Region::Circle(middle, km) => middle.distance_km(at) <= *km,
        Region::Country(code) => world.nearest(at).is_some_and(|city| city.country == *code),
        Region::Continent(code) => world.continent(at) == Some(*code),
    };
    nodes.iter().enumerate().filter(|(_, node)| is_in(node.at)).map(|(at, _)| at).collect()
}

fn unknown(who: &str, nodes: &[Named]) -> String {
    let some: Vec<&str> = nodes.iter().take(5).map(|node| node.id.as_str()).collect();
    let more = if nodes.len() > some.len() { ", ..." } else { "" };
    let continents: Vec<&str> = CONTINENTS.iter().map(|(name, _)| *name).collect();
    format!(
        "{who:?} is no node ({}{more}), no continent ({}), no country's two letters and no circle LAT,LON,KM",
        some.join(", "),
        continents.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes() -> Vec<Named> {
        let node = |id: &str, lat, lon| Named { id: id.to_owned(), at: Coordinates::new(lat, lon).unwrap() };
        vec![
            node("ber", 52.5, 13.4),
            node("par", 48.9, 2.3),
            node("nyc", 40.7, -74.0),
            node("tyo", 35.7, 139.7),
        ]
    }

    #[test]
    fn events_name_nodes_and_regions() {
        let check = |text: &str, expected: &str| {
            let told = read(text, What::Kill, &nodes(), &World::new());
            let told = told.map_or_else(|fault| fault, |event| format!("{} {:?}", event.at, event.nodes));
            assert!(told.starts_with(expected), "{text}: {told}");
        };
        check("ber@20:30", "20:30 [0]");
        check("nyc,ber,nyc@20:30", "20:30 [0, 2]");
        check("europe@20:30:30", "20:30:30 [0, 1]");
        check("North America@1:00", "01:00 [2]");
        check("JP@20:30", "20:30 [3]");
        check("52,13,900@20:30", "20:30 [0, 1]");
        check("africa@20:30", "no node lies in africa");
        check("ber", "\"ber\" has no @; it is written WHO@TIME");
        check("ber@noon", "\"noon\" is no time");
        check("berlin@20:30", "\"berlin\" is no node (ber, par, nyc, tyo), no continent (africa");
        check("99,0,10@20:30", "latitude 99");
    }

    #[test]
    fn the_regions_of_a_fleet() {
        let names: Vec<String> = regions(&nodes(), &World::new()).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["DE", "FR", "JP", "US", "asia", "europe", "north-america"]);
    }
}
