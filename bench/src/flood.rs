//! Viewers of known films before, during and after a flood of names that nobody knows.
//!
//! One gate lives through all three phases, so that the last one shows what the flood leaves behind. Absent on purpose:
//! attacks on connections and on parsing; every request here is a proper one.

use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{JoinHandle, LocalSet};
use tokio::time::{sleep, timeout};

use self::figures::{Phase, Report};
use self::load::Line;
use self::look::{Look, watched};
use self::nodes::Library;
use crate::process::{Cores, Server, claim_files, free_address};
use crate::random::Random;
use crate::run::{Common, Told, machine};
use crate::schedule::{Late, Schedule};
use crate::stub::CITIES;
use crate::viewer::request;
use crate::{Failure, gate, say};

mod figures;
pub(crate) mod load;
mod look;
mod nodes;

/// Connections of those who watch known films.
const KNOWN_CONNECTIONS: u32 = 64;
/// How long those who are late at the end of a phase are waited for.
const DRAIN: Duration = Duration::from_secs(30);
/// The gate asks again for what is watched after half of `presence.positive_ttl`, which is a minute by default.
const ASKED_AGAIN_S: u32 = 30;
/// The gate reckons with two files for each viewer, and so must the limit that it inherits.
const FILES_PER_CONNECTION: u64 = 2;
/// Files that are none of a viewer's.
const FILES_BESIDE: u64 = 2048;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Seconds of each phase
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    seconds: u32,
    /// Unknown names a second in the flood, each of them new
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    rate: u32,
    /// The flood ends after so many names instead of `--seconds`
    #[arg(long, value_name = "NAMES", value_parser = clap::value_parser!(u64).range(1..))]
    total: Option<u64>,
    /// Connections of the flood
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// Films that are held and watched
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    films: u32,
    /// Requests for them a second
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    known_rate: u32,
    /// The gate streams instead of redirecting
    #[arg(long)]
    stream: bool,
    #[command(flatten)]
    common: Common,
}

/// What the gate does with viewers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Redirect,
    Stream,
}

impl Mode {
    fn word(self) -> &'static str {
        match self {
            Self::Redirect => "redirect",
            Self::Stream => "stream",
        }
    }

    /// What a viewer asks for beside the film: a redirect is not followed, of a stream a piece is read.
    fn range(self) -> &'static str {
        match self {
            Self::Redirect => "",
            Self::Stream => "Range: bytes=0-1023\r\n",
        }
    }
}

/// Who asks in a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Traffic {
    /// Those who watch known films.
    Calm,
    /// The flood as well.
    Flood,
}

/// A gate before its nodes.
struct Bench<'a> {
    args: &'a Args,
    mode: Mode,
    gate: Server,
    admin: SocketAddr,
    library: Arc<Library>,
}

/// Measures and reports.
///
/// # Errors
/// [`Failure`]: there are no figures rather than wrong ones.
pub(crate) fn run(args: &Args) -> Result<Told, Failure> {
    let cores = Cores::take()?;
    args.common.tell(async { LocalSet::new().run_until(measure(args, cores)).await })
}

async fn measure(args: &Args, cores: Cores) -> Result<Report, Failure> {
    if args.films > args.known_rate * ASKED_AGAIN_S {
        return Err(Failure::NotHere(format!(
            "a film that is asked for more rarely than every {ASKED_AGAIN_S} s is not watched: at most {} --films \
             at this --known-rate",
            args.known_rate * ASKED_AGAIN_S
        )));
    }
    let files = FILES_PER_CONNECTION * u64::from(args.connections + KNOWN_CONNECTIONS) + FILES_BESIDE;
    if claim_files(files)? < files {
        return Err(Failure::NotHere(format!(
            "{files} open files are needed (ulimit -Hn): take fewer --connections"
        )));
    }
    let place = args.common.place()?;
    let mode = if args.stream { Mode::Stream } else { Mode::Redirect };
    let library = Arc::new(Library::new(usize::try_from(args.films).unwrap_or_default()));
    let (address, admin, stub) = (free_address()?, free_address()?, nodes::start(&library)?);
    let config = nodes::config(address, admin, stub, mode);
    say("starting the gate ...");
    let gate = gate::start(&place, cores.measured, "gate", address, admin, CITIES.len(), &config).await?;
    let bench = Bench { args, mode, gate, admin, library };
    bench.warm_up().await?;
    let phases = [
        bench.phase("calm", Traffic::Calm).await?,
        bench.phase("flood", Traffic::Flood).await?,
        bench.phase("calm again", Traffic::Calm).await?,
    ];
    let load = format!(
        "Mode {}; {} films asked for in turn, {} a second over {KNOWN_CONNECTIONS} connections; the flood over {} more; \
         {} nodes, one of them the source; gate on core {}, nodes and load on core {}",
        mode.word(),
        args.films,
        args.known_rate,
        args.connections,
        CITIES.len(),
        cores.measured,
        cores.load
    );
    let needed_per_s = f64::from(args.films) * CITIES.len() as f64 / f64::from(ASKED_AGAIN_S);
    Ok(Report::new(machine()?, load, mode.word(), needed_per_s, phases))
}

impl Bench<'_> {
    /// Asks for every film once, so that all of them are known.
    async fn warm_up(&self) -> Result<(), Failure> {
        say("asking for every film once ...");
        let line = self.known(u64::from(self.args.films));
        let mut workers = line.work(KNOWN_CONNECTIONS);
        line.tickets.issue().await?;
        ended(&mut workers).await?;
        let refused = figures::refused(&line.tally.statuses(), figures::KNOWN_STATUSES);
        match (line.tally.complaint(), refused) {
            (Some(complaint), _) => Err(self.gate.misbehaved(&complaint)),
            (None, 1..) => {
                let statuses = line.tally.statuses();
                Err(self.gate.misbehaved(&format!("answered known films with {statuses:?}")))
            }
            (None, 0) => Ok(()),
        }
    }

    async fn phase(&self, name: &'static str, traffic: Traffic) -> Result<Phase, Failure> {
        let before = Look::now(&self.gate, self.admin, &self.library).await?;
        let known = self.known(u64::MAX);
        let unknown = (traffic == Traffic::Flood).then(|| self.unknown());
        let memory = watched(&self.gate, self.drive(&known, unknown.as_ref())).await?;
        let after = Look::now(&self.gate, self.admin, &self.library).await?;
        let (known, unknown) = (&known, unknown.as_deref().map(|line| (line, self.args.rate)));
        let phase = Phase::new(name, after.since(&before), memory, known, unknown);
        say(&format!("{phase}"));
        Ok(phase)
    }

    /// Until the phase is over and every request that was sent is answered or given up.
    async fn drive(&self, known: &Rc<Line>, unknown: Option<&Rc<Line>>) -> Result<(), Failure> {
        let mut watching = known.work(KNOWN_CONNECTIONS);
        let phase = async {
            match unknown {
                Some(unknown) => self.flood(unknown).await?,
                None => sleep(Duration::from_secs(self.args.seconds.into())).await,
            }
            known.tickets.stop(Late::Sent);
            Ok::<_, Failure>(())
        };
        tokio::try_join!(known.tickets.issue(), phase)?;
        if let Ok(ended) = timeout(DRAIN, ended(&mut watching)).await {
            return ended;
        }
        known.tickets.stop(Late::GivenUp);
        ended(&mut watching).await
    }

    async fn flood(&self, unknown: &Rc<Line>) -> Result<(), Failure> {
        let mut flooding = unknown.work(self.args.connections);
        if self.args.total.is_some() {
            unknown.tickets.issue().await?;
        } else {
            let seconds = Duration::from_secs(self.args.seconds.into());
            if let Ok(failed) = timeout(seconds, unknown.tickets.issue()).await {
                failed?;
            }
            unknown.tickets.stop(Late::GivenUp);
        }
        ended(&mut flooding).await
    }

    /// Known films in turn, by viewers from everywhere.
    fn known(&self, total: u64) -> Rc<Line> {
        let schedule = Schedule { begun: Instant::now(), rate: self.args.known_rate, total };
        let (library, range, mut turn) = (Arc::clone(&self.library), self.mode.range(), 0);
        let mut viewers = Random::new(8);
        Line::new(self.gate.address, schedule, move || {
            let film = &library.films[turn % library.films.len()];
            turn += 1;
            question(film, range, &mut viewers)
        })
    }

    /// Names that nobody knows; 122 bits of each are drawn, so that none comes twice.
    fn unknown(&self) -> Rc<Line> {
        let total = self.args.total.unwrap_or(u64::MAX);
        let schedule = Schedule { begun: Instant::now(), rate: self.args.rate, total };
        let (range, mut names, mut viewers) = (self.mode.range(), Random::new(9), Random::new(10));
        Line::new(self.gate.address, schedule, move || question(&names.uuid(), range, &mut viewers))
    }
}

fn question(film: &str, range: &str, viewers: &mut Random) -> String {
    let viewer = nodes::viewer(viewers);
    request(&format!("/watch/{film}"), &format!("X-Forwarded-For: {viewer}\r\n{range}"))
}

/// Waits for the end of all of them. Those that have ended are out of the list whenever this is given up.
async fn ended(workers: &mut Vec<JoinHandle<()>>) -> Result<(), Failure> {
    while let Some(worker) = workers.last_mut() {
        let panicked = |error| Failure::Misbehaved(format!("the load generator: {error}"));
        worker.await.map_err(panicked)?;
        workers.pop();
    }
    Ok(())
}
