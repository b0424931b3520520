//! MMDB files in memory: an address in, the record and then the place out.
//!
//! Several files answer together, field by field, in the operator's order. A look-up never fails: what a
//! file does not know, cannot know (IPv6 in an IPv4 file) or has damaged is a miss for that file.
//! Deliberately absent: memory mapping (others replace these files under us) and `decode_path`, which
//! walks the record again for each field.

mod error;
mod key;
mod probe;
mod record;

use std::fmt;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use maxminddb::Reader;

use crate::{Place, unmap};
pub use error::{DatabaseError, DatabaseFault};
pub use key::{DATABASES_MAX, RecordKey};

/// Files that answer together. Built once, then only read; a clone has the same memory.
#[derive(Clone, Default)]
pub struct Databases {
    files: Vec<Arc<File>>,
    infos: Vec<DatabaseInfo>,
}

/// What an opened file says of itself, and what was found in it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatabaseInfo {
    /// The path, or the name it was given.
    pub name: String,
    /// The file's own word, e.g. `GeoLite2-City`.
    pub database_type: String,
    /// What it can tell, by its records and not by its name.
    pub kind: DatabaseKind,
    /// When it was built, in seconds since 1970.
    pub build_epoch: u64,
    /// 4, or 6 for files that hold IPv6 networks, mostly with IPv4 inside.
    pub ip_version: u16,
    /// Nodes of the search tree.
    pub node_count: u32,
}

/// The most precise thing that a file's records tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DatabaseKind {
    /// Coordinates, and mostly country and continent.
    City,
    /// Country or continent, no coordinates.
    Country,
    /// The autonomous system alone.
    Asn,
}

struct File {
    reader: Reader<Vec<u8>>,
    has_ipv6: bool,
    /// Look-ups that met damage. It can only grow in a file that was damaged and passed the probe.
    faults: AtomicU64,
}

impl Databases {
    /// No database: every place is unknown.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Reads files into memory and proves them.
    ///
    /// # Errors
    /// Every fault of every file; then nothing is opened.
    pub fn open(paths: &[PathBuf]) -> Result<Self, Vec<DatabaseError>> {
        let name = |path: &Path| path.display().to_string();
        // Counted first: files beyond the limit are not worth reading.
        limit(paths.get(DATABASES_MAX).map(|path| name(path)), paths.len())?;
        let (mut sources, mut errors) = (Vec::new(), Vec::new());
        for path in paths {
            match read(path) {
                Ok(bytes) => sources.push((name(path), bytes)),
                Err(error) => {
                    errors.push(DatabaseError { name: name(path), fault: DatabaseFault::Unreadable(error) });
                }
            }
        }
        match Self::from_bytes(sources) {
            Ok(databases) if errors.is_empty() => Ok(databases),
            Ok(_) => Err(errors),
            Err(more) => {
                errors.extend(more);
                Err(errors)
            }
        }
    }

    /// Takes files that are in memory already, each with the name that messages call it by.
    ///
    /// # Errors
    /// Every fault of every file; then nothing is opened.
    pub fn from_bytes(sources: Vec<(String, Vec<u8>)>) -> Result<Self, Vec<DatabaseError>> {
        limit(sources.get(DATABASES_MAX).map(|source| source.0.clone()), sources.len())?;
        let (mut databases, mut errors) = (Self::empty(), Vec::new());
        for (name, bytes) in sources {
            match load(&name, bytes) {
                Ok((file, info)) => {
                    databases.files.push(Arc::new(file));
                    databases.infos.push(info);
                }
                Err(fault) => errors.push(DatabaseError { name, fault }),
            }
        }
        if errors.is_empty() { Ok(databases) } else { Err(errors) }
    }

    /// Which records answer for this address: walks the trees, decodes and allocates nothing.
    #[must_use]
    pub fn find(&self, address: IpAddr) -> RecordKey {
        let address = unmap(address);
        let mut records = [None; DATABASES_MAX];
        for (record, file) in records.iter_mut().zip(&self.files) {
            *record = file.offset(address);
        }
        RecordKey::of(address, &records)
    }

    /// What those records say. A key of other databases gives the place of the address it was found for.
    #[must_use]
    pub fn place(&self, key: &RecordKey) -> Place {
        self.gather(key.address(), |index| key.has(index))
    }

    /// [`find`](Self::find) and [`place`](Self::place) in one walk.
    #[must_use]
    pub fn lookup(&self, address: IpAddr) -> Place {
        self.gather(unmap(address), |_| true)
    }

    /// What was opened, in the order of asking.
    #[must_use]
    pub fn info(&self) -> &[DatabaseInfo] {
        &self.infos
    }

    /// How many look-ups met damage so far, by the name of the file. Anything but 0 means that the file
    /// must be delivered again.
    pub fn faults(&self) -> impl Iterator<Item = (&str, u64)> {
        let counts = self.files.iter().map(|file| file.faults.load(Ordering::Relaxed));
        self.infos.iter().map(|info| info.name.as_str()).zip(counts)
    }

    fn gather(&self, address: IpAddr, is_asked: impl Fn(usize) -> bool) -> Place {
        let mut place = Place::default();
        for (index, file) in self.files.iter().enumerate() {
            if place.is_complete() {
                break;
            }
            if is_asked(index) {
                place.fill_from(&file.place(address));
            }
        }
        place
    }
}

impl fmt::Debug for Databases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Databases").field(&self.infos).finish()
    }
}

impl File {
    /// IPv6 in an IPv4 file is a miss; the reader calls it an error and would allocate a message.
    fn can_hold(&self, address: IpAddr) -> bool {
        self.has_ipv6 || address.is_ipv4()
    }

    fn offset(&self, address: IpAddr) -> Option<u32> {
        if !self.can_hold(address) {
            return None;
        }
        let offset = self.counted(self.reader.lookup(address))?.offset()?;
        // Tree records are 32 bits wide at most, so an offset from one always fits.
        u32::try_from(offset).ok()
    }

    fn place(&self, address: IpAddr) -> Place {
        if !self.can_hold(address) {
            return Place::default();
        }
        let place = self.reader.lookup(address).and_then(|found| record::place(&found));
        self.counted(place).unwrap_or_default()
    }

    fn counted<T>(&self, result: Result<T, maxminddb::MaxMindDbError>) -> Option<T> {
        if result.is_err() {
            self.faults.fetch_add(1, Ordering::Relaxed);
        }
        result.ok()
    }
}

fn limit(first_beyond: Option<String>, count: usize) -> Result<(), Vec<DatabaseError>> {
    match first_beyond {
        Some(name) => Err(vec![DatabaseError { name, fault: DatabaseFault::TooMany { count } }]),
        None => Ok(()),
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    // A directory reads as an error by itself; a device or a pipe might never end.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    fs::read(path)
}

fn load(name: &str, bytes: Vec<u8>) -> Result<(File, DatabaseInfo), DatabaseFault> {
    let kind = probe::probe(&bytes)?;
    let reader = Reader::from_source(bytes).map_err(|error| DatabaseFault::Damaged(error.to_string()))?;
    let metadata = reader.metadata();
    let info = DatabaseInfo {
        name: name.to_owned(),
        database_type: metadata.database_type.clone(),
        kind,
        build_epoch: metadata.build_epoch,
        ip_version: metadata.ip_version,
        node_count: metadata.node_count,
    };
    let has_ipv6 = metadata.ip_version == 6;
    Ok((File { reader, has_ipv6, faults: AtomicU64::new(0) }, info))
}
