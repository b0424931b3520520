//! The ready front door: Pingora's HTTP server with the [`Gate`] as its application, and routes to other servers.
//!
//! It listens by itself and not through Pingora's `Server`, so that port 0 can be asked for its number, a taken
//! port is an error at once, a stop is exact, and tests, demo and production run the same code. Absent on purpose:
//! compression, and HTTP/2 without TLS, for which Pingora reads the first 24
//! bytes of every connection without a time limit.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use watchgate_config::Route;

use crate::gate::Gate;

mod accept;
mod bind;
pub mod files;
mod routes;
mod session;

use accept::Room;
pub use accept::{Stopped, VIEWERS_MAX};
use routes::Routes;
use session::Direct;

/// The front door, ready to [`serve`](FrontDoor::serve). Connections of all its listeners are counted together.
#[derive(Clone)]
pub struct FrontDoor {
    app: Arc<Direct>,
    room: Room,
}

impl FrontDoor {
    /// Puts a door before the gate, wide enough for `viewers_max` connections at once. It leads to the servers of the
    /// gate's routes, too.
    ///
    /// # Errors
    /// The registry has a metric of the door's or of its routes already.
    pub fn new(gate: Arc<Gate>, viewers_max: u32, registry: &Registry) -> prometheus::Result<Self> {
        let routes = Routes::new(&gate, registry)?;
        Ok(Self { app: Arc::new(Direct::new(gate, routes)), room: Room::new(viewers_max, registry)? })
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
        let mut routes = JoinSet::new();
        if let Some(known) = self.app.routes() {
            known.begin().await;
            routes.spawn(known.clone().keep());
        }
        // The servers are looked after as long as a request may need one, and no longer.
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

/// Whether the server at this place of the route's `to` is up now: by its name, a connection, and its health path.
///
/// # Errors
/// What is wrong with the last of its addresses, or with its name.
pub async fn prove_server(route: &Route, server: usize) -> Result<(), String> {
    routes::prove(route, server).await
}

#[cfg(test)]
mod tests;
