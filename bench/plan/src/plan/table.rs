//! A plan as text: Markdown, so that it can stand in a ticket as it is.
//!
//! Absent on purpose: every node of a large fleet. The fullest are shown; JSON has them all.

use std::fmt::Write;

use super::report::{EventLine, NodeLine, Report, Spread};
use crate::text::{count, one, share};

/// Nodes of a fleet that are listed.
const NODES_MAX: usize = 20;
/// Moments that are listed.
const MOMENTS: usize = 14;

pub(super) fn text(report: &Report) -> String {
    let mut out = String::new();
    about(&mut out, report);
    nodes(&mut out, &report.nodes);
    moments(&mut out, report);
    for event in &report.events {
        self::event(&mut out, event, report);
    }
    for event in &report.what_ifs {
        self::event(&mut out, event, report);
    }
    gates(&mut out, report);
    if !report.remarks.is_empty() {
        out.push_str("\n## Remarks\n\n");
        report.remarks.iter().for_each(|remark| line(&mut out, &format!("- {remark}")));
    }
    out.trim_end().to_owned()
}

/// Writing to a String does not fail.
fn line(out: &mut String, text: &str) {
    let _ = writeln!(out, "{text}");
}

fn about(out: &mut String, report: &Report) {
    let (about, peak) = (&report.about, &report.peak);
    line(out, &format!("# {} nodes at the peak of {}\n", count(about.nodes as u64), peak.at));
    line(
        out,
        &format!(
            "Mode {}; viewers: {}; demand: {}; seed {}.",
            about.mode, about.mix, about.demand, about.seed
        ),
    );
    let group = if about.group == 1 {
        "every viewer by itself".to_owned()
    } else {
        format!("in groups of {}", count(about.group))
    };
    line(out, &format!("Simulated {group}, behind {} gates.\n", count(about.gates)));
    line(out, "| at the peak | |\n|---|---|");
    line(out, &format!("| viewers | {} of {} that budgets allow |", count(peak.viewers), count(peak.budget)));
    line(out, &format!("| nodes send | {} Gbit/s |", one(peak.gbit_s)));
    line(out, &format!("| starts, at most | {}/s |", one(peak.starts_per_s)));
    line(out, &format!("| to the node, km | {} |", spread(&peak.km, 1.0)));
    line(out, &format!("| nodes beyond their budget | {} |", peak.over));
    line(out, &format!("| refused, the whole time | {} |", count(peak.refusals)));
    line(out, &format!("| a silent node is seen down within | {} s |", one(about.down_within_s)));
}

fn nodes(out: &mut String, nodes: &[NodeLine]) {
    let mut order: Vec<&NodeLine> = nodes.iter().collect();
    order.sort_by(|a, b| b.share.total_cmp(&a.share));
    let shown =
        if nodes.len() > NODES_MAX { format!("The {NODES_MAX} fullest nodes") } else { "Nodes".to_owned() };
    line(out, &format!("\n## {shown} at the peak, fullest first\n"));
    line(
        out,
        "| node | viewers | budget | share | Gbit/s | films | km p50 / p90 / p99 | most, when |\n|---|---|---|---|---|---|---|---|",
    );
    for node in order.into_iter().take(NODES_MAX) {
        let cells = [
            node.id.clone(),
            count(node.viewers),
            count(node.max_viewers.into()),
            share(node.share),
            one(node.gbit_s),
            count(node.films as u64),
            spread(&node.km, 1.0),
            format!("{}, {}", count(node.most), node.most_at),
        ];
        line(out, &format!("| {} |", cells.join(" | ")));
    }
}

fn moments(out: &mut String, report: &Report) {
    line(
        out,
        "\n## Over time\n\n| time | viewers | watching | starts/s | Gbit/s | fullest node | refused so far |\n|---|---|---|---|---|---|---|",
    );
    let step = report.moments.len().div_ceil(MOMENTS).max(1);
    for moment in report.moments.iter().skip(step - 1).step_by(step) {
        let of = |(at, viewers): (usize, &u32)| f64::from(*viewers) / f64::from(report.nodes[at].max_viewers);
        let shares: Vec<f64> = moment.nodes.iter().enumerate().map(of).collect();
        let fullest = (0..shares.len()).max_by(|a, b| shares[*a].total_cmp(&shares[*b]));
        let fullest =
            fullest.map_or_else(String::new, |at| format!("{} {}", report.nodes[at].id, share(shares[at])));
        let cells = [
            moment.at.clone(),
            count(moment.viewers),
            count(moment.watching),
            one(moment.starts_per_s),
            one(moment.gbit_s),
            fullest,
            count(moment.refusals),
        ];
        line(out, &format!("| {} |", cells.join(" | ")));
    }
}

fn event(out: &mut String, event: &EventLine, report: &Report) {
    line(out, &format!("\n## {} at {}\n", event.words, event.at));
    line(out, &format!("{}\n", verdict(event)));
    line(out, "| | |\n|---|---|");
    let seen = match (event.seen_first_s, event.seen_last_s) {
        (Some(first), Some(last)) if event.unseen == 0 => format!("{} to {} s", one(first), one(last)),
        (Some(first), _) => format!("from {} s on; {} nodes not at all", one(first), event.unseen),
        _ => "not at all".to_owned(),
    };
    if !event.is_end {
        line(out, &format!("| seen up again after | {seen} |"));
        return takers(out, event);
    }
    let (fate, moved) = if report.about.mode == "stream" {
        ("viewers moved in the middle of a film", "late by, s")
    } else {
        ("viewers interrupted", "without a film, s")
    };
    line(out, &format!("| seen down after | {seen} |"));
    line(out, &format!("| {fate} | {} |", count(event.viewers)));
    line(out, &format!("| of them watching again | {} |", count(event.back)));
    line(out, &format!("| {moved} | {} |", spread(&event.waits_s, 1.0)));
    line(out, &format!("| answers that named a dead node | {} |", count(event.sent_to_dead)));
    line(out, &format!("| answers that named nobody | {} |", count(event.refused)));
    line(out, &format!("| km before | {} |", spread(&event.km_before, 1.0)));
    line(out, &format!("| km after | {} |", spread(&event.km_after, 1.0)));
    line(out, &format!("| farther by, km | {} |", spread(&event.km_more, 1.0)));
    line(out, &format!("| farther by, ms | {} |", spread(&event.ms_more, 1.0)));
    line(out, &format!("| swing of a taker's load at the end | {} |", share(event.swing)));
    takers(out, event);
}

/// Whether budgets hold, in a sentence.
pub(super) fn verdict(event: &EventLine) -> String {
    if event.refused > 0 {
        return format!("**Not everybody is served**: {} answers named nobody.", count(event.refused));
    }
    match event.over.first() {
        None => "**Budgets hold.**".to_owned(),
        Some(fullest) if event.holds => {
            format!(
                "**Nothing new beyond its budget**; {} was there before ({}).",
                fullest.id,
                share(fullest.share)
            )
        }
        Some(_) => {
            let fullest = event.over.iter().max_by(|a, b| a.share.total_cmp(&b.share));
            let fullest =
                fullest.map_or_else(String::new, |node| format!("{} reaches {}", node.id, share(node.share)));
            format!("**Budgets do not hold**: {} nodes go beyond theirs, {fullest}.", event.over.len())
        }
    }
}

fn takers(out: &mut String, event: &EventLine) {
    line(out, "\n| who takes over | before | most after | budget | share |\n|---|---|---|---|---|");
    for taker in event.takers.iter().filter(|taker| taker.after > taker.before) {
        let cells = [
            taker.id.clone(),
            count(taker.before),
            count(taker.after),
            count(taker.max_viewers.into()),
            share(taker.share),
        ];
        line(out, &format!("| {} |", cells.join(" | ")));
    }
}

fn gates(out: &mut String, report: &Report) {
    let gates = &report.gates;
    line(out, &format!("\n## {} gates, one of them to spare\n", count(gates.gates)));
    line(out, "| | |\n|---|---|");
    line(out, &format!("| decided by | {} |", gates.bound));
    line(out, &format!("| redirects | {}/s |", one(gates.wanted.redirects_per_s)));
    line(out, &format!("| busy cores, all gates | {} |", one(gates.busy_cores)));
    line(out, &format!("| egress, all gates | {} Gbit/s |", one(gates.egress_gbit_s)));
    line(out, &format!("| memory for viewers, all gates | {} GiB |", one(gates.memory_gib)));
    let (machine, costs) = (&gates.machine, &gates.costs);
    line(
        out,
        &format!(
            "| reckoned with | {} cores used to {}, {} Gbit/s, {} GiB a gate; {} µs a redirect, {} s a GiB, {} + {} KiB a viewer |",
            one(machine.cores),
            share(machine.core_use),
            one(machine.gbit_s),
            one(machine.memory_gib),
            one(costs.redirect_us),
            costs.stream_s_per_gib,
            one(costs.viewer_kib),
            one(costs.viewer_kernel_kib),
        ),
    );
}

/// `p50 / p90 / p99`.
fn spread(spread: &Spread, by: f64) -> String {
    [spread.p50, spread.p90, spread.p99].map(|value| one(value * by)).join(" / ")
}
