//! Reads the path of one file in a film's tree: what follows the uuid and its slash.
//!
//! Percent-encoding is decoded exactly once and nothing is normalised, so that one file has one key, and what
//! is accepted here can be encoded and read again to the same path. Absent on purpose: any knowledge of which
//! files there are, and of file types (see `media`).

use std::borrow::Cow;

use super::PathFault;

/// The longest path, decoded. An object's key has at most 1024 bytes (AWS S3 user guide, "Naming Amazon S3
/// objects"); the other 256 are for the folder that the template or the catalog puts before it.
pub const PATH_BYTES_MAX: usize = 768;

/// The longest segment, decoded: `MinIO` keeps a segment as a folder of that name, and file systems take no
/// longer one.
pub const SEGMENT_BYTES_MAX: usize = 255;

/// The decoded path. Borrowed unless something in it was encoded.
///
/// Checked in this order: every byte from the left, the text as a whole, every segment from the left, the
/// whole length.
pub(super) fn path(raw: &[u8]) -> Result<Cow<'_, str>, PathFault> {
    if raw.is_empty() {
        return Err(PathFault::NoFile);
    }
    let path = match raw.iter().position(|byte| !is_plain(*byte)) {
        None => Cow::Borrowed(raw),
        Some(plain) => Cow::Owned(decoded(raw, plain)?),
    };
    let path = text(path)?;
    // What was plain holds no control character; of what was encoded, those beyond ASCII are left to find.
    if matches!(path, Cow::Owned(_)) && path.chars().any(char::is_control) {
        return Err(PathFault::Control);
    }
    segments(&path)?;
    if path.len() > PATH_BYTES_MAX { Err(PathFault::LongPath) } else { Ok(path) }
}

/// What stands for itself in a path: `pchar` without escapes, and the slash (RFC 3986 section 3.3).
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte)
}

/// The bytes of `raw`, of which the first `plain` stand for themselves.
fn decoded(raw: &[u8], plain: usize) -> Result<Vec<u8>, PathFault> {
    let (before, mut rest) = raw.split_at(plain);
    let mut bytes = Vec::with_capacity(raw.len());
    bytes.extend_from_slice(before);
    while let [first, behind @ ..] = rest {
        let (byte, behind) = match *first {
            b'%' => escape(behind)?,
            byte if is_plain(byte) => (byte, behind),
            byte => return Err(misplaced(byte)),
        };
        bytes.push(byte);
        rest = behind;
    }
    Ok(bytes)
}

/// The byte whose two digits `behind` begins with, and what follows them.
fn escape(behind: &[u8]) -> Result<(u8, &[u8]), PathFault> {
    let [high, low, behind @ ..] = behind else { return Err(PathFault::BadEscape) };
    let (high, low) = (super::NIBBLE[usize::from(*high)], super::NIBBLE[usize::from(*low)]);
    if high | low > 15 {
        return Err(PathFault::BadEscape);
    }
    match high << 4 | low {
        b'/' => Err(PathFault::EncodedSlash),
        b'\\' => Err(PathFault::Backslash),
        byte if byte.is_ascii_control() => Err(PathFault::Control),
        byte => Ok((byte, behind)),
    }
}

/// Why a byte may not stand in a path as it is.
fn misplaced(byte: u8) -> PathFault {
    match byte {
        0x80.. => PathFault::NotAscii,
        b'\\' => PathFault::Backslash,
        _ if byte.is_ascii_control() => PathFault::Control,
        _ => PathFault::NotPlain,
    }
}

fn text(bytes: Cow<'_, [u8]>) -> Result<Cow<'_, str>, PathFault> {
    match bytes {
        Cow::Borrowed(bytes) => str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| PathFault::NotUtf8),
        Cow::Owned(bytes) => String::from_utf8(bytes).map(Cow::Owned).map_err(|_| PathFault::NotUtf8),
    }
}

fn segments(path: &str) -> Result<(), PathFault> {
    let mut rest = Some(path);
    while let Some(from_here) = rest {
        let (segment, behind) = match from_here.split_once('/') {
            Some((segment, behind)) => (segment, Some(behind)),
            None => (from_here, None),
        };
        match segment {
            // Of a path that is nothing but slashes the first segment is empty, and it is not the last.
            "" if behind.is_none() => return Err(PathFault::TrailingSlash),
            "" => return Err(PathFault::EmptySegment),
            // `MinIO` looks at a segment without the blanks around it and refuses these two.
            _ if matches!(segment.trim(), "." | "..") => return Err(PathFault::DotSegment),
            _ if segment.len() > SEGMENT_BYTES_MAX => return Err(PathFault::LongSegment),
            _ => rest = behind,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
