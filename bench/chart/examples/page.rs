//! A page with every kind of chart, to look at: `cargo run -p watchgate-chart --example page > page.html`.

use std::io::Write;

use watchgate_chart::{
    Arc, Bar, BarChart, Bubble, Colour, Fact, LineChart, Marker, Page, Series, Table, Unit, WorldMap,
};

const NODES: [(&str, f64, f64); 5] = [
    ("Frankfurt", 50.1, 8.7),
    ("New York", 40.7, -74.0),
    ("Singapore", 1.35, 103.8),
    ("São Paulo", -23.55, -46.6),
    ("Amsterdam", 52.4, 4.9),
];

fn main() -> std::io::Result<()> {
    let wave = |scale: f64, from: f64| -> Vec<(f64, f64)> {
        (0..120).map(f64::from).map(|at| (at, from + scale * (1.0 + (at / 9.0).sin()))).collect()
    };
    let latency = LineChart::new("Latency of the gate", Unit::Clock, Unit::Milliseconds)
        .note("From when a request was due to its answer; the axis is logarithmic")
        .log()
        .with(Series::new("p50", wave(0.3, 0.4)).note("most 1 ms"))
        .with(Series::new("p99", wave(3.0, 2.0)))
        .with(Series::new("p99.9", wave(30.0, 9.0)))
        .mark(60.0, "Frankfurt dies");
    let rate = LineChart::new("Requests", Unit::Clock, Unit::PerSecond)
        .with(Series::new("wanted", wave(50.0, 20.0)).dashed().colour(Colour::Muted))
        .with(Series::new("answered", wave(48.0, 20.0)))
        .limit(130.0, "budget");
    let stack = LineChart::new("Throughput by node", Unit::Clock, Unit::BytesPerSecond).stacked().wide();
    let stack = NODES.iter().enumerate().fold(stack, |chart, (index, (name, ..))| {
        chart.with(Series::new(*name, wave(2e6 * (index + 1) as f64, 1e6)))
    });
    let bars = BarChart::new("Load at the peak", Unit::Count)
        .part("usual", Colour::Nth(0))
        .part("moved here", Colour::Warn);
    let bars = NODES.iter().enumerate().fold(bars, |chart, (index, (name, ..))| {
        chart.with(Bar::of(*name, vec![100.0 * (index + 1) as f64, 80.0]).limit(420.0))
    });
    let mut map = WorldMap::new("Who went where")
        .note("Bubbles are viewers, in the colour of the node that served them");
    for (index, (name, lat, lon)) in NODES.into_iter().enumerate() {
        for step in 0..6_u32 {
            let angle = f64::from(step) * 1.1;
            let at = (lat + 12.0 * angle.sin(), lon + 25.0 * angle.cos());
            let (weight, note, colour) = (f64::from(step * step), format!("to {name}"), Colour::Nth(index));
            map = map.arc(Arc { from: at, to: (lat, lon), weight, note: note.clone(), colour });
            map = map.bubble(Bubble { lat: at.0, lon: at.1, weight, note, colour });
        }
        map = map.marker(Marker {
            lat,
            lon,
            label: name.to_owned(),
            note: "up".to_owned(),
            colour: Colour::Nth(index),
        });
    }
    let page = Page::new("Every kind of chart", "Made by an example, measured nowhere.")
        .verdict("As it should be", Colour::Good)
        .facts([
            Fact::new("12.3k/s", "requests").note("at the peak"),
            Fact::new("0", "wrong bytes").colour(Colour::Good),
            Fact::new("3", "errors").colour(Colour::Bad),
            Fact::new("1.2 ms", "p50"),
        ])
        .chart(map.figure())
        .heading("Times", "What viewers waited for.")
        .chart(latency.figure())
        .chart(rate.figure())
        .chart(stack.figure())
        .chart(bars.figure())
        .heading("Figures", "")
        .table(
            &Table::new(["node", "viewers", "share"])
                .row(["Frankfurt", "1,200", "43 %"])
                .row(["New York", "900", "31 %"]),
        )
        .code("[scenario]\nname = \"page\"");
    write!(std::io::stdout().lock(), "{}", page.html())
}
