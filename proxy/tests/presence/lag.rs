//! Replication is late: viewers go to those who hold the film, and to the nearest as soon as it does.

use std::time::Duration;

use watchgate_node::{Fault, Lag, Scope};

use crate::support::*;

const SINGAPORE: &str = "198.51.100.10";

#[tokio::test(flavor = "multi_thread")]
async fn viewers_go_to_the_source_until_their_replica_has_the_film() {
    let stage = Stage::replicating(Lag::Frozen).await;
    let gate = up(&stage.setup().extra(SHORT)).await;
    stage.ams.put(KEY, film(1), "video/mp4").expect("the film");
    for viewer in [SAO_PAULO, SINGAPORE, AMSTERDAM, SAO_PAULO] {
        let got = gate.watch(viewer).await;
        assert!(got.leads_to(&stage.ams), "{viewer}: {got:?}");
        assert_eq!(got.follow().await.body, film(1));
    }
    stage.ams.set_lag(&stage.gru, Lag::After(Duration::ZERO));
    let at_home = gate.until_watched(SAO_PAULO, "gru takes its viewers", |got| {
        assert_eq!(got.status, 302, "nobody meets an error meanwhile: {got:?}");
        got.leads_to(&stage.gru)
    });
    assert_eq!(at_home.await.follow().await.body, film(1));
    assert!(gate.watch(SINGAPORE).await.leads_to(&stage.ams), "sin is still behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_that_only_a_replica_holds_comes_from_there_although_the_source_would_fetch_it() {
    let stage = Stage::replicating(Lag::After(Duration::ZERO)).await;
    stage.gru.put(KEY, film(1), "video/mp4").expect("the film");
    let gate = up(&stage.setup()).await;
    for viewer in [AMSTERDAM, SINGAPORE, SAO_PAULO] {
        let got = gate.watch(viewer).await;
        assert!(got.leads_to(&stage.gru), "{viewer}: {got:?}");
    }
    for node in stage.nodes() {
        assert!(!heads(node).is_empty(), "{} was asked", node.name());
        for seen in heads(node) {
            assert_eq!(seen.headers["x-minio-source-proxy-request"], "false");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_moves_viewers_at_once() {
    use watchgate::decide::event::Kind;
    let stage = Stage::replicating(Lag::Frozen).await;
    let gate = up(&stage.setup().extra(LONG)).await;
    let nothing = gate.watch(SAO_PAULO).await;
    assert_eq!((nothing.status, nothing.problem()), (404, "unknown_film".to_owned()));
    stage.ams.put(KEY, film(1), "video/mp4").expect("the film");
    assert_eq!(gate.watch(SAO_PAULO).await.status, 404, "nobody has told the gate, and its word is fresh");
    gate.gate.object_changed(KEY, Kind::Created);
    gate.until_watched(SAO_PAULO, "the source is known to have it", |got| got.leads_to(&stage.ams)).await;
    stage.ams.set_lag(&stage.gru, Lag::After(Duration::ZERO));
    eventually("gru has it", || stage.gru.has(KEY)).await;
    assert!(gate.watch(SAO_PAULO).await.leads_to(&stage.ams), "nobody has told the gate of that either");
    gate.gate.object_changed(KEY, Kind::Replicated);
    gate.until_watched(SAO_PAULO, "gru is known to have it", |got| got.leads_to(&stage.gru)).await;
    stage.ams.set_lag(&stage.sin, Lag::After(Duration::ZERO));
    stage.ams.delete(KEY).expect("it was there");
    gate.gate.object_changed(KEY, Kind::Removed);
    let gone = gate.until_watched(SAO_PAULO, "the film is gone", |got| got.status == 404).await;
    assert_eq!(gone.problem(), "deleted");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_slowest_node_is_not_waited_for() {
    let stage = Stage::bare().await.with_film().await;
    let gate = up(&stage.setup().extra("[stream]\nfirst_byte_timeout = \"10m\"")).await;
    stage.gru.faults().set(Fault::DelayMs(3_600_000).on(Scope::Objects));
    let got = gate.watch(SAO_PAULO).await;
    assert!(got.leads_to(&stage.ams) || got.leads_to(&stage.sin), "{got:?}");
    assert_eq!(heads(&stage.gru).len(), 1, "it was asked first, and has not answered");
    assert!(!gate.watch(SAO_PAULO).await.leads_to(&stage.gru));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drained_node_takes_viewers_of_a_film_that_nobody_else_holds() {
    let stage = Stage::replicating(Lag::Frozen).await;
    stage.ams.put(KEY, film(1), "video/mp4").expect("the film");
    let gate = up(&stage.setup()).await;
    assert!(gate.gate.drain("ams", true).is_some());
    assert!(gate.watch(SAO_PAULO).await.leads_to(&stage.ams));
    assert!(gate.watch(SAO_PAULO).await.leads_to(&stage.ams));
    stage.ams.set_lag(&stage.gru, Lag::After(Duration::ZERO));
    eventually("gru has it", || stage.gru.has(KEY)).await;
    gate.gate.object_changed(KEY, watchgate::decide::event::Kind::Replicated);
    gate.until_watched(AMSTERDAM, "gru takes all", |got| got.leads_to(&stage.gru)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_presence_nobody_is_asked() {
    let stage = Stage::replicating(Lag::Frozen).await;
    let gate = up(&stage.setup().extra("[presence]\nenabled = false")).await;
    assert!(gate.watch(SAO_PAULO).await.leads_to(&stage.gru));
    assert_eq!(stage.asked(), 0);
}
