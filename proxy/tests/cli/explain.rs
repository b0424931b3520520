//! `explain`, `geo`: decisions and places, from the configuration alone.

use serde_json::Value;

use crate::support::{Place, place_of_two_nodes};

const FILM: &str = "00000000-0000-0000-0000-000000000001";

#[test]
fn an_offline_decision_as_text() {
    let place = place_of_two_nodes("127.0.0.1:9900");
    let ended = place.run(&["explain", FILM, "--ip", "203.0.113.7", "--offline"]);
    assert_eq!((ended.code, &*ended.err), (Some(0), ""));
    let (told, at) = ended.out.split_once("decided at ").unwrap();
    let expected = "\
203.0.113.7, in BR (23.00 S 46.00 W within 20 km), is redirected to gru: the nearest node that takes viewers, 89 km \
away.

   node  state        tier    km  cost  spread  score  load  why
1  gru   taken as up  geo     89   0.9     6.3    7.2   0 %  chosen
2  ams   taken as up  geo   9721  97.2     6.7  103.9   0 %  96.7 ms behind

score = cost + spread in milliseconds; the lowest wins. cost: 1 ms per 100 km, base_ms, and what the load adds.
spread: by a hash of viewer network and film, so that nodes about equally near share their viewers.
Film 00000000-0000-0000-0000-000000000001, object \"00000000-0000-0000-0000-000000000001.mp4\", GET, mode redirect; ";
    assert_eq!(told, expected);
    assert!(
        at.ends_with(
            ", from the configuration alone: every node counts as up and idle, and as holding the film.\n"
        ),
        "{at}"
    );
}

#[test]
fn a_decision_as_json_has_the_fields_of_the_contract() {
    let place = place_of_two_nodes("127.0.0.1:9900");
    let args = ["explain", FILM, "--ip", "2001:db8::1", "--method", "head", "--offline", "--json"];
    let ended = place.run(&args);
    let decision: Value = serde_json::from_str(&ended.out).unwrap();
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    let sorted = |text: &str| {
        let mut names: Vec<_> = text.split(' ').collect();
        names.sort_unstable();
        names.join(" ")
    };
    let whole = "at film path key method mode viewer place policy outcome reason chosen alternates nodes";
    assert_eq!(names(&decision), sorted(whole));
    assert_eq!(names(&decision["viewer"]), sorted("address from"));
    assert_eq!(names(&decision["place"]), sorted("lat lon radius_km country continent asn from"));
    let node = "id state since tier distance_km cost_ms spread_ms score_ms rank load presence dropped";
    assert_eq!(names(&decision["nodes"][0]), sorted(node));
    assert!(decision["path"].is_null());
    assert_eq!((&decision["method"], &decision["place"]["from"]), (&"HEAD".into(), &"unknown".into()));
}

/// [`place_of_two_nodes`], with these keys of `[watch]`.
fn place_of(watch: &str) -> Place {
    place_of_two_nodes("127.0.0.1:9900")
        .edit(|config| config.replace("[watch]\n", &format!("[watch]\n{watch}\n")))
}

#[test]
fn a_file_of_a_tree_is_explained_in_the_mode_of_a_request_for_it() {
    let place = place_of("object = \"films/{uuid}/{path}\"\nsegments = \"redirect\"");
    let check = |file: &str, path: &str, mode: &str| {
        let asked = format!("{FILM}/{file}");
        let ended = place.run(&["explain", &asked, "--ip", "203.0.113.7", "--offline", "--json"]);
        let decision: Value = serde_json::from_str(&ended.out).unwrap();
        assert_eq!((&decision["film"], &decision["path"]), (&FILM.into(), &path.into()), "{ended:?}");
        assert_eq!(
            (&decision["mode"], decision["key"].as_str().unwrap()),
            (&mode.into(), &*format!("films/{FILM}/{path}"))
        );
    };
    check("hd/master.m3u8", "hd/master.m3u8", "stream");
    check("hd/seg%201.ts", "hd/seg 1.ts", "redirect");
    let asked = format!("{FILM}/hd/seg%201.ts");
    let ended = place.run(&["explain", &asked, "--ip", "203.0.113.7", "--offline"]);
    assert!(ended.out.contains(&format!("Film {FILM}, file \"hd/seg 1.ts\", object")), "{}", ended.out);
}

#[test]
fn a_path_where_there_are_no_trees_and_none_where_there_are_is_wrong_usage() {
    let trees = place_of("object = \"{uuid}/{path}\"");
    let check = |place: &Place, asked: &str, said: &str| {
        for more in [&[][..], &["--offline"]] {
            let args = [&["explain", asked, "--ip", "203.0.113.7"], more].concat();
            let ended = place.run(&args);
            assert_eq!((ended.code, &*ended.out), (Some(2), ""), "{args:?}");
            assert_eq!(ended.err, format!("error: {said}\n"));
        }
    };
    check(
        &trees,
        FILM,
        &format!(
            "films are trees of files here (watch.object has {{path}}): name the file, as in {FILM}/master.m3u8"
        ),
    );
    check(
        &place_of_two_nodes("127.0.0.1:9900"),
        &format!("{FILM}/master.m3u8"),
        "a film is one object here (watch.object has no {path}): give the uuid alone",
    );
}

#[test]
fn what_only_a_database_knows_is_not_decided_offline() {
    let catalog = "[catalog]\npostgres = { url_file = \"url\", query = \"SELECT $1::text\" }\n";
    let place = place_of_two_nodes("127.0.0.1:9900").edit(|config| config + catalog);
    place.write("url", "postgres://u:not-to-be-seen@127.0.0.1:1/d");
    let ended = place.run(&["explain", FILM, "--ip", "203.0.113.7", "--offline"]);
    assert_eq!((ended.code, &*ended.out), (Some(2), ""), "{ended:?}");
    assert!(ended.err.contains("ask the running gate, without --offline"), "{}", ended.err);
}

#[test]
fn rules_show_in_explain_and_geo() {
    let place = place_of_two_nodes("127.0.0.1:9900");
    let path = place.folder.path().join("watchgate.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    let rule = "[[geoip.rule]]\ncidr = \"203.0.113.0/25\"\nnodes = [\"ams\"]\n";
    std::fs::write(&path, config + rule).unwrap();
    let ended = place.run(&["explain", FILM, "--ip", "203.0.113.7", "--offline"]);
    assert!(
        ended.out.contains("to ams: an operator's rule for the viewer's network names it"),
        "{}",
        ended.out
    );
    assert!(ended.out.contains("a rule names other nodes first"), "{}", ended.out);

    let ended = place.run(&["geo", "203.0.113.7", "198.51.100.1"]);
    assert_eq!((ended.code, &*ended.err), (Some(0), ""));
    let expected = "\
203.0.113.7
field        value                         from
coordinates  23.00 S 46.00 W within 20 km  cities.mmdb
country      BR                            cities.mmdb
continent    unknown
network      unknown
first nodes  ams                           geoip.rule by cidr

198.51.100.1
field        value    from
coordinates  unknown
country      unknown
continent    unknown
network      unknown
";
    assert_eq!(ended.out, expected);
    let known: Value = serde_json::from_str(&place.run(&["geo", "203.0.113.7", "--json"]).out).unwrap();
    assert_eq!((&known[0]["place"]["country"], &known[0]["nodes_first"][0]), (&"BR".into(), &"ams".into()));
}
