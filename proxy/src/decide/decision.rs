//! The record of one choice, as `explain`, the admin API and the console show it.
//!
//! It holds words and figures only, so that it can be written as JSON and read back by the command
//! line. Absent on purpose: secrets, links, and anything that a viewer could not be told by an operator.

use serde::{Deserialize, Serialize};

use super::presence::{Said, Word};
use super::resume::Failure;

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
    /// What it said of the film; `null`: nobody asked it.
    pub presence: Option<PresenceView>,
    /// Why it does not take this viewer, or `null`.
    pub dropped: Option<String>,
}

/// One node's last word on the film.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PresenceView {
    /// `held`, `absent`, `deleted`, `forbidden`, or `unanswered` if it never answered.
    pub said: String,
    /// How long ago, in seconds; of a node that never answered, since it failed to.
    pub age_s: f64,
    /// The version's tag as in the header, quoted.
    pub etag: Option<String>,
    /// Bytes of the version.
    pub size: Option<u64>,
    /// The version's id.
    pub version_id: Option<String>,
    /// Seconds since the epoch.
    pub last_modified_unix_s: Option<u64>,
    /// How it failed to answer when it was asked since, or `null`.
    pub failed: Option<String>,
}

impl PresenceView {
    /// A node's word as it stands at `now_ms` of the gate's clock.
    #[must_use]
    pub fn of(word: &Word, now_ms: u64) -> Self {
        let age_s = |ms: u64| now_ms.saturating_sub(ms) as f64 / 1000.0;
        let failed = word.failed();
        let (said, version) = match word.said() {
            Said::Holds(version) => ("held", Some(version)),
            Said::Deleted { .. } => ("deleted", None),
            Said::Lacks(Failure::Forbidden) => ("forbidden", None),
            Said::Lacks(_) => ("absent", None),
            Said::Nothing => ("unanswered", None),
        };
        let spoke_ms = match word.said() {
            Said::Nothing => failed.map_or(now_ms, |(_, at_ms)| at_ms),
            _ => word.heard_ms(),
        };
        let film = version.map(|version| &version.film);
        Self {
            said: said.to_owned(),
            age_s: age_s(spoke_ms),
            etag: film.map(|film| film.etag.to_string()),
            size: film.map(|film| film.size),
            version_id: film.and_then(|film| film.version_id.as_deref().map(str::to_owned)),
            last_modified_unix_s: film.and_then(|film| film.last_modified_unix_s),
            failed: failed.map(|(failure, _)| failure.as_str().to_owned()),
        }
    }
}
