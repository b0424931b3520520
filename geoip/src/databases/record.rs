//! The fields of a record that make a place, read in one pass.
//!
//! Nested names are those of `MaxMind` and DB-IP; flat names are those of ip-location-db, whose releases
//! write coordinates as 32-bit numbers or as text, which has an empty form for unknown. A value of an
//! unexpected type is unknown and not an error: only a record that cannot be walked is one.
//!
//! `registered_country` and `represented_country` are left out on purpose. They say where the network's
//! holder is registered and whose embassy or base it is, and the addresses that have them without a
//! `country` are the very ones where that misleads: anycast, satellites, VPN exits. Such a viewer is better
//! served as one of unknown place.

use std::fmt;
use std::marker::PhantomData;

use maxminddb::{LookupResult, MaxMindDbError};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::{Asn, Coordinates, CountryCode, Place};

/// What the record says; nothing when there is none, or one of another form than a map.
///
/// # Errors
/// When its bytes cannot be walked.
pub(super) fn place<S: AsRef<[u8]>>(found: &LookupResult<S>) -> Result<Place, MaxMindDbError> {
    let record = found.decode::<Part<Record>>()?;
    Ok(record.map_or_else(Place::default, |record| record.0.place()))
}

/// Both layouts at once: no file uses the same name for different things.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Record<'a> {
    #[serde(borrow)]
    location: Part<Location<'a>>,
    country: Part<Country<'a>>,
    continent: Part<Continent<'a>>,
    traits: Part<Traits<'a>>,
    latitude: Value<'a>,
    longitude: Value<'a>,
    accuracy_radius: Value<'a>,
    country_code: Value<'a>,
    continent_code: Value<'a>,
    autonomous_system_number: Value<'a>,
    asn: Value<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Location<'a> {
    #[serde(borrow)]
    latitude: Value<'a>,
    longitude: Value<'a>,
    accuracy_radius: Value<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Country<'a> {
    #[serde(borrow)]
    iso_code: Value<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Continent<'a> {
    #[serde(borrow)]
    code: Value<'a>,
}

/// Where Enterprise files keep the AS number.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Traits<'a> {
    #[serde(borrow)]
    autonomous_system_number: Value<'a>,
}

impl Record<'_> {
    fn place(&self) -> Place {
        let nested = &self.location.0;
        let located = located(nested.latitude, nested.longitude, nested.accuracy_radius)
            .or_else(|| located(self.latitude, self.longitude, self.accuracy_radius));
        let country = self.country.0.iso_code.country().or_else(|| self.country_code.country());
        let continent = self.continent.0.code.text().or_else(|| self.continent_code.text());
        let asn = [self.autonomous_system_number, self.asn, self.traits.0.autonomous_system_number];
        Place {
            at: located.map(|(at, _)| at),
            radius_km: located.and_then(|(_, radius_km)| radius_km),
            country,
            continent: continent.and_then(|code| code.parse().ok()),
            asn: asn.into_iter().find_map(Value::asn),
        }
    }
}

fn located(lat: Value, lon: Value, radius_km: Value) -> Option<(Coordinates, Option<u16>)> {
    let at = Coordinates::new(lat.number()?, lon.number()?).ok()?;
    Some((at, radius_km.whole().and_then(|km| u16::try_from(km).ok())))
}

/// A number or a text; anything else is as good as absent.
#[derive(Clone, Copy, Default)]
enum Value<'a> {
    #[default]
    Absent,
    Whole(u64),
    Real(f64),
    Text(&'a str),
}

impl<'a> Value<'a> {
    fn number(self) -> Option<f64> {
        match self {
            Self::Absent => None,
            Self::Whole(number) => Some(number as f64),
            Self::Real(number) => Some(number),
            Self::Text(text) => text.trim().parse().ok(),
        }
    }

    fn whole(self) -> Option<u64> {
        match self {
            Self::Whole(number) => Some(number),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Absent | Self::Real(_) => None,
        }
    }

    fn text(self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text.trim()),
            Self::Absent | Self::Whole(_) | Self::Real(_) => None,
        }
    }

    fn country(self) -> Option<CountryCode> {
        let code: CountryCode = self.text()?.parse().ok()?;
        (!code.stands_for_unknown()).then_some(code)
    }

    /// As a number or as `AS64500`; 0 is nobody's network.
    fn asn(self) -> Option<Asn> {
        match self {
            Self::Whole(number) => u32::try_from(number).ok().filter(|number| *number != 0).map(Asn),
            Self::Text(text) => text.trim().parse().ok(),
            Self::Absent | Self::Real(_) => None,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Value<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(text))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'de>, E> {
        Ok(Value::Whole(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'de>, E> {
        // Signed numbers in these files have 32 bits.
        Ok(u64::try_from(number).map_or(Value::Real(number as f64), Value::Whole))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value<'de>, E> {
        Ok(Value::Real(number))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Value<'de>, E> {
        Ok(Value::Absent)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value<'de>, E> {
        Ok(Value::Absent)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Value<'de>, E> {
        Ok(Value::Absent)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<Value<'de>, A::Error> {
        IgnoredAny.visit_seq(sequence)?;
        Ok(Value::Absent)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value<'de>, A::Error> {
        IgnoredAny.visit_map(map)?;
        Ok(Value::Absent)
    }
}

/// A map's fields; whatever is no map counts as an empty one. Some flat files put a country's name where
/// nested ones have a map.
#[derive(Default)]
struct Part<T>(T);

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Part<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PartVisitor(PhantomData))
    }
}

struct PartVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for PartVisitor<T> {
    type Value = Part<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Part<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Part)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, sequence: A) -> Result<Part<T>, A::Error> {
        IgnoredAny.visit_seq(sequence)?;
        Ok(Part::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Part<T>, E> {
        Ok(Part::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Part<T>, E> {
        Ok(Part::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Part<T>, E> {
        Ok(Part::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Part<T>, E> {
        Ok(Part::default())
    }

    fn visit_u128<E>(self, _: u128) -> Result<Part<T>, E> {
        Ok(Part::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Part<T>, E> {
        Ok(Part::default())
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Part<T>, E> {
        Ok(Part::default())
    }
}

#[cfg(test)]
mod tests;
