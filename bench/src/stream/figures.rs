//! The report of the stream measurement, for people and as JSON.
//!
//! A ratio is taken within each turn, between rounds that ran shortly after each other, and only then is the median
//! taken: what disturbs the machine for minutes disturbs both sides.

use std::fmt::Write;

use serde::Serialize;

use super::load::{Round, Shape};
use crate::figures::Spread;
use crate::peers::{Peer, Unmeasured};
use crate::run;

/// Everything about one proxy under one shape of load.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    shape: Shape,
    name: &'static str,
    /// Processor seconds by GiB.
    cpu_s_per_gib: Spread,
    /// The same as a multiple of the yardstick's.
    ratio: Spread,
    mib_per_s: Spread,
    /// The part of the core it had, 0 to 1.
    busy: Spread,
    bytes: u64,
    cpu_s_per_gib_by_round: Vec<f64>,
}

/// A whole run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(super) machine: String,
    pub(super) load: String,
    pub(super) rows: Vec<Row>,
    pub(crate) unmeasured: Vec<Unmeasured>,
}

impl Report {
    /// The gate's processor seconds by GiB under this shape.
    pub(crate) fn gate_cost(&self, shape: Shape) -> Option<Spread> {
        self.of_gate(shape).map(|row| row.cpu_s_per_gib)
    }

    /// The gate's ratio under this shape.
    pub(crate) fn gate(&self, shape: Shape) -> Option<Spread> {
        self.of_gate(shape).map(|row| row.ratio)
    }

    fn of_gate(&self, shape: Shape) -> Option<&Row> {
        self.rows.iter().find(|row| row.shape == shape && row.name == Peer::Gate.name())
    }

    /// All of it but the machine and what could not be measured.
    pub(crate) fn body(&self) -> String {
        let mut text = format!("{}\n\n", self.load);
        text.push_str("| load | proxy | CPU s per GiB | times tuned nginx | MiB/s | core in use | GiB |\n");
        text.push_str("|---|---|---|---|---|---|---|\n");
        for row in &self.rows {
            // Writing to a String does not fail.
            let _ = writeln!(
                text,
                "| {} | {} | {:.3} | {:.2} | {:.0} | {:.0} % | {:.1} |",
                row.shape.name(),
                row.name,
                row.cpu_s_per_gib,
                row.ratio,
                row.mib_per_s,
                row.busy.median * 100.0,
                row.bytes as f64 / f64::from(1 << 30),
            );
        }
        text.push_str("\nMedian over the rounds (least-greatest); ratios within each round.");
        text
    }
}

impl Row {
    /// From the rounds of one proxy and those of the yardstick in the same turns.
    pub(super) fn new(shape: Shape, peer: Peer, rounds: &[Round], yardstick: &[Round]) -> Self {
        let ratios = rounds.iter().zip(yardstick);
        Self {
            shape,
            name: peer.name(),
            cpu_s_per_gib: Spread::of(rounds.iter().map(Round::cpu_s_per_gib)),
            ratio: Spread::of(ratios.map(|(round, other)| round.cpu_s_per_gib() / other.cpu_s_per_gib())),
            mib_per_s: Spread::of(rounds.iter().map(Round::mib_per_s)),
            busy: Spread::of(rounds.iter().map(Round::busy)),
            bytes: rounds.iter().map(|round| round.bytes).sum(),
            cpu_s_per_gib_by_round: rounds.iter().map(Round::cpu_s_per_gib).collect(),
        }
    }
}

impl run::Report for Report {
    fn table(&self) -> String {
        let mut text = format!("{}\n{}", self.machine, self.body());
        for one in &self.unmeasured {
            let _ = write!(text, "\n{one}");
        }
        text
    }

    fn is_whole(&self) -> bool {
        self.unmeasured.iter().all(Unmeasured::is_skipped)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::run::Report as _;

    fn round(used_ns: u64) -> Round {
        Round { bytes: 1 << 30, used_ns, took: Duration::from_secs(1) }
    }

    #[test]
    fn rows_compare_round_by_round_and_faults_are_told() {
        // The machine is twice as slow in the second turn, for both.
        let (nginx, gate) = ([200_000_000, 400_000_000].map(round), [150_000_000, 300_000_000].map(round));
        let rows = vec![Row::new(Shape::One, Peer::Gate, &gate, &nginx)];
        let skipped = Unmeasured::skipped(Peer::Haproxy.name(), "haproxy is not installed");
        let (machine, load) = ("m".to_owned(), "l".to_owned());
        let mut report = Report { machine, load, rows, unmeasured: vec![skipped] };
        let table = report.table();
        assert!(table.contains("| 1 viewer | gate | 0.225 (0.150-0.300) | 0.75 (0.75-0.75) |"), "{table}");
        assert!(table.ends_with("Skipped: HAProxy, splice: haproxy is not installed"), "{table}");
        assert!(report.is_whole());
        report.unmeasured.push(Unmeasured::failed(Peer::Pingora.name(), "no"));
        assert!(!report.is_whole());
    }
}
