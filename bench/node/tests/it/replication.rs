//! Copies: when they arrive, what they carry, and the films silently fetched from a peer.

use std::time::Duration;

use watchgate_node::{Lag, Node};

use crate::client::{Ask, Got};
use crate::{SOON, node};

const AT_ONCE: Lag = Lag::After(Duration::ZERO);

async fn head(node: &Node) -> Got {
    Ask::new("HEAD", "/movies/film.mp4").signed(node).send(node).await
}

/// Without the silent fetch from a peer.
async fn honest_head(node: &Node) -> Got {
    let ask = Ask::new("HEAD", "/movies/film.mp4").with("x-minio-source-proxy-request", "false");
    ask.signed(node).send(node).await
}

fn status(got: &Got) -> Option<&str> {
    got.header("x-amz-replication-status")
}

#[tokio::test]
async fn copies_carry_tag_version_and_time() {
    let (source, one, two) = (node("ams").await, node("nyc").await, node("sgp").await);
    source.put("film.mp4", "old", "video/mp4").unwrap();
    source.replicate_to(&one, AT_ONCE);
    source.replicate_to(&two, Lag::Frozen);
    source.put("film.mp4", "new", "video/webm").unwrap();
    one.wait_until(|node| node.has("film.mp4"), SOON).await.unwrap();
    source.set_lag(&two, AT_ONCE);
    source.wait_until(|node| !node.is_pending("film.mp4"), SOON).await.unwrap();

    let want = head(&source).await;
    assert_eq!(status(&want), Some("COMPLETED"));
    for replica in [&one, &two] {
        let got = head(replica).await;
        assert_eq!((got.status, status(&got)), (200, Some("REPLICA")));
        for name in ["etag", "x-amz-version-id", "last-modified", "content-type", "content-length"] {
            assert_eq!(got.header(name), want.header(name), "{name}");
        }
    }
}

#[tokio::test]
async fn a_frozen_lag_leaves_the_source_pending() {
    let (source, near, far) = (node("ams").await, node("nyc").await, node("sgp").await);
    source.replicate_to(&near, AT_ONCE);
    source.replicate_to(&far, Lag::Frozen);
    source.put("film.mp4", "x", "video/mp4").unwrap();
    near.wait_until(|node| node.has("film.mp4"), SOON).await.unwrap();
    assert_eq!(status(&head(&source).await), Some("PENDING"));
    let got = head(&far).await;
    assert_eq!((got.status, got.header("x-amz-delete-marker")), (404, None), "not here yet");
    source.set_lag(&far, AT_ONCE);
    far.wait_until(|node| node.has("film.mp4"), SOON).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_lag_is_as_long_as_it_says() {
    let (source, replica) = (node("ams").await, node("nyc").await);
    source.replicate_to(&replica, Lag::After(Duration::from_mins(1)));
    let started = tokio::time::Instant::now();
    source.put("film.mp4", "x", "video/mp4").unwrap();
    replica.wait_until(|node| node.has("film.mp4"), Duration::from_mins(2)).await.unwrap();
    let took = started.elapsed();
    assert!((60..=61).contains(&took.as_secs()), "{took:?}");
}

#[tokio::test]
async fn delete_markers_travel_too() {
    let (source, replica) = (node("ams").await, node("nyc").await);
    source.replicate_to(&replica, AT_ONCE);
    source.put("film.mp4", "x", "video/mp4").unwrap();
    replica.wait_until(|node| node.has("film.mp4"), SOON).await.unwrap();
    source.delete("film.mp4").unwrap();
    replica.wait_until(|node| !node.has("film.mp4"), SOON).await.unwrap();
    let got = head(&replica).await;
    assert_eq!((got.status, got.header("x-amz-delete-marker")), (404, Some("true")));
    assert_eq!(got.header("x-amz-version-id"), head(&source).await.header("x-amz-version-id"));
}

#[tokio::test]
async fn a_dead_or_frozen_replica_catches_up_later() {
    let (source, dead, stopped) = (node("ams").await, node("nyc").await, node("sgp").await);
    source.replicate_to(&dead, AT_ONCE);
    source.replicate_to(&stopped, AT_ONCE);
    dead.kill().await;
    stopped.freeze();
    source.put("film.mp4", "x", "video/mp4").unwrap();
    assert!(source.is_pending("film.mp4") && !dead.has("film.mp4") && !stopped.has("film.mp4"));
    dead.revive().await.unwrap();
    dead.wait_until(|node| node.has("film.mp4"), SOON).await.unwrap();
    assert!(source.is_pending("film.mp4"), "one is still stopped");
    stopped.thaw();
    source.wait_until(|node| !node.is_pending("film.mp4"), SOON).await.unwrap();
}

#[tokio::test]
async fn a_film_that_only_the_peer_has_is_silently_served() {
    let (source, peer) = (node("ams").await, node("nyc").await);
    source.replicate_to(&peer, AT_ONCE);
    source.put("film.mp4", "0123456789", "video/mp4").unwrap();
    peer.wait_until(|node| node.has("film.mp4"), SOON).await.unwrap();
    source.forget("film.mp4");

    let silent = head(&source).await;
    assert_eq!((silent.status, silent.header("content-length")), (200, Some("10")));
    assert_eq!(source.seen().last().unwrap().proxied_from.as_deref(), Some("nyc"));
    let honest = honest_head(&source).await;
    assert_eq!(
        (honest.status, honest.code(), honest.header("x-amz-delete-marker")),
        (404, "NoSuchKey", None)
    );
    let empty = Ask::new("GET", "/movies/film.mp4").with("x-minio-source-proxy-request", "true");
    assert_eq!(empty.signed(&source).send(&source).await.status, 404, "its presence counts, not its value");
    peer.kill().await;
    assert_eq!(head(&source).await.status, 404, "a dead peer serves nothing");
}

#[tokio::test]
async fn a_replica_does_not_ask_the_source() {
    let (source, replica) = (node("ams").await, node("nyc").await);
    source.replicate_to(&replica, Lag::Frozen);
    source.put("film.mp4", "x", "video/mp4").unwrap();
    assert_eq!(head(&replica).await.status, 404, "the rule leads one way");
}
