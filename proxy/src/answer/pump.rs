//! The pump: brings one film, or a part of it, from nodes to one viewer, and keeps it going when a node dies.
//!
//! A film is asked for in windows that follow the viewer's pace, each from the node that serves best then. What
//! fails is asked for again from the next byte on, elsewhere. Between a node and a viewer lies one piece in memory
//! and nothing else. Absent on purpose: which nodes are best (the caller's order), and what any failure means
//! (`decide::resume`).

mod body;
mod buffer;
mod engine;
mod hedge;
mod open;
mod pass;
mod window;

use std::sync::Arc;
use std::time::Duration;

use pingora_proxy::Session;
use smallvec::SmallVec;
use tokio::time::Instant;

use self::open::{Opened, Order};
use self::window::Window;
use super::wire::Wire;
use crate::clock::millis;
use crate::config;
use crate::decide::member::Member;
use crate::decide::pace::Pace;
use crate::decide::presence::Version;
use crate::decide::resume::{Ask, Course, Failure, Identity, NoFilm, Step};
use crate::fleet::Node;

use self::pass::{Flow, Passed};

pub use self::engine::Engine;
pub use self::pass::gone;

/// The nodes that may take the viewer now, best first.
pub type Nodes = SmallVec<[Arc<Node>; NODES_USUAL]>;

/// The same by their places in the film's cast.
type Places = SmallVec<[usize; NODES_USUAL]>;

/// Nodes that are looked at as long as one of them may serve.
pub const NODES_USUAL: usize = 8;

/// Among whom the nodes for a film are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// The first [`NODES_USUAL`] of those that may take the viewer.
    Best,
    /// All that may take the viewer.
    All,
    /// Everybody, whatever is known of their health: those before have failed.
    Everybody,
}

/// One viewer's film: what the pump has to know of it.
#[derive(Clone, Copy)]
pub struct Show<'a> {
    /// The connections, and what all films have in common.
    pub engine: &'a Arc<Engine>,
    /// `[stream]`.
    pub config: &'a config::Stream,
    /// The film's object key.
    pub key: &'a Arc<str>,
    /// Who is asked.
    pub guide: &'a dyn Guide,
}

/// What the pump has to be told while a film runs, and what it tells.
pub trait Guide: Send + Sync {
    /// Who is asked, best first, as the fleet is now: while a film runs it may be another one than when it began.
    fn order(&self, among: Among, stage: Stage) -> Nodes;
    /// Why nobody has the film; `failed` tells how a node failed this viewer.
    fn no_film(&self, failed: &dyn Fn(Member) -> Option<Failure>) -> NoFilm;
    /// What a node said: which version of the film it holds and of what type, or why it gave none. Gives why a viewer
    /// should not begin with that version: others are known to hold a newer one, or to have deleted it.
    fn heard(&self, node: &Node, heard: Result<(&Identity, Option<&str>), Failure>) -> Option<Failure>;
}

/// How far a film is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Any version will do.
    Begins,
    /// A node has answered with an earlier version than is known.
    Behind,
    /// Only the version that it began with will do.
    Runs,
}

/// A film on its way to one viewer.
pub struct Pump<'a> {
    show: Show<'a>,
    course: Course,
    pace: Pace,
    film: Option<Arc<Identity>>,
    resumes: Vec<Resume>,
    resumed: u32,
    at_node: Option<usize>,
    /// All who may take the viewer, while nobody has begun.
    first_order: Option<Places>,
    /// An earlier version than is known, by its node's place: better than none, should nobody give the newest.
    spare: Option<(usize, Begun)>,
    /// Everybody who was in an order, in the latest shape: a reload gives a node other credentials. Films outlive
    /// fleets, so that nodes go by their places in here.
    cast: SmallVec<[(Member, Arc<Node>); NODES_USUAL]>,
}

/// What a node began to send, before the viewer has seen anything.
pub struct Begun {
    /// The film.
    pub film: Arc<Identity>,
    /// Who sends it.
    pub node: Arc<Node>,
    /// The node's own word on the type.
    pub content_type: Option<Box<str>>,
    /// From asking for it to its first byte; `None`: nobody was asked.
    pub took: Option<Duration>,
    window: Option<Window>,
}

/// One change of course.
#[derive(Clone, Copy, Debug)]
struct Resume {
    from: usize,
    to: Option<usize>,
    at: u64,
    failure: Failure,
}

/// One change of course, for the access line.
#[derive(Clone, Copy, Debug)]
pub struct Resumed<'a> {
    /// Who failed.
    pub from: &'a str,
    /// Who went on; `None`: nobody.
    pub to: Option<&'a str>,
    /// At which byte of the film.
    pub at: u64,
    /// Why.
    pub failure: Failure,
}

/// How a film ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every byte was sent.
    Whole,
    /// The viewer went away, or read nothing for too long.
    ViewerLeft,
    /// Nobody could go on: the viewer's connection must be cut.
    Cut(Failure),
}

/// What was sent, and how it went.
#[derive(Debug)]
pub struct Sent {
    /// Bytes that the viewer's connection took.
    pub bytes: u64,
    /// How it ended.
    pub end: End,
}

/// Changes of course that an access line shows; more are only counted.
const RESUMES_MAX: usize = 8;

impl Begun {
    /// A film of which a head is enough, and which a node is known to hold.
    #[must_use]
    pub fn remembered(version: &Version, node: &Arc<Node>) -> Self {
        let (film, node) = (Arc::new(version.film.clone()), Arc::clone(node));
        Self { film, node, content_type: version.content_type.clone(), took: None, window: None }
    }

    /// Frees the node: the viewer does not take what it sends.
    pub fn park(&mut self) {
        self.window = None;
    }
}

impl<'a> Pump<'a> {
    /// A film that nobody was asked for yet.
    #[must_use]
    pub fn new(show: Show<'a>) -> Self {
        let config = show.config;
        Self {
            course: Course::new(config.attempts.get()),
            pace: Pace::new(config.window.get(), millis(config.park_after)),
            film: None,
            resumes: Vec::new(),
            resumed: 0,
            at_node: None,
            first_order: None,
            spare: None,
            cast: SmallVec::new(),
            show,
        }
    }

    /// Asks the nodes until one has the film, and begins at the byte that is asked for. If all who answer deny it, those
    /// who failed are asked once more. An earlier version than is known will do only if nobody gives the newest.
    ///
    /// # Errors
    /// Nobody had it, or nobody could say.
    pub async fn begin(&mut self, ask: Ask) -> Result<Begun, NoFilm> {
        let begun = match self.newest(ask).await {
            Ok(begun) => begun,
            Err(why @ (NoFilm::Unknown | NoFilm::Deleted)) => return Err(why),
            Err(why) => {
                let (at, begun) = self.spare.take().ok_or(why)?;
                self.course.forgive(at);
                begun
            }
        };
        self.spare = None;
        self.film = Some(Arc::clone(&begun.film));
        Ok(begun)
    }

    /// The newest version that is known, or any if none is. What is earlier is put aside.
    async fn newest(&mut self, ask: Ask) -> Result<Begun, NoFilm> {
        let at = if let Ask::Part { first, .. } = ask { first } else { 0 };
        let (mut again, mut looked_again) = (false, false);
        loop {
            let order = self.candidates();
            let node = match self.course.step(&order, None) {
                Step::Ask(node) => node,
                // Others deny the film, and whoever may hold it failed once: that is too little to turn a viewer away.
                Step::Again { node, pause_ms }
                    if !again && self.spare.is_none() && self.no_film() == NoFilm::NoAnswer =>
                {
                    again = true;
                    tokio::time::sleep(Duration::from_millis(pause_ms)).await;
                    node
                }
                step @ (Step::Again { .. } | Step::GiveUp) => {
                    let why = self.no_film();
                    // The order and the reason were read one after the other: a film that came back between them is there.
                    let is_back = step == Step::GiveUp && why == NoFilm::NoAnswer && self.has_fresh();
                    if !is_back || looked_again {
                        return Err(why);
                    }
                    looked_again = true;
                    continue;
                }
            };
            let asked = Instant::now();
            let Ok((node, opened)) = self.open(node, &order, ask, at).await else { continue };
            let took = Some(asked.elapsed());
            let opened = match opened.answer {
                Some(_) => Ok(opened),
                // The film is there, but has not those bytes: its size is needed for the answer.
                None => self.ask(node, Ask::Head).await,
            };
            match opened {
                Ok(Opened { answer: Some(answer), content_type, body }) => {
                    let place = node;
                    let node = Arc::clone(self.node(place));
                    let behind = self.show.guide.heard(&node, Ok((&answer.film, content_type.as_deref())));
                    let film = Arc::new(answer.film);
                    let window = body.map(|body| Window::new(place, &node, answer.first, body));
                    let begun = Begun { film, node, content_type, took, window };
                    let Some(behind) = behind else { return Ok(begun) };
                    self.note(place, behind, at);
                    self.put_aside(place, begun);
                }
                Ok(_) => self.fail(node, Failure::Status, at),
                Err(failure) => self.fail(node, failure, at),
            }
        }
    }

    /// Sends the bytes from `first` to before `end` of the film that [`Pump::begin`] found. The head is out.
    pub async fn run(&mut self, session: &mut Session, begun: Begun, first: u64, end: u64) -> Sent {
        let usable = |window: &Window| window.first() == first && first < end;
        let mut window = begun.window.filter(usable);
        if let Some(window) = &mut window {
            window.limit(end - first);
        }
        let mut flow = Flow::new(first, end);
        let ended = loop {
            if flow.at == flow.end {
                break End::Whole;
            }
            let current = if let Some(begun) = window.take() {
                Ok(begun)
            } else {
                if flow.ahead.is_none() && !self.wait_before(session, &mut flow).await {
                    break End::ViewerLeft;
                }
                tokio::select! {
                    biased;
                    next = self.next_window(&mut flow) => next,
                    () = gone(session) => break End::ViewerLeft,
                }
            };
            if let Some(wire) = Wire::of(session) {
                wire.allow_unsent(self.pace.unsent());
            }
            match current {
                Ok(current) => {
                    if self.pass_on(session, &mut flow, current).await == Passed::Left {
                        break End::ViewerLeft;
                    }
                }
                Err(failure) => break End::Cut(failure),
            }
        };
        Sent { bytes: flow.at - first, end: ended }
    }

    /// Changes of course so far; the last of many are only in the number of all.
    #[must_use]
    pub fn resumes(&self) -> (impl ExactSizeIterator<Item = Resumed<'_>>, u32) {
        let id = |place: usize| self.node(place).config.id.as_str();
        let told = move |resume: &Resume| {
            let (at, failure) = (resume.at, resume.failure);
            Resumed { from: id(resume.from), to: resume.to.map(id), at, failure }
        };
        (self.resumes.iter().map(told), self.resumed)
    }

    /// Bytes from `at` that a first request should ask for, of `left` that are wanted.
    #[must_use]
    pub fn first_window(&self, at: u64, left: u64) -> u64 {
        self.pace.window(at, left)
    }

    /// How a node failed the film last, if it did.
    #[must_use]
    pub fn heard(&self, node: Member) -> Option<Failure> {
        let place = self.cast.iter().position(|(member, _)| *member == node)?;
        self.course.heard(place)
    }

    /// The node that served last.
    #[must_use]
    pub fn at_node(&self) -> Option<&Arc<Node>> {
        self.at_node.map(|place| self.node(place))
    }

    fn order_of(&mut self, among: Among) -> Places {
        let stage = match (&self.film, &self.spare) {
            (Some(_), _) => Stage::Runs,
            (None, Some(_)) => Stage::Behind,
            (None, None) => Stage::Begins,
        };
        let order = self.show.guide.order(among, stage);
        order.into_iter().map(|node| self.place(node)).collect()
    }

    /// Its place in the cast, which it gets if it has none.
    fn place(&mut self, node: Arc<Node>) -> usize {
        let own = node.live.member;
        if let Some(place) = self.cast.iter().position(|(member, _)| *member == own) {
            self.cast[place].1 = node;
            return place;
        }
        self.cast.push((own, node));
        self.cast.len() - 1
    }

    fn node(&self, place: usize) -> &Arc<Node> {
        &self.cast[place].1
    }

    /// Who may take the viewer. When all of them have failed, everybody: a verdict may be old, and somebody whom an
    /// operator drains may be the only one who holds the film.
    fn candidates(&mut self) -> Places {
        let order = self.order_of(Among::Best);
        if self.spare.is_some() || order.iter().any(|node| self.course.is_fresh(*node)) {
            return order;
        }
        let mut order = self.all();
        let is_hope = |order: &Places| order.iter().any(|node| self.course.is_fresh(*node));
        let is_settled = match self.film {
            None => self.is_denied(),
            // Those who may serve are asked once more before those who may not.
            Some(_) => !order.is_empty() && !self.course.is_in_need(),
        };
        if is_hope(&order) || is_settled {
            return order;
        }
        let others = self.order_of(Among::Everybody);
        let others = others.into_iter().filter(|node| !order.contains(node));
        let others: Places = others.collect();
        order.extend(others);
        order
    }

    /// Whether somebody who may serve by what is known now has not been asked.
    fn has_fresh(&mut self) -> bool {
        self.order_of(Among::Best).iter().any(|node| self.course.is_fresh(*node))
    }

    /// All who may take the viewer. A film that many nodes deny does not order a large fleet again for each of them.
    fn all(&mut self) -> Places {
        if self.film.is_some() {
            return self.order_of(Among::All);
        }
        let order = self.first_order.take().unwrap_or_else(|| self.order_of(Among::All));
        self.first_order.insert(order).clone()
    }

    /// Whether those who know say that there is no such film.
    fn is_denied(&self) -> bool {
        matches!(self.no_film(), NoFilm::Unknown | NoFilm::Deleted)
    }

    fn no_film(&self) -> NoFilm {
        self.show.guide.no_film(&|node| self.heard(node))
    }

    /// Opens the window at `flow.at`: the one that was asked for ahead, or a new one.
    async fn next_window(&mut self, flow: &mut Flow) -> Result<Window, Failure> {
        // What was asked for ahead is of no use if the window before it broke.
        if let Some(ahead) = flow.ahead.take().filter(|ahead| ahead.first() == flow.at) {
            let node = ahead.node();
            match ahead.window().await {
                Ok(mut window) => {
                    // It was held up as long as the one before it.
                    window.held(flow.held_ms);
                    return Ok(window);
                }
                // The slot that it wanted may be the one that the window before it held, which is free by now.
                Err(Failure::Busy) => {}
                Err(failure) => self.fail(node, failure, flow.at),
            }
        }
        loop {
            let order = self.candidates();
            let node = match self.course.step(&order, self.at_node) {
                Step::Ask(node) => node,
                Step::Again { node, pause_ms } => {
                    tokio::time::sleep(Duration::from_millis(pause_ms)).await;
                    node
                }
                Step::GiveUp => return Err(self.course.last().unwrap_or(Failure::Refused)),
            };
            let ask = self.part(flow.at, flow.end);
            let Ok((node, opened)) = self.open(node, &order, ask, flow.at).await else { continue };
            match opened.body {
                Some(body) => return Ok(Window::new(node, self.node(node), flow.at, body)),
                None => self.fail(node, Failure::Status, flow.at),
            }
        }
    }

    fn part(&self, at: u64, end: u64) -> Ask {
        Ask::Part { first: at, last: at + self.pace.window(at, end - at) - 1 }
    }

    /// Asks a node, and another one beside it if its first byte is late. `Err`: who failed has been noted.
    async fn open(&mut self, node: usize, order: &Places, ask: Ask, at: u64) -> Result<(usize, Opened), ()> {
        let beside = self.show.config.hedge_after.zip(self.course.beside(order, node));
        let second =
            beside.map(|(after, other)| hedge::Second { after, node: other, order: self.order(other, ask) });
        let raced = hedge::race(self.show.engine, node, self.order(node, ask), second).await;
        if let Some((node, failure)) = raced.failed {
            self.fail(node, failure, at);
        }
        let node = raced.node;
        raced.opened.map(|opened| (node, opened)).map_err(|failure| self.fail(node, failure, at))
    }

    async fn ask(&self, node: usize, ask: Ask) -> Result<Opened, Failure> {
        Box::pin(self.show.engine.open(&self.order(node, ask))).await
    }

    fn order(&self, node: usize, ask: Ask) -> Order {
        let config = self.show.config;
        Order {
            node: Arc::clone(self.node(node)),
            key: Arc::clone(self.show.key),
            ask,
            film: self.film.clone(),
            pin_version: config.pin_version,
            connect_timeout: config.connect_timeout,
            first_byte_timeout: config.first_byte_timeout,
        }
    }

    /// Keeps the newest of what is behind. The nodes of the others are free.
    fn put_aside(&mut self, place: usize, begun: Begun) {
        let date = |begun: &Begun| begun.film.last_modified_unix_s;
        if self.spare.as_ref().is_none_or(|(_, spare)| date(spare) < date(&begun)) {
            self.spare = Some((place, begun));
        }
    }

    /// A node failed: what that says of the film is told as well.
    fn fail(&mut self, node: usize, failure: Failure, at: u64) {
        self.show.guide.heard(self.node(node), Err(failure));
        self.note(node, failure, at);
    }

    /// Notes a failure: for the course, the health of the node, the counters and the access line.
    fn note(&mut self, node: usize, failure: Failure, at: u64) {
        self.course.failed(node, failure);
        if self.film.is_none() && matches!(failure, Failure::Absent | Failure::Deleted) {
            // That there is no such film is an answer.
            return;
        }
        engine::failed(self.node(node), failure);
        tracing::debug!(
            node = self.node(node).config.id.as_str(),
            reason = failure.as_str(),
            at,
            "a node failed a film"
        );
        self.resumed += 1;
        if self.resumes.len() < RESUMES_MAX {
            self.resumes.push(Resume { from: node, to: None, at, failure });
        }
    }

    /// A node serves: whoever failed before it was left for it.
    fn serves(&mut self, node: usize) {
        self.at_node = Some(node);
        self.resumes
            .iter_mut()
            .filter(|resume| resume.to.is_none())
            .for_each(|resume| resume.to = Some(node));
    }
}
