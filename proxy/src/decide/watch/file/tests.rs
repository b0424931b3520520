use proptest::prelude::*;

use super::*;
use crate::sign::encode_key;

#[track_caller]
fn check(raw: &[u8], expected: Result<&str, PathFault>) {
    let got = path(raw);
    assert_eq!(got.as_deref(), expected.as_deref(), "{}", String::from_utf8_lossy(raw));
    if let Ok(path) = got {
        assert_eq!(matches!(path, Cow::Owned(_)), raw.contains(&b'%'), "allocated only if it was encoded");
    }
}

#[test]
fn the_path_of_a_file_is_decoded_once() {
    for plain in [
        "master.m3u8",
        "video/720p/seg-00001.m4s",
        "a",
        "...",
        ".well/..known/a..",
        "a/b/c/d/e/f",
        "-._~!$&'()*+,;=:@",
        "a+b=c,d;e",
    ] {
        check(plain.as_bytes(), Ok(plain));
    }
    check(b"video%201/seg%20%31.ts", Ok("video 1/seg 1.ts"));
    check(b"%D1%84%d0%b8%D0%BB%d1%8c%D0%BC.m3u8", Ok("\u{444}\u{438}\u{43b}\u{44c}\u{43c}.m3u8"));
    check(b"%F0%9F%8E%AC/1.ts", Ok("\u{1f3ac}/1.ts"));
    check(b"%e2%80%ae", Ok("\u{202e}"));
    check(b"%252e%252e/%252F", Ok("%2e%2e/%2F"));
    check(b"a%3Fb%23c", Ok("a?b#c"));
    check(b"%22%3C%3E%5B%5D%5E%60%7B%7C%7D%25", Ok("\"<>[]^`{|}%"));
}

#[test]
fn what_is_no_path_is_a_fault_with_its_name() {
    use PathFault as F;
    let cases: &[(&[u8], PathFault)] = &[
        (b"", F::NoFile),
        (b"/", F::EmptySegment),
        (b"//", F::EmptySegment),
        (b"/a", F::EmptySegment),
        (b"a//b", F::EmptySegment),
        (b"a//", F::EmptySegment),
        (b"a/", F::TrailingSlash),
        (b"a/b/", F::TrailingSlash),
        (b".", F::DotSegment),
        (b"..", F::DotSegment),
        (b"../a", F::DotSegment),
        (b"a/./b", F::DotSegment),
        (b"a/..", F::DotSegment),
        (b"%2e", F::DotSegment),
        (b"%2E%2e/a", F::DotSegment),
        (b"a/.%2e/b", F::DotSegment),
        (b"a/%20../b", F::DotSegment),
        (b"%20.%20", F::DotSegment),
        (b"../", F::DotSegment),
        (b"%", F::BadEscape),
        (b"a%2", F::BadEscape),
        (b"%2g", F::BadEscape),
        (b"%g2", F::BadEscape),
        (b"%%32", F::BadEscape),
        (b"%+1", F::BadEscape),
        (b"%u0444", F::BadEscape),
        (b"a%2fb", F::EncodedSlash),
        (b"%2F", F::EncodedSlash),
        (b"..%2fa", F::EncodedSlash),
        (b"a\\b", F::Backslash),
        (b"..%5ca", F::Backslash),
        (b"a%5Cb", F::Backslash),
        (b"a%00b", F::Control),
        (b"a\0b", F::Control),
        (b"%0d%0aLocation:", F::Control),
        (b"a\tb", F::Control),
        (b"a%7f", F::Control),
        (b"a\x7f", F::Control),
        (b"a%c2%85", F::Control),
        (b"%ff", F::NotUtf8),
        (b"%D1", F::NotUtf8),
        (b"%D1/%84", F::NotUtf8),
        (b"%c0%ae%c0%ae/a", F::NotUtf8),
        (b"%c0%af", F::NotUtf8),
        (b"%ed%a0%80", F::NotUtf8),
        ("\u{444}.ts".as_bytes(), F::NotAscii),
        (b"a\xff", F::NotAscii),
        // Bytes come before the text, the text before segments, and the first byte decides.
        (b"../a b", F::NotPlain),
        (b"../%ff", F::NotUtf8),
        (b"%2f%", F::EncodedSlash),
        (b"%/%2f", F::BadEscape),
    ];
    for (raw, fault) in cases {
        check(raw, Err(*fault));
    }
    for byte in b" \"#<>?[]^`{|}" {
        check(&[b'a', *byte, b'b'], Err(F::NotPlain));
    }
}

#[test]
fn lengths_are_counted_decoded() {
    let (segment, letter) = ("a".repeat(SEGMENT_BYTES_MAX), "%D1%84");
    check(segment.as_bytes(), Ok(&segment));
    check(format!("{segment}a").as_bytes(), Err(PathFault::LongSegment));
    check(format!("b/{segment}a/c").as_bytes(), Err(PathFault::LongSegment));
    check(format!("a{}", letter.repeat(127)).as_bytes(), Ok(&format!("a{}", "\u{444}".repeat(127))));
    check(letter.repeat(128).as_bytes(), Err(PathFault::LongSegment));

    let longest = format!("{segment}/{segment}/{segment}/");
    assert_eq!(longest.len(), PATH_BYTES_MAX);
    check(longest.as_bytes(), Err(PathFault::TrailingSlash));
    let longest = format!("{segment}/{segment}/{}/b", &segment[1..]);
    assert_eq!(longest.len(), PATH_BYTES_MAX);
    check(longest.as_bytes(), Ok(&longest));
    check(format!("{longest}b").as_bytes(), Err(PathFault::LongPath));
    check(format!("{longest}/..").as_bytes(), Err(PathFault::DotSegment));
}

/// Texts that come near to being a path, or to passing for one.
fn raw_paths() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        "(%[0-9a-fA-F]{2}|[a-z.%/]){0,24}".prop_map(String::into_bytes),
        "(\\.|%2[eEfF]|%5c|%20|%00|/|a){0,12}".prop_map(String::into_bytes),
        "[a-z./]{0,1000}".prop_map(String::into_bytes),
        any::<String>().prop_map(|text| encode_key(&text).into_bytes()),
    ]
}

proptest! {
    #[test]
    fn no_accepted_path_has_a_bad_segment_and_each_is_found_again(raw in raw_paths()) {
        let Ok(found) = path(&raw) else { return Ok(()) };
        prop_assert!(!found.is_empty() && found.len() <= PATH_BYTES_MAX);
        prop_assert!(!found.chars().any(|letter| letter.is_control() || letter == '\\'));
        for segment in found.split('/') {
            prop_assert!(!segment.is_empty() && !matches!(segment.trim(), "." | ".."));
            prop_assert!(segment.len() <= SEGMENT_BYTES_MAX);
        }
        prop_assert_eq!(found.split('/').count(), raw.split(|byte| *byte == b'/').count());
        let encoded = encode_key(&found);
        prop_assert_eq!(path(encoded.as_bytes()), Ok(found));
    }

    #[test]
    fn a_plain_name_of_any_alphabet_is_found(segments in prop::collection::vec("[\\p{L}\\p{N} _%+#?-]{1,20}", 1..5)) {
        let name = segments.join("/");
        let encoded = encode_key(&name);
        prop_assert_eq!(path(encoded.as_bytes()), Ok(Cow::Borrowed(&*name)));
    }
}
