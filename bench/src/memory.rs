//! Memory by viewer: of the process, and of the kernel for its sockets on both legs.
//!
//! Each proxy is started afresh for each kind of viewer, so that no figure hides in what an earlier kind left behind.
//! Absent on purpose: the memory of node and viewers, and what the kernel needs for a socket that holds nothing.

use std::rc::Rc;
use std::time::Duration;

use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, sleep_until};

use self::figures::{Report, Row};
use self::held::{Held, Scene};
use self::own::Own;
use self::sockets::Legs;
use crate::film::Film;
use crate::origin::Origin;
use crate::peers::{GateSetting, Peer, Unmeasured};
use crate::process::{Cores, LOOK, Place, Server, claim_files};
use crate::run::{Common, Told, machine};
use crate::{Failure, say};

pub(crate) use self::held::Kind;

pub(crate) mod figures;
mod held;
mod own;
mod sockets;

/// Larger than a window of the gate.
const FILM: Film = Film { bytes: 256 << 20 };
/// What the kernel holds for the node at most, by connection: the machine's limit of TCP memory is the proxies' to use.
const NODE_SEND_BUFFER: &str = "256k";
/// The gate reckons with two files for each viewer, and so must the limit that it inherits.
const FILES_PER_VIEWER: u64 = 2;
/// Files that are none of a viewer's.
const FILES_BESIDE: u64 = 1024;
/// First look after the last viewer has come to its state, in seconds.
const SOON_S: u64 = 3;
/// Second look, after the time when the gate gives a node free, in seconds.
const AFTER_PARKING_S: u64 = 2;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    settings: Settings,
    #[command(flatten)]
    common: Common,
}

/// How much is measured.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Settings {
    /// Connections that are kept alive after one small request each
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=30_000))]
    pub(crate) idle: u32,
    /// Viewers who are slow (30 kB/s), and as many who pause after 4 MiB
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=5000))]
    pub(crate) viewers: u32,
    /// The same for other proxies than the gate, which need more of the machine's TCP memory for each
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(u32).range(1..=5000))]
    pub(crate) others: u32,
    /// After so many seconds behind its viewer the gate gives a node free
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(5..=600))]
    pub(crate) park_after: u64,
    /// Receive buffer of each slow or paused viewer; 0: as the kernel chooses
    #[arg(long, default_value_t = 128, value_parser = clap::value_parser!(u32).range(0..=65_536), value_name = "KIB")]
    pub(crate) viewer_buffer: u32,
    /// Which proxies, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "gate,nginx,pingora")]
    pub(crate) peers: Vec<Peer>,
    /// Which kinds of viewers, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "idle,slow,paused")]
    pub(crate) kinds: Vec<Kind>,
}

/// What all scenes have in common.
struct Bench<'a> {
    args: &'a Settings,
    /// So many viewers fit into the table of open files.
    fit: u32,
    place: &'a Place,
    core: usize,
    origin: Origin,
}

/// Measures and reports.
///
/// # Errors
/// [`Failure`]: the node failed, or this machine lacks something. A proxy's fault is in the report instead of its
/// figures.
pub(crate) fn run(args: &Args) -> Result<Told, Failure> {
    let cores = Cores::take()?;
    args.common.tell(async {
        let place = args.common.place()?;
        measure(&args.settings, &place, cores).await
    })
}

/// The same, with everything at hand.
///
/// # Errors
/// As [`run`].
pub(crate) async fn measure(args: &Settings, place: &Place, cores: Cores) -> Result<Report, Failure> {
    LocalSet::new().run_until(scenes(args, place, cores)).await
}

async fn scenes(args: &Settings, place: &Place, cores: Cores) -> Result<Report, Failure> {
    let files = claim_files(FILES_PER_VIEWER * u64::from(args.idle.max(args.viewers)) + FILES_BESIDE)?;
    let fit = u32::try_from(files.saturating_sub(FILES_BESIDE) / FILES_PER_VIEWER).unwrap_or(u32::MAX);
    if fit < args.idle.max(args.viewers) {
        say(&format!("{fit} viewers at most: {files} open files are allowed (ulimit -Hn)"));
    }
    let origin = Origin::start(place, cores.load, FILM, Some(NODE_SEND_BUFFER)).await?;
    let bench = Bench { args, fit, place, core: cores.measured, origin };
    let (mut rows, mut unmeasured, mut scene) = (Vec::new(), Vec::new(), 0);
    for &peer in &args.peers {
        if let Some(why) = peer.missing() {
            unmeasured.push(Unmeasured::skipped(peer.name(), why));
            continue;
        }
        for &kind in &args.kinds {
            say(&format!("{}: {} ...", peer.name(), kind.name()));
            scene += 1;
            let found = match bench.start(peer).await {
                Ok(server) => bench.scene(peer, server, kind, scene).await,
                Err(failure) => {
                    // It will not start for the other kinds either.
                    unmeasured.push(Unmeasured::failed(peer.name(), failure.to_string()));
                    break;
                }
            };
            match found {
                Ok(found) => rows.extend(found),
                Err(failure @ Failure::Misbehaved(_)) => {
                    unmeasured.push(Unmeasured::failed(peer.name(), format!("{}: {failure}", kind.name())));
                }
                Err(failure) => return Err(failure),
            }
        }
    }
    let load = format!(
        "Receive buffer of slow and paused viewers {} KiB, of the node's sending side {NODE_SEND_BUFFER}; nodes \
         given free after {} s",
        args.viewer_buffer, args.park_after
    );
    Ok(Report { machine: machine()?, load, rows, unmeasured })
}

impl Bench<'_> {
    async fn start(&self, peer: Peer) -> Result<Server, Failure> {
        let setting = GateSetting { park_after: Some(Duration::from_secs(self.args.park_after)) };
        peer.start(self.place, self.core, self.origin.address, setting).await
    }

    /// A fresh proxy with one kind of viewers, until its end.
    async fn scene(&self, peer: Peer, server: Server, kind: Kind, number: u8) -> Result<Vec<Row>, Failure> {
        let complain = |complaint: String| server.misbehaved(&complaint);
        let count = match (kind, peer) {
            (Kind::Idle, _) => self.args.idle,
            (_, Peer::Gate) => self.args.viewers,
            _ => self.args.others,
        };
        let count = count.min(self.fit);
        let receive_buffer =
            (kind != Kind::Idle).then_some(self.args.viewer_buffer << 10).filter(|it| *it > 0);
        let scene =
            Rc::new(Scene::new(server.address, peer.path(), self.origin.film, number, receive_buffer));

        held::warm_up(&scene).await.map_err(complain)?;
        let legs = || Legs::of(server.address.port(), self.origin.address.port());
        settled(&legs).await?;
        let before = Own::of(server.id())?;

        let begun = Instant::now();
        let held = Held::gather(&scene, kind, count).await.map_err(complain)?;
        let in_place = Instant::now();
        say(&format!("  {count} viewers in place after {:.1} s", (in_place - begun).as_secs_f64()));
        let mut rows = Vec::new();
        for seconds in self.looks(kind) {
            sleep_until(in_place + Duration::from_secs(seconds)).await;
            let (own, legs, pressure) = (Own::of(server.id())?, legs()?, sockets::pressure()?);
            if legs.viewers.sockets < u64::from(count) {
                let left = legs.viewers.sockets;
                return Err(
                    server.misbehaved(&format!("holds only {left} of {count} viewers after {seconds} s"))
                );
            }
            let row = Row::new(peer, kind, seconds, count, own.since(&before), legs, pressure);
            say(&format!("  {row}"));
            rows.push(row);
        }
        held.release(&scene).await.map_err(complain)?;
        Ok(rows)
    }

    /// When to look, in seconds after the last viewer has come to its state.
    fn looks(&self, kind: Kind) -> Vec<u64> {
        let soon = std::iter::once(SOON_S);
        let later = (kind != Kind::Idle).then_some(self.args.park_after + AFTER_PARKING_S);
        soon.chain(later).collect()
    }
}

/// Waits until the proxy has noticed that the viewers of the warm-up are gone.
async fn settled(legs: &impl Fn() -> Result<Legs, Failure>) -> Result<(), Failure> {
    let begun = Instant::now();
    while legs()?.viewers.sockets > 0 && begun.elapsed() < Duration::from_secs(5) {
        sleep(LOOK).await;
    }
    Ok(())
}
