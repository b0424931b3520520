//! What a plan found, as figures: everything that the table, the JSON and the page show.
//!
//! Absent on purpose: words for people. Times of events are seconds since the event, distances kilometres.

use serde::Serialize;

use crate::cost::Gates;
use crate::event::What;
use crate::sim::blow::Blow;
use crate::sim::{Run, Scene, Standing};

/// Kilometres that the gate's choice takes for one millisecond.
const KM_PER_MS: f64 = 100.0;
/// Nodes that are shown by name in what follows an event.
const TAKERS: usize = 8;
/// Ways that are shown.
const FLOWS: usize = 80;

/// A whole plan.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was planned.
    pub about: About,
    /// The evening's worst moment, before any `what_if`.
    pub peak: Peak,
    /// Every node, in the order of the configuration.
    pub nodes: Vec<NodeLine>,
    /// What was asked for by name.
    pub events: Vec<EventLine>,
    /// What the search for the worst ends found, each in a run of its own.
    pub what_ifs: Vec<EventLine>,
    /// Gates that are needed.
    pub gates: Gates,
    /// Moments of the whole run.
    pub moments: Vec<Moment>,
    /// What a reader should know before believing any of it.
    pub remarks: Vec<String>,
}

/// What was planned.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    /// How many.
    pub nodes: usize,
    /// `redirect` or `stream`.
    pub mode: &'static str,
    /// Where viewers are.
    pub mix: String,
    /// How many, and when.
    pub demand: String,
    /// Viewers of one group.
    pub group: u64,
    /// Gates that share them.
    pub gates: u64,
    /// The same seed, the same plan.
    pub seed: u64,
    /// A node that stops answering is seen down so many seconds later at most.
    pub down_within_s: f64,
}

/// How everything stands at the peak.
#[derive(Clone, Debug, Serialize)]
pub struct Peak {
    /// When.
    pub at: String,
    /// Who want to watch.
    pub viewers: u64,
    /// Who do.
    pub watching: u64,
    /// What all nodes send.
    pub gbit_s: f64,
    /// The most starts a second of the evening.
    pub starts_per_s: f64,
    /// From viewers to their nodes.
    pub km: Spread,
    /// All budgets together.
    pub budget: u64,
    /// Nodes beyond their budget.
    pub over: usize,
    /// Answers of the whole evening that sent a viewer nowhere.
    pub refusals: u64,
}

/// Some of an order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Half are below.
    pub p50: f64,
    /// Nine in ten are below.
    pub p90: f64,
    /// All but one in a hundred are below.
    pub p99: f64,
    /// The greatest.
    pub most: f64,
}

/// One node.
#[derive(Clone, Debug, Serialize)]
pub struct NodeLine {
    /// Its id.
    pub id: String,
    /// Degrees north.
    pub lat: f64,
    /// Degrees east.
    pub lon: f64,
    /// Its budget.
    pub max_viewers: u32,
    /// Viewers at the peak.
    pub viewers: u64,
    /// Of its budget, at the peak.
    pub share: f64,
    /// What it sends at the peak.
    pub gbit_s: f64,
    /// Different films that are watched from it at the peak.
    pub films: usize,
    /// To its viewers at the peak.
    pub km: Spread,
    /// The most viewers of the whole run, and when.
    pub most: u64,
    /// When that was.
    pub most_at: String,
}

/// One event and what followed.
#[derive(Clone, Debug, Serialize)]
pub struct EventLine {
    /// What it is called.
    pub words: String,
    /// Whether nodes ended by it, or came back.
    pub is_end: bool,
    /// When.
    pub at: String,
    /// To whom.
    pub nodes: Vec<String>,
    /// On them when it came: interrupted (redirect) or moved (stream).
    pub viewers: u64,
    /// Until the gates saw the first node down (or up).
    pub seen_first_s: Option<f64>,
    /// Until they had seen all of them.
    pub seen_last_s: Option<f64>,
    /// Nodes that they had not seen when the look ended.
    pub unseen: usize,
    /// Answers that named a dead node.
    pub sent_to_dead: u64,
    /// Answers that named nobody.
    pub refused: u64,
    /// Of `viewers`, those who watched again while it was looked at; others had seen enough, or still asked.
    pub back: u64,
    /// Seconds that they went without, those who were sent to a dead node included.
    pub waits_s: Spread,
    /// How far they were from their node.
    pub km_before: Spread,
    /// How far they are now.
    pub km_after: Spread,
    /// How much farther each is.
    pub km_more: Spread,
    /// The same as the gate's choice reckons it.
    pub ms_more: Spread,
    /// Whether no node went beyond its budget that was not there before.
    pub holds: bool,
    /// Nodes beyond their budget at any moment, in the order of the takers.
    pub over: Vec<Taker>,
    /// Who took most, first.
    pub takers: Vec<Taker>,
    /// The widest ways: from, to, viewers.
    pub flows: Vec<(String, String, u64)>,
    /// By how much of a taker's budget its load swung in the last third of the look.
    pub swing: f64,
    /// Seconds since the event, and of each taker the share of its budget.
    pub close_up: Vec<(f64, Vec<f64>)>,
}

/// A node that takes viewers.
#[derive(Clone, Debug, Serialize)]
pub struct Taker {
    /// Its id.
    pub id: String,
    /// Viewers when it came.
    pub before: u64,
    /// The most while it was looked at.
    pub after: u64,
    /// Its budget.
    pub max_viewers: u32,
    /// The most as a share of that.
    pub share: f64,
}

/// One moment.
#[derive(Clone, Debug, Serialize)]
pub struct Moment {
    /// When.
    pub at: String,
    /// Seconds since midnight.
    pub at_s: f64,
    /// Who want to watch.
    pub viewers: u64,
    /// Who do.
    pub watching: u64,
    /// Starts a second.
    pub starts_per_s: f64,
    /// What all nodes send.
    pub gbit_s: f64,
    /// Answers that sent a viewer nowhere, since the beginning.
    pub refusals: u64,
    /// Viewers of each node.
    pub nodes: Vec<u32>,
}

/// What a report is made from.
pub(super) struct Parts<'a> {
    pub(super) scene: &'a Scene,
    pub(super) base: &'a Run<'a>,
    pub(super) standing: Standing,
    pub(super) what_ifs: &'a [Run<'a>],
    pub(super) gates: Gates,
    pub(super) remarks: Vec<String>,
}

impl Report {
    pub(super) fn new(parts: &Parts<'_>) -> Self {
        let (scene, standing) = (parts.scene, &parts.standing);
        let config = &scene.config;
        let point = scene.demand.at(standing.at);
        let rules = watchgate::probe::rules(&config.health);
        let budgets = config.nodes.iter().map(|node| u64::from(node.max_viewers.get()));
        let nodes: Vec<NodeLine> =
            (0..config.nodes.len()).map(|node| parts.node(node, point.bit_rate_kbps)).collect();
        let blows = |run: &Run<'_>| run.blows().iter().map(|blow| event(blow, scene)).collect::<Vec<_>>();
        Self {
            about: About {
                nodes: nodes.len(),
                mode: config.watch.mode.as_str(),
                mix: scene.mix.about.clone(),
                demand: scene.demand.about.clone(),
                group: scene.terms.unit,
                gates: scene.terms.gates,
                seed: scene.terms.seed,
                down_within_s: watchgate::decide::health::down_within_ms(&rules) as f64 / 1e3,
            },
            peak: Peak {
                at: standing.at.to_string(),
                viewers: standing.viewers,
                watching: standing.nodes.iter().map(|node| node.viewers).sum(),
                gbit_s: gbit_s(standing.viewers, point.bit_rate_kbps),
                starts_per_s: scene.demand.most_starts(),
                km: Spread::of(&standing.km),
                budget: budgets.sum(),
                over: nodes.iter().filter(|node| node.is_over(scene.terms.unit)).count(),
                refusals: parts.base.refusals(),
            },
            nodes,
            events: blows(parts.base),
            what_ifs: parts.what_ifs.iter().flat_map(blows).collect(),
            gates: parts.gates.clone(),
            moments: parts.moments(),
            remarks: parts.remarks.clone(),
        }
    }
}

impl Parts<'_> {
    fn node(&self, at: usize, bit_rate_kbps: f64) -> NodeLine {
        let (node, standing) = (&self.scene.config.nodes[at], &self.standing.nodes[at]);
        let (most, most_at) = self.base.most(at);
        NodeLine {
            id: node.id.to_string(),
            lat: node.at.lat(),
            lon: node.at.lon(),
            max_viewers: node.max_viewers.get(),
            viewers: standing.viewers,
            share: standing.viewers as f64 / f64::from(node.max_viewers.get()),
            gbit_s: gbit_s(standing.viewers, bit_rate_kbps),
            films: standing.films,
            km: Spread::of(&standing.km),
            most,
            most_at: most_at.to_string(),
        }
    }

    fn moments(&self) -> Vec<Moment> {
        let moment = |sample: &crate::sim::Sample| Moment {
            at: sample.at.to_string(),
            at_s: sample.at.0 as f64 / 1e3,
            viewers: sample.viewers,
            watching: sample.watching,
            starts_per_s: sample.starts_per_s,
            gbit_s: gbit_s(sample.watching, self.scene.demand.at(sample.at).bit_rate_kbps),
            refusals: sample.refusals,
            nodes: sample.nodes.clone(),
        };
        self.base.samples().iter().map(moment).collect()
    }
}

impl NodeLine {
    fn is_over(&self, unit: u64) -> bool {
        self.viewers > u64::from(self.max_viewers) + unit
    }
}

impl Spread {
    /// Of values that ascend.
    #[must_use]
    pub fn of(ascending: &[f32]) -> Self {
        let at = |part: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a length")]
            let at = ((ascending.len() as f64 * part).ceil() as usize).clamp(1, ascending.len().max(1)) - 1;
            ascending.get(at).copied().map_or(0.0, f64::from)
        };
        Self { p50: at(0.5), p90: at(0.9), p99: at(0.99), most: at(1.0) }
    }

    /// Of values in any order.
    pub fn of_any(values: impl Iterator<Item = f32>) -> Self {
        let mut values: Vec<f32> = values.collect();
        values.sort_unstable_by(f32::total_cmp);
        Self::of(&values)
    }

    fn scaled(self, by: f64) -> Self {
        Self { p50: self.p50 * by, p90: self.p90 * by, p99: self.p99 * by, most: self.most * by }
    }
}

fn gbit_s(viewers: u64, bit_rate_kbps: f64) -> f64 {
    viewers as f64 * bit_rate_kbps / 1e6
}

fn event(blow: &Blow, scene: &Scene) -> EventLine {
    let takers = takers(blow, scene);
    let is_end = blow.what == What::Kill;
    let over: Vec<Taker> = takers
        .iter()
        .filter(|(_, taker)| taker.is_over(scene.terms.unit))
        .map(|(_, taker)| taker.clone())
        .collect();
    let was_over = |taker: &Taker| taker.before > u64::from(taker.max_viewers) + scene.terms.unit;
    let shown: Vec<(usize, Taker)> = takers.into_iter().take(TAKERS).collect();
    let share = |node: usize, viewers: u32| {
        f64::from(viewers) / f64::from(scene.config.nodes[node].max_viewers.get())
    };
    let close_up: Vec<(f64, Vec<f64>)> = blow
        .close_up
        .iter()
        .map(|(ms, nodes)| {
            (*ms as f64 / 1e3, shown.iter().map(|(node, _)| share(*node, nodes[*node])).collect())
        })
        .collect();
    let seen: Vec<f64> = blow.seen_ms.iter().flatten().map(|ms| *ms as f64 / 1e3).collect();
    let more = Spread::of_any(blow.moves.iter().map(|(from, to)| to - from));
    #[expect(clippy::cast_possible_truncation, reason = "seconds of a day")]
    let waits_s = Spread::of_any(blow.waits_ms.iter().map(|ms| (*ms as f64 / 1e3) as f32));
    EventLine {
        words: blow.words.clone(),
        is_end,
        at: scene_time(blow),
        nodes: blow.nodes.iter().map(|node| scene.config.nodes[*node].id.to_string()).collect(),
        viewers: blow.on_them,
        seen_first_s: seen.iter().copied().reduce(f64::min),
        seen_last_s: seen.iter().copied().reduce(f64::max),
        unseen: blow.seen_ms.len() - seen.len(),
        sent_to_dead: blow.sent_to_dead,
        refused: blow.refused,
        back: blow.moves.len() as u64 * scene.terms.unit,
        waits_s,
        km_before: Spread::of_any(blow.moves.iter().map(|(from, _)| *from)),
        km_after: Spread::of_any(blow.moves.iter().map(|(_, to)| *to)),
        km_more: more,
        ms_more: more.scaled(1.0 / KM_PER_MS),
        holds: over.iter().all(was_over),
        over,
        takers: shown.into_iter().map(|(_, taker)| taker).collect(),
        flows: flows(blow, scene),
        swing: swing(&close_up),
        close_up,
    }
}

fn flows(blow: &Blow, scene: &Scene) -> Vec<(String, String, u64)> {
    let id = |node: usize| scene.config.nodes[node].id.to_string();
    let mut flows: Vec<_> = blow.flows.iter().collect();
    flows.sort_by_key(|(way, groups)| (std::cmp::Reverse(**groups), **way));
    let widest = flows.into_iter().take(FLOWS);
    widest.map(|((from, to), groups)| (id(*from), id(*to), groups * scene.terms.unit)).collect()
}

fn scene_time(blow: &Blow) -> String {
    crate::sim::curve_time(blow.at_ms).to_string()
}

/// The nodes that are left, who took most first.
fn takers(blow: &Blow, scene: &Scene) -> Vec<(usize, Taker)> {
    let mut most = blow.before.clone();
    for (_, nodes) in &blow.close_up {
        for (most, now) in most.iter_mut().zip(nodes) {
            *most = (*most).max(u64::from(*now));
        }
    }
    let left = scene
        .config
        .nodes
        .iter()
        .enumerate()
        .filter(|(at, _)| blow.what == What::Return || !blow.nodes.contains(at));
    let taker = |(at, node): (usize, &watchgate_config::Node)| {
        let max_viewers = node.max_viewers.get();
        let taker = Taker {
            id: node.id.to_string(),
            before: blow.before[at],
            after: most[at],
            max_viewers,
            share: most[at] as f64 / f64::from(max_viewers),
        };
        (at, taker)
    };
    let mut takers: Vec<(usize, Taker)> = left.map(taker).collect();
    let mut received = vec![0_u64; blow.before.len()];
    for ((_, to), groups) in &blow.flows {
        received[*to] += groups;
    }
    // Where nobody was moved, as by a return, it is whoever grew most.
    let took = |at: usize, taker: &Taker| (received[at], taker.after - taker.before);
    takers.sort_by_key(|(at, taker)| (std::cmp::Reverse(took(*at, taker)), *at));
    takers
}

impl Taker {
    fn is_over(&self, unit: u64) -> bool {
        self.after > u64::from(self.max_viewers) + unit
    }
}

/// The widest swing of any taker in the last third, round the straight line that fits it best: that viewers leave in the
/// course of things is no swing.
fn swing(close_up: &[(f64, Vec<f64>)]) -> f64 {
    let third = &close_up[close_up.len() * 2 / 3..];
    let takers = third.first().map_or(0, |(_, shares)| shares.len());
    let count = third.len().max(1) as f64;
    let mean = |of: &dyn Fn(f64, f64) -> f64, taker: usize| {
        let steps = third.iter().enumerate();
        steps.map(|(at, (_, shares))| of(at as f64, shares[taker])).sum::<f64>() / count
    };
    let swing = |taker: usize| {
        let (x, y) = (mean(&|x, _| x, taker), mean(&|_, y| y, taker));
        let (xy, xx) = (mean(&|x, y| x * y, taker), mean(&|x, _| x * x, taker));
        let slope = (xy - x * y) / (xx - x * x).max(1e-9);
        let off =
            third.iter().enumerate().map(|(at, (_, shares))| shares[taker] - y - slope * (at as f64 - x));
        off.clone().fold(0.0, f64::max) - off.fold(0.0, f64::min)
    };
    (0..takers).map(swing).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trend_is_no_swing() {
        let shares = |of: fn(f64) -> f64| {
            (0..90).map(|at| (f64::from(at), vec![of(f64::from(at))])).collect::<Vec<_>>()
        };
        assert!(swing(&shares(|at| 1.0 - at / 200.0)) < 1e-9);
        let swings = swing(&shares(|at| if at % 2.0 < 1.0 { 0.5 } else { 0.7 }));
        assert!((0.19..0.23).contains(&swings), "{swings}");
        assert!(swing(&[]) < 1e-9);
    }

    #[test]
    fn spreads_are_read_off_an_order() {
        let of = |values: &[f32]| Spread::of_any(values.iter().copied());
        assert_eq!(of(&[]), Spread::default());
        assert_eq!(of(&[3.0, 1.0, 2.0]), Spread { p50: 2.0, p90: 3.0, p99: 3.0, most: 3.0 });
    }
}
