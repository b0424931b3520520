//! One request from its head to its access line.
//!
//! Everything up to the write is a plain function of the request and the snapshot: no await, no lock.
//! Absent on purpose: rules. What a path, an address or a node means is decided in `decide`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use http::HeaderValue;
use pingora::Result;
use pingora::http::RequestHeader;
use pingora_proxy::Session;
use watchgate_config::Mode;

use super::fields::Fields;
use super::{Gate, Outcome, link, stream};
use crate::access_log::{Line, Passage};
use crate::answer::{Answer, Asking, refuse, send};
use crate::catalog::Look;
use crate::clock::millis;
use crate::config;
use crate::decide::media::is_manifest;
use crate::decide::plan::{Plan, Why};
use crate::decide::resume::NoFilm;
use crate::decide::watch::{Asked, BodyFraming, Connection, Film, Method, RequestLine, watch};
use crate::decide::{accept, client};
use crate::fleet::Node;
use crate::refusal::Refusal;
use crate::state::Snapshot;

use super::request_id::RequestId;

/// What is known of a request before it is judged.
pub(super) struct Arrival {
    pub(super) began: Instant,
    pub(super) unix_ms: u64,
    pub(super) id: RequestId,
    pub(super) viewer: client::Viewer,
    body: BodyFraming,
    origin: Option<HeaderValue>,
}

/// What became of it, in the words of metrics and access line.
pub(super) struct Told {
    pub(super) mode: Mode,
    pub(super) film: Option<Film>,
    /// Of the head that went out; 0: none did.
    pub(super) status: u16,
    pub(super) outcome: &'static str,
    pub(super) reason: &'static str,
    pub(super) node: By,
    pub(super) passage: Option<Passage>,
}

/// Whom the answer is from, or names.
pub(super) enum By {
    Nobody,
    /// The node at this place of the request's own fleet.
    Place(usize),
    /// This one: films outlive fleets.
    Node(Arc<Node>),
}

impl By {
    fn id<'a>(&'a self, snapshot: &'a Snapshot) -> Option<&'a str> {
        match self {
            Self::Nobody => None,
            Self::Place(place) => Some(snapshot.fleet.nodes[*place].config.id.as_str()),
            Self::Node(node) => Some(node.config.id.as_str()),
        }
    }
}

impl Told {
    /// Of no node.
    pub(super) fn plain(mode: Mode, film: Option<Film>, outcome: &'static str, reason: &'static str) -> Self {
        Self { mode, film, status: 0, outcome, reason, node: By::Nobody, passage: None }
    }
}

/// See [`Gate::handle`].
pub(super) async fn handle(gate: &Gate, session: &mut Session) -> Result<Outcome> {
    let snapshot = gate.snapshot.load_full();
    let head = session.req_header();
    let fields = Fields::of(head);
    let body = fields.framing();
    let line = RequestLine { method: head.method.as_str(), path: path(head), body };
    let watched = &snapshot.config.watch;
    let asked = watch(&line, &watched.prefix, watched.object.has_path());
    if asked == Ok(Asked::NotMine) {
        return Ok(Outcome::NotMine);
    }
    let arrival = arrival(gate, &snapshot, session, &fields, body);
    let asked = asked
        .map_err(Refusal::from)
        .and_then(|asked| if fields.has_host() { Ok(asked) } else { Err(Refusal::Host) });
    if let Ok(Asked::Film { film, path, method }) = &asked {
        let wants_json = accept::wants_json(fields.accept());
        let (film, method, mode) = (*film, *method, mode(watched, path, None));
        let size = if path.is_empty() || is_manifest(path) { Size::Film } else { Size::Part };
        let key = match gate.catalog.look(&film, path) {
            Look::Key(key) => Ok(key),
            Look::Unknown => Err(NoFilm::Unknown),
            Look::Ask => Box::pin(ask_catalog(gate, film, path)).await,
        };
        match key {
            Ok(key) => {
                let wanted = Wanted { film, key, method, mode, wants_json, size };
                return film_request(gate, &snapshot, session, &arrival, wanted).await;
            }
            Err(why) => {
                let refusal = Refusal::NoFilm { why, retry_after_s: retry_after_s(&snapshot) };
                let asking = arrival.asking(&snapshot, method == Method::Head);
                let (answer, told) = refused(gate, &arrival, &asking, refusal, (mode, Some(film)))?;
                write(gate, &snapshot, session, answer, &arrival, told).await?;
                return Ok(Outcome::Answered);
            }
        }
    }
    let (answer, told) = answer(gate, &snapshot, head, &arrival, &asked)?;
    write(gate, &snapshot, session, answer, &arrival, told).await?;
    Ok(Outcome::Answered)
}

/// The key of a film that has to be asked for. The database's silence is no word about the film.
async fn ask_catalog(gate: &Gate, film: Film, path: &str) -> std::result::Result<String, NoFilm> {
    gate.catalog.ask(&film).await.map_err(|_| NoFilm::NoAnswer)?;
    match gate.catalog.look(&film, path) {
        Look::Key(key) => Ok(key),
        Look::Unknown => Err(NoFilm::Unknown),
        Look::Ask => Err(NoFilm::NoAnswer),
    }
}

/// How a film, or the file at `path` of its tree, reaches the viewer; `instead` stands for what is configured. A manifest
/// names its segments by where it came from, and they have to come back to the gate.
pub(super) fn mode(watched: &config::Watch, path: &str, instead: Option<Mode>) -> Mode {
    match path {
        "" => instead.unwrap_or(watched.mode),
        path if is_manifest(path) => Mode::Stream,
        _ => instead.unwrap_or(watched.segments),
    }
}

async fn film_request(
    gate: &Gate,
    snapshot: &Arc<Snapshot>,
    session: &mut Session,
    arrival: &Arrival,
    wanted: Wanted,
) -> Result<Outcome> {
    if let (Mode::Stream, false, Some(engine)) = (wanted.mode, wanted.wants_json, &gate.engine) {
        // In a box of its own: a redirect must not pay for the size of a film's future.
        return Box::pin(stream::film(gate, snapshot, engine, session, arrival, wanted)).await;
    }
    if let Some((answer, told)) = link::answer(gate, snapshot, arrival, &wanted)? {
        write(gate, snapshot, session, answer, arrival, told).await?;
        return Ok(Outcome::Answered);
    }
    let (snapshot, answer, told) = Box::pin(link::answer_asked(gate, snapshot, arrival, &wanted)).await?;
    write(gate, &snapshot, session, answer, arrival, told).await?;
    Ok(Outcome::Answered)
}

/// See [`Gate::not_found`].
pub(super) async fn not_found(gate: &Gate, session: &mut Session) -> Result<()> {
    let snapshot = gate.snapshot.load_full();
    let head = session.req_header();
    let fields = Fields::of(head);
    let arrival = arrival(gate, &snapshot, session, &fields, fields.framing());
    let (answer, told) = answer(gate, &snapshot, head, &arrival, &Err(Refusal::NotFound))?;
    write(gate, &snapshot, session, answer, &arrival, told).await
}

pub(super) fn path(head: &RequestHeader) -> &[u8] {
    let target = head.raw_path();
    target.split(|byte| *byte == b'?').next().unwrap_or(target)
}

pub(super) fn arrival(
    gate: &Gate,
    snapshot: &Snapshot,
    session: &Session,
    fields: &Fields<'_>,
    body: BodyFraming,
) -> Arrival {
    let peer = session.client_addr().and_then(|address| address.as_inet()).map(std::net::SocketAddr::ip);
    let peer = client::Peer { address: peer, scheme: client::Scheme::Http };
    let viewer = client::viewer(peer, &snapshot.client, |name| fields.forwarding(name));
    let trusted = peer.address.is_some_and(|address| snapshot.client.trusted.contains(address));
    let theirs = || fields.request_id().and_then(|id| RequestId::parse(id.as_bytes()));
    let id = trusted.then(theirs).flatten();
    Arrival {
        began: Instant::now(),
        unix_ms: gate.clock.unix_ms(),
        id: id.unwrap_or_else(|| RequestId::from_number(gate.request_ids.fetch_add(1, Ordering::Relaxed))),
        viewer,
        body,
        origin: fields.origin().cloned(),
    }
}

impl Arrival {
    /// What every answer depends on.
    pub(super) fn asking<'a>(&'a self, snapshot: &'a Snapshot, head_only: bool) -> Asking<'a> {
        Asking {
            request_id: self.id.as_str(),
            origin: self.origin.as_ref(),
            head_only,
            cors: &snapshot.config.watch.cors_origins,
        }
    }
}

/// Judges the request and builds its answer.
fn answer(
    gate: &Gate,
    snapshot: &Snapshot,
    head: &RequestHeader,
    arrival: &Arrival,
    asked: &Result<Asked<'_>, Refusal>,
) -> Result<(Answer, Told)> {
    let asking = arrival.asking(snapshot, head.method == http::Method::HEAD);
    let mode = snapshot.config.watch.mode;
    match *asked {
        Ok(Asked::Preflight) => {
            gate.metrics.preflight.inc();
            Ok((asking.preflight()?, Told::plain(mode, None, "preflight", "preflight")))
        }
        Ok(Asked::NotMine | Asked::Film { .. }) => {
            refused(gate, arrival, &asking, Refusal::NotFound, (mode, None))
        }
        Err(refusal) => refused(gate, arrival, &asking, refusal, (mode, None)),
    }
}

pub(super) fn refused(
    gate: &Gate,
    arrival: &Arrival,
    asking: &Asking<'_>,
    refusal: Refusal,
    (mode, film): (Mode, Option<Film>),
) -> Result<(Answer, Told)> {
    if refusal != Refusal::NotFound {
        gate.metrics.refused(refusal);
    }
    let close = arrival.body.after_answer() == Connection::Close;
    let told = Told::plain(mode, film, "refused", refusal.label());
    Ok((refuse::refuse(refusal, asking, close)?, told))
}

/// What a viewer wants.
pub(super) struct Wanted {
    pub(super) film: Film,
    /// Its object key.
    pub(super) key: String,
    pub(super) method: Method,
    /// How it reaches the viewer.
    pub(super) mode: Mode,
    pub(super) wants_json: bool,
    pub(super) size: Size,
}

/// How much is wanted at a time, and so how often something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// A film, or what names its parts: whoever holds it is worth knowing everywhere.
    Film,
    /// A part of a film's tree: one of hundreds, each wanted once.
    Part,
}

/// By then a node that answers again has been taken back: `rise` rounds of probes, within 1 to 10 seconds.
pub(super) fn retry_after_s(snapshot: &Snapshot) -> u64 {
    let health = &snapshot.config.health;
    (millis(health.interval) * u64::from(health.rise.get())).div_ceil(1000).clamp(1, 10)
}

pub(super) fn decision_header(node: &Node, plan: &Plan, place: Option<usize>, why: Why) -> String {
    let (id, why) = (&node.config.id, why.as_str());
    let Some(chosen) = plan.ranking.best.iter().find(|scored| Some(scored.node) == place) else {
        return format!("node={id};why={why}");
    };
    let distance = chosen.distance_km.map_or_else(|| "unknown".to_owned(), |km| format!("{km:.0}"));
    let (tier, score_ms) = (chosen.tier.as_str(), chosen.score_ms());
    format!("node={id};tier={tier};distance_km={distance};score_ms={score_ms:.0};why={why}")
}

pub(super) async fn write(
    gate: &Gate,
    snapshot: &Snapshot,
    session: &mut Session,
    answer: Answer,
    arrival: &Arrival,
    mut told: Told,
) -> Result<()> {
    let (status, body_bytes) = (answer.head.status().as_u16(), answer.body.len() as u64);
    let written = send::send(session, answer, snapshot.config.stream.viewer_stall_timeout).await;
    if written.is_ok() {
        told.status = status;
    } else {
        gate.metrics.viewer_left.inc();
        (told.outcome, told.reason) = ("viewer_left", "viewer_left");
    }
    tell(gate, snapshot, session, arrival, &told, body_bytes);
    written
}

/// Writes the access line.
pub(super) fn tell(
    gate: &Gate,
    snapshot: &Snapshot,
    session: &Session,
    arrival: &Arrival,
    told: &Told,
    body_bytes: u64,
) {
    let Some(log) = &gate.access_log else { return };
    let head = session.req_header();
    log.write(&Line {
        time_unix_ms: arrival.unix_ms,
        request_id: arrival.id.as_str(),
        client: arrival.viewer.address,
        method: head.method.as_str(),
        path: path(head),
        status: told.status,
        body_bytes,
        duration_us: u64::try_from(arrival.began.elapsed().as_micros()).unwrap_or(u64::MAX),
        film: told.film,
        mode: Some(told.mode.as_str()),
        outcome: told.outcome,
        reason: told.reason,
        node: told.node.id(snapshot),
        route: None,
        upstream: None,
        passage: told.passage.as_ref(),
    });
}
