//! The demo played through by itself, with every step checked: what `--once` prints and what CI runs.
//!
//! It asks over the network as any viewer does. What is expected of a step stands beside it; the first step that goes
//! wrong ends the story.

use std::time::{Duration, Instant};

use http::{Method, StatusCode};

use super::cities::{self, City};
use super::stage::{LOOK_EVERY, Stage};
use super::{FILM, FILM_BYTES, named, witness};
use crate::cli::terminal::{Look, Terminal};
use crate::cli::wire::{self, Question, Reply};
use crate::cli::{Done, Failure};

/// One answer on loopback.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// `interval + fall * timeout` of the demo's configuration is 1.7 s; a busy machine may double and double it.
const MOVED_WITHIN: Duration = Duration::from_secs(10);

/// The node that dies.
pub(super) const VICTIM: &City = &cities::ALL[2];

/// Why a step failed.
pub(super) type Wrong = String;

pub(super) async fn tell(stage: &Stage, terminal: Terminal) -> Result<Done, Failure> {
    let story = Story { stage, terminal };
    ended(story.play().await, terminal)
}

/// How a story ends.
pub(super) fn ended(result: Result<(), Ended>, terminal: Terminal) -> Result<Done, Failure> {
    match result {
        Ok(()) => Ok(Done::Yes),
        Err(Ended::Unheard(failure)) => Err(failure),
        Err(Ended::Wrong(wrong)) => {
            terminal.done(&format!("{}  {wrong}", terminal.out.paint(Look::Bad, "FAILED")), Done::No)
        }
    }
}

/// Why a story ends before its end.
pub(super) enum Ended {
    Wrong(Wrong),
    Unheard(Failure),
}

impl From<Wrong> for Ended {
    fn from(wrong: Wrong) -> Self {
        Self::Wrong(wrong)
    }
}

pub(super) struct Story<'a> {
    pub(super) stage: &'a Stage,
    pub(super) terminal: Terminal,
}

impl Story<'_> {
    async fn play(&self) -> Result<(), Ended> {
        self.say(&format!("Three nodes are up; the film has {} bytes.\n", FILM_BYTES.len()))?;
        for city in &cities::ALL {
            self.visit(FILM, city, city.id).await?;
        }
        self.say("")?;
        self.say(&format!("Why, for {}:", VICTIM.viewer))?;
        let decision = self.stage.gate.explain(&witness::ask(FILM, VICTIM));
        self.say(&format!("  {}\n", crate::cli::explain::answer(&decision)))?;
        // Losing a node moves its viewers to the next in their order, and moves nobody else.
        let heir = decision.alternates.first().cloned().ok_or("there is no alternate".to_owned())?;

        self.switch("kill").await?;
        let took = self.wait_for(FILM, VICTIM, &heir).await?;
        self.good(&format!(
            "{} is killed; after {} ms its viewers go to {}",
            named(VICTIM.id),
            took.as_millis(),
            named(&heir)
        ))?;
        for city in &cities::ALL {
            self.visit(FILM, city, if city.id == VICTIM.id { &heir } else { city.id }).await?;
        }
        self.say("")?;
        self.switch("revive").await?;
        let took = self.wait_for(FILM, VICTIM, VICTIM.id).await?;
        self.good(&format!(
            "{} is back; after {} ms its viewers come back",
            named(VICTIM.id),
            took.as_millis()
        ))?;
        self.visit(FILM, VICTIM, VICTIM.id).await?;
        super::lag_story::play(self).await
    }

    /// One viewer: asks, follows, plays, seeks.
    pub(super) async fn visit(&self, film: &str, city: &City, expected: &str) -> Result<(), Ended> {
        let link = self.link(film, city).await?;
        let node = self.owner(&link)?;
        if node != expected {
            return Err(
                format!("{} in {} is sent to {node}, not to {expected}", city.viewer, city.name).into()
            );
        }
        let film = get(&link, &[]).await?;
        if film.status != StatusCode::OK || film.body != FILM_BYTES {
            let (status, length) = (film.status, film.body.len());
            return Err(format!("{node} answers {status} with {length} bytes, which is not the film").into());
        }
        let seek = get(&link, &[("range", "bytes=200000-200999")]).await?;
        if seek.status != StatusCode::PARTIAL_CONTENT || seek.body[..] != FILM_BYTES[200_000..201_000] {
            return Err(format!("{node} answers {} to a seek", seek.status).into());
        }
        let (viewer, from) = (city.viewer, city.name);
        self.good(&format!(
            "{viewer:<13} in {from:<9} is redirected to {node}, plays the whole film and seeks"
        ))?;
        Ok(())
    }

    /// Where the gate sends the city's viewer.
    async fn link(&self, film: &str, city: &City) -> Result<String, Wrong> {
        let reply = get(&self.stage.url(film), &[("x-forwarded-for", city.viewer)]).await?;
        match (reply.status, reply.header("location")) {
            (StatusCode::FOUND, Some(link)) => Ok(link.to_owned()),
            (status, _) => Err(format!("{} in {}: the gate answers {status}", city.viewer, city.name)),
        }
    }

    fn owner(&self, link: &str) -> Result<&'static str, Wrong> {
        let actor =
            self.stage.actors.iter().find(|actor| link.starts_with(&format!("{}/", actor.node.endpoint())));
        actor.map(|actor| actor.city.id).ok_or_else(|| format!("{link} leads to no node"))
    }

    /// Turns one of the victim's switches.
    pub(super) async fn switch(&self, switch: &str) -> Result<(), Wrong> {
        let control = self
            .stage
            .actors
            .iter()
            .find(|actor| actor.city.id == VICTIM.id)
            .map(super::stage::Actor::control);
        let url = format!("http://{}/{switch}", control.ok_or("the node has no switches")?);
        let reply = exchange(Method::POST, &url, &[]).await?;
        if reply.status.is_success() { Ok(()) } else { Err(format!("{url} answers {}", reply.status)) }
    }

    /// Asks as the city's viewer until that is sent to `node`.
    pub(super) async fn wait_for(&self, film: &str, city: &City, node: &str) -> Result<Duration, Wrong> {
        let started = Instant::now();
        while started.elapsed() < MOVED_WITHIN {
            if self.owner(&self.link(film, city).await?)? == node {
                return Ok(started.elapsed());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(format!("{} is not sent to {} within {MOVED_WITHIN:?}", city.viewer, named(node)))
    }

    pub(super) fn good(&self, text: &str) -> Result<(), Ended> {
        self.say(&format!("{}  {text}", self.terminal.out.paint(Look::Good, "ok")))
    }

    pub(super) fn say(&self, text: &str) -> Result<(), Ended> {
        self.terminal.data(text).map_err(Ended::Unheard)
    }
}

pub(super) async fn get(url: &str, headers: &[(&str, &str)]) -> Result<Reply, Wrong> {
    exchange(Method::GET, url, headers).await
}

/// One request to a URL of the demo's own: `http://ADDRESS:PORT/...`.
async fn exchange(method: Method, url: &str, headers: &[(&str, &str)]) -> Result<Reply, Wrong> {
    let rest = url.strip_prefix("http://").ok_or_else(|| format!("{url} is no http URL"))?;
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let address: std::net::SocketAddr =
        authority.parse().map_err(|_| format!("{authority} is no address"))?;
    let headers: Vec<_> = [("host", authority)].iter().chain(headers).copied().collect();
    let (host, port) = (address.ip().to_string(), address.port());
    let question = Question { host: &host, port, tls: None, method, path, headers: &headers };
    wire::exchange(&question, ANSWER_WITHIN).await.map_err(|trouble| format!("{authority}: {trouble}"))
}
