//! Goals: what a figure should be, what it is, and whether that will do.
//!
//! The median is judged; that some rounds fell on the other side is said. Absent on purpose: why a goal is missed, which
//! a profile shows.

use serde::Serialize;

use crate::figures::{Spread, table};

/// On which side of a limit a figure should be. The limit itself will do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) enum Wanted {
    AtMost(f64),
    AtLeast(f64),
}

/// A goal, and how it went.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Goal {
    what: String,
    wanted: Wanted,
    /// Behind every figure: ` KiB`, ` times`.
    unit: &'static str,
    /// `None`: it could not be measured.
    measured: Option<Spread>,
    verdict: Verdict,
}

/// How a goal went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) enum Verdict {
    /// In every round.
    Met,
    /// By the median; some rounds were on the other side.
    MetByMedian,
    /// The same the other way round.
    MissedByMedian,
    /// In every round.
    Missed,
    /// There is no figure.
    Unknown,
}

impl Goal {
    pub(crate) fn new(
        what: impl Into<String>,
        wanted: Wanted,
        unit: &'static str,
        measured: Option<Spread>,
    ) -> Self {
        let verdict = measured.map_or(Verdict::Unknown, |measured| wanted.judge(measured));
        Self { what: what.into(), wanted, unit, measured, verdict }
    }

    /// Whether there is a figure, and it is on the wrong side.
    pub(crate) fn is_missed(&self) -> bool {
        matches!(self.verdict, Verdict::Missed | Verdict::MissedByMedian)
    }

    fn cells(&self) -> Vec<String> {
        let (word, limit) = match self.wanted {
            Wanted::AtMost(limit) => ("at most", limit),
            Wanted::AtLeast(limit) => ("at least", limit),
        };
        let measured = self.measured.map_or_else(|| "-".to_owned(), |measured| format!("{measured:.2}"));
        let verdict = match self.verdict {
            Verdict::Met => "met",
            Verdict::MetByMedian => "met; not in every round",
            Verdict::MissedByMedian => "**not met**; in some rounds it was",
            Verdict::Missed => "**not met**",
            Verdict::Unknown => "not measured",
        };
        vec![
            self.what.clone(),
            format!("{word} {limit}{}", self.unit),
            format!("{measured}{}", self.measured.map_or("", |_| self.unit)),
            verdict.to_owned(),
        ]
    }
}

impl Wanted {
    fn judge(self, measured: Spread) -> Verdict {
        let does = |figure: f64| match self {
            Self::AtMost(limit) => figure <= limit,
            Self::AtLeast(limit) => figure >= limit,
        };
        match (does(measured.median), does(measured.least) && does(measured.greatest)) {
            (true, true) => Verdict::Met,
            (true, false) => Verdict::MetByMedian,
            (false, _) if does(measured.least) || does(measured.greatest) => Verdict::MissedByMedian,
            (false, _) => Verdict::Missed,
        }
    }
}

/// All goals as a table.
pub(crate) fn rendered<'a>(goals: impl Iterator<Item = &'a Goal>) -> String {
    let rows: Vec<_> = goals.map(Goal::cells).collect();
    table(&["goal", "wanted", "measured", ""], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_judged_and_the_rounds_are_told() {
        let check = |wanted: Wanted, [least, median, greatest]: [f64; 3], expected: Verdict| {
            let measured = Some(Spread { median, least, greatest });
            let goal = Goal::new("g", wanted, "", measured);
            assert_eq!(goal.verdict, expected, "{goal:?}");
        };
        check(Wanted::AtMost(1.25), [1.0, 1.2, 1.25], Verdict::Met);
        check(Wanted::AtMost(1.25), [1.0, 1.25, 1.3], Verdict::MetByMedian);
        check(Wanted::AtMost(1.25), [1.2, 1.26, 1.3], Verdict::MissedByMedian);
        check(Wanted::AtMost(1.25), [1.26, 1.26, 1.3], Verdict::Missed);
        check(Wanted::AtLeast(2.2), [2.2, 2.3, 9.0], Verdict::Met);
        check(Wanted::AtLeast(2.2), [2.1, 2.3, 9.0], Verdict::MetByMedian);
        check(Wanted::AtLeast(2.2), [1.0, 1.1, 2.3], Verdict::MissedByMedian);
        check(Wanted::AtLeast(2.2), [1.0, 1.1, 1.2], Verdict::Missed);
    }

    #[test]
    fn goals_stand_in_a_table() {
        let measured = Some(Spread { median: 1.4, least: 1.3, greatest: 1.5 });
        let goals = [
            Goal::new("a redirect", Wanted::AtMost(1.25), " times", measured),
            Goal::new("an idle viewer", Wanted::AtMost(32.0), " KiB", None),
        ];
        let table = rendered(goals.iter());
        let first = "| a redirect | at most 1.25 times | 1.40 (1.30-1.50) times | **not met** |";
        assert!(table.contains(first), "{table}");
        assert!(table.contains("| an idle viewer | at most 32 KiB | - | not measured |"), "{table}");
        assert!(goals[0].is_missed() && !goals[1].is_missed());
    }
}
