//! What a viewer who asks for a film is answered by HTTP's rules, once it is known which film it is.
//!
//! Preconditions first, then the range (RFC 9110 sections 13.2.2 and 14.2). The head is built from nothing: no field
//! of a node's answer is passed on but its type, tag and date. Absent on purpose: the bytes.

use std::time::Duration;

use http::StatusCode;
use http::header::{
    HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, RANGE,
};
use pingora::Result;

use super::{Asking, EXPOSED, Framing, Head};
use crate::config;
use crate::decide::conditional::{
    Conditions, Representation, Verdict, format_http_date, precondition, range_applies,
};
use crate::decide::media::content_type;
use crate::decide::range::{ContentRange, Opening, Wanted, opening, wanted};
use crate::decide::resume::{Ask, Identity};
use crate::decide::watch::Method;
use crate::refusal::Refusal;

/// What the viewer gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `200` with all bytes.
    Whole,
    /// `206` with these.
    Part(ContentRange),
    /// `304`.
    NotModified,
    /// An error of the viewer's making.
    Refused(Refusal),
}

impl Reply {
    /// The bytes of the film that follow the head of an answer to GET: from the first to before the second.
    #[must_use]
    pub fn bytes(self, film: &Identity) -> (u64, u64) {
        match self {
            Self::Whole => (0, film.size),
            Self::Part(part) => (part.first(), part.last() + 1),
            Self::NotModified | Self::Refused(_) => (0, 0),
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Whole => StatusCode::OK,
            Self::Part(_) => StatusCode::PARTIAL_CONTENT,
            Self::NotModified => StatusCode::NOT_MODIFIED,
            Self::Refused(refusal) => StatusCode::from_u16(refusal.status()).unwrap_or_default(),
        }
    }
}

/// What to ask a node for first, while nothing is known of the film: the answer should tell its size and begin the
/// viewer's answer as well. `first_bytes`: how many at most.
///
/// Preconditions may make the bytes unwanted, and several ranges cannot be read without the size: then only the head
/// is asked for.
pub fn first_ask(method: Method, fields: &HeaderMap, first_bytes: impl Fn(u64, u64) -> u64) -> Ask {
    const CONDITIONS: [HeaderName; 4] = [IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];
    if method == Method::Head || CONDITIONS.iter().any(|name| fields.contains_key(name)) {
        return Ask::Head;
    }
    match opening(lines(fields, &RANGE)) {
        Opening::From { first: u64::MAX, .. } | Opening::Unknown => Ask::Head,
        Opening::From { first, last } => {
            let left = (last - first).saturating_add(1);
            Ask::Part { first, last: first.saturating_add(first_bytes(first, left) - 1) }
        }
        Opening::Suffix { length } if length > first_bytes(0, length) => Ask::Head,
        Opening::Suffix { length } => Ask::Suffix { length },
    }
}

/// What the viewer gets of this film.
#[must_use]
pub fn reply(method: Method, fields: &HeaderMap, film: &Identity, now_unix_s: u64) -> Reply {
    let known = Representation { etag: Some(&film.etag), last_modified_unix_s: film.last_modified_unix_s };
    let conditions = Conditions {
        if_match: lines(fields, &IF_MATCH),
        if_none_match: lines(fields, &IF_NONE_MATCH),
        if_modified_since: lines(fields, &IF_MODIFIED_SINCE),
        if_unmodified_since: lines(fields, &IF_UNMODIFIED_SINCE),
    };
    match precondition(conditions, &known, now_unix_s) {
        Verdict::Failed => return Reply::Refused(Refusal::Precondition),
        Verdict::NotModified => return Reply::NotModified,
        Verdict::Go => {}
    }
    if method == Method::Head || !range_applies(lines(fields, &IF_RANGE), &known, now_unix_s) {
        return Reply::Whole;
    }
    match wanted(lines(fields, &RANGE), film.size) {
        Wanted::Whole => Reply::Whole,
        Wanted::Part { first, last } => {
            ContentRange::new(first, last, film.size).map_or(Reply::Whole, Reply::Part)
        }
        Wanted::Unsatisfiable => Reply::Refused(Refusal::Range { size: film.size }),
    }
}

/// What the head says beside the film itself.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The film's object key; its ending may name the type.
    pub key: &'a str,
    /// The node's word on the type.
    pub content_type: Option<&'a str>,
    /// `[stream]`.
    pub config: &'a config::Stream,
    /// How long it took until the film was found, for those who want to know.
    pub waited: Duration,
}

/// The head of a `200`, `206` or `304`.
///
/// # Errors
/// As [`Asking::head`].
pub fn head(reply: Reply, film: &Identity, about: &About<'_>, asking: &Asking<'_>) -> Result<Head> {
    let (first, end) = reply.bytes(film);
    let has_body = reply != Reply::NotModified;
    let framing = Framing {
        content_length: has_body.then_some(end - first),
        cache_control: &about.config.cache_control,
    };
    let mut head = asking.head(reply.status(), framing)?;
    head.add("ETag", &*film.etag)?;
    if let Some(date) = film.last_modified_unix_s.and_then(format_http_date) {
        head.add("Last-Modified", date)?;
    }
    head.add("Access-Control-Expose-Headers", EXPOSED)?;
    if about.config.server_timing {
        // W3C Server Timing.
        let waited_ms = about.waited.as_secs_f64() * 1e3;
        head.add("Server-Timing", format!("film;dur={waited_ms:.1}"))?;
    }
    if has_body {
        head.add("Accept-Ranges", "bytes")?;
        head.add("Content-Type", content_type(about.key, about.content_type))?;
    }
    if let Reply::Part(part) = reply {
        head.add("Content-Range", part.to_string())?;
    }
    Ok(head)
}

fn lines<'a>(fields: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    fields.get_all(name).into_iter().map(HeaderValue::as_bytes)
}
