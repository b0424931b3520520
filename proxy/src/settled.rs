//! When a file that somebody writes is due to be read: a change that has stood for a second look.
//!
//! A slow writer is not read half way, and what was read, good or bad, is not read again before it changes. Absent on
//! purpose: notifications of the system, which network file systems and bind mounts do not send; and the looking.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// What tells one state of a file from another: when it was written, in nanoseconds, its size, and which file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    written_ns: (i64, i64),
    size: u64,
    inode: (u64, u64),
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            written_ns: (metadata.mtime(), metadata.mtime_nsec()),
            size: metadata.size(),
            inode: (metadata.dev(), metadata.ino()),
        }
    }
}

/// Looks at states `S` of what is followed.
#[derive(Clone, Debug)]
pub(crate) struct Watcher<S> {
    /// What was read last, good or bad; none: whatever is there has to be read.
    read: Option<S>,
    /// What was there at the last look.
    seen: Option<S>,
}

/// What a look says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// All is as before, or not settled yet.
    Nothing,
    /// It is to be read now.
    Read,
    /// It was there at the last look.
    Gone,
}

impl<S: Clone + PartialEq> Watcher<S> {
    /// `read`: what has been read already.
    pub(crate) fn new(read: S) -> Self {
        Self { read: Some(read.clone()), seen: Some(read) }
    }

    /// It was read in this state; `None`: it has to be read once more.
    pub(crate) fn has_read(&mut self, read: Option<S>) {
        self.read = read;
    }

    /// What is there now; `None`: nothing.
    pub(crate) fn sees(&mut self, now: Option<S>) -> Due {
        let before = std::mem::replace(&mut self.seen, now);
        match &self.seen {
            None if before.is_some() => Due::Gone,
            Some(_) if before == self.seen && self.read != self.seen => {
                self.read.clone_from(&self.seen);
                Due::Read
            }
            _ => Due::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_change_is_not_due() {
        let mut watcher = Watcher::new(1);
        let mut check = |now: Option<u32>, due: Due| assert_eq!(watcher.sees(now), due, "{now:?}");
        check(Some(1), Due::Nothing);
        check(Some(2), Due::Nothing);
        check(Some(3), Due::Nothing);
        check(Some(3), Due::Read);
        check(Some(3), Due::Nothing);
        check(Some(4), Due::Nothing);
        check(Some(3), Due::Nothing);
        check(Some(3), Due::Nothing);
        check(None, Due::Gone);
        check(None, Due::Nothing);
        check(Some(3), Due::Nothing);
        check(Some(3), Due::Nothing);
        check(Some(5), Due::Nothing);
        check(Some(5), Due::Read);
    }
}
