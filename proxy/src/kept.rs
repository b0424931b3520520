//! A bounded store that is read like a plain map: what is known of films, for every request to look up.
//!
//! ```text
//! Kept::new(Bounds { weight_max, ttl })      get(&key, |value| ..) -> Option<..>
//! look(&key, |Option<value>| ..) -> ..       insert(key, value, weight)
//! insert_if_absent(key, value, weight, |value| ..) -> Option<..>
//! remove(&key)    filter_map(|value| ..)      len()    settle()
//! ```
//! `get` reads a concurrent map of its own: no lock, no allocation, about 30 ns, with any key that is equivalent to the
//! stored one. moka keeps the same keys for the bounds alone, and takes out of the map what it evicts. Absent on
//! purpose: recency by reading; what is used has to be inserted again now and then, as all that is refreshed is. Two
//! partitions are two stores.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use equivalent::Equivalent;
use foldhash::quality::RandomState;
use moka::notification::RemovalCause;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

/// How much is kept, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The most that all weights may come to; passed by some hundred entries at most, and only for a moment. Beyond it
    /// those go that were inserted longest ago.
    pub weight_max: u64,
    /// How long an entry stays after its last insert; none: until it has to make room. It may be read a little longer
    /// than that, until somebody inserts or calls [`Kept::settle`]: who needs the exact moment keeps it in the value.
    pub ttl: Option<Duration>,
}

/// See the module. Shared by reference; every method takes `&self` and may be called from any thread.
pub struct Kept<K, V> {
    shown: Arc<Shown<K, V>>,
    /// Every key of `shown`, and of each the stamp of the value that is shown.
    bounded: Cache<K, Mark, RandomState>,
    stamps: AtomicU64,
}

/// Names come from viewers: the hash is seeded by chance, and fast.
type Shown<K, V> = papaya::HashMap<K, Stamped<V>, RandomState>;

struct Stamped<V> {
    /// Tells a value from those that stood at its key before: an eviction that comes late must not take out a newer one.
    stamp: u64,
    value: V,
}

#[derive(Clone, Copy)]
struct Mark {
    stamp: u64,
    weight: u32,
}

impl<K, V> Kept<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// An empty store.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let shown: Arc<Shown<K, V>> = Arc::new(papaya::HashMap::with_hasher(RandomState::default()));
        let evicted_from = Arc::clone(&shown);
        let builder = Cache::builder()
            .max_capacity(bounds.weight_max)
            .weigher(|_, mark: &Mark| mark.weight)
            // Unlike the default policy it never refuses what was just learnt.
            .eviction_policy(EvictionPolicy::lru())
            .eviction_listener(move |key: Arc<K>, mark: Mark, cause| {
                if cause != RemovalCause::Replaced {
                    // An error says that a newer value stands there, which stays.
                    let _ = evicted_from.pin().remove_if(&*key, |_, kept| kept.stamp == mark.stamp);
                }
            });
        let bounded = match bounds.ttl {
            Some(ttl) => builder.time_to_live(ttl).build_with_hasher(RandomState::default()),
            None => builder.build_with_hasher(RandomState::default()),
        };
        Self { shown, bounded, stamps: AtomicU64::new(0) }
    }

    /// Reads the value at a key; `read` must be short, because memory is not freed meanwhile.
    pub fn get<Q, R>(&self, key: &Q, read: impl FnOnce(&V) -> R) -> Option<R>
    where
        Q: Equivalent<K> + Hash + ?Sized,
    {
        self.look(key, |value| value.map(read))
    }

    /// Reads the value at a key, or that there is none; as [`Kept::get`].
    pub fn look<Q, R>(&self, key: &Q, read: impl FnOnce(Option<&V>) -> R) -> R
    where
        Q: Equivalent<K> + Hash + ?Sized,
    {
        read(self.shown.pin().get(key).map(|kept| &kept.value))
    }

    /// Puts a value at a key, in place of the one that stood there. It can be read at once; one that is heavier than the
    /// whole store goes again.
    pub fn insert(&self, key: K, value: V, weight: u32) {
        // moka lets only one insert at a time run for a key, so that both maps have the same one last.
        self.bounded.entry(key.clone()).and_upsert_with(|_| {
            let stamp = self.stamps.fetch_add(1, Ordering::Relaxed);
            self.shown.pin().insert(key, Stamped { stamp, value });
            Mark { stamp, weight }
        });
    }

    /// Puts a value at a key where none stands, or reads the one that does: of many who come at once, one puts, and all
    /// others read what it put.
    pub fn insert_if_absent<R>(
        &self,
        key: K,
        value: V,
        weight: u32,
        read: impl FnOnce(&V) -> R,
    ) -> Option<R> {
        let mut there = None;
        self.bounded.entry(key.clone()).and_upsert_with(|mark| {
            let shown = self.shown.pin();
            if let (Some(mark), Some(kept)) = (mark, shown.get(&key)) {
                there = Some(read(&kept.value));
                return mark.into_value();
            }
            let stamp = self.stamps.fetch_add(1, Ordering::Relaxed);
            shown.insert(key, Stamped { stamp, value });
            Mark { stamp, weight }
        });
        there
    }

    /// Takes out what stands at a key.
    pub fn remove<Q>(&self, key: &Q)
    where
        Q: Equivalent<K> + Hash + ?Sized,
    {
        self.bounded.invalidate(key);
    }

    /// What `pick` takes of every value; values that are put meanwhile may be passed over.
    pub fn filter_map<R>(&self, pick: impl Fn(&V) -> Option<R>) -> Vec<R> {
        self.shown.pin().values().filter_map(|kept| pick(&kept.value)).collect()
    }

    /// Entries that can be read now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shown.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Evicts what is due. Inserts do this now and then; a store that nobody inserts into needs somebody to call it.
    pub fn settle(&self) {
        self.bounded.run_pending_tasks();
    }
}

impl<K: Eq + Hash, V> fmt::Debug for Kept<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("len", &self.shown.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn kept(weight_max: u64) -> Kept<String, u32> {
        Kept::new(Bounds { weight_max, ttl: None })
    }

    fn read(store: &Kept<String, u32>, key: &str) -> Option<u32> {
        store.get(key, |value| *value)
    }

    #[test]
    fn of_many_who_come_at_once_one_puts() {
        let store = kept(1000);
        let put = |value: u32| store.insert_if_absent("film".to_owned(), value, 1, |there| *there);
        assert_eq!((put(1), put(2), read(&store, "film")), (None, Some(1), Some(1)));
        store.remove("film");
        assert_eq!((put(3), read(&store, "film")), (None, Some(3)));
        let all = kept(1000);
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|thread| {
                    let all = &all;
                    scope.spawn(move || {
                        let puts = (0..500).filter(|key: &u32| {
                            all.insert_if_absent(key.to_string(), thread, 1, |_| ()).is_none()
                        });
                        puts.count()
                    })
                })
                .collect();
            let puts: usize = threads.into_iter().map(|thread| thread.join().expect("no panic")).sum();
            assert_eq!(puts, 500);
        });
    }

    #[test]
    fn what_is_inserted_is_read_by_an_equivalent_key() {
        let store = kept(10);
        assert!(store.is_empty());
        store.insert("a".to_owned(), 1, 1);
        store.insert("b".to_owned(), 2, 1);
        store.insert("a".to_owned(), 3, 1);
        assert_eq!((read(&store, "a"), read(&store, "b"), read(&store, "c")), (Some(3), Some(2), None));
        store.remove("a");
        store.remove("c");
        assert_eq!((read(&store, "a"), store.len()), (None, 1));
        store.insert("a".to_owned(), 4, 1);
        assert_eq!(read(&store, "a"), Some(4));
        assert_eq!(format!("{store:?}"), "Kept { len: 2, .. }");
    }

    #[test]
    fn those_inserted_longest_ago_make_room() {
        let store = kept(100);
        for number in 0..1000 {
            store.insert(number.to_string(), number, 1);
            // Kept alive by being inserted again, as what is refreshed is.
            store.insert("refreshed".to_owned(), 7, 1);
        }
        store.settle();
        assert_eq!(store.len(), 100);
        assert_eq!(read(&store, "refreshed"), Some(7));
        let left = (0..1000).filter(|number| read(&store, &number.to_string()).is_some());
        assert_eq!(left.collect::<Vec<_>>(), (901..1000).collect::<Vec<_>>());
    }

    #[test]
    fn weights_count_and_not_entries() {
        let store = kept(100);
        for number in 0..20 {
            store.insert(number.to_string(), number, 30);
        }
        store.settle();
        assert_eq!(store.len(), 3);
        store.insert("too heavy".to_owned(), 0, 101);
        store.settle();
        assert_eq!(read(&store, "too heavy"), None);
    }

    #[test]
    fn entries_go_when_their_time_is_over() {
        let store = Kept::new(Bounds { weight_max: 10, ttl: Some(Duration::from_millis(20)) });
        store.insert("a".to_owned(), 1, 1);
        let started = Instant::now();
        while !store.is_empty() {
            assert!(started.elapsed() < Duration::from_secs(20), "it never went");
            store.settle();
            std::thread::yield_now();
        }
        assert!(started.elapsed() >= Duration::from_millis(15), "it went at once");
    }

    /// Whatever inserts, removals and evictions do to each other, both maps end with the same keys.
    #[test]
    fn writers_at_the_same_keys_leave_nothing_behind() {
        let store = kept(64);
        std::thread::scope(|scope| {
            for thread in 0..4_u32 {
                let store = &store;
                scope.spawn(move || {
                    for round in 0..5000_u32 {
                        let key = (round.wrapping_mul(2_654_435_761 + thread) % 128).to_string();
                        if round % 5 == thread {
                            store.remove(key.as_str());
                        } else {
                            store.insert(key, round, 1);
                        }
                    }
                });
            }
        });
        store.settle();
        store.settle();
        assert!(store.len() <= 64, "{store:?}");
        for number in 0..128 {
            store.remove(number.to_string().as_str());
        }
        store.settle();
        assert!(store.is_empty(), "{store:?}");
    }
}
