//! Carries the operator's side over TCP, with a bound on everything a peer can hold.
//!
//! Its connections must never keep the process from ending, and no peer, however slow, may fill its few places for
//! long. Absent on purpose: HTTP/2 and upgrades.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Extension;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time;

/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 64;
/// The head of a request must come in this time, and an idle connection may stay so long.
const HEAD_TIME: Duration = Duration::from_secs(30);
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// How long a handler may take.
pub(super) const ANSWER_TIME: Duration = Duration::from_secs(10);
/// After this a connection is asked to end, so that peers that read nothing cannot keep their places.
const CONNECTION_TIME: Duration = Duration::from_mins(5);
/// An ending connection has so long for the answer it is in.
const END_TIME: Duration = Duration::from_secs(2);
/// The pause after a failed `accept`.
const PAUSE: Duration = Duration::from_millis(200);

/// Who asks, for handlers that want to say so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Serves until `shutdown` turns true, and no more than two seconds beyond.
pub async fn serve(listener: TcpListener, router: Router, mut shutdown: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    let stop = shutdown.clone();
    let accept = async {
        loop {
            // The semaphore is never closed.
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let (router, stop) = (router.clone().layer(Extension(Peer(peer))), stop.clone());
                    connections.spawn(async move {
                        connection(stream, router, stop).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "the admin listener cannot accept");
                    time::sleep(PAUSE).await;
                }
            }
            while connections.try_join_next().is_some() {}
        }
    };
    tokio::select! {
        () = stopped(&mut shutdown) => {}
        () = accept => {}
    }
    drop(listener);
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = time::timeout(END_TIME, all).await;
    connections.shutdown().await;
}

async fn connection(stream: TcpStream, router: Router, mut shutdown: watch::Receiver<bool>) {
    // Answers are small and asked one by one: without this each could wait for an acknowledgement.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => Some(ended),
        () = stopped(&mut shutdown) => None,
        () = time::sleep(CONNECTION_TIME) => None,
    };
    if ended.is_none() {
        connection.as_mut().graceful_shutdown();
        let _ = time::timeout(END_TIME, connection).await;
    }
}

/// Ends when the flag is up, or nobody is left to raise it.
async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    while !*shutdown.borrow_and_update() && shutdown.changed().await.is_ok() {}
}
