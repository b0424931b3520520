//! Looks at the gate and its nodes from outside: processor time, memory, the gate's own counters, the nodes' ones.
//!
//! Absent on purpose: anything that the gate would have to be told to count.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval};

use super::nodes::{Asked, Library};
use crate::process::{Server, Used};
use crate::{Failure, gate};

/// Between two looks at the memory.
const SAMPLE: Duration = Duration::from_millis(250);
/// After so many of them the access lines are forgotten: a long flood would fill the disk.
const SAMPLES_PER_LOG: usize = 4;
/// What memory may grow by in the second half of a flood: this part of it, and so many KiB.
const GROWTH: f64 = 0.05;
const GROWTH_KIB: f64 = 2048.0;

/// Everything at one moment.
#[derive(Debug)]
pub(super) struct Look {
    at: Instant,
    used: Used,
    asked: Asked,
    lookups: Lookups,
    films: Films,
}

/// What happened between two looks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Between {
    pub(super) took: Duration,
    /// Processor time of the gate, in nanoseconds.
    pub(super) used_ns: u64,
    pub(super) asked: Asked,
    pub(super) lookups: Lookups,
    /// At the end of it.
    pub(super) films: Films,
}

/// `watchgate_presence_lookups_total` by result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Lookups {
    pub(super) hit: u64,
    pub(super) miss: u64,
    pub(super) negative: u64,
}

/// `watchgate_presence_films` by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Films {
    pub(super) held: u64,
    pub(super) lacking: u64,
}

/// Resident memory of the gate that is no file's, in KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Memory {
    pub(super) start: i64,
    pub(super) middle: i64,
    pub(super) end: i64,
    pub(super) most: i64,
}

impl Look {
    /// # Errors
    /// The gate has ended, or does not show its metrics.
    pub(super) async fn now(gate: &Server, admin: SocketAddr, library: &Library) -> Result<Self, Failure> {
        let metrics = gate::told(admin, "/metrics").await;
        let metrics = metrics.ok_or_else(|| gate.misbehaved("does not show its metrics"))?;
        let known = counts(&metrics);
        let (lookups, films) = known.ok_or_else(|| gate.misbehaved("has no metrics of presence"))?;
        Ok(Self { at: Instant::now(), used: gate.used()?, asked: library.asked(), lookups, films })
    }

    /// What happened since an earlier look.
    pub(super) fn since(&self, earlier: &Self) -> Between {
        Between {
            took: self.at - earlier.at,
            used_ns: self.used.since(&earlier.used),
            asked: self.asked.since(&earlier.asked),
            lookups: Lookups {
                hit: self.lookups.hit - earlier.lookups.hit,
                miss: self.lookups.miss - earlier.lookups.miss,
                negative: self.lookups.negative - earlier.lookups.negative,
            },
            films: self.films,
        }
    }
}

impl Memory {
    /// Of at least one look, evenly spread.
    fn of(samples: &[i64]) -> Self {
        let [start, .., end] = *samples else {
            let only = samples.first().copied().unwrap_or_default();
            return Self { start: only, middle: only, end: only, most: only };
        };
        let most = samples.iter().copied().max().unwrap_or(end);
        Self { start, middle: samples[samples.len() / 2], end, most }
    }

    /// Whether it grew by more in the second half than chance explains.
    pub(super) fn grows(&self) -> bool {
        let middle = self.middle as f64;
        self.end as f64 > middle + middle * GROWTH + GROWTH_KIB
    }
}

/// Looks at the gate's memory until the work is done.
///
/// # Errors
/// As the work, or the gate has ended.
pub(super) async fn watched(
    gate: &Server,
    work: impl Future<Output = Result<(), Failure>>,
) -> Result<Memory, Failure> {
    let mut samples = Vec::new();
    let mut every = interval(SAMPLE);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut work = pin!(work);
    loop {
        tokio::select! {
            done = &mut work => {
                done?;
                samples.push(gate.anonymous_kib()?);
                return Ok(Memory::of(&samples));
            }
            _ = every.tick() => {
                samples.push(gate.anonymous_kib()?);
                if samples.len().is_multiple_of(SAMPLES_PER_LOG) {
                    gate.forget_log()?;
                }
            }
        }
    }
}

fn counts(metrics: &str) -> Option<(Lookups, Films)> {
    let of = |name: &str, label: &str, value: &str| {
        let series = format!("watchgate_presence_{name}{{{label}=\"{value}\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&series))?;
        line.trim().parse().ok()
    };
    let lookups = |result| of("lookups_total", "result", result);
    // A kind that was never there has no series.
    let films = |kind| of("films", "kind", kind).unwrap_or(0);
    Some((
        Lookups { hit: lookups("hit")?, miss: lookups("miss")?, negative: lookups("negative")? },
        Films { held: films("held"), lacking: films("lacking") },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gates_counters_are_read() {
        let text = "# TYPE watchgate_presence_films gauge\nwatchgate_presence_films{kind=\"held\"} 7\n\
                    watchgate_presence_lookups_total{result=\"hit\"} 3\n\
                    watchgate_presence_lookups_total{result=\"miss\"} 2\n\
                    watchgate_presence_lookups_total{result=\"negative\"} 1\n";
        let expected = (Lookups { hit: 3, miss: 2, negative: 1 }, Films { held: 7, lacking: 0 });
        assert_eq!(counts(text), Some(expected));
        assert_eq!(counts("watchgate_node_up{node=\"a\"} 1\n"), None);
    }

    #[test]
    fn growth_in_the_second_half_counts() {
        let check = |samples: &[i64], expected: bool| {
            let memory = Memory::of(samples);
            assert_eq!(memory.grows(), expected, "{memory:?}");
        };
        check(&[10_000], false);
        check(&[10_000, 90_000, 100_000, 101_000, 100_000], false);
        check(&[10_000, 90_000, 100_000, 150_000, 107_000], false);
        check(&[10_000, 90_000, 100_000, 105_000, 107_100], true);
        check(&[10_000, 1000, 1000, 3000, 3000], false);
        let memory = Memory::of(&[4, 9, 5, 6]);
        assert_eq!(memory, Memory { start: 4, middle: 5, end: 6, most: 9 });
    }
}
