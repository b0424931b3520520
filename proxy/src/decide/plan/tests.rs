//! What a whole fleet's health makes of a choice.

use proptest::prelude::*;

use super::super::rank::{Near, seed, viewer_key};
use super::*;

struct Line {
    km: Vec<f32>,
    dropped: Vec<Option<Dropped>>,
    load: Vec<f64>,
}

impl Nodes for Line {
    fn count(&self) -> usize {
        self.km.len()
    }

    fn fixed(&self, node: usize) -> Fixed {
        Fixed { seed: seed(&node.to_string()), weight_inverse: 1.0, base_ms: 0.0 }
    }

    fn facts(&self, node: usize) -> Facts {
        Facts { load: self.load[node], budget_share: 1.0, dropped: self.dropped[node], lacks: None }
    }

    fn distance_km(&self, node: usize) -> Option<f32> {
        Some(self.km[node])
    }
}

impl Line {
    fn of(km: &[f32], dropped: &[Option<Dropped>]) -> Self {
        Self { km: km.to_vec(), dropped: dropped.to_vec(), load: vec![0.0; km.len()] }
    }

    fn plan(&self, all_down: AllDown, depth: usize) -> (Vec<usize>, Why) {
        let mut near: Vec<(u32, f32)> = (0..).zip(self.km.iter().copied()).collect();
        near.sort_by(|a, b| a.1.total_cmp(&b.1));
        let none: &[usize] = &[];
        let question = Question {
            key: viewer_key(1, &[1; 16]),
            spread_ms: 10.0,
            rules: [(Tier::Cidr, none), (Tier::Asn, none), (Tier::Country, none)],
            near: Some(Near { nodes: &near }),
        };
        let plan = plan(&question, self, Policy { all_down, source: Some(0) }, depth);
        (plan.ranking.best.iter().map(|scored| scored.node).collect(), plan.why)
    }
}

const DOWN: Option<Dropped> = Some(Dropped::Down);
const UNPROVEN: Option<Dropped> = Some(Dropped::Unproven);
const DRAINING: Option<Dropped> = Some(Dropped::Draining);

fn check(dropped: &[Option<Dropped>], all_down: AllDown, expected: &[usize], why: Why) {
    let line = Line::of(&[9000.0, 100.0, 4000.0][..dropped.len()], dropped);
    assert_eq!(line.plan(all_down, 3), (expected.to_vec(), why), "{dropped:?} {all_down:?}");
}

#[test]
fn a_healthy_node_is_chosen_and_the_policy_sleeps() {
    for policy in [AllDown::NearestAnyway, AllDown::Source, AllDown::Refuse] {
        check(&[None, None, None], policy, &[1, 2, 0], Why::Nearest);
        check(&[None, DOWN, None], policy, &[2, 0], Why::Nearest);
        check(&[None, DOWN, UNPROVEN], policy, &[0], Why::Nearest);
    }
}

#[test]
fn the_policy_speaks_when_nothing_is_healthy() {
    check(&[DOWN, DOWN, UNPROVEN], AllDown::NearestAnyway, &[1, 2, 0], Why::AllDown);
    check(&[DOWN, DOWN, DOWN], AllDown::Source, &[0], Why::AllDown);
    check(&[DOWN, DOWN, DOWN], AllDown::Refuse, &[], Why::AllDown);
}

#[test]
fn no_policy_looks_past_an_operators_word() {
    check(&[DRAINING, DRAINING, DRAINING], AllDown::NearestAnyway, &[], Why::AllDown);
    check(&[DOWN, DRAINING, DOWN], AllDown::NearestAnyway, &[2, 0], Why::AllDown);
    check(&[DRAINING, DOWN, DOWN], AllDown::Source, &[], Why::AllDown);
    check(&[DOWN, Some(Dropped::Scheme), DOWN], AllDown::NearestAnyway, &[2, 0], Why::AllDown);
}

#[test]
fn a_busy_near_node_is_named_as_the_reason() {
    let mut line = Line::of(&[9000.0, 100.0, 4000.0], &[None, None, None]);
    line.load[1] = 0.95;
    assert_eq!(line.plan(AllDown::Refuse, 1), (vec![2], Why::Load));
    line.load[1] = 1.0;
    assert_eq!(line.plan(AllDown::Refuse, 1), (vec![2], Why::Load));
}

proptest! {
    #[test]
    fn the_order_when_all_are_down_is_the_order_when_all_are_up(km in proptest::collection::vec(0.0..20_000.0_f32, 1..20)) {
        let up = Line::of(&km, &vec![None; km.len()]).plan(AllDown::Refuse, 20).0;
        let down = Line::of(&km, &vec![DOWN; km.len()]).plan(AllDown::NearestAnyway, 20).0;
        prop_assert_eq!(up, down);
    }
}
