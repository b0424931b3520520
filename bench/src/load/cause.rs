//! Why something went wrong, in words from a closed set.
//!
//! Absent on purpose: texts of libraries and systems; the same break has the same name in every run.

use std::fmt;

use serde::{Serialize, Serializer};

/// What a request or a reading met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cause {
    /// No connection, or no name.
    Connect,
    /// A connection, but no TLS or no common protocol on it.
    Handshake,
    /// Nothing in time.
    NoAnswer,
    /// The connection ended before the answer began.
    Closed,
    /// An answer that is an error.
    Status(u16),
    /// An answer that is not the film that was asked for: its range, its length or its `Location` is wrong.
    WrongHead,
    /// Ended before all of it was there.
    Short,
    /// Broken off.
    Reset,
    /// Open, and silent.
    Stall,
    /// Other bytes than the film's.
    WrongBytes,
    /// Let go while the viewer paused, as stores do: the player comes back.
    ClosedInPause,
    /// The load generator had its hands full.
    NotStarted,
}

impl Cause {
    /// Whether somebody did not do as it should. Who lets a paused viewer go has done so.
    pub(super) fn is_error(self) -> bool {
        self != Self::ClosedInPause
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self {
            Self::Status(status) => return write!(to, "status_{status}"),
            Self::Connect => "connect",
            Self::Handshake => "handshake",
            Self::NoAnswer => "no_answer",
            Self::Closed => "closed",
            Self::WrongHead => "wrong_head",
            Self::Short => "short",
            Self::Reset => "reset",
            Self::Stall => "stall",
            Self::WrongBytes => "wrong_bytes",
            Self::ClosedInPause => "closed_in_pause",
            Self::NotStarted => "not_started",
        };
        to.write_str(word)
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
