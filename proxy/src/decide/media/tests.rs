use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(key: &str, from_node: Option<&str>, expected: &str) {
    assert_eq!(content_type(key, from_node), expected, "{key:?}, node says {from_node:?}");
}

#[test]
fn the_table_is_in_order_and_sound() {
    assert!(TYPES.is_sorted_by(|(a, _), (b, _)| a < b), "sorted, without doubles");
    for (ending, kind) in TYPES {
        assert!(ending.len() <= ENDING_BYTES_MAX, "{ending}");
        assert_eq!(ending, ending.to_ascii_lowercase());
        assert!(says_something(kind), "{kind}");
        check(&format!("films/a.b/{ending}.{}", ending.to_ascii_uppercase()), None, kind);
    }
}

#[test]
fn the_ending_names_the_type_when_the_node_does_not() {
    const KEY: &str = "1b4e28ba-2fa1-11d2-883f-0016d3cca427.mp4";
    for nothing in [
        None,
        Some(""),
        Some(" "),
        Some("application/octet-stream"),
        Some("binary/octet-stream"),
        Some("Binary/Octet-Stream"),
        Some(" application/octet-stream ; charset=binary"),
        Some("mp4"),
        Some("/"),
        Some("video/"),
        Some("/mp4"),
        Some("video/mp4/x"),
        Some("video mp4"),
        Some("*"),
        Some("video/mp4\r\nSet-Cookie: a=b"),
        Some("video/mp4; a=\"\r\nb\""),
        Some("video/mp4; a=\0"),
        Some("video/mp4; a=\u{e9}"),
        Some("; video/mp4"),
    ] {
        check(KEY, nothing, "video/mp4");
    }
    for (key, expected) in [
        ("a/b.m3u8", "application/vnd.apple.mpegurl"),
        ("manifest.mpd", "application/dash+xml"),
        ("seg-1.m4s", "video/iso.segment"),
        ("seg.1.ts", "video/mp2t"),
        ("A.MKV", "video/matroska"),
        ("b.WebM", "video/webm"),
        ("\u{444}\u{438}\u{43b}\u{44c}\u{43c}.mov", "video/quicktime"),
        (".mp4", "video/mp4"),
        // No ending, or none that is known.
        ("", OCTET_STREAM),
        ("mp4", OCTET_STREAM),
        ("a.", OCTET_STREAM),
        (".", OCTET_STREAM),
        ("a.mp4/", OCTET_STREAM),
        ("a.mp4/b", OCTET_STREAM),
        ("a.mp4.part", OCTET_STREAM),
        ("a.mp", OCTET_STREAM),
        ("a.mp44", OCTET_STREAM),
        ("a. mp4", OCTET_STREAM),
        ("a.mp4\0", OCTET_STREAM),
        ("a.\0mp4", OCTET_STREAM),
        ("a.m\u{fc}", OCTET_STREAM),
        ("a.longer", OCTET_STREAM),
        ("a.html", OCTET_STREAM),
        ("a.svg", OCTET_STREAM),
    ] {
        check(key, None, expected);
    }
}

#[test]
fn the_nodes_own_type_stands() {
    for own in [
        "video/mp4",
        "Video/MP4",
        "video/x-matroska",
        "video/mp4; codecs=\"avc1.640028, mp4a.40.2\"",
        "video/mp4 ;\tcodecs=avc1",
        "application/octet-stream-x",
        "text/plain",
    ] {
        check("a.webm", Some(own), own);
        check("a", Some(own), own);
    }
    check("a.webm", Some("\tvideo/mp4 "), "video/mp4");
}

proptest! {
    #[test]
    fn whatever_comes_in_a_valid_field_value_goes_out(key: String, from_node: Option<String>) {
        let got = content_type(&key, from_node.as_deref());
        prop_assert!(got.contains('/') && got.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')));
        prop_assert_eq!(got.trim(), got);
        let is_known = got == OCTET_STREAM || TYPES.iter().any(|(_, kind)| *kind == got);
        prop_assert!(is_known || from_node.as_ref().is_some_and(|own| own.contains(got)));
    }

    #[test]
    fn the_search_finds_what_a_look_at_every_row_finds(stem in "[a-z0-9./]{0,6}", ending in "[a-zA-Z0-9]{0,5}") {
        let row = TYPES.iter().find(|(known, _)| known.eq_ignore_ascii_case(&ending));
        let key = format!("{stem}.{ending}");
        prop_assert_eq!(content_type(&key, None), row.map_or(OCTET_STREAM, |(_, kind)| kind));
    }
}
