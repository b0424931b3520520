//! Why a viewer gets no film, and what the viewer is told.
//!
//! The viewer's side of a refusal (status, title, detail) and the operator's side (the label in logs
//! and metrics) stand together here. Absent on purpose: any name of a node, key, bucket or address.

pub mod route;

use crate::decide::resume::NoFilm;
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
    /// No node could begin the film.
    NoFilm {
        /// Why.
        why: NoFilm,
        /// What the viewer is told to wait, in seconds, where waiting helps.
        retry_after_s: u64,
    },
    /// None of the ranges lies in the film (RFC 9110 section 15.5.17).
    Range {
        /// Bytes of the film.
        size: u64,
    },
    /// The viewer wants other bytes than these (RFC 9110 section 15.5.13).
    Precondition,
}

impl Refusal {
    /// Every label, for tables that are indexed by [`Refusal::index`].
    pub const LABELS: [&'static str; 14] = [
        "bad_path",
        "bad_request",
        "body",
        "method",
        "not_found",
        "all_down",
        "unknown_film",
        "deleted",
        "no_answer",
        "refused_by_nodes",
        "node_failed",
        "node_timeout",
        "range",
        "precondition",
    ];

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
            Self::NoFilm { why: NoFilm::Unknown, .. } => 6,
            Self::NoFilm { why: NoFilm::Deleted, .. } => 7,
            Self::NoFilm { why: NoFilm::NoAnswer, .. } => 8,
            Self::NoFilm { why: NoFilm::Forbidden, .. } => 9,
            Self::NoFilm { why: NoFilm::Failed, .. } => 10,
            Self::NoFilm { why: NoFilm::Late, .. } => 11,
            Self::Range { .. } => 12,
            Self::Precondition => 13,
        }
    }

    /// The reason in metrics, logs and the decision.
    #[must_use]
    pub fn label(self) -> &'static str {
        Self::LABELS[self.index()]
    }

    /// What the viewer is told to wait, in seconds, where a status says so (RFC 9110 section 10.2.3).
    #[must_use]
    pub fn retry_after_s(self) -> Option<u64> {
        match self {
            Self::NoNode { retry_after_s } | Self::NoFilm { why: NoFilm::NoAnswer, retry_after_s } => {
                Some(retry_after_s)
            }
            _ => None,
        }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Path(_) | Self::Host | Self::Body => 400,
            Self::NotFound | Self::NoFilm { why: NoFilm::Unknown | NoFilm::Deleted, .. } => 404,
            Self::Method => 405,
            Self::Precondition => 412,
            Self::Range { .. } => 416,
            Self::NoFilm { why: NoFilm::Forbidden | NoFilm::Failed, .. } => 502,
            Self::NoNode { .. } | Self::NoFilm { why: NoFilm::NoAnswer, .. } => 503,
            Self::NoFilm { why: NoFilm::Late, .. } => 504,
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
            Self::NoFilm { why: NoFilm::Unknown, .. } => "No such film",
            Self::NoFilm { why: NoFilm::Deleted, .. } => "The film was deleted",
            Self::NoFilm { why: NoFilm::NoAnswer, .. } => "Nobody can say whether there is such a film",
            Self::NoFilm { why: NoFilm::Forbidden | NoFilm::Failed, .. } => "The storage failed",
            Self::NoFilm { why: NoFilm::Late, .. } => "The storage is too slow",
            Self::Range { .. } => "Range not satisfiable",
            Self::Precondition => "Precondition failed",
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
            Self::NoNode { .. } | Self::NoFilm { why: NoFilm::NoAnswer, .. } => {
                "nobody can serve the film at the moment; try again soon".to_owned()
            }
            Self::NoFilm { why: NoFilm::Unknown, .. } => "the library has no film of this name".to_owned(),
            Self::NoFilm { why: NoFilm::Deleted, .. } => "the library has this film no more".to_owned(),
            Self::NoFilm { .. } => "the film cannot be read at the moment; try again".to_owned(),
            Self::Range { size } => format!("the film has {size} bytes, and none of those asked for"),
            Self::Precondition => "the film is another than the request wants".to_owned(),
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
