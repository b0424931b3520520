//! Names the media type of what is streamed: the node's word, or else the ending of the object's key.
//!
//! No byte of the film is looked at. An uploader that says nothing leaves `application/octet-stream` (`MinIO`)
//! or `binary/octet-stream` (AWS S3) behind, and players refuse or download a film of that type.

use super::accept::parameter::is_token;

/// What says nothing of a film but that it is bytes.
const OCTET_STREAM: &str = "application/octet-stream";

/// The longest ending of the table.
const ENDING_BYTES_MAX: usize = 5;

/// Endings, lower case and in order, with the registered type, or the usual one where none is registered
/// (avi, flv, srt, wav, wmv). `.ts` is a transport stream here, `.ogg` and `.opus` are sound (RFC 5334, RFC
/// 7845), Matroska is RFC 9559's.
const TYPES: [(&str, &str); 44] = [
    ("3g2", "video/3gpp2"),
    ("3gp", "video/3gpp"),
    ("aac", "audio/aac"),
    ("ac3", "audio/ac3"),
    ("avi", "video/x-msvideo"),
    ("avif", "image/avif"),
    ("cmfa", "audio/mp4"),
    ("cmft", "application/mp4"),
    ("cmfv", "video/mp4"),
    ("eac3", "audio/eac3"),
    ("flac", "audio/flac"),
    ("flv", "video/x-flv"),
    ("gif", "image/gif"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("m2t", "video/mp2t"),
    ("m2ts", "video/mp2t"),
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("m4a", "audio/mp4"),
    ("m4s", "video/iso.segment"),
    ("m4v", "video/mp4"),
    ("mka", "audio/matroska"),
    ("mkv", "video/matroska"),
    ("mov", "video/quicktime"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("mpd", "application/dash+xml"),
    ("mpeg", "video/mpeg"),
    ("mpg", "video/mpeg"),
    ("mts", "video/mp2t"),
    ("oga", "audio/ogg"),
    ("ogg", "audio/ogg"),
    ("ogv", "video/ogg"),
    ("opus", "audio/ogg"),
    ("png", "image/png"),
    ("srt", "application/x-subrip"),
    ("ts", "video/mp2t"),
    ("ttml", "application/ttml+xml"),
    ("vtt", "text/vtt"),
    ("wav", "audio/wav"),
    ("weba", "audio/webm"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
    ("wmv", "video/x-ms-wmv"),
];

/// The `Content-Type` of the object at `key`, given what its node says, if it says anything.
///
/// The node's own type goes out as it is, with its parameters, unless it is one of the two octet-streams or no
/// media type at all (RFC 9110 8.3.1, ASCII only): then the ending of the key decides, in any case, and
/// what has no known ending is `application/octet-stream`. Always a valid field value.
#[must_use]
pub fn content_type<'a>(key: &str, from_node: Option<&'a str>) -> &'a str {
    from_node.map(str::trim_ascii).filter(|value| says_something(value)).unwrap_or_else(|| by_ending(key))
}

fn says_something(value: &str) -> bool {
    let (name, parameters) = value.split_at(value.find(';').unwrap_or(value.len()));
    let name = name.trim_ascii_end();
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(is_token);
    let is_type = name.split_once('/').is_some_and(|(kind, subtype)| is_word(kind) && is_word(subtype));
    let is_visible = |byte: u8| matches!(byte, b'\t' | b' '..=b'~');
    let is_octets =
        [OCTET_STREAM, "binary/octet-stream"].iter().any(|octets| octets.eq_ignore_ascii_case(name));
    is_type && !is_octets && parameters.bytes().all(is_visible)
}

fn by_ending(key: &str) -> &'static str {
    // A dot in a folder's name leaves a slash in the ending, and no row has one.
    let ending = key.rsplit_once('.').map_or("", |(_, ending)| ending).as_bytes();
    let mut lower = [0; ENDING_BYTES_MAX];
    let Some(lower) = lower.get_mut(..ending.len()) else { return OCTET_STREAM };
    lower.copy_from_slice(ending);
    lower.make_ascii_lowercase();
    let found = TYPES.binary_search_by(|(ending, _)| ending.as_bytes().cmp(lower));
    found.map_or(OCTET_STREAM, |at| TYPES[at].1)
}

#[cfg(test)]
mod tests;
