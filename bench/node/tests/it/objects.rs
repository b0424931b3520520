//! What a film front door reads from a node: films, versions, buckets, headers.

use watchgate_node::{Content, Health, Node, Put, Versioning, first_wrong_byte};

use crate::client::{Ask, Connection, End, Signer};
use crate::{ACCESS, SECRET, SOON, node};

async fn ask(node: &Node, method: &str, target: &str, headers: &[(&str, &str)]) -> crate::client::Got {
    let ask = headers.iter().fold(Ask::new(method, target), |ask, (name, value)| ask.with(name, value));
    ask.signed(node).send(node).await
}

#[tokio::test]
async fn a_film_in_parts() {
    let node = node("ams").await;
    let stored = node.put("film.mp4", "0123456789", "video/mp4").unwrap();
    let check = async |method: &str, range: &str, want: (u16, &str, Option<&str>)| {
        let got = ask(&node, method, "/movies/film.mp4", &[("range", range)]).await;
        assert_eq!((got.status, got.header("content-range")), (want.0, want.2), "{method} {range}");
        if want.0 == 416 {
            assert_eq!(got.code(), "InvalidRange", "{range}");
            return;
        }
        assert_eq!(got.header("content-length"), Some(want.1.len().to_string().as_str()), "{range}");
        assert_eq!(got.text(), if method == "HEAD" { "" } else { want.1 }, "{method} {range}");
        assert_eq!(got.header("etag").unwrap(), format!("\"{}\"", stored.etag));
    };
    check("GET", "bytes=2-4", (206, "234", Some("bytes 2-4/10"))).await;
    check("HEAD", "bytes=2-4", (206, "234", Some("bytes 2-4/10"))).await;
    check("GET", "bytes=7-", (206, "789", Some("bytes 7-9/10"))).await;
    check("GET", "bytes=-3", (206, "789", Some("bytes 7-9/10"))).await;
    check("GET", "bytes=0-1,5-6", (200, "0123456789", None)).await;
    check("GET", "bytes=-0", (416, "", None)).await;
    check("GET", "bytes=10-", (416, "", None)).await;
}

#[tokio::test]
async fn conditions_of_one_tag() {
    let node = node("ams").await;
    let put = Put {
        content: Content::Bytes("0123456789".into()),
        content_type: "video/mp4".into(),
        etag: Some("abc-12".into()),
    };
    node.put_as("film.mp4", put).unwrap();
    let check = async |headers: &[(&str, &str)], want: u16| {
        let got = ask(&node, "GET", "/movies/film.mp4", headers).await;
        assert_eq!(got.status, want, "{headers:?}");
        assert!(want == 412 || got.header("etag") == Some("\"abc-12\""), "{headers:?}");
    };
    let modified = ask(&node, "HEAD", "/movies/film.mp4", &[]).await;
    let modified = modified.header("last-modified").unwrap().to_owned();
    check(&[("if-match", "\"abc-12\"")], 200).await;
    check(&[("if-match", "\"abc-13\""), ("range", "bytes=0-1")], 412).await;
    check(&[("if-none-match", "\"abc-12\"")], 304).await;
    check(&[("if-modified-since", &modified)], 304).await;
    check(&[("if-unmodified-since", "Mon, 01 Jan 2001 00:00:00 GMT")], 412).await;
    check(&[("if-range", "\"other\""), ("range", "bytes=0-1")], 206).await;
}

#[tokio::test]
async fn versions_outlive_an_overwrite_and_a_delete() {
    let node = node("ams").await;
    let first = node.put("film.mp4", "first", "video/mp4").unwrap();
    let second = node.put("film.mp4", "second", "video/mp4").unwrap();
    assert_ne!(first.version_id, second.version_id);
    let pinned = format!("/movies/film.mp4?versionId={}", first.version_id);

    let got = ask(&node, "GET", "/movies/film.mp4", &[]).await;
    assert_eq!((got.text(), got.header("x-amz-version-id")), ("second", Some(&*second.version_id)));
    let link = Signer::default().link("GET", &node.addr().to_string(), &pinned);
    assert_eq!(Ask::new("GET", &link).send(&node).await.text(), "first");

    let marker = node.delete("film.mp4").unwrap();
    for method in ["GET", "HEAD"] {
        let got = ask(&node, method, "/movies/film.mp4", &[]).await;
        assert_eq!((got.status, got.code()), (404, "NoSuchKey"), "{method}");
        assert_eq!(got.header("x-amz-delete-marker"), Some("true"));
        assert_eq!(got.header("x-amz-version-id"), Some(&*marker.version_id));
    }
    assert_eq!(ask(&node, "GET", &pinned, &[]).await.text(), "first");
    let by_id = format!("/movies/film.mp4?versionId={}", marker.version_id);
    assert_eq!(ask(&node, "GET", &by_id, &[]).await.status, 405);
    let never = ask(&node, "HEAD", "/movies/never.mp4", &[]).await;
    assert_eq!((never.status, never.code(), never.header("x-amz-delete-marker")), (404, "NoSuchKey", None));
    let no_version = ask(&node, "GET", "/movies/film.mp4?versionId=9", &[]).await;
    assert_eq!((no_version.status, no_version.code()), (404, "NoSuchVersion"));
}

#[tokio::test]
async fn puts_and_deletes_over_http() {
    let node = node("ams").await;
    let put = Ask::new("PUT", "/movies/a/b.mp4").with("content-type", "video/mp4").body(b"hello");
    let put = put.signed(&node);
    let got = put.send(&node).await;
    assert_eq!((got.status, got.header("etag")), (200, Some("\"5d41402abc4b2a76b9719d911017c592\"")));
    let tampered = put.clone().body(b"jello").send(&node).await;
    assert!(tampered.status >= 400, "another body under the same checksum: {}", tampered.status);
    let got = ask(&node, "GET", "/movies/a/b.mp4", &[]).await;
    assert_eq!((got.text(), got.header("content-type")), ("hello", Some("video/mp4")));
    let gone = ask(&node, "DELETE", "/movies/a/b.mp4", &[]).await;
    assert_eq!((gone.status, gone.header("x-amz-delete-marker")), (204, Some("true")));
    assert!(!node.has("a/b.mp4"));
}

#[tokio::test]
async fn buckets_come_and_go() {
    let node = node("ams").await;
    node.put("film.mp4", "x", "video/mp4").unwrap();
    assert_eq!(ask(&node, "HEAD", "/movies", &[]).await.status, 200);
    let other = ask(&node, "HEAD", "/other/", &[]).await;
    assert_eq!((other.status, other.code()), (404, "NoSuchBucket"));
    node.remove_bucket("movies");
    let lost = ask(&node, "GET", "/movies/film.mp4", &[]).await;
    assert_eq!((lost.status, lost.code()), (404, "NoSuchBucket"));
    assert!(lost.text().contains("<Code>NoSuchBucket</Code>"));
    assert!(node.put("film.mp4", "x", "video/mp4").is_err());
}

#[tokio::test]
async fn virtual_hosts() {
    let node = Node::builder("ams").credential(ACCESS, SECRET).bucket("movies").domain("s3.test");
    let node = node.start().await.unwrap();
    node.put("Dir_1/film.mp4", "x", "video/mp4").unwrap();
    let host = format!("movies.s3.test:{}", node.addr().port());
    let link = Signer::default().link("GET", &host, "/Dir_1/film.mp4");
    let got = Ask::new("GET", &link).with("host", &host).send(&node).await;
    assert_eq!((got.status, got.text()), (200, "x"));
    assert_eq!(Ask::new("GET", &link).send(&node).await.status, 403, "signed for the virtual host");
    assert_eq!(ask(&node, "GET", "/movies/Dir_1/film.mp4", &[]).await.status, 200, "path style too");
}

#[tokio::test]
async fn a_node_without_versioning_names_no_versions() {
    let node = Node::builder("garage").credential(ACCESS, SECRET).bucket("movies");
    let node = node.versioning(Versioning::Off).start().await.unwrap();
    node.put("film.mp4", "x", "video/mp4").unwrap();
    assert_eq!(ask(&node, "GET", "/movies/film.mp4", &[]).await.header("x-amz-version-id"), None);
    node.delete("film.mp4").unwrap();
    let gone = ask(&node, "GET", "/movies/film.mp4", &[]).await;
    assert_eq!((gone.status, gone.header("x-amz-delete-marker")), (404, None));
}

#[tokio::test]
async fn a_generated_film_beyond_four_gigabytes() {
    let node = node("ams").await;
    node.put_generated("film.mp4", 5 << 30, 7).unwrap();
    let from: u64 = (1 << 32) - 100;
    let range = format!("bytes={from}-{}", from + 199_999);
    let got = ask(&node, "GET", "/movies/film.mp4", &[("range", &range)]).await;
    assert_eq!((got.status, got.body.len(), got.end), (206, 200_000, End::Whole));
    assert_eq!(first_wrong_byte(7, from, &got.body), None);
    let head = ask(&node, "HEAD", "/movies/film.mp4", &[]).await;
    assert_eq!(head.header("content-length"), Some("5368709120"));
}

#[tokio::test]
async fn links_override_headers() {
    let node = node("ams").await;
    node.put("film.mp4", "x", "video/mp4").unwrap();
    let target = "/movies/film.mp4?response-content-type=video%2Fwebm&response-content-disposition=inline";
    let got = ask(&node, "GET", target, &[]).await;
    assert_eq!(got.header("content-type"), Some("video/webm"));
    assert_eq!(got.header("content-disposition"), Some("inline"));
}

#[tokio::test]
async fn the_noise_a_front_door_must_scrub() {
    let node = node("ams").await;
    node.put("film.mp4", "x", "video/mp4").unwrap();
    let got = ask(&node, "GET", "/movies/film.mp4", &[("origin", "null")]).await;
    for (name, want) in [
        ("server", "MinIO"),
        ("accept-ranges", "bytes"),
        ("strict-transport-security", "max-age=31536000; includeSubDomains"),
        ("x-xss-protection", "1; mode=block"),
        ("x-ratelimit-limit", "1000"),
        ("x-ratelimit-remaining", "999"),
        ("access-control-allow-origin", "*"),
    ] {
        assert_eq!(got.header(name), Some(want), "{name}");
    }
    for name in ["x-amz-request-id", "x-amz-id-2", "vary", "date", "last-modified"] {
        assert!(got.header(name).is_some(), "{name}");
    }
}

#[tokio::test]
async fn slots_run_out() {
    let node = node("ams").await;
    node.put_generated("film.mp4", 64 << 20, 1).unwrap();
    node.set_slots(1);
    let mut reader = Connection::open(node.addr()).await;
    let get = Ask::new("GET", "/movies/film.mp4").signed(&node);
    reader.send(&get, &node.addr().to_string()).await;
    assert_eq!(reader.head().await.header("x-ratelimit-remaining"), Some("0"));
    let full = ask(&node, "HEAD", "/movies/film.mp4", &[]).await;
    assert_eq!((full.status, full.code()), (429, ""), "refused before any handler could name the code");
    assert_eq!(node.seen().last().unwrap().error.as_deref(), Some("TooManyRequests"));
    assert_eq!(full.header("retry-after"), Some("60"));
    assert_eq!(Ask::new("GET", "/minio/health/ready").send(&node).await.status, 200, "health takes no slot");
    drop(reader);
    node.wait_until(|node| node.in_flight() == 0, SOON).await.unwrap();
    assert_eq!(ask(&node, "HEAD", "/movies/film.mp4", &[]).await.status, 200);
}

#[tokio::test]
async fn health_pages_and_their_lies() {
    let node = node("ams").await;
    for page in ["/minio/health/live", "/minio/health/ready", "/minio/health/cluster/read"] {
        for (health, want) in [
            (Health::Up, (200, None)),
            (Health::Down, (503, None)),
            (Health::Offline, (200, Some("offline"))),
        ] {
            node.set_health(health);
            let got = Ask::new("GET", page).send(&node).await;
            assert_eq!((got.status, got.header("x-minio-server-status")), want, "{page} {health:?}");
        }
    }
}

#[tokio::test]
async fn what_was_seen() {
    let node = node("ams").await;
    node.put("film.mp4", "0123456789", "video/mp4").unwrap();
    ask(&node, "GET", "/movies/film.mp4", &[("range", "bytes=0-3"), ("cookie", "a=b")]).await;
    let done = |node: &Node| node.seen().last().is_some_and(|seen| seen.finished);
    node.wait_until(done, SOON).await.unwrap();
    let seen = node.seen().pop().unwrap();
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("GET", "/movies/film.mp4"));
    assert_eq!((seen.range.as_deref(), seen.status, seen.sent), (Some("bytes=0-3"), Some(206), 4));
    assert_eq!(seen.headers["cookie"], "a=b");
    assert_eq!(seen.headers["authorization"], "...");
    assert!(node.wait_until(|_| false, std::time::Duration::from_millis(20)).await.is_err());
}
