//! A drill: nodes die, freeze, lie and come back while viewers watch, and the gate is held to its promises.
//!
//! A stage of three nodes lives through all faults; each fault gets gates of its own, films of its own, and an audience
//! in each mode at once. What is done and promised is data (`catalogue`), what it means is pure (`judge`). Absent on
//! purpose: load, and any look into the gate but over its listeners and its log.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::ValueEnum;

use self::catalogue::{Fault, Harm, Promise, STORIES, Story};
use self::figures::{Report, Row};
use self::film::{Film, Reel};
use self::nodes::{Kind, Nodes};
use self::play::{Cast, play};
use self::scene::{CATALOG, FEW_FILES, Held, Real, listed};
use self::times::{Pick, Times};
use self::visit::Door;
use self::world::{Films, Size, World};
use crate::process::Place;
use crate::random::Random;
use crate::relay::Relay;
use crate::run::{Common, Told, machine};
use crate::stage::{BUCKET, CITIES, Gate, Mode, SECRET_KEY, Setup};
use crate::{Failure, say};

mod audience;
mod catalogue;
mod client;
mod figures;
mod film;
mod judge;
mod look;
mod nodes;
mod play;
mod scene;
mod seen;
#[cfg(test)]
mod tests;
mod times;
mod visit;
mod world;

/// The node that is harmed: a replica, and most viewers' nearest.
const NEAR: usize = 1;
/// Bytes of the short film: more than any fault lets through.
const CLIP_BYTES: u64 = 256 << 10;
/// Own nodes give so many times the viewers' pace to each connection.
const NARROW: u64 = 6;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which nodes
    #[arg(long, value_enum, default_value = "own")]
    nodes: Kind,
    /// What the gates do with viewers; with both, each fault meets two gates at once
    #[arg(long, value_enum, default_value = "both")]
    mode: Modes,
    /// The gates' health checks and limits
    #[arg(long, value_enum, default_value = "default")]
    times: Pick,
    /// Which faults, separated by commas; all without it
    #[arg(long, value_delimiter = ',', value_enum)]
    faults: Vec<Fault>,
    /// The form for CI: short times, fewer viewers, most faults
    #[arg(long, conflicts_with = "times")]
    short: bool,
    /// Writes the report into this file, too
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Modes {
    Stream,
    Redirect,
    Both,
}

impl Modes {
    fn list(self) -> &'static [Mode] {
        match self {
            Self::Stream => &[Mode::Stream],
            Self::Redirect => &[Mode::Redirect],
            Self::Both => &[Mode::Stream, Mode::Redirect],
        }
    }
}

/// Plays and reports.
///
/// # Errors
/// [`Failure`]: a program is missing. A fault that could not be played is in the report.
pub(crate) fn run(args: &Args) -> Result<Told, Failure> {
    if let Some(file) = &args.save {
        // Minutes later is too late to learn that it cannot be written.
        fs::write(file, "").map_err(Failure::during(file.display().to_string()))?;
    }
    let told = args.common.tell(drill(args))?;
    if let Some(file) = &args.save {
        let text = format!("{}\n", told.text);
        fs::write(file, text).map_err(Failure::during(file.display().to_string()))?;
    }
    Ok(told)
}

async fn drill(args: &Args) -> Result<Report, Failure> {
    let place = args.common.place()?;
    let pick = if args.short { Pick::Short } else { args.times };
    let times = Times::of(pick);
    let mut nodes = None;
    let chosen = |story: &&Story| {
        let named = args.faults.contains(&story.fault);
        named || args.faults.is_empty() && (story.short || !args.short)
    };
    let mut rows = Vec::new();
    for story in STORIES.iter().filter(chosen) {
        let harm = match args.nodes {
            Kind::Own => story.own,
            Kind::Minio => story.minio,
        };
        let mut row =
            Row { fault: story.fault, verdicts: Vec::new(), late_ms: 0, skipped: None, failed: None };
        let name = story.fault.name();
        match harm {
            Err(why) => {
                say(&format!("{name}: skipped: {why}"));
                row.skipped = Some(why.to_owned());
            }
            Ok(harm) => {
                let begun = Instant::now();
                let number = rows.len() as u64;
                let playing = Playing { args, place: &place, times, story, harm, number };
                match playing.play(&mut nodes).await {
                    Ok(log) => {
                        let verdict = |gate| judge::verdict(story, &times, &log, gate);
                        row.verdicts = log.gates.iter().map(verdict).collect();
                        row.late_ms = log.late_ms;
                        if log.gates.iter().any(|gate| judge::met_nobody(&log, gate)) {
                            row.failed = Some("no viewer met the fault: it proves nothing".to_owned());
                        }
                    }
                    // The next one would lack it, too.
                    Err(failure @ Failure::NotHere(_)) => return Err(failure),
                    Err(failure) => {
                        row.failed = Some(failure.to_string());
                        // Nobody knows what state it was left in.
                        nodes = None;
                    }
                }
                if args.nodes == Kind::Minio {
                    // What MinIO failed to replicate it tries again minutes later: nothing is proven recovered.
                    nodes = None;
                }
                told(&row, begun.elapsed());
            }
        }
        rows.push(row);
    }
    let (times, slack_ms) = (times.told(), times.slack_ms);
    Ok(Report { machine: machine()?, nodes: args.nodes, times, slack_ms, rows })
}

/// The nodes, started if there are none.
async fn standing<'a>(
    nodes: &'a mut Option<Nodes>,
    place: &Place,
    kind: Kind,
) -> Result<&'a mut Nodes, Failure> {
    let started = if let Some(nodes) = nodes.take() {
        nodes
    } else {
        say("starting a source and two replicas ...");
        Nodes::start(place, kind).await?
    };
    Ok(nodes.insert(started))
}

fn told(row: &Row, took: Duration) {
    let name = row.fault.name();
    let took = took.as_secs_f64();
    if let Some(why) = &row.failed {
        say(&format!("{name}: not played as it should be: {why}"));
    }
    for verdict in &row.verdicts {
        let broken = verdict.promises.iter().filter(|held| held.broken.is_some()).count();
        let word = if broken == 0 { "kept".to_owned() } else { format!("{broken} BROKEN") };
        say(&format!(
            "{name}, {}: {} of {} viewers whole, longest silence {} ms: {word} ({took:.0} s)",
            verdict.mode.word(),
            verdict.whole,
            verdict.viewers,
            verdict.silence_ms
        ));
        for held in &verdict.promises {
            if let Some(seen) = &held.broken {
                say(&format!("  not kept: {}: {seen}", held.promise.short()));
            }
        }
    }
}

/// One fault on its way.
struct Playing<'a> {
    args: &'a Args,
    place: &'a Place,
    times: Times,
    story: &'a Story,
    harm: Harm,
    number: u64,
}

impl Playing<'_> {
    /// Takes the nodes that are standing, or starts some.
    async fn play(&self, nodes: &mut Option<Nodes>) -> Result<seen::Log, Failure> {
        let nodes = standing(nodes, self.place, self.args.nodes).await?;
        let (size, films, fresh) = (self.size(), self.films(), self.film(2, CLIP_BYTES));
        say(&format!("{}: films and gates ...", self.story.fault.name()));
        nodes.narrow(size.pace * NARROW).await?;
        for film in [&films.feature, &films.clip] {
            nodes.put(self.place, film, 0).await?;
        }
        let listed_films = vec![films.feature.clone(), films.clip.clone()];
        if self.harm == Harm::Catalog {
            nodes.put(self.place, &fresh, 0).await?;
            self.place.written(CATALOG, &listed(&listed_films.iter().collect::<Vec<_>>()))?;
        }
        let front = match self.harm {
            Harm::Relay(_) => Some(Relay::start(nodes.address(NEAR)).await?),
            _ => None,
        };
        let mut endpoints = [0, 1, 2].map(|node| nodes.address(node));
        if let Some(front) = &front {
            endpoints[NEAR] = front.address;
        }
        let gates = self.gates(endpoints).await?;
        let doors = self.args.mode.list().iter().zip(&gates);
        let doors = doors.map(|(&mode, gate)| (Door { mode, address: gate.address }, gate.admin)).collect();
        let mut private: Vec<String> = endpoints.iter().map(ToString::to_string).collect();
        private.extend([BUCKET.to_owned(), SECRET_KEY.to_owned()]);
        let cast = Cast { doors, harmed: self.harmed(), hold_ms: self.hold_ms() };
        let mut scene = Real {
            place: self.place,
            nodes,
            harm: self.harm,
            near: NEAR,
            times: self.times,
            gates,
            front,
            fresh,
            listed: listed_films,
            held: Held::default(),
        };
        say(&format!("{}: playing ...", self.story.fault.name()));
        play(World::new(self.times, size, films, private), &cast, &mut scene).await
    }

    async fn gates(&self, endpoints: [std::net::SocketAddr; CITIES.len()]) -> Result<Vec<Gate>, Failure> {
        let catalog = (self.harm == Harm::Catalog).then_some(CATALOG);
        let tables = self.times.tables(catalog);
        let files = (self.harm == Harm::GateFiles).then_some(FEW_FILES);
        let mut gates = Vec::new();
        for &mode in self.args.mode.list() {
            let setup = Setup { mode, endpoints, tables: &tables, files };
            gates.push(Gate::start(self.place, &setup).await?);
        }
        Ok(gates)
    }

    fn size(&self) -> Size {
        let (watching, every, pace) = if self.args.short { (4, 400, 1 << 20) } else { (8, 200, 2 << 20) };
        Size {
            watching,
            paused: 2,
            stream_every: Duration::from_millis(every),
            redirect_every: Duration::from_millis(if self.args.short { 100 } else { 50 }),
            pace,
        }
    }

    fn films(&self) -> Films {
        let size = self.size();
        let s = (self.times.settle_ms + self.hold_ms() + self.times.return_ms / 3) / 1000 + 1;
        Films { feature: self.film(0, size.pace * s), clip: self.film(1, CLIP_BYTES), fresh: None }
    }

    /// The film with this number in this story. Its second version is shorter.
    fn film(&self, number: u64, bytes: u64) -> Film {
        let seed = 10 * self.number + number + 1;
        let newer = Reel { bytes: bytes - 1000, seed: seed + 1_000_000 };
        Film { uuid: Random::new(seed).uuid(), reels: vec![Reel { bytes, seed }, newer] }
    }

    fn harmed(&self) -> Vec<usize> {
        match self.harm {
            Harm::GateFiles | Harm::Config | Harm::Catalog => Vec::new(),
            Harm::KillAll | Harm::TakeDown => vec![NEAR, 0, 2],
            _ => vec![NEAR],
        }
    }

    fn hold_ms(&self) -> u64 {
        let times = &self.times;
        let promised = match self.story.finder {
            _ if matches!(self.harm, Harm::Config | Harm::Catalog) => 0,
            _ if self.story.stream.contains(&Promise::NotSlow) => times.piece_ms(),
            catalogue::Finder::Probes => times.bound_ms() + times.slack_ms,
            catalogue::Finder::Presence => times.positive_ttl_ms + times.slack_ms,
            catalogue::Finder::Viewers => times.silence_ms(),
        };
        promised + times.longer_ms
    }
}
