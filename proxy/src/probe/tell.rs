//! What becomes of a round's findings and of an ejection: the node's live part, its metrics, and a log line where
//! something changed.
//!
//! A change of state is said once, with what it means for the operator; a bad round that changes nothing is said at
//! debug. Nothing that is secret comes here.

use std::net::SocketAddr;
use std::sync::Arc;

use super::round::Round;
use crate::decide::health::{Machine, Reason, State, Transition, Trouble};
use crate::fleet::{Node, Report, decay_after};

/// A clock that is so far off is worth a warning, long before signatures fail.
const SKEW_WARN_S: u64 = 60;
/// Below this it is well again: a clock at the border does not warn again and again.
const SKEW_WELL_S: u64 = 30;

/// That a failing node had to be spared is said once in this time.
const SPARED_EVERY_MS: u64 = 60_000;

/// The moment of the telling, by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// The gate's clock.
    pub(super) now_ms: u64,
    /// Unix time.
    pub(super) unix_ms: u64,
}

/// What was said and done for a node so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    skewed: bool,
    decayed_ms: u64,
    spared_ms: Option<u64>,
}

impl Told {
    pub(super) fn new(now_ms: u64) -> Self {
        Self { skewed: false, decayed_ms: now_ms, spared_ms: None }
    }
}

/// Publishes a round.
pub(super) fn round(
    node: &Node,
    machine: &Machine,
    transition: Option<Transition>,
    round: &Round,
    told: &mut Told,
    times: Times,
) {
    let earlier = node.live.report.load();
    if let Some(transition) = transition {
        turn(node, machine, transition, &round.cause);
    } else if is_explained(earlier.reason, machine) {
        let transition = Transition { from: State::Down, to: State::Down, reason: machine.reason() };
        log(node, transition, &round.cause);
    } else if let Some(reason) = machine.reason() {
        let (id, state) = (node.config.id.as_str(), machine.state().as_str());
        tracing::debug!(node = id, state, reason = reason.as_str(), cause = round.cause, "a round of probes");
    }
    node.live.report.store(Arc::new(Report {
        state: machine.state(),
        since_ms: if transition.is_some() { times.unix_ms } else { earlier.since_ms },
        reason: machine.reason(),
        probe_ms: round.signed.map(|heard| heard.took.as_secs_f64() * 1e3),
        clock_skew_s: round.signed.and_then(|heard| heard.skew_s).or(earlier.clock_skew_s),
        last_probe_at_ms: Some(times.unix_ms),
    }));
    load(node, round, told, times.now_ms);
    skew(node, round, told);
    metrics(node, round, times);
}

/// Publishes that viewers' failures took a node out; `trouble` was the last of them.
pub(super) fn ejected(
    node: &Node,
    machine: &Machine,
    transition: Transition,
    trouble: Trouble,
    times: Times,
) {
    out(node, machine, transition, trouble.as_str(), times);
}

/// Publishes that a node which is up does not answer as it is to be asked from now on.
pub(super) fn disproved(node: &Node, machine: &Machine, cause: &str, times: Times) {
    let transition = Transition { from: State::Up, to: machine.state(), reason: machine.reason() };
    out(node, machine, transition, cause, times);
}

fn out(node: &Node, machine: &Machine, transition: Transition, cause: &str, times: Times) {
    turn(node, machine, transition, cause);
    let earlier = node.live.report.load();
    node.live.report.store(Arc::new(Report {
        state: machine.state(),
        since_ms: times.unix_ms,
        reason: machine.reason(),
        ..Report::clone(&earlier)
    }));
    node.metrics.show_state(node.live.state(), node.live.is_draining());
}

/// Says that viewers' failures would take a node out, if that did not leave too few.
pub(super) fn spared(node: &Node, trouble: Trouble, told: &mut Told, now_ms: u64) {
    if told.spared_ms.is_none_or(|at_ms| now_ms.saturating_sub(at_ms) >= SPARED_EVERY_MS) {
        told.spared_ms = Some(now_ms);
        tracing::warn!(
            node = node.config.id.as_str(),
            cause = trouble.as_str(),
            "viewers' requests fail at the node; it stays up because too few others are: compare its log with the \
             failures counted here, and look at the network between"
        );
    }
}

/// Says that a name points elsewhere than before.
pub(super) fn moved(node: &Node, addresses: &[SocketAddr]) {
    let id = node.config.id.as_str();
    if node.live.addresses.load().is_some() {
        tracing::info!(node = id, ?addresses, "the node's name points to other addresses now");
    } else {
        tracing::debug!(node = id, ?addresses, "the node's name is resolved");
    }
}

fn turn(node: &Node, machine: &Machine, transition: Transition, cause: &str) {
    node.live.set_state(transition.to, machine.returned_ms());
    node.metrics.count_transition(transition.to);
    log(node, transition, cause);
}

/// An ejected node's probes have failed by now, too, and say why. The operator knows another reason so far.
fn is_explained(earlier: Option<Reason>, machine: &Machine) -> bool {
    earlier == Some(Reason::Ejected) && machine.state() == State::Down && !machine.is_ejected()
}

fn log(node: &Node, transition: Transition, cause: &str) {
    let (node, state) = (node.config.id.as_str(), transition.to.as_str());
    match transition.to {
        State::Down => {
            let reason = transition.reason.map(Reason::as_str).unwrap_or_default();
            let advice = transition.reason.map(Reason::advice).unwrap_or_default();
            tracing::warn!(node, state, reason, cause, "the node is down: {advice}");
        }
        State::Up | State::Unproven => tracing::info!(node, state, "the node is {state}"),
    }
}

/// Without an answer the figures stay as they are: a node that is silent has not become idle.
fn load(node: &Node, round: &Round, told: &mut Told, now_ms: u64) {
    let Some(heard) = round.signed else { return };
    let passed_ms = now_ms.saturating_sub(told.decayed_ms);
    if heard.in_flight.is_some() {
        told.decayed_ms = now_ms;
        node.live.set_in_flight(heard.in_flight, 1.0);
    } else if let Some(decay) = decay_after(passed_ms) {
        told.decayed_ms = now_ms;
        node.live.set_in_flight(None, decay);
    }
}

fn skew(node: &Node, round: &Round, told: &mut Told) {
    let Some(skew_s) = round.signed.and_then(|heard| heard.skew_s) else { return };
    node.metrics.show_clock_skew(skew_s);
    let id = node.config.id.as_str();
    let skewed = is_skewed(told.skewed, skew_s);
    match (told.skewed, skewed) {
        (false, true) => tracing::warn!(
            node = id,
            clock_skew_s = skew_s,
            "the clocks of the node and this machine differ; links fail at 15 minutes: set both by NTP"
        ),
        (true, false) => tracing::info!(node = id, clock_skew_s = skew_s, "the clocks agree again"),
        _ => {}
    }
    told.skewed = skewed;
}

fn is_skewed(before: bool, skew_s: i64) -> bool {
    skew_s.unsigned_abs() > if before { SKEW_WELL_S } else { SKEW_WARN_S }
}

fn metrics(node: &Node, round: &Round, times: Times) {
    let metrics = &node.metrics;
    let age_s = (times.unix_ms / 1000).saturating_sub(node.credentials_unix_s);
    metrics.credentials_age.set(i64::try_from(age_s).unwrap_or(i64::MAX));
    metrics.show_state(node.live.state(), node.live.is_draining());
    round.failed.iter().for_each(|reason| metrics.count_failure(*reason));
    if let Some(took) = round.health {
        metrics.health_seconds.observe(took.as_secs_f64());
    }
    if let Some(heard) = round.signed {
        metrics.signed_seconds.observe(heard.took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::decide::health::{Ejection, Rules};
    use crate::probe::fixture::Fixture;
    use crate::probe::round::{Heard, Verdict};

    fn heard(in_flight: Option<u32>) -> Round {
        let signed = Some(Heard { took: Duration::from_millis(5), skew_s: None, in_flight });
        Round { signed, ..silence() }
    }

    fn silence() -> Round {
        Round {
            verdict: Verdict::Good,
            failed: vec![],
            cause: String::new(),
            health: None,
            signed: None,
            is_late: false,
        }
    }

    #[test]
    fn viewers_sent_to_a_node_that_says_nothing_are_forgotten_by_halves() {
        let node = Fixture::new("http://127.0.0.1:9", "s3", "").node;
        let mut told = Told::new(1);
        (0..1000).for_each(|_| node.live.count_sent());
        let mut check = |round: &Round, now_ms: u64, expected: std::ops::RangeInclusive<u32>| {
            load(&node, round, &mut told, now_ms);
            let viewers = node.live.viewers();
            assert!(expected.contains(&viewers), "{viewers} at {now_ms}");
        };
        check(&heard(None), 9_000, 1000..=1000);
        (10..=60).for_each(|s| check(&heard(None), s * 1000 + 1, 490..=1000));
        check(&heard(None), 60_001, 490..=500);
        check(&silence(), 120_001, 490..=500);
        check(&heard(None), 120_001, 240..=250);
        check(&heard(None), 3_600_000, 0..=0);
    }

    #[test]
    fn the_nodes_own_word_replaces_what_was_counted() {
        let node = Fixture::new("http://127.0.0.1:9", "minio", "").node;
        let mut told = Told::new(1);
        let mut check = |round: &Round, sent: usize, expected: u32| {
            (0..sent).for_each(|_| node.live.count_sent());
            load(&node, round, &mut told, 2_000);
            assert_eq!(node.live.viewers(), expected);
        };
        check(&heard(Some(7)), 100, 7);
        check(&silence(), 3, 10);
        check(&heard(Some(9)), 0, 9);
    }

    #[test]
    fn streams_fill_a_nodes_budget() {
        let node = Fixture::new("http://127.0.0.1:9", "minio", "max_viewers = 4").node;
        let load = || node.weighed().facts(1, 0, false, false).load;
        let streams: Vec<_> = (0..3).map(|_| node.live.stream_begins()).collect();
        assert!((load() - 0.75).abs() < 1e-9, "{}", load());
        node.live.heard_load(4);
        assert!((load() - 1.0).abs() < 1e-9, "{}", load());
        node.live.heard_load(0);
        drop(streams);
        assert!(load().abs() < 1e-9, "{}", load());
    }

    #[test]
    fn the_probes_reason_follows_an_ejection() {
        let rules = Rules {
            interval_ms: 2_000,
            timeout_ms: 1_000,
            rise: 1,
            fall: 2,
            slow_start_ms: 0,
            ejection: Ejection::OURS,
        };
        let mut machine = Machine::new(0);
        machine.observe(1, Ok(()), &rules);
        machine.eject(2, &rules);
        assert!(!is_explained(Some(Reason::Ejected), &machine), "it still is the reason");
        for _ in 0..rules.fall {
            machine.observe(3, Err(Reason::Status), &rules);
        }
        assert!(is_explained(Some(Reason::Ejected), &machine));
        assert!(!is_explained(Some(Reason::Status), &machine), "it is said once");
        machine.observe(4, Ok(()), &rules);
        assert!(!is_explained(Some(Reason::Ejected), &machine), "it is up");
    }

    #[test]
    fn a_clock_at_the_border_is_said_once() {
        let check =
            |before: bool, skew_s: i64, expected: bool| assert_eq!(is_skewed(before, skew_s), expected);
        check(false, 60, false);
        check(false, 61, true);
        check(false, -61, true);
        check(true, 59, true);
        check(true, 31, true);
        check(true, -30, false);
        check(false, i64::MIN, true);
    }
}
