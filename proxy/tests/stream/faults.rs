//! Every fault of a node against every way to ask, over both protocols, at the first node and at the one that
//! continues a film: the viewer gets the film's bytes, whoever has to send them.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use watchgate_node::{Fault, Node, Scope};

use crate::support::*;
use crate::viewer::*;

const SIZE: u64 = 600_000;
/// Where a body breaks; below the first window of any viewer.
const BREAK: u64 = 50_000;
/// Rows of one table that are played at once.
const AT_ONCE: usize = 8;

/// What a fault does to the film's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    /// The node gives nothing that can be used: another one serves.
    Refused,
    /// The node gives some bytes: another one goes on behind them.
    Broken,
    /// A lie about a range; it cannot show in the answer to a request without one.
    Lie,
    /// Nothing that a viewer or another node should notice.
    None,
}

/// Faults that show in any answer, the first one too.
fn faults() -> Vec<(Fault, Effect)> {
    vec![
        (Fault::Status(503), Effect::Refused),
        (Fault::Status(500), Effect::Refused),
        (Fault::Status(429), Effect::Refused),
        (Fault::Status(403), Effect::Refused),
        (Fault::DelayMs(60_000), Effect::Refused),
        (Fault::HangUp, Effect::Refused),
        (Fault::DripHead(100), Effect::Refused),
        (Fault::StallAfter(0), Effect::Refused),
        (Fault::ResetAfter(0), Effect::Refused),
        (Fault::CloseAfter(0), Effect::Refused),
        (Fault::StallAfter(BREAK), Effect::Broken),
        (Fault::ResetAfter(BREAK), Effect::Broken),
        (Fault::CloseAfter(BREAK), Effect::Broken),
        (Fault::ShortBy(1), Effect::Broken),
        (Fault::Drip(1000), Effect::Broken),
        (Fault::IgnoreRange, Effect::Lie),
        (Fault::RangeAs200, Effect::Lie),
        (Fault::WrongContentRange, Effect::Lie),
        (Fault::Gzip, Effect::Refused),
        (Fault::LongBy(1000), Effect::None),
        (Fault::EarlyHints, Effect::None),
    ]
}

/// Faults that only a second answer can show: the first one is what the others are held against.
fn disagreements() -> Vec<(Fault, Effect)> {
    vec![(Fault::WrongEtag, Effect::Refused), (Fault::WrongTotal, Effect::Refused)]
}

/// A way to ask for the film.
#[derive(Clone, Copy, Debug)]
struct Part {
    range: Option<&'static str>,
    first: u64,
    length: u64,
}

const PARTS: [Part; 3] = [
    Part { range: None, first: 0, length: SIZE },
    Part { range: Some("bytes=100000-499999"), first: 100_000, length: 400_000 },
    Part { range: Some("bytes=-400000"), first: 200_000, length: 400_000 },
];

impl Part {
    fn ask(self) -> Ask {
        self.range.into_iter().fold(Ask::film(), Ask::range)
    }

    /// Reads the answer to its end: it must be this part of the film and nothing else.
    async fn arrives(self, answer: Answer, stage: &Stage) -> Viewer {
        let Self { first, length, range } = self;
        let mut answer = answer.shows(stage.film, first);
        let content_range = range.map(|_| format!("bytes {first}-{}/{SIZE}", first + length - 1));
        let asked: Vec<_> = stage.nodes.iter().map(gets).collect();
        assert_eq!(answer.status(), if range.is_some() { 206 } else { 200 }, "{self:?}: {asked:#?}");
        assert_eq!(answer.promised, Some(length));
        assert_eq!(answer.head.header("content-range"), content_range);
        assert_eq!((answer.end().await, answer.bytes), (End::Whole, length));
        answer.again()
    }
}

#[derive(Clone, Debug)]
struct Row {
    fault: Fault,
    effect: Effect,
    speaks: Speaks,
}

/// Plays all rows of one protocol and tells of each that failed.
async fn play<F: Future<Output = ()> + Send + 'static>(
    faults: Vec<(Fault, Effect)>,
    speaks: Speaks,
    story: impl Fn(Row) -> F,
) {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let mut rows = JoinSet::new();
    let mut names = HashMap::new();
    for (fault, effect) in faults {
        let row = Row { fault, effect, speaks };
        let name = format!("{row:?}");
        let (story, turns) = (story(row), Arc::clone(&turns));
        let task = rows.spawn(async move {
            let _turn = turns.acquire().await.expect("an open semaphore");
            story.await;
        });
        names.insert(task.id(), name);
    }
    let mut failed = Vec::new();
    while let Some(row) = rows.join_next_with_id().await {
        if let Err(error) = row {
            failed.push(format!("{}: {error}", names[&error.id()]));
        }
    }
    assert!(failed.is_empty(), "{} of {} rows:\n{}", failed.len(), names.len(), failed.join("\n"));
}

/// The near node is at fault from the start; a far one is well. What a fault leaves behind on a connection of the
/// viewer or the node meets the next way to ask.
async fn at_the_first(row: Row) {
    let Row { fault, effect, speaks } = row;
    let stage = staging(2, &fault).up().await;
    let [near, far] = &stage.nodes[..] else { panic!("two nodes") };
    near.faults().set(fault.clone().on(Scope::Gets));
    let mut viewer = Viewer::connect(speaks, &stage).await;
    for part in PARTS {
        stage.nodes.iter().for_each(Node::forget_seen);
        let resumes = stage.resumes_from(near);
        let answer = viewer.ask(&part.ask()).await;
        viewer = part.arrives(answer, &stage).await;
        hit(near, &fault);
        let lied = gets(near)[0].range.is_some();
        let must_move = match effect {
            Effect::Refused | Effect::Broken => true,
            Effect::Lie => lied,
            Effect::None => false,
        };
        assert_eq!(served(far), must_move, "{part:?}: near {:?}, far {:?}", gets(near), gets(far));
        assert!(part.range.is_none() || lied, "a part is not asked for as the whole");
        assert!(effect != Effect::Broken || stage.resumes_from(near) > resumes, "{part:?}");
    }
}

/// The near node breaks and goes on refusing; the next one is at fault when it has to continue; the last is well.
async fn at_the_continuation(row: Row) {
    let Row { fault, effect, speaks } = row;
    let stage = staging(3, &fault).up().await;
    let [near, next, last] = &stage.nodes[..] else { panic!("three nodes") };
    next.faults().set(fault.clone().on(Scope::Gets));
    let mut viewer = Viewer::connect(speaks, &stage).await;
    for part in PARTS {
        stage.nodes.iter().for_each(Node::forget_seen);
        let resumes = stage.resumes_from(near);
        near.faults().clear();
        near.faults().set(Fault::ResetAfter(BREAK));
        let answer = viewer.ask(&part.ask()).await;
        near.faults().clear();
        near.faults().set(Fault::Status(503));
        viewer = part.arrives(answer, &stage).await;
        assert!(stage.resumes_from(near) > resumes, "{part:?}: {:?}", gets(near));
        hit(next, &fault);
        assert!(gets(next).iter().all(|seen| seen.range.is_some()), "a continuation is a range");
        assert_eq!(served(last), effect != Effect::None, "{part:?}: {:?}, {:?}", gets(next), gets(last));
    }
}

fn staging(nodes: usize, fault: &Fault) -> Staging {
    let staging = Staging::new(nodes, SIZE);
    match fault {
        // A node that refuses us is not asked again so soon, unless nobody remembers.
        Fault::Status(403) => staging.without_presence(),
        Fault::DelayMs(_) | Fault::DripHead(_) | Fault::StallAfter(_) | Fault::Drip(_) => staging.impatient(),
        _ => staging,
    }
}

fn served(node: &Node) -> bool {
    gets(node).iter().any(|seen| seen.sent > 0 && seen.status == Some(206))
}

/// The node was asked, and answered as the fault wants it.
fn hit(node: &Node, fault: &Fault) {
    let gets = gets(node);
    let status = match fault {
        Fault::Status(status) => Some(*status),
        // Given up before, or nothing to be seen.
        Fault::DelayMs(_) | Fault::HangUp => None,
        Fault::IgnoreRange | Fault::RangeAs200 => Some(200),
        _ if gets.iter().all(|seen| seen.range.is_none()) => Some(200),
        _ => Some(206),
    };
    assert!(gets.iter().any(|seen| seen.status == status), "{fault:?}: {gets:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faulty_first_node_costs_no_byte_over_http1() {
    play(faults(), Speaks::H1, at_the_first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faulty_first_node_costs_no_byte_over_http2() {
    play(faults(), Speaks::H2, at_the_first).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faulty_continuation_costs_no_byte_over_http1() {
    let faults = [faults(), disagreements()].concat();
    play(faults, Speaks::H1, at_the_continuation).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_faulty_continuation_costs_no_byte_over_http2() {
    let faults = [faults(), disagreements()].concat();
    play(faults, Speaks::H2, at_the_continuation).await;
}
