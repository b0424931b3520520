//! What numbers count, and how they are written: short, with their unit, three digits at most.
//!
//! Absent on purpose: locales. A point is a point everywhere.

/// What an axis or a value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Things a second.
    PerSecond,
    /// Seconds of a clock that started at 0: `1:05`, `2:00:00`.
    Clock,
    /// A length of time, given in milliseconds.
    Milliseconds,
    /// A length of time, given in seconds.
    Seconds,
    /// Bytes, in powers of 1024.
    Bytes,
    /// Bytes a second, in powers of 1024.
    BytesPerSecond,
    /// A part, 1 being all.
    Percent,
    /// Kilometres.
    Kilometres,
}

impl Unit {
    /// A value as text.
    #[must_use]
    pub fn text(self, value: f64) -> String {
        if !value.is_finite() {
            return "–".to_owned();
        }
        match self {
            Self::Count => thousands(value),
            Self::PerSecond => format!("{}/s", thousands(value)),
            Self::Clock => clock(value),
            Self::Milliseconds => duration(value),
            Self::Seconds => duration(value * 1e3),
            Self::Bytes => bytes(value),
            Self::BytesPerSecond => format!("{}/s", bytes(value)),
            Self::Percent => format!("{} %", digits(value * 100.0)),
            Self::Kilometres => format!("{} km", thousands(value)),
        }
    }

    /// What round numbers of this unit are multiples of, for values up to `most`.
    pub(crate) fn base(self, most: f64) -> f64 {
        match self {
            Self::Bytes | Self::BytesPerSecond => 1024_f64.powi(prefix(most, 1024.0)),
            _ => 1.0,
        }
    }
}

/// The power of `base` that a number of this size is written in, 0 to 4.
fn prefix(value: f64, base: f64) -> i32 {
    (0..4).find(|power| value.abs() < base.powi(power + 1)).unwrap_or(4)
}

/// Three digits, or all before the point.
fn digits(value: f64) -> String {
    let text = match value.abs() {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        0.0 => "0".to_owned(),
        _ => format!("{value:.3}"),
    };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn thousands(value: f64) -> String {
    if value.abs() < 10_000.0 {
        return digits(value);
    }
    let power = prefix(value, 1e3);
    let letter = ["", "k", "M", "G", "T"][usize::try_from(power).unwrap_or(0)];
    format!("{}{letter}", digits(value / 1e3_f64.powi(power)))
}

fn bytes(value: f64) -> String {
    let power = prefix(value, 1024.0);
    let word = ["B", "KiB", "MiB", "GiB", "TiB"][usize::try_from(power).unwrap_or(0)];
    format!("{} {word}", digits(value / 1024_f64.powi(power)))
}

fn duration(ms: f64) -> String {
    match ms.abs() {
        0.0 => "0 ms".to_owned(),
        ..1.0 => format!("{} µs", digits(ms * 1e3)),
        ..1e3 => format!("{} ms", digits(ms)),
        ..120e3 => format!("{} s", digits(ms / 1e3)),
        ..7200e3 => format!("{} min", digits(ms / 60e3)),
        ..172_800e3 => format!("{} h", digits(ms / 3600e3)),
        _ => format!("{} d", digits(ms / 86_400e3)),
    }
}

fn clock(seconds: f64) -> String {
    let sign = if seconds < -0.0005 { "-" } else { "" };
    let all = seconds.abs();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and no age")]
    let whole = (all + 0.0005) as u64;
    let (hours, minutes, second) = (whole / 3600, whole / 60 % 60, whole % 60);
    let part = (all - whole as f64).max(0.0);
    let part = if part < 0.001 { String::new() } else { digits(part).trim_start_matches('0').to_owned() };
    if hours > 0 {
        format!("{sign}{hours}:{minutes:02}:{second:02}{part}")
    } else {
        format!("{sign}{minutes}:{second:02}{part}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_short() {
        let check = |unit: Unit, value: f64, expected: &str| assert_eq!(unit.text(value), expected);
        check(Unit::Count, 0.0, "0");
        check(Unit::Count, 1234.0, "1234");
        check(Unit::Count, 12_345.0, "12.3k");
        check(Unit::Count, 2.5e6, "2.5M");
        check(Unit::PerSecond, 0.25, "0.25/s");
        check(Unit::Milliseconds, 0.25, "250 µs");
        check(Unit::Milliseconds, 1.0, "1 ms");
        check(Unit::Milliseconds, 2500.0, "2.5 s");
        check(Unit::Seconds, 3600.0, "60 min");
        check(Unit::Bytes, 1536.0, "1.5 KiB");
        check(Unit::BytesPerSecond, 3.0 * 1024.0 * 1024.0, "3 MiB/s");
        check(Unit::Percent, 0.125, "12.5 %");
        check(Unit::Kilometres, 812.4, "812 km");
        check(Unit::Count, f64::NAN, "–");
    }

    #[test]
    fn clocks() {
        let check = |seconds: f64, expected: &str| assert_eq!(Unit::Clock.text(seconds), expected);
        check(0.0, "0:00");
        check(2.5, "0:02.5");
        check(59.9999, "1:00");
        check(65.0, "1:05");
        check(7200.0, "2:00:00");
        check(-30.0, "-0:30");
    }
}
