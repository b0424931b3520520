//! A gate before stores of one profile, and a viewer in Amsterdam who asks it.

use reqwest::Method;

pub(crate) use crate::got::Got;

use crate::gates::{AMSTERDAM, CITIES, FILM, Setup, TestGate};

/// The gate's key at every store.
pub(crate) const GATE: (&str, &str) = ("gate", "gate-secret-1");

/// Health checks that find a dead node soon and give a busy machine time.
const HEALTH: &str = "[health]\ninterval = \"500ms\"\ntimeout = \"500ms\"\nslow_start = \"0s\"";

/// A gate of this mode before these endpoints, the nearest to Amsterdam first; all of them are up.
pub(crate) async fn gate(mode: &str, profile: &str, endpoints: &[&str]) -> TestGate {
    let mut setup = Setup::new().watch(&format!("mode = \"{mode}\"")).extra(HEALTH);
    for (endpoint, city) in endpoints.iter().zip([CITIES[0].0, CITIES[2].0]) {
        setup = setup.node_with(city, endpoint, GATE, &format!("profile = \"{profile}\""));
    }
    let gate = setup.start_proven().await;
    gate.until("all are up", |nodes| nodes.iter().all(|node| node.state == "up")).await;
    gate
}

/// One request, which follows no redirect.
pub(crate) async fn fetch(method: Method, url: &str, fields: &[(&str, &str)]) -> Got {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build();
    let mut request = client.expect("a client").request(method, url);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    Got::of(request.send().await.expect("an answer")).await
}

/// What a viewer in Amsterdam gets for the film of this uuid.
pub(crate) async fn watch_film(gate: &TestGate, method: Method, film: &str, fields: &[(&str, &str)]) -> Got {
    let fields = [&[("x-forwarded-for", AMSTERDAM)], fields].concat();
    fetch(method, &format!("http://{}/watch/{film}", gate.addr), &fields).await
}

/// What a viewer in Amsterdam gets for the film of all stories.
pub(crate) async fn watch(gate: &TestGate, method: Method, fields: &[(&str, &str)]) -> Got {
    watch_film(gate, method, FILM, fields).await
}

/// The film's bytes.
pub(crate) fn film() -> Vec<u8> {
    (0_u32..1_300_000).flat_map(u32::to_le_bytes).collect()
}

/// The film whole and in parts, streamed by the gate, with nothing of the store's own.
pub(crate) async fn streams(gate: &TestGate) {
    let film = film();
    let size = film.len();
    let whole = watch(gate, Method::GET, &[]).await;
    assert!(whole.status == 200 && whole.body == film, "{} {}", whole.status, whole.body.len());
    let names = || whole.headers.keys().map(reqwest::header::HeaderName::as_str);
    let foreign = |name: &str| {
        name == "server"
            || ["x-amz", "x-minio", "seaweed", "x-ratelimit"].iter().any(|its| name.starts_with(its))
    };
    assert!(!names().any(foreign), "{:?}", whole.headers);
    assert_eq!(whole.header("content-type"), "video/mp4");
    for (range, part) in [
        ("bytes=0-1", 0..2),
        ("bytes=3000000-4999999", 3_000_000..5_000_000),
        ("bytes=5100000-", 5_100_000..size),
        ("bytes=-7", size - 7..size),
    ] {
        let got = watch(gate, Method::GET, &[("range", range)]).await;
        assert!(
            got.status == 206 && got.body == film[part.clone()],
            "{range}: {} {}",
            got.status,
            got.body.len()
        );
        assert_eq!(got.header("content-range"), format!("bytes {}-{}/{size}", part.start, part.end - 1));
    }
    let beyond = watch(gate, Method::GET, &[("range", &format!("bytes={size}-"))]).await;
    assert_eq!((beyond.status, beyond.header("content-range")), (416, &*format!("bytes */{size}")));
    let head = watch(gate, Method::HEAD, &[]).await;
    assert_eq!((head.status, head.header("content-length")), (200, &*size.to_string()));
    assert_eq!(head.header("etag"), whole.header("etag"));
    let known = watch(gate, Method::GET, &[("if-none-match", whole.header("etag"))]).await;
    assert_eq!(known.status, 304);
}

/// The link of the gate plays at the store: whole, in parts, and HEAD by a link of its own.
pub(crate) async fn link_plays(gate: &TestGate) {
    let film = film();
    let link = watch(gate, Method::GET, &[]).await.location().to_owned();
    let whole = fetch(Method::GET, &link, &[]).await;
    assert!(whole.status == 200 && whole.body == film, "{link}: {}", whole.status);
    let part = fetch(Method::GET, &link, &[("range", "bytes=4000000-4999999")]).await;
    assert!(part.status == 206 && part.body == film[4_000_000..5_000_000], "{link}: {}", part.status);
    assert_eq!(fetch(Method::HEAD, &link, &[]).await.status, 403, "a GET link is no HEAD link");
    let link = watch(gate, Method::HEAD, &[]).await.location().to_owned();
    let head = fetch(Method::HEAD, &link, &[]).await;
    assert_eq!((head.status, head.header("content-length")), (200, &*film.len().to_string()), "{link}");
}
