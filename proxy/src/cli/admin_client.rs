//! Asks the running gate over its admin listener.
//!
//! Address and token come from the same configuration that the gate runs with. Every trouble ends as a sentence that
//! names the address and what to look at.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use http::{Method, StatusCode};
use serde::de::DeserializeOwned;

use super::wire::{self, Question, Reply, Trouble};
use super::{Failure, block_on};
use watchgate_config::{Listen, Secret};

/// The whole time that an answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The admin listener of a gate that may run.
pub(crate) struct AdminClient {
    /// As configured.
    configured: SocketAddr,
    token: Option<Secret>,
}

impl AdminClient {
    pub(crate) fn new(listen: &Listen) -> Self {
        Self { configured: listen.admin, token: listen.admin_token.clone() }
    }

    /// GET of something that is answered with 200 and JSON.
    pub(crate) fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.json(Method::GET, path)
    }

    /// POST that is answered with 200 and JSON.
    pub(crate) fn post<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.json(Method::POST, path)
    }

    /// The answer, whatever its status.
    pub(crate) fn ask(&self, method: Method, path: &str) -> Result<Reply, Failure> {
        let address = reachable(self.configured);
        if address.port() == 0 {
            return Err(Failure::Other(
                "listen.admin has port 0: the running gate took a free port that only its log tells"
                    .to_owned(),
            ));
        }
        let authority = address.to_string();
        let bearer = self.token.as_ref().map(|token| format!("Bearer {}", token.expose()));
        let mut headers = vec![("host", authority.as_str()), ("accept", "application/json")];
        headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        let host = address.ip().to_string();
        let question =
            Question { host: &host, port: address.port(), tls: None, method, path, headers: &headers };
        block_on(wire::exchange(&question, TIMEOUT))?.map_err(|trouble| self.silent(&trouble))
    }

    fn json<T: DeserializeOwned>(&self, method: Method, path: &str) -> Result<T, Failure> {
        let reply = self.ask(method, path)?;
        if reply.status != StatusCode::OK {
            return Err(self.refused(&reply));
        }
        serde_json::from_slice(&reply.body).map_err(|error| {
            Failure::Other(format!(
                "what answers on {} (listen.admin) does not speak this version's language: {error}",
                self.configured
            ))
        })
    }

    fn silent(&self, trouble: &Trouble) -> Failure {
        let address = self.configured;
        Failure::Other(match trouble {
            Trouble::Refused => format!("nothing listens on {address} (listen.admin): is watchgate running?"),
            other => format!("{address} (listen.admin) gives no answer: {other}"),
        })
    }

    fn refused(&self, reply: &Reply) -> Failure {
        let address = self.configured;
        Failure::Other(match reply.status {
            StatusCode::UNAUTHORIZED if self.token.is_none() => {
                format!(
                    "{address} (listen.admin) wants a token: set listen.admin_token_file as the running gate has it"
                )
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                format!(
                    "{address} (listen.admin) refuses our token: the running gate has another listen.admin_token_file"
                )
            }
            status => match problem(&reply.body) {
                Some(problem) => problem,
                None => format!("{address} (listen.admin) answers {status}: is it watchgate?"),
            },
        })
    }
}

/// Where a listener on all addresses is reached from its own machine.
fn reachable(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, address.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (Ipv6Addr::LOCALHOST, address.port()).into(),
        _ => address,
    }
}

/// What a problem (RFC 9457) says: its detail, else its title.
pub(crate) fn problem(body: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Problem {
        title: String,
        detail: Option<String>,
    }
    let Problem { title, detail } = serde_json::from_slice(body).ok()?;
    Some(detail.filter(|detail| !detail.is_empty()).unwrap_or(title))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_asked_on_loopback() {
        let check = |configured: &str, expected: &str| {
            assert_eq!(reachable(configured.parse().unwrap()).to_string(), expected);
        };
        check("0.0.0.0:9900", "127.0.0.1:9900");
        check("[::]:9900", "[::1]:9900");
        check("10.0.0.1:9900", "10.0.0.1:9900");
    }

    #[test]
    fn problems_are_told_in_their_own_words() {
        let check =
            |body: &str, expected: Option<&str>| assert_eq!(problem(body.as_bytes()).as_deref(), expected);
        check(
            r#"{"type":"about:blank","title":"Not Found","detail":"no such node","status":404}"#,
            Some("no such node"),
        );
        check(r#"{"title":"Not Found"}"#, Some("Not Found"));
        check("<html>", None);
    }
}
