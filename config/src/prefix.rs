//! The path under which films are asked for.
//!
//! It is compared with request paths byte by byte, so only paths that nobody writes in two ways are taken: nothing is
//! decoded or normalised here or there.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use crate::fault::Wrong;

/// What [`WatchPrefix`] takes, as a regular expression for the JSON Schema.
pub(crate) const PATTERN: &str = "^(/[A-Za-z0-9._~-]+)+/$";

/// A path such as `/watch/`: it begins and ends with a slash, and needs no decoding to be compared.
///
/// `/` alone is refused: every path of the host would then be a film or a mistake.
#[derive(Clone, PartialEq, Eq)]
pub struct WatchPrefix(String);

impl FromStr for WatchPrefix {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        let plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/');
        let why = if text == "/" {
            "must have a name between its slashes: \"/\" would claim every path".to_owned()
        } else if text.len() < 3 || !text.starts_with('/') || !text.ends_with('/') {
            format!("{text:?} must begin and end with a slash")
        } else if !text.bytes().all(plain) {
            format!("{text:?} must be of letters, digits and - . _ ~ between slashes")
        } else if text[1..text.len() - 1].split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            format!("{text:?} must not have empty, \".\" or \"..\" segments")
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(Wrong::new(why).hint("for example \"/watch/\""))
    }
}

impl Deref for WatchPrefix {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for WatchPrefix {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_plain_paths() {
        for good in ["/watch/", "/a/b/", "/v1.0/~films_x-y/"] {
            assert_eq!(&*good.parse::<WatchPrefix>().unwrap(), good);
        }
        for bad in
            ["", "/", "//", "watch/", "/watch", "/w//x/", "/../", "/./", "/w%20/", "/w x/", "/фильм/", "/w?/"]
        {
            assert!(bad.parse::<WatchPrefix>().is_err(), "{bad}");
        }
    }
}
