//! Proves every node as a viewer and the gate would: bucket, clock, canary, and a signed link by the public address.
//!
//! All nodes at once, each question with a deadline. Nothing is written to a node, and nothing is retried: what fails
//! once here fails for somebody.

use std::sync::Arc;
use std::time::Duration;

use http::{Method as HttpMethod, StatusCode};
use serde::Serialize;
use tokio::task::JoinSet;
use watchgate_config::{Addressing, Config, Endpoint, Node, Profile, Scheme};

use crate::cli::sign_link::{presign, target};
use crate::cli::table::{Cell, Side, Table};
use crate::cli::terminal::{Look, Paint};
use crate::cli::wire::{self, Question, Reply, Trouble};
use crate::cli::{Failure, block_on, time};
use crate::decide::health::{Probed, Reason, SignedAnswer, clock_skew_s, signed_verdict};
use crate::fleet::HONEST;
use crate::sign::{DayKey, HeaderRequest, Method, Resource, link_time};

/// A viewer's patience for the first byte by the public address.
const LINK_TIMEOUT: Duration = Duration::from_secs(10);
/// Nodes asked at the same time.
const AT_ONCE: usize = 32;
/// A key that no library holds: a bucket without a canary must say that it does not exist, and says so only to a
/// link with a good signature.
const NO_SUCH_KEY: &str = "watchgate-check/no-such-object";

/// What was found out about one node.
#[derive(Debug, Serialize)]
pub(super) struct Proof {
    id: String,
    bucket: Finding,
    /// `null`: none is configured.
    canary: Option<Finding>,
    link: Finding,
    /// An object that exists nowhere; `null`: the gate asks this node for none.
    missing: Option<Finding>,
    clock_skew_s: Option<i64>,
    probe_ms: Option<f64>,
}

/// How one question ended.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "result")]
enum Finding {
    Good,
    Bad {
        /// One word of the contract's reasons.
        reason: Reason,
        /// What to do.
        advice: String,
    },
}

impl Proof {
    pub(super) fn is_good(&self) -> bool {
        self.findings().into_iter().filter_map(|(_, finding)| finding).all(Finding::is_good)
    }

    fn findings(&self) -> [(&'static str, Option<&Finding>); 4] {
        [
            ("bucket", Some(&self.bucket)),
            ("canary", self.canary.as_ref()),
            ("link", Some(&self.link)),
            ("missing", self.missing.as_ref()),
        ]
    }
}

impl Finding {
    fn is_good(&self) -> bool {
        matches!(self, Self::Good)
    }

    fn cell(&self) -> Cell {
        match self {
            Self::Good => Cell::new(Look::Good, "good"),
            Self::Bad { reason, .. } => Cell::new(Look::Bad, reason.as_str()),
        }
    }
}

impl From<Result<(), Reason>> for Finding {
    fn from(verdict: Result<(), Reason>) -> Self {
        match verdict {
            Ok(()) => Self::Good,
            Err(reason) => Self::Bad { reason, advice: reason.advice().to_owned() },
        }
    }
}

/// Asks all nodes; in the order of the configuration. `films` says whether the gate asks them for films.
pub(super) fn prove(config: &Config, films: bool) -> Result<Vec<Proof>, Failure> {
    let is_tls = |endpoint: &Endpoint| endpoint.scheme() == Scheme::Https;
    let needs_trust = config.nodes.iter().any(|node| is_tls(&node.endpoint) || is_tls(&node.public_url));
    let trust = needs_trust.then(wire::native_trust).transpose().map_err(Failure::Other)?;
    let asker = Arc::new(Asker { config: config.clone(), trust, films });
    block_on(async {
        let (mut running, mut proofs) = (JoinSet::new(), Vec::new());
        for index in 0..asker.config.nodes.len() {
            if running.len() >= AT_ONCE {
                proofs.extend(running.join_next().await);
            }
            let asker = Arc::clone(&asker);
            running.spawn(async move { (index, Box::pin(asker.prove(&asker.config.nodes[index])).await) });
        }
        proofs.extend(running.join_all().await.into_iter().map(Ok));
        let proofs: Result<Vec<_>, _> = proofs.into_iter().collect();
        let mut proofs = proofs.map_err(|error| Failure::Other(error.to_string()))?;
        proofs.sort_by_key(|(index, _)| *index);
        Ok(proofs.into_iter().map(|(_, proof)| proof).collect())
    })?
}

struct Asker {
    config: Config,
    trust: Option<Arc<rustls::ClientConfig>>,
    films: bool,
}

/// An answer with the times around it.
struct Timed {
    reply: Reply,
    sent: Duration,
    received: Duration,
}

impl Asker {
    async fn prove(&self, node: &Node) -> Proof {
        let canary = self.config.health.canary.as_deref();
        let asked_canary = async {
            match canary {
                Some(key) => Some(self.signed(node, Resource::Object(key), Probed::Canary).await.1),
                None => None,
            }
        };
        let missing = format!("{NO_SUCH_KEY}-{}", uuid::Uuid::new_v4());
        let asked_missing = async {
            if self.films {
                Some(self.signed(node, Resource::Object(&missing), Probed::Canary).await)
            } else {
                None
            }
        };
        let (bucket, canary, link, missing) = tokio::join!(
            self.signed(node, Resource::Bucket, Probed::Bucket),
            asked_canary,
            self.link(node),
            asked_missing
        );
        let (timed, verdict) = bucket;
        let may = May { list: verdict.is_ok(), read: canary == Some(Ok(())) };
        let missing = missing.map(|(timed, verdict)| {
            missing_finding(timed.map(|timed| timed.reply.status), verdict, may, &self.config.bucket.name)
        });
        Proof {
            id: node.id.to_string(),
            bucket: verdict.into(),
            canary: canary.map(Finding::from),
            link,
            missing,
            clock_skew_s: timed.as_ref().and_then(skew_s),
            probe_ms: timed.map(|timed| timed.received.saturating_sub(timed.sent).as_secs_f64() * 1000.0),
        }
    }

    /// The gate's own signed probe.
    async fn signed(
        &self,
        node: &Node,
        resource: Resource<'_>,
        probed: Probed,
    ) -> (Option<Timed>, Result<(), Reason>) {
        let unix_s = time::unix_now().as_secs();
        let key = DayKey::derive(node.secret_key.expose(), unix_s, &self.config.bucket.region);
        let request = HeaderRequest { method: Method::Head, resource, query: &[], headers: &[], unix_s };
        let signed = target(node, &self.config.bucket, &node.endpoint).sign_headers(&key, &request);
        let honest = matches!(node.profile, Profile::Minio | Profile::Rustfs).then_some(HONEST);
        let headers: Vec<(&str, &str)> = signed.pairs().chain(honest).collect();
        let timeout = self.config.health.timeout;
        let host = self.host(node, &node.endpoint);
        let asked = self
            .ask(&node.endpoint, &host, HttpMethod::HEAD, &signed.path_and_query, &headers, timeout)
            .await;
        match asked {
            Err(trouble) => (None, Err(reason(&trouble))),
            Ok(timed) => {
                let verdict = signed_verdict(&SignedAnswer {
                    status: timed.reply.status.as_u16(),
                    error_code: timed.reply.header("x-minio-error-code"),
                    skew_s: skew_s(&timed),
                    probed,
                });
                (Some(timed), verdict)
            }
        }
    }

    /// A viewer's link, fetched as a viewer would.
    async fn link(&self, node: &Node) -> Finding {
        let canary = self.config.health.canary.as_deref();
        let time = link_time(time::unix_now().as_secs(), 0, 60);
        let link = presign(node, &self.config.bucket, Method::Get, canary.unwrap_or(NO_SUCH_KEY), time);
        let path = link.splitn(4, '/').nth(3).map(|path| format!("/{path}")).unwrap_or_default();
        // What a player makes of the link: its host and nothing else.
        let authority = link.split('/').nth(2).unwrap_or_default();
        let headers = [("host", authority), ("range", "bytes=0-0")];
        let at = &node.public_url;
        let asked = self.ask(at, &self.host(node, at), HttpMethod::GET, &path, &headers, LINK_TIMEOUT).await;
        match asked {
            Err(trouble) => Finding::Bad {
                reason: reason(&trouble),
                advice: format!(
                    "viewers are sent to {at}, and from here it fails: {trouble}; check `public_url`, its DNS entry, its certificate, and the way there"
                ),
            },
            Ok(timed) => link_finding(&timed.reply, canary.is_some(), at),
        }
    }

    /// The name to resolve and to find in the certificate.
    fn host(&self, node: &Node, endpoint: &Endpoint) -> String {
        match node.addressing {
            Addressing::Path => endpoint.bare_host().to_owned(),
            Addressing::VirtualHost => format!("{}.{}", self.config.bucket.name, endpoint.bare_host()),
        }
    }

    async fn ask(
        &self,
        endpoint: &Endpoint,
        host: &str,
        method: HttpMethod,
        path: &str,
        headers: &[(&str, &str)],
        timeout: Duration,
    ) -> Result<Timed, Trouble> {
        let tls = self.trust.as_ref().filter(|_| endpoint.scheme() == Scheme::Https);
        let port = endpoint.port();
        let sent = time::unix_now();
        let reply = wire::exchange(&Question { host, port, tls, method, path, headers }, timeout).await?;
        Ok(Timed { reply, sent, received: time::unix_now().max(sent) })
    }
}

/// What the other questions say of our key.
#[derive(Clone, Copy, Debug)]
struct May {
    /// It may ask for the bucket.
    list: bool,
    /// It may read the canary; false also if there is none.
    read: bool,
}

/// What it means how an object that exists nowhere is answered. That it is not there is the good answer; S3 gives it
/// only to who may list the bucket (Amazon S3 API reference, `HeadObject`, "Permissions").
fn missing_finding(
    status: Option<StatusCode>,
    verdict: Result<(), Reason>,
    may: May,
    bucket: &str,
) -> Finding {
    let (reason, advice) = match verdict {
        Err(Reason::NoCanary) => return Finding::Good,
        Ok(()) if status == Some(StatusCode::TOO_MANY_REQUESTS) => return Finding::Good,
        Ok(()) => (
            Reason::Status,
            "the node says that it holds an object that nobody has put there: check that `endpoint` leads to its S3 \
             port, and look for a proxy before it"
                .to_owned(),
        ),
        Err(Reason::Forbidden) => {
            let (on_bucket, on_objects) = (format!("s3:ListBucket on {bucket}"), format!("s3:GetObject on {bucket}/*"));
            let needed = match may {
                May { read: true, .. } => on_bucket,
                May { list: true, .. } => on_objects,
                May { .. } => format!("{on_objects} and {on_bucket}"),
            };
            (
                Reason::Forbidden,
                format!(
                    "for an object that does not exist the node answers 403 and not 404, so that a film which has not \
                     come there yet is taken for a refusal: the key needs {needed}"
                ),
            )
        }
        Err(reason) => return reason.into(),
    };
    Finding::Bad { reason, advice }
}

fn skew_s(timed: &Timed) -> Option<i64> {
    let ms = |at: Duration| u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
    clock_skew_s(timed.reply.headers.get("date")?.as_bytes(), ms(timed.sent), ms(timed.received))
}

fn reason(trouble: &Trouble) -> Reason {
    match trouble {
        Trouble::Dns(_) => Reason::Dns,
        Trouble::Refused | Trouble::Connect(_) | Trouble::Broken(_) => Reason::Refused,
        Trouble::Tls(_) => Reason::Tls,
        Trouble::Timeout(_) => Reason::Timeout,
    }
}

/// What the answer to a link says. Without a canary "no such key" is the good one: whoever gets the signature or the
/// host wrong hears something else.
fn link_finding(reply: &Reply, has_canary: bool, at: &Endpoint) -> Finding {
    let body = String::from_utf8_lossy(&reply.body);
    let code = between(&body, "<Code>", "</Code>").or(reply.header("x-minio-error-code")).unwrap_or_default();
    let bad = |reason: Reason, advice: String| Finding::Bad { reason, advice };
    match (reply.status, code) {
        (StatusCode::OK | StatusCode::PARTIAL_CONTENT, _) if has_canary => Finding::Good,
        (StatusCode::NOT_FOUND, "NoSuchKey") if !has_canary => Finding::Good,
        (StatusCode::NOT_FOUND, "NoSuchKey") => Reason::NoCanary.into(),
        (StatusCode::NOT_FOUND, "NoSuchBucket") => Reason::NoBucket.into(),
        (_, "SignatureDoesNotMatch") => bad(
            Reason::BadSignature,
            format!(
                "a link to {at} is refused because the store sees another host or path: `public_url` must be the host and \
             port that viewers write, and a proxy in front must pass Host and path on unchanged (if the bucket fails \
             too, it is the secret key)"
            ),
        ),
        (_, "InvalidAccessKeyId" | "InvalidToken" | "ExpiredToken") => Reason::BadSignature.into(),
        (_, "RequestTimeTooSkewed") => Reason::ClockSkew.into(),
        (StatusCode::FORBIDDEN, _) => Reason::Forbidden.into(),
        (status, _) => bad(
            Reason::Status,
            format!(
                "a link to {at} is answered {status}, which is no S3 answer to it: check that `public_url` leads to this \
             node's S3 port and not to a console or another site"
            ),
        ),
    }
}

impl From<Reason> for Finding {
    fn from(reason: Reason) -> Self {
        Err(reason).into()
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    Some(text.split_once(start)?.1.split_once(end)?.0)
}

/// A row a node, then a sentence for each failure.
pub(super) fn render(proofs: &[Proof], paint: Paint) -> String {
    use Side::{Left, Right};
    let mut table = Table::new([
        ("node", Left),
        ("bucket", Left),
        ("canary", Left),
        ("link", Left),
        ("missing", Left),
        ("clock", Right),
        ("answer", Right),
    ]);
    for proof in proofs {
        table.row([
            Cell::new(Look::Strong, &*proof.id),
            proof.bucket.cell(),
            proof.canary.as_ref().map_or_else(|| Cell::new(Look::Faint, "none"), Finding::cell),
            proof.link.cell(),
            proof.missing.as_ref().map_or_else(|| Cell::new(Look::Faint, "not asked"), Finding::cell),
            proof.clock_skew_s.map_or(String::new(), |skew_s| format!("{skew_s:+} s")).into(),
            proof.probe_ms.map_or(String::new(), |ms| format!("{ms:.1} ms")).into(),
        ]);
    }
    let mut text = format!("\n{}", table.render(paint));
    for proof in proofs {
        for (what, finding) in proof.findings() {
            if let Some(Finding::Bad { reason, advice }) = finding {
                let head = paint.paint(Look::Bad, &format!("{} {what} ({reason})", proof.id));
                text.extend(["\n", &head, ": ", advice, "\n"]);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests;
