//! The pump: brings one film, or a part of it, from nodes to one viewer, and keeps it going when a node dies.
//!
//! A film is asked for in windows that follow the viewer's pace, each from the node that serves best then. What
//! fails is asked for again from the next byte on, elsewhere. Between a node and a viewer lies one piece in memory
//! and nothing else. Absent on purpose: which nodes are best (the caller's order), and what any failure means
//! (`decide::resume`).

mod body;
mod engine;
mod hedge;
mod open;
mod window;

use std::future::poll_fn;
use std::num::NonZeroU64;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pingora_proxy::Session;
use smallvec::SmallVec;
use tokio::time::{Instant, Sleep};

use self::open::{Opened, Order};
use self::window::{Ahead, Window};
use crate::clock::millis;
use crate::config;
use crate::decide::health::State;
use crate::decide::pace::Pace;
use crate::decide::patience::Limits;
use crate::decide::resume::{Ask, Course, Failure, Identity, NoFilm, Step, Word, no_film};
use crate::fleet::{Fleet, Node};

pub use self::engine::Engine;

/// The nodes that may take the viewer now, best first.
pub type Nodes = SmallVec<[usize; NODES_USUAL]>;

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
    /// The nodes.
    pub fleet: &'a Fleet,
    /// The region that requests are signed for.
    pub region: &'a Arc<str>,
    /// The film's object key.
    pub key: &'a Arc<str>,
    /// Who is asked, best first.
    pub order: &'a (dyn Fn(Among) -> Nodes + Send + Sync),
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
}

/// What a node began to send, before the viewer has seen anything.
pub struct Begun {
    /// The film.
    pub film: Arc<Identity>,
    /// The node's place in the fleet.
    pub node: usize,
    /// The node's own word on the type.
    pub content_type: Option<Box<str>>,
    window: Option<Window>,
}

/// One change of course, for the access line.
#[derive(Clone, Copy, Debug)]
pub struct Resume {
    /// Who failed.
    pub from: usize,
    /// Who went on; `None`: nobody.
    pub to: Option<usize>,
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
/// While a node is waited for, health and patience are looked at so often.
const LOOK: Duration = Duration::from_millis(100);
/// An end that follows after the viewer held us up for so long says nothing against the node: it has let go of a
/// reader that did not read.
const HELD_MS: u64 = 1_000;

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
            show,
        }
    }

    /// Asks the nodes until one has the film, and begins at the byte that is asked for.
    ///
    /// # Errors
    /// Nobody had it, or nobody could say.
    pub async fn begin(&mut self, ask: Ask) -> Result<Begun, NoFilm> {
        loop {
            let order = self.candidates();
            let Step::Ask(node) = self.course.step(&order, None) else { return Err(self.no_film()) };
            let Ok((node, opened)) = self.open(node, &order, ask, 0).await else { continue };
            let opened = match opened.answer {
                Some(_) => Ok(opened),
                // The film is there, but has not those bytes: its size is needed for the answer.
                None => self.ask(node, Ask::Head).await,
            };
            match opened {
                Ok(Opened { answer: Some(answer), content_type, body }) => {
                    let film = Arc::new(answer.film);
                    self.film = Some(Arc::clone(&film));
                    let window = body.map(|body| Window::new(node, self.node(node), answer.first, body));
                    return Ok(Begun { film, node, content_type, window });
                }
                Ok(_) => self.fail(node, Failure::Status, 0),
                Err(failure) => self.fail(node, failure, 0),
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
        let timer = Box::pin(tokio::time::sleep(Duration::ZERO));
        let mut flow = Flow { at: first, end, buffer: BytesMut::new(), ahead: None, timer };
        let ended = loop {
            if flow.at == flow.end {
                break End::Whole;
            }
            let current = match window.take() {
                Some(window) => Ok(window),
                None => self.next_window(&mut flow).await,
            };
            let done = match current {
                Ok(current) => self.pass_on(session, &mut flow, current).await,
                Err(failure) => break End::Cut(failure),
            };
            match done {
                Passed::On => {}
                Passed::Left => break End::ViewerLeft,
            }
        };
        Sent { bytes: flow.at - first, end: ended }
    }

    /// Changes of course so far; the last of many are not in the list.
    #[must_use]
    pub fn resumes(&self) -> (&[Resume], u32) {
        (&self.resumes, self.resumed)
    }

    /// Bytes from `at` that a first request should ask for, of `left` that are wanted.
    #[must_use]
    pub fn first_window(&self, at: u64, left: u64) -> u64 {
        self.pace.window(at, left)
    }

    /// How a node failed the film last, if it did.
    #[must_use]
    pub fn heard(&self, node: usize) -> Option<Failure> {
        self.course.heard(node)
    }

    /// The node that served last.
    #[must_use]
    pub fn at_node(&self) -> Option<usize> {
        self.at_node
    }

    fn node(&self, node: usize) -> &'a Arc<Node> {
        &self.show.fleet.nodes[node]
    }

    /// Who may take the viewer. When all of them have failed, everybody: a verdict may be old, and somebody whom an
    /// operator drains may be the only one who holds the film.
    fn candidates(&self) -> Nodes {
        let is_hope = |order: &Nodes| order.iter().any(|node| self.course.is_fresh(*node));
        let order = (self.show.order)(Among::Best);
        if is_hope(&order) {
            return order;
        }
        let order = (self.show.order)(Among::All);
        let is_settled = || self.film.is_none() && (order.is_empty() || self.is_denied());
        if is_hope(&order) || is_settled() {
            return order;
        }
        (self.show.order)(Among::Everybody)
    }

    /// Whether those who know say that there is no such film.
    fn is_denied(&self) -> bool {
        matches!(self.no_film(), NoFilm::Unknown | NoFilm::Deleted)
    }

    fn no_film(&self) -> NoFilm {
        let source = self.show.fleet.source();
        let nodes = 0..self.show.fleet.nodes.len();
        no_film(nodes.map(|node| Word { is_source: source == Some(node), said: self.course.heard(node) }))
    }

    /// Opens the window at `flow.at`: the one that was asked for ahead, or a new one.
    async fn next_window(&mut self, flow: &mut Flow) -> Result<Window, Failure> {
        // What was asked for ahead is of no use if the window before it broke.
        if let Some(ahead) = flow.ahead.take().filter(|ahead| ahead.first() == flow.at) {
            let node = ahead.node();
            match ahead.window().await {
                Ok(window) => return Ok(window),
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
                Step::GiveUp => return Err(self.last_failure()),
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

    fn last_failure(&self) -> Failure {
        self.resumes.last().map_or(Failure::Refused, |resume| resume.failure)
    }

    /// Asks a node, and another one beside it if its first byte is late. `Err`: who failed has been noted.
    async fn open(&mut self, node: usize, order: &Nodes, ask: Ask, at: u64) -> Result<(usize, Opened), ()> {
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
            region: Arc::clone(self.show.region),
            ask,
            film: self.film.clone(),
            pin_version: config.pin_version,
            connect_timeout: config.connect_timeout,
            first_byte_timeout: config.first_byte_timeout,
        }
    }

    /// Notes a failure: for the course, the health of the node, the counters and the access line.
    fn fail(&mut self, node: usize, failure: Failure, at: u64) {
        self.course.failed(node, failure);
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

/// Where a film is between nodes and viewer.
struct Flow {
    /// The next byte for the viewer.
    at: u64,
    end: u64,
    buffer: BytesMut,
    ahead: Option<Ahead>,
    /// For whatever is waited for now.
    timer: Pin<Box<Sleep>>,
}

/// What became of a window.
enum Passed {
    /// It is through, parked or failed: the film goes on.
    On,
    /// The viewer is gone.
    Left,
}

impl Pump<'_> {
    /// Hands a window on to the viewer, piece by piece.
    async fn pass_on(&mut self, session: &mut Session, flow: &mut Flow, window: Window) -> Passed {
        let mut window = Some(window);
        let mut held_ms = 0;
        while let Some(open) = window.as_mut().filter(|open| open.left() > 0) {
            let piece = match self.read(open, flow).await {
                Ok(piece) => piece,
                Err(failure) => {
                    // A node lets go of a reader that does not read: that says nothing against it.
                    if failure != Failure::Cut || open.held_ms() < HELD_MS {
                        self.fail(open.node(), failure, flow.at);
                    }
                    return Passed::On;
                }
            };
            self.course.progressed();
            self.serves(open.node());
            self.look_ahead(flow, open);
            let length = piece.len() as u64;
            let is_last = flow.at + length == flow.end;
            let Some(took_ms) = self.write(session, flow, piece, is_last, &mut window, held_ms).await else {
                return Passed::Left;
            };
            flow.at += length;
            held_ms += took_ms;
            self.pace.took_read(took_ms);
            let Some(open) = &mut window else {
                self.pace.parked();
                return Passed::On;
            };
            open.passed(length, took_ms);
            if let Some(failure) = self.judge(open).filter(|_| open.left() > 0) {
                self.fail(open.node(), failure, flow.at);
                return Passed::On;
            }
        }
        if let Some(window) = window {
            self.pace.took_window(window.bytes(), held_ms);
            window.release(self.show.engine);
        }
        Passed::On
    }

    /// The next piece of a window, for as long as the node is worth waiting for.
    async fn read(&mut self, window: &mut Window, flow: &mut Flow) -> Result<Bytes, Failure> {
        let most = self.pace.read();
        if let Poll::Ready(read) = once(pin!(window.body.read(&mut flow.buffer, most))).await {
            return read
                .inspect(|piece| window.patience.got(piece.len() as u64, 0))
                .map_err(|_| Failure::Cut);
        }
        let mut looked = Instant::now();
        flow.timer.as_mut().reset(looked + LOOK);
        loop {
            tokio::select! {
                biased;
                read = window.body.read(&mut flow.buffer, most) => {
                    let piece = read.map_err(|_| Failure::Cut)?;
                    window.patience.got(piece.len() as u64, millis(looked.elapsed()));
                    return Ok(piece);
                }
                () = flow.timer.as_mut() => {
                    window.patience.waited(millis(looked.elapsed()));
                    looked = Instant::now();
                    if let Some(failure) = self.judge(window) {
                        return Err(failure);
                    }
                    flow.timer.as_mut().reset(looked + LOOK);
                }
            }
        }
    }

    /// Whether the node that serves the window has to be left.
    fn judge(&self, window: &mut Window) -> Option<Failure> {
        let config = self.show.config;
        let limits = Limits {
            stall_ms: millis(config.stall_timeout),
            min_bytes_per_s: config.min_rate.map_or(0, NonZeroU64::get),
        };
        let node = window.node();
        let is_down = self.node(node).live.state() == State::Down;
        window
            .patience
            .look(&limits, is_down, || self.course.has_other(&(self.show.order)(Among::Best), node))
    }

    /// Gives a piece to the viewer and says how many milliseconds the viewer let us wait. A window that has been held
    /// up for too long is given up meanwhile. `None`: the viewer is gone.
    async fn write(
        &self,
        session: &mut Session,
        flow: &mut Flow,
        piece: Bytes,
        is_last: bool,
        window: &mut Option<Window>,
        held_ms: u64,
    ) -> Option<u64> {
        let config = self.show.config;
        let mut write = pin!(session.write_response_body(Some(piece), is_last));
        if let Poll::Ready(written) = once(write.as_mut()).await {
            return written.is_ok().then_some(0);
        }
        let began = Instant::now();
        let park_at = began + config.park_after.saturating_sub(Duration::from_millis(held_ms));
        let leave_at = began + config.viewer_stall_timeout;
        loop {
            let is_held = window.as_ref().is_some_and(|window| window.left() > 0);
            flow.timer.as_mut().reset(if is_held { park_at.min(leave_at) } else { leave_at });
            tokio::select! {
                biased;
                written = &mut write => return written.is_ok().then(|| millis(began.elapsed())),
                () = flow.timer.as_mut() => {
                    if Instant::now() >= leave_at {
                        return None;
                    }
                    (*window, flow.ahead) = (None, None);
                    self.show.engine.parked();
                }
            }
        }
    }

    /// Asks for the window after this one while the last bytes of this one are on their way, if the viewer is quick
    /// enough to notice the difference.
    fn look_ahead(&self, flow: &mut Flow, window: &Window) {
        let next = window.end();
        if flow.ahead.is_some() || next >= flow.end || window.left() > self.pace.ahead() {
            return;
        }
        let node = window.node();
        if (self.show.order)(Among::Best).contains(&node) {
            flow.ahead =
                Some(Ahead::start(self.show.engine, self.order(node, self.part(next, flow.end)), node, next));
        }
    }
}

/// Polls a future once.
async fn once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}
