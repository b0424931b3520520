//! Processor time per redirect: the gate against a bare Pingora proxy, in turns, on one core.
//!
//! Servers that are compared run in one line-up: all of them are up, and each gets the load in its turn, round after
//! round. Absent on purpose: a verdict. The figures say what was measured; README.md says how to read them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use self::figures::{Report, Row};
use self::load::{Round, Shape};
use self::nodes::{AccessLine, Fleet, Presence};
use self::requests::Requests;
use crate::city::Towns;
use crate::process::{Cores, Place, Server, free_address};
use crate::run::{Common, Told, machine};
use crate::stub::ROOMY;
use crate::{Failure, city, gate, say};

mod figures;
mod lines;
mod load;
mod nodes;
mod requests;

/// Rounds that are not measured.
const WARM_UP_ROUNDS: usize = 4;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Seconds that each round measures
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Rounds for each server
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u64).range(1..=1000))]
    rounds: u64,
    /// Connections that are kept alive
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1000))]
    connections: u16,
    /// Viewers with an address each
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(5..=1_000_000))]
    viewers: u32,
    /// A City database (.mmdb); without it one of 50,000 networks is made
    #[arg(long, value_name = "FILE")]
    city: Option<PathBuf>,
    /// Only the gate and the bare proxy, without the other rows
    #[arg(long)]
    brief: bool,
    #[command(flatten)]
    common: Common,
}

/// A server to measure.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Bare { arguments: &'static [&'static str] },
    Gate(Setting),
}

/// How a gate is set up.
#[derive(Clone, Copy, Debug)]
struct Setting {
    nodes: usize,
    max_viewers: u32,
    access_line: AccessLine,
    presence: Presence,
}

/// As an operator would have it.
const USUAL: Setting =
    Setting { nodes: 5, max_viewers: ROOMY, access_line: AccessLine::Written, presence: Presence::Asked };

/// Measured side by side, the first being the yardstick.
type LineUp = &'static [(&'static str, Kind)];

const BARE: (&str, Kind) = ("bare Pingora, listening as the gate does", Kind::Bare { arguments: &[] });
const GATE: (&str, Kind) = ("gate, 5 nodes", Kind::Gate(USUAL));
const UNASKED: (&str, Kind) =
    ("gate, 5 nodes, no presence", Kind::Gate(Setting { presence: Presence::Off, ..USUAL }));

const BRIEF: &[LineUp] = &[&[BARE, GATE, UNASKED]];

/// The large fleet has a line-up of its own, because its thousand probes would disturb its neighbours.
const ALL: &[LineUp] = &[
    &[
        BARE,
        GATE,
        UNASKED,
        ("gate, 5 nodes, no access line", Kind::Gate(Setting { access_line: AccessLine::Off, ..USUAL })),
        ("gate, 5 nodes, all over budget", Kind::Gate(Setting { max_viewers: 1, ..USUAL })),
        ("bare Pingora, Pingora's own Server", Kind::Bare { arguments: &["--server"] }),
    ],
    &[
        BARE,
        // Most of its viewers would be the first of their film near their node.
        (
            "gate, 1,000 nodes, no presence",
            Kind::Gate(Setting { nodes: 1000, presence: Presence::Off, ..USUAL }),
        ),
    ],
];

/// Measures and reports.
///
/// # Errors
/// [`Failure`]: there are no figures rather than wrong ones.
pub(crate) fn run(args: &Args) -> Result<Told, Failure> {
    let cores = Cores::take()?;
    args.common.tell(measure(args, cores))
}

async fn measure(args: &Args, cores: Cores) -> Result<Report, Failure> {
    let place = args.common.place()?;
    let (database, about) = database(args, place.scratch.path())?;
    say("drawing viewers from the database ...");
    let bytes = std::fs::read(&database).map_err(Failure::during(database.display().to_string()))?;
    let viewers = city::viewers(&bytes, usize::try_from(args.viewers).unwrap_or(usize::MAX))?;
    drop(bytes);
    let requests = Rc::new(Requests::draw(&viewers));
    let shape = Shape {
        connections: args.connections.into(),
        warm_up: Duration::from_millis(300),
        measured: Duration::from_secs(args.seconds),
    };
    let bench = Bench { place, core: cores.measured, stub: nodes::start()?, database, requests, shape };
    let mut rows = Vec::new();
    for line_up in if args.brief { BRIEF } else { ALL } {
        rows.extend(bench.line_up(line_up, args.rounds).await?);
    }
    let load = format!(
        "{} rounds of {} s for each; {} keep-alive connections; {} films, {} viewers; servers on core {}, load on core {}",
        args.rounds,
        args.seconds,
        args.connections,
        requests::FILMS,
        viewers.len(),
        cores.measured,
        cores.load
    );
    Ok(Report { machine: machine()?, load, database: about, rows })
}

/// What all line-ups have in common.
struct Bench {
    place: Place,
    core: usize,
    stub: SocketAddr,
    database: PathBuf,
    requests: Rc<Requests>,
    shape: Shape,
}

impl Bench {
    async fn line_up(&self, line_up: LineUp, rounds: u64) -> Result<Vec<Row>, Failure> {
        let mut servers = Vec::new();
        for &(name, kind) in line_up {
            say(&format!("starting: {name}"));
            servers.push((name, self.start(servers.len(), kind).await?, Vec::<Round>::new()));
        }
        for (name, server, _) in &mut servers {
            // A gate that asks who holds a film has to ask for all of them once.
            say(&format!("warming up: {name}"));
            for _ in 0..WARM_UP_ROUNDS {
                server.forget_log()?;
                load::round(server, &self.requests, self.shape).await?;
            }
        }
        for turn in 1..=rounds {
            for ((name, server, rounds), (_, kind)) in servers.iter_mut().zip(line_up) {
                server.forget_log()?;
                let round = load::round(server, &self.requests, self.shape).await?;
                if let Kind::Gate(Setting { access_line: AccessLine::Written, .. }) = kind {
                    lines::written(server, &round).await?;
                }
                say(&format!("round {turn}: {:6.2} µs, {name}", round.cpu_us()));
                rounds.push(round);
            }
        }
        let bare = &servers[0].2;
        Ok(servers.iter().map(|(name, _, rounds)| Row::new(name, rounds, bare)).collect())
    }

    async fn start(&self, index: usize, kind: Kind) -> Result<Server, Failure> {
        let address = free_address()?;
        match kind {
            Kind::Bare { arguments } => {
                let listen = address.to_string();
                let command = [&["watchgate-bench-bare", "--listen", &listen], arguments].concat();
                Server::start(&self.place, self.core, &format!("bare-{index}"), &command, address).await
            }
            Kind::Gate(Setting { nodes, max_viewers, access_line, presence }) => {
                let (stub, database) = (self.stub, self.database.as_path());
                let fleet = Fleet { nodes, max_viewers, access_line, presence, database, stub };
                let name = format!("gate-{index}");
                let admin = free_address()?;
                let config = nodes::config(address, admin, &fleet);
                gate::start(&self.place, self.core, &name, address, admin, nodes, &config).await
            }
        }
    }
}

/// The database's file, and what to say of it.
fn database(args: &Args, scratch: &Path) -> Result<(PathBuf, String), Failure> {
    if let Some(file) = &args.city {
        let failed = || Failure::during(file.display().to_string());
        let bytes = std::fs::metadata(file).map_err(failed())?.len();
        let file = std::path::absolute(file).map_err(failed())?;
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        return Ok((file, format!("City database: {name}, {} MB", bytes / 1_000_000)));
    }
    say("making a City database ...");
    let file = scratch.join("made.mmdb");
    let bytes = city::made(Towns::Anywhere)?;
    std::fs::write(&file, &bytes).map_err(Failure::during(file.display().to_string()))?;
    Ok((file, format!("City database: made, {} MB, 50,000 networks", bytes.len() / 1_000_000)))
}
