//! What a viewer's request can meet at a node, as the node's health sees it.
//!
//! A closed set: the words are labels of metrics. A viewer who leaves or pauses is no trouble of any node and has
//! no word here.

/// What a viewer's request met at a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trouble {
    /// The connection was not made, or was reset before an answer came.
    Refused,
    /// The connection or the first byte of the answer was late.
    Timeout,
    /// While the viewer waited, no byte came, or fewer than the least rate asks for.
    Stall,
    /// An error of the server: 5xx.
    Status,
    /// 429: all request slots of the node are taken. It is alive; see [`Trouble::is_fault`].
    Busy,
    /// The answer was reset or ended early while more of it was wanted.
    Cut,
    /// The answer contradicts the request: another range, size or version than was asked for.
    Lie,
}

impl Trouble {
    /// All of them, for labels that must exist before they happen.
    pub const ALL: [Self; 7] =
        [Self::Refused, Self::Timeout, Self::Stall, Self::Status, Self::Busy, Self::Cut, Self::Lie];

    /// The word for logs and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Timeout => "timeout",
            Self::Stall => "stall",
            Self::Status => "status",
            Self::Busy => "busy",
            Self::Cut => "cut",
            Self::Lie => "lie",
        }
    }

    /// Whether it speaks against the node's health. A busy node is only full: rank turns viewers away from it by its
    /// load, and taking it out would push all of its viewers onto the next one, which would be full in turn.
    #[must_use]
    pub fn is_fault(self) -> bool {
        self != Self::Busy
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
