//! From an address to a place, to the rules that name it, and to the nodes near it.
//!
//! What follows from a database record alone (the decoded place and the order of the nearest nodes) is kept beside that
//! record, so that a viewer of a known town costs one tree walk and one cache read; and beside the address, so that a
//! viewer who comes back, as every seek does, costs the cache read alone. Absent on purpose: health and load; they change
//! by the moment.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use smallvec::SmallVec;
use watchgate_config::{self as config, RuleTarget};
use watchgate_geoip::rule::Rules;
use watchgate_geoip::{Cached, Coordinates, Databases, Direction, Place, PlaceCache, RecordKey, centroid};

use crate::decide::rank::{Near, Question, Tier, spread_ms};
use crate::fleet::Fleet;

/// How many of the nearest nodes are kept beside a place. A fleet beyond that is scanned whole in the
/// rare case that none of these settles the choice.
const NEAR_MAX: usize = 64;
/// Towns kept decoded: a bound, and more than most countries have.
const PLACES_MAX: usize = 1 << 16;
/// Viewers whose place is kept by address: 64 bytes each, and more than one gate has at once.
const VIEWERS_MAX: usize = 1 << 16;
/// The same below one rule that names a place for a network: the records within that network.
const RULED_MAX: usize = 1 << 8;

/// Where the coordinates come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceFrom {
    /// An operator's rule.
    Rule,
    /// The GeoIP database.
    Database,
    /// The middle of the country, which is all the database knows.
    Country,
    /// The configured home of viewers without a place.
    Home,
    /// Nothing is known.
    Unknown,
}

impl PlaceFrom {
    /// Every value, for tables that are indexed by it.
    pub const ALL: [Self; 5] = [Self::Rule, Self::Database, Self::Country, Self::Home, Self::Unknown];

    /// The word used in JSON, metrics and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Database => "database",
            Self::Country => "country",
            Self::Home => "home",
            Self::Unknown => "unknown",
        }
    }
}

/// All that follows from one record, or from one rule that names a place.
#[derive(Debug)]
pub struct Sited {
    /// What is known; coordinates included, wherever they come from.
    pub place: Place,
    /// Where the coordinates come from.
    pub from: PlaceFrom,
    /// Those of a small fleet stand here and not behind a pointer.
    near: SmallVec<[(u32, f32); 8]>,
    direction: Option<Direction>,
    asn_nodes: Option<usize>,
    country_nodes: Option<usize>,
}

/// Address to place, for one fleet and one set of rules.
#[derive(Debug)]
pub struct Places {
    databases: Databases,
    /// The key of no record.
    nowhere: RecordKey,
    cache: PlaceCache<RecordKey, Arc<Sited>>,
    viewers: PlaceCache<IpAddr, Seen>,
    home: Option<Coordinates>,
    /// Rules that name a place; those for networks keep what follows from each record below them.
    at: Rules<Ruled>,
    /// Rules that name nodes lead to an index into `named`.
    nodes: Rules<usize>,
    named: Vec<Box<[usize]>>,
    fleet_at: Box<[(Coordinates, Direction)]>,
}

/// Where one viewer is, and which nodes the rules name for it.
#[derive(Debug)]
pub struct Site<'a> {
    seen: Cached<IpAddr, Seen>,
    places: &'a Places,
}

/// All that follows from an address.
#[derive(Debug)]
struct Seen {
    sited: Arc<Sited>,
    cidr_nodes: Option<usize>,
}

#[derive(Debug)]
struct Ruled {
    at: Coordinates,
    cache: PlaceCache<RecordKey, Arc<Sited>>,
}

impl Places {
    /// Prepares the look-up.
    #[must_use]
    pub fn new(databases: Databases, geoip: &config::GeoIp, fleet: &Fleet) -> Self {
        let (mut at, mut nodes, mut named) = (Vec::new(), Vec::new(), Vec::new());
        for rule in &geoip.rules {
            match &rule.target {
                RuleTarget::At(place) => {
                    at.push((rule.matcher, Ruled { at: *place, cache: PlaceCache::new(RULED_MAX) }));
                }
                RuleTarget::Nodes(ids) => {
                    nodes.push((rule.matcher, named.len()));
                    let index = |id: &config::NodeId| fleet.nodes.iter().position(|n| n.config.id == *id);
                    named.push(ids.iter().filter_map(index).collect());
                }
            }
        }
        Self {
            databases,
            nowhere: Databases::empty().find(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            cache: PlaceCache::new(PLACES_MAX),
            viewers: PlaceCache::new(VIEWERS_MAX),
            home: geoip.home,
            at: Rules::new(at),
            nodes: Rules::new(nodes),
            named,
            fleet_at: fleet.nodes.iter().map(|node| (node.config.at, node.config.at.direction())).collect(),
        }
    }

    /// The databases behind it.
    #[must_use]
    pub fn databases(&self) -> &Databases {
        &self.databases
    }

    /// Where a viewer is; `None`: the address itself is unknown.
    #[must_use]
    pub fn site(&self, address: Option<IpAddr>) -> Site<'_> {
        let seen = match address {
            Some(address) => self.viewers.get_or_insert_with(address, || self.seen(Some(address))),
            None => Cached::alone(IpAddr::V4(Ipv4Addr::UNSPECIFIED), self.seen(None)),
        };
        Site { seen, places: self }
    }

    fn seen(&self, address: Option<IpAddr>) -> Seen {
        let key = address.map_or(self.nowhere, |address| self.databases.find(address));
        let cidr_at = address.and_then(|address| self.at.cidr(address));
        let cidr_nodes = address.and_then(|address| self.nodes.cidr(address)).copied();
        let (cache, ruled) = cidr_at.map_or((&self.cache, None), |rule| (&rule.cache, Some(rule.at)));
        let sited = cache.get_or_insert_with(key, || Arc::new(self.sited(key, ruled)));
        Seen { sited: Arc::clone(&sited), cidr_nodes }
    }

    /// Where a viewer is of whom only the place is known, and no address: for planning.
    ///
    /// Rules for systems and countries hold as for an address that the databases put there, rules for networks do
    /// not. Not kept: whoever asks often keeps the answer.
    #[must_use]
    pub fn site_of(&self, place: Place) -> Site<'_> {
        let seen = Seen { sited: Arc::new(self.follow(place, None)), cidr_nodes: None };
        Site { seen: Cached::alone(IpAddr::V4(Ipv4Addr::UNSPECIFIED), seen), places: self }
    }

    fn sited(&self, key: RecordKey, ruled: Option<Coordinates>) -> Sited {
        self.follow(self.databases.place(&key), ruled)
    }

    /// All that follows from a place.
    fn follow(&self, mut place: Place, ruled: Option<Coordinates>) -> Sited {
        let rule = || self.at.asn(place.asn).or_else(|| self.at.country(place.country)).map(|rule| rule.at);
        let middle = || place.country.and_then(centroid);
        let (at, radius_km, from) = if let Some(at) = ruled.or_else(rule) {
            (Some(at), None, PlaceFrom::Rule)
        } else if place.at.is_some() {
            (place.at, place.radius_km, PlaceFrom::Database)
        } else if let Some(middle) = middle() {
            (Some(middle.at), Some(middle.radius_km), PlaceFrom::Country)
        } else if self.home.is_some() {
            (self.home, None, PlaceFrom::Home)
        } else {
            (None, None, PlaceFrom::Unknown)
        };
        let asn_nodes = self.nodes.asn(place.asn).copied();
        let country_nodes = self.nodes.country(place.country).copied();
        (place.at, place.radius_km) = (at, radius_km);
        let near = at.map_or_else(SmallVec::new, |at| self.near(at));
        Sited { place, from, near, direction: at.map(Coordinates::direction), asn_nodes, country_nodes }
    }

    /// The nearest nodes, nearest first. A large fleet is sifted by a product of vectors, and only who may be among the
    /// nearest is measured: a town's first viewer waits for it.
    fn near(&self, at: Coordinates) -> SmallVec<[(u32, f32); 8]> {
        let from = at.direction();
        let mut nodes: Vec<(u32, f64)> =
            (0_u32..).zip(&self.fleet_at).map(|(node, (_, to))| (node, from.closeness(*to))).collect();
        if nodes.len() > NEAR_MAX {
            nodes.select_nth_unstable_by(NEAR_MAX, |a, b| b.1.total_cmp(&a.1));
            nodes.truncate(NEAR_MAX);
        }
        let measured = |(node, _): (u32, f64)| (node, km(at, self.fleet_at[node as usize].0));
        let mut near: SmallVec<[(u32, f32); 8]> = nodes.into_iter().map(measured).collect();
        near.sort_unstable_by(|a, b| a.1.total_cmp(&b.1));
        near
    }

    fn named(&self, rule: Option<usize>) -> &[usize] {
        rule.map_or(&[], |rule| &self.named[rule])
    }
}

impl Site<'_> {
    /// What follows from the record.
    #[must_use]
    pub fn sited(&self) -> &Sited {
        &self.seen.sited
    }

    /// Kilometres to a node; `None` while the place is unknown.
    #[must_use]
    pub fn distance_km(&self, node: usize) -> Option<f32> {
        self.sited().place.at.map(|at| km(at, self.places.fleet_at[node].0))
    }

    /// As [`Direction::is_beyond`].
    #[must_use]
    pub fn is_beyond(&self, node: usize, km: f64) -> bool {
        self.sited().direction.is_some_and(|from| from.is_beyond(self.places.fleet_at[node].1, km))
    }

    /// The viewer's side of the choice; `key` is the hash of viewer group and film.
    #[must_use]
    pub fn question(&self, key: u64) -> Question<'_> {
        let sited = self.sited();
        Question {
            key,
            spread_ms: spread_ms(sited.place.radius_km),
            rules: [
                (Tier::Cidr, self.places.named(self.seen.cidr_nodes)),
                (Tier::Asn, self.places.named(sited.asn_nodes)),
                (Tier::Country, self.places.named(sited.country_nodes)),
            ],
            near: sited.place.at.map(|_| Near { nodes: &sited.near }),
        }
    }
}

/// One precision everywhere, so that a kept distance and a fresh one are the same number.
#[expect(clippy::cast_possible_truncation, reason = "a metre on the globe is far above f32's precision here")]
fn km(from: Coordinates, to: Coordinates) -> f32 {
    from.distance_km(to) as f32
}

#[cfg(test)]
mod tests;
