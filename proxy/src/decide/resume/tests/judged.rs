//! What each kind of answer is taken for.

use super::super::*;

const NOW: u64 = 1_800_000_000;
const PART: Ask = Ask::Part { first: 100, last: 199 };
const HONEST: Head<'static> = Head {
    status: 206,
    etag: Some(b"\"abc\""),
    content_range: Some(b"bytes 100-199/1000"),
    content_length: Some(100),
    coded: false,
    version_id: Some(b"v1"),
    last_modified: Some(b"Sun, 06 Nov 1994 08:49:37 GMT"),
    delete_marker: false,
    no_bucket: false,
};

fn film() -> Identity {
    Identity {
        etag: "\"abc\"".into(),
        size: 1000,
        version_id: Some("v1".into()),
        last_modified_unix_s: Some(784_111_777),
    }
}

/// Judged both as a first answer and as a later one.
#[track_caller]
fn check(ask: Ask, head: &Head<'_>, expected: Result<(u64, u64), Failure>) {
    let used = |film: Option<&Identity>| match judge(ask, head, film, NOW)? {
        Judged::Answer(answer) => Ok((answer.first, answer.length)),
        Judged::Unsatisfiable => panic!("416 to {head:?}"),
    };
    assert_eq!(used(None), expected, "first: {head:?}");
    assert_eq!(used(Some(&film())), expected, "later: {head:?}");
}

#[test]
fn an_honest_answer_tells_the_film() {
    check(PART, &HONEST, Ok((100, 100)));
    let Ok(Judged::Answer(answer)) = judge(PART, &HONEST, None, NOW) else { panic!("honest") };
    assert_eq!(answer.film, film());
    let plain = Head { version_id: None, last_modified: None, ..HONEST };
    let Ok(Judged::Answer(answer)) = judge(PART, &plain, None, NOW) else { panic!("honest") };
    assert_eq!((answer.film.version_id, answer.film.last_modified_unix_s), (None, None));
}

#[test]
fn a_part_is_clipped_to_the_film_and_never_otherwise_another_one() {
    let of = |range: &'static str, length: u64| Head {
        content_range: Some(range.as_bytes()),
        content_length: Some(length),
        ..HONEST
    };
    let to_the_end = Ask::Part { first: 900, last: u64::MAX };
    check(to_the_end, &of("bytes 900-999/1000", 100), Ok((900, 100)));
    check(to_the_end, &of("bytes 900-998/1000", 99), Err(Failure::Lie(Lie::Range)));
    check(PART, &of("bytes 101-199/1000", 99), Err(Failure::Lie(Lie::Range)));
    check(PART, &of("bytes 99-199/1000", 101), Err(Failure::Lie(Lie::Range)));
    check(PART, &of("bytes 100-200/1000", 101), Err(Failure::Lie(Lie::Range)));
    check(PART, &of("bytes 100-198/1000", 99), Err(Failure::Lie(Lie::Range)));
    check(PART, &of("bytes 100-199/*", 100), Err(Failure::Lie(Lie::Range)));
    check(PART, &of("bytes 100-199/1000", 99), Err(Failure::Lie(Lie::Length)));
    check(PART, &of("bytes 100-199/1000", 101), Err(Failure::Lie(Lie::Length)));
    check(PART, &Head { content_range: None, ..HONEST }, Err(Failure::Lie(Lie::Range)));
    check(PART, &Head { content_length: None, ..HONEST }, Err(Failure::Lie(Lie::Length)));
    check(Ask::Suffix { length: 100 }, &of("bytes 900-999/1000", 100), Ok((900, 100)));
    check(Ask::Suffix { length: 5000 }, &of("bytes 0-999/1000", 1000), Ok((0, 1000)));
    check(Ask::Suffix { length: 100 }, &of("bytes 899-999/1000", 101), Err(Failure::Lie(Lie::Range)));
}

#[test]
fn a_whole_answer_is_none_to_a_part() {
    let whole = Head { status: 200, content_range: None, content_length: Some(1000), ..HONEST };
    check(PART, &whole, Err(Failure::Lie(Lie::Whole)));
    check(PART, &Head { status: 200, ..HONEST }, Err(Failure::Lie(Lie::Whole)));
    check(Ask::Head, &whole, Ok((0, 0)));
    check(Ask::Head, &HONEST, Err(Failure::Lie(Lie::Range)));
    let Ok(Judged::Answer(answer)) = judge(Ask::Head, &whole, None, NOW) else { panic!("honest") };
    assert_eq!(answer.film.size, 1000);
}

#[test]
fn coded_and_untagged_bytes_are_refused() {
    check(PART, &Head { coded: true, ..HONEST }, Err(Failure::Lie(Lie::Coded)));
    for etag in [None, Some(&b"W/\"abc\""[..]), Some(b"abc"), Some(b""), Some(b"\"\xe9\"")] {
        check(PART, &Head { etag, ..HONEST }, Err(Failure::Lie(Lie::NoTag)));
    }
}

#[test]
fn another_version_is_told_by_tag_and_size() {
    let later = |head: &Head<'_>| judge(PART, head, Some(&film()), NOW).map(drop);
    assert_eq!(later(&Head { etag: Some(b"\"abd\""), ..HONEST }), Err(Failure::Lie(Lie::Tag)));
    let longer = Head { content_range: Some(b"bytes 100-199/1001"), ..HONEST };
    assert_eq!(later(&longer), Err(Failure::Lie(Lie::Total)));
    assert_eq!(later(&Head { status: 412, ..HONEST }), Err(Failure::Stale));
}

#[test]
fn statuses_say_who_has_to_act() {
    let of = |status: u16| Head { status, ..Head::default() };
    check(PART, &of(404), Err(Failure::Absent));
    check(PART, &Head { delete_marker: true, ..of(404) }, Err(Failure::Deleted));
    check(PART, &Head { delete_marker: true, ..of(405) }, Err(Failure::Deleted));
    check(PART, &Head { no_bucket: true, ..of(404) }, Err(Failure::Forbidden));
    check(PART, &of(401), Err(Failure::Forbidden));
    check(PART, &of(403), Err(Failure::Forbidden));
    check(PART, &of(429), Err(Failure::Busy));
    for status in [500, 501, 502, 503, 504, 999] {
        check(PART, &of(status), Err(Failure::Status));
    }
    for status in [100, 204, 301, 304, 307, 400, 405] {
        check(PART, &of(status), Err(Failure::Lie(Lie::Status)));
    }
    let empty = Head { content_length: Some(0), ..of(200) };
    assert_eq!(judge(PART, &empty, None, NOW), Ok(Judged::Unsatisfiable), "an empty film has no parts");
    assert_eq!(judge(PART, &empty, Some(&film()), NOW).map(drop), Err(Failure::Lie(Lie::NoTag)));
    assert_eq!(judge(PART, &of(416), None, NOW), Ok(Judged::Unsatisfiable));
    assert_eq!(judge(PART, &of(416), Some(&film()), NOW), Err(Failure::Lie(Lie::Range)));
}

#[test]
fn a_version_that_cannot_be_asked_for_is_none() {
    for id in [&b"null"[..], b"", b" ", b"a b", b"\xff", &[b'x'; 1025]] {
        let head = Head { version_id: Some(id), ..HONEST };
        let Ok(Judged::Answer(answer)) = judge(PART, &head, None, NOW) else { panic!("honest") };
        assert_eq!(answer.film.version_id, None, "{id:?}");
    }
}
