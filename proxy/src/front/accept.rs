//! The accept loop: takes connections in, counts them, and ends them in an orderly way.
//!
//! It knows nothing of films: an application of Pingora's and some listeners are all it needs, and tests bring their
//! own. The loop never spins and never ends by itself, whatever `accept` says. Absent on purpose: deciding who may
//! connect.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pingora::apps::ServerApp;
use prometheus::{IntGauge, Registry};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{self, Instant};

use crate::answer::wire::Wire;

mod trouble;

use trouble::{Burst, Say, Trouble};

/// The most connections at once. More wait in the kernel's queue until one ends.
pub const VIEWERS_MAX: u32 = 65_536;

/// After a stop is asked, connections that have no request yet stay so long: one may be on its way already.
const LINGER: Duration = Duration::from_millis(100);
/// Finished connections are cleared away at least this often.
const SWEEP: Duration = Duration::from_secs(1);
/// What the kernel accepted before the stop is taken over, up to this bound.
const LATE_MAX: usize = 4096;

/// How serving ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stopped {
    /// Connections that did not end within the grace time and were cut.
    pub cut: usize,
}

/// Places for viewers, shared by all listeners.
#[derive(Clone, Debug)]
pub(super) struct Room {
    places: Arc<Semaphore>,
    taken: IntGauge,
}

/// One viewer's place; given back when it is dropped, by a panic too.
struct Seat {
    _place: OwnedSemaphorePermit,
    taken: IntGauge,
}

impl Room {
    pub(super) fn new(viewers_max: u32, registry: &Registry) -> prometheus::Result<Self> {
        let taken = IntGauge::new("watchgate_viewer_connections", "Viewers' connections that are open.")?;
        registry.register(Box::new(taken.clone()))?;
        let places = usize::try_from(viewers_max).unwrap_or(Semaphore::MAX_PERMITS);
        Ok(Self { places: Arc::new(Semaphore::new(places)), taken })
    }

    fn seat(&self, place: OwnedSemaphorePermit) -> Seat {
        self.taken.inc();
        Seat { _place: place, taken: self.taken.clone() }
    }

    async fn place(&self, full: &mut Burst) -> OwnedSemaphorePermit {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return place;
        }
        if full.is_new(Instant::now().into_std()) {
            let connections = self.taken.get();
            tracing::warn!(connections, "every place is taken: new viewers wait until one leaves");
        }
        // The semaphore is never closed.
        Arc::clone(&self.places).acquire_owned().await.expect("an open semaphore")
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.taken.dec();
    }
}

/// Serves all listeners until `shutdown` turns true, and then until the last connection ended or `grace` has passed.
pub(super) async fn serve<A>(
    app: &Arc<A>,
    listeners: Vec<TcpListener>,
    room: &Room,
    shutdown: &watch::Receiver<bool>,
    grace: Duration,
) -> Stopped
where
    A: ServerApp + Send + Sync + 'static,
{
    let mut loops = JoinSet::new();
    for listener in listeners {
        let door = Door {
            app: Arc::clone(app),
            room: room.clone(),
            shutdown: shutdown.clone(),
            connections: JoinSet::new(),
        };
        loops.spawn(door.run(listener, grace));
    }
    let mut all = Stopped::default();
    while let Some(one) = loops.join_next().await {
        // A loop that panicked has dropped its connections; the panic hook has told why.
        all.cut += one.unwrap_or_default().cut;
    }
    all
}

/// One listener's loop.
struct Door<A> {
    app: Arc<A>,
    room: Room,
    shutdown: watch::Receiver<bool>,
    connections: JoinSet<()>,
}

impl<A> Door<A>
where
    A: ServerApp + Send + Sync + 'static,
{
    async fn run(mut self, listener: TcpListener, grace: Duration) -> Stopped {
        self.accept(&listener).await;
        self.take_late(listener);
        self.end(grace).await
    }

    async fn accept(&mut self, listener: &TcpListener) {
        let mut stop = self.shutdown.clone();
        let stop = async move { while !*stop.borrow_and_update() && stop.changed().await.is_ok() {} };
        tokio::pin!(stop);
        let (mut trouble, mut full) = (Trouble::default(), Burst::default());
        loop {
            let place = tokio::select! {
                biased;
                () = &mut stop => return,
                place = self.room.place(&mut full) => place,
            };
            let accepted = tokio::select! {
                biased;
                () = &mut stop => return,
                accepted = listener.accept() => accepted,
                () = time::sleep(SWEEP), if !self.connections.is_empty() => {
                    self.sweep();
                    continue;
                }
            };
            match accepted {
                Ok((stream, peer)) => {
                    tell(trouble.over(), None);
                    self.take(stream, peer, place);
                    self.sweep();
                }
                Err(error) => {
                    let (pause, say) = trouble.failed(&error, Instant::now().into_std());
                    tell(say, Some(&error));
                    tokio::select! {
                        biased;
                        () = &mut stop => return,
                        () = time::sleep(pause) => {}
                    }
                }
            }
        }
    }

    fn take(&mut self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        let seat = self.room.seat(place);
        // Unbuffered: Pingora's HTTP session reads through a buffer of its own.
        let stream = Wire::new(stream, peer);
        let app = Arc::clone(&self.app);
        let shutdown = self.shutdown.clone();
        self.connections.spawn(async move {
            let _seat = seat;
            app.process_new(Box::new(stream), &shutdown).await;
        });
    }

    /// Frees what finished connections leave behind.
    fn sweep(&mut self) {
        while self.connections.try_join_next().is_some() {}
    }

    /// Closes the listener, but serves who had come in before: the kernel would reset those connections.
    fn take_late(&mut self, listener: TcpListener) {
        let Ok(listener) = listener.into_std() else { return };
        for _ in 0..LATE_MAX {
            let Ok(place) = Arc::clone(&self.room.places).try_acquire_owned() else { return };
            let Ok((stream, peer)) = listener.accept() else { return };
            let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            if let Ok(stream) = stream {
                self.take(stream, peer, place);
            }
        }
    }

    async fn end(mut self, grace: Duration) -> Stopped {
        let deadline = Instant::now() + grace;
        if time::timeout(LINGER.min(grace), self.drain()).await.is_ok() {
            return Stopped { cut: 0 };
        }
        // Ends every connection that waits for a request.
        ServerApp::cleanup(&*self.app).await;
        let _ = time::timeout_at(deadline, self.drain()).await;
        let cut = self.connections.len();
        self.connections.shutdown().await;
        Stopped { cut }
    }

    async fn drain(&mut self) {
        while self.connections.join_next().await.is_some() {}
    }
}

fn tell(say: Say, error: Option<&io::Error>) {
    match say {
        Say::Nothing => {}
        Say::Failing => tracing::warn!(error = error.map(tracing::field::display), "viewers cannot connect"),
        Say::Over { failures } => tracing::info!(failures, "viewers can connect again"),
    }
}

#[cfg(test)]
mod tests;
