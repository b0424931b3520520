//! Lines over a continuous axis, usually time: side by side, or stacked as areas.
//!
//! Values that are no numbers are gaps. Points may be hovered over: the browser shows all values at that place. Absent
//! on purpose: smoothing and thinning; what is drawn is what was given.

use std::fmt::Write;

use crate::colour::Colour;
use crate::scale::Scale;
use crate::svg::{Around, Entry, Figure, escaped, n, path};
use crate::unit::Unit;

const RIGHT: f64 = 16.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = 30.0;
/// More places than this get no tooltips: nobody could hit them.
const TIPS_MAX: usize = 600;

/// One line, or one layer of a stack.
#[derive(Clone, Debug)]
pub struct Series {
    label: String,
    note: String,
    points: Vec<(f64, f64)>,
    colour: Option<Colour>,
    dashed: bool,
}

/// A chart of lines.
#[derive(Clone, Debug)]
pub struct LineChart {
    title: String,
    note: String,
    x: Unit,
    y: Unit,
    series: Vec<Series>,
    marks: Vec<(f64, String)>,
    limits: Vec<(f64, String)>,
    log: bool,
    stacked: bool,
    wide: bool,
}

/// Where things are drawn.
struct Plot {
    /// Room for the widest word beside the axis, in the larger type that phones get.
    left: f64,
    x: Scale,
    y: Scale,
    width: f64,
    height: f64,
}

impl Series {
    /// Points `(x, y)` in the order of `x`. A `y` that is no number is a gap.
    #[must_use]
    pub fn new(label: impl Into<String>, points: Vec<(f64, f64)>) -> Self {
        Self { label: label.into(), note: String::new(), points, colour: None, dashed: false }
    }

    /// In this colour instead of the next one.
    #[must_use]
    pub fn colour(mut self, colour: Colour) -> Self {
        self.colour = Some(colour);
        self
    }

    /// Dashed: wanted, allowed or expected rather than measured.
    #[must_use]
    pub fn dashed(mut self) -> Self {
        self.dashed = true;
        self
    }

    /// Some words in the legend, behind the label.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }
}

impl LineChart {
    /// An empty chart.
    #[must_use]
    pub fn new(title: impl Into<String>, x: Unit, y: Unit) -> Self {
        Self {
            title: title.into(),
            note: String::new(),
            x,
            y,
            series: Vec::new(),
            marks: Vec::new(),
            limits: Vec::new(),
            log: false,
            stacked: false,
            wide: false,
        }
    }

    /// A sentence below the title: what is to be seen, and how it was taken.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// One series more.
    #[must_use]
    pub fn with(mut self, series: Series) -> Self {
        self.series.push(series);
        self
    }

    /// Values on a logarithmic axis; those at or below 0 become gaps. A stack is never logarithmic.
    #[must_use]
    pub fn log(mut self) -> Self {
        self.log = true;
        self
    }

    /// Areas on top of each other. All series must have the same places `x`; gaps count as 0.
    #[must_use]
    pub fn stacked(mut self) -> Self {
        self.stacked = true;
        self
    }

    /// Over the whole width of the page.
    #[must_use]
    pub fn wide(mut self) -> Self {
        self.wide = true;
        self
    }

    /// A vertical line with a word: something happened there.
    #[must_use]
    pub fn mark(mut self, x: f64, label: impl Into<String>) -> Self {
        self.marks.push((x, label.into()));
        self
    }

    /// A horizontal line with a word: a goal or a limit.
    #[must_use]
    pub fn limit(mut self, y: f64, label: impl Into<String>) -> Self {
        self.limits.push((y, label.into()));
        self
    }

    /// The chart with caption and legend.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let entries = self.series.iter().enumerate().map(|(index, series)| Entry {
            label: series.label.clone(),
            note: series.note.clone(),
            colour: series.colour.unwrap_or(Colour::Nth(index)),
            dashed: series.dashed,
        });
        let mut legend: Vec<Entry> = entries.collect();
        if self.stacked {
            // As they lie: the uppermost first.
            legend.reverse();
        }
        let around = Around { title: &self.title, note: &self.note, wide: self.wide, legend };
        Figure::new(&around, &self.svg())
    }

    /// The drawing alone; of a wide one also a narrow twin, which the page shows on phones. Its colours and fonts are
    /// those of the page that it stands on.
    #[must_use]
    pub fn svg(&self) -> String {
        let layers = self.layers();
        if self.wide {
            let wide = self.drawn(&layers, "plot wide", 1200.0, 340.0, 12);
            return wide + &self.drawn(&layers, "plot twin", 600.0, 290.0, 6);
        }
        self.drawn(&layers, "plot", 600.0, 290.0, 6)
    }

    fn drawn(
        &self,
        layers: &[Vec<(f64, f64)>],
        class: &str,
        width: f64,
        height: f64,
        ticks: usize,
    ) -> String {
        let plot = self.plot(layers, width, height, ticks);
        let mut svg = format!(
            "<svg class=\"{class}\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">",
            escaped(&self.title)
        );
        self.write_grid(&plot, &mut svg);
        for (index, series) in self.series.iter().enumerate() {
            let class = series.colour.unwrap_or(Colour::Nth(index)).class();
            if self.stacked {
                write_area(&plot, layers.get(index.wrapping_sub(1)), &layers[index], class, &mut svg);
            } else {
                write_line(&plot, &layers[index], class, series.dashed, &mut svg);
            }
        }
        self.write_marks(&plot, &mut svg);
        self.write_tips(&plot, &mut svg);
        svg.push_str("</svg>");
        svg
    }

    /// What is drawn of each series: its points, or, stacked, the upper edge of its layer.
    fn layers(&self) -> Vec<Vec<(f64, f64)>> {
        if !self.stacked {
            return self.series.iter().map(|series| series.points.clone()).collect();
        }
        let mut below: Vec<f64> = Vec::new();
        let mut layer = |series: &Series| {
            below.resize(below.len().max(series.points.len()), 0.0);
            let edge = series.points.iter().zip(&mut below).map(|(&(x, y), below)| {
                *below += if y.is_finite() { y } else { 0.0 };
                (x, *below)
            });
            edge.collect()
        };
        self.series.iter().map(&mut layer).collect()
    }

    fn plot(&self, layers: &[Vec<(f64, f64)>], width: f64, height: f64, ticks: usize) -> Plot {
        let points = || layers.iter().flatten().copied();
        let (left, right) = ends(points().map(|(x, _)| x).chain(self.marks.iter().map(|(x, _)| *x)));
        let is_log = self.log && !self.stacked;
        let values = points().map(|(_, y)| y).chain(self.limits.iter().map(|(y, _)| *y));
        let (least, most) = ends(values.filter(|y| !is_log || *y > 0.0));
        let y = if is_log { Scale::log(least, most) } else { Scale::linear(least, most * 1.02, self.y, 5) };
        let longest = y.ticks.iter().map(|tick| self.y.text(*tick).chars().count()).max().unwrap_or(0);
        let x = match self.x {
            Unit::Clock => Scale::time(left, right, ticks),
            unit => Scale::between(left, right, unit, ticks),
        };
        Plot { left: 12.0 + 10.4 * longest as f64, x, y, width, height }
    }

    fn write_grid(&self, plot: &Plot, svg: &mut String) {
        let (left, right, bottom) = (plot.left, plot.width - RIGHT, plot.height - BOTTOM);
        for tick in &plot.y.ticks {
            let y = plot.y(*tick).unwrap_or(bottom);
            let text = self.y.text(*tick);
            // Writing to a String does not fail, here and below.
            let _ = write!(svg, "<path class=\"grid\" d=\"M{left} {}H{right}\"/>", n(y));
            let _ =
                write!(svg, "<text x=\"{}\" y=\"{}\" class=\"y\">{text}</text>", n(left - 8.0), n(y + 4.0));
        }
        let _ = write!(svg, "<path class=\"axis\" d=\"M{left} {bottom}H{right}\"/>");
        for tick in &plot.x.ticks {
            let Some(x) = plot.x(*tick) else { continue };
            let text = self.x.text(*tick);
            let _ = write!(svg, "<path class=\"axis\" d=\"M{} {bottom}v5\"/>", n(x));
            // The last word must not hang over the edge.
            let class = if x > right - 12.0 { "x last" } else { "x" };
            let at = if x > right - 12.0 { plot.width } else { x };
            let _ =
                write!(svg, "<text x=\"{}\" y=\"{}\" class=\"{class}\">{text}</text>", n(at), bottom + 20.0);
        }
    }

    fn write_marks(&self, plot: &Plot, svg: &mut String) {
        for (y, label) in &self.limits {
            let Some(y) = plot.y(*y) else { continue };
            let (left, right) = (plot.left, plot.width - RIGHT);
            let _ = write!(svg, "<path class=\"limit\" d=\"M{left} {}H{right}\"/>", n(y));
            let (y, label) = (n(y - 5.0), escaped(label));
            let _ = write!(svg, "<text x=\"{right}\" y=\"{y}\" class=\"note end\">{label}</text>");
        }
        for (index, (x, label)) in self.marks.iter().enumerate() {
            let Some(x) = plot.x(*x) else { continue };
            let _ = write!(svg, "<path class=\"mark\" d=\"M{} {TOP}V{}\"/>", n(x), plot.height - BOTTOM);
            // Neighbours in turn on three lines, so that their words stay apart.
            let y = TOP + 10.0 + 14.0 * (index % 3) as f64;
            let at_end = x > plot.width * 0.7;
            let (x, class) = if at_end { (x - 4.0, "note end") } else { (x + 4.0, "note") };
            let _ = write!(svg, "<text x=\"{}\" y=\"{y}\" class=\"{class}\">{}</text>", n(x), escaped(label));
        }
    }

    /// A strip for each place of the longest series that tells all values there.
    fn write_tips(&self, plot: &Plot, svg: &mut String) {
        let Some(longest) = self.series.iter().max_by_key(|series| series.points.len()) else { return };
        let count = longest.points.len();
        if !(1..=TIPS_MAX).contains(&count) {
            return;
        }
        let places: Vec<f64> = longest.points.iter().map(|(x, _)| plot.x(*x).unwrap_or(plot.left)).collect();
        let middle = |index: usize| f64::midpoint(places[index], places[index + 1]);
        for (index, (at, _)) in longest.points.iter().enumerate() {
            let from = if index == 0 { plot.left } else { middle(index - 1) };
            let to = if index + 1 == count { plot.width - RIGHT } else { middle(index) };
            let mut tip = self.x.text(*at);
            for series in &self.series {
                let here = series.points.iter().find(|(x, y)| (x - at).abs() < 1e-9 && y.is_finite());
                if let Some((_, y)) = here {
                    let _ = write!(tip, "\n{}: {}", series.label, self.y.text(*y));
                }
            }
            let _ = write!(
                svg,
                "<rect class=\"tip\" x=\"{}\" y=\"{TOP}\" width=\"{}\" height=\"{}\"><title>{}</title></rect>",
                n(from),
                n((to - from).max(0.0)),
                plot.height - TOP - BOTTOM,
                escaped(&tip)
            );
        }
    }
}

impl Plot {
    fn x(&self, value: f64) -> Option<f64> {
        Some(self.left + self.x.place(value)? * (self.width - self.left - RIGHT))
    }

    fn y(&self, value: f64) -> Option<f64> {
        Some(self.height - BOTTOM - self.y.place(value)? * (self.height - TOP - BOTTOM))
    }

    fn point(&self, (x, y): (f64, f64)) -> Option<(f64, f64)> {
        Some((self.x(x)?, self.y(y)?))
    }
}

fn write_line(plot: &Plot, points: &[(f64, f64)], class: &str, dashed: bool, svg: &mut String) {
    let line = path(points.iter().map(|point| plot.point(*point)));
    let dashed = if dashed { " dashed" } else { "" };
    let _ = write!(svg, "<path class=\"line {class}{dashed}\" d=\"{line}\"/>");
    // A point between two gaps has no line of its own.
    let is_gap = |index: usize| points.get(index).and_then(|point| plot.point(*point)).is_none();
    for (index, point) in points.iter().enumerate() {
        if let Some((x, y)) = plot.point(*point)
            && is_gap(index.wrapping_sub(1))
            && is_gap(index + 1)
        {
            let _ = write!(svg, "<circle class=\"dot {class}\" cx=\"{}\" cy=\"{}\" r=\"2\"/>", n(x), n(y));
        }
    }
}

fn write_area(
    plot: &Plot,
    below: Option<&Vec<(f64, f64)>>,
    edge: &[(f64, f64)],
    class: &str,
    svg: &mut String,
) {
    let ground =
        |index: usize, x: f64| below.and_then(|below| below.get(index)).map_or((x, 0.0), |&(_, y)| (x, y));
    let back = edge.iter().enumerate().rev().map(|(index, (x, _))| plot.point(ground(index, *x)));
    let area = path(edge.iter().map(|point| plot.point(*point)).chain(back));
    if !area.is_empty() {
        let _ = write!(svg, "<path class=\"area {class}\" d=\"{area}Z\"/>");
    }
}

/// The least and the greatest number; 0 and 1 if there is none.
fn ends(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let finite = values.filter(|value| value.is_finite());
    let ends = finite
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), value| (least.min(value), most.max(value)));
    if ends.0 <= ends.1 { ends } else { (0.0, 1.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[f64]) -> Vec<(f64, f64)> {
        values.iter().enumerate().map(|(index, value)| (index as f64, *value)).collect()
    }

    #[test]
    fn layers_lie_on_each_other() {
        let chart = LineChart::new("t", Unit::Clock, Unit::Count).stacked();
        let chart = chart
            .with(Series::new("a", points(&[1.0, 2.0])))
            .with(Series::new("b", points(&[3.0, f64::NAN])));
        assert_eq!(chart.layers(), [points(&[1.0, 2.0]), points(&[4.0, 2.0])]);
    }

    #[test]
    fn odd_data_give_a_drawing_all_the_same() {
        for values in [&[][..], &[f64::NAN], &[5.0], &[0.0, 0.0], &[f64::INFINITY, 1.0], &[-1.0, 1e12]] {
            for chart in [
                LineChart::new("<t>", Unit::Clock, Unit::Bytes),
                LineChart::new("<t>", Unit::Count, Unit::Milliseconds).log(),
                LineChart::new("<t>", Unit::Clock, Unit::Count).stacked().wide(),
            ] {
                let svg =
                    chart.with(Series::new("a&b", points(values))).mark(0.5, "<m>").limit(2.0, "goal").svg();
                assert!(svg.ends_with("</svg>") && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
                assert!(!svg.contains("<t>") && !svg.contains("<m>"), "{svg}");
            }
        }
    }

    #[test]
    fn a_value_is_told_where_it_stands() {
        let chart = LineChart::new("t", Unit::Clock, Unit::Milliseconds);
        let svg = chart
            .with(Series::new("p50", points(&[1.0, 2.0])))
            .with(Series::new("p99", points(&[f64::NAN, 9.0])))
            .svg();
        assert!(svg.contains("<title>0:00\np50: 1 ms</title>"), "{svg}");
        assert!(svg.contains("<title>0:01\np50: 2 ms\np99: 9 ms</title>"), "{svg}");
    }
}
