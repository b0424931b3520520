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
    host: Seen<'a>,
    accept: Seen<'a>,
    origin: Seen<'a>,
    transfer_encoding: Seen<'a>,
    content_length: Seen<'a>,
    forwarded_for: Seen<'a>,
    forwarded_proto: Seen<'a>,
    request_id: Seen<'a>,
}

/// What was seen of one field: the first of its lines, and whether there are more.
#[derive(Clone, Copy, Default)]
struct Seen<'a> {
    first: Option<&'a HeaderValue>,
    again: bool,
}

impl<'a> Seen<'a> {
    fn see(&mut self, value: &'a HeaderValue) {
        self.again = self.first.is_some();
        self.first = self.first.or(Some(value));
    }

    /// The value of a field that counts if it is there once.
    fn lone(self) -> Option<&'a HeaderValue> {
        self.first.filter(|_| !self.again)
    }
}

impl<'a> Fields<'a> {
    pub(super) fn of(head: &'a RequestHeader) -> Self {
        let none = Seen::default();
        let mut fields = Self {
            head,
            host: none,
            accept: none,
            origin: none,
            transfer_encoding: none,
            content_length: none,
            forwarded_for: none,
            forwarded_proto: none,
            request_id: none,
        };
        for (name, value) in &head.headers {
            if let Some(seen) = fields.named(name) {
                seen.see(value);
            }
        }
        fields
    }

    fn named(&mut self, name: &HeaderName) -> Option<&mut Seen<'a>> {
        Some(match name {
            name if name == HOST => &mut self.host,
            name if name == ACCEPT => &mut self.accept,
            name if name == ORIGIN => &mut self.origin,
            name if name == TRANSFER_ENCODING => &mut self.transfer_encoding,
            name if name == CONTENT_LENGTH => &mut self.content_length,
            name if name == X_FORWARDED_FOR => &mut self.forwarded_for,
            name if name == X_FORWARDED_PROTO => &mut self.forwarded_proto,
            name if name == X_REQUEST_ID => &mut self.request_id,
            _ => return None,
        })
    }

    /// Exactly one, as RFC 9112 section 3.2 wants it; over HTTP/2 `:authority` may stand for it.
    pub(super) fn has_host(&self) -> bool {
        match self.host.first {
            None => self.head.version == Version::HTTP_2 && self.head.uri.authority().is_some(),
            Some(_) => self.host.lone().is_some_and(|host| !host.is_empty()),
        }
    }

    /// `Origin`, if there is exactly one.
    pub(super) fn origin(&self) -> Option<&'a HeaderValue> {
        self.origin.lone()
    }

    /// The first `X-Request-Id`.
    pub(super) fn request_id(&self) -> Option<&'a HeaderValue> {
        self.request_id.first
    }

    /// The lines of `Accept`.
    pub(super) fn accept(&self) -> impl Iterator<Item = &'a [u8]> {
        self.lines(self.accept, &ACCEPT)
    }

    /// What the request says of its body.
    pub(super) fn framing(&self) -> BodyFraming {
        // Over HTTP/2 the end of the stream tells it, and the field is malformed (RFC 9113 section 8.2.2).
        let is_http_2 = self.head.version == Version::HTTP_2;
        let transfer_encoding = if is_http_2 { Seen::default() } else { self.transfer_encoding };
        BodyFraming::of(
            self.lines(transfer_encoding, &TRANSFER_ENCODING),
            self.lines(self.content_length, &CONTENT_LENGTH),
        )
    }

    /// The lines of a field by which proxies hand on whom they answer.
    pub(super) fn forwarding(
        &self,
        name: &'static str,
    ) -> impl DoubleEndedIterator<Item = &'a [u8]> + use<'a> {
        match name {
            "x-forwarded-for" => self.lines(self.forwarded_for, &X_FORWARDED_FOR),
            "x-forwarded-proto" => self.lines(self.forwarded_proto, &X_FORWARDED_PROTO),
            // Few operators choose another, and it was not looked for.
            name => self.lines(Seen { first: None, again: true }, &HeaderName::from_static(name)),
        }
    }

    fn lines(
        &self,
        seen: Seen<'a>,
        name: &HeaderName,
    ) -> impl DoubleEndedIterator<Item = &'a [u8]> + use<'a> {
        let all = seen.again.then(|| self.head.headers.get_all(name));
        seen.lone().into_iter().chain(all.into_iter().flatten()).map(HeaderValue::as_bytes)
    }
}
