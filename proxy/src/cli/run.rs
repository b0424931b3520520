//! `watchgate run`: brings the front door up, keeps it up, and takes it down in order.
//!
//! Everything that can fail is done before the first viewer is let in. On the way down the operator's side stays to
//! the last, so that load balancers read why. Absent on purpose: becoming a daemon, pid files, users; systemd and
//! containers do that.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use tokio::net::TcpListener;
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use watchgate_config::{Catalog, Config, Listen};

use super::config_file::Setup;
use super::terminal::Terminal;
use super::{Done, Failure, logging, time};
use crate::access_log::AccessLog;
use crate::admin::{self, Tokens};
use crate::front::{self, FrontDoor, Stopped, files};
use crate::gate::Gate;

mod reload;
mod standing;

use reload::{Geo, Reloader};
use standing::Standing;

/// Running requests get so long after SIGTERM.
const GRACE: Duration = Duration::from_secs(30);
/// The operator's side and the probes get so long after that.
const LAST_GRACE: Duration = Duration::from_secs(3);
/// Access lines that wait get so long at the very end.
const LINES_GRACE: Duration = Duration::from_secs(2);
/// The pause before a health task that broke is started again.
const HEALTH_PAUSE: Duration = Duration::from_secs(1);

#[expect(clippy::needless_pass_by_value, reason = "commands own their setup")]
pub(crate) fn run(setup: Setup) -> Result<Done, Failure> {
    let config = setup.config();
    logging::start(&config.log, Terminal::of_process().err)?;
    // Before anything makes a TLS client. An error says that there is a provider: as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Before the reading: what changes after it is read again. Only the configuration itself has been read by now.
    let stamps = reload::stamps_now(&reload::paths(&setup));
    let geo = Geo::of(&setup, None)?;
    let registry = Registry::new();
    let standing = Standing::register(&registry).map_err(|error| other(&error))?;
    standing.loaded(geo.databases().info(), time::unix_now().as_secs());
    let mut gate = Gate::new(config.clone(), geo.databases().clone(), &registry)?;
    let log = access_log(config, &registry)?;
    if let Some(log) = &log {
        gate = gate.with_access_log(log.clone());
    }

    let runtime = runtime::Builder::new_multi_thread().enable_all().thread_name("watchgate").build();
    let runtime = runtime.map_err(|error| Failure::Other(format!("cannot start the runtime: {error}")))?;
    let gate = Arc::new(gate);
    let reloader = Arc::new(Reloader::new(Arc::clone(&gate), &setup, stamps, geo, standing));
    let done = runtime.block_on(House { gate, registry, reloader }.live(config));
    // A task that is stuck must not hold up the end.
    runtime.shutdown_timeout(LAST_GRACE);
    if log.is_some_and(|log| !log.finish(LINES_GRACE)) {
        tracing::warn!("access lines are lost: their reader is too slow");
    }
    done
}

fn access_log(config: &Config, registry: &Registry) -> Result<Option<AccessLog>, Failure> {
    if !config.log.access {
        return Ok(None);
    }
    let log = AccessLog::start(config.log.format, io::stdout());
    let log = log.map_err(|error| Failure::Other(format!("cannot start the access log: {error}")))?;
    log.register(registry).map_err(|error| other(&error))?;
    Ok(Some(log))
}

fn other(error: &dyn std::error::Error) -> Failure {
    Failure::Other(error.to_string())
}

/// What lives as long as the process.
struct House {
    gate: Arc<Gate>,
    registry: Registry,
    reloader: Arc<Reloader>,
}

impl House {
    async fn live(self, config: &Config) -> Result<Done, Failure> {
        let listen = &config.listen;
        let (mut signals, hangup) = (Signals::catch()?, caught(SignalKind::hangup())?);
        let (viewers_at, operators_at) = (viewers(listen)?, bound("listen.admin", listen.admin)?);
        let events_at = listen.events.map(|address| bound("listen.events", address)).transpose()?;
        let viewers_max = files::claim(config.nodes.len());
        let door = FrontDoor::new(Arc::clone(&self.gate), viewers_max, &self.registry);
        let door = door.map_err(|error| other(&error))?;
        tell_parts(config, &self.gate);
        tell(&viewers_at, &operators_at, events_at.as_ref(), viewers_max);
        if events_at.is_none() && config.presence.events_token.is_some() {
            tracing::info!(address = address(&operators_at), "listening for bucket events, too");
        }

        // Two switches: the front door goes first, the rest stays until it is closed.
        let (stop_viewers, viewers_stop) = watch::channel(false);
        let (stop_rest, rest_stop) = watch::channel(false);
        let health = tokio::spawn(keep_healthy(Arc::clone(&self.gate), rest_stop.clone()));
        let events = nodes(&self.gate, config, events_at, &rest_stop);
        let tokens = Tokens {
            admin: listen.admin_token.as_ref(),
            events: config.presence.events_token.as_ref().filter(|_| listen.events.is_none()),
        };
        let reloads = tokio::spawn(Arc::clone(&self.reloader).follow(hangup, rest_stop.clone()));
        let router = admin::router(Arc::clone(&self.gate), self.registry, tokens, Some(self.reloader));
        let operators = tokio::spawn(admin::serve(operators_at, router, rest_stop));
        let viewers = tokio::spawn(async move { door.serve(viewers_at, viewers_stop, GRACE).await });

        let by = signals.next().await;
        tracing::info!(by, "stopping: no new viewers; a second signal ends everything at once");
        self.gate.leave();
        stop_viewers.send_replace(true);
        let clean = closed(viewers, signals.next()).await;
        stop_rest.send_replace(true);
        if clean == Done::Yes {
            let rest = async { tokio::join!(health, operators, events, reloads) };
            let _ = tokio::time::timeout(LAST_GRACE, rest).await;
            tracing::info!("stopped");
        }
        Ok(clean)
    }
}

/// Waits for the last viewer, the end of the grace time, or a second signal.
async fn closed(viewers: JoinHandle<Stopped>, again: impl Future<Output = &'static str>) -> Done {
    tokio::select! {
        stopped = viewers => {
            // A panic has been logged, and nobody is left to wait for.
            let Stopped { cut } = stopped.unwrap_or_default();
            if cut > 0 {
                tracing::warn!(cut, "viewers were cut at the end of the grace time");
            }
            Done::Yes
        }
        by = again => {
            tracing::warn!(by, "ended at once: running requests are cut");
            Done::No
        }
    }
}

/// The nodes' own listener, if one is configured: bucket events and nothing else.
fn nodes(
    gate: &Arc<Gate>,
    config: &Config,
    at: Option<TcpListener>,
    stop: &watch::Receiver<bool>,
) -> JoinHandle<()> {
    let (gate, token, stop) = (Arc::clone(gate), config.presence.events_token.clone(), stop.clone());
    tokio::spawn(async move {
        if let Some(listener) = at {
            admin::serve(listener, admin::events_router(gate, token.as_ref()), stop).await;
        }
    })
}

/// Runs the gate's background work, and starts it again should it ever break: without it no node's fall is noticed.
async fn keep_healthy(gate: Arc<Gate>, mut stop: watch::Receiver<bool>) {
    while !*stop.borrow() {
        let work = tokio::spawn(Arc::clone(&gate).run(stop.clone()));
        if work.await.is_ok() {
            return;
        }
        tracing::error!("health checks broke off and are started again");
        let _ = tokio::time::timeout(HEALTH_PAUSE, stop.changed()).await;
    }
}

fn viewers(listen: &Listen) -> Result<Vec<TcpListener>, Failure> {
    let key = |index| {
        if listen.http.len() == 1 { "listen.http".to_owned() } else { format!("listen.http[{index}]") }
    };
    listen.http.iter().enumerate().map(|(index, address)| bound(&key(index), *address)).collect()
}

fn bound(key: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    front::bind(address).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => "; another process has this port",
            io::ErrorKind::PermissionDenied => "; ports below 1024 want CAP_NET_BIND_SERVICE",
            io::ErrorKind::AddrNotAvailable => "; no interface of this host has this address",
            _ => "",
        };
        Failure::Other(format!("{key}: cannot listen on {address}: {error}{hint}"))
    })
}

/// One line for each part that is not as it is by default.
fn tell_parts(config: &Config, gate: &Gate) {
    match &config.catalog {
        Catalog::Template => {}
        Catalog::File(path) => {
            tracing::info!(path = %path.display(), films = gate.catalog().films(), "object keys come from a list");
        }
        Catalog::Postgres(_) => tracing::info!("object keys come from a database"),
    }
    for route in &config.routes {
        let to: Vec<String> = route.to.iter().map(ToString::to_string).collect();
        tracing::info!(prefix = &*route.prefix, to = to.join(" "), "other requests go on");
    }
    if !config.presence.enabled {
        tracing::info!("presence is off: nodes are not asked which films they hold");
    }
}

/// One line for each listener, with the port it really got.
fn tell(viewers: &[TcpListener], operators: &TcpListener, events: Option<&TcpListener>, viewers_max: u32) {
    for listener in viewers {
        tracing::info!(address = address(listener), viewers_max, "listening for viewers");
    }
    tracing::info!(address = address(operators), "listening for operators");
    if let Some(listener) = events {
        tracing::info!(address = address(listener), "listening for bucket events");
    }
}

fn address(listener: &TcpListener) -> String {
    listener.local_addr().map(|address| address.to_string()).unwrap_or_default()
}

/// The two signals that end a process politely.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn catch() -> Result<Self, Failure> {
        Ok(Self { terminate: caught(SignalKind::terminate())?, interrupt: caught(SignalKind::interrupt())? })
    }

    /// The next one's name.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

fn caught(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::Other(format!("cannot catch signals: {error}")))
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use super::*;

    #[tokio::test]
    async fn the_end_is_the_last_viewers_or_a_second_signal() {
        let stopped = tokio::spawn(ready(Stopped { cut: 1 }));
        assert_eq!(closed(stopped, pending()).await, Done::Yes);
        assert_eq!(closed(tokio::spawn(pending()), ready("SIGTERM")).await, Done::No);
        let broken = tokio::spawn(async { panic!("a panic on purpose") });
        assert_eq!(closed(broken, pending()).await, Done::Yes, "nobody is left to wait for");
    }
}
