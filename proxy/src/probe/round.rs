//! One round: the health URL and the signed probe, side by side under one deadline, and what they say together.
//!
//! The signed probe is a HEAD and has no body that could name a refusal's cause. MinIO puts it into a header; from
//! other stores a wrong key is `forbidden`, and asking again with GET to tell them apart is not worth a third request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, DATE, HOST, HeaderMap, HeaderValue, USER_AGENT,
};
use http::{Request, request, response::Parts};
use http_body_util::Empty;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::sync::watch;
use tokio::time::Instant;
use watchgate_config::{Addressing, Profile, Scheme};

use super::http::{Call, Failure, exchange, in_time};
use crate::clock::Clock;
use crate::decide::health::{
    Probed, Reason, SignedAnswer, clock_skew_s, health_verdict, requests_in_flight, signed_verdict, worst,
};
use crate::fleet::{AGENT, HONEST, Node};
use crate::sign::{HeaderRequest, Method, Resource, SignedHeaders};

/// Who comes to a deadline so much later has no processor: what ran out is the time of this machine, not the node's.
const LATE: Duration = Duration::from_millis(100);
/// What an error code may look like before it goes into a log.
const CODE_MAX: usize = 64;

/// Runs rounds: what all nodes have in common.
#[derive(Debug)]
pub(super) struct Asker {
    /// Set if a node is reached over https.
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) clock: Clock,
    /// For a whole round: name (only if there is no address yet), connection, TLS, answer.
    pub(super) timeout: Duration,
    /// The object that is asked for; none: the bucket.
    pub(super) canary: Option<String>,
}

/// What a round found out.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) verdict: Verdict,
    /// Of every failed probe, for the counters.
    pub(super) failed: Vec<Reason>,
    /// What happened, in words, if the round was bad.
    pub(super) cause: String,
    /// How long the health URL took, if it was answered.
    pub(super) health: Option<Duration>,
    /// The signed probe's answer, if there was one.
    pub(super) signed: Option<Heard>,
    /// It ran out of time, and this machine noticed so late that the node may have answered in time.
    pub(super) is_late: bool,
}

/// The round as one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All that was asked is well.
    Good,
    /// Something is not.
    Bad(Reason),
    /// This machine could not ask.
    Unasked,
}

/// What an answer to the signed probe tells beside its verdict.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Heard {
    pub(super) took: Duration,
    /// The node's clock minus ours, in seconds.
    pub(super) skew_s: Option<i64>,
    /// Requests that the node has in flight, without our own.
    pub(super) in_flight: Option<u32>,
}

impl Round {
    /// A round that was not asked, or not to the end, through our own fault.
    pub(super) fn unasked(cause: String) -> Self {
        Self::of([Err(Failure::Ours(cause)), Ok(())])
    }

    /// The node was not reached, or did not answer: its address may be old.
    pub(super) fn unreached(&self) -> bool {
        let Verdict::Bad(reason) = self.verdict else { return false };
        matches!(reason, Reason::Dns | Reason::Refused | Reason::Tls | Reason::Timeout)
    }

    fn of(probes: [Result<(), Failure>; 2]) -> Self {
        let (mut verdict, mut ours) = (Ok(()), false);
        let (mut failed, mut causes) = (Vec::new(), Vec::new());
        for failure in probes.into_iter().filter_map(Result::err) {
            let cause = match failure {
                Failure::Node(reason, cause) => {
                    verdict = worst(verdict, Err(reason));
                    failed.push(reason);
                    cause
                }
                Failure::Ours(cause) => {
                    ours = true;
                    cause
                }
            };
            causes.push(cause);
        }
        causes.dedup();
        let verdict = match verdict {
            Err(reason) => Verdict::Bad(reason),
            Ok(()) if ours => Verdict::Unasked,
            Ok(()) => Verdict::Good,
        };
        Self { verdict, failed, cause: causes.join("; "), health: None, signed: None, is_late: false }
    }
}

impl Asker {
    /// Asks a node once. `turn` picks among its addresses; `resolved` ticks when its name has been looked up, and is
    /// given for a node that has no address yet.
    pub(super) async fn round(
        &self,
        node: &Node,
        turn: usize,
        resolved: Option<watch::Receiver<()>>,
    ) -> Round {
        let deadline = Instant::now() + self.timeout;
        let address = match address(node, turn, resolved, deadline).await {
            Ok(address) => address,
            Err(failure) => return Round::of([Err(failure), Ok(())]),
        };
        let (health, signed) =
            tokio::join!(self.health(node, address, deadline), self.signed(node, address, deadline));
        let (health_took, health) = health;
        let (heard, signed) = signed;
        let round = Round::of([health, signed]);
        let is_late = round.verdict == Verdict::Bad(Reason::Timeout) && deadline.elapsed() > LATE;
        Round { health: health_took, signed: heard, is_late, ..round }
    }

    async fn health(
        &self,
        node: &Node,
        address: SocketAddr,
        deadline: Instant,
    ) -> (Option<Duration>, Result<(), Failure>) {
        let Some(path) = health_path(node.config.profile) else { return (None, Ok(())) };
        let endpoint = &node.config.endpoint;
        let request = ours(Request::get(path)).header(HOST, endpoint.authority());
        let started = Instant::now();
        let answer = self.send(node, address, endpoint.bare_host(), request, deadline).await;
        let judge = |head: &Parts| {
            let status = head.status.as_u16();
            let offline = head.headers.get("x-minio-server-status").map(HeaderValue::as_bytes);
            // RustFS can be told to have no health routes, and says 429 of itself when it is merely busy.
            if node.config.profile == Profile::Rustfs && matches!(status, 404 | 429) {
                return Ok(());
            }
            health_verdict(status, offline)
                .map_err(|reason| Failure::Node(reason, format!("health URL: {reason}, status {status}")))
        };
        match answer {
            Ok(head) => (Some(started.elapsed()), judge(&head)),
            Err(failure) => (None, Err(failure.of_probe("health URL"))),
        }
    }

    async fn signed(
        &self,
        node: &Node,
        address: SocketAddr,
        deadline: Instant,
    ) -> (Option<Heard>, Result<(), Failure>) {
        let (started, sent_ms) = (Instant::now(), self.clock.unix_ms());
        let resource = self.canary.as_deref().map_or(Resource::Bucket, Resource::Object);
        let ask = HeaderRequest {
            method: Method::Head,
            resource,
            query: &[],
            headers: &[],
            unix_s: sent_ms / 1000,
        };
        let signed = match node.keys.load().at(ask.unix_s) {
            Some(key) => node.probe.sign_headers(key, &ask),
            None => return (None, Err(Failure::Ours("the clock of this machine jumped".to_owned()))),
        };
        // A bucket in the host is in the certificate, too.
        let host = match node.config.addressing {
            Addressing::Path => node.config.endpoint.bare_host(),
            Addressing::VirtualHost => signed.host.split(':').next().unwrap_or_default(),
        };
        match self.send(node, address, host, as_request(&signed, node.config.profile), deadline).await {
            Ok(answer) => {
                let received_ms = self.clock.unix_ms();
                let date = answer.headers.get(DATE);
                let skew_s = date.and_then(|date| clock_skew_s(date.as_bytes(), sent_ms, received_ms));
                let heard = Heard { took: started.elapsed(), skew_s, in_flight: in_flight(&answer.headers) };
                (Some(heard), self.judge(&answer, skew_s))
            }
            Err(failure) => (None, Err(failure.of_probe("signed probe"))),
        }
    }

    fn judge(&self, answer: &Parts, skew_s: Option<i64>) -> Result<(), Failure> {
        let status = answer.status.as_u16();
        let error_code = answer.headers.get("x-minio-error-code").and_then(|code| code.to_str().ok());
        let probed = if self.canary.is_some() { Probed::Canary } else { Probed::Bucket };
        signed_verdict(&SignedAnswer { status, error_code, skew_s, probed }).map_err(|reason| {
            let word =
                |code: &&str| code.len() <= CODE_MAX && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
            let code = error_code.filter(word).map(|code| format!(" {code}")).unwrap_or_default();
            Failure::Node(reason, format!("signed probe: {reason}, status {status}{code}"))
        })
    }

    async fn send(
        &self,
        node: &Node,
        address: SocketAddr,
        host: &str,
        request: request::Builder,
        deadline: Instant,
    ) -> Result<Parts, Failure> {
        let tls = match (node.config.endpoint.scheme(), &self.tls) {
            (Scheme::Http, _) => None,
            (Scheme::Https, Some(config)) => {
                let name = ServerName::try_from(host.to_owned())
                    .map_err(|error| Failure::Node(Reason::Tls, error.to_string()))?;
                Some((Arc::clone(config), name))
            }
            (Scheme::Https, None) => return Err(Failure::Ours("TLS is not set up".to_owned())),
        };
        // What is configured is fit for a request line and for headers, except perhaps an odd access key.
        let request = request
            .body(Empty::<Bytes>::new())
            .map_err(|error| Failure::Node(Reason::BadSignature, error.to_string()))?;
        // A TLS session is large, and a round has two of these.
        Box::pin(exchange(Call { address, tls, request }, deadline)).await
    }
}

impl Failure {
    fn of_probe(self, probe: &str) -> Self {
        match self {
            Self::Node(reason, cause) => Self::Node(reason, format!("{probe}: {cause}")),
            Self::Ours(cause) => Self::Ours(format!("{probe}: {cause}")),
        }
    }
}

/// The health URL of a kind of store, on the port that serves S3.
fn health_path(profile: Profile) -> Option<&'static str> {
    match profile {
        // Read quorum is all that viewers need. RustFS's own /health/ready withdraws a node whose writes stall, too.
        Profile::Minio | Profile::Rustfs => Some("/minio/health/cluster/read"),
        Profile::Seaweedfs => Some("/healthz"),
        // Garage's is on its admin port, Ceph's depends on the Swift API being there, S3 has none.
        Profile::Garage | Profile::Ceph | Profile::S3 => None,
    }
}

async fn address(
    node: &Node,
    turn: usize,
    resolved: Option<watch::Receiver<()>>,
    deadline: Instant,
) -> Result<SocketAddr, Failure> {
    let dns = |cause: String| Failure::Node(Reason::Dns, cause);
    if let Some(mut resolved) = resolved {
        let looked_up = in_time(deadline, "resolving", resolved.changed()).await;
        looked_up
            .map_err(|_| dns("resolving: not in time".to_owned()))?
            .map_err(|error| dns(error.to_string()))?;
    }
    let addresses = node.live.addresses.load();
    let list = addresses.as_deref().map(Vec::as_slice).unwrap_or_default();
    let picked = turn.checked_rem(list.len()).and_then(|index| list.get(index)).copied();
    picked.ok_or_else(|| dns("the name did not resolve".to_owned()))
}

fn ours(request: request::Builder) -> request::Builder {
    request.header(USER_AGENT, AGENT).header(CONNECTION, "close").header(ACCEPT_ENCODING, "identity")
}

fn as_request(signed: &SignedHeaders, profile: Profile) -> request::Builder {
    let mut request = ours(Request::head(&signed.path_and_query));
    for (name, value) in signed.pairs() {
        request = request.header(name, value);
    }
    if matches!(profile, Profile::Minio | Profile::Rustfs) {
        request = request.header(HONEST.0, HONEST.1);
    }
    if let Some(value) = request.headers_mut().and_then(|headers| headers.get_mut(AUTHORIZATION)) {
        value.set_sensitive(true);
    }
    request
}

/// Requests in flight by the node's own word, without the one that asked.
fn in_flight(headers: &HeaderMap) -> Option<u32> {
    let value = |name: &str| headers.get(name).map(HeaderValue::as_bytes);
    let all = requests_in_flight(value("x-ratelimit-limit")?, value("x-ratelimit-remaining")?)?;
    Some(all.saturating_sub(1))
}

#[cfg(test)]
mod tests;
