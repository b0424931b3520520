//! Films of real SeaweedFS, by link and through the gate.
//!
//! Where SeaweedFS is missing, each story says so on stderr and passes; with `WATCHGATE_REQUIRE_SEAWEEDFS=1` (as in CI)
//! it fails instead.

use reqwest::Method;

use crate::gates::{AMSTERDAM, KEY, SAO_PAULO};
use crate::support::{fetch, film, gate, link_plays, streams, watch, watch_film};
use crate::weed::{Weed, until};

/// A film that nobody has.
const UNKNOWN: &str = "11111111-1111-4111-8111-111111111111";

#[tokio::test(flavor = "multi_thread")]
async fn a_film_plays_by_link_and_through_the_gate() {
    let Some(weed) = Weed::start("a_film_plays_by_link_and_through_the_gate").await else { return };
    weed.upload(KEY, &film()).await;
    link_plays(&gate("redirect", "seaweedfs", &[&weed.endpoint()]).await).await;
    let gate = gate("stream", "seaweedfs", &[&weed.endpoint()]).await;
    streams(&gate).await;
    assert_eq!(watch_film(&gate, Method::GET, UNKNOWN, &[]).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_is_down_and_comes_back() {
    let Some(mut weed) = Weed::start("a_killed_node_is_down_and_comes_back").await else { return };
    weed.upload(KEY, &film()).await;
    let gate = gate("stream", "seaweedfs", &[&weed.endpoint()]).await;
    weed.kill();
    gate.until_state("ams", "down", Some("refused")).await;
    weed.restart().await;
    gate.until_state("ams", "up", None).await;
    // It says that it is well a moment before it finds its own volumes, and answers HEAD without them.
    until("the film plays", async || {
        let part = async |range| watch(&gate, Method::GET, &[("range", range)]).await.status == 206;
        part("bytes=0-0").await && part("bytes=-1").await
    })
    .await;
    streams(&gate).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_that_one_of_two_has_is_found() {
    let story = "a_film_that_one_of_two_has_is_found";
    let (Some(near), Some(far)) = (Weed::start(story).await, Weed::start(story).await) else { return };
    far.upload(KEY, &film()).await;
    let gate = gate("stream", "seaweedfs", &[&near.endpoint(), &far.endpoint()]).await;
    streams(&gate).await;
    let answers = |node| gate.metric("watchgate_answers_total", &[("node", node)]);
    assert!(answers("ams") < 1.0 && answers("gru") > 0.0);
    for viewer in [AMSTERDAM, SAO_PAULO] {
        let url = format!("http://{}/watch/{UNKNOWN}", gate.addr);
        let unknown = fetch(Method::GET, &url, &[("x-forwarded-for", viewer)]).await;
        assert_eq!(unknown.status, 404, "nobody has it, and both said so");
    }
}
