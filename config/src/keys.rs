//! The grammar of the configuration: which key may stand where, of what kind, with what default.
//!
//! One description serves the check of a file, the environment, the print and the JSON Schema, so that these four
//! cannot disagree. A key is known only once it works: one that is not in `tables.rs` is refused.

use std::time::Duration;

mod tables;

pub(crate) use tables::ROOT;

/// One key of a table.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) absent: Absent,
    /// A TOML value, for hints and the schema; empty if the default is a good enough example.
    pub(crate) example: &'static str,
    pub(crate) about: &'static str,
    pub(crate) written: Written,
}

/// What a value must be by itself. What it must be beside others is said in `build`.
pub(crate) enum Kind {
    Text(Pattern),
    /// Text that is never shown.
    Secret,
    /// The path of a file that holds a secret: a text, but never shown by a fault.
    SecretFile,
    Word(&'static [&'static str]),
    Bool,
    Integer {
        min: u32,
        max: u32,
    },
    Number {
        min: f64,
        max: f64,
        least: Least,
    },
    Duration {
        min: Duration,
        max: Duration,
        step: Step,
        instead: Option<Instead>,
    },
    /// Bytes; where the least is zero, zero turns something off.
    Size {
        min: u64,
        max: u64,
    },
    /// A number of an autonomous system: `64500` or `"AS64500"`.
    Asn,
    List {
        of: &'static Kind,
        min: usize,
        max: usize,
        alone: Alone,
    },
    /// `[key]`, or written inline.
    Table {
        keys: &'static [Key],
        form: Form,
    },
    /// `[[key]]`.
    Tables {
        keys: &'static [Key],
        min: usize,
    },
}

/// What a text looks like: a regular expression for the JSON Schema, at least as wide as the parser in `build`.
#[derive(Clone, Copy)]
pub(crate) struct Pattern(pub(crate) Option<&'static str>);

/// Whether the smallest number is one of the numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Least {
    Included,
    Excluded,
}

/// How fine a duration may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Millisecond,
    Second,
}

/// A word that may stand for a duration.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instead {
    pub(crate) word: &'static str,
    /// What is told to whoever writes a bad duration; empty: the word if it was nearly written, or an example.
    pub(crate) hint: &'static str,
}

/// Whether one value may stand for a list of one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alone {
    Refused,
    Accepted,
}

/// How a table is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Section,
    Inline,
}

/// What it means that a key is not there.
pub(crate) enum Absent {
    Fault,
    /// Nothing is set, and nothing stands in its place.
    Unset,
    Texts(&'static [&'static str]),
    Text(&'static str),
    Integer(u32),
    Number(f64),
    Bool(bool),
    /// As if the table were there and empty.
    Empty,
}

/// Who may write a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    Anywhere,
    /// Not in the file: it is filled from a variable of the node or from a secret file.
    NotInFile,
}

impl Key {
    const fn new(name: &'static str, kind: Kind, absent: Absent, about: &'static str) -> Self {
        Self { name, kind, absent, example: "", about, written: Written::Anywhere }
    }

    const fn required(name: &'static str, kind: Kind, example: &'static str, about: &'static str) -> Self {
        Self { name, kind, absent: Absent::Fault, example, about, written: Written::Anywhere }
    }

    const fn example(mut self, example: &'static str) -> Self {
        self.example = example;
        self
    }

    const fn not_in_file(mut self) -> Self {
        self.written = Written::NotInFile;
        self
    }

    pub(crate) fn in_file(&self) -> bool {
        self.written == Written::Anywhere
    }

    /// A value to show to a person, as TOML.
    pub(crate) fn sample(&self) -> Option<String> {
        if !self.example.is_empty() {
            return Some(self.example.to_owned());
        }
        match self.absent {
            Absent::Text(text) if !text.is_empty() => Some(format!("{text:?}")),
            Absent::Integer(number) => Some(number.to_string()),
            Absent::Number(number) => Some(number.to_string()),
            Absent::Bool(truth) => Some(truth.to_string()),
            Absent::Texts(texts) if !texts.is_empty() => Some(format!("{texts:?}")),
            _ => None,
        }
    }
}

impl Kind {
    const fn text() -> Self {
        Self::Text(Pattern(None))
    }

    const fn like(pattern: &'static str) -> Self {
        Self::Text(Pattern(Some(pattern)))
    }

    const fn duration(min_ms: u64, max_s: u64, step: Step) -> Self {
        let (min, max) = (Duration::from_millis(min_ms), Duration::from_secs(max_s));
        Self::Duration { min, max, step, instead: None }
    }

    const fn duration_or(instead: Instead, min_ms: u64, max_s: u64, step: Step) -> Self {
        let (min, max) = (Duration::from_millis(min_ms), Duration::from_secs(max_s));
        Self::Duration { min, max, step, instead: Some(instead) }
    }

    const fn list(of: &'static Kind, max: usize) -> Self {
        Self::List { of, min: 0, max, alone: Alone::Refused }
    }

    /// What a person is told to write instead.
    pub(crate) fn wanted(&self) -> String {
        let words = match self {
            Self::Text(_) | Self::Secret | Self::SecretFile | Self::Word(_) => "text in quotes",
            Self::Bool => "true or false",
            Self::Integer { .. } => "a whole number",
            Self::Number { .. } => "a number",
            Self::Duration { instead: Some(Instead { word, .. }), .. } => {
                return format!("a duration in quotes, with its unit, or \"{word}\"");
            }
            Self::Duration { instead: None, .. } => "a duration in quotes, with its unit",
            Self::Size { .. } => "a size in quotes, with its unit",
            Self::Asn => "a number or text such as \"AS64500\"",
            Self::List { alone: Alone::Refused, .. } => "a list",
            Self::List { alone: Alone::Accepted, .. } => "text in quotes or a list",
            Self::Table { .. } => "a table",
            Self::Tables { .. } => "a table in double brackets",
        };
        words.to_owned()
    }

    /// Whether an environment variable can hold it.
    pub(crate) fn fits_variable(&self) -> bool {
        !matches!(self, Self::Table { .. } | Self::Tables { .. })
    }
}

/// The names that may be written in the file, for "did you mean".
pub(crate) fn names(keys: &'static [Key]) -> impl Iterator<Item = &'static str> {
    keys.iter().filter(|key| key.in_file()).map(|key| key.name)
}
