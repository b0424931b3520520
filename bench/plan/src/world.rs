//! The cities and countries that come along: viewers when no mix is given, places for made fleets, regions of nodes.
//!
//! Data and licence: `world/README.md`. Absent on purpose: borders. A node lies where its nearest city does.

use watchgate_geoip::{ContinentCode, Coordinates, CountryCode};

const CITIES: &str = include_str!("world/cities.csv");
const COUNTRIES: &str = include_str!("world/countries.csv");

/// A city.
#[derive(Clone, Debug)]
pub struct City {
    /// Its country.
    pub country: CountryCode,
    /// Where it is.
    pub at: Coordinates,
    /// People.
    pub population: f64,
    /// Its name.
    pub name: &'static str,
}

/// A country.
#[derive(Clone, Copy, Debug)]
pub struct Country {
    /// ISO 3166-1 alpha-2.
    pub code: CountryCode,
    /// Where most of it lies.
    pub continent: ContinentCode,
    /// Users of the internet, in thousands.
    pub users_k: f64,
}

/// Both tables.
#[derive(Clone, Debug)]
pub struct World {
    /// Largest first.
    pub cities: Vec<City>,
    /// By code.
    pub countries: Vec<Country>,
}

impl World {
    /// Reads what is built in; a test holds that every line can be read.
    #[must_use]
    pub fn new() -> Self {
        Self {
            cities: CITIES.lines().skip(1).filter_map(city).collect(),
            countries: COUNTRIES.lines().skip(1).filter_map(country).collect(),
        }
    }

    /// A country by its code.
    #[must_use]
    pub fn country(&self, code: CountryCode) -> Option<&Country> {
        let at = self.countries.binary_search_by(|country| country.code.cmp(&code)).ok()?;
        self.countries.get(at)
    }

    /// The city nearest to a place.
    #[must_use]
    pub fn nearest(&self, at: Coordinates) -> Option<&City> {
        self.cities.iter().min_by(|a, b| at.distance_km(a.at).total_cmp(&at.distance_km(b.at)))
    }

    /// The continent that a place lies on.
    #[must_use]
    pub fn continent(&self, at: Coordinates) -> Option<ContinentCode> {
        self.nearest(at).and_then(|city| self.country(city.country)).map(|country| country.continent)
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

fn city(line: &'static str) -> Option<City> {
    let mut cells = line.split(',');
    let country = cells.next()?.parse().ok()?;
    let at = Coordinates::new(cells.next()?.parse().ok()?, cells.next()?.parse().ok()?).ok()?;
    // Some capitals are too young to have been counted.
    let population = cells.next()?.parse::<f64>().ok()?.max(1.0);
    Some(City { country, at, population, name: cells.next()? })
}

fn country(line: &str) -> Option<Country> {
    let mut cells = line.split(',');
    let (code, continent) = (cells.next()?.parse().ok()?, cells.next()?.parse().ok()?);
    Some(Country { code, continent, users_k: cells.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_read_and_every_city_has_its_country() {
        let world = World::new();
        assert_eq!(world.cities.len(), CITIES.lines().count() - 1);
        assert_eq!(world.countries.len(), COUNTRIES.lines().count() - 1);
        assert!(world.countries.is_sorted_by(|a, b| a.code < b.code));
        assert!(world.cities.iter().all(|city| world.country(city.country).is_some()));
        let users_k: f64 = world.countries.iter().map(|country| country.users_k).sum();
        assert!((4e6..8e6).contains(&users_k), "{users_k}");
    }

    #[test]
    fn places_lie_where_their_nearest_city_does() {
        let world = World::new();
        let check = |lat: f64, lon: f64, expected: &str| {
            let at = Coordinates::new(lat, lon).unwrap();
            let city = world.nearest(at).unwrap();
            let continent = world.continent(at).unwrap();
            assert_eq!(format!("{} {} {}", city.name, city.country, continent), expected);
        };
        check(55.75, 37.62, "Moscow RU EU");
        check(52.5, 13.4, "Berlin DE EU");
        check(40.7, -74.0, "New York City US NA");
        check(-33.9, 151.2, "Sydney AU OC");
    }
}
