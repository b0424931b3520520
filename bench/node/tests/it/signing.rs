//! Signatures that must be taken, and everything that must be refused.

use watchgate_node::{Credential, Node, Policy};

use crate::client::{Ask, Signer};
use crate::{ACCESS, SECRET, node};

async fn with_film() -> Node {
    let node = node("ams").await;
    node.put("film.mp4", "0123456789", "video/mp4").unwrap();
    node
}

async fn check_link(node: &Node, signer: &Signer, want: (u16, &str, &str)) {
    let host = node.addr().to_string();
    let link = signer.link("GET", &host, "/movies/film.mp4");
    let got = Ask::new("GET", &link).send(node).await;
    let desc = got.element("Message").unwrap_or("");
    assert_eq!((got.status, got.code()), (want.0, want.1), "{link} {desc}");
    assert!(desc.contains(want.2), "{desc}");
}

async fn check_header(node: &Node, signer: &Signer, want: (u16, &str)) {
    let ask = signer.header(Ask::new("GET", "/movies/film.mp4"), &node.addr().to_string());
    let got = ask.send(node).await;
    assert_eq!((got.status, got.code()), want, "{}", got.text());
}

#[tokio::test]
async fn links_live_from_their_date_to_their_expiry() {
    let node = with_film().await;
    let at = |at_s: i64, expires_s: u64| Signer { at_s, expires_s, ..Signer::default() };
    check_link(&node, &at(0, 600), (200, "", "")).await;
    check_link(&node, &at(0, 604_800), (200, "", "")).await;
    check_link(&node, &at(-590, 600), (200, "", "")).await;
    check_link(&node, &at(-602, 600), (403, "AccessDenied", "Request has expired")).await;
    check_link(&node, &at(-2, 1), (403, "AccessDenied", "Request has expired")).await;
    check_link(&node, &at(890, 600), (200, "", "")).await;
    check_link(&node, &at(905, 600), (403, "AccessDenied", "not valid yet")).await;
    check_link(&node, &at(0, 604_801), (400, "AuthorizationQueryParametersError", "week")).await;
}

#[tokio::test]
async fn wrong_keys_and_secrets_are_told_apart() {
    let node = with_film().await;
    let unknown = Signer { access: "NOBODY", ..Signer::default() };
    let wrong = Signer { secret: "wrong", ..Signer::default() };
    check_link(&node, &unknown, (403, "InvalidAccessKeyId", "does not exist")).await;
    check_link(&node, &wrong, (403, "SignatureDoesNotMatch", "does not match")).await;
    check_header(&node, &Signer::default(), (200, "")).await;
    check_header(&node, &unknown, (403, "InvalidAccessKeyId")).await;
    check_header(&node, &wrong, (403, "SignatureDoesNotMatch")).await;
    let anonymous = Ask::new("GET", "/movies/film.mp4").send(&node).await;
    assert_eq!((anonymous.status, anonymous.code()), (403, "AccessDenied"));
    let old: Vec<Option<bool>> = node.seen().iter().map(|seen| seen.signature_ok).collect();
    assert_eq!(old, [false, false, true, false, false, false].map(Some));
    assert_eq!(node.counts().signatures_refused, 5);
}

#[tokio::test]
async fn an_altered_link_is_refused() {
    let node = with_film().await;
    node.put("other.mp4", "other", "video/mp4").unwrap();
    let host = node.addr().to_string();
    let link = Signer::default().link("GET", &host, "/movies/film.mp4?versionId=");
    assert_eq!(Ask::new("GET", &link).send(&node).await.status, 200, "the link itself is good");

    let head = Ask::new("HEAD", &link).send(&node).await;
    assert_eq!((head.status, head.code()), (403, "SignatureDoesNotMatch"), "another method");
    let elsewhere = Ask::new("GET", &link).with("host", "example.com").send(&node).await;
    assert_eq!((elsewhere.status, elsewhere.code()), (403, "SignatureDoesNotMatch"), "another host");
    for (what, altered) in [
        ("key", link.replace("film.mp4", "other.mp4")),
        ("expiry", link.replace("X-Amz-Expires=600", "X-Amz-Expires=700")),
        ("parameter", format!("{link}&response-content-type=text%2Fhtml")),
        ("region", link.replace("us-east-1", "us-east-2")),
        ("headers", link.replace("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=host%3Brange")),
    ] {
        assert_ne!(altered, link, "{what}");
        let got = Ask::new("GET", &altered).send(&node).await;
        assert_eq!((got.status, got.code()), (403, "SignatureDoesNotMatch"), "{what}: {altered}");
    }
    let hostless = link.replace("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=range");
    let got = Ask::new("GET", &hostless).send(&node).await;
    assert_eq!((got.status, got.code()), (400, "AccessDenied"), "the host must be signed");
}

#[tokio::test]
async fn no_character_of_a_signature_can_be_flipped() {
    let node = with_film().await;
    let host = node.addr().to_string();
    let link = Signer::default().link("GET", &host, "/movies/film.mp4");
    let at = link.find("X-Amz-Signature=").unwrap() + "X-Amz-Signature=".len();
    for index in at..at + 64 {
        let mut altered = link.clone().into_bytes();
        altered[index] = if altered[index] == b'0' { b'1' } else { b'0' };
        let altered = String::from_utf8(altered).unwrap();
        let got = Ask::new("GET", &altered).send(&node).await;
        assert_eq!((got.status, got.code()), (403, "SignatureDoesNotMatch"), "{altered}");
    }
}

#[tokio::test]
async fn an_altered_signed_request_is_refused() {
    let node = with_film().await;
    let host = node.addr().to_string();
    let good =
        Signer::default().header(Ask::new("GET", "/movies/film.mp4").with("range", "bytes=0-1"), &host);
    assert_eq!(good.send(&node).await.status, 206, "the request itself is good");
    let mut head = good.clone();
    head.method = "HEAD".to_owned();
    let mut target = good.clone();
    target.target = "/movies/film.mp4?versionId=1".to_owned();
    let mut range = good.clone();
    range.headers.iter_mut().find(|(name, _)| name == "range").unwrap().1 = "bytes=0-2".to_owned();
    let host = good.clone().with("host", "example.com");
    for (what, altered) in [("method", head), ("target", target), ("range", range), ("host", host)] {
        let got = altered.send(&node).await;
        assert_eq!((got.status, got.code()), (403, "SignatureDoesNotMatch"), "{what}");
    }
    let more = good.with("x-minio-source-proxy-request", "false").send(&node).await;
    assert_eq!(more.status, 206, "a header may be added unsigned");
}

#[tokio::test]
async fn fifteen_minutes_of_skew_are_taken_by_the_nodes_own_clock() {
    let node = with_film().await;
    let at = |at_s: i64| Signer { at_s, ..Signer::default() };
    for at_s in [-890, 890] {
        check_header(&node, &at(at_s), (200, "")).await;
    }
    for at_s in [-910, 910] {
        check_header(&node, &at(at_s), (403, "RequestTimeTooSkewed")).await;
    }
    node.set_clock_skew_s(-3600);
    check_header(&node, &at(0), (403, "RequestTimeTooSkewed")).await;
    check_header(&node, &at(-3600), (200, "")).await;
    check_link(&node, &at(0), (403, "AccessDenied", "not valid yet")).await;
    // A link that is long over by the system's clock, and young by the node's.
    check_link(&node, &at(-3600), (200, "", "")).await;
    check_link(&node, &Signer { secret: "wrong", ..at(-3600) }, (403, "SignatureDoesNotMatch", "")).await;
    node.set_clock_skew_s(3600);
    check_link(&node, &at(0), (403, "AccessDenied", "Request has expired")).await;
    let date = Ask::new("GET", "/minio/health/live").send(&node).await;
    let date = date.header("date").unwrap();
    let parsed = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).unwrap();
    let ahead_s = parsed.as_second() - jiff::Timestamp::now().as_second();
    assert!((3595..=3600).contains(&ahead_s), "{date} is {ahead_s} s ahead");
}

#[tokio::test]
async fn keys_of_every_shape_verify() {
    let node = node("ams").await;
    for (key, encoded) in [
        ("a b+c.mp4", "a%20b%2Bc.mp4"),
        ("films/ä/日本.mp4", "films/%C3%A4/%E6%97%A5%E6%9C%AC.mp4"),
        ("(x)'!*.mp4", "%28x%29%27%21%2A.mp4"),
        ("100%/&=?.mp4", "100%25/%26%3D%3F.mp4"),
        ("a//b", "a//b"),
    ] {
        node.put(key, key.to_owned(), "video/mp4").unwrap();
        let target = format!("/movies/{encoded}");
        let host = node.addr().to_string();
        let link = Signer::default().link("GET", &host, &target);
        for ask in [Ask::new("GET", &link), Ask::new("GET", &target).signed(&node)] {
            let got = ask.send(&node).await;
            assert_eq!((got.status, got.text()), (200, key), "{}", ask.target);
        }
    }
}

#[tokio::test]
async fn temporary_keys_need_their_token() {
    let temporary = Credential::new("TEMP", "secret").session_token("token+/=");
    let node = Node::builder("ams").credential(ACCESS, SECRET).credentials(temporary).bucket("movies");
    let node = node.start().await.unwrap();
    node.put("film.mp4", "0123456789", "video/mp4").unwrap();
    let with = |token| Signer { access: "TEMP", secret: "secret", token, ..Signer::default() };
    check_link(&node, &with(Some("token+/=")), (200, "", "")).await;
    check_header(&node, &with(Some("token+/=")), (200, "")).await;
    for token in [None, Some("other")] {
        check_link(&node, &with(token), (403, "InvalidTokenId", "token")).await;
        check_header(&node, &with(token), (403, "InvalidTokenId")).await;
    }
    let uncalled = Signer { token: Some("token+/="), ..Signer::default() };
    check_header(&node, &uncalled, (403, "InvalidTokenId")).await;
}

#[tokio::test]
async fn policies_and_rotation() {
    let node = with_film().await;
    node.add_credential(Credential::new("NEW", "new").policy(Policy::ReadOnly));
    let new = Signer { access: "NEW", secret: "new", ..Signer::default() };
    check_link(&node, &new, (200, "", "")).await;
    let put = new.header(Ask::new("PUT", "/movies/x").body(b"x"), &node.addr().to_string());
    assert_eq!(put.send(&node).await.code(), "AccessDenied", "read only");
    node.set_policy(ACCESS, Policy::NoGetObject).unwrap();
    check_header(&node, &Signer::default(), (403, "AccessDenied")).await;
    let bucket = Ask::new("HEAD", "/movies").signed(&node).send(&node).await;
    assert_eq!(bucket.status, 200, "only GetObject is denied");
    assert!(node.set_policy("NOBODY", Policy::All).is_err());
    node.remove_credential(ACCESS);
    check_header(&node, &Signer::default(), (403, "InvalidAccessKeyId")).await;
    check_link(&node, &new, (200, "", "")).await;
}
