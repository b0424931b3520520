//! Names: of nodes, buckets, regions, keys of objects and of accounts.
//!
//! Each has the rule of the party that takes it; none is corrected.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::sync::Arc;

use crate::fault::Wrong;

pub(crate) const ID_PATTERN: &str = "^[a-z0-9-]{1,32}$";
pub(crate) const BUCKET_PATTERN: &str = "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$";
pub(crate) const REGION_PATTERN: &str = "^[a-z0-9-]{1,64}$";
pub(crate) const ACCESS_KEY_PATTERN: &str = "^[!-+.0-<>-~-]{1,128}$";

/// Longest object key in bytes (Amazon S3 User Guide, "Naming Amazon S3 objects").
const OBJECT_KEY_MAX: usize = 1024;

/// A node's name: `[a-z0-9-]{1,32}`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(Arc<str>);

impl NodeId {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NodeId {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if (1..=32).contains(&text.len()) && text.bytes().all(fits) {
            return Ok(Self(text.into()));
        }
        Err(Wrong::new(format!("{text:?} must be 1 to 32 lower-case letters, digits and hyphens")))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl std::borrow::Borrow<str> for NodeId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// The general-purpose bucket naming rules (Amazon S3 User Guide), without AWS' reserved prefixes and suffixes.
pub(crate) fn parse_bucket(text: &str) -> Result<String, Wrong> {
    let edge = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let why = if !(3..=63).contains(&bytes.len()) {
        "must be 3 to 63 characters long"
    } else if !bytes.iter().all(|byte| edge(byte) || matches!(byte, b'.' | b'-')) {
        "must be of lower-case letters, digits, dots and hyphens"
    } else if !bytes.first().is_some_and(edge) || !bytes.last().is_some_and(edge) {
        "must begin and end with a letter or digit"
    } else if text.contains("..") {
        "must not have two dots in a row"
    } else if text.parse::<Ipv4Addr>().is_ok() {
        "must not look like an IPv4 address"
    } else {
        return Ok(text.to_owned());
    };
    Err(Wrong::new(format!("{text:?} {why}")))
}

pub(crate) fn parse_region(text: &str) -> Result<String, Wrong> {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if (1..=64).contains(&text.len()) && text.bytes().all(fits) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(format!("{text:?} must be 1 to 64 lower-case letters, digits and hyphens")))
}

/// The reason does not quote the key: people mix up the two halves of a credential.
pub(crate) fn parse_access_key(text: &str) -> Result<String, Wrong> {
    // A slash ends the access key in a credential scope; a comma or an equals sign ends it in the header.
    let fits = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b',' | b'=');
    if (1..=128).contains(&text.len()) && text.bytes().all(fits) {
        return Ok(text.to_owned());
    }
    Err(Wrong::new(
        "must be 1 to 128 printable ASCII characters without blanks, slashes, commas and equals signs",
    ))
}

/// What every object key must be: a relative path that no server or browser rewrites, and that is no trap in a log.
/// At most 1024 bytes (Amazon S3 User Guide, "Naming Amazon S3 objects"), no empty, `.` or `..` segment, no control
/// characters. The reason does not quote the key.
///
/// # Errors
/// The first rule that is broken.
pub fn check_object_key(key: &str) -> Result<(), Wrong> {
    let why = if key.len() > OBJECT_KEY_MAX {
        format!("must be at most {OBJECT_KEY_MAX} bytes long, not {}", key.len())
    } else if key.starts_with('/') {
        "must not begin with a slash".to_owned()
    } else if key.ends_with('/') {
        "must not end with a slash".to_owned()
    } else if key.split('/').any(str::is_empty) {
        "must not have an empty segment".to_owned()
    } else if let Some(dots) = key.split('/').find(|segment| matches!(*segment, "." | "..")) {
        format!("must not have a segment {dots:?}")
    } else if let Some(control) = key.chars().find(|character| character.is_control()) {
        format!("must not have a control character, such as {control:?}")
    } else {
        return Ok(());
    };
    Err(Wrong::new(why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_the_rules_of_s3() {
        for good in ["movies", "a-1", "my.movies", "123", "a.b-c.d", &"a".repeat(63)] {
            assert_eq!(parse_bucket(good).as_deref(), Ok(good));
        }
        for bad in
            ["", "ab", "Movies", "mov_ies", "-movies", "movies-", ".ab", "a..b", "10.0.0.5", &"a".repeat(64)]
        {
            assert!(parse_bucket(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn object_keys_are_plain_paths() {
        for good in ["a", "a/b.mp4", "фильмы/1.mp4", "%2e%2e/%2F", " a b ", "a\"'b", "...", &"a".repeat(1024)]
        {
            assert_eq!(check_object_key(good), Ok(()), "{good}");
        }
        let check = |bad: &str, why: &str| assert_eq!(check_object_key(bad).unwrap_err().why, why, "{bad:?}");
        check("", "must not have an empty segment");
        check("/a", "must not begin with a slash");
        check("a/", "must not end with a slash");
        check("a//b", "must not have an empty segment");
        check("a/../b", "must not have a segment \"..\"");
        check("./a", "must not have a segment \".\"");
        check("a\nb", "must not have a control character, such as '\\n'");
        check("a\u{85}", "must not have a control character, such as '\\u{85}'");
        check(&"é".repeat(513), "must be at most 1024 bytes long, not 1026");
    }

    #[test]
    fn access_keys_fit_into_a_credential_scope() {
        for good in ["gate", "AKIAIOSFODNN7EXAMPLE", "svc+a:b~!"] {
            assert_eq!(parse_access_key(good).as_deref(), Ok(good));
        }
        for bad in ["", "a b", "a/b", "a,b", "a=b", "ключ", "a\tb", &"a".repeat(129)] {
            let wrong = parse_access_key(bad).unwrap_err();
            assert!(bad.is_empty() || !wrong.why.contains(bad), "{bad}");
        }
    }

    #[test]
    fn node_ids_are_short_and_plain() {
        for good in ["a", "msk-1", &"x".repeat(32)] {
            assert_eq!(good.parse::<NodeId>().unwrap().to_string(), good);
        }
        for bad in ["", "Msk", "msk_1", "msk.1", "мск", &"x".repeat(33)] {
            assert!(bad.parse::<NodeId>().is_err(), "{bad}");
        }
    }
}
