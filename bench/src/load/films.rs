//! The films that viewers want: names, sizes, and what is known of their bytes.
//!
//! A list is a CSV file, `uuid,size,blocks`, most wanted first; `blocks` may be left out or empty and is else a file
//! beside the list, made by `load manifest`. Absent on purpose: asking the gate what it has.

use std::path::Path;
use std::rc::Rc;

use serde::Deserialize;

use super::blocks::Blocks;
use crate::Failure;

/// Films in a list.
const FILMS_MAX: usize = 1_000_000;
/// Hashes in memory, of all films: 512 MiB.
const BLOCKS_MAX: usize = 64 << 20;
/// As many faults as anybody reads.
const FAULTS_SHOWN: usize = 20;

/// A film that may be wanted.
#[derive(Debug)]
pub(super) struct Film {
    /// As in the path.
    pub(super) uuid: String,
    pub(super) size: u64,
    pub(super) blocks: Option<Rc<Blocks>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    uuid: String,
    size: u64,
    #[serde(default)]
    blocks: Option<String>,
}

/// Reads a list.
///
/// # Errors
/// All that is wrong with it, with lines.
pub(super) fn read(path: &Path) -> Result<Vec<Rc<Film>>, Failure> {
    let text = std::fs::read_to_string(path).map_err(Failure::during(path.display().to_string()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let blocks = |name: &str| {
        let text = std::fs::read_to_string(folder.join(name)).map_err(|error| format!("{name}: {error}"))?;
        Blocks::read(&text).map_err(|why| format!("{name}: {why}"))
    };
    parse(&text, blocks).map_err(|faults| {
        let more = faults.len().saturating_sub(FAULTS_SHOWN);
        let mut shown: Vec<String> = faults.into_iter().take(FAULTS_SHOWN).collect();
        if more > 0 {
            shown.push(format!("and {more} more"));
        }
        Failure::NotHere(format!("{}:\n    {}", path.display(), shown.join("\n    ")))
    })
}

fn parse(text: &str, blocks: impl Fn(&str) -> Result<Blocks, String>) -> Result<Vec<Rc<Film>>, Vec<String>> {
    let (mut films, mut faults, mut known) = (Vec::new(), Vec::new(), 0);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    for (index, line) in reader.deserialize::<Line>().enumerate() {
        let mut fault = |what: String| faults.push(format!("line {}: {what}", index + 2));
        let Line { uuid, size, blocks: file } = match line {
            Ok(line) => line,
            Err(error) => {
                fault(told(&error));
                continue;
            }
        };
        if !is_uuid(&uuid) {
            fault(format!("{uuid:?} is no uuid"));
        }
        if size == 0 {
            fault("a film of 0 bytes cannot be watched".to_owned());
        }
        let blocks = match file.filter(|file| !file.is_empty()).map(|file| blocks(&file)) {
            Some(Err(why)) => {
                fault(why);
                None
            }
            Some(Ok(blocks)) => Some(blocks),
            None => None,
        };
        if blocks.as_ref().is_some_and(|blocks| blocks.size != size) {
            fault("its blocks are those of a film of another size".to_owned());
        }
        known += blocks.as_ref().map_or(0, Blocks::count);
        films.push(Rc::new(Film { uuid: uuid.to_ascii_lowercase(), size, blocks: blocks.map(Rc::new) }));
        if films.len() > FILMS_MAX || known > BLOCKS_MAX {
            faults.push(format!("more than {FILMS_MAX} films or {BLOCKS_MAX} blocks; take a part of them"));
            break;
        }
    }
    if films.is_empty() && faults.is_empty() {
        faults.push("it has no films".to_owned());
    }
    if faults.is_empty() { Ok(films) } else { Err(faults) }
}

/// Without the crate's own words about where in the file it was.
fn told(error: &csv::Error) -> String {
    match error.kind() {
        csv::ErrorKind::Deserialize { err, .. } => format!("not `uuid,size` or `uuid,size,blocks`: {err}"),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("{len} fields where the first line has {expected_len}")
        }
        _ => error.to_string(),
    }
}

/// 8-4-4-4-12 hexadecimal digits.
pub(super) fn is_uuid(text: &str) -> bool {
    let digit = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.bytes().enumerate().all(digit)
}

#[cfg(test)]
mod tests {
    use super::super::blocks::Maker;
    use super::*;

    const UUID: &str = "3D825f60-9fff-4dfe-b294-1a45fa1e115d";

    fn read(text: &str) -> Result<Vec<Rc<Film>>, Vec<String>> {
        parse(text, |name| match name {
            "five" => {
                let mut maker = Maker::new(1024);
                maker.feed(b"12345");
                Ok(maker.end())
            }
            _ => Err(format!("{name}: no such file")),
        })
    }

    #[test]
    fn lists_with_and_without_blocks() {
        let films = read(&format!("uuid,size\n{UUID},7\n")).unwrap();
        assert_eq!((films[0].uuid.as_str(), films[0].size), ("3d825f60-9fff-4dfe-b294-1a45fa1e115d", 7));
        let films = read(&format!("uuid,size,blocks\n{UUID},7,\n{UUID},5,five\n")).unwrap();
        assert!(films[0].blocks.is_none() && films[1].blocks.is_some());
    }

    #[test]
    fn all_faults_are_told_with_lines() {
        let faults = read(&format!(
            "uuid,size,blocks\nx,7,\n{UUID},0,\n{UUID},six,\n{UUID},6,five\n{UUID},5,nine\n{UUID}\n"
        ));
        let faults = faults.unwrap_err();
        let expected = [
            "line 2: \"x\" is no uuid",
            "line 3: a film of 0 bytes",
            "line 4: not `uuid,size`",
            "line 5: its blocks are those",
            "line 6: nine: no such file",
            "line 7: 1 fields where the first line has 3",
        ];
        assert_eq!(faults.len(), expected.len(), "{faults:#?}");
        assert!(
            faults.iter().zip(expected).all(|(fault, expected)| fault.starts_with(expected)),
            "{faults:#?}"
        );
        assert_eq!(read("uuid,size\n").unwrap_err(), ["it has no films"]);
        assert!(read("name,size\nx,1\n").unwrap_err()[0].contains("line 2: not `uuid,size`"));
    }
}
