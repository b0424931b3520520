//! `watchgate config`: the schema of the file, and the configuration in effect with the origin of every value.

use super::args::Form;
use super::config_file::Setup;
use super::terminal::Terminal;
use super::{Done, Failure, json};

pub(crate) fn schema(terminal: Terminal) -> Result<Done, Failure> {
    terminal.done(&json(&watchgate_config::schema())?, Done::Yes)
}

pub(crate) fn print(setup: &Setup, form: Form, terminal: Terminal) -> Result<Done, Failure> {
    let text = if form.json { json(&setup.loaded.print_json())? } else { setup.loaded.print() };
    terminal.done(&text, Done::Yes)
}
