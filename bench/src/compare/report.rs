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
            return "No chapter that has a goal was measured.\n".to_owned();
        }
        goals::rendered(goals)
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
