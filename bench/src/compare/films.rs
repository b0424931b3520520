//! The chapter about films: gates that know a thousand of them and more, side by side.
//!
//! Each gate has one node, which holds everything, and has been asked for all of its films before. Absent on purpose:
//! films that have to be asked for, and films that nobody holds; `watchgate-bench flood` measures those.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::Context;
use super::report::Chapter;
use crate::figures::{Spread, table};
use crate::peers::Unmeasured;
use crate::process::{Server, kib, read};
use crate::redirect::lineup::{Lines, Runner, ratio, turns, warm_up};
use crate::redirect::load::{self, Round};
use crate::redirect::nodes::{Presence, Setting, USUAL};
use crate::redirect::requests::{Pair, Requests, drawn};
use crate::{Failure, gate, say};

const FIRST: u64 = 1000;
const STEP: u64 = 10;
/// Filling is written out in pieces of so many films.
const PIECE: u64 = 100_000;
const FILLING_CONNECTIONS: usize = 64;
/// One gate is filled for at most so long.
const FILL_TIME: Duration = Duration::from_mins(25);
/// Bytes that a film may take before it is not tried.
const BYTES_EACH_MAX: u64 = 1700;
/// By size in the gate's own reckoning a film counts as one or a little more.
const ROOM_EACH: u64 = 2;
/// The part of the films that the gate has to remember.
const REMEMBERED: f64 = 0.98;
/// Below so many films, memory says nothing about a film.
const TELLING: u64 = 100_000;

const TEXT: &str = "\
A gate for each number of films, all of them up, all measured in turn with viewers who ask for films drawn from all that it
knows. A gate learns a film by asking its one node for it, once. Growth of memory is `RssAnon` from before the first film to
after the last. With more films than fit into the processor's caches each request waits for memory; nothing else grows.
";

/// A gate and what it knows.
struct Known {
    films: u64,
    /// By film.
    bytes: f64,
    fill_us: f64,
}

/// Measures.
///
/// # Errors
/// The gate that knows the fewest films failed.
pub(super) async fn measured(
    context: &Context<'_>,
    title: &'static str,
    left_out: &mut Vec<String>,
) -> Result<Chapter, Failure> {
    let servers = context.servers()?;
    let most = context.or_quick(context.films_max, 10_000).min(context.films_max);
    let sizes = std::iter::successors(Some(FIRST), |films| films.checked_mul(STEP));
    let (mut runners, mut known, mut unmeasured) = (Vec::new(), Vec::new(), Vec::new());
    for films in sizes.take_while(|films| *films <= most) {
        let room = available_bytes()?;
        if films * BYTES_EACH_MAX > room {
            let (need, have) = ((films * BYTES_EACH_MAX) >> 30, room >> 30);
            left_out
                .push(format!("{films} films: they may need {need} GiB of memory, and {have} GiB are free"));
            break;
        }
        say(&format!("starting and filling: {films} films"));
        let presence = Presence::Asked { capacity: (ROOM_EACH * films).max(1_000_000) };
        let setting = Setting { nodes: 1, presence, ..USUAL };
        let (mut gate, admin) = servers.gate(&format!("gate-{films}"), &setting, &[]).await?;
        match filled(&mut gate, admin, films, servers.viewers[0]).await {
            Ok(one) => known.push(one),
            Err(failure) => {
                unmeasured.push(Unmeasured::failed(format!("{films} films"), failure.to_string()));
                break;
            }
        }
        let requests = Rc::new(Requests::of(&drawn(&servers.viewers, films, context.pairs())));
        let name = format!("{films} films");
        runners.push(Runner::new(name, &Rc::new(gate), &requests, context.shape(), Lines::Written));
    }
    let rounds = context.or_quick(5, 2);
    warm_up(&mut runners).await?;
    turns(&mut runners, rounds).await?;
    unmeasured.extend(Unmeasured::of(&runners));
    if context.films_max < 10_000_000 {
        left_out.push(format!("more than {most} known films: --films-max 10000000"));
    }
    let seconds = context.shape().measured.as_secs();
    let text = format!("{TEXT}\n{rounds} rounds of {seconds} s for each.\n\n{}", rendered(&runners, &known));
    let figures: Vec<_> = sound(&runners, &known)
        .map(|(runner, known)| {
            let cpu_us = Spread::of(runner.rounds.iter().map(Round::cpu_us));
            json!({ "films": known.films, "cpu_us": cpu_us, "bytes_by_film": known.bytes, "fill_us": known.fill_us })
        })
        .collect();
    let profiles = Vec::new();
    Ok(Chapter { title, goals: Vec::new(), profiles, figures: json!(figures), unmeasured, text })
}

/// Has the gate learn so many films, and sees that it remembers them.
async fn filled(
    gate: &mut Server,
    admin: SocketAddr,
    films: u64,
    viewer: std::net::IpAddr,
) -> Result<Known, Failure> {
    let (before, begun) = (gate.anonymous_kib()?, Instant::now());
    let mut next = 0;
    while next < films {
        let end = (next + PIECE).min(films);
        let pairs: Vec<Pair> = (next..end).map(|film| (viewer, film)).collect();
        let requests = Rc::new(Requests::of(&pairs));
        load::exactly(gate, &requests, FILLING_CONNECTIONS, end - next).await?;
        gate.forget_log()?;
        next = end;
        if next.is_multiple_of(2 * PIECE) {
            say(&format!("  {next} films after {:.0} s", begun.elapsed().as_secs_f64()));
        }
        if begun.elapsed() > FILL_TIME {
            return Err(gate.misbehaved(&format!("learnt only {next} films in {FILL_TIME:?}")));
        }
    }
    let fill_us = begun.elapsed().as_secs_f64() * 1e6 / films as f64;
    let bytes = (gate.anonymous_kib()? - before) as f64 * 1024.0 / films as f64;
    // The metric follows some seconds later.
    let wanted = films as f64 * REMEMBERED;
    let all = || async move { remembered(admin).await.is_some_and(|held| held >= wanted) };
    gate.wait_until(&format!("remembers {wanted} of {films} films"), all).await?;
    Ok(Known { films, bytes, fill_us })
}

/// Films that the gate knows to be held, by its metrics.
async fn remembered(admin: SocketAddr) -> Option<f64> {
    held_in(&gate::told(admin, "/metrics").await?)
}

fn held_in(metrics: &str) -> Option<f64> {
    let word = "watchgate_presence_films{kind=\"held\"} ";
    metrics.lines().find_map(|line| line.strip_prefix(word))?.trim().parse().ok()
}

/// Memory that nobody needs.
fn available_bytes() -> Result<u64, Failure> {
    let free = kib(&read("/proc/meminfo")?, "MemAvailable:").unwrap_or_default();
    Ok(u64::try_from(free).unwrap_or_default() << 10)
}

fn sound<'a>(runners: &'a [Runner], known: &'a [Known]) -> impl Iterator<Item = (&'a Runner, &'a Known)> {
    runners.iter().zip(known).filter(|(runner, _)| runner.fault.is_none())
}

fn rendered(runners: &[Runner], known: &[Known]) -> String {
    let row = |(runner, known): (&Runner, &Known)| {
        vec![
            known.films.to_string(),
            format!("{:.2}", Spread::of(runner.rounds.iter().map(Round::cpu_us))),
            format!("{:.2}", ratio(&runner.rounds, &runners[0].rounds, Round::cpu_us)),
            if known.films < TELLING { "-".to_owned() } else { format!("{:.0}", known.bytes) },
            format!("{:.0}", known.fill_us),
        ]
    };
    let heads = [
        "films known",
        "CPU µs per redirect",
        "times 1,000 films",
        "bytes of memory by film",
        "µs to learn a film",
    ];
    table(&heads, &sound(runners, known).map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn films_are_read_from_metrics() {
        let text = "# HELP x\nwatchgate_presence_films{kind=\"held\"} 1000\nwatchgate_presence_films{kind=\"lacking\"} 5\n";
        assert_eq!(held_in(text), Some(1000.0));
        assert_eq!(held_in("watchgate_presence_films{kind=\"lacking\"} 5\n"), None);
        assert!(available_bytes().unwrap() > 1 << 20);
    }
}
