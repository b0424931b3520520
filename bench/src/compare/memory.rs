//! The chapter about memory: what `watchgate-bench memory` measures, with goals.
//!
//! Absent on purpose: viewers who pause, and profiles; samples of time do not show what memory is for.

use super::Context;
use super::goals::{Goal, Wanted};
use super::report::Chapter;
use crate::Failure;
use crate::figures::Spread;
use crate::memory::figures::{GOAL_IDLE, GOAL_WATCHING};
use crate::memory::{self, Kind, Settings};
use crate::peers::Peer;

const TEXT: &str = "\
Each proxy is started afresh for each kind of viewer: idle ones keep a connection alive after one answer of 1 KiB, slow ones
read a film at 30 kB/s. Own KiB is the growth of `Private_Dirty` (`/proc/PID/smaps_rollup`) by viewer since a short warm-up;
kernel KiB is what the proxy's sockets hold by `ss -tm`. The second look at slow viewers comes after `stream.park_after`,
when the gate has given its node free.
";

/// Measures.
///
/// # Errors
/// The node failed, or this machine lacks something.
pub(super) async fn measured(context: &Context<'_>, title: &'static str) -> Result<Chapter, Failure> {
    let count = |usual: u64, quick: u64| u32::try_from(context.or_quick(usual, quick)).unwrap_or(u32::MAX);
    let settings = Settings {
        idle: count(10_000, 1000),
        viewers: count(1000, 100),
        others: count(150, 30),
        park_after: context.or_quick(10, 5),
        viewer_buffer: 128,
        peers: if context.quick { vec![Peer::Gate] } else { vec![Peer::Gate, Peer::Nginx, Peer::Pingora] },
        kinds: vec![Kind::Idle, Kind::Slow],
    };
    let report = memory::measure(&settings, context.place, context.cores).await?;
    let goal = |what: &str, limit: f64, kind: Kind| {
        let looks: Vec<f64> = report.gate_kib(kind).collect();
        let measured = (!looks.is_empty()).then(|| Spread::of(looks.into_iter()));
        Goal::new(what, Wanted::AtMost(limit), " KiB", measured)
    };
    let goals = vec![
        goal("own memory of an idle viewer", GOAL_IDLE, Kind::Idle),
        goal("own memory of a slow viewer (by look)", GOAL_WATCHING, Kind::Slow),
    ];
    let text = format!("{TEXT}\n{}\n", report.body());
    let figures = serde_json::to_value(&report).unwrap_or_default();
    Ok(Chapter { title, goals, profiles: Vec::new(), figures, unmeasured: report.unmeasured, text })
}
