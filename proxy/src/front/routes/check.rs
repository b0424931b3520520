//! One look at one address of a server: whether it is up.
//!
//! A check has one limit for all of it, so that a server which drips or hangs is down like one which is dead; Pingora's
//! own checks limit each read, and read what follows the head without an end. Absent on purpose: rhythm, which is the
//! business of `servers`.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use http::header::{HOST, USER_AGENT};
use pingora::connectors::http::Connector;
use pingora::http::RequestHeader;
use pingora::protocols::http::client::HttpSession;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, OrErr};
use pingora_load_balancing::Backend;
use pingora_load_balancing::health_check::HealthCheck;
use tokio::time::timeout;
use watchgate_config::{self as config, Endpoint, HostRule, Scheme};

use super::names::Owner;
use crate::fleet::AGENT;

/// How the servers of one route are checked.
pub(super) struct Check {
    connector: Connector,
    config: config::RouteHealth,
    host: HostRule,
    route: config::RoutePrefix,
    to: Vec<Endpoint>,
    failed: Failed,
}

/// The addresses whose last check failed, since this was last emptied.
pub(super) type Failed = Arc<Mutex<Vec<SocketAddr>>>;

/// The way to an address of a server. A certificate is always proved, against the host of the URL.
pub(super) fn peer(address: SocketAddr, to: &Endpoint) -> HttpPeer {
    let is_tls = to.scheme() == Scheme::Https;
    let name = if is_tls { to.bare_host().to_owned() } else { String::new() };
    HttpPeer::new(address, is_tls, name)
}

/// The `Host` that a server gets where there is no viewer.
pub(super) fn host<'a>(rule: &'a HostRule, to: &'a Endpoint) -> &'a str {
    match rule {
        HostRule::Literal(host) => host,
        HostRule::Viewer | HostRule::Upstream => to.authority(),
    }
}

/// What an operator is told of a failed check.
pub(super) fn words(error: &Error) -> String {
    match error.etype() {
        ErrorType::ConnectRefused => "nobody listens there".to_owned(),
        ErrorType::ConnectTimedout | ErrorType::ReadTimedout => "no answer in time".to_owned(),
        ErrorType::TLSHandshakeFailure | ErrorType::TLSHandshakeTimedout | ErrorType::InvalidCert => {
            format!("TLS failed ({})", error.etype().as_str())
        }
        ErrorType::HTTPStatus(status) => format!("health_path was answered by {status}, not by 200 to 399"),
        ErrorType::ConnectionClosed => "the connection was closed without an answer".to_owned(),
        other => other.as_str().to_owned(),
    }
}

impl Check {
    pub(super) fn new(route: &config::Route, failed: Failed) -> Self {
        Self {
            connector: Connector::new(None),
            config: route.health.clone(),
            host: route.host.clone(),
            route: route.prefix.clone(),
            to: route.to.clone(),
            failed,
        }
    }

    /// None only for an address that somebody else put there.
    fn server(&self, target: &Backend) -> Option<(&Endpoint, SocketAddr)> {
        let Owner(server) = target.ext.get()?;
        Some((self.to.get(*server)?, *target.addr.as_inet()?))
    }

    /// Asks within the limit.
    pub(super) async fn once(&self, to: &Endpoint, address: SocketAddr) -> pingora::Result<()> {
        let limited = timeout(self.config.timeout, self.ask(to, address)).await;
        limited.or_err(ErrorType::ReadTimedout, "no answer in time")?
    }

    async fn ask(&self, to: &Endpoint, address: SocketAddr) -> pingora::Result<()> {
        let peer = peer(address, to);
        let (session, _) = self.connector.get_http_session(&peer).await?;
        let (Some(path), HttpSession::H1(mut session)) = (&self.config.path, session) else { return Ok(()) };
        let mut head = RequestHeader::build_no_case("GET", path.as_bytes(), Some(2))?;
        head.insert_header(HOST, host(&self.host, to))?;
        head.insert_header(USER_AGENT, AGENT)?;
        session.write_request_header(Box::new(head)).await?;
        session.read_response().await?;
        let status = session.resp_header().map_or(0, |head| head.status.as_u16());
        // What follows is of no use, and goes with the connection.
        if (200..400).contains(&status) {
            return Ok(());
        }
        Error::e_explain(ErrorType::HTTPStatus(status), "not healthy")
    }
}

#[async_trait]
impl HealthCheck for Check {
    async fn check(&self, target: &Backend) -> pingora::Result<()> {
        let (to, address) =
            self.server(target).ok_or_else(|| Error::new_in(ErrorType::new("nobody's address")))?;
        let checked = self.once(to, address).await;
        if let Err(error) = &checked {
            tracing::debug!(route = &*self.route, upstream = %to, %address, %error, "a check failed");
            self.failed.lock().unwrap_or_else(PoisonError::into_inner).push(address);
        }
        checked
    }

    async fn health_status_change(&self, target: &Backend, healthy: bool) {
        let Some((upstream, address)) = self.server(target) else { return };
        let route = &*self.route;
        if healthy {
            tracing::info!(route, %upstream, %address, "a server of a route is up again");
        } else {
            tracing::warn!(route, %upstream, %address, "a server of a route is down");
        }
    }

    fn health_threshold(&self, success: bool) -> usize {
        let count = if success { self.config.rise } else { self.config.fall };
        usize::try_from(count.get()).unwrap_or(usize::MAX)
    }
}
