//! The regression guard: counts the instructions of what every request costs, and fails if one of them costs more than
//! its committed count allows.
//!
//! Instructions, not time: the same program executes as many of them on a busy machine as on an idle one, so that a few
//! per cent can be told. Absent on purpose: time, caches and the kernel; `watchgate-bench` measures those.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use self::baseline::{Baseline, MadeBy};
use self::callgrind::Failure;
use self::cases::{CASES, Case};
use self::count::Count;

mod baseline;
mod callgrind;
mod cases;
mod count;
mod report;

/// The same allocator as the gate's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Counts the instructions of what every request costs, and compares them with bench/guard/baseline.toml.
///
/// Exit status: 0 nothing costs more than it may, 1 something does, 2 nothing could be counted.
#[derive(Debug, Parser)]
#[command(name = "watchgate-guard")]
struct Args {
    /// What to count; all of it, if nothing is named
    #[arg(value_parser = case_names())]
    names: Vec<String>,
    /// Take what is counted now as the new baseline
    #[arg(long)]
    bless: bool,
    /// Run one case: what callgrind is started with
    #[arg(long, hide = true, value_name = "NAME", conflicts_with_all = ["names", "bless"])]
    count: Option<String>,
}

fn case_names() -> clap::builder::PossibleValuesParser {
    CASES.iter().map(|case| case.name).collect::<Vec<_>>().into()
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(case) = args.count.as_deref().and_then(cases::named) {
        let mut count = Count::default();
        (case.run)(&mut count);
        say(count.operations());
        return ExitCode::SUCCESS;
    }
    match guard(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "watchgate-guard: {failure}");
            ExitCode::from(2)
        }
    }
}

/// Whether nothing costs more than it may.
fn guard(args: &Args) -> Result<bool, Failure> {
    if cfg!(debug_assertions) {
        return Err(Failure::Unoptimised);
    }
    let this = MadeBy::this(callgrind::version()?);
    let baseline = Baseline::read(&this)?;
    let is_wanted = |case: &&Case| args.names.is_empty() || args.names.iter().any(|name| name == case.name);
    let mut counts = Vec::new();
    for case in CASES.iter().filter(is_wanted) {
        counts.push((case, (case.part)(callgrind::count(case.name)?)));
    }
    if args.bless {
        let blessed = baseline.blessed(this, &counts);
        blessed.write()?;
        say(report::blessed(&baseline, &blessed));
        return Ok(true);
    }
    let judged = baseline.judge(&this, &counts);
    say(report::table(&judged, &baseline, &this));
    Ok(!judged.iter().any(|judged| judged.verdict.fails()))
}

/// A closed standard output is nobody's fault.
fn say(what: impl Display) {
    let _ = writeln!(std::io::stdout(), "{what}");
}
