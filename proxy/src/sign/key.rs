//! Signing keys: derived from the secret once a day, kept as keyed HMAC state that each signature clones.
//!
//! The derivation is the `aws-sigv4` crate's. No secret is kept after it, none is shown by `Debug`. When to
//! derive anew is the caller's business; [`DayKeys::stale`] says that it is time.

use super::canonical::{self, ALGORITHM, Ascii, Hex};
use arrayvec::ArrayVec;
use hmac::{Hmac, KeyInit, Mac};
use jiff::civil;
use sha2::Sha256;
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

const DAY_S: u64 = 86_400;
/// 9999-12-30: the calendar ends here, and so do the four digits of a signed year. Later times count as this
/// day.
const DAY_MAX: u64 = 2_932_895;
/// A link is signed for the start of its window, and a window may be nearly as long as the longest link: a
/// week.
const DAYS_BACK: u64 = 7;
/// These, today and tomorrow.
const DAYS: usize = 9;

/// `YYYYMMDD`
pub(super) type Date = Ascii<8>;
/// `YYYYMMDDTHHMMSSZ`
pub(super) type Stamp = Ascii<16>;

/// The key that signs for one secret and region during one day in UTC.
#[derive(Clone)]
pub struct DayKey {
    state: Hmac<Sha256>,
    day: u64,
    date: Date,
}

impl DayKey {
    /// The key of the day in which `unix_s` lies.
    #[must_use]
    pub fn derive(secret: &str, unix_s: u64, region: &str) -> Self {
        Self::for_service(secret, day_of(unix_s), region, canonical::SERVICE)
    }

    /// Four HMACs; `day` counts from the epoch.
    pub(super) fn for_service(secret: &str, day: u64, region: &str, service: &str) -> Self {
        let day = day.min(DAY_MAX);
        // Not a clock: the crate wants its time in this type.
        let midnight = UNIX_EPOCH + Duration::from_secs(day * DAY_S);
        let key = aws_sigv4::sign::v4::generate_signing_key(secret, midnight, region, service);
        // HMAC takes keys of any length (RFC 2104 section 3).
        let state = Hmac::new_from_slice(key.as_ref()).expect("any length");
        Self { state, day, date: date_of(day) }
    }

    /// Whether a signature made at `unix_s` belongs under this key.
    #[must_use]
    pub fn covers(&self, unix_s: u64) -> bool {
        day_of(unix_s) == self.day
    }

    /// Days since the epoch.
    #[must_use]
    pub fn day(&self) -> u64 {
        self.day
    }

    /// The day as `YYYYMMDD`.
    #[must_use]
    pub fn date(&self) -> &str {
        self.date.as_str()
    }

    /// The time of day of `unix_s` on this key's day, which is its own day if the key covers it.
    pub(super) fn stamp(&self, unix_s: u64) -> Stamp {
        let second = unix_s % DAY_S;
        let [y1, y2, y3, y4, m1, m2, d1, d2] = *self.date.as_bytes();
        let [h1, h2] = two_digits(second / 3600);
        let [n1, n2] = two_digits(second / 60 % 60);
        let [s1, s2] = two_digits(second % 60);
        Ascii::new([y1, y2, y3, y4, m1, m2, d1, d2, b'T', h1, h2, n1, n2, s1, s2, b'Z'])
    }

    /// The signature of a canonical request, by its hash; `scope_tail` is the scope without its date.
    pub(super) fn sign(&self, stamp: &Stamp, scope_tail: &str, request_hash: &Hex) -> Hex {
        let mut mac = self.state.clone();
        mac.update(ALGORITHM.as_bytes());
        mac.update(b"\n");
        mac.update(stamp.as_bytes());
        mac.update(b"\n");
        mac.update(self.date.as_bytes());
        mac.update(scope_tail.as_bytes());
        mac.update(b"\n");
        mac.update(request_hash.as_bytes());
        canonical::hex(&mac.finalize().into_bytes().into())
    }
}

/// Names the day, never the key.
impl fmt::Debug for DayKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DayKey").field("date", &self.date()).finish_non_exhaustive()
    }
}

/// The keys of one secret that can be needed now: tomorrow's, so that midnight costs nobody anything,
/// today's, and the week behind, because a link's signing time is rounded down to a window of at most that
/// length.
#[derive(Clone, Debug)]
pub struct DayKeys {
    /// Consecutive days, oldest first; in place, because of a large fleet each pointer on the way to a key is waited for.
    days: ArrayVec<DayKey, DAYS>,
    /// The day it was derived on.
    today: u64,
}

impl DayKeys {
    /// Derives all of them, about 10 µs.
    #[must_use]
    pub fn derive(secret: &str, unix_s: u64, region: &str) -> Self {
        let today = day_of(unix_s);
        let days = today.saturating_sub(DAYS_BACK)..=today.saturating_add(1).min(DAY_MAX);
        let days = days.map(|day| DayKey::for_service(secret, day, region, canonical::SERVICE)).collect();
        Self { days, today }
    }

    /// The key for a signature made at `unix_s`; for links that is
    /// [`LinkTime::signed_at_s`](super::LinkTime).
    ///
    /// `None` only if the keys were not derived anew for a day, or the clock jumped.
    #[must_use]
    pub fn at(&self, unix_s: u64) -> Option<&DayKey> {
        let ahead = day_of(unix_s).checked_sub(self.days.first()?.day)?;
        self.days.get(usize::try_from(ahead).ok()?)
    }

    /// Another day has begun than the one these were derived on: tomorrow is missing, derive anew in the
    /// background.
    #[must_use]
    pub fn stale(&self, unix_s: u64) -> bool {
        day_of(unix_s) != self.today
    }
}

fn day_of(unix_s: u64) -> u64 {
    (unix_s / DAY_S).min(DAY_MAX)
}

fn date_of(day: u64) -> Date {
    // `DAY_MAX` is within both conversions and within the calendar, so none of the fallbacks is ever taken.
    let days = jiff::Span::new().try_days(i64::try_from(day).unwrap_or(0)).unwrap_or_default();
    let date = civil::date(1970, 1, 1).saturating_add(days);
    let year = u64::from(date.year().unsigned_abs());
    let [y1, y2] = two_digits(year / 100);
    let [y3, y4] = two_digits(year % 100);
    let [m1, m2] = two_digits(u64::from(date.month().unsigned_abs()));
    let [d1, d2] = two_digits(u64::from(date.day().unsigned_abs()));
    Ascii::new([y1, y2, y3, y4, m1, m2, d1, d2])
}

/// Of a number below 100.
fn two_digits(number: u64) -> [u8; 2] {
    // The remainder is one decimal digit, so the fallback is never taken.
    let digit = |number: u64| b'0' + u8::try_from(number % 10).unwrap_or(0);
    [digit(number / 10), digit(number)]
}

#[cfg(test)]
mod tests {
    use super::{DAY_MAX, DAY_S, DayKey, DayKeys};

    const NOON_S: u64 = 1_795_435_200; // 2026-11-23T12:00:00Z

    #[test]
    fn days_and_stamps_over_the_calendar() {
        let check = |unix_s: u64, expected: &str| {
            let key = DayKey::derive("secret", unix_s, "us-east-1");
            assert_eq!(key.stamp(unix_s).as_str(), expected);
            assert_eq!(key.date(), &expected[..8]);
            assert!(key.covers(unix_s));
        };
        check(0, "19700101T000000Z");
        check(86_399, "19700101T235959Z");
        check(86_400, "19700102T000000Z");
        check(951_782_399, "20000228T235959Z");
        check(951_782_400, "20000229T000000Z");
        check(951_868_800, "20000301T000000Z");
        check(1_440_938_160, "20150830T123600Z");
        check(1_709_164_800, "20240229T000000Z");
        check(NOON_S, "20261123T120000Z");
        check(4_107_542_399, "21000228T235959Z");
        check(4_107_542_400, "21000301T000000Z"); // 2100 is no leap year
        check(4_102_444_799, "20991231T235959Z");
        check(4_102_444_800, "21000101T000000Z");
        check(253_402_127_999, "99991229T235959Z");
    }

    #[test]
    fn times_beyond_the_calendar_count_as_its_last_day() {
        let last = DayKey::derive("secret", u64::MAX, "us-east-1");
        assert_eq!((last.day(), last.date()), (DAY_MAX, "99991230"));
        let keys = DayKeys::derive("secret", u64::MAX, "us-east-1");
        assert_eq!(keys.at(u64::MAX).map(DayKey::date), Some("99991230"));
        assert!(!keys.stale(u64::MAX));
    }

    #[test]
    fn midnight_changes_the_key_without_a_gap() {
        let midnight_s = NOON_S / DAY_S * DAY_S + DAY_S;
        let keys = DayKeys::derive("secret", NOON_S, "us-east-1");
        let date_at = |unix_s| keys.at(unix_s).map(DayKey::date);
        assert_eq!(date_at(midnight_s - 1), Some("20261123"));
        assert_eq!(date_at(midnight_s), Some("20261124"));
        assert_eq!(date_at(midnight_s + DAY_S - 1), Some("20261124"));
        assert_eq!(date_at(midnight_s + DAY_S), None, "a day without a refresh");
        assert!(!keys.stale(midnight_s - 1));
        assert!(keys.stale(midnight_s), "time to derive the day after");
        assert!(keys.stale(midnight_s - DAY_S - 1), "the clock went back a day");
    }

    #[test]
    fn the_week_behind_is_held_for_long_windows() {
        let keys = DayKeys::derive("secret", NOON_S, "us-east-1");
        assert_eq!(keys.at(NOON_S - 7 * DAY_S).map(DayKey::date), Some("20261116"));
        assert!(keys.at(NOON_S - 8 * DAY_S).is_none());
    }

    #[test]
    fn every_held_key_covers_its_day_and_no_other() {
        let keys = DayKeys::derive("secret", NOON_S, "us-east-1");
        for key in &keys.days {
            let start_s = key.day() * DAY_S;
            assert!(key.covers(start_s) && key.covers(start_s + DAY_S - 1));
            assert!(!key.covers(start_s - 1) && !key.covers(start_s + DAY_S));
        }
        assert_eq!(keys.days.len(), 9);
    }

    #[test]
    fn the_first_days_of_the_epoch_have_keys() {
        let keys = DayKeys::derive("secret", 5, "us-east-1");
        assert_eq!(keys.at(0).map(DayKey::date), Some("19700101"));
        assert_eq!(keys.at(DAY_S).map(DayKey::date), Some("19700102"));
        assert!(!keys.stale(5) && keys.stale(DAY_S));
    }
}
