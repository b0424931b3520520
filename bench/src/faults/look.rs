//! What a gate says of itself while the story is played: its nodes' states, and a few of its metrics.
//!
//! Asked ten times a second over the admin listener. A gate that does not answer has nothing to say; nothing is made
//! of that here.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::seen::{Change, Sample};
use super::world::World;
use crate::gate::told;
use crate::stage::CITIES;

const EVERY: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(1);

/// What has been said so far.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) changes: Vec<Change>,
    pub(super) samples: Vec<Sample>,
}

/// Asks until it is dropped.
pub(super) async fn follow(world: Rc<World>, admin: SocketAddr, said: Rc<RefCell<Said>>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        if let Ok(Some(nodes)) = timeout(PATIENCE, told(admin, "/api/v1/nodes")).await {
            let at_ms = world.now_ms();
            let mut said = said.borrow_mut();
            for (node, state) in states(&nodes) {
                let last = said.changes.iter().rfind(|change| change.node == node);
                if last.is_none_or(|last| last.state != state) {
                    said.changes.push(Change { at_ms, node, state });
                }
            }
        }
        if let Ok(Some(metrics)) = timeout(PATIENCE, told(admin, "/metrics")).await {
            let sample = sample(world.now_ms(), &metrics);
            said.borrow_mut().samples.push(sample);
        }
    }
}

/// By node `up`, or its state and reason.
fn states(nodes: &str) -> Vec<(usize, String)> {
    let nodes: Value = serde_json::from_str(nodes).unwrap_or_default();
    let listed = nodes.as_array().or_else(|| nodes.get("nodes")?.as_array());
    let state = |node: &Value| {
        let place = CITIES.iter().position(|city| node["id"] == city.id)?;
        let state = node["state"].as_str()?;
        let reason = node["reason"].as_str().filter(|_| state != "up");
        Some((place, reason.map_or(state.to_owned(), |reason| format!("{state}: {reason}"))))
    };
    listed.into_iter().flatten().filter_map(state).collect()
}

fn sample(at_ms: u64, metrics: &str) -> Sample {
    let sums = |name: &str, label: &str| {
        CITIES.iter().map(|city| sum(metrics, name, &format!("{label}=\"{}\"", city.id))).collect()
    };
    Sample {
        at_ms,
        resumes: sums("watchgate_resumes_total", "from"),
        sent_bytes: sums("watchgate_sent_bytes_total", "node"),
    }
}

/// The sum of a metric over all lines that carry this label.
fn sum(metrics: &str, name: &str, label: &str) -> u64 {
    let value = |line: &str| {
        let (labels, value) = line.strip_prefix(name)?.strip_prefix('{')?.split_once("} ")?;
        labels.split(',').any(|got| got == label).then(|| value.trim().parse::<u64>().ok())?
    };
    metrics.lines().filter_map(value).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_gate_says() {
        let nodes = r#"[{"id":"nyc","state":"down","reason":"refused"},{"id":"fra","state":"up","reason":null},
            {"id":"other","state":"up"}]"#;
        assert_eq!(states(nodes), [(1, "down: refused".to_owned()), (0, "up".to_owned())]);
        assert_eq!(states("no"), []);
        let metrics = "# HELP watchgate_resumes_total x\nwatchgate_resumes_total{from=\"nyc\",reason=\"reset\"} 2\n\
            watchgate_resumes_total{from=\"nyc\",reason=\"stall\"} 3\nwatchgate_resumes_total{from=\"sin\",reason=\"stall\"} 1\n\
            watchgate_sent_bytes_total{node=\"fra\"} 70\n";
        let expected = Sample { at_ms: 9, resumes: vec![0, 5, 1], sent_bytes: vec![70, 0, 0] };
        assert_eq!(sample(9, metrics), expected);
    }
}
