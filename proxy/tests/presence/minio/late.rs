//! Replication is late, or a film is where nobody looks for it: viewers go to those who hold it.

use std::time::{Duration, Instant};

use super::crowd::Crowd;
use super::reels::Reels;
use super::*;
use crate::minio_cluster::tools;

/// Of either gate.
const VIEWERS: usize = 12;
/// What nobody may have to wait for: a frozen node is let go of long before.
const AT_ONCE: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn viewers_follow_the_film_as_it_is_replicated() {
    let story = "viewers_follow_the_film_as_it_is_replicated";
    let Some(tools) = tools(story) else { return };
    let mut fleet = Fleet::start(&tools).await;
    let gates = [fleet.gate("redirect", SHORT).await, fleet.gate("stream", SHORT).await];
    let [redirecting, streaming] = &gates;
    fleet.to_sin.hold();
    fleet.to_gru.hold();
    let reels = Reels::new(1);
    fleet.cluster.put(KEY, reels.version(1));
    for viewer in [SAO_PAULO, SINGAPORE, AMSTERDAM] {
        let got = redirecting.watch(viewer).await;
        assert!(fleet.leads_to(&got, AMS), "{viewer}: {got:?}");
        let got = streaming.watch(viewer).await;
        assert!(got.is_from(AMS) && got.body == *reels.version(1), "{viewer}: {:?}", got.headers);
    }
    let crowd = Crowd::gather(reels, redirecting, streaming, VIEWERS);
    crowd.until_played(VIEWERS as u64).await;
    for (cable, viewer, node) in [(&fleet.to_sin, SINGAPORE, SIN), (&fleet.to_gru, SAO_PAULO, GRU)] {
        assert!(fleet.leads_to(&redirecting.watch(viewer).await, AMS), "it is held back");
        cable.release();
        redirecting.until_watched(viewer, "they are at home", |got| fleet.leads_to(got, node)).await;
        streaming.until_watched(viewer, "they are at home", |got| got.is_from(node)).await;
        crowd.until_played(VIEWERS as u64).await;
    }
    crowd.leave(story).await;
    drop(gates);
    a_frozen_node_keeps_nobody(&fleet).await;
    a_node_that_was_away_takes_nobody_before_it_has_caught_up(&tools, &mut fleet).await;
}

/// It accepts connections and says nothing, and no verdict has been passed on it.
async fn a_frozen_node_keeps_nobody(fleet: &Fleet) {
    for mode in ["redirect", "stream"] {
        let gate = fleet.gate(mode, "").await;
        fleet.cluster.nodes[GRU].signal("STOP");
        for viewer in [SAO_PAULO, SAO_PAULO, AMSTERDAM] {
            let asked = Instant::now();
            let got = gate.watch(viewer).await;
            assert!(asked.elapsed() < AT_ONCE, "{mode}, {viewer}: {:?}", asked.elapsed());
            let got = if mode == "redirect" { got.follow().await } else { got };
            assert_eq!((got.status, got.body.len()), (200, Reels::new(1).bytes()), "{mode}, {viewer}");
        }
        fleet.cluster.nodes[GRU].signal("CONT");
    }
}

async fn a_node_that_was_away_takes_nobody_before_it_has_caught_up(tools: &Tools, fleet: &mut Fleet) {
    let health = "[health]\ninterval = \"2s\"\ntimeout = \"2s\"\nrise = 1\nslow_start = \"0s\"";
    let mut setup = setup(&fleet.cluster, "redirect", SHORT);
    setup.extra = setup.extra.replace(STEADY, health);
    let gate = up(&setup).await;
    assert!(fleet.leads_to(&gate.watch(SAO_PAULO).await, GRU));
    fleet.cluster.nodes[GRU].kill();
    gate.until_state("gru", "down", None).await;
    fleet.to_gru.hold();
    fleet.cluster.put(KEY, &film(2));
    gate.until_watched(SAO_PAULO, "the newer version is known", |got| fleet.leads_to(got, AMS)).await;
    fleet.cluster.restart(tools, GRU).await;
    gate.until_state("gru", "up", None).await;
    let asked = || gate.metric("watchgate_presence_checks_total", &[("node", "gru")]);
    let before = asked();
    let behind = |got: &Got| {
        assert!(got.status == 302 && !fleet.leads_to(got, GRU), "gru has the version before: {got:?}");
        asked() >= before + 3.0
    };
    gate.until_watched(SAO_PAULO, "gru is asked again and again", behind).await;
    fleet.to_gru.release();
    let home = gate.until_watched(SAO_PAULO, "gru has caught up", |got| fleet.leads_to(got, GRU)).await;
    assert_eq!(home.follow().await.body, film(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_that_only_a_replica_holds_comes_from_there() {
    let Some(tools) = tools("a_film_that_only_a_replica_holds_comes_from_there") else { return };
    let fleet = Fleet::start(&tools).await;
    fleet.cluster.put_at(GRU, KEY, &film(1));
    // The source would fetch it from there for a viewer who does not know better.
    let trusting = fleet.gate("redirect", "[presence]\nenabled = false").await;
    let misled = trusting.watch(AMSTERDAM).await;
    assert!(fleet.leads_to(&misled, AMS) && misled.follow().await.body == film(1), "{misled:?}");
    for mode in ["redirect", "stream"] {
        let gate = fleet.gate(mode, "").await;
        for viewer in [AMSTERDAM, SINGAPORE, SAO_PAULO, AMSTERDAM] {
            let got = gate.watch(viewer).await;
            if mode == "redirect" {
                assert!(fleet.leads_to(&got, GRU), "{viewer}: {got:?}");
                assert_eq!(got.follow().await.body, film(1));
            } else {
                assert!(got.is_from(GRU) && got.body == film(1), "{viewer}: {:?}", got.headers);
            }
        }
    }
}
