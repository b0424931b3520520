//! What is refused, and in which words.

use reqwest::Method;

use crate::support::*;

async fn gate() -> (watchgate_node::Node, TestGate) {
    let node = node("ams").await;
    let gate = Setup::new().node("ams", &node.endpoint()).start_proven().await;
    (node, gate)
}

/// One request, byte for byte, and all that comes back until the connection ends or stays silent.
async fn raw(gate: &TestGate, request: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(gate.addr).await.expect("connected");
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut got = Vec::new();
    let reading = async {
        let mut chunk = [0; 4096];
        loop {
            let head_end = got.windows(4).position(|four| four == b"\r\n\r\n");
            let length = || {
                String::from_utf8_lossy(&got).to_lowercase().split_once("content-length: ").and_then(
                    |(_, rest)| rest.split("\r\n").next().and_then(|length| length.parse::<usize>().ok()),
                )
            };
            if let (Some(end), Some(length)) = (head_end, length())
                && got.len() >= end + 4 + length
            {
                break;
            }
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => break,
                Ok(read) => got.extend_from_slice(&chunk[..read]),
            }
        }
    };
    assert!(tokio::time::timeout(PATIENCE, reading).await.is_ok(), "no answer to {request:?}");
    String::from_utf8_lossy(&got).into_owned()
}

fn status_of(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn a_path_is_a_film_or_a_clear_refusal() {
    let (_node, gate) = gate().await;
    let bad = [
        "/watch/",
        "/watch/nonsense",
        "/watch/0f8fad5bd9cb469fa16570867728950e",
        "/watch/{0f8fad5b-d9cb-469f-a165-70867728950e}",
        "/watch/0f8fad5b-d9cb-469f-a165-70867728950e/",
        "/watch//0f8fad5b-d9cb-469f-a165-70867728950e",
        "/watch/../watch/0f8fad5b-d9cb-469f-a165-70867728950e",
        "/watch/%30f8fad5b-d9cb-469f-a165-70867728950e",
        "/watch/0f8fad5b-d9cb-469f-a165-70867728950e/index.m3u8",
    ];
    for path in bad {
        let answer = raw(&gate, &format!("GET {path} HTTP/1.1\r\nHost: films.example\r\n\r\n")).await;
        assert_eq!(status_of(&answer), 400, "{path}: {answer}");
        assert!(answer.contains("application/problem+json"), "{answer}");
        assert!(answer.contains("urn:watchgate:problem:bad_path"), "{answer}");
        assert!(!answer.to_lowercase().contains("connection: close"), "the connection stays: {answer}");
    }
    for path in ["/", "/watch", "/films/x", "/watc/0f8fad5b-d9cb-469f-a165-70867728950e", "/.watch/"] {
        let answer = raw(&gate, &format!("GET {path} HTTP/1.1\r\nHost: films.example\r\n\r\n")).await;
        assert_eq!(status_of(&answer), 404, "{path}: {answer}");
    }
    let query = format!("GET /watch/{FILM}?X-Amz-Expires=9&a=b HTTP/1.1\r\nHost: films.example\r\n\r\n");
    let answer = raw(&gate, &query).await;
    assert!(status_of(&answer) == 302 && !answer.contains("a=b"), "a query is nobody's business: {answer}");
}

#[tokio::test]
async fn the_wrong_method_is_told_the_right_ones() {
    let (_node, gate) = gate().await;
    let path = format!("/watch/{FILM}");
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
        let got = Got::of(gate.ask(method, &path, AMSTERDAM).send().await.expect("an answer")).await;
        assert_eq!((got.status, got.header("allow")), (405, "GET, HEAD, OPTIONS"));
    }
    let got = Got::of(gate.ask(Method::OPTIONS, &path, AMSTERDAM).send().await.expect("an answer")).await;
    assert_eq!((got.status, got.header("access-control-allow-methods")), (204, "GET, HEAD, OPTIONS"));
    assert_eq!(got.header("access-control-allow-origin"), "*");
}

#[tokio::test]
async fn a_body_where_none_belongs_ends_the_connection() {
    let (_node, gate) = gate().await;
    let request = |method: &str, framing: &str| {
        format!("{method} /watch/{FILM} HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n")
    };
    for (method, framing, status) in [
        ("GET", "Content-Length: 5", 400),
        ("GET", "Transfer-Encoding: chunked", 400),
        ("HEAD", "Content-Length: 1", 400),
        ("POST", "Content-Length: 5", 405),
    ] {
        let answer = raw(&gate, &request(method, framing)).await;
        assert_eq!(status_of(&answer), status, "{method} {framing}: {answer}");
        assert!(answer.to_lowercase().contains("connection: close"), "{method} {framing}: {answer}");
    }
    let answer = raw(&gate, &request("GET", "Content-Length: 0")).await;
    assert_eq!(status_of(&answer), 302, "an empty body is none: {answer}");
}

#[tokio::test]
async fn a_request_names_one_host() {
    let (_node, gate) = gate().await;
    for hosts in ["", "Host: a\r\nHost: b\r\n", "Host:\r\n"] {
        let answer = raw(&gate, &format!("GET /watch/{FILM} HTTP/1.1\r\n{hosts}\r\n")).await;
        assert_eq!(status_of(&answer), 400, "{hosts:?}: {answer}");
    }
}

#[tokio::test]
async fn a_refusal_tells_nothing_of_the_inside() {
    let (node, gate) = gate().await;
    node.kill().await;
    gate.until_state("ams", "down", None).await;
    let mut setup = Setup::new().watch("all_down = \"refuse\"");
    setup = setup.node("ams", &node.endpoint());
    let refusing = setup.start_proven().await;
    let got = refusing.watch(AMSTERDAM).await;
    assert_eq!((got.status, got.header("content-type")), (503, "application/problem+json"));
    let text = String::from_utf8(got.body.clone()).expect("text");
    for inside in ["ams", "movies", "127.0.0.1", "gate-secret", KEY] {
        assert!(!text.contains(inside), "{inside} is told: {text}");
    }
    let json = got.json();
    assert_eq!(json["request_id"], got.header("x-request-id"));
    for field in ["type", "title", "status", "detail"] {
        assert!(!json[field].is_null(), "{field}: {text}");
    }
}

#[tokio::test]
async fn cors_is_as_narrow_as_the_operator_wants() {
    let node = node("ams").await;
    let setup = Setup::new().watch("cors_origins = [\"https://films.example\"]");
    let gate = setup.node("ams", &node.endpoint()).start_proven().await;
    let path = format!("/watch/{FILM}");
    for (origin, allowed) in
        [("https://films.example", "https://films.example"), ("https://evil.example", "")]
    {
        let answer =
            gate.ask(Method::GET, &path, AMSTERDAM).header("origin", origin).send().await.expect("an answer");
        let got = Got::of(answer).await;
        assert_eq!((got.status, got.header("access-control-allow-origin")), (302, allowed));
        assert_eq!(got.header("vary"), "Accept, Origin");
    }
}
