mod dates;
mod tags;

use super::*;

/// 2026-11-23 09:00:00, when every request of these tables comes.
const NOW: u64 = 1_795_424_400;

const OLD: &str = "Sat, 29 Oct 1994 19:43:30 GMT";
/// The film's own.
const SAME: &str = "Sat, 29 Oct 1994 19:43:31 GMT";
const NEW: &str = "Sat, 29 Oct 1994 19:43:32 GMT";

const FILM: Representation<'_> =
    Representation { etag: Some("\"xyzzy\""), last_modified_unix_s: Some(783_459_811) };
const WEAK: Representation<'_> = Representation { etag: Some("W/\"xyzzy\""), ..FILM };
const UNTAGGED: Representation<'_> = Representation { etag: None, ..FILM };
const UNDATED: Representation<'_> = Representation { last_modified_unix_s: None, ..FILM };
const UNKNOWN: Representation<'_> = Representation { etag: None, last_modified_unix_s: None };

/// The fields of a request as `(name, line)`.
type Fields<'a> = &'a [(&'a str, &'a str)];

fn verdict(film: &Representation<'_>, fields: Fields<'_>) -> Verdict {
    let lines = |name: &'static str| {
        fields.iter().filter(move |field| field.0 == name).map(|(_, line)| line.as_bytes())
    };
    let asked = Conditions {
        if_match: lines("if-match"),
        if_none_match: lines("if-none-match"),
        if_modified_since: lines("if-modified-since"),
        if_unmodified_since: lines("if-unmodified-since"),
    };
    precondition(asked, film, NOW)
}

#[track_caller]
fn check(film: &Representation<'_>, fields: Fields<'_>, expected: Verdict) {
    assert_eq!(verdict(film, fields), expected, "{fields:?} of {film:?}");
}

/// One field with one line.
#[track_caller]
fn check_one(film: &Representation<'_>, name: &str, line: &str, expected: Verdict) {
    check(film, &[(name, line)], expected);
}

use Verdict::{Failed, Go, NotModified};

#[test]
fn without_preconditions_the_film_is_sent() {
    for film in [FILM, WEAK, UNTAGGED, UNDATED, UNKNOWN] {
        check(&film, &[], Go);
    }
}

#[test]
fn if_match_wants_one_of_its_tags_strongly() {
    for (line, expected) in [
        // The examples of RFC 9110 13.1.1.
        ("\"xyzzy\"", Go),
        ("\"xyzzy\", \"r2d2xxxx\", \"c3piozzzz\"", Go),
        ("*", Go),
        ("\"r2d2xxxx\", \"c3piozzzz\"", Failed),
        ("W/\"xyzzy\"", Failed),
        ("W/\"xyzzy\", \"xyzzy\"", Go),
        ("\"XYZZY\"", Failed),
        ("\"\"", Failed),
        ("", Failed),
        // Without quotes it is no tag.
        ("xyzzy", Failed),
        ("xyzzy, \"xyzzy\"", Go),
    ] {
        check_one(&FILM, "if-match", line, expected);
    }
    check(&FILM, &[("if-match", "\"a\""), ("if-match", "\"xyzzy\"")], Go);
    check(&FILM, &[("if-match", "\"a\""), ("if-match", "\"b\"")], Failed);
    for film in [WEAK, UNTAGGED, UNKNOWN] {
        check_one(&film, "if-match", "\"xyzzy\"", Failed);
        check_one(&film, "if-match", "W/\"xyzzy\"", Failed);
        check_one(&film, "if-match", "*", Go);
    }
}

#[test]
fn if_none_match_wants_none_of_its_tags_weakly() {
    for (line, expected) in [
        // The examples of RFC 9110 13.1.2.
        ("\"xyzzy\"", NotModified),
        ("W/\"xyzzy\"", NotModified),
        ("\"xyzzy\", \"r2d2xxxx\", \"c3piozzzz\"", NotModified),
        ("W/\"xyzzy\", W/\"r2d2xxxx\", W/\"c3piozzzz\"", NotModified),
        ("*", NotModified),
        ("\"r2d2xxxx\"", Go),
        ("w/\"xyzzy\"", Go),
        ("xyzzy", Go),
        ("", Go),
    ] {
        check_one(&FILM, "if-none-match", line, expected);
        check_one(&WEAK, "if-none-match", line, expected);
    }
    check_one(&UNTAGGED, "if-none-match", "\"xyzzy\"", Go);
    check_one(&UNTAGGED, "if-none-match", "*", NotModified);
    check(&FILM, &[("if-none-match", "\"a\""), ("if-none-match", "W/\"xyzzy\"")], NotModified);
}

#[test]
fn dates_count_to_the_second() {
    for (line, since, unmodified) in [(OLD, Go, Failed), (SAME, NotModified, Go), (NEW, NotModified, Go)] {
        check_one(&FILM, "if-modified-since", line, since);
        check_one(&FILM, "if-unmodified-since", line, unmodified);
        check_one(&UNTAGGED, "if-modified-since", line, since);
        for film in [UNDATED, UNKNOWN] {
            check_one(&film, "if-modified-since", line, Go);
            check_one(&film, "if-unmodified-since", line, Go);
        }
    }
    // Before the epoch, and far ahead of our clock.
    check_one(&FILM, "if-unmodified-since", "Mon, 01 Jan 1601 00:00:00 GMT", Failed);
    check_one(&FILM, "if-modified-since", "Mon, 01 Jan 1601 00:00:00 GMT", Go);
    check_one(&FILM, "if-modified-since", "Fri, 31 Dec 9999 23:59:59 GMT", NotModified);
    let far = Representation { last_modified_unix_s: Some(u64::MAX), ..FILM };
    check_one(&far, "if-modified-since", SAME, Go);
    check_one(&far, "if-unmodified-since", SAME, Failed);
}

#[test]
fn what_is_no_date_is_ignored() {
    let doubled = format!("{OLD}, {OLD}");
    for line in ["", "0", "-1", "yesterday", "\"xyzzy\"", "*", "783459811", &doubled] {
        check_one(&FILM, "if-modified-since", line, Go);
        check_one(&FILM, "if-unmodified-since", line, Go);
    }
    check(&FILM, &[("if-modified-since", NEW), ("if-modified-since", NEW)], Go);
    check(&FILM, &[("if-unmodified-since", OLD), ("if-unmodified-since", OLD)], Go);
}

#[test]
fn the_order_of_rfc_9110_13_2_2() {
    // If-Match hides If-Unmodified-Since, true or false or malformed.
    check(&FILM, &[("if-match", "\"xyzzy\""), ("if-unmodified-since", OLD)], Go);
    check(&FILM, &[("if-match", "\"a\""), ("if-unmodified-since", NEW)], Failed);
    check(&FILM, &[("if-match", "garbage"), ("if-unmodified-since", NEW)], Failed);
    // If-None-Match hides If-Modified-Since.
    check(&FILM, &[("if-none-match", "\"a\""), ("if-modified-since", NEW)], Go);
    check(&FILM, &[("if-none-match", "\"xyzzy\""), ("if-modified-since", OLD)], NotModified);
    check(&FILM, &[("if-none-match", "garbage"), ("if-modified-since", NEW)], Go);
    check(&UNTAGGED, &[("if-none-match", "\"xyzzy\""), ("if-modified-since", NEW)], Go);
    // What may fail comes before what may spare the bytes.
    check(&FILM, &[("if-match", "\"a\""), ("if-none-match", "\"xyzzy\"")], Failed);
    check(&FILM, &[("if-match", "\"xyzzy\""), ("if-none-match", "\"xyzzy\"")], NotModified);
    check(&FILM, &[("if-unmodified-since", OLD), ("if-none-match", "\"xyzzy\"")], Failed);
    check(&FILM, &[("if-unmodified-since", SAME), ("if-modified-since", SAME)], NotModified);
    check(&FILM, &[("if-unmodified-since", "garbage"), ("if-modified-since", SAME)], NotModified);
}

#[test]
fn every_mixture_of_fields_follows_the_steps_as_written() {
    // Each field absent, true, or false of the film; the steps of 13.2.2 spelt out beside it.
    let kinds: [(&str, &str, &str); 4] = [
        ("if-match", "\"xyzzy\"", "\"a\""),
        ("if-unmodified-since", SAME, OLD),
        ("if-none-match", "\"a\"", "\"xyzzy\""),
        ("if-modified-since", OLD, SAME),
    ];
    for mixture in 0..81_usize {
        let choice = [mixture % 3, mixture / 3 % 3, mixture / 9 % 3, mixture / 27];
        let mut fields = Vec::new();
        for ((name, when_true, when_false), choice) in kinds.iter().zip(choice) {
            match choice {
                0 => {}
                1 => fields.push((*name, *when_true)),
                _ => fields.push((*name, *when_false)),
            }
        }
        let expected = match choice {
            [2, _, _, _] | [0, 2, _, _] => Failed,
            [_, _, 2, _] | [_, _, 0, 2] => NotModified,
            _ => Go,
        };
        check(&FILM, &fields, expected);
    }
}

#[track_caller]
fn check_range(film: &Representation<'_>, lines: &[&str], expected: bool) {
    let got = range_applies(lines.iter().map(|line| line.as_bytes()), film, NOW);
    assert_eq!(got, expected, "If-Range: {lines:?} of {film:?}");
}

#[test]
fn a_range_counts_if_its_film_is_this_one() {
    for film in [FILM, WEAK, UNTAGGED, UNDATED, UNKNOWN] {
        check_range(&film, &[], true);
    }
    check_range(&FILM, &["\"xyzzy\""], true);
    check_range(&FILM, &[" \"xyzzy\"\t"], true);
    check_range(&FILM, &[SAME], true);
    check_range(&FILM, &["Saturday, 29-Oct-94 19:43:31 GMT"], true);
    check_range(&FILM, &["Sat Oct 29 19:43:31 1994"], true);
    check_range(&UNTAGGED, &[SAME], true);
    check_range(&UNDATED, &["\"xyzzy\""], true);
}

#[test]
fn any_doubt_makes_a_range_another_films() {
    for line in [
        "\"a\"",
        "W/\"xyzzy\"",
        "xyzzy",
        "\"xyzzy",
        "xyzzy\"",
        "*",
        "",
        "\"xyzzy\", \"xyzzy\"",
        "\"xyzzy\",",
        OLD,
        NEW,
        "783459811",
    ] {
        check_range(&FILM, &[line], false);
    }
    check_range(&FILM, &["\"xyzzy\"", "\"xyzzy\""], false);
    check_range(&FILM, &[SAME, SAME], false);
    check_range(&WEAK, &["\"xyzzy\""], false);
    check_range(&WEAK, &["W/\"xyzzy\""], false);
    check_range(&UNTAGGED, &["\"xyzzy\""], false);
    check_range(&UNDATED, &[SAME], false);
    check_range(&UNKNOWN, &["*"], false);
}

#[test]
fn a_date_is_strong_once_its_second_is_over() {
    let check_at = |last_modified_unix_s: u64, expected: bool| {
        let film = Representation { last_modified_unix_s: Some(last_modified_unix_s), ..FILM };
        let date = format_http_date(last_modified_unix_s).expect("before the year 10000");
        let got = range_applies(std::iter::once(date.as_slice()), &film, NOW);
        assert_eq!(got, expected, "modified at {last_modified_unix_s}");
    };
    check_at(0, true);
    check_at(NOW - 1, true);
    check_at(NOW, false);
    check_at(NOW + 1, false);
}
