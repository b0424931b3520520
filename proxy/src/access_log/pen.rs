//! How an access line looks. Pure: a line in, a text out.
//!
//! Every byte that a stranger chose is escaped to printable ASCII, in both forms by JSON's rules, so that no path
//! can forge a line, colour a terminal or break a parser.

use std::fmt::Write;
use std::net::IpAddr;

use jiff::{Timestamp, tz::TimeZone};

use super::{Line, Passage};
use crate::config::LogFormat;

/// Room that most lines fit into.
pub(super) const USUAL_BYTES: usize = 512;
/// Room for the longest line: every byte a stranger chose escaped to six.
pub(super) const LONGEST_BYTES: usize = 4096;

const PATH_BYTES_MAX: usize = 256;
const METHOD_BYTES_MAX: usize = 32;
const RESUMES_BYTES_MAX: usize = 1024;

/// A field's name as it stands in a line of each form, with what separates it from the field before.
#[derive(Clone, Copy)]
struct Name {
    text: &'static str,
    json: &'static str,
}

macro_rules! name {
    ($name:literal) => {
        Name { text: concat!(" ", $name, "="), json: concat!(",\"", $name, "\":") }
    };
}

/// Appends the line, with its line feed.
pub(super) fn draw(out: &mut String, format: LogFormat, line: &Line<'_>) {
    let mut pen = Pen { out, format };
    pen.time(line.time_unix_ms);
    pen.word(name!("request_id"), line.request_id);
    if let Some(client) = line.client {
        pen.address(name!("client.address"), client);
    }
    pen.text(name!("http.request.method"), line.method.as_bytes(), METHOD_BYTES_MAX);
    let path = line.path.split(|byte| *byte == b'?').next().unwrap_or_default();
    pen.text(name!("url.path"), path, PATH_BYTES_MAX);
    pen.number(name!("http.response.status_code"), line.status.into());
    pen.number(name!("http.response.body.size"), line.body_bytes);
    pen.milliseconds(name!("duration_ms"), line.duration_us);
    if let Some(film) = line.film {
        pen.word(name!("watchgate.film"), str::from_utf8(&film.hyphenated()).unwrap_or_default());
    }
    if let Some(mode) = line.mode {
        pen.word(name!("watchgate.mode"), mode);
    }
    pen.word(name!("watchgate.outcome"), line.outcome);
    pen.word(name!("watchgate.reason"), line.reason);
    if let Some(node) = line.node {
        pen.word(name!("watchgate.node"), node);
    }
    if let Some(route) = line.route {
        pen.word(name!("watchgate.route"), route);
    }
    if let Some(upstream) = line.upstream {
        pen.word(name!("watchgate.upstream"), upstream);
    }
    if let Some(passage) = line.passage {
        pen.passage(passage);
    }
    out.push_str(if format == LogFormat::Json { "}\n" } else { "\n" });
}

struct Pen<'a> {
    out: &'a mut String,
    format: LogFormat,
}

impl Pen<'_> {
    fn name(&mut self, name: Name) {
        self.out.push_str(if self.format == LogFormat::Json { name.json } else { name.text });
    }

    /// A quote where JSON wants one round a value that needs no escape.
    fn quote(&mut self) {
        if self.format == LogFormat::Json {
            self.out.push('"');
        }
    }

    fn number(&mut self, name: Name, number: u64) {
        self.name(name);
        self.digits(number);
    }

    fn digits(&mut self, number: u64) {
        self.out.push_str(itoa::Buffer::new().format(number));
    }

    fn milliseconds(&mut self, name: Name, time_us: u64) {
        self.name(name);
        self.digits(time_us / 1000);
        let mut fraction = *b".000";
        put(&mut fraction[1..], time_us % 1000);
        self.ascii(&fraction);
    }

    /// RFC 3339, UTC, with milliseconds; the first field. Times beyond the year 9999 are shown as the epoch.
    fn time(&mut self, unix_ms: u64) {
        let at = i64::try_from(unix_ms).ok().and_then(|unix_ms| Timestamp::from_millisecond(unix_ms).ok());
        let at = TimeZone::UTC.to_datetime(at.unwrap_or_default());
        let mut text = *b"0000-00-00T00:00:00.000Z";
        put(&mut text[..4], u64::from(at.year().unsigned_abs()));
        put(&mut text[5..7], u64::from(at.month().unsigned_abs()));
        put(&mut text[8..10], u64::from(at.day().unsigned_abs()));
        put(&mut text[11..13], u64::from(at.hour().unsigned_abs()));
        put(&mut text[14..16], u64::from(at.minute().unsigned_abs()));
        put(&mut text[17..19], u64::from(at.second().unsigned_abs()));
        put(&mut text[20..23], u64::from(at.millisecond().unsigned_abs()));
        self.out.push_str(if self.format == LogFormat::Json { "{\"time\":\"" } else { "time=" });
        self.ascii(&text);
        self.quote();
    }

    fn passage(&mut self, passage: &Passage) {
        if let Some((first, last)) = passage.range {
            self.name(name!("watchgate.range"));
            self.quote();
            self.digits(first);
            self.out.push('-');
            self.digits(last);
            self.quote();
        }
        if let Some(first_byte) = passage.first_byte {
            let us = u64::try_from(first_byte.as_micros()).unwrap_or(u64::MAX);
            self.milliseconds(name!("watchgate.first_byte_ms"), us);
        }
        if !passage.resumes.is_empty() {
            self.text(name!("watchgate.resumes"), passage.resumes.as_bytes(), RESUMES_BYTES_MAX);
        }
    }

    fn ascii(&mut self, bytes: &[u8]) {
        self.out.push_str(str::from_utf8(bytes).unwrap_or_default());
    }

    fn address(&mut self, name: Name, address: IpAddr) {
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

    /// A word with nothing in it to escape: a checked id, a route's prefix, a server's URL, or one of a closed list.
    fn word(&mut self, name: Name, word: &str) {
        self.name(name);
        self.quote();
        self.out.push_str(word);
        self.quote();
    }

    fn text(&mut self, name: Name, bytes: &[u8], bytes_max: usize) {
        self.name(name);
        let shown = &bytes[..bytes.len().min(bytes_max)];
        let class = shown.iter().fold(BARE | PLAIN, |class, byte| class & CLASSES[usize::from(*byte)]);
        let bare = self.format == LogFormat::Text && !shown.is_empty() && class & BARE != 0;
        if !bare {
            self.out.push('"');
        }
        match str::from_utf8(shown) {
            Ok(plain) if class & PLAIN != 0 => self.out.push_str(plain),
            _ => self.escaped(shown),
        }
        if shown.len() < bytes.len() {
            self.out.push_str(if bare { "..." } else { "\\u2026" });
        }
        if !bare {
            self.out.push('"');
        }
    }

    fn escaped(&mut self, bytes: &[u8]) {
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

/// The last digits of a number, as many as there is room for.
fn put(room: &mut [u8], mut number: u64) {
    for place in room.iter_mut().rev() {
        *place = b"0123456789"[(number % 10) as usize];
        number /= 10;
    }
}

/// Can stand between quotes as it is.
const PLAIN: u8 = 1;
/// Can stand in a text value without quotes.
const BARE: u8 = 2;

static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        let plain = is_plain(byte);
        let bare = plain && byte != b' ' && byte != b'=';
        classes[byte as usize] = (if plain { PLAIN } else { 0 }) | (if bare { BARE } else { 0 });
        byte += 1;
    }
    classes
};

const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}
