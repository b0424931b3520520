//! A report as one HTML file: headings, figures in large type, charts, tables, text.
//!
//! It loads nothing and runs nothing: a policy in its head forbids both, so that even text from elsewhere that found a
//! way into it could do no harm. Absent on purpose: scripts.

use std::fmt::Write;

use crate::colour::{self, Colour};
use crate::svg::{Figure, escaped};
use crate::table::Table;

const STYLE: &str = include_str!("page.css");

/// A number in large type.
#[derive(Clone, Debug)]
pub struct Fact {
    value: String,
    label: String,
    note: String,
    colour: Option<Colour>,
}

/// A page that is being filled from top to bottom.
#[derive(Clone, Debug)]
pub struct Page {
    title: String,
    body: String,
    /// Charts that wait for their neighbours.
    row: Vec<Figure>,
}

impl Fact {
    /// A value and what it is.
    #[must_use]
    pub fn new(value: impl Into<String>, label: impl Into<String>) -> Self {
        Self { value: value.into(), label: label.into(), note: String::new(), colour: None }
    }

    /// Small words below.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// In a colour that says whether it is good.
    #[must_use]
    pub fn colour(mut self, colour: Colour) -> Self {
        self.colour = Some(colour);
        self
    }
}

impl Page {
    /// A page with a title and a sentence below it.
    #[must_use]
    pub fn new(title: impl Into<String>, lede: impl AsRef<str>) -> Self {
        let title = title.into();
        let body =
            format!("<h1>{}</h1>\n<p class=\"lede\">{}</p>\n", escaped(&title), escaped(lede.as_ref()));
        Self { title, body, row: Vec::new() }
    }

    /// A line that says how it went.
    #[must_use]
    pub fn verdict(mut self, text: impl AsRef<str>, colour: Colour) -> Self {
        self.flush();
        let (class, text) = (colour.class(), escaped(text.as_ref()));
        // Writing to a String does not fail, here and below.
        let _ = writeln!(self.body, "<p class=\"verdict {class}\">{text}</p>");
        self
    }

    /// Numbers in large type.
    #[must_use]
    pub fn facts(mut self, facts: impl IntoIterator<Item = Fact>) -> Self {
        self.flush();
        self.body.push_str("<ul class=\"facts\">");
        for Fact { value, label, note, colour } in facts {
            let class = colour.map_or("plain", Colour::class);
            let (value, label) = (escaped(&value), escaped(&label));
            let _ = write!(self.body, "<li class=\"{class}\"><b>{value}</b><span>{label}</span>");
            if !note.is_empty() {
                let _ = write!(self.body, "<small>{}</small>", escaped(&note));
            }
            self.body.push_str("</li>");
        }
        self.body.push_str("</ul>\n");
        self
    }

    /// A heading, with a sentence below it unless that is empty.
    #[must_use]
    pub fn heading(mut self, text: impl AsRef<str>, note: impl AsRef<str>) -> Self {
        self.flush();
        let _ = writeln!(self.body, "<h2>{}</h2>", escaped(text.as_ref()));
        if !note.as_ref().is_empty() {
            let _ = writeln!(self.body, "<p>{}</p>", escaped(note.as_ref()));
        }
        self
    }

    /// A paragraph.
    #[must_use]
    pub fn text(mut self, text: impl AsRef<str>) -> Self {
        self.flush();
        let _ = writeln!(self.body, "<p class=\"text\">{}</p>", escaped(text.as_ref()));
        self
    }

    /// A chart. Those that follow each other stand in two columns, if there is room; wide ones alone.
    #[must_use]
    pub fn chart(mut self, figure: Figure) -> Self {
        self.row.push(figure);
        self
    }

    /// A table.
    #[must_use]
    pub fn table(mut self, table: &Table) -> Self {
        self.flush();
        self.body.push_str(&table.html());
        self
    }

    /// Text as it is, such as a file.
    #[must_use]
    pub fn code(mut self, text: impl AsRef<str>) -> Self {
        self.flush();
        let _ = writeln!(self.body, "<pre>{}</pre>", escaped(text.as_ref()));
        self
    }

    /// The whole file.
    #[must_use]
    pub fn html(mut self) -> String {
        self.flush();
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
             <title>{}</title>\n<style>\n:root{{{}}}\n@media(prefers-color-scheme:dark){{:root{{{}}}}}\n{}\n{STYLE}</style></head>\n\
             <body><main>\n{}</main></body></html>\n",
            escaped(&self.title),
            colour::variables(false),
            colour::variables(true),
            colour::rules(),
            self.body
        )
    }

    fn flush(&mut self) {
        if self.row.is_empty() {
            return;
        }
        self.body.push_str("<div class=\"charts\">\n");
        for figure in self.row.drain(..) {
            let html = if figure.wide {
                figure.html.replacen("<figure>", "<figure class=\"wide\">", 1)
            } else {
                figure.html
            };
            self.body.push_str(&html);
        }
        self.body.push_str("</div>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LineChart, Series, Unit, WorldMap};

    fn full() -> String {
        let line = LineChart::new("Latency", Unit::Clock, Unit::Milliseconds);
        let line = line.with(Series::new("p50", vec![(0.0, 1.0), (1.0, 2.0)]));
        Page::new("A <b>run</b>", "of & for")
            .verdict("good", Colour::Good)
            .facts([Fact::new("5", "things").note("n").colour(Colour::Bad)])
            .heading("Times", "how long")
            .chart(line.figure())
            .chart(WorldMap::new("Where").figure())
            .table(&Table::new(["name", "count"]).row(["<a>", "1"]))
            .code("a = \"<script>\"")
            .text("end")
            .html()
    }

    #[test]
    fn a_page_loads_and_runs_nothing() {
        let html = full();
        for word in ["<script", "<link", "@import", "url(", "src=", "href=", "http://", "https://", "onload"]
        {
            assert!(!html.contains(word), "{word}");
        }
        assert!(html.contains("A &lt;b&gt;run&lt;/b&gt;") && html.contains("&lt;script&gt;"));
    }

    #[test]
    fn every_tag_is_closed() {
        let html = full();
        for tag in
            ["main", "ul", "li", "figure", "svg", "table", "tr", "td", "p", "div", "h2", "style", "pre"]
        {
            let opened =
                html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
            assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "{tag}");
        }
    }

    #[test]
    fn wide_charts_stand_alone() {
        assert_eq!(full().matches("<figure class=\"wide\">").count(), 1);
    }
}
