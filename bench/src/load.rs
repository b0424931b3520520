//! An open-model load generator: viewers who come by a schedule, watch films, and check every byte.
//!
//! Times count from the moment when a request was due, so that a gate that stops for a second is seen by all who wanted
//! something in it. Absent on purpose: any code of what is asked.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::Uri;
use tokio::task::LocalSet;

use self::blocks::Maker;
use self::client::{Client, Pool, Speak};
use self::drive::{Crowd, drive};
use self::films::Film;
use self::homes::Home;
use self::places::Places;
use self::report::{Report, SetUp};
use self::scenario::{READY_MADE, Scenario};
use self::stage::{FilmFile, Setting, Stage};
use self::tally::Tally;
use self::viewer::{Header, Shared};
use crate::city::Towns;
use crate::process::{Place, claim_files};
use crate::random::Random;
use crate::run::{Stop, Told, machine};
use crate::schedule::Alarm;
use crate::{Failure, city, say};

mod blocks;
mod cause;
mod client;
mod dist;
mod drive;
mod films;
mod homes;
mod manifest;
mod options;
mod page;
mod places;
mod progress;
mod report;
mod scenario;
mod script;
mod stage;
mod tally;
mod tls;
mod viewer;
mod zipf;

pub(crate) use self::options::Args;
use self::options::{Options, Sub, ViewerHeader};

/// Addresses that viewers are drawn from.
const HOMES: usize = 20_000;
/// Films that a run of its own makes, and bytes of each.
const OWN_FILMS: usize = 8;
const OWN_FILM_BYTES: usize = 12 << 20;
/// Blocks of those films are small, so that little is unchecked at edges.
const OWN_BLOCK: u32 = 64 << 10;
/// Slots of a run.
const SLOTS: f64 = 100.0;
/// No slot is shorter, in seconds.
const SLOT_MIN_S: f64 = 0.5;
/// Open files for each viewer: to the gate and to a node, for a tab or two.
const FILES_PER_VIEWER: u64 = 4;
/// Files that are none of a viewer's.
const FILES_BESIDE: u64 = 512;

/// Runs, or does what the subcommand says.
///
/// # Errors
/// [`Failure`]: there is no report.
pub(crate) fn run(args: &Args) -> Result<Told, Failure> {
    match &args.sub {
        Some(Sub::Scenarios { name }) => scenarios(name.as_deref()),
        Some(Sub::Manifest(args)) => manifest::run(args),
        None => {
            let stop = Rc::new(Stop::default());
            let options = &args.options;
            let load = async { LocalSet::new().run_until(load(options, Rc::clone(&stop))).await };
            options.common.tell_when_stopped(&stop, load)
        }
    }
}

fn scenarios(name: Option<&str>) -> Result<Told, Failure> {
    let text = if let Some(name) = name {
        Scenario::find(name)?.text
    } else {
        let about = |(name, _): &(&str, &str)| {
            let about = Scenario::find(name).map(|scenario| scenario.about).unwrap_or_default();
            format!("{name:16} {about}")
        };
        READY_MADE.iter().map(about).collect::<Vec<_>>().join("\n")
    };
    Ok(Told { text: text.trim_end().to_owned(), whole: true })
}

/// `http://host` or `http://host/prefix/` as what a uuid is put behind.
///
/// # Errors
/// It is neither.
pub(super) fn target(url: &str) -> Result<String, Failure> {
    let uri: Option<Uri> = url.parse().ok();
    let scheme = uri.as_ref().and_then(Uri::scheme_str);
    let uri = uri.as_ref().filter(|uri| matches!(scheme, Some("http" | "https")) && uri.query().is_none());
    let (Some(uri), Some(scheme)) = (uri, scheme) else {
        return Err(Failure::NotHere(format!(
            "--target {url}: not http://HOST or https://HOST, with a prefix or without"
        )));
    };
    let host = uri.authority().map_or("", |authority| authority.as_str());
    let prefix = if uri.path() == "/" { "/watch/" } else { uri.path() };
    let slash = if prefix.ends_with('/') { "" } else { "/" };
    Ok(format!("{scheme}://{host}{prefix}{slash}"))
}

/// What is asked, by whom, for what.
struct Ground {
    targets: Vec<String>,
    films: Vec<Rc<Film>>,
    places: Places,
    homes: Vec<Home>,
    about_homes: String,
    /// Held for its end.
    _stage: Option<Stage>,
}

async fn load(options: &Options, stop: Rc<Stop>) -> Result<Report, Failure> {
    let mut scenario = Scenario::find(&options.scenario)?.scaled(options.scale);
    if let Some(duration) = options.duration {
        scenario = scenario.lasting(duration.as_secs_f64());
    }
    let place = options.common.place()?;
    let ground = if options.self_contained { own_ground(options, &place).await? } else { ground(options)? };
    let report = play(options, scenario, ground, stop).await?;
    keep(options, &report)?;
    Ok(report)
}

/// Lets the viewers come, and counts.
async fn play(
    options: &Options,
    scenario: Scenario,
    ground: Ground,
    stop: Rc<Stop>,
) -> Result<Report, Failure> {
    let viewers_max = room(options.max_viewers)?;
    let wanted_s = scenario.lasts_s();
    let slot = Duration::from_secs_f64((wanted_s / SLOTS).max(SLOT_MIN_S));
    let set_up = set_up(options, &scenario, &ground, viewers_max)?;
    let shared = Rc::new(Shared {
        client: Client::new(tls::configs(options.ca.as_deref())?, options.patience),
        targets: ground.targets,
        speak: if options.http2 { Speak::Http2 } else { Speak::Http1 },
        header: options.viewer_header.header(),
        resolve_only: options.resolve_only,
        patience: options.patience,
        alarm: Alarm::new(),
        stop,
        tally: RefCell::new(Tally::new(Instant::now(), slot)),
        places: ground.places,
    });
    let crowd = Crowd {
        scenario,
        films: ground.films,
        homes: ground.homes,
        viewers_max,
        seed: options.seed,
        gate_pool: options.shared_connections.then(Pool::shared),
    };
    say(&format!("{}: {wanted_s:.0} s against {} ...", set_up.scenario, set_up.targets.join(", ")));
    shared.tally.borrow_mut().begun = Instant::now();
    let ran = drive(crowd, Rc::clone(&shared)).await?;
    let set_up = SetUp { ran_s: ran.lasted.as_secs_f64(), stopped_early: ran.is_early, ..set_up };
    Ok(Report::new(set_up, &shared.tally.borrow()))
}

/// Writes what is wanted of the report into files.
fn keep(options: &Options, report: &Report) -> Result<(), Failure> {
    let write = |path: &Path, text: String| {
        std::fs::write(path, text).map_err(Failure::during(path.display().to_string()))
    };
    if let Some(path) = &options.save {
        let failed =
            |error| Failure::System { what: path.display().to_string(), error: std::io::Error::from(error) };
        write(path, serde_json::to_string_pretty(report).map_err(failed)?)?;
    }
    if let Some(path) = &options.report {
        write(path, page::html(report))?;
        say(&format!("report: {}", path.display()));
    }
    Ok(())
}

/// As many viewers at once as this machine's limit of open files lets be.
fn room(wanted: u32) -> Result<u32, Failure> {
    let files = claim_files(u64::from(wanted) * FILES_PER_VIEWER + FILES_BESIDE)?;
    let room = u32::try_from(files.saturating_sub(FILES_BESIDE) / FILES_PER_VIEWER).unwrap_or(u32::MAX);
    if room < wanted {
        say(&format!(
            "{room} viewers at once instead of {wanted}: {files} open files are allowed (ulimit -Hn)"
        ));
    }
    Ok(room.min(wanted).max(1))
}

/// What the user names.
fn ground(options: &Options) -> Result<Ground, Failure> {
    let targets: Result<Vec<_>, _> = options.target.iter().map(|url| target(url)).collect();
    let films = options.films.as_deref().map(films::read).transpose()?;
    let films = films.ok_or_else(|| {
        Failure::NotHere(
            "which films? --films FILE; `load manifest` makes one, `--self-contained` needs none".to_owned(),
        )
    })?;
    let (database, about_homes) = database(options)?;
    let homes = homes::draw(&database, HOMES, options.seed)?;
    let places = options.gate_config.as_deref().map(Places::read).transpose()?.unwrap_or_default();
    Ok(Ground { targets: targets?, films, places, homes, about_homes, _stage: None })
}

fn database(options: &Options) -> Result<(Vec<u8>, String), Failure> {
    let Some(path) = &options.city else {
        return Ok((city::made(Towns::Real)?, "drawn from a made City database".to_owned()));
    };
    let bytes = std::fs::read(path).map_err(Failure::during(path.display().to_string()))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok((bytes, format!("drawn from {name}")))
}

/// Everything that is needed, started here.
async fn own_ground(options: &Options, place: &Place) -> Result<Ground, Failure> {
    say("making films and a City database, starting three nodes and the gate ...");
    let (library, files) = own_films(place)?;
    let (database, about_homes) = database(options)?;
    let homes = homes::draw(&database, HOMES, options.seed)?;
    let file = place.scratch.path().join("city.mmdb");
    std::fs::write(&file, &database).map_err(Failure::during(file.display().to_string()))?;
    let header = (options.viewer_header != ViewerHeader::None).then(|| options.viewer_header.name());
    let setting = Setting { streams: options.stream, header, database: &file, more: "" };
    let stage = Stage::start(place, &files, setting).await?;
    let places = Places::parse(&stage.config).unwrap_or_default();
    let targets = vec![target(&format!("http://{}", stage.gate.address))?];
    Ok(Ground { targets, films: library, places, homes, about_homes, _stage: Some(stage) })
}

/// Films that differ in every byte, in memory as what is known of them and as files.
fn own_films(place: &Place) -> Result<(Vec<Rc<Film>>, Vec<FilmFile>), Failure> {
    let (mut library, mut files) = (Vec::new(), Vec::new());
    let mut random = Random::new(11);
    for _ in 0..OWN_FILMS {
        let uuid = random.uuid();
        let path = place.scratch.path().join(format!("{uuid}.mp4"));
        let bytes: Vec<u8> = (0..OWN_FILM_BYTES / 8).flat_map(|_| random.next().to_le_bytes()).collect();
        std::fs::write(&path, &bytes).map_err(Failure::during(path.display().to_string()))?;
        let mut maker = Maker::new(OWN_BLOCK);
        maker.feed(&bytes);
        let blocks = Some(Rc::new(maker.end()));
        library.push(Rc::new(Film { uuid: uuid.clone(), size: bytes.len() as u64, blocks }));
        files.push(FilmFile { uuid, path });
    }
    Ok((library, files))
}

fn set_up(
    options: &Options,
    scenario: &Scenario,
    ground: &Ground,
    viewers_max: u32,
) -> Result<SetUp, Failure> {
    let protocol = if options.http2 { "HTTP/2" } else { "HTTP/1.1" };
    let shared = if options.shared_connections { "shared by all viewers" } else { "of each viewer's own" };
    let began = jiff::Timestamp::now().round(jiff::Unit::Second).map(|now| now.to_string());
    Ok(SetUp {
        scenario: scenario.name.clone(),
        about: scenario.about.clone(),
        text: scenario.text.clone(),
        phases: scenario.phases.clone(),
        targets: ground.targets.clone(),
        machine: machine()?.trim_start_matches("Machine: ").to_owned(),
        films: ground.films.len(),
        films_with_blocks: ground.films.iter().filter(|film| film.blocks.is_some()).count(),
        database: ground.about_homes.clone(),
        http: format!("{protocol} to the gate, connections {shared}"),
        viewer_header: options.viewer_header.name().to_owned(),
        resolve_only: options.resolve_only,
        viewers_max,
        seed: options.seed,
        wanted_s: scenario.lasts_s(),
        ran_s: 0.0,
        stopped_early: false,
        errors_max: options.max_errors / 100.0,
        began: began.unwrap_or_default(),
    })
}

impl ViewerHeader {
    fn header(self) -> Option<Header> {
        match self {
            Self::XForwardedFor => Some(Header::XForwardedFor),
            Self::Forwarded => Some(Header::Forwarded),
            Self::XRealIp => Some(Header::XRealIp),
            Self::None => None,
        }
    }
}

#[cfg(test)]
mod tests;
