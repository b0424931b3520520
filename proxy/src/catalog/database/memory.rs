//! What the database said of films, and until when that is believed. Time comes in as an argument.
//!
//! Known films, unknown ones and those with bad rows are three stores: a flood of made-up uuids pushes out no film.
//! A film that was known stays until the database says otherwise or others need its room; how old its row is only
//! decides who asks again. Absent on purpose: asking.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use watchgate_config::Postgres;

use crate::clock::millis;
use crate::decide::watch::Film;
use crate::kept::{Bounds, Kept};

/// Films with rows of usual length.
const KNOWN_MAX: u64 = 1_000_000;
const UNKNOWN_MAX: u64 = 100_000;
const BAD_MAX: u64 = 10_000;
/// A film with a longer row counts as more than one.
const ROW_BYTES: usize = 128;
/// How long a row that could not be asked about again is taken as it is.
const LEAN_MS: u64 = 1_000;
/// From one attempt to refresh a film to the next.
const REFRESH_PAUSE_MS: u64 = 1_000;
/// Log lines on bad rows, of whatever films.
const TELL_PAUSE_MS: u64 = 1_000;

/// See the module.
#[derive(Debug)]
pub(super) struct Memory {
    known: Kept<Film, Known>,
    /// Until when it is believed.
    unknown: Kept<Film, u64>,
    bad: Kept<Film, Bad>,
    /// When a bad row may be told next.
    tell_ms: AtomicU64,
    ttl_ms: u64,
    negative_ttl_ms: u64,
}

struct Known {
    row: Box<str>,
    /// From when on the next look refreshes it.
    refresh_ms: AtomicU64,
    /// Until when it is believed.
    until_ms: AtomicU64,
}

struct Bad {
    /// Until when the film is not asked about again.
    until_ms: u64,
    /// Until when it is not told again; 0: it was not told.
    told_until_ms: u64,
}

/// What is remembered of a film.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recall<R> {
    /// Its row.
    Fresh(R),
    /// Its row; the caller, and for now nobody else, ought to refresh it.
    Due(R),
    /// A row that is believed no more, unless nobody knows better.
    Old(R),
    /// There is no such film.
    Unknown,
    /// It has a bad row.
    Bad,
    /// Nothing.
    Nothing,
}

impl Memory {
    pub(super) fn new(config: &Postgres) -> Self {
        let (ttl_ms, negative_ttl_ms) = (millis(config.ttl), millis(config.negative_ttl));
        let bounds = |weight_max, ttl| Bounds { weight_max, ttl };
        Self {
            known: Kept::new(bounds(KNOWN_MAX, None)),
            unknown: Kept::new(bounds(UNKNOWN_MAX, Some(config.negative_ttl))),
            // A second more: bad rows are told once per ttl.
            bad: Kept::new(bounds(
                BAD_MAX,
                Some(config.ttl.max(config.negative_ttl) + Duration::from_secs(1)),
            )),
            tell_ms: AtomicU64::new(0),
            ttl_ms,
            negative_ttl_ms,
        }
    }

    /// What is remembered of a film at this moment; `read` gets its row.
    pub(super) fn recall<R>(&self, film: &Film, now_ms: u64, read: impl FnOnce(&str) -> R) -> Recall<R> {
        let known = self.known.get(film, |known| {
            let row = read(&known.row);
            if known.until_ms.load(Ordering::Relaxed) <= now_ms {
                Recall::Old(row)
            } else if known.claims_refresh(now_ms) {
                Recall::Due(row)
            } else {
                Recall::Fresh(row)
            }
        });
        known.unwrap_or_else(|| {
            if self.unknown.get(film, |until_ms| now_ms < *until_ms) == Some(true) {
                Recall::Unknown
            } else if self.bad.get(film, |bad| now_ms < bad.until_ms) == Some(true) {
                Recall::Bad
            } else {
                Recall::Nothing
            }
        })
    }

    /// The database named a row.
    pub(super) fn learn(&self, film: Film, row: &str, now_ms: u64) {
        let known = Known {
            row: row.into(),
            refresh_ms: AtomicU64::new(now_ms + self.ttl_ms / 2),
            until_ms: AtomicU64::new(now_ms + self.ttl_ms),
        };
        let weight = u32::try_from(row.len().div_ceil(ROW_BYTES)).unwrap_or(u32::MAX);
        self.known.insert(film, known, weight.max(1));
        self.unknown.remove(&film);
        self.bad.remove(&film);
    }

    /// The database does not have the film.
    pub(super) fn forget(&self, film: Film, now_ms: u64) {
        self.unknown.insert(film, now_ms + self.negative_ttl_ms, 1);
        self.known.remove(&film);
        self.bad.remove(&film);
    }

    /// The database has a bad row. Says whether to tell the operator: once per ttl for each film, and not everything
    /// at once.
    pub(super) fn refuse(&self, film: Film, now_ms: u64) -> bool {
        let told_until_ms = self.bad.get(&film, |bad| bad.told_until_ms).unwrap_or(0);
        let tells = told_until_ms <= now_ms && claims(&self.tell_ms, now_ms, TELL_PAUSE_MS);
        let told_until_ms = if tells { now_ms + self.ttl_ms } else { told_until_ms };
        self.bad.insert(film, Bad { until_ms: now_ms + self.negative_ttl_ms, told_until_ms }, 1);
        tells
    }

    /// Takes the row that is remembered, whatever its age, for a little longer. False: there is none.
    pub(super) fn lean(&self, film: &Film, now_ms: u64) -> bool {
        let lean = |known: &Known| known.until_ms.fetch_max(now_ms + LEAN_MS, Ordering::Relaxed);
        self.known.get(film, lean).is_some()
    }

    /// Evicts what is due.
    pub(super) fn settle(&self) {
        self.known.settle();
        self.unknown.settle();
        self.bad.settle();
    }

    /// Films that are known, and films that are known not to exist.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.known.len(), self.unknown.len())
    }
}

impl Known {
    fn claims_refresh(&self, now_ms: u64) -> bool {
        claims(&self.refresh_ms, now_ms, REFRESH_PAUSE_MS)
    }
}

/// Whether the moment has come; for one caller alone, who moves it on.
pub(super) fn claims(moment_ms: &AtomicU64, now_ms: u64, pause_ms: u64) -> bool {
    let due_ms = moment_ms.load(Ordering::Relaxed);
    due_ms <= now_ms
        && moment_ms.compare_exchange(due_ms, now_ms + pause_ms, Ordering::Relaxed, Ordering::Relaxed).is_ok()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use watchgate_config::Secret;

    use super::*;

    const FILM: Film = Film::from_bytes([7; 16]);

    fn memory(ttl_s: u64, negative_ttl_s: u64) -> Memory {
        Memory::new(&Postgres {
            url: Secret::new(""),
            query: String::new(),
            ttl: Duration::from_secs(ttl_s),
            negative_ttl: Duration::from_secs(negative_ttl_s),
            timeout: Duration::from_secs(1),
            connections: NonZeroU32::MIN,
        })
    }

    fn recall(memory: &Memory, now_ms: u64) -> Recall<String> {
        memory.recall(&FILM, now_ms, str::to_owned)
    }

    #[test]
    fn a_row_is_fresh_then_due_then_old_and_never_gone() {
        let memory = memory(10, 5);
        let row = || "a.mp4".to_owned();
        assert_eq!(recall(&memory, 1), Recall::Nothing);
        memory.learn(FILM, "a.mp4", 1_000);
        for (now_ms, expected) in [
            (1_000, Recall::Fresh(row())),
            (5_999, Recall::Fresh(row())),
            (6_000, Recall::Due(row())),
            // Whoever was told so refreshes it; if that fails, somebody else does a second later.
            (6_000, Recall::Fresh(row())),
            (6_999, Recall::Fresh(row())),
            (7_000, Recall::Due(row())),
            (10_999, Recall::Due(row())),
            (11_000, Recall::Old(row())),
            (u64::MAX / 2, Recall::Old(row())),
        ] {
            assert_eq!(recall(&memory, now_ms), expected, "at {now_ms}");
        }
        assert!(memory.lean(&FILM, 20_000));
        assert_eq!(recall(&memory, 20_000), Recall::Due(row()));
        assert_eq!(recall(&memory, 20_999), Recall::Fresh(row()));
        assert_eq!(recall(&memory, 21_000), Recall::Old(row()));
        memory.learn(FILM, "b.mp4", 30_000);
        assert_eq!(recall(&memory, 30_000), Recall::Fresh("b.mp4".to_owned()));
    }

    #[test]
    fn what_is_unknown_is_believed_for_its_own_time() {
        let memory = memory(10, 5);
        memory.learn(FILM, "a.mp4", 0);
        memory.forget(FILM, 1_000);
        assert_eq!(recall(&memory, 1_000), Recall::Unknown);
        assert_eq!(recall(&memory, 5_999), Recall::Unknown);
        assert_eq!(recall(&memory, 6_000), Recall::Nothing);
        assert!(!memory.lean(&FILM, 6_000), "there is nothing to lean on");
        memory.learn(FILM, "a.mp4", 6_000);
        assert_eq!(recall(&memory, 6_000), Recall::Fresh("a.mp4".to_owned()));
        assert_eq!(memory.counts(), (1, 0));
    }

    #[test]
    fn a_bad_row_is_told_once_per_ttl() {
        let memory = memory(10, 5);
        assert!(memory.refuse(FILM, 1_000));
        assert_eq!(recall(&memory, 5_999), Recall::Bad);
        assert_eq!(recall(&memory, 6_000), Recall::Nothing);
        assert!(!memory.refuse(FILM, 6_000), "it was told");
        assert!(memory.refuse(FILM, 11_000));
        let other = Film::from_bytes([8; 16]);
        assert!(!memory.refuse(other, 11_500), "one line a second");
        assert!(memory.refuse(other, 12_000), "it was not told yet");
        memory.learn(FILM, "a.mp4", 12_000);
        memory.refuse(FILM, 12_000);
        assert_eq!(recall(&memory, 12_000), Recall::Fresh("a.mp4".to_owned()), "the last good row stays");
    }

    #[test]
    fn made_up_films_push_out_no_known_one() {
        let memory = memory(10, 5);
        memory.learn(FILM, "a.mp4", 0);
        for number in 0..105_000_u128 {
            memory.forget(Film::from_bytes(number.to_be_bytes()), 0);
        }
        memory.settle();
        let (known, unknown) = memory.counts();
        assert_eq!(known, 1);
        assert!(unknown <= 100_000, "{unknown}");
        assert_eq!(recall(&memory, 0), Recall::Fresh("a.mp4".to_owned()));
    }
}
