//! No text and no environment makes the reader panic, and every refusal says something.

use std::collections::BTreeMap;

use proptest::prelude::*;
use watchgate_config::{ObjectTemplate, Source, parse};

use crate::support::{EXAMPLE, example_env};

fn read(text: &str, env: &BTreeMap<String, String>) {
    match parse(&Source { text, path: None, env }) {
        Ok(loaded) => {
            // What is right can be shown, and read again.
            parse(&Source { text: &loaded.print(), path: None, env }).expect("a print is a file");
            assert!(loaded.print_json()["config"].is_object());
        }
        Err(faults) => {
            assert!(!faults.is_empty() && !faults.to_string().is_empty());
            let lines = text.lines().count() + 1;
            for fault in &faults {
                assert!(!fault.why.is_empty(), "{fault:?}");
                assert!(fault.line.is_none_or(|line| (1..=lines).contains(&line)), "{fault:?} of {lines}");
            }
        }
    }
}

/// Bits of TOML, so that random texts get past its syntax now and then.
fn toml_like() -> impl Strategy<Value = String> {
    let key = prop::sample::select(vec![
        "listen",
        "http",
        "geoip",
        "rule",
        "home",
        "lat",
        "lon",
        "node",
        "id",
        "at",
        "secret_key",
        "health",
        "rise",
        "watch",
        "object",
        "link_lifetime",
        "segments",
        "presence",
        "catalog",
        "file",
        "postgres",
        "query",
        "stream",
        "window",
        "hedge_after",
        "bucket",
        "name",
        "\"a b\"",
        "x",
    ]);
    let value = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| format!("{number:?}")),
        "[a-z0-9:/.{}-]{0,12}".prop_map(|text| format!("{text:?}")),
        "[0-9]{1,22}(KiB|MiB|GiB|MB|)".prop_map(|text| format!("{text:?}")),
        Just("true".to_owned()),
        Just("[]".to_owned()),
        Just("[1, [\"a\"], {}]".to_owned()),
        Just("{ lat = 1, lon = 2 }".to_owned()),
        Just("1979-05-27".to_owned()),
    ];
    let line = (prop::collection::vec(key, 1..4), value, 0..4u8).prop_map(|(keys, value, form)| match form {
        0 => format!("[{}]", keys.join(".")),
        1 => format!("[[{}]]", keys.join(".")),
        _ => format!("{} = {value}", keys.join(".")),
    });
    prop::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

/// Templates that were taken, with and without a path.
fn template() -> impl Strategy<Value = ObjectTemplate> {
    let text = "([a-zф.-]{1,2}/?|\\{uuid:0:2\\}|\\{uuid:31:32\\}){0,3}(\\{uuid\\}|\\{uuid:16:32\\}-?\\{uuid:0:16\\})\
                (/[a-z]|\\{uuid:3:5\\}|\\.mp4){0,2}(/\\{path\\})?";
    text.prop_filter_map("a bad segment", |text| text.parse().ok())
}

/// Each level is one call deep for whoever walks the tree.
#[test]
fn endless_nesting_is_refused() {
    let dotted = format!("{}x = 1", "a.".repeat(200_000));
    let header = format!("[{}x]", "a.".repeat(200_000));
    let lists = format!("a = {}", "[".repeat(200_000));
    let tables = format!("a = {}", "{a=".repeat(200_000));
    for text in [dotted, header, lists, tables] {
        let faults = parse(&Source { text: &text, path: None, env: &BTreeMap::new() }).expect_err("nonsense");
        assert!(faults.to_string().len() < 1000);
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(?s).{0,400}") {
        read(&text, &BTreeMap::new());
    }

    #[test]
    fn any_toml_is_read_or_refused(text in toml_like()) {
        read(&text, &BTreeMap::new());
    }

    #[test]
    fn a_spoilt_example_is_read_or_refused(at in 0..EXAMPLE.len(), cut in 0..40usize, patch in "(?s).{0,12}") {
        // The example is ASCII, so that every place in it is between two characters.
        let end = (at + cut).min(EXAMPLE.len());
        read(&format!("{}{patch}{}", &EXAMPLE[..at], &EXAMPLE[end..]), &example_env());
    }

    #[test]
    fn two_lines_of_the_example_may_change_places(one in 0..130usize, other in 0..130usize) {
        let mut lines: Vec<&str> = EXAMPLE.lines().collect();
        let (one, other) = (one % lines.len(), other % lines.len());
        lines.swap(one, other);
        read(&lines.join("\n"), &example_env());
    }

    #[test]
    fn any_environment_is_read_or_refused(
        keys in prop::collection::vec(("(WATCHGATE__|WATCHGATE_NODE_)?[A-Z_]{0,20}", "(?s).{0,30}"), 0..6),
        listed in "(?s).{0,30}",
    ) {
        let mut env: BTreeMap<String, String> = keys.into_iter().collect();
        env.insert("WATCHGATE__VIEWER__TRUSTED_PROXIES".to_owned(), listed.clone());
        env.insert("WATCHGATE__WATCH__OBJECT".to_owned(), listed);
        env.extend(example_env());
        read(EXAMPLE, &env);
    }

    /// Two films never share a key, whatever the template that was taken.
    #[test]
    fn keys_of_two_films_differ(template in template(), one: [u8; 16], other: [u8; 16], path in "(?s).{0,12}") {
        prop_assert_eq!(one == other, template.key(&one, "") == template.key(&other, ""));
        prop_assert_eq!(template.key(&one, "").len(), template.key_len());
        if one != other {
            prop_assert_ne!(template.key(&one, &path), template.key(&other, ""));
        }
    }

    #[test]
    fn a_key_tells_its_film(template in template(), film: [u8; 16], path in "(?s).{0,12}") {
        let path = if template.has_path() { path } else { String::new() };
        let key = template.key(&film, &path);
        prop_assert_eq!(template.film_of(&key), Some((film, path.as_str())));
    }

    /// What is taken for a key is one: it is made again from the film that it told.
    #[test]
    fn no_key_is_read_in_two_ways(
        template in template(), film: [u8; 16], at in 0..60usize, cut in 0..3usize, patch in "[0-9a-fA-F/.ю-]{0,2}",
        text in "(?s).{0,60}",
    ) {
        let mut spoilt: Vec<char> = template.key(&film, "a").chars().collect();
        let at = at.min(spoilt.len());
        spoilt.splice(at..(at + cut).min(spoilt.len()), patch.chars());
        for key in [text, spoilt.into_iter().collect()] {
            if let Some((film, path)) = template.film_of(&key) {
                prop_assert_eq!(template.key(&film, path), key);
            }
        }
    }
}
