use super::*;

#[test]
fn the_longest_prefix_wins_on_whole_segments() {
    let table = Table::new(["/api/", "/", "/api/v2", "/admin", "/api/v2/films/"]);
    let check =
        |path: &str, expected: Option<usize>| assert_eq!(table.find(path.as_bytes()), expected, "{path}");
    check("/", Some(1));
    check("/index.html", Some(1));
    check("/api", Some(1));
    check("/apiary", Some(1));
    check("/api/", Some(0));
    check("/api/films", Some(0));
    check("/api/v2", Some(2));
    check("/api/v2/", Some(2));
    check("/api/v21", Some(0));
    check("/api/v2/films", Some(2));
    check("/api/v2/films/", Some(4));
    check("/api/v2/films/1", Some(4));
    check("/admin", Some(3));
    check("/admin/users", Some(3));
    check("/administrator", Some(1));
    check("/API/films", Some(1));
    // No path at all: the target of a proxy's request, of OPTIONS, of nothing.
    check("http://films.example/api/films", None);
    check("*", None);
    check("", None);
    assert_eq!(Table::new(["/api"]).find(b"/"), None);
}

#[test]
fn a_stripped_path_still_begins_with_a_slash() {
    let check = |target: &str, prefix: &str, expected: &str| {
        assert_eq!(strip(target.as_bytes(), prefix), expected.as_bytes(), "{target} without {prefix}");
    };
    check("/api/films?x=1", "/api", "/films?x=1");
    check("/api", "/api", "/");
    check("/api/", "/api", "/");
    check("/api?x=/", "/api", "/?x=/");
    check("/films", "", "/films");
    check("/api/a%2Fb/%20", "/api", "/a%2Fb/%20");
}

/// Every way to write the films' path that some program reads as that path.
#[test]
fn no_reading_of_a_path_leads_to_the_films() {
    let film = [
        "/watch",
        "/watch/x",
        "//watch/x",
        "///watch///x",
        "/WATCH/x",
        "/wAtch",
        "/%77atch/x",
        "/%2577atch/x",
        "/watch%2fx",
        "/watch%2Fx",
        "/%2fwatch/x",
        "/watch%252fx",
        "\\watch\\x",
        "/\\watch/x",
        "/watch%5cx",
        "/watch;v=1/x",
        "/;/watch/x",
        "/watch%3bv/x",
        "/watch%3fx",
        "/watch%23x",
        "/wat%00ch/x",
        "/watch%20/x",
        "/watch%09",
        "/%20/watch/x",
        "/watch%00",
    ];
    for path in film {
        assert_eq!(doubt(path.as_bytes(), "/watch/"), Some(Doubt::Film), "{path}");
    }
    let dots = [
        "/./watch/x",
        "/api/../watch/x",
        "/api/..",
        "/api/.",
        "/api/%2e%2e/watch",
        "/api/%2E./watch",
        "/api/%252e%252e/watch",
        "/api/..%2fwatch",
        "/api/..%5cwatch",
        "/api/..\\watch",
        "/api/..;/watch",
        "/api/..;x=1/watch",
        "/api/.%00./watch",
        "/api/..%20/watch",
    ];
    for path in dots {
        assert_eq!(doubt(path.as_bytes(), "/watch/"), Some(Doubt::DotSegment), "{path}");
    }
    assert_eq!(doubt(b"/%2525252577atch", "/watch/"), Some(Doubt::Nested));
    assert_eq!(doubt(b"/Films/V1%2Fx", "/films/v1/"), Some(Doubt::Film));
    assert_eq!(
        doubt(b"/films/v1", "/Films/v1/"),
        Some(Doubt::Film),
        "the prefix's case does not matter either"
    );
}

#[test]
fn ordinary_paths_are_in_no_doubt() {
    for path in [
        "/",
        "/api/films",
        "/api//films",
        "/api/watch/x",
        "/watches/x",
        "/watch-list",
        "/watch.html",
        "/api/a%2Fb",
        "/api/100%25",
        "/api/%",
        "/api/%zz",
        "/api/...",
        "/api/a..b/.well-known/x",
        "/api/films;sort=asc",
        "/%D1%84%D0%B8%D0%BB%D1%8C%D0%BC",
        "/fi\u{44f}",
        "/_next/static/chunks/%5Bid%5D.js",
        "/files/http://other.example/x",
        "/films/watch",
    ] {
        assert_eq!(doubt(path.as_bytes(), "/watch/"), None, "{path}");
    }
    assert_eq!(doubt(b"/films", "/films/v1/"), None, "above the films' path is not below it");
}

proptest::proptest! {
    /// Whatever stands before the films' prefix and behind it: once it is written plainly, it is seen.
    #[test]
    fn encoding_hides_nothing(rounds in 0_usize..4, mask in 0_u32..64) {
        let mut path = b"/watch".to_vec();
        for _ in 0..rounds {
            path = path.iter().enumerate().flat_map(|(at, byte)| {
                let encoded = format!("%{byte:02X}").into_bytes();
                if mask >> (at % 6) & 1 == 1 { encoded } else { vec![*byte] }
            }).collect();
        }
        proptest::prop_assert_eq!(doubt(&path, "/watch/"), Some(Doubt::Film));
    }

    /// No path makes it panic, and a short path is never read for long.
    #[test]
    fn any_bytes_are_read(path in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        let _ = doubt(&path, "/watch/");
    }
}
