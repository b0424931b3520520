//! Links: what they open, and what they do not.

use reqwest::{Client, Method};

use crate::support::*;

async fn status(method: Method, url: &str) -> u16 {
    Client::new().request(method, url).send().await.expect("the node answers").status().as_u16()
}

#[tokio::test]
async fn a_link_opens_one_film_for_one_method_at_one_node() {
    let ([ams, sin, _gru], gate) = three().await;
    sin.put("other.mp4", film(), "video/mp4").expect("another film");
    let link = gate.watch(AMSTERDAM).await.location().to_owned();
    assert_eq!(status(Method::GET, &link).await, 200);
    assert_eq!(status(Method::HEAD, &link).await, 403, "a GET link is not good for HEAD");
    let (start, signature) = link.split_once("X-Amz-Signature=").expect("a signature");
    let flipped = if signature.starts_with('0') { "1" } else { "0" };
    let altered = [
        format!("{start}X-Amz-Signature={flipped}{}", &signature[1..]),
        link.replace(KEY, "other.mp4"),
        link.replace(&ams.addr().to_string(), &sin.addr().to_string()),
        link.replace("X-Amz-Expires=", "X-Amz-Expires=1"),
        format!("{link}&versionId=null"),
    ];
    for altered in altered {
        assert_eq!(status(Method::GET, &altered).await, 403, "{altered}");
    }
}

#[tokio::test]
async fn head_gets_a_link_for_head() {
    let (_nodes, gate) = three().await;
    let answer =
        gate.ask(Method::HEAD, &format!("/watch/{FILM}"), AMSTERDAM).send().await.expect("an answer");
    let got = Got::of(answer).await;
    assert_eq!(status(Method::HEAD, got.location()).await, 200);
    assert_eq!(status(Method::GET, got.location()).await, 403);
}

#[tokio::test]
async fn a_link_is_the_same_for_everybody_in_a_window() {
    let (_nodes, gate) = three().await;
    let first = gate.watch("192.0.2.10").await.location().to_owned();
    let others = [gate.watch("192.0.2.11").await, gate.watch("192.0.2.200").await];
    // A window may end between two requests: then both later ones agree.
    assert!(
        others.iter().any(|other| other.location() == first) || others[0].location() == others[1].location()
    );
}

#[tokio::test]
async fn the_link_is_json_for_those_who_ask_for_json() {
    let ([ams, ..], gate) = three().await;
    let path = format!("/watch/{}", FILM.to_uppercase());
    let axios = "application/json, text/plain, */*";
    let answer =
        gate.ask(Method::GET, &path, AMSTERDAM).header("accept", axios).send().await.expect("an answer");
    let got = Got::of(answer).await;
    assert_eq!((got.status, got.header("content-type")), (200, "application/json"), "{got:?}");
    assert_eq!((got.header("vary"), got.header("cache-control")), ("Accept", "no-store"));
    let json = got.json();
    assert_eq!((&json["film"], &json["node"], &json["method"]), (&FILM.into(), &"ams".into(), &"GET".into()));
    assert!(json["expires_at"].as_str().expect("a moment").ends_with('Z'));
    assert_eq!(json["size"], 200_000);
    assert!(json["etag"].as_str().expect("a tag").starts_with('"') && json["version_id"].is_string());
    let url = json["url"].as_str().expect("a link");
    assert!(url.starts_with(&ams.endpoint()));
    assert_eq!(status(Method::GET, url).await, 200);
    let player =
        gate.ask(Method::GET, &path, AMSTERDAM).header("accept", "*/*").send().await.expect("an answer");
    assert_eq!(player.status(), 302);
}

#[tokio::test]
async fn the_redirect_says_what_the_contract_says() {
    let (_nodes, gate) = three().await;
    let got = gate.watch(AMSTERDAM).await;
    assert_eq!(got.status, 302);
    assert_eq!(got.header("cache-control"), "no-store");
    assert_eq!(got.header("vary"), "Accept");
    assert_eq!(got.header("content-length"), "0");
    assert_eq!(got.header("access-control-allow-origin"), "*");
    assert_eq!(got.header("x-request-id").len(), 16);
    assert!(got.headers.get("server").is_none());
}

#[tokio::test]
async fn keys_are_sliced_and_encoded_as_the_template_says() {
    let node = node("ams").await;
    let key = "films (new)/0f8f/0f8fad5b-d9cb-469f-a165-70867728950e+ä.mp4";
    node.put(key, film(), "video/mp4").expect("the film");
    let setup = Setup::new().watch("object = \"films (new)/{uuid:0:4}/{uuid}+ä.mp4\"");
    let gate = setup.node("ams", &node.endpoint()).start_proven().await;
    let link = gate.watch(AMSTERDAM).await.location().to_owned();
    assert_eq!(status(Method::GET, &link).await, 200, "{link}");
}

#[tokio::test]
async fn a_session_token_travels_in_the_link() {
    let builder = watchgate_node::Node::builder("ams").bucket("movies");
    let credential = watchgate_node::Credential::new("gate", "gate-secret").session_token("tok/en+==");
    let node = builder.credentials(credential).start().await.expect("a node");
    node.put(KEY, film(), "video/mp4").expect("the film");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, "tok/en+==\n").expect("written");
    let token = format!("session_token_file = \"{}\"", file.display());
    let setup = Setup::new().node_with("ams", &node.endpoint(), ("gate", "gate-secret"), &token);
    let gate = setup.start_proven().await;
    gate.until_state("ams", "up", None).await;
    assert_eq!(status(Method::GET, gate.watch(AMSTERDAM).await.location()).await, 200);
}
