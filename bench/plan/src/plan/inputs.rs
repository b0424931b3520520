//! From options and files to a scene. Whatever is wrong with them is said all at once.
//!
//! Absent on purpose: simulation, but for one moment of a made fleet whose budgets are to fit.

use std::fs;
use std::path::Path;

use watchgate::state::Snapshot;
use watchgate_config::{Config, Mode as ConfigMode};
use watchgate_geoip::Databases;

use super::{Fault, Mode, PlanArgs};
use crate::cost::{Costs, Gates, Machine, Wanted, gates};
use crate::demand::{Demand, Usual};
use crate::event::{Event, What};
use crate::fault::{Failure, Faults};
use crate::films::Films;
use crate::fleet::{self, Size};
use crate::mix::{Atlas, Mix};
use crate::sim::{Run, Scene, Terms, sites};
use crate::world::World;

/// Viewers at the peak for each node of a made fleet.
const VIEWERS_A_NODE: u64 = 1_000;
/// The part of all budgets that is taken for the peak where nobody says what it is.
const USUAL_PART: f64 = 0.6;
/// The budget of a node that takes everybody.
const ROOM: u32 = 1_000_000_000;
/// Groups that a made fleet is sized with.
const SIZING_GROUPS: u64 = 200_000;

/// Everything that a plan is made from.
pub(super) struct Inputs {
    pub(super) scene: Scene,
    /// For the places of viewers.
    pub(super) places: Snapshot,
    pub(super) events: Vec<Event>,
    pub(super) gates: Gates,
    pub(super) remarks: Vec<String>,
}

pub(super) fn read(args: &PlanArgs, world: &World, say: &dyn Fn(&str)) -> Result<Inputs, Failure> {
    let config = match (&args.config, args.fleet) {
        (Some(file), _) => Some(with_mode(fleet::read(file)?, args.mode)),
        _ => None,
    };
    let texts = Texts::read(args)?;
    let databases = databases(args, config.as_ref(), texts.mix.as_deref())?;
    let mut faults = Faults::default();
    check_numbers(args, &mut faults);
    let costs = texts.costs.as_deref().map_or(Some(Costs::default()), |text| {
        faults.keep(&name(args.costs.as_deref()), None, Costs::read(text))
    });
    if texts.mix.is_none() && databases.is_some() {
        say("drawing networks of all countries from the databases");
    }
    let atlas = Atlas { world, databases: databases.as_ref(), seed: args.seed };
    let mix = match &texts.mix {
        Some(text) => Mix::read(&name(args.mix.as_deref()), text, atlas, &mut faults),
        None => Some(Mix::of_users(atlas)),
    };
    let demand = demand(args, config.as_ref(), texts.demand.as_deref(), &mut faults);
    if let Some(config) = &config {
        // A made fleet's nodes are not known before the rest is right; those of a file are.
        let _ = events(args, config, world, &mut faults);
    }
    let ready = mix.zip(demand).zip(costs);
    let ((mix, demand), costs) = faults.settle(ready)?;
    let mut remarks = mix.remarks.clone();
    let unit = unit(demand.peak().viewers, args.groups);
    let films = Films::new(args.films, args.zipf, args.seed);
    let is_made = config.is_none();
    let config = match config {
        Some(config) => config,
        None => made(args, &[Size { max_viewers: ROOM }], world)?,
    };
    let is_stream = config.watch.mode == ConfigMode::Stream;
    let gates = gates(wanted(args, &demand, is_stream), machine(args), costs);
    let terms = terms(args, unit, args.gates.unwrap_or(gates.gates));
    let places = fleet::snapshot(config.clone(), databases.unwrap_or_else(Databases::empty))?;
    let mut scene = Scene { config, mix, demand, films, terms };
    if is_made {
        say("sizing the nodes of the made fleet");
        scene = sized(args, scene, &places, world)?;
    }
    let mut faults = Faults::default();
    let events = events(args, &scene.config, world, &mut faults);
    let events = faults.settle(Some(events))?;
    remarks.extend(assumptions(&scene.config));
    Ok(Inputs { scene, places, events, gates, remarks })
}

/// The files that may be given beside the configuration.
struct Texts {
    mix: Option<String>,
    demand: Option<String>,
    costs: Option<String>,
}

impl Texts {
    fn read(args: &PlanArgs) -> Result<Self, Failure> {
        let read = |file: &Option<std::path::PathBuf>| {
            file.as_ref().map(|file| fs::read_to_string(file).map_err(Failure::of(file))).transpose()
        };
        Ok(Self { mix: read(&args.mix)?, demand: read(&args.demand)?, costs: read(&args.costs)? })
    }
}

fn name(file: Option<&Path>) -> String {
    file.map_or_else(String::new, |file| file.display().to_string())
}

fn with_mode(mut config: Config, mode: Option<Mode>) -> Config {
    match mode {
        Some(Mode::Redirect) => config.watch.mode = ConfigMode::Redirect,
        Some(Mode::Stream) => config.watch.mode = ConfigMode::Stream,
        None => {}
    }
    config
}

/// Those that are named, or, if the mix has networks to look up, those of the configuration.
fn databases(
    args: &PlanArgs,
    config: Option<&Config>,
    mix: Option<&str>,
) -> Result<Option<Databases>, Failure> {
    if !args.city.is_empty() {
        return fleet::databases(&args.city).map(Some);
    }
    let has_networks = mix.and_then(|text| text.lines().find(|line| !line.starts_with('#')));
    let has_networks = has_networks.is_some_and(|header| header.to_ascii_lowercase().contains("network"));
    match config.filter(|config| has_networks && !config.geoip.databases.is_empty()) {
        Some(config) => fleet::databases(&config.geoip.databases).map(Some),
        None => Ok(None),
    }
}

fn check_numbers(args: &PlanArgs, faults: &mut Faults) {
    let mut check = |option: &str, number: f64, least: f64, most: f64| {
        if !(least..=most).contains(&number) {
            faults.push(option, None, &format!("{number} is not from {least} to {most}"));
        }
    };
    check("--headroom", args.headroom, 0.1, 100.0);
    check("--bit-rate-kbps", args.bit_rate_kbps, 1.0, 1e7);
    check("--view-minutes", args.view_minutes, 0.1, 1440.0);
    check("--zipf", args.zipf, 0.0, 5.0);
    check("--retry", args.retry, 0.1, 3600.0);
    check("--watch", args.watch, 0.5, 240.0);
    check("--requests", args.requests, 1.0, 1000.0);
    check("--gate-cores", args.gate_cores, 0.1, 1024.0);
    check("--gate-use", args.gate_use, 0.01, 1.0);
    check("--gate-gbps", args.gate_gbps, 0.01, 10_000.0);
    check("--gate-memory", args.gate_memory, 0.1, 100_000.0);
}

fn demand(
    args: &PlanArgs,
    config: Option<&Config>,
    text: Option<&str>,
    faults: &mut Faults,
) -> Option<Demand> {
    let usual = Usual { bit_rate_kbps: args.bit_rate_kbps, view_minutes: args.view_minutes };
    let viewers = args.viewers.map(|viewers| viewers as f64);
    if let Some(text) = text {
        return Demand::read(&name(args.demand.as_deref()), text, usual, viewers, faults);
    }
    let of_fleet = || match config {
        Some(config) => {
            let budgets: f64 = config.nodes.iter().map(|node| f64::from(node.max_viewers.get())).sum();
            (budgets * USUAL_PART).max(1.0)
        }
        None => (u64::from(args.fleet.unwrap_or(1)) * VIEWERS_A_NODE) as f64,
    };
    Some(Demand::evening(viewers.unwrap_or_else(of_fleet), usual))
}

fn events(args: &PlanArgs, config: &Config, world: &World, faults: &mut Faults) -> Vec<Event> {
    let nodes = fleet::named(config);
    let kinds = [
        ("--kill", What::Kill, &args.kill),
        ("--kill-region", What::Kill, &args.kill_region),
        ("--return", What::Return, &args.returns),
    ];
    let texts =
        kinds.iter().flat_map(|(option, what, texts)| texts.iter().map(move |text| (*option, *what, text)));
    texts
        .filter_map(|(option, what, text)| {
            let event = crate::event::read(text, what, &nodes, world);
            faults.keep(&format!("{option} {text}"), None, event)
        })
        .collect()
}

fn unit(viewers: f64, groups: u64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "viewers are some billions at most"
    )]
    let unit = (viewers / groups as f64).ceil() as u64;
    unit.max(1)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be some hours at most"
)]
fn terms(args: &PlanArgs, unit: u64, gates: u64) -> Terms {
    Terms {
        seed: args.seed,
        unit,
        gates,
        is_silent: args.fault == Fault::Silent,
        retry_ms: (args.retry * 1e3) as u64,
        watch_ms: (args.watch * 60e3) as u64,
    }
}

fn machine(args: &PlanArgs) -> Machine {
    Machine {
        cores: args.gate_cores,
        core_use: args.gate_use,
        gbit_s: args.gate_gbps,
        memory_gib: args.gate_memory,
    }
}

fn wanted(args: &PlanArgs, demand: &Demand, is_stream: bool) -> Wanted {
    let requests_per_s = demand.most_starts() * args.requests;
    if is_stream {
        return Wanted {
            redirects_per_s: 0.0,
            gbit_s: demand.most_bits() / 1e9,
            viewers: demand.peak().viewers,
        };
    }
    Wanted { redirects_per_s: requests_per_s, gbit_s: 0.0, viewers: 0.0 }
}

fn made(args: &PlanArgs, sizes: &[Size], world: &World) -> Result<Config, Failure> {
    let count = args.fleet.map_or(1, |count| usize::try_from(count).unwrap_or(1));
    fleet::made(count, sizes, args.mode == Some(Mode::Stream), world)
}

/// A scene of a made fleet whose budgets fit what each node carries at the peak when nothing is in its way.
fn sized(args: &PlanArgs, scene: Scene, places: &Snapshot, world: &World) -> Result<Scene, Failure> {
    let viewers = scene.demand.peak().viewers;
    let terms = Terms { unit: unit(viewers, SIZING_GROUPS.min(args.groups)), ..scene.terms };
    let trial = Scene { demand: scene.demand.peak_alone(), terms, ..scene };
    let sites = sites(places, &trial.mix);
    let carried = Run::new(&trial, &sites, Vec::new())?.standing();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturates, which is far beyond any node"
    )]
    let size = |viewers: u64| Size { max_viewers: (viewers as f64 * args.headroom).ceil().max(10.0) as u32 };
    let budgets: Vec<Size> = carried.nodes.iter().map(|node| size(node.viewers)).collect();
    Ok(Scene { config: made(args, &budgets, world)?, demand: scene.demand, terms: scene.terms, ..trial })
}

/// What a reader has to know of this configuration.
fn assumptions(config: &Config) -> Vec<String> {
    let mut remarks = Vec::new();
    let silent = config.nodes.iter().filter(|node| node.profile != watchgate_config::Profile::Minio).count();
    if silent > 0 {
        remarks.push(format!(
            "{silent} nodes are no MinIO and do not say how many requests they serve: each gate goes by its own count there, \
             which forgets half of its redirects in a minute"
        ));
    }
    if config.geoip.rules.iter().any(|rule| matches!(rule.matcher, watchgate_geoip::rule::Match::Cidr(_))) {
        remarks.push(
            "rules for networks hold only for viewers whom the mix names by network or --city draws"
                .to_owned(),
        );
    }
    remarks
}
