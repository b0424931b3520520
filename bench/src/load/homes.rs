//! Where viewers live: addresses drawn from a City database, countries in proportion to their users of the internet.
//!
//! Within a country all networks have the same chance. Absent on purpose: truth about any one address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::IpAddr;

use maxminddb::{Reader, WithinOptions};
use serde::Deserialize;

use crate::Failure;
use crate::city::{cities, inside};
use crate::random::{Random, Weighted};

/// Networks that are kept of each country and family of addresses.
const KEPT: usize = 500;
/// Of five viewers one comes over IPv6, where the database knows such networks.
const V6_SHARE: f64 = 0.2;

/// A viewer's address, and where the database says it is.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Home {
    pub(super) address: IpAddr,
    /// ISO 3166-1, two letters; empty: unknown.
    pub(super) country: String,
    /// Latitude and longitude in degrees.
    pub(super) at: Option<(f64, f64)>,
}

/// Both layouts, nested and flat.
#[derive(Deserialize)]
struct Record {
    country: Option<Country>,
    country_code: Option<String>,
    location: Option<Location>,
    latitude: Option<f64>,
    longitude: Option<f64>,
}

#[derive(Deserialize)]
struct Country {
    iso_code: Option<String>,
}

#[derive(Deserialize)]
struct Location {
    latitude: Option<f64>,
    longitude: Option<f64>,
}

/// A place that several networks may share.
#[derive(Clone, Debug, Default)]
struct Place {
    country: String,
    at: Option<(f64, f64)>,
}

/// Some of a country's networks, each of all with the same chance to be among them (reservoir sampling, Vitter 1985).
#[derive(Default)]
struct Networks {
    kept: Vec<(IpAddr, u8, Place)>,
    seen: usize,
}

impl Networks {
    fn offer(&mut self, network: IpAddr, prefix: u8, place: &Place, random: &mut Random) {
        self.seen += 1;
        let at = if self.kept.len() < KEPT { self.kept.len() } else { random.below(self.seen) };
        match self.kept.get_mut(at) {
            Some(kept) => *kept = (network, prefix, place.clone()),
            None if at < KEPT => self.kept.push((network, prefix, place.clone())),
            None => {}
        }
    }

    fn draw(&self, random: &mut Random) -> Option<Home> {
        if self.kept.is_empty() {
            return None;
        }
        let (network, prefix, place) = &self.kept[random.below(self.kept.len())];
        let address = inside(*network, *prefix, random);
        Some(Home { address, country: place.country.clone(), at: place.at })
    }
}

/// So many homes, the same for the same database and seed.
///
/// # Errors
/// The bytes are no database, or it has no networks with a country.
pub(super) fn draw(database: &[u8], count: usize, seed: u64) -> Result<Vec<Home>, Failure> {
    let unreadable =
        |error: maxminddb::MaxMindDbError| Failure::NotHere(format!("the City database: {error}"));
    let reader = Reader::from_source(database).map_err(unreadable)?;
    let mut random = Random::new(seed);
    let mut countries: HashMap<String, [Networks; 2]> = HashMap::new();
    collect(&reader, "0.0.0.0/0", 0, &mut countries, &mut random)?;
    if reader.metadata().ip_version == 6 {
        collect(&reader, "2000::/3", 1, &mut countries, &mut random)?;
    }
    countries.remove("");
    let mut users: HashMap<String, f64> = HashMap::new();
    for city in cities() {
        *users.entry(city.country).or_default() += f64::from(city.users_k);
    }
    // A country without known users gets none; in one order, so that a seed says all.
    let mut weighted: Vec<(f64, [Networks; 2])> = Vec::new();
    let mut names: Vec<String> = countries.keys().cloned().collect();
    names.sort();
    for name in names {
        let weight = users.get(&name).copied().unwrap_or(0.0);
        weighted.extend(countries.remove(&name).map(|networks| (weight, networks)));
    }
    let countries = Weighted::new(weighted);
    let home = |_| {
        let [v4, v6] = countries.draw(&mut random)?;
        let wants_v6 = random.between(0.0, 1.0) < V6_SHARE;
        let (first, second) = if wants_v6 { (v6, v4) } else { (v4, v6) };
        first.draw(&mut random).or_else(|| second.draw(&mut random))
    };
    let homes: Vec<Home> = (0..count).filter_map(home).collect();
    if homes.len() < count {
        return Err(Failure::NotHere("the City database knows no network's country".to_owned()));
    }
    Ok(homes)
}

fn collect(
    reader: &Reader<&[u8]>,
    within: &str,
    family: usize,
    countries: &mut HashMap<String, [Networks; 2]>,
    random: &mut Random,
) -> Result<(), Failure> {
    let unreadable =
        |error: maxminddb::MaxMindDbError| Failure::NotHere(format!("the City database: {error}"));
    let within = within.parse().map_err(|_| Failure::NotHere(format!("{within} is no network")))?;
    let mut places: HashMap<usize, Place> = HashMap::new();
    for found in reader.within(within, WithinOptions::default()).map_err(unreadable)? {
        let found = found.map_err(unreadable)?;
        let network = found.network().map_err(unreadable)?;
        let Some(offset) = found.offset().filter(|_| !network.ip().is_loopback()) else { continue };
        let place = match places.entry(offset) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                new.insert(found.decode::<Record>().map_err(unreadable)?.map(place).unwrap_or_default())
            }
        };
        if !countries.contains_key(&place.country) {
            countries.insert(place.country.clone(), Default::default());
        }
        if let Some(networks) = countries.get_mut(&place.country) {
            networks[family].offer(network.ip(), network.prefix(), place, random);
        }
    }
    Ok(())
}

fn place(record: Record) -> Place {
    let country = record.country.and_then(|country| country.iso_code).or(record.country_code);
    let nested = record.location.and_then(|location| location.latitude.zip(location.longitude));
    let at = nested.or(record.latitude.zip(record.longitude));
    Place { country: country.unwrap_or_default(), at }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::city::{Towns, made};

    #[test]
    fn countries_have_viewers_as_they_have_users() {
        let database = made(Towns::Real).unwrap();
        let homes = draw(&database, 20_000, 5).unwrap();
        let share = |country: &str| {
            homes.iter().filter(|home| home.country == country).count() as f64 / homes.len() as f64
        };
        let users = |country: &str| -> f64 {
            let of = |country: Option<&str>| -> f64 {
                let cities = cities().into_iter();
                let cities = cities.filter(|city| country.is_none_or(|country| city.country == country));
                cities.map(|city| f64::from(city.users_k)).sum()
            };
            of(Some(country)) / of(None)
        };
        for country in ["IN", "US", "BR", "DE", "NG"] {
            assert!(
                (share(country) - users(country)).abs() < 0.01,
                "{country}: {} {}",
                share(country),
                users(country)
            );
        }
        let v6 = homes.iter().filter(|home| home.address.is_ipv6()).count() as f64 / homes.len() as f64;
        assert!((v6 - V6_SHARE).abs() < 0.03, "{v6}");
        assert!(homes.iter().all(|home| home.at.is_some()));
        let different: HashSet<IpAddr> = homes.iter().map(|home| home.address).collect();
        assert!(different.len() > 19_000, "{}", different.len());
        assert_eq!(draw(&database, 100, 7).unwrap(), draw(&database, 100, 7).unwrap(), "a seed says all");
    }

    #[test]
    fn what_is_no_database_is_told() {
        assert!(draw(b"no", 1, 1).unwrap_err().to_string().starts_with("the City database: "));
    }
}
