//! ffmpeg before trees: every frame and every piece of sound arrives, whatever form a tree has, and whoever dies.

use std::path::Path;

use watchgate_node::{Node, Seen};

use crate::film::{KINDS, Kind, SEGMENTS, Tree, frames};
use crate::gates::{eventually, found};
use crate::stage::{MODES, Mode, Playing, REQUIRED, Stage, gets};

#[tokio::test(flavor = "multi_thread")]
async fn every_frame_of_every_kind_of_tree_arrives() {
    let Some(ffmpeg) = found("ffmpeg", REQUIRED, "every_frame_of_every_kind_of_tree_arrives") else { return };
    let trees = KINDS.map(|kind| Tree::make(&ffmpeg, kind));
    for mode in MODES {
        let stage = Stage::up(mode, &trees.each_ref()).await;
        for tree in &trees {
            let got = Playing::start(&mut frames(&ffmpeg, &stage.url(tree.kind))).end().await;
            tree.assert_frames(&ffmpeg, &got, &format!("in {mode:?}"));
        }
        stage.assert_all_signed();
    }
}

/// What is promised: a segment that is streamed comes from another node at once. A link to one that nobody has asked for
/// within `presence.positive_ttl` leads to a node that has just said that it holds it; other links lead elsewhere as
/// soon as the gate knows of the death, `interval + fall * timeout` later at most. Until then a link may lead to
/// the dead node, and it is the player's to ask again: hls.js does, ffmpeg goes on without the segment.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_between_segments_costs_no_frame() {
    let story = "a_node_that_dies_between_segments_costs_no_frame";
    let Some(ffmpeg) = found("ffmpeg", REQUIRED, story) else { return };
    for (kind, name) in [(Kind::TransportStream, "seg-005.ts"), (Kind::Dash, "seg-006.m4s")] {
        let tree = Tree::make(&ffmpeg, kind);
        for mode in MODES {
            between_segments(&ffmpeg, &tree, name, mode, Remembered::No).await;
        }
        between_segments(&ffmpeg, &tree, name, Mode::SegmentsRedirected, Remembered::Yes).await;
    }
}

/// Whether somebody has watched the film just before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remembered {
    No,
    Yes,
}

async fn between_segments(ffmpeg: &Path, tree: &Tree, name: &str, mode: Mode, remembered: Remembered) {
    let (kind, what) = (tree.kind, format!("in {mode:?}, remembered: {remembered:?}"));
    let stage = Stage::up(mode, &[tree]).await;
    let play = || Playing::start(&mut frames(ffmpeg, &stage.url(kind)));
    if remembered == Remembered::Yes {
        play().end().await;
        stage.nodes.iter().for_each(Node::forget_seen);
    }
    stage.door.keep(name);
    let playing = play();
    stage.door.somebody_waits().await;
    let dead = stage.serving(kind).await;
    let had = gets(dead, kind);
    assert!(!had.is_empty() && had.iter().all(|seen| !seen.path.ends_with(name)), "{kind:?} {what}");
    dead.kill().await;
    if remembered == Remembered::Yes {
        stage.gate.until_state(dead.name(), "down", None).await;
    }
    stage.door.open();
    tree.assert_frames(ffmpeg, &playing.end().await, &what);
    let others = stage.nodes.iter().filter(|node| node.name() != dead.name());
    let after: usize = others.map(|node| gets(node, kind).len()).sum();
    assert!(after >= 2 * (SEGMENTS - 6), "{kind:?} {what}: {after} files came from the others");
    stage.assert_all_signed();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_dies_within_a_streamed_segment_costs_no_frame() {
    const NAME: &str = "seg-005.m4s";
    let story = "a_node_that_dies_within_a_streamed_segment_costs_no_frame";
    let Some(ffmpeg) = found("ffmpeg", REQUIRED, story) else { return };
    let kind = Kind::Fragments;
    let tree = Tree::make(&ffmpeg, kind);
    for mode in [Mode::Stream, Mode::SegmentsStreamed] {
        let stage = Stage::up(mode, &[&tree]).await;
        stage.door.keep(NAME);
        let playing = Playing::start(&mut frames(&ffmpeg, &stage.url(kind)));
        stage.door.somebody_waits().await;
        // A segment takes seconds now, so that the death cannot miss it.
        stage.nodes.iter().for_each(|node| node.set_bandwidth(Some(8_000)));
        stage.door.open();
        let within =
            |seen: &Seen| seen.path.ends_with(NAME) && (1..30_000).contains(&seen.sent) && !seen.finished;
        let hit = || stage.nodes.iter().find(|node| gets(node, kind).iter().any(within));
        eventually("the segment is on its way", || hit().is_some()).await;
        let dead = hit().expect("just seen");
        dead.kill().await;
        stage.nodes.iter().for_each(|node| node.set_bandwidth(None));
        let got = playing.end().await;
        tree.assert_frames(&ffmpeg, &got, &format!("in {mode:?}"));
        let resumed = stage.gate.metric("watchgate_resumes_total", &[("from", dead.name())]);
        assert!(resumed > 0.0, "the death hit nobody");
    }
}
