//! A plan as a page with plots and maps.
//!
//! Absent on purpose: figures of its own; everything comes from the report.

use watchgate_chart::{
    Arc, Bar, BarChart, Bubble, Colour, Fact, LineChart, Marker, Page, Series, Table, Unit, WorldMap,
};

use super::report::{EventLine, NodeLine, Report};
use super::table::verdict;
use crate::text::{count, one, share};

/// Lines that a plot of nodes has.
const LINES: usize = 6;
/// Bars that a plot of nodes has.
const BARS: usize = 12;
/// Nodes that are named on a map.
const NAMED: usize = 12;
/// Points that a curve has at most.
const POINTS: usize = 400;

pub(super) fn html(report: &Report) -> String {
    let (about, peak) = (&report.about, &report.peak);
    let lede = format!(
        "{} nodes, {} mode. Viewers: {}. Demand: {}. Simulated with the gate's own choice and health machine, {}; seed {}.",
        count(about.nodes as u64),
        about.mode,
        about.mix,
        about.demand,
        if about.group == 1 {
            "every viewer by itself".to_owned()
        } else {
            format!("in groups of {} viewers", count(about.group))
        },
        about.seed
    );
    let bad = report.events.iter().chain(&report.what_ifs).find(|event| !event.holds || event.refused > 0);
    let page = Page::new(format!("A plan for {} viewers", count(peak.viewers)), lede);
    let page = match bad {
        Some(event) => {
            page.verdict(format!("{} at {}: {}", event.words, event.at, plain(&verdict(event))), Colour::Bad)
        }
        None if peak.over > 0 => {
            page.verdict(format!("{} nodes are beyond their budget at the peak", peak.over), Colour::Bad)
        }
        None => page.verdict("Budgets hold in everything that was tried.", Colour::Good),
    };
    let page = page
        .facts(facts(report))
        .chart(map(report).figure())
        .heading("The evening", "Everybody who wants to watch, and what each node carries of it.")
        .chart(viewers(report).figure())
        .chart(starts(report).figure())
        .chart(shares(report).figure())
        .chart(bars(report).figure());
    let page = report
        .events
        .iter()
        .chain(&report.what_ifs)
        .fold(page, |page, event| self::event(page, event, report));
    let page = page
        .heading("Gates", "")
        .table(&gates(report))
        .heading("Nodes", "Fullest first at the peak.")
        .table(&nodes(report));
    let page = if report.remarks.is_empty() { page } else { page.heading("Remarks", "") };
    report.remarks.iter().fold(page, Page::text).html()
}

fn plain(markdown: &str) -> String {
    markdown.replace("**", "")
}

fn facts(report: &Report) -> Vec<Fact> {
    let peak = &report.peak;
    let fullest = by_share(report).first().map_or(0.0, |node| node.share);
    let over = Fact::new(count(peak.over as u64), "nodes beyond their budget");
    let refused = Fact::new(count(peak.refusals), "refused").note("the whole time");
    let coloured = |fact: Fact, is_good: bool| fact.colour(if is_good { Colour::Good } else { Colour::Bad });
    vec![
        Fact::new(count(peak.viewers), "viewers").note(format!("at {}", peak.at)),
        Fact::new(gbit_s(peak.gbit_s), "nodes send")
            .note(format!("{} of all budgets", share(peak.viewers as f64 / peak.budget.max(1) as f64))),
        Fact::new(share(fullest), "the fullest node"),
        Fact::new(format!("{} km", one(peak.km.p50)), "to the node")
            .note(format!("p99 {} km", one(peak.km.p99))),
        coloured(over, peak.over == 0),
        coloured(refused, peak.refusals == 0),
        Fact::new(count(report.gates.gates), "gates")
            .note(format!("one to spare; {} decides", report.gates.bound)),
    ]
}

fn gbit_s(gbit_s: f64) -> String {
    if gbit_s < 1_000.0 { format!("{} Gbit/s", one(gbit_s)) } else { format!("{} Tbit/s", one(gbit_s / 1e3)) }
}

fn by_share(report: &Report) -> Vec<&NodeLine> {
    let mut nodes: Vec<&NodeLine> = report.nodes.iter().collect();
    nodes.sort_by(|a, b| b.share.total_cmp(&a.share));
    nodes
}

/// Green up to two thirds of the budget, then to be looked at, then full.
fn colour(share: f64) -> Colour {
    match share {
        share if share > 1.0 => Colour::Bad,
        share if share > 0.8 => Colour::Warn,
        _ => Colour::Good,
    }
}

fn map(report: &Report) -> WorldMap {
    let map = WorldMap::new("What each node carries at the peak")
        .note("Areas are viewers")
        .legend("up to 80 % of its budget", "", Colour::Good)
        .legend("up to all of it", "", Colour::Warn)
        .legend("beyond", "", Colour::Bad);
    let map = report.nodes.iter().fold(map, |map, node| {
        let note =
            format!("{}: {} viewers, {} of its budget", node.id, count(node.viewers), share(node.share));
        let colour = colour(node.share);
        map.bubble(Bubble { lat: node.lat, lon: node.lon, weight: node.viewers as f64, note, colour })
    });
    let mut largest: Vec<&NodeLine> = report.nodes.iter().collect();
    largest.sort_by_key(|node| std::cmp::Reverse(node.viewers));
    largest.into_iter().take(NAMED).fold(map, |map, node| map.marker(marker(node, Colour::Muted)))
}

fn marker(node: &NodeLine, colour: Colour) -> Marker {
    let words = format!("{} viewers, {} of its budget", count(node.viewers), share(node.share));
    Marker { lat: node.lat, lon: node.lon, label: node.id.clone(), note: words, colour }
}

fn marked(chart: LineChart, report: &Report) -> LineChart {
    report.events.iter().fold(chart, |chart, event| {
        let at: Option<crate::demand::At> = event.at.parse().ok();
        at.map_or(chart.clone(), |at| chart.mark(at.0 as f64 / 1e3, event.words.clone()))
    })
}

fn viewers(report: &Report) -> LineChart {
    let line = |of: fn(&super::report::Moment) -> u64| {
        report.moments.iter().map(|moment| (moment.at_s, of(moment) as f64)).collect()
    };
    let chart = LineChart::new("Viewers", Unit::Clock, Unit::Count)
        .with(Series::new("want to watch", line(|moment| moment.viewers)).dashed().colour(Colour::Muted))
        .with(Series::new("watch", line(|moment| moment.watching)))
        .limit(report.peak.budget as f64, "all budgets");
    marked(chart, report)
}

fn starts(report: &Report) -> LineChart {
    let starts = report.moments.iter().map(|moment| (moment.at_s, moment.starts_per_s)).collect();
    marked(LineChart::new("Starts", Unit::Clock, Unit::PerSecond).with(Series::new("starts", starts)), report)
}

fn shares(report: &Report) -> LineChart {
    let chart = LineChart::new("The fullest nodes over time", Unit::Clock, Unit::Percent)
        .note("Viewers as a part of the node's budget")
        .limit(1.0, "budget");
    let fullest = by_share(report).into_iter().take(LINES);
    let chart = fullest.fold(chart, |chart, node| {
        let at = report.nodes.iter().position(|other| other.id == node.id).unwrap_or_default();
        let of = |moment: &super::report::Moment| f64::from(moment.nodes[at]) / f64::from(node.max_viewers);
        chart.with(Series::new(
            node.id.clone(),
            report.moments.iter().map(|moment| (moment.at_s, of(moment))).collect(),
        ))
    });
    marked(chart, report)
}

fn bars(report: &Report) -> BarChart {
    let shown = by_share(report).into_iter().take(BARS);
    let chart =
        BarChart::new("At the peak, fullest first", Unit::Count).note("Viewers, and the budget as a limit");
    shown.fold(chart, |chart, node| {
        let bar = Bar::new(node.id.clone(), node.viewers as f64)
            .limit(node.max_viewers.into())
            .colour(colour(node.share));
        chart.with(bar)
    })
}

fn event(page: Page, event: &EventLine, report: &Report) -> Page {
    let page = page.heading(format!("{} at {}", event.words, event.at), plain(&verdict(event)));
    let chart = LineChart::new("Who takes over", Unit::Clock, Unit::Percent)
        .note("Part of the budget by time since the event, step by step: what swings here swings there")
        .limit(1.0, "budget");
    let step = event.close_up.len().div_ceil(POINTS).max(1);
    let chart = event.takers.iter().enumerate().fold(chart, |chart, (at, taker)| {
        let points = event.close_up.iter().step_by(step).map(|(s, shares)| (*s, shares[at])).collect();
        chart.with(Series::new(taker.id.clone(), points))
    });
    let bars = BarChart::new("Before, and taken over", Unit::Count)
        .note("Viewers, and the budget as a limit")
        .part("before", Colour::Nth(0))
        .part("taken over", Colour::Warn);
    let bars = event.takers.iter().fold(bars, |bars, taker| {
        let parts = vec![taker.before as f64, taker.after.saturating_sub(taker.before) as f64];
        bars.with(Bar::of(taker.id.clone(), parts).limit(taker.max_viewers.into()))
    });
    if !event.is_end {
        return page.chart(chart.figure()).chart(bars.figure());
    }
    page.facts(event_facts(event, report))
        .chart(ways(event, report).figure())
        .chart(chart.figure())
        .chart(bars.figure())
}

fn event_facts(event: &EventLine, report: &Report) -> Vec<Fact> {
    let is_stream = report.about.mode == "stream";
    let seen = event
        .seen_last_s
        .filter(|_| event.unseen == 0)
        .map_or("never".to_owned(), |s| format!("{} s", one(s)));
    vec![
        Fact::new(count(event.viewers), if is_stream { "viewers moved" } else { "viewers interrupted" }),
        Fact::new(seen, "until seen down").note(format!("promised {} s", one(report.about.down_within_s))),
        Fact::new(
            format!("{} s", one(event.waits_s.p50)),
            if is_stream { "late by" } else { "without a film" },
        )
        .note(format!("p99 {} s", one(event.waits_s.p99))),
        Fact::new(count(event.sent_to_dead), "answers that named a dead node"),
        Fact::new(format!("{} km", one(event.km_more.p50)), "farther")
            .note(format!("p99 {} km", one(event.km_more.p99))),
        Fact::new(share(event.swing), "swing at the end"),
    ]
}

fn ways(event: &EventLine, report: &Report) -> WorldMap {
    let node = |id: &str| report.nodes.iter().find(|node| node.id == id);
    let map = WorldMap::new("Where viewers go")
        .note("From the nodes that end to those that take over; wider is more viewers");
    let map = event.flows.iter().fold(map, |map, (from, to, viewers)| match (node(from), node(to)) {
        (Some(from), Some(to)) => map.arc(Arc {
            from: (from.lat, from.lon),
            to: (to.lat, to.lon),
            weight: *viewers as f64,
            note: format!("{} to {}: {} viewers", from.id, to.id, count(*viewers)),
            colour: Colour::Warn,
        }),
        _ => map,
    });
    let map = event
        .nodes
        .iter()
        .filter_map(|id| node(id))
        .take(NAMED)
        .fold(map, |map, node| map.marker(marker(node, Colour::Bad)));
    event
        .takers
        .iter()
        .filter_map(|taker| node(&taker.id))
        .fold(map, |map, node| map.marker(marker(node, Colour::Good)))
}

fn gates(report: &Report) -> Table {
    let gates = &report.gates;
    Table::new(["", ""])
        .texts()
        .row(["gates".to_owned(), format!("{}, one to spare", count(gates.gates))])
        .row(["decided by".to_owned(), gates.bound.to_owned()])
        .row(["redirects".to_owned(), format!("{}/s", one(gates.wanted.redirects_per_s))])
        .row(["busy cores, all gates".to_owned(), one(gates.busy_cores)])
        .row(["egress, all gates".to_owned(), format!("{} Gbit/s", one(gates.egress_gbit_s))])
        .row(["memory for viewers, all gates".to_owned(), format!("{} GiB", one(gates.memory_gib))])
}

fn nodes(report: &Report) -> Table {
    let head = ["node", "viewers", "budget", "share", "Gbit/s", "films", "km p50", "km p99", "most", "when"];
    by_share(report).into_iter().take(100).fold(Table::new(head), |table, node| {
        table.row([
            node.id.clone(),
            count(node.viewers),
            count(node.max_viewers.into()),
            share(node.share),
            one(node.gbit_s),
            count(node.films as u64),
            one(node.km.p50),
            one(node.km.p99),
            count(node.most),
            node.most_at.clone(),
        ])
    })
}
