//! From TOML to a scenario: all that is wrong at once, each with its line and its key.
//!
//! Nothing is clamped, and no key is ignored. Absent on purpose: defaults for what shapes the load.

use super::super::dist::Dist;
use super::{ActKind, Behaviour, Scenario};
use crate::random::Weighted;
use crate::schedule::{Phase, Process};

use self::reader::{Faults, Reader, open};

mod reader;

pub(super) use self::reader::Fault;

/// No rate, time, weight or count is above this.
const NUMBER_MAX: f64 = 1e9;
/// No run is longer.
const DAY_S: f64 = 86_400.0;

/// Reads a scenario.
pub(super) fn scenario(name: &str, text: &str) -> Result<Scenario, Vec<Fault>> {
    let mut faults = Faults::new(text);
    let table = open(text)?;
    let mut root = Reader::root(table.get_ref());
    let about = root.text("about", &mut faults);
    let arrivals = root.table("arrivals", &mut faults).map(|mut table| {
        let process = table.one_of(
            "process",
            &[("poisson", Process::Poisson), ("constant", Process::Constant)],
            &mut faults,
        );
        let phases = phases(&mut table, &mut faults);
        table.end(&mut faults);
        (process, phases)
    });
    let zipf = root.table("films", &mut faults).and_then(|mut films| {
        let zipf = films.number("zipf", 0.0..=10.0, &mut faults);
        films.end(&mut faults);
        zipf
    });
    let behaviours = behaviours(&mut root, &mut faults);
    root.end(&mut faults);
    match (about, arrivals, zipf) {
        (Some(about), Some((Some(process), phases)), Some(zipf)) if faults.is_empty() => Ok(Scenario {
            name: name.to_owned(),
            about,
            process,
            phases,
            zipf,
            behaviours: Weighted::new(behaviours),
            text: text.to_owned(),
        }),
        _ => Err(faults.found()),
    }
}

/// Each phase begins with the rate that the one before ended with, the first one with 0, unless it says `from`.
fn phases(arrivals: &mut Reader<'_, '_>, faults: &mut Faults<'_>) -> Vec<Phase> {
    let (mut phases, mut rate) = (Vec::new(), 0.0);
    for mut phase in arrivals.tables("phases", faults) {
        let lasts_s = phase.number("for_s", 0.001..=DAY_S, faults);
        let from = if phase.has("from") {
            phase.number("from", 0.0..=1e6, faults)
        } else {
            Some(phase.without("from", rate))
        };
        let to = phase.number("to", 0.0..=1e6, faults);
        phase.end(faults);
        if let (Some(lasts_s), Some(from), Some(to)) = (lasts_s, from, to) {
            phases.push(Phase { lasts_s, from, to });
            rate = to;
        }
    }
    let expected: f64 = phases.iter().map(|phase| phase.lasts_s * f64::midpoint(phase.from, phase.to)).sum();
    if !phases.is_empty() && expected <= 0.0 {
        faults.add(arrivals.at, "arrivals.phases: nobody comes".to_owned());
    }
    if phases.iter().map(|phase| phase.lasts_s).sum::<f64>() > DAY_S {
        faults.add(arrivals.at, "arrivals.phases: all together last longer than a day".to_owned());
    }
    phases
}

fn behaviours(root: &mut Reader<'_, '_>, faults: &mut Faults<'_>) -> Vec<(f64, Behaviour)> {
    let mut behaviours = Vec::new();
    for mut table in root.tables("behaviour", faults) {
        let share = table.number("share", 0.0..=NUMBER_MAX, faults);
        behaviours.extend(share.zip(behaviour(&mut table, faults)));
        table.end(faults);
    }
    if !behaviours.is_empty() && behaviours.iter().all(|(share, _)| *share <= 0.0) {
        faults.add(0, "behaviour: all shares are 0".to_owned());
    }
    behaviours
}

/// Reads all of it before it gives up, so that all faults are found.
fn behaviour(table: &mut Reader<'_, '_>, faults: &mut Faults<'_>) -> Option<Behaviour> {
    // For whoever reads the file; it must be there all the same.
    let name = table.text("name", faults);
    let mut dist = |key: &'static str| table_dist(table, key, faults);
    let [tabs, rate, buffer, stays] = ["tabs", "bit_rate_kbps", "buffer_s", "stays_s"].map(&mut dist);
    let acts = acts(table, faults);
    // Who does nothing needs no times for it.
    let has_acts = acts.as_ref().is_none_or(|acts| acts.len() > 0);
    let [acts_after, pause] = ["acts_after_s", "pause_s"].map(|key| {
        if has_acts || table.has(key) {
            table_dist(table, key, faults)
        } else {
            Some(table.without(key, Dist::Fixed(0.0)))
        }
    });
    let asks_again = table.number("asks_again", 0.0..=1.0, faults);
    name.map(drop)?;
    Some(Behaviour {
        tabs: tabs?,
        bit_rate_kbps: rate?,
        buffer_s: buffer?,
        stays_s: stays?,
        acts_after_s: acts_after?,
        acts: acts?,
        pause_s: pause?,
        asks_again: asks_again?,
    })
}

/// `acts = { seek = 0.6, pause = 0.3, abandon = 0.1 }`; left out: none.
fn acts(behaviour: &mut Reader<'_, '_>, faults: &mut Faults<'_>) -> Option<Weighted<ActKind>> {
    if !behaviour.has("acts") {
        return Some(behaviour.without("acts", Weighted::new([])));
    }
    let mut table = behaviour.table("acts", faults)?;
    let kinds = [("seek", ActKind::Seek), ("pause", ActKind::Pause), ("abandon", ActKind::Abandon)];
    let weights = kinds.map(|(key, kind)| {
        let weight = if table.has(key) {
            table.number(key, 0.0..=NUMBER_MAX, faults)
        } else {
            Some(table.without(key, 0.0))
        };
        (weight, kind)
    });
    table.end(faults);
    let weights: Option<Vec<_>> = weights.into_iter().map(|(weight, kind)| Some((weight?, kind))).collect();
    weights.map(Weighted::new)
}

/// A number, or a table with one key that names the kind of distribution.
fn table_dist(table: &mut Reader<'_, '_>, key: &'static str, faults: &mut Faults<'_>) -> Option<Dist> {
    const KINDS: &str = "neither a number nor { uniform = [FROM, TO] }, { exponential = MEAN }, \
                         { log_normal = [MEDIAN, SIGMA] } or { choice = [[WEIGHT, VALUE], ...] }";
    let value = table.get(key, faults)?;
    if let Some(number) = value.number() {
        let fits = (0.0..=NUMBER_MAX).contains(&number);
        if !fits {
            faults.add(value.at(), format!("{} is not from 0 to {NUMBER_MAX}", value.name));
        }
        return fits.then_some(Dist::Fixed(number));
    }
    let read = value.only_key().and_then(|(kind, inner)| match kind {
        "uniform" => {
            let (from, to) = inner.pair()?;
            (from <= to).then_some(Dist::Uniform(from, to))
        }
        "exponential" => Some(Dist::Exponential(inner.number()?)),
        "log_normal" => {
            let (median, sigma) = inner.pair()?;
            (sigma <= 5.0).then_some(Dist::LogNormal { median, sigma })
        }
        "choice" => {
            let choices: Option<Vec<_>> = inner.items()?.into_iter().map(|item| item.pair()).collect();
            choices.map(Weighted::new).filter(|choices| choices.len() > 0).map(Dist::Choice)
        }
        _ => None,
    });
    let fits = |dist: &Dist| match dist {
        Dist::Uniform(first, second) | Dist::LogNormal { median: first, sigma: second } => {
            (0.0..=NUMBER_MAX).contains(first) && (0.0..=NUMBER_MAX).contains(second)
        }
        Dist::Exponential(mean) => (0.0..=NUMBER_MAX).contains(mean),
        Dist::Fixed(_) | Dist::Choice(_) => true,
    };
    let read = read.filter(fits);
    if read.is_none() {
        faults.add(value.at(), format!("{} is {KINDS}", value.name));
    }
    read
}

#[cfg(test)]
mod tests;
