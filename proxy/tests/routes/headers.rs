//! What a server is told about the viewer, honest or not, and what it is told of itself.

use crate::support::*;

/// What a viewer may try.
const SPOOFED: &str = "X-Forwarded-For: 203.0.113.9, 198.51.100.7\r\nX-Forwarded-Proto: https\r\n\
                       X-Forwarded-Host: evil.example\r\nX-Forwarded-Port: 1\r\nX-Forwarded-Prefix: /evil\r\n\
                       Forwarded: for=203.0.113.9\r\nX-Real-IP: 203.0.113.9\r\nX_Forwarded_For: 203.0.113.9\r\n\
                       True-Client-IP: 203.0.113.9\r\nX-Original-URL: /admin\r\nX-Request-Id: mine\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_believed_but_a_trusted_proxy() {
    let server = Server::start("api").await;
    let routes = [route("/", &[&server], "")];
    let story = Story::open(&routes, |toml| toml.replace("127.0.0.0/8", "192.0.2.0/24"), None).await;
    let answer = story.viewer().await.ask("GET", "/x", SPOOFED).await;
    let asked = server.asked_once();
    assert_eq!(asked.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(asked.field("x-forwarded-proto"), Some("http"));
    assert_eq!(asked.field("x-forwarded-host"), Some("films.example"));
    assert_eq!(asked.field("host"), Some("films.example"));
    for name in [
        "x-forwarded-port",
        "x-forwarded-prefix",
        "forwarded",
        "x-real-ip",
        "x_forwarded_for",
        "true-client-ip",
        "x-original-url",
    ] {
        assert_eq!(asked.field(name), None, "{name}");
    }
    let id = asked.field("x-request-id").expect("an id");
    assert_ne!(id, "mine");
    assert_eq!(answer.field("x-request-id"), Some(id), "and not the server's own");
    assert_eq!(answer.field("keep-alive"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_proxy_is_believed_as_far_as_the_walk_goes() {
    let server = Server::start("api").await;
    let story = Story::with(&[route("/", &[&server], "")]).await;
    story.viewer().await.ask("GET", "/x", SPOOFED).await;
    let asked = server.asked_once();
    // The proxy vouches for the rightmost address; what stands left of it the viewer may have written.
    assert_eq!(asked.field("x-forwarded-for"), Some("198.51.100.7, 127.0.0.1"));
    assert_eq!(asked.field("x-forwarded-proto"), Some("https"));
    assert_eq!(asked.field("x-forwarded-host"), Some("evil.example"));
    assert_eq!(asked.field("x-forwarded-port"), Some("1"));
    assert_eq!(asked.field("x-request-id"), Some("mine"));
    assert_eq!(asked.field("x-forwarded-prefix"), None);
    assert_eq!((asked.field("forwarded"), asked.field("x-real-ip")), (None, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_is_the_viewers_the_servers_or_a_name() {
    let server = Server::start("api").await;
    let story = Story::with(&[
        route("/viewer", &[&server], ""),
        route("/upstream", &[&server], "host = \"upstream\""),
        route("/name", &[&server], "host = \"Api.Example:8443\"\nstrip_prefix = true"),
    ])
    .await;
    let mut viewer = story.viewer().await;
    for target in ["/viewer", "/upstream", "/name"] {
        assert_eq!(viewer.get(target).await.status, 200);
    }
    let own = server.addr.to_string();
    let hosts: Vec<String> =
        server.asked().iter().map(|asked| asked.field("host").expect("a host").to_owned()).collect();
    assert_eq!(hosts, ["films.example", own.as_str(), "api.example:8443"]);
    let last = server.asked().pop().expect("three requests");
    assert_eq!((last.target.as_str(), last.field("x-forwarded-prefix")), ("/", Some("/name")));
    assert_eq!(last.field("x-forwarded-host"), Some("films.example"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_about_the_connection_goes_no_further() {
    let server = Server::start("api").await;
    let story = Story::with(&[route("/", &[&server], "")]).await;
    let fields = "Connection: keep-alive, X-Secret\r\nKeep-Alive: timeout=5\r\nX-Secret: 1\r\nTE: trailers\r\n\
                  Proxy-Authorization: Basic x\r\nUpgrade: h2c\r\nAccept: */*\r\n";
    assert_eq!(story.viewer().await.ask("GET", "/x", fields).await.status, 200);
    let asked = server.asked_once();
    for name in ["keep-alive", "x-secret", "te", "proxy-authorization", "upgrade"] {
        assert_eq!(asked.field(name), None, "{name}");
    }
    assert_eq!(asked.field("accept"), Some("*/*"));
    for fields in ["Connection: X-Forwarded-For\r\n", "Connection: host\r\n"] {
        let answer = story.viewer().await.ask("GET", "/x", fields).await;
        assert_eq!((answer.status, answer.problem().as_str()), (400, "bad_request"), "{fields}");
    }
    let mut hostless = story.viewer().await;
    hostless.send("GET /x HTTP/1.0\r\n\r\n").await;
    assert_eq!(hostless.answer().await.problem(), "bad_request");
    assert_eq!(server.asked().len(), 1);
}
