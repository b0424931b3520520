//! A catalog in a file: read whole, and read again when the file changes.
//!
//! Once a second the file is looked at, and a change is read when it has settled (`settled`); a file that changes while
//! it is read is read once more. A bad file changes nothing. Absent on purpose: what a row means (`row`).

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use super::list::List;
use super::metrics::FileMetrics;
use super::read::{Format, RowFault, Unread, list};
use super::row::Shape;
use crate::clock::Clock;
use crate::decide::watch::Film;
use crate::settled::{Due, Stamp, Watcher};

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often a file that changes meanwhile is read before it is left for later.
const READS_MAX: usize = 3;

/// Why a file gives no list.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The system does not give it.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// It has bad rows: the first ten at most. One line each, as `path:line: why`.
    #[error("{}", lines(path, faults))]
    Rows {
        /// The file.
        path: String,
        /// At least one, in the order of the file.
        faults: Vec<RowFault>,
    },
    /// It changed whenever it was read.
    #[error("{path}: changes while it is read; write it aside and rename it")]
    Unsettled {
        /// The file.
        path: String,
    },
}

fn lines(path: &str, faults: &[RowFault]) -> String {
    faults.iter().map(|fault| format!("{path}:{fault}")).collect::<Vec<_>>().join("\n")
}

/// See the module.
pub(super) struct Listed {
    path: PathBuf,
    shape: Shape,
    list: ArcSwap<List>,
    /// Of the file that was read first.
    first: Stamp,
    clock: Clock,
    metrics: FileMetrics,
}

impl Listed {
    pub(super) fn open(
        path: &Path,
        shape: Shape,
        clock: Clock,
        metrics: FileMetrics,
    ) -> Result<Self, FileError> {
        let (list, first) = read(path, shape)?;
        let listed = Self {
            path: path.to_owned(),
            shape,
            list: ArcSwap::from_pointee(List::default()),
            first,
            clock,
            metrics,
        };
        listed.take(list);
        Ok(listed)
    }

    /// Reads the film's row, if it is listed.
    pub(super) fn get<R>(&self, film: &Film, read: impl FnOnce(&str) -> R) -> Option<R> {
        self.list.load().get(film).map(read)
    }

    pub(super) fn len(&self) -> usize {
        self.list.load().len()
    }

    /// Follows the file until `shutdown` is true or its sender is gone.
    pub(super) async fn follow(&self, mut shutdown: watch::Receiver<bool>) {
        let mut watcher = Watcher::new(self.first);
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                _ = shutdown.wait_for(|stop| *stop) => return,
                _ = ticks.tick() => {}
            }
            watcher = self.look(watcher).await;
        }
    }

    /// Looks at the file once, and reads it if it is time to.
    async fn look(&self, watcher: Watcher<Stamp>) -> Watcher<Stamp> {
        let mut seeing = watcher.clone();
        let (path, shape) = (self.path.clone(), self.shape);
        // The file may be on a network that hangs.
        let looked = tokio::task::spawn_blocking(move || {
            let stamp = std::fs::metadata(&path).map(|metadata| Stamp::of(&metadata));
            let read = match seeing.sees(stamp.as_ref().ok().copied()) {
                Due::Read => Some(read(&path, shape)),
                Due::Gone => stamp.err().map(|error| Err(io(&path, error))),
                Due::Nothing => None,
            };
            (seeing, read)
        });
        let Ok((mut watcher, read)) = looked.await else {
            tracing::error!("reading the catalog ended by a fault in the gate; please report it");
            return watcher;
        };
        match read {
            None => {}
            Some(Ok((list, stamp))) => {
                watcher.has_read(Some(stamp));
                self.metrics.reloaded.inc();
                self.take(list);
                tracing::info!(path = %self.path.display(), films = self.len(), "the catalog was read again");
            }
            Some(Err(FileError::Unsettled { .. })) => watcher.has_read(None),
            Some(Err(error)) => {
                self.metrics.failed.inc();
                tracing::error!(
                    films = self.len(),
                    "the catalog's file is bad, the last good one stays: {error}"
                );
            }
        }
        watcher
    }

    fn take(&self, list: List) {
        self.metrics.rows.set(gauge(list.len()));
        self.metrics.bytes.set(gauge(list.bytes()));
        self.metrics.loaded_s.set((self.clock.unix_ms() / 1000).cast_signed());
        self.list.store(Arc::new(list));
    }
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The list, and the state of the file that it was read from.
fn read(path: &Path, shape: Shape) -> Result<(List, Stamp), FileError> {
    for _ in 0..READS_MAX {
        let file = File::open(path).map_err(|error| io(path, error))?;
        let stamp = file.metadata().map(|metadata| Stamp::of(&metadata)).map_err(|error| io(path, error))?;
        let read = list(BufReader::with_capacity(64 * 1024, file), format(path), shape);
        let after = std::fs::metadata(path).map(|metadata| Stamp::of(&metadata));
        if after.is_ok_and(|after| after != stamp) {
            continue;
        }
        return match read {
            Ok(list) => Ok((list, stamp)),
            Err(Unread::Io(error)) => Err(io(path, error)),
            Err(Unread::Rows(faults)) => Err(FileError::Rows { path: path.display().to_string(), faults }),
        };
    }
    Err(FileError::Unsettled { path: path.display().to_string() })
}

fn io(path: &Path, source: std::io::Error) -> FileError {
    FileError::Io { path: path.display().to_string(), source }
}

fn format(path: &Path) -> Format {
    let is_lines = |ending: &std::ffi::OsStr| {
        ending.eq_ignore_ascii_case("jsonl") || ending.eq_ignore_ascii_case("ndjson")
    };
    if path.extension().is_some_and(is_lines) { Format::JsonLines } else { Format::Csv }
}

#[cfg(test)]
mod tests;
