//! One node as operators see it: the contract's node JSON, written and read back.
//!
//! Absent on purpose: credentials.

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::fleet::Node;

/// What is configured and known of one node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeReport {
    /// The node's id.
    pub id: String,
    /// `source` or `replica`.
    pub role: String,
    /// The store's kind.
    pub profile: String,
    /// How the gate reaches it.
    pub endpoint: String,
    /// How viewers reach it.
    pub public_url: String,
    /// Where it stands.
    pub at: At,
    /// `unproven`, `up`, `down` or `draining`.
    pub state: String,
    /// Since when, RFC 3339 in UTC.
    pub since: String,
    /// Why it is not up, or `null`.
    pub reason: Option<String>,
    /// Viewers it serves, as well as the gate can know.
    pub viewers: u32,
    /// The budget.
    pub max_viewers: u32,
    /// An operator drains it.
    pub draining: bool,
    /// It refused us the last film that it was asked for: its key lacks a permission.
    #[serde(default)]
    pub refuses_films: bool,
    /// Duration of the last signed probe.
    pub probe_ms: Option<f64>,
    /// The node's clock minus ours.
    pub clock_skew_s: Option<i64>,
    /// When the last probe ended, RFC 3339 in UTC.
    pub last_probe_at: Option<String>,
}

/// Degrees.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct At {
    /// North.
    pub lat: f64,
    /// East.
    pub lon: f64,
}

impl NodeReport {
    /// What is known of the node now.
    #[must_use]
    pub fn of(node: &Node) -> Self {
        let report = node.live.report.load();
        let config = &node.config;
        Self {
            id: config.id.to_string(),
            role: config.role.as_str().to_owned(),
            profile: config.profile.as_str().to_owned(),
            endpoint: config.endpoint.to_string(),
            public_url: config.public_url.to_string(),
            at: At { lat: config.at.lat(), lon: config.at.lon() },
            state: state_word(node).to_owned(),
            since: clock::rfc3339(report.since_ms),
            reason: report.reason.map(|reason| reason.as_str().to_owned()),
            viewers: node.live.viewers(),
            max_viewers: config.max_viewers.get(),
            draining: node.live.is_draining(),
            refuses_films: node.live.refuses_films(),
            probe_ms: report.probe_ms,
            clock_skew_s: report.clock_skew_s,
            last_probe_at: report.last_probe_at_ms.map(clock::rfc3339),
        }
    }
}

/// `draining` wins over `up`: a node that is drained and down is still named down.
pub(super) fn state_word(node: &Node) -> &'static str {
    use crate::decide::health::State;
    match node.live.state() {
        State::Up if node.live.is_draining() => "draining",
        state => state.as_str(),
    }
}
