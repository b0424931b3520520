//! Instructions by redirect, counted by valgrind: a figure that a busy machine does not change.
//!
//! Two runs of the same server from start to end, one with more requests than the other; the difference is what those
//! requests took. Absent on purpose: the kernel's instructions, which valgrind does not see, and time.

use std::collections::HashMap;
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

const TEXT: &str = "\
Instructions, counted by valgrind in **user space only**, of which a busy machine changes nothing. The processor that
valgrind plays has no instructions for SHA-256, so that a link takes tens of thousands there that a real one does not need;
they are told apart and left out of the ratio.
";

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
    /// Of them in SHA-256, on average.
    sha256: f64,
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
            Ok(row) => rows.push(row),
            Err(failure) => {
                let name = format!("{}, instructions", one.name());
                unmeasured.push(Unmeasured::failed(name, failure.to_string()));
            }
        }
    }
    Ok((rows, unmeasured))
}

async fn by_request(context: &Context<'_>, valgrind: &str, one: Counted) -> Result<Row, Failure> {
    let more = context.or_quick(4000, 2000);
    let (mut counts, mut sha256) = (Vec::new(), Vec::new());
    for _ in 0..context.or_quick(2, 1) {
        let (few, many) = (
            total(context, valgrind, one, BEFORE).await?,
            total(context, valgrind, one, BEFORE + more).await?,
        );
        let each = |few: u64, many: u64| (many as f64 - few as f64) / more as f64;
        counts.push(each(few.all, many.all));
        sha256.push(each(few.sha256, many.sha256));
    }
    let (instructions, sha256) = (Spread::of(counts.into_iter()), Spread::of(sha256.into_iter()).median);
    Ok(Row { name: one.name(), instructions, sha256 })
}

/// Instructions of a whole run with so many requests.
async fn total(context: &Context<'_>, valgrind: &str, one: Counted, count: u64) -> Result<Count, Failure> {
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
async fn ended(server: Server, out: &Path) -> Result<Count, Failure> {
    server.end().await?;
    let text = read(&out.display().to_string())?;
    counted_in(&text).ok_or_else(|| Failure::Misbehaved("valgrind has written no total".to_owned()))
}

/// Instructions of one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    all: u64,
    /// Of them in SHA-256.
    sha256: u64,
}

/// What a file of callgrind's sums up to; `None`: it is none, or not whole.
///
/// SHA-256 is known by its name, or, in a libcrypto that has lost its names, as the costliest function without one.
fn counted_in(text: &str) -> Option<Count> {
    let of = |word: &str| text.lines().rev().find_map(|line| line.strip_prefix(word));
    let all = of("totals:").or_else(|| of("summary:"))?.split_whitespace().next()?.parse().ok()?;
    let own = own_costs(text);
    let named =
        own.iter().filter(|((_, name), _)| name.contains("sha256")).map(|(_, cost)| cost).sum::<u64>();
    let unnamed =
        own.iter().filter(|((object, name), _)| object.contains("libcrypto") && name.starts_with("0x"));
    let unnamed = unnamed.map(|(_, cost)| *cost).max().unwrap_or_default();
    Some(Count { all, sha256: named + unnamed })
}

/// What each function took by itself, by object and name.
fn own_costs(text: &str) -> HashMap<(&str, &str), u64> {
    let (mut objects, mut functions, mut costs) = (HashMap::new(), HashMap::new(), HashMap::new());
    let (mut object, mut function, mut is_callee) = ("", "", false);
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("ob=") {
            object = named(&mut objects, name);
        } else if let Some(name) = line.strip_prefix("fn=") {
            function = named(&mut functions, name);
        } else if let Some(name) = line.strip_prefix("cob=") {
            named(&mut objects, name);
        } else if let Some(name) = line.strip_prefix("cfn=") {
            named(&mut functions, name);
        } else if line.starts_with("calls=") {
            // The next line is what the called function took.
            is_callee = true;
        } else if line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first)) {
            let cost = line.split_whitespace().nth(1).and_then(|cost| cost.parse::<u64>().ok());
            if !is_callee {
                *costs.entry((object, function)).or_default() += cost.unwrap_or_default();
            }
            is_callee = false;
        }
    }
    costs
}

/// The name of `(7) name`, or of `(7)` if it has been told before.
fn named<'a>(names: &mut HashMap<&'a str, &'a str>, text: &'a str) -> &'a str {
    match text.split_once(' ') {
        Some((number, name)) => {
            names.insert(number, name);
            name
        }
        None => names.get(text).copied().unwrap_or(text),
    }
}

/// As a table; the first row is the yardstick.
pub(crate) fn rendered(rows: &[Row]) -> String {
    let Some(yardstick) = rows.first() else { return String::new() };
    let without = |row: &Row| row.instructions.median - row.sha256;
    let cells = rows.iter().map(|row| {
        vec![
            row.name.to_owned(),
            format!("{:.0}", row.instructions),
            format!("{:.0}", row.sha256),
            format!("{:.0}", without(row)),
            format!("{:.2}", without(row) / without(yardstick)),
        ]
    });
    let heads = ["server", "instructions per redirect", "of them SHA-256", "without", "times bare"];
    format!("{TEXT}\n{}", table(&heads, &cells.collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_of_callgrind() {
        let check =
            |text: &str, all: Option<u64>| assert_eq!(counted_in(text).map(|it| it.all), all, "{text}");
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
    fn own_costs_leave_out_what_is_called() {
        let text = "ob=(1) /bin/watchgate\nfl=(1) a.rs\nfn=(1) main\n10 5\n+2 7\ncfn=(2) sha2::sha256::soft::compress\n\
                    calls=3 20\n* 900\n* 1\nfi=(2) b.rs\n-3 2\n\nfn=(2)\n20 800\nfe=(1)\n21 50\n\n\
                    ob=(2) /lib/libcrypto.so.3\nfn=(3) 0x29ad80\n0 300\n\nfn=(4) 0x1\n0 20\n\nfn=(5) OSSL_x\n0 400\n\n\
                    ob=(1)\nfn=(6) 0x7\n0 5000\n\ntotals: 7000\n";
        let costs = own_costs(text);
        assert_eq!(costs[&("/bin/watchgate", "main")], 15);
        assert_eq!(costs[&("/bin/watchgate", "sha2::sha256::soft::compress")], 850);
        assert_eq!(counted_in(text), Some(Count { all: 7000, sha256: 850 + 300 }));
    }

    #[test]
    fn the_first_row_is_the_yardstick() {
        let row = |name, median, sha256| Row {
            name,
            instructions: Spread { median, least: median, greatest: median },
            sha256,
        };
        let table = rendered(&[row("bare", 20_000.0, 0.0), row("gate", 50_000.0, 20_000.0)]);
        assert!(table.contains("| gate | 50000 (50000-50000) | 20000 | 30000 | 1.50 |"), "{table}");
        assert_eq!(rendered(&[]), "");
    }
}
