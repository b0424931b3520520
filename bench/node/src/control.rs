//! The switches over HTTP, on a listener of their own; the README lists them.
//!
//! For a demo on loopback: no password, no TLS. Freezing or killing the node
//! leaves this endpoint alive, or nothing could thaw it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use crate::auth::Policy;
use crate::content::Content;
use crate::faults::{Cut, Rule};
use crate::inner::{Health, Inner};
use crate::log::{Counts, Seen};
use crate::store::{Film, Replication, Version};
use crate::{locked, server};

type Shared = State<Arc<Inner>>;

pub(crate) fn serve(listener: TcpListener, inner: Arc<Inner>) -> AbortHandle {
    let router = Router::new()
        .route("/state", get(state))
        .route("/seen", get(seen).delete(forget_seen))
        .route("/faults", get(faults).post(set_fault).delete(clear_faults))
        .route("/settings", put(settings))
        .route("/films", put(copy_in).delete(forget))
        .route("/policy", put(policy))
        .route("/kill", post(kill))
        .route("/refuse", post(refuse))
        .route("/revive", post(revive))
        .route("/freeze", post(freeze))
        .route("/thaw", post(thaw))
        .route("/cut", post(cut))
        .with_state(inner);
    let serve = async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::warn!(%error, "the control endpoint ended");
        }
    };
    tokio::spawn(serve).abort_handle()
}

#[derive(Serialize)]
struct Status {
    name: String,
    endpoint: String,
    listening: bool,
    frozen: bool,
    health: Health,
    clock_skew_s: i64,
    slots: usize,
    in_flight: usize,
    bandwidth_bytes_per_s: Option<u64>,
    counts: Counts,
    faults: Vec<Rule>,
}

async fn state(State(inner): Shared) -> Json<Status> {
    let serving = inner.serving();
    Json(Status {
        name: inner.name.clone(),
        endpoint: format!("http://{}", inner.addr),
        listening: serving.listening,
        frozen: serving.frozen,
        health: *locked(&inner.health),
        clock_skew_s: inner.skew_s.load(Ordering::Relaxed),
        slots: inner.slots.load(Ordering::Relaxed),
        in_flight: inner.in_flight.load(Ordering::Relaxed),
        bandwidth_bytes_per_s: Some(inner.bandwidth.load(Ordering::Relaxed)).filter(|rate| *rate > 0),
        counts: inner.log.counts(),
        faults: inner.faults.rules(),
    })
}

#[derive(Deserialize)]
struct Page {
    /// The last so many.
    #[serde(default = "page_default")]
    limit: usize,
}

fn page_default() -> usize {
    100
}

async fn seen(State(inner): Shared, Query(page): Query<Page>) -> Json<Vec<Seen>> {
    let mut seen = inner.log.seen();
    seen.drain(..seen.len().saturating_sub(page.limit));
    Json(seen)
}

async fn forget_seen(State(inner): Shared) -> StatusCode {
    inner.log.forget();
    StatusCode::NO_CONTENT
}

async fn faults(State(inner): Shared) -> Json<Vec<Rule>> {
    Json(inner.faults.rules())
}

async fn set_fault(State(inner): Shared, Json(rule): Json<Rule>) -> StatusCode {
    inner.faults.set(rule);
    StatusCode::NO_CONTENT
}

async fn clear_faults(State(inner): Shared) -> StatusCode {
    inner.faults.clear();
    StatusCode::NO_CONTENT
}

/// What is left out stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    health: Option<Health>,
    clock_skew_s: Option<i64>,
    slots: Option<usize>,
    /// Zero: no limit.
    bandwidth_bytes_per_s: Option<u64>,
}

async fn settings(State(inner): Shared, Json(settings): Json<Settings>) -> StatusCode {
    if let Some(health) = settings.health {
        *locked(&inner.health) = health;
    }
    if let Some(skew_s) = settings.clock_skew_s {
        inner.skew_s.store(skew_s, Ordering::Relaxed);
    }
    if let Some(slots) = settings.slots {
        inner.slots.store(slots, Ordering::Relaxed);
    }
    if let Some(bytes_per_s) = settings.bandwidth_bytes_per_s {
        inner.bandwidth.store(bytes_per_s, Ordering::Relaxed);
    }
    StatusCode::NO_CONTENT
}

/// A version as another node has it, with no size a delete marker: what replication between processes would bring.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Copy {
    bucket: String,
    key: String,
    version_id: String,
    /// Unix time.
    modified_s: i64,
    size: Option<u64>,
    #[serde(default)]
    seed: u64,
}

async fn copy_in(State(inner): Shared, Json(copy): Json<Copy>) -> (StatusCode, &'static str) {
    let Ok(modified) = Timestamp::from_second(copy.modified_s) else {
        return (StatusCode::UNPROCESSABLE_ENTITY, "modified_s is beyond the calendar");
    };
    let film = copy.size.map(|size| {
        let content = Content::Generated { size, seed: copy.seed };
        Film { etag: content.etag(), content, content_type: "video/mp4".to_owned() }
    });
    let version = Version { id: copy.version_id, modified, replication: Replication::Replica, film };
    let mut store = locked(&inner.store);
    if !store.has_bucket(&copy.bucket) {
        return (StatusCode::NOT_FOUND, "the node has no such bucket");
    }
    store.copy_in(&copy.bucket, &copy.key, version);
    drop(store);
    inner.log.changed();
    (StatusCode::NO_CONTENT, "")
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lost {
    bucket: String,
    key: String,
}

async fn forget(State(inner): Shared, Json(lost): Json<Lost>) -> StatusCode {
    locked(&inner.store).forget(&lost.bucket, &lost.key, None);
    inner.log.changed();
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Allowed {
    access_key: String,
    policy: Policy,
}

async fn policy(State(inner): Shared, Json(allowed): Json<Allowed>) -> (StatusCode, &'static str) {
    match inner.keys.set_policy(&allowed.access_key, allowed.policy) {
        Some(()) => (StatusCode::NO_CONTENT, ""),
        None => (StatusCode::NOT_FOUND, "the node has no such credential"),
    }
}

async fn kill(State(inner): Shared) -> StatusCode {
    server::refuse(&inner).await;
    server::cut(&inner, Cut::Close).await;
    StatusCode::NO_CONTENT
}

async fn refuse(State(inner): Shared) -> StatusCode {
    server::refuse(&inner).await;
    StatusCode::NO_CONTENT
}

async fn revive(State(inner): Shared) -> (StatusCode, String) {
    match server::listen(&inner) {
        Ok(()) => (StatusCode::NO_CONTENT, String::new()),
        Err(error) => (StatusCode::CONFLICT, error.to_string()),
    }
}

async fn freeze(State(inner): Shared) -> StatusCode {
    inner.serving.send_modify(|serving| serving.frozen = true);
    StatusCode::NO_CONTENT
}

async fn thaw(State(inner): Shared) -> StatusCode {
    inner.serving.send_modify(|serving| serving.frozen = false);
    StatusCode::NO_CONTENT
}

async fn cut(State(inner): Shared, Json(how): Json<Cut>) -> StatusCode {
    server::cut(&inner, how).await;
    StatusCode::NO_CONTENT
}
