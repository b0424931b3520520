//! From rounds to figures: medians with their spread, as a table for people and as JSON.
//!
//! A ratio is taken within each turn of a line-up, between rounds that ran one after the other, and only then is the
//! median taken: what disturbs the machine for minutes disturbs both sides.

use std::fmt::Write;

use serde::Serialize;

use super::lineup::{Runner, ratio};
use super::load::Round;
use crate::figures::Spread;
use crate::peers::Unmeasured;
use crate::run;

/// Everything about one server.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    name: String,
    /// Processor time by redirect, in microseconds.
    cpu_us: Spread,
    /// The same as a multiple of the bare proxy's.
    ratio: Spread,
    /// The part of the core it had, 0 to 1.
    busy: Spread,
    answers: u64,
    answer_bytes: f64,
    /// Different nodes that viewers were sent to.
    nodes_chosen: usize,
    cpu_us_by_round: Vec<f64>,
}

/// A whole run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(super) machine: String,
    pub(super) load: String,
    pub(super) database: String,
    pub(super) rows: Vec<Row>,
    pub(super) unmeasured: Vec<Unmeasured>,
}

impl Row {
    /// Of each runner without a fault; the first is the yardstick.
    pub(crate) fn of(runners: &[Runner]) -> Vec<Self> {
        let [yardstick, ..] = runners else { return Vec::new() };
        let sound = runners.iter().filter(|runner| runner.fault.is_none());
        sound.map(|runner| Self::new(&runner.name, &runner.rounds, &yardstick.rounds)).collect()
    }

    /// From the rounds of one server and those of the bare proxy in the same turns.
    fn new(name: &str, rounds: &[Round], bare: &[Round]) -> Self {
        let hosts = rounds.iter().flat_map(|round| &round.hosts).collect::<std::collections::BTreeSet<_>>();
        Self {
            name: name.to_owned(),
            cpu_us: Spread::of(rounds.iter().map(Round::cpu_us)),
            ratio: ratio(rounds, bare, Round::cpu_us),
            busy: Spread::of(rounds.iter().map(Round::busy)),
            answers: rounds.iter().map(|round| round.answers).sum(),
            answer_bytes: rounds.iter().map(|round| round.answer_bytes).sum::<f64>() / rounds.len() as f64,
            nodes_chosen: hosts.len(),
            cpu_us_by_round: rounds.iter().map(Round::cpu_us).collect(),
        }
    }
}

impl run::Report for Report {
    fn table(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n\n", self.machine, self.load, self.database);
        text.push_str("| server | CPU µs per redirect | times bare | core in use | answers | answer bytes | nodes chosen |\n");
        text.push_str("|---|---|---|---|---|---|---|\n");
        for row in &self.rows {
            // Writing to a String does not fail.
            let _ = writeln!(
                text,
                "| {} | {:.2} | {:.2} | {:.0} % | {} | {:.0} | {} |",
                row.name,
                row.cpu_us,
                row.ratio,
                row.busy.median * 100.0,
                row.answers,
                row.answer_bytes,
                row.nodes_chosen,
            );
        }
        text.push_str("\nMedian over the rounds (least-greatest); ratios within each round.");
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
        Round {
            answers: 1000,
            answers_in_all: 1000,
            used_ns,
            took: Duration::from_millis(100),
            idle: 0.0,
            answer_bytes: 600.0,
            hosts: ["a".to_owned()].into(),
        }
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        // The machine is twice as slow in the second turn, for both.
        let (bare, gate) = ([10_000_000, 20_000_000].map(round), [12_000_000, 24_000_000].map(round));
        let row = Row::new("gate", &gate, &bare);
        assert_eq!(row.ratio, Spread { median: 1.2, least: 1.2, greatest: 1.2 });
        assert_eq!(row.cpu_us, Spread { median: 18.0, least: 12.0, greatest: 24.0 });
        assert_eq!((row.answers, row.nodes_chosen), (2000, 1));
        let (machine, load, database) = ("m".into(), "l".into(), "d".into());
        let report = Report { machine, load, database, rows: vec![row], unmeasured: Vec::new() };
        assert!(
            report.table().contains("| gate | 18.00 (12.00-24.00) | 1.20 (1.20-1.20) |"),
            "{}",
            report.table()
        );
    }
}
