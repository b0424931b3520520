//! Names the media type of what is streamed, by the node's word and the ending of the object's key, and knows a
//! manifest by its ending.
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
/// 7845), Matroska is RFC 9559's. `.key` is the key of an encrypted HLS segment: sixteen bytes.
const TYPES: [(&str, &str); 45] = [
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
    ("key", OCTET_STREAM),
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

/// The types of manifests: an HLS playlist (RFC 8216 section 4) and a DASH presentation.
const MANIFEST_TYPES: [&str; 2] = ["application/vnd.apple.mpegurl", "application/dash+xml"];

/// Whether the file at `path` names the segments of a film: by its ending, `.m3u8` or `.mpd` in any case.
#[must_use]
pub fn is_manifest(path: &str) -> bool {
    by_ending(path).is_some_and(|known| MANIFEST_TYPES.contains(&known))
}

/// The `Content-Type` of the object at `key`, given what its node says, if it says anything.
///
/// The node's own type goes out as it is, with its parameters, unless it is no media type at all (RFC 9110
/// 8.3.1, ASCII only), one of the two octet-streams, or a word that the ending of the key, in any case, gives
/// the lie to (see `is_mistaken`). Then the ending decides, and what has no known ending is
/// `application/octet-stream`. Always a valid field value.
#[must_use]
pub fn content_type<'a>(key: &str, from_node: Option<&'a str>) -> &'a str {
    let by_ending = by_ending(key);
    let own = from_node.map(str::trim_ascii).filter(|value| says_something(value));
    match (own, by_ending) {
        (Some(own), Some(known)) if is_mistaken(name(own), known) => known,
        (Some(own), _) => own,
        (None, known) => known.unwrap_or(OCTET_STREAM),
    }
}

/// A media type without its parameters.
fn name(value: &str) -> &str {
    value.split(';').next().unwrap_or(value).trim_ascii_end()
}

fn says_something(value: &str) -> bool {
    let (_, parameters) = value.split_at(value.find(';').unwrap_or(value.len()));
    let name = name(value);
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(is_token);
    let is_type = name.split_once('/').is_some_and(|(kind, subtype)| is_word(kind) && is_word(subtype));
    let is_visible = |byte: u8| matches!(byte, b'\t' | b' '..=b'~');
    let is_octets =
        [OCTET_STREAM, "binary/octet-stream"].iter().any(|octets| octets.eq_ignore_ascii_case(name));
    is_type && !is_octets && parameters.bytes().all(is_visible)
}

/// Whether what the node says is an uploader's guess that the known type of the ending is better than.
///
/// - A manifest is of the type of its ending or it does not play (Safari wants RFC 8216's, and
///   `audio/mpegurl`, `text/plain` and the like are what guessers leave); the gate, too, takes it for a
///   manifest by its ending alone.
/// - `text/plain`, and the form that `curl --data-binary` names, say no more than an octet-stream does.
/// - Pictures and sound are no text and no program: guessers take `.ts` for `TypeScript` or a translation of
///   Qt's.
fn is_mistaken(own: &str, known: &str) -> bool {
    let begins = |with: &str| own.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
    let ends = |with: &str| {
        let start = own.len().checked_sub(with.len()).and_then(|at| own.get(at..));
        start.is_some_and(|end| end.eq_ignore_ascii_case(with))
    };
    let is_media = ["video/", "audio/", "image/"].iter().any(|kind| known.starts_with(kind));
    let is_other = MANIFEST_TYPES.contains(&known) && !own.eq_ignore_ascii_case(known);
    let is_vague = ["text/plain", "application/x-www-form-urlencoded"]
        .iter()
        .any(|vague| vague.eq_ignore_ascii_case(own));
    is_other || is_vague || (is_media && (begins("text/") || ends("typescript")))
}

fn by_ending(key: &str) -> Option<&'static str> {
    // A dot in a folder's name leaves a slash in the ending, and no row has one.
    let ending = key.rsplit_once('.').map_or("", |(_, ending)| ending).as_bytes();
    let mut lower = [0; ENDING_BYTES_MAX];
    let lower = lower.get_mut(..ending.len())?;
    lower.copy_from_slice(ending);
    lower.make_ascii_lowercase();
    let found = TYPES.binary_search_by(|(ending, _)| ending.as_bytes().cmp(lower));
    found.ok().map(|at| TYPES[at].1)
}

#[cfg(test)]
mod tests;
