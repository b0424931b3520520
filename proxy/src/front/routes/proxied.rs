//! One routed request in Pingora's proxying, from its head to its access line.
//!
//! Bodies stream both ways with Pingora's back-pressure. A server that cannot be reached costs nothing but time: nothing was
//! sent, so another one gets the request, whatever its method. Absent on purpose: caching, compression, and trying again
//! what a server may have acted upon.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, UPGRADE};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::upstreams::peer::{HttpPeer, HttpUpstreamRequestPolicy};
use pingora::{Error, ErrorSource, ErrorType, Result};
use pingora_proxy::{FailToProxy, ProxyHttp, Session};
use tokio::time::{Instant, timeout_at};
use watchgate_config::HostRule;

use super::metrics::End;
use super::{All, Route, check};
use crate::answer::X_REQUEST_ID;
use crate::decide::client::Scheme;
use crate::decide::route::{self, forwarded};
use crate::gate::passing::{Passed, Passing, names_host, path_of};
use crate::gate::{Gate, Outcome};
use crate::refusal::route::RouteRefusal;

/// Servers that are tried at most for one request.
const SERVERS_MAX: usize = 4;
/// An idle connection is kept so long: below what common servers keep it (Node.js 5 s, Uvicorn 5 s).
const IDLE: Duration = Duration::from_secs(4);
/// After a refusal what is left of a body is read for so long, because a viewer who still writes would not see it.
const LINGER: Duration = Duration::from_secs(2);

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// The application that Pingora proxies for.
pub(in crate::front) struct Proxied {
    gate: Arc<Gate>,
    all: Arc<All>,
}

/// One request on its way; empty until its route is known.
#[derive(Default)]
pub(in crate::front) struct Ride {
    passing: Option<Box<Passing>>,
    /// Which route.
    route: usize,
    /// The addresses that it was sent to.
    tried: Vec<SocketAddr>,
    /// The server that it was sent to last.
    server: Option<usize>,
    /// Bytes of the request's body that were passed on.
    body_bytes: u64,
    wants_websocket: bool,
    /// Why the last server could not be reached.
    unreachable: Option<RouteRefusal>,
    refused: Option<RouteRefusal>,
}

impl Proxied {
    pub(super) fn new(gate: Arc<Gate>, all: Arc<All>) -> Self {
        Self { gate, all }
    }

    fn route(&self, ride: &Ride) -> &Route {
        &self.all.routes[ride.route]
    }

    /// Why a request that takes this route is refused before a server hears of it.
    fn refusal(&self, session: &Session, route: &Route) -> Option<RouteRefusal> {
        if let Some(doubt) = route::doubt(path_of(session), &self.all.watch_prefix) {
            return Some(RouteRefusal::Path(doubt));
        }
        if !names_host(session) {
            return Some(RouteRefusal::Request);
        }
        let length = session.req_header().headers.get(CONTENT_LENGTH);
        let length = length.and_then(|length| length.to_str().ok()?.parse::<u64>().ok()).unwrap_or(0);
        route.too_large(length)
    }

    async fn refuse(&self, session: &mut Session, ride: &mut Ride, refusal: RouteRefusal) -> Result<()> {
        ride.refused = Some(refusal);
        let Some(passing) = &ride.passing else { return Ok(()) };
        self.gate.refuse_passing(session, passing, refusal).await?;
        linger(session).await;
        Ok(())
    }

    /// What the viewer is told of an error; none: there is no viewer any more.
    fn judge(&self, error: &Error, ride: &Ride) -> Option<RouteRefusal> {
        let route = self.route(ride);
        match (error.esource(), error.etype()) {
            (_, ErrorType::HTTPStatus(413)) => {
                route.config.body_max.map(|max| RouteRefusal::TooLarge { max: max.get() })
            }
            (_, ErrorType::HTTPStatus(502)) => Some(ride.unreachable.unwrap_or(RouteRefusal::NoServer)),
            (ErrorSource::Downstream, ErrorType::ReadTimedout) => Some(RouteRefusal::ViewerSlow),
            (
                ErrorSource::Downstream,
                ErrorType::WriteError
                | ErrorType::WriteTimedout
                | ErrorType::ReadError
                | ErrorType::ConnectionClosed
                | ErrorType::ConnectError,
            ) => None,
            (ErrorSource::Downstream, _) => Some(RouteRefusal::Request),
            (_, ErrorType::ReadTimedout | ErrorType::WriteTimedout) => Some(RouteRefusal::Late),
            _ => Some(ride.unreachable.unwrap_or(RouteRefusal::Failed)),
        }
    }

    fn end(&self, session: &Session, error: Option<&Error>, ride: &Ride) -> End {
        let status = session.response_written().map(|head| head.status.as_u16());
        match (error, ride.refused, status) {
            (_, Some(refusal), Some(_)) => End::Refused(refusal),
            (None, _, Some(status)) => End::Answered(status),
            // A WebSocket ends when either side goes.
            (Some(_), _, Some(101)) => End::Answered(101),
            (Some(error), ..) if self.judge(error, ride).is_some() => End::Cut,
            _ => End::ViewerLeft,
        }
    }
}

impl Route {
    fn too_large(&self, bytes: u64) -> Option<RouteRefusal> {
        let max = self.config.body_max?.get();
        (bytes > max).then_some(RouteRefusal::TooLarge { max })
    }

    /// How long nothing may be sent on a connection of this request.
    fn silence_max(&self, ride: &Ride) -> Duration {
        let websocket = self.config.websocket_timeout.filter(|_| ride.wants_websocket);
        websocket.unwrap_or(self.config.read_timeout)
    }

    fn peer(&self, ride: &Ride, server: usize, address: SocketAddr) -> HttpPeer {
        let mut peer = check::peer(address, &self.servers.get(server).url);
        let options = &mut peer.options;
        options.connection_timeout = Some(self.config.connect_timeout);
        options.total_connection_timeout = Some(self.config.connect_timeout);
        options.read_timeout = Some(self.silence_max(ride));
        options.write_timeout = Some(self.config.write_timeout);
        options.idle_timeout = Some(IDLE);
        if self.config.websocket_timeout.is_none() {
            options.http_upstream_request_policy = HttpUpstreamRequestPolicy::deny_upgrades();
        }
        peer
    }
}

#[async_trait]
impl ProxyHttp for Proxied {
    type CTX = Ride;

    fn new_ctx(&self) -> Ride {
        Ride::default()
    }

    /// Bodies pass as they are.
    fn init_downstream_modules(&self, _: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, ride: &mut Ride) -> Result<bool> {
        // The gate first, whatever the connection's loop took the request for.
        if self.gate.handle(session).await? == Outcome::Answered {
            return Ok(true);
        }
        let Some(index) = self.all.table.find(path_of(session)) else {
            self.gate.not_found(session).await?;
            return Ok(true);
        };
        let route = &self.all.routes[index];
        ride.route = index;
        ride.passing = Some(Box::new(self.gate.passing(session)));
        if let Some(refusal) = self.refusal(session, route) {
            self.refuse(session, ride, refusal).await?;
            return Ok(true);
        }
        let upgrade = session.req_header().headers.get(UPGRADE);
        ride.wants_websocket =
            upgrade.is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"));
        let downstream = session.as_downstream_mut();
        downstream.set_read_timeout(Some(route.silence_max(ride)));
        downstream.set_write_timeout(Some(route.config.write_timeout));
        Ok(false)
    }

    async fn upstream_peer(&self, _: &mut Session, ride: &mut Ride) -> Result<Box<HttpPeer>> {
        let route = self.route(ride);
        let left = ride.tried.len() < SERVERS_MAX;
        let Some(chosen) = left.then(|| route.servers.choose(&ride.tried)).flatten() else {
            return Error::e_explain(ErrorType::HTTPStatus(502), "no server is left");
        };
        if !ride.tried.is_empty() {
            route.metrics.retries.inc();
        }
        ride.tried.push(chosen.address);
        ride.server = Some(chosen.server);
        ride.body_bytes = 0;
        Ok(Box::new(self.route(ride).peer(ride, chosen.server, chosen.address)))
    }

    async fn upstream_request_filter(
        &self,
        _: &mut Session,
        request: &mut RequestHeader,
        ride: &mut Ride,
    ) -> Result<()> {
        let route = self.route(ride);
        if let Some(passing) = &ride.passing {
            forward(request, passing, route)?;
        }
        let server = ride.server.map(|server| route.servers.get(server));
        match (&route.config.host, server) {
            (HostRule::Literal(host), _) => request.insert_header(HOST, host)?,
            (HostRule::Upstream, Some(server)) => request.insert_header(HOST, server.url.authority())?,
            _ => {}
        }
        if route.config.strip_prefix {
            let stripped = route::strip(request.raw_path(), route.config.prefix.trimmed());
            request.set_raw_path(&stripped)?;
        }
        Ok(())
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        _: bool,
        ride: &mut Ride,
    ) -> Result<()> {
        if session.was_upgraded() {
            return Ok(());
        }
        ride.body_bytes += body.as_ref().map_or(0, |body| body.len() as u64);
        match self.route(ride).too_large(ride.body_bytes) {
            Some(_) => Error::e_explain(ErrorType::HTTPStatus(413), "the body is too large"),
            None => Ok(()),
        }
    }

    async fn response_filter(
        &self,
        _: &mut Session,
        response: &mut ResponseHeader,
        ride: &mut Ride,
    ) -> Result<()> {
        if let Some(passing) = &ride.passing {
            self.route(ride).metrics.first_byte.observe(passing.age().as_secs_f64());
            response.insert_header(X_REQUEST_ID, passing.request_id())?;
        }
        for name in connection_fields(response) {
            response.remove_header(&name);
        }
        Ok(())
    }

    fn fail_to_connect(
        &self,
        _: &mut Session,
        peer: &HttpPeer,
        ride: &mut Ride,
        mut error: Box<Error>,
    ) -> Box<Error> {
        let route = self.route(ride);
        route.servers.unreachable();
        let is_late = matches!(error.etype(), ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout);
        ride.unreachable = Some(if is_late { RouteRefusal::Late } else { RouteRefusal::NoServer });
        tracing::debug!(route = &*route.config.prefix, %peer, %error, "a server cannot be reached");
        // Nothing was sent: whoever is left may have it.
        error.set_retry(true);
        error
    }

    fn error_while_proxy(
        &self,
        peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        ride: &mut Ride,
        client_reused: bool,
    ) -> Box<Error> {
        ride.unreachable = None;
        let mut error = error.more_context(format!("Peer: {peer}"));
        let is_sent = session.response_written().is_some() || session.as_ref().retry_buffer_truncated();
        if is_sent || !session.req_header().method.is_idempotent() {
            error.set_retry(false);
        } else {
            error.retry.decide_reuse(client_reused);
        }
        if error.retry() {
            // An idle connection that the server had closed says nothing about the server.
            ride.tried.pop();
        }
        error
    }

    async fn fail_to_proxy(&self, session: &mut Session, error: &Error, ride: &mut Ride) -> FailToProxy {
        let mut error_code = 0;
        if session.response_written().is_none() {
            if ride.passing.is_none() {
                // The gate's own answer could not be written, or there is a fault in it.
                if *error.esource() != ErrorSource::Downstream {
                    tracing::error!(%error, "a request failed inside the gate");
                    let _ = session.respond_error(500).await;
                }
            } else if let Some(refusal) = self.judge(error, ride) {
                error_code = refusal.status();
                // A viewer who does not hear it has gone.
                let _ = self.refuse(session, ride, refusal).await;
            }
        }
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ride: &mut Ride) {
        let Some(passing) = &ride.passing else { return };
        let route = self.route(ride);
        let end = self.end(session, error, ride);
        route.metrics.ended(end);
        let (outcome, reason) = match end {
            End::Answered(101) => ("routed", "upgraded"),
            End::Answered(_) => ("routed", "ok"),
            End::Refused(refusal) => ("refused", refusal.label()),
            End::ViewerLeft => ("viewer_left", "viewer_left"),
            End::Cut => {
                ("cut", error.and_then(|error| self.judge(error, ride)).map_or("cut", RouteRefusal::label))
            }
        };
        if let Some(error) = error {
            tracing::debug!(route = &*route.config.prefix, outcome, reason, %error, "a routed request failed");
        }
        let passed = Passed {
            route: &route.config.prefix,
            upstream: ride.server.map(|server| route.servers.get(server).shown.as_str()),
            outcome,
            reason,
            body_bytes: session.body_bytes_sent() as u64,
        };
        self.gate.tell_passing(session, passing, &passed);
    }

    /// Said in `logging`, where the level is known.
    fn suppress_error_log(&self, _: &Session, _: &Ride, _: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _: &Session,
        _: &Ride,
        _: &Error,
        _: pingora_proxy::ProxyWarnLogContext,
    ) -> bool {
        true
    }
}

/// What the server is told about the viewer instead of what the viewer says.
fn forward(request: &mut RequestHeader, passing: &Passing, route: &Route) -> Result<()> {
    let is_trusted = passing.is_trusted();
    let dropped = |name: &&HeaderName| forwarded::is_dropped(name.as_str(), is_trusted);
    let dropped: Vec<HeaderName> = request.headers.keys().filter(dropped).cloned().collect();
    for name in dropped {
        request.remove_header(&name);
    }
    let addresses = forwarded::forwarded_for(passing.viewer(), passing.peer());
    if !addresses.is_empty() {
        request.insert_header(X_FORWARDED_FOR.clone(), addresses)?;
    }
    let scheme = if passing.viewer().scheme == Scheme::Https { "https" } else { "http" };
    request.insert_header(X_FORWARDED_PROTO.clone(), scheme)?;
    if let Some(host) = request.headers.get(HOST).cloned()
        && !request.headers.contains_key(&X_FORWARDED_HOST)
    {
        request.insert_header(X_FORWARDED_HOST.clone(), host)?;
    }
    if route.config.strip_prefix && !route.config.prefix.trimmed().is_empty() {
        request.insert_header(X_FORWARDED_PREFIX.clone(), route.config.prefix.trimmed())?;
    }
    request.insert_header(X_REQUEST_ID, passing.request_id())?;
    Ok(())
}

/// Fields of an answer that are about the connection to the server, not about the one to the viewer (RFC 9110 section
/// 7.6.1). Those of an upgrade are about both.
fn connection_fields(response: &ResponseHeader) -> Vec<HeaderName> {
    if response.status == http::StatusCode::SWITCHING_PROTOCOLS {
        return Vec::new();
    }
    let named = response.headers.get_all(CONNECTION).into_iter();
    let named = named.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    let named = named.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok());
    // Not the framing: who names that is wrong about it.
    let named = named.filter(|name| *name != CONTENT_LENGTH && *name != http::header::TRANSFER_ENCODING);
    named.chain([KEEP_ALIVE.clone()]).collect()
}

/// Takes in what a refused viewer still sends, for a while: a connection that is closed upon unread bytes is reset, and a
/// reset may overtake the answer.
async fn linger(session: &mut Session) {
    let until = Instant::now() + LINGER;
    while let Ok(Ok(Some(_))) = timeout_at(until, session.as_downstream_mut().read_request_body()).await {}
}
