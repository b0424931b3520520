//! The plugin: one object that any Pingora proxy calls from its `request_filter`.
//!
//! A request under the watch prefix is answered here, whole; everything else is left to the host. A
//! redirect awaits nothing but the write of its answer and takes no lock. Absent on purpose: listeners,
//! signals and files; the host brings them.

mod choose;
mod events;
mod explain;
mod fields;
mod find;
mod link;
pub mod metrics;
mod open;
pub mod passing;
pub mod reload;
pub mod report;
mod request_id;
mod serve;
mod stream;
mod usher;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;
use pingora_proxy::Session;
use prometheus::Registry;
use tokio::sync::watch;
use watchgate_config::{Config, Mode, Route, Scheme, WatchPrefix};
use watchgate_geoip::Databases;

use crate::access_log::AccessLog;
use crate::answer::pump::Engine;
use crate::catalog::{Catalog, CatalogError};
use crate::clock::{Clock, millis};
use crate::decide::decision::Decision;
use crate::decide::health::State;
use crate::decide::plan::AllDown;
use crate::fleet::Makings;
use crate::presence::Presence;
use crate::state::Snapshot;

use self::events::EventMetrics;
use self::find::Finder;
use self::metrics::RequestMetrics;
use self::report::NodeReport;

pub(crate) use self::events::EventRefused;
pub use self::explain::Ask;
pub use self::open::{Background, OpenError};

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is answered, logged and counted: return `Ok(true)` from `request_filter`.
    Answered,
    /// The path is not under the watch prefix: go on as if the gate were not there.
    NotMine,
}

/// Why there is no gate.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// Two gates share a registry, or the host has families of the same names.
    #[error("metrics cannot be registered: {0}; give each gate a registry of its own")]
    Metrics(#[from] prometheus::Error),
    /// Nodes cannot be asked for films over https by a build without TLS.
    #[error(
        "a node's endpoint is https, and this program was built without the feature `tls`: it can send viewers there, \
         but cannot ask the node for films; build with `tls`, or set watch.mode = \"redirect\" and presence.enabled = \
         false, and leave {{path}} out of watch.object"
    )]
    NoTls,
    /// There is no catalog.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The probes' own set-up failed.
    #[error("{0}")]
    Probe(#[from] crate::probe::ProbeError),
}

/// The plugin. One per process is usual; several do not disturb each other.
#[derive(Debug)]
pub struct Gate {
    snapshot: ArcSwap<Snapshot>,
    metrics: RequestMetrics,
    events: EventMetrics,
    access_log: Option<AccessLog>,
    clock: Clock,
    leaving: AtomicBool,
    request_ids: AtomicU64,
    prober: crate::probe::Prober,
    makings: Makings,
    /// Ticks when there is another snapshot.
    changed: watch::Sender<()>,
    /// Held by whoever reloads.
    reloading: tokio::sync::Mutex<()>,
    assume_up: bool,
    catalog: Catalog,
    /// Set if nodes are asked for films at all.
    engine: Option<Arc<Engine>>,
    /// Set if it is asked who holds them.
    finder: Option<Arc<Finder>>,
}

impl Gate {
    /// Builds a gate. Nothing is opened or started: see [`Gate::run`].
    ///
    /// # Errors
    /// [`GateError`].
    pub fn new(config: Config, databases: Databases, registry: &Registry) -> Result<Gate, GateError> {
        let clock = Clock::start();
        let (makings, experiences) = Makings::new(registry)?;
        let snapshot = Snapshot::new(config, databases, None, &makings, clock.unix_ms());
        let (watch, presence) = (&snapshot.config.watch, &snapshot.config.presence);
        let engine = if watch.mode == Mode::Stream || watch.object.has_path() || presence.enabled {
            tls_for(&snapshot.config)?;
            Some(Arc::new(Engine::new(clock, registry)?))
        } else {
            None
        };
        let finder = match &engine {
            Some(engine) if presence.enabled => {
                let presence = Presence::new(presence, snapshot.fleet.source_member(), registry)?;
                Some(Arc::new(Finder::new(presence, Arc::clone(engine), clock)))
            }
            _ => None,
        };
        let catalog = Catalog::open(&snapshot.config.catalog, &watch.object, clock, registry)?;
        let prober = crate::probe::Prober::new(&snapshot, experiences)?;
        Ok(Self {
            metrics: RequestMetrics::register(registry)?,
            events: EventMetrics::register(registry)?,
            request_ids: AtomicU64::new(uuid::Uuid::new_v4().as_u64_pair().0),
            snapshot: ArcSwap::from_pointee(snapshot),
            access_log: None,
            leaving: AtomicBool::new(false),
            catalog,
            engine,
            finder,
            clock,
            prober,
            makings,
            changed: watch::Sender::new(()),
            reloading: tokio::sync::Mutex::new(()),
            assume_up: false,
        })
    }

    /// Writes one access line per request to this log.
    #[must_use]
    pub fn with_access_log(mut self, log: AccessLog) -> Self {
        self.access_log = Some(log);
        self
    }

    /// Takes every node for up: what a gate would decide if nothing were wrong, without asking anybody.
    #[must_use]
    pub fn assuming_all_up(mut self) -> Self {
        self.assume_up = true;
        self.finder = None;
        self
    }

    /// What goes on behind the requests: probes, name resolution, signing keys, the catalog. Ends once `shutdown` is true.
    pub async fn run(self: Arc<Self>, shutdown: watch::Receiver<bool>) {
        let tidy = async {
            if let Some(finder) = &self.finder {
                finder.tidy(shutdown.clone()).await;
            }
        };
        let catalog = self.catalog.run(shutdown.clone());
        let snapshot = || self.snapshot.load_full();
        let probes = self.prober.run(snapshot, self.changed.subscribe(), &self.clock, shutdown.clone());
        tokio::join!(probes, tidy, catalog);
    }

    /// Answers a request under the watch prefix; called from the host's `request_filter`.
    ///
    /// # Errors
    /// The viewer's connection broke while the answer was written: hand the error on, Pingora closes it.
    pub async fn handle(&self, session: &mut Session) -> pingora::Result<Outcome> {
        serve::handle(self, session).await
    }

    /// Answers what is nobody's: `404`, as a problem document.
    ///
    /// # Errors
    /// As [`Gate::handle`].
    pub async fn not_found(&self, session: &mut Session) -> pingora::Result<()> {
        serve::not_found(self, session).await
    }

    /// What is known of a request that is not for a film and goes on to a server of the host's.
    #[must_use]
    pub fn passing(&self, session: &Session) -> passing::Passing {
        passing::Passing::of(self, session)
    }

    /// Every route, in the order of the configuration.
    #[must_use]
    pub fn routes(&self) -> Vec<Route> {
        self.snapshot.load().config.routes.clone()
    }

    /// The path under which all that is asked for is the gate's.
    #[must_use]
    pub fn watch_prefix(&self) -> WatchPrefix {
        self.snapshot.load().config.watch.prefix.clone()
    }

    /// What would be decided for this viewer and film now, and every figure behind it.
    #[must_use]
    pub fn explain(&self, ask: &Ask) -> Decision {
        explain::explain(self, ask)
    }

    /// Whether films are trees of files, each asked for by a path behind the film's uuid: `watch.object` has `{path}`.
    #[must_use]
    pub fn has_trees(&self) -> bool {
        self.snapshot.load().config.watch.object.has_path()
    }

    /// Whether nodes are asked for films at all, and not only for their health: by presence, because films are trees of
    /// files, or because they are streamed.
    #[must_use]
    pub fn asks_for_films(&self) -> bool {
        self.engine.is_some()
    }

    /// What the catalog holds and whether it answers.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Asks the nodes about the film as the viewer's request would, so that [`Gate::explain`] shows what it would meet.
    pub async fn look_for(&self, ask: &Ask) {
        explain::look_for(self, ask).await;
    }

    /// Every node, in the order of the configuration.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeReport> {
        self.snapshot.load().fleet.nodes.iter().map(|node| NodeReport::of(node)).collect()
    }

    /// One node; `None`: no node has this id.
    #[must_use]
    pub fn node(&self, id: &str) -> Option<NodeReport> {
        self.snapshot.load().fleet.by_id(id).map(|node| NodeReport::of(node))
    }

    /// Drains a node (no new viewers) or takes it back; `None`: no node has this id.
    #[must_use]
    pub fn drain(&self, id: &str, draining: bool) -> Option<NodeReport> {
        let snapshot = self.snapshot.load();
        let node = snapshot.fleet.by_id(id)?;
        node.live.set_draining(draining);
        node.metrics.show_state(node.live.state(), draining);
        tracing::info!(node = id, draining, "an operator changed the node");
        Some(NodeReport::of(node))
    }

    /// Whether viewers should be sent to this gate: every node has a verdict (or the first-verdict time is
    /// over), and a node or a policy answers.
    ///
    /// # Errors
    /// The reason, for the operator.
    pub fn readiness(&self) -> Result<(), String> {
        if self.leaving.load(Ordering::Relaxed) {
            return Err("the gate is shutting down".to_owned());
        }
        let snapshot = self.snapshot.load();
        let states = || snapshot.fleet.nodes.iter().map(|node| node.live.state());
        let waiting = states().filter(|state| *state == State::Unproven).count();
        if waiting > 0 && self.clock.now_ms() < millis(snapshot.config.health.first_verdict_timeout) {
            return Err(format!("{waiting} of {} nodes have no verdict yet", snapshot.fleet.nodes.len()));
        }
        if states().any(|state| state == State::Up) || snapshot.policy.all_down != AllDown::Refuse {
            return Ok(());
        }
        Err("no node is up, and watch.all_down is \"refuse\"".to_owned())
    }

    /// From now on [`Gate::readiness`] says no, so that load balancers look elsewhere; requests are answered.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }
}

/// Nodes that are asked for films over https want a build that can.
fn tls_for(config: &Config) -> Result<(), GateError> {
    let is_https = |node: &watchgate_config::Node| node.endpoint.scheme() == Scheme::Https;
    if cfg!(not(feature = "tls")) && config.nodes.iter().any(is_https) {
        return Err(GateError::NoTls);
    }
    Ok(())
}
