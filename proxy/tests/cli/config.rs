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

/// [`place_of_two_nodes`] with a catalog in `films.csv`.
fn place_with_catalog(films: &str) -> Place {
    let place =
        place_of_two_nodes("127.0.0.1:9900").edit(|config| config + "[catalog]\nfile = \"films.csv\"\n");
    place.write("films.csv", films);
    place
}

#[test]
fn a_catalog_with_faults_is_told_row_by_row() {
    const BAD_ROWS: &str = "uuid,key\n1,a.mp4\n0b9ab1a5-29d9-4f2d-9d5a-0f1e2d3c4b5a,../b.mp4\n";
    for args in [
        &["check"][..],
        &["run"],
        &["explain", "0b9ab1a5-29d9-4f2d-9d5a-0f1e2d3c4b5a", "--ip", "::1", "--offline"],
    ] {
        let ended = place_with_catalog(BAD_ROWS).run(args);
        assert_eq!((ended.code, &*ended.out), (Some(78), ""), "{args:?} {ended:?}");
        let expected = "error: catalog.file has faults (ten at most are shown)\n\
                        films.csv:2: uuid \"1\" is not 8-4-4-4-12 hexadecimal digits\n\
                        films.csv:3: key \"../b.mp4\" must not have a segment \"..\"\n";
        assert_eq!(ended.err, expected, "{args:?}");
    }
    let ended = place_with_catalog(BAD_ROWS).run(&["check", "--json"]);
    let found: Value = serde_json::from_str(&ended.out).unwrap();
    let (faults, last) = (&found["faults"], &found["faults"][1]);
    assert_eq!((ended.code, faults.as_array().unwrap().len()), (Some(78), 2));
    assert_eq!(
        (&last["key"], &last["file"], &last["line"]),
        (&"catalog.file".into(), &"films.csv".into(), &3.into())
    );

    let gone = place_with_catalog("");
    std::fs::remove_file(gone.folder.path().join("films.csv")).unwrap();
    let ended = gone.run(&["check"]);
    assert_eq!((ended.code, &*ended.out), (Some(78), ""));
    assert!(
        ended.err.starts_with("error: catalog.file: cannot read films.csv: No such file"),
        "{}",
        ended.err
    );

    let both = place_with_catalog(BAD_ROWS);
    std::fs::remove_file(both.folder.path().join("cities.mmdb")).unwrap();
    let ended = both.run(&["check"]);
    assert_eq!(ended.code, Some(78));
    assert!(ended.err.contains("cities.mmdb") && ended.err.contains("films.csv:2"), "{}", ended.err);
}

#[test]
fn a_good_catalog_is_counted_and_a_database_is_named() {
    let films =
        "uuid,key\n0b9ab1a5-29d9-4f2d-9d5a-0f1e2d3c4b5a,a.mp4\n1b9ab1a5-29d9-4f2d-9d5a-0f1e2d3c4b5a,b.mp4\n";
    let ended = place_with_catalog(films).run(&["check"]);
    assert_eq!((ended.code, &*ended.err), (Some(0), ""));
    assert!(ended.out.ends_with("\n  films.csv: a catalog of 2 films\n"), "{}", ended.out);
    let json: Value = serde_json::from_str(&place_with_catalog(films).run(&["check", "--json"]).out).unwrap();
    assert_eq!((&json["catalog"]["kind"], &json["catalog"]["films"]), (&"file".into(), &2.into()));

    let database = "[catalog]\npostgres = { url_file = \"url\", query = \"SELECT $1::text\" }\n";
    let place = place_of_two_nodes("127.0.0.1:9900").edit(|config| config + database);
    place.write("url", "postgres://gate:not-to-be-seen@db.invalid/films");
    let ended = place.run(&["check"]);
    assert_eq!((ended.code, &*ended.err), (Some(0), ""));
    assert!(ended.out.contains("catalog.postgres: a database names the objects"), "{}", ended.out);
    place.write("url", "postgres://gate:not-to-be-seen@db.invalid:port/films");
    let ended = place.run(&["check"]);
    assert_eq!((ended.code, ended.err.contains("not-to-be-seen")), (Some(78), false), "{ended:?}");
    assert!(ended.err.starts_with("error: `catalog.postgres`: the URL cannot be read"), "{}", ended.err);
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
fn what_is_seldom_meant_of_presence_and_events_is_remarked() {
    const NO_SOURCE: &str =
        "no node has role = \"source\": a film is unknown (404) only when every node says so";
    const NO_PRESENCE: &str = "presence.enabled is false: nobody asks which nodes hold a film";
    let check = |edit: fn(String) -> String, remarks: &[&str]| {
        let place = place_of_two_nodes("127.0.0.1:9900").edit(edit);
        place.write("token", "a-token-of-the-nodes");
        let ended = place.run(&["check"]);
        assert_eq!((ended.code, &*ended.err), (Some(0), ""));
        let told: Vec<_> = ended.out.lines().filter_map(|line| line.strip_prefix("remark: ")).collect();
        assert_eq!(told.len(), remarks.len(), "{told:?}");
        for (told, remark) in told.into_iter().zip(remarks) {
            assert!(told.starts_with(remark), "{told}");
        }
    };
    check(|config| config, &[]);
    check(|config| config.replace("role = \"source\"", ""), &[NO_SOURCE]);
    check(|config| config + "[presence]\nenabled = false\n", &[NO_PRESENCE]);
    // Without presence a redirecting gate calls no film unknown.
    check(|config| config.replace("role = \"source\"", "") + "[presence]\nenabled = false\n", &[NO_PRESENCE]);
    check(|config| config.replace("[watch]", "[watch]\nsegments = \"redirect\""), &[]);
    check(
        |config| {
            config.replace("[listen]", "[listen]\nevents = \"127.0.0.1:9901\"")
                + "[presence]\nevents_token_file = \"token\"\n"
        },
        &["listen.events is 127.0.0.1:9901, a loopback address: only nodes on this machine"],
    );
    check(
        |config| {
            config.replace("[listen]", "[listen]\nevents = \"0.0.0.0:9901\"")
                + "[presence]\nevents_token_file = \"token\"\n"
        },
        &[],
    );
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
