//! A process's own memory, by the kernel's books.
//!
//! Private and dirty is what only this process has and only it can give back. Absent on purpose: shared pages, which
//! more viewers do not make more, and the virtual size, which says nothing.

use serde::Serialize;

use crate::Failure;
use crate::process::{kib, read};

/// Memory of one process at one moment, or its growth between two; in KiB.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Own {
    pub(super) private_dirty: i64,
    pub(super) resident: i64,
}

impl Own {
    /// Now.
    pub(super) fn of(process: u32) -> Result<Self, Failure> {
        let file = format!("/proc/{process}/smaps_rollup");
        let unknown = || Failure::NotHere(format!("{file} does not tell what is private (Linux 4.14 does)"));
        parsed(&read(&file)?).ok_or_else(unknown)
    }

    /// Growth since an earlier moment; below 0: it has shrunk.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        Self {
            private_dirty: self.private_dirty - earlier.private_dirty,
            resident: self.resident - earlier.resident,
        }
    }
}

fn parsed(rollup: &str) -> Option<Own> {
    Some(Own { private_dirty: kib(rollup, "Private_Dirty:")?, resident: kib(rollup, "Rss:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_books() {
        let text = "5586-7fff ---p 00000000 00:00 0  [rollup]\nRss:             1234 kB\nPss:  9 kB\n\
                    Private_Clean:  3 kB\nPrivate_Dirty:      56 kB\n";
        assert_eq!(parsed(text), Some(Own { private_dirty: 56, resident: 1234 }));
        assert_eq!(parsed("Rss: 1 kB"), None);
    }

    #[test]
    fn this_process_grows() {
        let before = Own::of(std::process::id()).unwrap();
        // So much never comes from what another test has given back.
        let kept = std::hint::black_box(vec![1_u8; 64 << 20]);
        let grown = Own::of(std::process::id()).unwrap().since(&before);
        assert!(grown.private_dirty >= 32 << 10, "{grown:?} for {} bytes", kept.len());
    }
}
