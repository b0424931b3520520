//! What may be sent as the value of a header.
//!
//! Which values a header knows is not judged here: a directive of tomorrow has to pass.

use crate::fault::Wrong;

/// What [`parse_value`] takes, as a regular expression for the JSON Schema.
pub(crate) const VALUE_PATTERN: &str = "^([!-~]([ -~]{0,254}[!-~])?)?$";

/// Longest value in bytes: ours, a bound on what every answer carries.
const VALUE_MAX: usize = 256;

/// A header field's value (RFC 9110, section 5.5) in ASCII, without tabs; empty: none is sent.
pub(crate) fn parse_value(text: &str) -> Result<String, Wrong> {
    let why = if text.len() > VALUE_MAX {
        format!("must be at most {VALUE_MAX} bytes long, not {}", text.len())
    } else if text.starts_with(' ') || text.ends_with(' ') {
        format!("{text:?} must not begin or end with a blank")
    } else if let Some(stray) = text.chars().find(|c| !matches!(c, ' '..='~')) {
        format!("{stray:?} cannot stand in a header: only printable ASCII can")
    } else {
        return Ok(text.to_owned());
    };
    Err(Wrong::new(why).hint("for example \"private, no-cache\"; empty: no such header"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_values_are_printable_ascii_without_blanks_around() {
        for good in ["", "x", "private, no-cache", "no-cache=\"set-cookie\"", &"a".repeat(256)] {
            assert_eq!(parse_value(good).as_deref(), Ok(good));
        }
        for bad in [" ", " x", "x ", "a\tb", "a\r\nb", "a\u{7f}", "нет", &"a".repeat(257)] {
            assert!(parse_value(bad).is_err(), "{bad:?}");
        }
    }
}
