//! `replay`: what a log says was asked is asked again, of a changed configuration.
//!
//! Every line is taken by itself, in one pass, and memory does not grow with the log. Absent on purpose: what a log does
//! not say. Every node is taken to be up and to hold every film, and viewers to come over http unless told otherwise.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::fault::Failure;
use crate::replay::side::Side;

use self::compare::Comparison;
use self::lines::{Lines, Text};

mod compare;
mod entry;
mod lines;
mod load;
pub mod report;
mod side;
mod table;

/// Options of `replay`.
#[derive(Args, Debug)]
pub struct ReplayArgs {
    /// Access lines of the gate, as text or JSON, "-" for stdin; several are read one after the other
    #[arg(required = true, value_name = "LOG")]
    logs: Vec<PathBuf>,
    /// The configuration that viewers would be sent by; its secret files need not be there
    #[arg(long, value_name = "FILE")]
    after: PathBuf,
    /// The configuration to compare it with [default: none, but what the log says was chosen]
    #[arg(long, value_name = "FILE")]
    before: Option<PathBuf>,
    /// MMDB databases [default: those of each configuration]
    #[arg(long, value_name = "FILE")]
    city: Vec<PathBuf>,
    /// Viewers come over https: nodes with an http address are out of the question
    #[arg(long)]
    https: bool,
    /// Nodes fill up as viewers are sent there, and full ones are passed over; otherwise they are taken to be idle
    #[arg(long)]
    with_load: bool,
    /// How long a viewer is taken to watch after asking; a viewer who asks again meanwhile is the same one
    #[arg(long, value_name = "MINUTES", default_value_t = 45, value_parser = clap::value_parser!(u64).range(1..=1440))]
    view_minutes: u64,
    /// The first viewers who would move that are explained
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=1000))]
    examples: u64,
    /// JSON instead of tables
    #[arg(long)]
    json: bool,
}

/// Replays; returns what goes to stdout.
///
/// # Errors
/// All faults of the configurations; a file; or a log without a single access line.
pub fn run(args: &ReplayArgs) -> Result<String, Failure> {
    let after = Side::open(&args.after, &args.city, args.https)?;
    let before = args.before.as_ref().map(|file| Side::open(file, &args.city, args.https)).transpose()?;
    let mut comparison = Comparison::new(before, after, args);
    for log in &args.logs {
        let name = if log == Path::new("-") { "stdin".to_owned() } else { log.display().to_string() };
        let source: Box<dyn Read> = if log == Path::new("-") {
            Box::new(io::stdin().lock())
        } else {
            Box::new(File::open(log).map_err(Failure::of(log))?)
        };
        let mut lines = Lines::new(BufReader::with_capacity(1 << 18, source));
        while let Some(text) = lines.next().map_err(Failure::of(log))? {
            match text {
                Text::Line(number, line) => comparison.line(&name, number, line),
                Text::TooLong(number) => comparison.bad(&name, number, "longer than any access line"),
            }
        }
    }
    let report = comparison.report();
    if report.lines == report.bad && report.lines > 0 {
        let first = report.bad_examples.first().cloned().unwrap_or_default();
        return Err(Failure::bad(
            "no access line",
            &format!("none of {} lines is one of the gate's (log.access); the first: {first}", report.lines),
        ));
    }
    if args.json {
        return serde_json::to_string_pretty(&report).map_err(|error| Failure::Ours(error.to_string()));
    }
    Ok(table::text(&report))
}
