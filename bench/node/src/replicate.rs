//! Copying to another node in this process, with a lag that can be changed.
//!
//! One task a link, in the order of the writes, as long as both nodes live. A
//! replica that cannot be reached makes the link wait, as `MinIO`'s retries do.
//! Versions that were copied in are not copied on.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::inner::Inner;
use crate::locked;
use crate::store::Lookup;
use crate::wire::Serving;

/// How far a replica is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lag {
    /// So long after the write.
    After(Duration),
    /// Nothing arrives until the lag is changed.
    Frozen,
}

/// The way from one node to one replica.
pub(crate) struct Link {
    target: Weak<Inner>,
    lag: watch::Sender<Lag>,
    /// Unbounded, since a write never waits for it: a test writes a handful of films.
    queue: mpsc::UnboundedSender<Copied>,
    task: AbortHandle,
}

struct Copied {
    bucket: String,
    key: String,
    version_id: String,
    written: Instant,
}

impl Link {
    /// Copies from `source` to `target` from now on, and what `source` has already.
    pub(crate) fn start(source: &Arc<Inner>, target: &Arc<Inner>, lag: Lag) {
        let (queue, copies) = mpsc::unbounded_channel();
        let (lag, lag_seen) = watch::channel(lag);
        let task = Task {
            source: Arc::downgrade(source),
            target: Arc::downgrade(target),
            lag: lag_seen,
            reachable: target.serving.subscribe(),
        };
        let task = tokio::spawn(task.run(copies)).abort_handle();
        let link = Self { target: Arc::downgrade(target), lag, queue, task };
        let mut links = locked(&source.links);
        let have = locked(&source.store).wait_for_one_more();
        for (bucket, key, version_id) in have {
            link.copy(&bucket, &key, &version_id);
        }
        links.push(link);
    }

    pub(crate) fn copy(&self, bucket: &str, key: &str, version_id: &str) {
        // Fails only when the replica is gone for good.
        let _ = self.queue.send(Copied {
            bucket: bucket.to_owned(),
            key: key.to_owned(),
            version_id: version_id.to_owned(),
            written: Instant::now(),
        });
    }

    pub(crate) fn leads_to(&self, target: &Arc<Inner>) -> bool {
        self.target.ptr_eq(&Arc::downgrade(target))
    }

    pub(crate) fn set_lag(&self, lag: Lag) {
        self.lag.send_replace(lag);
    }

    /// The replica, if it would answer its peer.
    pub(crate) fn peer(&self) -> Option<Arc<Inner>> {
        self.target.upgrade().filter(|peer| peer.serving().reachable())
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Task {
    source: Weak<Inner>,
    target: Weak<Inner>,
    lag: watch::Receiver<Lag>,
    reachable: watch::Receiver<Serving>,
}

impl Task {
    async fn run(mut self, mut copies: mpsc::UnboundedReceiver<Copied>) {
        while let Some(copy) = copies.recv().await {
            if self.due(copy.written).await.is_none() {
                return;
            }
            if self.reachable.wait_for(|serving| serving.reachable()).await.is_err() {
                return;
            }
            let (Some(source), Some(target)) = (self.source.upgrade(), self.target.upgrade()) else { return };
            carry_over(&source, &target, &copy);
        }
    }

    /// Waits out the lag, also when it changes meanwhile. Nothing: the link is gone.
    async fn due(&mut self, written: Instant) -> Option<()> {
        loop {
            let lag = *self.lag.borrow_and_update();
            match lag {
                Lag::Frozen => self.lag.changed().await.ok()?,
                Lag::After(lag) => tokio::select! {
                    () = tokio::time::sleep_until(written + lag) => return Some(()),
                    changed = self.lag.changed() => changed.ok()?,
                },
            }
        }
    }
}

/// Same tag, version id and time on both sides; a version removed meanwhile is passed over.
fn carry_over(source: &Inner, target: &Inner, copy: &Copied) {
    let found = locked(&source.store).lookup(&copy.bucket, &copy.key, Some(&copy.version_id));
    if let Lookup::Found(version, _) | Lookup::Deleted(version) = found {
        locked(&target.store).copy_in(&copy.bucket, &copy.key, version);
        locked(&source.store).replicated(&copy.bucket, &copy.key, &copy.version_id);
    }
    source.log.changed();
    target.log.changed();
}
