//! One request from its head to its access line.
//!
//! Everything up to the write is a plain function of the request and the snapshot: no await, no lock.
//! Absent on purpose: rules. What a path, an address or a node means is decided in `decide`.

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::Instant;

use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_LENGTH, HOST, HeaderName, ORIGIN, TRANSFER_ENCODING};
use pingora::Result;
use pingora::http::RequestHeader;
use pingora_proxy::Session;

use super::{Gate, Outcome, stream};
use crate::access_log::{Line, Passage};
use crate::answer::{Answer, Asking, WATCHGATE_DECISION, X_REQUEST_ID, redirect, refuse};
use crate::clock::millis;
use crate::decide::plan::{Plan, Why, last_resort, plan};
use crate::decide::rank::{Ranking, viewer_key};
use crate::decide::watch::{Asked, BodyFraming, Connection, Film, Method, RequestLine, watch};
use crate::decide::{accept, client};
use crate::fleet::Node;
use crate::refusal::Refusal;
use crate::sign::{DayKey, LinkTime, lifetime_s, link_time};
use crate::state::places::{PlaceFrom, Site};
use crate::state::{Snapshot, View};

use super::request_id::RequestId;

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What is known of a request before it is judged.
pub(super) struct Arrival {
    pub(super) began: Instant,
    pub(super) unix_ms: u64,
    id: RequestId,
    pub(super) viewer: client::Viewer,
    body: BodyFraming,
}

/// What became of it, in the words of metrics and access line.
pub(super) struct Told {
    pub(super) film: Option<Film>,
    pub(super) outcome: &'static str,
    pub(super) reason: &'static str,
    pub(super) node: Option<usize>,
    pub(super) passage: Option<Passage>,
}

impl Told {
    /// The viewer went away before there was an answer.
    pub(super) fn viewer_left() -> Self {
        Self { film: None, outcome: "viewer_left", reason: "viewer_left", node: None, passage: None }
    }
}

/// See [`Gate::handle`].
pub(super) async fn handle(gate: &Gate, session: &mut Session) -> Result<Outcome> {
    let snapshot = gate.snapshot.load_full();
    let head = session.req_header();
    let body = framing(session, head);
    let line = RequestLine { method: head.method.as_str(), path: path(head), body };
    let watched = &snapshot.config.watch;
    let asked = watch(&line, &watched.prefix, watched.object.has_path());
    if asked == Ok(Asked::NotMine) {
        return Ok(Outcome::NotMine);
    }
    let arrival = arrival(gate, &snapshot, session, body);
    let asked = asked
        .map_err(Refusal::from)
        .and_then(|asked| if has_host(head) { Ok(asked) } else { Err(Refusal::Host) });
    if let (Ok(Asked::Film { film, method, .. }), Some(engine)) = (&asked, &gate.engine) {
        let wanted =
            Wanted { film: *film, method: *method, wants_json: accept::wants_json(lines(head, &ACCEPT)) };
        if !wanted.wants_json {
            // In a box of its own: a redirect must not pay for the size of a film's future.
            return Box::pin(stream::film(gate, &snapshot, engine, session, &arrival, wanted)).await;
        }
    }
    let (answer, told) = answer(gate, &snapshot, head, &arrival, &asked)?;
    write(gate, &snapshot, session, answer, &arrival, told).await?;
    Ok(Outcome::Answered)
}

/// See [`Gate::not_found`].
pub(super) async fn not_found(gate: &Gate, session: &mut Session) -> Result<()> {
    let snapshot = gate.snapshot.load_full();
    let head = session.req_header();
    let arrival = arrival(gate, &snapshot, session, framing(session, head));
    let (answer, told) = answer(gate, &snapshot, head, &arrival, &Err(Refusal::NotFound))?;
    write(gate, &snapshot, session, answer, &arrival, told).await
}

fn path(head: &RequestHeader) -> &[u8] {
    let target = head.raw_path();
    target.split(|byte| *byte == b'?').next().unwrap_or(target)
}

fn lines<'a>(
    head: &'a RequestHeader,
    name: &HeaderName,
) -> impl DoubleEndedIterator<Item = &'a [u8]> + use<'a> {
    head.headers.get_all(name).into_iter().map(http::HeaderValue::as_bytes)
}

fn framing(session: &Session, head: &RequestHeader) -> BodyFraming {
    if session.is_http2() {
        return BodyFraming::of(std::iter::empty(), lines(head, &CONTENT_LENGTH));
    }
    BodyFraming::of(lines(head, &TRANSFER_ENCODING), lines(head, &CONTENT_LENGTH))
}

fn arrival(gate: &Gate, snapshot: &Snapshot, session: &Session, body: BodyFraming) -> Arrival {
    let head = session.req_header();
    let peer = session.client_addr().and_then(|address| address.as_inet()).map(std::net::SocketAddr::ip);
    let peer = client::Peer { address: peer, scheme: client::Scheme::Http };
    let named = |name: &'static str| match name {
        "x-forwarded-for" => lines(head, &X_FORWARDED_FOR),
        "x-forwarded-proto" => lines(head, &X_FORWARDED_PROTO),
        _ => lines(head, &HeaderName::from_static(name)),
    };
    let viewer = client::viewer(peer, &snapshot.client, named);
    let trusted = peer.address.is_some_and(|address| snapshot.client.trusted.contains(address));
    let theirs = || head.headers.get(&X_REQUEST_ID).and_then(|id| RequestId::parse(id.as_bytes()));
    let id = trusted.then(theirs).flatten();
    Arrival {
        began: Instant::now(),
        unix_ms: gate.clock.unix_ms(),
        id: id.unwrap_or_else(|| RequestId::from_number(gate.request_ids.fetch_add(1, Ordering::Relaxed))),
        viewer,
        body,
    }
}

impl Arrival {
    /// What every answer depends on.
    pub(super) fn asking<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        fields: &'a HeaderMap,
        head_only: bool,
    ) -> Asking<'a> {
        let mut origins = fields.get_all(ORIGIN).into_iter();
        Asking {
            request_id: self.id.as_str(),
            origin: origins.next().filter(|_| origins.next().is_none()),
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
    let asking = arrival.asking(snapshot, &head.headers, head.method == http::Method::HEAD);
    match *asked {
        Ok(Asked::Film { film, method, .. }) => {
            let wants_json = accept::wants_json(lines(head, &ACCEPT));
            film_answer(gate, snapshot, arrival, &asking, &Wanted { film, method, wants_json })
        }
        Ok(Asked::Preflight) => {
            gate.metrics.preflight.inc();
            let told =
                Told { film: None, outcome: "preflight", reason: "preflight", node: None, passage: None };
            Ok((asking.preflight()?, told))
        }
        Ok(Asked::NotMine) => refused(gate, arrival, &asking, Refusal::NotFound, None),
        Err(refusal) => refused(gate, arrival, &asking, refusal, None),
    }
}

/// Exactly one, as RFC 9112 section 3.2 wants it; over HTTP/2 `:authority` may stand for it.
fn has_host(head: &RequestHeader) -> bool {
    let mut hosts = head.headers.get_all(HOST).into_iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) => !host.is_empty(),
        (None, _) => head.version == http::Version::HTTP_2 && head.uri.authority().is_some(),
        _ => false,
    }
}

pub(super) fn refused(
    gate: &Gate,
    arrival: &Arrival,
    asking: &Asking<'_>,
    refusal: Refusal,
    film: Option<Film>,
) -> Result<(Answer, Told)> {
    if refusal != Refusal::NotFound {
        gate.metrics.refused(refusal);
    }
    let close = arrival.body.after_answer() == Connection::Close;
    let told = Told { film, outcome: "refused", reason: refusal.label(), node: None, passage: None };
    Ok((refuse::refuse(refusal, asking, close)?, told))
}

#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) film: Film,
    pub(super) method: Method,
    wants_json: bool,
}

fn film_answer(
    gate: &Gate,
    snapshot: &Snapshot,
    arrival: &Arrival,
    asking: &Asking<'_>,
    wanted: &Wanted,
) -> Result<(Answer, Told)> {
    let (plan, from) = choose(gate, snapshot, &arrival.viewer, &wanted.film, 1);
    gate.metrics.located(from);
    let Some(winner) = plan.winner() else {
        let refusal = Refusal::NoNode { retry_after_s: retry_after_s(snapshot) };
        return refused(gate, arrival, asking, refusal, Some(wanted.film));
    };
    let node = &snapshot.fleet.nodes[winner.node];
    let time = link_time_at(snapshot, arrival.unix_ms);
    let url = sign_link(snapshot, node, &wanted.film, wanted.method, time);
    let link = redirect::Link {
        url: &url,
        method: wanted.method,
        film: &wanted.film,
        node: node.config.id.as_str(),
        expires_at_s: time.expires_at_s(),
    };
    node.live.count_sent();
    let (mut answer, outcome) = if wanted.wants_json {
        gate.metrics.linked(plan.why);
        node.metrics.link.inc();
        (redirect::link(&link, asking)?, "link")
    } else {
        gate.metrics.redirected(plan.why);
        node.metrics.redirect.inc();
        (redirect::redirect(&link, asking)?, "redirect")
    };
    if snapshot.config.watch.decision_header {
        answer.head.insert_header(WATCHGATE_DECISION, decision_header(node, &plan, winner.node, plan.why))?;
    }
    gate.metrics.decision_seconds.observe(arrival.began.elapsed().as_secs_f64());
    let told = Told {
        film: Some(wanted.film),
        outcome,
        reason: plan.why.as_str(),
        node: Some(winner.node),
        passage: None,
    };
    Ok((answer, told))
}

/// The choice for one viewer, and where the viewer's place comes from: `explain` and every answer take it here.
pub(super) fn choose(
    gate: &Gate,
    snapshot: &Snapshot,
    viewer: &client::Viewer,
    film: &Film,
    depth: usize,
) -> (Plan, PlaceFrom) {
    let site = snapshot.places.site(viewer.address);
    let question = site.question(group_key(viewer.address, film));
    let plan = plan(&question, &view(gate, snapshot, &site, viewer), snapshot.policy, depth);
    (plan, site.sited().from)
}

/// The order for a film that everybody of [`choose`] has failed.
pub(super) fn choose_anyway(
    gate: &Gate,
    snapshot: &Snapshot,
    viewer: &client::Viewer,
    film: &Film,
    depth: usize,
) -> Ranking {
    let site = snapshot.places.site(viewer.address);
    let question = site.question(group_key(viewer.address, film));
    last_resort(&question, &view(gate, snapshot, &site, viewer), depth)
}

/// The fleet as this viewer's choice sees it now.
pub(super) fn view<'a>(
    gate: &Gate,
    snapshot: &'a Snapshot,
    site: &'a Site<'a>,
    viewer: &client::Viewer,
) -> View<'a> {
    View {
        snapshot,
        site,
        now_ms: gate.clock.now_ms(),
        https_only: viewer.scheme == client::Scheme::Https,
        assume_up: gate.assume_up,
    }
}

/// The hash of viewer group and film; viewers without an address are one group.
pub(super) fn group_key(address: Option<IpAddr>, film: &Film) -> u64 {
    viewer_key(address.map_or(0, |address| client::group(address).as_u64()), film.as_bytes())
}

fn link_time_at(snapshot: &Snapshot, unix_ms: u64) -> LinkTime {
    let watch = &snapshot.config.watch;
    link_time(unix_ms / 1000, watch.link_window.as_secs(), lifetime_s(watch.link_lifetime, None))
}

fn sign_link(snapshot: &Snapshot, node: &Node, film: &Film, method: Method, time: LinkTime) -> String {
    let key = snapshot.config.watch.object.key(film.as_bytes(), "");
    let keys = node.live.keys.load();
    if let Some(day) = keys.at(time.signed_at_s()) {
        return node.link.presign(day, method, &key, None, time);
    }
    // Only while the task that keeps the keys has not run yet after midnight: a few microseconds more.
    let secret = node.config.secret_key.expose();
    let day = DayKey::derive(secret, time.signed_at_s(), &snapshot.config.bucket.region);
    node.link.presign(&day, method, &key, None, time)
}

/// By then a node that answers again has been taken back: `rise` rounds of probes, within 1 to 10 seconds.
pub(super) fn retry_after_s(snapshot: &Snapshot) -> u64 {
    let health = &snapshot.config.health;
    (millis(health.interval) * u64::from(health.rise.get())).div_ceil(1000).clamp(1, 10)
}

pub(super) fn decision_header(node: &Node, plan: &Plan, index: usize, why: Why) -> String {
    let (id, why) = (&node.config.id, why.as_str());
    let Some(chosen) = plan.ranking.best.iter().find(|scored| scored.node == index) else {
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
    if answer.close {
        session.set_keepalive(None);
    }
    let body_bytes = answer.body.len() as u64;
    let written = send(session, answer).await;
    if written.is_err() {
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
        status: session.response_written().map_or(0, |head| head.status.as_u16()),
        body_bytes,
        duration_us: u64::try_from(arrival.began.elapsed().as_micros()).unwrap_or(u64::MAX),
        film: told.film,
        mode: Some(snapshot.config.watch.mode.as_str()),
        outcome: told.outcome,
        reason: told.reason,
        node: told.node.map(|node| snapshot.fleet.nodes[node].config.id.as_str()),
        passage: told.passage.as_ref(),
    });
}

async fn send(session: &mut Session, answer: Answer) -> Result<()> {
    let end = answer.body.is_empty();
    session.write_response_header(answer.head, end).await?;
    if !end {
        session.write_response_body(Some(answer.body), true).await?;
    }
    Ok(())
}
