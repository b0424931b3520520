//! Small tables that operators write: CSV with a header line, columns by name in any order, `#` before a remark.
//!
//! Every fault is told with its line. Absent on purpose: what the cells mean.

use std::str::FromStr;

use crate::fault::Faults;

/// Rows beyond this are a fault: no mix and no curve needs them, and a wrong file might have billions.
const ROWS_MAX: usize = 1_000_000;

/// A table as it is written.
#[derive(Debug)]
pub struct Sheet {
    /// What messages call it.
    pub name: String,
    /// Its rows.
    pub rows: Vec<Row>,
    columns: Vec<String>,
}

/// One row.
#[derive(Debug)]
pub struct Row {
    /// Where it stands in the file, from 1.
    pub line: u64,
    cells: csv::StringRecord,
}

impl Sheet {
    /// Splits a text. Columns that are not `known`, and `needed` ones that are missing, are faults; so is every row
    /// with another number of cells than the header, and a table without rows.
    pub fn read(
        name: &str,
        text: &str,
        known: &[&str],
        needed: &[&str],
        faults: &mut Faults,
    ) -> Option<Self> {
        let before = faults.len();
        let text = text.trim_start_matches('\u{feff}');
        let mut reader =
            csv::ReaderBuilder::new().comment(Some(b'#')).trim(csv::Trim::All).from_reader(text.as_bytes());
        let header = reader.headers().cloned();
        let header = faults.keep(name, Some(1), header.map_err(|error| told(&error)))?;
        let columns: Vec<String> = header.iter().map(str::to_ascii_lowercase).collect();
        if columns.iter().all(String::is_empty) {
            faults.push(
                name,
                None,
                &format!("the table is empty; it begins with a line of columns: {}", known.join(",")),
            );
            return None;
        }
        let line = header.position().map(|position| line_of(text, position));
        for (at, column) in columns.iter().enumerate() {
            if !known.contains(&column.as_str()) {
                let what = format!("column {column:?} is not known; there are {}", known.join(", "));
                faults.push(name, line, &what);
            } else if columns[..at].contains(column) {
                faults.push(name, line, &format!("column {column:?} stands there twice"));
            }
        }
        for column in needed.iter().filter(|column| !columns.iter().any(|known| known == *column)) {
            faults.push(name, line, &format!("column {column:?} is missing"));
        }
        let mut rows = Vec::new();
        for record in reader.records() {
            match record {
                Ok(cells) => rows.push(Row {
                    line: cells.position().map_or(0, |position| line_of(text, position)),
                    cells,
                }),
                Err(error) => {
                    faults.push(
                        name,
                        error.position().map(|position| line_of(text, position)),
                        &told(&error),
                    );
                }
            }
            if rows.len() > ROWS_MAX {
                faults.push(name, None, &format!("more than {ROWS_MAX} rows"));
                break;
            }
        }
        if rows.is_empty() && faults.len() == before {
            faults.push(name, None, "there is no row below the header");
        }
        (faults.len() == before).then(|| Self { name: name.to_owned(), rows, columns })
    }

    /// Whether there is such a column.
    #[must_use]
    pub fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|known| known == column)
    }

    /// What a row says in a column; `None`: nothing, or there is no such column.
    #[must_use]
    pub fn cell<'a>(&self, row: &'a Row, column: &str) -> Option<&'a str> {
        let at = self.columns.iter().position(|known| known == column)?;
        row.cells.get(at).filter(|cell| !cell.is_empty())
    }

    /// A finite number at or above `least` in a column; what is no such number is a fault.
    pub fn number(&self, row: &Row, column: &str, least: f64, faults: &mut Faults) -> Option<f64> {
        let number = number(self.cell(row, column)?, least).map_err(|what| format!("{column}: {what}"));
        faults.keep(&self.name, Some(row.line), number)
    }

    /// A value of some type in a column; what cannot be read is a fault.
    pub fn value<T: FromStr>(&self, row: &Row, column: &str, faults: &mut Faults) -> Option<T>
    where
        T::Err: std::fmt::Display,
    {
        let value = self.cell(row, column)?.parse().map_err(|error| format!("{column}: {error}"));
        faults.keep(&self.name, Some(row.line), value)
    }
}

/// A finite number at or above `least`.
///
/// # Errors
/// What it is instead.
pub fn number(text: &str, least: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() && number >= least => Ok(number),
        Ok(_) => Err(format!("{text} is not a number from {least} up")),
        Err(_) => Err(format!("{text:?} is no number")),
    }
}

/// The reader's positions lie before the remarks and empty lines above a row.
fn line_of(text: &str, position: &csv::Position) -> u64 {
    let rest = usize::try_from(position.byte()).ok().and_then(|byte| text.get(byte..)).unwrap_or_default();
    let is_passed = |line: &&str| line.trim_end_matches(['\r', '\n']).is_empty() || line.starts_with('#');
    position.line() + rest.split_inclusive('\n').take_while(is_passed).count() as u64
}

fn told(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} cells where the header has {expected_len} columns")
        }
        csv::ErrorKind::Utf8 { .. } => "not text (UTF-8)".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let mut faults = Faults::default();
        let sheet = Sheet::read("t.csv", text, &["a", "b"], &["a"], &mut faults);
        let told = sheet.map_or_else(String::new, |sheet| {
            let cells = sheet.rows.iter().map(|row| {
                let cell = |column| sheet.cell(row, column).unwrap_or("-");
                format!("{}:{}/{} ", row.line, cell("a"), cell("b"))
            });
            cells.collect()
        });
        assert_eq!(format!("{told}{faults}"), expected, "{text:?}");
    }

    #[test]
    fn tables_and_their_faults() {
        check("a,b\n1,2\n", "2:1/2 ");
        check("\u{feff}B, A\n# a remark\n\n 1 , 2 \n,x\n", "4:2/1 5:x/- ");
        check("a\n1\n", "2:1/- ");
        check("", "t.csv: the table is empty; it begins with a line of columns: a,b");
        check("a,b\n", "t.csv: there is no row below the header");
        check("b\n1\n", "t.csv:1: column \"a\" is missing");
        check(
            "a,c,a\n1,2,3\n",
            "t.csv:1: column \"c\" is not known; there are a, b\nt.csv:1: column \"a\" stands there twice",
        );
        check(
            "a,b\n1\n1,2,3\n",
            "t.csv:2: 1 cells where the header has 2 columns\nt.csv:3: 3 cells where the header has 2 columns",
        );
    }

    #[test]
    fn numbers_are_finite_and_not_below_the_least() {
        assert_eq!(number("1.5", 0.0), Ok(1.5));
        for bad in ["", "x", "nan", "inf", "-1", "1,5"] {
            assert!(number(bad, 0.0).is_err(), "{bad}");
        }
    }

    #[test]
    fn many_faults_are_counted() {
        let mut faults = Faults::default();
        let text = format!("a\n{}", "1,2\n".repeat(100));
        assert!(Sheet::read("t.csv", &text, &["a"], &[], &mut faults).is_none());
        assert!(faults.to_string().ends_with("... and 80 more faults"), "{faults}");
    }
}
