//! A point on the Earth that cannot be wrong, and the distance between two of them.
//!
//! Great-circle distance on a sphere: up to 0.5 % off the ellipsoid, which is far below what any
//! GeoIP database knows. Not network distance.

/// Mean radius of the Earth in km (IUGG, `R1`).
const EARTH_RADIUS_KM: f64 = 6371.0088;

/// A latitude and a longitude in degrees, both finite and in range. 0/0 is a place like any other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coordinates {
    lat: f64,
    lon: f64,
}

/// Why two numbers are no [`Coordinates`].
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CoordinatesError {
    /// The latitude is not a number from -90 to 90.
    #[error("latitude {0} is not within -90..=90")]
    Latitude(f64),
    /// The longitude is not a number from -180 to 180.
    #[error("longitude {0} is not within -180..=180")]
    Longitude(f64),
}

impl Coordinates {
    /// Degrees, north and east positive.
    ///
    /// # Errors
    /// When one of them is out of range or not a number.
    pub fn new(lat: f64, lon: f64) -> Result<Self, CoordinatesError> {
        if !(-90.0..=90.0).contains(&lat) {
            return Err(CoordinatesError::Latitude(lat));
        }
        if !(-180.0..=180.0).contains(&lon) {
            return Err(CoordinatesError::Longitude(lon));
        }
        Ok(Self { lat, lon })
    }

    /// Degrees north of the equator, -90 to 90.
    #[must_use]
    pub fn lat(self) -> f64 {
        self.lat
    }

    /// Degrees east of Greenwich, -180 to 180.
    #[must_use]
    pub fn lon(self) -> f64 {
        self.lon
    }

    /// Great-circle distance in km, by the haversine formula, which stays exact for near points.
    #[must_use]
    pub fn distance_km(self, other: Self) -> f64 {
        let half_lat = (other.lat - self.lat).to_radians() / 2.0;
        let half_lon = (other.lon - self.lon).to_radians() / 2.0;
        let across = self.lat.to_radians().cos() * other.lat.to_radians().cos();
        let haversine = half_lat.sin().powi(2) + across * half_lon.sin().powi(2);
        // Rounding can lift it above 1 for antipodes, where the arc sine would be no number.
        2.0 * EARTH_RADIUS_KM * haversine.min(1.0).sqrt().asin()
    }

    /// The vector of length 1 from the middle of the Earth to this point.
    #[must_use]
    pub fn direction(self) -> Direction {
        let (lat, lon) = (self.lat.to_radians(), self.lon.to_radians());
        Direction([lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()])
    }
}

/// A point on the globe as a vector: compares distances to many points without an angle function for each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Direction([f64; 3]);

impl Direction {
    /// The cosine of the angle between both: the greater, the nearer. It tells points apart that differ by metres, but
    /// is no exact measure of short distances: see [`Coordinates::distance_km`].
    #[must_use]
    pub fn closeness(self, to: Self) -> f64 {
        let ([x, y, z], [to_x, to_y, to_z]) = (self.0, to.0);
        x * to_x + y * to_y + z * to_z
    }

    /// Whether the other point is farther away than so many kilometres, as far as that can be told without an angle
    /// function: false of a point that is not, and of some that are.
    #[must_use]
    pub fn is_beyond(self, to: Self, km: f64) -> bool {
        let angle = km.max(0.0) / EARTH_RADIUS_KM;
        // The cosine of an angle is never below this.
        self.closeness(to) < 1.0 - angle * angle / 2.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(lat: f64, lon: f64) -> Coordinates {
        Coordinates::new(lat, lon).unwrap()
    }

    fn check_distance(a: Coordinates, b: Coordinates, expected_km: f64) {
        let got_km = a.distance_km(b);
        assert!((got_km - expected_km).abs() < 0.5, "{a:?} to {b:?}: {got_km}, not {expected_km}");
    }

    #[test]
    fn bounds_belong_and_everything_beyond_is_refused() {
        for (lat, lon) in [(90.0, 180.0), (-90.0, -180.0), (0.0, 0.0), (-0.0, -0.0)] {
            assert_eq!(Coordinates::new(lat, lon).map(|it| (it.lat(), it.lon())), Ok((lat, lon)));
        }
        for lat in [90.000_001, -91.0, f64::NAN, f64::INFINITY] {
            assert!(matches!(Coordinates::new(lat, 0.0), Err(CoordinatesError::Latitude(_))), "{lat}");
        }
        for lon in [180.000_001, -181.0, f64::NAN, f64::NEG_INFINITY] {
            assert!(matches!(Coordinates::new(0.0, lon), Err(CoordinatesError::Longitude(_))), "{lon}");
        }
    }

    /// One degree of a great circle is `2 * PI * R / 360` = 111.195 km; the rest follows from it.
    #[test]
    fn known_distances() {
        check_distance(at(0.0, 0.0), at(1.0, 0.0), 111.195);
        check_distance(at(0.0, 179.5), at(0.0, -179.5), 111.195);
        check_distance(at(0.0, 0.0), at(0.0, 90.0), 10_007.557);
        check_distance(at(90.0, 0.0), at(-90.0, 0.0), 20_015.115);
        check_distance(at(90.0, 12.0), at(90.0, -170.0), 0.0);
        // Moscow to Saint Petersburg, by the spherical law of cosines.
        check_distance(at(55.7558, 37.6173), at(59.9343, 30.3351), 633.0);
    }

    fn anywhere() -> impl Strategy<Value = Coordinates> {
        (-90.0..=90.0, -180.0..=180.0).prop_map(|(lat, lon)| at(lat, lon))
    }

    proptest! {
        #[test]
        fn distance_is_a_distance(a in anywhere(), b in anywhere(), c in anywhere()) {
            let half_round_km = std::f64::consts::PI * EARTH_RADIUS_KM;
            let ab_km = a.distance_km(b);
            prop_assert!((0.0..=half_round_km + 1e-6).contains(&ab_km));
            prop_assert!((ab_km - b.distance_km(a)).abs() < 1e-6);
            prop_assert!(a.distance_km(a).abs() < 1e-9);
            prop_assert!(a.distance_km(c) <= ab_km + b.distance_km(c) + 1e-6);
        }

        #[test]
        fn the_closer_is_the_nearer(a in anywhere(), b in anywhere(), c in anywhere()) {
            let closeness = |to: Coordinates| a.direction().closeness(to.direction());
            // A metre of the globe is lost where the cosine is flat.
            if a.distance_km(b) + 0.001 < a.distance_km(c) {
                prop_assert!(closeness(b) > closeness(c) - 1e-15);
            }
        }

        #[test]
        fn who_is_beyond_is_farther_and_most_who_are_farther_are_beyond(
            a in anywhere(), b in anywhere(), km in -10.0..20_000.0_f64,
        ) {
            let (is_beyond, distance_km) = (a.direction().is_beyond(b.direction(), km), a.distance_km(b));
            prop_assert!(!is_beyond || distance_km > km - 0.001, "{distance_km}");
            prop_assert!(is_beyond || km > 6_000.0 || distance_km < km.max(0.0) * 1.1 + 0.001, "{distance_km}");
        }

        #[test]
        fn no_antipode_breaks_it(a in anywhere()) {
            let lon = if a.lon() > 0.0 { a.lon() - 180.0 } else { a.lon() + 180.0 };
            let km = a.distance_km(at(-a.lat(), lon));
            prop_assert!((km - std::f64::consts::PI * EARTH_RADIUS_KM).abs() < 1.0, "{km}");
        }
    }
}
