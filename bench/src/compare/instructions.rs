//! Instructions by redirect, counted by valgrind: a figure that a busy machine does not change.
//!
//! Two runs of the same server from start to end, one with more requests than the other; the difference is what those
//! requests took. Absent on purpose: the kernel's instructions, which valgrind does not see, and time.

use std::path::Path;
use std::rc::Rc;

use serde::Serialize;

use super::Context;
use crate::figures::{Spread, table};
use crate::needs::Need;
use crate::peers::Unmeasured;
use crate::process::{Server, read};
use crate::redirect::load;
use crate::redirect::nodes::{Setting, USUAL};
use crate::redirect::requests::{Requests, drawn};
use crate::redirect::rivals::Rival;
use crate::{Failure, say};

/// Films and pairs: few, so that a gate has asked about all of them before what is counted.
const FILMS: u64 = 200;
const PAIRS: usize = 1000;
/// Requests that both runs begin with.
const BEFORE: u64 = 2 * PAIRS as u64;
const CONNECTIONS: usize = 4;
/// Probes would be counted as well: nodes are probed once.
const UNPROBED: Setting = Setting { probe_every_s: Some(3600), ..USUAL };

/// A server that is counted.
#[derive(Clone, Copy, Debug)]
enum Counted {
    Bare,
    Gate,
    Rival(Rival),
}

/// What was counted.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    name: &'static str,
    instructions: Spread,
}

impl Counted {
    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare Pingora",
            Self::Gate => "gate, 5 nodes",
            Self::Rival(rival) => rival.name(),
        }
    }
}

/// Counts; a server that cannot be counted is among the unmeasured.
///
/// # Errors
/// There is no valgrind.
pub(crate) async fn counted(context: &Context<'_>) -> Result<(Vec<Row>, Vec<Unmeasured>), Failure> {
    let valgrind = Need::Valgrind.found().map_err(Failure::NotHere)?;
    let (mut rows, mut unmeasured) = (Vec::new(), Vec::new());
    for one in [Counted::Bare, Counted::Gate, Counted::Rival(Rival::NginxSigned)] {
        if let Counted::Rival(rival) = one
            && let Some(why) = rival.missing()
        {
            unmeasured.push(Unmeasured::skipped(format!("{}, instructions", one.name()), why));
            continue;
        }
        say(&format!("counting instructions: {}", one.name()));
        match by_request(context, &valgrind, one).await {
            Ok(instructions) => rows.push(Row { name: one.name(), instructions }),
            Err(failure) => {
                let name = format!("{}, instructions", one.name());
                unmeasured.push(Unmeasured::failed(name, failure.to_string()));
            }
        }
    }
    Ok((rows, unmeasured))
}

async fn by_request(context: &Context<'_>, valgrind: &str, one: Counted) -> Result<Spread, Failure> {
    let more = context.or_quick(4000, 2000);
    let mut counts = Vec::new();
    for _ in 0..context.or_quick(2, 1) {
        let (few, many) = (
            total(context, valgrind, one, BEFORE).await?,
            total(context, valgrind, one, BEFORE + more).await?,
        );
        counts.push((many as f64 - few as f64) / more as f64);
    }
    Ok(Spread::of(counts.into_iter()))
}

/// Instructions of a whole run with so many requests.
async fn total(context: &Context<'_>, valgrind: &str, one: Counted, count: u64) -> Result<u64, Failure> {
    let out = context.place.scratch.path().join("callgrind.out");
    let file = format!("--callgrind-out-file={}", out.display());
    let under = [valgrind, "--tool=callgrind", &file];
    let servers = context.servers()?;
    let server = match one {
        Counted::Bare => servers.bare("counted-bare", &[], &under).await?,
        Counted::Gate => servers.gate("counted-gate", &UNPROBED, &under).await?.0,
        Counted::Rival(rival) => servers.rival(rival, &under).await?,
    };
    let requests = Rc::new(Requests::of(&drawn(&servers.viewers, FILMS, PAIRS)));
    load::exactly(&server, &requests, CONNECTIONS, count).await?;
    ended(server, &out).await
}

/// Ends the server, which writes what was counted.
async fn ended(server: Server, out: &Path) -> Result<u64, Failure> {
    server.end().await?;
    let text = read(&out.display().to_string())?;
    in_all(&text).ok_or_else(|| Failure::Misbehaved("valgrind has written no total".to_owned()))
}

/// The total of a file of callgrind's: the last line of that name, or of summaries.
fn in_all(text: &str) -> Option<u64> {
    let of = |word: &str| text.lines().rev().find_map(|line| line.strip_prefix(word));
    of("totals:").or_else(|| of("summary:"))?.split_whitespace().next()?.parse().ok()
}

/// As a table; the first row is the yardstick.
pub(crate) fn rendered(rows: &[Row]) -> String {
    let Some(yardstick) = rows.first() else { return String::new() };
    let cells = rows.iter().map(|row| {
        let ratio = row.instructions.median / yardstick.instructions.median;
        vec![row.name.to_owned(), format!("{:.0}", row.instructions), format!("{ratio:.2}")]
    });
    let heads = ["server", "instructions per redirect, user space only", "times bare"];
    table(&heads, &cells.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_of_callgrind() {
        let check = |text: &str, expected: Option<u64>| assert_eq!(in_all(text), expected, "{text}");
        check(
            "version: 1\nevents: Ir\nsummary: 244288239\n\nfn=(1)\n0 5\n\ntotals: 244288661\n",
            Some(244_288_661),
        );
        check("summary: 17\n", Some(17));
        check("totals: 5 6 7\n", Some(5));
        check("events: Ir\n", None);
        check("totals: many\n", None);
    }

    #[test]
    fn the_first_row_is_the_yardstick() {
        let row =
            |name, median| Row { name, instructions: Spread { median, least: median, greatest: median } };
        let table = rendered(&[row("bare", 20_000.0), row("gate", 30_000.0)]);
        assert!(table.contains("| gate | 30000 (30000-30000) | 1.50 |"), "{table}");
        assert_eq!(rendered(&[]), "");
    }
}
