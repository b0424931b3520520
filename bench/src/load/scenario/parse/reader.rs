//! Tables of TOML that know where they stand and which of their keys were asked for.
//!
//! Absent on purpose: what the keys mean.

use std::fmt;
use std::ops::RangeInclusive;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// More tables in a list are no list but a mistake.
const TABLES_MAX: usize = 1000;

/// Something wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) struct Fault {
    line: usize,
    what: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "line {}: {}", self.line, self.what)
    }
}

/// Gathers what is wrong.
pub(super) struct Faults<'a> {
    text: &'a str,
    found: Vec<Fault>,
}

/// A table that is being read.
pub(super) struct Reader<'a, 'i> {
    key: String,
    /// Where it stands in the text.
    pub(super) at: usize,
    table: &'a DeTable<'i>,
    asked: Vec<&'static str>,
}

/// A value with its name.
pub(super) struct Value<'a, 'i> {
    pub(super) name: String,
    value: &'a Spanned<DeValue<'i>>,
}

/// Opens a text.
pub(super) fn open(text: &str) -> Result<Spanned<DeTable<'_>>, Vec<Fault>> {
    DeTable::parse(text).map_err(|error| {
        let mut faults = Faults::new(text);
        faults.add(error.span().map_or(0, |span| span.start), error.message().to_owned());
        faults.found
    })
}

impl<'a> Faults<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, found: Vec::new() }
    }

    pub(super) fn add(&mut self, at: usize, what: String) {
        let line = self.text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        self.found.push(Fault { line, what });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// In the order of the text.
    pub(super) fn found(mut self) -> Vec<Fault> {
        self.found.sort();
        self.found
    }
}

impl<'a, 'i> Reader<'a, 'i> {
    pub(super) fn root(table: &'a DeTable<'i>) -> Self {
        Self { key: String::new(), at: 0, table, asked: Vec::new() }
    }

    fn name(&self, key: &str) -> String {
        if self.key.is_empty() { key.to_owned() } else { format!("{}.{key}", self.key) }
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// A key that may stand here is not there: this instead.
    pub(super) fn without<T>(&mut self, key: &'static str, instead: T) -> T {
        self.asked.push(key);
        instead
    }

    /// A value that must be there.
    pub(super) fn get(&mut self, key: &'static str, faults: &mut Faults<'_>) -> Option<Value<'a, 'i>> {
        self.asked.push(key);
        let (table, name): (&'a DeTable<'i>, _) = (self.table, self.name(key));
        let value = table.get(key);
        if value.is_none() {
            faults.add(self.at, format!("{name} is missing"));
        }
        value.map(|value| Value { name, value })
    }

    pub(super) fn text(&mut self, key: &'static str, faults: &mut Faults<'_>) -> Option<String> {
        let value = self.get(key, faults)?;
        let text = value.value.get_ref().as_str().map(str::to_owned);
        if text.is_none() {
            faults.add(value.at(), format!("{} is not a text in quotes", value.name));
        }
        text
    }

    pub(super) fn one_of<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
        faults: &mut Faults<'_>,
    ) -> Option<T> {
        let value = self.get(key, faults)?;
        let text = value.value.get_ref().as_str();
        let found = words.iter().find(|(word, _)| Some(*word) == text);
        if found.is_none() {
            let words: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            faults.add(value.at(), format!("{} is none of {}", value.name, words.join(", ")));
        }
        found.map(|(_, meant)| *meant)
    }

    pub(super) fn number(
        &mut self,
        key: &'static str,
        range: RangeInclusive<f64>,
        faults: &mut Faults<'_>,
    ) -> Option<f64> {
        let value = self.get(key, faults)?;
        let number = value.number().filter(|number| range.contains(number));
        if number.is_none() {
            let (from, to) = range.into_inner();
            faults.add(value.at(), format!("{} is not a number from {from} to {to}", value.name));
        }
        number
    }

    pub(super) fn table(&mut self, key: &'static str, faults: &mut Faults<'_>) -> Option<Self> {
        let value = self.get(key, faults)?;
        value.table(faults)
    }

    /// At least one.
    pub(super) fn tables(&mut self, key: &'static str, faults: &mut Faults<'_>) -> Vec<Self> {
        let Some(value) = self.get(key, faults) else { return Vec::new() };
        let items = value.items().unwrap_or_default();
        if !(1..=TABLES_MAX).contains(&items.len()) {
            faults.add(value.at(), format!("{} is not a list of 1 to {TABLES_MAX} tables", value.name));
            return Vec::new();
        }
        items.into_iter().filter_map(|item| item.table(faults)).collect()
    }

    /// Nothing else may be there.
    pub(super) fn end(self, faults: &mut Faults<'_>) {
        for key in self.table.keys() {
            let name: &str = key.get_ref();
            if !self.asked.contains(&name) {
                let (name, known) = (self.name(name), self.asked.join(", "));
                faults
                    .add(key.span().start, format!("{name} is no key of a scenario; here may stand {known}"));
            }
        }
    }
}

impl<'a, 'i> Value<'a, 'i> {
    pub(super) fn at(&self) -> usize {
        self.value.span().start
    }

    pub(super) fn number(&self) -> Option<f64> {
        let text = match self.value.get_ref() {
            DeValue::Integer(number) => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            _ => return None,
        };
        text.replace('_', "").parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// The values of a list.
    pub(super) fn items(&self) -> Option<Vec<Self>> {
        let array = self.value.get_ref().as_array()?;
        let item = |(index, value)| Value { name: format!("{}[{index}]", self.name), value };
        Some(array.iter().enumerate().map(item).collect())
    }

    /// Two numbers.
    pub(super) fn pair(&self) -> Option<(f64, f64)> {
        let items = self.items()?;
        let [first, second] = &items[..] else { return None };
        Some((first.number()?, second.number()?))
    }

    /// The key and the value of a table that has only one.
    pub(super) fn only_key(&self) -> Option<(&'a str, Self)> {
        let table: &'a DeTable<'i> = self.value.get_ref().as_table()?;
        let (key, value) = table.iter().next().filter(|_| table.len() == 1)?;
        Some((key.get_ref(), Value { name: self.name.clone(), value }))
    }

    fn table(self, faults: &mut Faults<'_>) -> Option<Reader<'a, 'i>> {
        let at = self.at();
        let table = self.value.get_ref().as_table();
        if table.is_none() {
            faults.add(at, format!("{} is not a table", self.name));
        }
        table.map(|table| Reader { key: self.name, at, table, asked: Vec::new() })
    }
}
