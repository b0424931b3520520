//! Which record of which database answered.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

/// How many databases can answer together: a city, a country and an ASN file, each split by address
/// family, leave two to spare, and a key stays small enough to copy and compare.
pub const DATABASES_MAX: usize = 8;

/// No file has a record there: a tree pointer has 32 bits and counts the tree and its separator too.
const MISS: u32 = u32::MAX;

/// Which records answered for an address: equal keys, equal places, within the same
/// [`Databases`](crate::Databases).
///
/// It carries the address it was found for, because the reader decodes only what it has just walked to;
/// the address takes no part in equality, hash or `Debug`.
#[derive(Clone, Copy)]
pub struct RecordKey {
    records: [u32; DATABASES_MAX],
    address: IpAddr,
}

impl RecordKey {
    /// `records`: where in its data section each database's record lies.
    pub(crate) fn of(address: IpAddr, records: &[Option<u32>]) -> Self {
        let mut key = Self { records: [MISS; DATABASES_MAX], address };
        for (kept, found) in key.records.iter_mut().zip(records) {
            *kept = found.unwrap_or(MISS);
        }
        key
    }

    /// True when no database has a record for the address.
    #[must_use]
    pub fn is_miss(&self) -> bool {
        self.records == [MISS; DATABASES_MAX]
    }

    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }

    pub(crate) fn has(&self, database: usize) -> bool {
        self.records.get(database).is_some_and(|record| *record != MISS)
    }

    /// Well spread bits.
    ///
    /// Multiplying carries low bits upwards and the last fold brings them back, so that records that lie
    /// side by side spread out. No defence against chosen keys: a collision costs one decoding.
    pub(crate) fn spread(&self) -> u64 {
        let mut mixed = 0_u64;
        for record in self.records {
            mixed = (mixed.rotate_left(23) ^ u64::from(record)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
        mixed ^ mixed >> 32
    }
}

impl PartialEq for RecordKey {
    fn eq(&self, other: &Self) -> bool {
        self.records == other.records
    }
}

impl Eq for RecordKey {}

impl Hash for RecordKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.records.hash(state);
    }
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records = self.records.iter().map(|record| (*record != MISS).then_some(record));
        f.write_str("RecordKey")?;
        f.debug_list().entries(records).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn key(address: &str, records: &[Option<u32>]) -> RecordKey {
        RecordKey::of(address.parse().unwrap(), records)
    }

    #[test]
    fn records_are_the_key_and_the_address_is_not() {
        let a = key("192.0.2.1", &[Some(7), None]);
        assert_eq!(a, key("192.0.2.2", &[Some(7)]));
        assert_ne!(a, key("192.0.2.1", &[None, Some(7)]));
        assert_ne!(a, key("192.0.2.1", &[Some(0)]));
        assert_eq!(HashSet::from([a]).len(), HashSet::from([a, key("::1", &[Some(7)])]).len());
    }

    #[test]
    fn all_misses_are_one_key() {
        assert!(key("192.0.2.1", &[None; 8]).is_miss());
        assert!(!key("192.0.2.1", &[None, Some(0)]).is_miss());
        assert_eq!(key("192.0.2.1", &[]), key("2001:db8::1", &[None; 8]));
    }

    #[test]
    fn the_address_is_not_shown() {
        assert!(!format!("{:?}", key("192.0.2.1", &[Some(3)])).contains("192"));
    }
}
