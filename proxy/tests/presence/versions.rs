//! A film is overwritten: the newest version counts, and nobody gets bytes of two.

use std::time::Duration;

use watchgate_node::{Fault, Lag, Node, Scope};

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_node_takes_no_new_viewers_until_it_agrees() {
    let stage = Stage::bare().await.with_film().await;
    let gate = up(&stage.setup().extra(SHORT)).await;
    let before = gate.watch(SAO_PAULO).await;
    assert!(before.leads_to(&stage.gru));
    stage.ams.set_lag(&stage.gru, Lag::Frozen);
    stage.ams.set_lag(&stage.sin, Lag::Frozen);
    stage.ams.put(KEY, film(2), "video/mp4").expect("the film");
    let moved = gate.until_watched(SAO_PAULO, "the source has a newer version", |got| {
        assert_eq!(got.status, 302, "{got:?}");
        got.leads_to(&stage.ams)
    });
    let moved = moved.await;
    assert_eq!(moved.follow().await.body, film(2));
    // Whoever has the earlier link goes on with the earlier version, at whatever node.
    assert_eq!(before.follow().await.body, film(1));
    stage.ams.set_lag(&stage.gru, Lag::After(Duration::ZERO));
    let home = gate.until_watched(SAO_PAULO, "gru agrees", |got| got.leads_to(&stage.gru)).await;
    assert_eq!(home.follow().await.body, film(2));
    assert_eq!(before.follow().await.body, film(1), "a link is pinned to its version");
}

#[tokio::test(flavor = "multi_thread")]
async fn links_are_pinned_only_if_the_operator_wants_it() {
    let stage = Stage::bare().await.with_film().await;
    let pinned = up(&stage.setup()).await;
    let loose = up(&stage.setup().extra("[stream]\npin_version = false")).await;
    assert!(pinned.watch(SAO_PAULO).await.header("location").contains("versionId="));
    let link = loose.watch(SAO_PAULO).await;
    assert!(!link.header("location").contains("versionId="));
    stage.ams.delete(KEY).expect("it was there");
    eventually("gru has heard of it", || !stage.gru.has(KEY)).await;
    assert_eq!(link.follow().await.status, 404, "a take-down reaches links that are out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_film_comes_from_the_newest_version_as_soon_as_it_is_known() {
    let stage = Stage::bare().await.with_film().await;
    let gate = up(&stage.setup().watch("mode = \"stream\"").extra(SHORT)).await;
    assert!(gate.watch(SAO_PAULO).await.body == film(1));
    stage.ams.set_lag(&stage.gru, Lag::Frozen);
    stage.ams.put(KEY, film(2), "video/mp4").expect("the film");
    gate.until_watched(SAO_PAULO, "the newest version is streamed", |got| {
        assert!(
            got.status == 200 && (got.body == film(1) || got.body == film(2)),
            "whole, and of one version"
        );
        got.body == film(2)
    })
    .await;
    for _ in 0..20 {
        assert!(gate.watch(SAO_PAULO).await.body == film(2), "nobody goes back to the stale node");
    }
}

/// All words are too old, because nobody watched the film for a while.
async fn until_words_are_old(gate: &TestGate) {
    let ask = asked();
    eventually("all words are old", || {
        let decision = gate.gate.explain(&ask);
        decision.nodes.iter().all(|node| node.presence.as_ref().is_none_or(|word| word.age_s > 1.5))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_film_does_not_come_from_a_node_that_was_behind_when_it_spoke_last() {
    let stage = Stage::bare().await.with_film().await;
    let gate = up(&stage.setup().watch("mode = \"stream\"").extra(SHORT)).await;
    assert!(gate.watch(SAO_PAULO).await.body == film(1));
    stage.ams.set_lag(&stage.gru, Lag::Frozen);
    stage.ams.put(KEY, film(2), "video/mp4").expect("the film");
    gate.until_watched(SAO_PAULO, "the newest version is streamed", |got| got.body == film(2)).await;
    until_words_are_old(&gate).await;
    assert!(gate.watch(SAO_PAULO).await.body == film(2), "gru is nearer, and has the version before");
    stage.ams.delete(KEY).expect("it was there");
    gate.until_watched(SAO_PAULO, "it is gone", |got| got.status == 404).await;
    until_words_are_old(&gate).await;
    let gone = gate.watch(SAO_PAULO).await;
    assert_eq!((gone.status, gone.problem()), (404, "deleted".to_owned()), "gru has a version of it");
    stage.ams.set_lag(&stage.gru, Lag::After(Duration::ZERO));
    stage.ams.put(KEY, film(3), "video/mp4").expect("the film");
    let home = || stage.gru.seen().iter().filter(|seen| seen.method == "GET").count();
    let before = home();
    gate.until_watched(SAO_PAULO, "gru serves again", |got| got.body == film(3) && home() > before).await;
}

/// `gru` has stayed behind with the first version, and has not said so: it does not answer questions for films, but
/// gives them.
async fn gru_is_silently_behind(stage: &Stage) {
    stage.ams.replicate_to(&stage.gru, Lag::After(Duration::ZERO));
    stage.ams.put(KEY, film(1), "video/mp4").expect("the film");
    eventually("gru has it", || stage.gru.has(KEY)).await;
    stage.ams.set_lag(&stage.gru, Lag::Frozen);
    stage.gru.faults().set(Fault::DelayMs(3_600_000).on(Scope::Heads));
}

fn gets(node: &Node) -> usize {
    node.seen().iter().filter(|seen| seen.method == "GET" && seen.path.contains(".mp4")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_does_not_begin_with_an_earlier_version_than_is_known() {
    let stage = Stage::bare().await;
    gru_is_silently_behind(&stage).await;
    stage.ams.put(KEY, film(2), "video/mp4").expect("the film");
    let gate = up(&stage.setup().watch("mode = \"stream\"").extra(LONG)).await;
    assert!(gate.watch(AMSTERDAM).await.body == film(2));
    let got = gate.watch(SAO_PAULO).await;
    assert!(got.status == 200 && got.body == film(2), "{}", got.status);
    assert_eq!(gets(&stage.gru), 1, "it was asked, being the nearest");
    let left = [("from", "gru"), ("reason", "stale_version")];
    assert!((gate.metric("watchgate_resumes_total", &left) - 1.0).abs() < f64::EPSILON);
    assert!(gate.watch(SAO_PAULO).await.body == film(2));
    assert_eq!(gets(&stage.gru), 1, "what it said is remembered");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_version_is_better_than_none_and_played_to_its_end() {
    let stage = Stage::bare().await;
    gru_is_silently_behind(&stage).await;
    stage.ams.put(KEY, film(2), "video/mp4").expect("the film");
    let gate = up(&stage.setup().watch("mode = \"stream\"").extra(LONG)).await;
    assert!(gate.watch(AMSTERDAM).await.body == film(2));
    stage.ams.faults().set(Fault::Status(503).on(Scope::Gets));
    // It breaks once: the film goes on with the version that it began with.
    stage.gru.faults().set(Fault::ResetAfter(70_000).times(1));
    let got = gate.watch(SAO_PAULO).await;
    assert!(got.status == 200 && got.body == film(1), "{} {}", got.status, got.body.len());
    assert_eq!(gets(&stage.gru), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_does_not_begin_with_what_the_source_has_deleted() {
    let stage = Stage::bare().await;
    gru_is_silently_behind(&stage).await;
    stage.ams.delete(KEY).expect("it was there");
    let gate = up(&stage.setup().watch("mode = \"stream\"").extra(LONG)).await;
    for viewer in [AMSTERDAM, SAO_PAULO] {
        let got = gate.watch(viewer).await;
        assert_eq!((got.status, got.problem()), (404, "deleted".to_owned()), "{viewer}");
    }
}
