//! Why a viewer gets no film, and what the viewer is told.
//!
//! The viewer's side of a refusal (status, title, detail) and the operator's side (the label in logs
//! and metrics) stand together here. Absent on purpose: any name of a node, key, bucket or address.

use crate::decide::watch::{PathFault, WatchRefusal};

/// Why a request under the watch prefix gets no film.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The path under the prefix is not one film's path.
    Path(PathFault),
    /// No `Host`, or more than one (RFC 9112 section 3.2).
    Host,
    /// GET or HEAD with content.
    Body,
    /// A method that is neither GET, HEAD nor OPTIONS.
    Method,
    /// Nobody's path: not under the prefix, and the host has nothing there either.
    NotFound,
    /// No node may take the viewer, and the policy is to refuse.
    NoNode {
        /// What the viewer is told to wait, in seconds.
        retry_after_s: u64,
    },
}

impl Refusal {
    /// Every label, for tables that are indexed by [`Refusal::index`].
    pub const LABELS: [&'static str; 6] =
        ["bad_path", "bad_request", "body", "method", "not_found", "all_down"];

    /// Position in [`Refusal::LABELS`].
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::Path(_) => 0,
            Self::Host => 1,
            Self::Body => 2,
            Self::Method => 3,
            Self::NotFound => 4,
            Self::NoNode { .. } => 5,
        }
    }

    /// The reason in metrics, logs and the decision.
    #[must_use]
    pub fn label(self) -> &'static str {
        Self::LABELS[self.index()]
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Path(_) | Self::Host | Self::Body => 400,
            Self::NotFound => 404,
            Self::Method => 405,
            Self::NoNode { .. } => 503,
        }
    }

    /// The problem's title (RFC 9457 section 3.1.3): the same for every occurrence.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Path(_) => "Not a film's address",
            Self::Host => "Host is missing or doubled",
            Self::Body => "Content is not expected",
            Self::Method => "Method not allowed",
            Self::NotFound => "Not found",
            Self::NoNode { .. } => "No storage node is available",
        }
    }

    /// The problem's detail (RFC 9457 section 3.1.4): what the viewer's side can do about it.
    #[must_use]
    pub fn detail(self) -> String {
        match self {
            Self::Path(fault) => fault.to_string(),
            Self::Host => "a request names exactly one host".to_owned(),
            Self::Body => WatchRefusal::Body.to_string(),
            Self::Method => WatchRefusal::Method.to_string(),
            Self::NotFound => "there is nothing at this address".to_owned(),
            Self::NoNode { .. } => "nobody can serve the film at the moment; try again soon".to_owned(),
        }
    }
}

impl From<WatchRefusal> for Refusal {
    fn from(refusal: WatchRefusal) -> Self {
        match refusal {
            WatchRefusal::Path(fault) => Self::Path(fault),
            WatchRefusal::Method => Self::Method,
            WatchRefusal::Body => Self::Body,
        }
    }
}
