//! The drill can fail: gates that are bad on purpose are found out, and a good one is not.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use self::stubs::{Behaviour, Node, gate};
use super::catalogue::{Fault, STORIES};
use super::figures::{Report, Row};
use super::film::{Film, Reel};
use super::judge::verdict;
use super::nodes::Kind;
use super::play::{Cast, Scene, play};
use super::seen::Finding;
use super::times::Times;
use super::visit::Door;
use super::world::{Films, Size, World};
use crate::run::{Report as _, Told};
use crate::stage::{CITIES, Mode};
use crate::{Failure, exit_code};

mod stubs;

const NEAR: usize = 1;

/// Kills the near node, and starts it again.
struct Killing(Rc<[Node; CITIES.len()]>);

impl Scene for Killing {
    async fn harm(&mut self, _: &RefCell<Films>) -> Result<(), Failure> {
        self.0[NEAR].kill();
        Ok(())
    }

    async fn lift(&mut self, _: &RefCell<Films>) -> Result<bool, Failure> {
        self.0[NEAR].revive().await;
        Ok(true)
    }

    fn findings(&self) -> Vec<Finding> {
        Vec::new()
    }
}

fn film(uuid: &str, bytes: u64) -> Film {
    Film { uuid: uuid.to_owned(), reels: vec![Reel { bytes, seed: 7 }] }
}

/// The report of a drill in which a node is killed before a gate like this.
async fn drilled(mode: Mode, behaviour: Behaviour) -> Report {
    let films = Films {
        feature: film("3d825f60-9fff-4dfe-b294-1a45fa1e115d", 6 << 20),
        clip: film("8c7e0a4e-1d0b-4c39-9a3e-5a1c3e0f2b77", 256 << 10),
        fresh: None,
    };
    let served = [films.feature.clone(), films.clip.clone()];
    let nodes = Rc::new([Node::start(&served).await, Node::start(&served).await, Node::start(&served).await]);
    let addresses = [nodes[0].address, nodes[1].address, nodes[2].address];
    let address = gate(behaviour, addresses, &served).await;
    // It has no admin listener: the drill does with what viewers see.
    let nobody: SocketAddr = ([127, 0, 0, 1], 1).into();
    let times = Times::brief();
    let size = Size {
        watching: 3,
        paused: 1,
        stream_every: Duration::from_millis(100),
        redirect_every: Duration::from_millis(50),
        pace: 1 << 20,
    };
    let cast = Cast {
        doors: vec![(Door { mode, address }, nobody)],
        harmed: vec![NEAR],
        hold_ms: times.bound_ms() + times.slack_ms + 1_000,
    };
    let private = vec![addresses[0].to_string()];
    let world = World::new(times, size, films, private);
    let log = play(world, &cast, &mut Killing(nodes)).await.expect("the fault is made");
    let story = STORIES.iter().find(|story| story.fault == Fault::Kill).expect("it is in the catalogue");
    let verdicts = log.gates.iter().map(|gate| verdict(story, &times, &log, gate)).collect();
    let row = Row { fault: Fault::Kill, verdicts, late_ms: log.late_ms, skipped: None, failed: None };
    Report {
        machine: String::new(),
        nodes: Kind::Own,
        times: times.told(),
        slack_ms: times.slack_ms,
        rows: vec![row],
    }
}

/// A drill before this gate ends with this exit status, and its report says so for these reasons.
async fn check(mode: Mode, behaviour: Behaviour, expected: &[&str]) {
    let report = drilled(mode, behaviour).await;
    let broken: Vec<&str> = report.rows[0].verdicts[0]
        .promises
        .iter()
        .filter(|held| held.broken.is_some())
        .map(|held| held.promise.short())
        .collect();
    let text = report.table();
    assert_eq!(broken, expected, "{text}");
    assert_eq!(text.matches("\nBROKEN: kill, ").count(), expected.len(), "{text}");
    let told = Told { text, whole: report.is_whole() };
    let status = if expected.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    assert_eq!(exit_code(&told), status);
}

#[tokio::test]
async fn a_gate_that_goes_on_elsewhere_is_found_good() {
    check(Mode::Stream, Behaviour::GoesOn, &[]).await;
}

#[tokio::test]
async fn a_gate_that_cuts_when_a_node_dies_is_found_out() {
    check(Mode::Stream, Behaviour::Cuts, &["plays on"]).await;
}

#[tokio::test]
async fn a_gate_that_sends_wrong_bytes_is_found_out() {
    check(Mode::Stream, Behaviour::Lies, &["plays on", "bytes"]).await;
}

#[tokio::test]
async fn a_gate_that_never_says_how_long_a_film_is_is_found_out() {
    check(Mode::Stream, Behaviour::Endless, &["plays on", "returns", "cut, not padded"]).await;
}

#[tokio::test]
async fn a_gate_that_talks_about_its_nodes_is_found_out() {
    check(Mode::Stream, Behaviour::Talks, &["plays on", "returns", "discreet"]).await;
}

#[tokio::test]
async fn a_gate_that_redirects_to_the_living_is_found_good() {
    check(Mode::Redirect, Behaviour::RedirectsWell, &[]).await;
}

#[tokio::test]
async fn a_gate_that_redirects_to_a_dead_node_is_found_out() {
    check(Mode::Redirect, Behaviour::RedirectsBlindly, &["not sent there"]).await;
}
