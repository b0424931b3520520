//! The head of an answer of ours, written down as HTTP/1 has it.
//!
//! A map of fields is built to be looked up and changed; a head is written once and read by nobody here. Whatever does
//! not go to a connection of ours gets it as Pingora's type. Absent on purpose: `Date` and `Connection`, which whoever
//! writes it knows.

use http::{HeaderName, HeaderValue, StatusCode};
use pingora::http::ResponseHeader;
use pingora::{Error, ErrorType, OrErr, Result};

/// Room for the head of a redirect, whose link is the longest that usually goes out.
const USUAL_BYTES: usize = 1024;
/// Room for the fields of a film's head, with the two that Pingora adds.
const FIELDS_USUAL: usize = 16;
const LINE_END: &str = "\r\n";

/// A status and its fields, in the order in which they were added.
#[derive(Clone, Debug)]
pub struct Head {
    status: StatusCode,
    /// The status line and the fields, each with its line's end.
    text: Vec<u8>,
}

impl Head {
    /// A head without fields.
    #[must_use]
    pub fn new(status: StatusCode) -> Self {
        let mut text = Vec::with_capacity(USUAL_BYTES);
        for part in
            ["HTTP/1.1 ", status.as_str(), " ", status.canonical_reason().unwrap_or_default(), LINE_END]
        {
            text.extend_from_slice(part.as_bytes());
        }
        Self { status, text }
    }

    /// Its status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Adds a field of ours; `name` is a field name as RFC 9110 section 5.1 has it.
    ///
    /// # Errors
    /// The value has a control character in it, with which it would be more than one line (RFC 9110 section 5.5).
    pub fn add(&mut self, name: &'static str, value: impl AsRef<[u8]>) -> Result<()> {
        let value = value.as_ref();
        // All of it is looked at, and into one byte: so it is done many bytes at a time.
        let controls =
            value.iter().fold(0, |controls, byte| controls | u8::from(*byte < b' ' || *byte == 0x7f));
        if controls > 0 {
            return Err(Error::explain(
                ErrorType::InternalError,
                format!("the value of {name} is no field value"),
            ));
        }
        for part in [name.as_bytes(), b": ", value, LINE_END.as_bytes()] {
            self.text.extend_from_slice(part);
        }
        Ok(())
    }

    /// Adds a field whose value is a number.
    ///
    /// # Errors
    /// None; see [`Head::add`].
    pub fn add_number(&mut self, name: &'static str, number: u64) -> Result<()> {
        self.add(name, itoa::Buffer::new().format(number))
    }

    /// All that goes out before the body over HTTP/1 (RFC 9112 section 2.1).
    ///
    /// # Errors
    /// As [`Head::add`].
    pub fn into_text(mut self, date: &HeaderValue, keeps_alive: bool) -> Result<Vec<u8>> {
        self.add("Date", date)?;
        self.add("Connection", if keeps_alive { "keep-alive" } else { "close" })?;
        self.text.extend_from_slice(LINE_END.as_bytes());
        Ok(self.text)
    }

    /// The same for Pingora's session.
    ///
    /// # Errors
    /// A name that is none, which is a fault of ours.
    pub fn into_response(self) -> Result<Box<ResponseHeader>> {
        // In http's own map: through Pingora's names each field would be parsed and copied again.
        let (mut response, ()) = http::Response::new(()).into_parts();
        response.status = self.status;
        response.headers.reserve(FIELDS_USUAL);
        for line in self.text.split(|byte| *byte == b'\n').skip(1).filter_map(|line| line.strip_suffix(b"\r"))
        {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
            let (name, value) = (&line[..colon], &line[colon + 2..]);
            let name = HeaderName::from_bytes(name).or_err(ErrorType::InternalError, "a field's name")?;
            let value = HeaderValue::from_bytes(value).or_err(ErrorType::InternalError, "a field's value")?;
            response.headers.append(name, value);
        }
        Ok(Box::new(response.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        let mut head = Head::new(StatusCode::FOUND);
        head.add_number("Content-Length", 0).expect("a number");
        head.add("Vary", "Accept").expect("a word");
        head.add("X-Empty", "").expect("nothing");
        head.add("Location", "http://a/b?c=d:e").expect("a link");
        head
    }

    #[test]
    fn it_is_written_as_http_1_has_it() {
        let check = |keeps_alive, connection| {
            let date = HeaderValue::from_static("Thu, 26 Nov 2026 09:00:00 GMT");
            let text = head().into_text(&date, keeps_alive).expect("a head");
            assert_eq!(
                String::from_utf8(text).expect("text"),
                format!(
                    "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nVary: Accept\r\nX-Empty: \r\nLocation: http://a/b?c=d:e\r\n\
                     Date: Thu, 26 Nov 2026 09:00:00 GMT\r\nConnection: {connection}\r\n\r\n"
                )
            );
        };
        check(true, "keep-alive");
        check(false, "close");
    }

    #[test]
    fn pingora_gets_the_same_fields() {
        let response = head().into_response().expect("a head");
        assert_eq!(response.status, 302);
        let fields: Vec<_> =
            response.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let want: [(&str, &[u8]); 4] = [
            ("content-length", b"0"),
            ("vary", b"Accept"),
            ("x-empty", b""),
            ("location", b"http://a/b?c=d:e"),
        ];
        assert_eq!(fields, want);
    }

    #[test]
    fn a_value_is_one_line() {
        for value in ["a\r\nSet-Cookie: b", "a\n", "\r", "a\0b", "\x7f", "\x1b[2J"] {
            let mut head = head();
            let before = head.text.clone();
            assert!(head.add("Location", value).is_err(), "{value:?}");
            assert_eq!(head.text, before, "{value:?}");
        }
        assert!(head().add("Location", "caf\u{e9}").is_ok(), "bytes beyond ASCII are opaque");
    }
}
