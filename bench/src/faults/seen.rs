//! What was seen of one fault: by every viewer, by the gate's own word, and when the fault came and went.
//!
//! Plain records; all times are milliseconds since the story began. What they mean stands in `judge`.

use crate::stage::Mode;

/// Everything about one fault.
#[derive(Clone, Debug, Default)]
pub(super) struct Log {
    /// Just before the fault was made.
    pub(super) harm_from_ms: u64,
    /// When it was there as a whole.
    pub(super) harm_at_ms: u64,
    /// Just before it was lifted; `None`: nothing lifts it.
    pub(super) lift_from_ms: Option<u64>,
    /// When what was harmed was well again by its own word.
    pub(super) lift_at_ms: Option<u64>,
    pub(super) over_ms: u64,
    /// The longest that the drill itself stood still, because the machine was busy with something else.
    pub(super) late_ms: u64,
    /// The nodes it was done to, by their places in the fleet.
    pub(super) harmed: Vec<usize>,
    pub(super) gates: Vec<GateLog>,
    /// Gates whose viewers had not all come to an end when the story was over.
    pub(super) unfinished: Vec<Mode>,
    /// Said in the gates' logs, or not: what was looked for there.
    pub(super) findings: Vec<Finding>,
}

/// Something that was looked for outside of what viewers saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) what: Looked,
    /// `Err`: what is wrong.
    pub(super) result: Result<(), String>,
}

/// Where a finding belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    /// Secrets in the gate's log.
    Secrets,
    /// What the gate says of a bad configuration.
    Config,
    /// What the gate says of a bad catalog.
    Catalog,
}

/// One gate's part.
#[derive(Clone, Debug)]
pub(super) struct GateLog {
    pub(super) mode: Mode,
    pub(super) visits: Vec<Visit>,
    /// In order of time.
    pub(super) changes: Vec<Change>,
    /// In order of time.
    pub(super) samples: Vec<Sample>,
}

/// A node's state by the gate's admin listener, from this time on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) at_ms: u64,
    pub(super) node: usize,
    /// `up`, or another state with its reason.
    pub(super) state: String,
}

/// The gate's metrics at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) at_ms: u64,
    /// `watchgate_resumes_total`, by the node that was left.
    pub(super) resumes: Vec<u64>,
    /// `watchgate_sent_bytes_total` by node.
    pub(super) sent_bytes: Vec<u64>,
}

/// What a viewer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    /// Began before the fault and watches the long film at its pace, the rest of it at full speed in the end.
    Watching,
    /// Began before the fault, paused before it too, and goes on in its middle or after it.
    Paused,
    /// Jumps about in the long film, a new request each time.
    Seeking,
    /// Comes at some time, before, in or after the fault, for the whole short film at full speed.
    Arriving,
}

/// Which film was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    /// The long one.
    Feature,
    /// The short one.
    Clip,
    /// A short one that the fault brings, or whose end the fault is.
    Fresh,
}

/// One request for a film and all that came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Visit {
    pub(super) role: Role,
    pub(super) which: Which,
    /// The viewer's city, which is its nearest node's place in the fleet.
    pub(super) home: usize,
    pub(super) asked_ms: u64,
    pub(super) ended_ms: u64,
    /// From asking the gate to the end of its answer's head, or of waiting for it.
    pub(super) gate_ms: u64,
    /// By the gate's word.
    pub(super) sent_to: Option<usize>,
    pub(super) bytes: u64,
    /// The longest time between two bytes that the viewer wanted.
    pub(super) silence: Gap,
    /// The longest time that it wanted a piece of the film ([`PIECE`]) and did not have the whole of it.
    pub(super) wait: Gap,
    pub(super) end: End,
}

/// What a viewer wants at once.
pub(super) const PIECE: u64 = 64 << 10;

/// A stretch of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) ms: u64,
    pub(super) from_ms: u64,
}

impl Gap {
    /// The longer one.
    pub(super) fn max(self, other: Self) -> Self {
        if other.ms > self.ms { other } else { self }
    }
}

/// How a visit ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// All that was wanted came, and it was this version's.
    Whole { version: usize },
    /// The connection ended at this byte, short of what was promised.
    Cut { at: u64 },
    /// Nothing came for longer than the viewer waits.
    Silent { at: u64 },
    /// Bytes came, and too few of them for as long.
    Slow { at: u64 },
    /// This byte is not the film's.
    Wrong { at: u64 },
    /// More came than was promised, or an answer whose end cannot be told from a cut.
    Padded(String),
    /// The gate refused, with a word about things that are nobody's business.
    Leaky { status: u16, word: String },
    /// The gate refused.
    Refused { status: u16 },
    /// The gate could not be reached, or answered with something else than an answer.
    Unanswered(String),
    /// The node to which the gate had sent the viewer refused, or could not be reached (status 0).
    NodeRefused { status: u16 },
}

impl Visit {
    /// All that was wanted came.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.end, End::Whole { .. })
    }

    /// The gate said no and why.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self.end, End::Refused { .. } | End::Leaky { .. })
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Whole { .. } => write!(to, "whole"),
            Self::Cut { at } => write!(to, "cut at byte {at}"),
            Self::Silent { at } => write!(to, "silent at byte {at}"),
            Self::Slow { at } => write!(to, "starved at byte {at}"),
            Self::Wrong { at } => write!(to, "wrong at byte {at}"),
            Self::Padded(what) => write!(to, "padded: {what}"),
            Self::Leaky { status, word } => write!(to, "refused with {status} and the word {word}"),
            Self::Refused { status } => write!(to, "refused with {status}"),
            Self::Unanswered(what) => write!(to, "unanswered: {what}"),
            Self::NodeRefused { status: 0 } => write!(to, "no answer from the node"),
            Self::NodeRefused { status } => write!(to, "{status} from the node"),
        }
    }
}
