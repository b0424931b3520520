//! Reads the configuration again: on SIGHUP, on the operator's word, and when a file that it is from has changed.
//!
//! One way for all three: everything is read and judged aside as `check` would, and the gate takes it whole or not at
//! all. Every few seconds the files are looked at (`settled`). Absent on purpose: what a reload changes (`gate::reload`).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::signal::unix::Signal;
use tokio::sync::{Mutex, watch};
use tokio::time::MissedTickBehavior;
use watchgate_geoip::Databases;

use super::standing::Standing;
use crate::admin::{NotReloaded, Reload};
use crate::cli::Failure;
use crate::cli::config_file::{self, Setup};
use crate::cli::time;
use crate::gate::Gate;
use crate::gate::reload::{ReloadError, Reloaded};
use crate::settled::{Due, Stamp, Watcher};

/// A change takes effect after twice as long at the latest.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Whoever finds a reload under way waits so long for its end.
const PATIENCE: Duration = Duration::from_secs(1);

/// See the module.
pub(super) struct Reloader {
    gate: Arc<Gate>,
    path: PathBuf,
    standing: Standing,
    files: Mutex<Files>,
}

/// What the configuration is from.
struct Files {
    paths: Vec<PathBuf>,
    watcher: Watcher<Stamps>,
    geo: Geo,
}

/// The databases in use. Each is large, and films that run keep those that they began with: what has not changed is not
/// read again, and is in memory once.
#[derive(Clone)]
pub(super) struct Geo {
    paths: Vec<PathBuf>,
    stamps: Stamps,
    databases: Databases,
}

impl Geo {
    /// Reads what the configuration names, unless it is what `before` has.
    pub(super) fn of(setup: &Setup, before: Option<&Self>) -> Result<Self, Failure> {
        let paths = setup.config().geoip.databases.clone();
        let stamps = stamps_now(&paths);
        let same = before.filter(|before| before.paths == paths && before.stamps == stamps);
        let databases = match same {
            Some(before) => before.databases.clone(),
            None => setup.databases()?,
        };
        Ok(Self { paths, stamps, databases })
    }

    pub(super) fn databases(&self) -> &Databases {
        &self.databases
    }
}

/// Of every file, in the order of the paths; `None`: it is not there.
type Stamps = Vec<Option<Stamp>>;

/// What was read.
struct Read {
    setup: Setup,
    geo: Geo,
}

impl Reloader {
    /// For a gate that was made from this setup. `stamps`: of [`paths`], before they were read.
    pub(super) fn new(gate: Arc<Gate>, setup: &Setup, stamps: Stamps, geo: Geo, standing: Standing) -> Self {
        let files = Files { paths: paths(setup), watcher: Watcher::new(stamps), geo };
        Self { gate, path: setup.path.clone(), standing, files: Mutex::new(files) }
    }

    /// Reloads whenever it is time to, until `stop` is true or its sender is gone.
    pub(super) async fn follow(self: Arc<Self>, mut hangup: Signal, mut stop: watch::Receiver<bool>) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_told = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                Some(()) = hangup.recv() => true,
                _ = ticks.tick() => false,
            };
            if is_told || self.has_changed().await {
                let by = if is_told { "SIGHUP" } else { "a change of its files" };
                // What came of it is in the log.
                let _ = self.now(&mut *self.files.lock().await, by).await;
            }
        }
    }

    async fn has_changed(&self) -> bool {
        let mut files = self.files.lock().await;
        let stamps = stamps(files.paths.clone()).await;
        files.watcher.sees(Some(stamps)) == Due::Read
    }

    async fn now(&self, files: &mut Files, by: &'static str) -> Result<Reloaded, NotReloaded> {
        let before = stamps(files.paths.clone()).await;
        files.watcher.has_read(Some(before));
        let (path, geo) = (self.path.clone(), files.geo.clone());
        let read = tokio::task::spawn_blocking(move || read(&path, &geo)).await;
        let read = read.unwrap_or_else(|_| Err("reading it broke off by a fault in the gate".to_owned()));
        let result = match read {
            Ok(read) => self.taken(files, read).await,
            Err(faults) => Err(NotReloaded::Bad(faults)),
        };
        match &result {
            Ok(reloaded) => tell(reloaded, by),
            Err(why) => {
                tracing::error!(by, "the configuration was not taken, and all is as before: {why}");
            }
        }
        self.standing.reloaded(result.is_ok());
        result
    }

    async fn taken(&self, files: &mut Files, read: Read) -> Result<Reloaded, NotReloaded> {
        let Read { setup, geo } = read;
        let now_followed = paths(&setup);
        let databases = geo.databases.clone();
        let reloaded =
            self.gate.reload(setup.loaded.config, databases).await.map_err(|error| match error {
                ReloadError::Busy => NotReloaded::Busy,
                ReloadError::NobodyLeft(_) => NotReloaded::NobodyLeft(error.to_string()),
                _ => NotReloaded::Bad(error.to_string()),
            })?;
        self.standing.loaded(geo.databases.info(), time::unix_now().as_secs());
        files.geo = geo;
        if now_followed != files.paths {
            // What changes between the reading and this look is found by nobody: a moment, and one more reload mends it.
            let stamps = stamps(now_followed.clone()).await;
            (files.paths, files.watcher) = (now_followed, Watcher::new(stamps));
        }
        Ok(reloaded)
    }
}

#[async_trait]
impl Reload for Reloader {
    async fn reload(&self, by: &'static str) -> Result<Reloaded, NotReloaded> {
        // Whoever only looks at the files lets go of them in no time.
        let files = tokio::time::timeout(PATIENCE, self.files.lock()).await;
        let mut files = files.map_err(|_| NotReloaded::Busy)?;
        self.now(&mut files, by).await
    }
}

/// The files that a configuration is from.
pub(super) fn paths(setup: &Setup) -> Vec<PathBuf> {
    let secrets = setup.loaded.secret_files().iter().cloned();
    let databases = setup.config().geoip.databases.iter().cloned();
    std::iter::once(setup.path.clone()).chain(secrets).chain(databases).collect()
}

/// How they are now. They may be on a network that hangs.
async fn stamps(paths: Vec<PathBuf>) -> Stamps {
    tokio::task::spawn_blocking(move || stamps_now(&paths)).await.unwrap_or_default()
}

/// As [`stamps`], for a program that has not begun.
pub(super) fn stamps_now(paths: &[PathBuf]) -> Stamps {
    let stamp = |path: &PathBuf| std::fs::metadata(path).ok().map(|metadata| Stamp::of(&metadata));
    paths.iter().map(stamp).collect()
}

/// All that is wrong, in words, or everything that is needed.
fn read(path: &Path, geo: &Geo) -> Result<Read, String> {
    let all = || -> Result<Read, Failure> {
        let setup = config_file::load(Some(path))?;
        let geo = Geo::of(&setup, Some(geo))?;
        Ok(Read { setup, geo })
    };
    all().map_err(|failure| failure.to_string())
}

fn tell(reloaded: &Reloaded, by: &'static str) {
    let list = |ids: &[String]| ids.join(" ");
    tracing::info!(
        by,
        added = list(&reloaded.added),
        removed = list(&reloaded.removed),
        changed = list(&reloaded.changed),
        "the configuration was read again"
    );
    for unwell in &reloaded.unwell {
        tracing::warn!(
            node = unwell.node,
            cause = unwell.cause,
            "the node does not answer well by its new configuration; viewers go elsewhere"
        );
    }
    if !reloaded.restart.is_empty() {
        tracing::warn!(keys = list(&reloaded.restart), "these keys take a restart; their old values hold");
    }
}
