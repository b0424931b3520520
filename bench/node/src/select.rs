//! Which bytes a request gets, if any: Range and the conditional headers.
//!
//! The rules are `MinIO`'s as seen, not RFC 9110's: several ranges count as none,
//! lists of tags never match, `If-Range` is not read at all. Pure functions.

use http::HeaderMap;
use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use jiff::Timestamp;
use jiff::fmt::rfc2822;

/// What the Range header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// No range, or one that `MinIO` does not read: the whole object.
    Whole,
    /// First and last byte, both inside the object.
    Part(u64, u64),
    /// 416.
    Unsatisfiable,
}

/// What the conditional headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Holds,
    /// 304.
    NotModified,
    /// 412.
    Failed,
}

pub(crate) fn range(header: Option<&str>, size: u64) -> Selection {
    let Some(spec) = header.and_then(|header| header.strip_prefix("bytes=")) else {
        return Selection::Whole;
    };
    let Some((first, last)) = spec.split_once('-') else { return Selection::Whole };
    let number = |text: &str| {
        // Digits alone fail only by their number: as good as the largest.
        text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().unwrap_or(u64::MAX))
    };
    match (number(first), number(last)) {
        (None, _) | (_, None) => Selection::Whole,
        _ if first.is_empty() && last.is_empty() => Selection::Whole,
        (_, Some(suffix)) if first.is_empty() => match (suffix, size) {
            (0, _) | (_, 0) => Selection::Unsatisfiable,
            _ => Selection::Part(size.saturating_sub(suffix), size - 1),
        },
        (Some(first), _) if first >= size => Selection::Unsatisfiable,
        (Some(first), _) if last.is_empty() => Selection::Part(first, size - 1),
        (Some(first), Some(last)) if first > last => Selection::Unsatisfiable,
        (Some(first), Some(last)) => Selection::Part(first, last.min(size - 1)),
    }
}

/// `etag` comes without quotes; `modified` in whole seconds.
pub(crate) fn condition(headers: &HeaderMap, etag: &str, modified: Timestamp) -> Condition {
    let text = |name| headers.get(&name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let same = |tag: &str| tag.trim() == "*" || tag.trim().trim_matches('"') == etag;
    let date = |name| text(name).and_then(|date| rfc2822::DateTimeParser::new().parse_timestamp(date).ok());

    if let Some(tag) = text(IF_MATCH) {
        if !same(tag) {
            return Condition::Failed;
        }
    } else if date(IF_UNMODIFIED_SINCE).is_some_and(|since| modified > since) {
        return Condition::Failed;
    }
    if let Some(tag) = text(IF_NONE_MATCH) {
        if same(tag) {
            return Condition::NotModified;
        }
    } else if date(IF_MODIFIED_SINCE).is_some_and(|since| modified <= since) {
        return Condition::NotModified;
    }
    Condition::Holds
}

/// As in `Last-Modified` and `Date`.
pub(crate) fn http_date(at: Timestamp) -> String {
    // Fails only for years beyond 9999, which no clock here shows.
    rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let check = |header: &str, size: u64, want: Selection| {
            assert_eq!(range(Some(header), size), want, "{header} of {size}");
        };
        check("bytes=0-1", 10, Selection::Part(0, 1));
        check("bytes=3-", 10, Selection::Part(3, 9));
        check("bytes=3-99", 10, Selection::Part(3, 9));
        check("bytes=3-99999999999999999999999", 10, Selection::Part(3, 9));
        check("bytes=-4", 10, Selection::Part(6, 9));
        check("bytes=-40", 10, Selection::Part(0, 9));
        check("bytes=-0", 10, Selection::Unsatisfiable);
        check("bytes=10-", 10, Selection::Unsatisfiable);
        check("bytes=5-4", 10, Selection::Unsatisfiable);
        check("bytes=0-0", 0, Selection::Unsatisfiable);
        check("bytes=0-1,5-6", 10, Selection::Whole);
        check("bytes=a-b", 10, Selection::Whole);
        check("bytes=-", 10, Selection::Whole);
        check("items=0-1", 10, Selection::Whole);
        assert_eq!(range(None, 10), Selection::Whole);
    }

    #[test]
    fn conditions() {
        let modified: Timestamp = "2026-11-23T10:00:00Z".parse().unwrap();
        let (same, later, before) =
            (http_date(modified), "Mon, 23 Nov 2026 10:00:01 GMT", "Mon, 23 Nov 2026 09:59:59 GMT");
        let check = |headers: &[(&'static str, &str)], want: Condition| {
            let map: HeaderMap = headers
                .iter()
                .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
                .collect();
            assert_eq!(condition(&map, "tag", modified), want, "{headers:?}");
        };
        assert_eq!(same, "Mon, 23 Nov 2026 10:00:00 GMT");
        check(&[], Condition::Holds);
        check(&[("if-match", "\"tag\"")], Condition::Holds);
        check(&[("if-match", "*")], Condition::Holds);
        check(&[("if-match", "\"other\"")], Condition::Failed);
        check(&[("if-match", "\"other\", \"tag\"")], Condition::Failed);
        check(&[("if-match", "W/\"tag\"")], Condition::Failed);
        check(&[("if-none-match", "\"tag\"")], Condition::NotModified);
        check(&[("if-none-match", "\"other\"")], Condition::Holds);
        check(&[("if-modified-since", &same)], Condition::NotModified);
        check(&[("if-modified-since", before)], Condition::Holds);
        check(&[("if-unmodified-since", &same)], Condition::Holds);
        check(&[("if-unmodified-since", later)], Condition::Holds);
        check(&[("if-unmodified-since", before)], Condition::Failed);
        check(&[("if-none-match", "\"other\""), ("if-modified-since", later)], Condition::Holds);
        check(&[("if-range", "\"other\"")], Condition::Holds);
    }
}
