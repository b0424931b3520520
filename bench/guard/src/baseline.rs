//! The committed counts, what made them, and what a change of them means.
//!
//! Absent on purpose: how counts come about, and how they are shown.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde::Deserialize;

use crate::callgrind::Failure;
use crate::cases::Case;

/// Where the committed counts lie.
pub(crate) const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/baseline.toml");

/// Another compiler makes another program of the same text: only what can hardly come from that is judged.
const OTHER_COMPILER_PERCENT: f64 = 20.0;

/// The file.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub(crate) struct Baseline {
    pub(crate) made_by: MadeBy,
    /// Instructions of one operation, by the name of its case.
    pub(crate) instructions: BTreeMap<String, u64>,
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
    /// How much more than the baseline is allowed, in per cent.
    pub(crate) tolerance_percent: f64,
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
    /// The baselines are of another kind of processor.
    Unjudged,
}

impl Verdict {
    /// Whether somebody has to act.
    pub(crate) fn fails(self) -> bool {
        matches!(self, Self::Worse | Self::New)
    }
}

impl MadeBy {
    /// This program's, but for valgrind's version.
    pub(crate) fn this() -> Self {
        let (rustc, target) = (env!("GUARD_RUSTC"), env!("GUARD_TARGET"));
        Self { rustc: rustc.to_owned(), target: target.to_owned(), valgrind: String::new() }
    }
}

impl Judged {
    /// In per cent of the baseline.
    pub(crate) fn change_percent(&self) -> Option<f64> {
        self.baseline.map(|baseline| change_percent(baseline, self.now))
    }
}

impl Baseline {
    /// Reads the file; without one there are no counts.
    pub(crate) fn read() -> Result<Self, Failure> {
        if !Path::new(FILE).exists() {
            return Ok(Self { made_by: MadeBy::this(), instructions: BTreeMap::new() });
        }
        let text = std::fs::read_to_string(FILE).map_err(Failure::during(FILE))?;
        let wrong = |why: toml::de::Error| Failure::Baseline { path: FILE.to_owned(), why: why.to_string() };
        toml::from_str(&text).map_err(wrong)
    }

    /// Replaces the file.
    pub(crate) fn write(&self) -> Result<(), Failure> {
        std::fs::write(FILE, self.text()).map_err(Failure::during(FILE))
    }

    /// With these counts in place of the earlier ones. Cases that are gone are left out only if all were counted.
    pub(crate) fn blessed(&self, made_by: MadeBy, counts: &[(&Case, u64)]) -> Self {
        let is_case = |name: &String| crate::cases::named(name).is_some();
        let kept = self.instructions.iter().filter(|(name, _)| is_case(name));
        let mut instructions: BTreeMap<String, u64> =
            kept.map(|(name, count)| (name.clone(), *count)).collect();
        instructions.extend(counts.iter().map(|(case, now)| (case.name.to_owned(), *now)));
        Self { made_by, instructions }
    }

    /// What became of each count.
    pub(crate) fn judge(&self, made_by: &MadeBy, counts: &[(&Case, u64)]) -> Vec<Judged> {
        let judge = |(case, now): &(&Case, u64)| {
            let baseline = self.instructions.get(case.name).copied();
            let is_same_compiler = made_by.rustc == self.made_by.rustc;
            let tolerance_percent =
                if is_same_compiler { case.tolerance_percent } else { OTHER_COMPILER_PERCENT };
            let verdict = match baseline {
                _ if made_by.target != self.made_by.target => Verdict::Unjudged,
                None => Verdict::New,
                Some(baseline) => verdict(baseline, *now, tolerance_percent),
            };
            Judged { name: case.name, about: case.about, baseline, now: *now, tolerance_percent, verdict }
        };
        counts.iter().map(judge).collect()
    }

    fn text(&self) -> String {
        let MadeBy { rustc, target, valgrind } = &self.made_by;
        let mut text = format!(
            "{HEADER}\n[made_by]\nrustc = {rustc:?}\ntarget = {target:?}\nvalgrind = {valgrind:?}\n\n[instructions]\n"
        );
        for case in crate::cases::CASES {
            if let Some(count) = self.instructions.get(case.name) {
                // Writing to a String does not fail.
                let _ = writeln!(text, "# {}; {} % more are allowed", case.about, case.tolerance_percent);
                let _ = writeln!(text, "{} = {}", case.name, digits(*count));
            }
        }
        text
    }
}

const HEADER: &str = "\
# Instructions that one operation executes, counted by callgrind in a build of the profile bench.
# Written by  cargo run --profile bench -p watchgate-guard -- --bless  and by no hand: commit it with the reason.
#
# The counts depend on our own text, on Cargo.lock, on the compiler, on the C library's memcpy and on the processor that
# valgrind shows to programs: to every x86-64 machine with AVX2 the same one, without SHA instructions, so that SHA-256
# is counted in its portable form. A machine without AVX2 may count otherwise.
";

fn verdict(baseline: u64, now: u64, tolerance_percent: f64) -> Verdict {
    match change_percent(baseline, now) {
        more if more > tolerance_percent => Verdict::Worse,
        less if less < -tolerance_percent => Verdict::Better,
        _ => Verdict::Same,
    }
}

fn change_percent(baseline: u64, now: u64) -> f64 {
    // A baseline is never 0: callgrind's empty accounts are failures.
    (now as f64 / baseline as f64 - 1.0) * 100.0
}

/// With an underscore between thousands, as in our other files.
fn digits(count: u64) -> String {
    crate::report::grouped(count, '_')
}
