//! Films and other requests on one connection, in any order.

use crate::support::*;

fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: films.example\r\n\r\n")
}

fn post(body: &str) -> String {
    let length = body.len();
    format!("POST /api/echo HTTP/1.1\r\nHost: films.example\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_carries_films_and_others() {
    let server = Server::start("api").await;
    let story = Story::with(&[route("/api/", &[&server], "")]).await;
    let (film, mut viewer) = (format!("/watch/{FILM}"), story.viewer().await);
    for _ in 0..3 {
        assert_eq!(viewer.get(&film).await.status, 302);
        assert_eq!(viewer.get("/api/x").await.text(), "api GET /api/x");
        viewer.send(&post("hello")).await;
        assert_eq!(viewer.answer().await.text(), "hello");
        assert_eq!(viewer.get("/nobodys").await.status, 404);
        // Chunks end where Pingora finds their end.
        let chunked =
            "POST /api/echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
        viewer.send(chunked).await;
        assert_eq!(viewer.answer().await.text(), "hi");
    }
}

/// All at once, and once more byte by byte.
#[tokio::test(flavor = "multi_thread")]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::start("api").await;
    let story = Story::with(&[route("/api/", &[&server], "")]).await;
    let film = format!("/watch/{FILM}");
    let all = [
        get("/api/1"),
        get(&film),
        post("a body that looks like GET /watch/ HTTP/1.1\r\n\r\n"),
        get(&film),
        get("/api/2"),
        post(""),
        get("/nobodys"),
        "\r\n".to_owned() + &get("/api/3"),
    ]
    .concat();
    let expected = [200, 302, 200, 302, 200, 200, 404, 200];
    let mut viewer = story.viewer().await;
    viewer.send(&all).await;
    for status in expected {
        assert_eq!(viewer.answer().await.status, status);
    }
    let mut viewer = story.viewer().await;
    for byte in all.as_bytes() {
        viewer.send_bytes(&[*byte]).await;
        tokio::task::yield_now().await;
    }
    let mut bodies = Vec::new();
    for status in expected {
        let answer = viewer.answer().await;
        assert_eq!(answer.status, status);
        bodies.push(answer.text().to_owned());
    }
    assert_eq!(bodies[0], "api GET /api/1");
    assert_eq!(bodies[2], "a body that looks like GET /watch/ HTTP/1.1\r\n\r\n");
    assert_eq!(
        (bodies[4].as_str(), bodies[5].as_str(), bodies[7].as_str()),
        ("api GET /api/2", "", "api GET /api/3")
    );
}

/// A request hidden in what two readers frame differently reaches nobody.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_smuggled_behind_a_body() {
    let server = Server::start("api").await;
    let story = Story::with(&[route("/api/", &[&server], "")]).await;
    let hidden = get("/api/hidden");
    for framing in [
        format!("Content-Length: 0\r\nContent-Length: {}\r\n\r\n{hidden}", hidden.len()),
        format!("Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}", hidden.len()),
        format!("Transfer-Encoding: xchunked\r\n\r\n{hidden}"),
        format!("Content-Length: +0\r\n\r\n{hidden}"),
        format!("Content-Length : 0\r\nX: y\r\n\r\n{hidden}"),
    ] {
        let mut viewer = story.viewer().await;
        viewer.send(&format!("POST /api/echo HTTP/1.1\r\nHost: films.example\r\n{framing}")).await;
        viewer.rest().await;
    }
    assert!(server.asked().iter().all(|asked| asked.method == "POST"), "{:?}", server.asked());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_without_end_is_431() {
    let server = Server::start("api").await;
    let story = Story::with(&[route("/api/", &[&server], "")]).await;
    let mut viewer = story.viewer().await;
    viewer.send(&format!("GET /api/x HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(70_000))).await;
    assert_eq!(viewer.head().await.status, 431);
}

/// A viewer who goes away is noticed while a server is asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_nobody_is_given_up() {
    let server = Server::start("api").await;
    let story = Story::with(&[route("/api/", &[&server], "")]).await;
    let mut viewer = story.viewer().await;
    viewer.send(&get("/api/hang")).await;
    eventually("the server was asked", || server.asked().len() == 1).await;
    drop(viewer);
    eventually("it is given up", || story.requests("/api/", "viewer_left") > 0.5).await;
}
