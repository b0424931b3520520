//! `sign` and `check --online` against storage nodes that verify every signature.

use serde_json::Value;
use watchgate_node::{Credential, Fault, Node, Policy, Scope};

use crate::support::{Ended, Place, silent_address};

const SECRET: &str = "the-secret-of-the-gate";

async fn node(name: &str) -> Node {
    let node = Node::builder(name).bucket("movies").credential("gate", SECRET).start().await.unwrap();
    node.put("a film+.mp4", "0123456789", "video/mp4").unwrap();
    node
}

fn config(nodes: &[(&str, &Node)], secret: &str, canary: &str) -> String {
    let node = |(id, node): &(&str, &Node)| {
        format!(
            "[[node]]\nid = \"{id}\"\nendpoint = \"{}\"\nat = {{ lat = 0, lon = 0 }}\naccess_key = \"gate\"\n\
             secret_key = \"{secret}\"\n",
            node.endpoint()
        )
    };
    let nodes: String = nodes.iter().map(node).collect();
    format!("[health]\ncanary = \"{canary}\"\n[bucket]\nname = \"movies\"\n{nodes}")
}

/// The program runs on a thread of its own, so that the nodes can answer it.
async fn run(place: Place, args: &'static [&'static str]) -> Ended {
    tokio::task::spawn_blocking(move || place.run(args)).await.unwrap()
}

#[tokio::test]
async fn a_signed_link_is_taken_for_its_method_alone() {
    let node = node("ams").await;
    let links = config(&[("ams", &node)], SECRET, "");
    let client = reqwest::Client::new();
    let get = run(Place::with(&links), &["sign", "ams", "a film+.mp4", "--lifetime", "90s"]).await;
    assert_eq!((get.code, &*get.err), (Some(0), ""));
    assert!(get.out.contains("X-Amz-Expires=90&"), "{}", get.out);
    let answer = client.get(get.out.trim()).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &*answer.bytes().await.unwrap()), (200, &b"0123456789"[..]));
    assert_eq!(client.head(get.out.trim()).send().await.unwrap().status(), 403);

    let head = run(Place::with(&links), &["sign", "ams", "a film+.mp4", "--method", "HEAD"]).await;
    assert_eq!(client.head(head.out.trim()).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_unknown_node_is_named_with_those_there_are() {
    let node = node("ams").await;
    let ended = run(Place::with(&config(&[("ams", &node)], SECRET, "")), &["sign", "amz", "x"]).await;
    let expected = "error: there is no node \"amz\"; the configuration has: ams\n";
    assert_eq!((ended.code, &*ended.out, &*ended.err), (Some(1), "", expected));
}

#[tokio::test]
async fn a_good_fleet_is_proved_with_and_without_a_canary() {
    let (one, two) = (node("one").await, node("two").await);
    for canary in ["", "a film+.mp4"] {
        let ended = run(
            Place::with(&config(&[("one", &one), ("two", &two)], SECRET, canary)),
            &["check", "--online"],
        );
        let ended = ended.await;
        assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{}", ended.out);
        let rows = ended.out.lines().filter(|line| line.starts_with("one ") || line.starts_with("two "));
        let good = if canary.is_empty() { ["good", "none", "good"] } else { ["good"; 3] };
        let proved = |row: &str| row.split_whitespace().skip(1).take(3).eq(good);
        assert_eq!(rows.filter(|row| proved(row)).count(), 2, "{}", ended.out);
    }
    // Without a canary the link asks for what does not exist, and never for a film.
    assert!(one.seen().iter().any(|seen| seen.path.contains("no-such-object")));
}

#[tokio::test]
async fn every_failure_says_what_to_do() {
    let node = node("ams").await;
    let good = config(&[("ams", &node)], SECRET, "");
    let check = async |config: &str, reasons: [&str; 3], said: &str| {
        let ended = run(Place::with(config), &["check", "--online"]).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let row = ended.out.lines().find(|line| line.starts_with("ams ")).unwrap_or_default();
        assert!(row.split_whitespace().skip(1).take(3).eq(reasons), "{}", ended.out);
        assert!(ended.out.contains(said), "{said}\n{}", ended.out);
    };
    let wrong_key = config(&[("ams", &node)], "not-the-secret-of-the-gate", "");
    check(&wrong_key, ["bad_signature", "none", "bad_signature"], "check `access_key`, the secret key").await;
    let no_canary = config(&[("ams", &node)], SECRET, "canary.txt");
    check(&no_canary, ["good", "no_canary", "no_canary"], "the object of `health.canary` is not").await;
    let no_bucket = good.replace("\"movies\"", "\"moviez\"");
    check(&no_bucket, ["no_bucket", "none", "no_bucket"], "check `bucket.name`").await;
    node.set_clock_skew_s(3600);
    check(&good, ["clock_skew", "none", "forbidden"], "set both by NTP").await;
    node.set_clock_skew_s(0);
    node.faults().set(Fault::Status(503).on(Scope::All));
    check(&good, ["status", "none", "status"], "read the node's own log").await;
    node.faults().clear();
    node.kill().await;
    check(&good, ["refused", "none", "refused"], "check that the store runs").await;
    node.revive().await.unwrap();
    node.freeze();
    let impatient = good.replace("[health]", "[health]\ninterval = \"200ms\"\ntimeout = \"100ms\"");
    let ended = run(Place::with(&impatient), &["check", "--online", "--json"]).await;
    let found: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((ended.code, &found["online"][0]["bucket"]["reason"]), (Some(1), &"timeout".into()));
}

#[tokio::test]
async fn a_key_that_may_not_read_is_told_from_a_wrong_one() {
    let node = node("ams").await;
    node.add_credential(Credential::new("gate", SECRET));
    node.set_policy("gate", Policy::NoGetObject).unwrap();
    let ended =
        run(Place::with(&config(&[("ams", &node)], SECRET, "a film+.mp4")), &["check", "--online"]).await;
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.out.contains("ams canary (forbidden): the node knows us but forbids reading"),
        "{}",
        ended.out
    );
    assert!(ended.out.contains("the key needs s3:GetObject on movies/*\n"), "{}", ended.out);
}

#[tokio::test]
async fn an_object_that_exists_nowhere_is_asked_for_only_if_the_gate_asks_for_films() {
    let node = node("ams").await;
    let good = config(&[("ams", &node)], SECRET, "");
    let check = async |config: &str, missing: &str, asked: usize| {
        node.forget_seen();
        let ended = run(Place::with(config), &["check", "--online"]).await;
        assert_eq!(ended.code, Some(0), "{ended:?}");
        let row = ended.out.lines().find(|line| line.starts_with("ams ")).unwrap_or_default();
        assert_eq!(row.split_whitespace().nth(4), Some(missing), "{}", ended.out);
        let heads =
            |seen: &&watchgate_node::Seen| seen.method == "HEAD" && seen.path.contains("no-such-object-");
        assert_eq!(node.seen().iter().filter(heads).count(), asked);
    };
    check(&good, "good", 1).await;
    check(&format!("{good}[presence]\nenabled = false\n"), "not", 0).await;
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_told_without_its_password() {
    let node = node("ams").await;
    let database =
        "[catalog]\npostgres = { url_file = \"url\", query = \"SELECT $1::text\", timeout = \"2s\" }\n";
    let config = config(&[("ams", &node)], SECRET, "") + database;
    let url = format!("postgres://gate:not-to-be-seen@{}/films", silent_address());
    for args in [&["check", "--online"][..], &["check", "--online", "--json"]] {
        let place = Place::with(&config);
        place.write("url", &url);
        let ended = run(place, args).await;
        assert_eq!((ended.code, &*ended.err), (Some(1), ""), "{ended:?}");
        assert!(
            ended.out.contains("onnection refused") && !ended.out.contains("not-to-be-seen"),
            "{}",
            ended.out
        );
    }
}

#[tokio::test]
async fn servers_of_routes_are_asked_too() {
    let node = node("ams").await;
    // Takes connections, and says nothing.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = listener.local_addr().unwrap();
    // A node says 200 there, which is all that is wanted.
    let routes = format!(
        "[[route]]\nprefix = \"/api/\"\nto = [\"{}\", \"http://127.0.0.1:1\"]\nhealth_path = \"/minio/health/live\"\n\
         [[route]]\nprefix = \"/\"\nto = \"http://{silent}\"\nhealth_path = \"/\"\nhealth_timeout = \"200ms\"\n",
        node.endpoint()
    );
    let place = || Place::with(&format!("{}{routes}", config(&[("ams", &node)], SECRET, "")));
    let offline = run(place(), &["check"]).await;
    assert!(offline.out.contains(&format!("  / goes to http://{silent}\n")), "{}", offline.out);
    let ended = run(place(), &["check", "--online", "--json"]).await;
    assert_eq!(ended.code, Some(1), "{} {}", ended.out, ended.err);
    let found: Value = serde_json::from_str(&ended.out).unwrap();
    let whys: Vec<&Value> = found["routes"].as_array().unwrap().iter().map(|proof| &proof["why"]).collect();
    let refused = "127.0.0.1:1: nobody listens there";
    assert_eq!(
        whys,
        [&Value::Null, &Value::from(refused), &Value::from(format!("{silent}: no answer in time"))]
    );
}
