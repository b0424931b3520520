//! A run as a page: what viewers waited for, over time; what was wanted, sent and answered; who went where; what broke.
//!
//! Absent on purpose: figures that the report has not.

use std::collections::BTreeSet;
use std::fmt::Write;

use watchgate_chart::{
    Arc, Bar, BarChart, Bubble, Colour, Fact, LineChart, Marker, Page, Series, Table, Unit, WorldMap,
};

use super::report::{Cell, Quantiles, Report, SlotRow, word};

/// Cells that are drawn; the rest is a note.
const CELLS_MAX: usize = 600;
/// Nodes with a colour or a layer of their own; the rest is put together.
const NODES_SHOWN: usize = 7;

/// The page.
pub(super) fn html(report: &Report) -> String {
    let set_up = &report.set_up;
    let verdict = match report.complaints.first() {
        Some(complaint) => (complaint.clone(), Colour::Bad),
        None if report.errors > 0 => {
            (format!("{} errors, which is within what is allowed", report.errors), Colour::Warn)
        }
        None => ("No errors, and no wrong byte".to_owned(), Colour::Good),
    };
    let mut page =
        Page::new(format!("Load: {}", set_up.scenario), format!("{} {}", set_up.about, report.lede()))
            .verdict(verdict.0, verdict.1);
    for complaint in report.complaints.iter().skip(1) {
        page = page.verdict(complaint, Colour::Bad);
    }
    page = page.facts(facts(report));
    page = page.heading("Who went where", "").chart(map(report)).chart(by_node(report));
    if !set_up.resolve_only {
        page = page.chart(throughput(report));
    }
    page = page.heading(
        "What viewers waited for",
        "From the moment when a request was due by the schedule, however late it was sent.",
    );
    page = page.chart(latency(report, "To the gate's answer", |slot| slot.gate).figure());
    if !set_up.resolve_only {
        page = page.chart(latency(report, "To the first byte of the film", |slot| slot.first_byte).figure());
    }
    page = page.table(&times(report));
    page = page.heading("What was asked", "").chart(rate(report)).chart(viewers(report));
    page = page.heading("What went wrong", broken(report));
    if !report.faults.is_empty() {
        page = page.chart(errors(report)).chart(resumes(report)).table(&faults(report));
    }
    page.heading("How it was set up", "").table(&set_up_table(report)).code(&set_up.text).html()
}

fn facts(report: &Report) -> Vec<Fact> {
    let colour = |is_good| if is_good { Colour::Good } else { Colour::Bad };
    let requests: u64 = report.requests.iter().map(|row| row.due).sum();
    let answered: u64 = report.requests.iter().map(|row| row.answered).sum();
    let starts = report.requests.first().map_or(Quantiles::default(), |row| row.gate);
    let mut facts = vec![
        Fact::new(Unit::Count.text(report.viewers.came as f64), "viewers")
            .note(format!("{} at once", report.viewers.at_once_max)),
        Fact::new(Unit::Count.text(requests as f64), "requests to the gate")
            .note(format!("{} answered", Unit::Count.text(answered as f64))),
        Fact::new(Unit::Milliseconds.text(starts.p50_ms), "median answer to a start")
            .note(format!("p99 {}", Unit::Milliseconds.text(starts.p99_ms))),
        Fact::new(Unit::Count.text(report.errors as f64), "errors")
            .note(format!("{:.3} % of requests", report.error_share * 100.0))
            .colour(colour(report.error_share <= report.set_up.errors_max)),
    ];
    if !report.set_up.resolve_only {
        facts.extend([
            Fact::new(Unit::Bytes.text(report.bytes.read as f64), "of films read")
                .note(format!("{:.1} % checked by hash", report.bytes.checked_share * 100.0)),
            Fact::new(report.bytes.wrong_blocks.to_string(), "wrong blocks")
                .colour(colour(report.bytes.wrong_blocks == 0)),
            Fact::new(report.resumes.healed.to_string(), "breaks healed")
                .note(format!("{} films lost", report.resumes.lost)),
        ]);
    }
    facts
}

/// Nodes by what was sent to them; those with a colour of their own come first.
fn ranked(report: &Report) -> Vec<usize> {
    let mut ranked: Vec<usize> = (0..report.nodes.len()).collect();
    ranked.sort_by_key(|index| std::cmp::Reverse(report.nodes[*index].sent));
    ranked
}

fn colour(ranked: &[usize], node: usize) -> Colour {
    let rank = ranked.iter().position(|index| *index == node);
    rank.filter(|rank| *rank < NODES_SHOWN).map_or(Colour::Muted, Colour::Nth)
}

fn map(report: &Report) -> watchgate_chart::Figure {
    let ranked = ranked(report);
    let drawn = &report.map[..report.map.len().min(CELLS_MAX)];
    let left: u64 = report.map[drawn.len()..].iter().map(|cell| cell.requests).sum();
    let mut told =
        "Bubbles are viewers where their addresses are, in the colour of the node that they were sent to"
            .to_owned();
    if left > 0 {
        // Writing to a String does not fail.
        let _ = write!(told, "; {left} requests from places with few of them are not drawn");
    }
    let mut map = WorldMap::new("Viewers and their nodes").note(told);
    for Cell { lat, lon, node, requests } in drawn {
        let Some(to) = report.nodes.get(*node) else { continue };
        let (colour, words, weight) =
            (colour(&ranked, *node), format!("{requests} requests to {}", to.node), *requests as f64);
        if let Some(place) = to.lat_lon {
            map = map.arc(Arc { from: (*lat, *lon), to: place, weight, note: words.clone(), colour });
        }
        map = map.bubble(Bubble { lat: *lat, lon: *lon, weight, note: words, colour });
    }
    for index in &ranked {
        let node = &report.nodes[*index];
        let (colour, share) = (colour(&ranked, *index), format!("{:.1} % of requests", node.share * 100.0));
        if let Some((lat, lon)) = node.lat_lon {
            map = map.marker(Marker { lat, lon, label: node.node.clone(), note: share.clone(), colour });
        }
        if colour != Colour::Muted {
            map = map.legend(&node.node, share, colour);
        }
    }
    map.figure()
}

fn by_node(report: &Report) -> watchgate_chart::Figure {
    let ranked = ranked(report);
    let mut chart =
        BarChart::new("Requests by node", Unit::Percent).note("Share of all that the gate sent somewhere");
    for index in ranked.iter().take(20) {
        let node = &report.nodes[*index];
        let share = format!("{:.1} %", node.share * 100.0);
        chart = chart.with(Bar::new(&node.node, node.share).colour(colour(&ranked, *index)).note(share));
    }
    chart.figure()
}

fn throughput(report: &Report) -> watchgate_chart::Figure {
    let ranked = ranked(report);
    let mut chart = LineChart::new("Bytes of films that arrived", Unit::Clock, Unit::BytesPerSecond)
        .note("By node, on top of each other")
        .stacked();
    let of = |nodes: &[usize]| -> Vec<(f64, f64)> {
        let sum = |slot: &SlotRow| nodes.iter().filter_map(|node| slot.bytes_per_s.get(*node)).sum();
        report.slots.iter().map(|slot| (slot.at_s, sum(slot))).collect()
    };
    let (shown, rest) = ranked.split_at(ranked.len().min(NODES_SHOWN));
    for node in shown {
        chart =
            chart.with(Series::new(&report.nodes[*node].node, of(&[*node])).colour(colour(&ranked, *node)));
    }
    if !rest.is_empty() {
        chart = chart.with(Series::new(format!("{} more", rest.len()), of(rest)).colour(Colour::Muted));
    }
    chart.figure()
}

fn latency(report: &Report, title: &str, of: impl Fn(&SlotRow) -> Quantiles) -> LineChart {
    let line = |value: fn(&Quantiles) -> f64| -> Vec<(f64, f64)> {
        let point = |slot: &SlotRow| {
            let quantiles = of(slot);
            (slot.at_s, if quantiles.count == 0 { f64::NAN } else { value(&quantiles) })
        };
        report.slots.iter().map(point).collect()
    };
    LineChart::new(title, Unit::Clock, Unit::Milliseconds)
        .note(format!("By {} s, starts, seeks and resumes together", report.slot_s))
        .log()
        .with(Series::new("most", line(|quantiles| quantiles.max_ms)).colour(Colour::Muted).dashed())
        .with(Series::new("p99", line(|quantiles| quantiles.p99_ms)).colour(Colour::Nth(1)))
        .with(Series::new("p90", line(|quantiles| quantiles.p90_ms)).colour(Colour::Nth(2)))
        .with(Series::new("p50", line(|quantiles| quantiles.p50_ms)).colour(Colour::Nth(0)))
}

fn times(report: &Report) -> Table {
    let mut table = Table::new(["asked for", "until", "times", "p50", "p90", "p99", "p99.9", "most"]);
    let mut row = |what: String, until: &str, times: &Quantiles| {
        let ms = |value: f64| Unit::Milliseconds.text(value);
        if times.count > 0 {
            table = std::mem::replace(&mut table, Table::new([""])).row([
                what,
                until.to_owned(),
                times.count.to_string(),
                ms(times.p50_ms),
                ms(times.p90_ms),
                ms(times.p99_ms),
                ms(times.p999_ms),
                ms(times.max_ms),
            ]);
        }
    };
    for requests in &report.requests {
        row(word(requests.kind), "the gate's answer", &requests.gate);
        row(word(requests.kind), "the first byte", &requests.first_byte);
    }
    row("after a break".to_owned(), "the next byte", &report.resumes.silence);
    row("late: all".to_owned(), "sent", &report.late);
    table
}

fn rate(report: &Report) -> watchgate_chart::Figure {
    let line = |of: fn(&SlotRow) -> f64| -> Vec<(f64, f64)> {
        report.slots.iter().map(|slot| (slot.at_s, of(slot))).collect()
    };
    LineChart::new("Requests to the gate", Unit::Clock, Unit::PerSecond)
        .note("Those that were due, by the moment when they were; where lines part, something was late")
        .with(Series::new("wanted", line(|slot| slot.due_per_s)).colour(Colour::Muted).dashed())
        .with(Series::new("sent", line(|slot| slot.sent_per_s)).colour(Colour::Nth(1)))
        .with(Series::new("answered", line(|slot| slot.answered_per_s)).colour(Colour::Nth(0)))
        .figure()
}

fn viewers(report: &Report) -> watchgate_chart::Figure {
    let line: Vec<(f64, f64)> =
        report.slots.iter().map(|slot| (slot.at_s, f64::from(slot.viewers))).collect();
    LineChart::new("Viewers at once", Unit::Clock, Unit::Count)
        .note("Those who have come and not gone, paused ones among them")
        .with(Series::new("viewers", line))
        .figure()
}

fn broken(report: &Report) -> String {
    if report.faults.is_empty() {
        return "Nothing.".to_owned();
    }
    format!(
        "Each time that a viewer was let down counts, also when the film went on after it: {} errors, {} films that went \
         on, {} that did not. Who pauses for long may be let go; that is no error.",
        report.errors, report.resumes.healed, report.resumes.lost
    )
}

fn errors(report: &Report) -> watchgate_chart::Figure {
    let causes: BTreeSet<&String> = report.slots.iter().flat_map(|slot| slot.faults.keys()).collect();
    let mut chart = LineChart::new("By cause", Unit::Clock, Unit::Count)
        .note(format!("Times in each {} s", report.slot_s))
        .stacked();
    for cause in causes {
        let of = |slot: &SlotRow| (slot.at_s, f64::from(slot.faults.get(cause).copied().unwrap_or(0)));
        chart = chart.with(Series::new(cause, report.slots.iter().map(of).collect()));
    }
    chart.figure()
}

fn resumes(report: &Report) -> watchgate_chart::Figure {
    let line: Vec<(f64, f64)> =
        report.slots.iter().map(|slot| (slot.at_s, f64::from(slot.resumed))).collect();
    LineChart::new("Films that went on after a break", Unit::Clock, Unit::Count)
        .note(format!("Times in each {} s", report.slot_s))
        .with(Series::new("resumed", line).colour(Colour::Good))
        .figure()
}

fn faults(report: &Report) -> Table {
    let table = Table::new(["with", "cause", "times", ""]);
    report.faults.iter().fold(table, |table, fault| {
        let note = if fault.is_error { "error" } else { "no error" };
        table.row([fault.at.clone(), fault.cause.to_string(), fault.count.to_string(), note.to_owned()])
    })
}

fn set_up_table(report: &Report) -> Table {
    let set_up = &report.set_up;
    let films: Vec<String> =
        report.viewers.films.iter().map(|(end, count)| format!("{count} {}", word(end))).collect();
    let rows = [
        ("began", set_up.began.clone()),
        ("asked", set_up.targets.join(", ")),
        (
            "lasted",
            format!(
                "{:.1} s of {:.1} s{}",
                set_up.ran_s,
                set_up.wanted_s,
                if set_up.stopped_early { ", stopped early" } else { "" }
            ),
        ),
        (
            "viewers",
            format!(
                "at most {} at once; {} more found no room",
                set_up.viewers_max, report.viewers.not_started
            ),
        ),
        ("addresses", format!("{}, told by {}", set_up.database, set_up.viewer_header)),
        ("films", format!("{}, the bytes of {} known", set_up.films, set_up.films_with_blocks)),
        ("films ended", films.join(", ")),
        ("protocol", set_up.http.clone()),
        (
            "reading",
            if set_up.resolve_only {
                "no: the gate's answer was enough"
            } else {
                "yes, at the pace of each viewer"
            }
            .to_owned(),
        ),
        ("errors allowed", format!("{:.3} %", set_up.errors_max * 100.0)),
        ("seed", set_up.seed.to_string()),
        ("load generator", set_up.machine.clone()),
    ];
    rows.into_iter()
        .fold(Table::new(["", ""]).texts(), |table, (what, value)| table.row([what.to_owned(), value]))
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::{set_up, tally};
    use super::*;

    #[test]
    fn the_page_has_every_chart_and_loads_nothing() {
        let html = html(&Report::new(set_up(), &tally()));
        for part in [
            "Who went where",
            "To the gate&#39;s answer",
            "To the first byte of the film",
            "Viewers at once",
            "Films that went on after a break",
            "about &lt;it&gt;",
            "zipf = 1",
            "closed_in_pause",
            "allowed are 0.000 %",
        ] {
            assert!(html.contains(part), "{part}");
        }
        assert!(!html.contains("NaN") && !html.contains("<script"));
    }

    #[test]
    fn a_run_that_only_resolves_has_no_bytes() {
        let mut report = Report::new(set_up(), &tally());
        report.set_up.resolve_only = true;
        let html = html(&report);
        assert!(!html.contains("first byte of the film") && !html.contains("Bytes of films"));
    }
}
