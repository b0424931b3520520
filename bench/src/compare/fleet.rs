//! The chapter about fleets: a thousand nodes against five, turn by turn.
//!
//! Two mixes of viewers tell two costs apart. In the one, as many nodes are chosen in both fleets, so that the
//! difference is what finding one among a thousand costs; in the other, viewers are spread over the thousand, whose
//! keys, names and counters then do not stay in the processor's caches. Absent on purpose: nodes that are down or full.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use serde_json::json;

use super::Context;
use super::goals::{Goal, Wanted};
use super::redirect::of_runner;
use super::report::Chapter;
use crate::figures::{Spread, table};
use crate::peers::Unmeasured;
use crate::process::Server;
use crate::redirect::lineup::{Lines, Runner, ratio, turns, warm_up};
use crate::redirect::load::{self, Round, Shape};
use crate::redirect::nodes::{Setting, USUAL};
use crate::redirect::proof::destinations;
use crate::redirect::requests::{Pair, Requests, drawn};
use crate::{Failure, say};

/// At most so many times five nodes.
const TIMES_FIVE: f64 = 1.2;
const NODES: usize = 1000;
/// Films and pairs: so few that all nodes near a viewer have been asked about its film before the clock runs.
const FILMS: u64 = 2000;
const PAIRS: u64 = 20_000;
const PAIRS_QUICK: u64 = 10_000;
/// The first viewer of a film waits for what nodes say, so that many ask at once.
const ASKING_CONNECTIONS: usize = 64;

const TEXT: &str = "\
The same gate before 5 and before 1,000 nodes. A thousand nodes are probed a thousand times a second (two probes every 2 s
for each), which costs time of its own whether anybody asks or not: before each round the gate is watched for a second without
any load, and **own** is the cost of a redirect without that part of a core. Ratios are of own costs, within each turn.

\"Few chosen\" are viewers of one and the same node in the large fleet for each of the five in the small one: as many nodes
are chosen in both, and the difference is what it costs to find one among 1,000. \"Many chosen\" are viewers from all over the
world: of the large fleet hundreds of nodes are chosen in turn, and what a link needs of each does not stay in the caches of
the processor.
";

/// Measures.
///
/// # Errors
/// The smaller fleet failed.
pub(super) async fn measured(
    context: &Context<'_>,
    title: &'static str,
    left_out: &mut Vec<String>,
) -> Result<Chapter, Failure> {
    let servers = context.servers()?;
    let count = usize::try_from(context.or_quick(PAIRS, PAIRS_QUICK)).unwrap_or(usize::MAX);
    let pairs = drawn(&servers.viewers, FILMS, count);
    say("starting: gate, 5 nodes");
    let small = Rc::new(servers.gate("gate-5", &USUAL, &[]).await?.0);
    say("starting: gate, 1,000 nodes");
    let large = Rc::new(servers.gate("gate-1000", &Setting { nodes: NODES, ..USUAL }, &[]).await?.0);
    let (few, many) = mixes(&small, &large, &pairs).await?;
    // Short turns, and many: what disturbs the machine is then mostly the same for both sides of a ratio.
    let second = Duration::from_secs(1);
    let shape = Shape { idle: second, measured: second, ..context.shape() };
    let rounds = context.or_quick(15, 2);
    let runner = |name: &str, server: &Rc<Server>, mix: &Rc<Requests>| {
        Runner::new(name, server, mix, shape, Lines::Written)
    };
    let mut runners = [
        runner("5 nodes, few chosen", &small, &few),
        runner("1,000 nodes, few chosen", &large, &few),
        runner("5 nodes, viewers from everywhere", &small, &many),
        runner("1,000 nodes, many chosen", &large, &many),
    ];
    warm_up(&mut runners).await?;
    turns(&mut runners, rounds).await?;
    let goals = goals(&runners);
    let mut profiles = Vec::new();
    for (index, goal) in goals.iter().enumerate() {
        let (small, large) = (&runners[2 * index], &runners[2 * index + 1]);
        if !goal.is_missed() || large.fault.is_some() {
            continue;
        }
        let both = [(large, "1,000 nodes"), (small, "5 nodes")];
        let mut taken = Vec::new();
        for (runner, of) in both {
            match of_runner(context, runner, of).await {
                Ok(profile) => taken.push(profile),
                Err(failure) => left_out.push(format!("where the time of {} goes: {failure}", runner.name)),
            }
        }
        if !taken.is_empty() {
            profiles.push((format!("Where the time goes, probes included: {}", large.name), taken));
        }
    }
    let text = format!(
        "{TEXT}\n{} pairs of a viewer and one of {FILMS} films for few, {} for many; {} rounds of {} s for each.\n\n{}",
        few.count(),
        many.count(),
        rounds,
        shape.measured.as_secs(),
        rendered(&runners)
    );
    let figures = json!({ "fleets": sound(&runners).map(|(runner, _)| figures(runner)).collect::<Vec<_>>() });
    Ok(Chapter { title, goals, profiles, figures, unmeasured: Unmeasured::of(&runners), text })
}

/// Both mixes of viewers, after both gates have heard who holds which film.
async fn mixes(
    small: &Server,
    large: &Server,
    pairs: &[Pair],
) -> Result<(Rc<Requests>, Rc<Requests>), Failure> {
    say("asking both fleets for everything once ...");
    let many = Rc::new(Requests::of(pairs));
    for gate in [small, large] {
        load::exactly(gate, &many, ASKING_CONNECTIONS, 2 * many.count() as u64).await?;
    }
    let few = same_choice(pairs, &destinations(small, pairs).await?, &destinations(large, pairs).await?);
    if few.is_empty() {
        return Err(large.misbehaved("sends nobody anywhere"));
    }
    Ok((Rc::new(Requests::of(&few)), many))
}

/// The pairs that the large fleet sends to the one node that most of those go to whom the small fleet sends to the same
/// node: for each node of the small fleet one of the large.
fn same_choice(pairs: &[Pair], small: &[String], large: &[String]) -> Vec<Pair> {
    let mut counts: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for (small, large) in small.iter().zip(large) {
        *counts.entry(small).or_default().entry(large).or_default() += 1;
    }
    let most = |counts: &BTreeMap<&str, usize>| {
        counts.iter().max_by_key(|(_, count)| **count).map(|(host, _)| (*host).to_owned())
    };
    let chosen: BTreeMap<&str, Option<String>> =
        counts.iter().map(|(small, counts)| (*small, most(counts))).collect();
    let same = |small: &str, large: &str| chosen.get(small).is_some_and(|it| it.as_deref() == Some(large));
    let all = pairs.iter().zip(small.iter().zip(large));
    all.filter(|(_, (small, large))| same(small, large)).map(|(pair, _)| *pair).collect()
}

/// Those without a fault, each with the small fleet under the same mix.
fn sound(runners: &[Runner]) -> impl Iterator<Item = (&Runner, &Runner)> {
    let with_base = runners.iter().enumerate().map(|(index, runner)| (runner, &runners[index - index % 2]));
    with_base.filter(|(runner, base)| runner.fault.is_none() && base.fault.is_none())
}

fn goals(runners: &[Runner]) -> Vec<Goal> {
    let of = |large: usize, what: &str| {
        let mut sound = sound(runners).filter(|(runner, _)| runner.name == runners[large].name);
        let measured =
            sound.next().map(|(large, small)| ratio(&large.rounds, &small.rounds, Round::own_cpu_us));
        Goal::new(format!("1,000 nodes, against 5: {what}"), Wanted::AtMost(TIMES_FIVE), " times", measured)
    };
    vec![of(1, "as many chosen"), of(3, "hundreds chosen")]
}

fn chosen(runner: &Runner) -> usize {
    let hosts: std::collections::BTreeSet<_> = runner.rounds.iter().flat_map(|round| &round.hosts).collect();
    hosts.len()
}

fn figures(runner: &Runner) -> serde_json::Value {
    let of = |figure: fn(&Round) -> f64| Spread::of(runner.rounds.iter().map(figure));
    json!({
        "name": runner.name,
        "nodes_chosen": chosen(runner),
        "cpu_us": of(Round::cpu_us),
        "own_cpu_us": of(Round::own_cpu_us),
        "idle_core": of(|round| round.idle),
    })
}

fn rendered(runners: &[Runner]) -> String {
    let row = |(runner, base): (&Runner, &Runner)| {
        let of = |figure: fn(&Round) -> f64| Spread::of(runner.rounds.iter().map(figure));
        vec![
            runner.name.clone(),
            chosen(runner).to_string(),
            format!("{:.2}", of(Round::own_cpu_us)),
            format!("{:.2}", ratio(&runner.rounds, &base.rounds, Round::own_cpu_us)),
            format!("{:.2} %", Spread::of(runner.rounds.iter().map(|round| round.idle * 100.0))),
            format!("{:.2}", of(Round::cpu_us)),
            format!("{:.2}", ratio(&runner.rounds, &base.rounds, Round::cpu_us)),
        ]
    };
    let heads = [
        "gate before",
        "nodes chosen",
        "own µs per redirect",
        "times 5 nodes",
        "core used without load",
        "µs with probes",
        "times 5 nodes, with probes",
    ];
    table(&heads, &sound(runners).map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_those_whose_node_is_the_same_one() {
        let address = "192.0.2.1".parse().unwrap();
        let pairs: Vec<Pair> = (0..7).map(|film| (address, film)).collect();
        let hosts = |list: &str| list.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let few = same_choice(&pairs, &hosts("a a a a b b b"), &hosts("x y x z y w w"));
        let films: Vec<_> = few.iter().map(|(_, film)| *film).collect();
        assert_eq!(films, [0, 2, 5, 6]);
    }
}
