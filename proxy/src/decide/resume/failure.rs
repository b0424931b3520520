//! What can go wrong with one request to a node, in the words of metrics and logs.
//!
//! A viewer that leaves and a window that ends behind a slow viewer are no failures and have no word here.

/// Why a node's answer was not used, or not to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection: refused, unreachable, no address, TLS.
    Refused,
    /// No connection in time.
    ConnectTimeout,
    /// Connected, and no first byte in time.
    FirstByte,
    /// The connection ended before the answer's head was whole.
    NoAnswer,
    /// No byte for too long while the viewer waited.
    Stall,
    /// Fewer bytes than the least rate while the viewer waited.
    Drip,
    /// The connection ended or was reset in the middle, while the viewer waited.
    Cut,
    /// The health checks took the node down while the viewer waited for it.
    Down,
    /// All its request slots are taken (429).
    Busy,
    /// A server's error, mostly 503, or a head that cannot be read.
    Status,
    /// It refuses us (401, 403): the node's configuration, never a word about the film.
    Forbidden,
    /// It does not hold the film (404).
    Absent,
    /// The film was deleted there (404 or 405 with a delete marker).
    Deleted,
    /// It holds another version (412).
    Stale,
    /// Its answer contradicts the request or itself.
    Lie(Lie),
}

/// What was wrong with an answer that claimed to be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// 200 to a request for a part.
    Whole,
    /// Another part than was asked for.
    Range,
    /// Another size than the film has.
    Total,
    /// Another tag than the film has.
    Tag,
    /// No strong tag, so that its bytes could not be told from another version's.
    NoTag,
    /// Not the film's bytes but coded ones.
    Coded,
    /// No length, or another than the part has.
    Length,
    /// A status that is no answer to the request and no server's error either.
    Status,
}

impl Failure {
    /// Every word, for labels that must exist before they happen.
    pub const WORDS: [&'static str; 22] = [
        "refused",
        "connect_timeout",
        "first_byte",
        "no_answer",
        "stall",
        "drip",
        "cut",
        "down",
        "busy",
        "status",
        "forbidden",
        "absent",
        "deleted",
        "stale_version",
        "lie_whole",
        "lie_range",
        "lie_total",
        "lie_tag",
        "lie_no_tag",
        "lie_coded",
        "lie_length",
        "lie_status",
    ];

    /// Position in [`Failure::WORDS`].
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::Refused => 0,
            Self::ConnectTimeout => 1,
            Self::FirstByte => 2,
            Self::NoAnswer => 3,
            Self::Stall => 4,
            Self::Drip => 5,
            Self::Cut => 6,
            Self::Down => 7,
            Self::Busy => 8,
            Self::Status => 9,
            Self::Forbidden => 10,
            Self::Absent => 11,
            Self::Deleted => 12,
            Self::Stale => 13,
            Self::Lie(lie) => 14 + lie as usize,
        }
    }

    /// The word for logs and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::WORDS[self.index()]
    }

    /// Whether the node is out of the question for the rest of this film.
    #[must_use]
    pub fn bars(self) -> bool {
        matches!(self, Self::Forbidden | Self::Absent | Self::Deleted | Self::Stale | Self::Lie(_))
    }

    /// Whether the node has had its turn. A word about the film is none (there are no more
    /// of those than nodes), and a node that is slow or taken down was left although it might have gone on.
    #[must_use]
    pub fn counts(self) -> bool {
        !self.bars() && !matches!(self, Self::Drip | Self::Down)
    }

    /// Whether it was a matter of time: 504 instead of 502.
    #[must_use]
    pub fn is_late(self) -> bool {
        matches!(self, Self::ConnectTimeout | Self::FirstByte | Self::Stall | Self::Drip | Self::Down)
    }
}
