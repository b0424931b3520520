//! Whether a node's answer is one to our request, and whose bytes it holds.
//!
//! Nothing is believed that was not asked for: a part must be exactly that part of a film of exactly that size and
//! tag. Bytes of one answer to a viewer therefore come from one version, whoever sends them. Only heads are read
//! here; that a body is as long as promised is counted by the pump.

use super::{Failure, Lie};
use crate::decide::conditional::{ETag, parse_http_date};
use crate::decide::range::ContentRange;

/// What was asked of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// HEAD: which film is it? What follows is asked of the same film.
    Head,
    /// HEAD: is it there? Bytes may reach the viewer another way, so that their coding is none of ours.
    Look,
    /// GET of the bytes from `first` to `last`, both included; fewer if the film is shorter.
    Part {
        /// Position of the first byte.
        first: u64,
        /// Position of the last byte.
        last: u64,
    },
    /// GET of the last bytes of a film whose size is not known yet.
    Suffix {
        /// How many; not zero.
        length: u64,
    },
}

impl Ask {
    /// Whether the answer is a head alone.
    #[must_use]
    pub fn is_head(self) -> bool {
        matches!(self, Self::Head | Self::Look)
    }
}

/// The fields of an answer's head that count, as they came.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head<'a> {
    /// The status.
    pub status: u16,
    /// `ETag`.
    pub etag: Option<&'a [u8]>,
    /// `Content-Range`.
    pub content_range: Option<&'a [u8]>,
    /// `Content-Length`.
    pub content_length: Option<u64>,
    /// `Content-Encoding` or `Transfer-Encoding` is there and is not `identity`.
    pub coded: bool,
    /// `x-amz-version-id`.
    pub version_id: Option<&'a [u8]>,
    /// `Last-Modified`.
    pub last_modified: Option<&'a [u8]>,
    /// `x-amz-delete-marker: true`.
    pub delete_marker: bool,
    /// The error is about the bucket, not the film (`NoSuchBucket`).
    pub no_bucket: bool,
}

/// Which bytes a film is: equal identities mean equal bytes, on whatever node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The strong tag, in its quotes.
    pub etag: Box<str>,
    /// Bytes of the whole film.
    pub size: u64,
    /// The version, if the bucket has versions.
    pub version_id: Option<Box<str>>,
    /// `Last-Modified`, seconds since the epoch.
    pub last_modified_unix_s: Option<u64>,
}

/// An answer that may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The film.
    pub film: Identity,
    /// First byte of the body, for a GET.
    pub first: u64,
    /// Bytes of the body; 0 for HEAD.
    pub length: u64,
}

/// What an answer is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judged {
    /// What was asked for.
    Answer(Answer),
    /// `416`, or an empty `200`: the film is there, but not those bytes. Its size has to be asked for.
    Unsatisfiable,
}

/// Judges the head of an answer. `film`: the identity that earlier answers had, if there were any.
///
/// # Errors
/// The [`Failure`] of a node that cannot or must not serve this film.
pub fn judge(ask: Ask, head: &Head<'_>, film: Option<&Identity>, now_unix_s: u64) -> Result<Judged, Failure> {
    match head.status {
        200 | 206 => {}
        404 | 405 if head.delete_marker => return Err(Failure::Deleted),
        404 if head.no_bucket => return Err(Failure::Forbidden),
        404 => return Err(Failure::Absent),
        401 | 403 => return Err(Failure::Forbidden),
        412 => return Err(Failure::Stale),
        416 if film.is_none() => return Ok(Judged::Unsatisfiable),
        416 => return Err(Failure::Lie(Lie::Range)),
        429 => return Err(Failure::Busy),
        500.. => return Err(Failure::Status),
        _ => return Err(Failure::Lie(Lie::Status)),
    }
    let lie = |lie| Err(Failure::Lie(lie));
    if head.coded && ask != Ask::Look {
        return lie(Lie::Coded);
    }
    if !ask.is_head() && head.status == 200 && head.content_length == Some(0) && film.is_none() {
        // Of an empty film there is no part; RFC 9110 14.2 lets a server ignore the range then.
        return Ok(Judged::Unsatisfiable);
    }
    let Some(etag) = head.etag.and_then(strong) else { return lie(Lie::NoTag) };
    let (first, length, size) = match part(ask, head) {
        Ok(part) => part,
        Err(why) => return lie(why),
    };
    if film.is_some_and(|film| *film.etag != *etag) {
        return lie(Lie::Tag);
    }
    if film.is_some_and(|film| film.size != size) {
        return lie(Lie::Total);
    }
    let last_modified = head.last_modified.and_then(|date| parse_http_date(date, now_unix_s));
    let film = film.cloned().unwrap_or_else(|| Identity {
        etag: etag.into(),
        size,
        version_id: head.version_id.and_then(version),
        last_modified_unix_s: last_modified.and_then(|unix_s| u64::try_from(unix_s).ok()),
    });
    Ok(Judged::Answer(Answer { film, first, length }))
}

/// First byte and length of the body, and the film's size.
fn part(ask: Ask, head: &Head<'_>) -> Result<(u64, u64, u64), Lie> {
    let length = head.content_length.ok_or(Lie::Length)?;
    let (first, last) = match ask {
        Ask::Head | Ask::Look if head.status == 200 => return Ok((0, 0, length)),
        Ask::Head | Ask::Look => return Err(Lie::Range),
        _ if head.status == 200 => return Err(Lie::Whole),
        Ask::Part { first, last } => (Some(first), last),
        Ask::Suffix { .. } => (None, u64::MAX),
    };
    let got = head.content_range.and_then(ContentRange::parse).ok_or(Lie::Range)?;
    let size = got.total();
    let first = match (first, ask) {
        (None, Ask::Suffix { length }) => size.saturating_sub(length),
        (first, _) => first.unwrap_or(0),
    };
    if got.first() != first || got.last() != last.min(size - 1) {
        return Err(Lie::Range);
    }
    if length != got.length() {
        return Err(Lie::Length);
    }
    Ok((first, length, size))
}

/// The tag as text, if it is a strong one. Bytes above 127 are in no tag of an S3 server.
fn strong(etag: &[u8]) -> Option<&str> {
    let etag = etag.trim_ascii();
    ETag::parse(etag).filter(|tag| !tag.is_weak())?;
    str::from_utf8(etag).ok().filter(|tag| tag.is_ascii())
}

/// A version that can be asked for. `null` names whatever was written while versions were off: no version at all.
fn version(id: &[u8]) -> Option<Box<str>> {
    let id = str::from_utf8(id.trim_ascii()).ok()?;
    let is_named = !id.is_empty() && id != "null" && id.len() <= 1024;
    (is_named && id.bytes().all(|byte| byte.is_ascii_graphic())).then(|| id.into())
}
