use proptest::prelude::*;

use super::*;

const UUID: &str = "3d825f60-9fff-4dfe-b294-1a45fa1e115d";
const FILM: Film =
    Film([0x3d, 0x82, 0x5f, 0x60, 0x9f, 0xff, 0x4d, 0xfe, 0xb2, 0x94, 0x1a, 0x45, 0xfa, 0x1e, 0x11, 0x5d]);
const GET: Asked<'_> = Asked::Film { film: FILM, path: Cow::Borrowed(""), method: Method::Get };
const HEAD: Asked<'_> = Asked::Film { film: FILM, path: Cow::Borrowed(""), method: Method::Head };

fn ask<'a>(method: &'a str, path: &'a [u8], body: BodyFraming) -> Result<Asked<'a>, WatchRefusal> {
    watch(&RequestLine { method, path, body }, "/watch/", false)
}

fn ask_tree<'a>(method: &'a str, path: &'a [u8], body: BodyFraming) -> Result<Asked<'a>, WatchRefusal> {
    watch(&RequestLine { method, path, body }, "/watch/", true)
}

#[track_caller]
fn check_path(path: impl AsRef<[u8]>, expected: Result<Asked<'_>, PathFault>) {
    let path = path.as_ref();
    let got = ask("GET", path, BodyFraming::Empty);
    assert_eq!(got, expected.map_err(WatchRefusal::Path), "{}", String::from_utf8_lossy(path));
}

#[test]
fn a_uuid_of_any_case_names_the_film() {
    check_path(format!("/watch/{UUID}"), Ok(GET));
    check_path(format!("/watch/{}", UUID.to_uppercase()), Ok(GET));
    check_path("/watch/3D825f60-9fFf-4dfe-B294-1a45fa1E115d", Ok(GET));
    let nil = Asked::Film { film: Film([0; 16]), path: Cow::Borrowed(""), method: Method::Get };
    check_path("/watch/00000000-0000-0000-0000-000000000000", Ok(nil));
}

#[test]
fn what_does_not_begin_with_the_prefix_is_not_ours() {
    for path in [
        "",
        "/",
        "*",
        "/watch",
        "/watc/h",
        "/Watch/",
        "/WATCH/3d825f60-9fff-4dfe-b294-1a45fa1e115d",
        "//watch/3d825f60-9fff-4dfe-b294-1a45fa1e115d",
        "/./watch/3d825f60-9fff-4dfe-b294-1a45fa1e115d",
        "/%77atch/3d825f60-9fff-4dfe-b294-1a45fa1e115d",
        "watch/3d825f60-9fff-4dfe-b294-1a45fa1e115d",
        "http://films.example/watch/3d825f60-9fff-4dfe-b294-1a45fa1e115d",
        "/watching/3d825f60-9fff-4dfe-b294-1a45fa1e115d",
    ] {
        check_path(path, Ok(Asked::NotMine));
        for ask in [ask, ask_tree] {
            let refused_elsewhere = ask("BREW", path.as_bytes(), BodyFraming::Present);
            assert_eq!(refused_elsewhere, Ok(Asked::NotMine), "{path}");
        }
    }
}

#[test]
fn everything_else_under_the_prefix_is_a_fault_with_its_name() {
    use PathFault as F;
    let cases: &[(&str, PathFault)] = &[
        ("", F::Missing),
        ("/", F::EmptySegment),
        ("/3d825f60-9fff-4dfe-b294-1a45fa1e115d", F::EmptySegment),
        ("3d825f60-9fff-4dfe-b294-1a45fa1e115d//", F::EmptySegment),
        ("3d825f60-9fff-4dfe-b294-1a45fa1e115d/", F::TrailingSlash),
        ("x/", F::TrailingSlash),
        ("3d825f60-9fff-4dfe-b294-1a45fa1e115d/seg1.ts", F::ExtraSegment),
        ("hls/3d825f60-9fff-4dfe-b294-1a45fa1e115d", F::ExtraSegment),
        ("a/b/", F::ExtraSegment),
        (".", F::DotSegment),
        ("..", F::DotSegment),
        ("../", F::DotSegment),
        ("../watch/3d825f60-9fff-4dfe-b294-1a45fa1e115d", F::DotSegment),
        ("./3d825f60-9fff-4dfe-b294-1a45fa1e115d", F::DotSegment),
        ("3d825f60-9fff-4dfe-b294-1a45fa1e115d/..", F::DotSegment),
        ("%2e%2e/x", F::PercentEncoded),
        ("%33d825f60-9fff-4dfe-b294-1a45fa1e115d", F::PercentEncoded),
        ("3d825f60-9fff-4dfe-b294-1a45fa1e115d%00", F::PercentEncoded),
        ("3d825f609fff4dfeb2941a45fa1e115d", F::NoDashes),
        ("{3d825f60-9fff-4dfe-b294-1a45fa1e115d}", F::Braces),
        ("{3d825f60}", F::NotUuid),
        ("{", F::NotUuid),
        ("urn:uuid:3d825f60-9fff-4dfe-b294-1a45fa1e115d", F::NotUuid),
        ("3d825f60-9fff-4dfe-b294-1a45fa1e115d?x", F::NotUuid),
        ("3d825f60-9fff-4dfe-b294-1a45fa1e115d.mp4", F::NotUuid),
        ("3d825f60-9fff-4dfe-b294-1a45fa1e115", F::NotUuid),
        ("3d825f60-9fff-4dfe-b294-1a45fa1e115dd", F::NotUuid),
        ("3d825f60-9fff-4dfe-b294-1a45fa1e115g", F::NotUuid),
        ("3d825f6-09fff-4dfe-b294-1a45fa1e115d", F::NotUuid),
        ("3d825f60_9fff_4dfe_b294_1a45fa1e115d", F::NotUuid),
        ("3d825f60-9fff-4dfe-b294-1a45fa1e115-", F::NotUuid),
        (" 3d825f60-9fff-4dfe-b294-1a45fa1e115d", F::NotUuid),
        ("..\\3d825f60-9fff-4dfe-b294-1a45fa1e115d", F::NotUuid),
        ("3d825f60-9fff-4dfe-b294-1a45fa1e115d;v=1", F::NotUuid),
        ("3d825f60-9fff-4dfe-b294-1a45fa1é115", F::NotAscii),
        ("\u{ff13}d825f60-9fff-4dfe-b294-1a45fa1e115d", F::NotAscii),
    ];
    for (rest, fault) in cases {
        check_path(format!("/watch/{rest}"), Err(*fault));
    }
    check_path(b"/watch/\xff\xfe", Err(F::NotAscii));
}

#[track_caller]
fn check_tree(rest: &str, expected: Result<&str, PathFault>) {
    let path = format!("/watch/{rest}");
    let got = ask_tree("GET", path.as_bytes(), BodyFraming::Empty);
    let film = |path| Asked::Film { film: FILM, path: Cow::Borrowed(path), method: Method::Get };
    assert_eq!(got, expected.map(film).map_err(WatchRefusal::Path), "{path}");
}

#[test]
fn where_films_are_trees_a_file_is_named_behind_the_uuid() {
    use PathFault as F;
    check_tree(&format!("{UUID}/master.m3u8"), Ok("master.m3u8"));
    check_tree(&format!("{}/v/720p/1.ts", UUID.to_uppercase()), Ok("v/720p/1.ts"));
    check_tree(&format!("{UUID}/a%20b/%D1%84.ts"), Ok("a b/\u{444}.ts"));
    check_tree(UUID, Err(F::NoFile));
    for (behind, fault) in [
        ("/", F::NoFile),
        ("//", F::EmptySegment),
        ("//a", F::EmptySegment),
        ("/a/", F::TrailingSlash),
        ("/../a", F::DotSegment),
        ("/%2e%2e/a", F::DotSegment),
        ("/a%2fb", F::EncodedSlash),
        ("/a b", F::NotPlain),
    ] {
        check_tree(&format!("{UUID}{behind}"), Err(fault));
    }
    // The uuid is read as strictly as ever, and judged before the file.
    for (rest, fault) in [
        ("", F::Missing),
        ("/", F::EmptySegment),
        ("/master.m3u8", F::EmptySegment),
        ("//", F::EmptySegment),
        ("..", F::DotSegment),
        ("../x", F::DotSegment),
        ("./master.m3u8", F::DotSegment),
        ("%2e%2e/x", F::PercentEncoded),
        ("%33d825f60-9fff-4dfe-b294-1a45fa1e115d/a.ts", F::PercentEncoded),
        ("3d825f60-9fff-4dfe-b294-1a45fa1e115d%2fa.ts", F::PercentEncoded),
        ("3d825f60-9fff-4dfe-b294-1a45fa1e115d.m3u8", F::NotUuid),
        ("hls/3d825f60-9fff-4dfe-b294-1a45fa1e115d/../a", F::NotUuid),
        ("3d825f609fff4dfeb2941a45fa1e115d/a.ts", F::NoDashes),
        ("{3d825f60-9fff-4dfe-b294-1a45fa1e115d}/a.ts", F::Braces),
        ("\u{444}/a.ts", F::NotAscii),
    ] {
        check_tree(rest, Err(fault));
    }
}

#[test]
fn methods_and_bodies_are_judged_behind_a_files_path_as_behind_a_films() {
    use BodyFraming::{Empty, Present};
    let good = format!("/watch/{UUID}/master.m3u8").into_bytes();
    let bad = format!("/watch/{UUID}/a//b").into_bytes();
    assert_eq!(ask_tree("OPTIONS", &good, Empty), Ok(Asked::Preflight));
    assert_eq!(ask_tree("OPTIONS", &good, Present), Err(WatchRefusal::Body));
    assert_eq!(ask_tree("HEAD", &good, Present), Err(WatchRefusal::Body));
    assert_eq!(ask_tree("DELETE", &good, Present), Err(WatchRefusal::Method));
    for method in ["GET", "HEAD", "OPTIONS", "DELETE"] {
        assert_eq!(ask_tree(method, &bad, Present), Err(WatchRefusal::Path(PathFault::EmptySegment)));
    }
    let head = Asked::Film { film: FILM, path: Cow::Borrowed("master.m3u8"), method: Method::Head };
    assert_eq!(ask_tree("HEAD", &good, Empty), Ok(head));
}

#[track_caller]
fn check(method: &str, rest: &str, body: BodyFraming, expected: &Result<Asked<'_>, WatchRefusal>) {
    assert_eq!(ask(method, format!("/watch/{rest}").as_bytes(), body), *expected, "{method} {rest} {body:?}");
}

#[test]
fn the_path_is_judged_before_the_method_and_the_method_before_the_body() {
    use BodyFraming::{Empty, Present};
    let bad_path = Err(WatchRefusal::Path(PathFault::NotUuid));
    check("GET", UUID, Empty, &Ok(GET));
    check("HEAD", UUID, Empty, &Ok(HEAD));
    check("OPTIONS", UUID, Empty, &Ok(Asked::Preflight));
    for method in ["GET", "HEAD", "OPTIONS"] {
        check(method, UUID, Present, &Err(WatchRefusal::Body));
        check(method, "x", Present, &bad_path);
    }
    for method in [
        "POST", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "get", "head", "options", "Get", "HEAD ",
        "QUERY", "",
    ] {
        check(method, UUID, Empty, &Err(WatchRefusal::Method));
        check(method, UUID, Present, &Err(WatchRefusal::Method));
        check(method, "x", Empty, &bad_path);
    }
    check("OPTIONS", "x", Empty, &bad_path);
}

#[test]
fn only_one_content_length_of_zero_is_no_body() {
    fn check(transfer_encoding: &[&str], content_length: &[&str], expected: BodyFraming) {
        let bytes = |lines: &[&str]| lines.iter().map(|line| line.as_bytes().to_vec()).collect::<Vec<_>>();
        let (encoding, length) = (bytes(transfer_encoding), bytes(content_length));
        let got = BodyFraming::of(encoding.iter().map(Vec::as_slice), length.iter().map(Vec::as_slice));
        assert_eq!(got, expected, "{transfer_encoding:?} {content_length:?}");
    }
    check(&[], &[], BodyFraming::Empty);
    check(&[], &["0"], BodyFraming::Empty);
    check(&[], &[" 0\t"], BodyFraming::Empty);
    for length in ["1", "00", "-0", "+0", "0, 0", "", "0x0", "18446744073709551616"] {
        check(&[], &[length], BodyFraming::Present);
    }
    check(&[], &["0", "0"], BodyFraming::Present);
    for encoding in ["chunked", "identity", ""] {
        check(&[encoding], &[], BodyFraming::Present);
        check(&[encoding], &["0"], BodyFraming::Present);
    }
    assert_eq!(BodyFraming::Present.after_answer(), Connection::Close);
    assert_eq!(BodyFraming::Empty.after_answer(), Connection::Keep);
}

#[test]
fn a_film_is_written_in_its_canonical_form() {
    assert_eq!(FILM.to_string(), UUID);
    assert_eq!(format!("{FILM:?}"), format!("Film({UUID})"));
    assert_eq!(format!("{FILM:>38}"), format!("  {UUID}"));
    assert_eq!(serde_json::to_string(&FILM).unwrap(), format!("\"{UUID}\""));
    assert_eq!("3d825f60".parse::<Film>(), Err(PathFault::NotUuid));
    assert_eq!("".parse::<Film>(), Err(PathFault::Missing));
}

/// Paths that come near to being right, beside wholly arbitrary ones.
fn paths() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        prop::collection::vec(any::<u8>(), 0..48).prop_map(|rest| [b"/watch/".as_slice(), &rest].concat()),
        "/watch/[0-9a-fA-F-]{36}".prop_map(String::into_bytes),
        "/watch/[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}".prop_map(String::into_bytes),
        ("/watch/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", 0..43_usize, any::<u8>()).prop_map(
            |(path, at, byte)| {
                let mut path = path.into_bytes();
                path[at] = byte;
                path
            }
        ),
    ]
}

proptest! {
    #[test]
    fn only_a_uuid_letter_by_letter_is_a_film(path in paths(), method in "GET|HEAD|OPTIONS|POST|[a-z]*") {
        let canonical = path.strip_prefix(b"/watch/").is_some_and(|rest| {
            rest.len() == 36 && rest.iter().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => *byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
        });
        match ask(&method, &path, BodyFraming::Empty) {
            Ok(Asked::Film { film, path: file, method: asked }) => {
                prop_assert!(canonical && file.is_empty());
                prop_assert_eq!(asked.as_str(), &method);
                let lower = path[7..].to_ascii_lowercase();
                prop_assert_eq!(&film.hyphenated()[..], &lower[..]);
            }
            Ok(Asked::Preflight) => prop_assert!(canonical && method == "OPTIONS"),
            Ok(Asked::NotMine) => prop_assert!(!path.starts_with(b"/watch/")),
            Err(WatchRefusal::Path(_)) => prop_assert!(!canonical && path.starts_with(b"/watch/")),
            Err(refusal) => prop_assert!(canonical && refusal == WatchRefusal::Method),
        }
    }

    #[test]
    fn a_tree_takes_a_uuid_and_a_path_and_nothing_else(
        uuid in "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
        rest in prop_oneof![any::<String>(), "(/[a-z%0-9.]{0,6}){0,4}"],
        noise in paths(),
    ) {
        let noisy = ask_tree("GET", &noise, BodyFraming::Empty);
        prop_assert_eq!(noisy == Ok(Asked::NotMine), !noise.starts_with(b"/watch/"));
        let path = format!("/watch/{uuid}{rest}");
        match ask_tree("GET", path.as_bytes(), BodyFraming::Empty) {
            Ok(Asked::Film { film, path, .. }) => {
                prop_assert_eq!(film, uuid.parse().unwrap());
                prop_assert_eq!(Ok(path), file::path(&rest.as_bytes()[1..]));
                prop_assert!(rest.starts_with('/'));
            }
            Err(WatchRefusal::Path(fault)) => prop_assert!(!fault.to_string().is_empty()),
            other => prop_assert!(false, "{:?}", other),
        }
    }

    #[test]
    fn a_film_survives_its_text(bytes: [u8; 16]) {
        let film = Film::from_bytes(bytes);
        prop_assert_eq!(film.to_string().parse(), Ok(film));
        prop_assert_eq!(Film::parse(film.to_string().to_uppercase().as_bytes()), Some(film));
        prop_assert_eq!(film.as_bytes(), &bytes);
    }
}
