//! One request to one node, from the connection to the end of its answer's head.
//!
//! The request is built from nothing: no field of a viewer's ever goes into it. Connections come from a pool and go
//! back to it; one that proves stale is replaced without a word against the node. Absent on purpose: who is asked,
//! and what to do when it fails.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName,
    HeaderValue, IF_MATCH, LAST_MODIFIED, RANGE, TRANSFER_ENCODING, USER_AGENT,
};
use pingora::connectors::TransportConnector;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Stream;
use pingora::protocols::http::v1::client::HttpSession;
use pingora::upstreams::peer::{HttpPeer, Peer};
use pingora::{Error, ErrorType};
use smallvec::SmallVec;
use tokio::time::{Instant, timeout_at};
use watchgate_config::{Addressing, Profile, Scheme};

use super::body::Body;
use crate::clock::Clock;
use crate::decide::health::requests_in_flight;
use crate::decide::resume::{Answer, Ask, Failure, Head, Identity, Judged, judge};
use crate::fleet::{AGENT, HONEST, Node};
use crate::sign::{DayKey, HeaderRequest, Method, Resource, SignedHeaders};

/// An error's document is read up to here, so that its connection can be used again.
const ERROR_BYTES_MAX: usize = 8 << 10;
/// What a far address needs for TCP and TLS.
const SHARE_MIN: Duration = Duration::from_secs(1);
/// Addresses of a node that are tried.
const ADDRESSES_MAX: usize = 4;
/// Informational answers that may come first.
const INFORMATIONAL_MAX: usize = 8;

/// What is asked of whom.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) node: Arc<Node>,
    pub(super) key: Arc<str>,
    pub(super) ask: Ask,
    /// The film that earlier answers had: nothing else will do.
    pub(super) film: Option<Arc<Identity>>,
    /// Ask for the film's version by its id, where it is known.
    pub(super) pin_version: bool,
    pub(super) connect_timeout: Duration,
    pub(super) first_byte_timeout: Duration,
}

impl Order {
    /// Whether a version is asked for by its id.
    pub(super) fn is_pinned(&self) -> bool {
        self.version_id().is_some()
    }

    fn version_id(&self) -> Option<&str> {
        self.film.as_deref().filter(|_| self.pin_version)?.version_id.as_deref()
    }
}

/// An answer whose head is read and found good.
#[derive(Debug)]
pub(super) struct Opened {
    /// `None`: `416` to a first request.
    pub(super) answer: Option<Answer>,
    pub(super) content_type: Option<Box<str>>,
    pub(super) body: Option<Body>,
}

/// Sends the request and reads the head of its answer.
///
/// # Errors
/// The [`Failure`] of the node.
pub(super) async fn open(
    connector: &TransportConnector,
    clock: &Clock,
    order: &Order,
) -> Result<Opened, Failure> {
    let peers = peers(order)?;
    let request = request(order, clock.unix_ms() / 1000)?;
    let deadline = || Instant::now() + order.first_byte_timeout;
    for peer in &peers {
        let Some(stream) = connector.reused_stream(peer).await else { continue };
        match exchange(stream, peer, request.clone(), order.ask, deadline()).await {
            // The node closed it while it lay in the pool: nothing was heard of the node.
            Err(Failure::NoAnswer) => break,
            Err(failure) => return Err(failure),
            Ok(answered) => return finish(connector, clock, order, peer, answered).await,
        }
    }
    let (peer, stream) = connect(connector, &peers, order.connect_timeout).await?;
    let answered = exchange(stream, peer, request, order.ask, deadline()).await?;
    finish(connector, clock, order, peer, answered).await
}

/// A fresh connection to the first address that takes one. Each has its share of the time: one that is silent must not
/// use up what the others need.
async fn connect<'a>(
    connector: &TransportConnector,
    peers: &'a [HttpPeer],
    within: Duration,
) -> Result<(&'a HttpPeer, Stream), Failure> {
    let deadline = Instant::now() + within;
    let mut failed = Failure::Refused;
    for (at, peer) in peers.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let others = u32::try_from(peers.len() - at).unwrap_or(u32::MAX);
        let share = (left / others).max(SHARE_MIN.min(left));
        failed = match tokio::time::timeout(share, connector.new_stream(peer)).await {
            Ok(Ok(stream)) => return Ok((peer, stream)),
            Ok(Err(error)) => unconnected(&error),
            Err(_) => Failure::ConnectTimeout,
        };
    }
    Err(failed)
}

/// An answer's head, and what came of its body with it.
struct Answered {
    session: HttpSession,
    head: Box<ResponseHeader>,
    early: Bytes,
}

async fn exchange(
    stream: Stream,
    peer: &HttpPeer,
    request: Box<RequestHeader>,
    ask: Ask,
    deadline: Instant,
) -> Result<Answered, Failure> {
    let mut session = HttpSession::new_with_options(stream, peer);
    let work = async {
        session.write_request_header(request).await.map_err(|_| Failure::NoAnswer)?;
        for _ in 0..INFORMATIONAL_MAX {
            session.read_response().await.map_err(|error| unanswered(&error))?;
            let Some(head) = session.resp_header() else { return Err(Failure::NoAnswer) };
            if !head.status.is_informational() {
                let head = Box::new(head.clone());
                let early = early(&mut session, &head, ask).await?;
                return Ok((head, early));
            }
        }
        Err(Failure::Status)
    };
    let (head, early) = timeout_at(deadline, work).await.map_err(|_| Failure::FirstByte)??;
    Ok(Answered { session, head, early })
}

/// What the session has read of the body together with the head, or the first bytes after it: whoever takes the
/// connection out of the session would lose them. Of an error, its whole document if it is short.
async fn early(session: &mut HttpSession, head: &ResponseHeader, ask: Ask) -> Result<Bytes, Failure> {
    if ask.is_head() || content_length(head) == Some(0) {
        return Ok(Bytes::new());
    }
    let read = session.read_body_ref().await.map_err(|_| Failure::NoAnswer)?;
    let mut early = Bytes::copy_from_slice(read.unwrap_or_default());
    if head.status.is_success() {
        return Ok(early);
    }
    while early.len() <= ERROR_BYTES_MAX
        && let Ok(Some(more)) = session.read_body_ref().await
    {
        early = [&early, more].concat().into();
    }
    Ok(early)
}

async fn finish(
    connector: &TransportConnector,
    clock: &Clock,
    order: &Order,
    peer: &HttpPeer,
    answered: Answered,
) -> Result<Opened, Failure> {
    let Answered { mut session, head, early } = answered;
    if let Some(in_flight) = in_flight(&head) {
        order.node.live.heard_load(in_flight);
    }
    let judged = judge(order.ask, &facts(&head, &early), order.film.as_deref(), clock.unix_ms() / 1000);
    session.respect_keepalive();
    let is_kept = session.will_keepalive();
    let has_body = matches!(&judged, Ok(Judged::Answer(answer)) if answer.length > 0);
    if !has_body {
        if judged.is_ok() {
            order.node.live.served();
        }
        // The document of an error is read: the connection is as good as before.
        if is_kept && let Some(stream) = session.reuse().await {
            connector.release_stream(stream, peer.reuse_hash(), Some(super::body::IDLE));
        }
        return match judged? {
            Judged::Answer(answer) => {
                Ok(Opened { answer: Some(answer), content_type: content_type(&head), body: None })
            }
            Judged::Unsatisfiable => Ok(Opened { answer: None, content_type: None, body: None }),
        };
    }
    let Judged::Answer(answer) = judged? else { return Err(Failure::Status) };
    let body = Body::new(session.into_inner(), early, answer.length, is_kept.then(|| peer.reuse_hash()));
    Ok(Opened { content_type: content_type(&head), body: Some(body), answer: Some(answer) })
}

/// The node at each of its addresses.
fn peers(order: &Order) -> Result<SmallVec<[HttpPeer; 1]>, Failure> {
    let node = &order.node;
    let endpoint = &node.config.endpoint;
    let is_tls = endpoint.scheme() == Scheme::Https;
    // A bucket in the host is in the certificate, too. An empty name would turn the check of it off.
    let name = match node.config.addressing {
        Addressing::Path => endpoint.bare_host(),
        Addressing::VirtualHost => node.probe.authority().split(':').next().unwrap_or_default(),
    };
    if is_tls && (name.is_empty() || cfg!(not(feature = "tls"))) {
        return Err(Failure::Refused);
    }
    let addresses = node.live.addresses.load();
    let addresses = addresses.as_deref().map(Vec::as_slice).unwrap_or_default();
    let peers = addresses.iter().take(ADDRESSES_MAX).map(|address| {
        let mut peer = HttpPeer::new(*address, is_tls, if is_tls { name.to_owned() } else { String::new() });
        peer.group_key = node.seed();
        peer
    });
    let peers: SmallVec<[HttpPeer; 1]> = peers.collect();
    if peers.is_empty() { Err(Failure::Refused) } else { Ok(peers) }
}

fn request(order: &Order, unix_s: u64) -> Result<Box<RequestHeader>, Failure> {
    let method = if order.ask.is_head() { Method::Head } else { Method::Get };
    let version = order.version_id();
    let query = [("versionId", version.unwrap_or_default())];
    let ask = HeaderRequest {
        method,
        resource: Resource::Object(&order.key),
        query: if version.is_some() { &query } else { &[] },
        headers: &[],
        unix_s,
    };
    // What is configured is fit for a request; a key that is not would have been refused by every probe.
    build(&signed(order, &ask), method, order).map_err(|_| Failure::Forbidden)
}

fn signed(order: &Order, ask: &HeaderRequest<'_>) -> SignedHeaders {
    let node = &order.node;
    if let Some(day) = node.keys.load().at(ask.unix_s) {
        return node.probe.sign_headers(day, ask);
    }
    // Only while the task that keeps the keys has not run yet after midnight.
    let day = DayKey::derive(node.config.secret_key.expose(), ask.unix_s, &node.region);
    node.probe.sign_headers(&day, ask)
}

fn build(signed: &SignedHeaders, method: Method, order: &Order) -> pingora::Result<Box<RequestHeader>> {
    let target = signed.path_and_query.as_bytes();
    let mut request = RequestHeader::build_no_case(method.as_str(), target, Some(12))?;
    for (name, value) in signed.pairs() {
        request.insert_header(name, value)?;
    }
    request.insert_header(USER_AGENT, HeaderValue::from_static(AGENT))?;
    // MinIO can be told to compress what it sends, and then sends no ranges.
    request.insert_header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))?;
    if matches!(order.node.config.profile, Profile::Minio | Profile::Rustfs) {
        request.insert_header(HONEST.0, HONEST.1)?;
    }
    match order.ask {
        Ask::Head | Ask::Look => {}
        Ask::Part { first, last: u64::MAX } => request.insert_header(RANGE, format!("bytes={first}-"))?,
        Ask::Part { first, last } => request.insert_header(RANGE, format!("bytes={first}-{last}"))?,
        Ask::Suffix { length } => request.insert_header(RANGE, format!("bytes=-{length}"))?,
    }
    if let Some(film) = &order.film {
        request.insert_header(IF_MATCH, &*film.etag)?;
    }
    Ok(Box::new(request))
}

fn facts<'a>(head: &'a ResponseHeader, early: &[u8]) -> Head<'a> {
    let field = |name: &HeaderName| head.headers.get(name).map(HeaderValue::as_bytes);
    let named = |name: &str| head.headers.get(name).map(HeaderValue::as_bytes);
    // Some uploads leave the name of their own framing behind, though what is stored is plain.
    let plain = [&b"identity"[..], b"aws-chunked"];
    let is_coded = |coding: &HeaderValue| {
        !plain.iter().any(|plain| coding.as_bytes().trim_ascii().eq_ignore_ascii_case(plain))
    };
    let codings =
        head.headers.get_all(CONTENT_ENCODING).iter().chain(head.headers.get_all(TRANSFER_ENCODING));
    let no_bucket = named("x-minio-error-code") == Some(b"NoSuchBucket")
        || head.status == 404 && early.windows(12).any(|text| text == b"NoSuchBucket");
    Head {
        status: head.status.as_u16(),
        etag: field(&ETAG),
        content_range: field(&CONTENT_RANGE),
        content_length: content_length(head),
        coded: codings.into_iter().any(is_coded),
        version_id: named("x-amz-version-id"),
        last_modified: field(&LAST_MODIFIED),
        delete_marker: named("x-amz-delete-marker")
            .is_some_and(|marker| marker.eq_ignore_ascii_case(b"true")),
        no_bucket,
    }
}

fn content_length(head: &ResponseHeader) -> Option<u64> {
    head.headers.get(CONTENT_LENGTH)?.to_str().ok()?.trim().parse().ok()
}

fn content_type(head: &ResponseHeader) -> Option<Box<str>> {
    head.headers.get(CONTENT_TYPE)?.to_str().ok().map(Into::into)
}

/// Requests in flight by the node's own word, without this one.
fn in_flight(head: &ResponseHeader) -> Option<u32> {
    let named = |name: &str| head.headers.get(name).map(HeaderValue::as_bytes);
    let (limit, remaining) = (named("x-ratelimit-limit")?, named("x-ratelimit-remaining")?);
    requests_in_flight(limit, remaining).map(|in_flight| in_flight.saturating_sub(1))
}

fn unconnected(error: &Error) -> Failure {
    match error.etype() {
        ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => Failure::ConnectTimeout,
        _ => Failure::Refused,
    }
}

/// A head that cannot be read is a status of a kind; a connection that ended is none.
fn unanswered(error: &Error) -> Failure {
    match error.etype() {
        ErrorType::InvalidHTTPHeader => Failure::Status,
        _ => Failure::NoAnswer,
    }
}
