//! `plan`: what a fleet carries through an evening, and what happens when nodes die at its worst moment.
//!
//! Absent on purpose: a judgement on whether that is good enough, beyond whether budgets hold.

use std::path::PathBuf;

use clap::Args;

use crate::demand::At;
use crate::event::{Event, What, words};
use crate::fault::Failure;
use crate::fleet;
use crate::parallel;
use crate::sim::{Run, sites};
use crate::world::World;
use crate::worst::{WhatIf, worst};

use self::inputs::Inputs;
use self::report::Report;

mod inputs;
mod page;
pub mod report;
mod table;

/// How a node dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Fault {
    /// Without a word (power, network): connections stand still until time runs out
    Silent,
    /// Its process ends: connections are reset
    Reset,
}

/// How films reach viewers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// By a link to a node
    Redirect,
    /// Through the gate
    Stream,
}

/// Options of `plan`.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("nodes").required(true))]
pub struct PlanArgs {
    /// The gate's configuration; its secret files need not be there, and its environment is not looked at
    #[arg(long, value_name = "FILE", group = "nodes")]
    config: Option<PathBuf>,
    /// A made fleet instead: so many nodes in the world's largest cities, each with a budget for its own viewers
    #[arg(long, value_name = "N", group = "nodes", value_parser = clap::value_parser!(u32).range(1..=20_000))]
    fleet: Option<u32>,
    /// Of a made fleet: budgets are this many times what each node carries at the peak
    #[arg(long, value_name = "TIMES", default_value_t = 1.4)]
    headroom: f64,
    /// Instead of what the configuration says (made fleets: redirect)
    #[arg(long)]
    mode: Option<Mode>,
    /// Where viewers are: CSV with `share` and `country`, `lat` and `lon`, or `network` [default: all countries by their internet users]
    #[arg(long, value_name = "FILE")]
    mix: Option<PathBuf>,
    /// MMDB databases that addresses are looked up in and countries drawn from [default: those of the configuration, if
    /// the mix names networks]
    #[arg(long, value_name = "FILE")]
    city: Vec<PathBuf>,
    /// How many and when: CSV with `time` and `viewers` or `starts_per_s`, perhaps `bit_rate_kbps` and `view_minutes`
    /// [default: an evening, 18:00 to 24:30]
    #[arg(long, value_name = "FILE")]
    demand: Option<PathBuf>,
    /// Viewers at the peak; scales a demand file, too [default: 60 % of all budgets; 1,000 for each made node]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000_000_000))]
    viewers: Option<u64>,
    /// What a viewer reads, in kilobits a second, where the demand does not say it
    #[arg(long, value_name = "KBPS", default_value_t = 5_000.0)]
    bit_rate_kbps: f64,
    /// How long a viewer watches on average, where the demand does not say it
    #[arg(long, value_name = "MINUTES", default_value_t = 45.0)]
    view_minutes: f64,
    /// Films in the library
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    films: u32,
    /// Exponent of Zipf's law, by which films are watched
    #[arg(long, value_name = "S", default_value_t = 0.8)]
    zipf: f64,
    /// Nodes that die: ID[,ID...]@TIME
    #[arg(long, value_name = "WHO@TIME")]
    kill: Vec<String>,
    /// All nodes of a continent, of a country or in a circle die: europe@20:30, DE@20:30, LAT,LON,KM@20:30
    #[arg(long, value_name = "WHERE@TIME")]
    kill_region: Vec<String>,
    /// Nodes or regions that are there again
    #[arg(long = "return", value_name = "WHO@TIME")]
    returns: Vec<String>,
    /// Lets the worst ones die at the peak, each in a run of its own: which they are is found out
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    what_if: Vec<WhatIf>,
    /// How nodes die
    #[arg(long, default_value = "silent")]
    fault: Fault,
    /// An interrupted or refused viewer asks again after so many seconds on average
    #[arg(long, value_name = "SECONDS", default_value_t = 10.0)]
    retry: f64,
    /// What follows an event is looked at for so many minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 10.0)]
    watch: f64,
    /// Requests to the gate for each film that is started: players ask again for seeks
    #[arg(long, value_name = "N", default_value_t = 1.5)]
    requests: f64,
    /// Gates that share the viewers [default: as many as are needed, one to spare]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    gates: Option<u64>,
    /// What a gate spends, as JSON: `redirect_us`, `stream_s_per_gib`, `viewer_kib`, `viewer_kernel_kib`
    /// [default: 18, 0.8, 36, 786, from bench/README.md]
    #[arg(long, value_name = "FILE")]
    costs: Option<PathBuf>,
    /// Cores of a gate
    #[arg(long, value_name = "N", default_value_t = 2.0)]
    gate_cores: f64,
    /// The part of its cores that is planned with
    #[arg(long, value_name = "PART", default_value_t = 0.6)]
    gate_use: f64,
    /// A gate's link, of which four fifths are planned with
    #[arg(long, value_name = "GBPS", default_value_t = 10.0)]
    gate_gbps: f64,
    /// A gate's memory, of which four fifths are planned with
    #[arg(long, value_name = "GIB", default_value_t = 16.0)]
    gate_memory: f64,
    /// The same seed, the same plan to the byte
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Groups that stand for the viewers at the peak: more are finer and slower
    #[arg(long, value_name = "N", default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(1_000..=100_000_000))]
    groups: u64,
    /// Threads; the plan does not depend on them [default: one for each core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// JSON instead of tables
    #[arg(long)]
    json: bool,
    /// A page with plots and a map
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Nothing is said on stderr meanwhile
    #[arg(long)]
    quiet: bool,
}

/// Plans; returns what goes to stdout. `say` gets a line now and then.
///
/// # Errors
/// All faults of what was written; or a file.
pub fn run(args: &PlanArgs, say: &dyn Fn(&str)) -> Result<String, Failure> {
    let say = |text: &str| {
        if !args.quiet {
            say(text);
        }
    };
    let report = planned(args, &say)?;
    if let Some(file) = &args.report {
        std::fs::write(file, page::html(&report)).map_err(Failure::of(file))?;
        say(&format!("written: {}", file.display()));
    }
    if args.json {
        return serde_json::to_string_pretty(&report).map_err(|error| Failure::Ours(error.to_string()));
    }
    Ok(table::text(&report))
}

/// The plan itself.
///
/// # Errors
/// As [`run`].
pub fn planned(args: &PlanArgs, say: &dyn Fn(&str)) -> Result<Report, Failure> {
    let world = World::new();
    let Inputs { scene, places, events, gates, mut remarks } = inputs::read(args, &world, say)?;
    let sites = sites(&places, &scene.mix);
    let peak = scene.demand.peak();
    say(&format!("{} nodes, {} spots: up to the peak at {}", scene.config.nodes.len(), sites.len(), peak.at));
    let mut base = Run::new(&scene, &sites, events)?;
    base.run_to(peak.at);
    let standing = base.standing();
    let threads = args.threads.map_or_else(parallel::cores, usize::from);
    let mut runs = Vec::new();
    for end in ends(args, &base, peak.at, &world, threads, &mut remarks) {
        say(&format!("what if {}", end.words));
        runs.push((base.fork(vec![end])?, At(peak.at.0 + scene.terms.watch_ms)));
    }
    say("the rest of the evening");
    runs.insert(0, (base, scene.demand.end()));
    let mut runs = parallel::each(runs, threads, |(mut run, end)| {
        run.run_to(end);
        run
    })
    .into_iter();
    let base = runs.next().ok_or_else(|| Failure::Ours("no run".to_owned()))?;
    let what_ifs: Vec<Run<'_>> = runs.collect();
    Ok(Report::new(&report::Parts {
        scene: &scene,
        base: &base,
        standing,
        what_ifs: &what_ifs,
        gates,
        remarks,
    }))
}

/// The worst ends at the peak.
fn ends(
    args: &PlanArgs,
    base: &Run<'_>,
    peak: At,
    world: &World,
    threads: usize,
    remarks: &mut Vec<String>,
) -> Vec<Event> {
    let mut wanted = args.what_if.clone();
    wanted.sort_unstable();
    wanted.dedup();
    let nodes = fleet::named(base.config());
    let mut ends = Vec::new();
    for what in wanted {
        match worst(base, what, &nodes, world, threads) {
            Some(found) => ends.push(Event {
                words: words(&found.name, What::Kill, found.nodes.len()),
                at: peak,
                what: What::Kill,
                nodes: found.nodes,
            }),
            None => remarks.push(
                format!("what if {what:?}: the fleet is too small, nobody would be left").to_lowercase(),
            ),
        }
    }
    ends
}
