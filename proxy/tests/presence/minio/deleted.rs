//! A film is deleted at the source, and a replica has not heard of it.

use super::*;
use crate::minio_cluster::tools;

#[tokio::test(flavor = "multi_thread")]
async fn a_film_that_was_deleted_is_gone_for_all_but_those_who_watch_it() {
    let story = "a_film_that_was_deleted_is_gone_for_all_but_those_who_watch_it";
    let Some(tools) = tools(story) else { return };
    let fleet = Fleet::start(&tools).await;
    fleet.cluster.put(KEY, &film(1));
    fleet.cluster.until_replicated(KEY).await;
    let [redirecting, streaming] = [fleet.gate("redirect", SHORT).await, fleet.gate("stream", SHORT).await];
    let link = redirecting.watch(SAO_PAULO).await;
    assert!(fleet.leads_to(&link, GRU), "{link:?}");
    assert!(streaming.watch(SAO_PAULO).await.is_from(GRU));
    fleet.to_gru.hold();
    fleet.delete();
    for gate in [&redirecting, &streaming] {
        for viewer in [SAO_PAULO, SINGAPORE, AMSTERDAM] {
            let gone = gate.until_watched(viewer, "it is gone", |got| got.status == 404).await;
            assert_eq!(gone.problem(), "deleted");
        }
        // It stays so, through several lives of a word.
        let checks = || gate.metric("watchgate_presence_checks_total", &[("node", "ams")]);
        let before = checks();
        let stays = |got: &Got| {
            assert_eq!((got.status, got.problem()), (404, "deleted".to_owned()), "{got:?}");
            checks() >= before + 5.0
        };
        gate.until_watched(SAO_PAULO, "the source is asked again and again", stays).await;
    }
    let held = fleet.cluster.mc(&["stat", "--json", &format!("n2/movies/{KEY}")]);
    assert!(held.contains("200000"), "gru has not heard of it: {held}");
    // Whoever watches it watches on, and after the replica has heard of it, too.
    assert!(link.follow().await.body == film(1));
    fleet.to_gru.release();
    eventually("gru has heard of it", || fleet.on_top_of(GRU).1).await;
    assert!(link.follow().await.body == film(1));
    // Undeleted.
    fleet.undelete();
    for gate in [&redirecting, &streaming] {
        let home = |got: &Got| fleet.leads_to(got, GRU) || got.is_from(GRU) && got.body == film(1);
        gate.until_watched(SAO_PAULO, "it is back", home).await;
    }
}
