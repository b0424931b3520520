//! Makes `src/land.path` from Natural Earth's land at 1:110m, as the npm package `world-atlas` carries it.
//!
//! ```sh
//! curl -sL https://registry.npmjs.org/world-atlas/-/world-atlas-2.0.2.tgz | tar xzO package/land-110m.json |
//!     cargo run -p watchgate-chart --example land > bench/chart/src/land.path
//! ```
//!
//! Out comes one SVG path in tenths of a degree, north up. Absent on purpose: topology, names, borders.

use std::fmt::Write as _;
use std::io::{Read, Write};

use serde_json::Value;

fn main() -> std::io::Result<()> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let world: Value = serde_json::from_str(&text)?;
    let arcs: Vec<Vec<[i64; 2]>> = list(&world["arcs"]).iter().map(|arc| decoded(arc, &world)).collect();
    let mut path = String::new();
    for polygon in list(&world["objects"]["land"]["geometries"][0]["arcs"]) {
        for ring in list(polygon) {
            write_ring(&ring_points(ring, &arcs), &mut path);
        }
    }
    writeln!(std::io::stdout().lock(), "{path}")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// An arc's steps summed up and unscaled, in tenths of a degree, y downward.
fn decoded(arc: &Value, world: &Value) -> Vec<[i64; 2]> {
    let number = |value: &Value| value.as_f64().unwrap_or_default();
    let (scale, shift) = (&world["transform"]["scale"], &world["transform"]["translate"]);
    let (mut x, mut y) = (0.0, 0.0);
    let tenths = |at: f64, axis: usize| {
        #[expect(clippy::cast_possible_truncation, reason = "at most 1800")]
        let tenths = ((at * number(&scale[axis]) + number(&shift[axis])) * 10.0).round() as i64;
        tenths
    };
    let step = |step: &Value| {
        x += number(&step[0]);
        y += number(&step[1]);
        [tenths(x, 0), -tenths(y, 1)]
    };
    list(arc).iter().map(step).collect()
}

/// The points of a ring: arcs one after the other, those with a negative number (its complement) backwards.
fn ring_points(ring: &Value, arcs: &[Vec<[i64; 2]>]) -> Vec<[i64; 2]> {
    let mut points = Vec::new();
    for number in list(ring).iter().filter_map(Value::as_i64) {
        let forward = usize::try_from(number).ok();
        let arc = forward.or_else(|| usize::try_from(!number).ok()).and_then(|number| arcs.get(number));
        let arc = arc.map_or(&[][..], Vec::as_slice);
        if forward.is_some() { points.extend(arc) } else { points.extend(arc.iter().rev()) }
    }
    points.dedup();
    points
}

/// Writes a ring, cut in two where it crosses the edge of the map. The south beyond the map is left out.
fn write_ring(points: &[[i64; 2]], path: &mut String) {
    if points.iter().all(|[_, y]| *y > 600) {
        return;
    }
    let mut before = points.first().map_or(0, |[x, _]| *x);
    let on = |[x, y]: &[i64; 2]| {
        before = x + 3600 * ((before - x + 1800).div_euclid(3600));
        [before, *y]
    };
    let ring: Vec<[i64; 2]> = points.iter().map(on).collect();
    for shift in [-3600, 0, 3600] {
        let shifted: Vec<[i64; 2]> = ring.iter().map(|[x, y]| [x + shift, *y]).collect();
        write_piece(&within(&within(&shifted, -1800, 1), 1800, -1), path);
    }
}

/// What of a ring lies at `x >= edge` (side 1) or `x <= edge` (side -1); Sutherland and Hodgman 1974.
fn within(ring: &[[i64; 2]], edge: i64, side: i64) -> Vec<[i64; 2]> {
    let is_in = |[x, _]: [i64; 2]| (x - edge) * side >= 0;
    let mut kept = Vec::new();
    for (index, &to) in ring.iter().enumerate() {
        let from = ring[(index + ring.len() - 1) % ring.len()];
        if is_in(from) != is_in(to) {
            kept.push([edge, from[1] + (to[1] - from[1]) * (edge - from[0]) / (to[0] - from[0])]);
        }
        if is_in(to) {
            kept.push(to);
        }
    }
    kept.dedup();
    kept
}

fn write_piece(points: &[[i64; 2]], path: &mut String) {
    let [[x, y], rest @ ..] = points else { return };
    if rest.len() < 2 {
        return;
    }
    // Writing to a String does not fail, here and below.
    let _ = write!(path, "M{x} {y}l");
    let (mut x, mut y) = (*x, *y);
    for (index, point) in rest.iter().enumerate() {
        let comma = if index == 0 { "" } else { " " };
        let _ = write!(path, "{comma}{} {}", point[0] - x, point[1] - y);
        [x, y] = *point;
    }
    path.push('z');
}
