//! Numbers without a pattern that are the same in every run, so that two runs ask the same questions.

/// `SplitMix64` (Steele, Lea, Flood 2014).
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to `end`, which is above 0 and not reached.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        let end = end as u128;
        // The upper half of a product by `end` is below `end`.
        usize::try_from((u128::from(self.next()) * end) >> 64).unwrap_or_default()
    }

    /// From `from` up to `to`.
    pub(crate) fn between(&mut self, from: f64, to: f64) -> f64 {
        from + (to - from) * ((self.next() >> 11) as f64 / (1_u64 << 53) as f64)
    }

    /// With mean 1, exponentially distributed.
    pub(crate) fn exponential(&mut self) -> f64 {
        // From 0 up to 1, so that the logarithm is of something above 0.
        -(1.0 - self.between(0.0, 1.0)).ln()
    }

    /// With mean 0 and deviation 1, normally distributed (Box and Muller 1958).
    pub(crate) fn normal(&mut self) -> f64 {
        (2.0 * self.exponential()).sqrt() * self.between(0.0, std::f64::consts::TAU).cos()
    }

    /// Version 4, by RFC 9562.
    pub(crate) fn uuid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        let version = high & 0xfff | 0x4000;
        let variant = low >> 48 & 0x3fff | 0x8000;
        format!(
            "{:08x}-{:04x}-{version:04x}-{variant:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            low & 0xffff_ffff_ffff
        )
    }
}

/// Things that are drawn with different chances.
#[derive(Clone, Debug)]
pub(crate) struct Weighted<T> {
    /// With the sum of the weights up to and with each.
    things: Vec<(f64, T)>,
}

impl<T> Weighted<T> {
    /// Each with its weight; those without a weight above 0 are left out.
    pub(crate) fn new(things: impl IntoIterator<Item = (f64, T)>) -> Self {
        let mut sum = 0.0;
        let mut sums = |(weight, thing): (f64, T)| {
            sum += weight;
            (sum, thing)
        };
        let things = things.into_iter().filter(|(weight, _)| *weight > 0.0 && weight.is_finite());
        Self { things: things.map(&mut sums).collect() }
    }

    /// One of them; `None`: there is none.
    pub(crate) fn draw(&self, random: &mut Random) -> Option<&T> {
        let all = self.things.last()?.0;
        let drawn = random.between(0.0, all);
        let at = self.things.partition_point(|(sum, _)| *sum <= drawn);
        self.things.get(at.min(self.things.len() - 1)).map(|(_, thing)| thing)
    }

    /// The same chances for what each of them becomes.
    pub(crate) fn map<U>(&self, into: impl Fn(&T) -> U) -> Weighted<U> {
        Weighted { things: self.things.iter().map(|(sum, thing)| (*sum, into(thing))).collect() }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.things.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_in_their_bounds_and_reach_them() {
        let mut random = Random::new(1);
        let drawn: Vec<usize> = (0..1000).map(|_| random.below(10)).collect();
        assert_eq!(drawn.iter().max(), Some(&9));
        assert_eq!(drawn.iter().min(), Some(&0));
        assert_eq!(random.below(1), 0);
        assert!((0..1000).map(|_| random.between(-2.0, 3.0)).all(|number| (-2.0..3.0).contains(&number)));
    }

    #[test]
    fn distributions_have_their_moments() {
        let mut random = Random::new(1);
        let check = |numbers: Vec<f64>, mean: f64, deviation: f64| {
            let count = numbers.len() as f64;
            let found = numbers.iter().sum::<f64>() / count;
            let variance = numbers.iter().map(|number| (number - found).powi(2)).sum::<f64>() / count;
            assert!(
                (found - mean).abs() < 0.02 && (variance.sqrt() - deviation).abs() < 0.02,
                "{found} {variance}"
            );
        };
        check((0..100_000).map(|_| random.exponential()).collect(), 1.0, 1.0);
        check((0..100_000).map(|_| random.normal()).collect(), 0.0, 1.0);
    }

    #[test]
    fn things_are_drawn_by_their_weights() {
        let things = Weighted::new([(1.0, 'a'), (0.0, 'b'), (3.0, 'c'), (f64::NAN, 'd')]);
        let mut random = Random::new(4);
        let drawn: String = (0..10_000).filter_map(|_| things.draw(&mut random)).collect();
        let share = drawn.matches('c').count() as f64 / 1e4;
        assert!((share - 0.75).abs() < 0.02 && !drawn.contains(['b', 'd']), "{share}");
        assert_eq!(things.len(), 2);
        assert_eq!(Weighted::<char>::new([]).draw(&mut random), None);
    }

    #[test]
    fn uuids_are_well_formed() {
        let mut random = Random::new(5);
        for _ in 0..100 {
            let uuid = random.uuid();
            let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{uuid}");
            assert!(uuid[14..].starts_with('4') && "89ab".contains(&uuid[19..20]), "{uuid}");
        }
    }
}
