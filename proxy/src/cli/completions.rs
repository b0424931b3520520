//! `watchgate completions`: what a shell needs to complete this command line.

use clap::CommandFactory as _;
use clap_complete::Shell;

use super::args::Cli;
use super::terminal::Terminal;
use super::{Done, Failure};

pub(crate) fn completions(shell: Shell, terminal: Terminal) -> Result<Done, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "watchgate", &mut script);
    terminal.done(&String::from_utf8_lossy(&script), Done::Yes)
}
