//! Which route a path that is not a film's takes, and what the server behind it is told.
//!
//! Paths are compared and passed on as they were written. What somebody behind the gate could read as another path is
//! found by reading it as generously as anybody might ([`doubt`]), and never changed. Absent on purpose: servers, their
//! health, and the request itself.

pub mod forwarded;

/// The prefixes of all routes, ready to be searched.
#[derive(Clone, Debug)]
pub struct Table {
    /// The longest first, each with its place in the configuration.
    prefixes: Vec<(Box<[u8]>, usize)>,
}

impl Table {
    /// `/api` is the path itself and all below it, `/api/` only what is below it.
    pub fn new<'a>(prefixes: impl IntoIterator<Item = &'a str>) -> Self {
        let numbered = prefixes.into_iter().enumerate();
        let mut prefixes: Vec<(Box<[u8]>, usize)> =
            numbered.map(|(index, prefix)| (prefix.as_bytes().into(), index)).collect();
        prefixes.sort_by_key(|(prefix, index)| (usize::MAX - prefix.len(), *index));
        Self { prefixes }
    }

    /// The route of the longest prefix that fits the path, up to its first `?`; routes are few, and each is looked at.
    #[must_use]
    pub fn find(&self, path: &[u8]) -> Option<usize> {
        self.prefixes.iter().find(|(prefix, _)| fits(prefix, path)).map(|(_, index)| *index)
    }
}

fn fits(prefix: &[u8], path: &[u8]) -> bool {
    match path.strip_prefix(prefix) {
        Some([]) => true,
        Some([next, ..]) => prefix.ends_with(b"/") || *next == b'/',
        None => false,
    }
}

/// The target without the route's prefix (its slash at the end left out); it still begins with a slash.
#[must_use]
pub fn strip(target: &[u8], prefix: &str) -> Vec<u8> {
    let rest = target.strip_prefix(prefix.as_bytes()).unwrap_or(target);
    let mut stripped = Vec::with_capacity(rest.len() + 1);
    if !rest.starts_with(b"/") {
        stripped.push(b'/');
    }
    stripped.extend_from_slice(rest);
    stripped
}

/// Why a path is handed to no server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Doubt {
    /// In some reading it is the path of the films, or lies below it.
    #[error("the path can be read as a film's, and is not written as one")]
    Film,
    /// `.` or `..` as a segment, in any spelling: it leads out of what the route is for.
    #[error("the path holds a dot segment, and paths are not normalised here")]
    DotSegment,
    /// Encoded more often than anybody does for a good reason.
    #[error("the path is percent-encoded over and over")]
    Nested,
}

/// How often a path may be encoded.
const ENCODINGS_MAX: usize = 4;

/// Why the path, up to its first `?`, must not reach a server; `watch` is the prefix of the films.
///
/// It is read as generously as any program might: decoded until nothing is left to decode, with backslashes for
/// slashes, without letter case, blanks, control characters, empty segments, and whatever a segment has behind `;`, `?`
/// or `#`. What is at or below the films' prefix then is [`Doubt::Film`].
#[must_use]
pub fn doubt(path: &[u8], watch: &str) -> Option<Doubt> {
    let Some(read) = decoded(path) else { return Some(Doubt::Nested) };
    let read: Vec<u8> = read
        .into_iter()
        .filter(|byte| *byte > b' ' && *byte != 0x7f)
        .map(|byte| if byte == b'\\' { b'/' } else { byte.to_ascii_lowercase() })
        .collect();
    let segments = || {
        let bare = |segment: &'_ [u8]| segment.iter().position(|byte| b";?#".contains(byte));
        let cut = move |segment| if let Some(end) = bare(segment) { &segment[..end] } else { segment };
        read.split(|byte| *byte == b'/').map(cut).filter(|segment| !segment.is_empty())
    };
    if segments().any(|segment| segment == b"." || segment == b"..") {
        return Some(Doubt::DotSegment);
    }
    let mut read = segments();
    let films = watch.split('/').filter(|segment| !segment.is_empty());
    let is_film = films.map(str::to_ascii_lowercase).all(|film| read.next() == Some(film.as_bytes()));
    is_film.then_some(Doubt::Film)
}

/// The path with nothing left to decode; none: it was encoded too often.
fn decoded(path: &[u8]) -> Option<Vec<u8>> {
    let mut read = path.to_vec();
    for _ in 0..=ENCODINGS_MAX {
        let next = decode(&read);
        if next.len() == read.len() {
            return Some(read);
        }
        read = next;
    }
    None
}

/// Takes one encoding off; what is none stays as it is.
fn decode(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    // Two digits of four bits each make a byte.
    let escaped = |at: usize| u8::try_from(digit(at + 1)? * 16 + digit(at + 2)?).ok();
    let mut decoded = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let escaped = escaped(at).filter(|_| *byte == b'%');
        decoded.push(escaped.unwrap_or(*byte));
        at += if escaped.is_some() { 3 } else { 1 };
    }
    decoded
}

#[cfg(test)]
mod tests;
