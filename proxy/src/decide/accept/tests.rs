use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(lines: &[&str], expected: bool) {
    assert_eq!(wants_json(lines.iter().map(|line| line.as_bytes())), expected, "{lines:?}");
}

#[test]
fn clients_that_want_json_get_it() {
    for accept in [
        "application/json",
        // axios
        "application/json, text/plain, */*",
        // Angular
        "application/json, text/plain, */*",
        // jQuery's getJSON
        "application/json, text/javascript, */*; q=0.01",
        // HTTPie with a body
        "application/json, */*;q=0.5",
        // superagent, got
        "application/json",
    ] {
        check(&[accept], true);
    }
}

#[test]
fn players_and_browsers_get_the_film() {
    check(&[], false);
    for accept in [
        // curl, wget, ffmpeg, mpv, fetch, XMLHttpRequest, hls.js, aria2c, <video> in Chrome and Safari
        "*/*",
        // VLC and others send an empty one or none
        "",
        // <video> in Firefox
        "video/webm,video/ogg,video/*;q=0.9,application/ogg;q=0.7,audio/*;q=0.6,*/*;q=0.5",
        // Address bar of Chrome, Firefox, Safari
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        // A browser's tab that looks at JSON
        "text/html,application/json;q=0.9,*/*;q=0.8",
        // Java's old default
        "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
        "application/*",
        "application/ld+json",
        "application/json-seq",
        "text/json",
        "application/jsonp, */*",
        "application/vnd.apple.mpegurl, application/x-mpegurl, */*;q=0.5",
    ] {
        check(&[accept], false);
    }
}

#[test]
fn the_greatest_weight_decides() {
    check(&["application/json;q=0"], false);
    check(&["application/json;q=0.000"], false);
    check(&["application/json;q=0.001"], true);
    check(&["application/json;q=0.5, */*;q=0.5"], true);
    check(&["application/json;q=0.5, */*;q=0.501"], false);
    check(&["application/json;q=0.5, */*"], false);
    check(&["text/html, application/json"], true);
    check(&["application/json;q=1.000, */*;q=0.999"], true);
    check(&["application/json;q=0.2, application/json;q=0.9, */*;q=0.8"], true);
    check(&["*/*;q=0, application/json;q=0.1"], true);
}

#[test]
fn the_field_is_read_by_its_rfc() {
    check(&["APPLICATION/Json"], true);
    check(&["application/json ; Q=0.3 , */* ;q=0.2"], true);
    check(&["\tapplication/json\t;\tq=0.3\t"], true);
    check(&[",, ,application/json,"], true);
    check(&["application/json;;q=1;"], true);
    // Several lines are one list.
    check(&["application/json", "*/*"], true);
    check(&["application/json;q=0.5", "text/html"], false);
    check(&["text/html;q=0.5", "", "application/json"], true);
    // Parameters, also quoted ones that look like the list itself.
    check(&["application/json;charset=utf-8"], true);
    check(&["application/json;profile=\"a,b;q=0\\\",\";q=0.7, */*;q=0.6"], true);
    check(&["text/x;a=\",application/json\""], false);
    check(&["text/x;a=\"\\\",application/json\""], false);
}

#[test]
fn a_malformed_member_is_ignored_and_the_others_stand() {
    for bad in [
        "json",
        "application",
        "application/",
        "/json",
        "/",
        "*",
        "text/html;q",
        "text/html;q=",
        "text/html;q=2",
        "text/html;q=1.001",
        "text/html;q=0.1234",
        "text/html;q=.5",
        "text/html;q=-1",
        "text/html;q=1e0",
        "text/html;q=\"1\"",
        "text/html;q=0,5",
        "text/html;q=0.5;q=1",
        "text/html q=1",
        "text/html;q =1",
        "text/html;q= 1",
        "text/ html",
        "text/html;a",
        "text/h(tml)",
        "text/html/x",
        "text/html;=x",
        "q=1",
        "text/html;q=0.\u{e9}",
        "text/html;q=0.:",
        "text/html;q=01",
        "text/html;a=\"b\"c",
    ] {
        check(&[&format!("{bad}, application/json;q=0.1")], true);
        check(&[&format!("application/json;q=0.1,{bad}")], true);
    }
    for bad in ["application/json;q=1.1", "application/json;q", "application/json x", "application/json/"] {
        check(&[bad], false);
    }
    // An open quote holds the rest of its line, and of no other.
    check(&["text/html;a=\"b, application/json"], false);
    check(&["text/html;a=\"b\\", "application/json"], true);
}

#[test]
fn an_endless_field_is_no_wish_for_json() {
    let filler = "a/b;q=0.1,".repeat(900);
    check(&["application/json", &filler[..8_170]], true);
    check(&["application/json", &filler], false);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_panic_and_never_for_json(
        lines in prop::collection::vec(
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..60),
                "[a-z*/;=q0-9.,\" \\\\]{0,60}".prop_map(String::into_bytes),
            ],
            0..4,
        ),
    ) {
        let named =
            |line: &Vec<u8>| line.to_ascii_lowercase().windows(16).any(|part| part == b"application/json");
        if wants_json(lines.iter().map(Vec::as_slice)) {
            prop_assert!(lines.iter().any(named));
        }
    }

    #[test]
    fn weights_order_as_their_numbers(json in 0..=1_000_u16, other in 0..=1_000_u16, json_first: bool) {
        let weight = |thousandths: u16| format!("{}.{:03}", thousandths / 1_000, thousandths % 1_000);
        let mut members =
            [format!("application/json;q={}", weight(json)), format!("*/*;q={}", weight(other))];
        if !json_first {
            members.reverse();
        }
        let got = wants_json(std::iter::once(members.join(", ").as_bytes()));
        prop_assert_eq!(got, json > 0 && json >= other);
    }
}
