//! Commands that another program beside this one brings, because they link what this one measures.
//!
//! That program takes this one's place: its output, its exit status and its signals are the user's. Absent on purpose: a
//! search along `PATH`, where a program of another build might lie.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::Failure;
use crate::run::Told;

/// The program.
const PROGRAM: &str = "watchgate-plan";

/// All arguments behind the command, `--help` too.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

/// Becomes that program. Returns only if it cannot be started.
pub(crate) fn run(command: &str, args: &Args) -> Result<Told, Failure> {
    become_it(command, args).map(|never| match never {})
}

fn become_it(command: &str, args: &Args) -> Result<Infallible, Failure> {
    let here = std::env::current_exe().map_err(Failure::during("the place of this program"))?;
    let program = here.parent().unwrap_or(Path::new("")).join(PROGRAM);
    if !program.is_file() {
        return Err(Failure::NotHere(format!(
            "{} is missing; build it first:\n    cargo build --profile bench -p {PROGRAM}",
            program.display()
        )));
    }
    // Its help names the command that was typed.
    let error = Command::new(&program).arg0("watchgate-bench").arg(command).args(&args.arguments).exec();
    Err(Failure::during(program.display().to_string())(error))
}
