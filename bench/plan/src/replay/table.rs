//! A replay as text: Markdown.

use std::fmt::Write;

use super::report::{Example, ExampleSide, Histogram, NodeUse, Replay};
use crate::text::{count, one, share};

/// Ways that are listed.
const MOVES_MAX: usize = 30;
/// Nodes that are listed.
const NODES_MAX: usize = 30;

/// Writing to a String does not fail.
fn line(out: &mut String, text: &str) {
    let _ = writeln!(out, "{text}");
}

pub(super) fn text(replay: &Replay) -> String {
    let mut out = String::new();
    let than = if replay.against_log { "than the log says" } else { "than before" };
    let part = replay.move_count as f64 / replay.asks.max(1) as f64;
    line(
        &mut out,
        &format!(
            "# {} of {} asks go elsewhere {than} ({})\n",
            count(replay.move_count),
            count(replay.asks),
            share(part)
        ),
    );
    about(&mut out, replay);
    moves(&mut out, replay);
    if let Some(before) = &replay.before {
        nodes(&mut out, "before", before);
    }
    nodes(&mut out, "after", &replay.after);
    replay.examples.iter().for_each(|example| self::example(&mut out, example));
    remarks(&mut out, replay);
    out.trim_end().to_owned()
}

fn about(out: &mut String, replay: &Replay) {
    line(out, "| | |\n|---|---|");
    line(out, &format!("| lines | {} |", count(replay.lines)));
    line(out, &format!("| bad lines | {} |", count(replay.bad)));
    let passed: Vec<String> =
        replay.passed_over.iter().map(|(outcome, lines)| format!("{outcome} {}", count(*lines))).collect();
    line(
        out,
        &format!(
            "| passed over, by outcome | {} |",
            if passed.is_empty() { "none".to_owned() } else { passed.join(", ") }
        ),
    );
    line(out, &format!("| asks without an address | {} |", count(replay.without_address)));
    let more = if replay.groups_full { "more than " } else { "" };
    line(
        out,
        &format!(
            "| networks of viewers that move | {} of {more}{} |",
            count(replay.moved_groups),
            count(replay.groups)
        ),
    );
    let km = |km: &Histogram| [0.5, 0.9, 0.99].map(|part| count(km.at(part))).join(" / ");
    line(out, &format!("| km before, of those that move | {} |", km(&replay.km_before)));
    line(out, &format!("| km after | {} |", km(&replay.km_after)));
    line(out, &format!("| go farther | {} |", count(replay.farther)));
    replay.bad_examples.iter().for_each(|bad| line(out, &format!("\nBad line: {bad}")));
}

fn moves(out: &mut String, replay: &Replay) {
    if replay.moves.is_empty() {
        return;
    }
    line(
        out,
        "\n## Who goes where, and why\n\n| from | to | reason | asks | of all |\n|---|---|---|---|---|",
    );
    for way in replay.moves.iter().take(MOVES_MAX) {
        let part = way.asks as f64 / replay.asks.max(1) as f64;
        line(
            out,
            &format!(
                "| {} | {} | {} | {} | {} |",
                way.from,
                way.to,
                way.reason,
                count(way.asks),
                share(part)
            ),
        );
    }
    if replay.moves.len() > MOVES_MAX {
        let rest: u64 = replay.moves.iter().skip(MOVES_MAX).map(|way| way.asks).sum();
        line(out, &format!("| {} more ways | | | {} | |", replay.moves.len() - MOVES_MAX, count(rest)));
    }
}

fn nodes(out: &mut String, when: &str, nodes: &[NodeUse]) {
    line(
        out,
        &format!(
            "\n## Nodes {when}\n\n| node | asks | viewers, most | when | budget | share |\n|---|---|---|---|---|---|"
        ),
    );
    let mut order: Vec<&NodeUse> = nodes.iter().collect();
    order.sort_by(|a, b| b.share.total_cmp(&a.share));
    for node in order.into_iter().take(NODES_MAX) {
        let over = if node.most > u64::from(node.max_viewers) { " **over**" } else { "" };
        let cells = [
            node.id.clone(),
            count(node.asks),
            count(node.most),
            node.most_at.clone(),
            count(node.max_viewers.into()),
            format!("{}{over}", share(node.share)),
        ];
        line(out, &format!("| {} |", cells.join(" | ")));
    }
}

fn example(out: &mut String, example: &Example) {
    let Example { time, viewer, film, from, to, reason, logged, .. } = example;
    line(out, &format!("\n## {viewer} at {time}: {from} to {to}, {reason}\n"));
    line(out, &format!("Film {film}; by the log it was sent for the reason `{logged}`.\n"));
    if let Some(before) = &example.before {
        side(out, "Before", before);
        line(out, "");
    }
    side(out, "After", &example.after);
}

fn side(out: &mut String, when: &str, side: &ExampleSide) {
    let place = match (side.lat, side.lon) {
        (Some(lat), Some(lon)) => format!("{lat:.2},{lon:.2} ({})", side.place_from),
        _ => "unknown".to_owned(),
    };
    let country = side.country.as_deref().unwrap_or("unknown");
    line(out, &format!("{when}: `{}`, viewer at {place}, country {country}.\n", side.why));
    line(
        out,
        "| node | tier | km | cost ms | spread ms | score ms | dropped |\n|---|---|---|---|---|---|---|",
    );
    for node in &side.nodes {
        let km = node.distance_km.map_or_else(|| "unknown".to_owned(), one);
        let figures = [node.cost_ms, node.spread_ms, node.score_ms].map(one).join(" | ");
        line(
            out,
            &format!("| {} | {} | {km} | {figures} | {} |", node.id, node.tier, node.dropped.unwrap_or("")),
        );
    }
}

fn remarks(out: &mut String, replay: &Replay) {
    line(out, "\n## What this takes for granted\n");
    line(out, "- Every node is up, undrained, and holds every film: a log does not say who held what.");
    if replay.against_log {
        line(
            out,
            "- Lines that move for `was only_holder`, `was node_failed`, `was all_down` or `was load` were chosen by what no log tells.",
        );
    }
    line(
        out,
        &format!(
            "- A viewer (network and film) watches for {} minutes from its first ask on; budgets are compared with that.",
            replay.view_minutes
        ),
    );
    line(
        out,
        if replay.with_load {
            "- Nodes fill up by that count."
        } else {
            "- Nodes are idle: nobody is sent elsewhere because a node is full (`--with-load` fills them)."
        },
    );
    line(
        out,
        "- Addresses cut to their /24 or /56 choose as whole ones do, unless a database or a rule knows smaller networks.",
    );
    if replay.forgotten > 0 {
        line(
            out,
            &format!(
                "- {} asks counted as new viewers, because too many watched at once to tell them apart.",
                count(replay.forgotten)
            ),
        );
    }
}
