//! Takes the webhooks of the nodes: what happened in their buckets.
//!
//! The one address with a body, and with a token of its own: `MinIO` can send no other. The token is looked at before the
//! body is read. Absent on purpose: what an event means; that is the gate's.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use http_body_util::LengthLimitError;

use super::guard::TokenHash;
use super::problem::Problem;
use super::serve::Peer;
use super::{harden, nothing_here, within_time, wrong_method};
use crate::clock::Clock;
use crate::config::Secret;
use crate::decide::event::{self, Fault, RECORDS_MAX};
use crate::gate::{EventRefused, Gate};

/// Where nodes send their webhooks.
const PATH: &str = "/api/v1/events";
/// The longest body that is read. One record of `MinIO` has about 1 KiB.
const BODY_BYTES_MAX: usize = 1 << 20;
/// A wrong token is told to the operator once in this time: the node tries again and again.
const WARN_EVERY_MS: u64 = 60_000;

/// What the handler needs.
struct Mailroom {
    gate: Arc<Gate>,
    token: TokenHash,
    clock: Clock,
    warning: Seldom,
}

/// The listener for bucket events alone: nothing else is there.
pub fn events_router(gate: Arc<Gate>, token: Option<&Secret>) -> Router {
    route(gate, token)
        .fallback(nothing_here)
        .layer(middleware::from_fn(within_time))
        .layer(middleware::map_response(harden))
}

/// The one address, without the layers around; without a token nothing is taken.
pub(super) fn route(gate: Arc<Gate>, token: Option<&Secret>) -> Router {
    let Some(token) = token else { return Router::new().route(PATH, any(not_taken)) };
    let warning = Seldom::default();
    let room = Mailroom { gate, token: TokenHash::of(token), clock: Clock::start(), warning };
    Router::new().route(PATH, post(take)).method_not_allowed_fallback(wrong_method).with_state(Arc::new(room))
}

async fn not_taken() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "no bucket events are taken here: presence.events_token_file is empty, or listen.events has them elsewhere",
    )
}

async fn take(
    State(room): State<Arc<Mailroom>>,
    peer: Option<Extension<Peer>>,
    request: Request,
) -> Result<StatusCode, Refused> {
    let taken = read(&room, request).await;
    match &taken {
        Ok(_) => {}
        Err(Refused::Token) => {
            room.gate.event_refused(EventRefused::Token);
            warn_of_token(&room, peer.map(|Extension(peer)| peer.0));
        }
        Err(Refused::TooLong | Refused::Fault(Fault::TooMany)) => room.gate.event_refused(EventRefused::Size),
        Err(Refused::Broken | Refused::Fault(_)) => room.gate.event_refused(EventRefused::Body),
    }
    taken
}

async fn read(room: &Mailroom, request: Request) -> Result<StatusCode, Refused> {
    let (head, body) = request.into_parts();
    if !room.token.is_borne_by(&head.headers) {
        return Err(Refused::Token);
    }
    for event in event::parse(&whole(&head.headers, body).await?).map_err(Refused::Fault)? {
        room.gate.heard(&event);
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn whole(headers: &HeaderMap, body: Body) -> Result<bytes::Bytes, Refused> {
    let said = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if said.is_some_and(|length: usize| length > BODY_BYTES_MAX) {
        return Err(Refused::TooLong);
    }
    to_bytes(body, BODY_BYTES_MAX).await.map_err(|error| {
        if error.into_inner().is::<LengthLimitError>() { Refused::TooLong } else { Refused::Broken }
    })
}

fn warn_of_token(room: &Mailroom, peer: Option<SocketAddr>) {
    if let Some(times) = room.warning.count(room.clock.now_ms()) {
        let peer = peer.map(|peer| peer.to_string()).unwrap_or_default();
        tracing::warn!(
            peer,
            times,
            "bucket events come with a wrong token: mend auth_token of the node's webhook"
        );
    }
}

/// Why a webhook gets another answer than `204`.
#[derive(Debug)]
enum Refused {
    Token,
    TooLong,
    Broken,
    Fault(Fault),
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let (status, detail) = match self {
            Self::Token => (
                StatusCode::UNAUTHORIZED,
                "wanted: Authorization: Bearer, with the events token and no other".to_owned(),
            ),
            Self::TooLong => {
                (StatusCode::PAYLOAD_TOO_LARGE, format!("the body is longer than {BODY_BYTES_MAX} bytes"))
            }
            Self::Broken => (StatusCode::BAD_REQUEST, "the body did not come whole".to_owned()),
            Self::Fault(Fault::TooMany) => (
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("more than {RECORDS_MAX} records: none was taken; send fewer at once"),
            ),
            Self::Fault(fault) => (StatusCode::BAD_REQUEST, fault.to_string()),
        };
        Problem::new(status, detail).into_response()
    }
}

/// Lets one of many through in [`WARN_EVERY_MS`].
#[derive(Default)]
struct Seldom {
    next_ms: AtomicU64,
    unsaid: AtomicU64,
}

impl Seldom {
    /// Counts one more; how many there were since the last one that was let through, if this one is.
    fn count(&self, now_ms: u64) -> Option<u64> {
        self.unsaid.fetch_add(1, Ordering::Relaxed);
        let next_ms = self.next_ms.load(Ordering::Relaxed);
        let is_due = now_ms >= next_ms
            && self
                .next_ms
                .compare_exchange(next_ms, now_ms + WARN_EVERY_MS, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        is_due.then(|| self.unsaid.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_in_a_minute_that_says_how_many() {
        let seldom = Seldom::default();
        let said: Vec<_> =
            [5, 6, 60_004, 60_005, 60_006, 500_000].into_iter().map(|now_ms| seldom.count(now_ms)).collect();
        assert_eq!(said, [Some(1), None, None, Some(3), None, Some(2)]);
    }
}
