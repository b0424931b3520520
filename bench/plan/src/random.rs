//! Numbers without a pattern that are the same in every run with the same seed, on every machine.
//!
//! Absent on purpose: any source of true chance, and functions whose last bit depends on the machine's library.

/// `SplitMix64` (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A row of numbers for each seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another row for the same seed, for another purpose.
    #[must_use]
    pub fn of(seed: u64, purpose: u64) -> Self {
        Self(mix(seed ^ mix(purpose)))
    }

    /// Any 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// From 0 up to 1, which is not reached.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From 0 up to `end`, which is not reached; 0 if `end` is.
    pub fn below(&mut self, end: usize) -> usize {
        let drawn = (u128::from(self.bits()) * end as u128) >> 64;
        usize::try_from(drawn).unwrap_or_default()
    }
}

/// The finaliser of `SplitMix64`.
#[must_use]
pub fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Draws from weights in constant time (Walker's alias method, in Vose's form).
#[derive(Clone, Debug)]
pub struct Draw {
    /// How much of each column is its own, and whose the rest is.
    columns: Vec<(f64, u32)>,
}

impl Draw {
    /// Weights are finite and not below 0; at least one of them is above.
    #[must_use]
    pub fn new(weights: &[f64]) -> Self {
        let mean = weights.iter().sum::<f64>() / weights.len().max(1) as f64;
        let mut columns: Vec<(f64, u32)> =
            (0..).zip(weights).map(|(at, weight)| (weight / mean, at)).collect();
        let (mut small, mut large): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
        for (at, column) in (0..).zip(&columns) {
            if column.0 < 1.0 { small.push(at) } else { large.push(at) }
        }
        while let (Some(poor), Some(rich)) = (small.pop(), large.pop()) {
            columns[poor as usize].1 = rich;
            let left = columns[rich as usize].0 - (1.0 - columns[poor as usize].0);
            columns[rich as usize].0 = left;
            if left < 1.0 { small.push(rich) } else { large.push(rich) }
        }
        // What is left over is 1 but for rounding.
        for at in small.into_iter().chain(large) {
            columns[at as usize] = (1.0, at);
        }
        Self { columns }
    }

    /// Which weight is drawn.
    pub fn draw(&self, random: &mut Random) -> usize {
        let at = random.below(self.columns.len());
        let (own, other) = self.columns[at];
        if random.unit() < own { at } else { other as usize }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_met() {
        let weights = [1.0, 0.0, 5.0, 2.0, 2.0];
        let (draw, mut random, mut counts) = (Draw::new(&weights), Random::new(7), [0_u32; 5]);
        for _ in 0..100_000 {
            counts[draw.draw(&mut random)] += 1;
        }
        for (count, weight) in counts.iter().zip(weights) {
            assert!((f64::from(*count) - weight * 10_000.0).abs() < 500.0, "{counts:?}");
        }
        assert_eq!(counts[1], 0);
        assert_eq!(Draw::new(&[3.0]).draw(&mut random), 0);
    }

    #[test]
    fn purposes_have_rows_of_their_own() {
        let first = |purpose| Random::of(1, purpose).bits();
        assert_eq!(first(1), first(1));
        assert_ne!(first(1), first(2));
        assert!((0..1000).all(|_| (0.0..1.0).contains(&Random::new(3).unit())));
        assert_eq!(Random::new(1).below(0), 0);
    }
}
