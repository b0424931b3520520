//! The state that everything in one node shares, and the account of one request.
//!
//! Nothing here is async or reads a socket: the accept loop stands in
//! `server.rs`, the answers in `answer.rs`, the copying in `replicate.rs`.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use tokio::net::TcpSocket;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::auth::{Keys, Skewed};
use crate::content::hex;
use crate::faults::Faults;
use crate::locked;
use crate::log::Log;
use crate::manners::Manners;
use crate::replicate::Link;
use crate::store::{Film, Replication, Store, Version};
use crate::wire::{Script, Serving};

/// What the health pages say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// 200.
    #[default]
    Up,
    /// 503.
    Down,
    /// 200 with `x-minio-server-status: offline`, as `MinIO` answers while it starts.
    Offline,
}

/// What a put or delete has made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Stored {
    /// Without quotes; empty for a delete marker.
    pub etag: String,
    /// What `x-amz-version-id` says; not shown by a node without versioning.
    pub version_id: String,
}

pub(crate) struct Inner {
    pub(crate) name: String,
    pub(crate) addr: SocketAddr,
    pub(crate) domain: Option<String>,
    pub(crate) write_timeout: Duration,
    pub(crate) manners: Manners,
    pub(crate) store: Mutex<Store>,
    pub(crate) keys: Keys,
    pub(crate) faults: Faults,
    pub(crate) log: Log,
    pub(crate) skew_s: AtomicI64,
    pub(crate) slots: AtomicUsize,
    /// Bytes a second and connection; zero: no limit.
    pub(crate) bandwidth: AtomicU64,
    pub(crate) health: Mutex<Health>,
    pub(crate) in_flight: AtomicUsize,
    pub(crate) links: Mutex<Vec<Link>>,
    pub(crate) serving: watch::Sender<Serving>,
    pub(crate) acceptor: Mutex<Option<JoinHandle<()>>>,
    pub(crate) connections: Mutex<HashMap<u64, Connection>>,
    /// Bound but never listening: keeps the port while the node refuses connections.
    pub(crate) _reserved: TcpSocket,
    pub(crate) versions_made: AtomicU64,
}

pub(crate) struct Connection {
    pub(crate) task: JoinHandle<()>,
    pub(crate) script: Arc<Script>,
}

impl Inner {
    /// The node's own time: the system's and its skew.
    pub(crate) fn now(&self) -> Timestamp {
        let skew = SignedDuration::from_secs(self.skew_s.load(Ordering::Relaxed));
        // A skew beyond the calendar shows the system's time.
        Timestamp::now().checked_add(skew).unwrap_or_else(|_| Timestamp::now())
    }

    pub(crate) fn skewed(&self) -> Skewed {
        match self.skew_s.load(Ordering::Relaxed) {
            0 => Skewed::No,
            _ => Skewed::Yes,
        }
    }

    pub(crate) fn serving(&self) -> Serving {
        *self.serving.borrow()
    }

    /// Adds a version, or with no film a delete marker, and hands it to the links.
    /// Nothing: there is no such bucket.
    pub(crate) fn write(&self, bucket: &str, key: &str, film: Option<Film>) -> Option<Stored> {
        let etag = film.as_ref().map(|film| film.etag.clone()).unwrap_or_default();
        let now = self.now();
        // Whole seconds always make a timestamp.
        let modified = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let id = self.new_version_id(now);
        let links = locked(&self.links);
        let replication = match links.len() {
            0 => Replication::None,
            missing => Replication::Pending(missing),
        };
        let version = Version { id: id.clone(), modified, replication, film };
        if !locked(&self.store).put(bucket, key, version) {
            return None;
        }
        for link in links.iter() {
            link.copy(bucket, key, &id);
        }
        drop(links);
        self.log.changed();
        Some(Stored { etag, version_id: id })
    }

    /// In the form of a UUID, as `MinIO`'s are.
    fn new_version_id(&self, now: Timestamp) -> String {
        let count = self.versions_made.fetch_add(1, Ordering::Relaxed);
        let digest = hex(&Md5::digest(format!("{} {} {count} {now}", self.name, self.addr)));
        [&digest[..8], &digest[8..12], &digest[12..16], &digest[16..20], &digest[20..]].join("-")
    }
}

/// The account of one request, from its head to the last byte of its answer.
pub(crate) struct Call {
    inner: Arc<Inner>,
    number: u64,
    began: Instant,
    /// Requests in flight with this one; nothing: a health page, which takes no slot.
    slot: Option<usize>,
}

/// Does the request take one of the node's slots?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    Takes,
    Free,
}

impl Call {
    pub(crate) fn start(inner: &Arc<Inner>, number: u64, slot: Slot) -> Self {
        let slot = (slot == Slot::Takes).then(|| inner.in_flight.fetch_add(1, Ordering::AcqRel) + 1);
        inner.log.changed();
        Self { inner: Arc::clone(inner), number, began: Instant::now(), slot }
    }

    /// The node has no slot left for this request.
    pub(crate) fn is_too_many(&self) -> bool {
        self.slot.is_some_and(|slot| slot > self.inner.slots.load(Ordering::Relaxed))
    }

    /// Limit and remaining, as the answer's headers say.
    pub(crate) fn slots(&self) -> Option<(usize, usize)> {
        let limit = self.inner.slots.load(Ordering::Relaxed);
        self.slot.map(|slot| (limit, limit.saturating_sub(slot)))
    }

    pub(crate) fn bandwidth(&self) -> Option<u64> {
        Some(self.inner.bandwidth.load(Ordering::Relaxed)).filter(|bytes_per_s| *bytes_per_s > 0)
    }

    pub(crate) fn verified(&self, ok: bool) {
        self.inner.log.note(self.number, |seen, counts| {
            seen.signature_ok = Some(ok);
            counts.signatures_refused += u64::from(!ok);
        });
    }

    pub(crate) fn proxied_from(&self, peer: &str) {
        self.inner.log.note(self.number, |seen, _| seen.proxied_from = Some(peer.to_owned()));
    }

    pub(crate) fn answered(&self, status: u16, error: Option<&str>) {
        self.inner.log.note(self.number, |seen, _| {
            seen.status = Some(status);
            seen.error = error.map(str::to_owned);
        });
    }

    pub(crate) fn sent(&self, bytes: u64) {
        self.inner.log.note(self.number, |seen, counts| {
            seen.sent += bytes;
            counts.sent += bytes;
        });
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.slot.is_some() {
            self.inner.in_flight.fetch_sub(1, Ordering::AcqRel);
        }
        let lasted_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.inner.log.note(self.number, |seen, _| {
            seen.finished = true;
            seen.lasted_ms = Some(lasted_ms);
        });
    }
}
