//! The report of the memory measurement, for people and as JSON. All figures are per viewer.

use std::fmt::{self, Write};

use serde::Serialize;

use super::held::Kind;
use super::own::Own;
use super::sockets::Legs;
use crate::peers::{Peer, Unmeasured};
use crate::run;

/// KiB of the gate's own memory that an idle connection may cost.
pub(crate) const GOAL_IDLE: f64 = 32.0;
/// The same for a slow or paused viewer.
pub(crate) const GOAL_WATCHING: f64 = 64.0;
/// KiB of the kernel's memory that a slow or paused viewer may cost, on both legs together.
const GOAL_KERNEL: f64 = 1024.0;

/// One proxy with one kind of viewers at one moment.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    name: &'static str,
    kind: Kind,
    viewers: u32,
    /// Seconds after the last viewer has come to its state.
    seconds: u64,
    /// Growth of the process by viewer, in KiB, private and dirty.
    own_kib: f64,
    /// Only the gate has goals.
    own_goal_kib: Option<f64>,
    /// The same of everything resident.
    resident_kib: f64,
    /// Memory of the sockets by viewer, in KiB.
    kernel_viewer_leg_kib: f64,
    kernel_node_leg_kib: f64,
    kernel_kib: f64,
    kernel_goal_kib: Option<f64>,
    /// In all, not by viewer.
    own_growth_kib: Own,
    sockets: Legs,
    /// TCP memory of the machine as a part of where the kernel begins to save.
    tcp_pressure: f64,
}

/// A whole run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(super) machine: String,
    pub(super) load: String,
    pub(super) rows: Vec<Row>,
    pub(crate) unmeasured: Vec<Unmeasured>,
}

impl Report {
    /// What the gate's process takes for a viewer of this kind at each look, in KiB.
    pub(crate) fn gate_kib(&self, kind: Kind) -> impl Iterator<Item = f64> {
        let rows = self.rows.iter().filter(move |row| row.kind == kind && row.name == Peer::Gate.name());
        rows.map(|row| row.own_kib)
    }

    /// All of it but the machine and what could not be measured.
    pub(crate) fn body(&self) -> String {
        let mut text = format!("{}\n\n", self.load);
        text.push_str(
            "| proxy | viewers | after | own KiB | goal | resident KiB | kernel KiB | goal | to viewer + to node | \
             node connections |\n|---|---|---|---|---|---|---|---|---|---|\n",
        );
        for row in &self.rows {
            // Writing to a String does not fail.
            let _ = writeln!(
                text,
                "| {} | {} {} | {} s | {:.1} | {} | {:.1} | {:.1} | {} | {:.1} + {:.1} | {} |",
                row.name,
                row.viewers,
                row.kind.name(),
                row.seconds,
                row.own_kib,
                against(row.own_kib, row.own_goal_kib),
                row.resident_kib,
                row.kernel_kib,
                against(row.kernel_kib, row.kernel_goal_kib),
                row.kernel_viewer_leg_kib,
                row.kernel_node_leg_kib,
                row.sockets.node.sockets,
            );
        }
        text.push_str(
            "\nBy viewer: growth of what is private and dirty, and what sockets hold on both legs.",
        );
        if let Some(most) = self.rows.iter().map(|row| row.tcp_pressure).reduce(f64::max) {
            let _ = write!(text, " TCP memory of the machine: at most {most:.2} of where the kernel saves.");
            if most >= 1.0 {
                text.push_str(
                    " IT SAVED: kernel figures would be greater with fewer viewers or a greater tcp_mem.",
                );
            }
        }
        text
    }
}

impl Row {
    pub(super) fn new(
        peer: Peer,
        kind: Kind,
        seconds: u64,
        viewers: u32,
        own: Own,
        sockets: Legs,
        tcp_pressure: f64,
    ) -> Self {
        let each = |kib: f64| kib / f64::from(viewers);
        let leg = |bytes: u64| each(bytes as f64 / 1024.0);
        let (viewer_leg, node_leg) = (leg(sockets.viewers.bytes()), leg(sockets.node.bytes()));
        let gate = peer == Peer::Gate;
        Self {
            name: peer.name(),
            kind,
            viewers,
            seconds,
            own_kib: each(own.private_dirty as f64),
            own_goal_kib: gate.then_some(if kind == Kind::Idle { GOAL_IDLE } else { GOAL_WATCHING }),
            resident_kib: each(own.resident as f64),
            kernel_viewer_leg_kib: viewer_leg,
            kernel_node_leg_kib: node_leg,
            kernel_kib: viewer_leg + node_leg,
            kernel_goal_kib: (gate && kind != Kind::Idle).then_some(GOAL_KERNEL),
            own_growth_kib: own,
            sockets,
            tcp_pressure,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (own, kernel) = (self.own_kib, self.kernel_kib);
        write!(to, "after {} s: {own:.1} KiB own, {kernel:.1} KiB kernel by viewer", self.seconds)
    }
}

impl run::Report for Report {
    fn table(&self) -> String {
        let mut text = format!("{}\n{}", self.machine, self.body());
        for one in &self.unmeasured {
            let _ = write!(text, "\n{one}");
        }
        text
    }

    fn is_whole(&self) -> bool {
        self.unmeasured.iter().all(Unmeasured::is_skipped)
    }
}

/// A goal, if there is one, and whether a figure keeps to it.
fn against(figure: f64, goal: Option<f64>) -> String {
    let Some(goal) = goal else { return "-".to_owned() };
    format!("{goal} {}", if figure <= goal { "met" } else { "missed" })
}

#[cfg(test)]
mod tests {
    use super::super::sockets::Leg;
    use super::*;
    use crate::run::Report as _;

    #[test]
    fn figures_are_by_viewer_and_judged() {
        let leg = |sockets: u64, kib: u64| Leg { sockets, send: kib << 10, ..Leg::default() };
        let legs = Legs { viewers: leg(10, 9000), node: leg(4, 2000) };
        let own = Own { private_dirty: 500, resident: 700 };
        let row = Row::new(Peer::Gate, Kind::Paused, 3, 10, own, legs, 1.5);
        let (machine, load) = ("m".to_owned(), "l".to_owned());
        let table = Report { machine, load, rows: vec![row], unmeasured: Vec::new() }.table();
        let expected = "| gate | 10 paused after 4 MiB | 3 s | 50.0 | 64 met | 70.0 | 1100.0 | 1024 missed | 900.0 + 200.0 | 4 |";
        assert!(table.contains(expected) && table.contains("IT SAVED"), "{table}");
    }
}
