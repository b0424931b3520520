//! Arrivals whose rate changes over time: ramps, steady phases, bursts; evenly spread or by chance.
//!
//! Both come from one curve, the number of arrivals expected so far: where it passes the next whole number, or the next
//! step drawn from an exponential distribution (a Poisson process), somebody arrives. Absent on purpose: a clock.

use std::time::Duration;

use serde::Serialize;

use crate::random::Random;

/// A part of the time; the rate goes evenly from one value to the other, in arrivals a second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Phase {
    pub(crate) lasts_s: f64,
    pub(crate) from: f64,
    pub(crate) to: f64,
}

/// How arrivals are spread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Process {
    /// Each when the expected number passes a whole one.
    Constant,
    /// Independent of each other.
    Poisson,
}

/// Moments of arrival, in order, as times since the beginning.
#[derive(Clone, Debug)]
pub(crate) struct Arrivals {
    phases: Vec<Phase>,
    process: Process,
    random: Random,
    /// Expected number at the next arrival.
    expected: f64,
}

impl Phase {
    /// Arrivals expected in it.
    fn expected(&self) -> f64 {
        f64::midpoint(self.from, self.to) * self.lasts_s
    }

    /// After how many seconds so many are expected; at most [`Phase::expected`].
    fn when(&self, expected: f64) -> f64 {
        let slope = (self.to - self.from) / self.lasts_s;
        // expected = from * t + slope * t^2 / 2, solved so that nothing cancels.
        let root = (self.from * self.from + 2.0 * slope * expected).max(0.0).sqrt();
        let t = if self.from + root > 0.0 { 2.0 * expected / (self.from + root) } else { 0.0 };
        t.min(self.lasts_s)
    }

    fn rate(&self, at_s: f64) -> f64 {
        self.from + (self.to - self.from) * at_s / self.lasts_s
    }
}

impl Arrivals {
    pub(crate) fn new(phases: &[Phase], process: Process, seed: u64) -> Self {
        let mut arrivals =
            Self { phases: phases.to_vec(), process, random: Random::new(seed), expected: 0.0 };
        if process == Process::Poisson {
            arrivals.expected = arrivals.random.exponential();
        }
        arrivals
    }

    /// The rate that is wanted at a time, in arrivals a second.
    pub(crate) fn rate(phases: &[Phase], at_s: f64) -> f64 {
        let mut begun = 0.0;
        for phase in phases {
            if at_s < begun + phase.lasts_s {
                return phase.rate(at_s - begun);
            }
            begun += phase.lasts_s;
        }
        0.0
    }
}

impl Iterator for Arrivals {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let (mut begun, mut left) = (0.0, self.expected);
        for phase in &self.phases {
            let here = phase.expected();
            if left < here {
                self.expected += match self.process {
                    Process::Constant => 1.0,
                    Process::Poisson => self.random.exponential(),
                };
                return Duration::try_from_secs_f64(begun + phase.when(left)).ok();
            }
            (begun, left) = (begun + phase.lasts_s, left - here);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn phase(lasts_s: f64, from: f64, to: f64) -> Phase {
        Phase { lasts_s, from, to }
    }

    #[test]
    fn constant_arrivals_are_where_the_curve_says() {
        let check = |phases: &[Phase], expected: &[f64]| {
            let at: Vec<f64> =
                Arrivals::new(phases, Process::Constant, 1).map(|at| at.as_secs_f64()).collect();
            assert_eq!(at.len(), expected.len(), "{at:?}");
            assert!(at.iter().zip(expected).all(|(at, expected)| (at - expected).abs() < 1e-6), "{at:?}");
        };
        check(&[phase(1.0, 4.0, 4.0)], &[0.0, 0.25, 0.5, 0.75]);
        // 2 t^2 arrivals after t seconds.
        let roots: Vec<f64> = (0..8).map(|number| (f64::from(number) / 2.0).sqrt()).collect();
        check(&[phase(2.0, 0.0, 8.0)], &roots);
        check(&[phase(1.0, 0.0, 0.0), phase(1.0, 2.0, 2.0)], &[1.0, 1.5]);
        check(&[phase(2.0, 2.0, 0.0)], &[0.0, 0.585_786]);
        check(&[], &[]);
    }

    #[test]
    fn rates_follow_the_phases() {
        let phases = [phase(10.0, 0.0, 20.0), phase(5.0, 20.0, 20.0)];
        for (at, expected) in [(0.0, 0.0), (5.0, 10.0), (10.0, 20.0), (14.9, 20.0), (15.0, 0.0)] {
            assert!((Arrivals::rate(&phases, at) - expected).abs() < 1e-9, "at {at}");
        }
    }

    #[test]
    fn a_poisson_process_has_its_rate_and_its_spread() {
        let at: Vec<f64> = Arrivals::new(&[phase(1000.0, 50.0, 50.0)], Process::Poisson, 3)
            .map(|at| at.as_secs_f64())
            .collect();
        assert!((49_000..51_000).contains(&at.len()), "{}", at.len());
        let gaps: Vec<f64> = at.windows(2).map(|two| two[1] - two[0]).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        // The deviation of an exponential distribution is its mean.
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.03, "{}", variance.sqrt() / mean);
    }

    proptest! {
        #[test]
        fn arrivals_are_in_order_and_as_many_as_expected(
            phases in proptest::collection::vec((0.1..20.0_f64, 0.0..50.0_f64, 0.0..50.0_f64), 1..5),
            seed: u64,
        ) {
            let phases: Vec<Phase> = phases.into_iter().map(|(lasts, from, to)| phase(lasts, from, to)).collect();
            let expected: f64 = phases.iter().map(Phase::expected).sum();
            let ends: f64 = phases.iter().map(|phase| phase.lasts_s).sum();
            for process in [Process::Constant, Process::Poisson] {
                let at: Vec<Duration> = Arrivals::new(&phases, process, seed).collect();
                prop_assert!(at.is_sorted());
                prop_assert!(at.iter().all(|at| at.as_secs_f64() <= ends + 1e-6));
                let slack = if process == Process::Constant { 1.0 } else { 6.0 * expected.sqrt() + 6.0 };
                prop_assert!((at.len() as f64 - expected).abs() <= slack, "{} {expected}", at.len());
            }
        }
    }
}
