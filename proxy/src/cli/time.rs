//! Times and lengths of time as people read them.
//!
//! Pure: what "now" is comes in.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// Unix seconds of this machine's clock; a clock before 1970 counts as 1970.
pub(crate) fn unix_now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// How long ago `since` was at `at`, both RFC 3339: `12s`, `3m`, `2h 14m`, `5d 3h`. What is no time is returned as it
/// is, and a time to come is `0s`.
pub(crate) fn ago(since: &str, at: &str) -> String {
    match (since.parse::<Timestamp>(), at.parse::<Timestamp>()) {
        (Ok(since), Ok(at)) => {
            length(u64::try_from(at.as_second().saturating_sub(since.as_second())).unwrap_or(0))
        }
        _ => since.to_owned(),
    }
}

/// A length of time in its two largest units.
pub(crate) fn length(seconds: u64) -> String {
    let (m, h, d) = (60, 3_600, 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / m),
        3_600..86_400 => format!("{}h {}m", seconds / h, seconds % h / m),
        _ => format!("{}d {}h", seconds / d, seconds % d / h),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_two_units_at_most() {
        let check = |seconds: u64, expected: &str| assert_eq!(length(seconds), expected);
        check(0, "0s");
        check(59, "59s");
        check(60, "1m");
        check(3_599, "59m");
        check(8_040, "2h 14m");
        check(86_400, "1d 0h");
        check(442_800, "5d 3h");
    }

    #[test]
    fn what_is_no_time_is_shown_as_it_came() {
        assert_eq!(ago("2026-11-23T08:00:00Z", "2026-11-23T10:14:05Z"), "2h 14m");
        assert_eq!(ago("2026-11-23T11:00:00Z", "2026-11-23T10:00:00Z"), "0s");
        assert_eq!(ago("yesterday", "2026-11-23T10:00:00Z"), "yesterday");
    }
}
