//! `WebSocket`s through the gate: the handshake, bytes both ways, silence, and where they are not wanted.

use crate::support::*;

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn bytes_pass_both_ways_until_somebody_closes() {
    let server = Server::start("api").await;
    let keys = "read_timeout = \"200ms\"\nwebsocket_timeout = \"1m\"\nbody_max = \"1KiB\"";
    let story = Story::with(&[route("/api/", &[&server], keys)]).await;
    let mut viewer = story.viewer().await;
    assert_eq!(viewer.get("/api/x").await.status, 200);
    let answer = viewer.ask("GET", "/api/ws", UPGRADE).await;
    assert_eq!((answer.status, answer.field("upgrade")), (101, Some("websocket")), "{answer:?}");
    let asked = server.asked().pop().expect("a handshake");
    assert_eq!(asked.field("sec-websocket-key"), Some("dGhlIHNhbXBsZSBub25jZQ=="));
    assert!(asked.field("x-forwarded-for").is_some());
    for message in ["\u{1}hello", "GET /watch/ HTTP/1.1\r\n\r\n", &"x".repeat(4096)] {
        viewer.send(message).await;
        assert_eq!(viewer.bytes(message.len()).await, message.as_bytes());
        // Longer than a request may be silent.
        tokio::time::timeout(std::time::Duration::from_millis(300), std::future::pending::<()>()).await.ok();
    }
    drop(viewer);
    eventually("it is counted", || story.requests("/api/", "upgraded") > 0.5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_one_is_closed() {
    let server = Server::start("api").await;
    let story = Story::with(&[route("/", &[&server], "websocket_timeout = \"1s\"")]).await;
    let mut viewer = story.viewer().await;
    assert_eq!(viewer.ask("GET", "/ws", UPGRADE).await.status, 101);
    assert_eq!(viewer.rest().await, b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_without_websockets_asks_for_none() {
    let server = Server::start("api").await;
    let story = Story::with(&[route("/", &[&server], "websocket = false")]).await;
    let answer = story.viewer().await.ask("GET", "/ws", UPGRADE).await;
    assert_eq!((answer.status, answer.text()), (200, "api GET /ws"));
    assert_eq!(server.asked_once().field("upgrade"), None);
}

/// The films' path is nobody else's, whatever protocol is wanted.
#[tokio::test(flavor = "multi_thread")]
async fn a_film_is_no_websocket() {
    let server = Server::start("api").await;
    let story = Story::with(&[route("/", &[&server], "")]).await;
    let answer = story.viewer().await.ask("GET", &format!("/watch/{FILM}"), UPGRADE).await;
    assert_eq!(answer.status, 302);
    assert!(server.asked().is_empty());
}
