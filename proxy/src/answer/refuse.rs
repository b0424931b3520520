//! Refusals as `application/problem+json` (RFC 9457).
//!
//! The connection stays open wherever the request was understood whole. Absent on purpose: Pingora's own
//! error answers, which end the connection and know no problem document.

use bytes::Bytes;
use pingora::Result;
use serde::Serialize;

use super::{Answer, Asking, Framing};
use crate::decide::range::unsatisfied;
use crate::decide::watch;
use crate::refusal::Refusal;
use crate::refusal::route::RouteRefusal;

#[derive(Serialize)]
struct Problem<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: String,
    request_id: &'a str,
}

/// The refusal as the viewer sees it; `close`: content follows the request that nobody will read.
///
/// # Errors
/// As [`Asking::head`].
pub fn refuse(refusal: Refusal, asking: &Asking<'_>, close: bool) -> Result<Answer> {
    let said = Said {
        label: refusal.label(),
        title: refusal.title(),
        status: refusal.status(),
        detail: refusal.detail(),
    };
    let mut answer = document(said, asking, close)?;
    let head = &mut answer.head;
    if refusal == Refusal::Method {
        head.add("Allow", watch::ALLOW)?;
    }
    if let Some(retry_after_s) = refusal.retry_after_s() {
        head.add_number("Retry-After", retry_after_s)?;
    }
    if let Refusal::Range { size } = refusal {
        head.add("Content-Range", unsatisfied(size).to_string())?;
    }
    Ok(answer)
}

/// The same of a request that is not for a film; the connection ends with it.
///
/// # Errors
/// As [`Asking::head`].
pub fn refuse_route(refusal: RouteRefusal, asking: &Asking<'_>) -> Result<Answer> {
    let said = Said {
        label: refusal.label(),
        title: refusal.title(),
        status: refusal.status(),
        detail: refusal.detail(),
    };
    document(said, asking, true)
}

struct Said {
    label: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
}

fn document(said: Said, asking: &Asking<'_>, close: bool) -> Result<Answer> {
    let Said { label, title, status, detail } = said;
    let r#type = format!("urn:watchgate:problem:{label}");
    let problem = Problem { r#type, title, status, detail, request_id: asking.request_id };
    // Five strings and a number: serialising them cannot fail, and an empty document would still be an answer.
    let body = Bytes::from(serde_json::to_vec(&problem).unwrap_or_default());
    let status = http::StatusCode::from_u16(status).unwrap_or_default();
    let mut head = asking.head(status, Framing::of(body.len() as u64))?;
    head.add("Content-Type", "application/problem+json")?;
    let body = if asking.head_only { Bytes::new() } else { body };
    Ok(Answer { head, body, close })
}
