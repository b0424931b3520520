//! The committed counts, what made them, and what a change of them means.
//!
//! Absent on purpose: how counts come about, and how they are shown.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde::Deserialize;

use crate::callgrind::Failure;
use crate::cases::{CASES, Case, named};
use crate::report::grouped;

/// Where the committed counts lie.
pub(crate) const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.toml");

/// The same program counts the same to a fraction of this; the rest is for what the compiler makes of code elsewhere.
const TOLERANCE: Tolerance = Tolerance { percent: 3.0, instructions: 10 };
/// Another compiler makes another program of the same text: only what can hardly come from that is judged.
const OTHER_COMPILER_PERCENT: f64 = 20.0;

/// The file.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Baseline {
    pub(crate) tolerance: Tolerance,
    pub(crate) made_by: MadeBy,
    /// Instructions of one operation, by the name of its case.
    pub(crate) instructions: BTreeMap<String, u64>,
}

/// How much more than its baseline an operation may cost: the larger of the two.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tolerance {
    pub(crate) percent: f64,
    pub(crate) instructions: u64,
}

/// What the counts depend on beside our own text and the crates of Cargo.lock.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub(crate) struct MadeBy {
    pub(crate) rustc: String,
    pub(crate) target: String,
    pub(crate) valgrind: String,
}

/// One case, judged.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Judged {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) baseline: Option<u64>,
    pub(crate) now: u64,
    pub(crate) verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Within the tolerance.
    Same,
    /// Less than the baseline by more than the tolerance: worth a new baseline, which then holds it.
    Better,
    /// More than is allowed.
    Worse,
    /// There is no baseline for it.
    New,
    /// The baselines are of another kind of machine.
    Unjudged,
}

impl Verdict {
    /// Whether somebody has to act.
    pub(crate) fn fails(self) -> bool {
        matches!(self, Self::Worse | Self::New)
    }
}

impl MadeBy {
    /// This program, below this version of valgrind.
    pub(crate) fn this(valgrind: String) -> Self {
        let (rustc, target) = (env!("GUARD_RUSTC"), env!("GUARD_TARGET"));
        Self { rustc: rustc.to_owned(), target: target.to_owned(), valgrind }
    }
}

impl Judged {
    /// In per cent of the baseline.
    pub(crate) fn change_percent(&self) -> Option<f64> {
        // A baseline is never 0: an empty count is a failure.
        self.baseline.map(|baseline| (self.now as f64 / baseline as f64 - 1.0) * 100.0)
    }
}

impl Baseline {
    /// Reads the file. Where there is none, nothing has a baseline.
    ///
    /// # Errors
    /// It cannot be read, or is not one that this program wrote.
    pub(crate) fn read(this: &MadeBy) -> Result<Self, Failure> {
        if !Path::new(FILE).exists() {
            return Ok(Self { tolerance: TOLERANCE, made_by: this.clone(), instructions: BTreeMap::new() });
        }
        let text = std::fs::read_to_string(FILE).map_err(Failure::during(FILE))?;
        toml::from_str(&text).map_err(|why| Failure::Baseline(why.to_string()))
    }

    /// Replaces the file.
    ///
    /// # Errors
    /// As the system says.
    pub(crate) fn write(&self) -> Result<(), Failure> {
        std::fs::write(FILE, self.text()).map_err(Failure::during(FILE))
    }

    /// With these counts in place of the earlier ones, and without cases that are gone.
    pub(crate) fn blessed(&self, made_by: MadeBy, counts: &[(&Case, u64)]) -> Self {
        let mut blessed = Self { made_by, ..self.clone() };
        blessed.instructions.retain(|name, _| named(name).is_some());
        blessed.instructions.extend(counts.iter().map(|(case, now)| (case.name.to_owned(), *now)));
        blessed
    }

    /// What became of each count.
    pub(crate) fn judge(&self, this: &MadeBy, counts: &[(&Case, u64)]) -> Vec<Judged> {
        let judge = |(case, now): &(&Case, u64)| {
            let baseline = self.instructions.get(case.name).copied();
            let verdict = match baseline {
                _ if this.target != self.made_by.target => Verdict::Unjudged,
                None => Verdict::New,
                Some(baseline) => self.allowed(this).judge(baseline, *now),
            };
            Judged { name: case.name, about: case.about, baseline, now: *now, verdict }
        };
        counts.iter().map(judge).collect()
    }

    /// What a program of this compiler is allowed.
    pub(crate) fn allowed(&self, this: &MadeBy) -> Tolerance {
        let is_same = this.rustc == self.made_by.rustc;
        let percent = if is_same { self.tolerance.percent } else { OTHER_COMPILER_PERCENT };
        Tolerance { percent, ..self.tolerance }
    }

    fn text(&self) -> String {
        let Tolerance { percent, instructions } = self.tolerance;
        let MadeBy { rustc, target, valgrind } = &self.made_by;
        let mut text = format!(
            "{HEADER}\n[tolerance]\npercent = {percent:.1}\ninstructions = {instructions}\n\n\
             [made_by]\nrustc = {rustc:?}\ntarget = {target:?}\nvalgrind = {valgrind:?}\n\n[instructions]\n"
        );
        for case in CASES {
            if let Some(count) = self.instructions.get(case.name) {
                // Writing to a String does not fail.
                let _ = writeln!(text, "# {}\n{} = {}", case.about, case.name, grouped(*count, '_'));
            }
        }
        text
    }
}

/// What stands above it all.
const HEADER: &str = "\
# Instructions that one operation executes, counted by callgrind in a build of the profile bench.
#
# Written by
#     cargo run --profile bench -p watchgate-guard -- --bless
# and by no hand but for the tolerance: an operation may cost so much more, the larger of the two. A new baseline is
# committed with the reason why.
#
# The counts depend on our own text, on Cargo.lock, on the compiler, on the C library's memcpy, and on the processor that
# valgrind plays: on every x86-64 machine with AVX2 the same one. It has no instructions for SHA-256, which real ones
# have; what SHA-256 takes stands in a line of its own and is left out of all others.
";

impl Tolerance {
    fn judge(self, baseline: u64, now: u64) -> Verdict {
        let allowed = (baseline as f64 * self.percent / 100.0).max(self.instructions as f64);
        match now as f64 - baseline as f64 {
            more if more > allowed => Verdict::Worse,
            less if less < -allowed => Verdict::Better,
            _ => Verdict::Same,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made_by(rustc: &str, target: &str) -> MadeBy {
        MadeBy { rustc: rustc.to_owned(), target: target.to_owned(), valgrind: "3".to_owned() }
    }

    fn baseline(counts: &[(&str, u64)]) -> Baseline {
        let instructions = counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        Baseline { tolerance: TOLERANCE, made_by: made_by("1.95.0", "x86_64"), instructions }
    }

    #[test]
    fn more_than_the_tolerance_is_worse_and_less_than_it_is_better() {
        let check = |(baseline, now), expected| {
            assert_eq!(TOLERANCE.judge(baseline, now), expected, "{baseline} {now}");
        };
        check((10_000, 10_300), Verdict::Same);
        check((10_000, 10_301), Verdict::Worse);
        check((10_000, 20_000), Verdict::Worse);
        check((10_000, 9_700), Verdict::Same);
        check((10_000, 9_699), Verdict::Better);
        check((50, 60), Verdict::Same);
        check((50, 61), Verdict::Worse);
        check((50, 39), Verdict::Better);
    }

    #[test]
    fn who_is_judged_and_how() {
        let link = named("link").unwrap();
        let check = |counts: &[(&str, u64)], this: MadeBy, now, expected: Verdict| {
            let judged = baseline(counts).judge(&this, &[(link, now)]);
            assert_eq!(judged[0].verdict, expected, "{counts:?} {this:?} {now}");
        };
        let known = [("link", 10_000)];
        check(&known, made_by("1.95.0", "x86_64"), 11_000, Verdict::Worse);
        check(&known, made_by("1.96.0", "x86_64"), 11_000, Verdict::Same);
        check(&known, made_by("1.96.0", "x86_64"), 12_001, Verdict::Worse);
        check(&known, made_by("1.95.0", "aarch64"), 99_000, Verdict::Unjudged);
        check(&[], made_by("1.95.0", "x86_64"), 10_000, Verdict::New);
        check(&[], made_by("1.95.0", "aarch64"), 10_000, Verdict::Unjudged);
    }

    #[test]
    fn a_blessed_file_says_what_was_counted_and_nothing_of_cases_that_are_gone() {
        let before = baseline(&[("gone", 1), ("range", 500), ("link", 10_000)]);
        let now = made_by("1.96.0", "x86_64");
        let blessed = before.blessed(now.clone(), &[(named("link").unwrap(), 1_234_567)]);
        let text = blessed.text();
        assert!(text.contains("\nlink = 1_234_567\n") && text.contains("\nrange = 500\n"), "{text}");
        assert!(!text.contains("gone"), "{text}");
        assert_eq!(toml::from_str::<Baseline>(&text).unwrap(), blessed);
        assert_eq!(blessed.made_by, now);
    }

    #[test]
    fn the_committed_file_has_every_case_and_no_other() {
        let committed = Baseline::read(&made_by("", "")).unwrap();
        let names: Vec<&str> = committed.instructions.keys().map(String::as_str).collect();
        let mut cases: Vec<&str> = CASES.iter().map(|case| case.name).collect();
        cases.sort_unstable();
        assert_eq!(names, cases, "write it anew with --bless");
    }
}
