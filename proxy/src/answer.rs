//! What goes out to the viewer: heads and bodies of every answer the gate gives itself.
//!
//! Everything here is built from a decision already taken. Absent on purpose: the decision, and any
//! word about nodes, keys or addresses in an error.

pub mod film;
pub mod pump;
pub mod redirect;
pub mod refuse;
pub mod wire;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, HeaderName,
    VARY,
};
use http::response::Parts;
use http::{HeaderMap, HeaderValue, StatusCode};
use pingora::http::ResponseHeader;
use pingora::{OrErr, Result};
use watchgate_config::CorsOrigin;

use crate::decide::watch;

/// Carries the request's id on every answer.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Carries the decision, if the operator wants it shown.
pub const WATCHGATE_DECISION: HeaderName = HeaderName::from_static("watchgate-decision");

const ZERO: HeaderValue = HeaderValue::from_static("0");
const ANY: HeaderValue = HeaderValue::from_static("*");
const VARY_ACCEPT: HeaderValue = HeaderValue::from_static("Accept");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// What players may read of a streamed answer from a page of another origin.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("Accept-Ranges, Content-Length, Content-Range, ETag, X-Request-Id");

/// A whole answer, ready to be written.
#[derive(Debug)]
pub struct Answer {
    /// Status and fields, framing included.
    pub head: Box<ResponseHeader>,
    /// Empty for an answer to HEAD, whatever `Content-Length` says.
    pub body: Bytes,
    /// The connection ends with this answer.
    pub close: bool,
}

/// What the request says that every answer to it depends on.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// The request's id: already checked, visible ASCII.
    pub request_id: &'a str,
    /// The `Origin` field, if there is exactly one.
    pub origin: Option<&'a HeaderValue>,
    /// The answer carries no body.
    pub head_only: bool,
    /// Who may read answers from a page of another origin.
    pub cors: &'a [CorsOrigin],
}

impl Asking<'_> {
    /// A head with what every answer carries: id, framing, no storing, CORS.
    ///
    /// Built with `http`'s own map: through Pingora's names each field would be parsed and copied again.
    ///
    /// # Errors
    /// Only if `request_id` is no field value.
    pub fn head(&self, status: StatusCode, content_length: u64) -> Result<Parts> {
        let (mut head, ()) = http::Response::new(()).into_parts();
        head.status = status;
        // Date and Connection come later.
        head.headers = HeaderMap::with_capacity(10);
        if status != StatusCode::NO_CONTENT {
            let length = if content_length == 0 { ZERO } else { HeaderValue::from(content_length) };
            head.headers.insert(CONTENT_LENGTH, length);
        }
        head.headers.insert(CACHE_CONTROL, NO_STORE);
        let id = HeaderValue::from_str(self.request_id).or_err(pingora::InternalError, "request id")?;
        head.headers.insert(X_REQUEST_ID, id);
        self.allow_origin(&mut head.headers);
        Ok(head)
    }

    fn allow_origin(&self, fields: &mut HeaderMap) {
        if self.cors.contains(&CorsOrigin::Any) {
            fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
            fields.insert(VARY, VARY_ACCEPT);
            return;
        }
        fields.insert(VARY, HeaderValue::from_static("Accept, Origin"));
        if let Some(origin) = self.origin.filter(|origin| self.allows(origin)) {
            fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
    }

    fn allows(&self, origin: &HeaderValue) -> bool {
        self.cors.iter().any(|allowed| match allowed {
            CorsOrigin::Any => true,
            CorsOrigin::Origin(allowed) => origin.as_bytes() == allowed.as_bytes(),
        })
    }

    /// The answer to a browser that asks before it asks (Fetch standard, CORS-preflight request).
    ///
    /// # Errors
    /// As [`Asking::head`].
    pub fn preflight(&self) -> Result<Answer> {
        let mut head = self.head(StatusCode::NO_CONTENT, 0)?;
        head.headers.insert(ALLOW, HeaderValue::from_static(watch::ALLOW));
        head.headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(watch::ALLOW));
        // What players add to a request for media: a range, its condition, and conditionals.
        let wanted =
            "Range, If-Range, If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, Accept";
        head.headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(wanted));
        head.headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        // Two hours is the longest that Chromium keeps it.
        head.headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
        Ok(Answer { head: Box::new(head.into()), body: Bytes::new(), close: false })
    }
}

/// A value of digits and words of ours as a field.
///
/// # Errors
/// It is none: a fault in the gate.
pub(crate) fn field(value: &impl ToString) -> Result<HeaderValue> {
    HeaderValue::try_from(value.to_string()).or_err(pingora::InternalError, "a field's value")
}
