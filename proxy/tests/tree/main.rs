//! Stories of films that are trees of files: HLS and DASH, made here by ffmpeg and played through the gate by ffmpeg
//! and by a browser, while nodes die.
//!
//! Where a program is missing, its story says so on stderr and passes; with `WATCHGATE_REQUIRE_PLAYERS=1` (as in CI)
//! it fails instead. hls.js comes from npm: `WATCHGATE_HLS_JS` is the path of its `hls.min.js`.

mod answers;
#[path = "../common/browser.rs"]
mod browser;
mod chromium;
mod door;
mod ffmpeg;
mod film;
#[path = "../common/gates.rs"]
#[expect(dead_code, reason = "some of it is for films of one file")]
mod gates;
mod stage;
