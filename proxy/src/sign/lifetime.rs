//! How long a link lives: as configured, or as long as a film of its size may take to be watched.
//!
//! A player keeps the link that it was sent to and comes back to it for every seek, so that the link has to outlive
//! the film and its pauses. Absent on purpose: the window, which `link_time` adds.

use watchgate_config::LinkLifetime;

/// The shortest life of a link that follows from a size, in seconds.
const LEAST_S: u64 = 3600;
/// The longest one; also where the size is unknown.
const MOST_S: u64 = 24 * 3600;

/// Seconds that a link to a film of `size` bytes lives at least; `None`: the size is not known.
#[must_use]
pub fn lifetime_s(lifetime: LinkLifetime, size: Option<u64>) -> u64 {
    match lifetime {
        LinkLifetime::Fixed(lifetime) => lifetime.as_secs(),
        LinkLifetime::Auto { bit_rate_kbps, pause } => size.map_or(MOST_S, |size| {
            let bytes_a_second = u64::from(bit_rate_kbps.get()) * 125;
            size.div_ceil(bytes_a_second).saturating_add(pause.as_secs()).clamp(LEAST_S, MOST_S)
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_link_outlives_the_film_and_its_pauses() {
        let auto = |kbps, pause| LinkLifetime::Auto {
            bit_rate_kbps: NonZeroU32::new(kbps).unwrap(),
            pause: Duration::from_secs(pause),
        };
        let check = |lifetime, size, seconds| assert_eq!(lifetime_s(lifetime, size), seconds, "{size:?}");
        check(LinkLifetime::Fixed(Duration::from_secs(30)), None, 30);
        check(LinkLifetime::Fixed(Duration::from_secs(30)), Some(u64::MAX), 30);
        // 4 GB at 1 Mbit/s play for 32,000 s.
        check(auto(1000, 7200), Some(4_000_000_000), 39_200);
        check(auto(1000, 0), Some(4_000_000_001), 32_001);
        check(auto(8000, 0), Some(4_000_000_000), 4000);
        check(auto(1000, 7200), Some(0), 7200);
        check(auto(1000, 0), Some(1), 3600);
        check(auto(1000, 7200), Some(20_000_000_000), 86_400);
        check(auto(u32::MAX, 86_400), Some(u64::MAX), 86_400);
        check(auto(1000, 7200), None, 86_400);
    }
}
