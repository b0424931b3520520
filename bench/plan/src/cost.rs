//! How many gates it takes: what one redirect and one gibibyte cost, times what viewers want.
//!
//! The stated costs are those of bench/README.md, measured on one machine; `--costs` takes the reader's own. Absent on
//! purpose: what nodes can serve. That is what their budgets say.

use serde::{Deserialize, Serialize};

/// Of a gate's memory and network no more than this is planned with.
const USE_OF_LINK: f64 = 0.8;

/// What a gate spends. Any of it may be left out of a file; the usual then holds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Costs {
    /// Processor time of one redirect, in microseconds.
    pub redirect_us: f64,
    /// Processor time of one GiB streamed to viewers with a pace, in seconds.
    pub stream_s_per_gib: f64,
    /// The gate's own memory for one streamed viewer, in KiB.
    pub viewer_kib: f64,
    /// The kernel's for its connections, in KiB.
    pub viewer_kernel_kib: f64,
}

impl Default for Costs {
    fn default() -> Self {
        Self { redirect_us: 18.0, stream_s_per_gib: 0.8, viewer_kib: 36.0, viewer_kernel_kib: 786.0 }
    }
}

impl Costs {
    /// Reads a JSON object.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &str) -> Result<Self, String> {
        let costs: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let all = [costs.redirect_us, costs.stream_s_per_gib, costs.viewer_kib, costs.viewer_kernel_kib];
        if all.iter().all(|cost| cost.is_finite() && *cost >= 0.0) {
            Ok(costs)
        } else {
            Err("a cost is below 0".to_owned())
        }
    }
}

/// One gate.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Machine {
    /// Processor cores.
    pub cores: f64,
    /// The part of them that is planned with, 0 to 1.
    pub core_use: f64,
    /// Its link, in Gbit/s.
    pub gbit_s: f64,
    /// Its memory, in GiB.
    pub memory_gib: f64,
}

/// What viewers want of all gates at the peak.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Wanted {
    /// Redirects a second.
    pub redirects_per_s: f64,
    /// What they stream, in Gbit/s.
    pub gbit_s: f64,
    /// Viewers who stream at once.
    pub viewers: f64,
}

/// How many gates.
#[derive(Clone, Debug, Serialize)]
pub struct Gates {
    /// The one to spare included.
    pub gates: u64,
    /// What decides: `processor`, `network` or `memory`.
    pub bound: &'static str,
    /// Cores that are busy at the peak, of all gates together.
    pub busy_cores: f64,
    /// Of all gates together.
    pub memory_gib: f64,
    /// Leaves all gates towards viewers.
    pub egress_gbit_s: f64,
    /// What was planned for.
    pub wanted: Wanted,
    /// One gate.
    pub machine: Machine,
    /// What was reckoned with.
    pub costs: Costs,
}

/// So many gates, one to spare.
#[must_use]
pub fn gates(wanted: Wanted, machine: Machine, costs: Costs) -> Gates {
    let gib_s = wanted.gbit_s * 1e9 / 8.0 / f64::from(1 << 30);
    let busy_cores = wanted.redirects_per_s * costs.redirect_us / 1e6 + gib_s * costs.stream_s_per_gib;
    let memory_gib = wanted.viewers * (costs.viewer_kib + costs.viewer_kernel_kib) / f64::from(1 << 20);
    let needs = [
        ("processor", busy_cores / (machine.cores * machine.core_use)),
        ("network", wanted.gbit_s / (machine.gbit_s * USE_OF_LINK)),
        ("memory", memory_gib / (machine.memory_gib * USE_OF_LINK)),
    ];
    let more =
        |most: (&'static str, f64), need: &(&'static str, f64)| if need.1 > most.1 { *need } else { most };
    let (bound, need) = needs.iter().fold(needs[0], more);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a count of machines, saturating"
    )]
    let needed = need.ceil().max(1.0) as u64;
    let egress_gbit_s = wanted.gbit_s;
    Gates {
        gates: needed.saturating_add(1),
        bound,
        busy_cores,
        memory_gib,
        egress_gbit_s,
        wanted,
        machine,
        costs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: Machine = Machine { cores: 2.0, core_use: 0.5, gbit_s: 10.0, memory_gib: 8.0 };

    fn check(redirects_per_s: f64, gbit_s: f64, viewers: f64, expected: &str) {
        let wanted = Wanted { redirects_per_s, gbit_s, viewers };
        let gates = gates(wanted, MACHINE, Costs::default());
        assert_eq!(format!("{} {}", gates.gates, gates.bound), expected);
    }

    #[test]
    fn the_scarcest_decides_and_one_is_spare() {
        check(0.0, 0.0, 0.0, "2 processor");
        check(50_000.0, 0.0, 0.0, "2 processor");
        check(60_000.0, 0.0, 0.0, "3 processor");
        check(0.0, 80.0, 0.0, "11 network");
        // 80,000 viewers at 822 KiB are 62.7 GiB; a gate takes 6.4.
        check(0.0, 8.0, 80_000.0, "11 memory");
    }

    #[test]
    fn costs_are_read_and_may_be_partial() {
        assert_eq!(Costs::read("{}"), Ok(Costs::default()));
        assert_eq!(Costs::read("{\"redirect_us\": 9}").map(|costs| costs.redirect_us), Ok(9.0));
        assert!(Costs::read("{\"redirect\": 9}").unwrap_err().contains("unknown field `redirect`"));
        assert!(Costs::read("{\"redirect_us\": -1}").is_err());
    }
}
