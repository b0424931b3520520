//! What is done for a viewer of a film while it is not known who holds it.
//!
//! The nearest nodes are asked first, a few at once, and the source beside them. The viewer goes to the first holder
//! that no better node can take from it any more, and does not wait for the slowest node.

use smallvec::SmallVec;

use super::Standing;

/// How long a better node may still be waited for once a holder is known, in milliseconds.
pub const GRACE_MS: u64 = 250;
/// Nodes that are asked for one viewer at once, the source beside them.
const PARALLEL: usize = 3;

/// How many are asked at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breadth {
    /// One after the other.
    One,
    /// A few, and beside them the fleet's source, if it may be asked.
    Several {
        /// The source.
        source: Option<usize>,
    },
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// A holder is known, or is known enough: choose.
    Go,
    /// Ask these.
    Ask(SmallVec<[usize; 4]>),
    /// Wait for those who were asked.
    Wait,
    /// Everybody was asked, and nobody holds it.
    GiveUp,
}

/// What is to be done for a viewer whose nodes are `order`, best first.
///
/// `asking`: who has been asked and has not answered; `holder_for_ms`: since when a holder is known, if one is.
pub fn next(
    order: &[usize],
    breadth: Breadth,
    standing: impl Fn(usize) -> Standing,
    asking: impl Fn(usize) -> bool,
    holder_for_ms: Option<u64>,
) -> Next {
    let holder = order.iter().position(|node| standing(*node) == Standing::Holds);
    if holder.is_some() && holder_for_ms.is_some_and(|ms| ms >= GRACE_MS) {
        return Next::Go;
    }
    let (parallel, source) = match breadth {
        Breadth::One => (1, None),
        Breadth::Several { source } => (PARALLEL, source),
    };
    let is_unknown = |node: &usize| standing(*node) == Standing::Unknown;
    let better = || order[..holder.unwrap_or(order.len())].iter().copied().filter(is_unknown);
    let waiting = || better().filter(|node| asking(*node));
    let beside = waiting().filter(|node| Some(*node) != source).count();
    let fresh = better().filter(|node| !asking(*node)).take(parallel.saturating_sub(beside));
    let mut ask: SmallVec<[usize; 4]> = fresh.collect();
    let source = source.filter(|source| holder.is_none() && is_unknown(source));
    if let Some(source) = source
        && !asking(source)
        && !ask.contains(&source)
    {
        ask.push(source);
    }
    match (ask.is_empty(), holder) {
        (false, _) => Next::Ask(ask),
        _ if waiting().next().is_some() || source.is_some_and(asking) => Next::Wait,
        (_, Some(_)) => Next::Go,
        (_, None) => Next::GiveUp,
    }
}
