//! HTTP dates in the three forms a recipient must read and the one a sender must write (RFC 9110 5.6.7).
//!
//! No other zone than GMT, no other case, no comments: what mail allows (and the parser that the health checks
//! use for the `Date` of nodes) is no validator. Only the weekday is not held against the date it names.

use jiff::civil::{Date, date};

/// Bytes of every date that is written.
pub const HTTP_DATE_BYTES: usize = 29;

const DAY_S: u64 = 86_400;
const EPOCH: Date = date(1970, 1, 1);

/// From Monday on.
const DAYS: [&[u8]; 7] = [b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun"];
const FULL_DAYS: [&[u8]; 7] =
    [b"Monday", b"Tuesday", b"Wednesday", b"Thursday", b"Friday", b"Saturday", b"Sunday"];
const MONTHS: [&[u8]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

/// The second a date names, since the epoch; before 1970 it is negative. `None` if it is no HTTP date.
///
/// Read are `Sun, 06 Nov 1994 08:49:37 GMT` and the obsolete `Sunday, 06-Nov-94 08:49:37 GMT` and
/// `Sun Nov  6 08:49:37 1994`. `now_unix_s` is for the second alone: of the years its two digits may mean it
/// is the last that puts the date no more than 50 years ahead.
#[must_use]
pub fn parse_http_date(value: &[u8], now_unix_s: u64) -> Option<i64> {
    let value = value.trim_ascii();
    imf_fixdate(Cursor(value))
        .or_else(|| rfc850_date(Cursor(value), now_unix_s))
        .or_else(|| asctime_date(Cursor(value)))
}

/// A date for `Last-Modified`, always ASCII. `None` after the year 9999, which no HTTP date can name.
#[must_use]
pub fn format_http_date(unix_s: u64) -> Option<[u8; HTTP_DATE_BYTES]> {
    let day = day_of(unix_s)?;
    let year = u64::try_from(day.year()).ok()?;
    let second = unix_s % DAY_S;
    let mut text = *b"Www, DD Mmm YYYY HH:MM:SS GMT";
    let parts: [(usize, &[u8]); 8] = [
        (0, DAYS[usize::try_from(day.weekday().to_monday_zero_offset()).ok()?]),
        (5, &two_digits(u64::try_from(day.day()).ok()?)?),
        (8, MONTHS[usize::try_from(day.month() - 1).ok()?]),
        (12, &two_digits(year / 100)?),
        (14, &two_digits(year % 100)?),
        (17, &two_digits(second / 3_600)?),
        (20, &two_digits(second / 60 % 60)?),
        (23, &two_digits(second % 60)?),
    ];
    for (at, part) in parts {
        text[at..at + part.len()].copy_from_slice(part);
    }
    Some(text)
}

fn two_digits(number: u64) -> Option<[u8; 2]> {
    let number = u8::try_from(number).ok().filter(|number| *number < 100)?;
    Some([b'0' + number / 10, b'0' + number % 10])
}

fn day_of(unix_s: u64) -> Option<Date> {
    let days = i32::try_from(unix_s / DAY_S).ok()?;
    EPOCH.checked_add(jiff::Span::new().try_days(days).ok()?).ok()
}

fn imf_fixdate(mut text: Cursor<'_>) -> Option<i64> {
    text.one_of(&DAYS)?;
    text.literal(b", ")?;
    let day = text.number(2)?;
    text.literal(b" ")?;
    let month = text.one_of(&MONTHS)?;
    text.literal(b" ")?;
    let year = text.number(4)?;
    text.literal(b" ")?;
    let second = text.second_of_day()?;
    text.literal(b" GMT")?;
    text.end()?;
    unix_s(year, month, day, second)
}

fn rfc850_date(mut text: Cursor<'_>, now_unix_s: u64) -> Option<i64> {
    text.one_of(&FULL_DAYS)?;
    text.literal(b", ")?;
    let day = text.number(2)?;
    text.literal(b"-")?;
    let month = text.one_of(&MONTHS)?;
    text.literal(b"-")?;
    let year_of_century = text.number(2)?;
    text.literal(b" ")?;
    let second = text.second_of_day()?;
    text.literal(b" GMT")?;
    text.end()?;
    let limit = day_of(now_unix_s)?.saturating_add(jiff::Span::new().years(50));
    let limit_s = seconds(limit) + (now_unix_s % DAY_S).cast_signed();
    let latest = limit.year() - (limit.year() - year_of_century) % 100;
    let named = unix_s(latest, month, day, second)?;
    if named <= limit_s { Some(named) } else { unix_s(latest - 100, month, day, second) }
}

fn asctime_date(mut text: Cursor<'_>) -> Option<i64> {
    text.one_of(&DAYS)?;
    text.literal(b" ")?;
    let month = text.one_of(&MONTHS)?;
    text.literal(b" ")?;
    let digits = if text.literal(b" ").is_some() { 1 } else { 2 };
    let day = text.number(digits)?;
    text.literal(b" ")?;
    let second = text.second_of_day()?;
    text.literal(b" ")?;
    let year = text.number(4)?;
    text.end()?;
    unix_s(year, month, day, second)
}

/// `None` if the calendar has no such day.
fn unix_s(year: i16, month: i16, day: i16, second_of_day: i64) -> Option<i64> {
    let day = Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    Some(seconds(day) + second_of_day)
}

/// From the epoch to the beginning of this day.
fn seconds(day: Date) -> i64 {
    day.duration_since(EPOCH).as_secs()
}

/// What is still to be read. Every step takes something off the front, or is `None`.
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn literal(&mut self, text: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(text)?;
        Some(())
    }

    /// The number, from one, of the name that is next.
    fn one_of(&mut self, names: &[&[u8]]) -> Option<i16> {
        (1..).zip(names).find_map(|(number, name)| self.literal(name).map(|()| number))
    }

    /// A number of so many digits; four at most.
    fn number(&mut self, digits: usize) -> Option<i16> {
        let (text, behind) = self.0.split_at_checked(digits)?;
        self.0 = behind;
        let worth =
            |number: i16, byte: &u8| byte.is_ascii_digit().then(|| number * 10 + i16::from(byte - b'0'));
        text.iter().try_fold(0, worth)
    }

    /// `HH:MM:SS`; the sixtieth second is a leap second, and the next minute's first.
    fn second_of_day(&mut self) -> Option<i64> {
        let hour = self.number(2).filter(|hour| *hour < 24)?;
        self.literal(b":")?;
        let minute = self.number(2).filter(|minute| *minute < 60)?;
        self.literal(b":")?;
        let second = self.number(2).filter(|second| *second <= 60)?;
        Some(i64::from(hour) * 3_600 + i64::from(minute) * 60 + i64::from(second))
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}
