//! When nobody holds a film, or nobody says so: 404 is for those who know.

use watchgate_node::{Fault, Policy, Scope};

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn no_film_is_the_word_of_the_source() {
    for mode in ["redirect", "stream"] {
        let stage = Stage::bare().await;
        let gate = up(&stage.setup().watch(&format!("mode = \"{mode}\"")).extra(SHORT)).await;
        let got = gate.watch(SAO_PAULO).await;
        assert_eq!((got.status, got.problem()), (404, "unknown_film".to_owned()), "{mode}");
        // The source answers, but not to this question.
        for fault in [Fault::Status(503), Fault::Status(429), Fault::Status(405), Fault::HangUp] {
            stage.ams.faults().set(fault.clone().on(Scope::Objects));
            let got = gate.until_watched(SAO_PAULO, "its word is too old", |got| got.status != 404).await;
            assert_eq!(got.status, 503, "{mode}, {fault:?}: {got:?}");
            assert_eq!(got.problem(), "no_answer");
            assert!(got.headers.contains_key("retry-after"));
            stage.ams.faults().clear();
            gate.until_watched(SAO_PAULO, "it says again that there is none", |got| got.status == 404).await;
        }
        stage.ams.kill().await;
        gate.until_state("ams", "down", None).await;
        let got = gate.until_watched(SAO_PAULO, "its word is too old", |got| got.status != 404).await;
        assert_eq!((got.status, got.problem()), (503, "no_answer".to_owned()), "{mode}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_source_everybody_has_to_say_so() {
    let stage = Stage::bare().await;
    let key = ("gate", "gate-secret");
    let setup = stage.nodes().into_iter().fold(Setup::new().extra(SHORT), |setup, node| {
        setup.node_with(node.name(), &node.endpoint(), key, "")
    });
    let gate = up(&setup).await;
    let got = gate.watch(SAO_PAULO).await;
    assert_eq!((got.status, got.problem()), (404, "unknown_film".to_owned()));
    stage.sin.kill().await;
    gate.until_state("sin", "down", None).await;
    let got = gate.until_watched(SAO_PAULO, "its word is too old", |got| got.status != 404).await;
    assert_eq!((got.status, got.problem()), (503, "no_answer".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_that_is_down_is_no_reason_to_say_that_there_is_no_film() {
    let stage = Stage::bare().await;
    stage.sin.put(KEY, film(1), "video/mp4").expect("the film");
    let gate = up(&stage.setup().extra(LONG)).await;
    assert!(gate.watch(SAO_PAULO).await.leads_to(&stage.sin));
    stage.sin.kill().await;
    gate.until_state("sin", "down", None).await;
    let got = gate.watch(SAO_PAULO).await;
    // The source denies it, and whoever held it cannot be asked.
    assert!([404, 503].contains(&got.status), "{got:?}");
    assert!(!got.leads_to(&stage.sin));
    stage.sin.revive().await.expect("the port is free");
    gate.until_watched(SAO_PAULO, "it is back", |got| got.leads_to(&stage.sin)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_refuses_us_is_no_word_about_the_film() {
    let stage = Stage::bare().await.with_film().await;
    let gate = up(&stage.setup().extra(SHORT)).await;
    assert!(gate.watch(SAO_PAULO).await.leads_to(&stage.gru));
    stage.gru.set_policy("gate", Policy::NoGetObject).expect("the key is known");
    let got = gate.until_watched(SAO_PAULO, "others take its viewers", |got| {
        assert_eq!(got.status, 302, "nobody meets an error: {got:?}");
        !got.leads_to(&stage.gru)
    });
    assert_eq!(got.await.follow().await.status, 200);
    assert!(gate.gate.node("gru").expect("it is there").refuses_films, "the operator is told");
    assert!(
        gate.metric("watchgate_presence_checks_total", &[("node", "gru"), ("result", "forbidden")]) >= 1.0
    );
    stage.ams.set_policy("gate", Policy::NoGetObject).expect("the key is known");
    stage.sin.set_policy("gate", Policy::NoGetObject).expect("the key is known");
    let other = "22222222-d9cb-469f-a165-70867728950e";
    let got = gate.get(&format!("/watch/{other}"), SAO_PAULO).await;
    assert!(matches!(got.status, 502 | 503), "{got:?}");
}
