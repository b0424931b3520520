//! How long a node's bytes are waited for, while it is the viewer who waits.
//!
//! Only time in which we wanted data and had none counts against a node: a viewer that reads slowly, or not at all,
//! says nothing of it. There is no limit on a film as a whole. No clock here: the pump says how long it waited.

use super::resume::Failure;

/// The least rate is judged over so much waiting: a node may pause for a moment.
const JUDGED_MS: u64 = 3_000;

/// The operator's limits.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// No byte for so long: the node is left.
    pub stall_ms: u64,
    /// Fewer bytes a second: the node is left if there is another one; 0: never.
    pub min_bytes_per_s: u64,
}

/// The patience with one answer of one node.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience {
    /// Waited since the last byte.
    idle_ms: u64,
    /// Waited since the rate was last judged.
    waited_ms: u64,
    /// Bytes since then.
    bytes: u64,
}

impl Patience {
    /// Bytes came after so much more waiting.
    pub fn got(&mut self, bytes: u64, waited_ms: u64) {
        self.idle_ms = 0;
        self.waited_ms = self.waited_ms.saturating_add(waited_ms);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// No byte came during so much more waiting.
    pub fn waited(&mut self, ms: u64) {
        self.idle_ms = self.idle_ms.saturating_add(ms);
        self.waited_ms = self.waited_ms.saturating_add(ms);
    }

    /// Whether the node has to be left now, and why. `is_down`: by the health checks; `has_other`: another node could
    /// take over at once, asked only where it matters.
    pub fn look(
        &mut self,
        limits: &Limits,
        is_down: bool,
        has_other: impl FnOnce() -> bool,
    ) -> Option<Failure> {
        if self.idle_ms >= limits.stall_ms {
            return Some(Failure::Stall);
        }
        if is_down {
            return has_other().then_some(Failure::Down);
        }
        if self.waited_ms < JUDGED_MS {
            return None;
        }
        let least = limits.min_bytes_per_s.saturating_mul(self.waited_ms) / 1000;
        let drips = self.bytes < least;
        (self.waited_ms, self.bytes) = (0, 0);
        (drips && has_other()).then_some(Failure::Drip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { stall_ms: 5_000, min_bytes_per_s: 64 << 10 };

    #[test]
    fn silence_is_a_stall_and_bytes_end_it() {
        let mut patience = Patience::default();
        patience.waited(2_900);
        assert_eq!(patience.look(&LIMITS, false, || true), None);
        patience.got(1 << 20, 1_000);
        patience.waited(4_999);
        assert_eq!(patience.look(&Limits { min_bytes_per_s: 0, ..LIMITS }, false, || true), None);
        patience.waited(1);
        assert_eq!(patience.look(&LIMITS, false, || true), Some(Failure::Stall));
        assert_eq!(patience.look(&LIMITS, false, || false), Some(Failure::Stall), "alone or not");
    }

    #[test]
    fn a_drip_is_judged_over_some_seconds_of_waiting_and_only_if_there_is_another_node() {
        let drip = |bytes: u64, has_other: bool, limits: &Limits| {
            let mut patience = Patience::default();
            (0..30).find_map(|_| {
                patience.got(bytes, 100);
                patience.look(limits, false, || has_other)
            })
        };
        assert_eq!(drip(1_000, true, &LIMITS), Some(Failure::Drip));
        assert_eq!(drip(6_500, true, &LIMITS), Some(Failure::Drip), "a little below the rate");
        assert_eq!(drip(6_600, true, &LIMITS), None, "a little above it");
        assert_eq!(drip(1_000, false, &LIMITS), None);
        assert_eq!(drip(1, true, &Limits { min_bytes_per_s: 0, ..LIMITS }), None);
    }

    #[test]
    fn one_slow_spell_is_forgotten_by_the_next_judgement() {
        let mut patience = Patience::default();
        patience.got(1 << 20, 3_000);
        assert_eq!(patience.look(&LIMITS, false, || true), None);
        patience.got(100, 2_999);
        assert_eq!(patience.look(&LIMITS, false, || true), None);
        patience.got(0, 1);
        assert_eq!(patience.look(&LIMITS, false, || true), Some(Failure::Drip));
    }

    #[test]
    fn a_verdict_moves_whoever_waits_if_there_is_somewhere_to_go() {
        let mut patience = Patience::default();
        assert_eq!(patience.look(&LIMITS, true, || true), Some(Failure::Down));
        assert_eq!(patience.look(&LIMITS, true, || false), None);
    }
}
