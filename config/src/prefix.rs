//! The path under which films are asked for, and those under which routes begin.
//!
//! They are compared with request paths byte by byte, so only paths that nobody writes in two ways are taken: nothing is
//! decoded or normalised here or there.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use crate::fault::Wrong;

/// What [`WatchPrefix`] takes, as a regular expression for the JSON Schema.
pub(crate) const PATTERN: &str = "^(/[A-Za-z0-9._~-]+)+/$";

/// What [`RoutePrefix`] takes, as a regular expression for the JSON Schema.
pub(crate) const ROUTE_PATTERN: &str = "^(/|(/[A-Za-z0-9._~-]+)+/?)$";

/// A path such as `/watch/`: it begins and ends with a slash, and needs no decoding to be compared.
///
/// `/` alone is refused: every path of the host would then be a film or a mistake.
#[derive(Clone, PartialEq, Eq)]
pub struct WatchPrefix(String);

impl FromStr for WatchPrefix {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        let why = if text == "/" {
            "must have a name between its slashes: \"/\" would claim every path".to_owned()
        } else if text.len() < 3 || !text.starts_with('/') || !text.ends_with('/') {
            format!("{text:?} must begin and end with a slash")
        } else if let Some(why) = not_plain(text, &text[1..text.len() - 1]) {
            why
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(Wrong::new(why).hint("for example \"/watch/\""))
    }
}

/// What keeps the segments of `text` from being written in one way only.
fn not_plain(text: &str, segments: &str) -> Option<String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/');
    if !text.bytes().all(plain) {
        return Some(format!("{text:?} must be of letters, digits and - . _ ~ between slashes"));
    }
    let odd = segments.split('/').any(|segment| matches!(segment, "" | "." | ".."));
    odd.then(|| format!("{text:?} must not have empty, \".\" or \"..\" segments"))
}

/// A path under which a route begins: `/api` is itself and all below it, `/api/` only what is below it, and `/` is
/// every path.
#[derive(Clone, PartialEq, Eq)]
pub struct RoutePrefix(String);

impl RoutePrefix {
    /// Without the slash at its end: what is taken off a path by `strip_prefix`. Empty for `/`.
    #[must_use]
    pub fn trimmed(&self) -> &str {
        self.0.trim_end_matches('/')
    }
}

impl FromStr for RoutePrefix {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        let why = if text == "/" {
            return Ok(Self(text.to_owned()));
        } else if !text.starts_with('/') {
            format!("{text:?} must begin with a slash")
        } else if let Some(why) = not_plain(text, text[1..].strip_suffix('/').unwrap_or(&text[1..])) {
            why
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(Wrong::new(why).hint("for example \"/api/\""))
    }
}

impl Deref for RoutePrefix {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RoutePrefix {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, out)
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

    #[test]
    fn routes_begin_at_plain_paths_with_or_without_a_slash_at_the_end() {
        for (good, trimmed) in
            [("/", ""), ("/api", "/api"), ("/api/", "/api"), ("/v1.0/~x_y-z", "/v1.0/~x_y-z")]
        {
            let prefix: RoutePrefix = good.parse().unwrap();
            assert_eq!((&*prefix, prefix.trimmed()), (good, trimmed));
        }
        for bad in
            ["", "//", "api", "api/", "/a//", "/a//b", "/../", "/.", "/a%2f", "/a b", "/фильм", "/a?", "/a;b"]
        {
            assert!(bad.parse::<RoutePrefix>().is_err(), "{bad}");
        }
    }
}
