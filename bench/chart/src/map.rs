//! A map of the world: land, places of nodes, viewers as bubbles, and who went where as arcs.
//!
//! Longitude and latitude are taken as x and y, from 84 degrees north to 60 south. Arcs follow great circles. The land
//! is `land.path`, made from Natural Earth by `examples/land.rs`. Absent on purpose: borders.

use std::fmt::Write;

use crate::colour::Colour;
use crate::svg::{Around, Entry, Figure, escaped, n, path};

/// Land as an SVG path in tenths of a degree. Natural Earth 1:110m, public domain; see README.md.
const LAND: &str = include_str!("land.path");
/// More places than this get no names: nobody could read them.
const NAMES_MAX: usize = 40;
/// Straight pieces of an arc.
const STEPS: u32 = 24;

/// A place with a name, such as a node. Degrees.
#[derive(Clone, Debug)]
pub struct Marker {
    /// North of the equator.
    pub lat: f64,
    /// East of Greenwich.
    pub lon: f64,
    /// Its name.
    pub label: String,
    /// Further words for the tooltip.
    pub note: String,
    /// What it is drawn in.
    pub colour: Colour,
}

/// An amount at a place, drawn as an area. Degrees.
#[derive(Clone, Debug)]
pub struct Bubble {
    /// North of the equator.
    pub lat: f64,
    /// East of Greenwich.
    pub lon: f64,
    /// Its area is in proportion to this.
    pub weight: f64,
    /// Words for the tooltip.
    pub note: String,
    /// What it is drawn in.
    pub colour: Colour,
}

/// Something that goes from one place to another, `(lat, lon)` each, in degrees.
#[derive(Clone, Debug)]
pub struct Arc {
    /// Where it begins.
    pub from: (f64, f64),
    /// Where it ends.
    pub to: (f64, f64),
    /// Its width grows with this.
    pub weight: f64,
    /// Words for the tooltip.
    pub note: String,
    /// What it is drawn in.
    pub colour: Colour,
}

/// A map.
#[derive(Clone, Debug)]
pub struct WorldMap {
    title: String,
    note: String,
    markers: Vec<Marker>,
    bubbles: Vec<Bubble>,
    arcs: Vec<Arc>,
    legend: Vec<Entry>,
}

impl WorldMap {
    /// An empty map.
    #[must_use]
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            note: String::new(),
            markers: Vec::new(),
            bubbles: Vec::new(),
            arcs: Vec::new(),
            legend: Vec::new(),
        }
    }

    /// A sentence below the title.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// One marker more.
    #[must_use]
    pub fn marker(mut self, marker: Marker) -> Self {
        self.markers.push(marker);
        self
    }

    /// One bubble more.
    #[must_use]
    pub fn bubble(mut self, bubble: Bubble) -> Self {
        self.bubbles.push(bubble);
        self
    }

    /// One arc more.
    #[must_use]
    pub fn arc(mut self, arc: Arc) -> Self {
        self.arcs.push(arc);
        self
    }

    /// A line of the legend. Names of nodes belong there, too: the map shows none on a phone.
    #[must_use]
    pub fn legend(mut self, label: impl Into<String>, note: impl Into<String>, colour: Colour) -> Self {
        self.legend.push(Entry { label: label.into(), note: note.into(), colour, dashed: false });
        self
    }

    /// The map with caption and legend, over the whole width of a page.
    #[must_use]
    pub fn figure(&self) -> Figure {
        let around = Around { title: &self.title, note: &self.note, wide: true, legend: self.legend.clone() };
        Figure::new(&around, &self.svg())
    }

    /// The drawing alone. Its colours and fonts are those of the page that it stands on.
    #[must_use]
    pub fn svg(&self) -> String {
        let mut svg = format!(
            "<svg class=\"map\" viewBox=\"-1800 -840 3600 1440\" role=\"img\" aria-label=\"{}\">\
             <path class=\"graticule\" d=\"{}\"/><path class=\"land\" d=\"{}\"/>",
            escaped(&self.title),
            graticule(),
            LAND.trim_end()
        );
        let heaviest = self.arcs.iter().map(|arc| arc.weight).fold(0.0, f64::max);
        for arc in &self.arcs {
            let part = if heaviest > 0.0 { (arc.weight / heaviest).max(0.0) } else { 0.0 };
            write_arc(arc, part, &mut svg);
        }
        let largest = self.bubbles.iter().map(|bubble| bubble.weight).fold(0.0, f64::max);
        for Bubble { lat, lon, weight, note, colour } in &self.bubbles {
            let part = if largest > 0.0 { (weight / largest).max(0.0) } else { 0.0 };
            // Writing to a String does not fail, here and below.
            let _ = write!(
                svg,
                "<circle class=\"bubble {}\" cx=\"{}\" cy=\"{}\" r=\"{}\"><title>{}</title></circle>",
                colour.class(),
                n(lon * 10.0),
                n(-lat * 10.0),
                n(9.0 + 38.0 * part.sqrt()),
                escaped(note)
            );
        }
        self.write_markers(&mut svg);
        svg.push_str("</svg>");
        svg
    }

    fn write_markers(&self, svg: &mut String) {
        let mut taken: Vec<(f64, f64)> = Vec::new();
        let radius = if self.markers.len() > NAMES_MAX { 9.0 } else { 20.0 };
        for Marker { lat, lon, label, note, colour } in &self.markers {
            let (x, y) = (lon * 10.0, -lat * 10.0);
            let tip = escaped(&if note.is_empty() { label.clone() } else { format!("{label}\n{note}") });
            let _ = write!(
                svg,
                "<circle class=\"node {}\" cx=\"{}\" cy=\"{}\" r=\"{radius}\"><title>{tip}</title></circle>",
                colour.class(),
                n(x),
                n(y)
            );
            if self.markers.len() > NAMES_MAX {
                continue;
            }
            // Names that would lie on another one move down or up.
            let is_free =
                |at: f64| taken.iter().all(|&(tx, ty)| (tx - x).abs() > 420.0 || (ty - at).abs() > 42.0);
            let y = [0.0, 46.0, -46.0, 92.0, -92.0]
                .into_iter()
                .map(|dy| y + dy)
                .find(|at| is_free(*at))
                .unwrap_or(y);
            taken.push((x, y));
            let (at, class) = if *lon > 130.0 { (x - 32.0, " end") } else { (x + 32.0, "") };
            let _ = write!(
                svg,
                "<text class=\"place{class}\" x=\"{}\" y=\"{}\">{}</text>",
                n(at),
                n(y + 13.0),
                escaped(label)
            );
        }
    }
}

/// Lines every thirty degrees.
fn graticule() -> String {
    let meridians = (-5..=5).map(|step| format!("M{} -840V600", step * 300));
    let parallels = (-2..=2).map(|step| format!("M-1800 {}H1800", step * 300));
    meridians.chain(parallels).collect()
}

fn write_arc(arc: &Arc, part: f64, svg: &mut String) {
    let points = great_circle(arc.from, arc.to);
    let (left, right) =
        points.iter().fold((0.0_f64, 0.0_f64), |(left, right), (x, _)| (left.min(*x), right.max(*x)));
    // An arc across the edge of the map is drawn at both sides of it.
    let shifts = [(true, 0.0), (right > 1800.0, -3600.0), (left < -1800.0, 3600.0)];
    for (_, shift) in shifts.into_iter().filter(|(is_seen, _)| *is_seen) {
        let line = path(points.iter().map(|(x, y)| Some((x + shift, *y))));
        let _ = write!(
            svg,
            "<path class=\"arc {}\" d=\"{line}\" stroke-width=\"{}\"><title>{}</title></path>",
            arc.colour.class(),
            n(3.0 + 11.0 * part.sqrt()),
            escaped(&arc.note)
        );
    }
}

/// Points on the shortest way, in the map's units; x goes on across the edge instead of jumping.
fn great_circle(from: (f64, f64), to: (f64, f64)) -> Vec<(f64, f64)> {
    let (begin, end) = (on_sphere(from), on_sphere(to));
    let dot: f64 = begin.iter().zip(end).map(|(begin, end)| begin * end).sum();
    let angle = dot.clamp(-1.0, 1.0).acos();
    let mut before = from.1;
    let mut point = |step: u32| {
        let part = f64::from(step) / f64::from(STEPS);
        // Nearly the same place, or opposite ones, between which every way is the shortest.
        let (near, far) = if angle.sin() < 1e-6 {
            (1.0 - part, part)
        } else {
            (((1.0 - part) * angle).sin() / angle.sin(), (part * angle).sin() / angle.sin())
        };
        let [x, y, z] = [0, 1, 2].map(|axis| near * begin[axis] + far * end[axis]);
        let (lat, mut lon) = (z.atan2(x.hypot(y)).to_degrees(), y.atan2(x).to_degrees());
        lon += 360.0 * ((before - lon) / 360.0).round();
        before = lon;
        (lon * 10.0, -lat * 10.0)
    };
    (0..=STEPS).map(&mut point).collect()
}

fn on_sphere((lat, lon): (f64, f64)) -> [f64; 3] {
    let (lat, lon) = (lat.to_radians(), lon.to_radians());
    [lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKYO: (f64, f64) = (35.7, 139.7);
    const SEATTLE: (f64, f64) = (47.6, -122.3);

    #[test]
    fn arcs_begin_and_end_where_they_should() {
        for (from, to) in [(TOKYO, SEATTLE), (SEATTLE, TOKYO), (TOKYO, TOKYO), ((50.0, 8.0), (-23.0, -46.0))]
        {
            let points = great_circle(from, to);
            let near = |at: (f64, f64), place: (f64, f64)| {
                let turns = (at.0 - place.1 * 10.0) / 3600.0;
                (turns - turns.round()).abs() < 1e-3 && (at.1 + place.0 * 10.0).abs() < 1.0
            };
            assert!(near(points[0], from) && near(points[points.len() - 1], to), "{points:?}");
            assert!(points.windows(2).all(|two| (two[0].0 - two[1].0).abs() < 600.0), "no jump: {points:?}");
        }
    }

    #[test]
    fn an_arc_across_the_edge_is_seen_at_both() {
        let arc = |from, to| Arc { from, to, weight: 1.0, note: "<a>".to_owned(), colour: Colour::Nth(0) };
        let map = |arc| WorldMap::new("m").arc(arc).svg();
        assert_eq!(map(arc(TOKYO, SEATTLE)).matches("class=\"arc").count(), 2);
        assert_eq!(map(arc((50.0, 8.0), (40.0, -74.0))).matches("class=\"arc").count(), 1);
        assert!(!map(arc(TOKYO, SEATTLE)).contains("<a>"));
    }

    #[test]
    fn names_stay_apart_and_many_have_none() {
        let marker = |lon: f64| Marker {
            lat: 50.0,
            lon,
            label: "node".to_owned(),
            note: String::new(),
            colour: Colour::Good,
        };
        let svg = WorldMap::new("m").marker(marker(8.0)).marker(marker(9.0)).svg();
        assert!(svg.contains("y=\"-487\"") && svg.contains("y=\"-441\""), "{}", &svg[svg.len() - 600..]);
        let many = (0..50).fold(WorldMap::new("m"), |map, at| map.marker(marker(f64::from(at))));
        assert!(!many.svg().contains("<text"));
    }

    #[test]
    fn the_land_is_there() {
        assert!(LAND.starts_with('M') && LAND.trim_end().ends_with('z'));
        assert!((20_000..60_000).contains(&LAND.len()), "{} bytes", LAND.len());
    }
}
