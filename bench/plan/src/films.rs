//! Which films are watched: few of them by many, by Zipf's law.

use crate::random::{Draw, Random, mix};

/// The films of a library by rank.
#[derive(Clone, Debug)]
pub struct Films {
    draw: Draw,
    seed: u64,
}

impl Films {
    /// So many films (at least one is taken), of which the one at rank `r` is watched as often as `r` to the power of
    /// `-exponent`.
    #[must_use]
    pub fn new(count: u32, exponent: f64, seed: u64) -> Self {
        let weights: Vec<f64> = (1..=count.max(1)).map(|rank| f64::from(rank).powf(-exponent)).collect();
        Self { draw: Draw::new(&weights), seed }
    }

    /// A film's rank, from 0.
    pub fn draw(&self, random: &mut Random) -> u32 {
        u32::try_from(self.draw.draw(random)).unwrap_or(u32::MAX)
    }

    /// The film's uuid.
    #[must_use]
    pub fn uuid(&self, rank: u32) -> [u8; 16] {
        let half = |part: u64| mix(self.seed ^ mix(u64::from(rank) << 1 | part)).to_be_bytes();
        let mut uuid = [0; 16];
        uuid[..8].copy_from_slice(&half(0));
        uuid[8..].copy_from_slice(&half(1));
        uuid
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_film_is_watched_most() {
        let (films, mut random, mut counts) = (Films::new(1000, 1.0, 1), Random::new(1), vec![0_u32; 1000]);
        for _ in 0..100_000 {
            counts[films.draw(&mut random) as usize] += 1;
        }
        let harmonic: f64 = (1..=1000).map(|rank| 1.0 / f64::from(rank)).sum();
        let expected = |rank: f64| 100_000.0 / harmonic / rank;
        assert!((f64::from(counts[0]) / expected(1.0) - 1.0).abs() < 0.05, "{}", counts[0]);
        assert!((f64::from(counts[9]) / expected(10.0) - 1.0).abs() < 0.15, "{}", counts[9]);
        assert_ne!(films.uuid(0), films.uuid(1));
        assert_eq!(Films::new(0, 1.0, 1).draw(&mut random), 0);
    }
}
