//! The chapter about streams: what `watchgate-bench stream` measures, with goals and, where they are missed, profiles.
//!
//! Absent on purpose: anything measured otherwise than there.

use std::time::Duration;

use super::Context;
use super::goals::{Goal, Wanted};
use super::profile::{self, Profile};
use super::report::Chapter;
use crate::Failure;
use crate::peers::Peer;
use crate::stream::{self, Settings, Shape, Stage};

pub(super) const PEERS: [Peer; 5] =
    [Peer::Nginx, Peer::NginxDefault, Peer::Haproxy, Peer::Pingora, Peer::Gate];
const SHAPES: [Shape; 3] = [Shape::One, Shape::Sixteen, Shape::Paced];
/// At most so many times a tuned nginx.
const TIMES_NGINX: f64 = 1.0;

const TEXT: &str = "\
The node is nginx with one film in memory. All proxies are up before it, keep connections to it alive, and get the viewers
in turn; each has delivered the whole film once before. Every eight bytes of the film tell their place: viewers check the
head, the first and last eight bytes of each piece that they read, and the length. The yardstick is nginx with 16 buffers of
64 KiB. A paced round whose MiB/s are below 200 was measured on a machine that had something else to do.
";

/// Measures.
///
/// # Errors
/// The node or nginx failed.
pub(super) async fn measured(
    context: &Context<'_>,
    title: &'static str,
    left_out: &mut Vec<String>,
) -> Result<Chapter, Failure> {
    let settings = Settings {
        seconds: context.or_quick(2, 1),
        rounds: context.or_quick(5, 1),
        film: context.or_quick(1024, 256),
        round_max: 16,
        peers: PEERS.to_vec(),
        shapes: SHAPES.to_vec(),
    };
    let (report, stage) = stream::measure(&settings, context.place, context.cores).await?;
    let (mut goals, mut profiles) = (Vec::new(), Vec::new());
    for shape in SHAPES {
        let what = format!("a stream, against tuned nginx: {}", shape.name());
        let goal = Goal::new(what, Wanted::AtMost(TIMES_NGINX), " times", report.gate(shape));
        if goal.is_missed() {
            let cost = report.gate_cost(shape).map_or(0.0, |cost| cost.median);
            match profile(context, &stage, shape, cost).await {
                Ok(profile) => profiles.extend(profile),
                Err(failure) => {
                    left_out.push(format!("where the time of {} goes: {failure}", shape.name()));
                }
            }
        }
        goals.push(goal);
    }
    let profiles = if profiles.is_empty() {
        Vec::new()
    } else {
        vec![("Where a stream's time goes: the gate".to_owned(), profiles)]
    };
    let text = format!("{TEXT}\n{}\n", report.body());
    let figures = serde_json::to_value(&report).unwrap_or_default();
    Ok(Chapter { title, goals, profiles, figures, unmeasured: report.unmeasured, text })
}

async fn profile(
    context: &Context<'_>,
    stage: &Stage,
    shape: Shape,
    cost: f64,
) -> Result<Option<Profile>, Failure> {
    let Some(gate) = stage.gate() else { return Ok(None) };
    let measured = context.profiled();
    let load = stage.once_more(gate, shape, (measured + Duration::from_secs(2)).as_secs());
    let profile = profile::record(context.place, gate, shape.name(), cost, " s per GiB", measured, load);
    profile.await.map(Some)
}
