//! Processor time per redirect: the gate against a bare Pingora proxy, in turns, on one core.
//!
//! Servers that are compared run in one line-up. Absent on purpose: a verdict, and other servers than ours; both are
//! `compare`'s.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use self::figures::{Report, Row};
use self::lineup::{Lines, Runner};
use self::load::Shape;
use self::nodes::{AccessLine, Presence, Setting, USUAL};
use self::requests::{FILMS, PAIRS, Requests};
use self::servers::Servers;
use crate::Failure;
use crate::peers::Unmeasured;
use crate::process::Cores;
use crate::run::{Common, Told, machine};

pub(crate) mod figures;
pub(crate) mod lineup;
pub(crate) mod load;
pub(crate) mod nodes;
pub(crate) mod proof;
pub(crate) mod requests;
pub(crate) mod rivals;
pub(crate) mod servers;

/// Viewers with an address each, where nobody says otherwise.
pub(crate) const VIEWERS: u32 = 20_000;
/// A link as the gate makes them here, word by word as long; `watchgate-bench-bare` answers with the same.
const LINK: &str = concat!(
    "https://node-1.storage.films.example/movies/3d825f60-9fff-4dfe-b294-1a45fa1e115d.mp4",
    "?X-Amz-Algorithm=AWS4-HMAC-SHA256",
    "&X-Amz-Credential=watchgate-bench%2F20261123%2Fus-east-1%2Fs3%2Faws4_request",
    "&X-Amz-Date=20261123T120000Z&X-Amz-Expires=21900&X-Amz-SignedHeaders=host",
    "&X-Amz-Signature=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
);

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
    #[arg(long, default_value_t = VIEWERS, value_parser = clap::value_parser!(u32).range(5..=1_000_000))]
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
/// [`Failure`]: the yardstick failed. Another server's fault is in the report instead of its figures.
pub(crate) fn run(args: &Args) -> Result<Told, Failure> {
    let cores = Cores::take()?;
    args.common.tell(measure(args, cores))
}

async fn measure(args: &Args, cores: Cores) -> Result<Report, Failure> {
    let place = args.common.place()?;
    let servers = Servers::prepare(&place, cores.measured, args.city.as_deref(), args.viewers)?;
    let requests = Rc::new(Requests::of(&requests::drawn(&servers.viewers, FILMS, PAIRS)));
    let shape = Shape {
        connections: args.connections.into(),
        warm_up: Duration::from_millis(300),
        measured: Duration::from_secs(args.seconds),
        idle: Duration::ZERO,
    };
    let (mut rows, mut unmeasured) = (Vec::new(), Vec::new());
    for line_up in if args.brief { BRIEF } else { ALL } {
        let mut runners = Vec::new();
        for (index, (name, kind)) in line_up.iter().enumerate() {
            crate::say(&format!("starting: {name}"));
            let (server, lines) = match kind {
                Kind::Bare { arguments } => {
                    (servers.bare(&format!("bare-{index}"), arguments, &[]).await?, Lines::None)
                }
                Kind::Gate(setting) => {
                    let (gate, _) = servers.gate(&format!("gate-{index}"), setting, &[]).await?;
                    (gate, setting.lines())
                }
            };
            runners.push(Runner::new(*name, &Rc::new(server), &requests, shape, lines));
        }
        lineup::warm_up(&mut runners).await?;
        lineup::turns(&mut runners, args.rounds).await?;
        rows.extend(Row::of(&runners));
        unmeasured.extend(Unmeasured::of(&runners));
    }
    let load = format!(
        "{} rounds of {} s for each; {} keep-alive connections; {FILMS} films, {} viewers; servers on core {}, load on core {}",
        args.rounds,
        args.seconds,
        args.connections,
        servers.viewers.len(),
        cores.measured,
        cores.load
    );
    Ok(Report { machine: machine()?, load, database: servers.about, rows, unmeasured })
}
