//! What a streamed answer says besides the film: its fields, its connection, its access line.

use watchgate_node::{Content, Put};

use crate::gates::{AMSTERDAM, FILM, PATIENCE, SAO_PAULO, eventually};
use crate::support::*;
use crate::viewer::*;

const SIZE: u64 = 100_000;

/// Every field that a viewer may see; nothing of a node's is among them.
const FIELDS: [&str; 14] = [
    "accept-ranges",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "cache-control",
    "connection",
    "content-length",
    "content-range",
    "content-type",
    "date",
    "etag",
    "last-modified",
    "vary",
    "x-content-type-options",
    "x-request-id",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_fields_of_a_film_are_the_gates() {
    let stage = Staging::new(2, SIZE).up().await;
    let etag = Content::Generated { size: SIZE, seed: stage.film.seed }.etag();
    for speaks in BOTH {
        for (ask, status) in [
            (Ask::film(), 200),
            (Ask::film().head(), 200),
            (Ask::film().range("bytes=1-2"), 206),
            (Ask::film().with("if-none-match", "*"), 304),
            (Ask::film().with("if-match", "\"other\""), 412),
            (Ask::film().range("bytes=900000-"), 416),
        ] {
            let mut answer =
                Viewer::connect(speaks, &stage).await.ask(&ask.with("origin", "https://a.example")).await;
            let what = format!("{speaks:?} {:?}", answer.head);
            assert_eq!(answer.status(), status, "{what}");
            for (name, _) in &answer.head.fields {
                assert!(FIELDS.contains(&name.as_str()), "{name} of {what}");
            }
            let is = |name: &str, want: &str| assert_eq!(answer.header(name), want, "{name} of {what}");
            is("access-control-allow-origin", "*");
            is("vary", "Accept");
            assert!(!answer.header("x-request-id").is_empty(), "{what}");
            assert!(!answer.header("date").is_empty(), "{what}");
            match status {
                200 | 206 => {
                    is("accept-ranges", "bytes");
                    is("cache-control", "private, no-cache");
                    is("content-type", "video/mp4");
                    is("etag", &format!("\"{etag}\""));
                    assert!(!answer.header("last-modified").is_empty(), "{what}");
                    let exposed = answer.header("access-control-expose-headers").to_ascii_lowercase();
                    for name in ["content-range", "accept-ranges", "etag"] {
                        assert!(exposed.contains(name), "a page cannot read {name}: {what}");
                    }
                }
                // RFC 9110, section 15.4.5.
                304 => {
                    is("cache-control", "private, no-cache");
                    is("etag", &format!("\"{etag}\""));
                }
                416 => is("content-range", &format!("bytes */{SIZE}")),
                _ => is("content-type", "application/problem+json"),
            }
            assert_eq!(answer.end().await, End::Whole);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nodes_validators_are_the_films() {
    let stage = Staging::new(1, SIZE).up().await;
    let viewer = Viewer::connect(Speaks::H1, &stage).await;
    let mut link = viewer.ask(&Ask::film().with("accept", "application/json")).await;
    assert_eq!((link.status(), link.header("content-type")), (200, "application/json".to_owned()));
    let told: serde_json::Value = serde_json::from_str(&link.text().await).expect("JSON");
    let theirs = reqwest::get(told["url"].as_str().expect("a link")).await.expect("the node answers");
    let ours = link.again().ask(&Ask::film()).await;
    for name in ["etag", "last-modified", "content-type", "content-length"] {
        assert_eq!(theirs.headers()[name].to_str().expect("text"), ours.header(name), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn types_are_the_nodes_or_guessed_from_the_name() {
    for (object, stored, want) in [
        ("{uuid}.mp4", "video/x-own", "video/x-own"),
        ("{uuid}.mp4", "application/octet-stream", "video/mp4"),
        ("{uuid}.mp4", "binary/octet-stream", "video/mp4"),
        ("{uuid}.webm", "application/octet-stream", "video/webm"),
        ("{uuid}.mkv", "application/octet-stream", "video/matroska"),
        ("{uuid}", "application/octet-stream", "application/octet-stream"),
    ] {
        let node = empty_node(0).await;
        let key = object.replace("{uuid}", FILM);
        let put = Put {
            content: Content::Generated { size: SIZE, seed: 7 },
            content_type: stored.to_owned(),
            etag: None,
        };
        node.put_as(&key, put).expect("a film");
        let staging = Staging::new(1, SIZE).watch(&format!("object = \"{object}\""));
        let stage = staging.before(vec![node]).await;
        for speaks in BOTH {
            for ask in [Ask::film(), Ask::film().head(), Ask::film().range("bytes=0-1")] {
                let answer = Viewer::connect(speaks, &stage).await.ask(&ask).await;
                assert_eq!(answer.header("content-type"), want, "{object} stored as {stored}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_configures_is_said() {
    let staging = Staging::new(1, SIZE).stream("cache_control", "\"public, max-age=60\"");
    let staging = staging.watch("decision_header = true\ncors_origins = [\"https://films.example\"]");
    let stage = staging.up().await;
    let viewer = Viewer::connect(Speaks::H1, &stage).await;
    let mut answer = viewer.ask(&Ask::film().with("origin", "https://films.example")).await;
    assert_eq!(answer.header("cache-control"), "public, max-age=60");
    assert_eq!(answer.header("access-control-allow-origin"), "https://films.example");
    assert_eq!(answer.header("vary"), "Accept, Origin");
    assert!(answer.header("watchgate-decision").starts_with("node=ams;"), "{:?}", answer.head);
    assert_eq!(answer.end().await, End::Whole);
    let answer = answer.again().ask(&Ask::film().with("origin", "https://elsewhere.example")).await;
    assert_eq!(answer.head.header("access-control-allow-origin"), None);

    let stage = Staging::new(1, SIZE).stream("cache_control", "\"\"").up().await;
    let answer = Viewer::connect(Speaks::H1, &stage).await.ask(&Ask::film()).await;
    assert_eq!(answer.head.header("cache-control"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_carries_answers_of_all_kinds() {
    let stage = Staging::new(1, SIZE).up().await;
    for speaks in BOTH {
        let mut viewer = Viewer::connect(speaks, &stage).await;
        for _ in 0..3 {
            for (ask, status) in [
                (Ask::film(), 200),
                (Ask::film().head(), 200),
                (Ask::film().range("bytes=5-"), 206),
                (Ask::film().with("if-none-match", "*"), 304),
                (Ask::film().range("bytes=900000-"), 416),
                (Ask::path("GET", "/watch/00000000-0000-0000-0000-000000000000"), 404),
                (Ask::path("GET", "/watch/nonsense"), 400),
                (Ask::path("POST", &format!("/watch/{FILM}")), 405),
                (Ask::path("OPTIONS", &format!("/watch/{FILM}")), 204),
            ] {
                let mut answer = viewer.ask(&ask).await;
                assert_eq!(answer.status(), status, "{ask:?}");
                assert_eq!(answer.end().await, End::Whole, "{ask:?}");
                viewer = answer.again();
            }
        }
    }
    // One connection to the node is enough for viewers that come one after the other.
    let connections = stage.near().counts().connections;
    let asked = gets(stage.near()).len();
    assert!(
        asked >= 12 && connections < 12,
        "{asked} requests over {connections} connections, probes included"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn access_lines_tell_the_film_from_its_head_to_its_last_byte() {
    let stage = Staging::new(2, SIZE).up().await;
    stage.near().faults().set(watchgate_node::Fault::ResetAfter(50_000));
    let viewer = Viewer::connect(Speaks::H1, &stage).await;
    let ask = Ask::film().range("bytes=1000-").with("x-request-id", "line-1");
    let mut answer = viewer.ask(&ask).await.shows(stage.film, 1000);
    assert_eq!(answer.end().await, End::Whole);
    let mut left = answer.again().ask(&Ask::film().with("x-request-id", "line-2")).await;
    assert!(left.until(10).await);
    stage.near().faults().clear();
    let mut other = Viewer::connect(Speaks::H2, &stage)
        .await
        .ask(&Ask::film().head().with("x-request-id", "line-3"))
        .await;
    assert_eq!(other.end().await, End::Whole);
    drop(left);
    let line = |id: &str| stage.lines().into_iter().find(|line| line["request_id"] == *id);
    eventually("the lines are written", || ["line-1", "line-3"].iter().all(|id| line(id).is_some())).await;
    let told = line("line-1").expect("there a moment ago");
    for (name, want) in [
        ("client.address", serde_json::Value::from(AMSTERDAM)),
        ("http.request.method", "GET".into()),
        ("url.path", format!("/watch/{FILM}").into()),
        ("http.response.status_code", 206.into()),
        ("http.response.body.size", (SIZE - 1000).into()),
        ("watchgate.film", FILM.into()),
        ("watchgate.mode", "stream".into()),
        ("watchgate.outcome", "stream".into()),
        ("watchgate.range", "1000-99999".into()),
        ("watchgate.node", "gru".into()),
        ("watchgate.resumes", "ams>gru@51000:cut".into()),
    ] {
        assert_eq!(told[name], want, "{name} of {told}");
    }
    for name in ["time", "watchgate.reason"] {
        assert!(told[name].is_string(), "{name} of {told}");
    }
    for name in ["duration_ms", "watchgate.first_byte_ms"] {
        let ms = told[name].as_f64().unwrap_or_else(|| panic!("{name} of {told}"));
        assert!((0.0..PATIENCE.as_secs_f64() * 1000.0).contains(&ms), "{name} of {told}");
    }
    let told = line("line-3").expect("there a moment ago");
    assert_eq!(
        (&told["http.response.status_code"], &told["http.response.body.size"]),
        (&200.into(), &0.into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_add_up() {
    let stage = Staging::new(3, SIZE).up().await;
    for viewer in [AMSTERDAM, SAO_PAULO] {
        let ask = Ask::path("GET", &format!("/watch/{FILM}")).from(viewer);
        let mut answer = Viewer::connect(Speaks::H1, &stage).await.ask(&ask).await;
        assert_eq!(answer.end().await, End::Whole);
    }
    let sent = |node: &str| stage.count("watchgate_sent_bytes_total", &[("node", node)]);
    eventually("two films are counted", || (sent("ams"), sent("gru")) == (SIZE, SIZE)).await;
    assert_eq!(sent("sin"), 0);
    assert_eq!(stage.count("watchgate_requests_total", &[("outcome", "stream")]), 2);
    assert_eq!(stage.count("watchgate_streams", &[]), 0, "nobody watches any more");
    assert_eq!(stage.resumes(), 0);
    assert_eq!(gets(&stage.nodes[2]), []);
}
