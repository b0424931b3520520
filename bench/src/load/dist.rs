//! How a quantity differs from viewer to viewer.
//!
//! Absent on purpose: negative values; whatever is drawn is at least 0.

use std::fmt;

use crate::random::{Random, Weighted};

/// A distribution of times, rates or counts, in the unit of its key.
#[derive(Clone, Debug)]
pub(super) enum Dist {
    /// Always the same.
    Fixed(f64),
    /// Between two values, all alike.
    Uniform(f64, f64),
    /// With this mean, and without memory.
    Exponential(f64),
    /// Half of all below the median; `sigma` is the deviation of the logarithm.
    LogNormal { median: f64, sigma: f64 },
    /// One of some, each with its weight.
    Choice(Weighted<f64>),
}

impl Dist {
    pub(super) fn draw(&self, random: &mut Random) -> f64 {
        let drawn = match self {
            Self::Fixed(value) => *value,
            Self::Uniform(from, to) => random.between(*from, *to),
            Self::Exponential(mean) => mean * random.exponential(),
            Self::LogNormal { median, sigma } => median * (sigma * random.normal()).exp(),
            Self::Choice(values) => values.draw(random).copied().unwrap_or(0.0),
        };
        drawn.max(0.0)
    }
}

impl fmt::Display for Dist {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(value) => write!(to, "{value}"),
            Self::Uniform(from, end) => write!(to, "{from} to {end}"),
            Self::Exponential(mean) => write!(to, "{mean} on average, exponential"),
            Self::LogNormal { median, sigma } => {
                write!(to, "{median} in the median, log-normal, sigma {sigma}")
            }
            Self::Choice(values) => write!(to, "one of {}", values.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_bounds() {
        let mut random = Random::new(1);
        let mut median = |dist: Dist| {
            let mut drawn: Vec<f64> = (0..20_001).map(|_| dist.draw(&mut random)).collect();
            drawn.sort_by(f64::total_cmp);
            assert!(drawn[0] >= 0.0);
            drawn[10_000]
        };
        let mut check = |dist: Dist, expected: f64| {
            let (text, found) = (dist.to_string(), median(dist));
            assert!((found / expected - 1.0).abs() < 0.05, "{text}: {found}");
        };
        check(Dist::Fixed(3.0), 3.0);
        check(Dist::Uniform(2.0, 4.0), 3.0);
        check(Dist::Exponential(10.0), 10.0 * std::f64::consts::LN_2);
        check(Dist::LogNormal { median: 4000.0, sigma: 0.5 }, 4000.0);
        check(Dist::Choice(Weighted::new([(1.0, 1.0), (9.0, 2.0)])), 2.0);
    }
}
