//! One film through the gate: chosen as a redirect is, begun at a node, answered by HTTP's rules, pumped, told.
//!
//! Absent on purpose: rules and bytes. What an answer is stands in `answer::film`, how a film keeps going in
//! `answer::pump`.

use std::fmt::Write;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use pingora::{Error, ErrorType, Result};
use pingora_proxy::Session;
use tokio::time::timeout;

use super::choose::Chooser;
use super::serve::{Arrival, By, Size, Told, Wanted, decision_header, refused, retry_after_s, tell, write};
use super::usher::{Foreseen, Usher};
use super::{Gate, Outcome};
use crate::access_log::Passage;
use crate::answer::film::{self, About, Reply};
use crate::answer::pump::{Begun, End, Engine, Pump, Sent, Show, gone};
use crate::answer::{Answer, WATCHGATE_DECISION};
use crate::config;
use crate::decide::client::{Scheme, Viewer};
use crate::decide::media::is_manifest;
use crate::decide::plan::{Plan, Why};
use crate::decide::resume::{Failure, NoFilm};
use crate::decide::watch::Method;
use crate::fleet::Node;
use crate::refusal::Refusal;
use crate::state::Snapshot;

/// What is done once it is known which film it is.
struct Ready {
    answer: Answer,
    told: Told,
    begun: Option<Begun>,
    /// The bytes that follow the head, if any: from the first to before the second.
    bytes: (u64, u64),
}

/// Streams a film to the viewer, or refuses it.
pub(super) async fn film(
    gate: &Gate,
    snapshot: &Arc<Snapshot>,
    engine: &Arc<Engine>,
    session: &mut Session,
    arrival: &Arrival,
    wanted: Wanted,
) -> Result<Outcome> {
    let key: Arc<str> = wanted.key.as_str().into();
    let chooser = Chooser { gate, snapshot, viewer: reached(arrival.viewer), film: wanted.film };
    let usher = Usher { chooser, snapshot, key: &key, since_ms: gate.clock.now_ms() };
    let mut pump = Pump::new(Show { engine, config: &snapshot.config.stream, key: &key, guide: &usher });
    // What comes while the film runs is the next request, and not a reason to close the connection. The session has to
    // have read to the end of this one first, or it would lose what came early.
    let _ = session.as_downstream_mut().is_body_done();
    session.as_downstream_mut().set_pipelining_enabled(true);
    let Some(ready) = ready(&usher, session, arrival, &wanted, &mut pump).await? else {
        let told = Told::plain(wanted.mode, Some(wanted.film), "viewer_left", "viewer_left");
        gate.metrics.viewer_left.inc();
        tell(gate, snapshot, session, arrival, &told, 0);
        return viewer_left();
    };
    let Ready { answer, mut told, begun, bytes: (first, end) } = ready;
    let Some(begun) = begun.filter(|_| first < end) else {
        told.passage = told.passage.map(|passage| passage.with(&pump));
        write(gate, snapshot, session, answer, arrival, told).await?;
        return Ok(Outcome::Answered);
    };
    let mut begun = begun;
    let status = answer.head.status();
    let sent = if write_head(session, &snapshot.config.stream, answer, &mut begun).await {
        told.status = status.as_u16();
        pump.run(session, begun, first, end).await
    } else {
        Sent { bytes: 0, end: End::ViewerLeft }
    };
    if let Some(node) = pump.at_node() {
        told.node = By::Node(Arc::clone(node));
    }
    told.passage = told.passage.map(|passage| passage.with(&pump));
    let result = match sent.end {
        End::Whole => Ok(Outcome::Answered),
        End::ViewerLeft => {
            gate.metrics.viewer_left.inc();
            (told.outcome, told.reason) = ("viewer_left", "viewer_left");
            viewer_left()
        }
        End::Cut(failure) => {
            (told.outcome, told.reason) = ("cut", gate.metrics.cut(failure.is_late()));
            let (film, at) = (wanted.film, first + sent.bytes);
            tracing::warn!(%film, at, reason = failure.as_str(), "a film was cut: no node could go on with it");
            Err(Error::explain(ErrorType::ConnectionClosed, "no node could go on with the film").into_up())
        }
    };
    tell(gate, snapshot, session, arrival, &told, sent.bytes);
    result
}

/// Writes the head of a film. The node is not held for a viewer who does not take it; false: the viewer never did.
async fn write_head(
    session: &mut Session,
    config: &config::Stream,
    answer: Answer,
    begun: &mut Begun,
) -> bool {
    let Ok(head) = answer.head.into_response() else { return false };
    let mut write = pin!(session.write_response_header(head, false));
    if let Ok(written) = timeout(config.park_after, &mut write).await {
        return written.is_ok();
    }
    begun.park();
    timeout(config.viewer_stall_timeout, write).await.is_ok_and(|written| written.is_ok())
}

fn viewer_left<T>() -> Result<T> {
    Err(Error::explain(ErrorType::WriteError, "the viewer left").into_down())
}

/// Asks nodes for the film until it is known, and decides the answer. Nothing is written yet. `None`: the viewer left.
async fn ready(
    usher: &Usher<'_>,
    session: &mut Session,
    arrival: &Arrival,
    wanted: &Wanted,
    pump: &mut Pump<'_>,
) -> Result<Option<Ready>> {
    let (gate, snapshot) = (usher.chooser.gate, usher.snapshot);
    // A copy: the session watches for the viewer's leaving meanwhile.
    let fields = session.req_header().headers.clone();
    let asking = arrival.asking(snapshot, wanted.method == Method::Head);
    let refuse = |refusal| {
        let (answer, told) = refused(gate, arrival, &asking, refusal, (wanted.mode, Some(wanted.film)))?;
        Ok(Some(Ready { answer, told, begun: None, bytes: (0, 0) }))
    };
    let foreseen = usher.foresee();
    gate.metrics.located(foreseen.from);
    gate.metrics.decision_seconds.observe(arrival.began.elapsed().as_secs_f64());
    let begun = match begin(usher, session, arrival, wanted, pump, &fields, &foreseen).await {
        Some(Ok(begun)) => begun,
        Some(Err(refusal)) => return refuse(refusal),
        None => return Ok(None),
    };
    if wanted.size == Size::Film {
        usher.fill();
    }
    let plan = foreseen.plan;
    let reply = reply_to(wanted, &fields, &begun, arrival);
    if let Reply::Refused(refusal) = reply {
        return refuse(refusal);
    }
    let about = About {
        key: &wanted.key,
        content_type: begun.content_type.as_deref(),
        config: &snapshot.config.stream,
        waited: arrival.began.elapsed(),
    };
    let mut head = film::head(reply, &begun.film, &about, &asking)?;
    let node = &begun.node;
    let why = why(usher, &plan, pump, node);
    if let Some(took) = begun.took {
        node.metrics.first_byte_seconds.observe(took.as_secs_f64());
    }
    if snapshot.config.watch.decision_header {
        let place = snapshot.fleet.place(node.live.member);
        let value = decision_header(node, &plan, place, why);
        head.add(WATCHGATE_DECISION, value)?;
    }
    let outcome = match reply {
        Reply::NotModified => "not_modified",
        _ => "stream",
    };
    if outcome == "stream" {
        node.metrics.stream.inc();
    }
    gate.metrics.streamed(why, outcome == "stream");
    let part = if let Reply::Part(part) = reply { Some((part.first(), part.last())) } else { None };
    let passage = Passage { range: part, first_byte: Some(about.waited), resumes: String::new() };
    let told = Told::plain(wanted.mode, Some(wanted.film), outcome, why.as_str());
    let told = Told { node: By::Node(Arc::clone(node)), passage: Some(passage), ..told };
    let answer = Answer { head, body: Bytes::new(), close: false };
    let bytes = if wanted.method == Method::Head { (0, 0) } else { reply.bytes(&begun.film) };
    Ok(Some(Ready { answer, told, begun: Some(begun), bytes }))
}

/// The film as a node has it, or as one is known to have it where nothing more is needed. `None`: the viewer left.
async fn begin(
    usher: &Usher<'_>,
    session: &mut Session,
    arrival: &Arrival,
    wanted: &Wanted,
    pump: &mut Pump<'_>,
    fields: &HeaderMap,
    foreseen: &Foreseen,
) -> Option<Result<Begun, Refusal>> {
    let snapshot = usher.snapshot;
    let retry_after_s = retry_after_s(snapshot);
    let no_film = |why| Some(Err(Refusal::NoFilm { why, retry_after_s }));
    let plan = &foreseen.plan;
    if plan.winner().is_none() && !plan.is_film_missing() {
        return Some(Err(Refusal::NoNode { retry_after_s }));
    }
    let ask = film::first_ask(wanted.method, fields, |at, left| pump.first_window(at, left));
    if let (Some(version), Some(winner)) = (&foreseen.known, plan.winner())
        && ask.is_head()
        && !is_manifest(&wanted.key)
    {
        let begun = Begun::remembered(version, &snapshot.fleet.nodes[winner.node]);
        // What bytes follow has to come from a node that has them now.
        let is_bare = || reply_to(wanted, fields, &begun, arrival).bytes(&begun.film) == (0, 0);
        if wanted.method == Method::Head || is_bare() {
            return Some(Ok(begun));
        }
    }
    let _turn = match usher.finder().filter(|_| foreseen.known.is_none()) {
        Some(finder) => match finder.turn(snapshot.config.stream.first_byte_timeout).await {
            Some(turn) => Some(turn),
            None => return no_film(NoFilm::NoAnswer),
        },
        None => None,
    };
    tokio::select! {
        biased;
        begun = pump.begin(ask) => match begun {
            Ok(begun) => Some(Ok(begun)),
            Err(why) => no_film(why),
        },
        () = gone(session) => None,
    }
}

fn reply_to(wanted: &Wanted, fields: &HeaderMap, begun: &Begun, arrival: &Arrival) -> Reply {
    film::reply(wanted.method, fields, &begun.film, arrival.unix_ms / 1000)
}

/// The viewer as the choice has to see it: the gate reaches nodes its own way, whatever the viewer's scheme.
fn reached(viewer: Viewer) -> Viewer {
    Viewer { scheme: Scheme::Http, ..viewer }
}

/// Why this node serves: as planned, or because those before it could not.
fn why(usher: &Usher<'_>, plan: &Plan, pump: &Pump<'_>, node: &Node) -> Why {
    let winner = plan.winner().map(|winner| usher.snapshot.fleet.member(winner.node));
    match winner {
        Some(winner) if winner != node.live.member => match pump.heard(winner) {
            Some(Failure::Absent | Failure::Deleted | Failure::Stale) => Why::OnlyHolder,
            _ => Why::NodeFailed,
        },
        _ => plan.why,
    }
}

impl Passage {
    /// With the changes of course that the film took.
    fn with(mut self, pump: &Pump<'_>) -> Self {
        let (resumes, count) = pump.resumes();
        let more = count.saturating_sub(u32::try_from(resumes.len()).unwrap_or(u32::MAX));
        for resume in resumes {
            let to = resume.to.unwrap_or("nobody");
            let blank = if self.resumes.is_empty() { "" } else { " " };
            let (from, at, why) = (resume.from, resume.at, resume.failure.as_str());
            // Writing to a String does not fail.
            let _ = write!(self.resumes, "{blank}{from}>{to}@{at}:{why}");
        }
        if more > 0 {
            let _ = write!(self.resumes, " +{more}");
        }
        self
    }
}
