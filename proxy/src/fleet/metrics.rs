//! Metrics by node: families registered once, handles resolved when a node is built.
//!
//! The request path only adds to [`NodeMetrics::redirect`] and [`NodeMetrics::link`] and looks up no label. Labels
//! are node ids and closed sets of words. Absent on purpose: figures of nodes that have left the fleet.

use prometheus::core::Collector;
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};
use watchgate_config::NodeId;

use crate::decide::health::{Reason, State, Trouble};
use crate::decide::resume::Failure;

/// Seconds. Probes go from below a millisecond on the same machine to `health.timeout`, 1 s unless it is set.
const PROBE_BUCKETS_S: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Seconds. From a node on the same machine to `stream.first_byte_timeout` of all nodes in turn.
const FIRST_BYTE_BUCKETS_S: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// The ways in which a viewer gets a film from a node.
const ANSWERS: [&str; 3] = ["redirect", "link", "stream"];

/// The probes of a round.
const PROBES: [&str; 2] = ["health", "signed"];

/// What a node answered when it was asked whether it holds a film.
const CHECKED: [&str; 5] = ["held", "absent", "deleted", "forbidden", "failed"];

/// The word that stands for a node which an operator drains, whatever its health.
const DRAINING: &str = "draining";

/// The families, registered once per registry.
#[derive(Clone, Debug)]
pub struct NodeFamilies {
    up: IntGaugeVec,
    state: IntGaugeVec,
    transitions: IntCounterVec,
    probe_seconds: HistogramVec,
    probe_failures: IntCounterVec,
    clock_skew: GaugeVec,
    answers: IntCounterVec,
    streams: IntGaugeVec,
    refuses_films: IntGaugeVec,
    troubles: IntCounterVec,
    troubles_dropped: IntCounter,
    first_byte_seconds: HistogramVec,
    sent_bytes: IntCounterVec,
    resumes: IntCounterVec,
    checks: IntCounterVec,
    credentials_age: IntGaugeVec,
}

/// The handles of one node.
#[derive(Clone, Debug)]
pub struct NodeMetrics {
    /// Viewers redirected to it.
    pub redirect: IntCounter,
    /// Links to it handed out as JSON.
    pub link: IntCounter,
    /// Films streamed, in whole or in part, that it began.
    pub stream: IntCounter,
    /// From asking it for a film to the first byte of its answer.
    pub first_byte_seconds: Histogram,
    /// Bytes of films from it that viewers took.
    pub sent_bytes: IntCounter,
    /// Films that it failed, in the order of [`Failure::WORDS`].
    pub resumes: [IntCounter; Failure::WORDS.len()],
    /// In the order of [`CHECKED`].
    checks: [IntCounter; CHECKED.len()],
    /// Duration of answered health URLs.
    pub health_seconds: Histogram,
    /// Duration of answered signed probes.
    pub signed_seconds: Histogram,
    up: IntGauge,
    unproven: IntGauge,
    state_up: IntGauge,
    state_down: IntGauge,
    draining: IntGauge,
    to_up: IntCounter,
    to_down: IntCounter,
    /// In the order of [`Reason::ALL`].
    failures: [IntCounter; Reason::ALL.len()],
    /// How long its credentials have been in use.
    pub credentials_age: IntGauge,
    /// The family: a node whose clock is unknown has no series.
    clock_skew: GaugeVec,
    id: NodeId,
}

/// The handles that requests use while they are at a node; they live as long as what is known of it.
#[derive(Clone, Debug)]
pub struct LiveMetrics {
    /// Streams in flight.
    pub streams: IntGauge,
    /// Whether the node refused us the last film.
    pub refuses_films: IntGauge,
    /// Reports that the health task had no room for; one for all nodes.
    pub dropped: IntCounter,
    /// In the order of [`Trouble::ALL`].
    troubles: [IntCounter; Trouble::ALL.len()],
}

impl NodeFamilies {
    /// Makes the families and registers them.
    ///
    /// # Errors
    /// The registry has families of these names already.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            IntGaugeVec::new(Opts::new(name, help), labels).and_then(|family| registered(registry, family))
        };
        let counters = |name: &str, help: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(name, help), labels).and_then(|family| registered(registry, family))
        };
        let seconds = HistogramOpts::new(
            "watchgate_probe_seconds",
            "Duration of answered probes, connecting included.",
        );
        let skew = Opts::new(
            "watchgate_node_clock_skew_seconds",
            "The node's clock minus the gate's, by the Date of its last signed probe's answer.",
        );
        Ok(Self {
            up: gauges("watchgate_node_up", "Whether the probes say that the node is up.", &["node"])?,
            state: gauges(
                "watchgate_node_state",
                "1 for the state that the node is in, 0 for the others; draining stands before the state of its health.",
                &["node", "state"],
            )?,
            transitions: counters(
                "watchgate_node_transitions_total",
                "Changes of the node's state, by the new one.",
                &["node", "to"],
            )?,
            probe_seconds: HistogramVec::new(seconds.buckets(PROBE_BUCKETS_S.to_vec()), &["node", "probe"])
                .and_then(|family| registered(registry, family))?,
            probe_failures: counters(
                "watchgate_probe_failures_total",
                "Failed probes; both of a round may fail.",
                &["node", "reason"],
            )?,
            clock_skew: GaugeVec::new(skew, &["node"]).and_then(|family| registered(registry, family))?,
            answers: counters(
                "watchgate_answers_total",
                "Answers that sent a viewer to the node, or began to stream from it.",
                &["node", "outcome"],
            )?,
            streams: gauges("watchgate_streams", "Streams in flight from the node.", &["node"])?,
            refuses_films: gauges(
                "watchgate_node_refuses_films",
                "Whether the node refused the last film it was asked for: its key lacks a permission.",
                &["node"],
            )?,
            troubles: counters(
                "watchgate_node_troubles_total",
                "Viewers' requests that failed by the node's fault.",
                &["node", "kind"],
            )?,
            troubles_dropped: IntCounter::new(
                "watchgate_node_troubles_dropped_total",
                "Reports of viewers' requests that the health checks had no room for.",
            )
            .and_then(|counter| registered(registry, counter))?,
            first_byte_seconds: first_bytes(registry)?,
            sent_bytes: counters(
                "watchgate_sent_bytes_total",
                "Bytes of films from the node that viewers took.",
                &["node"],
            )?,
            resumes: counters(
                "watchgate_resumes_total",
                "Films that the node failed and that went on elsewhere, or later, or not at all, by why.",
                &["from", "reason"],
            )?,
            checks: checks(registry)?,
            credentials_age: credentials_age(registry)?,
        })
    }

    /// Takes out the series of a node that has left the fleet.
    pub fn retire(&self, id: &NodeId) {
        let node = id.as_str();
        // An error says that there is no such series: as good.
        for family in [&self.up, &self.streams, &self.refuses_films, &self.credentials_age] {
            let _ = family.remove_label_values(&[node]);
        }
        let _ = self.sent_bytes.remove_label_values(&[node]);
        let _ = self.clock_skew.remove_label_values(&[node]);
        let _ = self.first_byte_seconds.remove_label_values(&[node]);
        for state in
            [State::Unproven, State::Up, State::Down].map(State::as_str).into_iter().chain([DRAINING])
        {
            let _ = self.state.remove_label_values(&[node, state]);
            let _ = self.transitions.remove_label_values(&[node, state]);
        }
        for probe in PROBES {
            let _ = self.probe_seconds.remove_label_values(&[node, probe]);
        }
        let (reasons, troubles) = (Reason::ALL.map(Reason::as_str), Trouble::ALL.map(Trouble::as_str));
        let counters: [(&IntCounterVec, &[&str]); 5] = [
            (&self.answers, &ANSWERS),
            (&self.checks, &CHECKED),
            (&self.resumes, &Failure::WORDS),
            (&self.probe_failures, &reasons),
            (&self.troubles, &troubles),
        ];
        for (family, words) in counters {
            for word in words {
                let _ = family.remove_label_values(&[node, word]);
            }
        }
    }

    /// The handles of a node. All series but the clock's exist from here on, at 0.
    #[must_use]
    pub fn node(&self, id: &NodeId) -> NodeMetrics {
        let node = id.as_str();
        let state = |word: &str| self.state.with_label_values(&[node, word]);
        let transitions = |to: State| self.transitions.with_label_values(&[node, to.as_str()]);
        NodeMetrics {
            redirect: self.answers.with_label_values(&[node, ANSWERS[0]]),
            link: self.answers.with_label_values(&[node, ANSWERS[1]]),
            stream: self.answers.with_label_values(&[node, ANSWERS[2]]),
            first_byte_seconds: self.first_byte_seconds.with_label_values(&[node]),
            sent_bytes: self.sent_bytes.with_label_values(&[node]),
            resumes: Failure::WORDS.map(|word| self.resumes.with_label_values(&[node, word])),
            checks: CHECKED.map(|word| self.checks.with_label_values(&[node, word])),
            health_seconds: self.probe_seconds.with_label_values(&[node, PROBES[0]]),
            signed_seconds: self.probe_seconds.with_label_values(&[node, PROBES[1]]),
            up: self.up.with_label_values(&[node]),
            unproven: state(State::Unproven.as_str()),
            state_up: state(State::Up.as_str()),
            state_down: state(State::Down.as_str()),
            draining: state(DRAINING),
            to_up: transitions(State::Up),
            to_down: transitions(State::Down),
            failures: Reason::ALL
                .map(|reason| self.probe_failures.with_label_values(&[node, reason.as_str()])),
            credentials_age: self.credentials_age.with_label_values(&[node]),
            clock_skew: self.clock_skew.clone(),
            id: id.clone(),
        }
    }

    /// The handles of a node's live part. All series exist from here on, at 0.
    #[must_use]
    pub fn live(&self, id: &NodeId) -> LiveMetrics {
        let node = id.as_str();
        LiveMetrics {
            streams: self.streams.with_label_values(&[node]),
            refuses_films: self.refuses_films.with_label_values(&[node]),
            dropped: self.troubles_dropped.clone(),
            troubles: Trouble::ALL.map(|trouble| self.troubles.with_label_values(&[node, trouble.as_str()])),
        }
    }
}

impl LiveMetrics {
    /// Counts what a viewer's request met.
    pub fn count_trouble(&self, trouble: Trouble) {
        let counters = Trouble::ALL.iter().zip(&self.troubles);
        counters.filter(|(known, _)| **known == trouble).for_each(|(_, counter)| counter.inc());
    }
}

fn credentials_age(registry: &Registry) -> prometheus::Result<IntGaugeVec> {
    let about = "How long the gate has used the node's credentials: since it started, or since a reload changed them.";
    let opts = Opts::new("watchgate_credentials_age_seconds", about);
    registered(registry, IntGaugeVec::new(opts, &["node"])?)
}

fn checks(registry: &Registry) -> prometheus::Result<IntCounterVec> {
    let about = "Questions whether the node holds a film, by its answer.";
    let opts = Opts::new("watchgate_presence_checks_total", about);
    registered(registry, IntCounterVec::new(opts, &["node", "result"])?)
}

fn first_bytes(registry: &Registry) -> prometheus::Result<HistogramVec> {
    let about = "From asking a node for a film to the first byte of its answer.";
    let opts = HistogramOpts::new("watchgate_first_byte_seconds", about);
    let family = HistogramVec::new(opts.buckets(FIRST_BYTE_BUCKETS_S.to_vec()), &["node"])?;
    registered(registry, family)
}

impl NodeMetrics {
    /// Shows what the node is in now: called by the probe task after every round, and by whoever drains it.
    pub fn show_state(&self, state: State, draining: bool) {
        let show = |gauge: &IntGauge, is: bool| gauge.set(i64::from(is));
        show(&self.up, state == State::Up);
        show(&self.unproven, !draining && state == State::Unproven);
        show(&self.state_up, !draining && state == State::Up);
        show(&self.state_down, !draining && state == State::Down);
        show(&self.draining, draining);
    }

    /// Counts a change of state; there is none back to unproven.
    pub fn count_transition(&self, to: State) {
        match to {
            State::Up => self.to_up.inc(),
            State::Down => self.to_down.inc(),
            State::Unproven => {}
        }
    }

    /// Counts a question whether the node holds a film; `None`: it does.
    pub fn count_check(&self, failure: Option<Failure>) {
        let at = match failure {
            None => 0,
            Some(Failure::Absent) => 1,
            Some(Failure::Deleted) => 2,
            Some(Failure::Forbidden) => 3,
            Some(_) => 4,
        };
        self.checks[at].inc();
    }

    /// Counts a failed probe.
    pub fn count_failure(&self, reason: Reason) {
        let counters = Reason::ALL.iter().zip(&self.failures);
        counters.filter(|(known, _)| **known == reason).for_each(|(_, counter)| counter.inc());
    }

    /// The node's clock minus ours, in seconds.
    pub fn show_clock_skew(&self, skew_s: i64) {
        self.clock_skew.with_label_values(&[self.id.as_str()]).set(skew_s as f64);
    }
}

fn registered<F: Collector + Clone + 'static>(registry: &Registry, family: F) -> prometheus::Result<F> {
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}

#[cfg(test)]
impl LiveMetrics {
    /// How often it was counted.
    pub(super) fn trouble(&self, trouble: Trouble) -> u64 {
        self.troubles[trouble as usize].get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::TextEncoder;

    fn metrics() -> (Registry, NodeMetrics) {
        let registry = Registry::new();
        let families = NodeFamilies::register(&registry).unwrap();
        (registry, families.node(&"ams".parse().unwrap()))
    }

    fn text(registry: &Registry) -> String {
        TextEncoder::new().encode_to_string(&registry.gather()).unwrap()
    }

    #[test]
    fn a_node_is_in_one_state() {
        let (registry, metrics) = metrics();
        let check = |state: State, draining: bool, up: i64, expected: &str| {
            metrics.show_state(state, draining);
            let text = text(&registry);
            assert!(text.contains(&format!("watchgate_node_up{{node=\"ams\"}} {up}\n")), "{text}");
            for word in ["unproven", "up", "down", "draining"] {
                let line = format!(
                    "watchgate_node_state{{node=\"ams\",state=\"{word}\"}} {}\n",
                    i64::from(word == expected)
                );
                assert!(text.contains(&line), "{line} is not in {text}");
            }
        };
        check(State::Unproven, false, 0, "unproven");
        check(State::Up, false, 1, "up");
        check(State::Up, true, 1, "draining");
        check(State::Down, true, 0, "draining");
        check(State::Down, false, 0, "down");
    }

    #[test]
    fn failures_and_transitions_are_counted_by_their_words() {
        let (registry, metrics) = metrics();
        Reason::ALL.into_iter().enumerate().for_each(|(times, reason)| {
            (0..=times).for_each(|_| metrics.count_failure(reason));
        });
        metrics.count_transition(State::Down);
        let text = text(&registry);
        for (times, reason) in Reason::ALL.into_iter().enumerate() {
            let line =
                format!("watchgate_probe_failures_total{{node=\"ams\",reason=\"{reason}\"}} {}\n", times + 1);
            assert!(text.contains(&line), "{line} is not in {text}");
        }
        assert!(text.contains("watchgate_node_transitions_total{node=\"ams\",to=\"down\"} 1\n"), "{text}");
        assert!(text.contains("watchgate_node_transitions_total{node=\"ams\",to=\"up\"} 0\n"), "{text}");
    }

    #[test]
    fn troubles_are_counted_by_their_words_and_all_are_there_before() {
        let registry = Registry::new();
        let families = NodeFamilies::register(&registry).unwrap();
        let metrics = families.live(&"ams".parse().unwrap());
        let check = |more: usize| {
            let text = text(&registry);
            for (times, trouble) in Trouble::ALL.into_iter().enumerate() {
                let line = format!(
                    "watchgate_node_troubles_total{{kind=\"{trouble}\",node=\"ams\"}} {}\n",
                    times * more
                );
                assert!(text.contains(&line), "{line} is not in {text}");
            }
            let line = format!("watchgate_streams{{node=\"ams\"}} {more}\n");
            assert!(text.contains(&line), "{line} is not in {text}");
            assert!(text.contains(&format!("watchgate_node_troubles_dropped_total {more}\n")), "{text}");
        };
        check(0);
        for (times, trouble) in Trouble::ALL.into_iter().enumerate() {
            (0..times).for_each(|_| metrics.count_trouble(trouble));
        }
        families.live(&"ams".parse().unwrap()).streams.inc();
        metrics.dropped.inc();
        check(1);
    }

    #[test]
    fn a_clock_that_nobody_saw_has_no_series() {
        let (registry, metrics) = metrics();
        assert!(!text(&registry).contains("watchgate_node_clock_skew_seconds"));
        metrics.show_clock_skew(-90);
        assert!(text(&registry).contains("watchgate_node_clock_skew_seconds{node=\"ams\"} -90\n"));
    }

    #[test]
    fn a_registry_takes_one_gate() {
        let registry = Registry::new();
        NodeFamilies::register(&registry).unwrap();
        assert!(NodeFamilies::register(&registry).is_err());
    }
}
