use std::collections::BTreeMap;

use super::*;
use crate::config::{Mode, Secret, Source, parse};

fn config(text: &str) -> Config {
    let base = "[bucket]\nname = \"movies\"\n[[node]]\nid = \"ams\"\nendpoint = \"http://ams:9000\"\n\
                at = { lat = 52.4, lon = 4.9 }\naccess_key = \"gate\"\nsecret_key = \"a-secret-of-the-tests\"\n";
    let text = format!("{base}{text}");
    parse(&Source { text: &text, path: None, env: &BTreeMap::new() })
        .unwrap_or_else(|faults| panic!("{faults}"))
        .config
}

#[test]
fn what_only_a_restart_brings_keeps_its_value() {
    let running = config("");
    let differs = |written: Config, expected: &[&str]| {
        let mut next = written.clone();
        assert_eq!(keep(&mut next, &running, true), expected);
        let is_kept = !expected.is_empty();
        assert_eq!(next == running, is_kept, "{expected:?}");
        assert_eq!(next == written, !is_kept, "{expected:?}");
    };
    let check = |text: &str, expected: &[&str]| differs(config(text), expected);
    let token = Some(Secret::new("0123456789abcdef"));
    let mut other = running.clone();
    other.listen.admin_token.clone_from(&token);
    other.presence.events_token = token;
    other.listen.events = Some(([127, 0, 0, 1], 1).into());
    differs(other, &["listen.admin_token", "listen.events", "presence.events_token"]);
    check("[listen]\nhttp = \"127.0.0.1:1\"", &["listen.http"]);
    check("[listen]\nadmin = \"127.0.0.1:1\"", &["listen.admin"]);
    check("[watch]\nprefix = \"/films/\"\nobject = \"{uuid}.mkv\"", &["watch.prefix", "watch.object"]);
    check("[presence]\nenabled = false", &["presence.enabled"]);
    check("[presence]\ncapacity = 5000", &["presence.capacity"]);
    check("[catalog]\nfile = \"films.csv\"", &["catalog"]);
    check("[[route]]\nprefix = \"/\"\nto = \"http://127.0.0.1:1\"", &["route"]);
    check("[log]\nlevel = \"debug\"", &["log"]);
    check("[watch]\nmode = \"stream\"\nlink_lifetime = \"1h\"", &[]);
    check("[presence]\npositive_ttl = \"2m\"\n[health]\ninterval = \"5s\"", &[]);
}

#[test]
fn a_gate_that_cannot_stream_does_not_begin_to() {
    let running = config("");
    let mut next = config("[watch]\nmode = \"stream\"");
    assert_eq!(keep(&mut next, &running, false), ["watch.mode"]);
    assert_eq!(next.watch.mode, Mode::Redirect);
}
