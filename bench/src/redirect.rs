//! Processor time per redirect: the gate against a bare Pingora proxy, in turns, on one core.
//!
//! Servers that are compared run in one line-up: all of them are up, and each gets the load in its turn, round after
//! round. Absent on purpose: a verdict. The figures say what was measured; README.md says how to read them.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use self::figures::{Report, Row};
use self::load::{Round, Shape};
use self::nodes::{AccessLine, Fleet};
use self::requests::Requests;
use crate::process::{Cores, Place, Server, read};
use crate::{Failure, say};

mod city;
mod figures;
mod gate;
mod load;
mod nodes;
mod requests;

/// A node takes more viewers than all rounds bring: the choice is by place.
const ROOMY: u32 = 1_000_000_000;

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
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Where the built programs lie [default: beside this one]
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
}

/// A server to measure.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Bare { arguments: &'static [&'static str] },
    Gate { nodes: usize, max_viewers: u32, access_line: AccessLine },
}

/// Measured side by side, the first being the yardstick.
type LineUp = &'static [(&'static str, Kind)];

const BARE: (&str, Kind) = ("bare Pingora, listening as the gate does", Kind::Bare { arguments: &[] });
const GATE: (&str, Kind) =
    ("gate, 5 nodes", Kind::Gate { nodes: 5, max_viewers: ROOMY, access_line: AccessLine::Written });

const BRIEF: &[LineUp] = &[&[BARE, GATE]];

/// The large fleet has a line-up of its own, because its thousand probes would disturb its neighbours.
const ALL: &[LineUp] = &[
    &[
        BARE,
        GATE,
        (
            "gate, 5 nodes, no access line",
            Kind::Gate { nodes: 5, max_viewers: ROOMY, access_line: AccessLine::Off },
        ),
        (
            "gate, 5 nodes, all over budget",
            Kind::Gate { nodes: 5, max_viewers: 1, access_line: AccessLine::Written },
        ),
        ("bare Pingora, Pingora's own Server", Kind::Bare { arguments: &["--server"] }),
    ],
    &[
        BARE,
        (
            "gate, 1,000 nodes",
            Kind::Gate { nodes: 1000, max_viewers: ROOMY, access_line: AccessLine::Written },
        ),
    ],
];

/// Measures and reports.
///
/// # Errors
/// [`Failure`]: there are no figures rather than wrong ones.
pub(crate) fn run(args: &Args) -> Result<String, Failure> {
    let cores = Cores::take()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Failure::during("a runtime"))?;
    let report = runtime.block_on(async {
        let failed = || Failure::during("signals");
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed())?;
        let mut terminate = signal(SignalKind::terminate()).map_err(failed())?;
        // Whatever ends it, the servers are dropped and end too.
        tokio::select! {
            report = measure(args, cores) => report,
            _ = interrupt.recv() => Err(Failure::NotHere("interrupted".to_owned())),
            _ = terminate.recv() => Err(Failure::NotHere("terminated".to_owned())),
        }
    })?;
    if args.json {
        let failed =
            |error| Failure::System { what: "the report as JSON".to_owned(), error: io::Error::from(error) };
        return serde_json::to_string_pretty(&report).map_err(failed);
    }
    Ok(report.table())
}

async fn measure(args: &Args, cores: Cores) -> Result<Report, Failure> {
    let scratch = tempfile::tempdir().map_err(Failure::during("a folder for logs"))?;
    let place = Place { programs: programs(args)?, scratch: scratch.path().to_owned() };
    let (database, about) = database(args, &place.scratch)?;
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
        for turn in 1..=rounds {
            for ((name, server, rounds), (_, kind)) in servers.iter_mut().zip(line_up) {
                server.forget_log()?;
                let round = load::round(server, &self.requests, self.shape).await?;
                if let Kind::Gate { access_line: AccessLine::Written, .. } = kind {
                    gate::wrote_its_lines(server, &round).await?;
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
            Kind::Gate { nodes, max_viewers, access_line } => {
                let (stub, database) = (self.stub, self.database.as_path());
                let fleet = Fleet { nodes, max_viewers, access_line, database, stub };
                gate::start(&self.place, self.core, &format!("gate-{index}"), address, &fleet).await
            }
        }
    }
}

/// A port of the loopback that nobody has now; whoever takes it in the meantime makes the run fail, not wrong.
fn free_address() -> Result<SocketAddr, Failure> {
    let free =
        std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    free.map_err(Failure::during("a free port"))
}

fn programs(args: &Args) -> Result<PathBuf, Failure> {
    if let Some(folder) = &args.programs {
        return std::path::absolute(folder).map_err(Failure::during(folder.display().to_string()));
    }
    let here = std::env::current_exe().map_err(Failure::during("the place of this program"))?;
    Ok(here.parent().map_or_else(PathBuf::new, Path::to_owned))
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
    let bytes = city::made()?;
    std::fs::write(&file, &bytes).map_err(Failure::during(file.display().to_string()))?;
    Ok((file, format!("City database: made, {} MB, 50,000 networks", bytes.len() / 1_000_000)))
}

fn machine() -> Result<String, Failure> {
    let processors = read("/proc/cpuinfo")?;
    let of = |field: &str| {
        let line = processors.lines().find(|line| line.starts_with(field));
        line.and_then(|line| line.split_once(':')).map_or("unknown", |(_, value)| value.trim()).to_owned()
    };
    let cores = processors.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = read("/proc/sys/kernel/osrelease")?;
    Ok(format!("Machine: {}, {cores} cores, Linux {}", of("model name"), kernel.trim()))
}
