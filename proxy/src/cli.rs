//! The command line around the gate: one module a command, and what they share.
//!
//! A command returns what it found (`Done`) or why it could not be done (`Failure`); exit codes are made of them
//! here and nowhere else. The decisions themselves are the library's: a command only asks and prints.

mod admin_client;
mod args;
mod check;
mod completions;
mod config_cmd;
mod config_file;
#[cfg(feature = "demo")]
mod demo;
mod explain;
mod geo;
mod healthcheck;
mod logging;
mod nodes;
mod reload;
mod run;
mod sign_link;
mod table;
mod terminal;
mod time;
mod wire;

use std::process::ExitCode;

use clap::Parser;

use self::args::{Cli, Command, ConfigCommand};
use self::terminal::Terminal;
use crate::catalog::{CatalogError, FileError};
use crate::gate::GateError;

/// As clap ends for arguments that it refuses.
const EXIT_USAGE: u8 = 2;
/// `EX_CONFIG` of sysexits.h: what init systems are told not to restart on.
const EXIT_CONFIG: u8 = 78;

/// How a command ended that could do its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Done {
    /// Exit code 0.
    Yes,
    /// The work is done and its answer is no: exit code 1.
    No,
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The configuration, or a file that it names, must be mended first.
    #[error("{0}")]
    Config(String),
    /// The arguments do not fit the configuration.
    #[error("{0}")]
    Usage(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// What an operator can mend in the configuration, or in a file that it names, must not be tried again and again.
impl From<GateError> for Failure {
    fn from(error: GateError) -> Self {
        match error {
            GateError::Catalog(CatalogError::File(rows @ FileError::Rows { .. })) => {
                Self::Config(format!("catalog.file has faults (ten at most are shown)\n{rows}"))
            }
            GateError::Catalog(CatalogError::File(FileError::Io { path, source })) => {
                Self::Config(format!("catalog.file: cannot read {path}: {source}"))
            }
            GateError::NoTls | GateError::Catalog(CatalogError::NoPostgres | CatalogError::Url) => {
                Self::Config(error.to_string())
            }
            _ => Self::Other(error.to_string()),
        }
    }
}

/// The whole program: reads the process's own arguments, does what they say, returns the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let terminal = Terminal::of_process();
    match dispatch(&cli, terminal) {
        Ok(Done::Yes) => ExitCode::SUCCESS,
        Ok(Done::No) => ExitCode::FAILURE,
        Err(failure) => {
            terminal.failure(&failure);
            match failure {
                Failure::Config(_) => ExitCode::from(EXIT_CONFIG),
                Failure::Usage(_) => ExitCode::from(EXIT_USAGE),
                Failure::Other(_) => ExitCode::FAILURE,
            }
        }
    }
}

fn dispatch(cli: &Cli, terminal: Terminal) -> Result<Done, Failure> {
    let file = cli.config.as_deref();
    let setup = || config_file::load(file);
    match &cli.command {
        Command::Run => run::run(setup()?),
        Command::Check(args) => check::check(file, args, terminal),
        Command::Explain(args) => explain::explain(&setup()?, args, terminal),
        Command::Nodes(args) => nodes::nodes(&setup()?, args, terminal),
        Command::Reload(form) => reload::reload(&setup()?, *form, terminal),
        Command::Geo(args) => geo::geo(&setup()?, args, terminal),
        Command::Sign(args) => sign_link::sign(&setup()?, args, terminal),
        Command::Config(ConfigCommand::Schema) => config_cmd::schema(terminal),
        Command::Config(ConfigCommand::Print { form }) => config_cmd::print(&setup()?, *form, terminal),
        #[cfg(feature = "demo")]
        Command::Demo(args) => demo::demo(args, terminal),
        Command::Healthcheck => healthcheck::healthcheck(&setup()?, terminal),
        Command::Completions { shell } => completions::completions(*shell, terminal),
    }
}

/// Runs one asynchronous piece of work of a short command.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Other(format!("cannot start the runtime: {error}")))?;
    Ok(runtime.block_on(work))
}

/// A value as JSON for people and programs.
fn json<T: serde::Serialize>(value: &T) -> Result<String, Failure> {
    serde_json::to_string_pretty(value)
        .map_err(|error| Failure::Other(format!("cannot be written as JSON: {error}")))
}
