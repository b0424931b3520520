//! `[catalog]`: a list or a database, or neither.
//!
//! Neither is opened here, and what a key may be is judged where it is read.

use std::path::{Path, PathBuf};

use super::parse_path;
use crate::fault::{Faults, Wrong};
use crate::query::parse_query;
use crate::tree::Table;
use crate::{Catalog, Postgres, secrets};

pub(super) fn catalog(root: &Table, folder: &Path, faults: &mut Faults) -> Option<Catalog> {
    let Some(table) = root.table("catalog") else { return Some(Catalog::Template) };
    let written = |key| table.get(key).is_some() || table.refused.contains(&key);
    match (written("file"), written("postgres")) {
        (false, false) => Some(Catalog::Template),
        (true, false) => file(table, folder, faults),
        (false, true) => postgres(table.table("postgres")?, faults).map(Catalog::Postgres),
        (true, true) => {
            let wrong = Wrong::new("file and postgres are both set").hint("keep one of them");
            faults.push(match table.get("postgres") {
                Some(item) => item.fault(wrong),
                None => table.lacks("postgres", wrong),
            });
            None
        }
    }
}

fn file(table: &Table, folder: &Path, faults: &mut Faults) -> Option<Catalog> {
    let path: PathBuf = table.parsed("file", faults, parse_path)?;
    Some(Catalog::File(folder.join(path)))
}

fn postgres(table: &Table, faults: &mut Faults) -> Option<Postgres> {
    // An empty path is no secret file elsewhere, and passed over; here it leaves nothing.
    if let Some(item) = table.get("url_file")
        && item.text() == Some("")
    {
        faults.push(item.fault(Wrong::new("the path is empty")));
    }
    let query = table.parsed("query", faults, parse_query);
    Some(Postgres {
        url: secrets::find(table, "url")?,
        query: query?,
        ttl: table.duration("ttl")?,
        negative_ttl: table.duration("negative_ttl")?,
        timeout: table.duration("timeout")?,
        connections: table.count("connections")?,
    })
}
