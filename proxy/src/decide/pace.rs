//! How much of a film is asked of a node at once, and how much is read at once, by the pace of the viewer.
//!
//! A viewer that keeps up gets large windows and large reads, because requests and wake-ups are what streaming
//! costs. One that does not gets small ones, so that no node and no buffer waits for it. No clock here: the pump
//! says how long things took.

/// The least that is asked of a node: what a slow viewer reads in some seconds. Less would make a store read a block
/// of 1 MiB again and again.
const WINDOW_MIN: u64 = 256 << 10;
/// The first window: players give up their first answer as soon as they have read its head.
const WINDOW_FIRST: u64 = 1 << 20;
/// `MinIO` stores and checks films in blocks of 1 MiB: a window that ends with one spares reading it twice.
const BLOCK: u64 = 1 << 20;

/// A viewer whose windows are so large keeps up with what nodes send.
const AT_SPEED: u64 = 8 << 20;
/// And one whose windows are so large takes more than 12 MiB a second: [`UNSENT_FAST`] in a sixth of one.
const AT_FULL_SPEED: u64 = 32 << 20;

/// The least that is read at once.
pub const READ_MIN: usize = 32 << 10;
/// The most that is read at once: what a viewer's connection takes when it has just said that it takes something
/// (half of [`UNSENT_MAX`]), so that nothing is left over while the viewer is waited for.
pub const READ_MAX: usize = 384 << 10;
/// Bytes that a viewer's connection may hold unsent; it says that it takes more when half of them are sent.
pub const UNSENT_MAX: u32 = 768 << 10;
/// The most that is read at once for a viewer at full speed, and room of every buffer. Each write wakes whoever reads
/// it: three in place of eight for the same bytes are a quarter of what such a viewer costs.
pub const READ_FAST: usize = 1 << 20;
/// Bytes that the connection of a viewer at full speed may hold unsent.
pub const UNSENT_FAST: u32 = 2 << 20;
/// A read holds what the viewer takes in about so many milliseconds.
const READ_MS: u64 = 500;

/// The pace of one viewer.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    cap: u64,
    park_after_ms: u64,
    window: u64,
    read: usize,
}

impl Pace {
    /// A viewer of whom nothing is known. `cap`: the largest window in bytes. `park_after_ms`: how long a node may be
    /// held for a slow viewer.
    #[must_use]
    pub fn new(cap: u64, park_after_ms: u64) -> Self {
        Self { cap, park_after_ms, window: WINDOW_FIRST.min(cap), read: READ_MIN }
    }

    /// Bytes from `at` that are asked for next: never more than `left`.
    #[must_use]
    pub fn window(&self, at: u64, left: u64) -> u64 {
        let end = at.saturating_add(self.window);
        let aligned = end - end % BLOCK;
        let window = if self.window >= 2 * BLOCK { aligned - at } else { self.window };
        // The rest is not worth a request of its own.
        if left <= window.saturating_add(WINDOW_MIN) { left } else { window }
    }

    /// A window of so many bytes is through; the viewer held it up for `held_ms` in all.
    ///
    /// The next one is twice as large at most, and no larger than what the viewer takes in a quarter of the time for
    /// which a node may be held.
    pub fn took_window(&mut self, bytes: u64, held_ms: u64) {
        let target_ms = self.park_after_ms / 4;
        let by_pace = bytes.saturating_mul(target_ms).checked_div(held_ms).unwrap_or(u64::MAX);
        let floor = WINDOW_MIN.min(self.cap);
        self.window = by_pace.clamp(floor, self.window.saturating_mul(2).clamp(floor, self.cap));
        if let Some(by_pace) = bytes.saturating_mul(READ_MS).checked_div(held_ms) {
            self.read = usize::try_from(by_pace).unwrap_or(usize::MAX);
        }
        self.read = self.read.clamp(READ_MIN, self.read_max());
    }

    /// A window was stuck behind the viewer until it was given up.
    pub fn parked(&mut self) {
        self.window = WINDOW_MIN.min(self.cap);
        self.read = READ_MIN;
    }

    /// Bytes that are read at once.
    #[must_use]
    pub fn read(&self) -> usize {
        self.read
    }

    /// The viewer took what was read without letting us wait.
    pub fn took_read(&mut self) {
        self.read = (self.read * 2).min(self.read_max());
    }

    /// Bytes that the viewer's connection may hold unsent.
    #[must_use]
    pub fn unsent(&self) -> u32 {
        if self.is_at_full_speed() { UNSENT_FAST } else { UNSENT_MAX }
    }

    fn read_max(&self) -> usize {
        if self.is_at_full_speed() { READ_FAST } else { READ_MAX }
    }

    fn is_at_full_speed(&self) -> bool {
        self.window >= AT_FULL_SPEED
    }

    /// Whether the next window is asked for while `left` bytes of this one are still to come, so that a viewer at speed
    /// finds no hole between them. Never for a viewer that does not keep up.
    #[must_use]
    pub fn is_ahead(&self, left: u64) -> bool {
        self.window >= AT_SPEED && left <= self.window / 8
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CAP: u64 = 64 << 20;

    #[test]
    fn a_viewer_that_keeps_up_gets_twice_as_much_each_time() {
        let mut pace = Pace::new(CAP, 10_000);
        let windows = (0..9).map(|_| {
            let window = pace.window(0, u64::MAX);
            pace.took_window(window, 0);
            window >> 20
        });
        assert_eq!(windows.collect::<Vec<_>>(), [1, 2, 4, 8, 16, 32, 64, 64, 64]);
        pace.took_window(CAP, 10_000);
        assert_eq!((pace.window(0, u64::MAX), pace.unsent()), (16 << 20, UNSENT_MAX), "6.4 MiB/s");
        (0..9).for_each(|_| pace.took_read());
        assert_eq!(pace.read(), READ_MAX);
    }

    #[test]
    fn a_slow_viewer_gets_what_it_reads_in_a_quarter_of_the_parking_time() {
        let mut pace = Pace::new(CAP, 10_000);
        let mut took = |bytes: u64, held_ms: u64| {
            pace.took_window(bytes, held_ms);
            pace.window(0, u64::MAX)
        };
        assert_eq!(took(1 << 20, 100), 2 << 20, "10 MiB/s: more");
        assert_eq!(took(2 << 20, 2_000), 2 << 20, "1 MiB/s: 2.5 s of it, in whole blocks");
        assert_eq!(took(2 << 20, 20_000), WINDOW_MIN, "100 KiB/s: the least");
        assert_eq!(took(256 << 10, 10), 512 << 10, "and back");
    }

    #[test]
    fn the_parked_viewer_begins_small() {
        let mut pace = Pace::new(CAP, 10_000);
        (0..9).for_each(|_| pace.took_window(CAP, 0));
        (0..9).for_each(|_| pace.took_read());
        assert_eq!((pace.read(), pace.window(0, u64::MAX)), (READ_FAST, CAP));
        assert!(pace.is_ahead(CAP / 8) && !pace.is_ahead(CAP / 8 + 1));
        assert_eq!(pace.unsent(), UNSENT_FAST);
        pace.parked();
        assert_eq!((pace.read(), pace.window(0, u64::MAX)), (READ_MIN, WINDOW_MIN));
        assert!(!pace.is_ahead(0), "not for a slow viewer, not even at the end");
        assert_eq!(pace.unsent(), UNSENT_MAX);
    }

    #[test]
    fn a_read_holds_what_the_viewer_takes_in_a_moment() {
        let mut pace = Pace::new(CAP, 10_000);
        let mut quick = || {
            pace.took_read();
            pace.read() >> 10
        };
        assert_eq!([quick(), quick(), quick(), quick(), quick()], [64, 128, 256, 384, 384]);
        let mut window = |kib: u64, held_ms| {
            pace.took_window(kib << 10, held_ms);
            pace.read() >> 10
        };
        assert_eq!(window(1024, 0), 384, "no word on the pace");
        assert_eq!(window(1024, 1_000), 384, "1 MiB/s");
        assert_eq!(window(256, 1_000), 128, "256 KiB/s");
        assert_eq!(window(256, 8_000), 32, "32 KiB/s");
    }

    #[test]
    fn a_rest_is_not_left_for_a_request_of_its_own() {
        let pace = Pace::new(CAP, 10_000);
        assert_eq!(pace.window(0, (1 << 20) + 1000), (1 << 20) + 1000);
        assert_eq!(pace.window(0, 1000), 1000);
        assert_eq!(pace.window(0, 2 << 20), 1 << 20);
    }

    proptest! {
        #[test]
        fn windows_are_never_empty_and_never_beyond_the_film(
            at in 0..=u64::MAX / 2, left in 1..=u64::MAX / 2, cap in 1_u64 << 16..1 << 32,
            took in proptest::collection::vec((0_u64..1 << 33, 0_u64..100_000), 0..20),
        ) {
            let mut pace = Pace::new(cap, 10_000);
            for (bytes, held_ms) in took {
                pace.took_window(bytes, held_ms);
                let window = pace.window(at, left);
                prop_assert!((1..=left).contains(&window));
                prop_assert!(window <= cap + WINDOW_MIN);
            }
        }
    }
}
