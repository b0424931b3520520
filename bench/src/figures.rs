//! From rounds to figures: medians, and how far the rounds lie apart.
//!
//! Absent on purpose: means and deviations. A disturbed round on a shared machine is not a draw from a bell curve.

use std::fmt;

use serde::Serialize;

/// A median, and the least and greatest value beside it. Displayed as `1.40 (1.14-1.48)`, with the precision asked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

impl Spread {
    /// Of at least one value.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(values[middle - 1], values[middle])
        } else {
            values[middle]
        };
        Self { median, least: values[0], greatest: values[values.len() - 1] }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = to.precision().unwrap_or(2);
        let Self { median, least, greatest } = self;
        write!(to, "{median:.digits$} ({least:.digits$}-{greatest:.digits$})")
    }
}

/// A table in Markdown, every row of which has as many cells as there are heads.
pub(crate) fn table(heads: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let heads: Vec<String> = heads.iter().map(|head| (*head).to_owned()).collect();
    let rule = format!("|{}\n", "---|".repeat(heads.len()));
    [line(&heads), rule].into_iter().chain(rows.iter().map(|row| line(row))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_markdown() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let table = table(&["a", "b"], &[row(["1", "2"]), row(["3", "4"])]);
        assert_eq!(table, "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n");
    }

    #[test]
    fn medians_of_even_and_odd_counts() {
        let check = |values: &[f64], median: f64, least: f64, greatest: f64| {
            assert_eq!(Spread::of(values.iter().copied()), Spread { median, least, greatest });
        };
        check(&[2.0], 2.0, 2.0, 2.0);
        check(&[3.0, 1.0, 2.0], 2.0, 1.0, 3.0);
        check(&[4.0, 1.0, 2.0, 3.0], 2.5, 1.0, 4.0);
    }

    #[test]
    fn the_precision_is_the_callers() {
        let spread = Spread { median: 1.0, least: 0.5, greatest: 2.0 };
        assert_eq!(format!("{spread} {spread:.0} {spread:.1}"), "1.00 (0.50-2.00) 1 (0-2) 1.0 (0.5-2.0)");
    }
}
