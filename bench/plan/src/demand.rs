//! How many viewers there are at what time: a curve of a day, or the ready-made evening.
//!
//! Starts per second become viewers by the mean viewing time, so that the simulation knows one kind of curve.
//! Absent on purpose: dates and time zones. Times are those of the curve.

use std::fmt;
use std::str::FromStr;

use crate::fault::Faults;
use crate::sheet::Sheet;

/// A time of the curve, in milliseconds from its day's midnight. Days may be longer than 24 hours: `25:30`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct At(pub u64);

impl FromStr for At {
    type Err = String;

    /// `20:30` or `20:30:15`, or seconds.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no time such as 20:30, 20:30:15, or a number of seconds");
        let parts: Vec<u64> =
            text.split(':').map(str::parse).collect::<Result<_, _>>().map_err(|_| wrong())?;
        let seconds = match parts[..] {
            [seconds] => seconds,
            [hours, minutes] if minutes < 60 => hours.saturating_mul(3600) + minutes * 60,
            [hours, minutes, seconds] if minutes < 60 && seconds < 60 => {
                hours.saturating_mul(3600) + minutes * 60 + seconds
            }
            _ => return Err(wrong()),
        };
        if seconds > 7 * 86_400 {
            return Err(format!("{text} is beyond seven days"));
        }
        Ok(Self(seconds * 1000))
    }
}

impl fmt::Display for At {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0 / 1000;
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        if seconds == 0 {
            write!(to, "{hours:02}:{minutes:02}")
        } else {
            write!(to, "{hours:02}:{minutes:02}:{seconds:02}")
        }
    }
}

/// One moment of the curve.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// When.
    pub at: At,
    /// Viewers at once.
    pub viewers: f64,
    /// Kilobits (1000 bits) a second of one viewer.
    pub bit_rate_kbps: f64,
    /// How long a viewer watches on average, in minutes.
    pub view_minutes: f64,
}

/// What stands where the curve says nothing.
#[derive(Clone, Copy, Debug)]
pub struct Usual {
    /// Kilobits a second.
    pub bit_rate_kbps: f64,
    /// Minutes.
    pub view_minutes: f64,
}

/// The whole curve, straight between its points.
#[derive(Clone, Debug)]
pub struct Demand {
    points: Vec<Point>,
    /// One line on where it comes from.
    pub about: String,
}

/// An evening of films: the share of its peak at each time. Ours, shaped like what large networks publish of their
/// traffic; who has a curve should bring it.
const EVENING: [(u64, f64); 14] = [
    (1080, 0.52),
    (1110, 0.58),
    (1140, 0.67),
    (1170, 0.78),
    (1200, 0.88),
    (1230, 0.96),
    (1260, 1.00),
    (1290, 0.98),
    (1320, 0.90),
    (1350, 0.76),
    (1380, 0.60),
    (1410, 0.45),
    (1440, 0.33),
    (1470, 0.24),
];

impl Demand {
    /// The ready-made evening, 18:00 to 24:30, with its peak at 21:00.
    #[must_use]
    pub fn evening(peak: f64, usual: Usual) -> Self {
        let point = |(minute, share): (u64, f64)| Point {
            at: At(minute * 60_000),
            viewers: share * peak,
            bit_rate_kbps: usual.bit_rate_kbps,
            view_minutes: usual.view_minutes,
        };
        Self {
            points: EVENING.into_iter().map(point).collect(),
            about: "the ready-made evening, 18:00 to 24:30".to_owned(),
        }
    }

    /// A curve as it is written: columns `time` and `viewers` or `starts_per_s`, if wanted `bit_rate_kbps` and
    /// `view_minutes`. With `peak` the curve is scaled so that its peak has so many viewers.
    pub fn read(
        name: &str,
        text: &str,
        usual: Usual,
        peak: Option<f64>,
        faults: &mut Faults,
    ) -> Option<Self> {
        let known = ["time", "viewers", "starts_per_s", "bit_rate_kbps", "view_minutes"];
        let sheet = Sheet::read(name, text, &known, &["time"], faults)?;
        let before = faults.len();
        let amount = match (sheet.has("viewers"), sheet.has("starts_per_s")) {
            (true, false) => "viewers",
            (false, true) => "starts_per_s",
            _ => {
                faults.push(name, Some(1), "one of the columns viewers and starts_per_s is needed, not both");
                return None;
            }
        };
        let mut points: Vec<Point> = Vec::new();
        for row in &sheet.rows {
            let lacks = |column: &str| sheet.cell(row, column).is_none();
            for column in ["time", amount].into_iter().filter(|column| lacks(column)) {
                faults.push(name, Some(row.line), &format!("{column}: nothing stands there"));
            }
            let at: Option<At> = sheet.value(row, "time", faults);
            let viewers = sheet.number(row, amount, 0.0, faults);
            let bit_rate_kbps = sheet.number(row, "bit_rate_kbps", 1.0, faults);
            let view_minutes = sheet.number(row, "view_minutes", 0.1, faults);
            if let (Some(at), Some(last)) = (at, points.last())
                && at <= last.at
            {
                faults.push(name, Some(row.line), &format!("time: {at} does not come after {}", last.at));
            }
            points.push(Point {
                at: at.unwrap_or(At(0)),
                viewers: viewers.unwrap_or(0.0),
                bit_rate_kbps: bit_rate_kbps.unwrap_or(usual.bit_rate_kbps),
                view_minutes: view_minutes.unwrap_or(usual.view_minutes),
            });
        }
        if points.len() < 2 && faults.len() == before {
            faults.push(name, None, "a curve has two points at least");
        }
        if faults.len() == before && points.iter().all(|point| point.viewers <= 0.0) {
            faults.push(name, None, "nobody ever watches");
        }
        if faults.len() > before {
            return None;
        }
        let mut demand = Self { about: format!("{} points of {name}", points.len()), points };
        if amount == "starts_per_s" {
            demand.accumulate();
        }
        if let Some(peak) = peak {
            let scale = peak / demand.peak().viewers;
            demand.points.iter_mut().for_each(|point| point.viewers *= scale);
        }
        Some(demand)
    }

    /// Nothing but the moment of the peak.
    #[must_use]
    pub fn peak_alone(&self) -> Self {
        Self { points: vec![self.peak()], about: self.about.clone() }
    }

    /// Turns starts per second into viewers: each start watches for the mean time on average, and before the curve
    /// began it was as at its beginning.
    fn accumulate(&mut self) {
        const STEP_MS: u64 = 30_000;
        let starts = Self { points: self.points.clone(), about: String::new() };
        let mut viewers = self.points[0].viewers * self.points[0].view_minutes * 60.0;
        let mut points = Vec::new();
        let mut at = starts.begin();
        while at <= starts.end() {
            let point = starts.at(at);
            points.push(Point { viewers, ..point });
            // Exact for a constant rate over the step.
            let left = (-(STEP_MS as f64) / (point.view_minutes * 60_000.0)).exp();
            viewers = viewers * left + point.viewers * point.view_minutes * 60.0 * (1.0 - left);
            at = At(at.0 + STEP_MS);
        }
        self.points = points;
    }

    /// Where the curve begins.
    #[must_use]
    pub fn begin(&self) -> At {
        self.points.first().map_or(At(0), |point| point.at)
    }

    /// Where it ends.
    #[must_use]
    pub fn end(&self) -> At {
        self.points.last().map_or(At(0), |point| point.at)
    }

    /// The first of the points with the most viewers.
    #[must_use]
    pub fn peak(&self) -> Point {
        let later = |best: Point, point: &Point| if point.viewers > best.viewers { *point } else { best };
        self.points.iter().fold(self.points[0], later)
    }

    /// The most that viewers take together, in bits a second.
    #[must_use]
    pub fn most_bits(&self) -> f64 {
        self.points.iter().map(|point| point.viewers * point.bit_rate_kbps * 1e3).fold(0.0, f64::max)
    }

    /// The most starts a second.
    #[must_use]
    pub fn most_starts(&self) -> f64 {
        let pairs = self.points.windows(2).map(|pair| {
            let seconds = (pair[1].at.0 - pair[0].at.0) as f64 / 1e3;
            let growth = (pair[1].viewers - pair[0].viewers) / seconds;
            let leaving = |point: &Point| point.viewers / (point.view_minutes * 60.0);
            growth + leaving(&pair[0]).max(leaving(&pair[1]))
        });
        pairs.fold(0.0, f64::max)
    }

    /// The curve at a time; before and after it, its ends.
    #[must_use]
    pub fn at(&self, at: At) -> Point {
        let next = self.points.partition_point(|point| point.at <= at);
        let (Some(from), Some(to)) =
            (next.checked_sub(1).map(|last| self.points[last]), self.points.get(next))
        else {
            return Point { at, ..if next == 0 { self.points[0] } else { self.points[next - 1] } };
        };
        let part = (at.0 - from.at.0) as f64 / (to.at.0 - from.at.0) as f64;
        let between = |a: f64, b: f64| a + (b - a) * part;
        Point {
            at,
            viewers: between(from.viewers, to.viewers),
            bit_rate_kbps: between(from.bit_rate_kbps, to.bit_rate_kbps),
            view_minutes: between(from.view_minutes, to.view_minutes),
        }
    }
}

#[cfg(test)]
mod tests;
