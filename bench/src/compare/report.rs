//! The report of a comparison: `RESULTS.md`, written for somebody who has never seen any of it.
//!
//! Absent on purpose: figures that are not in a chapter, and opinions.

use std::fmt::Write;

use serde::Serialize;
use serde_json::Value;

use super::goals::{self, Goal};
use super::machine::{Company, Machine};
use super::profile::{self, Profile};
use crate::peers::Unmeasured;
use crate::run;

/// One question, and what was found.
#[derive(Debug, Serialize)]
pub(crate) struct Chapter {
    /// Its heading.
    pub(crate) title: &'static str,
    pub(crate) goals: Vec<Goal>,
    /// Where the time goes, for goals that are missed: a heading, and servers side by side.
    pub(crate) profiles: Vec<(String, Vec<Profile>)>,
    /// Everything as numbers.
    pub(crate) figures: Value,
    pub(crate) unmeasured: Vec<Unmeasured>,
    /// How to read it, and its tables, as Markdown.
    #[serde(skip)]
    pub(crate) text: String,
}

/// A whole run.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    /// When it began, in UTC.
    pub(crate) began: String,
    pub(crate) took_s: u64,
    pub(crate) command: String,
    /// Too short for figures.
    pub(crate) is_smoke: bool,
    pub(crate) machine: Machine,
    pub(crate) company: Company,
    pub(crate) chapters: Vec<Chapter>,
    /// What is not in it, and why.
    pub(crate) left_out: Vec<String>,
    /// The whole report lies in this file; stdout tells the goals alone.
    #[serde(skip)]
    pub(crate) file: Option<String>,
}

const HOW_TO_READ: &str = "\
Every figure is the processor time, user and system, of all threads of one server (from `/proc`), divided by the answers
or bytes that its viewers counted; a server has one core, and its viewers and nodes have the other. Servers that are
compared are all up, get the same requests, and are measured in turn, round after round. A figure is the **median** of the
rounds, with the least and the greatest in brackets: `1.40 (1.30-1.52)`. A ratio is taken between two rounds of the same
turn, and only then is the median taken, so that what disturbs the machine for a minute disturbs both sides. Ratios can be
compared with other machines; microseconds cannot. On virtual machines differences below a tenth mean nothing.

A server that answers wrongly has no figures but a line `FAILED`; one that is not installed has a line `Skipped`.
";

impl Results {
    /// The file, as a whole.
    pub(crate) fn markdown(&self) -> String {
        let mut text = format!(
            "# Results\n\nWritten by `watchgate-bench compare`, never by hand. Begun {}, took {} min {} s, by:\n\n```sh\n{}\n```\n\n",
            self.began,
            self.took_s / 60,
            self.took_s % 60,
            self.command
        );
        if self.is_smoke {
            text.push_str(
                "**This is a smoke, not a measurement**: rounds are so few and short that it shows only that everything \
                 works. Leave out `--quick` for figures.\n\n",
            );
        }
        let _ = write!(text, "## Goals\n\n{}\n", self.goals());
        let _ = write!(text, "## How to read this\n\n{HOW_TO_READ}\n");
        let _ = write!(text, "## Machine\n\n{}{}\n", self.machine.rendered(), self.company.rendered());
        for chapter in &self.chapters {
            let _ = write!(text, "## {}\n\n{}\n", chapter.title, chapter.text.trim_end());
            for one in &chapter.unmeasured {
                let _ = write!(text, "\n{}\n", fenced(&one.to_string()));
            }
            for (heading, profiles) in &chapter.profiles {
                let _ = write!(text, "\n### {heading}\n\n{}", profile::rendered(profiles));
            }
            text.push('\n');
        }
        if !self.left_out.is_empty() {
            text.push_str("## Left out\n\n");
            for one in &self.left_out {
                let _ = writeln!(text, "- {one}");
            }
        }
        text
    }

    fn goals(&self) -> String {
        let mut goals = self.chapters.iter().flat_map(|chapter| &chapter.goals).peekable();
        if goals.peek().is_none() {
            return "No goal was measured.\n".to_owned();
        }
        let mut text = goals::rendered(goals);
        for chapter in self.chapters.iter().filter(|chapter| chapter.figures.is_null()) {
            let _ = write!(text, "\nWithout figures: {}; the chapter says why.\n", chapter.title);
        }
        text
    }
}

/// The first line as it is, and the end of a log, if there is one, as such.
fn fenced(text: &str) -> String {
    match text.split_once('\n') {
        Some((first, log)) => format!("{first}\n\n```text\n{}\n```", log.trim_end().replace("```", "'''")),
        None => text.to_owned(),
    }
}

impl run::Report for Results {
    fn table(&self) -> String {
        match &self.file {
            Some(file) => format!("{}\nwritten to {file}", self.goals()),
            None => self.markdown(),
        }
    }

    fn is_whole(&self) -> bool {
        self.chapters.iter().flat_map(|chapter| &chapter.unmeasured).all(Unmeasured::is_skipped)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::goals::Wanted;
    use super::super::machine::Use;
    use super::*;
    use crate::figures::Spread;
    use crate::run::Report as _;

    fn results(chapters: Vec<Chapter>) -> Results {
        let quiet = (Use::so_far().unwrap(), 0.1);
        Results {
            began: "2026-11-26 10:00 UTC".to_owned(),
            took_s: 125,
            command: "watchgate-bench compare".to_owned(),
            is_smoke: false,
            machine: Machine::unknown(),
            company: Company::between(quiet, quiet, 1.0),
            chapters,
            left_out: vec!["something".to_owned()],
            file: None,
        }
    }

    fn chapter(title: &'static str, measured: f64, unmeasured: Vec<Unmeasured>) -> Chapter {
        let spread = Spread { median: measured, least: measured, greatest: measured };
        let goals = vec![Goal::new("a goal", Wanted::AtMost(1.2), " times", Some(spread))];
        let text = "| a |\n|---|\n".to_owned();
        Chapter { title, goals, profiles: Vec::new(), figures: json!({ "a": 1 }), unmeasured, text }
    }

    #[test]
    fn goals_stand_first_and_faults_with_their_chapter() {
        let failed = Unmeasured::failed("Envoy", "it ended; the end of its log:\nboom\n```");
        let skipped = Unmeasured::skipped("HAProxy", "it is not installed");
        let results = results(vec![chapter("One", 1.1, vec![skipped]), chapter("Two", 1.3, vec![failed])]);
        let text = results.markdown();
        let order =
            ["# Results", "took 2 min 5 s", "## Goals", "## Machine", "## One", "## Two", "## Left out"];
        let places: Vec<_> = order.iter().map(|part| text.find(part).expect(part)).collect();
        assert!(places.is_sorted(), "{text}");
        assert!(
            text.contains("| a goal | at most 1.2 times | 1.30 (1.30-1.30) times | **not met** |"),
            "{text}"
        );
        assert!(
            text.contains("FAILED: Envoy: it ended; the end of its log:\n\n```text\nboom\n'''\n```"),
            "{text}"
        );
        assert!(text.contains("Skipped: HAProxy: it is not installed") && !text.contains("smoke"), "{text}");
        assert!(!results.is_whole(), "a server failed");
    }

    #[test]
    fn a_smoke_says_so_and_a_chapter_that_failed_is_named() {
        let failure = crate::Failure::Misbehaved("it broke".to_owned());
        let missing = crate::Failure::NotHere("nginx is not installed".to_owned());
        let chapters = vec![
            chapter("One", 1.0, Vec::new()),
            Chapter::failed("Two", &failure),
            Chapter::failed("Three", &missing),
        ];
        let mut results = Results { is_smoke: true, file: Some("r.md".to_owned()), ..results(chapters) };
        assert!(results.markdown().contains("This is a smoke"));
        assert!(results.markdown().contains("FAILED: the whole chapter: it broke"));
        assert!(results.markdown().contains("Skipped: the whole chapter: nginx is not installed"));
        let told = results.table();
        assert!(told.contains("Without figures: Two") && told.ends_with("written to r.md"), "{told}");
        assert!(!results.is_whole());
        results.chapters.remove(1);
        assert!(results.is_whole(), "what is not installed is no fault");
        results.chapters.clear();
        assert!(results.table().starts_with("No goal was measured."));
    }
}
