//! Looks at the head of a request before Pingora reads it: where it ends, whether it is for a film, what follows it.
//!
//! Only enough is understood to hand each request to the right reader with its own bytes. Pingora reads the same bytes
//! afterwards and has the last word; what is not plain here is [`Framing::Open`], after which Pingora decides alone.

/// Where the head ends, counted from its first byte, if it is all there. `seen`: so much was looked at before.
pub(super) fn end(bytes: &[u8], seen: usize) -> Option<usize> {
    // The end may have begun in what was seen: a line's end and half an empty line.
    let from = seen.saturating_sub(2);
    let mut lines = bytes.iter().enumerate().skip(from).filter(|(_, byte)| **byte == b'\n');
    lines.find_map(|(at, _)| match bytes[at + 1..] {
        [b'\n', ..] => Some(at + 2),
        [b'\r', b'\n', ..] => Some(at + 3),
        _ => None,
    })
}

/// Empty lines before the first request line are passed over (RFC 9112 section 2.2): so many bytes.
pub(super) fn blank(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

/// Whether the request line, written as almost everybody does, asks for something below the prefix.
pub(super) fn is_below(head: &[u8], prefix: &str) -> bool {
    let target = head.iter().position(|byte| *byte == b' ').map(|blank| &head[blank + 1..]);
    target.is_some_and(|target| target.starts_with(prefix.as_bytes()))
}

/// What follows a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes of a body, and then the next request.
    Length(usize),
    /// Something whose end Pingora has to find: chunks, another protocol, or what is not plain.
    Open,
}

/// Reads that from the head's fields.
pub(super) fn framing(head: &[u8]) -> Framing {
    let mut length = None;
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            if line.is_empty() {
                continue;
            }
            return Framing::Open;
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let is = |wanted: &str| name.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes());
        if is("transfer-encoding") || is("upgrade") || line[0].is_ascii_whitespace() {
            return Framing::Open;
        }
        if is("content-length") {
            let Some(bytes) = digits(value).filter(|_| length.is_none()) else { return Framing::Open };
            length = Some(bytes);
        }
    }
    Framing::Length(length.unwrap_or(0))
}

/// Digits alone: a sign would be taken by `parse`.
fn digits(text: &[u8]) -> Option<usize> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| is_number)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_at_its_first_empty_line() {
        let check = |text: &str, expected: Option<usize>| {
            for seen in 0..=expected.unwrap_or(text.len()).saturating_sub(1) {
                assert_eq!(end(text.as_bytes(), seen), expected, "{text:?} from {seen}");
            }
        };
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Some(27));
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n", Some(27));
        check("GET / HTTP/1.1\nHost: a\n\n", Some(24));
        check("GET / HTTP/1.1\nHost: a\n\r\n", Some(25));
        check("GET / HTTP/1.1\r\nHost: a\r\n\r", None);
        check("GET / HTTP/1.1\r\nHost: a\r\n", None);
        check("GET / HTTP/1.1\r\nA: \r\r\n", None);
        check("", None);
    }

    #[test]
    fn only_what_is_plainly_below_the_prefix_is_taken() {
        for yes in ["GET /watch/ HTTP/1.1", "HEAD /watch/x", "M-SEARCH /watch/../api/"] {
            assert!(is_below(yes.as_bytes(), "/watch/"), "{yes}");
        }
        for no in
            ["", "GET", "GET  /watch/x", "GET /watch", "GET http://a/watch/", "GET /Watch/", "GET\t/watch/"]
        {
            assert!(!is_below(no.as_bytes(), "/watch/"), "{no}");
        }
        assert_eq!(blank(b"\r\n\nGET"), 3);
    }

    #[test]
    fn what_is_not_plain_is_left_to_pingora() {
        let check = |fields: &str, expected: Framing| {
            let head = format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n");
            assert_eq!(framing(head.as_bytes()), expected, "{fields}");
        };
        check("Host: a", Framing::Length(0));
        check("Host: a\r\nContent-Length: 12", Framing::Length(12));
        check("content-length:12  ", Framing::Length(12));
        check("Content-Length: 0\nHost: a", Framing::Length(0));
        check("Content-Length: +1", Framing::Open);
        check("Content-Length: 1, 1", Framing::Open);
        check("Content-Length: 1\r\nContent-Length: 1", Framing::Open);
        check("Content-Length:", Framing::Open);
        check("Content-Length: 99999999999999999999", Framing::Open);
        check("Content-Length : 1", Framing::Length(1));
        check("Transfer-Encoding: chunked", Framing::Open);
        check("TRANSFER-ENCODING: chunked\r\nContent-Length: 3", Framing::Open);
        check("Upgrade: websocket", Framing::Open);
        check("X: a\r\n folded: b", Framing::Open);
        check("nonsense", Framing::Open);
    }
}
