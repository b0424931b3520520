//! The record of one choice, as `explain`, the admin API and the console show it.
//!
//! It holds words and figures only, so that it can be written as JSON and read back by the command
//! line. Absent on purpose: secrets, links, and anything that a viewer could not be told by an operator.

use serde::{Deserialize, Serialize};

/// One choice, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// When, RFC 3339 in UTC.
    pub at: String,
    /// The film's uuid in canonical form.
    pub film: String,
    /// The film's object key.
    pub key: String,
    /// `GET` or `HEAD`.
    pub method: String,
    /// `redirect` or `stream`.
    pub mode: String,
    /// Who asks.
    pub viewer: ViewerView,
    /// Where that is.
    pub place: PlaceView,
    /// What is done while no node is healthy: `nearest-anyway`, `source` or `refuse`.
    pub policy: String,
    /// `redirect`, `link`, `stream` or `refused`.
    pub outcome: String,
    /// Why, in one word of the contract's closed list.
    pub reason: String,
    /// The winner's id.
    pub chosen: Option<String>,
    /// Who would be next, best first.
    pub alternates: Vec<String>,
    /// Every node, best first, those out of the question last.
    pub nodes: Vec<NodeView>,
}

/// The viewer's address and why it is believed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ViewerView {
    /// The address, if there is one.
    pub address: Option<String>,
    /// `peer`, the name of the trusted header, or `asked` when an operator named the address.
    pub from: String,
}

/// The viewer's place; what is unknown is `null`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PlaceView {
    /// Degrees north.
    pub lat: Option<f64>,
    /// Degrees east.
    pub lon: Option<f64>,
    /// Accuracy.
    pub radius_km: Option<u16>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// Two letters.
    pub continent: Option<String>,
    /// Autonomous system number.
    pub asn: Option<u32>,
    /// Where the coordinates come from: `rule`, `database`, `country`, `home` or `unknown`.
    pub from: String,
}

/// One node's part in the choice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NodeView {
    /// The node's id.
    pub id: String,
    /// `unproven`, `up`, `down` or `draining`.
    pub state: String,
    /// Since when, RFC 3339 in UTC.
    pub since: String,
    /// `cidr`, `asn`, `country` or `geo`.
    pub tier: String,
    /// Great-circle distance, if the viewer's place is known.
    pub distance_km: Option<f64>,
    /// Distance, base and load.
    pub cost_ms: f64,
    /// The part of the score that spreads viewers over nodes about equally near.
    pub spread_ms: f64,
    /// Cost and spread: the lowest wins.
    pub score_ms: f64,
    /// 1 for the winner; `null` for a node that is out of the question.
    pub rank: Option<usize>,
    /// Viewers in flight as a share of the budget.
    pub load: f64,
    /// Whether it holds the film; `null` while nobody asked.
    pub presence: Option<String>,
    /// Why it does not take this viewer, or `null`.
    pub dropped: Option<String>,
}
