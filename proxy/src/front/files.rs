//! How many viewers fit into the process's file table.
//!
//! Service managers often start a process with 1,024 files although it may have half a million: the front door takes
//! what it may have. Absent on purpose: raising what the administrator set as the end.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::VIEWERS_MAX;

/// Files that are none of a viewer's: listeners, probes, databases, the admin side. In a small table at most half.
const RESERVE: u64 = 256;
/// A streamed film takes two files: its viewer's and its node's.
const FILES_PER_VIEWER: u64 = 2;

/// Raises the process's limit of open files as far as it may be, and says how many viewers that is.
#[must_use]
pub fn claim() -> u32 {
    // If the system does not tell, the kernel's refusals are the limit: the accept loop lives with them.
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return VIEWERS_MAX };
    let wanted = RESERVE + FILES_PER_VIEWER * u64::from(VIEWERS_MAX);
    let aim = wanted.min(hard);
    if soft >= aim {
        return viewers(soft);
    }
    viewers(setrlimit(Resource::RLIMIT_NOFILE, aim, hard).map_or(soft, |()| aim))
}

/// Viewers that fit into a table of so many files: at least one, at most [`VIEWERS_MAX`].
fn viewers(files: u64) -> u32 {
    let fit = (files - RESERVE.min(files / 2)) / FILES_PER_VIEWER;
    u32::try_from(fit).unwrap_or(VIEWERS_MAX).clamp(1, VIEWERS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viewers_by_files() {
        for (files, want) in [
            (0, 1),
            (3, 1),
            (64, 16),
            (512, 128),
            (514, 129),
            (1024, 384),
            (131_328, 65_536),
            (u64::MAX, 65_536),
        ] {
            assert_eq!(viewers(files), want, "{files} files");
        }
    }
}
