//! Tables for people: columns as wide as they must be, two blanks between them, numbers to the right.
//!
//! Nothing is cut off or wrapped: a line that is too long for the terminal is still whole in a pipe or a ticket.

use super::terminal::{Look, Paint};

/// Rows under a head.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<(&'static str, Side)>,
    rows: Vec<Vec<Cell>>,
}

/// To which side of its column text is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// One field, with its look.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    text: String,
    look: Look,
}

impl Cell {
    pub(crate) fn new(look: Look, text: impl Into<String>) -> Self {
        Self { text: text.into(), look }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, look: Look::Plain }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl Table {
    pub(crate) fn new(columns: impl IntoIterator<Item = (&'static str, Side)>) -> Self {
        Self { columns: columns.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row; fields beyond the last column are a mistake.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        let cells: Vec<Cell> = cells.into_iter().collect();
        debug_assert_eq!(cells.len(), self.columns.len(), "a field for every column");
        self.rows.push(cells);
    }

    /// The table, a newline behind each line, no blanks at the end of one.
    pub(crate) fn render(&self, paint: Paint) -> String {
        let width = |index: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(index)).map(|cell| chars(&cell.text));
            cells.chain([chars(self.columns[index].0)]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let head: Vec<Cell> = self.columns.iter().map(|(title, _)| Cell::new(Look::Faint, *title)).collect();
        let mut text = String::new();
        for row in std::iter::once(&head).chain(&self.rows) {
            self.line(&mut text, row, &widths, paint);
        }
        text
    }

    fn line(&self, text: &mut String, row: &[Cell], widths: &[usize], paint: Paint) {
        // Blanks wait until something follows them, so that none stand at the end.
        let mut blanks = 0;
        for ((cell, (_, side)), width) in row.iter().zip(&self.columns).zip(widths) {
            let missing = width - chars(&cell.text);
            let (before, after) = if *side == Side::Right { (missing, 0) } else { (0, missing) };
            if cell.text.is_empty() {
                blanks += missing + GAP;
                continue;
            }
            text.extend(std::iter::repeat_n(' ', blanks + before));
            text.push_str(&paint.paint(cell.look, &cell.text));
            blanks = after + GAP;
        }
        text.push('\n');
    }
}

const GAP: usize = 2;

fn chars(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_end_with_their_last_word() {
        let mut table = Table::new([("node", Side::Left), ("km", Side::Right), ("why", Side::Left)]);
        table.row(["ams".into(), "9".into(), "".into()]);
        table.row(["são-paulo".into(), "9800".into(), Cell::new(Look::Bad, "down")]);
        let expected = "node         km  why\nams           9\nsão-paulo  9800  down\n";
        assert_eq!(table.render(Paint::Plain), expected);
        assert!(table.render(Paint::Colour).contains("9800  \x1b[1;31mdown\x1b[0m\n"));
    }
}
