//! Bad files, each with the whole message that a person reads. The tables are `bad/*.txt`:
//!
//! ```text
//! === what the case shows
//! $ NAME=value           an environment variable; these lines are no part of the file
//! <bucket>               a line of the file: one of `LINES` below
//! [health]               any other line stands for itself
//! ---
//! gate.toml:2: the message
//! ```

use std::collections::BTreeMap;

use crate::support::message;

const LINES: [(&str, &str); 7] = [
    ("<bucket>", r#"bucket = { name = "movies" }"#),
    (
        "<node>",
        r#"node = [{ id = "msk", endpoint = "http://msk:9000", at = { lat = 1, lon = 2 }, access_key = "gate", secret_key = "hush-hush-secret" }]"#,
    ),
    ("<id>", r#"id = "msk""#),
    ("<endpoint>", r#"endpoint = "http://msk:9000""#),
    ("<at>", "at = { lat = 55.75, lon = 37.62 }"),
    ("<access_key>", r#"access_key = "gate""#),
    ("<secret_key>", r#"secret_key = "hush-hush-secret""#),
];

struct Case {
    about: String,
    text: String,
    env: BTreeMap<String, String>,
    expected: String,
}

fn cases(table: &str) -> Vec<Case> {
    table.split("=== ").skip(1).map(case).collect()
}

fn case(block: &str) -> Case {
    let (about, rest) = block.split_once('\n').expect("a case has a title");
    let (written, expected) = rest.split_once("---\n").expect("a case has a message");
    let (variables, lines): (Vec<&str>, Vec<&str>) = written.lines().partition(|line| line.starts_with("$ "));
    let variable =
        |line: &&str| line[2..].split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let line =
        |line: &&str| LINES.iter().find(|(name, _)| name == line).map_or(*line, |(_, text)| text).to_owned();
    Case {
        about: about.to_owned(),
        text: lines.iter().map(line).collect::<Vec<_>>().join("\n"),
        env: variables.iter().filter_map(variable).collect(),
        expected: expected.trim_end().to_owned(),
    }
}

fn check(table: &str, at_least: usize) {
    let cases = cases(table);
    assert!(cases.len() >= at_least, "only {} cases were read", cases.len());
    let mut wrong = Vec::new();
    for case in cases {
        let message = message(&case.text, &case.env);
        assert!(!message.contains("hush-hush"), "a secret was told: {message}");
        if message != case.expected {
            wrong.push(format!("=== {}\n--- expected\n{}\n--- got\n{message}\n", case.about, case.expected));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.concat());
}

#[test]
fn grammar() {
    check(include_str!("bad/grammar.txt"), 30);
}

#[test]
fn listen_viewer_and_geoip() {
    check(include_str!("bad/listen_geoip.txt"), 40);
}

#[test]
fn watch_and_health() {
    check(include_str!("bad/watch_health.txt"), 50);
}

#[test]
fn presence_and_events() {
    check(include_str!("bad/presence.txt"), 20);
}

#[test]
fn catalogs() {
    check(include_str!("bad/catalog.txt"), 20);
}

#[test]
fn streams() {
    check(include_str!("bad/stream.txt"), 25);
}

#[test]
fn bucket_and_nodes() {
    check(include_str!("bad/nodes.txt"), 40);
}

#[test]
fn credentials() {
    check(include_str!("bad/credentials.txt"), 10);
}

#[test]
fn environment() {
    check(include_str!("bad/environment.txt"), 25);
}

#[test]
fn routes() {
    check(include_str!("bad/route.txt"), 20);
}
