//! A film is deleted, undeleted, overwritten and uploaded again while a hundred viewers watch it.

use std::time::Duration;

use reqwest::Method;

use super::crowd::Crowd;
use super::reels::Reels;
use super::*;
use crate::minio_cluster::tools;

/// Of either gate.
const VIEWERS: usize = 50;

/// The gates, and what is done to the film before them.
struct Play<'a> {
    fleet: &'a Fleet,
    gates: [TestGate; 2],
    crowd: Crowd,
}

impl Play<'_> {
    fn upload(&self, version: u32) {
        self.fleet.cluster.put(KEY, self.crowd.reels().version(version));
    }

    /// Until both gates send viewers everywhere to what is newest at the source.
    async fn until_shown(&self) {
        let (newest, _) = self.fleet.on_top_of(AMS);
        for gate in &self.gates {
            for viewer in [AMSTERDAM, SINGAPORE, SAO_PAULO] {
                gate.until_linked(viewer, &newest).await;
            }
        }
    }

    /// Deletes the film, and waits until viewers were told so.
    async fn delete(&self) {
        self.crowd.may_miss_it();
        self.fleet.delete();
        for gate in &self.gates {
            gate.until_watched(SAO_PAULO, "it is gone", |got| got.status == 404).await;
        }
        let told = self.crowd.answers(404);
        eventually("viewers are told so", || self.crowd.answers(404) >= told + VIEWERS as u64).await;
    }

    /// It was undeleted, or uploaded again.
    async fn until_back(&self) {
        self.until_shown().await;
        self.crowd.must_have_it();
    }

    async fn until_played(&self) {
        self.crowd.until_played(VIEWERS as u64).await;
    }
}

impl TestGate {
    /// Waits until a link for the viewer is one to this version.
    async fn until_linked(&self, viewer: &str, version: &str) {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let linked = async {
            loop {
                ticks.tick().await;
                let path = format!("/watch/{FILM}");
                let got = self.ask(Method::GET, &path, viewer, &[("accept", "application/json")]).await;
                if got.status == 200 && got.json()["version_id"] == version {
                    break;
                }
            }
        };
        let in_time = tokio::time::timeout(PATIENCE, linked).await;
        assert!(in_time.is_ok(), "{viewer} is not led to {version} in time");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_viewers_see_one_version_at_a_time() {
    let story = "a_hundred_viewers_see_one_version_at_a_time";
    let Some(tools) = tools(story) else { return };
    let fleet = Fleet::start(&tools).await;
    let reels = Reels::new(6);
    fleet.cluster.put(KEY, reels.version(1));
    fleet.cluster.until_replicated(KEY).await;
    let gates = [fleet.gate("redirect", SHORT).await, fleet.gate("stream", SHORT).await];
    let crowd = Crowd::gather(reels, &gates[0], &gates[1], VIEWERS);
    let play = Play { fleet: &fleet, gates, crowd };
    play.until_played().await;

    // Overwritten, with one replica behind for a while.
    fleet.to_gru.hold();
    play.upload(2);
    play.until_shown().await;
    play.until_played().await;
    fleet.to_gru.release();

    // Deleted and undeleted.
    play.delete().await;
    fleet.undelete();
    play.until_back().await;
    play.until_played().await;

    // Deleted and uploaded again, while one replica hears of nothing.
    fleet.to_sin.hold();
    play.delete().await;
    play.upload(3);
    play.until_back().await;
    play.until_played().await;
    fleet.to_sin.release();

    // Everything at once.
    play.upload(4);
    play.upload(5);
    play.crowd.may_miss_it();
    fleet.delete();
    fleet.undelete();
    play.upload(6);
    play.until_back().await;
    play.until_played().await;
    play.crowd.leave(story).await;
}
