//! Decides from probes and from viewers' requests whether a node is up, and when it is to be probed next.
//!
//! The clock comes in as an argument and only has to be steady. No probe is sent here and no answer is read
//! (`verdict` says what an answer means). Viewers' requests can take a node out (`outlier`), never bring it in.

mod outlier;
mod reason;
mod trouble;
mod verdict;

use self::outlier::Outlier;

pub use self::{
    outlier::{Ejection, Others},
    reason::Reason,
    trouble::Trouble,
    verdict::{
        Probed, SignedAnswer, clock_skew_s, health_verdict, requests_in_flight, signed_verdict, worst,
    },
};

/// What is known of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// No verdict yet since the gate started.
    Unproven,
    /// It answers.
    Up,
    /// It does not, or not as it must.
    Down,
}

impl State {
    /// The word for logs, labels and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unproven => "unproven",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// The operator's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// From the end of one round of probes to the start of the next while nothing is in doubt.
    pub interval_ms: u64,
    /// How long a whole round may take.
    pub timeout_ms: u64,
    /// Good rounds in a row that bring a node up; 0 counts as 1.
    pub rise: u32,
    /// Bad rounds in a row that take a node down; 0 counts as 1.
    pub fall: u32,
    /// For how long a returning node gets less than its viewer budget; 0 is not at all.
    pub slow_start_ms: u64,
    /// When viewers' failures take a node out.
    pub ejection: Ejection,
}

/// A change of a node's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The state it left.
    pub from: State,
    /// The state it has now.
    pub to: State,
    /// What took it down; `None` when it came up.
    pub reason: Option<Reason>,
}

/// One node's health. Rounds of probes change it, and only as many in a row as the rules ask for; beside them a row
/// of viewers' failures ejects a node that is up.
#[derive(Clone, Debug)]
pub struct Machine {
    state: State,
    since_ms: u64,
    returned: bool,
    /// Rounds in a row; one of the two is always 0.
    good: u32,
    bad: u32,
    /// Kept until the node is up.
    last_failure: Option<Reason>,
    outlier: Outlier,
}

impl Machine {
    /// A node of which nothing is known.
    #[must_use]
    pub fn new(now_ms: u64) -> Self {
        Self {
            state: State::Unproven,
            since_ms: now_ms,
            returned: false,
            good: 0,
            bad: 0,
            last_failure: None,
            outlier: Outlier::default(),
        }
    }

    /// A node of which somebody else has found out this state.
    #[must_use]
    pub fn known(state: State, now_ms: u64) -> Self {
        Self { state, ..Self::new(now_ms) }
    }

    /// Takes in the result of one round of probes, at the time it was there.
    pub fn observe(&mut self, now_ms: u64, round: Result<(), Reason>, rules: &Rules) -> Option<Transition> {
        match round {
            Ok(()) => {
                self.good = if self.outlier.is_held(now_ms) { 0 } else { self.good.saturating_add(1) };
                self.bad = 0;
            }
            Err(reason) => {
                self.bad = self.bad.saturating_add(1);
                self.good = 0;
                self.last_failure = Some(reason);
            }
        }
        if self.good >= rules.rise.max(1) {
            self.last_failure = None;
            self.outlier.release(now_ms);
            self.turn(now_ms, State::Up)
        } else if self.bad >= rules.fall.max(1) {
            // Down in the ordinary way, whatever ejection says.
            self.outlier.annul();
            self.turn(now_ms, State::Down)
        } else {
            None
        }
    }

    /// A viewer's request failed. Says whether that is one too many: then the node is to be [ejected](Self::eject),
    /// if the [others](Others) allow it. Of a node that is not up nothing is left to find out.
    pub fn failed(&mut self, now_ms: u64, trouble: Trouble, rules: &Rules) -> bool {
        self.state == State::Up && trouble.is_fault() && self.outlier.failed(now_ms, &rules.ejection)
    }

    /// A viewer's request went well.
    pub fn served(&mut self) {
        self.outlier.break_row();
    }

    /// Takes out a node that is up, though its probes are answered.
    pub fn eject(&mut self, now_ms: u64, rules: &Rules) -> Option<Transition> {
        if self.state != State::Up {
            return None;
        }
        self.outlier.eject(now_ms, &rules.ejection);
        self.good = 0;
        self.turn(now_ms, State::Down)
    }

    /// Lets an ejected node return by good rounds from now on. Another node's end does this: one that may fail is
    /// better than none.
    pub fn pardon(&mut self, now_ms: u64) {
        self.outlier.end_hold(now_ms);
    }

    /// Whether it is down because of viewers' failures alone.
    #[must_use]
    pub fn is_ejected(&self) -> bool {
        self.outlier.is_ejected()
    }

    fn turn(&mut self, now_ms: u64, to: State) -> Option<Transition> {
        if self.state == to {
            return None;
        }
        let from = std::mem::replace(&mut self.state, to);
        self.since_ms = now_ms;
        self.returned = from == State::Down;
        self.outlier.break_row();
        Some(Transition { from, to, reason: self.reason() })
    }

    /// The state by the last verdict.
    #[must_use]
    pub fn state(&self) -> State {
        self.state
    }

    /// When that state began.
    #[must_use]
    pub fn since_ms(&self) -> u64 {
        self.since_ms
    }

    /// When the node came back, while it is up and was down before: the start of its slow start. A node that
    /// was up at the first verdict has not come back.
    #[must_use]
    pub fn returned_ms(&self) -> Option<u64> {
        self.returned.then_some(self.since_ms)
    }

    /// Why it is down, or why its last round was bad.
    #[must_use]
    pub fn reason(&self) -> Option<Reason> {
        if self.is_ejected() {
            return Some(Reason::Ejected);
        }
        self.last_failure.filter(|_| self.state == State::Down || self.bad > 0)
    }

    /// How long after the last round's end the next one starts.
    ///
    /// 0 while a verdict is near: after a bad round until the node is down, and from the start on. Only an
    /// unproven node that failed once waits after a good round, or one that wavers would be probed without a
    /// pause. That a node comes back is not hurried: it has to be good over time.
    #[must_use]
    pub fn next_probe_in_ms(&self, rules: &Rules) -> u64 {
        let at_once = match self.state {
            State::Up => self.bad > 0,
            State::Unproven => self.bad > 0 || self.last_failure.is_none(),
            State::Down => false,
        };
        if at_once { 0 } else { rules.interval_ms }
    }
}

/// What share of its viewer budget a node gets at `now_ms`: a tenth when it has just come back, then evenly
/// more until `ramp_ms` have passed. 1 for a node that never was down ([`Machine::returned_ms`]).
#[must_use]
pub fn slow_start_share(now_ms: u64, returned_ms: Option<u64>, ramp_ms: u64) -> f64 {
    const FIRST_SHARE: f64 = 0.1;
    let Some(returned_ms) = returned_ms else { return 1.0 };
    let passed_ms = now_ms.saturating_sub(returned_ms);
    if passed_ms >= ramp_ms {
        return 1.0;
    }
    FIRST_SHARE + (1.0 - FIRST_SHARE) * (passed_ms as f64 / ramp_ms as f64)
}

/// How long after the start the node at `index` of `count` is probed first: the fleet is spread evenly over
/// one interval, so that the gate's own probes never come in a burst.
#[must_use]
pub fn first_offset_ms(index: usize, count: usize, interval_ms: u64) -> u64 {
    let count = count.max(1);
    let offset = u128::from(interval_ms) * (index % count) as u128 / count as u128;
    // Less than the interval, which was one.
    u64::try_from(offset).unwrap_or(interval_ms)
}

/// The promise: a node that stops answering is down so long afterwards at the latest.
///
/// It may stop just after a good round: one interval passes, then the bad rounds follow each other at once.
#[must_use]
pub fn down_within_ms(rules: &Rules) -> u64 {
    let rounds_ms = rules.timeout_ms.saturating_mul(u64::from(rules.fall.max(1)));
    rules.interval_ms.saturating_add(rounds_ms)
}

#[cfg(test)]
mod tests;
