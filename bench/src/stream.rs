//! Processor time per gibibyte of film: the gate against other proxies before the same node, in turns, on one core.
//!
//! All proxies are up, and each gets the viewers in its turn, round after round. The node and the viewers share the
//! other core. Absent on purpose: a verdict, and latency.

use self::figures::{Report, Row};
use self::load::Round;
use crate::film::Film;
use crate::origin::Origin;
use crate::peers::{GateSetting, Peer, Unmeasured};
use crate::process::{Cores, Place, Server};
use crate::run::{Common, Told, machine};
use crate::{Failure, say};

pub(crate) use self::load::Shape;

pub(crate) mod figures;
mod load;

/// What the others are compared with.
const YARDSTICK: Peer = Peer::Nginx;

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
    /// Seconds that each round measures; a paced one three times as many
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub(crate) seconds: u64,
    /// Rounds for each proxy and shape
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub(crate) rounds: u64,
    /// Size of the film, which lies in memory
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(16..=16384), value_name = "MIB")]
    pub(crate) film: u64,
    /// A round ends early when so much has been read
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=1024), value_name = "GIB")]
    pub(crate) round_max: u64,
    /// Which proxies, separated by commas; tuned nginx, the yardstick, always is
    #[arg(long, value_delimiter = ',', default_value = "nginx,nginx-default,haproxy,pingora,gate")]
    pub(crate) peers: Vec<Peer>,
    /// Which shapes of load, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "one,sixteen,paced")]
    pub(crate) shapes: Vec<Shape>,
}

/// Proxies that are still up after they were measured, and their node.
pub(crate) struct Stage {
    origin: Origin,
    candidates: Vec<Candidate>,
}

/// A proxy in the line-up, and what its rounds of one shape found. With a fault it is out of all that follow.
struct Candidate {
    peer: Peer,
    server: Server,
    rounds: Vec<Round>,
    fault: Option<String>,
}

/// Measures and reports.
///
/// # Errors
/// [`Failure`]: the node or the yardstick failed. Another proxy's fault is in the report instead of its figures.
pub(crate) fn run(args: &Args) -> Result<Told, Failure> {
    let cores = Cores::take()?;
    args.common.tell(async {
        let place = args.common.place()?;
        Ok(measure(&args.settings, &place, cores).await?.0)
    })
}

/// Measures, and leaves everything standing for a closer look.
///
/// # Errors
/// As [`run`].
pub(crate) async fn measure(
    args: &Settings,
    place: &Place,
    cores: Cores,
) -> Result<(Report, Stage), Failure> {
    say("writing the film and starting the node ...");
    let origin = Origin::start(place, cores.load, Film { bytes: args.film << 20 }, None).await?;
    let (mut candidates, mut unmeasured) = (Vec::new(), Vec::new());
    let others = args.peers.iter().copied().filter(|peer| *peer != YARDSTICK);
    for peer in std::iter::once(YARDSTICK).chain(others) {
        if let Some(why) = peer.missing() {
            unmeasured.push(Unmeasured::skipped(peer.name(), why));
            continue;
        }
        say(&format!("starting: {}", peer.name()));
        let setting = GateSetting { park_after: None };
        match prepared(peer, &origin, peer.start(place, cores.measured, origin.address, setting)).await {
            Ok(server) => candidates.push(Candidate { peer, server, rounds: Vec::new(), fault: None }),
            Err(failure) if peer == YARDSTICK => return Err(failure),
            Err(failure) => unmeasured.push(Unmeasured::failed(peer.name(), failure.to_string())),
        }
    }
    let mut rows = Vec::new();
    for &shape in &args.shapes {
        rows.extend(line_up(&mut candidates, shape, args, origin.film).await?);
    }
    let faults = candidates.iter().filter_map(|one| Some((one.peer.name(), one.fault.as_ref()?)));
    let faults = faults.map(|(name, fault)| Unmeasured::failed(name, fault));
    unmeasured.extend(faults);
    let load = format!(
        "{} rounds of {} s, paced ones {} s, at most {} GiB, for each; a film of {} MiB; proxies on core {}, node and viewers on core {}",
        args.rounds,
        args.seconds,
        load::PACED_TIMES * args.seconds,
        args.round_max,
        args.film,
        cores.measured,
        cores.load
    );
    let report = Report { machine: machine()?, load, rows, unmeasured };
    Ok((report, Stage { origin, candidates }))
}

impl Stage {
    /// The gate, if it is sound.
    pub(crate) fn gate(&self) -> Option<&Server> {
        let gate = self.candidates.iter().find(|one| one.peer == Peer::Gate && one.fault.is_none());
        gate.map(|gate| &gate.server)
    }

    /// Lets viewers watch through the gate once more.
    ///
    /// # Errors
    /// The gate lets one of them down.
    pub(crate) async fn once_more(&self, gate: &Server, shape: Shape, seconds: u64) -> Result<(), Failure> {
        // A paced round lasts several times as long as it is told.
        let seconds = if shape == Shape::Paced { seconds.div_ceil(load::PACED_TIMES) } else { seconds };
        let limits = load::Limits { seconds, bytes: u64::MAX >> 1 };
        load::round(gate, Peer::Gate, self.origin.film, shape, limits).await.map(drop)
    }
}

/// Starts a proxy, and sees it deliver the whole film once before anything is measured.
async fn prepared(
    peer: Peer,
    origin: &Origin,
    start: impl Future<Output = Result<Server, Failure>>,
) -> Result<Server, Failure> {
    let server = start.await?;
    load::whole(&server, peer, origin.film).await?;
    Ok(server)
}

/// One shape for all proxies that are still sound, round after round; who begins changes from turn to turn.
async fn line_up(
    candidates: &mut [Candidate],
    shape: Shape,
    args: &Settings,
    film: Film,
) -> Result<Vec<Row>, Failure> {
    let limits = load::Limits { seconds: args.seconds, bytes: args.round_max << 30 };
    for candidate in &mut *candidates {
        candidate.rounds.clear();
    }
    for turn in 0..args.rounds {
        for index in 0..candidates.len() {
            let first = usize::try_from(turn).unwrap_or_default();
            let index = (first + index) % candidates.len();
            let Candidate { peer, server, rounds, fault } = &mut candidates[index];
            if fault.is_some() {
                continue;
            }
            match load::round(server, *peer, film, shape, limits).await {
                Ok(round) => {
                    say(&format!("{}, round {}: {round}, {}", shape.name(), turn + 1, peer.name()));
                    rounds.push(round);
                }
                Err(failure) if *peer == YARDSTICK => return Err(failure),
                Err(failure) => *fault = Some(format!("{}: {failure}", shape.name())),
            }
        }
    }
    let [Candidate { rounds: yardstick, .. }, ..] = &*candidates else { return Ok(Vec::new()) };
    let sound = candidates.iter().filter(|candidate| candidate.fault.is_none());
    Ok(sound.map(|one| Row::new(shape, one.peer, &one.rounds, yardstick)).collect())
}
