//! The `Content-Range` field (RFC 9110 14.4): what a node says it sends, and what we say.
//!
//! A part of a film whose size is not named (`*`) is refused: it cannot be told from a part of another film.

use std::fmt;

/// Which bytes of a film of which size an answer holds: `first <= last < total`, whatever it was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentRange {
    first: u64,
    last: u64,
    total: u64,
}

impl ContentRange {
    /// `None` unless `first <= last < total`.
    #[must_use]
    pub fn new(first: u64, last: u64, total: u64) -> Option<Self> {
        (first <= last && last < total).then_some(Self { first, last, total })
    }

    /// Reads `bytes FIRST-LAST/TOTAL`, and nothing less exact.
    ///
    /// `None` as well for another unit, a total of `*`, positions outside the total and numbers beyond 2^64.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        const UNIT: &[u8] = b"bytes ";
        let (unit, range) = value.trim_ascii().split_at_checked(UNIT.len())?;
        let dash = range.iter().position(|byte| *byte == b'-')?;
        let slash = range.iter().position(|byte| *byte == b'/').filter(|slash| dash < *slash)?;
        if !unit.eq_ignore_ascii_case(UNIT) {
            return None;
        }
        Self::new(exact(&range[..dash])?, exact(&range[dash + 1..slash])?, exact(&range[slash + 1..])?)
    }

    /// Position of the first byte sent, from zero.
    #[must_use]
    pub fn first(self) -> u64 {
        self.first
    }

    /// Position of the last byte sent.
    #[must_use]
    pub fn last(self) -> u64 {
        self.last
    }

    /// Bytes of the whole film.
    #[must_use]
    pub fn total(self) -> u64 {
        self.total
    }

    /// Bytes sent, at least one: the answer's `Content-Length`.
    #[must_use]
    pub fn length(self) -> u64 {
        self.last - self.first + 1
    }
}

impl fmt::Display for ContentRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bytes {}-{}/{}", self.first, self.last, self.total)
    }
}

/// The `Content-Range` of a `416`: `bytes */SIZE`.
#[must_use]
pub fn unsatisfied(size: u64) -> impl fmt::Display {
    fmt::from_fn(move |f| write!(f, "bytes */{size}"))
}

/// At least one digit, nothing else, and no more than fits.
fn exact(text: &[u8]) -> Option<u64> {
    let worth = |number: u64, byte: &u8| number.checked_mul(10)?.checked_add(super::digit(*byte)?);
    if text.is_empty() { None } else { text.iter().try_fold(0, worth) }
}
