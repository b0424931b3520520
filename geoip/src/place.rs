//! What is known of where a viewer is.

use crate::{Asn, ContinentCode, Coordinates, CountryCode};

/// Where an address is, as far as the databases say. Any part may be unknown, and unknown is never
/// 0/0, AS0 or a stand-in country.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Place {
    /// The middle of the area the address is in.
    pub at: Option<Coordinates>,
    /// How far from [`at`](Self::at) the viewer may well be. Known only together with it.
    pub radius_km: Option<u16>,
    /// The country the viewer is in; never the one the network is merely registered in.
    pub country: Option<CountryCode>,
    /// The continent the viewer is on.
    pub continent: Option<ContinentCode>,
    /// Whose network announces the address.
    pub asn: Option<Asn>,
}

impl Place {
    /// Takes over from `other` what is unknown here. The coordinates and their radius are one
    /// field: a radius never comes from another database than its centre.
    pub(crate) fn fill_from(&mut self, other: &Self) {
        if self.at.is_none() {
            (self.at, self.radius_km) = (other.at, other.radius_km);
        }
        self.country = self.country.or(other.country);
        self.continent = self.continent.or(other.continent);
        self.asn = self.asn.or(other.asn);
    }

    /// True when no further database can add anything.
    pub(crate) fn is_complete(&self) -> bool {
        self.at.is_some() && self.country.is_some() && self.continent.is_some() && self.asn.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(
        at: Option<(f64, f64)>,
        radius_km: Option<u16>,
        country: Option<&str>,
        asn: Option<u32>,
    ) -> Place {
        Place {
            at: at.map(|(lat, lon)| Coordinates::new(lat, lon).unwrap()),
            radius_km,
            country: country.map(|code| code.parse().unwrap()),
            continent: None,
            asn: asn.map(Asn),
        }
    }

    #[test]
    fn the_first_to_know_a_field_gives_it() {
        let mut first = place(None, None, Some("DE"), None);
        first.fill_from(&place(Some((1.0, 2.0)), Some(50), Some("FR"), Some(7)));
        assert_eq!(first, place(Some((1.0, 2.0)), Some(50), Some("DE"), Some(7)));
    }

    #[test]
    fn a_radius_stays_with_its_centre() {
        let mut first = place(Some((0.0, 0.0)), None, None, None);
        first.fill_from(&place(Some((1.0, 2.0)), Some(50), None, None));
        assert_eq!(first, place(Some((0.0, 0.0)), None, None, None));
    }
}
