//! Viewers who watch one film again and again, by links and through the gate, until they are told to stop.
//!
//! They put up with nothing: every answer is whole bytes of one version, a link plays the version that it was given for,
//! nobody goes back to an earlier one, and there is no film only while it is deleted.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::RANGE;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::SINGAPORE;
use super::reels::Reels;
use crate::support::*;

/// A film is read in so many ranges.
const PARTS: usize = 4;
/// The pause of a viewer between two plays.
const PAUSE: Duration = Duration::from_millis(50);

/// How a viewer plays.
#[derive(Clone, Copy, Debug)]
enum Way {
    /// One link for all ranges, as browsers do.
    OneLink,
    /// A link for each range, as `ffmpeg` does.
    ManyLinks,
    /// One stream of the whole film.
    OneStream,
    /// A stream for each range, of the version of the first one if it is still there (RFC 9110, `If-Range`).
    ManyStreams,
}

/// See the module.
pub(super) struct Crowd {
    viewers: JoinSet<()>,
    stop: watch::Sender<bool>,
    scene: Arc<Scene>,
}

/// What all viewers see.
struct Scene {
    reels: Reels,
    redirecting: SocketAddr,
    streaming: SocketAddr,
    client: reqwest::Client,
    /// Even: there is a film. Odd: it may be deleted.
    epoch: AtomicU64,
    plays: AtomicU64,
    /// Answers by who gave them and their status, and whole films by their version.
    tally: Mutex<BTreeMap<String, u64>>,
}

impl Crowd {
    /// So many viewers for either gate, all over the world.
    pub(super) fn gather(reels: Reels, redirecting: &TestGate, streaming: &TestGate, each: usize) -> Self {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let scene = Arc::new(Scene {
            reels,
            redirecting: redirecting.addr,
            streaming: streaming.addr,
            client: client.timeout(PATIENCE).build().expect("a client"),
            epoch: AtomicU64::new(0),
            plays: AtomicU64::new(0),
            tally: Mutex::default(),
        });
        let (stop, stopped) = watch::channel(false);
        let mut viewers = JoinSet::new();
        for number in 0..each {
            let from = [AMSTERDAM, SINGAPORE, SAO_PAULO][number % 3];
            let ways = [[Way::OneLink, Way::ManyLinks], [Way::OneStream, Way::ManyStreams]];
            for way in ways.map(|ways| ways[number / 3 % 2]) {
                let viewer = Viewer { scene: Arc::clone(&scene), from, way, newest: 0 };
                viewers.spawn(viewer.watch(stopped.clone()));
            }
        }
        Self { viewers, stop, scene }
    }

    pub(super) fn reels(&self) -> &Reels {
        &self.scene.reels
    }

    /// Until so many more films have been watched.
    pub(super) async fn until_played(&self, more: u64) {
        let target = self.scene.plays.load(Ordering::Relaxed) + more;
        eventually("films are watched", || self.scene.plays.load(Ordering::Relaxed) >= target).await;
    }

    /// So many answers of either gate have been this.
    pub(super) fn answers(&self, status: u16) -> u64 {
        let tally = self.scene.tally();
        let of = |gate: &str| tally.get(&format!("{gate} {status}")).copied().unwrap_or_default();
        of("redirecting") + of("streaming")
    }

    /// From now on the film may be deleted.
    pub(super) fn may_miss_it(&self) {
        assert_eq!(self.scene.epoch.fetch_add(1, Ordering::SeqCst) % 2, 0, "it was there");
    }

    /// From now on it is there.
    pub(super) fn must_have_it(&self) {
        assert_eq!(self.scene.epoch.fetch_add(1, Ordering::SeqCst) % 2, 1, "it was deleted");
    }

    /// Everybody plays to the end, and goes. Says on stderr what they saw.
    pub(super) async fn leave(self, story: &str) {
        self.stop.send_replace(true);
        let viewers = self.viewers.len();
        tokio::time::timeout(PATIENCE, self.viewers.join_all()).await.expect("they leave in time");
        let (plays, tally) = (self.scene.plays.load(Ordering::Relaxed), self.scene.tally().clone());
        // Past the test harness, which keeps what a passing test prints.
        let _ = writeln!(std::io::stderr(), "{story}: {viewers} viewers, {plays} films, {tally:?}");
    }
}

impl Scene {
    fn tally(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, u64>> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, what: String) {
        *self.tally().entry(what).or_default() += 1;
    }

    /// The film's bytes of one part: the first, and the one after the last.
    fn part(&self, number: usize) -> (usize, usize) {
        let part = self.reels.bytes() / PARTS;
        (number * part, (number + 1) * part)
    }
}

struct Viewer {
    scene: Arc<Scene>,
    from: &'static str,
    way: Way,
    /// The newest version that the gate has led to.
    newest: u32,
}

impl Viewer {
    async fn watch(mut self, stopped: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(PAUSE);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !*stopped.borrow() {
            ticks.tick().await;
            let version = match self.way {
                Way::OneLink => self.by_one_link().await,
                Way::ManyLinks => self.by_many_links().await,
                Way::OneStream => self.by_one_stream().await,
                Way::ManyStreams => self.by_many_streams().await,
            };
            if let Some(version) = version {
                self.scene.plays.fetch_add(1, Ordering::Relaxed);
                self.scene.count(format!("{:?} v{version}", self.way));
            }
        }
    }

    async fn by_one_link(&mut self) -> Option<u32> {
        let link = self.link().await?;
        let version = self.read(&link, 0).await;
        self.led_to(version);
        for part in 1..PARTS {
            let other = self.read(&link, part).await;
            assert_eq!(version, other, "one link plays one version: {link}");
        }
        Some(version)
    }

    async fn by_many_links(&mut self) -> Option<u32> {
        let mut version = 0;
        for part in 0..PARTS {
            let link = self.link().await?;
            version = self.read(&link, part).await;
            self.led_to(version);
        }
        Some(version)
    }

    async fn by_one_stream(&mut self) -> Option<u32> {
        let got = self.ask(self.scene.streaming, "streaming", &[]).await?;
        assert_eq!(got.status, 200);
        Some(self.whole(&got))
    }

    async fn by_many_streams(&mut self) -> Option<u32> {
        let (mut version, mut etag) = (0, String::new());
        for part in 0..PARTS {
            let (first, end) = self.scene.part(part);
            let mut fields = vec![("range", format!("bytes={first}-{}", end - 1))];
            if part > 0 {
                fields.push(("if-range", etag.clone()));
            }
            let got = self.ask(self.scene.streaming, "streaming", &fields).await?;
            if got.status == 200 {
                assert_ne!(got.header("etag"), etag, "{}: another version", self.from);
                return Some(self.whole(&got));
            }
            let other = self.judged(&got, part);
            self.led_to(other);
            assert!(part == 0 || version == other, "If-Range: {version} is not {other}");
            (version, etag) = (other, got.header("etag").to_owned());
        }
        Some(version)
    }

    fn whole(&mut self, got: &Got) -> u32 {
        assert_eq!(got.body.len(), self.scene.reels.bytes());
        let version = self.scene.reels.version_of(0, &got.body).expect("bytes of one version");
        self.led_to(version);
        version
    }

    async fn link(&self) -> Option<String> {
        let got = self.ask(self.scene.redirecting, "redirecting", &[]).await?;
        assert_eq!(got.status, 302);
        Some(got.header("location").to_owned())
    }

    /// Reads a part from the node to which a link leads; gives its version.
    async fn read(&self, link: &str, part: usize) -> u32 {
        let (first, end) = self.scene.part(part);
        let range = format!("bytes={first}-{}", end - 1);
        let got = self.scene.client.get(link).header(RANGE, range).send().await;
        let got = Got::of(got.expect("the node answers")).await;
        self.scene.count(format!("nodes {}", got.status));
        self.judged(&got, part)
    }

    /// The version of a part.
    fn judged(&self, got: &Got, part: usize) -> u32 {
        let (first, end) = self.scene.part(part);
        assert_eq!(got.status, 206, "{} {:?}: {:?}", self.from, self.way, got.headers);
        let all = self.scene.reels.bytes();
        assert_eq!(got.header("content-range"), format!("bytes {first}-{}/{all}", end - 1));
        assert_eq!(got.body.len(), end - first);
        self.scene.reels.version_of(first, &got.body).expect("bytes of one version")
    }

    /// Asks a gate; nothing: the film is deleted.
    async fn ask(&self, gate: SocketAddr, name: &str, fields: &[(&str, String)]) -> Option<Got> {
        let scene = &self.scene;
        let before = scene.epoch.load(Ordering::SeqCst);
        let request = scene.client.get(format!("http://{gate}/watch/{FILM}"));
        let request = request.header("x-forwarded-for", self.from);
        let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, value));
        let got = Got::of(request.send().await.expect("the gate answers")).await;
        scene.count(format!("{name} {}", got.status));
        match got.status {
            200 | 206 | 302 => Some(got),
            404 => {
                let after = scene.epoch.load(Ordering::SeqCst);
                assert!(before != after || before % 2 == 1, "{}: no film, but it was not deleted", self.from);
                assert_eq!(got.problem(), "deleted", "{}", self.from);
                None
            }
            status => panic!("{} {:?} was told {status}: {}", self.from, self.way, got.problem()),
        }
    }

    /// The gate knows what is newest, and forgets it for nobody.
    fn led_to(&mut self, version: u32) {
        assert!(self.newest <= version, "{} {:?}: back to {version}", self.from, self.way);
        self.newest = version;
    }
}
