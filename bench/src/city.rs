//! Where the viewers are: a City database, given or made, and addresses drawn from all over it.
//!
//! The one that is made is small beside a real one, but has its layout: fifty thousand networks in twenty thousand
//! towns, with names in several languages. Absent on purpose: truth about any address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use maxminddb::{Reader, WithinOptions};
use maxminddb_writer::paths::IpAddrWithMask;
use maxminddb_writer::{Database, metadata};
use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::random::{Random, Weighted};

const TOWNS: usize = 20_000;
const NETWORKS_V4: u32 = 40_000;
const NETWORKS_V6: u32 = 10_000;
/// How far towns lie around their city: two thirds of them within some 130 km in each direction.
const SPREAD_DEGREES: f64 = 1.2;
/// Of five viewers one comes over IPv6.
const V6_IN: usize = 5;

#[derive(Serialize)]
struct Record {
    city: Named,
    continent: Coded,
    country: Country,
    location: Location,
    subdivisions: [Named; 1],
}

#[derive(Serialize)]
struct Named {
    geoname_id: u32,
    names: Names,
}

#[derive(Serialize)]
struct Names {
    de: String,
    en: String,
    fr: String,
    ru: String,
}

#[derive(Serialize)]
struct Coded {
    code: &'static str,
    names: Names,
}

#[derive(Serialize)]
struct Country {
    geoname_id: u32,
    iso_code: String,
    names: Names,
}

#[derive(Serialize)]
struct Location {
    accuracy_radius: u16,
    latitude: f64,
    longitude: f64,
    time_zone: &'static str,
}

/// Where towns of a made database lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Towns {
    /// Anywhere between 55 degrees south and 70 north, in a country drawn from eight.
    Anywhere,
    /// Around real cities, in proportion to the users of the internet there.
    Real,
}

/// A real city, and how many users of the internet it stands for.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct City {
    /// ISO 3166-1, two letters.
    pub(crate) country: String,
    lat: f64,
    lon: f64,
    pub(crate) users_k: u32,
}

/// Where the internet's users live; `data/README.md` says where that is from.
const CITIES: &str = include_str!("../data/cities.csv");

/// All cities of the table.
pub(crate) fn cities() -> Vec<City> {
    // A test holds that every line can be read.
    csv::Reader::from_reader(CITIES.as_bytes()).deserialize().filter_map(Result::ok).collect()
}

/// A database of fifty thousand networks in the nested layout, the same in every run.
pub(crate) fn made(towns: Towns) -> Result<Vec<u8>, Failure> {
    let failed =
        |error: maxminddb_writer::Error| Failure::NotHere(format!("cannot make a City database: {error}"));
    let mut database = Database::default();
    database.metadata.ip_version = metadata::IpVersion::V6;
    "watchgate-bench-City".clone_into(&mut database.metadata.database_type);
    database.metadata.binary_format_major_version = 2;
    database.metadata.build_epoch = 1_795_435_200;
    let mut random = Random::new(1);
    let cities = if towns == Towns::Real { cities() } else { Vec::new() };
    let cities = Weighted::new(cities.iter().map(|city| (f64::from(city.users_k), city)));
    let town = |_| {
        let town = town(&mut random);
        let city = cities.draw(&mut random);
        database.insert_value(if let Some(city) = city { town.near(city, &mut random) } else { town })
    };
    let towns: Result<Vec<_>, _> = (0..TOWNS).map(town).collect();
    let towns = towns.map_err(failed)?;
    for index in 0..NETWORKS_V4 {
        // From 1.0.0.0 upward in steps that end below 224.0.0.0.
        let network = Ipv4Addr::from_bits((0x0100_0000 + index * 90_000) & 0xffff_f000);
        if !network.is_loopback() {
            let in_v6_tree = Ipv6Addr::from_bits(u128::from(network.to_bits()));
            database.insert_node(IpAddrWithMask::new(in_v6_tree.into(), 96 + 20), towns[random.below(TOWNS)]);
        }
    }
    for index in 0..NETWORKS_V6 {
        let network = Ipv6Addr::from_bits(u128::from(0x2001_0000 + index * 7919) << 96);
        database.insert_node(IpAddrWithMask::new(network.into(), 32), towns[random.below(TOWNS)]);
    }
    database.write_to(Vec::new()).map_err(failed)
}

impl Record {
    /// The same, moved to somewhere around a city.
    fn near(mut self, city: &City, random: &mut Random) -> Self {
        self.country.iso_code.clone_from(&city.country);
        self.location.latitude = (city.lat + random.normal() * SPREAD_DEGREES).clamp(-85.0, 85.0);
        self.location.longitude = (city.lon + random.normal() * SPREAD_DEGREES).clamp(-180.0, 180.0);
        self
    }
}

fn town(random: &mut Random) -> Record {
    const COUNTRIES: [&str; 8] = ["DE", "US", "BR", "JP", "ZA", "IN", "AU", "FR"];
    const RADII_KM: [u16; 6] = [5, 10, 20, 50, 100, 500];
    let geoname_id = u32::try_from(random.below(10_000_000)).unwrap_or_default();
    let names = |what: &str| Names {
        de: format!("{what} {geoname_id}, auf Deutsch"),
        en: format!("{what} {geoname_id}"),
        fr: format!("{what} {geoname_id}, en français"),
        ru: format!("{what} {geoname_id}, по-русски"),
    };
    Record {
        city: Named { geoname_id, names: names("Town") },
        continent: Coded { code: "EU", names: names("Continent") },
        country: Country {
            geoname_id,
            iso_code: COUNTRIES[random.below(COUNTRIES.len())].to_owned(),
            names: names("Country"),
        },
        location: Location {
            accuracy_radius: RADII_KM[random.below(RADII_KM.len())],
            latitude: random.between(-55.0, 70.0),
            longitude: random.between(-180.0, 180.0),
            time_zone: "Etc/UTC",
        },
        subdivisions: [Named { geoname_id, names: names("Region") }],
    }
}

/// So many viewers, each in a network drawn from all of the database's.
///
/// # Errors
/// The bytes are no database, or it has no IPv4 networks.
pub(crate) fn viewers(database: &[u8], count: usize) -> Result<Vec<IpAddr>, Failure> {
    let unreadable =
        |error: maxminddb::MaxMindDbError| Failure::NotHere(format!("the City database: {error}"));
    let reader = Reader::from_source(database).map_err(unreadable)?;
    let mut random = Random::new(2);
    let v6 = if reader.metadata().ip_version == 6 {
        drawn(&reader, "2000::/3", count / V6_IN, &mut random)?
    } else {
        Vec::new()
    };
    let mut viewers = drawn(&reader, "0.0.0.0/0", count - v6.len(), &mut random)?;
    if viewers.is_empty() {
        return Err(Failure::NotHere("the City database has no IPv4 networks".to_owned()));
    }
    viewers.extend(v6);
    Ok(viewers)
}

/// An address in each of `count` networks, all networks with the same chance (reservoir sampling, Vitter 1985).
fn drawn(
    reader: &Reader<&[u8]>,
    within: &str,
    count: usize,
    random: &mut Random,
) -> Result<Vec<IpAddr>, Failure> {
    let unreadable =
        |error: maxminddb::MaxMindDbError| Failure::NotHere(format!("the City database: {error}"));
    let within = within.parse().map_err(|_| Failure::NotHere(format!("{within} is no network")))?;
    let mut addresses = Vec::with_capacity(count);
    let mut seen = 0;
    for found in reader.within(within, WithinOptions::default()).map_err(unreadable)? {
        let network = found.and_then(|found| found.network()).map_err(unreadable)?;
        if network.ip().is_loopback() {
            continue;
        }
        seen += 1;
        let at = if addresses.len() < count { addresses.len() } else { random.below(seen) };
        if at < count {
            let address = inside(network.ip(), network.prefix(), random);
            addresses.truncate(addresses.len().max(at));
            if at == addresses.len() { addresses.push(address) } else { addresses[at] = address }
        }
    }
    Ok(addresses)
}

/// What a map of networks needs of a record.
#[derive(Deserialize)]
struct Place {
    location: Option<At>,
}

#[derive(Deserialize)]
struct At {
    latitude: f64,
    longitude: f64,
}

/// A network, and the latitude and longitude of those who live in it.
type Placed = (String, f64, f64);

/// All networks of a place, in the text form of CIDR.
///
/// # Errors
/// The bytes are no database, or there are more than so many.
pub(crate) fn networks(database: &[u8], at_most: usize) -> Result<Vec<Placed>, Failure> {
    let unreadable =
        |error: maxminddb::MaxMindDbError| Failure::NotHere(format!("the City database: {error}"));
    let reader = Reader::from_source(database).map_err(unreadable)?;
    let mut networks = Vec::new();
    for within in ["0.0.0.0/0", "2000::/3"] {
        if within.contains(':') && reader.metadata().ip_version != 6 {
            continue;
        }
        let within = within.parse().map_err(|_| Failure::NotHere(format!("{within} is no network")))?;
        for found in reader.within(within, WithinOptions::default()).map_err(unreadable)? {
            let found = found.map_err(unreadable)?;
            let place: Option<Place> = found.decode().map_err(unreadable)?;
            let Some(Place { location: Some(at) }) = place else { continue };
            if networks.len() == at_most {
                return Err(Failure::NotHere(format!("the City database has more than {at_most} networks")));
            }
            networks.push((found.network().map_err(unreadable)?.to_string(), at.latitude, at.longitude));
        }
    }
    Ok(networks)
}

/// Some address of a network.
pub(crate) fn inside(network: IpAddr, prefix: u8, random: &mut Random) -> IpAddr {
    let noise = u128::from(random.next()) << 64 | u128::from(random.next());
    match network {
        IpAddr::V4(network) => {
            let host = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
            #[expect(clippy::cast_possible_truncation, reason = "the lower bits are as random as all")]
            let noise = noise as u32;
            Ipv4Addr::from_bits(network.to_bits() | noise & host).into()
        }
        IpAddr::V6(network) => {
            let host = u128::MAX.checked_shr(prefix.into()).unwrap_or(0);
            Ipv6Addr::from_bits(network.to_bits() | noise & host).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn viewers_live_all_over_the_made_database() {
        let database = made(Towns::Anywhere).unwrap();
        let reader = Reader::from_source(&database[..]).unwrap();
        let viewers = viewers(&database, 5000).unwrap();
        assert_eq!(viewers.len(), 5000);
        assert_eq!(viewers.iter().filter(|viewer| viewer.is_ipv6()).count(), 1000);
        let towns: HashSet<_> =
            viewers.iter().map(|viewer| reader.lookup(*viewer).unwrap().offset().expect("a place")).collect();
        assert!(towns.len() > 3000, "{} towns", towns.len());
    }

    #[test]
    fn every_city_can_be_read() {
        let cities = cities();
        assert_eq!(cities.len() + 1, CITIES.lines().count());
        for City { country, lat, lon, users_k } in cities {
            assert!(country.len() == 2 && lat.abs() < 90.0 && lon.abs() <= 180.0 && users_k > 0, "{country}");
        }
    }

    #[test]
    fn networks_have_their_places() {
        let database = made(Towns::Anywhere).unwrap();
        let networks = networks(&database, 50_000).unwrap();
        assert!(networks.len() > 49_000, "{} networks", networks.len());
        let (v6, v4): (Vec<_>, Vec<_>) = networks.iter().partition(|(network, ..)| network.contains(':'));
        assert!(v6.len() == 10_000 && v4.iter().all(|(network, ..)| network.ends_with("/20")), "{:?}", v4[0]);
        assert!(super::networks(&database, 100).is_err());
    }

    #[test]
    fn addresses_stay_inside_their_network() {
        let check = |network: &str, prefix: u8, bits: u32| {
            let network: IpAddr = network.parse().unwrap();
            let mut random = Random::new(3);
            for _ in 0..100 {
                let same = match (network, inside(network, prefix, &mut random)) {
                    (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= bits,
                    (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= bits,
                    _ => false,
                };
                assert!(same, "{network}/{prefix}");
            }
        };
        check("192.0.2.0", 24, 24);
        check("192.0.2.7", 32, 32);
        check("0.0.0.0", 0, 0);
        check("2001:db8::", 32, 32);
        check("2001:db8::1", 128, 128);
    }
}
