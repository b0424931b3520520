//! Sizes as they are written: `"64KiB" "8MiB" "1GiB"`.
//!
//! One whole number and one unit, a power of 1024. Units of 1000 (`"64MB"`), bare letters (`"64M"`) and fractions are
//! refused: each of them means something else to somebody.

use crate::fault::Wrong;

/// What [`parse`] takes, as a regular expression for the JSON Schema.
pub(crate) const PATTERN: &str = "^[0-9]+(KiB|MiB|GiB)$";

/// Units in bytes, the largest first.
const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// Bytes.
///
/// # Errors
/// The text is not one whole number with one unit, or is more than a `u64` of bytes.
pub(crate) fn parse(text: &str) -> Result<u64, Wrong> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if unit.is_empty() && !number.is_empty() {
        return Err(Wrong::new(format!("{text:?} has no unit")));
    }
    let scale = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, bytes)| *bytes);
    let (Some(scale), false) = (scale, number.is_empty()) else {
        let wrong = Wrong::new(format!("{text:?} is not a size (a whole number with KiB, MiB or GiB)"));
        return Err(match meant(unit) {
            Some(meant) if !number.is_empty() => wrong.hint(format!("did you mean \"{number}{meant}\"?")),
            _ => wrong,
        });
    };
    let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(scale));
    bytes.ok_or_else(|| Wrong::new(format!("{text:?} is too large")))
}

/// The unit that a near miss (`MB`, `m`, `mib`) stands for.
fn meant(unit: &str) -> Option<&'static str> {
    let unit = unit.trim();
    let near = |name: &str| {
        [name, &name[..1], &format!("{}B", &name[..1])].iter().any(|form| form.eq_ignore_ascii_case(unit))
    };
    UNITS.iter().map(|(name, _)| *name).find(|name| near(name))
}

/// The shortest way to write it: `1536KiB` stays, `2048KiB` is `2MiB`; below a KiB it is cut.
pub(crate) fn write(bytes: u64) -> String {
    let fitting = UNITS.iter().find(|(_, scale)| bytes != 0 && bytes.is_multiple_of(*scale));
    let (unit, scale) = fitting.unwrap_or(&("KiB", 1 << 10));
    format!("{}{unit}", bytes / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_and_written() {
        let check = |text: &str, bytes: u64, written: &str| {
            assert_eq!(parse(text), Ok(bytes), "{text}");
            assert_eq!(write(bytes), written, "{text}");
        };
        check("64KiB", 65_536, "64KiB");
        check("064KiB", 65_536, "64KiB");
        check("8MiB", 8_388_608, "8MiB");
        check("1536KiB", 1_572_864, "1536KiB");
        check("2048KiB", 2_097_152, "2MiB");
        check("1GiB", 1_073_741_824, "1GiB");
        check("0KiB", 0, "0KiB");
        check("0GiB", 0, "0KiB");
        assert_eq!(write(1025), "1KiB", "below a KiB it is cut");
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in ["", "KiB", "5", "5B", "-5MiB", "+5MiB", "1.5GiB", "1GiB512MiB", "٥MiB", "5TiB", "off"] {
            assert_eq!(parse(text).unwrap_err().hint, None, "{text}");
        }
        for text in ["64MB", "64M", "64m", "64mb", "64mib", "64 MiB", "64MiB "] {
            let hint = parse(text).unwrap_err().hint;
            assert_eq!(hint.as_deref(), Some("did you mean \"64MiB\"?"), "{text}");
        }
        for text in ["18446744073709551615KiB", "99999999999999999999KiB"] {
            assert!(parse(text).unwrap_err().why.contains("too large"), "{text}");
        }
    }
}
