//! The promises of the chooser, each of which some well-known redirector breaks.

use std::cmp::Ordering;

use proptest::prelude::*;

use super::*;

/// A fleet on a line: everything a test needs to say about a node.
#[derive(Clone, Debug)]
struct Fake {
    id: u64,
    km: Option<f32>,
    weight: f64,
    base_ms: f64,
    load: f64,
    dropped: Option<Dropped>,
}

impl Fake {
    fn at(id: u64, km: f32) -> Self {
        Self { id, km: Some(km), weight: 1.0, base_ms: 0.0, load: 0.0, dropped: None }
    }
}

#[derive(Clone, Debug)]
struct Line(Vec<Fake>);

impl Nodes for Line {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn fixed(&self, node: usize) -> Fixed {
        let fake = &self.0[node];
        Fixed { seed: seed(&fake.id.to_string()), weight_inverse: 1.0 / fake.weight, base_ms: fake.base_ms }
    }

    fn facts(&self, node: usize) -> Facts {
        let fake = &self.0[node];
        Facts { load: fake.load, budget_share: 1.0, dropped: fake.dropped, lacks: None }
    }

    fn distance_km(&self, node: usize) -> Option<f32> {
        self.0[node].km
    }

    /// Of every other node it cannot be told.
    fn is_beyond(&self, node: usize, km: f64) -> bool {
        node.is_multiple_of(2) && self.0[node].km.is_some_and(|own| f64::from(own) > km)
    }
}

impl Line {
    fn near(&self) -> Vec<(u32, f32)> {
        let mut near: Vec<(u32, f32)> =
            (0_u32..).zip(&self.0).filter_map(|(i, f)| Some((i, f.km?))).collect();
        near.sort_by(|a, b| a.1.total_cmp(&b.1));
        near
    }

    /// The ids of the best `depth`, by the scan that requests use.
    fn order(&self, key: u64, spread_ms: f64, depth: usize) -> Vec<u64> {
        self.order_by_rules(key, spread_ms, depth, [&[], &[], &[]])
    }

    fn order_by_rules(&self, key: u64, spread_ms: f64, depth: usize, rules: [&[usize]; 3]) -> Vec<u64> {
        let near = self.near();
        let known = near.len() == self.0.len();
        let question = question(key, spread_ms, rules, known.then_some(&near));
        rank(&question, self, depth).best.iter().map(|scored| self.0[scored.node].id).collect()
    }
}

fn question<'a>(
    key: u64,
    spread_ms: f64,
    rules: [&'a [usize]; 3],
    near: Option<&'a Vec<(u32, f32)>>,
) -> Question<'a> {
    let [cidr, asn, country] = rules;
    Question {
        key,
        spread_ms,
        rules: [(Tier::Cidr, cidr), (Tier::Asn, asn), (Tier::Country, country)],
        near: near.map(|near| Near { nodes: near }),
    }
}

fn key(viewer: u64) -> u64 {
    viewer_key(viewer, &[7; 16])
}

/// The share of viewers that each of these nodes gets.
fn shares(fleet: &Line, spread_ms: f64, viewers: u64) -> Vec<f64> {
    let mut counts = vec![0_u32; fleet.0.len()];
    for viewer in 0..viewers {
        let chosen = fleet.order(key(viewer), spread_ms, 1)[0];
        counts[fleet.0.iter().position(|fake| fake.id == chosen).expect("one of them")] += 1;
    }
    counts.iter().map(|count| f64::from(*count) / viewers as f64).collect()
}

#[test]
fn equal_nodes_share_evenly() {
    let fleet = Line((0..4).map(|id| Fake::at(id, 500.0)).collect());
    for share in shares(&fleet, 10.0, 100_000) {
        assert!((share - 0.25).abs() < 0.02, "a quarter each, not {share}");
    }
}

#[test]
fn equal_nodes_share_by_weight() {
    let mut fleet = Line(vec![Fake::at(1, 500.0), Fake::at(2, 500.0)]);
    fleet.0[1].weight = 3.0;
    let shares = shares(&fleet, 10.0, 100_000);
    assert!((shares[1] - 0.75).abs() < 0.02, "three quarters, not {}", shares[1]);
}

#[test]
fn the_share_falls_smoothly_with_distance_and_ends_at_the_spread() {
    let share_at = |km: f32| shares(&Line(vec![Fake::at(1, 0.0), Fake::at(2, km)]), 10.0, 20_000)[1];
    let shares: Vec<f64> = [0.0, 250.0, 500.0, 750.0, 1000.0, 1100.0].map(share_at).to_vec();
    assert!((shares[0] - 0.5).abs() < 0.02, "{shares:?}");
    assert!(shares.windows(2).all(|pair| pair[1] < pair[0] + 0.01), "{shares:?}");
    assert!(shares[4] < 0.001 && shares[5] < f64::EPSILON, "10 ms is 1000 km: {shares:?}");
}

#[test]
fn a_full_node_gives_way_and_comes_back_last() {
    let mut fleet = Line(vec![Fake::at(1, 0.0), Fake::at(2, 3000.0), Fake::at(3, 9000.0)]);
    fleet.0[0].load = 1.0;
    assert_eq!(fleet.order(key(1), 10.0, 3), [2, 3, 1]);
    (fleet.0[1].load, fleet.0[2].load) = (1.5, 1.2);
    assert_eq!(fleet.order(key(1), 10.0, 3), [1, 3, 2], "all full: the least full first");
}

#[test]
fn the_load_term_grows_without_a_step() {
    let terms: Vec<f64> = (0..2000).map(|load| load_ms(f64::from(load) / 1000.0, 1.0)).collect();
    assert!(terms[0] == 0.0 && (terms[500] - 5.0).abs() < 1e-9 && (terms[900] - 81.0).abs() < 1e-6);
    assert!(terms.windows(2).all(|pair| pair[0] <= pair[1]), "it never falls");
}

#[test]
fn a_rule_beats_distance_while_it_has_a_node() {
    let mut fleet = Line((1..=4).map(|id| Fake::at(id, id as f32 * 2000.0)).collect());
    let rules: [&[usize]; 3] = [&[3], &[2], &[3]];
    assert_eq!(fleet.order_by_rules(key(1), 10.0, 4, rules), [4, 3, 1, 2]);
    fleet.0[3].dropped = Some(Dropped::Down);
    assert_eq!(fleet.order_by_rules(key(1), 10.0, 1, rules), [3], "the next tier");
    fleet.0[2].load = 1.0;
    assert_eq!(fleet.order_by_rules(key(1), 10.0, 1, rules), [1], "a full node has no room for a rule");
}

#[test]
fn zero_and_unknown_distance_are_different_things() {
    let mut fleet = Line(vec![Fake::at(1, 0.0), Fake::at(2, 5000.0)]);
    assert!((0..1000).all(|viewer| fleet.order(key(viewer), 10.0, 1) == [1]));
    for fake in &mut fleet.0 {
        fake.km = None;
    }
    let second = (0..1000).filter(|viewer| fleet.order(key(*viewer), 10.0, 1) == [2]).count();
    assert!((400..600).contains(&second), "by hash alone, not {second} of 1000");
}

#[test]
fn the_hash_is_the_same_for_ever() {
    const SEED: u64 = 962_126_240_674_083_458;
    assert_eq!(seed("msk"), SEED);
    let numbers: Vec<f64> = (0..100_000).map(|n| unit(viewer_key(n, &[0; 16]), seed("msk"))).collect();
    assert!(numbers.iter().all(|u| 0.0 < *u && *u < 1.0));
    let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
    assert!((mean - 0.5).abs() < 0.005, "{mean}");
}

fn fakes() -> impl Strategy<Value = Line> {
    let dropped = prop_oneof![
        4 => Just(None),
        1 => Just(Some(Dropped::Down)),
        1 => Just(Some(Dropped::Draining)),
        1 => Just(Some(Dropped::Absent)),
    ];
    let load = prop_oneof![3 => Just(0.0), 2 => 0.0..1.0_f64, 1 => 1.0..2.0_f64];
    let one = (0.0..20_000.0_f32, 0.1..5.0_f64, 0.0..50.0_f64, load, dropped);
    proptest::collection::vec(one, 1..40).prop_map(|nodes| {
        let fake = |(id, (km, weight, base_ms, load, dropped))| Fake {
            id,
            km: Some(km),
            weight,
            base_ms,
            load,
            dropped,
        };
        Line((0..).zip(nodes).map(fake).collect())
    })
}

proptest! {
    #[test]
    fn removing_a_node_never_changes_the_order_of_the_others(
        fleet in fakes(), viewer: u64, spread in 10.0..60.0_f64, gone: prop::sample::Index,
    ) {
        let before = fleet.order(key(viewer), spread, 1000);
        let gone = fleet.0[gone.index(fleet.0.len())].id;
        let rest = Line(fleet.0.iter().filter(|fake| fake.id != gone).cloned().collect());
        let after = rest.order(key(viewer), spread, 1000);
        prop_assert_eq!(after, before.into_iter().filter(|id| *id != gone).collect::<Vec<_>>());
    }

    /// The order by definition, against which all that is left out is tried.
    #[test]
    fn a_scan_finds_what_weighing_everybody_finds(
        fleet in fakes(), viewer: u64, spread in 10.0..60.0_f64, depth in 1..6_usize,
        cidr in proptest::collection::btree_set(0..40_usize, 0..3), kept in proptest::option::of(0..40_usize),
    ) {
        let cidr: Vec<usize> = cidr.into_iter().filter(|node| *node < fleet.0.len()).collect();
        let rules: [&[usize]; 3] = [&cidr, &[], &[]];
        let mut near = fleet.near();
        near.truncate(kept.unwrap_or_default());
        let question = question(key(viewer), spread, rules, kept.map(|_| &near));
        let got = rank(&question, &fleet, depth);

        let mut all = score_all(&question, &fleet);
        all.sort_by(|one, other| if one.is_before(other) { Ordering::Less } else { Ordering::Greater });
        let best = all.iter().filter(|scored| scored.is_candidate());
        let nodes = |scored: &Scored| scored.node;
        let best: Vec<usize> = best.take(depth).map(nodes).collect();
        prop_assert_eq!(&got.best.iter().map(nodes).collect::<Vec<_>>(), &best);
        let is_passed = |scored: &&Scored| scored.dropped.is_some_and(Dropped::is_presence);
        let passed = all.iter().find(is_passed);
        let is_before = |passed: &Scored| got.best.first().is_none_or(|winner| passed.is_before(winner));
        prop_assert_eq!(got.passed.is_some_and(|passed| is_before(&passed)), passed.is_some_and(is_before));
        // A scan that ends early has met everybody who is nearer than those whom it found.
        let is_geo = |scored: &&Scored| scored.tier == Tier::Geo && scored.is_candidate();
        if let (Some(nearest), true) = (got.nearest, cidr.is_empty()) {
            let least = all.iter().filter(is_geo).map(Scored::km).fold(f32::INFINITY, f32::min);
            prop_assert_eq!(nearest.km().to_bits(), least.to_bits());
        }
    }

    #[test]
    fn the_short_scan_finds_what_the_whole_scan_finds(
        fleet in fakes(), viewer: u64, spread in 10.0..60.0_f64, depth in 1..6_usize,
        cidr in proptest::collection::vec(0..40_usize, 0..3), kept in 1..40_usize,
    ) {
        let cidr: Vec<usize> = cidr.into_iter().filter(|node| *node < fleet.0.len()).collect();
        let rules: [&[usize]; 3] = [&cidr, &[], &[]];
        let whole = rank(&question(key(viewer), spread, rules, None), &fleet, depth);
        let mut near = fleet.near();
        let all = rank(&question(key(viewer), spread, rules, Some(&near)), &fleet, depth);
        near.truncate(kept);
        let part = rank(&question(key(viewer), spread, rules, Some(&near)), &fleet, depth);
        let ids = |ranking: &Ranking| ranking.best.iter().map(|scored| scored.node).collect::<Vec<_>>();
        prop_assert_eq!(ids(&all), ids(&whole));
        prop_assert_eq!(ids(&part), ids(&whole));
    }

    #[test]
    fn a_dropped_node_is_never_chosen(fleet in fakes(), viewer: u64) {
        let order = fleet.order(key(viewer), 10.0, 100);
        for fake in &fleet.0 {
            prop_assert_eq!(order.contains(&fake.id), fake.dropped.is_none());
        }
    }

    #[test]
    fn the_order_follows_the_scores(fleet in fakes(), viewer: u64) {
        let near = fleet.near();
        let question = question(key(viewer), 10.0, [&[], &[], &[]], Some(&near));
        let best = rank(&question, &fleet, 100).best;
        for pair in best.windows(2) {
            prop_assert!(!pair[1].is_before(&pair[0]));
        }
        let scored = score_all(&question, &fleet);
        for ranked in &best {
            prop_assert_eq!(ranked.score_ms().to_bits(), scored[ranked.node].score_ms().to_bits());
        }
    }
}
