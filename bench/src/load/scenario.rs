//! What viewers do: a scenario, read from TOML into values that cannot be wrong.
//!
//! Some are ready-made and compiled in. Absent on purpose: whom the viewers ask, and how; those are options.

use std::path::Path;

use super::dist::Dist;
use crate::Failure;
use crate::random::Weighted;
use crate::schedule::{Phase, Process};

mod parse;

/// Name and text of each ready-made one.
pub(super) const READY_MADE: [(&str, &str); 5] = [
    ("prime-time", include_str!("../../scenarios/prime-time.toml")),
    ("premiere", include_str!("../../scenarios/premiere.toml")),
    ("scrubbing", include_str!("../../scenarios/scrubbing.toml")),
    ("paused-evening", include_str!("../../scenarios/paused-evening.toml")),
    ("clicks", include_str!("../../scenarios/clicks.toml")),
];

/// Who comes when, wants what, and behaves how.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    pub(super) name: String,
    pub(super) about: String,
    pub(super) process: Process,
    pub(super) phases: Vec<Phase>,
    /// Exponent of the chart of films.
    pub(super) zipf: f64,
    pub(super) behaviours: Weighted<Behaviour>,
    /// As it was written.
    pub(super) text: String,
}

/// A kind of viewers.
#[derive(Clone, Debug)]
pub(super) struct Behaviour {
    /// Films at once, each in a tab of its own: at least 1.
    pub(super) tabs: Dist,
    pub(super) bit_rate_kbps: Dist,
    /// What a player reads as fast as it can at a start and after a seek, in seconds of film.
    pub(super) buffer_s: Dist,
    /// When somebody who has come leaves at the latest.
    pub(super) stays_s: Dist,
    /// Between one act and the next.
    pub(super) acts_after_s: Dist,
    /// What the act is; none at all: the viewer just watches.
    pub(super) acts: Weighted<ActKind>,
    pub(super) pause_s: Dist,
    /// The share of players that ask the gate again for each seek instead of using the node they were sent to.
    pub(super) asks_again: f64,
}

/// What a viewer does beside watching.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ActKind {
    Seek,
    Pause,
    Abandon,
}

impl Scenario {
    /// The ready-made one of this name, or the one in this file.
    ///
    /// # Errors
    /// There is none, or all that is wrong with it, with lines.
    pub(super) fn find(name: &str) -> Result<Self, Failure> {
        if let Some((name, text)) = READY_MADE.iter().find(|(ready, _)| *ready == name) {
            return Self::read(name, text);
        }
        let path = Path::new(name);
        if !path.is_file() {
            let names: Vec<&str> = READY_MADE.iter().map(|(name, _)| *name).collect();
            return Err(Failure::NotHere(format!(
                "{name} is neither a file nor a ready-made scenario ({}); `load scenarios NAME` prints one to begin with",
                names.join(", ")
            )));
        }
        let text = std::fs::read_to_string(path).map_err(Failure::during(name))?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        Self::read(&stem, &text)
    }

    /// From a text.
    pub(super) fn read(name: &str, text: &str) -> Result<Self, Failure> {
        parse::scenario(name, text).map_err(|faults| {
            let faults: Vec<String> = faults.iter().map(|fault| format!("    {fault}")).collect();
            Failure::NotHere(format!("scenario {name}:\n{}", faults.join("\n")))
        })
    }

    /// Pressed or stretched to last so long; the rates stay.
    pub(super) fn lasting(mut self, seconds: f64) -> Self {
        let factor = seconds / self.lasts_s();
        self.phases.iter_mut().for_each(|phase| phase.lasts_s *= factor);
        self
    }

    /// With so many times as many viewers.
    pub(super) fn scaled(mut self, factor: f64) -> Self {
        for phase in &mut self.phases {
            (phase.from, phase.to) = (phase.from * factor, phase.to * factor);
        }
        self
    }

    pub(super) fn lasts_s(&self) -> f64 {
        self.phases.iter().map(|phase| phase.lasts_s).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ready_made_one_is_right() {
        for (name, text) in READY_MADE {
            let scenario = Scenario::find(name).unwrap();
            assert_eq!(scenario.text, text);
            assert!(!scenario.about.is_empty() && scenario.lasts_s() > 0.0 && scenario.behaviours.len() > 0);
        }
    }

    #[test]
    fn a_scenario_is_pressed_and_scaled() {
        let scenario = Scenario::find("prime-time").unwrap();
        let expected = |scenario: &Scenario| -> f64 {
            scenario.phases.iter().map(|phase| phase.lasts_s * (phase.from + phase.to) / 2.0).sum()
        };
        let (lasts, before) = (scenario.lasts_s(), expected(&scenario));
        let pressed = scenario.lasting(lasts / 4.0).scaled(2.0);
        assert!((pressed.lasts_s() - lasts / 4.0).abs() < 1e-9);
        assert!((expected(&pressed) - before / 2.0).abs() < 1e-6);
    }

    #[test]
    fn names_that_are_neither_are_told() {
        let told = Scenario::find("prime-tim").unwrap_err().to_string();
        assert!(told.contains("prime-time, premiere"), "{told}");
    }
}
