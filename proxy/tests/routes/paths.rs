//! Which path goes where, and that no spelling of the films' path goes to a server.

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_prefix_wins_and_paths_go_on_as_written() {
    let (api, old, rest) =
        (Server::start("api").await, Server::start("old").await, Server::start("rest").await);
    let story = Story::with(&[
        route("/", &[&rest], ""),
        route("/api/", &[&api], "strip_prefix = true"),
        route("/api/v1", &[&old], ""),
    ])
    .await;
    let mut viewer = story.viewer().await;
    for (target, expected) in [
        ("/", "rest GET /"),
        ("/index.html?x=1&y=/../", "rest GET /index.html?x=1&y=/../"),
        ("/api", "rest GET /api"),
        ("/apiary", "rest GET /apiary"),
        ("/api/", "api GET /"),
        ("/api/films?q=%D1%84", "api GET /films?q=%D1%84"),
        ("/api/a%2Fb//c;d", "api GET /a%2Fb//c;d"),
        ("/api/watch/x", "api GET /watch/x"),
        ("/api/v1", "old GET /api/v1"),
        ("/api/v1/films", "old GET /api/v1/films"),
        ("/api/v12", "api GET /v12"),
        ("/watches", "rest GET /watches"),
    ] {
        let answer = viewer.get(target).await;
        assert_eq!((answer.status, answer.text()), (200, expected), "{target}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_route_that_fits_a_path_is_nobodys() {
    let api = Server::start("api").await;
    let story = Story::with(&[route("/api/", &[&api], "")]).await;
    let mut viewer = story.viewer().await;
    // Not even the films' path in disguise: without a route for it there is nothing to be careful about.
    for target in ["/", "/api", "/apiary", "/watch", "//watch/x", "/%77atch/x", "http://films.example/api/x"]
    {
        let answer = viewer.get(target).await;
        assert_eq!((answer.status, answer.problem().as_str()), (404, "not_found"), "{target}");
    }
    let answer = viewer.ask("OPTIONS", "*", "").await;
    assert_eq!(answer.status, 404);
    assert_eq!(viewer.get("/api/x").await.status, 200, "refusals keep the connection");
    assert_eq!(api.asked().len(), 1);
}

/// The table of tricks: `/` is a route, and still none of these reaches its server.
#[tokio::test(flavor = "multi_thread")]
async fn no_spelling_of_the_films_path_reaches_a_server() {
    let rest = Server::start("rest").await;
    let story =
        Story::with(&[route("/", &[&rest], ""), route("/api/", &[&rest], "strip_prefix = true")]).await;
    let uuid = FILM;
    let tricks = [
        (400, format!("//watch/{uuid}")),
        (400, format!("/./watch/{uuid}")),
        (400, format!("/x/../watch/{uuid}")),
        (400, format!("/api/../watch/{uuid}")),
        (400, format!("/api/%2e%2e/watch/{uuid}")),
        (400, format!("/api/%2E%2E%2Fwatch%2F{uuid}")),
        (400, format!("/api/..;/watch/{uuid}")),
        (400, format!("/api/..%5Cwatch/{uuid}")),
        (400, format!("/%77atch/{uuid}")),
        (400, format!("/%2577atch/{uuid}")),
        (400, format!("/%252525252577atch/{uuid}")),
        (400, format!("/watch%2F{uuid}")),
        (400, format!("/watch%252F{uuid}")),
        (400, format!("/%2Fwatch/{uuid}")),
        (400, format!("/WATCH/{uuid}")),
        (400, format!("/Watch/{uuid}")),
        (400, format!("/watch;x=1/{uuid}")),
        (400, format!("/;/watch/{uuid}")),
        (400, format!("/watch%3B/{uuid}")),
        (400, format!("/watch%00/{uuid}")),
        (400, format!("/watch%20/{uuid}")),
        (400, format!("/watch\\{uuid}")),
        (400, format!("/\\watch/{uuid}")),
        (400, "/watch".to_owned()),
        (400, "/watch?x=1".to_owned()),
        (400, "/WATCH".to_owned()),
        // Written as the films' path, and so the gate's own business, whatever follows.
        (400, "/watch/".to_owned()),
        (400, format!("/watch//{uuid}")),
        (400, format!("/watch/../api/{uuid}")),
        (400, format!("/watch/%2e%2e/api/{uuid}")),
        (302, format!("/watch/{uuid}?/../api/")),
        // No path at all.
        (404, format!("http://films.example/watch/{uuid}")),
        (404, format!("HTTP://films.example/api/../watch/{uuid}")),
    ];
    for (status, target) in &tricks {
        for method in ["GET", "HEAD", "POST"] {
            let answer = story.viewer().await.ask(method, target, "").await;
            let expected = if *status == 302 && method == "POST" { 405 } else { *status };
            assert_eq!(answer.status, expected, "{method} {target}");
        }
    }
    assert!(rest.asked().is_empty(), "{:?}", rest.asked());
    assert_eq!(story.get("/x").await.text(), "rest GET /x", "the server is there");
}

/// Bytes before the request line that other readers pass over, and forms of it that they read otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn no_form_of_the_request_line_leads_a_film_to_a_server() {
    let rest = Server::start("rest").await;
    let story = Story::with(&[route("/", &[&rest], "")]).await;
    for line in [
        format!("\r\n\r\nGET /watch/{FILM} HTTP/1.1"),
        format!("\nGET /watch/{FILM} HTTP/1.0"),
        format!("GET  /watch/{FILM} HTTP/1.1"),
        format!("GET /watch/{FILM}  HTTP/1.1"),
        format!("GET\t/watch/{FILM} HTTP/1.1"),
        format!("get /watch/{FILM} HTTP/1.1"),
        format!("GET watch/{FILM} HTTP/1.1"),
        format!("CONNECT /watch/{FILM} HTTP/1.1"),
    ] {
        let mut viewer = story.viewer().await;
        viewer.send(&format!("{line}\r\nHost: films.example\r\nConnection: close\r\n\r\n")).await;
        let answer = viewer.rest().await;
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{line:?}: {}", String::from_utf8_lossy(&answer));
    }
    assert!(rest.asked().is_empty(), "{:?}", rest.asked());
    // A fragment is no part of a request, and nobody gets to see it.
    assert_eq!(story.get(&format!("/x#/../watch/{FILM}")).await.text(), "rest GET /x");
}
