//! Reads a catalog's file row by row into a [`List`]: CSV, or JSON lines.
//!
//! A file is taken whole or not at all: one bad row, and every fault is told with its line, up to ten of them. No more
//! than a row is in memory beside the list. Absent on purpose: files and their changes (`file`); this reads any reader.

use std::borrow::Cow;
use std::fmt;
use std::io::{BufRead, Read};

use csv::{ByteRecord, ErrorKind, ReaderBuilder};
use serde::Deserialize;

use super::list::{Full, List};
use super::row::Shape;
use crate::decide::watch::Film;

/// After so many faults nobody reads on.
const FAULTS_MAX: usize = 10;
/// Of one JSON line: a uuid, a key in which every byte is written as `\u0000`, and fields that are passed over.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// How the rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// RFC 4180 with a header line that names `uuid` and `key`; other columns are passed over.
    Csv,
    /// An object a line with `uuid` and `key`; other fields and empty lines are passed over.
    JsonLines,
}

/// One fault of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFault {
    /// Where the row begins, counted from 1.
    pub line: u64,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.why)
    }
}

/// Why there is no list.
#[derive(Debug)]
pub(super) enum Unread {
    /// The system does not give the text.
    Io(std::io::Error),
    /// Its rows have faults: at least one, in the order of the file.
    Rows(Vec<RowFault>),
}

/// Reads all rows. Bytes before the first row that say "this is UTF-8" are passed over.
pub(super) fn list(text: impl BufRead, format: Format, shape: Shape) -> Result<List, Unread> {
    let mut rows = Rows { list: List::default(), shape, faults: Vec::new() };
    let read = match format {
        Format::Csv => rows.csv(text),
        Format::JsonLines => rows.json_lines(text),
    };
    read.map_err(Unread::Io)?;
    if rows.faults.is_empty() { Ok(rows.list) } else { Err(Unread::Rows(rows.faults)) }
}

struct Rows {
    list: List,
    shape: Shape,
    faults: Vec<RowFault>,
}

impl Rows {
    fn csv(&mut self, text: impl Read) -> std::io::Result<()> {
        let mut reader = ReaderBuilder::new().from_reader(text);
        let columns = match reader.byte_headers() {
            Ok(header) => columns(header),
            Err(error) => return self.csv_fault(error),
        };
        let (uuid_at, key_at) = match columns {
            Ok(columns) => columns,
            Err(why) => {
                self.fault(1, why);
                return Ok(());
            }
        };
        let mut record = ByteRecord::new();
        while self.faults.len() < FAULTS_MAX {
            match reader.read_byte_record(&mut record) {
                Ok(true) => {
                    let line = record.position().map_or(0, csv::Position::line);
                    let field = |at: usize| std::str::from_utf8(record.get(at).unwrap_or_default());
                    match (field(uuid_at), field(key_at)) {
                        (Ok(uuid), Ok(key)) => self.row(line, uuid, key),
                        _ => self.fault(line, "is not UTF-8"),
                    }
                }
                Ok(false) => break,
                Err(error) => self.csv_fault(error)?,
            }
        }
        Ok(())
    }

    fn csv_fault(&mut self, error: csv::Error) -> std::io::Result<()> {
        let line = error.position().map_or(0, csv::Position::line);
        match error.into_kind() {
            ErrorKind::Io(error) => return Err(error),
            ErrorKind::UnequalLengths { expected_len, len, .. } => self.fault(
                line,
                format!(
                    "has {len} fields where the header line has {expected_len}; a key with a comma stands in double \
                     quotes"
                ),
            ),
            other => self.fault(line, format!("is not CSV: {other:?}")),
        }
        Ok(())
    }

    fn json_lines(&mut self, mut text: impl BufRead) -> std::io::Result<()> {
        let mut line = Vec::new();
        let mut number = 0;
        while self.faults.len() < FAULTS_MAX {
            line.clear();
            if text.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)? == 0 {
                break;
            }
            number += 1;
            if line.len() as u64 == LINE_BYTES_MAX {
                self.fault(number, format!("is longer than {LINE_BYTES_MAX} bytes"));
                break;
            }
            let row = if number == 1 { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&line) } else { &line };
            if row.trim_ascii().is_empty() {
                continue;
            }
            // serde would take a list of two for an object.
            if !row.trim_ascii_start().starts_with(b"{") {
                self.fault(number, "is not a JSON object");
                continue;
            }
            match serde_json::from_slice::<JsonRow<'_>>(row) {
                Ok(row) => self.row(number, &row.uuid, &row.key),
                Err(error) => self.fault(number, json_fault(&error)),
            }
        }
        Ok(())
    }

    fn row(&mut self, line: u64, uuid: &str, key: &str) {
        let film: Film = match uuid.parse() {
            Ok(film) => film,
            Err(_) => {
                return self
                    .fault(line, format!("uuid {:?} is not 8-4-4-4-12 hexadecimal digits", Short(uuid)));
            }
        };
        let row = match self.shape.read(key) {
            Ok(row) => row,
            Err(wrong) => return self.fault(line, format!("key {:?} {}", Short(key), wrong.why)),
        };
        match self.list.insert(&film, u32::try_from(line).unwrap_or(u32::MAX), row) {
            Ok(()) => {}
            Err(Full::Twice(first)) => self.fault(line, format!("uuid {film} stands on line {first} too")),
            Err(Full::Size) => self.fault(line, "does not fit: a list has room for 4 GiB"),
        }
    }

    fn fault(&mut self, line: u64, why: impl Into<String>) {
        self.faults.push(RowFault { line, why: why.into() });
    }
}

/// Where the two columns stand.
fn columns(header: &ByteRecord) -> Result<(usize, usize), String> {
    let find = |name: &str| {
        let mut found = header.iter().zip(0..).filter(|(column, _)| *column == name.as_bytes());
        match (found.next(), found.next()) {
            (Some((_, at)), None) => Ok(at),
            (Some(_), Some(_)) => Err(format!("the header line names the column {name} twice")),
            (None, _) => {
                Err(format!("the header line does not name the column {name}; it has to name uuid and key"))
            }
        }
    };
    Ok((find("uuid")?, find("key")?))
}

#[derive(Deserialize)]
struct JsonRow<'a> {
    #[serde(borrow)]
    uuid: Cow<'a, str>,
    #[serde(borrow)]
    key: Cow<'a, str>,
}

/// Without serde's "at line 1": every row is a text of its own to it.
fn json_fault(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let why = text.rsplit_once(" at line ").map_or(text.as_str(), |(why, _)| why);
    format!("{why} (column {})", error.column())
}

/// A foreign text in a message: quoted, escaped, and not all of it.
pub(super) struct Short<'a>(pub(super) &'a str);

impl fmt::Debug for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CHARACTERS_MAX: usize = 80;
        match self.0.char_indices().nth(CHARACTERS_MAX) {
            Some((end, _)) => write!(f, "{:?}…", &self.0[..end]),
            None => write!(f, "{:?}", self.0),
        }
    }
}

#[cfg(test)]
mod tests;
