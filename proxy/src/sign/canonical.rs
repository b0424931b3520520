//! The core of a signature: percent-encoding, the canonical request and its hash.
//!
//! Nothing here knows links, nodes or films, so that AWS's own test vectors can drive it. The canonical
//! request is never built as one text: its parts are hashed where they lie. What S3 does not do (normalising
//! a path, encoding it twice) is absent.
//!
//! Source: AWS IAM User Guide, "Create a signed AWS API request"; Amazon S3 API reference, "Authenticating
//! requests".

use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// First line of the string to sign, and the name in links and headers.
pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// The service in every credential scope of ours.
pub(super) const SERVICE: &str = "s3";
/// Payload hash of a link: whoever opens it is not known, so nothing is said about a body.
pub(super) const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
/// SHA-256 of no bytes at all.
pub(super) const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// An object key as it stands in a URL's path: UTF-8 bytes other than `A-Z a-z 0-9 - . _ ~ /` become `%XX`.
///
/// Encoded once, upper-case digits, nothing is normalised: `.`, `..` and `//` are legal in keys and stay.
/// (Browsers resolve dot segments in a `Location` before they follow it, encoded or not: such a film can be
/// streamed, but not redirected to.)
///
/// ```
/// # use watchgate::sign::encode_key;
/// assert_eq!(encode_key("films/it's 50%.mp4"), "films/it%27s%2050%25.mp4");
/// ```
#[must_use]
pub fn encode_key(key: &str) -> String {
    let mut out = String::new();
    push_key(&mut out, key);
    out
}

/// [`encode_key`] into a text that is being built.
pub(super) fn push_key(out: &mut String, key: &str) {
    push_encoded(out, key, &UNRESERVED_AND_SLASH);
}

/// Encodes a query name or value: as a key, but `/` is encoded too.
pub(super) fn push_value(out: &mut String, value: &str) {
    push_encoded(out, value, &UNRESERVED);
}

/// Whether a byte stays as it is. A table, because over a key it is twice as fast as comparing.
type Plain = [bool; 256];

static UNRESERVED: Plain = plain(b"-._~");
static UNRESERVED_AND_SLASH: Plain = plain(b"-._~/");

/// Letters, digits and these (RFC 3986 section 2.3).
const fn plain(marks: &[u8]) -> Plain {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric();
        byte += 1;
    }
    let mut at = 0;
    while at < marks.len() {
        table[marks[at] as usize] = true;
        at += 1;
    }
    table
}

fn push_encoded(out: &mut String, text: &str, plain: &Plain) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let is_plain = |byte: u8| plain[usize::from(byte)];
    let special = text.bytes().filter(|&byte| !is_plain(byte)).count();
    if special == 0 {
        out.push_str(text);
        return;
    }
    out.reserve(text.len() + 2 * special);
    for byte in text.bytes() {
        if is_plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

/// Names and values encoded, sorted by their encoded form, joined: the canonical query and, byte for byte,
/// the one that is sent.
pub(super) fn query(pairs: &[(&str, &str)]) -> String {
    let encoded = |text| {
        let mut out = String::new();
        push_value(&mut out, text);
        out
    };
    let mut pairs: Vec<_> = pairs.iter().map(|&(name, value)| (encoded(name), encoded(value))).collect();
    pairs.sort_unstable();
    let mut out = String::new();
    for (at, (name, value)) in pairs.iter().enumerate() {
        if at > 0 {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        out.push_str(value);
    }
    out
}

/// What follows the query in a canonical request: headers, their names, the payload hash.
pub(super) struct Tail {
    /// From the first header to the payload hash.
    pub text: String,
    /// Lower-case header names joined by `;`.
    pub signed_headers: String,
}

impl Tail {
    /// Headers in any order and case; several of one name are joined by commas in the order given.
    pub(super) fn new(headers: &[(&str, &str)], payload_hash: &str) -> Self {
        let mut sorted: Vec<(Cow<'_, str>, &str)> =
            headers.iter().map(|&(name, value)| (lower_case(name), value)).collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        let mut text = String::with_capacity(512);
        let mut signed_headers = String::with_capacity(128);
        let mut previous = "";
        for (name, value) in &sorted {
            if name == previous {
                text.push(',');
            } else {
                if !previous.is_empty() {
                    text.push('\n');
                    signed_headers.push(';');
                }
                signed_headers.push_str(name);
                text.push_str(name);
                text.push(':');
                previous = name;
            }
            push_trimmed(&mut text, value);
        }
        for part in ["\n\n", &signed_headers, "\n", payload_hash] {
            text.push_str(part);
        }
        Self { text, signed_headers }
    }
}

fn lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// Blanks at both ends go, runs of blanks inside become one.
fn push_trimmed(out: &mut String, value: &str) {
    for (at, word) in value.split(' ').filter(|word| !word.is_empty()).enumerate() {
        if at > 0 {
            out.push(' ');
        }
        out.push_str(word);
    }
}

/// Hash of the canonical request that these four parts make, joined by line ends.
pub(super) fn request_hash(method: &str, path: &str, query: &str, tail: &str) -> Hex {
    let mut sha = Sha256::new();
    sha.update(method);
    sha.update(b"\n");
    sha.update(path);
    sha.update(b"\n");
    sha.update(query);
    sha.update(b"\n");
    sha.update(tail);
    hex(&sha.finalize().into())
}

/// What follows the date in a credential scope.
pub(super) fn scope_tail(region: &str, service: &str) -> String {
    format!("/{region}/{service}/aws4_request")
}

/// 32 bytes in lower-case hexadecimal digits.
pub(super) type Hex = Ascii<64>;

/// A short text of known length, kept where it is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Ascii<const N: usize>([u8; N]);

impl<const N: usize> Ascii<N> {
    /// Bytes above 127 would not be text; they become `?`.
    pub(super) fn new(bytes: [u8; N]) -> Self {
        Self(bytes.map(|byte| if byte.is_ascii() { byte } else { b'?' }))
    }

    pub(super) fn as_str(&self) -> &str {
        // `new` lets only ASCII in, and ASCII is UTF-8.
        std::str::from_utf8(&self.0).expect("ASCII")
    }

    pub(super) fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }
}

pub(super) fn hex(bytes: &[u8; 32]) -> Hex {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut digits = [b'0'; 64];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    Ascii(digits)
}

#[cfg(test)]
mod tests {
    use super::{Tail, encode_key, query};

    #[test]
    fn keys_are_encoded_once_and_never_normalised() {
        let check = |key: &str, expected: &str| assert_eq!(encode_key(key), expected, "{key:?}");
        check("", "");
        check("2f1c0a9e-0000-4000-8000-00000000abcd.mp4", "2f1c0a9e-0000-4000-8000-00000000abcd.mp4");
        check("AZaz09-._~/", "AZaz09-._~/");
        check("@[`{^", "%40%5B%60%7B%5E");
        check("a b+c%20d", "a%20b%2Bc%2520d");
        check("(it's)*!", "%28it%27s%29%2A%21");
        check("//a/./../b//", "//a/./../b//");
        check("?x=1&y#z", "%3Fx%3D1%26y%23z");
        check("фильм", "%D1%84%D0%B8%D0%BB%D1%8C%D0%BC");
        check("\0\n\u{7f}\u{80}", "%00%0A%7F%C2%80");
        check("🎬", "%F0%9F%8E%AC");
    }

    #[test]
    fn every_ascii_byte_is_plain_or_encoded_as_the_reference_says() {
        for byte in 0..128_u8 {
            let key = char::from(byte).to_string();
            let plain = byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
            let expected = if plain { key.clone() } else { format!("%{byte:02X}") };
            assert_eq!(encode_key(&key), expected);
        }
    }

    #[test]
    fn queries_are_sorted_by_their_encoded_form() {
        let check = |pairs: &[(&str, &str)], expected: &str| assert_eq!(query(pairs), expected);
        check(&[], "");
        check(&[("b", "2"), ("a", "1/ 2")], "a=1%2F%202&b=2");
        check(&[("versionId", ""), ("ሴ", "x"), ("P", "b"), ("P", "a")], "%E1%88%B4=x&P=a&P=b&versionId=");
    }

    #[test]
    fn headers_are_folded_sorted_and_joined() {
        let check =
            |headers: &[(&str, &str)], expected: &str| assert_eq!(Tail::new(headers, "H").text, expected);
        check(&[("Host", "h:9000")], "host:h:9000\n\nhost\nH");
        check(&[("X-B", " 2  3 "), ("host", "h"), ("x-b", "1")], "host:h\nx-b:2 3,1\n\nhost;x-b\nH");
    }
}
