//! What is asked of the running gate: here a listener that answers one prepared answer.

use crate::support::{answers_once, place_of_two_nodes, silent_address};

const FILM: &str = "00000000-0000-0000-0000-000000000001";
const REFUSED: &str = r#"{"at":"2026-11-23T10:00:00Z","film":"f","key":"k","method":"GET","mode":"redirect",
"viewer":{"address":"192.0.2.1","from":"asked"},
"place":{"lat":null,"lon":null,"radius_km":null,"country":null,"continent":null,"asn":null,"from":"unknown"},
"policy":"refuse","outcome":"refused","reason":"all_down","chosen":null,"alternates":[],"nodes":[]}"#;
const NODE: &str = r#"{"id":"ams","role":"source","profile":"minio","endpoint":"http://10.0.0.5:9000",
"public_url":"http://ams.films.example","at":{"lat":52.37,"lon":4.9},"state":"down","since":"2026-11-23T10:00:00Z",
"reason":"bad_signature","viewers":7,"max_viewers":1000,"draining":true,"probe_ms":1.5,"clock_skew_s":null,
"last_probe_at":"2026-11-23T10:00:00Z"}"#;

#[test]
fn a_gate_that_does_not_run_is_named_by_its_address() {
    let address = silent_address();
    let place = place_of_two_nodes(&address);
    for args in [
        &["nodes"][..],
        &["nodes", "drain", "ams"],
        &["explain", FILM, "--ip", "192.0.2.1"],
        &["healthcheck"],
    ] {
        let ended = place.run(args);
        let expected = format!("error: nothing listens on {address} (listen.admin): is watchgate running?\n");
        assert_eq!((ended.code, &*ended.out, ended.err), (Some(1), "", expected), "{args:?}");
    }
}

#[test]
fn explain_asks_the_gate_and_a_refusal_ends_with_1() {
    let (address, gate) = answers_once("200 OK", REFUSED);
    let ended =
        place_of_two_nodes(&address).run(&["explain", FILM, "--ip", "2001:db8::1", "--method", "HEAD"]);
    let asked = gate.join().unwrap();
    let line = format!("GET /api/v1/explain?film={FILM}&ip=2001:db8::1&method=HEAD HTTP/1.1\r\n");
    assert!(asked.starts_with(&line), "{asked}");
    assert!(!asked.to_lowercase().contains("authorization"), "{asked}");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let said = "192.0.2.1, of unknown place, is refused: no node may take viewers, and watch.all_down is \"refuse\".\n";
    assert!(ended.out.starts_with(said), "{}", ended.out);
}

#[test]
fn a_file_is_asked_for_with_what_a_query_has_to_encode() {
    let (address, gate) = answers_once("200 OK", REFUSED);
    let place = place_of_two_nodes(&address)
        .edit(|config| config.replace("[watch]", "[watch]\nobject = \"{uuid}/{path}\""));
    let asked = format!("{FILM}/hd/a%20&b%2525+%D1%84.ts");
    let ended = place.run(&["explain", &asked, "--ip", "192.0.2.1", "--mode", "stream"]);
    let line = format!(
        "GET /api/v1/explain?film={FILM}&ip=192.0.2.1&method=GET&path=hd/a%20%26b%2525%2B%D1%84.ts&mode=stream HTTP/1.1\r\n"
    );
    let asked = gate.join().unwrap();
    assert!(asked.starts_with(&line), "{asked}");
    assert_eq!(ended.code, Some(1), "{ended:?}");
}

#[test]
fn nodes_are_listed_with_advice_and_drained_by_post() {
    let (address, gate) = answers_once("200 OK", &format!("[{NODE}]"));
    let ended = place_of_two_nodes(&address).run(&["nodes"]);
    assert!(gate.join().unwrap().starts_with("GET /api/v1/nodes HTTP/1.1\r\n"));
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("ams (bad_signature): the node refuses our signature"), "{}", ended.out);

    let (address, gate) = answers_once("200 OK", NODE);
    let ended = place_of_two_nodes(&address).run(&["nodes", "drain", "ams"]);
    assert!(gate.join().unwrap().starts_with("POST /api/v1/nodes/ams/drain HTTP/1.1\r\n"));
    assert_eq!((ended.code, &*ended.out), (Some(0), "ams gets no new viewers; 7 are still there\n"));

    let (address, gate) = answers_once("200 OK", NODE);
    let ended = place_of_two_nodes(&address).run(&["nodes", "enable", "ams", "--json"]);
    assert!(gate.join().unwrap().starts_with("POST /api/v1/nodes/ams/enable HTTP/1.1\r\n"));
    assert_eq!(serde_json::from_str::<serde_json::Value>(&ended.out).unwrap()["id"], "ams");

    let ended = place_of_two_nodes(&silent_address()).run(&["nodes", "drain", "../ams"]);
    let expected = "error: there is no node \"../ams\"; the configuration has: ams, gru\n";
    assert_eq!((ended.code, &*ended.err), (Some(1), expected));
}

#[test]
fn the_token_is_sent_and_a_refused_one_is_told() {
    let (address, gate) = answers_once("401 Unauthorized", "{\"title\":\"Unauthorized\"}");
    let place = place_of_two_nodes(&address);
    let path = place.folder.path().join("watchgate.toml");
    let config = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, config.replace("[listen]", "[listen]\nadmin_token_file = \"token\"")).unwrap();
    place.write("token", "a-token-of-the-operator\n");
    let ended = place.run(&["nodes"]);
    let asked = gate.join().unwrap();
    assert!(asked.contains("authorization: Bearer a-token-of-the-operator\r\n"), "{asked}");
    assert_eq!(ended.code, Some(1));
    assert!(ended.err.contains("refuses our token"), "{}", ended.err);
    assert!(!ended.err.contains("a-token-of-the-operator"));

    let (address, gate) = answers_once("401 Unauthorized", "");
    let ended = place_of_two_nodes(&address).run(&["nodes"]);
    gate.join().unwrap();
    assert!(ended.err.contains("wants a token: set listen.admin_token_file"), "{}", ended.err);
}

#[test]
fn healthcheck_is_yes_or_no() {
    let check = |status: &str, body: &str, code: i32, said: &str| {
        let (address, gate) = answers_once(status, body);
        let ended = place_of_two_nodes(&address).run(&["healthcheck"]);
        assert!(gate.join().unwrap().starts_with("GET /readyz HTTP/1.1\r\n"));
        assert_eq!((ended.code, &*ended.out), (Some(code), said), "{ended:?}");
    };
    check("200 OK", "ok\n", 0, "ready\n");
    let problem = r#"{"title":"Service Unavailable","detail":"the gate is shutting down"}"#;
    check("503 Service Unavailable", problem, 1, "not ready: the gate is shutting down\n");
}

#[test]
fn another_program_on_the_port_is_not_taken_for_a_gate() {
    let check = |status: &str, body: &str, said: &str| {
        let (address, gate) = answers_once(status, body);
        let ended = place_of_two_nodes(&address).run(&["nodes"]);
        gate.join().unwrap();
        assert_eq!((ended.code, &*ended.out), (Some(1), ""), "{ended:?}");
        assert!(ended.err.contains(said), "{}", ended.err);
    };
    check("200 OK", "<html>", "does not speak this version's language");
    check("404 Not Found", "<html>", "answers 404 Not Found: is it watchgate?");
    check("500 Internal Server Error", r#"{"title":"x","detail":"it broke"}"#, "error: it broke");
}
