//! The operator's side over HTTP: metrics, health of the process, the fleet, and why a viewer would go where.
//!
//! Everything is small and bounded: connections, heads, time. No body is read but that of bucket events. A browser is
//! kept from acting for a stranger's page (`admin/guard.rs`). Absent on purpose: TLS, users and roles; a reverse proxy
//! has them.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use prometheus::{Registry, TextEncoder};
use tokio::task::spawn_blocking;

use crate::config::Secret;
use crate::gate::Gate;

mod events;
mod guard;
mod problem;
mod query;
mod reload;
pub mod serve;

pub use events::events_router;
use guard::Guard;
use problem::Problem;
pub use reload::{NotReloaded, Reload};
pub use serve::serve;

const INDEX: &str = "watchgate, the operator's side\n\n\
    GET   /livez  /readyz             whether the process lives, and whether viewers should come\n\
    GET   /metrics                    for Prometheus\n\
    GET   /api/v1/nodes[/ID]          the fleet, or one node\n\
    POST  /api/v1/nodes/ID/drain      no new viewers for it\n\
    POST  /api/v1/nodes/ID/enable     and viewers again\n\
    GET   /api/v1/explain             where a viewer is sent, and why: ?film=UUID&ip=ADDRESS\n\
    \x20                                 where films are trees of files: &path=FILE\n\
    \x20                                 as you like: &method=GET|HEAD &scheme=http|https &mode=redirect|stream\n\
    POST  /api/v1/reload              read the configuration again; a bad one changes nothing\n\
    POST  /api/v1/events              bucket events of the nodes, if they are taken on this address\n";

/// What the handlers share.
#[derive(Clone)]
struct Office {
    gate: Arc<Gate>,
    registry: Registry,
    reload: Option<Arc<dyn Reload>>,
}

/// What has to be brought as `Authorization: Bearer`. Neither opens what is the other's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tokens<'a> {
    /// For everything but the two probes and the events; none: loopback alone.
    pub admin: Option<&'a Secret>,
    /// For bucket events; none: they are not taken here.
    pub events: Option<&'a Secret>,
}

/// The operator's side of a gate; `reload`: how it reads its configuration again, if it can.
pub fn router(
    gate: Arc<Gate>,
    registry: Registry,
    tokens: Tokens<'_>,
    reload: Option<Arc<dyn Reload>>,
) -> Router {
    let guard = Arc::new(Guard::new(tokens.admin));
    let events = events::route(Arc::clone(&gate), tokens.events);
    Router::new()
        .route("/", get(index))
        .route("/metrics", get(metrics))
        .route("/api/v1/nodes", get(nodes))
        .route("/api/v1/nodes/{id}", get(node))
        .route("/api/v1/nodes/{id}/drain", post(drain))
        .route("/api/v1/nodes/{id}/enable", post(enable))
        .route("/api/v1/explain", get(explain))
        .route("/api/v1/reload", post(reload::reload))
        .fallback(nothing_here)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(guard, guard::check))
        .merge(probes())
        .with_state(Office { gate, registry, reload })
        .merge(events)
        .layer(middleware::from_fn(within_time))
        .layer(middleware::map_response(harden))
}

/// Open to all: an orchestrator has no token, and they tell nothing but yes or no.
fn probes() -> Router<Office> {
    Router::new()
        .route("/livez", get(alive))
        .route("/readyz", get(ready))
        .method_not_allowed_fallback(wrong_method)
}

async fn index() -> &'static str {
    INDEX
}

async fn alive() -> &'static str {
    "ok\n"
}

async fn ready(State(office): State<Office>) -> Response {
    match office.gate.readiness() {
        Ok(()) => "ok\n".into_response(),
        Err(reason) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, reason).into_response(),
    }
}

async fn metrics(State(office): State<Office>) -> Result<Response, Problem> {
    // Of hundreds of nodes that takes tenths of a second, in which viewers on the same thread would wait.
    let written = spawn_blocking(move || TextEncoder::new().encode_to_string(&office.registry.gather()));
    let text = written
        .await
        .map_err(|fault| fault.to_string())
        .and_then(|text| text.map_err(|error| error.to_string()));
    let text = text.map_err(|error| {
        tracing::error!(error, "metrics cannot be written");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be written")
    })?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}

async fn nodes(State(office): State<Office>) -> Response {
    Json(office.gate.nodes()).into_response()
}

async fn node(State(office): State<Office>, Path(id): Path<String>) -> Result<Response, Problem> {
    office.gate.node(&id).map(|node| Json(node).into_response()).ok_or_else(no_such_node)
}

async fn drain(State(office): State<Office>, Path(id): Path<String>) -> Result<Response, Problem> {
    office.gate.drain(&id, true).map(|node| Json(node).into_response()).ok_or_else(no_such_node)
}

async fn enable(State(office): State<Office>, Path(id): Path<String>) -> Result<Response, Problem> {
    office.gate.drain(&id, false).map(|node| Json(node).into_response()).ok_or_else(no_such_node)
}

fn no_such_node() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no node of this id")
}

async fn explain(State(office): State<Office>, request: Request) -> Result<Response, Problem> {
    let ask = query::ask(request.uri().query().unwrap_or_default(), office.gate.has_trees())
        .map_err(|fault| Problem::new(StatusCode::BAD_REQUEST, fault))?;
    office.gate.look_for(&ask).await;
    Ok(Json(office.gate.explain(&ask)).into_response())
}

async fn nothing_here() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "nothing is here: / lists what there is")
}

async fn wrong_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this address takes another method: see Allow")
}

/// No answer takes longer than this; what is computed meanwhile is dropped.
async fn within_time(request: Request, next: middleware::Next) -> Response {
    tokio::time::timeout(serve::ANSWER_TIME, next.run(request)).await.unwrap_or_else(|_| {
        Problem::new(StatusCode::GATEWAY_TIMEOUT, "the answer took too long").into_response()
    })
}

/// Answers are for the asker of this moment: no cache keeps them, no page frames or guesses at them.
async fn harden(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests;
