//! The handle of a running node, and the builder that starts one.
//!
//! What the handle switches takes effect before the call returns. Dropping it ends
//! the listeners, the connections and the copying.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::auth::{Credential, Keys, Policy};
use crate::content::Content;
use crate::faults::{Cut, Faults};
use crate::inner::{Health, Inner, Stored};
use crate::log::{Counts, Log, Seen};
use crate::manners::Manners;
use crate::replicate::{Lag, Link};
use crate::store::{Film, Lookup, Replication, Store, Versioning};
use crate::wire::Serving;
use crate::{control, locked, server};

const SLOTS: usize = 1000;
/// `MinIO`'s `--idle-timeout`: a reader that takes nothing for so long is let go.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a node did not do as told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeError {
    /// The address cannot be had.
    #[error("cannot listen on {addr}")]
    Listen {
        /// The address as asked for.
        addr: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A builder without a bucket, or a put after the bucket was removed.
    #[error("the node has no such bucket")]
    NoBucket,
    /// A policy for a key pair that the node does not know.
    #[error("the node has no such credential")]
    NoCredential,
    /// The state waited for did not come.
    #[error("not so within {0:?}")]
    TooLate(Duration),
}

/// What a node is made of; see [`Node::builder`].
#[derive(Debug)]
#[must_use]
pub struct Builder {
    name: String,
    address: SocketAddr,
    control: Option<SocketAddr>,
    domain: Option<String>,
    buckets: Vec<String>,
    keys: Keys,
    slots: usize,
    versioning: Versioning,
    write_timeout: Duration,
    manners: Manners,
}

impl Builder {
    /// A key pair that may do everything.
    pub fn credential(self, access_key: impl Into<String>, secret_key: impl Into<String>) -> Self {
        self.credentials(Credential::new(access_key, secret_key))
    }

    /// A key pair with token or policy; may be called again for more of them.
    pub fn credentials(self, credential: Credential) -> Self {
        self.keys.add(credential);
        self
    }

    /// A bucket; the first is the one the handle's own puts go to.
    pub fn bucket(mut self, bucket: impl Into<String>) -> Self {
        self.buckets.push(bucket.into());
        self
    }

    /// Where S3 is served; without it 127.0.0.1 and a free port.
    pub fn address(self, address: SocketAddr) -> Self {
        Self { address, ..self }
    }

    /// Where the control endpoint is served; without it there is none.
    /// It asks for no password: keep it on loopback.
    pub fn control(self, address: SocketAddr) -> Self {
        Self { control: Some(address), ..self }
    }

    /// Takes `BUCKET.domain` as a host too, besides path style.
    pub fn domain(self, domain: impl Into<String>) -> Self {
        Self { domain: Some(domain.into()), ..self }
    }

    /// Requests in flight at which the next one is answered 429.
    pub fn slots(self, slots: usize) -> Self {
        Self { slots, ..self }
    }

    /// Whether old versions are kept; they are by default.
    pub fn versioning(self, versioning: Versioning) -> Self {
        Self { versioning, ..self }
    }

    /// The store that it answers like; `MinIO` by default.
    pub fn manners(self, manners: Manners) -> Self {
        Self { manners, ..self }
    }

    /// How long a reader that takes nothing is kept; 30 s by default, as `MinIO` does.
    pub fn write_timeout(self, write_timeout: Duration) -> Self {
        Self { write_timeout, ..self }
    }

    /// Opens the listeners; needs a tokio runtime.
    ///
    /// # Errors
    /// [`NodeError::Listen`] when an address cannot be had.
    pub async fn start(self) -> Result<Node, NodeError> {
        let failed = |addr| move |source| NodeError::Listen { addr, source };
        let reserved = server::bound(self.address).map_err(failed(self.address))?;
        let addr = reserved.local_addr().map_err(failed(self.address))?;
        let mut store = Store::new(self.manners.versioning(self.versioning));
        for bucket in &self.buckets {
            store.add_bucket(bucket);
        }
        let inner = Arc::new(Inner {
            name: self.name,
            addr,
            domain: self.domain,
            write_timeout: self.write_timeout,
            manners: self.manners,
            store: Mutex::new(store),
            keys: self.keys,
            faults: Faults::default(),
            log: Log::new(),
            skew_s: AtomicI64::new(0),
            slots: AtomicUsize::new(self.slots),
            bandwidth: AtomicU64::new(0),
            health: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            links: Mutex::default(),
            serving: watch::Sender::new(Serving { listening: false, frozen: false }),
            acceptor: Mutex::default(),
            connections: Mutex::default(),
            _reserved: reserved,
            versions_made: AtomicU64::new(0),
        });
        let control = match self.control {
            Some(addr) => Some(TcpListener::bind(addr).await.map_err(failed(addr))?),
            None => None,
        };
        server::listen(&inner).map_err(failed(addr))?;
        let bucket = self.buckets.into_iter().next();
        let mut node = Node { inner, bucket, control: None };
        if let Some(listener) = control {
            let addr = listener.local_addr().map_err(failed(addr))?;
            node.control = Some((addr, control::serve(listener, Arc::clone(&node.inner))));
        }
        Ok(node)
    }
}

/// A film to put with more than bytes and type.
#[derive(Clone, Debug)]
pub struct Put {
    /// The bytes.
    pub content: Content,
    /// What `Content-Type` will say.
    pub content_type: String,
    /// A tag other than the content's own, without quotes, e.g. a multipart one.
    pub etag: Option<String>,
}

/// A running node.
pub struct Node {
    inner: Arc<Inner>,
    bucket: Option<String>,
    control: Option<(SocketAddr, AbortHandle)>,
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, addr) = (&self.inner.name, &self.inner.addr);
        f.debug_struct("Node").field("name", name).field("addr", addr).finish_non_exhaustive()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some((_, control)) = &self.control {
            control.abort();
        }
        self.inner.serving.send_modify(|serving| serving.listening = false);
        if let Some(acceptor) = locked(&self.inner.acceptor).take() {
            acceptor.abort();
        }
        for (_, connection) in locked(&self.inner.connections).drain() {
            connection.task.abort();
        }
        locked(&self.inner.links).clear();
    }
}

impl Node {
    /// Starts to describe a node; the name shows in `x-amz-id-2` and in peers' logs alone.
    pub fn builder(name: impl Into<String>) -> Builder {
        Builder {
            name: name.into(),
            address: (Ipv4Addr::LOCALHOST, 0).into(),
            control: None,
            domain: None,
            buckets: Vec::new(),
            keys: Keys::default(),
            slots: SLOTS,
            versioning: Versioning::On,
            write_timeout: WRITE_TIMEOUT,
            manners: Manners::default(),
        }
    }

    /// The name it was built with.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// E.g. `http://127.0.0.1:40123`, without a slash at the end.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.inner.addr)
    }

    /// Where S3 and the health pages are; the same over kill and revive.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.inner.addr
    }

    /// Where the control endpoint is, if the builder asked for one.
    #[must_use]
    pub fn control_addr(&self) -> Option<SocketAddr> {
        self.control.as_ref().map(|(addr, _)| *addr)
    }
}

/// Films.
impl Node {
    /// Puts a film into the first bucket.
    ///
    /// # Errors
    /// [`NodeError::NoBucket`], here and in the other writing methods.
    pub fn put(&self, key: &str, bytes: impl Into<Bytes>, content_type: &str) -> Result<Stored, NodeError> {
        let content = Content::Bytes(bytes.into());
        self.put_as(key, Put { content, content_type: content_type.to_owned(), etag: None })
    }

    /// Puts a film of any size that takes no memory; see [`crate::generated_byte`].
    pub fn put_generated(&self, key: &str, size: u64, seed: u64) -> Result<Stored, NodeError> {
        let content = Content::Generated { size, seed };
        self.put_as(key, Put { content, content_type: "video/mp4".to_owned(), etag: None })
    }

    /// Puts a film with a chosen tag.
    pub fn put_as(&self, key: &str, put: Put) -> Result<Stored, NodeError> {
        let Put { content, content_type, etag } = put;
        let etag = etag.unwrap_or_else(|| content.etag());
        self.write(key, Some(Film { content, content_type, etag }))
    }

    /// Deletes a film: with versioning, puts a delete marker on top.
    pub fn delete(&self, key: &str) -> Result<Stored, NodeError> {
        self.write(key, None)
    }

    fn write(&self, key: &str, film: Option<Film>) -> Result<Stored, NodeError> {
        let bucket = self.bucket.as_deref().ok_or(NodeError::NoBucket)?;
        self.inner.write(bucket, key, film).ok_or(NodeError::NoBucket)
    }

    /// Loses all versions of a film here alone, without a marker, as a dead disk does.
    pub fn forget(&self, key: &str) {
        if let Some(bucket) = &self.bucket {
            locked(&self.inner.store).forget(bucket, key, None);
            self.inner.log.changed();
        }
    }

    /// Does this node itself hold the film, not deleted?
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.bucket.as_ref().is_some_and(|bucket| {
            matches!(locked(&self.inner.store).lookup(bucket, key, None), Lookup::Found(..))
        })
    }

    /// Is there a film or marker whose copies are still on their way?
    #[must_use]
    pub fn is_pending(&self, key: &str) -> bool {
        let Some(bucket) = &self.bucket else { return false };
        match locked(&self.inner.store).lookup(bucket, key, None) {
            Lookup::Found(version, _) | Lookup::Deleted(version) => {
                matches!(version.replication, Replication::Pending(_))
            }
            Lookup::NoBucket | Lookup::NoKey | Lookup::NoVersion => false,
        }
    }

    /// Adds an empty bucket; one that is there stays as it is.
    pub fn add_bucket(&self, bucket: &str) {
        locked(&self.inner.store).add_bucket(bucket);
    }

    /// Loses a bucket with all in it.
    pub fn remove_bucket(&self, bucket: &str) {
        locked(&self.inner.store).remove_bucket(bucket);
    }

    /// Copies to `replica` what is here and what will be written here. Both nodes
    /// need the bucket. While a film is missing here, `replica`'s is silently served.
    pub fn replicate_to(&self, replica: &Node, lag: Lag) {
        Link::start(&self.inner, &replica.inner, lag);
    }

    /// Changes how far `replica` is behind, also for what waits already.
    pub fn set_lag(&self, replica: &Node, lag: Lag) {
        for link in locked(&self.inner.links).iter().filter(|link| link.leads_to(&replica.inner)) {
            link.set_lag(lag);
        }
    }
}

/// Switches.
impl Node {
    /// The fault switches.
    #[must_use]
    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    /// Adds a key pair, in place of one with the same access key.
    pub fn add_credential(&self, credential: Credential) {
        self.inner.keys.add(credential);
    }

    /// Forgets a key pair: its requests are 403 `InvalidAccessKeyId`.
    pub fn remove_credential(&self, access_key: &str) {
        self.inner.keys.remove(access_key);
    }

    /// Changes what a key pair may do.
    ///
    /// # Errors
    /// [`NodeError::NoCredential`].
    pub fn set_policy(&self, access_key: &str, policy: Policy) -> Result<(), NodeError> {
        self.inner.keys.set_policy(access_key, policy).ok_or(NodeError::NoCredential)
    }

    /// Seconds by which the node's clock is ahead; negative: behind.
    pub fn set_clock_skew_s(&self, skew_s: i64) {
        self.inner.skew_s.store(skew_s, Ordering::Relaxed);
    }

    /// What the health pages say.
    pub fn set_health(&self, health: Health) {
        *locked(&self.inner.health) = health;
    }

    /// Requests in flight at which the next one is answered 429.
    pub fn set_slots(&self, slots: usize) {
        self.inner.slots.store(slots, Ordering::Relaxed);
    }

    /// Body bytes a second for each connection, also for answers that run.
    pub fn set_bandwidth(&self, bytes_per_s: Option<u64>) {
        self.inner.bandwidth.store(bytes_per_s.unwrap_or(0), Ordering::Relaxed);
    }

    /// Closes the port: new connections are refused, open ones go on.
    pub async fn refuse(&self) {
        server::refuse(&self.inner).await;
    }

    /// As SIGKILL: closes the port and all connections.
    pub async fn kill(&self) {
        server::refuse(&self.inner).await;
        server::cut(&self.inner, Cut::Close).await;
    }

    /// Opens the same port again after [`Node::refuse`] or [`Node::kill`].
    ///
    /// # Errors
    /// [`NodeError::Listen`] when the system gives the port no more.
    // Async since it needs the runtime, as its counterparts do.
    #[allow(clippy::unused_async)]
    pub async fn revive(&self) -> Result<(), NodeError> {
        let addr = self.inner.addr;
        server::listen(&self.inner).map_err(|source| NodeError::Listen { addr, source })
    }

    /// Ends all open connections; the port stays open.
    pub async fn cut_connections(&self, cut: Cut) {
        server::cut(&self.inner, cut).await;
    }

    /// As SIGSTOP: connections are accepted, nothing is read or written.
    pub fn freeze(&self) {
        self.inner.serving.send_modify(|serving| serving.frozen = true);
    }

    /// As SIGCONT: everything goes on where it stood.
    pub fn thaw(&self) {
        self.inner.serving.send_modify(|serving| serving.frozen = false);
    }
}

/// What happened.
impl Node {
    /// The last 10,000 requests, oldest first.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.inner.log.seen()
    }

    /// Forgets the requests seen; the counts go on.
    pub fn forget_seen(&self) {
        self.inner.log.forget();
    }

    /// Sums over the node's life.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.inner.log.counts()
    }

    /// S3 requests that hold a slot now.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.inner.in_flight.load(Ordering::Acquire)
    }

    /// Connections open now.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        locked(&self.inner.connections).len()
    }

    /// Waits until `holds`, which is asked again after every request, byte and copy.
    ///
    /// # Errors
    /// [`NodeError::TooLate`] after `bound`.
    pub async fn wait_until(
        &self,
        mut holds: impl FnMut(&Self) -> bool,
        bound: Duration,
    ) -> Result<(), NodeError> {
        let mut changes = self.inner.log.subscribe();
        let wait = async {
            while !holds(self) {
                // An error would mean that the node is gone, and it is borrowed here.
                let _ = changes.changed().await;
            }
        };
        tokio::time::timeout(bound, wait).await.map_err(|_| NodeError::TooLate(bound))
    }
}
