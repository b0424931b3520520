//! The viewers: one or sixteen as fast as they can, or two hundred at the pace of a film.
//!
//! A paced round is measured only after buffers on the way are full: from then on a proxy takes in what its viewers
//! read. Absent on purpose: simulated networks; loopback is the same for everybody, and fast enough that the proxy
//! works without pauses.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};
use tokio::sync::Notify;
use tokio::task::LocalSet;
use tokio::time::{sleep, sleep_until, timeout};

use crate::Failure;
use crate::film::Film;
use crate::peers::Peer;
use crate::process::Server;
use crate::viewer::{Scratch, Viewer, Wire, scratch};

/// A paced viewer reads so much at once, as players read ahead in pieces.
const PACED_READ: u64 = 64 << 10;

/// A paced round lasts so many times as long as another.
pub(super) const PACED_TIMES: u64 = 3;

/// How the load is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Shape {
    /// One viewer at full speed
    One,
    /// Sixteen viewers at full speed
    Sixteen,
    /// 200 viewers, each at 1 MiB/s
    Paced,
}

/// What ends a round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) seconds: u64,
    pub(super) bytes: u64,
}

/// What one round found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    /// Bytes of the film that viewers read meanwhile.
    pub(super) bytes: u64,
    /// Processor time of the proxy meanwhile, in nanoseconds.
    pub(super) used_ns: u64,
    pub(super) took: Duration,
}

/// What the viewers of a round share.
#[derive(Debug)]
struct Tally {
    film: Film,
    path: String,
    scratch: Scratch,
    bytes: Cell<u64>,
    enough_at: Cell<u64>,
    enough: Notify,
    over: Cell<bool>,
}

/// By its name.
impl Serialize for Shape {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

impl Shape {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::One => "1 viewer",
            Self::Sixteen => "16 viewers",
            Self::Paced => "200 viewers at 1 MiB/s",
        }
    }

    fn viewers(self) -> u32 {
        match self {
            Self::One => 1,
            Self::Sixteen => 16,
            Self::Paced => 200,
        }
    }

    /// Bytes per second and viewer.
    fn pace(self) -> Option<u64> {
        (self == Self::Paced).then_some(1 << 20)
    }

    /// How long a round measures, of so many seconds. Paced viewers are served in bursts of about a second.
    fn measured(self, seconds: u64) -> Duration {
        Duration::from_secs(if self == Self::Paced { PACED_TIMES * seconds } else { seconds })
    }

    /// Before the measuring starts.
    fn warm_up(self) -> Duration {
        Duration::from_millis(if self == Self::Paced { 4000 } else { 500 })
    }
}

impl Round {
    /// Processor seconds for each GiB.
    pub(super) fn cpu_s_per_gib(&self) -> f64 {
        self.used_ns as f64 / 1e9 / (self.bytes as f64 / f64::from(1 << 30))
    }

    /// MiB that arrived each second.
    pub(super) fn mib_per_s(&self) -> f64 {
        self.bytes as f64 / f64::from(1 << 20) / self.took.as_secs_f64()
    }

    /// The part of the core that the proxy had, 0 to 1.
    pub(super) fn busy(&self) -> f64 {
        self.used_ns as f64 / 1e9 / self.took.as_secs_f64()
    }
}

impl fmt::Display for Round {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{:.3} s/GiB at {:5.0} MiB/s", self.cpu_s_per_gib(), self.mib_per_s())
    }
}

impl Tally {
    fn new(peer: Peer, film: Film) -> Self {
        Self {
            film,
            path: peer.path(),
            scratch: scratch(),
            bytes: Cell::new(0),
            enough_at: Cell::new(u64::MAX),
            enough: Notify::new(),
            over: Cell::new(false),
        }
    }

    fn add(&self, bytes: u64) {
        let sum = self.bytes.get() + bytes;
        self.bytes.set(sum);
        if sum >= self.enough_at.get() {
            self.enough.notify_one();
        }
    }
}

/// Sees the proxy deliver the whole film, once, to one viewer.
///
/// # Errors
/// It does not, within half a minute.
pub(super) async fn whole(server: &Server, peer: Peer, film: Film) -> Result<(), Failure> {
    let tally = Tally::new(peer, film);
    let watched = async {
        let mut viewer = Viewer::connect(server.address, film, Wire::default()).await?;
        viewer.ask(&tally.path, None, &tally.scratch).await?;
        while viewer.left() > 0 {
            viewer.read(&tally.scratch, u64::MAX).await?;
        }
        Ok::<_, String>(())
    };
    let slow = || Err("has not delivered the film in 30 s".to_owned());
    let watched = timeout(Duration::from_secs(30), watched).await.unwrap_or_else(|_| slow());
    watched.map_err(|complaint| server.misbehaved(&complaint))
}

/// Drives the proxy for one round.
///
/// # Errors
/// The first answer that is not the film, or a viewer that was let down. Then there are no figures.
pub(super) async fn round(
    server: &Server,
    peer: Peer,
    film: Film,
    shape: Shape,
    limits: Limits,
) -> Result<Round, Failure> {
    let tally = Rc::new(Tally::new(peer, film));
    let viewers = LocalSet::new();
    let tasks: Vec<_> = (0..shape.viewers())
        .map(|index| viewers.spawn_local(viewer(server.address, shape, index, Rc::clone(&tally))))
        .collect();
    let measured = viewers.run_until(async {
        sleep(shape.warm_up()).await;
        let (before, bytes_before, begun) = (server.used()?, tally.bytes.get(), Instant::now());
        tally.enough_at.set(bytes_before + limits.bytes);
        // Which of the two came first does not matter: both are read now.
        let _ = timeout(shape.measured(limits.seconds), tally.enough.notified()).await;
        let (after, bytes, took) = (server.used()?, tally.bytes.get(), begun.elapsed());
        tally.over.set(true);
        Ok::<_, Failure>(Round { bytes: bytes - bytes_before, used_ns: after.since(&before), took })
    });
    let round = measured.await?;
    for task in tasks {
        let complaint = match viewers.run_until(task).await {
            Ok(Ok(())) => continue,
            Ok(Err(complaint)) => complaint,
            Err(panic) => panic.to_string(),
        };
        return Err(server.misbehaved(&complaint));
    }
    if round.bytes == 0 {
        return Err(server.misbehaved("sent nothing"));
    }
    Ok(round)
}

/// One connection: watches the film, again and again, until the round is over.
async fn viewer(
    address: std::net::SocketAddr,
    shape: Shape,
    index: u32,
    tally: Rc<Tally>,
) -> Result<(), String> {
    if shape.pace().is_some() {
        // Spread over the time of one read, so that they do not march in step.
        sleep(Duration::from_secs(1) * index / shape.viewers()).await;
    }
    let mut viewer = Viewer::connect(address, tally.film, Wire::default()).await?;
    let (begun, mut seen) = (tokio::time::Instant::now(), 0);
    while !tally.over.get() {
        let read = if viewer.left() == 0 {
            viewer.ask(&tally.path, None, &tally.scratch).await?
        } else {
            let at_most = shape.pace().map_or(u64::MAX, |_| PACED_READ);
            viewer.read(&tally.scratch, at_most).await?
        };
        tally.add(read);
        seen += read;
        if let Some(pace) = shape.pace() {
            sleep_until(begun + Duration::from_secs_f64(seen as f64 / pace as f64)).await;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_by_gibibyte() {
        let round = Round { bytes: 2 << 30, used_ns: 500_000_000, took: Duration::from_secs(4) };
        assert_eq!((round.cpu_s_per_gib(), round.mib_per_s(), round.busy()), (0.25, 512.0, 0.125));
    }
}
