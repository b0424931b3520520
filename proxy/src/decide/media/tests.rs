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
        assert!(says_something(kind) || kind == OCTET_STREAM, "{kind}");
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
        ("init.mp4", "video/mp4"),
        ("seg.1.ts", "video/mp2t"),
        ("a.aac", "audio/aac"),
        ("a.m4a", "audio/mp4"),
        ("a.cmfa", "audio/mp4"),
        ("a.cmfv", "video/mp4"),
        ("subtitles.en.vtt", "text/vtt"),
        ("enc.key", OCTET_STREAM),
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
        "video/vnd.dlna.mpeg-tts",
    ] {
        check("a.webm", Some(own), own);
        check("a.ts", Some(own), own);
        check("a.key", Some(own), own);
        check("a.vtt", Some(own), own);
        check("a", Some(own), own);
    }
    check("a.webm", Some("\tvideo/mp4 "), "video/mp4");
    check("a.vtt", Some("text/vtt; charset=utf-8"), "text/vtt; charset=utf-8");
    for text in ["text/plain", "text/plain; charset=utf-8", "text/x-notes", "application/typescript"] {
        check("a", Some(text), text);
        check("a.txt", Some(text), text);
    }
}

#[test]
fn a_guess_that_the_ending_gives_the_lie_to_does_not_stand() {
    for vague in ["text/plain", "Text/Plain; charset=utf-8", "application/x-www-form-urlencoded"] {
        check("a.webm", Some(vague), "video/webm");
        check("a.vtt", Some(vague), "text/vtt");
        check("a.key", Some(vague), OCTET_STREAM);
    }
    for program in
        ["text/vnd.trolltech.linguist", "text/x-typescript ;a=b", "application/TypeScript", "text/html"]
    {
        check("seg-1.ts", Some(program), "video/mp2t");
        check("seg-1.M4A", Some(program), "audio/mp4");
    }
    check("a.vtt", Some("text/html"), "text/html");
}

#[test]
fn a_manifest_is_of_its_own_type_whatever_its_node_says() {
    for (key, expected) in [
        ("a/master.m3u8", "application/vnd.apple.mpegurl"),
        ("a/MASTER.M3U8", "application/vnd.apple.mpegurl"),
        ("a/manifest.mpd", "application/dash+xml"),
    ] {
        for own in [
            "",
            "application/octet-stream",
            "binary/octet-stream",
            "text/plain",
            "text/plain; charset=utf-8",
            "audio/mpegurl",
            "audio/x-mpegurl",
            "application/x-mpegurl",
            "Application/X-MpegURL; charset=utf-8",
            "text/xml",
            "application/xml",
            "video/mp4",
            "text/html",
        ] {
            check(key, Some(own), expected);
        }
        let own = format!("{}; charset=utf-8", expected.to_uppercase());
        check(key, Some(&own), &own);
    }
    check("a", Some("audio/mpegurl"), "audio/mpegurl");
}

#[test]
fn a_manifest_is_known_by_its_ending() {
    for path in ["master.m3u8", "a/b.M3U8", "a/b.c.m3u8", ".m3u8", "manifest.mpd", "a.MpD", "\u{444}.mpd"] {
        assert!(is_manifest(path), "{path}");
    }
    for path in [
        "",
        "m3u8",
        "mpd",
        "a/m3u8",
        "a.m3u",
        "a.m3u8/",
        "a.m3u8/b",
        "a.m3u8.ts",
        "a.m3u8 ",
        "a.mpd5",
        "a.mp4",
        "a.ts",
        "a.mpd\0",
        "m3u8.a",
    ] {
        assert!(!is_manifest(path), "{path}");
    }
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
        let is_one = ending.eq_ignore_ascii_case("m3u8") || ending.eq_ignore_ascii_case("mpd");
        prop_assert_eq!(is_manifest(&key), is_one);
    }
}
