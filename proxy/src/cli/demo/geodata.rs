//! A GeoIP database for the demo's cities, in the layout of `MaxMind`'s City files.

use std::net::IpAddr;

use ipnet::IpNet;
use maxminddb_writer::paths::IpAddrWithMask;
use maxminddb_writer::{Database, metadata};
use serde::Serialize;

use super::cities::City;

#[derive(Serialize)]
struct Record {
    continent: Code,
    country: Country,
    location: Location,
}

#[derive(Serialize)]
struct Code {
    code: &'static str,
}

#[derive(Serialize)]
struct Country {
    iso_code: &'static str,
}

#[derive(Serialize)]
struct Location {
    accuracy_radius: u16,
    latitude: f64,
    longitude: f64,
}

/// The file's bytes.
///
/// # Errors
/// In words; a record of this shape always fits.
pub(super) fn database(cities: &[City], built_unix_s: u64) -> Result<Vec<u8>, String> {
    let failed = |error: maxminddb_writer::Error| format!("cannot write the GeoIP database: {error}");
    let mut database = Database::default();
    database.metadata.ip_version = metadata::IpVersion::V6;
    "watchgate-demo-City".clone_into(&mut database.metadata.database_type);
    database.metadata.binary_format_major_version = 2;
    database.metadata.build_epoch = built_unix_s;
    for city in cities {
        let record = Record {
            continent: Code { code: city.continent },
            country: Country { iso_code: city.country },
            location: Location { accuracy_radius: city.radius_km, latitude: city.lat, longitude: city.lon },
        };
        let record = database.insert_value(record).map_err(failed)?;
        for network in city.networks {
            let network: IpNet = network.parse().map_err(|error| format!("{network}: {error}"))?;
            database.insert_node(in_v6_tree(network), record);
        }
    }
    database.write_to(Vec::new()).map_err(failed)
}

/// A tree for both families keeps IPv4 networks below `::/96`.
fn in_v6_tree(network: IpNet) -> IpAddrWithMask {
    match network {
        IpNet::V6(network) => IpAddrWithMask::new(network.network().into(), network.prefix_len()),
        IpNet::V4(network) => {
            let address = std::net::Ipv6Addr::from_bits(u128::from(network.network().to_bits()));
            IpAddrWithMask::new(IpAddr::V6(address), network.prefix_len() + 96)
        }
    }
}

#[cfg(test)]
mod tests {
    use watchgate_geoip::Databases;

    use super::*;
    use crate::cli::demo::cities;

    #[test]
    fn every_city_finds_its_viewers() {
        let bytes = database(&cities::ALL, 1).unwrap();
        let databases = Databases::from_bytes(vec![("demo".to_owned(), bytes)]).unwrap();
        for city in &cities::ALL {
            let second = city.networks[1].parse::<IpNet>().unwrap().addr();
            for address in [city.viewer.parse().unwrap(), second] {
                let place = databases.lookup(address);
                assert_eq!(place.at.map(|at| (at.lat(), at.lon())), Some((city.lat, city.lon)), "{address}");
                assert_eq!(place.radius_km, Some(city.radius_km));
                assert_eq!(place.country.map(|country| country.to_string()).as_deref(), Some(city.country));
            }
            let first: IpNet = city.networks[0].parse().unwrap();
            assert!(first.contains(&city.viewer.parse::<IpAddr>().unwrap()), "{}", city.id);
        }
        assert_eq!(databases.lookup("127.0.0.1".parse().unwrap()).at, None);
    }
}
