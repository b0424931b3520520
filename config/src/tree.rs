//! The written configuration as a tree in which every value knows its path and where it came from.
//!
//! TOML is read by the `toml` crate with spans; this file only turns spans into lines and paths. No key is known
//! here: what may stand where is said in `keys`, and `check` compares the two.

use std::collections::BTreeMap;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::Secret;
use crate::fault::{Fault, Wrong};

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nowhere: it is the default.
    Default,
    /// On this line of the file.
    File(usize),
    /// In the environment variable of this name.
    Env(String),
    /// In a file that another key names: the path as written, and where that key was written.
    SecretFile { path: String, named_by: Box<Origin> },
}

/// A value with its key's path and its origin.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) path: String,
    pub(crate) origin: Origin,
    pub(crate) value: Value,
}

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Text(String),
    Secret(Secret),
    Integer(i128),
    Number(f64),
    Bool(bool),
    List(Vec<Item>),
    Table(Table),
    /// Known to TOML but to none of our keys; the words say what it is.
    Other(&'static str),
}

/// A table; also the root, whose path is empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub(crate) path: String,
    pub(crate) line: Option<usize>,
    pub(crate) entries: BTreeMap<String, Item>,
    /// Keys that were written but left a fault behind, so that nobody calls them missing.
    pub(crate) refused: Vec<&'static str>,
}

impl Item {
    pub(crate) fn new(path: impl Into<String>, origin: Origin, value: Value) -> Self {
        Self { path: path.into(), origin, value }
    }

    /// A fault of this value; named by the variable if that is where it was written.
    pub(crate) fn fault(&self, wrong: Wrong) -> Fault {
        match &self.origin {
            Origin::Env(name) => Fault::new(name, None, wrong),
            Origin::File(line) => Fault::new(&self.path, Some(*line), wrong),
            Origin::Default => Fault::new(&self.path, None, wrong),
            Origin::SecretFile { named_by, .. } => match named_by.as_ref() {
                Origin::File(line) => Fault::new(&self.path, Some(*line), wrong),
                Origin::Env(name) => Fault::new(name, None, wrong),
                _ => Fault::new(&self.path, None, wrong),
            },
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }
}

impl Value {
    /// What it is, in words that fit behind "not".
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Secret(_) => "text",
            Self::Integer(_) => "a whole number",
            Self::Number(_) => "a number with a fraction",
            Self::Bool(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(what) => what,
        }
    }
}

impl Table {
    pub(crate) fn at(path: impl Into<String>, line: Option<usize>) -> Self {
        Self { path: path.into(), line, ..Self::default() }
    }

    /// A fault of a key that is not there: it points at the table.
    pub(crate) fn lacks(&self, key: &str, wrong: Wrong) -> Fault {
        Fault::new(join(&self.path, key), self.line, wrong)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Item> {
        self.entries.get(key)
    }

    pub(crate) fn table(&self, key: &str) -> Option<&Table> {
        if let Value::Table(table) = &self.get(key)?.value { Some(table) } else { None }
    }

    /// The same, to be changed.
    pub(crate) fn table_mut(&mut self, key: &str) -> Option<&mut Table> {
        if let Value::Table(table) = &mut self.entries.get_mut(key)?.value { Some(table) } else { None }
    }

    /// The tables of a `[[key]]`; none at all if the key is missing.
    pub(crate) fn tables(&self, key: &str) -> impl Iterator<Item = &Table> {
        let items = match self.get(key).map(|item| &item.value) {
            Some(Value::List(items)) => items.as_slice(),
            _ => &[],
        };
        items.iter().filter_map(|item| if let Value::Table(table) = &item.value { Some(table) } else { None })
    }

    /// The same, to be changed.
    pub(crate) fn tables_mut(&mut self, key: &str) -> impl Iterator<Item = &mut Table> {
        let items = match self.entries.get_mut(key).map(|item| &mut item.value) {
            Some(Value::List(items)) => items.as_mut_slice(),
            _ => &mut [],
        };
        items
            .iter_mut()
            .filter_map(|item| if let Value::Table(table) = &mut item.value { Some(table) } else { None })
    }
}

/// `watch` + `mode` = `watch.mode`; a key that TOML would want in quotes keeps them.
pub(crate) fn join(path: &str, key: &str) -> String {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let key = if bare { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// Reads TOML; on failure every line that is not TOML, once.
pub(crate) fn read(text: &str) -> Result<Table, Vec<Fault>> {
    let lines = Lines::of(text);
    let (document, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Ok(lines.table(document.get_ref(), String::new(), None));
    }
    // The parser goes on behind an error, and what it then finds on the same line is an echo of the first.
    let mut faults: Vec<Fault> = Vec::new();
    for error in errors {
        let line = error.span().map(|span| lines.line(span.start));
        // The message alone: the error's Display would quote the line, and the line may hold a secret.
        let fault = Fault::new("", line, Wrong::new(format!("not valid TOML: {}", error.message())));
        if !faults.iter().any(|known| known.line == line) {
            faults.push(fault);
        }
    }
    Err(faults)
}

/// Reads a TOML value that stands alone, such as a list in an environment variable.
pub(crate) fn read_value(text: &str, path: &str, origin: &Origin) -> Option<Item> {
    let value = DeValue::parse(text).ok()?;
    Some(Lines::of("").item(&value, path.to_owned(), Some(origin)))
}

/// Where each line ends, to turn a place in the text into a line.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect())
    }

    fn line(&self, at: usize) -> usize {
        self.0.partition_point(|end| *end < at) + 1
    }

    fn table(&self, table: &DeTable<'_>, path: String, origin: Option<&Origin>) -> Table {
        let entries = table
            .iter()
            .map(|(key, value)| {
                let item = self.item(value, join(&path, key.get_ref()), origin);
                (key.get_ref().to_string(), item)
            })
            .collect();
        Table { path, entries, ..Table::default() }
    }

    /// The origin is the value's line unless the caller says otherwise.
    fn item(&self, value: &Spanned<DeValue<'_>>, path: String, origin: Option<&Origin>) -> Item {
        let line = self.line(value.span().start);
        let parsed = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.to_string()),
            DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix())
                .map_or(Value::Other("a number beyond all bounds"), Value::Integer),
            DeValue::Float(number) => {
                number.as_str().parse().map_or(Value::Other("an unreadable number"), Value::Number)
            }
            DeValue::Boolean(truth) => Value::Bool(*truth),
            DeValue::Datetime(_) => Value::Other("a date or time"),
            DeValue::Array(items) => Value::List(
                (items.iter().enumerate())
                    .map(|(index, item)| self.item(item, format!("{path}[{index}]"), origin))
                    .collect(),
            ),
            DeValue::Table(table) => {
                let table = self.table(table, path.clone(), origin);
                Value::Table(Table { line: origin.is_none().then_some(line), ..table })
            }
        };
        Item { path, origin: origin.cloned().unwrap_or(Origin::File(line)), value: parsed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_know_their_path_and_line() {
        let text = "# first\n[listen]\nhttp = [\n  \"a\",\n  \"b\" ]\n\n[[node]]\nat.lat = 1\n[[node]]\n\"odd key\" = 2.5\n";
        let root = read(text).unwrap();
        let mut seen = Vec::new();
        walk(&root, &mut seen);
        let expected = [
            "listen 2",
            "listen.http 3",
            "listen.http[0] 4",
            "listen.http[1] 5",
            "node 7",
            "node[0] 7",
            "node[0].at 8",
            "node[0].at.lat 8",
            "node[1] 9",
            "node[1].\"odd key\" 10",
        ];
        assert_eq!(seen, expected);
    }

    fn walk(table: &Table, seen: &mut Vec<String>) {
        table.entries.values().for_each(|item| walk_item(item, seen));
    }

    fn walk_item(item: &Item, seen: &mut Vec<String>) {
        let Origin::File(line) = item.origin else { panic!("{item:?}") };
        seen.push(format!("{} {line}", item.path));
        match &item.value {
            Value::List(items) => items.iter().for_each(|item| walk_item(item, seen)),
            Value::Table(table) => walk(table, seen),
            _ => {}
        }
    }

    #[test]
    fn text_that_is_not_toml_names_each_bad_line_once() {
        let faults = read("a = 1\nb = = 2\nc = 3\nc = 4\n").unwrap_err();
        let lines: Vec<_> = faults.iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [Some(2), Some(4)]);
    }
}
