//! What was worked out for a database record, kept for the next viewer of the same record.
//!
//! Bounded by construction and free of locks. Deliberately absent: expiry (the cache lives inside one
//! snapshot and goes with it), counting and eviction order.

use std::fmt;
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
pub struct RecordCache<V> {
    /// A power of two, so that a mask finds the slot.
    slots: Box<[ArcSwapOption<Entry<V>>]>,
}

struct Entry<V> {
    key: RecordKey,
    value: V,
}

/// A value of the cache, borrowed without touching its reference count.
///
/// Meant to be held for a short time: each thread can hold a handful of them cheaply, further ones
/// fall back to counting references. Clone out what must live longer (an `Arc` inside `V` does).
pub struct Cached<V>(Guard<Option<Arc<Entry<V>>>>);

impl<V> RecordCache<V> {
    /// A cache of at least `slots_min` slots, rounded up to a power of two, between 1 and 2^20.
    #[must_use]
    pub fn new(slots_min: usize) -> Self {
        let slots = slots_min.clamp(1, SLOTS_MAX).next_power_of_two();
        Self { slots: (0..slots).map(|_| ArcSwapOption::empty()).collect() }
    }

    /// The value kept for `key`, or what `make` says, which is then kept.
    ///
    /// Two threads that miss at once both call `make`; the later one's value stays.
    pub fn get_or_insert_with(&self, key: RecordKey, make: impl FnOnce() -> V) -> Cached<V> {
        let mask = self.slots.len() - 1;
        let own = key.slot(mask);
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

    /// How many records it can hold.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots.len()
    }
}

impl<V> fmt::Debug for RecordCache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordCache").field("slots", &self.slots.len()).finish_non_exhaustive()
    }
}

impl<V> Deref for Cached<V> {
    type Target = V;

    fn deref(&self) -> &V {
        // Both places that build a `Cached` put an entry into it, and a guard never changes.
        &self.0.as_ref().expect("a cached value has an entry").value
    }
}

impl<V: fmt::Debug> fmt::Debug for Cached<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn key(record: u32) -> RecordKey {
        RecordKey::of(IpAddr::V4(Ipv4Addr::UNSPECIFIED), &[Some(record)])
    }

    #[test]
    fn slots_are_a_bounded_power_of_two() {
        for (asked, got) in [(0, 1), (1, 1), (2, 2), (3, 4), (4096, 4096), (usize::MAX, SLOTS_MAX)] {
            assert_eq!(RecordCache::<()>::new(asked).slots(), got, "{asked}");
        }
    }

    #[test]
    fn a_second_asking_makes_nothing() {
        let cache = RecordCache::new(64);
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
        let cache = RecordCache::new(1);
        for record in [1, 2, 1, 1, 3, 2] {
            assert_eq!(*cache.get_or_insert_with(key(record), || record), record);
        }
    }

    #[test]
    fn popular_records_do_not_drive_each_other_out() {
        let cache = RecordCache::new(8192);
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
        let cache = RecordCache::new(1);
        let first = cache.get_or_insert_with(key(1), || "one");
        let again = cache.get_or_insert_with(key(1), || "never made");
        assert_eq!(*cache.get_or_insert_with(key(2), || "two"), "two");
        assert_eq!((*first, *again), ("one", "one"));
    }

    #[test]
    fn neighbouring_records_spread_over_the_slots() {
        let mask = 4095;
        // Records lie some tens of bytes apart, so their offsets share low bits.
        let slots: std::collections::HashSet<usize> = (0..4096).map(|n| key(n * 64).slot(mask)).collect();
        // 4096 throws at 4096 slots hit 63 % of them on average.
        assert!(slots.len() > 2300, "{} slots used", slots.len());
    }

    #[test]
    fn threads_agree() {
        let cache = RecordCache::new(16);
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
        sent::<Cached<u32>>();
        sent::<RecordCache<u32>>();
    }
}
