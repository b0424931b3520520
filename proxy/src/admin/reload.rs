//! The operator's word to read the configuration again.
//!
//! Absent on purpose: reading it. Whoever made the gate knows where its configuration is from, and says so by a
//! [`Reload`].

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};

use super::Office;
use super::problem::Problem;
use crate::gate::reload::Reloaded;

/// Reads the configuration again, and gives it to the gate.
#[async_trait]
pub trait Reload: Send + Sync {
    /// Does so; `by` says for the log who wanted it.
    ///
    /// # Errors
    /// [`NotReloaded`]: everything is as it was before.
    async fn reload(&self, by: &'static str) -> Result<Reloaded, NotReloaded>;
}

/// Why everything is as it was before.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotReloaded {
    /// Another one is under way.
    #[error("a reload is under way; ask again when it has ended")]
    Busy,
    /// The configuration, or a file that it names, has to be mended: all that is wrong, a line each.
    #[error("{0}")]
    Bad(String),
    /// It is sound, and none of its nodes answers while some of the old ones do.
    #[error("{0}")]
    NobodyLeft(String),
}

pub(super) async fn reload(State(office): State<Office>) -> Response {
    let Some(reloading) = office.reload else {
        return Problem::new(StatusCode::NOT_FOUND, "this gate has no file that it could read again")
            .into_response();
    };
    // It goes on if the asker leaves.
    let reloaded = tokio::spawn(async move { reload_by(&reloading).await });
    match reloaded.await {
        Ok(Ok(reloaded)) => Json(reloaded).into_response(),
        Ok(Err(why)) => {
            let status = match why {
                NotReloaded::Busy => StatusCode::CONFLICT,
                NotReloaded::Bad(_) => StatusCode::UNPROCESSABLE_ENTITY,
                NotReloaded::NobodyLeft(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
            Problem::new(status, why.to_string()).into_response()
        }
        // A panic has been logged.
        Err(_) => Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the reload broke off").into_response(),
    }
}

async fn reload_by(reloading: &Arc<dyn Reload>) -> Result<Reloaded, NotReloaded> {
    reloading.reload("the admin API").await
}
