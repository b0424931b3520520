//! What goes out to the viewer: heads and bodies of every answer the gate gives itself.
//!
//! Everything here is built from a decision already taken. Absent on purpose: the decision, and any
//! word about nodes, keys or addresses in an error.

pub mod film;
mod head;
pub mod pump;
pub mod redirect;
pub mod refuse;
pub mod send;
pub mod wire;

use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderValue, StatusCode};
use pingora::Result;
use watchgate_config::CorsOrigin;

use crate::decide::watch;

pub use head::Head;

/// Carries the request's id on every answer.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Carries the decision, if the operator wants it shown.
pub const WATCHGATE_DECISION: &str = "Watchgate-Decision";

/// What players may read of a streamed answer from a page of another origin.
const EXPOSED: &str = "Accept-Ranges, Content-Length, Content-Range, ETag, X-Request-Id";

/// A whole answer, ready to be written.
#[derive(Debug)]
pub struct Answer {
    /// Status and fields, framing included.
    pub head: Head,
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
    /// A head with what every answer carries: framing, whether it may be stored, id, CORS.
    ///
    /// # Errors
    /// As [`Head::add`].
    pub fn head(&self, status: StatusCode, about: Framing<'_>) -> Result<Head> {
        let mut head = Head::new(status);
        if let Some(length) = about.content_length {
            head.add_number("Content-Length", length)?;
        }
        if !about.cache_control.is_empty() {
            head.add("Cache-Control", about.cache_control)?;
        }
        head.add("X-Request-Id", self.request_id)?;
        self.allow_origin(&mut head)?;
        Ok(head)
    }

    fn allow_origin(&self, head: &mut Head) -> Result<()> {
        if self.cors.contains(&CorsOrigin::Any) {
            head.add("Access-Control-Allow-Origin", "*")?;
            return head.add("Vary", "Accept");
        }
        head.add("Vary", "Accept, Origin")?;
        match self.origin.filter(|origin| self.allows(origin)) {
            Some(origin) => head.add("Access-Control-Allow-Origin", origin),
            None => Ok(()),
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
        let framing = Framing { content_length: None, ..Framing::of(0) };
        let mut head = self.head(StatusCode::NO_CONTENT, framing)?;
        head.add("Allow", watch::ALLOW)?;
        head.add("Access-Control-Allow-Methods", watch::ALLOW)?;
        // What players add to a request for media: a range, its condition, and conditionals.
        let wanted =
            "Range, If-Range, If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since, Accept";
        head.add("Access-Control-Allow-Headers", wanted)?;
        head.add("Access-Control-Expose-Headers", EXPOSED)?;
        // Two hours is the longest that Chromium keeps it.
        head.add("Access-Control-Max-Age", "7200")?;
        Ok(Answer { head, body: Bytes::new(), close: false })
    }
}

/// What a head says of the body, and of keeping it.
#[derive(Clone, Copy, Debug)]
pub struct Framing<'a> {
    /// The body's bytes; `None` for an answer that has none by its status.
    pub content_length: Option<u64>,
    /// The whole of `Cache-Control`; empty: none.
    pub cache_control: &'a str,
}

impl Framing<'_> {
    /// So many bytes that nobody may keep.
    #[must_use]
    pub fn of(content_length: u64) -> Self {
        Self { content_length: Some(content_length), cache_control: "no-store" }
    }
}
