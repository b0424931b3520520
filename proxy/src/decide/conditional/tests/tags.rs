#![expect(
    clippy::redundant_closure_for_method_calls,
    reason = "the methods themselves are bound to one lifetime"
)]

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &[u8], expected: Option<(&[u8], bool)>) {
    let got = ETag::parse(text).map(|tag| (tag.opaque, tag.is_weak()));
    assert_eq!(got, expected, "{:?}", text.escape_ascii().to_string());
}

#[test]
fn a_tag_is_quoted_opaque_bytes() {
    // RFC 9110 8.8.3.
    check(b"\"xyzzy\"", Some((b"xyzzy", false)));
    check(b"W/\"xyzzy\"", Some((b"xyzzy", true)));
    check(b"\"\"", Some((b"", false)));
    check(b"W/\"\"", Some((b"", true)));
    // MinIO's, also of a multipart upload.
    check(b"\"d41d8cd98f00b204e9800998ecf8427e-12\"", Some((b"d41d8cd98f00b204e9800998ecf8427e-12", false)));
    check(b"\"a,b\"", Some((b"a,b", false)));
    check(b"\"W/\"", Some((b"W/", false)));
    check(b"\"*\"", Some((b"*", false)));
    check(b"\"a\\\"", Some((b"a\\", false)));
    check(b"\"!#~\x80\xFF\"", Some((b"!#~\x80\xFF", false)));
    for bad in [
        b"".as_slice(),
        b"\"",
        b"W/",
        b"W/\"",
        b"xyzzy",
        b"W/xyzzy",
        b"\"xyzzy",
        b"xyzzy\"",
        b"w/\"xyzzy\"",
        b"W\"xyzzy\"",
        b"W/ \"xyzzy\"",
        b"W/W/\"xyzzy\"",
        b" \"xyzzy\"",
        b"\"xyzzy\" ",
        b"\"xy zzy\"",
        b"\"xy\tzzy\"",
        b"\"xy\"zzy\"",
        b"\"a\\\"b\"",
        b"\"xy\0zzy\"",
        b"\"xy\x7Fzzy\"",
        b"'xyzzy'",
        b"*",
    ] {
        check(bad, None);
    }
}

#[test]
fn the_comparisons_of_rfc_9110_8_8_3_2() {
    for (a, b, strongly, weakly) in [
        ("W/\"1\"", "W/\"1\"", false, true),
        ("W/\"1\"", "W/\"2\"", false, false),
        ("W/\"1\"", "\"1\"", false, true),
        ("\"1\"", "\"1\"", true, true),
    ] {
        let [a, b] = [a, b].map(|text| ETag::parse(text.as_bytes()).expect(text));
        for (a, b) in [(a, b), (b, a)] {
            assert_eq!((a.equals_strongly(b), a.equals_weakly(b)), (strongly, weakly), "{a:?} {b:?}");
        }
    }
}

/// Whether `If-Match` of these lines names the film, whose tag is `"a,b"`.
#[track_caller]
fn check_list(lines: &[&[u8]], expected: bool) {
    let film = ETag::parse(b"\"a,b\"").expect("a tag");
    let got = names(lines.iter().copied(), |named| film.equals_strongly(named));
    let shown: Vec<String> = lines.iter().map(|line| line.escape_ascii().to_string()).collect();
    assert_eq!(got, Some(expected), "{shown:?}");
}

#[test]
fn lists_are_parted_by_commas_outside_quotes() {
    check_list(&[b"\"a,b\""], true);
    check_list(&[b"\"a\",\"b\""], false);
    check_list(&[b"\"a,b"], false);
    check_list(&[b"a,b"], false);
    check_list(&[b",, \"x\" ,\t\"a,b\",,"], true);
    check_list(&[b"", b"\"x\"", b"\"a,b\""], true);
    check_list(&[b"\"x\"\"a,b\""], false);
    check_list(&[b"\"\xE9,\", \"a,b\""], true);
    // No escapes: a quote behind a backslash ends the tag.
    check_list(&[b"\"\\\", \"a,b\""], true);
    // A malformed member spoils itself, and an open quote the rest of its own line.
    check_list(&[b"x, \"a,b\""], true);
    check_list(&[b"\"p q\", \"a,b\", W/"], true);
    check_list(&[b"\"x, \"a,b\""], false);
    check_list(&[b"\"x, ", b"\"a,b\""], true);
    // The star says something only alone.
    check_list(&[b"*"], true);
    check_list(&[b"", b" * ,"], true);
    check_list(&[b"*, \"x\""], false);
    check_list(&[b"*", b"*"], false);
    check_list(&[b"**"], false);
    check_list(&[b"\"*\""], false);
    assert_eq!(names(std::iter::empty(), |_| true), None);
}

/// The tags of a line, byte by byte, by another road than the code's: a machine with one state per place in
/// `[W/] " opaque "`.
fn naive(line: &[u8]) -> Vec<(bool, Vec<u8>)> {
    let mut tags = Vec::new();
    let (mut raw, mut is_open) = (Vec::new(), false);
    for byte in line.iter().copied().chain([b',']) {
        if byte == b',' && !is_open {
            let text: Vec<u8> = std::mem::take(&mut raw);
            let start = text.iter().position(|byte| !byte.is_ascii_whitespace()).unwrap_or(0);
            let end = text.iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(0, |last| last + 1);
            let text = text.get(start..end).unwrap_or_default();
            let weak = text.len() > 2 && text[..2] == *b"W/";
            let quoted = if weak { &text[2..] } else { text };
            let inner = quoted.len() >= 2 && quoted[0] == b'"' && quoted[quoted.len() - 1] == b'"';
            let sound = |byte: u8| byte > 0x20 && byte != 0x7F && byte != b'"';
            if inner && quoted[1..quoted.len() - 1].iter().all(|byte| sound(*byte)) {
                tags.push((weak, quoted[1..quoted.len() - 1].to_vec()));
            }
            continue;
        }
        if byte == b'"' {
            is_open = !is_open;
        }
        raw.push(byte);
    }
    tags
}

/// A sound tag, weak or not, with the bytes that part and end lists among its own.
fn tag() -> impl Strategy<Value = (bool, Vec<u8>)> {
    let byte = prop_oneof![Just(b','), Just(b'*'), Just(b'\\'), b'a'..=b'c', 0x80..=0xFF_u8];
    (any::<bool>(), prop::collection::vec(byte, 0..3))
}

fn written(tag: &(bool, Vec<u8>)) -> Vec<u8> {
    let mut text = if tag.0 { b"W/\"".to_vec() } else { b"\"".to_vec() };
    text.extend_from_slice(&tag.1);
    text.push(b'"');
    text
}

/// Members that are no tags and disturb no other: their quotes are even.
fn malformed() -> impl Strategy<Value = Vec<u8>> {
    let texts: [&[u8]; 8] = [b"a", b"W/", b"w/\"a\"", b"\"a b\"", b"\"a\"b", b"*", b"", b" "];
    prop::sample::select(texts.map(<[u8]>::to_vec).to_vec())
}

proptest! {
    #[test]
    fn a_film_is_named_if_its_tag_stands_in_some_line(
        film in tag(),
        lines in prop::collection::vec(
            prop::collection::vec(prop_oneof![3 => tag().prop_map(Ok), 1 => malformed().prop_map(Err)], 1..5),
            1..4,
        ),
        blanks in prop::sample::select(vec![",", ", ", " ,\t", ",,"]),
    ) {
        let text = |member: &Result<_, Vec<u8>>| member.as_ref().map_or_else(Clone::clone, written);
        let joined: Vec<Vec<u8>> = lines
            .iter()
            .map(|line| line.iter().map(text).collect::<Vec<_>>().join(blanks.as_bytes()))
            .collect();
        let asked: Vec<&(bool, Vec<u8>)> = lines.iter().flatten().filter_map(|member| member.as_ref().ok()).collect();
        let members = joined.iter().flat_map(|line| etag::members(line)).count();
        let is_star = members == 1 && lines.iter().flatten().any(|member| *member == Err(b"*".to_vec()));
        let bytes = written(&film);
        let own = ETag::parse(&bytes).expect("sound");
        let by = |equal: fn(ETag<'_>, ETag<'_>) -> bool| {
            names(joined.iter().map(Vec::as_slice), |named| equal(own, named))
        };
        let weakly = asked.iter().any(|tag| tag.1 == film.1);
        let strongly = asked.iter().any(|tag| **tag == film && !film.0);
        prop_assert_eq!(by(|a, b| a.equals_weakly(b)), Some(is_star || weakly));
        prop_assert_eq!(by(|a, b| a.equals_strongly(b)), Some(is_star || strongly));
    }

    #[test]
    fn any_line_has_the_tags_that_a_naive_reader_sees(
        line in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            prop::collection::vec(prop::sample::select(b"\"\",W/*a \t\\\xE9".to_vec()), 0..40),
        ],
    ) {
        let got: Vec<(bool, Vec<u8>)> = etag::members(&line)
            .filter_map(ETag::parse)
            .map(|tag| (tag.is_weak(), tag.opaque.to_vec()))
            .collect();
        prop_assert_eq!(got, naive(&line));
    }

    #[test]
    fn any_fields_get_a_verdict(
        fields in prop::collection::vec(
            (0..5_usize, prop_oneof!["[\"W/*, a]{0,12}", Just(SAME.to_owned()), any::<String>()]),
            0..6,
        ),
        etag: Option<String>,
        last_modified_unix_s: Option<u64>,
        now_unix_s: u64,
    ) {
        let film = Representation { etag: etag.as_deref(), last_modified_unix_s };
        let lines =
            |kind| fields.iter().filter(move |field| field.0 == kind).map(|field| field.1.as_bytes());
        let asked = Conditions {
            if_match: lines(0),
            if_none_match: lines(1),
            if_modified_since: lines(2),
            if_unmodified_since: lines(3),
        };
        let is_asked = |kinds: [usize; 2]| fields.iter().any(|field| kinds.contains(&field.0));
        match precondition(asked, &film, now_unix_s) {
            Go => {}
            Failed => prop_assert!(is_asked([0, 3])),
            NotModified => prop_assert!(is_asked([1, 2])),
        }
        let applies = range_applies(lines(4), &film, now_unix_s);
        prop_assert!(applies == (lines(4).count() == 0) || lines(4).count() == 1);
    }
}
