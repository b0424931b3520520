//! What was worked out for a database record, or for an address, kept for the next viewer of the same.
//!
//! Bounded by construction and free of locks. Deliberately absent: expiry (the cache lives inside one
//! snapshot and goes with it), counting and eviction order.

use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;

use arc_swap::{ArcSwapOption, Guard};

use crate::RecordKey;

/// More slots than this are never made: 8 MiB of empty slots.
const SLOTS_MAX: usize = 1 << 20;

/// Slots that a key may stand in: its own and the next few.
const SLOTS_PER_KEY: usize = 4;

/// A table of fixed size: a key stands in its own slot or, when that is taken, in one of the next three;
/// when all four are taken, a newcomer overwrites whoever has its own.
///
/// Why not a concurrent map with eviction: a viewer's place is asked for once a request by every
/// worker, so a hit must not write to memory that other cores read, which rules out recency lists,
/// counters and locks; and the table must stay bounded when a scanner walks the address space.
/// Overwriting costs a popular record one decoding (some microseconds) whenever a rare one drives it out,
/// and neither more memory nor a sweep. Why four slots and not one: two popular records that share their
/// only slot would drive each other out at every request; with 2,000 records in 8,000 slots that is
/// one record in five.
pub struct PlaceCache<K, V> {
    /// A power of two, so that a mask finds the slot.
    slots: Box<[ArcSwapOption<Entry<K, V>>]>,
}

/// What a [`PlaceCache`] keeps things by.
pub trait CacheKey: Copy + Eq {
    /// Well spread bits of the key; who chooses keys on purpose can make others' places be worked out again, no more.
    fn spread(&self) -> u64;
}

struct Entry<K, V> {
    key: K,
    value: V,
}

/// A value of the cache, borrowed without touching its reference count.
///
/// Meant to be held for a short time: each thread can hold a handful of them cheaply, further ones
/// fall back to counting references. Clone out what must live longer (an `Arc` inside `V` does).
pub struct Cached<K, V>(Guard<Option<Arc<Entry<K, V>>>>);

impl CacheKey for RecordKey {
    fn spread(&self) -> u64 {
        Self::spread(self)
    }
}

impl CacheKey for IpAddr {
    fn spread(&self) -> u64 {
        // The odd constant of Fibonacci hashing: networks that differ in their last bits only lie far apart.
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        let mixed = match self {
            Self::V4(address) => u64::from(address.to_bits()).wrapping_mul(ODD),
            Self::V6(address) => {
                let bits = address.to_bits();
                #[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
                let (high, low) = ((bits >> 64) as u64, bits as u64);
                (high.wrapping_mul(ODD) ^ low).rotate_left(29).wrapping_mul(ODD)
            }
        };
        mixed ^ mixed >> 32
    }
}

impl<K: CacheKey, V> PlaceCache<K, V> {
    /// A cache of at least `slots_min` slots, rounded up to a power of two, between 1 and 2^20.
    #[must_use]
    pub fn new(slots_min: usize) -> Self {
        let slots = slots_min.clamp(1, SLOTS_MAX).next_power_of_two();
        Self { slots: (0..slots).map(|_| ArcSwapOption::empty()).collect() }
    }

    /// The value kept for `key`, or what `make` says, which is then kept.
    ///
    /// Two threads that miss at once both call `make`; the later one's value stays.
    pub fn get_or_insert_with(&self, key: K, make: impl FnOnce() -> V) -> Cached<K, V> {
        let mask = self.slots.len() - 1;
        #[expect(clippy::cast_possible_truncation, reason = "the mask leaves fewer bits")]
        let own = key.spread() as usize & mask;
        let mut free = None;
        for slot in (own..own + SLOTS_PER_KEY).map(|slot| &self.slots[slot & mask]) {
            let kept = slot.load();
            match &*kept {
                Some(entry) if entry.key == key => return Cached(kept),
                Some(_) => {}
                // Slots are never emptied, so the key stands nowhere behind an empty one.
                None => {
                    free = Some(slot);
                    break;
                }
            }
        }
        let entry = Arc::new(Entry { key, value: make() });
        free.unwrap_or(&self.slots[own]).store(Some(Arc::clone(&entry)));
        Cached(Guard::from_inner(Some(entry)))
    }

    /// How many keys it can hold.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots.len()
    }
}

impl<K, V> Cached<K, V> {
    /// A value that is kept nowhere.
    #[must_use]
    pub fn alone(key: K, value: V) -> Self {
        Self(Guard::from_inner(Some(Arc::new(Entry { key, value }))))
    }
}

impl<K, V> fmt::Debug for PlaceCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlaceCache").field("slots", &self.slots.len()).finish_non_exhaustive()
    }
}

impl<K, V> Deref for Cached<K, V> {
    type Target = V;

    fn deref(&self) -> &V {
        // All places that build a `Cached` put an entry into it, and a guard never changes.
        &self.0.as_ref().expect("a cached value has an entry").value
    }
}

impl<K, V: fmt::Debug> fmt::Debug for Cached<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::*;

    fn key(record: u32) -> RecordKey {
        RecordKey::of(IpAddr::V4(Ipv4Addr::UNSPECIFIED), &[Some(record)])
    }

    #[test]
    fn slots_are_a_bounded_power_of_two() {
        for (asked, got) in [(0, 1), (1, 1), (2, 2), (3, 4), (4096, 4096), (usize::MAX, SLOTS_MAX)] {
            assert_eq!(PlaceCache::<RecordKey, ()>::new(asked).slots(), got, "{asked}");
        }
    }

    #[test]
    fn a_second_asking_makes_nothing() {
        let cache = PlaceCache::new(64);
        let made = Cell::new(0);
        let ask = |record| {
            *cache.get_or_insert_with(key(record), || {
                made.set(made.get() + 1);
                record * 10
            })
        };
        assert_eq!([ask(7), ask(7), ask(7)], [70, 70, 70]);
        assert_eq!(made.get(), 1);
    }

    #[test]
    fn keys_that_share_a_slot_never_get_each_others_value() {
        let cache = PlaceCache::new(1);
        for record in [1, 2, 1, 1, 3, 2] {
            assert_eq!(*cache.get_or_insert_with(key(record), || record), record);
        }
    }

    #[test]
    fn popular_records_do_not_drive_each_other_out() {
        let cache = PlaceCache::new(8192);
        let records = || (0..2000).map(|n| n * 97);
        for record in records() {
            cache.get_or_insert_with(key(record), || record);
        }
        let made = Cell::new(0);
        for record in records() {
            cache.get_or_insert_with(key(record), || {
                made.set(made.get() + 1);
                record
            });
        }
        // With one slot a key it would be about 240.
        assert!(made.get() < 20, "{} records were driven out", made.get());
    }

    #[test]
    fn a_value_in_hand_survives_being_overwritten() {
        let cache = PlaceCache::new(1);
        let first = cache.get_or_insert_with(key(1), || "one");
        let again = cache.get_or_insert_with(key(1), || "never made");
        assert_eq!(*cache.get_or_insert_with(key(2), || "two"), "two");
        assert_eq!((*first, *again), ("one", "one"));
    }

    #[test]
    fn neighbouring_records_spread_over_the_slots() {
        let mask = 4095;
        // Records lie some tens of bytes apart, so their offsets share low bits.
        let slots: std::collections::HashSet<u64> = (0..4096).map(|n| key(n * 64).spread() & mask).collect();
        // 4096 throws at 4096 slots hit 63 % of them on average.
        assert!(slots.len() > 2300, "{} slots used", slots.len());
    }

    #[test]
    fn neighbouring_addresses_spread_over_the_slots() {
        let check = |what: &str, address: fn(u32) -> IpAddr| {
            let slots: std::collections::HashSet<u64> =
                (0..4096).map(|n| address(n).spread() & 4095).collect();
            assert!(slots.len() > 2300, "{what}: {} slots used", slots.len());
        };
        check("hosts", |n| Ipv4Addr::from_bits(0x0a00_0000 + n).into());
        check("networks of 256", |n| Ipv4Addr::from_bits(0x0a00_0001 + (n << 8)).into());
        check("first hosts of /64", |n| {
            Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(n) << 64 | 1).into()
        });
        check("first hosts of /48", |n| {
            Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(n) << 80 | 1).into()
        });
        check("hosts of one /64", |n| Ipv6Addr::from_bits(0x2001_0db8 << 96 | u128::from(n)).into());
    }

    #[test]
    fn threads_agree() {
        let cache = PlaceCache::new(16);
        std::thread::scope(|scope| {
            for seed in 0..4 {
                let cache = &cache;
                scope.spawn(move || {
                    for step in 0..500_u32 {
                        let record = step.wrapping_mul(2_654_435_761).wrapping_add(seed) % 64;
                        assert_eq!(*cache.get_or_insert_with(key(record), || record), record);
                    }
                });
            }
        });
    }

    #[test]
    fn a_cached_value_may_cross_an_await() {
        fn sent<T: Send + Sync>() {}
        sent::<Cached<RecordKey, u32>>();
        sent::<PlaceCache<RecordKey, u32>>();
    }
}
