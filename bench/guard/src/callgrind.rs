//! Runs a case below valgrind's callgrind and reads what it counted.
//!
//! Absent on purpose: judgement.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::count::COUNTED;

/// Why there are no counts.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("built without optimisation; run it with cargo run --profile bench -p watchgate-guard")]
    Unoptimised,
    #[error("valgrind cannot be started ({0}); install it: apt-get install valgrind")]
    NoValgrind(io::Error),
    #[error("{what}: {source}")]
    During { what: String, source: io::Error },
    #[error("the case {name} failed ({status}); the end of what it said:\n{said}")]
    Case { name: &'static str, status: String, said: String },
    #[error("the case {0} was run, but callgrind counted nothing in it")]
    Nothing(&'static str),
    #[error("{path}: {why}; write it anew with --bless")]
    Baseline { path: String, why: String },
}

impl Failure {
    /// An error of the system's during this.
    pub(crate) fn during(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        |source| Self::During { what: what.into(), source }
    }
}

/// Which valgrind is installed, e.g. `3.19.0`.
pub(crate) fn version() -> Result<String, Failure> {
    let output = Command::new("valgrind").arg("--version").output().map_err(Failure::NoValgrind)?;
    let said = String::from_utf8_lossy(&output.stdout);
    Ok(said.trim().trim_start_matches("valgrind-").to_owned())
}

/// Instructions of one operation of a case.
pub(crate) fn count(name: &'static str) -> Result<u64, Failure> {
    let program = std::env::current_exe().map_err(Failure::during("this program's own path"))?;
    let file = kept(&program, name)?;
    let mut valgrind = Command::new("valgrind");
    valgrind
        .args(["--tool=callgrind", "--collect-atstart=no", &format!("--toggle-collect={COUNTED}")])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(&program)
        .args(["--count", name])
        // Nothing of a caller's environment moves the stack or changes a count.
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    let output = valgrind.output().map_err(Failure::NoValgrind)?;
    let operations = String::from_utf8_lossy(&output.stdout).trim().parse::<u64>().ok();
    let Some(operations) = operations.filter(|operations| output.status.success() && *operations > 0) else {
        return Err(Failure::Case { name, status: output.status.to_string(), said: end(&output) });
    };
    let text = std::fs::read_to_string(&file).map_err(Failure::during(file.display().to_string()))?;
    total(&text).map(|total| (total + operations / 2) / operations).ok_or(Failure::Nothing(name))
}

/// Where callgrind's own account of a case lies, for those who want to know what costs so much.
pub(crate) fn account(program: &Path, name: &str) -> PathBuf {
    program.with_file_name("guard").join(format!("{name}.callgrind"))
}

fn kept(program: &Path, name: &str) -> Result<PathBuf, Failure> {
    let file = account(program, name);
    let folder = file.parent().unwrap_or(program);
    std::fs::create_dir_all(folder).map_err(Failure::during(folder.display().to_string()))?;
    Ok(file)
}

/// All instructions of a callgrind account; `None`: there are none.
fn total(account: &str) -> Option<u64> {
    let total = account.lines().find_map(|line| line.strip_prefix("summary: "))?;
    total.split_whitespace().next()?.parse().ok().filter(|total| *total > 0)
}

fn end(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_is_read_from_the_summary() {
        let check = |account: &str, expected| assert_eq!(total(account), expected, "{account:?}");
        check("version: 1\nevents: Ir\nsummary: 4711\n\nfn=(1) main\n0 3\ntotals: 4711\n", Some(4711));
        check("events: Ir\nsummary: 0\n", None);
        check("events: Ir\n", None);
    }
}
