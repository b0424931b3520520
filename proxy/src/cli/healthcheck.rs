//! `watchgate healthcheck`: is the running gate ready? For containers, whose health checks want an exit code.

use http::{Method, StatusCode};

use super::admin_client::{AdminClient, problem};
use super::config_file::Setup;
use super::terminal::Terminal;
use super::{Done, Failure};

pub(crate) fn healthcheck(setup: &Setup, terminal: Terminal) -> Result<Done, Failure> {
    let reply = AdminClient::new(&setup.config().listen).ask(Method::GET, "/readyz")?;
    if reply.status == StatusCode::OK {
        return terminal.done("ready", Done::Yes);
    }
    let reason = problem(&reply.body).unwrap_or_else(|| reply.status.to_string());
    terminal.done(&format!("not ready: {reason}"), Done::No)
}
