//! Horizontal bars, one below the other: shares, counts and loads by name.
//!
//! A bar may consist of several parts, and may have a limit of its own. The chart grows with the number of bars. Absent
//! on purpose: vertical bars, whose names do not fit on a phone.

use std::fmt::Write;

use crate::colour::Colour;
use crate::scale::Scale;
use crate::svg::{Around, Entry, Figure, escaped, n};
use crate::unit::Unit;

const ROW: f64 = 30.0;
const TOP: f64 = 6.0;
const BOTTOM: f64 = 28.0;
const WIDTH: f64 = 600.0;
/// For a value behind the longest bar.
const RIGHT: f64 = 92.0;

/// One bar.
#[derive(Clone, Debug)]
pub struct Bar {
    label: String,
    parts: Vec<f64>,
    limit: Option<f64>,
    note: Option<String>,
    colour: Option<Colour>,
}

/// A chart of bars.
#[derive(Clone, Debug)]
pub struct BarChart {
    title: String,
    note: String,
    unit: Unit,
    parts: Vec<(String, Colour)>,
    bars: Vec<Bar>,
}

impl Bar {
    /// A bar of one value.
    #[must_use]
    pub fn new(label: impl Into<String>, value: f64) -> Self {
        Self::of(label, vec![value])
    }

    /// A bar of several parts, in the order of [`BarChart::part`].
    #[must_use]
    pub fn of(label: impl Into<String>, parts: Vec<f64>) -> Self {
        Self { label: label.into(), parts, limit: None, note: None, colour: None }
    }

    /// A mark across the bar: what it may reach.
    #[must_use]
    pub fn limit(mut self, limit: f64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// What stands behind the bar instead of its value.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// In this colour; for bars of one part.
    #[must_use]
    pub fn colour(mut self, colour: Colour) -> Self {
        self.colour = Some(colour);
        self
    }

    fn sum(&self) -> f64 {
        self.parts.iter().filter(|part| part.is_finite()).sum()
    }
}

impl BarChart {
    /// An empty chart.
    #[must_use]
    pub fn new(title: impl Into<String>, unit: Unit) -> Self {
        Self { title: title.into(), note: String::new(), unit, parts: Vec::new(), bars: Vec::new() }
    }

    /// A sentence below the title.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Names the next part of bars that have several, for the legend.
    #[must_use]
    pub fn part(mut self, label: impl Into<String>, colour: Colour) -> Self {
        self.parts.push((label.into(), colour));
        self
    }

    /// One bar more.
    #[must_use]
    pub fn with(mut self, bar: Bar) -> Self {
        self.bars.push(bar);
        self
    }

    /// The chart with caption and legend.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let entry = |(label, colour): &(String, Colour)| Entry {
            label: label.clone(),
            note: String::new(),
            colour: *colour,
            dashed: false,
        };
        let legend = self.parts.iter().map(entry).collect();
        let around = Around { title: &self.title, note: &self.note, wide: false, legend };
        Figure::new(&around, &self.svg())
    }

    /// The drawing alone. Its colours and fonts are those of the page that it stands on.
    #[must_use]
    pub fn svg(&self) -> String {
        let longest = self.bars.iter().map(|bar| bar.label.chars().count()).max().unwrap_or(0);
        // The larger type that phones get has room, too.
        let left = (longest as f64 * 10.8 + 14.0).clamp(60.0, 280.0);
        let height = TOP + ROW * self.bars.len() as f64 + BOTTOM;
        let most = self.bars.iter().map(|bar| bar.sum().max(bar.limit.unwrap_or(0.0)));
        let scale = Scale::linear(0.0, most.fold(0.0, f64::max), self.unit, 4);
        let x = |value: f64| left + scale.place(value).unwrap_or(0.0) * (WIDTH - left - RIGHT);
        let mut svg = format!(
            "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">",
            escaped(&self.title)
        );
        for tick in &scale.ticks {
            // Writing to a String does not fail, here and below.
            let (at, end) = (n(x(*tick)), height - BOTTOM);
            let _ = write!(svg, "<path class=\"grid\" d=\"M{at} {TOP}V{end}\"/>");
            let text = self.unit.text(*tick);
            let _ = write!(svg, "<text x=\"{at}\" y=\"{}\" class=\"x\">{text}</text>", end + 18.0);
        }
        for (index, bar) in self.bars.iter().enumerate() {
            self.write_bar(bar, TOP + ROW * index as f64, &x, &mut svg);
        }
        svg.push_str("</svg>");
        svg
    }

    fn write_bar(&self, bar: &Bar, top: f64, x: &impl Fn(f64) -> f64, svg: &mut String) {
        let (label, middle) = (escaped(&bar.label), top + ROW / 2.0 + 4.0);
        let _ = write!(svg, "<text x=\"0\" y=\"{middle}\" class=\"name\">{label}</text>");
        let mut sum = 0.0;
        for (index, part) in bar.parts.iter().enumerate().filter(|(_, part)| part.is_finite()) {
            let named = self.parts.get(index).map(|(_, colour)| *colour);
            let colour = bar.colour.or(named).unwrap_or(Colour::Nth(index));
            let what = self.parts.get(index).map_or(bar.label.as_str(), |(label, _)| label);
            let tip = escaped(&format!("{what}: {}", self.unit.text(*part)));
            let (from, to) = (x(sum), x(sum + part));
            let _ = write!(
                svg,
                "<rect class=\"bar {}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"2\"><title>{tip}</title></rect>",
                colour.class(),
                n(from),
                top + 6.0,
                n((to - from).max(0.0)),
                ROW - 12.0
            );
            sum += part;
        }
        if let Some(limit) = bar.limit {
            let _ = write!(svg, "<path class=\"limit\" d=\"M{} {}v{}\"/>", n(x(limit)), top + 2.0, ROW - 4.0);
        }
        let text = bar.note.clone().unwrap_or_else(|| self.unit.text(sum));
        let at = n(x(sum.max(bar.limit.unwrap_or(0.0))) + 7.0);
        let _ = write!(svg, "<text x=\"{at}\" y=\"{middle}\" class=\"value\">{}</text>", escaped(&text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_values() {
        let chart = BarChart::new("t", Unit::Count).with(Bar::new("a", 50.0)).with(Bar::new("b", 100.0));
        let svg = chart.svg();
        let widths: Vec<f64> = svg
            .split("<rect")
            .skip(1)
            .map(|rect| rect.split("width=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap())
            .collect();
        assert!((widths[1] / widths[0] - 2.0).abs() < 0.01, "{widths:?}");
    }

    #[test]
    fn odd_data_give_a_drawing_all_the_same() {
        let chart = BarChart::new("<t>", Unit::Bytes).part("<p>", Colour::Good).part("q", Colour::Bad);
        let chart =
            chart.with(Bar::of("<b>", vec![f64::NAN, 1.0])).with(Bar::of("", vec![]).limit(3.0).note("<n>"));
        let html = chart.figure().html;
        assert!(
            !html.contains("NaN") && !html.contains("<b><") && !html.contains("<p>") && !html.contains("<n>")
        );
        assert!(BarChart::new("empty", Unit::Count).svg().ends_with("</svg>"));
    }
}
