//! What the records of a story say: when the fault was found and gone, and which promises held.
//!
//! Pure: everything is worked out from the log and the times. A promise that does not hold says what was seen.

use std::collections::BTreeMap;

use serde::Serialize;

use super::catalogue::{Promise, Story};
use super::seen::{End, GateLog, Log, Looked, Role, Visit, Which};
use super::times::Times;
use crate::stage::{CITIES, Mode};

/// A share over time is told in steps of so much.
const BUCKET_MS: u64 = 500;
/// A viewer network may change its node so often when nodes come back: to the first one that is back, to a nearer one,
/// home, and once more each way, since the first requests may meet a node that is not quite there yet.
const MOVES_MAX: usize = 4;

/// One promise, held against what was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Held {
    pub(super) promise: Promise,
    /// What was seen instead; `None`: it was kept.
    pub(super) broken: Option<String>,
}

/// Who asked when, and who of them was sent to a node that did not serve them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Bucket {
    /// Since the fault came.
    pub(super) from_ms: u64,
    pub(super) asked: u64,
    pub(super) lost: u64,
}

/// When the fault was noticed, since it came, and by what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Detected {
    pub(super) after_ms: u64,
    pub(super) by: String,
}

/// Everything that is said of one gate in one story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Verdict {
    pub(super) mode: Mode,
    pub(super) viewers: usize,
    pub(super) whole: usize,
    pub(super) broken: usize,
    pub(super) refused: usize,
    pub(super) wrong: usize,
    pub(super) silence_ms: u64,
    /// Whose it was.
    pub(super) silence_of: String,
    /// The longest that the gate took to say anything.
    pub(super) gate_ms: u64,
    pub(super) wait_ms: u64,
    pub(super) detected: Option<Detected>,
    pub(super) returned_ms: Option<u64>,
    pub(super) resumes: u64,
    /// In redirect mode.
    pub(super) sent_astray: Vec<Bucket>,
    /// How viewers ended who did not get all, and how many of them.
    pub(super) ends: BTreeMap<String, usize>,
    pub(super) promises: Vec<Held>,
}

/// Judges one gate.
pub(super) fn verdict(story: &Story, times: &Times, log: &Log, gate: &GateLog) -> Verdict {
    let count = |is: &dyn Fn(&Visit) -> bool| gate.visits.iter().filter(|visit| is(visit)).count();
    let mut ends = BTreeMap::new();
    for visit in gate.visits.iter().filter(|visit| !visit.is_whole()) {
        *ends.entry(kind(visit)).or_insert(0) += 1;
    }
    let case = Case { times, log, gate };
    let promises = story.promises(gate.mode).into_iter();
    Verdict {
        mode: gate.mode,
        viewers: gate.visits.len(),
        whole: count(&Visit::is_whole),
        broken: count(&|visit| !visit.is_whole() && !visit.is_refused()),
        refused: count(&Visit::is_refused),
        wrong: count(&|visit| matches!(visit.end, End::Wrong { .. })),
        silence_ms: gate.visits.iter().map(|visit| visit.silence.ms).max().unwrap_or(0),
        silence_of: gate.visits.iter().max_by_key(|visit| visit.silence.ms).map_or(String::new(), |visit| {
            let from = i128::from(visit.silence.from_ms) - i128::from(log.harm_from_ms);
            format!("from {from} ms after the fault, {}", case.told(visit))
        }),
        gate_ms: gate.visits.iter().map(|visit| visit.gate_ms).max().unwrap_or(0),
        wait_ms: gate.visits.iter().map(|visit| visit.wait.ms).max().unwrap_or(0),
        detected: detected(log, gate),
        returned_ms: returned_ms(log, gate),
        resumes: gate.samples.last().map_or(0, |last| last.resumes.iter().sum()),
        sent_astray: if gate.mode == Mode::Redirect { astray(log, gate) } else { Vec::new() },
        ends,
        promises: promises.map(|promise| Held { promise, broken: case.broken(promise) }).collect(),
    }
}

/// Whether a fault that was lifted was met by nobody: then promises were kept for nothing. Only a gate that streams
/// always meets what happens to a node that serves its viewers.
pub(super) fn met_nobody(log: &Log, gate: &GateLog) -> bool {
    let harmed = log.lift_at_ms.is_some() && !log.harmed.is_empty();
    harmed && gate.mode == Mode::Stream && detected(log, gate).is_none()
}

/// A way to end, without the byte.
fn kind(visit: &Visit) -> String {
    match &visit.end {
        End::Cut { .. } => "cut short".to_owned(),
        End::Silent { .. } => "silence".to_owned(),
        End::Slow { .. } => "starved".to_owned(),
        End::Wrong { .. } => "wrong bytes".to_owned(),
        end => end.to_string(),
    }
}

/// When the gate noticed: by its own word on a node, by leaving one in the middle of a film, or by sending a viewer
/// elsewhere than before.
fn detected(log: &Log, gate: &GateLog) -> Option<Detected> {
    let after = |at_ms: u64| at_ms.saturating_sub(log.harm_from_ms);
    let until = log.lift_at_ms.unwrap_or(log.over_ms);
    let within = |at_ms: u64| log.harm_from_ms < at_ms && at_ms <= until;
    let harmed = |node: usize| log.harmed.contains(&node);
    let said = gate
        .changes
        .iter()
        .find(|change| within(change.at_ms) && harmed(change.node) && change.state != "up");
    let said = said.map(|change| Detected { after_ms: after(change.at_ms), by: change.state.clone() });
    let left = |at: &super::seen::Sample| log.harmed.iter().filter_map(|node| at.resumes.get(*node)).sum();
    let before: u64 = gate.samples.iter().rfind(|at| at.at_ms <= log.harm_from_ms).map_or(0, left);
    let moved = gate.samples.iter().find(|at| within(at.at_ms) && left(at) > before);
    let moved =
        moved.map(|at| Detected { after_ms: after(at.at_ms), by: "a film went on elsewhere".to_owned() });
    let elsewhere = gate.visits.iter().filter(|visit| {
        let is_new = visit.role == Role::Arriving && within(visit.asked_ms) && harmed(visit.home);
        is_new && visit.sent_to.is_some_and(|node| !harmed(node))
    });
    let elsewhere = elsewhere.map(|visit| visit.asked_ms).min();
    let sent =
        elsewhere.map(|at| Detected { after_ms: after(at), by: "a viewer was sent elsewhere".to_owned() });
    [said, moved, sent].into_iter().flatten().min_by_key(|found| found.after_ms)
}

/// How long after it was well again every harmed node had served a viewer; without harmed nodes, until one was served
/// who asked then. `None`: it was not lifted, or not yet.
pub(super) fn returned_ms(log: &Log, gate: &GateLog) -> Option<u64> {
    let lifted = log.lift_at_ms?;
    let since = |visit: &&Visit| visit.role == Role::Arriving && visit.asked_ms >= lifted && visit.is_whole();
    // Where the fault was about a version, only the newest one counts.
    let overwritten = gate.visits.iter().any(|visit| matches!(visit.end, End::Whole { version: 1.. }));
    let newest = |visit: &&Visit| !(overwritten && matches!(visit.end, End::Whole { version: 0 }));
    let served = |node: Option<usize>| {
        let mut visits = gate.visits.iter().filter(since).filter(newest);
        visits.find(|visit| node.is_none_or(|node| visit.sent_to == Some(node))).map(|visit| visit.ended_ms)
    };
    let last = if log.harmed.is_empty() {
        served(None)
    } else {
        log.harmed.iter().map(|node| served(Some(*node))).try_fold(0, |last, at| Some(last.max(at?)))
    };
    last.map(|at| at.saturating_sub(lifted))
}

/// Of all who arrived since the fault came.
fn astray(log: &Log, gate: &GateLog) -> Vec<Bucket> {
    let over = log.over_ms.saturating_sub(log.harm_from_ms);
    let mut buckets: Vec<Bucket> = (0..=over / BUCKET_MS)
        .map(|index| Bucket { from_ms: index * BUCKET_MS, asked: 0, lost: 0 })
        .collect();
    for visit in gate.visits.iter().filter(|visit| visit.role == Role::Arriving) {
        let Some(after) = visit.asked_ms.checked_sub(log.harm_from_ms) else { continue };
        let index = usize::try_from(after / BUCKET_MS).unwrap_or(usize::MAX);
        if let Some(bucket) = buckets.get_mut(index) {
            bucket.asked += 1;
            bucket.lost += u64::from(visit.sent_to.is_some() && !visit.is_whole());
        }
    }
    // After the last who arrived there is nothing to say.
    while buckets.last().is_some_and(|last| last.asked == 0) {
        buckets.pop();
    }
    buckets
}

/// All that promises are held against.
struct Case<'a> {
    times: &'a Times,
    log: &'a Log,
    gate: &'a GateLog,
}

impl Case<'_> {
    /// What was seen instead of what was promised.
    fn broken(&self, promise: Promise) -> Option<String> {
        match promise {
            Promise::PlaysOn => self.let_down(|_| true).or_else(|| self.silent(|_| true)),
            Promise::BegunPlayOn => {
                let begun = |visit: &Visit| visit.asked_ms < self.log.harm_from_ms;
                self.let_down(begun).or_else(|| self.silent(begun))
            }
            Promise::NotSlow => self.slow(),
            Promise::Bytes => self.some(|visit| matches!(visit.end, End::Wrong { .. })),
            Promise::CutShort => self.some(|visit| matches!(visit.end, End::Padded(_))),
            Promise::PlaysToItsEnd => self.torn(),
            Promise::NotSent => self.sent_after(self.times.bound_ms()),
            Promise::Noticed => self.sent_after(self.times.positive_ttl_ms),
            Promise::Holders => self.sent_to_others(),
            Promise::Newest => self.late(|visit| matches!(visit.end, End::Whole { version: 0 })),
            Promise::Gone => self.late(|visit| !matches!(visit.end, End::Refused { status: 404 })),
            Promise::Config => {
                self.let_down(|visit| self.is_before_lift(visit)).or_else(|| self.found(Looked::Config))
            }
            Promise::Catalog => {
                self.let_down(|visit| self.is_before_lift(visit)).or_else(|| self.found(Looked::Catalog))
            }
            Promise::Blameless => self.blamed(),
            Promise::Discreet => self
                .some(|visit| matches!(visit.end, End::Leaky { .. }))
                .or_else(|| self.found(Looked::Secrets)),
            Promise::Returns => self.missing(),
            Promise::Calm => self.restless(),
        }
    }

    fn visits(&self) -> impl Iterator<Item = &Visit> {
        self.gate.visits.iter()
    }

    /// How many are so, and the first of them.
    fn some(&self, is: impl Fn(&Visit) -> bool) -> Option<String> {
        let mut such = self.visits().filter(|visit| is(visit));
        let first = such.next()?;
        Some(format!("{} of {} viewers; {}", 1 + such.count(), self.gate.visits.len(), self.told(first)))
    }

    fn told(&self, visit: &Visit) -> String {
        let role = match visit.role {
            Role::Watching => "one who watched",
            Role::Paused => "one who had paused",
            Role::Seeking => "one who sought",
            Role::Arriving => "one who came",
        };
        let sent = visit.sent_to.map(|node| format!(", sent to {}", CITIES[node].id)).unwrap_or_default();
        let asked = i128::from(visit.asked_ms) - i128::from(self.log.harm_from_ms);
        let (city, gate_ms) = (CITIES[visit.home].id, visit.gate_ms);
        format!(
            "{role} near {city} and asked {asked} ms after the fault, answered by the gate after {gate_ms} ms{sent}: {}",
            visit.end
        )
    }

    fn let_down(&self, counts: impl Fn(&Visit) -> bool) -> Option<String> {
        if self.log.unfinished.contains(&self.gate.mode) {
            return Some("viewers had not come to an end a minute after all was over".to_owned());
        }
        self.some(|visit| !visit.is_whole() && counts(visit))
    }

    fn silent(&self, counts: impl Fn(&Visit) -> bool) -> Option<String> {
        let most = self.times.silence_ms();
        let some = self.some(|visit| counts(visit) && visit.silence.ms > most)?;
        let longest = self.visits().filter(|visit| counts(visit)).map(|visit| visit.silence.ms).max();
        Some(format!("silent for {} ms, {most} ms at most: {some}", longest.unwrap_or(0)))
    }

    fn slow(&self) -> Option<String> {
        let most = self.times.piece_ms();
        let some = self.some(|visit| visit.wait.ms > most)?;
        let longest = self.visits().map(|visit| visit.wait.ms).max().unwrap_or(0);
        Some(format!("{longest} ms for 64 KiB, {most} ms at most: {some}"))
    }

    /// Of those who had begun before the fault on the long film, as far as their answer had begun: whole, or not.
    fn torn(&self) -> Option<String> {
        self.some(|visit| {
            let begun = visit.which == Which::Feature && visit.asked_ms < self.log.harm_from_ms;
            begun && !visit.is_whole()
        })
    }

    fn is_before_lift(&self, visit: &Visit) -> bool {
        self.log.lift_from_ms.is_none_or(|lifted| visit.asked_ms < lifted)
    }

    /// Arrivals that asked when so much and the slack had passed, and before the end of it was begun.
    fn asked_after(&self, bound_ms: u64) -> impl Fn(&Visit) -> bool + '_ {
        let from = self.log.harm_at_ms + bound_ms + self.times.slack_ms;
        move |visit| visit.role == Role::Arriving && visit.asked_ms > from && self.is_before_lift(visit)
    }

    fn sent_after(&self, bound_ms: u64) -> Option<String> {
        let asked = self.asked_after(bound_ms);
        let harmed = |visit: &Visit| visit.sent_to.is_some_and(|node| self.log.harmed.contains(&node));
        let some = self.some(|visit| asked(visit) && harmed(visit) && !visit.is_whole())?;
        Some(format!("sent there later than {bound_ms} ms after it stopped: {some}"))
    }

    fn sent_to_others(&self) -> Option<String> {
        let asked = |visit: &Visit| visit.which == Which::Fresh && self.is_before_lift(visit);
        self.some(|visit| asked(visit) && (!visit.is_whole() || visit.sent_to != Some(0)))
    }

    fn late(&self, is_wrong: impl Fn(&Visit) -> bool) -> Option<String> {
        let asked = self.asked_after(self.times.positive_ttl_ms);
        self.some(|visit| asked(visit) && is_wrong(visit))
    }

    fn blamed(&self) -> Option<String> {
        let change = self
            .gate
            .changes
            .iter()
            .find(|change| !self.log.harmed.contains(&change.node) && change.state != "up")?;
        let after = i128::from(change.at_ms) - i128::from(self.log.harm_from_ms);
        Some(format!("{} was called {} {after} ms after the fault", CITIES[change.node].id, change.state))
    }

    fn found(&self, what: Looked) -> Option<String> {
        self.log.findings.iter().find(|finding| finding.what == what)?.result.clone().err()
    }

    fn missing(&self) -> Option<String> {
        let wait = self.times.return_ms;
        match returned_ms(self.log, self.gate) {
            None if self.log.lift_at_ms.is_some() => Some(format!("none within {wait} ms after it was well")),
            _ => None,
        }
    }

    /// After all were back: nodes that went down once more, and viewer networks that were sent to and fro.
    fn restless(&self) -> Option<String> {
        let lifted = self.log.lift_at_ms?;
        for (node, city) in CITIES.iter().enumerate() {
            let mut states = self.gate.changes.iter().filter(|change| change.node == node);
            let back = states.find(|change| change.at_ms >= lifted && change.state == "up");
            let again = back.and_then(|_| states.find(|change| change.state != "up"));
            if let Some(change) = again {
                let after = change.at_ms - lifted;
                return Some(format!(
                    "{} was called {} again {after} ms after it was well",
                    city.id, change.state
                ));
            }
        }
        let mut visits: Vec<&Visit> = self.visits().collect();
        visits.sort_by_key(|visit| visit.asked_ms);
        for (home, city) in CITIES.iter().enumerate() {
            let mine = visits.iter().filter(|visit| {
                visit.role == Role::Arriving
                    && visit.home == home
                    && visit.asked_ms >= lifted
                    && visit.is_whole()
            });
            let mut nodes: Vec<usize> = mine.filter_map(|visit| visit.sent_to).collect();
            nodes.dedup();
            if nodes.len() > MOVES_MAX + 1 {
                let ids: Vec<&str> = nodes.iter().map(|node| CITIES[*node].id).collect();
                return Some(format!("viewers near {} were sent to {}", city.id, ids.join(", ")));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests;
