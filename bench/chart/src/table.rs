//! Tables: the first column names, the others count.
//!
//! Absent on purpose: sorting and paging; whoever makes a table puts it in order.

use crate::svg::escaped;

/// A table with a head.
#[derive(Clone, Debug)]
pub struct Table {
    head: Vec<String>,
    rows: Vec<Vec<String>>,
    texts: bool,
}

impl Table {
    /// An empty one. Columns after the first hold numbers, and stand to the right.
    #[must_use]
    pub fn new<T: Into<String>>(head: impl IntoIterator<Item = T>) -> Self {
        Self { head: head.into_iter().map(Into::into).collect(), rows: Vec::new(), texts: false }
    }

    /// All columns hold text.
    #[must_use]
    pub fn texts(mut self) -> Self {
        self.texts = true;
        self
    }

    /// One row more.
    #[must_use]
    pub fn row<T: Into<String>>(mut self, cells: impl IntoIterator<Item = T>) -> Self {
        self.rows.push(cells.into_iter().map(Into::into).collect());
        self
    }

    pub(crate) fn html(&self) -> String {
        let class = if self.texts { " class=\"texts\"" } else { "" };
        let cells = |tag: &str, cells: &[String]| -> String {
            cells.iter().map(|cell| ["<", tag, ">", &escaped(cell), "</", tag, ">"].concat()).collect()
        };
        let rows: String =
            self.rows.iter().map(|row| ["<tr>", &cells("td", row), "</tr>"].concat()).collect();
        format!(
            "<div class=\"scroll\"><table{class}><thead><tr>{}</tr></thead><tbody>{rows}</tbody></table></div>\n",
            cells("th", &self.head)
        )
    }
}
