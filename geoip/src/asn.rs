//! Autonomous system numbers, as operators write them.

use std::fmt;
use std::str::FromStr;

/// An autonomous system number, 32 bits (RFC 6793).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Asn(pub u32);

/// Why a text is no [`Asn`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AsnError {
    /// Neither `AS64500` nor `64500`.
    #[error("{0:?} is not an AS number such as \"AS64500\" (1 to 4294967295)")]
    Malformed(String),
    /// `AS0` stands for networks that nobody may announce (RFC 7607), so nothing ever matches it.
    #[error("AS0 belongs to nobody (RFC 7607)")]
    Nobody,
}

impl FromStr for Asn {
    type Err = AsnError;

    /// Accepts `AS64500` in any case and the bare digits.
    fn from_str(text: &str) -> Result<Self, AsnError> {
        let malformed = || AsnError::Malformed(text.to_owned());
        let digits = match text.get(..2) {
            Some(prefix) if prefix.eq_ignore_ascii_case("as") => &text[2..],
            _ => text,
        };
        // `u32::from_str` would take a sign.
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(malformed());
        }
        match digits.parse().map_err(|_| malformed())? {
            0 => Err(AsnError::Nobody),
            number => Ok(Self(number)),
        }
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AS{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: Option<u32>) {
        assert_eq!(input.parse().ok(), expected.map(Asn), "{input:?}");
    }

    #[test]
    fn both_ways_of_writing_are_read() {
        check("AS64500", Some(64_500));
        check("as64500", Some(64_500));
        check("64500", Some(64_500));
        check("4294967295", Some(u32::MAX));
    }

    #[test]
    fn anything_else_is_refused() {
        for input in ["", "AS", "AS-1", "+7", "AS 7", "4294967296", "ASé", "é7", "1.10", "0x10"] {
            check(input, None);
        }
        assert_eq!("AS0".parse::<Asn>(), Err(AsnError::Nobody));
    }

    #[test]
    fn what_is_shown_is_read_back() {
        assert_eq!(Asn(64_500).to_string(), "AS64500");
        check(&Asn(64_500).to_string(), Some(64_500));
    }
}
