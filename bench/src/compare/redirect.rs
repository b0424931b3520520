//! The chapter about redirects: the gate, the bare proxy, and others as far as they can do the job.
//!
//! Whoever signs has its links proved before anything is measured. Absent on purpose: settings of the gate that only
//! its developers want to compare; `watchgate-bench redirect` has those.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use serde_json::json;

use super::goals::{Goal, Wanted};
use super::profile::{self, Profile};
use super::report::Chapter;
use super::{Context, instructions};
use crate::figures::{Spread, table};
use crate::peers::Unmeasured;
use crate::process::Server;
use crate::redirect::figures;
use crate::redirect::lineup::{Lines, Runner, ratio, turns, warm_up};
use crate::redirect::load::{Round, Shape};
use crate::redirect::nodes::USUAL;
use crate::redirect::proof::{Verifier, destinations};
use crate::redirect::requests::{FILMS, Pair, Requests, drawn};
use crate::redirect::rivals::Rival;
use crate::{Failure, say};

/// Short turns, and many: what disturbs the machine for some seconds disturbs both sides of a ratio.
const TURN: Duration = Duration::from_secs(1);
/// At most so many times the bare proxy.
const TIMES_BARE: f64 = 1.25;
/// nginx with geoip2 and Lua costs at least so many times as much.
const CHEAPER_THAN_LUA: f64 = 2.2;
/// Pairs whose destinations are compared with the gate's.
const COMPARED: usize = 1000;
/// The part of them that has to be the same: the gate shares viewers between nodes that are about equally near.
const SAME: f64 = 0.8;
/// Places in the line-up.
const BARE: usize = 0;
const GATE: usize = 1;

const TEXT: &str = "\
`X-Forwarded-For` of a trusted proxy is believed, a film and a node are chosen for each request, and an access line is
written for each answer, by whoever can do it; the column tells what a server does **not** do that the gate does. Links of
servers that sign were proved before: `watchgate-node`, an S3 server that verifies signatures, took them, and refused each
with one digit of its signature changed. The yardstick is a bare Pingora proxy that answers everything with one fixed
`302` and writes no line. The gate's door drives Pingora's HTTP/1 session without `HttpProxy`, which the bare proxy pays for;
the rest of Pingora and the kernel's part are the same for both.

nginx + geoip2 + Lua: `ngx_http_geoip2` reads the City database, Lua picks the nearest of five nodes, and signs with
libcrypto through LuaJIT's FFI, with the day's key kept and one SHA-256 and one HMAC for a link
([`presign.lua`](src/redirect/presign.lua)). HAProxy: `map_ip` on networks whose nearest node was worked out before, `sha2` and
`hmac` converters, the day's key kept. Envoy's geoip filter tells no coordinates, and nothing in it signs.
";

/// Everybody who is measured, and who is not.
struct LineUp {
    runners: Vec<Runner>,
    /// What each does not do.
    undone: HashMap<String, &'static str>,
    unmeasured: Vec<Unmeasured>,
}

/// Measures.
///
/// # Errors
/// The bare proxy or the gate failed.
pub(super) async fn measured(
    context: &Context<'_>,
    title: &'static str,
    left_out: &mut Vec<String>,
) -> Result<Chapter, Failure> {
    let servers = context.servers()?;
    let films = context.or_quick(FILMS, FILMS / 10);
    let pairs = drawn(&servers.viewers, films, context.pairs());
    let requests = Rc::new(Requests::of(&pairs));
    let LineUp { mut runners, undone, mut unmeasured } = started(context, &pairs, &requests).await?;
    warm_up(&mut runners).await?;
    let (rounds, connections) = (context.or_quick(21, 2), context.shape().connections);
    turns(&mut runners, rounds).await?;
    unmeasured.extend(Unmeasured::of(&runners));
    let counted = match instructions::counted(context).await {
        Ok((counted, uncounted)) => {
            unmeasured.extend(uncounted);
            counted
        }
        Err(failure) => {
            left_out.push(format!("instructions per redirect: {failure}"));
            Vec::new()
        }
    };
    let goals = goals(&runners);
    let is_missed = goals.iter().any(Goal::is_missed);
    let profiles = if is_missed { profiles(context, &runners, left_out).await } else { Vec::new() };
    let text = format!(
        "{TEXT}\n{}; {films} films, {} viewers, {rounds} rounds of {} s for each, {connections} connections.\n\n{}\n{}{}",
        servers.about,
        servers.viewers.len(),
        TURN.as_secs(),
        rendered(&runners, &undone),
        beyond_nginx(&runners).unwrap_or_default(),
        instructions::rendered(&counted),
    );
    let figures = json!({ "servers": figures::Row::of(&runners), "instructions": counted });
    Ok(Chapter { title, goals, profiles, figures, unmeasured, text })
}

/// Starts everybody, and has the links of those who sign proved.
async fn started(context: &Context<'_>, pairs: &[Pair], requests: &Rc<Requests>) -> Result<LineUp, Failure> {
    let servers = context.servers()?;
    let runner = |name: &str, server: Server, lines| {
        let shape = Shape { measured: TURN, ..context.shape() };
        Runner::new(name, &Rc::new(server), requests, shape, lines)
    };
    let bare = servers.bare("bare", &[], &[]).await?;
    let (gate, _) = servers.gate("gate", &USUAL, &[]).await?;
    let verifier = Verifier::start(context.place, context.cores.load, pairs).await?;
    verifier.prove(&gate).await?;
    let wanted = destinations(&gate, &pairs[..COMPARED]).await?;
    let (bare_name, gate_name) = ("bare Pingora, `302`", "gate, 5 nodes");
    let mut undone = HashMap::from([
        (bare_name.to_owned(), "the work of the gate; no access line"),
        (gate_name.to_owned(), "-"),
    ]);
    let mut runners = vec![runner(bare_name, bare, Lines::None), runner(gate_name, gate, Lines::Written)];
    let mut unmeasured = Vec::new();
    for rival in Rival::ALL {
        if let Some(why) = rival.missing() {
            unmeasured.push(Unmeasured::skipped(rival.name(), why));
            continue;
        }
        say(&format!("starting: {}", rival.name()));
        let proved = async {
            let server = servers.rival(rival, &[]).await?;
            if rival.signs() {
                verifier.prove(&server).await?;
                agrees(&server, &pairs[..COMPARED], &wanted).await?;
            }
            Ok::<_, Failure>(server)
        };
        match proved.await {
            Ok(server) => {
                undone.insert(rival.name().to_owned(), rival.undone());
                runners.push(runner(rival.name(), server, Lines::Written));
            }
            Err(failure) => unmeasured.push(Unmeasured::failed(rival.name(), failure.to_string())),
        }
    }
    Ok(LineUp { runners, undone, unmeasured })
}

/// Whether viewers are sent where the gate sends them.
async fn agrees(server: &Server, pairs: &[Pair], wanted: &[String]) -> Result<(), Failure> {
    let hosts = destinations(server, pairs).await?;
    let same = hosts.iter().zip(wanted).filter(|(host, wanted)| host == wanted).count();
    say(&format!("  sends {same} of {} viewers where the gate does", wanted.len()));
    if (same as f64) < SAME * wanted.len() as f64 {
        let all = wanted.len();
        return Err(server.misbehaved(&format!("sends only {same} of {all} viewers to the nearest node")));
    }
    Ok(())
}

fn goals(runners: &[Runner]) -> Vec<Goal> {
    let lua = runners.iter().find(|one| one.name == Rival::NginxSigned.name() && one.fault.is_none());
    let gate = &runners[GATE];
    let sound = gate.fault.is_none();
    let bare = sound.then(|| ratio(&gate.rounds, &runners[BARE].rounds, Round::cpu_us));
    let lua = lua.filter(|_| sound).map(|lua| ratio(&lua.rounds, &gate.rounds, Round::cpu_us));
    vec![
        Goal::new("a redirect, against bare Pingora", Wanted::AtMost(TIMES_BARE), " times", bare),
        Goal::new(
            "nginx + geoip2 + Lua, against the gate's redirect",
            Wanted::AtLeast(CHEAPER_THAN_LUA),
            " times",
            lua,
        ),
    ]
}

/// What to know of the goal against Lua, from what nginx alone costs.
fn beyond_nginx(runners: &[Runner]) -> Option<String> {
    let us = |rival: Rival| {
        let sound = runners.iter().find(|one| one.name == rival.name() && one.fault.is_none());
        sound.map(|one| Spread::of(one.rounds.iter().map(Round::cpu_us)).median)
    };
    beyond(us(Rival::NginxSigned)?, us(Rival::NginxFixed)?)
}

/// Why no server of this kind can reach the goal, if so.
fn beyond(lua_us: f64, nginx_us: f64) -> Option<String> {
    let wanted_us = lua_us / CHEAPER_THAN_LUA;
    (wanted_us < nginx_us).then(|| {
        format!(
            "A redirect {CHEAPER_THAN_LUA} times cheaper than this Lua would have to cost {wanted_us:.1} µs: less than the \
             {nginx_us:.1} µs of nginx's fixed `302`, which places, chooses and signs nothing. The goal was set against a Lua \
             signer of 29.9 µs; this one calls libcrypto directly and keeps its key, and is out of reach for any server that \
             reads a head and writes an answer through the same kernel.\n\n"
        )
    })
}

/// The gate and the bare proxy under the same load.
async fn profiles(
    context: &Context<'_>,
    runners: &[Runner],
    left_out: &mut Vec<String>,
) -> Vec<(String, Vec<Profile>)> {
    let mut profiles = Vec::new();
    for (runner, of) in [(&runners[GATE], "gate"), (&runners[BARE], "bare")] {
        match of_runner(context, runner, of).await {
            Ok(profile) => profiles.push(profile),
            Err(failure) => left_out.push(format!("where a redirect's time goes, {of}: {failure}")),
        }
    }
    if profiles.is_empty() { Vec::new() } else { vec![("Where a redirect's time goes".to_owned(), profiles)] }
}

/// A profile of a server of a line-up, under its own load.
pub(super) async fn of_runner(context: &Context<'_>, runner: &Runner, of: &str) -> Result<Profile, Failure> {
    let cost = Spread::of(runner.rounds.iter().map(Round::cpu_us)).median;
    let load = async { runner.once_more(context.profiled() + context.profiled() / 3).await.map(drop) };
    profile::record(context.place, &runner.server, of, cost, " µs per redirect", context.profiled(), load)
        .await
}

fn rendered(runners: &[Runner], undone: &HashMap<String, &'static str>) -> String {
    let (bare, gate) = (&runners[BARE], &runners[GATE]);
    let row = |runner: &Runner| {
        let busy = Spread::of(runner.rounds.iter().map(Round::busy)).median;
        let to_gate = ratio(&runner.rounds, &gate.rounds, Round::cpu_us);
        vec![
            runner.name.clone(),
            format!("{:.2}", Spread::of(runner.rounds.iter().map(Round::cpu_us))),
            format!("{:.2}", ratio(&runner.rounds, &bare.rounds, Round::cpu_us)),
            if gate.fault.is_none() { format!("{to_gate:.2}") } else { "-".to_owned() },
            format!("{:.0} %", busy * 100.0),
            undone.get(&runner.name).copied().unwrap_or_default().to_owned(),
        ]
    };
    let rows: Vec<_> = runners.iter().filter(|runner| runner.fault.is_none()).map(row).collect();
    table(&["server", "CPU µs per redirect", "times bare", "times gate", "core in use", "does not do"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_below_a_fixed_answer_is_said_to_be_one() {
        assert_eq!(beyond(29.9, 8.9), None);
        let told = beyond(16.5, 8.9).expect("7.5 is less than 8.9");
        assert!(told.contains("7.5 µs") && told.contains("8.9 µs"), "{told}");
    }
}
