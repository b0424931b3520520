//! Runs a case below valgrind's callgrind and reads what it counted.
//!
//! SHA-256 is told apart: on the processor that valgrind plays it takes ten times as many instructions as on a real one,
//! which has its own for it, and everything else in a signature would be lost beside it. Absent on purpose: judgement.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::count::COUNTED;

/// How the names of SHA-256's own functions begin.
const HASH: &str = "sha2::";

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
    #[error("{file}: {0}; remove it and write it anew with --bless", file = crate::baseline::FILE)]
    Baseline(String),
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

/// Instructions of one operation, or of all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    /// In SHA-256's own functions.
    pub(crate) hashing: u64,
    /// In everything else.
    pub(crate) otherwise: u64,
}

/// Instructions of one operation of a case.
pub(crate) fn count(name: &'static str) -> Result<Spent, Failure> {
    let program = std::env::current_exe().map_err(Failure::during("this program's own path"))?;
    let file = account(name);
    let folder = file.parent().unwrap_or(&program);
    std::fs::create_dir_all(folder).map_err(Failure::during(folder.display().to_string()))?;
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
    let all = spent(&text);
    if all.otherwise == 0 {
        return Err(Failure::Nothing(name));
    }
    let each = |all: u64| (all + operations / 2) / operations;
    Ok(Spent { hashing: each(all.hashing), otherwise: each(all.otherwise) })
}

/// Where callgrind's own account of a case lies, for those who want to know what costs so much.
pub(crate) fn account(name: &str) -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    program.with_file_name("guard").join(format!("{name}.callgrind"))
}

/// Sums up a callgrind account (valgrind's manual, "Callgrind Format Specification").
fn spent(account: &str) -> Spent {
    let (mut spent, mut functions, mut hashing) = (Spent::default(), HashMap::new(), false);
    let mut lines = account.lines();
    while let Some(line) = lines.next() {
        if let Some(function) = line.strip_prefix("fn=").or_else(|| line.strip_prefix("cfn=")) {
            // A function's name stands beside its number once, wherever it comes first.
            let (id, name) = function.split_once(' ').unwrap_or((function, ""));
            let is_hash = functions.entry(id).or_insert_with(|| name.starts_with(HASH));
            if line.starts_with("fn=") {
                hashing = *is_hash;
            }
        } else if line.starts_with("calls=") {
            // The next line says what was spent below the call: the functions there say it themselves.
            lines.next();
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            let cost = line.split_whitespace().nth(1).and_then(|cost| cost.parse().ok()).unwrap_or(0);
            *(if hashing { &mut spent.hashing } else { &mut spent.otherwise }) += cost;
        }
    }
    spent
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
    fn an_account_is_summed_up_without_what_calls_cost_below_them() {
        let account = "version: 1\npositions: line\nevents: Ir\nsummary: 1175\n\nob=(1) /guard\nfl=(1) sign.rs\n\
                       fn=(1) watchgate::sign\n10 100\n+3 20\ncfi=(2) soft.rs\ncfn=(2) sha2::sha256::compress\n\
                       calls=2 5 \n* 1000\n-2 5\n\nfl=(2)\nfn=(2)\n5 900\nfi=(3) mod.rs\n* 100\n\nfl=(1)\nfn=(1)\n\
                       15 50\n\ntotals: 1175\n";
        assert_eq!(spent(account), Spent { hashing: 1000, otherwise: 175 });
        assert_eq!(spent("events: Ir\nsummary: 0\n\ntotals: 0\n"), Spent::default());
    }
}
