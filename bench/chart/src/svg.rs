//! The little of SVG and HTML that charts are written with: escaped text, numbers without noise, figures with a legend.
//!
//! Absent on purpose: a document tree. Everything is written once, in order.

use std::fmt::Write;

use crate::colour::Colour;

/// A finished chart with its caption and legend, to be put on a [`Page`](crate::Page).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Figure {
    pub(crate) html: String,
    /// Takes the whole width of a page.
    pub(crate) wide: bool,
}

/// What stands around a drawing.
#[derive(Debug)]
pub(crate) struct Around<'a> {
    pub(crate) title: &'a str,
    pub(crate) note: &'a str,
    pub(crate) wide: bool,
    pub(crate) legend: Vec<Entry>,
}

/// A line of a legend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) label: String,
    pub(crate) note: String,
    pub(crate) colour: Colour,
    pub(crate) dashed: bool,
}

impl Figure {
    pub(crate) fn new(around: &Around<'_>, svg: &str) -> Self {
        let mut html = format!("<figure><figcaption><b>{}</b>", escaped(around.title));
        if !around.note.is_empty() {
            // Writing to a String does not fail, here and below.
            let _ = write!(html, "<span>{}</span>", escaped(around.note));
        }
        html.push_str("</figcaption>");
        html.push_str(svg);
        if !around.legend.is_empty() {
            html.push_str("<ul class=\"legend\">");
            for Entry { label, note, colour, dashed } in &around.legend {
                let class = if *dashed { " dashed" } else { "" };
                let _ = write!(html, "<li><i class=\"{}{class}\"></i>{}", colour.class(), escaped(label));
                if !note.is_empty() {
                    let _ = write!(html, " <small>{}</small>", escaped(note));
                }
                html.push_str("</li>");
            }
            html.push_str("</ul>");
        }
        html.push_str("</figure>\n");
        Self { html, wide: around.wide }
    }
}

/// Text as it may stand in HTML, between tags and in quotes.
pub(crate) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Of the other control characters HTML allows none.
            '\n' | '\t' => safe.push(letter),
            _ if letter.is_control() => safe.push('\u{fffd}'),
            _ => safe.push(letter),
        }
    }
    safe
}

/// A coordinate with one digit after the point.
pub(crate) fn n(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0")
        .map_or(text.clone(), |whole| if whole == "-0" { "0".into() } else { whole.into() })
}

/// `M x y L x y` for each run of points; `None` is a gap.
pub(crate) fn path(points: impl Iterator<Item = Option<(f64, f64)>>) -> String {
    let (mut path, mut open) = (String::new(), false);
    for point in points {
        if let Some((x, y)) = point {
            let _ = write!(path, "{}{} {}", if open { 'L' } else { 'M' }, n(x), n(y));
        }
        open = point.is_some();
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_break_out() {
        assert_eq!(escaped("<a href='x\"'>&\u{7}"), "&lt;a href=&#39;x&quot;&#39;&gt;&amp;\u{fffd}");
    }

    #[test]
    fn gaps_divide_paths() {
        let points = [Some((0.0, 1.0)), Some((1.04, -0.04)), None, Some((2.5, 3.0))];
        assert_eq!(path(points.into_iter()), "M0 1L1 0M2.5 3");
    }
}
