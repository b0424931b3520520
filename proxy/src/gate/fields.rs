//! The fields of a request that every answer depends on, found in one pass.
//!
//! A request has a handful of fields, and most that are asked for are not there: to look at each once is cheaper than
//! to look each name up. Absent on purpose: what they mean.

use http::header::{ACCEPT, CONTENT_LENGTH, HOST, HeaderName, ORIGIN, TRANSFER_ENCODING};
use http::{HeaderValue, Version};
use pingora::http::RequestHeader;

use crate::answer::X_REQUEST_ID;
use crate::decide::watch::BodyFraming;

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// See the module.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    head: &'a RequestHeader,
    hosts: Lone<'a>,
    origins: Lone<'a>,
    request_ids: Lone<'a>,
    has_accept: bool,
    has_framing: bool,
    has_forwarded_for: bool,
    has_forwarded_proto: bool,
}

/// A field that counts if it is there once.
#[derive(Clone, Copy, Default)]
struct Lone<'a> {
    first: Option<&'a HeaderValue>,
    again: bool,
}

impl<'a> Lone<'a> {
    fn see(&mut self, value: &'a HeaderValue) {
        self.again = self.first.is_some();
        self.first = self.first.or(Some(value));
    }

    fn value(self) -> Option<&'a HeaderValue> {
        self.first.filter(|_| !self.again)
    }
}

impl<'a> Fields<'a> {
    pub(super) fn of(head: &'a RequestHeader) -> Self {
        let mut fields = Self {
            head,
            hosts: Lone::default(),
            origins: Lone::default(),
            request_ids: Lone::default(),
            has_accept: false,
            has_framing: false,
            has_forwarded_for: false,
            has_forwarded_proto: false,
        };
        for (name, value) in &head.headers {
            if name == HOST {
                fields.hosts.see(value);
            } else if name == ACCEPT {
                fields.has_accept = true;
            } else if name == ORIGIN {
                fields.origins.see(value);
            } else if name == TRANSFER_ENCODING || name == CONTENT_LENGTH {
                fields.has_framing = true;
            } else if name == X_FORWARDED_FOR {
                fields.has_forwarded_for = true;
            } else if name == X_FORWARDED_PROTO {
                fields.has_forwarded_proto = true;
            } else if name == X_REQUEST_ID {
                fields.request_ids.see(value);
            }
        }
        fields
    }

    /// Exactly one, as RFC 9112 section 3.2 wants it; over HTTP/2 `:authority` may stand for it.
    pub(super) fn has_host(&self) -> bool {
        match self.hosts {
            Lone { first: None, .. } => {
                self.head.version == Version::HTTP_2 && self.head.uri.authority().is_some()
            }
            hosts => hosts.value().is_some_and(|host| !host.is_empty()),
        }
    }

    /// `Origin`, if there is exactly one.
    pub(super) fn origin(&self) -> Option<&'a HeaderValue> {
        self.origins.value()
    }

    /// The first `X-Request-Id`.
    pub(super) fn request_id(&self) -> Option<&'a HeaderValue> {
        self.request_ids.first
    }

    /// The lines of `Accept`.
    pub(super) fn accept(&self) -> impl Iterator<Item = &'a [u8]> {
        self.lines(&ACCEPT, self.has_accept)
    }

    /// What the request says of its body.
    pub(super) fn framing(&self) -> BodyFraming {
        // Over HTTP/2 a Transfer-Encoding is malformed, and never gets here (RFC 9113 section 8.2.2).
        let is_http_1 = self.head.version != Version::HTTP_2;
        BodyFraming::of(
            self.lines(&TRANSFER_ENCODING, self.has_framing && is_http_1),
            self.lines(&CONTENT_LENGTH, self.has_framing),
        )
    }

    /// The lines of a field by which proxies hand on whom they answer.
    pub(super) fn forwarding(
        &self,
        name: &'static str,
    ) -> impl DoubleEndedIterator<Item = &'a [u8]> + use<'a> {
        match name {
            "x-forwarded-for" => self.lines(&X_FORWARDED_FOR, self.has_forwarded_for),
            "x-forwarded-proto" => self.lines(&X_FORWARDED_PROTO, self.has_forwarded_proto),
            _ => self.lines(&HeaderName::from_static(name), true),
        }
    }

    fn lines(
        &self,
        name: &HeaderName,
        is_there: bool,
    ) -> impl DoubleEndedIterator<Item = &'a [u8]> + use<'a> {
        let all = is_there.then(|| self.head.headers.get_all(name));
        all.into_iter().flatten().map(HeaderValue::as_bytes)
    }
}
