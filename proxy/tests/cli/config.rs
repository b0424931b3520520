//! The configuration: found or not, with faults or without.

use serde_json::Value;

use crate::support::{Place, place_of_two_nodes, two_nodes};

const BAD: &str = r#"
[listen]
admin = "0.0.0.0:9900"
[watch]
mode = "teleport"
[bucket]
name = "movies"
[[node]]
id = "ams"
endpoint = "ftp://10.0.0.5"
at = { lat = 91, lon = 0 }
access_key = "gate"
secret_key = "not-to-be-seen"
"#;

#[test]
fn without_a_file_all_places_are_named() {
    for args in [&["check"][..], &["run"], &["nodes"], &["config", "print"]] {
        let ended = Place::empty().run(args);
        assert_eq!((ended.code, &*ended.out), (Some(78), ""), "{args:?}");
        for place in
            ["--config FILE", "$WATCHGATE_CONFIG", "./watchgate.toml", "/etc/watchgate/watchgate.toml"]
        {
            assert!(ended.err.contains(place), "{place}\n{}", ended.err);
        }
    }
    let ended = Place::empty().run(&["check", "-c", "nowhere.toml"]);
    assert_eq!(ended.code, Some(78));
    assert!(ended.err.contains("nowhere.toml (--config)"), "{}", ended.err);
}

#[test]
fn the_flag_beats_the_variable_and_the_variable_the_usual_place() {
    let place = place_of_two_nodes("127.0.0.1:9900");
    let variable = place.write("variable.toml", two_nodes("127.0.0.1:9901"));
    place.write("flag.toml", two_nodes("127.0.0.1:9902"));
    let admin = |variable: Option<&std::path::Path>, args: &[&str]| {
        let mut command = place.command(args);
        command.envs(variable.map(|path| ("WATCHGATE_CONFIG", path)));
        let print: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
        print["config"]["listen"]["admin"].as_str().unwrap().to_owned()
    };
    assert_eq!(admin(None, &["config", "print", "--json"]), "127.0.0.1:9900");
    assert_eq!(admin(Some(&variable), &["config", "print", "--json"]), "127.0.0.1:9901");
    let flag = ["config", "print", "--json", "-c", "flag.toml"];
    assert_eq!(admin(Some(&variable), &flag), "127.0.0.1:9902");
}

#[test]
fn check_shows_all_faults_at_once_and_no_secret() {
    for args in [&["check"][..], &["run"]] {
        let ended = Place::with(BAD).run(args);
        assert_eq!((ended.code, &*ended.out), (Some(78), ""), "{args:?}");
        for key in ["watchgate.toml:5: watch.mode", "node[0].endpoint", "node[0].at.lat", "listen.admin"] {
            assert!(ended.err.contains(key), "{key}\n{}", ended.err);
        }
        assert!(
            ended.err.starts_with("error: 4 faults in the configuration watchgate.toml\n"),
            "{}",
            ended.err
        );
        assert!(!ended.err.contains("not-to-be-seen"));
    }
}

#[test]
fn faults_as_json() {
    let ended = Place::with(BAD).run(&["check", "--json"]);
    assert_eq!(ended.code, Some(78));
    let found: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(found["faults"].as_array().unwrap().len(), 4);
    assert_eq!((&found["faults"][1]["key"], &found["faults"][1]["line"]), (&"watch.mode".into(), &5.into()));
}

#[test]
fn a_database_that_cannot_be_read_is_a_fault() {
    let ended = Place::with(&two_nodes("127.0.0.1:9900")).run(&["check"]);
    assert_eq!(ended.code, Some(78));
    assert!(ended.err.contains("geoip.databases") && ended.err.contains("cities.mmdb"), "{}", ended.err);
}

#[test]
fn a_good_configuration_is_said_to_be_good() {
    let place = place_of_two_nodes("127.0.0.1:9900");
    let ended = place.run(&["check"]);
    assert_eq!((ended.code, &*ended.err), (Some(0), ""));
    let expected =
        "watchgate.toml is good: 2 nodes, bucket movies, mode redirect\n  cities.mmdb: Test-City (city)\n";
    assert_eq!(ended.out, expected);
    let json: Value = serde_json::from_str(&place.run(&["check", "--json"]).out).unwrap();
    assert_eq!((&json["nodes"], &json["databases"][0]["kind"]), (&2.into(), &"city".into()));
}

#[test]
fn https_nodes_need_no_network_to_be_checked() {
    let https = two_nodes("127.0.0.1:9900").replace("http://", "https://");
    let place = place_of_two_nodes("127.0.0.1:9900");
    place.write("watchgate.toml", https);
    let ended = place.run(&["check"]);
    assert_eq!((ended.code, &*ended.err), (Some(0), ""));
}

#[test]
fn what_is_odd_is_remarked_and_no_fault() {
    let config = two_nodes("127.0.0.1:9900").replace("databases = [\"cities.mmdb\"]", "");
    let ended = Place::with(&config).run(&["check"]);
    assert_eq!(ended.code, Some(0));
    assert!(ended.out.contains("remark: no database in geoip.databases knows places"), "{}", ended.out);
}

#[test]
fn print_hides_secrets_and_schema_is_json() {
    let place = place_of_two_nodes("127.0.0.1:9900");
    for args in [&["config", "print"][..], &["config", "print", "--json"]] {
        let ended = place.run(args);
        assert_eq!(ended.code, Some(0));
        assert!(ended.out.contains("<redacted>") && !ended.out.contains("not-to-be-seen"), "{}", ended.out);
    }
    let schema: Value = serde_json::from_str(&place.run(&["config", "schema"]).out).unwrap();
    assert!(schema["properties"]["watch"].is_object());
}
