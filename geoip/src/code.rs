//! Two-letter codes of countries (ISO 3166-1 alpha-2) and continents.
//!
//! The shape is checked, not the list: databases also say `XK` and `EU`, and codes come and go.

use std::fmt;
use std::str::FromStr;

/// Why a text is no two-letter code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a code of two letters such as \"DE\"")]
pub struct CodeError(String);

/// A country: two ASCII letters, upper case (ISO 3166-1 alpha-2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CountryCode([u8; 2]);

/// A continent, as the databases write it: `AF`, `AN`, `AS`, `EU`, `NA`, `OC`, `SA`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContinentCode([u8; 2]);

/// The two types share their form and must not be mixed up: hence a macro and not one type.
macro_rules! two_letters {
    ($name:ident) => {
        impl $name {
            /// The two letters, upper case.
            #[must_use]
            pub fn as_str(&self) -> &str {
                // Only ASCII letters ever get in.
                std::str::from_utf8(&self.0).unwrap_or_default()
            }
        }

        impl FromStr for $name {
            type Err = CodeError;

            /// Accepts any case.
            fn from_str(text: &str) -> Result<Self, CodeError> {
                match text.as_bytes() {
                    [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
                        Ok(Self([a.to_ascii_uppercase(), b.to_ascii_uppercase()]))
                    }
                    _ => Err(CodeError(text.to_owned())),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.as_str())
            }
        }
    };
}

two_letters!(CountryCode);
two_letters!(ContinentCode);

impl CountryCode {
    /// True for the user-assigned codes that databases put where they know no country.
    pub(crate) fn stands_for_unknown(self) -> bool {
        matches!(&self.0, b"ZZ" | b"XX")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: Option<&str>) {
        let country = input.parse::<CountryCode>().ok();
        assert_eq!(country.as_ref().map(CountryCode::as_str), expected, "{input:?}");
        let continent = input.parse::<ContinentCode>().ok();
        assert_eq!(continent.as_ref().map(ContinentCode::as_str), expected, "{input:?}");
    }

    #[test]
    fn two_letters_of_any_case_become_upper_case() {
        check("DE", Some("DE"));
        check("de", Some("DE"));
        check("Xk", Some("XK"));
    }

    #[test]
    fn anything_else_is_refused() {
        for input in ["", "D", "DEU", "D1", "é", " D", "D ", "--"] {
            check(input, None);
        }
    }

    #[test]
    fn order_and_display_are_those_of_the_letters() {
        let mut codes: Vec<CountryCode> = ["us", "DE", "ru"].map(|code| code.parse().unwrap()).into();
        codes.sort();
        assert_eq!(codes.iter().map(ToString::to_string).collect::<String>(), "DERUUS");
    }
}
