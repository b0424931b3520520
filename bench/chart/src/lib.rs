//! Charts for reports: data in, inline SVG out, and a page that holds them.
//!
//! A [`Page`] is one HTML file without scripts, fonts or anything else from elsewhere; it is light or dark as its
//! reader's system is, and reads on a phone. Every function is pure: the same data give the same text. Absent on
//! purpose: interaction beyond the browser's own tooltips, and any opinion about what is measured.
//!
//! ```
//! use watchgate_chart::{LineChart, Page, Series, Unit};
//!
//! let p50 = Series::new("p50", vec![(0.0, 1.2), (1.0, 1.4), (2.0, f64::NAN), (3.0, 1.1)]);
//! let latency = LineChart::new("Latency", Unit::Clock, Unit::Milliseconds).with(p50).log();
//! let html = Page::new("A run", "three seconds").chart(latency.figure()).html();
//! assert!(html.starts_with("<!doctype html>") && html.contains("<svg"));
//! ```

mod bars;
mod colour;
mod line;
mod map;
mod page;
mod scale;
mod svg;
mod table;
mod unit;

pub use bars::{Bar, BarChart};
pub use colour::Colour;
pub use line::{LineChart, Series};
pub use map::{Arc, Bubble, Marker, WorldMap};
pub use page::{Fact, Page};
pub use svg::Figure;
pub use table::Table;
pub use unit::Unit;
