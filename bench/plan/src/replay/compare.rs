//! Line by line: where the viewer was sent, where it would be sent, and why not there any more.

use std::collections::{BTreeMap, HashSet};

use watchgate::decide::plan::Plan;
use watchgate::decide::watch::Film;

use super::ReplayArgs;
use super::entry::Entry;
use super::load::{Load, Watching};
use super::report::{Example, ExampleNode, ExampleSide, Move, NodeUse, Replay};
use super::side::{Side, Wish, was_sent};

/// Ways that are counted apart; more are counted together.
const WAYS_MAX: usize = 10_000;
/// Viewer groups that are told apart.
const GROUPS_MAX: usize = 1_000_000;
/// Bad lines that are named.
const BAD_SHOWN: usize = 10;
/// Reasons of the log that no replay can know.
const UNKNOWABLE: [&str; 4] = ["only_holder", "node_failed", "all_down", "load"];

/// See the module.
pub(super) struct Comparison {
    before: Option<Half>,
    after: Half,
    with_load: bool,
    view_minutes: u64,
    examples_max: usize,
    watching: Watching,
    groups: HashSet<u64>,
    moved_groups: HashSet<u64>,
    moves: BTreeMap<(String, String, String), u64>,
    report: Replay,
}

/// A side and what its nodes would carry.
struct Half {
    side: Side,
    load: Load,
    asks: Vec<u64>,
}

impl Half {
    fn new(side: Side, view_minutes: u64) -> Self {
        let count = side.snapshot.config.nodes.len();
        Self { load: Load::new(count, view_minutes), asks: vec![0; count], side }
    }

    /// The viewer is sent to a node.
    fn take(&mut self, node: usize, minute: u64, begins: bool, with_load: bool) {
        self.asks[node] += 1;
        if !begins {
            return;
        }
        let passed = self.load.begins(node, minute);
        if with_load {
            // When a minute has passed, viewers have left everywhere.
            let changed = if passed { 0..self.asks.len() } else { node..node + 1 };
            for node in changed {
                let on = u32::try_from(self.load.on(node)).unwrap_or(u32::MAX - 1);
                self.side.snapshot.fleet.nodes[node].live.set_in_flight(Some(on), 1.0);
            }
        }
    }
}

impl Comparison {
    pub(super) fn new(before: Option<Side>, after: Side, args: &ReplayArgs) -> Self {
        Self {
            before: before.map(|side| Half::new(side, args.view_minutes)),
            after: Half::new(after, args.view_minutes),
            with_load: args.with_load,
            view_minutes: args.view_minutes,
            examples_max: usize::try_from(args.examples).unwrap_or(0),
            watching: Watching::default(),
            groups: HashSet::new(),
            moved_groups: HashSet::new(),
            moves: BTreeMap::new(),
            report: Replay::default(),
        }
    }

    pub(super) fn bad(&mut self, log: &str, number: u64, why: &str) {
        self.report.lines += 1;
        self.report.bad += 1;
        if self.report.bad_examples.len() < BAD_SHOWN {
            self.report.bad_examples.push(format!("{log}:{number}: {why}"));
        }
    }

    pub(super) fn line(&mut self, log: &str, number: u64, line: &[u8]) {
        let entry = match Entry::read(line) {
            Ok(entry) => entry,
            Err(why) => return self.bad(log, number, &why),
        };
        self.report.lines += 1;
        let (Some(film), true) = (entry.film, was_sent(&entry)) else {
            *self.report.passed_over.entry(entry.outcome).or_default() += 1;
            return;
        };
        self.report.asks += 1;
        self.report.without_address += u64::from(entry.client.is_none());
        let after = self.after.side.wish(entry.client, &film);
        let (key, plan) = (after.key(), after.plan());
        let minute = entry.time_ms / 60_000;
        let begins = self.watching.begins(key, minute, self.view_minutes);
        let (from, before_plan) = match &self.before {
            Some(before) => {
                let plan = before.side.wish(entry.client, &film).plan();
                (plan.winner().map(|winner| before.side.id(winner.node).to_owned()), Some(plan))
            }
            None => (entry.node.clone(), None),
        };
        let to = plan.winner().map(|winner| winner.node);
        let to_id = to.map(|node| self.after.side.id(node).to_owned());
        let group = key_of_group(&entry);
        remember(&mut self.groups, group);
        if from == to_id {
            self.report.stay += 1;
        } else {
            let reason = self.reason(&entry, from.as_deref(), &after, &plan);
            let asked = Asked { entry: &entry, film };
            let km = self.kilometres(asked, from.as_deref(), &after, to);
            let example = (self.report.examples.len() < self.examples_max).then(|| {
                self.example(asked, (from.as_deref(), before_plan.as_ref()), (&after, &plan), &reason)
            });
            remember(&mut self.moved_groups, group);
            self.moved(from, to_id, reason, km);
            self.report.examples.extend(example);
        }
        if let (Some(before), Some(node)) = (&mut self.before, before_plan.as_ref().and_then(Plan::winner)) {
            before.take(node.node, minute, begins, self.with_load);
        }
        if let Some(node) = to {
            self.after.take(node, minute, begins, self.with_load);
        }
    }

    fn moved(
        &mut self,
        from: Option<String>,
        to: Option<String>,
        reason: String,
        km: (Option<f32>, Option<f32>),
    ) {
        self.report.move_count += 1;
        if let (Some(before), Some(after)) = km {
            self.report.km_before.add(before);
            self.report.km_after.add(after);
            self.report.farther += u64::from(after > before);
        }
        let nobody = || "nobody".to_owned();
        let mut way = (from.unwrap_or_else(nobody), to.unwrap_or_else(nobody), reason);
        if self.moves.len() >= WAYS_MAX && !self.moves.contains_key(&way) {
            way = ("others".to_owned(), "others".to_owned(), "various".to_owned());
        }
        *self.moves.entry(way).or_default() += 1;
    }

    /// Why the viewer is not sent where it was: in the words of the decision, and `removed`, `added`, and `was REASON`
    /// for what the log says and no replay can know.
    fn reason(&self, entry: &Entry, from: Option<&str>, after: &Wish<'_>, plan: &Plan) -> String {
        if self.before.is_none() && UNKNOWABLE.contains(&entry.reason.as_str()) {
            return format!("was {}", entry.reason);
        }
        let Some(from) = from else { return "was nobody".to_owned() };
        let Some(node) = self.after.side.find(from) else { return "removed".to_owned() };
        let Some(winner) = plan.winner() else { return plan.why.as_str().to_owned() };
        if self
            .before
            .as_ref()
            .is_some_and(|before| before.side.find(self.after.side.id(winner.node)).is_none())
        {
            return "added".to_owned();
        }
        let scored = after.all()[node];
        match scored.dropped {
            Some(dropped) => dropped.as_str().to_owned(),
            None if scored.tier > winner.tier => "lower_tier".to_owned(),
            None => plan.why.as_str().to_owned(),
        }
    }

    fn kilometres(
        &self,
        asked: Asked<'_>,
        from: Option<&str>,
        after: &Wish<'_>,
        to: Option<usize>,
    ) -> (Option<f32>, Option<f32>) {
        // Where the node was before, if there is a before: it may have been moved.
        let before = match (&self.before, from) {
            (Some(before), Some(from)) => before
                .side
                .find(from)
                .and_then(|node| before.side.wish(asked.entry.client, &asked.film).distance_km(node)),
            (None, Some(from)) => self.after.side.find(from).and_then(|node| after.distance_km(node)),
            _ => None,
        };
        (before, to.and_then(|node| after.distance_km(node)))
    }

    fn example(
        &self,
        asked: Asked<'_>,
        before: (Option<&str>, Option<&Plan>),
        after: (&Wish<'_>, &Plan),
        reason: &str,
    ) -> Example {
        let Asked { entry, film } = asked;
        let (from, before_plan) = before;
        let (wish, plan) = after;
        let old = from.and_then(|id| self.after.side.find(id));
        let old_side = |half: &Half| {
            let wish = half.side.wish(entry.client, &film);
            before_plan.map(|plan| shown(&half.side, &wish, plan, None))
        };
        Example {
            time: watchgate::clock::rfc3339(entry.time_ms),
            viewer: entry.client.map_or_else(|| "unknown".to_owned(), network),
            film: film.to_string(),
            from: from.unwrap_or("nobody").to_owned(),
            to: plan.winner().map_or("nobody", |winner| self.after.side.id(winner.node)).to_owned(),
            reason: reason.to_owned(),
            logged: entry.reason.clone(),
            before: self.before.as_ref().and_then(old_side),
            after: shown(&self.after.side, wish, plan, old),
        }
    }

    pub(super) fn report(mut self) -> Replay {
        let mut moves: Vec<Move> = std::mem::take(&mut self.moves)
            .into_iter()
            .map(|((from, to, reason), asks)| Move { from, to, reason, asks })
            .collect();
        moves.sort_by_key(|way| std::cmp::Reverse(way.asks));
        self.report.moves = moves;
        self.report.groups = self.groups.len() as u64;
        self.report.moved_groups = self.moved_groups.len() as u64;
        self.report.groups_full = self.groups.len() >= GROUPS_MAX;
        self.report.forgotten = self.watching.forgotten;
        self.report.view_minutes = self.view_minutes;
        self.report.with_load = self.with_load;
        self.report.against_log = self.before.is_none();
        self.report.after = uses(&self.after);
        self.report.before = self.before.as_ref().map(uses);
        self.report
    }
}

/// A line that asks for a film.
#[derive(Clone, Copy)]
struct Asked<'a> {
    entry: &'a Entry,
    film: Film,
}

fn uses(half: &Half) -> Vec<NodeUse> {
    let node = |(at, node): (usize, &watchgate_config::Node)| {
        let (most, minute) = half.load.most(at);
        let max_viewers = node.max_viewers.get();
        NodeUse {
            id: node.id.to_string(),
            asks: half.asks[at],
            most,
            most_at: if most > 0 { watchgate::clock::rfc3339(minute * 60_000) } else { String::new() },
            max_viewers,
            share: most as f64 / f64::from(max_viewers),
        }
    };
    half.side.snapshot.config.nodes.iter().enumerate().map(node).collect()
}

fn key_of_group(entry: &Entry) -> u64 {
    entry.client.map_or(0, |address| watchgate::decide::client::group(address).as_u64())
}

fn remember(groups: &mut HashSet<u64>, group: u64) {
    if groups.len() < GROUPS_MAX {
        groups.insert(group);
    }
}

/// The network whose viewers are treated alike: an example names no single viewer.
fn network(address: std::net::IpAddr) -> String {
    let (address, bits) = match address.to_canonical() {
        std::net::IpAddr::V4(v4) => (std::net::IpAddr::V4(v4), 24),
        std::net::IpAddr::V6(v6) => (std::net::IpAddr::V6(v6), 56),
    };
    ipnet::IpNet::new(address, bits)
        .map_or_else(|_| address.to_string(), |network| network.trunc().to_string())
}

/// A choice with its best nodes, and the one that it was before.
fn shown(side: &Side, wish: &Wish<'_>, plan: &Plan, old: Option<usize>) -> ExampleSide {
    let place = &wish.site.sited().place;
    let all = wish.all();
    let mut nodes: Vec<usize> = plan.ranking.best.iter().map(|scored| scored.node).collect();
    nodes.extend(old.filter(|old| !nodes.contains(old)));
    let two = |figure: f64| (figure * 100.0).round() / 100.0;
    let node = |node: usize| {
        let scored = &all[node];
        ExampleNode {
            id: side.id(node).to_owned(),
            tier: scored.tier.as_str(),
            distance_km: scored.distance_km.map(|km| two(f64::from(km))),
            cost_ms: two(scored.cost_ms),
            spread_ms: two(scored.spread_ms),
            score_ms: two(scored.score_ms()),
            dropped: scored.dropped.map(watchgate::decide::rank::Dropped::as_str),
        }
    };
    ExampleSide {
        lat: place.at.map(watchgate_geoip::Coordinates::lat),
        lon: place.at.map(watchgate_geoip::Coordinates::lon),
        country: place.country.map(|country| country.to_string()),
        place_from: wish.site.sited().from.as_str(),
        why: plan.why.as_str(),
        nodes: nodes.into_iter().map(node).collect(),
    }
}
