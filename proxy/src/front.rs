//! The ready front door: Pingora's HTTP proxy with the [`Gate`] as its whole application.
//!
//! It listens by itself and not through Pingora's `Server`, so that port 0 can be asked for its number, a taken
//! port is an error at once, a stop is exact, and tests, demo and production run the same code. Absent on purpose:
//! upstreams (what is nobody's is a 404), compression, and HTTP/2 without TLS, for which Pingora reads the first 24
//! bytes of every connection without a time limit.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use pingora::modules::http::HttpModules;
use pingora::server::configuration::ServerConf;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType};
use pingora_proxy::{HttpProxy, ProxyHttp, Session, http_proxy};
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::gate::{Gate, Outcome};

mod accept;
mod bind;
pub mod files;

use accept::Room;
pub use accept::{Stopped, VIEWERS_MAX};

/// The front door, ready to [`serve`](FrontDoor::serve). Connections of all its listeners are counted together.
#[derive(Clone)]
pub struct FrontDoor {
    app: Arc<HttpProxy<Front>>,
    room: Room,
}

impl FrontDoor {
    /// Puts a door before the gate, wide enough for `viewers_max` connections at once.
    ///
    /// # Errors
    /// The registry has a metric `watchgate_viewer_connections`.
    pub fn new(gate: Arc<Gate>, viewers_max: u32, registry: &Registry) -> prometheus::Result<Self> {
        let conf = ServerConf { threads: threads(), ..ServerConf::default() };
        let app = Arc::new(http_proxy(&Arc::new(conf), Front { gate }));
        Ok(Self { app, room: Room::new(viewers_max, registry)? })
    }

    /// Serves viewers until `shutdown` turns true, then finishes what runs.
    ///
    /// From that moment nothing new is accepted, beyond what the kernel had accepted already; running requests go
    /// on for at most `grace`; connections without a request are closed. Whatever is left then is cut.
    pub async fn serve(
        &self,
        listeners: Vec<TcpListener>,
        shutdown: watch::Receiver<bool>,
        grace: Duration,
    ) -> Stopped {
        accept::serve(&self.app, listeners, &self.room, &shutdown, grace).await
    }
}

/// Listens on an address; port 0 takes a free one, and `local_addr` tells which.
///
/// An IPv6 wildcard takes IPv4 viewers as well. Must be called inside a Tokio runtime.
///
/// # Errors
/// As the system says: the port is taken, is not ours to take, or the address is not of this host.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    bind::bind(address)
}

/// Threads of the runtime: Pingora spreads a lock over as many shards.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// What Pingora calls for each request.
struct Front {
    gate: Arc<Gate>,
}

#[async_trait]
impl ProxyHttp for Front {
    type CTX = ();

    fn new_ctx(&self) {}

    /// None: a redirect has nothing to compress, and a film must not be.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, _ctx: &mut ()) -> pingora::Result<bool> {
        if let Outcome::NotMine = self.gate.handle(session).await? {
            self.gate.not_found(session).await?;
        }
        Ok(true)
    }

    /// Never reached: every request is answered above.
    async fn upstream_peer(&self, _session: &mut Session, _ctx: &mut ()) -> pingora::Result<Box<HttpPeer>> {
        Error::e_explain(ErrorType::HTTPStatus(404), "the front door has no upstream")
    }

    /// Pingora's own line would show the query; [`logging`](ProxyHttp::logging) says what matters.
    fn suppress_error_log(&self, _session: &Session, _ctx: &(), _error: &Error) -> bool {
        true
    }

    async fn logging(&self, _session: &mut Session, error: Option<&Error>, _ctx: &mut ()) {
        match error {
            None => {}
            Some(error) if *error.esource() == ErrorSource::Downstream => {
                tracing::debug!(%error, "a viewer left");
            }
            // Said by the gate already, with the film and the byte.
            Some(error) if *error.esource() == ErrorSource::Upstream => {
                tracing::debug!(%error, "a film was cut");
            }
            Some(error) => tracing::error!(%error, "a request failed inside the gate"),
        }
    }
}

#[cfg(test)]
mod tests;
