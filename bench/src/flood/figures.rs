//! The report of the flood, for people and as JSON, and its verdict.
//!
//! Absent on purpose: a verdict on times and on processor time, which are the machine's as well.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use serde::Serialize;

use super::load::Line;
use super::look::{Between, Films, Lookups, Memory};
use super::nodes::Asked;
use crate::run;
use crate::stub::CITIES;

/// How a known film is answered: a link, or bytes.
pub(super) const KNOWN_STATUSES: &[u16] = &[200, 206, 302];
/// How an unknown name is: there is no such film, or nobody could be asked.
const UNKNOWN_STATUSES: &[u16] = &[404, 503];

/// One phase.
#[derive(Debug, Serialize)]
pub(super) struct Phase {
    name: &'static str,
    seconds: f64,
    known: Known,
    unknown: Option<Unknown>,
    memory_kib: Memory,
    /// The part of the core that the gate had, 0 to 1.
    busy: f64,
    used_ns: u64,
    lookups: Lookups,
    films: Films,
    node_requests: Asked,
}

/// Those who watch known films.
#[derive(Debug, Serialize)]
struct Known {
    answers_by_status: BTreeMap<u16, u64>,
    unanswered: u64,
    /// Due, and not sent even half a minute after the phase.
    unsent: u64,
    complaint: Option<String>,
    /// From when a request was due to the end of its answer.
    p50_ms: f64,
    p99_ms: f64,
    p999_ms: f64,
    max_ms: f64,
    /// The part of it before the request was sent: a busy load generator, or no connection free.
    late_p99_ms: f64,
    /// HEAD to all nodes together.
    node_heads_per_s: f64,
    /// GET to all nodes together: films that are streamed.
    node_gets_per_s: f64,
}

/// The flood.
#[derive(Debug, Serialize)]
struct Unknown {
    names: u64,
    wanted_per_s: u32,
    per_s: f64,
    answers_by_status: BTreeMap<u16, u64>,
    unanswered: u64,
    complaint: Option<String>,
    /// Processor time of the gate beyond that of the calm phases, by name.
    cpu_us: f64,
    node_requests_per_name: f64,
}

/// A whole run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    machine: String,
    load: String,
    mode: &'static str,
    /// HEAD to all nodes together that keep the memory of the watched films fresh.
    needed_node_heads_per_s: f64,
    phases: [Phase; 3],
    faults: Vec<String>,
}

impl Phase {
    pub(super) fn new(
        name: &'static str,
        between: Between,
        memory: Memory,
        known: &Line,
        unknown: Option<(&Line, u32)>,
    ) -> Self {
        let (seconds, asked) = (between.took.as_secs_f64(), between.asked);
        let tally = &known.tally;
        Self {
            name,
            seconds,
            known: Known {
                answers_by_status: tally.statuses(),
                unanswered: tally.unanswered(),
                unsent: known.tickets.left(),
                complaint: tally.complaint(),
                p50_ms: tally.took_ms(0.5),
                p99_ms: tally.took_ms(0.99),
                p999_ms: tally.took_ms(0.999),
                max_ms: tally.took_ms(1.0),
                late_p99_ms: tally.late_ms(0.99),
                node_heads_per_s: asked.known_heads as f64 / seconds,
                node_gets_per_s: asked.known_gets as f64 / seconds,
            },
            unknown: unknown.map(|(line, wanted_per_s)| Unknown::new(line, wanted_per_s, seconds, asked)),
            memory_kib: memory,
            busy: between.used_ns as f64 / 1e9 / seconds,
            used_ns: between.used_ns,
            lookups: between.lookups,
            films: between.films,
            node_requests: asked,
        }
    }

    /// Whatever was not as it must be.
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |count: u64, what: &str, complaint: Option<&String>| {
            if count > 0 {
                let complaint =
                    complaint.map(|it| format!(", the first one: the gate {it}")).unwrap_or_default();
                faults.push(format!("{}: {count} {what}{complaint}", self.name));
            }
        };
        let known = &self.known;
        let refused = refused(&known.answers_by_status, KNOWN_STATUSES);
        fault(refused, "requests for known films were refused", None);
        fault(known.unanswered, "requests for known films had no answer", known.complaint.as_ref());
        fault(known.unsent, "requests for known films found no connection in time", None);
        if let Some(unknown) = &self.unknown {
            let other = self::refused(&unknown.answers_by_status, UNKNOWN_STATUSES);
            fault(other, "unknown names were answered otherwise than by 404 or 503", None);
            fault(unknown.unanswered, "unknown names had no answer", unknown.complaint.as_ref());
            if unknown.node_requests_per_name > CITIES.len() as f64 {
                faults.push(format!("{}: nodes were asked more than once for an unknown name", self.name));
            }
            if self.memory_kib.grows() {
                faults.push(format!("{}: memory still grew in the second half", self.name));
            }
        }
        faults
    }
}

impl Unknown {
    fn new(line: &Line, wanted_per_s: u32, seconds: f64, asked: Asked) -> Self {
        let (statuses, unanswered) = (line.tally.statuses(), line.tally.unanswered());
        let names = statuses.values().sum::<u64>() + unanswered;
        Self {
            names,
            wanted_per_s,
            per_s: names as f64 / seconds,
            answers_by_status: statuses,
            unanswered,
            complaint: line.tally.complaint(),
            cpu_us: 0.0,
            node_requests_per_name: (asked.unknown_heads + asked.unknown_gets) as f64 / names as f64,
        }
    }

    fn answers(&self, status: u16) -> u64 {
        self.answers_by_status.get(&status).copied().unwrap_or(0)
    }
}

/// Answers by another status than these.
pub(super) fn refused(statuses: &BTreeMap<u16, u64>, right: &[u16]) -> u64 {
    statuses.iter().filter(|(status, _)| !right.contains(status)).map(|(_, count)| count).sum()
}

impl Report {
    pub(super) fn new(
        machine: String,
        load: String,
        mode: &'static str,
        needed_node_heads_per_s: f64,
        mut phases: [Phase; 3],
    ) -> Self {
        let [before, flood, after] = &mut phases;
        if let Some(unknown) = &mut flood.unknown {
            // What the known films cost is the same in all phases.
            let calm_ns_per_s = (before.used_ns + after.used_ns) as f64 / (before.seconds + after.seconds);
            let beyond_ns = flood.used_ns as f64 - calm_ns_per_s * flood.seconds;
            unknown.cpu_us = beyond_ns / 1e3 / unknown.names as f64;
        }
        let faults = phases.iter().flat_map(Phase::faults).collect();
        Self { machine, load, mode, needed_node_heads_per_s, phases, faults }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Known { answers_by_status, p50_ms, p99_ms, .. } = &self.known;
        write!(to, "{}: {answers_by_status:?}, {p50_ms:.2} ms, p99 {p99_ms:.2} ms", self.name)?;
        if let Some(unknown) = &self.unknown {
            write!(to, "; {:.0} unknown names a second, {:?}", unknown.per_s, unknown.answers_by_status)?;
        }
        write!(to, "; {:.1} MiB", mib(self.memory_kib.end))
    }
}

impl run::Report for Report {
    fn table(&self) -> String {
        let mut text = format!("{}\n{}\n\n", self.machine, self.load);
        self.known_table(&mut text);
        self.unknown_table(&mut text);
        self.gate_table(&mut text);
        let needed = self.needed_node_heads_per_s;
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "\nTimes from when a request was due, by schedule, to the end of its answer. Watched films need at most \
             {needed:.0} questions to nodes a second."
        );
        for fault in &self.faults {
            let _ = write!(text, "\nFAULT: {fault}");
        }
        text
    }

    fn is_whole(&self) -> bool {
        self.faults.is_empty()
    }
}

impl Report {
    fn known_table(&self, text: &mut String) {
        text.push_str(
            "| known films | answers | errors | p50 ms | p99 ms | p99.9 ms | max ms | of it late p99 | \
             questions to nodes /s | streams from nodes /s |\n|---|---|---|---|---|---|---|---|---|---|\n",
        );
        for Phase { name, known, .. } in &self.phases {
            let answers: Vec<String> =
                known.answers_by_status.iter().map(|(status, count)| format!("{count} x {status}")).collect();
            let errors = refused(&known.answers_by_status, KNOWN_STATUSES) + known.unanswered + known.unsent;
            // Writing to a String does not fail.
            let _ = writeln!(
                text,
                "| {name} | {} | {errors} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.0} | {:.0} |",
                answers.join(", "),
                known.p50_ms,
                known.p99_ms,
                known.p999_ms,
                known.max_ms,
                known.late_p99_ms,
                known.node_heads_per_s,
                known.node_gets_per_s,
            );
        }
    }

    fn unknown_table(&self, text: &mut String) {
        text.push_str(
            "\n| unknown names | names | per second (wanted) | 404 | 503 | other | CPU µs per name | \
             requests to nodes per name (at most) |\n|---|---|---|---|---|---|---|---|\n",
        );
        for (name, unknown) in
            self.phases.iter().filter_map(|phase| Some((phase.name, phase.unknown.as_ref()?)))
        {
            let other = refused(&unknown.answers_by_status, UNKNOWN_STATUSES) + unknown.unanswered;
            // Writing to a String does not fail.
            let _ = writeln!(
                text,
                "| {name} | {} | {:.0} ({}) | {} | {} | {other} | {:.1} | {:.2} ({}) |",
                unknown.names,
                unknown.per_s,
                unknown.wanted_per_s,
                unknown.answers(404),
                unknown.answers(503),
                unknown.cpu_us,
                unknown.node_requests_per_name,
                CITIES.len(),
            );
        }
    }

    fn gate_table(&self, text: &mut String) {
        text.push_str(
            "\n| gate | seconds | core in use | memory MiB at start | middle | end | most | \
             look-ups: hit | miss | negative | films kept: held | lacking |\n\
             |---|---|---|---|---|---|---|---|---|---|---|---|\n",
        );
        for Phase { name, seconds, busy, memory_kib, lookups, films, .. } in &self.phases {
            // Writing to a String does not fail.
            let _ = writeln!(
                text,
                "| {name} | {seconds:.1} | {:.0} % | {:.1} | {:.1} | {:.1} | {:.1} | {} | {} | {} | {} | {} |",
                busy * 100.0,
                mib(memory_kib.start),
                mib(memory_kib.middle),
                mib(memory_kib.end),
                mib(memory_kib.most),
                lookups.hit,
                lookups.miss,
                lookups.negative,
                films.held,
                films.lacking,
            );
        }
    }
}

fn mib(kib: i64) -> f64 {
    kib as f64 / 1024.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::Report as _;

    fn phase(name: &'static str, used_ns: u64) -> Phase {
        Phase {
            name,
            seconds: 10.0,
            known: Known {
                answers_by_status: BTreeMap::from([(302, 5000)]),
                unanswered: 0,
                unsent: 0,
                complaint: None,
                p50_ms: 0.25,
                p99_ms: 1.5,
                p999_ms: 2.0,
                max_ms: 3.0,
                late_p99_ms: 0.1,
                node_heads_per_s: 160.0,
                node_gets_per_s: 0.0,
            },
            unknown: None,
            memory_kib: Memory { start: 10_240, middle: 20_480, end: 20_480, most: 30_720 },
            busy: 0.5,
            used_ns,
            lookups: Lookups { hit: 1, miss: 2, negative: 3 },
            films: Films { held: 4, lacking: 5 },
            node_requests: Asked::default(),
        }
    }

    fn flood() -> Phase {
        let unknown = Unknown {
            names: 50_000,
            wanted_per_s: 5000,
            per_s: 5000.0,
            answers_by_status: BTreeMap::from([(404, 49_990), (503, 10)]),
            unanswered: 0,
            complaint: None,
            cpu_us: 0.0,
            node_requests_per_name: 5.0,
        };
        Phase { unknown: Some(unknown), ..phase("flood", 6_000_000_000) }
    }

    fn report(flood: Phase) -> Report {
        let calm = |name| phase(name, 1_000_000_000);
        Report::new("m".into(), "l".into(), "redirect", 166.7, [calm("calm"), flood, calm("calm again")])
    }

    #[test]
    fn the_flood_pays_for_what_the_calm_does_not_need() {
        let report = report(flood());
        let table = report.table();
        let check = |row: &str| assert!(table.contains(row), "{row}\n{table}");
        check("| calm again | 5000 x 302 | 0 | 0.25 | 1.50 | 2.00 | 3.00 | 0.10 | 160 | 0 |");
        check("| flood | 50000 | 5000 (5000) | 49990 | 10 | 0 | 100.0 | 5.00 (5) |");
        check("| flood | 10.0 | 50 % | 10.0 | 20.0 | 20.0 | 30.0 | 1 | 2 | 3 | 4 | 5 |");
        assert!(report.is_whole() && !table.contains("FAULT"), "{table}");
    }

    #[test]
    fn what_must_not_be_is_said() {
        let check = |change: fn(&mut Phase, &mut Unknown), expected: &str| {
            let mut phase = flood();
            let mut unknown = phase.unknown.take().unwrap();
            change(&mut phase, &mut unknown);
            let report = report(Phase { unknown: Some(unknown), ..phase });
            assert_eq!(report.faults, [expected]);
            assert!(!report.is_whole() && report.table().ends_with(&format!("\nFAULT: {expected}")));
        };
        check(
            |phase, _| phase.known.answers_by_status = BTreeMap::from([(302, 10), (404, 1), (503, 2)]),
            "flood: 3 requests for known films were refused",
        );
        check(
            |phase, _| {
                phase.known.unanswered = 2;
                phase.known.complaint = Some("was silent".to_owned());
            },
            "flood: 2 requests for known films had no answer, the first one: the gate was silent",
        );
        check(
            |phase, _| phase.known.unsent = 7,
            "flood: 7 requests for known films found no connection in time",
        );
        check(
            |_, unknown| unknown.answers_by_status = BTreeMap::from([(404, 10), (302, 1)]),
            "flood: 1 unknown names were answered otherwise than by 404 or 503",
        );
        check(|_, unknown| unknown.unanswered = 1, "flood: 1 unknown names had no answer");
        check(
            |_, unknown| unknown.node_requests_per_name = 5.1,
            "flood: nodes were asked more than once for an unknown name",
        );
        check(|phase, _| phase.memory_kib.end = 23_600, "flood: memory still grew in the second half");
    }
}
