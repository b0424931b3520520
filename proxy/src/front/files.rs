//! How many viewers fit into the process's file table.
//!
//! Service managers often start a process with 1,024 files although it may have half a million: the front door takes
//! what it may have. Absent on purpose: raising what the administrator set as the end.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::VIEWERS_MAX;

/// Files that are none of a viewer's: listeners, databases, the admin side.
const RESERVE: u64 = 256;
/// A round of probes takes two, and while a large fleet is silent there is one for each node.
const FILES_PER_NODE: u64 = 2;
/// A streamed film takes two files: its viewer's and its node's.
const FILES_PER_VIEWER: u64 = 2;

/// Raises the process's limit of open files as far as it may be, and says how many viewers that is, beside so many nodes.
#[must_use]
pub fn claim(nodes: usize) -> u32 {
    // If the system does not tell, the kernel's refusals are the limit: the accept loop lives with them.
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return VIEWERS_MAX };
    let aim = (reserve(nodes) + FILES_PER_VIEWER * u64::from(VIEWERS_MAX)).min(hard);
    if soft >= aim {
        return viewers(soft, nodes);
    }
    viewers(setrlimit(Resource::RLIMIT_NOFILE, aim, hard).map_or(soft, |()| aim), nodes)
}

fn reserve(nodes: usize) -> u64 {
    RESERVE + FILES_PER_NODE * nodes as u64
}

/// Viewers that fit into a table of so many files: at least one, at most [`VIEWERS_MAX`]. In a small table the reserve is
/// at most half.
fn viewers(files: u64, nodes: usize) -> u32 {
    let fit = (files - reserve(nodes).min(files / 2)) / FILES_PER_VIEWER;
    u32::try_from(fit).unwrap_or(VIEWERS_MAX).clamp(1, VIEWERS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn viewers_by_files() {
        for (files, nodes, want) in [
            (0, 0, 1),
            (3, 0, 1),
            (64, 3, 16),
            (512, 0, 128),
            (514, 0, 129),
            (532, 5, 133),
            (1024, 0, 384),
            (1024, 64, 320),
            (1024, 1000, 256),
            (131_328, 0, 65_536),
            (131_328, 1000, 64_536),
            (u64::MAX, 1000, 65_536),
        ] {
            assert_eq!(viewers(files, nodes), want, "{files} files, {nodes} nodes");
        }
    }
}
