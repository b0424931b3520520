//! `watchgate-plan`: plans a fleet, and replays recorded days, with the gate's own decisions.
//!
//! Usually reached as `watchgate-bench plan` and `watchgate-bench replay`. Data goes to stdout, talk to stderr.

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use watchgate_plan::plan::{self, PlanArgs};
use watchgate_plan::replay::{self, ReplayArgs};

/// Plans a fleet past one machine, and replays recorded days, with the gate's own decisions.
#[derive(Debug, Parser)]
#[command(name = "watchgate-plan", version, arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// What each node carries through an evening, and what happens when nodes die at its worst moment
    ///
    /// Viewers of a mix come by a demand curve and are sent to nodes by the gate's own choice, with loads as old as the
    /// gate's and the gate's own health machine, in simulated time. The same seed gives the same plan to the byte. Every
    /// node holds every film; a viewer is one request in flight; people watch for a time that is exponential.
    Plan(Box<PlanArgs>),
    /// Which viewers of a recorded access log a changed configuration would send elsewhere, and why
    ///
    /// Reads the gate's access lines (log.access), text or JSON, and takes every choice again, by two configurations or by
    /// one against what the log says. A log does not say who held which film, nor who was up: every node is taken to hold
    /// all films and to be up.
    Replay(Box<ReplayArgs>),
}

fn main() -> ExitCode {
    let told = match Cli::parse().command {
        Command::Plan(args) => plan::run(&args, &say),
        Command::Replay(args) => replay::run(&args),
    };
    match told {
        Ok(text) => {
            // A reader that went away has seen what it wanted.
            let _ = writeln!(std::io::stdout().lock(), "{text}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            say(&failure.to_string());
            ExitCode::FAILURE
        }
    }
}

/// A line of talk; if nobody hears it, that is that.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
