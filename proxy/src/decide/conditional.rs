//! Decides by a viewer's preconditions whether a film is sent at all, and whether its `Range` counts.
//!
//! For GET and HEAD of a film that would be answered with a success, and for nothing else: RFC 9110 13.2.1
//! lets preconditions say nothing where the answer is an error. S3 servers know one tag per field and no
//! `If-Range`, so none of these fields goes to a node: they are judged here. Nothing is allocated.

mod date;
mod etag;

pub use self::{
    date::{HTTP_DATE_BYTES, format_http_date, parse_http_date},
    etag::ETag,
};

/// What is known of the film's current bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Representation<'a> {
    /// `ETag` as the node sent it, in its quotes. What is no entity tag counts as none.
    pub etag: Option<&'a str>,
    /// `Last-Modified`, seconds since the epoch.
    pub last_modified_unix_s: Option<u64>,
}

impl<'a> Representation<'a> {
    fn tag(&self) -> Option<ETag<'a>> {
        self.etag.and_then(|etag| ETag::parse(etag.as_bytes()))
    }
}

/// The lines of each field of a request; a field that is absent has none.
#[derive(Clone, Debug)]
pub struct Conditions<L> {
    /// `If-Match`.
    pub if_match: L,
    /// `If-None-Match`.
    pub if_none_match: L,
    /// `If-Modified-Since`.
    pub if_modified_since: L,
    /// `If-Unmodified-Since`.
    pub if_unmodified_since: L,
}

/// What the preconditions say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Answer as if there were none; for a GET, `Range` and `If-Range` are next.
    Go,
    /// `304`: the viewer has these bytes.
    NotModified,
    /// `412`: the viewer wants other bytes than these.
    Failed,
}

/// The verdict on a GET or HEAD of a film that exists, in the order of RFC 9110 13.2.2.
///
/// A tag field outranks the date field of its kind even if nothing in it can be read: a malformed tag is equal
/// to none, a list of them is true of no film. `*` is true of every film, but only alone. `If-Match` compares
/// strongly, `If-None-Match` weakly. A date field is ignored if it is no HTTP date, has several lines, or the
/// film has no date.
pub fn precondition<'a, L>(asked: Conditions<L>, film: &Representation<'_>, now_unix_s: u64) -> Verdict
where
    L: Iterator<Item = &'a [u8]>,
{
    let tag = film.tag();
    let is_unmodified_since = |lines: L| {
        let since = parse_http_date(only(lines)?, now_unix_s)?;
        Some(i64::try_from(film.last_modified_unix_s?).unwrap_or(i64::MAX) <= since)
    };
    let is_meant = names(asked.if_match, |named| tag.is_some_and(|tag| tag.equals_strongly(named)))
        .or_else(|| is_unmodified_since(asked.if_unmodified_since));
    if is_meant == Some(false) {
        return Verdict::Failed;
    }
    let is_had = names(asked.if_none_match, |named| tag.is_some_and(|tag| tag.equals_weakly(named)))
        .or_else(|| is_unmodified_since(asked.if_modified_since));
    if is_had == Some(true) {
        return Verdict::NotModified;
    }
    Verdict::Go
}

/// Whether the `Range` of a GET counts, by the lines of its `If-Range` field (RFC 9110 13.1.5).
///
/// Without the field it does. A tag must be strong and equal; a date must be the film's own, to the second,
/// and that second must be over (8.8.2.2), or more than one film could bear it. Everything else, several lines
/// too, is not this film: its `Range` is ignored and the film sent whole.
pub fn range_applies<'a>(
    if_range: impl Iterator<Item = &'a [u8]>,
    film: &Representation<'_>,
    now_unix_s: u64,
) -> bool {
    let mut lines = if_range.peekable();
    if lines.peek().is_none() {
        return true;
    }
    let Some(value) = only(lines) else { return false };
    if let Some(named) = ETag::parse(value) {
        return film.tag().is_some_and(|tag| tag.equals_strongly(named));
    }
    let date = parse_http_date(value, now_unix_s).and_then(|unix_s| u64::try_from(unix_s).ok());
    date.is_some() && date == film.last_modified_unix_s && date < Some(now_unix_s)
}

/// Whether a tag field names the film: `*` alone, or a member of the list that is equal. `None`: it is absent.
fn names<'a>(mut lines: impl Iterator<Item = &'a [u8]>, is_equal: impl Fn(ETag<'a>) -> bool) -> Option<bool> {
    let first = lines.next()?;
    let (mut members, mut has_star, mut has_equal) = (0_usize, false, false);
    for member in std::iter::once(first).chain(lines).flat_map(etag::members) {
        members += 1;
        has_star |= member == b"*";
        has_equal |= ETag::parse(member).is_some_and(&is_equal);
    }
    Some(has_equal || has_star && members == 1)
}

/// The one line of a field that may have no more.
fn only<'a>(mut lines: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    lines.next().filter(|_| lines.next().is_none()).map(<[u8]>::trim_ascii)
}

#[cfg(test)]
mod tests;
