use proptest::prelude::*;

use super::*;

const GIB: u64 = 1 << 30;

fn of_lines(lines: &[&str], size: u64) -> Wanted {
    wanted(lines.iter().map(|line| line.as_bytes()), size)
}

/// `expected` is `whole`, `416`, or `FIRST-LAST`.
#[track_caller]
fn check(field: &str, size: u64, expected: &str) {
    let got = match of_lines(&[field], size) {
        Wanted::Whole => "whole".to_owned(),
        Wanted::Unsatisfiable => "416".to_owned(),
        Wanted::Part { first, last } => format!("{first}-{last}"),
    };
    assert_eq!(got, expected, "{field:?} of {size}");
}

#[test]
fn the_examples_of_rfc_9110_14_1_2() {
    check("bytes=0-499", 10_000, "0-499");
    check("bytes=500-999", 10_000, "500-999");
    check("bytes=-500", 10_000, "9500-9999");
    check("bytes=9500-", 10_000, "9500-9999");
    // Far apart: whole. In a file in which they are near, one part.
    check("bytes=0-0,-1", 10_000, "whole");
    check("bytes=0-0,-1", 50, "0-49");
    check("bytes= 0-999, 4500-5499, -1000", 10_000, "whole");
    check("bytes=500-600,601-999", 10_000, "500-999");
    check("bytes=500-700,601-999", 10_000, "500-999");
}

#[test]
fn what_players_ask() {
    // Safari and iOS: a probe, then the film, then seeks, aborted at will.
    check("bytes=0-1", GIB, "0-1");
    check("bytes=0-1073741823", GIB, "0-1073741823");
    check("bytes=65536-1073741823", GIB, "65536-1073741823");
    // Chromium, Firefox, ffmpeg, mpv, VLC, GStreamer: open ends.
    check("bytes=0-", GIB, "0-1073741823");
    check("bytes=1073610752-", GIB, "1073610752-1073741823");
    // ffmpeg with `-end_offset`, hls.js and Shaka with byte ranges.
    check("bytes=1048576-2097151", GIB, "1048576-2097151");
    // aria2c -x8: the first piece of a film, and its last.
    check("bytes=0-134217727", GIB, "0-134217727");
    check("bytes=939524096-1073741823", GIB, "939524096-1073741823");
    // curl -C - and wget -c of a file that is complete.
    check("bytes=1073741824-", GIB, "416");
    // curl -r, ExoPlayer and MP4 tools that look for the end.
    check("bytes=-65536", GIB, "1073676288-1073741823");
    // Download managers that guess the end.
    check("bytes=100-9999999999999", GIB, "100-1073741823");
}

#[test]
fn ends_are_clipped_and_what_begins_behind_them_fails() {
    check("bytes=0-0", 1, "0-0");
    check("bytes=0-1", 1, "0-0");
    check("bytes=1-", 1, "416");
    check("bytes=9-9", 10, "9-9");
    check("bytes=9-10", 10, "9-9");
    check("bytes=10-10", 10, "416");
    check("bytes=-1", 10, "9-9");
    check("bytes=-10", 10, "0-9");
    check("bytes=-11", 10, "0-9");
    check("bytes=-0", 10, "416");
    check("bytes=-000", 10, "416");
    check("bytes=007-0008", 10, "7-8");
}

#[test]
fn of_an_empty_film_only_a_suffix_is_satisfiable() {
    for field in ["bytes=0-", "bytes=0-0", "bytes=-0", "bytes=5-9,-0"] {
        check(field, 0, "416");
    }
    for field in ["bytes=-1", "bytes=-500", "bytes=0-1,-1", "bytes=x"] {
        check(field, 0, "whole");
    }
}

#[test]
fn numbers_beyond_two_to_the_64_saturate() {
    const HUGE: &str = "99999999999999999999999999999999999999";
    check(&format!("bytes=0-{HUGE}"), 10, "0-9");
    check(&format!("bytes=-{HUGE}"), 10, "0-9");
    check(&format!("bytes={HUGE}-"), 10, "416");
    check(&format!("bytes={HUGE}-{HUGE}"), 10, "416");
    check(&format!("bytes={HUGE}-5"), 10, "whole");
    check("bytes=18446744073709551615-", 10, "416");
    check("bytes=18446744073709551616-", 10, "416");
    check("bytes=0-18446744073709551615", u64::MAX, "0-18446744073709551614");
    check("bytes=18446744073709551614-", u64::MAX, "18446744073709551614-18446744073709551614");
    check("bytes=18446744073709551615-", u64::MAX, "416");
    check("bytes=184467440737095516150-", u64::MAX, "416");
    check("bytes=-1,18446744073709551613-18446744073709551613", u64::MAX, {
        "18446744073709551613-18446744073709551614"
    });
}

#[test]
fn what_cannot_be_read_is_ignored_whole() {
    for field in [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes= , ,",
        "bytes=-",
        "bytes=--1",
        "bytes=1--2",
        "bytes=1-2-",
        "bytes=1-2-3",
        "bytes=5-4",
        "bytes=0-1,5-4",
        "bytes=5-4,0-1",
        "bytes=0-1,x",
        "bytes=0-1;2-3",
        "bytes=0-1 2-3",
        "bytes=0 -1",
        "bytes=0- 1",
        "bytes =0-1",
        " bytes = 0-1",
        "bytes:0-1",
        "bytes 0-1",
        "bytes 0-1/10",
        "bytes=+0-1",
        "bytes=0-+1",
        "bytes=0x0-1",
        "bytes=a-b",
        "bytes=0",
        "bytes=0-1e3",
        "bytes=\u{665}-",
        "bytes=0-1/10",
        "bytes=*",
        "bytes=\"0-1\"",
        "bytes==0-1",
        "bites=0-1",
        "byte=0-1",
        "seconds=0-1",
        "items=0-1",
        "none",
        "0-1",
        "=0-1",
        "bytes=0-1\0",
        "bytes=0-1, ,x",
    ] {
        check(field, 10, "whole");
    }
}

#[test]
fn blanks_empty_members_and_the_case_of_the_unit_do_not_matter() {
    for field in [" bytes=2-3\t", "BYTES=2-3", "Bytes=2-3", "bytes=,2-3", "bytes=2-3,", "bytes= ,\t2-3 ,,"] {
        check(field, 10, "2-3");
    }
}

#[test]
fn several_lines_are_no_range() {
    assert_eq!(of_lines(&[], 10), Wanted::Whole);
    assert_eq!(of_lines(&["bytes=0-1"], 10), Wanted::Part { first: 0, last: 1 });
    assert_eq!(of_lines(&["bytes=0-1", "bytes=0-1"], 10), Wanted::Whole);
    assert_eq!(of_lines(&["bytes=0-1", ""], 10), Wanted::Whole);
    assert_eq!(of_lines(&["bytes=20-", "bytes=20-"], 10), Wanted::Whole);
}

#[test]
fn several_ranges_are_one_part_or_the_whole() {
    check("bytes=0-1,5-6", 10_000, "0-6");
    check("bytes=5-6,0-1", 10_000, "0-6");
    // A gap of 79 bytes costs less than a part, one of 80 does not.
    check("bytes=0-0,80-80", 10_000, "0-80");
    check("bytes=0-0,81-81", 10_000, "whole");
    check("bytes=81-81,0-0,40-40", 10_000, "0-81");
    // What a wide range holds does not end it.
    check("bytes=0-500,10-20,550-600", 10_000, "0-600");
    check("bytes=0-,5-6", 10_000, "0-9999");
    // What cannot be satisfied neither widens nor spoils.
    check("bytes=0-1,20000-", 10_000, "0-1");
    check("bytes=20000-,-0,3-4", 10_000, "3-4");
    check("bytes=20000-,-0", 10_000, "416");
    check("bytes=-5,9990-9996", 10_000, "9990-9999");
}

#[test]
fn a_field_of_very_many_ranges_is_ignored() {
    let many = |count: usize| format!("bytes={}", vec!["0-1"; count].join(","));
    check(&many(64), 10, "0-1");
    check(&many(65), 10, "whole");
    let behind_the_end = format!("bytes={}", vec!["20-"; 65].join(","));
    check(&behind_the_end, 10, "whole");
    check(&behind_the_end.replacen("20-,", "", 1), 10, "416");
    check(&format!("bytes={}0-1", ",".repeat(5_000)), 10, "0-1");
}

#[test]
fn a_content_range_is_read_exactly() {
    let parse = |value: &str| ContentRange::parse(value.as_bytes());
    let same = |value: &str| assert_eq!(parse(value).expect(value).to_string(), value);
    same("bytes 0-0/1");
    same("bytes 42-1233/1234");
    same("bytes 0-18446744073709551614/18446744073709551615");
    let got = parse(" Bytes 0021010-0047021/47022\t").expect("RFC 9110 15.3.7.1");
    assert_eq!((got.first(), got.last(), got.total(), got.length()), (21_010, 47_021, 47_022, 26_012));
    for bad in [
        "",
        "bytes",
        "bytes ",
        "bytes */47022",
        "bytes 0-1/*",
        "bytes */*",
        "bytes 1-0/2",
        "bytes 0-1/1",
        "bytes 0-1/0",
        "bytes 0-1",
        "bytes 0-1/",
        "bytes 0/2",
        "bytes -1/2",
        "bytes 0-/2",
        "bytes  0-1/2",
        "bytes=0-1/2",
        "bytes\t0-1/2",
        "bytes 0 - 1/2",
        "bytes 0-1 /2",
        "bytes 0-1/ 2",
        "bytes 0-1/2/3",
        "bytes 0-1-2/3",
        "bytes 0/1-2",
        "bytes +0-1/2",
        "bytes 0-1/18446744073709551616",
        "bytes 0-1/18446744073709551620",
        "bytes 0-18446744073709551616/18446744073709551617",
        "items 0-1/2",
        "bytes 0-1/2, 0-1/2",
        "0-1/2",
        "bytes a-b/c",
    ] {
        assert_eq!(parse(bad), None, "{bad:?}");
    }
    assert_eq!(unsatisfied(47_022).to_string(), "bytes */47022");
    assert_eq!(unsatisfied(0).to_string(), "bytes */0");
}

/// What the ranges of a field name, byte by byte. `None` if one of them is malformed.
fn naive(specs: &[(Option<u64>, Option<u64>)], size: u64) -> Option<Wanted> {
    let mut is_wanted = vec![false; usize::try_from(size).expect("small")];
    let mut is_satisfiable = false;
    for (first, last) in specs {
        match (first, last) {
            (None, None) => return None,
            (Some(first), Some(last)) if first > last => return None,
            _ => {}
        }
        is_satisfiable |= first.is_none() && *last > Some(0);
        for (position, is_wanted) in (0..).zip(&mut is_wanted) {
            *is_wanted |= match (first, last) {
                (Some(first), last) => *first <= position && last.is_none_or(|last| position <= last),
                (None, Some(length)) => size - position <= *length,
                (None, None) => false,
            };
        }
    }
    let Some(first) = is_wanted.iter().position(|wanted| *wanted) else {
        return Some(if is_satisfiable { Wanted::Whole } else { Wanted::Unsatisfiable });
    };
    let last = is_wanted.iter().rposition(|wanted| *wanted)?;
    let widest_gap = is_wanted[first..=last].split(|wanted| *wanted).map(<[bool]>::len).max()?;
    if widest_gap >= 80 {
        return Some(Wanted::Whole);
    }
    Some(Wanted::Part { first: u64::try_from(first).ok()?, last: u64::try_from(last).ok()? })
}

/// First and last byte as written, each of which may be left out.
type Spec = (Option<u64>, Option<u64>);

fn specs() -> impl Strategy<Value = (u64, Vec<Spec>)> {
    // Mostly sound ranges, short ones too, in films small enough to count every byte.
    let spec = prop_oneof![
        8 => (0..320_u64, 0..30_u64).prop_map(|(first, more)| (Some(first), Some(first + more))),
        4 => (0..320_u64).prop_map(|first| (Some(first), None)),
        4 => (0..40_u64).prop_map(|length| (None, Some(length))),
        1 => (0..320_u64, 0..320_u64).prop_map(|(first, last)| (Some(first), Some(last))),
        1 => Just((None, None)),
    ];
    (prop_oneof![0..10_u64, 0..320_u64], prop::collection::vec(spec, 1..7))
}

proptest! {
    #[test]
    fn the_answer_is_what_counting_bytes_gives((size, specs) in specs()) {
        let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
        let texts: Vec<String> =
            specs.iter().map(|(first, last)| format!("{}-{}", number(*first), number(*last))).collect();
        let field = format!("bytes={}", texts.join(", "));
        let expected = naive(&specs, size).unwrap_or(Wanted::Whole);
        prop_assert_eq!(of_lines(&[&field], size), expected, "{} of {}", field, size);
    }

    #[test]
    fn any_bytes_give_a_part_inside_the_film(
        field in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..60),
            "(bytes=)?[0-9, -]{0,60}".prop_map(String::into_bytes),
            "bytes=([0-9]{0,25}-[0-9]{0,25},?){0,70}".prop_map(String::into_bytes),
        ],
        size in prop_oneof![0..100_u64, any::<u64>(), Just(u64::MAX)],
    ) {
        if let Wanted::Part { first, last } = wanted(std::iter::once(field.as_slice()), size) {
            prop_assert!(first <= last && last < size);
            prop_assert!(ContentRange::new(first, last, size).is_some());
        }
    }

    #[test]
    fn content_ranges_come_back(first: u64, last: u64, total: u64) {
        let made = ContentRange::new(first, last, total);
        prop_assert_eq!(made.is_some(), first <= last && last < total);
        let text = format!("bytes {first}-{last}/{total}");
        prop_assert_eq!(ContentRange::parse(text.as_bytes()), made);
        prop_assert!(made.is_none_or(|made| made.to_string() == text));
    }

    #[test]
    fn sound_content_ranges_come_back(mut numbers: [u64; 2], total in 1..u64::MAX) {
        numbers = numbers.map(|number| number % total);
        numbers.sort_unstable();
        let made = ContentRange::new(numbers[0], numbers[1], total).expect("in order");
        prop_assert_eq!(ContentRange::parse(made.to_string().as_bytes()), Some(made));
        prop_assert_eq!(made.length(), made.last() - made.first() + 1);
    }

    #[test]
    fn any_bytes_make_no_content_range_out_of_order(
        value in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            "bytes [0-9]{0,22}-[0-9]{0,22}/[0-9*]{0,22}".prop_map(String::into_bytes),
        ],
    ) {
        if let Some(got) = ContentRange::parse(&value) {
            prop_assert!(got.first() <= got.last() && got.last() < got.total());
        }
    }
}

#[test]
fn a_film_of_unknown_size_is_opened_with_one_request_where_that_is_possible() {
    #[track_caller]
    fn check(lines: &[&str], expected: Opening) {
        assert_eq!(opening(lines.iter().map(|line| line.as_bytes())), expected, "{lines:?}");
    }
    let from = |first, last| Opening::From { first, last };
    check(&[], from(0, u64::MAX));
    check(&["bytes=0-"], from(0, u64::MAX));
    check(&["bytes=0-1"], from(0, 1));
    check(&[" bytes=500-999 "], from(500, 999));
    check(&["bytes=7-99999999999999999999999"], from(7, u64::MAX));
    check(&["bytes=-500"], Opening::Suffix { length: 500 });
    check(&["bytes=-0"], Opening::Unknown);
    check(&["bytes=0-1,5-6"], Opening::Unknown);
    check(&["bytes=0-1,"], from(0, 1));
    for ignored in ["lines=0-1", "bytes=5-1", "bytes", "bytes=", "bytes=x-1"] {
        check(&[ignored], from(0, u64::MAX));
    }
    check(&["bytes=0-1", "bytes=0-1"], from(0, u64::MAX));
}
