//! A browser before trees: hls.js, and the browser's own player, play to the end from a page of another origin.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use watchgate_node::Node;

use crate::browser::{Page, Told};
use crate::film::{Kind, LENGTH_S, Tree};
use crate::gates::found;
use crate::stage::{MODES, Mode, REQUIRED, Stage, gets};

/// Where hls.js is on this disk.
const HLS_JS: &str = "WATCHGATE_HLS_JS";

/// The programs of these stories, and hls.js.
struct Cast {
    ffmpeg: PathBuf,
    chromium: PathBuf,
    hls_js: String,
}

fn cast(story: &str) -> Option<Cast> {
    let (ffmpeg, chromium) = (found("ffmpeg", REQUIRED, story)?, found("chromium", REQUIRED, story)?);
    let Some(path) = std::env::var_os(HLS_JS) else {
        assert!(std::env::var_os(REQUIRED).is_none(), "{HLS_JS} is not set, and {REQUIRED} is");
        // Past the test harness, which keeps what a passing test prints.
        let _ = writeln!(std::io::stderr(), "skipped: {story}: {HLS_JS} is not set");
        return None;
    };
    let hls_js = std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{HLS_JS}: {why}"));
    Some(Cast { ffmpeg, chromium, hls_js })
}

async fn page(chromium: &Path, stage: &Stage, kind: Kind, script: &str) -> Page {
    let page = include_str!("page.html").replace("\"MANIFEST\"", &format!("\"{}\"", stage.url(kind)));
    Page::open(chromium, page, script.to_owned()).await
}

async fn plays_to_the_end(page: &Page, what: &str) -> Told {
    page.until(what, |told| told.ended).await;
    let told = page.told();
    assert!((told.at - LENGTH_S).abs() < 0.5, "{what}: {told:?}");
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn hls_js_plays_to_the_end() {
    let Some(cast) = cast("hls_js_plays_to_the_end") else { return };
    let trees = [Kind::TransportStream, Kind::Fragments].map(|kind| Tree::make(&cast.ffmpeg, kind));
    for mode in MODES {
        let stage = Stage::up(mode, &trees.each_ref()).await;
        for tree in &trees {
            let page = page(&cast.chromium, &stage, tree.kind, &cast.hls_js).await;
            let told = plays_to_the_end(&page, &format!("{:?} in {mode:?}", tree.kind)).await;
            assert!(told.notes.iter().any(|note| note.starts_with("hls.js 1.")), "{told:?}");
        }
        stage.assert_all_signed();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_browsers_own_player_plays_to_the_end() {
    let story = "the_browsers_own_player_plays_to_the_end";
    let (Some(ffmpeg), Some(chromium)) =
        (found("ffmpeg", REQUIRED, story), found("chromium", REQUIRED, story))
    else {
        return;
    };
    let tree = Tree::make(&ffmpeg, Kind::TransportStream);
    for mode in MODES {
        let stage = Stage::up(mode, &[&tree]).await;
        let page = page(&chromium, &stage, tree.kind, "").await;
        plays_to_the_end(&page, &format!("{mode:?}")).await;
    }
}

/// Of a film that somebody has watched just before, a link may lead to a node whose death the gate does not know of yet:
/// hls.js asks again after a second.
#[tokio::test(flavor = "multi_thread")]
async fn hls_js_plays_on_when_a_node_dies() {
    let Some(cast) = cast("hls_js_plays_on_when_a_node_dies") else { return };
    let tree = Tree::make(&cast.ffmpeg, Kind::Fragments);
    for mode in MODES {
        let stage = Stage::up(mode, &[&tree]).await;
        let play = || page(&cast.chromium, &stage, tree.kind, &cast.hls_js);
        plays_to_the_end(&play().await, &format!("{mode:?}, the first time")).await;
        stage.nodes.iter().for_each(Node::forget_seen);
        stage.door.keep("seg-005.m4s");
        let page = play().await;
        stage.door.somebody_waits().await;
        let dead = stage.serving(tree.kind).await;
        dead.kill().await;
        assert!(!gets(dead, tree.kind).is_empty(), "the death hit nobody");
        stage.door.open();
        let told = plays_to_the_end(&page, &format!("{mode:?}")).await;
        let failed = told.notes.iter().any(|note| note.contains("fragLoad"));
        assert!(!failed || mode == Mode::SegmentsRedirected, "{mode:?}: {told:?}");
    }
}
