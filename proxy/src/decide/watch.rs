//! Reads what is asked for out of a request line: a film or a file of its tree, a preflight, or nothing of ours.
//!
//! Nothing is normalised: under the prefix a path is one uuid, letter by letter, or it is refused. Where films
//! are trees of files, the path of one file follows; that alone is percent-decoded (see `file`). Whether the
//! film exists, and which node has it, is decided elsewhere; the query string is never seen here.

mod file;

use std::borrow::Cow;
use std::{fmt, str::FromStr};

pub use file::{PATH_BYTES_MAX, SEGMENT_BYTES_MAX};

/// The two methods that ask for a film.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// The film, or a part of it.
    Get,
    /// What a GET would be answered with, without the bytes.
    Head,
}

impl Method {
    /// The method's name on the wire; a signed link is bound to it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
        }
    }
}

/// A film's uuid. Any version and variant is taken: the number is the library's, not ours.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Film([u8; 16]);

/// Where the sixteen bytes stand in the text of 36; between them are the four dashes.
const BYTES_AT: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
const DASHES_AT: [usize; 4] = [8, 13, 18, 23];

impl Film {
    /// The film of these sixteen bytes, in the order they are written.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The sixteen bytes, in the order they are written.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The canonical text: lower-case hexadecimal digits as 8-4-4-4-12, always ASCII.
    #[must_use]
    pub fn hyphenated(&self) -> [u8; 36] {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [b'-'; 36];
        for (byte, at) in self.0.iter().zip(BYTES_AT) {
            text[at] = DIGITS[usize::from(byte >> 4)];
            text[at + 1] = DIGITS[usize::from(byte & 15)];
        }
        text
    }

    /// Reads 8-4-4-4-12 hexadecimal digits of any case, and no other way to write a uuid.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text: &[u8; 36] = text.try_into().ok()?;
        let mut bytes = [0; 16];
        let mut seen = 0;
        for (byte, at) in bytes.iter_mut().zip(BYTES_AT) {
            let (high, low) = (NIBBLE[usize::from(text[at])], NIBBLE[usize::from(text[at + 1])]);
            seen |= high | low;
            *byte = high << 4 | low;
        }
        (seen < 16 && DASHES_AT.iter().all(|at| text[*at] == b'-')).then_some(Self(bytes))
    }
}

/// A hexadecimal digit's worth; 255 for every other byte.
const NIBBLE: [u8; 256] = {
    let mut worth = [u8::MAX; 256];
    let mut digit = 0_u8;
    while digit < 16 {
        let at = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
        worth[at as usize] = digit;
        worth[at.to_ascii_uppercase() as usize] = digit;
        digit += 1;
    }
    worth
};

impl fmt::Display for Film {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.hyphenated();
        // Digits and dashes only: the text is ASCII.
        f.pad(str::from_utf8(&text).expect("a hyphenated uuid is ASCII"))
    }
}

impl fmt::Debug for Film {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Film({self})")
    }
}

impl serde::Serialize for Film {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// For a uuid an operator typed; the fault says what is wrong with it.
impl FromStr for Film {
    type Err = PathFault;

    fn from_str(text: &str) -> Result<Self, PathFault> {
        film(text.as_bytes())
    }
}

/// How the request says whether a body follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFraming {
    /// No framing at all, or `Content-Length: 0`.
    Empty,
    /// Any other framing, true or not: bytes may follow that are no request.
    Present,
}

/// What must become of the viewer's connection once the request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connection {
    /// It may carry the next request.
    Keep,
    /// It may not: an unread body would be read as one.
    Close,
}

impl BodyFraming {
    /// The framing of an HTTP/1 request by its field lines (RFC 9112 6.3).
    ///
    /// Only a single `Content-Length` line that reads `0` is empty: two of them, `00` or `0, 0` are framings
    /// that another parser may understand otherwise. Over HTTP/2 the end of the stream says it instead.
    pub fn of<'a>(
        mut transfer_encoding: impl Iterator<Item = &'a [u8]>,
        mut content_length: impl Iterator<Item = &'a [u8]>,
    ) -> Self {
        let lengths = (content_length.next(), content_length.next());
        match (transfer_encoding.next(), lengths) {
            (None, (None, _)) => Self::Empty,
            (None, (Some(length), None)) if length.trim_ascii() == b"0" => Self::Empty,
            _ => Self::Present,
        }
    }

    /// Holds for every answer to the request, a refusal for its path or method included.
    #[must_use]
    pub fn after_answer(self) -> Connection {
        match self {
            Self::Empty => Connection::Keep,
            Self::Present => Connection::Close,
        }
    }
}

/// What of a request decides whether it asks for a film.
#[derive(Clone, Copy, Debug)]
pub struct RequestLine<'a> {
    /// As it came: methods are case-sensitive (RFC 9110 9.1).
    pub method: &'a str,
    /// The request target as it came, up to the first `?`. An absolute-form target and `*` are handed in
    /// whole; they never match.
    pub path: &'a [u8],
    /// Whether a body follows.
    pub body: BodyFraming,
}

/// What a request is to us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked<'a> {
    /// A viewer wants this film, or a file of its tree.
    Film {
        /// Which one.
        film: Film,
        /// Where films are trees: the file's path below the film, percent-decoded, without a slash at either
        /// end, at most [`PATH_BYTES_MAX`] bytes, no segment of which is empty, `.` or `..`. Otherwise empty.
        path: Cow<'a, str>,
        /// By GET or HEAD.
        method: Method,
    },
    /// OPTIONS on the path of a film: a browser asks before it asks.
    Preflight,
    /// The path does not begin with the prefix: the host's business.
    NotMine,
}

/// Why a request under the prefix is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WatchRefusal {
    /// The path is not exactly one uuid, or one uuid and the path of a file: 400.
    #[error(transparent)]
    Path(#[from] PathFault),
    /// Neither GET nor HEAD nor OPTIONS: 405 with `Allow` of [`ALLOW`].
    #[error("this address answers GET, HEAD and OPTIONS only")]
    Method,
    /// GET, HEAD or OPTIONS with a body: 400.
    #[error("a request for a film carries no body")]
    Body,
}

/// The value of `Allow` beside a 405.
pub const ALLOW: &str = "GET, HEAD, OPTIONS";

/// What is wrong with a path under the prefix.
///
/// Of a path without a tree, and of the uuid before a file's path, the first that applies in this order. Of a
/// file's path: bytes before segments before lengths, from the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum PathFault {
    /// Nothing follows the prefix.
    #[error("the film's uuid is missing")]
    Missing,
    /// A byte outside ASCII.
    #[error("the path holds bytes that are not ASCII")]
    NotAscii,
    /// A `%` in what should be a uuid, where nothing needs it.
    #[error("the path is percent-encoded; a uuid is written plainly")]
    PercentEncoded,
    /// `.` or `..` as a segment, in a file's path also encoded or between blanks.
    #[error("the path holds a dot segment, and paths are not normalised here")]
    DotSegment,
    /// Two slashes in a row, the last one of the prefix included.
    #[error("the path holds an empty segment, and paths are not normalised here")]
    EmptySegment,
    /// A slash behind all segments.
    #[error("the path ends in a slash")]
    TrailingSlash,
    /// More than one segment.
    #[error("more than a uuid follows the prefix")]
    ExtraSegment,
    /// 32 digits in a row.
    #[error("the uuid is written without dashes; write it as 8-4-4-4-12 hexadecimal digits")]
    NoDashes,
    /// A uuid in braces.
    #[error("the uuid is written in braces; write it as 8-4-4-4-12 hexadecimal digits")]
    Braces,
    /// Anything else.
    #[error("the path is not a uuid of 8-4-4-4-12 hexadecimal digits")]
    NotUuid,
    /// Films are trees of files, and nothing follows the uuid.
    #[error("films here are trees of files, and the path of a file is missing behind the uuid")]
    NoFile,
    /// An ASCII byte that no path of a URI holds plainly (RFC 3986 section 3.3).
    #[error("the path holds a character that must be percent-encoded")]
    NotPlain,
    /// A `%` without two hexadecimal digits.
    #[error("the path holds a % that two hexadecimal digits do not follow")]
    BadEscape,
    /// `%2F`: decoded it would be the end of a segment, which it is not.
    #[error("the path holds a percent-encoded slash")]
    EncodedSlash,
    /// A backslash, plain or encoded: some stores and systems take it for a slash.
    #[error("the path holds a backslash; segments are parted by slashes")]
    Backslash,
    /// A control character of ASCII or Unicode, plain or encoded; NUL is one of them.
    #[error("the path holds a control character")]
    Control,
    /// No text once it is decoded.
    #[error("the path is not UTF-8 once it is percent-decoded")]
    NotUtf8,
    /// A segment above [`SEGMENT_BYTES_MAX`].
    #[error("a segment of the path is longer than {SEGMENT_BYTES_MAX} bytes")]
    LongSegment,
    /// Above [`PATH_BYTES_MAX`].
    #[error("the path behind the uuid is longer than {PATH_BYTES_MAX} bytes")]
    LongPath,
}

/// What the request asks for. `prefix` begins and ends with a slash; `tree` says that films are trees of files,
/// so that behind the uuid a slash and the path of one file must follow.
///
/// Checked in this order, the first that fails decides: the prefix, the uuid, the file's path, the method, the
/// body. So a path of the host is never refused here; a path that can never name a film is told so whatever
/// the method; and DELETE with a body is a wrong method, which sending it without the body would not mend.
///
/// # Errors
/// A [`WatchRefusal`]; whether the connection survives it is for [`BodyFraming::after_answer`] to say.
pub fn watch<'a>(request: &RequestLine<'a>, prefix: &str, tree: bool) -> Result<Asked<'a>, WatchRefusal> {
    let Some(rest) = request.path.strip_prefix(prefix.as_bytes()) else {
        return Ok(Asked::NotMine);
    };
    let (film, path) = if tree { film_and_file(rest)? } else { (film(rest)?, Cow::Borrowed("")) };
    let asked = match request.method {
        "GET" => Asked::Film { film, path, method: Method::Get },
        "HEAD" => Asked::Film { film, path, method: Method::Head },
        "OPTIONS" => Asked::Preflight,
        _ => return Err(WatchRefusal::Method),
    };
    match request.body {
        BodyFraming::Empty => Ok(asked),
        BodyFraming::Present => Err(WatchRefusal::Body),
    }
}

fn film_and_file(rest: &[u8]) -> Result<(Film, Cow<'_, str>), PathFault> {
    match rest.iter().position(|byte| *byte == b'/') {
        Some(0) => Err(PathFault::EmptySegment),
        Some(slash) => Ok((film(&rest[..slash])?, file::path(&rest[slash + 1..])?)),
        None => Err(film(rest).err().unwrap_or(PathFault::NoFile)),
    }
}

fn film(text: &[u8]) -> Result<Film, PathFault> {
    Film::parse(text).ok_or_else(|| fault(text))
}

/// Names what is wrong with a text that is no uuid.
#[cold]
fn fault(text: &[u8]) -> PathFault {
    let has = |wanted: u8| text.contains(&wanted);
    let segments = || text.split(|byte| *byte == b'/');
    match text {
        [] => PathFault::Missing,
        _ if !text.is_ascii() => PathFault::NotAscii,
        _ if has(b'%') => PathFault::PercentEncoded,
        _ if segments().any(|segment| segment == b"." || segment == b"..") => PathFault::DotSegment,
        [b'/', ..] => PathFault::EmptySegment,
        _ if text.windows(2).any(|pair| pair == b"//") => PathFault::EmptySegment,
        [.., b'/'] if segments().count() == 2 => PathFault::TrailingSlash,
        _ if has(b'/') => PathFault::ExtraSegment,
        _ if text.len() == 32 && text.iter().all(u8::is_ascii_hexdigit) => PathFault::NoDashes,
        [b'{', inner @ .., b'}'] if Film::parse(inner).is_some() => PathFault::Braces,
        _ => PathFault::NotUuid,
    }
}

#[cfg(test)]
mod tests;
