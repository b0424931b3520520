//! The second half of `--once`: the film goes through the gate, and its node is killed in the middle.
//!
//! The nodes send slowly meanwhile, or the whole film would lie in socket buffers before anything could happen to it.

use std::time::{Duration, Instant};

use http::StatusCode;

use super::cities::{self, City};
use super::stage::{Actor, LOOK_EVERY, Stage};
use super::story::{Ended, Story, VICTIM, Wrong, ended, get};
use super::{FILM, FILM_BYTES, named, witness};
use crate::cli::terminal::Terminal;
use crate::cli::{Done, Failure};

/// Bytes a second: the film takes about two.
const SLOW: u64 = 120_000;
/// Bytes after which the node is killed.
const KILLED_AFTER: u64 = 60_000;
/// By then it has sent them.
const SENT_WITHIN: Duration = Duration::from_secs(10);

pub(super) async fn tell(stage: &Stage, terminal: Terminal) -> Result<Done, Failure> {
    let story = Story { stage, terminal };
    ended(play(&story).await, terminal)
}

async fn play(story: &Story<'_>) -> Result<(), Ended> {
    story.say("\nNow the film goes through the gate.")?;
    for city in &cities::ALL {
        watch(story, city).await?;
        story.good(&format!(
            "{:<13} in {:<9} gets the whole film through the gate and seeks",
            city.viewer, city.name
        ))?;
    }
    let decision = story.stage.gate.explain(&witness::ask(FILM, VICTIM));
    let heir = decision.alternates.first().cloned().ok_or("there is no alternate".to_owned())?;
    let node = |id: &str| story.stage.actors.iter().find(|actor| actor.city.id == id);
    let victim = node(VICTIM.id).ok_or("there is no victim".to_owned())?;
    let heir = node(&heir).ok_or("there is no heir".to_owned())?;

    for actor in &story.stage.actors {
        actor.node.set_bandwidth(Some(SLOW));
    }
    let before = sent(heir);
    let seen = victim.node.seen().len();
    let kill = async {
        wait_until_sent(victim, seen).await?;
        story.switch("kill").await
    };
    let headers = [("x-forwarded-for", VICTIM.viewer)];
    let url = story.stage.url(FILM);
    let (film, killed) = tokio::join!(get(&url, &headers), kill);
    killed?;
    let film = film?;
    let from_heir = sent(heir) - before;
    if film.status != StatusCode::OK || film.body != FILM_BYTES {
        return Err(format!("the film broke: {} with {} bytes", film.status, film.body.len()).into());
    }
    if from_heir == 0 {
        return Err(format!("{} did not go on with the film", named(heir.city.id)).into());
    }
    story.good(&format!(
        "{} is killed in the middle of a film; the last {from_heir} of its {} bytes come from {}, and none is wrong",
        named(VICTIM.id),
        FILM_BYTES.len(),
        named(heir.city.id)
    ))
}

/// One viewer: the whole film, and a part of it.
async fn watch(story: &Story<'_>, city: &City) -> Result<(), Wrong> {
    let url = story.stage.url(FILM);
    let film = get(&url, &[("x-forwarded-for", city.viewer)]).await?;
    if film.status != StatusCode::OK || film.body != FILM_BYTES {
        return Err(format!("the gate answers {} with {} bytes", film.status, film.body.len()));
    }
    let seek = get(&url, &[("x-forwarded-for", city.viewer), ("range", "bytes=200000-200999")]).await?;
    if seek.status != StatusCode::PARTIAL_CONTENT || seek.body[..] != FILM_BYTES[200_000..201_000] {
        return Err(format!("the gate answers {} to a seek", seek.status));
    }
    Ok(())
}

/// Bytes of films that a node has sent so far.
fn sent(actor: &Actor) -> u64 {
    actor.node.seen().iter().filter(|seen| seen.method == "GET").map(|seen| seen.sent).sum()
}

/// Waits until the request after the first `seen` ones has got so far that its end can be missed.
async fn wait_until_sent(actor: &Actor, seen: usize) -> Result<(), Wrong> {
    let started = Instant::now();
    while started.elapsed() < SENT_WITHIN {
        let requests = actor.node.seen();
        if requests.iter().skip(seen).any(|seen| seen.method == "GET" && seen.sent >= KILLED_AFTER) {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Err(format!("{} does not send the film", named(actor.city.id)))
}
