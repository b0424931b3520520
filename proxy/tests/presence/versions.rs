//! A film is overwritten: the newest version counts, and nobody gets bytes of two.

use std::time::Duration;

use watchgate_node::Lag;

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
