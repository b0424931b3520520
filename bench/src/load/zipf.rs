//! Which film somebody wants: a few are wanted by many (Zipf's law).
//!
//! Absent on purpose: tastes; everybody draws from the same chart.

use crate::random::{Random, Weighted};

/// The film with rank `r`, counted from 1, is wanted in proportion to `1 / r^exponent`.
#[derive(Debug)]
pub(super) struct Zipf(Weighted<usize>);

impl Zipf {
    /// Exponent 0: all alike.
    pub(super) fn new(films: usize, exponent: f64) -> Self {
        Self(Weighted::new((0..films).map(|index| (((index + 1) as f64).powf(-exponent), index))))
    }

    /// The index of a film, counted from 0; 0 if there are none.
    pub(super) fn draw(&self, random: &mut Random) -> usize {
        self.0.draw(random).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_the_law() {
        for exponent in [0.0, 0.8, 1.2, 3.0] {
            let (zipf, mut random, mut counts) = (Zipf::new(50, exponent), Random::new(2), [0_u32; 50]);
            for _ in 0..100_000 {
                counts[zipf.draw(&mut random)] += 1;
            }
            let all: f64 = (1..=50).map(|rank| f64::from(rank).powf(-exponent)).sum();
            for rank in [1_u32, 2, 10, 50] {
                let expected = 1e5 * f64::from(rank).powf(-exponent) / all;
                let found = f64::from(counts[rank as usize - 1]);
                assert!(
                    (found - expected).abs() < 5.0 * expected.sqrt() + 3.0,
                    "{exponent} {rank}: {found} {expected}"
                );
            }
        }
        assert_eq!(Zipf::new(0, 1.0).draw(&mut Random::new(1)), 0);
    }
}
