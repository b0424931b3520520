//! From values to places on an axis, and which values get a tick: 1, 2 or 5 times a power of ten, or of the unit's base.
//!
//! Absent on purpose: scales that end anywhere but at such a value, except along a clock.

use crate::unit::Unit;

/// Steps of a clock's ticks, in seconds; days beyond.
const CLOCK_STEPS: [f64; 21] = [
    0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0,
    10_800.0, 21_600.0, 43_200.0, 86_400.0,
];

/// An axis: its ends, its ticks and how values lie between.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scale {
    from: f64,
    to: f64,
    log: bool,
    pub(crate) ticks: Vec<f64>,
}

impl Scale {
    /// From 0 (or below, if something is) to a round value at or above `most`.
    pub(crate) fn linear(lowest: f64, highest: f64, unit: Unit, ticks: usize) -> Self {
        let bottom = lowest.min(0.0);
        let upper = if highest > bottom { highest } else { bottom + 1.0 };
        let base = unit.base(upper);
        let step = round_step((upper - bottom) / base / ticks.max(1) as f64) * base;
        let (first, last) = ((bottom / step).floor(), (upper / step - 1e-9).ceil());
        Self { from: first * step, to: last * step, log: false, ticks: multiples(first, last, step) }
    }

    /// From a round value below the least one to a round value above the greatest; both above 0.
    pub(crate) fn log(least: f64, most: f64) -> Self {
        let least = if least > 0.0 && least.is_finite() { least } else { 0.1 };
        let most = most.max(least * 2.0);
        let (from, to) = (round_down(least), round_up(most));
        let dense = (to / from).log10() <= 2.5;
        let mut ticks = Vec::new();
        let mut decade = 10_f64.powf(from.log10().floor());
        while decade <= to * 1.001 {
            for factor in if dense { &[1.0, 2.0, 5.0][..] } else { &[1.0][..] } {
                let tick = decade * factor;
                if (from * 0.999..=to * 1.001).contains(&tick) {
                    ticks.push(tick);
                }
            }
            decade *= 10.0;
        }
        Self { from, to, log: true, ticks }
    }

    /// Exactly from one value to the other, with ticks at round times.
    pub(crate) fn time(from: f64, to: f64, ticks: usize) -> Self {
        let to = if to > from { to } else { from + 1.0 };
        let wanted = (to - from) / ticks.max(1) as f64;
        let step = CLOCK_STEPS.into_iter().find(|step| *step >= wanted);
        let step = step.unwrap_or_else(|| (wanted / 86_400.0).ceil() * 86_400.0);
        let (first, last) = ((from / step - 1e-9).ceil(), (to / step + 1e-9).floor());
        Self { from, to, log: false, ticks: multiples(first, last, step) }
    }

    /// Exactly from one value to the other, with ticks at round values.
    pub(crate) fn between(from: f64, to: f64, unit: Unit, ticks: usize) -> Self {
        let to = if to > from { to } else { from + 1.0 };
        let base = unit.base(to);
        let step = round_step((to - from) / base / ticks.max(1) as f64) * base;
        let (first, last) = ((from / step - 1e-9).ceil(), (to / step + 1e-9).floor());
        Self { from, to, log: false, ticks: multiples(first, last, step) }
    }

    /// Where a value lies, 0 at the beginning and 1 at the end; `None`: nowhere, being no number or not on a log scale.
    pub(crate) fn place(&self, value: f64) -> Option<f64> {
        if !value.is_finite() || self.log && value <= 0.0 {
            return None;
        }
        let place = if self.log {
            (value / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value - self.from) / (self.to - self.from)
        };
        Some(place.clamp(0.0, 1.0))
    }
}

fn multiples(first: f64, last: f64, step: f64) -> Vec<f64> {
    // No axis gets more ticks than can be read.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded by the line above")]
    let count = (last - first).clamp(0.0, 60.0) as usize;
    (0..=count).map(|index| (first + index as f64) * step).collect()
}

/// The least of 1, 2 and 5 times a power of ten that is at least this.
fn round_step(wanted: f64) -> f64 {
    if wanted > 0.0 && wanted.is_finite() { round_up(wanted) } else { 1.0 }
}

fn round_up(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|factor| decade * factor >= value * 0.999_999);
    factor.unwrap_or(10.0) * decade
}

fn round_down(value: f64) -> f64 {
    let decade = 10_f64.powf(value.log10().floor());
    let factor = [5.0, 2.0].into_iter().find(|factor| decade * factor <= value * 1.000_001);
    factor.unwrap_or(1.0) * decade
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ticks_are_round() {
        let check = |scale: Scale, unit: Unit, expected: &str| {
            let ticks: Vec<String> = scale.ticks.iter().map(|tick| unit.text(*tick)).collect();
            assert_eq!(ticks.join(" | "), expected);
        };
        check(Scale::linear(0.0, 87.0, Unit::Count, 5), Unit::Count, "0 | 20 | 40 | 60 | 80 | 100");
        check(Scale::linear(0.0, 100.0, Unit::Count, 5), Unit::Count, "0 | 20 | 40 | 60 | 80 | 100");
        check(Scale::linear(0.0, 0.0, Unit::Count, 2), Unit::Count, "0 | 0.5 | 1");
        check(Scale::linear(-3.0, 5.0, Unit::Count, 4), Unit::Count, "-4 | -2 | 0 | 2 | 4 | 6");
        let megabytes = 1024.0 * 1024.0;
        check(
            Scale::linear(0.0, 3.4 * megabytes, Unit::Bytes, 4),
            Unit::Bytes,
            "0 B | 1 MiB | 2 MiB | 3 MiB | 4 MiB",
        );
        check(
            Scale::log(0.3, 24.0),
            Unit::Milliseconds,
            "200 µs | 500 µs | 1 ms | 2 ms | 5 ms | 10 ms | 20 ms | 50 ms",
        );
        check(Scale::log(0.3, 24_000.0), Unit::Milliseconds, "1 ms | 10 ms | 100 ms | 1 s | 10 s");
        check(Scale::time(0.0, 10.0, 6), Unit::Clock, "0:00 | 0:02 | 0:04 | 0:06 | 0:08 | 0:10");
        check(
            Scale::time(0.0, 5400.0, 6),
            Unit::Clock,
            "0:00 | 15:00 | 30:00 | 45:00 | 1:00:00 | 1:15:00 | 1:30:00",
        );
        check(Scale::between(1.0, 9.0, Unit::Count, 4), Unit::Count, "2 | 4 | 6 | 8");
    }

    #[test]
    fn what_has_no_place_is_not_drawn() {
        assert_eq!(Scale::log(1.0, 10.0).place(0.0), None);
        assert_eq!(Scale::linear(0.0, 10.0, Unit::Count, 5).place(f64::NAN), None);
    }

    proptest! {
        #[test]
        fn values_lie_between_the_ends(least in 1e-6..1e9_f64, factor in 1.0..1e6_f64) {
            let most = least * factor;
            for scale in [Scale::log(least, most), Scale::linear(0.0, most, Unit::Bytes, 5)] {
                let (low, high) = (scale.place(least).unwrap(), scale.place(most).unwrap());
                prop_assert!((0.0..=1.0).contains(&low) && low <= high && high <= 1.0);
                prop_assert!((2..=12).contains(&scale.ticks.len()), "{:?}", scale);
                prop_assert!(scale.to >= most * 0.999 && scale.from <= least * 1.001);
            }
        }
    }
}
