//! Real players and downloaders, unchanged, before films whose nodes die under them: they notice nothing.
//!
//! Where a program is missing, its story says so on stderr and passes; with `WATCHGATE_REQUIRE_PLAYERS=1` (as in CI)
//! it fails instead.

use std::cell::RefCell;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use watchgate_node::Node;

use crate::browser::Page;
use crate::gates::{FILM, Running, eventually, found};
use crate::support::*;

/// Set where a story without its program is a failure.
const REQUIRED: &str = "WATCHGATE_REQUIRE_PLAYERS";

const FRAMES_PER_S: usize = 25;
const FILM_S: usize = 30;

/// A film that a player can play: half a megabyte a second, its index at the end.
fn movie(ffmpeg: &Path) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let made = folder.path().join("film.mp4");
    let picture = format!("testsrc2=size=640x360:rate={FRAMES_PER_S}:duration={FILM_S}");
    let status = Command::new(ffmpeg)
        .args(["-v", "error", "-nostdin", "-f", "lavfi", "-i", &picture])
        .args(["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25"])
        // Filled up, because a test picture needs less.
        .args(["-b:v", "4M", "-minrate", "4M", "-maxrate", "4M", "-bufsize", "4M"])
        .args(["-x264-params", "nal-hrd=cbr:force-cfr=1"])
        .arg(&made)
        .status()
        .expect("ffmpeg runs");
    assert!(status.success());
    let film = fs::read(&made).expect("a film");
    let (moov, mdat) = (place(&film, b"moov"), place(&film, b"mdat"));
    assert!(mdat < moov && film.len() > 10_000_000, "{} bytes, index at {moov}", film.len());
    film
}

fn place(film: &[u8], name: &[u8]) -> usize {
    film.windows(name.len()).position(|window| window == name).expect("a box of this name")
}

/// Three nodes that hold the film, each answer at so many bytes a second.
async fn stage(film: Vec<u8>, bytes_per_s: u64) -> Stage {
    let stage = Staging::new(3, film.len() as u64).watchful().up_with(film).await;
    stage.nodes.iter().for_each(|node| node.set_bandwidth(Some(bytes_per_s)));
    stage
}

fn url(stage: &Stage) -> String {
    format!("http://{}/watch/{FILM}", stage.gate.addr)
}

/// Kills the node that sends the film now, once the nodes have sent so much of it. A player cannot say where it is:
/// nobody knows which node is its.
async fn kill_serving(stage: &Stage, sent: u64) -> &Node {
    let all = || stage.nodes.iter().flat_map(gets).map(|seen| seen.sent).sum::<u64>();
    eventually("the film runs", || all() >= sent).await;
    stage.kill_serving().await
}

/// Runs a player to its end while the node that serves it dies; gives what it printed.
async fn outlives(stage: &Stage, sent: u64, player: &mut Command) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    let to = |path: &Path| File::create(path).expect("a file");
    let child = player.stdin(Stdio::null()).stdout(to(&out)).stderr(to(&err)).spawn().expect("it runs");
    let running = RefCell::new(Running(child));
    let ended = || running.borrow_mut().0.try_wait().expect("our child");
    let (dead, ()) =
        tokio::join!(kill_serving(stage, sent), eventually("the player ends", || ended().is_some()));
    let told = |path: &Path| fs::read_to_string(path).expect("text");
    let status = ended().expect("an end");
    assert!(status.success(), "{status}: {}{}", told(&err), told(&out));
    assert_eq!(told(&err), "", "no complaint: {}", told(&out));
    assert!(stage.resumes_from(dead) > 0, "the death hit nobody");
    told(&out)
}

#[tokio::test(flavor = "multi_thread")]
async fn ffmpeg_decodes_every_frame() {
    let Some(ffmpeg) = found("ffmpeg", REQUIRED, "ffmpeg_decodes_every_frame") else { return };
    let stage = stage(movie(&ffmpeg), 3_000_000).await;
    let mut player = Command::new(ffmpeg);
    player.args(["-v", "error", "-nostdin", "-progress", "-", "-nostats", "-i", &url(&stage)]);
    let told = outlives(&stage, 4_000_000, player.args(["-f", "null", "-"])).await;
    let frames = told.lines().rev().find_map(|line| line.strip_prefix("frame="));
    assert_eq!(frames.map(str::parse), Some(Ok(FRAMES_PER_S * FILM_S)), "{told}");
}

const SIZE: usize = 20_000_000;

fn generated() -> Vec<u8> {
    let mut film = vec![0; SIZE];
    watchgate_node::generate(7, 0, &mut film);
    film
}

fn equal(copy: &Path, film: &[u8]) {
    let got = fs::read(copy).expect("a file");
    let wrong = got.iter().zip(film).position(|(got, want)| got != want);
    assert_eq!((got.len(), wrong), (film.len(), None), "length and first wrong byte");
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_continues_a_download() {
    const HAD: usize = 3_000_000;
    let Some(curl) = found("curl", REQUIRED, "curl_continues_a_download") else { return };
    let film = generated();
    let stage = stage(film.clone(), 4_000_000).await;
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("film.mp4");
    fs::write(&copy, &film[..HAD]).expect("written");
    let mut player = Command::new(curl);
    player.args(["--silent", "--show-error", "--fail", "-C", "-", "-o"]).arg(&copy).arg(url(&stage));
    outlives(&stage, 4_000_000, &mut player).await;
    equal(&copy, &film);
    let first = gets(stage.near()).into_iter().chain(gets(&stage.nodes[1])).chain(gets(&stage.nodes[2]));
    let starts = format!("bytes={HAD}-");
    assert!(first.into_iter().any(|seen| seen.range.is_some_and(|range| range.starts_with(&starts))));
}

#[tokio::test(flavor = "multi_thread")]
async fn aria2_puts_eight_parts_together() {
    let Some(aria2c) = found("aria2c", REQUIRED, "aria2_puts_eight_parts_together") else { return };
    let film = generated();
    let stage = stage(film.clone(), 600_000).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut player = Command::new(aria2c);
    player.args([
        "--no-conf",
        "--console-log-level=error",
        "--show-console-readout=false",
        "-x8",
        "-s8",
        "-k1M",
    ]);
    // A part that breaks would be begun anew without a word.
    player.args(["--max-tries=1", "--file-allocation=none", "-o", "film.mp4", "-d"]).arg(folder.path());
    outlives(&stage, 6_000_000, player.arg(url(&stage))).await;
    equal(&folder.path().join("film.mp4"), &film);
    let parts = stage.lines().len();
    assert!(parts >= 8, "{parts} requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn chromium_plays_and_seeks() {
    let story = "chromium_plays_and_seeks";
    let found = |program: &str| -> Option<PathBuf> { found(program, REQUIRED, story) };
    let (Some(ffmpeg), Some(chromium)) = (found("ffmpeg"), found("chromium")) else { return };
    let stage = stage(movie(&ffmpeg), 1_500_000).await;
    let page = include_str!("players/page.html").replace("\"FILM\"", &format!("\"{}\"", url(&stage)));
    let page = Page::open(&chromium, page, String::new()).await;
    page.until("it plays", |told| told.at >= 2.0).await;
    let first = kill_serving(&stage, 0).await;
    page.until("it goes on, and has gone elsewhere", |told| told.seeks == 1 && told.at >= 21.0).await;
    assert!(stage.resumes_from(first) > 0, "the first death hit nobody");
    let second = kill_serving(&stage, 0).await;
    page.until("it is over", |told| told.ended).await;
    let told = page.told();
    assert!(stage.resumes_from(second) > 0, "the second death hit nobody: {told:?}");
    assert_eq!((told.seeks, told.stalls), (1, 0), "{told:?}");
    assert!((told.at - 30.0).abs() < 0.2, "{told:?}");
}
