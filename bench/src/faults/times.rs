//! The times of a drill: what the gate is told, what follows from it, and how long each part of a story takes.
//!
//! Pure. All in milliseconds, because that is what is compared.

use std::fmt::Write;

/// Which times the gate is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Pick {
    /// The gate's own, but for `presence.positive_ttl`, a minute, which is made 10 s
    Default,
    /// About a quarter of them: the same story sooner
    Short,
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pick: Pick,
    interval_ms: u64,
    timeout_ms: u64,
    fall: u64,
    rise: u64,
    /// `stream.stall_timeout`.
    pub(super) stall_ms: u64,
    first_byte_ms: u64,
    pub(super) positive_ttl_ms: u64,
    negative_ttl_ms: u64,
    slow_start_ms: u64,
    park_after_ms: u64,
    hedge_after_ms: u64,
    /// What the next node's first byte, and a busy machine, may take.
    pub(super) slack_ms: u64,
    /// Viewers play before the fault comes.
    pub(super) settle_ms: u64,
    /// A node is given so long to get viewers again once it is well.
    pub(super) return_ms: u64,
    /// The story goes on for so long when all is as before.
    pub(super) calm_ms: u64,
    /// A fault lasts so much longer than what is promised for it, so that what comes then is seen, too.
    pub(super) longer_ms: u64,
    /// A slow disk takes so long for a first byte: below `first_byte_timeout`, above `hedge_after`.
    pub(super) slow_ms: u64,
}

/// A catalog's file is looked at once a second and read when it has stood for a second look.
pub(super) const CATALOG_LOOK_MS: u64 = 2_500;

impl Times {
    pub(super) fn of(pick: Pick) -> Self {
        match pick {
            Pick::Default => Self {
                pick,
                interval_ms: 2_000,
                timeout_ms: 1_000,
                fall: 3,
                rise: 2,
                stall_ms: 5_000,
                first_byte_ms: 3_000,
                positive_ttl_ms: 10_000,
                negative_ttl_ms: 5_000,
                slow_start_ms: 30_000,
                park_after_ms: 10_000,
                hedge_after_ms: 1_000,
                slack_ms: 1_000,
                settle_ms: 3_000,
                return_ms: 20_000,
                calm_ms: 2_000,
                longer_ms: 2_000,
                slow_ms: 2_000,
            },
            Pick::Short => Self {
                pick,
                interval_ms: 500,
                timeout_ms: 500,
                fall: 3,
                rise: 2,
                stall_ms: 1_500,
                first_byte_ms: 1_000,
                positive_ttl_ms: 2_000,
                negative_ttl_ms: 500,
                slow_start_ms: 2_000,
                park_after_ms: 2_000,
                hedge_after_ms: 500,
                slack_ms: 1_000,
                settle_ms: 1_000,
                return_ms: 10_000,
                calm_ms: 500,
                longer_ms: 800,
                slow_ms: 800,
            },
        }
    }

    /// For gates of tests, which have no times of their own.
    #[cfg(test)]
    pub(super) fn brief() -> Self {
        Self {
            interval_ms: 100,
            timeout_ms: 100,
            stall_ms: 200,
            settle_ms: 300,
            return_ms: 3_000,
            calm_ms: 100,
            slack_ms: 2_000,
            ..Self::of(Pick::Short)
        }
    }

    /// A node that stops answering gets no new viewer later than this: `interval + fall * timeout`.
    pub(super) fn bound_ms(&self) -> u64 {
        self.interval_ms + self.fall * self.timeout_ms
    }

    /// The longest silence that is promised in stream mode, the next node's first byte included.
    pub(super) fn silence_ms(&self) -> u64 {
        self.stall_ms + self.slack_ms
    }

    /// A node that drips is judged over three seconds of waiting, again and again; the first three may have begun when
    /// it was still well.
    pub(super) fn piece_ms(&self) -> u64 {
        2 * 3_000 + self.slack_ms
    }

    /// A viewer gives up when nothing came for so long: longer than anything promised.
    pub(super) fn patience_ms(&self) -> u64 {
        self.silence_ms().max(self.bound_ms()) + 2_000
    }

    /// The same for a piece.
    pub(super) fn piece_patience_ms(&self) -> u64 {
        self.piece_ms() + 2_000
    }

    /// One who was sent to a node gives up there.
    pub(super) fn node_patience_ms(&self) -> u64 {
        self.slow_ms + 1_000
    }

    /// The tables of the gate's configuration that say all this. `catalog`: a file.
    pub(super) fn tables(&self, catalog: Option<&str>) -> String {
        let mut text = format!("[presence]\npositive_ttl = \"{}ms\"\n", self.positive_ttl_ms);
        if self.pick == Pick::Short {
            // Writing to a String does not fail.
            let _ = write!(
                text,
                "negative_ttl = \"{}ms\"\n\n[health]\ninterval = \"{}ms\"\ntimeout = \"{}ms\"\nfall = {}\nrise = {}\n\
                 slow_start = \"{}ms\"\n\n[stream]\nstall_timeout = \"{}ms\"\nfirst_byte_timeout = \"{}ms\"\n\
                 hedge_after = \"{}ms\"\npark_after = \"{}ms\"\n",
                self.negative_ttl_ms,
                self.interval_ms,
                self.timeout_ms,
                self.fall,
                self.rise,
                self.slow_start_ms,
                self.stall_ms,
                self.first_byte_ms,
                self.hedge_after_ms,
                self.park_after_ms,
            );
        }
        if let Some(file) = catalog {
            let _ = write!(text, "\n[catalog]\nfile = \"{file}\"\n");
        }
        text
    }

    /// For the report.
    pub(super) fn told(&self) -> String {
        let s = |ms: u64| ms as f64 / 1000.0;
        format!(
            "health every {} s within {} s, {} up, {} down; stall_timeout {} s, first_byte_timeout {} s, hedge_after {} s, \
             park_after {} s; positive_ttl {} s, negative_ttl {} s",
            s(self.interval_ms),
            s(self.timeout_ms),
            self.rise,
            self.fall,
            s(self.stall_ms),
            s(self.first_byte_ms),
            s(self.hedge_after_ms),
            s(self.park_after_ms),
            s(self.positive_ttl_ms),
            s(self.negative_ttl_ms),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_fit_together() {
        for pick in [Pick::Default, Pick::Short] {
            let times = Times::of(pick);
            assert!(times.hedge_after_ms < times.slow_ms && times.slow_ms < times.first_byte_ms);
            assert!(times.timeout_ms <= times.interval_ms && times.negative_ttl_ms <= times.positive_ttl_ms);
            assert!(times.silence_ms() < times.patience_ms() && times.bound_ms() < times.patience_ms());
        }
        // README: 5 s by default.
        assert_eq!(Times::of(Pick::Default).bound_ms(), 5_000);
    }
}
