//! From one request to its answer: faults, health pages, slots, signature, then
//! the object itself (`objects.rs`) and the headers the store puts on everything.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, ORIGIN, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use md5::{Digest, Md5};

use crate::auth::{Verifier, parameter};
use crate::body::NodeBody;
use crate::content::{Content, hex};
use crate::faults::{self, Picked};
use crate::inner::{Call, Health, Inner, Slot};
use crate::locked;
use crate::manners::{self, Manners};
use crate::objects;
use crate::refusal::{self, Refusal};
use crate::select::http_date;
use crate::target::Target;
use crate::wire::Script;

const EARLY_HINTS: &[u8] = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n";

/// The head of a request, kept while s3s has the request itself.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) target: Target,
}

/// An answer before the headers common to all.
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) content: Content,
    pub(crate) offset: u64,
    /// Bytes of the body; none for HEAD, whatever `Content-Length` says.
    pub(crate) length: u64,
}

impl Reply {
    pub(crate) fn empty(status: StatusCode) -> Self {
        let content = Content::Bytes(Bytes::new());
        Self { status, headers: HeaderMap::new(), content, offset: 0, length: 0 }
    }

    fn refused(refusal: &Refusal, asked: &Asked, manners: Manners) -> Self {
        let (mut parts, body) = refusal.answer(&asked.method, asked.uri.path()).into_parts();
        if !manners.names_errors_of_head() {
            refusal::unname(&mut parts.headers);
        }
        let content = Content::Bytes(body.into());
        let length = content.size();
        Self { status: parts.status, headers: parts.headers, content, offset: 0, length }
    }
}

/// The node gives no answer: hyper ends the connection.
#[derive(Debug, thiserror::Error)]
#[error("hung up by plan")]
pub(crate) struct HungUp;

pub(crate) async fn answer(
    inner: Arc<Inner>,
    verifier: Arc<Verifier>,
    script: Arc<Script>,
    request: Request<Incoming>,
) -> Result<Response<NodeBody>, HungUp> {
    let asked = Asked::of(&request, &inner);
    let slot = if asked.target == Target::Health { Slot::Free } else { Slot::Takes };
    let call = Call::start(&inner, inner.log.arrived(&request), slot);
    let picked = inner.faults.pick(faults::Request {
        target: &asked.target,
        is_head: asked.method == Method::HEAD,
        has_range: asked.headers.contains_key(RANGE),
    });
    if let Some(delay) = picked.delay {
        tokio::time::sleep(delay).await;
    }
    if picked.head.hang_up {
        return Err(HungUp);
    }
    if let Some(bytes_per_s) = picked.head.bytes_per_s {
        script.drip_head(bytes_per_s);
    }
    if picked.head.early_hints {
        script.say_first(EARLY_HINTS);
    }
    let result = reply(&inner, &verifier, &asked, &picked, &call, request).await;
    let (mut reply, error) = match result {
        Ok(reply) => (reply, None),
        Err(refusal) => (Reply::refused(&refusal, &asked, inner.manners), Some(refusal.code)),
    };
    dress(&mut reply.headers, &inner, &asked, &call);
    call.answered(reply.status.as_u16(), error.as_deref());
    if asked.method != Method::HEAD && reply.length > 0 {
        reply.headers.insert(CONTENT_LENGTH, reply.length.into());
    }
    let body = NodeBody::new(reply.content, reply.offset, reply.length, picked.body, script, call);
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    *response.headers_mut() = reply.headers;
    Ok(response)
}

impl Asked {
    fn of(request: &Request<Incoming>, inner: &Inner) -> Self {
        let host = request.headers().get(http::header::HOST).and_then(|host| host.to_str().ok());
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            headers: request.headers().clone(),
            target: Target::of(
                host,
                request.uri().path(),
                inner.domain.as_deref(),
                inner.manners.health_pages(),
            ),
        }
    }
}

async fn reply(
    inner: &Arc<Inner>,
    verifier: &Verifier,
    asked: &Asked,
    picked: &Picked,
    call: &Call,
    request: Request<Incoming>,
) -> Result<Reply, Refusal> {
    if let Some(status) = picked.status {
        // A number that is no status is a mistake of the one who set the fault: the plainest failure.
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        return Err(Refusal::of_status(status));
    }
    if asked.target == Target::Health {
        return Ok(health(inner));
    }
    if call.is_too_many() {
        return Err(Refusal::too_many_requests());
    }
    if asked.method == Method::OPTIONS && asked.headers.contains_key(ORIGIN) {
        return Ok(preflight());
    }
    inner.manners.judge(&asked.headers, &signed_headers(asked))?;
    let outcome = verifier.verify(inner.now(), inner.skewed(), request).await;
    call.verified(outcome.is_ok());
    objects::reply(inner, asked, picked, call, outcome?)
}

fn health(inner: &Inner) -> Reply {
    match *locked(&inner.health) {
        Health::Up => Reply::empty(StatusCode::OK),
        Health::Down => Reply::empty(StatusCode::SERVICE_UNAVAILABLE),
        Health::Offline => {
            let mut reply = Reply::empty(StatusCode::OK);
            reply.headers.insert("x-minio-server-status", HeaderValue::from_static("offline"));
            reply
        }
    }
}

fn preflight() -> Reply {
    let mut reply = Reply::empty(StatusCode::NO_CONTENT);
    for (name, value) in [
        ("access-control-allow-methods", "GET, HEAD"),
        ("access-control-allow-headers", "Range, If-Match, If-None-Match, If-Modified-Since"),
        ("access-control-max-age", "600"),
    ] {
        reply.headers.insert(name, HeaderValue::from_static(value));
    }
    reply
}

/// The list of signed headers, of the header or of the link.
fn signed_headers(asked: &Asked) -> String {
    let of_header = || {
        let (_, rest) = asked.headers.get(AUTHORIZATION)?.to_str().ok()?.split_once("SignedHeaders=")?;
        Some(rest.split([',', ' ']).next()?.to_owned())
    };
    parameter(&asked.uri, "X-Amz-SignedHeaders").or_else(of_header).unwrap_or_default()
}

/// What every answer of the store carries, and a front door should not pass on.
fn dress(headers: &mut HeaderMap, inner: &Inner, asked: &Asked, call: &Call) {
    manners::insert_all(headers, &[("accept-ranges", "bytes")]);
    manners::insert_all(headers, inner.manners.headers());
    headers.append("vary", HeaderValue::from_static("Accept-Encoding"));
    let now = inner.now();
    let mut insert = |name: &'static str, value: String| {
        // All of these are made of ASCII here.
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    insert("date", http_date(now));
    let id = hex(&Md5::digest(format!("{} {now}", asked.uri)));
    insert("x-amz-request-id", id[..16].to_uppercase());
    insert("x-amz-id-2", hex(&Md5::digest(&inner.name)).repeat(2));
    if let Some((limit, remaining)) = call.slots().filter(|_| inner.manners.tells_load()) {
        insert("x-ratelimit-limit", limit.to_string());
        insert("x-ratelimit-remaining", remaining.to_string());
    }
    if let Some(origin) = asked.headers.get(ORIGIN) {
        let origin = if origin == "null" { HeaderValue::from_static("*") } else { origin.clone() };
        headers.insert("access-control-allow-origin", origin);
        headers.insert("access-control-allow-credentials", HeaderValue::from_static("true"));
        headers
            .insert("access-control-expose-headers", HeaderValue::from_static("Date, Etag, Content-Range"));
    }
    if !headers.contains_key(CONTENT_TYPE) && asked.target == Target::Health {
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
}
