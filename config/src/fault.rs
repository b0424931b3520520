//! What is wrong with a configuration, said so that a person can mend it.
//!
//! A fault has the key, the line, the reason and often a hint. A reason may quote a value, except where the value
//! is a secret or could hold one: those reasons are written without it. Nothing here reads or decides.

use std::fmt;
use std::path::{Path, PathBuf};

/// One fault, e.g. `node[1].endpoint` on line 31: `must begin with http:// or https://`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The key's path (`node[1].endpoint`, counted from 0), or the environment variable's name; empty for a fault
    /// of the file as a whole.
    pub key: String,
    /// The line in the file, counted from 1; none where the key stands nowhere in it.
    pub line: Option<usize>,
    /// The reason.
    pub why: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Fault {
    pub(crate) fn new(key: impl Into<String>, line: Option<usize>, wrong: Wrong) -> Self {
        Self { key: key.into(), line, why: wrong.why, hint: wrong.hint }
    }
}

/// All the faults of one file and its environment: in the order of the file, then those without a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Faults {
    path: Option<PathBuf>,
    list: Vec<Fault>,
}

impl Faults {
    pub(crate) fn none(path: Option<&Path>) -> Self {
        Self { path: path.map(Path::to_owned), list: Vec::new() }
    }

    pub(crate) fn push(&mut self, fault: Fault) {
        self.list.push(fault);
    }

    /// Keeps the value, or the reason why there is none.
    pub(crate) fn keep<T>(&mut self, parsed: Result<T, Fault>) -> Option<T> {
        parsed.map_err(|fault| self.push(fault)).ok()
    }

    pub(crate) fn in_order(mut self) -> Self {
        self.list.sort_by_key(|fault| (fault.line.is_none(), fault.line));
        self
    }

    /// The faults, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Fault> {
        self.list.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Never true of what [`crate::parse`] returns as an error.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl<'a> IntoIterator for &'a Faults {
    type Item = &'a Fault;
    type IntoIter = std::slice::Iter<'a, Fault>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// `watchgate.toml:31: node[1].endpoint: reason`, the hint on a line of its own; no newline at the end.
impl fmt::Display for Faults {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.list.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            match (&self.path, fault.line) {
                (Some(path), Some(line)) => write!(out, "{}:{line}: ", path.display())?,
                (Some(path), None) => write!(out, "{}: ", path.display())?,
                (None, Some(line)) => write!(out, "line {line}: ")?,
                (None, None) => {}
            }
            write!(out, "{fault}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(out, "{}: ", self.key)?;
        }
        write!(out, "{}", self.why)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(out, "\n    hint: {hint}"))
    }
}

impl std::error::Error for Faults {}

/// Why one value is not what it should be; the caller knows which key it belongs to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Wrong {
    /// The reason.
    pub why: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Wrong {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds "did you mean", if one of the words is near enough to what was written.
    pub(crate) fn nearest<'a>(self, written: &str, words: impl IntoIterator<Item = &'a str>) -> Self {
        match nearest(written, words) {
            Some(word) => self.hint(format!("did you mean \"{word}\"?")),
            None => self,
        }
    }
}

/// The word that a person most likely meant: the key of a secret's file for that of the secret, or one of which at most
/// a quarter of the letters, and one more, are off.
pub(crate) fn nearest<'a>(written: &str, words: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // What is longer than any key plus its slips cannot be near one, and the distance costs length squared.
    if written.len() > 128 {
        return None;
    }
    let lower = written.to_lowercase();
    let distance = |word: &str| match word.strip_suffix("_file") {
        Some(secret) if secret == lower => 0,
        _ => strsim::damerau_levenshtein(&lower, word),
    };
    words
        .into_iter()
        .map(|word| (distance(&word.to_lowercase()), word))
        .filter(|(distance, word)| *distance <= 1 + word.len() / 4 && *distance < word.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_offered_and_a_far_one_is_not() {
        let check = |written: &str, expected: Option<&str>| {
            let words = ["endpoint", "public_url", "at", "weight", "redirect", "rise", "pin_file"];
            assert_eq!(nearest(written, words), expected, "{written}");
        };
        check("endpont", Some("endpoint"));
        check("end_point", Some("endpoint"));
        check("ENDPOINT", Some("endpoint"));
        check("publicurl", Some("public_url"));
        check("wieght", Some("weight"));
        check("pin", Some("pin_file"));
        check("PIN", Some("pin_file"));
        check("stream", None);
        check("xy", None);
        check("", None);
        check(&"e".repeat(100_000), None);
    }

    #[test]
    fn faults_print_in_the_order_of_the_file() {
        let mut faults = Faults::none(Some(Path::new("gate.toml")));
        faults.push(Fault::new("WATCHGATE__X", None, Wrong::new("unknown variable")));
        faults.push(Fault::new("b", Some(9), Wrong::new("too small").hint("try 2")));
        faults.push(Fault::new("a", Some(3), Wrong::new("unknown key")));
        let expected = "gate.toml:3: a: unknown key\ngate.toml:9: b: too small\n    hint: try 2\n\
                        gate.toml: WATCHGATE__X: unknown variable";
        assert_eq!(faults.in_order().to_string(), expected);
    }
}
