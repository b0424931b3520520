//! A browser without a screen, and a page of ours in it that reports what its film does.
//!
//! What the page does is the story's: it asks `/report?what=WORD&at=SECONDS` of its own origin, whose `/script.js`
//! is whatever the story brings.

use std::collections::HashMap;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use axum::Router;
use axum::extract::Query;
use axum::http::header::CONTENT_TYPE;
use axum::response::Html;
use axum::routing::get;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::gates::{PATIENCE, Running};

/// What the page has reported so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Told {
    /// The film's position, in seconds.
    pub(crate) at: f64,
    pub(crate) seeks: u32,
    pub(crate) ended: bool,
    /// The browser has waited for bytes for three seconds.
    pub(crate) stalls: u32,
    pub(crate) error: Option<String>,
    /// What else it had to say, in order.
    pub(crate) notes: Vec<String>,
}

/// The page in its browser; both end when this is dropped.
pub(crate) struct Page {
    told: watch::Receiver<Told>,
    _browser: Running,
    _profile: TempDir,
    _serving: JoinSet<()>,
}

impl Page {
    pub(crate) async fn open(chromium: &Path, page: String, script: String) -> Self {
        let (tell, told) = watch::channel(Told::default());
        let tell = Arc::new(tell);
        let report = async move |Query(report): Query<HashMap<String, String>>| {
            tell.send_modify(|told| note(told, &report));
        };
        let script = async move || ([(CONTENT_TYPE, "text/javascript")], script);
        let app = Router::new()
            .route("/", get(async move || Html(page)))
            .route("/script.js", get(script))
            .route("/report", get(report));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, app).await.expect("it serves") });
        let profile = tempfile::tempdir().expect("a folder");
        let browser = browser(chromium, profile.path(), &url);
        Self { told, _browser: browser, _profile: profile, _serving: serving }
    }

    pub(crate) fn told(&self) -> Told {
        self.told.borrow().clone()
    }

    /// Waits, bounded, until the page has told so; an error of the film ends the story.
    pub(crate) async fn until(&self, what: &str, reached: impl Fn(&Told) -> bool) {
        let mut told = self.told.clone();
        let waiting = told.wait_for(|told| told.error.is_some() || reached(told));
        let in_time = tokio::time::timeout(PATIENCE, waiting).await.is_ok();
        let told = self.told();
        assert!(in_time && told.error.is_none(), "{what}: {told:?}");
    }
}

fn note(told: &mut Told, report: &HashMap<String, String>) {
    if let Some(at) = report.get("at").and_then(|at| at.parse().ok()) {
        told.at = at;
    }
    match report.get("what").map(String::as_str) {
        Some("seeked") => told.seeks += 1,
        Some("ended") => told.ended = true,
        Some("stalled") => told.stalls += 1,
        Some(error) if error.starts_with("error") => told.error = Some(error.to_owned()),
        Some("at") | None => {}
        Some(note) => told.notes.push(note.to_owned()),
    }
}

fn browser(chromium: &Path, profile: &Path, url: &str) -> Running {
    let child = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg("--autoplay-policy=no-user-gesture-required")
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(url)
        .env("HOME", profile)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A wrapper and many processes: they end together.
        .process_group(0)
        .spawn()
        .expect("the browser starts");
    Running(child)
}
