//! How an access line looks. Pure: a line in, a text out.
//!
//! Every byte that a stranger chose is escaped to printable ASCII, in both forms by JSON's rules, so that no path
//! can forge a line, colour a terminal or break a parser.

use std::fmt::Write;
use std::net::IpAddr;

use jiff::{Timestamp, tz::TimeZone};

use super::Line;
use crate::config::LogFormat;

/// Room that most lines fit into.
pub(super) const USUAL_BYTES: usize = 512;
/// Room for the longest line: every byte a stranger chose escaped to six.
pub(super) const LONGEST_BYTES: usize = 4096;

const PATH_BYTES_MAX: usize = 256;
const METHOD_BYTES_MAX: usize = 32;
const NAME_BYTES_MAX: usize = 64;

/// Appends the line, with its line feed.
pub(super) fn draw(out: &mut String, format: LogFormat, line: &Line<'_>) {
    let mut pen = Pen { out, format, separator: if format == LogFormat::Json { "{" } else { "" } };
    pen.time("time", line.time_unix_ms);
    pen.text("request_id", line.request_id.as_bytes(), NAME_BYTES_MAX);
    if let Some(client) = line.client {
        pen.address("client.address", client);
    }
    pen.text("http.request.method", line.method.as_bytes(), METHOD_BYTES_MAX);
    let path = line.path.split(|byte| *byte == b'?').next().unwrap_or_default();
    pen.text("url.path", path, PATH_BYTES_MAX);
    pen.number("http.response.status_code", line.status.into());
    pen.number("http.response.body.size", line.body_bytes);
    pen.milliseconds("duration_ms", line.duration_us);
    if let Some(film) = line.film {
        pen.text("watchgate.film", &film.hyphenated(), NAME_BYTES_MAX);
    }
    if let Some(mode) = line.mode {
        pen.text("watchgate.mode", mode.as_bytes(), NAME_BYTES_MAX);
    }
    pen.text("watchgate.outcome", line.outcome.as_bytes(), NAME_BYTES_MAX);
    pen.text("watchgate.reason", line.reason.as_bytes(), NAME_BYTES_MAX);
    if let Some(node) = line.node {
        pen.text("watchgate.node", node.as_bytes(), NAME_BYTES_MAX);
    }
    out.push_str(if format == LogFormat::Json { "}\n" } else { "\n" });
}

struct Pen<'a> {
    out: &'a mut String,
    format: LogFormat,
    separator: &'static str,
}

impl Pen<'_> {
    fn name(&mut self, name: &str) {
        self.out.push_str(self.separator);
        if self.format == LogFormat::Json {
            self.separator = ",";
            self.out.push('"');
            self.out.push_str(name);
            self.out.push_str("\":");
        } else {
            self.separator = " ";
            self.out.push_str(name);
            self.out.push('=');
        }
    }

    /// A quote where JSON wants one round a value that needs no escape.
    fn quote(&mut self) {
        if self.format == LogFormat::Json {
            self.out.push('"');
        }
    }

    fn number(&mut self, name: &str, number: u64) {
        self.name(name);
        self.digits(number);
    }

    fn digits(&mut self, number: u64) {
        self.out.push_str(itoa::Buffer::new().format(number));
    }

    /// `number`, below 1000, with its leading zeros.
    fn padded(&mut self, number: u64, digits: u32) {
        for place in (0..digits).rev() {
            // A remainder of ten is one digit.
            let digit = u8::try_from(number / 10_u64.pow(place) % 10).unwrap_or_default();
            self.out.push(char::from(b'0' + digit));
        }
    }

    fn milliseconds(&mut self, name: &str, time_us: u64) {
        self.name(name);
        self.digits(time_us / 1000);
        self.out.push('.');
        self.padded(time_us % 1000, 3);
    }

    /// RFC 3339, UTC, with milliseconds. Times beyond the year 9999 are shown as the epoch.
    fn time(&mut self, name: &str, unix_ms: u64) {
        self.name(name);
        self.quote();
        let at = i64::try_from(unix_ms).ok().and_then(|unix_ms| Timestamp::from_millisecond(unix_ms).ok());
        let at = TimeZone::UTC.to_datetime(at.unwrap_or_default());
        let parts = [
            (i64::from(at.year()), 4, '-'),
            (i64::from(at.month()), 2, '-'),
            (i64::from(at.day()), 2, 'T'),
            (i64::from(at.hour()), 2, ':'),
            (i64::from(at.minute()), 2, ':'),
            (i64::from(at.second()), 2, '.'),
            (i64::from(at.millisecond()), 3, 'Z'),
        ];
        for (number, digits, end) in parts {
            self.padded(number.unsigned_abs(), digits);
            self.out.push(end);
        }
        self.quote();
    }

    fn address(&mut self, name: &str, address: IpAddr) {
        self.name(name);
        self.quote();
        match address {
            IpAddr::V4(address) => {
                let [a, b, c, d] = address.octets();
                for (byte, end) in [(a, "."), (b, "."), (c, "."), (d, "")] {
                    self.digits(byte.into());
                    self.out.push_str(end);
                }
            }
            // Writing to a String does not fail.
            IpAddr::V6(address) => {
                let _ = write!(self.out, "{address}");
            }
        }
        self.quote();
    }

    fn text(&mut self, name: &str, bytes: &[u8], bytes_max: usize) {
        self.name(name);
        let shown = &bytes[..bytes.len().min(bytes_max)];
        let bare =
            self.format == LogFormat::Text && !shown.is_empty() && shown.iter().all(|byte| is_bare(*byte));
        if !bare {
            self.out.push('"');
        }
        self.escaped(shown);
        if shown.len() < bytes.len() {
            self.out.push_str(if bare { "..." } else { "\\u2026" });
        }
        if !bare {
            self.out.push('"');
        }
    }

    fn escaped(&mut self, bytes: &[u8]) {
        // Nearly always: a path is asked for by a player, and everything else is a word of ours.
        if let (true, Ok(plain)) = (bytes.iter().all(|byte| is_plain(*byte)), str::from_utf8(bytes)) {
            self.out.push_str(plain);
            return;
        }
        for chunk in bytes.utf8_chunks() {
            let mut plain_from = 0;
            let valid = chunk.valid();
            for (at, letter) in valid.char_indices() {
                if u8::try_from(letter).is_ok_and(is_plain) {
                    continue;
                }
                self.out.push_str(&valid[plain_from..at]);
                plain_from = at + letter.len_utf8();
                self.escape(letter);
            }
            self.out.push_str(&valid[plain_from..]);
            if !chunk.invalid().is_empty() {
                self.escape(char::REPLACEMENT_CHARACTER);
            }
        }
    }

    fn escape(&mut self, letter: char) {
        if letter == '"' || letter == '\\' {
            self.out.push('\\');
            self.out.push(letter);
            return;
        }
        for unit in letter.encode_utf16(&mut [0; 2]) {
            let _ = write!(self.out, "\\u{unit:04x}");
        }
    }
}

/// Whether a byte can stand between quotes as it is.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

/// Whether a byte can stand in a text value without quotes.
fn is_bare(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'=')
}
