//! Where a country is, for viewers of whom only the country is known.
//!
//! A centroid is a poor guess for a large country; its radius says how poor. Where people live plays
//! no part in it.

mod table;

use crate::{Coordinates, CountryCode};
use table::TABLE;

/// The middle of a country and how far it reaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Centroid {
    /// The area-weighted middle of the country's largest piece of land.
    pub at: Coordinates,
    /// Holds four fifths of the country's area: 10 to 3000 km.
    pub radius_km: u16,
}

/// The centroid of a country; `None` for codes that are no country, such as `EU`.
#[must_use]
pub fn centroid(country: CountryCode) -> Option<Centroid> {
    let index = TABLE.binary_search_by_key(&country.as_str(), |row| row.0).ok()?;
    let (_, lat, lon, radius_km) = TABLE[index];
    Some(Centroid { at: Coordinates::new(lat, lon).ok()?, radius_km })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: &str) -> Option<Centroid> {
        centroid(code.parse().unwrap())
    }

    /// Every capital lies within its country's reach, allowing for the fifth that the radius leaves out.
    fn check(code: &str, lat: f64, lon: f64) {
        let centroid = of(code).unwrap();
        let off_km = centroid.at.distance_km(Coordinates::new(lat, lon).unwrap());
        let reach_km = f64::from(centroid.radius_km) * 1.5 + 10.0;
        assert!(off_km <= reach_km, "{code}: {off_km} km from {centroid:?}");
    }

    #[test]
    fn every_row_is_sorted_and_in_range() {
        assert!(TABLE.is_sorted_by(|a, b| a.0 < b.0), "binary search needs the order");
        for (code, _, _, radius_km) in TABLE {
            assert!(of(code).is_some(), "{code}");
            assert!((10..=3000).contains(&radius_km), "{code}");
        }
    }

    #[test]
    fn capitals_lie_within_reach() {
        check("DE", 52.52, 13.41);
        check("FR", 48.86, 2.35);
        check("RU", 55.76, 37.62);
        check("US", 38.90, -77.04);
        check("BR", -15.79, -47.88);
        check("CN", 39.90, 116.41);
        check("AU", -35.28, 149.13);
        check("ID", -6.21, 106.85);
        check("NZ", -41.29, 174.78);
        check("FJ", -18.14, 178.44);
        check("NO", 59.91, 10.75);
        check("XK", 42.66, 21.17);
        check("RE", -20.88, 55.45);
        check("GF", 4.92, -52.31);
        check("SG", 1.29, 103.85);
        check("ZA", -25.75, 28.19);
        check("CL", -33.45, -70.67);
    }

    #[test]
    fn what_is_no_country_has_no_centroid() {
        for code in ["EU", "AP", "ZZ", "XX", "AA"] {
            assert_eq!(of(code), None, "{code}");
        }
    }
}
