//! What is wrong with what an operator wrote, all of it at once, each with its file and line.
//!
//! Absent on purpose: guesses. A value that cannot be read is a fault and never a default.

use std::fmt;
use std::path::Path;

/// More than these are counted and not shown: a wrong column is wrong in every row.
const SHOWN_MAX: usize = 20;

/// Everything that is wrong with the files and options of one run.
#[derive(Debug, Default)]
pub struct Faults {
    shown: Vec<String>,
    more: usize,
}

impl Faults {
    /// One more; `line` counts from 1.
    pub fn push(&mut self, file: &str, line: Option<u64>, what: &str) {
        if self.shown.len() < SHOWN_MAX {
            let place = line.map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"));
            self.shown.push(format!("{place}: {what}"));
        } else {
            self.more += 1;
        }
    }

    /// Keeps what could be read, and the reason why not.
    pub fn keep<T>(&mut self, file: &str, line: Option<u64>, read: Result<T, String>) -> Option<T> {
        read.map_err(|what| self.push(file, line, &what)).ok()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shown.len() + self.more
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// The value, unless something was wrong with it or before it.
    ///
    /// # Errors
    /// [`Failure::Bad`].
    pub fn settle<T>(self, value: Option<T>) -> Result<T, Failure> {
        match value {
            Some(value) if self.is_empty() => Ok(value),
            _ => Err(Failure::Bad(self)),
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.shown.join("\n"))?;
        if self.more > 0 {
            write!(to, "\n... and {} more faults", self.more)?;
        }
        Ok(())
    }
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Files or options are not right; whoever wrote them corrects them.
    #[error("{0}")]
    Bad(Faults),
    /// The configuration is not right: all of its faults.
    #[error("{0}")]
    Config(#[from] watchgate_config::Faults),
    /// A file cannot be read or written.
    #[error("{file}: {error}")]
    File {
        /// Its path.
        file: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// GeoIP databases cannot be used: all of their faults.
    #[error("{0}")]
    Databases(String),
    /// Something that no input should lead to.
    #[error("a fault of this program, please report it: {0}")]
    Ours(String),
}

impl Failure {
    /// For `map_err`: which file the system's error is about.
    pub fn of(file: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let file = file.display().to_string();
        |error| Self::File { file, error }
    }

    /// One thing that is wrong.
    #[must_use]
    pub fn bad(place: &str, what: &str) -> Self {
        let mut faults = Faults::default();
        faults.push(place, None, what);
        Self::Bad(faults)
    }
}
