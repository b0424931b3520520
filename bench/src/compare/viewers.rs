//! The chapter about viewers: ten connections that ask at once, and ten thousand.
//!
//! Cost is measured as ever, with connections that ask again when they are answered; delay with a schedule that waits
//! for nobody, at a rate that leaves the gate time. Absent on purpose: viewers who come and go.

use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::LocalSet;
use tokio::time::sleep;

use super::Context;
use super::report::Chapter;
use crate::figures::{Spread, table};
use crate::flood::load::Line;
use crate::peers::Unmeasured;
use crate::process::{Server, claim_files};
use crate::redirect::lineup::{Lines, Runner, ratio, turns, warm_up};
use crate::redirect::load::{Round, Shape};
use crate::redirect::nodes::USUAL;
use crate::redirect::requests::{Pair, Requests, drawn, written};
use crate::schedule::{Late, Schedule};
use crate::{Failure, say};

const SIZES: [usize; 4] = [10, 100, 1000, 10_000];
const SIZES_QUICK: [usize; 3] = [10, 100, 1000];
/// The gate reckons with two files for each viewer, and so must the limit that it inherits.
const FILES_PER_VIEWER: u64 = 2;
/// Files that are none of a viewer's.
const FILES_BESIDE: u64 = 1024;
const FILMS: u64 = 2000;
const PAIRS: usize = 20_000;
/// Requests a second when delay is measured, and how long.
const RATE: u32 = 5000;
const DELAY_TIME: Duration = Duration::from_secs(4);

const TEXT: &str = "\
So many kept-alive connections, each of which asks again when it is answered, at the gate with 5 nodes and at the bare
proxy. A delay is that of 5,000 requests a second, spread over all connections by a schedule that waits for no answer, counted
from the moment when a request was due; it holds the load generator's own delay, and the machine's.
";

/// Delays of the gate at one size.
#[derive(Clone, Copy, Debug)]
struct Delay {
    p50: Duration,
    p99: Duration,
    /// How late requests were sent, which is the load generator's part.
    late_p99: Duration,
}

/// Measures.
///
/// # Errors
/// The bare proxy failed.
pub(super) async fn measured(
    context: &Context<'_>,
    title: &'static str,
    left_out: &mut Vec<String>,
) -> Result<Chapter, Failure> {
    let servers = context.servers()?;
    let sizes = sizes(context, left_out)?;
    let pairs = drawn(&servers.viewers, FILMS, PAIRS);
    let requests = Rc::new(Requests::of(&pairs));
    let bare = Rc::new(servers.bare("bare-viewers", &[], &[]).await?);
    let gate = Rc::new(servers.gate("gate-viewers", &USUAL, &[]).await?.0);
    let runners = sizes.iter().flat_map(|&connections| {
        let shape = Shape { connections, ..context.shape() };
        let runner = |name: &str, server: &Rc<Server>, lines| {
            Runner::new(format!("{name}, {connections} viewers"), server, &requests, shape, lines)
        };
        [runner("bare Pingora", &bare, Lines::None), runner("gate", &gate, Lines::Written)]
    });
    let mut runners: Vec<Runner> = runners.collect();
    warm_up(&mut runners[..2]).await?;
    turns(&mut runners, context.or_quick(5, 2)).await?;
    let mut unmeasured = Unmeasured::of(&runners);
    let mut delays = Vec::new();
    for &connections in &sizes {
        say(&format!("delays with {connections} viewers"));
        match LocalSet::new().run_until(delay(&gate, connections, pairs.clone())).await {
            Ok(delay) => delays.push(Some(delay)),
            Err(failure) => {
                unmeasured.push(Unmeasured::failed(
                    format!("delays with {connections} viewers"),
                    failure.to_string(),
                ));
                delays.push(None);
            }
        }
    }
    let (rounds, seconds) = (context.or_quick(5, 2), context.shape().measured.as_secs());
    let table = rendered(&runners, &sizes, &delays);
    let text = format!("{TEXT}\n{rounds} rounds of {seconds} s for each.\n\n{table}");
    let figures: Vec<_> = runners
        .iter()
        .filter(|runner| runner.fault.is_none())
        .map(|runner| {
            let cpu_us = Spread::of(runner.rounds.iter().map(Round::cpu_us));
            json!({ "name": runner.name, "connections": runner.shape.connections, "cpu_us": cpu_us })
        })
        .collect();
    let delays = sizes.iter().zip(&delays).filter_map(|(size, delay)| Some((size, (*delay)?)));
    let delays: Vec<_> = delays
        .map(|(size, it)| json!({ "connections": size, "p50_ms": ms(it.p50), "p99_ms": ms(it.p99), "late_p99_ms": ms(it.late_p99) }))
        .collect();
    let figures = json!({ "cost": figures, "delays": delays });
    Ok(Chapter { title, goals: Vec::new(), profiles: Vec::new(), figures, unmeasured, text })
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// How many viewers at once, as far as the table of open files goes.
fn sizes(context: &Context<'_>, left_out: &mut Vec<String>) -> Result<Vec<usize>, Failure> {
    let sizes: &[usize] = if context.quick { &SIZES_QUICK } else { &SIZES };
    let most = sizes.iter().copied().max().unwrap_or_default() as u64;
    let files = claim_files(FILES_PER_VIEWER * most + FILES_BESIDE)?;
    let fit = files.saturating_sub(FILES_BESIDE) / FILES_PER_VIEWER;
    if fit < most {
        left_out
            .push(format!("more than {fit} viewers at once: {files} open files are allowed (`ulimit -Hn`)"));
    }
    let fit = usize::try_from(fit).unwrap_or(usize::MAX);
    Ok(sizes.iter().map(|size| (*size).min(fit)).collect())
}

/// Delays at a fixed rate, once all connections are made.
async fn delay(gate: &Server, connections: usize, pairs: Vec<Pair>) -> Result<Delay, Failure> {
    gate.forget_log()?;
    let schedule = Schedule { begun: Instant::now(), rate: RATE, total: u64::MAX };
    let mut pairs = pairs.into_iter().cycle();
    let question = move || pairs.next().map(written).unwrap_or_default();
    let line = Line::new(gate.address, schedule, question);
    let workers = line.work(u32::try_from(connections).unwrap_or(u32::MAX));
    let measured = async {
        // Each connection is made when its turn comes.
        let everybody = Duration::from_secs(1) * u32::try_from(connections).unwrap_or(u32::MAX) / RATE;
        sleep(everybody + Duration::from_secs(1)).await;
        line.tally.forget();
        sleep(DELAY_TIME).await;
        line.tickets.stop(Late::Sent);
    };
    let (issued, ()) = tokio::join!(line.tickets.issue(), measured);
    issued?;
    for worker in workers {
        worker.await.map_err(|panic| gate.misbehaved(&panic.to_string()))?;
    }
    let tally = &line.tally;
    if let Some(complaint) = tally.complaint() {
        return Err(gate.misbehaved(&complaint));
    }
    if tally.statuses().keys().any(|status| *status != 302) {
        return Err(gate.misbehaved(&format!("answered otherwise than with 302: {:?}", tally.statuses())));
    }
    let time = |ms: f64| Duration::from_secs_f64(ms / 1e3);
    let (p50, p99) = (time(tally.took_ms(0.5)), time(tally.took_ms(0.99)));
    Ok(Delay { p50, p99, late_p99: time(tally.late_ms(0.99)) })
}

fn rendered(runners: &[Runner], sizes: &[usize], delays: &[Option<Delay>]) -> String {
    let Some(first) = runners.get(1) else { return String::new() };
    let rows = runners.chunks(2).zip(sizes).zip(delays).filter_map(|((pair, size), delay)| {
        let [bare, gate] = pair else { return None };
        if bare.fault.is_some() || gate.fault.is_some() || first.fault.is_some() {
            return None;
        }
        let cpu = |runner: &Runner| format!("{:.2}", Spread::of(runner.rounds.iter().map(Round::cpu_us)));
        let delays = match delay {
            Some(it) => [it.p50, it.p99, it.late_p99].map(|time| format!("{:.2}", ms(time))),
            None => ["-"; 3].map(str::to_owned),
        };
        let cells = [
            size.to_string(),
            cpu(gate),
            format!("{:.2}", ratio(&gate.rounds, &first.rounds, Round::cpu_us)),
            cpu(bare),
            format!("{:.2}", ratio(&gate.rounds, &bare.rounds, Round::cpu_us)),
        ];
        Some(cells.into_iter().chain(delays).collect())
    });
    let heads = [
        "viewers at once",
        "gate, CPU µs per redirect",
        "times 10 viewers",
        "bare, CPU µs",
        "gate, times bare",
        "p50 ms",
        "p99 ms",
        "of it sent late, p99 ms",
    ];
    table(&heads, &rows.collect::<Vec<_>>())
}
