//! Servers take turns, leave, and come back.

use crate::support::*;

fn asked(server: &Server) -> usize {
    server.asked().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_take_turns() {
    let (one, two) = (Server::start("one").await, Server::start("two").await);
    let story = Story::with(&[route("/", &[&one, &two], "")]).await;
    let mut viewer = story.viewer().await;
    for _ in 0..10 {
        assert_eq!(viewer.get("/x").await.status, 200);
    }
    assert_eq!((asked(&one), asked(&two)), (5, 5));
}

/// From the first moment on nobody notices, whatever the method.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_dies_and_comes_back() {
    let (one, two) = (Server::start("one").await, Server::start("two").await);
    let story = Story::with(&[route("/", &[&one, &two], "")]).await;
    let mut viewer = story.viewer().await;
    eventually("both are up", || story.up(&one.url()) + story.up(&two.url()) > 1.5).await;
    let url = one.url();
    let addr = one.stop().await;
    for body in ["", "a", "bb", "ccc"] {
        let fields = format!("Content-Length: {}\r\n\r\n{body}", body.len());
        viewer.send(&format!("POST /echo HTTP/1.1\r\nHost: films.example\r\n{fields}")).await;
        let answer = viewer.answer().await;
        assert_eq!((answer.status, answer.text()), (200, body));
    }
    assert!(asked(&two) >= 4);
    assert!(story.gate.metric("watchgate_route_retries_total", &[("route", "/")]) > 0.0);
    eventually("it is down", || story.up(&url) < 0.5).await;
    assert!(story.up(&two.url()) > 0.5);
    let one = Server::start_at("one", addr).await;
    eventually("it is up again", || story.up(&url) > 0.5).await;
    let before = asked(&two);
    for _ in 0..10 {
        assert_eq!(viewer.get("/x").await.status, 200);
    }
    assert_eq!((asked(&one), asked(&two) - before), (5, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_it_is_ill_gets_nothing() {
    let (one, two) = (Server::start("one").await, Server::start("two").await);
    let story = Story::with(&[route("/", &[&one, &two], "health_path = \"/health\"")]).await;
    eventually("both are up", || story.up(&one.url()) + story.up(&two.url()) > 1.5).await;
    one.set_health(503);
    eventually("one is down", || story.up(&one.url()) < 0.5).await;
    for _ in 0..6 {
        assert_eq!(story.get("/x").await.text(), "two GET /x");
    }
    two.set_health(404);
    eventually("nobody is up", || story.up(&two.url()) < 0.5).await;
    let answer = story.get("/x").await;
    assert_eq!((answer.status, answer.problem().as_str()), (502, "no_upstream"));
    one.set_health(302);
    eventually("one is back", || story.up(&one.url()) > 0.5).await;
    assert_eq!(story.get("/x").await.text(), "one GET /x");
}
