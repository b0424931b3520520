//! Everything that is compared, in one run: the one command that writes `RESULTS.md`.
//!
//! Chapters ask one question each and share what they need. One that fails does not take the others along. Absent on
//! purpose: measurements of its own kind; what a chapter measures, `redirect`, `stream` and `memory` know how to.

use std::fs::OpenOptions;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use self::machine::{Company, Machine, Use};
use self::report::{Chapter, Results};
use crate::needs::{self, Need};
use crate::peers::Unmeasured;
use crate::process::{Cores, Place};
use crate::redirect::VIEWERS;
use crate::redirect::load::Shape;
use crate::redirect::requests::PAIRS;
use crate::redirect::rivals::Rival;
use crate::redirect::servers::Servers;
use crate::run::{Common, Told};
use crate::{Failure, say};

mod films;
mod fleet;
mod goals;
mod instructions;
mod machine;
mod memory;
mod profile;
mod redirect;
mod report;
mod stream;
mod viewers;

/// The report's place in the repository.
const RESULTS: &str = "bench/RESULTS.md";

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Which chapters, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "redirect,fleet,stream,memory,films,viewers")]
    chapters: Vec<Name>,
    /// A smoke of a few minutes: shows that everything works, and no figures to rely on
    #[arg(long)]
    quick: bool,
    /// The report [default: bench/RESULTS.md if there is a folder bench here, else stdout]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// All figures as JSON as well
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
    /// Install what is missing of other servers and tools first, by apt-get and pip
    #[arg(long)]
    install: bool,
    /// The greatest number of known films; 10000000 takes a quarter of an hour and 16 GiB of memory more
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1000..=10_000_000))]
    films_max: u64,
    /// A City database (.mmdb); without it one of 50,000 networks is made
    #[arg(long, value_name = "FILE")]
    city: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// A chapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Name {
    /// The gate against bare Pingora, nginx, Envoy and HAProxy, and instructions
    Redirect,
    /// 1,000 nodes against five
    Fleet,
    /// Films through the gate against nginx, HAProxy and Pingora
    Stream,
    /// Memory by idle and slow viewer
    Memory,
    /// A thousand films known to a million
    Films,
    /// Ten viewers at once to ten thousand
    Viewers,
}

/// What chapters share.
pub(crate) struct Context<'a> {
    place: &'a Place,
    cores: Cores,
    quick: bool,
    films_max: u64,
    /// `None`: no chapter redirects.
    servers: Option<Servers<'a>>,
}

impl Args {
    /// Where the report goes; `None`: to stdout.
    fn report(&self) -> Option<PathBuf> {
        self.out.clone().or_else(|| PathBuf::from("bench").is_dir().then(|| PathBuf::from(RESULTS)))
    }
}

/// Measures and reports.
///
/// # Errors
/// [`Failure`]: nothing could be measured, or the report not be written.
pub(crate) fn run(args: &Args) -> Result<Told, Failure> {
    for file in [args.report().as_ref(), args.save.as_ref()].into_iter().flatten() {
        // Better known now than after half an hour.
        let opened = OpenOptions::new().create(true).append(true).open(file);
        opened.map_err(Failure::during(file.display().to_string()))?;
    }
    let missing = needs::missing(args.chapters.iter().flat_map(|name| name.needs()));
    if args.install {
        needs::install(&missing)?;
    } else if !missing.is_empty() {
        let names: Vec<_> = missing.iter().map(|need| need.name()).collect();
        say(&format!("missing: {}; with --install, or by hand:", names.join(", ")));
        for command in needs::commands(&missing) {
            say(&format!("    {command}"));
        }
    }
    let cores = Cores::take()?;
    args.common.tell(async {
        let place = args.common.place()?;
        let results = measured(args, &place, cores).await?;
        written(args, &results)?;
        Ok(results)
    })
}

async fn measured(args: &Args, place: &Place, cores: Cores) -> Result<Results, Failure> {
    let (start, began, before) = (Instant::now(), now(), (Use::so_far()?, machine::load()?));
    let machine = Machine::look(place)?;
    let redirects = args.chapters.iter().any(|name| !matches!(name, Name::Stream | Name::Memory));
    let servers = redirects.then(|| Servers::prepare(place, cores.measured, args.city.as_deref(), VIEWERS));
    let context =
        Context { place, cores, quick: args.quick, films_max: args.films_max, servers: servers.transpose()? };
    let (mut chapters, mut left_out) = (Vec::new(), Vec::new());
    for &name in &args.chapters {
        say(&format!("== {}", name.title()));
        match name.measured(&context, &mut left_out).await {
            Ok(chapter) => chapters.push(chapter),
            Err(failure) => chapters.push(Chapter::failed(name.title(), &failure)),
        }
    }
    let missing = needs::missing(args.chapters.iter().flat_map(|name| name.needs()));
    left_out.extend(missing.into_iter().filter_map(|need| need.found().err()));
    let after = (Use::so_far()?, machine::load()?);
    Ok(Results {
        began,
        took_s: start.elapsed().as_secs(),
        command: command(std::env::args()),
        is_smoke: args.quick,
        machine,
        company: Company::between(before, after, start.elapsed().as_secs_f64()),
        chapters,
        left_out,
        file: args.report().map(|file| file.display().to_string()),
    })
}

fn written(args: &Args, results: &Results) -> Result<(), Failure> {
    if let Some(file) = &results.file {
        std::fs::write(file, results.markdown()).map_err(Failure::during(file.clone()))?;
    }
    if let Some(file) = &args.save {
        let failed = || Failure::during(file.display().to_string());
        let json = serde_json::to_string_pretty(results).map_err(|error| failed()(error.into()))?;
        std::fs::write(file, json).map_err(failed())?;
    }
    Ok(())
}

/// The command line, with the program by its name alone.
fn command(mut words: impl Iterator<Item = String>) -> String {
    let program = words.next().unwrap_or_default();
    let program = program.rsplit('/').next().unwrap_or_default().to_owned();
    let quoted = |word: String| if word.contains([' ', '\'']) { format!("{word:?}") } else { word };
    std::iter::once(program).chain(words.map(quoted)).collect::<Vec<_>>().join(" ")
}

/// The time in UTC, by the minute.
fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string()
}

impl Name {
    fn title(self) -> &'static str {
        match self {
            Self::Redirect => "What a redirect costs",
            Self::Fleet => "Whether a large fleet costs more",
            Self::Stream => "What a gibibyte of film costs",
            Self::Memory => "What a viewer costs in memory",
            Self::Films => "Whether many known films cost more",
            Self::Viewers => "Whether many viewers at once cost more",
        }
    }

    /// What others have to have installed for it.
    fn needs(self) -> Vec<Need> {
        match self {
            Self::Redirect => {
                let rivals = Rival::ALL.iter().flat_map(|rival| rival.needs().iter().copied());
                rivals.chain([Need::Valgrind, Need::Perf]).collect()
            }
            Self::Fleet => vec![Need::Perf],
            Self::Stream => stream::PEERS.iter().filter_map(|peer| peer.need()).chain([Need::Perf]).collect(),
            Self::Memory => vec![Need::Nginx, Need::Ss],
            Self::Films | Self::Viewers => Vec::new(),
        }
    }

    async fn measured(self, context: &Context<'_>, left_out: &mut Vec<String>) -> Result<Chapter, Failure> {
        let title = self.title();
        match self {
            Self::Redirect => redirect::measured(context, title, left_out).await,
            Self::Fleet => fleet::measured(context, title, left_out).await,
            Self::Stream => stream::measured(context, title, left_out).await,
            Self::Memory => memory::measured(context, title).await,
            Self::Films => films::measured(context, title, left_out).await,
            Self::Viewers => viewers::measured(context, title, left_out).await,
        }
    }
}

impl Context<'_> {
    /// How much is measured, by default and in a smoke.
    fn or_quick(&self, usual: u64, quick: u64) -> u64 {
        if self.quick { quick } else { usual }
    }

    fn servers(&self) -> Result<&Servers<'_>, Failure> {
        // Prepared whenever a chapter asks for it.
        self.servers.as_ref().ok_or_else(|| Failure::NotHere("no viewers were drawn".to_owned()))
    }

    /// The load of redirects: 32 connections, as long as usual.
    fn shape(&self) -> Shape {
        Shape {
            connections: 32,
            warm_up: Duration::from_millis(300),
            measured: Duration::from_secs(self.or_quick(2, 1)),
            idle: Duration::ZERO,
        }
    }

    /// How many different requests are sent.
    fn pairs(&self) -> usize {
        if self.quick { PAIRS / 10 } else { PAIRS }
    }

    /// How long a profile is taken.
    fn profiled(&self) -> Duration {
        Duration::from_secs(self.or_quick(6, 2))
    }
}

impl Chapter {
    /// One without figures.
    fn failed(title: &'static str, failure: &Failure) -> Self {
        say(&format!("without figures: {title}: {failure}"));
        Self {
            title,
            goals: Vec::new(),
            profiles: Vec::new(),
            figures: serde_json::Value::Null,
            unmeasured: vec![match failure {
                Failure::NotHere(_) => Unmeasured::skipped("the whole chapter", failure.to_string()),
                _ => Unmeasured::failed("the whole chapter", failure.to_string()),
            }],
            text: String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_names_no_folder_of_the_program() {
        let words = ["/x/y/watchgate-bench", "compare", "--out", "a b"].map(str::to_owned);
        assert_eq!(command(words.into_iter()), "watchgate-bench compare --out \"a b\"");
    }
}
