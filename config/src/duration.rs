//! Durations as they are written: `"250ms" "5s" "10m" "6h" "7d"`.
//!
//! One whole number and one unit. A number alone has no meaning here, and sums (`"1h30m"`) and fractions (`"1.5h"`)
//! are refused: `"90m"` says the same in one way.

use std::time::Duration;

use crate::fault::Wrong;

/// What [`parse`] takes, as a regular expression for the JSON Schema.
pub(crate) const PATTERN: &str = "^[0-9]+(ms|s|m|h|d)$";

/// The same where a word may stand instead.
pub(crate) fn pattern_or(word: &str) -> String {
    format!("^([0-9]+(ms|s|m|h|d)|{word})$")
}

/// Units in milliseconds, the longest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// # Errors
/// The text is not one whole number with one unit, or is longer than a `u64` of milliseconds.
pub(crate) fn parse(text: &str) -> Result<Duration, Wrong> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if unit.is_empty() && !number.is_empty() {
        return Err(Wrong::new(format!("{text:?} has no unit")));
    }
    let scale = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, ms)| *ms);
    let (Some(scale), false) = (scale, number.is_empty()) else {
        return Err(Wrong::new(format!("{text:?} is not a duration (a whole number with ms, s, m, h or d)")));
    };
    let ms = number.parse::<u64>().ok().and_then(|number| number.checked_mul(scale));
    ms.map(Duration::from_millis).ok_or_else(|| Wrong::new(format!("{text:?} is too long")))
}

/// The shortest way to write it: `90s` stays, `3600s` is `1h`; below a millisecond it is cut.
pub(crate) fn write(duration: Duration) -> String {
    let ms = duration.as_millis();
    let fitting = UNITS.iter().find(|(_, scale)| ms != 0 && ms.is_multiple_of(u128::from(*scale)));
    fitting.map_or("0s".to_owned(), |(unit, scale)| format!("{}{unit}", ms / u128::from(*scale)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written() {
        let check = |text: &str, ms: u64, written: &str| {
            let parsed = parse(text).unwrap();
            assert_eq!(parsed, Duration::from_millis(ms), "{text}");
            assert_eq!(write(parsed), written, "{text}");
        };
        check("250ms", 250, "250ms");
        check("5s", 5000, "5s");
        check("05s", 5000, "5s");
        check("10m", 600_000, "10m");
        check("90s", 90_000, "90s");
        check("3600s", 3_600_000, "1h");
        check("6h", 21_600_000, "6h");
        check("7d", 604_800_000, "7d");
        check("0ms", 0, "0s");
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "s", "5", "5 s", " 5s", "5S", "1.5h", "1h30m", "-5s", "+5s", "5sec", "٥s", "auto"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("18446744073709551615s").unwrap_err().why.contains("too long"));
        assert!(parse("99999999999999999999ms").unwrap_err().why.contains("too long"));
    }
}
