//! Viewers that are held in a state while memory is looked at: idle, slow, or paused.
//!
//! At the end each kind proves that it was no pretence: slow viewers have read the film's bytes all along, and some of
//! the paused ones go on. Absent on purpose: speed.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use serde::{Serialize, Serializer};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{Instant, sleep, sleep_until};

use crate::film::Film;
use crate::viewer::{Scratch, Viewer, Wire, scratch};

/// Viewers that come at the same time.
const AT_ONCE: u32 = 64;
/// Viewers for each of the addresses that they come from: an address has some 28,000 ports.
const BY_ADDRESS: u32 = 10_000;
/// A small answer.
const SMALL: u64 = 1024;
/// What a viewer reads at full speed before it pauses.
const BEFORE_PAUSE: u64 = 4 << 20;
/// What it reads when it goes on: more than buffers on the way hold.
const AFTER_PAUSE: u64 = 16 << 20;
/// Paused viewers that go on.
const GO_ON: usize = 16;
/// A slow viewer's read, and the time between two.
const SLOW_READ: u64 = 3000;
const SLOW_EVERY: Duration = Duration::from_millis(100);

/// A kind of viewers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// Keep a connection after one small request
    Idle,
    /// Watch at 30 kB/s
    Slow,
    /// Read 4 MiB at full speed, then nothing
    Paused,
}

/// What the viewers of a scene share.
#[derive(Debug)]
pub(super) struct Scene {
    address: SocketAddr,
    path: String,
    film: Film,
    number: u8,
    receive_buffer: Option<u32>,
    scratch: Scratch,
    over: Cell<bool>,
}

/// Viewers in place.
#[derive(Debug)]
pub(super) struct Held {
    still: Vec<Viewer>,
    watching: Vec<JoinHandle<Result<(), String>>>,
}

/// By its name.
impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Slow => "slow, 30 kB/s",
            Self::Paused => "paused after 4 MiB",
        }
    }
}

impl Scene {
    pub(super) fn new(
        address: SocketAddr,
        path: String,
        film: Film,
        number: u8,
        receive_buffer: Option<u32>,
    ) -> Self {
        Self { address, path, film, number, receive_buffer, scratch: scratch(), over: Cell::new(false) }
    }

    async fn connect(&self, index: u32) -> Result<Viewer, String> {
        let host = u8::try_from(1 + index / BY_ADDRESS).unwrap_or(u8::MAX);
        let from = IpAddr::from(Ipv4Addr::new(127, 1, self.number, host));
        let wire = Wire { from: Some(from), receive_buffer: self.receive_buffer };
        Viewer::connect(self.address, self.film, wire).await
    }

    /// Connects, asks, and reads until so many bytes have come.
    async fn watch(&self, index: u32, first: Option<u64>, bytes: u64) -> Result<Viewer, String> {
        let mut viewer = self.connect(index).await?;
        let seen = viewer.ask(&self.path, first, &self.scratch).await?;
        self.read(&mut viewer, bytes.saturating_sub(seen)).await?;
        Ok(viewer)
    }

    async fn read(&self, viewer: &mut Viewer, bytes: u64) -> Result<(), String> {
        let mut missing = bytes;
        while missing > 0 {
            missing -= viewer.read(&self.scratch, missing).await?;
        }
        Ok(())
    }

    /// Reads at the slow pace until the scene is over.
    async fn read_slowly(self: Rc<Self>, mut viewer: Viewer, wait: Duration) -> Result<(), String> {
        // They do not march in step.
        sleep(wait).await;
        let (begun, mut seen) = (Instant::now(), 0);
        while !self.over.get() {
            seen += viewer.read(&self.scratch, SLOW_READ).await?;
            sleep_until(begun + SLOW_EVERY.mul_f64(seen as f64 / SLOW_READ as f64)).await;
        }
        Ok(())
    }
}

/// A few viewers who come, read a little, and go: what a proxy sets up once is then set up.
pub(super) async fn warm_up(scene: &Rc<Scene>) -> Result<(), String> {
    for index in 0..AT_ONCE {
        scene.watch(index, Some(SMALL), SMALL).await?;
    }
    Ok(())
}

impl Held {
    /// Brings so many viewers into their state. Must be called inside a `LocalSet`.
    ///
    /// # Errors
    /// The complaint of the first who was not served.
    pub(super) async fn gather(scene: &Rc<Scene>, kind: Kind, count: u32) -> Result<Self, String> {
        let next = Rc::new(Cell::new(0));
        let usher = || {
            let (scene, next) = (Rc::clone(scene), Rc::clone(&next));
            spawn_local(async move {
                let mut viewers = Vec::new();
                while next.get() < count {
                    let index = next.replace(next.get() + 1);
                    let viewer = match kind {
                        Kind::Idle => scene.watch(index, Some(SMALL), SMALL).await?,
                        Kind::Slow => scene.watch(index, None, 0).await?,
                        Kind::Paused => scene.watch(index, None, BEFORE_PAUSE).await?,
                    };
                    viewers.push(viewer);
                }
                Ok::<_, String>(viewers)
            })
        };
        let ushers: Vec<_> = (0..AT_ONCE.min(count)).map(|_| usher()).collect();
        let mut still = Vec::new();
        for usher in ushers {
            still.extend(usher.await.map_err(|panic| panic.to_string())??);
        }
        if kind != Kind::Slow {
            return Ok(Self { still, watching: Vec::new() });
        }
        let watch = |(index, viewer)| {
            let wait = SLOW_EVERY.mul_f64(f64::from(index) / f64::from(count));
            spawn_local(Rc::clone(scene).read_slowly(viewer, wait))
        };
        Ok(Self { still: Vec::new(), watching: (0..count).zip(still).map(watch).collect() })
    }

    /// Ends the scene.
    ///
    /// # Errors
    /// A slow viewer was let down meanwhile, or a paused one when it went on.
    pub(super) async fn release(mut self, scene: &Scene) -> Result<(), String> {
        scene.over.set(true);
        for watching in self.watching {
            watching.await.map_err(|panic| panic.to_string())??;
        }
        // Idle ones have nothing left to read.
        for viewer in self.still.iter_mut().filter(|viewer| viewer.left() > 0).take(GO_ON) {
            scene.read(viewer, AFTER_PAUSE).await?;
        }
        Ok(())
    }
}
