//! Whose word about the viewer is believed.

use reqwest::Method;
use watchgate::geoip::Databases;

use crate::support::*;

#[tokio::test]
async fn nobodys_header_is_believed_by_default() {
    let nodes = [node("ams").await, node("sin").await];
    let mut setup = Setup::new();
    for node in &nodes {
        setup = setup.node(node.name(), &node.endpoint());
    }
    let toml = setup.toml().replace("trusted_proxies = [\"127.0.0.0/8\"]", "");
    let gate = TestGate::start(&toml, Databases::empty());
    gate.until("all are up", |nodes| nodes.iter().all(|node| node.state == "up")).await;
    let from: Vec<bool> =
        [gate.watch(AMSTERDAM).await, gate.watch(SINGAPORE).await, gate.watch(NOWHERE).await]
            .iter()
            .map(|got| got.leads_to(&nodes[0]))
            .collect();
    assert!(from.iter().all(|ams| *ams == from[0]), "one peer, one choice, whatever it claims: {from:?}");
}

#[tokio::test]
async fn the_rightmost_untrusted_entry_is_the_viewer() {
    let ([_ams, sin, _gru], gate) = three().await;
    for list in [
        format!("{AMSTERDAM}, {SINGAPORE}"),
        format!("{AMSTERDAM}, {SINGAPORE}, 127.0.0.1"),
        format!("junk, {SINGAPORE}:4711"),
        format!("{}{SINGAPORE}", format!("{AMSTERDAM}, ").repeat(1000)),
        format!("::ffff:{SINGAPORE}"),
    ] {
        assert!(gate.watch(&list).await.leads_to(&sin), "{}", &list[..list.len().min(80)]);
    }
}

#[tokio::test]
async fn a_proxys_request_id_goes_with_the_answer_and_a_strangers_does_not() {
    let (_nodes, gate) = three().await;
    let path = format!("/watch/{FILM}");
    let theirs = |id: &'static str| gate.ask(Method::GET, &path, AMSTERDAM).header("x-request-id", id).send();
    let got = Got::of(theirs("front-42").await.expect("an answer")).await;
    assert_eq!(got.header("x-request-id"), "front-42");
    let got = Got::of(theirs("with blanks").await.expect("an answer")).await;
    assert_eq!(got.header("x-request-id").len(), 16);
}

#[tokio::test]
async fn an_https_viewer_is_never_sent_to_http() {
    let near = node("ams").await;
    let far = node("sin").await;
    let setup = Setup::new().node("ams", &near.endpoint());
    let public = "public_url = \"https://sin.films.example\"";
    let gate = setup.node_with("sin", &far.endpoint(), ("gate", "gate-secret"), public).start_proven().await;
    let path = format!("/watch/{FILM}");
    let answer = gate.ask(Method::GET, &path, AMSTERDAM).header("x-forwarded-proto", "https").send().await;
    let got = Got::of(answer.expect("an answer")).await;
    assert!(got.location().starts_with("https://sin.films.example/movies/"), "{got:?}");
    assert!(gate.watch(AMSTERDAM).await.leads_to(&near));
}
