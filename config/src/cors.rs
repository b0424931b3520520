//! The origins whose pages may read the gate's answers.
//!
//! An origin is kept as browsers write it, so that a request's header is compared byte by byte. There are no patterns,
//! and `null` is refused: every sandboxed page has that origin.

use std::str::FromStr;

use crate::Endpoint;
use crate::fault::Wrong;

/// What [`CorsOrigin`] takes, as a regular expression for the JSON Schema.
pub(crate) const PATTERN: &str =
    r"^(\*|[Hh][Tt][Tt][Pp][Ss]?://([A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?)$";

/// One entry of `watch.cors_origins`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorsOrigin {
    /// `*`: every origin.
    Any,
    /// One origin as browsers write it in `Origin` (RFC 6454, section 6.2): lower case, no port that goes without
    /// saying, no slash. It can be compared byte by byte.
    Origin(String),
}

impl FromStr for CorsOrigin {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let example = "\"*\" or for example \"https://films.example\"";
        if text.ends_with('/') {
            return Err(Wrong::new("an origin has no slash at its end").hint(example));
        }
        let origin = text.parse::<Endpoint>().map_err(|wrong| Wrong::new(wrong.why).hint(example))?;
        Ok(Self::Origin(origin.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_kept_as_browsers_write_them() {
        let check = |text: &str, expected: &str| {
            assert_eq!(text.parse(), Ok(CorsOrigin::Origin(expected.to_owned())));
        };
        check("https://Films.example", "https://films.example");
        check("https://films.example:443", "https://films.example");
        check("http://localhost:3000", "http://localhost:3000");
        assert_eq!("*".parse(), Ok(CorsOrigin::Any));
        for bad in [
            "",
            "null",
            "films.example",
            "https://films.example/",
            "https://films.example/x",
            "https://*.example",
        ] {
            assert!(bad.parse::<CorsOrigin>().is_err(), "{bad}");
        }
    }
}
