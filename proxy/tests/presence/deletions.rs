//! Deleted, undeleted, and uploaded again, with replicas that hear of it late.

use std::time::Duration;

use watchgate_node::Lag;

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_film_is_gone_although_replicas_have_not_heard_of_it() {
    let stage = Stage::bare().await.with_film().await;
    let gate = up(&stage.setup().extra(SHORT)).await;
    assert!(gate.watch(SAO_PAULO).await.leads_to(&stage.gru));
    stage.ams.set_lag(&stage.gru, Lag::Frozen);
    stage.ams.set_lag(&stage.sin, Lag::Frozen);
    stage.ams.delete(KEY).expect("it was there");
    let gone = gate.until_watched(SAO_PAULO, "it is gone", |got| got.status != 302).await;
    assert_eq!((gone.status, gone.problem()), (404, "deleted".to_owned()));
    assert!(stage.gru.has(KEY), "gru has not heard of it");
    // Uploaded again: the source has it, the others will.
    stage.ams.put(KEY, film(2), "video/mp4").expect("the film");
    let back = gate.until_watched(SAO_PAULO, "it is back", |got| got.status == 302).await;
    assert!(back.leads_to(&stage.ams), "{back:?}");
    assert_eq!(back.follow().await.body, film(2));
    stage.ams.set_lag(&stage.gru, Lag::After(Duration::ZERO));
    let home = gate.until_watched(SAO_PAULO, "gru has it, too", |got| {
        assert_eq!(got.status, 302, "{got:?}");
        got.leads_to(&stage.gru)
    });
    assert_eq!(home.await.follow().await.body, film(2));
}
