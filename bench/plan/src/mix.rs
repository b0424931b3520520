//! Who watches from where: a mix of countries, places and networks becomes spots from which viewers are drawn.
//!
//! A spot is an address where one is known, and else a place. Absent on purpose: time. One mix holds for the whole
//! run; a plan for another hour with other people awake is another run.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use watchgate_geoip::{Coordinates, CountryCode, Databases, Place, PlaceCache, centroid};

use crate::fault::Faults;
use crate::random::Random;
use crate::sheet::{Row, Sheet};
use crate::world::World;

/// How exactly a viewer's city is taken to be known where the mix names no networks: what City databases say of towns.
const CITY_RADIUS_KM: u16 = 50;
/// Addresses that stand for one network.
const ADDRESSES_MAX: usize = 256;
/// Addresses that stand for all countries, about; each has its part of them, within these bounds.
const DRAWN: f64 = 8_192.0;
const DRAWN_OF_ONE: (usize, usize) = (8, 1_024);
/// Addresses drawn from the whole of IPv4 to find those of the countries.
const DRAWS: usize = 4_000_000;

/// Where viewers are.
#[derive(Clone, Debug)]
pub struct Spot {
    /// How the gate would see them.
    pub seat: Seat,
    /// Their part of all viewers; not normed.
    pub share: f64,
}

/// How the gate would see a viewer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Seat {
    /// By this address.
    Address(IpAddr),
    /// As somebody here, whatever the address.
    Place(Place),
}

/// All viewers.
#[derive(Clone, Debug)]
pub struct Mix {
    /// At least one; the shares are positive.
    pub spots: Vec<Spot>,
    /// One line on where it comes from.
    pub about: String,
    /// What could not be done as asked.
    pub remarks: Vec<String>,
}

/// What countries and networks are looked up in.
#[derive(Clone, Copy, Debug)]
pub struct Atlas<'a> {
    /// Cities and countries.
    pub world: &'a World,
    /// Set: countries are drawn as addresses from these databases.
    pub databases: Option<&'a Databases>,
    /// For what is drawn.
    pub seed: u64,
}

enum Wanted {
    Network(IpNet),
    Place(Place),
    Country(CountryCode),
}

impl Mix {
    /// Every country by its users of the internet.
    #[must_use]
    pub fn of_users(atlas: Atlas<'_>) -> Self {
        let countries = &atlas.world.countries;
        let rows = countries.iter().filter(|country| country.users_k > 0.0);
        let rows: Vec<_> = rows.map(|country| (Wanted::Country(country.code), country.users_k)).collect();
        Self::of(&rows, atlas, "every country by its internet users, in its cities")
    }

    /// A mix as it is written: columns `share` and `country`, `lat` and `lon`, or `network`.
    pub fn read(name: &str, text: &str, atlas: Atlas<'_>, faults: &mut Faults) -> Option<Self> {
        let known = ["share", "country", "lat", "lon", "radius_km", "network"];
        let sheet = Sheet::read(name, text, &known, &["share"], faults)?;
        let before = faults.len();
        let rows: Vec<_> =
            sheet.rows.iter().filter_map(|row| wanted(&sheet, row, atlas.world, faults)).collect();
        if faults.len() > before {
            return None;
        }
        if rows.iter().all(|(_, share)| *share <= 0.0) {
            faults.push(name, None, "no row has a share above 0");
            return None;
        }
        Some(Self::of(&rows, atlas, &format!("{} rows of {name}", rows.len())))
    }

    fn of(rows: &[(Wanted, f64)], atlas: Atlas<'_>, about: &str) -> Self {
        let wants_countries = rows.iter().any(|(wanted, _)| matches!(wanted, Wanted::Country(_)));
        let drawn = atlas.databases.filter(|_| wants_countries).map(|databases| drawn(databases, atlas.seed));
        let mut mix = Self { spots: Vec::new(), about: about.to_owned(), remarks: Vec::new() };
        let mut undrawn = Vec::new();
        let whole: f64 = rows.iter().map(|(_, share)| share).sum();
        for (wanted, share) in rows.iter().filter(|(_, share)| *share > 0.0) {
            match wanted {
                Wanted::Place(place) => mix.spots.push(Spot { seat: Seat::Place(*place), share: *share }),
                Wanted::Network(network) => mix.spread(addresses(*network, atlas.seed), *share),
                Wanted::Country(code) => match &drawn {
                    Some(drawn) if drawn.contains_key(code) => {
                        let addresses = drawn[code].iter().take(drawn_of(*share / whole)).copied();
                        mix.spread(addresses.collect(), *share);
                    }
                    _ => {
                        undrawn.push(code.to_string());
                        mix.spots.extend(cities(*code, *share, atlas.world));
                    }
                },
            }
        }
        if drawn.is_some() && !undrawn.is_empty() {
            let list = undrawn.join(" ");
            mix.remarks
                .push(format!("no network was drawn of {list}; their viewers are put into their cities"));
        }
        mix
    }

    fn spread(&mut self, addresses: Vec<IpAddr>, share: f64) {
        let share = share / addresses.len() as f64;
        self.spots.extend(addresses.into_iter().map(|address| Spot { seat: Seat::Address(address), share }));
    }
}

fn wanted(sheet: &Sheet, row: &Row, world: &World, faults: &mut Faults) -> Option<(Wanted, f64)> {
    let before = faults.len();
    let share = sheet.number(row, "share", 0.0, faults);
    if share.is_none() && faults.len() == before {
        faults.push(&sheet.name, Some(row.line), "share: nothing stands there");
    }
    let country: Option<CountryCode> = sheet.value(row, "country", faults);
    let network: Option<IpNet> = network(sheet, row, faults);
    let lat = sheet.number(row, "lat", -90.0, faults);
    let lon = sheet.number(row, "lon", -180.0, faults);
    let radius_km: Option<u16> = sheet.value(row, "radius_km", faults);
    if faults.len() > before {
        return None;
    }
    let read = match (network, lat.zip(lon), country) {
        (Some(network), None, None) => Ok(Wanted::Network(network)),
        (None, Some((lat, lon)), country) => Coordinates::new(lat, lon)
            .map(|at| Wanted::Place(place(at, radius_km.unwrap_or(CITY_RADIUS_KM), country, world)))
            .map_err(|error| error.to_string()),
        (None, None, Some(code)) if lat.is_none() && lon.is_none() => match world.country(code) {
            Some(_) => Ok(Wanted::Country(code)),
            None if centroid(code).is_some() => Ok(Wanted::Country(code)),
            None => Err(format!("country: {code} is no country that is known (ISO 3166-1 alpha-2)")),
        },
        _ => Err("a row has a network, or lat and lon, or a country".to_owned()),
    };
    Some((faults.keep(&sheet.name, Some(row.line), read)?, share?))
}

fn network(sheet: &Sheet, row: &Row, faults: &mut Faults) -> Option<IpNet> {
    let cell = sheet.cell(row, "network")?;
    let read = cell.parse::<IpNet>().or_else(|_| cell.parse::<IpAddr>().map(IpNet::from));
    let read = read.map_err(|_| format!("network: {cell:?} is no network such as 192.0.2.0/24"));
    faults.keep(&sheet.name, Some(row.line), read)
}

fn place(at: Coordinates, radius_km: u16, country: Option<CountryCode>, world: &World) -> Place {
    let continent = country.and_then(|code| world.country(code)).map(|country| country.continent);
    Place { at: Some(at), radius_km: Some(radius_km), country, continent, asn: None }
}

/// A country's people in its cities; where no city is known, in its middle.
fn cities(code: CountryCode, share: f64, world: &World) -> Vec<Spot> {
    let cities: Vec<_> = world.cities.iter().filter(|city| city.country == code).collect();
    let people: f64 = cities.iter().map(|city| city.population).sum();
    if cities.is_empty() {
        let middle = centroid(code).map(|middle| (middle.at, middle.radius_km));
        let mut place =
            middle.map_or_else(Place::default, |(at, radius)| place(at, radius, Some(code), world));
        place.country = Some(code);
        return vec![Spot { seat: Seat::Place(place), share }];
    }
    let spot = |city: &&crate::world::City| Spot {
        seat: Seat::Place(place(city.at, CITY_RADIUS_KM, Some(code), world)),
        share: share * city.population / people,
    };
    cities.iter().map(spot).collect()
}

/// How many addresses stand for a country with this part of all viewers.
fn drawn_of(part: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of some thousands")]
    let count = (part * DRAWN).ceil() as usize;
    count.clamp(DRAWN_OF_ONE.0, DRAWN_OF_ONE.1)
}

/// Addresses of each country, drawn from all of IPv4 alike: where a country has many addresses, many are drawn.
fn drawn(databases: &Databases, seed: u64) -> BTreeMap<CountryCode, Vec<IpAddr>> {
    let (mut random, mut drawn) = (Random::of(seed, 1), BTreeMap::<CountryCode, Vec<IpAddr>>::new());
    let cache = PlaceCache::new(1 << 18);
    for _ in 0..DRAWS {
        #[expect(clippy::cast_possible_truncation, reason = "an address is 32 of the 64 bits")]
        let address = IpAddr::V4(Ipv4Addr::from_bits(random.bits() as u32));
        let key = databases.find(address);
        let country = *cache.get_or_insert_with(key, || databases.place(&key).country);
        if let Some(country) = country {
            let of_country = drawn.entry(country).or_default();
            if of_country.len() < DRAWN_OF_ONE.1 {
                of_country.push(address);
            }
        }
    }
    drawn
}

/// Addresses that stand for a network: one for each /24 or /56 in it, or as many as are taken at most.
fn addresses(network: IpNet, seed: u64) -> Vec<IpAddr> {
    let mut random = Random::of(seed, 2);
    let (bits, group) = match network {
        IpNet::V4(_) => (32_u32, 24_u32),
        IpNet::V6(_) => (128, 56),
    };
    let groups = group.saturating_sub(u32::from(network.prefix_len()));
    let step = |n: u128| match network.network() {
        IpAddr::V4(first) => {
            let at = u128::from(first.to_bits()) | n << (bits - group);
            u32::try_from(at).map_or(IpAddr::V4(first), |at| IpAddr::V4(Ipv4Addr::from_bits(at)))
        }
        IpAddr::V6(first) => IpAddr::V6(Ipv6Addr::from_bits(first.to_bits() | n << (bits - group))),
    };
    if groups <= ADDRESSES_MAX.ilog2() {
        return (0..1_u128 << groups).map(step).collect();
    }
    let mask = (1_u128 << groups) - 1;
    (0..ADDRESSES_MAX).map(|_| step(u128::from(random.bits()) & mask)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Mix, String> {
        let (world, mut faults) = (World::new(), Faults::default());
        let atlas = Atlas { world: &world, databases: None, seed: 1 };
        Mix::read("mix.csv", text, atlas, &mut faults).ok_or_else(|| faults.to_string())
    }

    #[test]
    fn every_kind_of_row() {
        let mix = read("share,country,lat,lon,network\n3,DE,,,\n1,,52.5,13.4,\n2,,,,192.0.2.0/24\n0,FR,,,\n")
            .unwrap();
        let share: f64 = mix.spots.iter().map(|spot| spot.share).sum();
        assert!((share - 6.0).abs() < 1e-9, "{share}");
        assert!(mix.spots.len() > 10, "Germany has many cities");
        assert!(mix.spots.iter().any(|spot| spot.seat == Seat::Address("192.0.2.0".parse().unwrap())));
    }

    #[test]
    fn all_faults_come_at_once_with_their_lines() {
        let faults = read(
            "share,country,lat,lon,network\nx,DE,,,\n1,Germany,,,\n1,,91,0,\n1,,5,,\n1,DE,,,10.0.0.0/8\n1,,,,10.0.0/8\n,DE,,,\n1,QQ,,,\n-1,DE,,,\n",
        )
        .unwrap_err();
        let expected = [
            "mix.csv:2: share: \"x\" is no number",
            "mix.csv:3: country: \"Germany\" is not a code of two letters such as \"DE\"",
            "mix.csv:4: latitude 91 is not within -90..=90",
            "mix.csv:5: a row has a network, or lat and lon, or a country",
            "mix.csv:6: a row has a network, or lat and lon, or a country",
            "mix.csv:7: network: \"10.0.0/8\" is no network such as 192.0.2.0/24",
            "mix.csv:8: share: nothing stands there",
            "mix.csv:9: country: QQ is no country that is known (ISO 3166-1 alpha-2)",
            "mix.csv:10: share: -1 is not a number from 0 up",
        ];
        assert_eq!(faults, expected.join("\n"));
        assert_eq!(read("share,country\n0,DE\n").unwrap_err(), "mix.csv: no row has a share above 0");
    }

    #[test]
    fn networks_become_addresses() {
        let check = |network: &str, count: usize| {
            let network: IpNet = network.parse().unwrap();
            let addresses = addresses(network, 1);
            assert_eq!(addresses.len(), count, "{network}");
            assert!(addresses.iter().all(|address| network.contains(address)), "{network}: {addresses:?}");
        };
        check("192.0.2.0/24", 1);
        check("192.0.2.7/32", 1);
        check("10.1.0.0/16", 256);
        check("10.0.0.0/8", 256);
        check("0.0.0.0/0", 256);
        check("2001:db8::/48", 256);
        check("2001:db8::/32", 256);
        check("2001:db8::1/128", 1);
    }

    #[test]
    fn the_ready_made_mix_is_all_users() {
        let world = World::new();
        let mix = Mix::of_users(Atlas { world: &world, databases: None, seed: 1 });
        let users_k: f64 = world.countries.iter().map(|country| country.users_k).sum();
        let share: f64 = mix.spots.iter().map(|spot| spot.share).sum();
        assert!((share / users_k - 1.0).abs() < 1e-9);
    }
}
