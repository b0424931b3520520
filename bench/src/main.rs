//! `watchgate-bench`: measures watchgate from outside, over HTTP.
//!
//! What is measured runs in processes of its own, so that the load generator's work is never counted as theirs.
//! Absent on purpose: any code of the gate.

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod beside;
mod city;
mod compare;
mod faults;
mod figures;
mod film;
mod flood;
mod gate;
mod load;
mod memory;
mod needs;
mod origin;
mod peers;
mod process;
mod random;
mod redirect;
mod relay;
mod run;
mod schedule;
mod stage;
mod stream;
mod stub;
mod viewer;

/// Measures watchgate from outside.
#[derive(Debug, Parser)]
#[command(name = "watchgate-bench", version, arg_required_else_help = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Everything that is compared, in one run, written to bench/RESULTS.md
    ///
    /// Measures the gate against bare Pingora, nginx, Envoy and HAProxy, small fleets against large ones, streams,
    /// memory, and growth with films and viewers, judges the goals, and shows by samples where the time goes if one is
    /// missed. Takes some 25 minutes and wants a machine that has nothing else to do. Exit status 1: a server
    /// answered wrongly; a goal that is missed is a result like any other.
    Compare(compare::Args),
    /// CPU time per redirect of the gate, against a bare Pingora proxy in the same run
    ///
    /// Starts both pinned to one core, drives them in turn with the same requests from another core, and divides the
    /// processor time of all their threads by the answers counted. Data goes to stdout, talk to stderr.
    Redirect(redirect::Args),
    /// CPU time per GiB of film that the gate streams, against nginx, HAProxy and bare Pingora in the same run
    ///
    /// Starts all of them pinned to one core before one node, lets viewers watch through them in turn from the other
    /// core, and divides the processor time of all their threads by the bytes that arrived and were checked. Needs
    /// nginx; without HAProxy its rows are left out.
    Stream(stream::Args),
    /// Memory of the gate, and of the kernel for it, by viewer who is idle, slow or paused
    ///
    /// Starts each proxy afresh for each kind of viewer, holds many of them, and divides what the process and its
    /// sockets have grown by their number. Needs nginx and ss, and many open files.
    Memory(memory::Args),
    /// Whether a flood of names that nobody knows hurts those who watch known films
    ///
    /// Starts the gate before stub nodes, asks it for known films by a schedule, adds thousands of new unknown names
    /// a second, and takes them away again. Exit status 1: a known film was not given, the gate's memory grew all
    /// through the flood, an unknown name was answered by something else than 404 or 503, or a node was asked twice.
    Flood(flood::Args),
    /// Viewers who come by a schedule, watch films and check every byte: for any gate, or one that is started here
    ///
    /// An open model: viewers come when the scenario says, however slow the answers are, and times count from when a
    /// request was due. Bounded: a day, --max-viewers at once (more are counted, not queued), and memory of about
    /// 30 MiB, 0.1 to 1 MiB for each viewer, and 32 bytes for each MiB of films with known blocks. Ctrl-C ends it
    /// early, with its report. Exit status 1: a byte was wrong, or there were more errors than --max-errors.
    Load(Box<load::Args>),
    /// What each node carries through an evening, and what happens when nodes die at its worst moment
    ///
    /// Handed to watchgate-plan, a program of its own beside this one: it links the gate's decisions, which this one never
    /// does.
    #[command(disable_help_flag = true)]
    Plan(beside::Args),
    /// Which viewers of a recorded access log a changed configuration would send elsewhere, and why
    ///
    /// Handed to watchgate-plan, as plan is.
    #[command(disable_help_flag = true)]
    Replay(beside::Args),
    /// What viewers see while nodes die, freeze, lie and come back: a drill that holds the gate to its promises
    ///
    /// Starts a source and two replicas in three cities, a gate before them in each mode, and viewers whose every byte
    /// is checked; then one fault after the other. Exit status 1, with a line BROKEN for each: a promise did not hold.
    Faults(faults::Args),
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// This machine lacks something, or a program has to be built first.
    #[error("{0}")]
    NotHere(String),
    /// A program did not do as it should while it was measured.
    #[error("{0}")]
    Misbehaved(String),
    /// A file, a socket or a process.
    #[error("{what}: {error}")]
    System {
        /// What was tried.
        what: String,
        /// What the system said.
        error: std::io::Error,
    },
}

impl Failure {
    /// For `map_err`: what was tried when the system said no.
    pub(crate) fn during(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        |error| Self::System { what: what.into(), error }
    }
}

fn main() -> ExitCode {
    let told = match Cli::parse().command {
        Command::Compare(args) => compare::run(&args),
        Command::Redirect(args) => redirect::run(&args),
        Command::Stream(args) => stream::run(&args),
        Command::Memory(args) => memory::run(&args),
        Command::Flood(args) => flood::run(&args),
        Command::Load(args) => load::run(&args),
        Command::Plan(args) => beside::run("plan", &args),
        Command::Replay(args) => beside::run("replay", &args),
        Command::Faults(args) => faults::run(&args),
    };
    match told {
        Ok(told) => {
            // A reader that went away has seen what it wanted.
            let _ = writeln!(std::io::stdout().lock(), "{}", told.text);
            exit_code(&told)
        }
        Err(failure) => {
            say(&failure.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Failure is for whoever calls this from a script.
fn exit_code(told: &run::Told) -> ExitCode {
    if told.whole { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A line of talk; if nobody hears it, that is that.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
