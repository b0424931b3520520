//! What a run found, as figures: for people as a table, for programs as JSON, and for the page.
//!
//! Absent on purpose: means. A mean hides what a few viewers had to wait for.

use std::collections::BTreeMap;
use std::fmt::Write;

use hdrhistogram::{Counter, Histogram};
use serde::Serialize;

use super::cause::Cause;
use super::tally::{Counts, End, Kind, Party, Slot, Tally, WrongBlock, middle};
use crate::run;
use crate::schedule::{Arrivals, Phase};

/// How the run was set up, in words and numbers.
#[derive(Debug, Serialize)]
pub(super) struct SetUp {
    pub(super) scenario: String,
    pub(super) about: String,
    /// The scenario as it was written.
    pub(super) text: String,
    pub(super) phases: Vec<Phase>,
    pub(super) targets: Vec<String>,
    pub(super) machine: String,
    pub(super) films: usize,
    pub(super) films_with_blocks: usize,
    pub(super) database: String,
    /// `HTTP/1.1` or `HTTP/2`, and how connections are used.
    pub(super) http: String,
    pub(super) viewer_header: String,
    pub(super) resolve_only: bool,
    pub(super) viewers_max: u32,
    pub(super) seed: u64,
    pub(super) wanted_s: f64,
    pub(super) ran_s: f64,
    /// It was told to stop before its time.
    pub(super) stopped_early: bool,
    /// Errors that are allowed, as a part of all requests.
    pub(super) errors_max: f64,
    pub(super) began: String,
}

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) set_up: SetUp,
    /// Why the run is not as it should be; empty: it is.
    pub(super) complaints: Vec<String>,
    pub(super) viewers: Viewers,
    pub(super) requests: Vec<Row>,
    /// From when a request was due to when it was sent: the load generator's own error, which is part of all times.
    pub(super) late: Quantiles,
    pub(super) bytes: Bytes,
    pub(super) nodes: Vec<NodeRow>,
    pub(super) faults: Vec<FaultRow>,
    pub(super) errors: u64,
    /// Of all requests to the gate, those that found no room among them.
    pub(super) error_share: f64,
    pub(super) resumes: Resumes,
    pub(super) slot_s: f64,
    pub(super) slots: Vec<SlotRow>,
    pub(super) map: Vec<Cell>,
}

#[derive(Debug, Serialize)]
pub(super) struct Viewers {
    pub(super) came: u64,
    pub(super) not_started: u64,
    pub(super) at_once_max: u32,
    /// Films, one for each tab, by how they ended.
    pub(super) films: BTreeMap<End, u64>,
}

/// Requests of one kind to the gate.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) kind: Kind,
    pub(super) due: u64,
    pub(super) answered: u64,
    /// From due to the gate's answer.
    pub(super) gate: Quantiles,
    /// From due to the first byte of the film.
    pub(super) first_byte: Quantiles,
}

/// Times in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Quantiles {
    pub(super) count: u64,
    pub(super) p50_ms: f64,
    pub(super) p90_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) p999_ms: f64,
    pub(super) max_ms: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct Bytes {
    pub(super) read: u64,
    /// In blocks that were read whole and have the right hash.
    pub(super) checked: u64,
    /// Of those that were read.
    pub(super) checked_share: f64,
    pub(super) wrong_blocks: u64,
    /// The first of them.
    pub(super) wrong: Vec<WrongBlock>,
}

#[derive(Debug, Serialize)]
pub(super) struct NodeRow {
    pub(super) node: String,
    pub(super) lat_lon: Option<(f64, f64)>,
    /// Requests that were sent there.
    pub(super) sent: u64,
    pub(super) share: f64,
    pub(super) bytes: u64,
    /// Errors with this node.
    pub(super) errors: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct FaultRow {
    /// `gate`, `bench`, or the node's name.
    pub(super) at: String,
    pub(super) cause: Cause,
    pub(super) is_error: bool,
    pub(super) count: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Resumes {
    /// Broken films that went on, after however many tries.
    pub(super) healed: u64,
    /// Broken films that did not.
    pub(super) lost: u64,
    /// From the break to the next byte.
    pub(super) silence: Quantiles,
}

#[derive(Debug, Serialize)]
pub(super) struct SlotRow {
    /// Its beginning.
    pub(super) at_s: f64,
    /// Viewers a second that the scenario wants in its middle.
    pub(super) arrivals_per_s: f64,
    /// Requests to the gate a second.
    pub(super) due_per_s: f64,
    pub(super) sent_per_s: f64,
    pub(super) answered_per_s: f64,
    pub(super) gate: Quantiles,
    pub(super) first_byte: Quantiles,
    pub(super) viewers: u32,
    /// By node, in the order of `nodes`; those that are missing at the end are 0.
    pub(super) bytes_per_s: Vec<f64>,
    pub(super) faults: BTreeMap<String, u32>,
    pub(super) resumed: u32,
}

/// Viewers of one place that were sent to one node.
#[derive(Debug, Serialize)]
pub(super) struct Cell {
    pub(super) lat: f64,
    pub(super) lon: f64,
    /// Index in `nodes`.
    pub(super) node: usize,
    pub(super) requests: u64,
}

impl Quantiles {
    pub(super) fn of<C: Counter>(times_us: &Histogram<C>) -> Self {
        if times_us.is_empty() {
            return Self::default();
        }
        let ms = |part| times_us.value_at_quantile(part) as f64 / 1e3;
        Self {
            count: times_us.len(),
            p50_ms: ms(0.5),
            p90_ms: ms(0.9),
            p99_ms: ms(0.99),
            p999_ms: ms(0.999),
            max_ms: times_us.max() as f64 / 1e3,
        }
    }
}

impl Report {
    /// From what was counted.
    pub(super) fn new(set_up: SetUp, tally: &Tally) -> Self {
        let counts = &tally.counts;
        let slot_s = tally.slot.as_secs_f64();
        let errors = sum(counts, |_, cause| cause.is_error());
        let not_started = sum(counts, |_, cause| cause == Cause::NotStarted);
        let due: u64 = counts.kinds.values().map(|requests| requests.due).sum();
        // Who found no room would have asked.
        let wanted = due + not_started;
        let error_share = errors as f64 / wanted.max(1) as f64;
        let phases = set_up.phases.clone();
        let slot = |(index, slot): (usize, &Slot)| slot_row(index as f64 * slot_s, slot_s, slot, &phases);
        let mut report = Self {
            complaints: Vec::new(),
            viewers: Viewers {
                came: counts.came,
                not_started,
                at_once_max: counts.at_once_max,
                films: counts.ends.clone(),
            },
            requests: rows(counts),
            late: Quantiles::of(&counts.late_us),
            bytes: Bytes {
                read: counts.read,
                checked: counts.checked,
                checked_share: counts.checked as f64 / counts.read.max(1) as f64,
                wrong_blocks: counts.wrong_blocks,
                wrong: counts.wrong.clone(),
            },
            nodes: node_rows(counts),
            faults: fault_rows(counts),
            errors,
            error_share,
            resumes: Resumes {
                healed: counts.resumed,
                lost: counts.ends.get(&End::Lost).copied().unwrap_or(0),
                silence: Quantiles::of(&counts.silence_us),
            },
            slot_s,
            slots: counts.slots.iter().enumerate().map(slot).collect(),
            map: cells(counts),
            set_up,
        };
        report.complaints = report.complain(wanted);
        report
    }

    fn complain(&self, wanted: u64) -> Vec<String> {
        let mut complaints = Vec::new();
        if wanted == 0 {
            complaints.push("nobody came, so that nothing was asked".to_owned());
        }
        if self.bytes.wrong_blocks > 0 {
            let blocks = self.bytes.wrong_blocks;
            let first = self.bytes.wrong.first();
            let first = first.map(|wrong| {
                format!("; the first one: film {}, byte {}, from {}", wrong.film, wrong.at, wrong.from)
            });
            complaints
                .push(format!("{blocks} blocks had other bytes than the film{}", first.unwrap_or_default()));
        }
        if self.error_share > self.set_up.errors_max {
            complaints.push(format!(
                "{} errors in {wanted} requests, {:.3} %; allowed are {:.3} %",
                self.errors,
                self.error_share * 100.0,
                self.set_up.errors_max * 100.0
            ));
        }
        complaints
    }
}

fn sum(counts: &Counts, which: impl Fn(Party, Cause) -> bool) -> u64 {
    counts.faults.iter().filter(|((party, cause), _)| which(*party, *cause)).map(|(_, count)| count).sum()
}

fn rows(counts: &Counts) -> Vec<Row> {
    let row = |(kind, requests): (&Kind, &super::tally::Requests)| Row {
        kind: *kind,
        due: requests.due,
        answered: requests.answered,
        gate: Quantiles::of(&requests.gate_us),
        first_byte: Quantiles::of(&requests.first_byte_us),
    };
    counts.kinds.iter().map(row).collect()
}

fn node_rows(counts: &Counts) -> Vec<NodeRow> {
    let all: u64 = counts.nodes.iter().map(|node| node.sent).sum();
    let row = |(index, node): (usize, &super::tally::Node)| NodeRow {
        node: node.name.clone(),
        lat_lon: node.at,
        sent: node.sent,
        share: node.sent as f64 / all.max(1) as f64,
        bytes: node.bytes,
        errors: sum(counts, |party, cause| party == Party::Node(index) && cause.is_error()),
    };
    counts.nodes.iter().enumerate().map(row).collect()
}

fn fault_rows(counts: &Counts) -> Vec<FaultRow> {
    let name = |party: &Party| match party {
        Party::Gate => "gate".to_owned(),
        Party::Bench => "bench".to_owned(),
        Party::Node(index) => counts.nodes.get(*index).map(|node| node.name.clone()).unwrap_or_default(),
    };
    let row = |((party, cause), count): (&(Party, Cause), &u64)| FaultRow {
        at: name(party),
        cause: *cause,
        is_error: cause.is_error(),
        count: *count,
    };
    let mut rows: Vec<FaultRow> = counts.faults.iter().map(row).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.count));
    rows
}

fn slot_row(at_s: f64, slot_s: f64, slot: &Slot, phases: &[Phase]) -> SlotRow {
    let per_s = |count: u32| f64::from(count) / slot_s;
    SlotRow {
        at_s,
        arrivals_per_s: Arrivals::rate(phases, at_s + slot_s / 2.0),
        due_per_s: per_s(slot.due),
        sent_per_s: per_s(slot.sent),
        answered_per_s: per_s(slot.answered),
        gate: Quantiles::of(&slot.gate_us),
        first_byte: Quantiles::of(&slot.first_byte_us),
        viewers: slot.viewers,
        bytes_per_s: slot.bytes.iter().map(|bytes| *bytes as f64 / slot_s).collect(),
        faults: slot.faults.iter().map(|(cause, count)| (cause.to_string(), *count)).collect(),
        resumed: slot.resumed,
    }
}

fn cells(counts: &Counts) -> Vec<Cell> {
    let cell = |(&(lat, lon, node), &requests): (&(i16, i16, usize), &u64)| {
        let (lat, lon) = middle(lat, lon);
        Cell { lat, lon, node, requests }
    };
    let mut cells: Vec<Cell> = counts.cells.iter().map(cell).collect();
    cells.sort_by(|a, b| {
        let place = |cell: &Cell| (cell.lat, cell.lon, cell.node);
        b.requests
            .cmp(&a.requests)
            .then_with(|| place(a).partial_cmp(&place(b)).unwrap_or(std::cmp::Ordering::Equal))
    });
    cells
}

/// A word of a closed set as people write it.
pub(super) fn word(value: impl Serialize) -> String {
    let word = serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned));
    word.unwrap_or_default().replace('_', " ")
}

impl run::Report for Report {
    fn table(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail, here and below.
        let _ = writeln!(text, "{}\n", self.lede());
        text.push_str("| asked for | requests | answered | gate p50 ms | p99 ms | p99.9 ms | max ms | first byte p50 ms | p99 ms |\n");
        text.push_str("|---|---|---|---|---|---|---|---|---|\n");
        for Row { kind, due, answered, gate, first_byte } in &self.requests {
            let _ = write!(
                text,
                "| {} | {due} | {answered} | {:.2} | {:.2} | {:.2} | {:.2} |",
                word(kind),
                gate.p50_ms,
                gate.p99_ms,
                gate.p999_ms,
                gate.max_ms
            );
            let _ = match first_byte.count {
                0 => writeln!(text, " – | – |"),
                _ => writeln!(text, " {:.2} | {:.2} |", first_byte.p50_ms, first_byte.p99_ms),
            };
        }
        text.push_str("\n| node | sent there | share | MiB read | errors |\n|---|---|---|---|---|\n");
        for NodeRow { node, sent, share, bytes, errors, .. } in &self.nodes {
            let mib = *bytes as f64 / 1_048_576.0;
            let _ = writeln!(text, "| {node} | {sent} | {:.1} % | {mib:.1} | {errors} |", share * 100.0);
        }
        if !self.faults.is_empty() {
            text.push_str("\n| with | cause | times | |\n|---|---|---|---|\n");
            for FaultRow { at, cause, count, is_error } in &self.faults {
                let note = if *is_error { "" } else { "no error" };
                let _ = writeln!(text, "| {at} | {cause} | {count} | {note} |");
            }
        }
        let _ = write!(text, "\n{}", self.tail());
        text
    }

    fn is_whole(&self) -> bool {
        self.complaints.is_empty()
    }
}

impl Report {
    /// What was done, in a sentence.
    pub(super) fn lede(&self) -> String {
        let SetUp { scenario, targets, ran_s, resolve_only, stopped_early, .. } = &self.set_up;
        let did = if *resolve_only { "asked for films, without reading them," } else { "watched films" };
        let early = if *stopped_early { ", stopped early" } else { "" };
        format!(
            "Scenario {scenario}: {} viewers {did} from {} in {ran_s:.1} s{early}; most at once: {}.",
            self.viewers.came,
            targets.join(", "),
            self.viewers.at_once_max
        )
    }

    /// What was checked, what broke, and what to think of it.
    fn tail(&self) -> String {
        let Bytes { read, checked, checked_share, .. } = self.bytes;
        let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
        let mut text = String::new();
        if !self.set_up.resolve_only {
            let _ = writeln!(
                text,
                "Bytes: {:.1} MiB read, {:.1} MiB checked against the films ({:.1} %), {} wrong blocks.",
                mib(read),
                mib(checked),
                checked_share * 100.0,
                self.bytes.wrong_blocks
            );
            let Resumes { healed, lost, silence } = &self.resumes;
            let longest = if *healed > 0 {
                format!(", silent for at most {:.0} ms", silence.max_ms)
            } else {
                String::new()
            };
            let _ = writeln!(text, "Breaks: {healed} films went on after one{longest}; {lost} did not.");
        }
        let Quantiles { p99_ms, max_ms, .. } = self.late;
        let _ = writeln!(
            text,
            "Late: the load generator itself by {p99_ms:.2} ms (p99), {max_ms:.2} ms at most; it is part of the times."
        );
        for complaint in &self.complaints {
            let _ = writeln!(text, "FAILED: {complaint}");
        }
        if self.complaints.is_empty() {
            let _ =
                writeln!(text, "Errors: {} ({:.3} % of requests).", self.errors, self.error_share * 100.0);
        }
        text.truncate(text.trim_end().len());
        text
    }
}

#[cfg(test)]
pub(super) mod tests;
