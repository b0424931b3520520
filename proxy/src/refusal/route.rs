//! Why a request that is not for a film gets no answer of the server it is for.
//!
//! As for films: the viewer's side and the operator's side together. Absent on purpose: any name of a server or address.

use crate::decide::route::Doubt;

/// Why a routed request is answered by the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteRefusal {
    /// The path can be read in more than one way.
    Path(Doubt),
    /// A request that cannot be passed on: no `Host`, or a `Connection` that names what it must not.
    Request,
    /// The viewer sent nothing more of a body for too long.
    ViewerSlow,
    /// The body is longer than the route takes.
    TooLarge {
        /// Bytes that it takes.
        max: u64,
    },
    /// No server is up, or none could be connected to.
    NoServer,
    /// The server broke off before it answered, or answered no HTTP.
    Failed,
    /// The server was too late.
    Late,
}

impl RouteRefusal {
    /// Every label, for tables that are indexed by [`RouteRefusal::index`].
    pub const LABELS: [&'static str; 7] = [
        "bad_path",
        "bad_request",
        "viewer_slow",
        "too_large",
        "no_upstream",
        "upstream_failed",
        "upstream_timeout",
    ];

    /// Position in [`RouteRefusal::LABELS`].
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::Path(_) => 0,
            Self::Request => 1,
            Self::ViewerSlow => 2,
            Self::TooLarge { .. } => 3,
            Self::NoServer => 4,
            Self::Failed => 5,
            Self::Late => 6,
        }
    }

    /// The reason in metrics and logs.
    #[must_use]
    pub fn label(self) -> &'static str {
        Self::LABELS[self.index()]
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Path(_) | Self::Request => 400,
            Self::ViewerSlow => 408,
            Self::TooLarge { .. } => 413,
            Self::NoServer | Self::Failed => 502,
            Self::Late => 504,
        }
    }

    /// The problem's title (RFC 9457 section 3.1.3): the same for every occurrence.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Path(_) => "Path is not plain",
            Self::Request => "Request cannot be passed on",
            Self::ViewerSlow => "Request is too slow",
            Self::TooLarge { .. } => "Content is too large",
            Self::NoServer => "No server is available",
            Self::Failed => "The server failed",
            Self::Late => "The server is too slow",
        }
    }

    /// The problem's detail (RFC 9457 section 3.1.4): what the viewer's side can do about it.
    #[must_use]
    pub fn detail(self) -> String {
        match self {
            Self::Path(doubt) => doubt.to_string(),
            Self::Request => {
                "the request names no host, or its Connection header names what it must not".to_owned()
            }
            Self::ViewerSlow => "nothing more of the content came in time".to_owned(),
            Self::TooLarge { max } => format!("at most {max} bytes of content are taken here"),
            Self::NoServer => "nobody can answer at the moment; try again soon".to_owned(),
            Self::Failed => "the server broke off; try again".to_owned(),
            Self::Late => "the server did not answer in time; try again".to_owned(),
        }
    }
}
