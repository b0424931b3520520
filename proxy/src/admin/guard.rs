//! Who may use the operator's side. Pure but for the hash of the token.
//!
//! Three gates in a row. The token, if there is one. Without one, the listener is on loopback, and a page that a
//! browser on this host shows could still reach it under a name of its own that points here (DNS rebinding): so
//! the request must name an address or `localhost`. And nothing changes on behalf of another site's page.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::problem::Problem;
use crate::config::Secret;

/// Whom to let in; without a token, whoever is on this host.
pub(super) struct Guard {
    token: Option<TokenHash>,
}

/// What is known of a token: its hash, so that comparing tells nothing of its length either.
pub(super) struct TokenHash([u8; 32]);

/// Why a request is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    Token,
    Host,
    OtherSite,
}

/// The middleware before everything but the probes.
pub(super) async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    match guard.judge(request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(refused) => refused.problem().into_response(),
    }
}

impl Guard {
    pub(super) fn new(token: Option<&Secret>) -> Self {
        Self { token: token.map(TokenHash::of) }
    }

    fn judge(&self, method: &Method, headers: &HeaderMap) -> Result<(), Refused> {
        match &self.token {
            Some(token) if !token.is_borne_by(headers) => return Err(Refused::Token),
            None if !host(headers).is_some_and(is_own_name) => return Err(Refused::Host),
            _ => {}
        }
        if !method.is_safe() && is_of_other_site(headers) {
            return Err(Refused::OtherSite);
        }
        Ok(())
    }
}

impl Refused {
    fn problem(self) -> Problem {
        match self {
            Self::Token => {
                Problem::new(StatusCode::UNAUTHORIZED, "wanted: Authorization: Bearer, with the admin token")
            }
            Self::Host => Problem::new(
                StatusCode::MISDIRECTED_REQUEST,
                "without an admin token the request must name an address or localhost",
            ),
            Self::OtherSite => {
                Problem::new(StatusCode::FORBIDDEN, "a page of another site may not change anything")
            }
        }
    }
}

impl TokenHash {
    pub(super) fn of(token: &Secret) -> Self {
        Self(Sha256::digest(token.expose()).into())
    }

    /// Whether the one `Authorization` field carries the token (RFC 6750 2.1).
    pub(super) fn is_borne_by(&self, headers: &HeaderMap) -> bool {
        let Some(value) = only(headers, &header::AUTHORIZATION) else { return false };
        let Some((scheme, token)) = value.split_once(' ') else { return false };
        let given: [u8; 32] = Sha256::digest(token.trim_start_matches(' ')).into();
        // Every byte is looked at, and hashes of a guess say nothing of how near it came.
        let difference = self.0.iter().zip(given).fold(0, |seen, (ours, theirs)| seen | (ours ^ theirs));
        scheme.eq_ignore_ascii_case("bearer") && std::hint::black_box(difference) == 0
    }
}

fn host(headers: &HeaderMap) -> Option<&str> {
    only(headers, &header::HOST)
}

fn only<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

/// Names that no stranger's DNS can answer for.
fn is_own_name(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    bare.parse::<IpAddr>().is_ok() || bare.eq_ignore_ascii_case("localhost")
}

/// Whether a browser says that another site's page sent this. Programs say nothing of the kind.
fn is_of_other_site(headers: &HeaderMap) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site != "same-origin" && site != "none";
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let of_host =
        origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    of_host.is_none() || of_host != host(headers)
}

#[cfg(test)]
mod tests;
