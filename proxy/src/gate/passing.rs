//! A request that is not for a film, as far as the gate has a part in it: who asks, its id, its refusal, its line.
//!
//! The front door passes such requests on; here it learns what the gate believes of them, so that a film and an API's
//! answer are logged and refused alike. Absent on purpose: routes and servers.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use pingora::Result;
use pingora_proxy::Session;

use super::Gate;
use super::fields::Fields;
use super::serve::{Arrival, arrival, path};
use crate::access_log::Line;
use crate::answer::{Asking, refuse, send};
use crate::decide::client::Viewer;
use crate::refusal::route::RouteRefusal;
use crate::state::Snapshot;

/// What is known of one such request.
pub struct Passing {
    snapshot: Arc<Snapshot>,
    arrival: Arrival,
    peer: Option<IpAddr>,
}

/// What became of it, for its access line.
#[derive(Clone, Copy, Debug)]
pub struct Passed<'a> {
    /// The prefix of its route.
    pub route: &'a str,
    /// The server that it was passed to last; none: it came to none.
    pub upstream: Option<&'a str>,
    /// A word for what became of it.
    pub outcome: &'static str,
    /// A word for why.
    pub reason: &'static str,
    /// Bytes of the answer's body.
    pub body_bytes: u64,
}

impl Passing {
    pub(super) fn of(gate: &Gate, session: &Session) -> Self {
        let snapshot = gate.snapshot.load_full();
        let fields = Fields::of(session.req_header());
        let arrival = arrival(gate, &snapshot, session, &fields, fields.framing());
        let peer = session.client_addr().and_then(|address| address.as_inet()).map(std::net::SocketAddr::ip);
        Self { snapshot, arrival, peer }
    }

    /// The id that answer, log and server get.
    #[must_use]
    pub fn request_id(&self) -> &str {
        self.arrival.id.as_str()
    }

    /// Who asks, as far as it can be believed.
    #[must_use]
    pub fn viewer(&self) -> &Viewer {
        &self.arrival.viewer
    }

    /// The other end of the connection.
    #[must_use]
    pub fn peer(&self) -> Option<IpAddr> {
        self.peer
    }

    /// Whether that is a proxy of the operator's, whose headers are believed.
    #[must_use]
    pub fn is_trusted(&self) -> bool {
        self.peer.is_some_and(|peer| self.snapshot.client.trusted.contains(peer))
    }

    /// How long ago the request's head was read.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.arrival.began.elapsed()
    }
}

/// Whether exactly one host is named (RFC 9112 section 3.2).
#[must_use]
pub fn names_host(session: &Session) -> bool {
    Fields::of(session.req_header()).has_host()
}

/// The request's path as it came, up to its first `?`.
#[must_use]
pub fn path_of(session: &Session) -> &[u8] {
    path(session.req_header())
}

impl Gate {
    /// Refuses such a request, as a problem document; the connection ends with it.
    ///
    /// # Errors
    /// As [`Gate::handle`].
    pub async fn refuse_passing(
        &self,
        session: &mut Session,
        passing: &Passing,
        refusal: RouteRefusal,
    ) -> Result<()> {
        let asking = Asking {
            request_id: passing.request_id(),
            origin: None,
            head_only: session.req_header().method == http::Method::HEAD,
            cors: &[],
        };
        let answer = refuse::refuse_route(refusal, &asking)?;
        // Pingora's proxying has to know that there is an answer.
        send::hand_over(session, answer).await
    }

    /// Writes the access line of such a request.
    pub fn tell_passing(&self, session: &Session, passing: &Passing, passed: &Passed<'_>) {
        let Some(log) = &self.access_log else { return };
        let head = session.req_header();
        log.write(&Line {
            time_unix_ms: passing.arrival.unix_ms,
            request_id: passing.request_id(),
            client: passing.arrival.viewer.address,
            method: head.method.as_str(),
            path: path(head),
            status: session.response_written().map_or(0, |head| head.status.as_u16()),
            body_bytes: passed.body_bytes,
            duration_us: u64::try_from(passing.age().as_micros()).unwrap_or(u64::MAX),
            film: None,
            mode: None,
            outcome: passed.outcome,
            reason: passed.reason,
            node: None,
            route: Some(passed.route),
            upstream: passed.upstream,
            passage: None,
        });
    }
}
