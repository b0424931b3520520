//! The report: a table for each mode, who was sent astray when, and every promise in words.
//!
//! Pure. Absent on purpose: colours and absolute speed; a shared machine has its moods, a promise has not.

use std::fmt::Write;

use serde::Serialize;

use super::catalogue::{Fault, Promise};
use super::judge::{Bucket, Verdict};
use super::nodes::Kind;
use crate::run;
use crate::stage::Mode;

/// A drill that stands still for longer has something to say about its figures.
const LATE_MS: u64 = 200;

/// One fault's part of the report.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) fault: Fault,
    /// One for each gate; empty: see the others.
    pub(super) verdicts: Vec<Verdict>,
    /// The longest that the drill itself stood still meanwhile.
    pub(super) late_ms: u64,
    /// Why it was not played.
    pub(super) skipped: Option<String>,
    /// Why it could not be played to its end, or says nothing.
    pub(super) failed: Option<String>,
}

/// The whole report.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) machine: String,
    pub(super) nodes: Kind,
    pub(super) times: String,
    /// What is granted beside each promised time.
    pub(super) slack_ms: u64,
    pub(super) rows: Vec<Row>,
}

impl run::Report for Report {
    fn table(&self) -> String {
        let mut text = format!("{}\n{}; {}\n", self.machine, self.nodes.words(), self.times);
        for mode in [Mode::Stream, Mode::Redirect] {
            let of_mode: Vec<_> = self.verdicts().filter(|(_, verdict)| verdict.mode == mode).collect();
            if !of_mode.is_empty() {
                text += &table(mode, &of_mode);
            }
        }
        text += &self.astray();
        text += &self.promises();
        for row in &self.rows {
            let name = row.fault.name();
            // Writing to a String does not fail.
            let _ = match (&row.skipped, &row.failed) {
                (Some(why), _) => writeln!(text, "SKIPPED: {name}: {why}"),
                (_, Some(why)) => writeln!(text, "FAILED: {name}: {why}"),
                _ => Ok(()),
            };
        }
        for line in self.broken() {
            let _ = writeln!(text, "{line}");
        }
        text += &self.late();
        let text = text.trim_end().to_owned();
        if run::Report::is_whole(self) { text + "\n\nEvery promise held." } else { text }
    }

    fn is_whole(&self) -> bool {
        self.broken().is_empty() && self.rows.iter().all(|row| row.failed.is_none())
    }
}

impl Report {
    fn verdicts(&self) -> impl Iterator<Item = (Fault, &Verdict)> {
        self.rows.iter().flat_map(|row| row.verdicts.iter().map(|verdict| (row.fault, verdict)))
    }

    /// A line for each broken promise.
    pub(super) fn broken(&self) -> Vec<String> {
        let lines = self.verdicts().flat_map(|(fault, verdict)| {
            verdict.promises.iter().filter_map(move |held| {
                let seen = held.broken.as_ref()?;
                let (fault, mode) = (fault.name(), verdict.mode.word());
                Some(format!("BROKEN: {fault}, {mode}: \"{}\": {seen}", held.promise.words()))
            })
        });
        lines.collect()
    }

    /// Says so if the machine was too busy for some of it.
    fn late(&self) -> String {
        let worst = self.rows.iter().max_by_key(|row| row.late_ms).filter(|row| row.late_ms > LATE_MS);
        worst.map_or(String::new(), |row| {
            format!(
                "\nThe machine was busy: the drill itself stood still for up to {} ms ({}), and silences are too long by \
                 that.\n",
                row.late_ms,
                row.fault.name()
            )
        })
    }

    /// New viewers over time, in redirect mode.
    fn astray(&self) -> String {
        let of_mode = self.verdicts().filter(|(_, verdict)| verdict.mode == Mode::Redirect);
        let lost = of_mode.filter(|(_, verdict)| verdict.sent_astray.iter().any(|bucket| bucket.lost > 0));
        let lines: Vec<String> = lost
            .map(|(fault, verdict)| {
                let (asked, lost) = verdict
                    .sent_astray
                    .iter()
                    .fold((0, 0), |(asked, lost), bucket| (asked + bucket.asked, lost + bucket.lost));
                format!("{:<15} {}  {lost} of {asked}\n", fault.name(), spark(&verdict.sent_astray))
            })
            .collect();
        if lines.is_empty() {
            return String::new();
        }
        format!(
            "\nRedirect mode: new viewers sent to a node that did not serve them, every half second since the fault \
             (· none came, ▁ none of them, █ all)\n\n```\n{}```\n",
            lines.concat()
        )
    }

    /// Every promise, and how often it was held against what was seen.
    fn promises(&self) -> String {
        let mut told: Vec<(Promise, usize, usize)> = Vec::new();
        for held in self.verdicts().flat_map(|(_, verdict)| &verdict.promises) {
            let broken = usize::from(held.broken.is_some());
            match told.iter_mut().find(|(promise, ..)| *promise == held.promise) {
                Some((_, times, failures)) => (*times, *failures) = (*times + 1, *failures + broken),
                None => told.push((held.promise, 1, broken)),
            }
        }
        let lines = told.iter().map(|(promise, times, failures)| {
            let kept = times - failures;
            format!("- {}: kept {kept} of {times} times. {}\n", promise.short(), promise.words())
        });
        format!("\nPromises, with {} ms of slack:\n\n{}\n", self.slack_ms, lines.collect::<String>())
    }
}

fn table(mode: Mode, verdicts: &[(Fault, &Verdict)]) -> String {
    let mut text = format!(
        "\n| {} | viewers | whole | refused | broken | wrong bytes | longest silence | for 64 KiB | found after | by | back after | \
         resumes | verdict |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n",
        mode.word()
    );
    for (fault, verdict) in verdicts {
        let (after, by) = verdict
            .detected
            .as_ref()
            .map_or((String::new(), ""), |found| (seconds(found.after_ms), found.by.as_str()));
        let broken: Vec<&str> = verdict
            .promises
            .iter()
            .filter(|held| held.broken.is_some())
            .map(|held| held.promise.short())
            .collect();
        let word =
            if broken.is_empty() { "kept".to_owned() } else { format!("BROKEN: {}", broken.join(", ")) };
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {after} | {by} | {} | {} | {word} |",
            fault.name(),
            verdict.viewers,
            verdict.whole,
            verdict.refused,
            verdict.broken,
            verdict.wrong,
            seconds(verdict.silence_ms),
            seconds(verdict.wait_ms),
            verdict.returned_ms.map(seconds).unwrap_or_default(),
            verdict.resumes,
        );
    }
    text
}

fn seconds(ms: u64) -> String {
    format!("{:.2} s", ms as f64 / 1000.0)
}

/// The share of those who were lost, a character for each bucket.
fn spark(buckets: &[Bucket]) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let level = |bucket: &Bucket| {
        if bucket.asked == 0 {
            return '·';
        }
        // A single one shows.
        let level = (bucket.lost * 7).div_ceil(bucket.asked);
        usize::try_from(level).ok().and_then(|level| LEVELS.get(level)).copied().unwrap_or('█')
    };
    buckets.iter().map(level).collect()
}

impl Kind {
    fn words(self) -> &'static str {
        match self {
            Self::Own => "Nodes: watchgate-node, three",
            Self::Minio => "Nodes: real MinIO, a source and two replicas",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_as_characters() {
        let check = |buckets: &[(u64, u64)], expected: &str| {
            let buckets = buckets.iter().map(|&(asked, lost)| Bucket { from_ms: 0, asked, lost });
            assert_eq!(spark(&buckets.collect::<Vec<_>>()), expected);
        };
        check(&[(10, 0), (0, 0), (100, 1), (10, 5), (10, 10)], "▁·▂▅█");
        check(&[], "");
    }
}
