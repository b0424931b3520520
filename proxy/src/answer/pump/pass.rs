//! One window on its way through the gate: read from its node, written to the viewer, until it is through, broken or
//! parked.
//!
//! Whoever is waited for is watched: a node by `decide::patience` and its health, a viewer by two deadlines. No
//! future here is dropped half done but to end the viewer's connection.

use std::future::poll_fn;
use std::mem;
use std::num::NonZeroU64;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use pingora_proxy::Session;
use tokio::time::{Instant, Sleep};

use super::window::{Ahead, Window};
use super::{Among, Pump};
use crate::clock::millis;
use crate::decide::health::State;
use crate::decide::patience::Limits;
use crate::decide::resume::Failure;

/// What is given to the viewer's connection at once, and so what a paused viewer holds in memory.
const PIECE: usize = 64 << 10;
/// While a node is waited for, health and patience are looked at so often.
const LOOK: Duration = Duration::from_millis(100);
/// The end of a window that the viewer held up for so long says nothing against the node: it has let go of a reader that
/// did not read. What the kernels hold of it, many megabytes, comes before that end.
const HELD_MS: u64 = 1_000;

/// Where a film is between nodes and viewer.
pub(super) struct Flow {
    /// The next byte for the viewer.
    pub(super) at: u64,
    pub(super) end: u64,
    pub(super) ahead: Option<Ahead>,
    buffer: BytesMut,
    /// For whatever is waited for now.
    timer: Pin<Box<Sleep>>,
}

impl Flow {
    pub(super) fn new(at: u64, end: u64) -> Self {
        let timer = Box::pin(tokio::time::sleep(Duration::ZERO));
        Self { at, end, ahead: None, buffer: BytesMut::new(), timer }
    }
}

/// What became of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passed {
    /// It is through, parked or failed: the film goes on.
    On,
    /// The viewer is gone.
    Left,
}

/// Why no piece came.
enum Nothing {
    /// The node is to be left.
    Failed(Failure),
    /// The viewer is gone.
    Left,
}

impl Pump<'_> {
    /// Hands a window on to the viewer.
    pub(super) async fn pass_on(&mut self, session: &mut Session, flow: &mut Flow, window: Window) -> Passed {
        let mut window = Some(window);
        let mut held_ms = 0;
        while let Some(open) = window.as_mut().filter(|open| open.left() > 0) {
            let read = match self.read(session, open, flow).await {
                Ok(read) => read,
                Err(Nothing::Left) => return Passed::Left,
                Err(Nothing::Failed(failure)) => {
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
            let before_ms = held_ms;
            if !self.hand_on(session, flow, read, &mut window, &mut held_ms).await {
                return Passed::Left;
            }
            let took_ms = held_ms - before_ms;
            self.pace.took_read(took_ms);
            let Some(open) = &mut window else {
                self.pace.parked();
                return Passed::On;
            };
            open.held(took_ms);
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

    /// Gives the viewer what was read, in pieces: while a piece waits for the viewer, nothing but that piece and what
    /// is still to be handed on lies in memory, and the latter only until the window is parked. False: the viewer is
    /// gone.
    async fn hand_on(
        &self,
        session: &mut Session,
        flow: &mut Flow,
        mut read: Bytes,
        window: &mut Option<Window>,
        held_ms: &mut u64,
    ) -> bool {
        let metrics = window.as_ref().map(|window| self.node(window.node()).metrics.sent_bytes.clone());
        while !read.is_empty() {
            let piece = if read.len() > PIECE {
                // A part of a large buffer would keep all of it alive for as long as the viewer does not read.
                Bytes::copy_from_slice(&read.split_to(PIECE))
            } else {
                mem::take(&mut read)
            };
            let length = piece.len() as u64;
            let is_last = flow.at + length == flow.end;
            let Some(took_ms) = self.write(session, flow, piece, is_last, window, *held_ms).await else {
                return false;
            };
            flow.at += length;
            *held_ms += took_ms;
            if let Some(sent_bytes) = &metrics {
                sent_bytes.inc_by(length);
            }
            if window.is_none() {
                // Parked meanwhile: what was read beyond this piece is asked for again.
                flow.buffer = BytesMut::new();
                break;
            }
        }
        true
    }

    /// The next bytes of a window, for as long as the node is worth waiting for.
    async fn read(
        &mut self,
        session: &mut Session,
        window: &mut Window,
        flow: &mut Flow,
    ) -> Result<Bytes, Nothing> {
        let most = self.pace.read();
        let cut = |_| Nothing::Failed(Failure::Cut);
        if let Poll::Ready(read) = once(pin!(window.body.read(&mut flow.buffer, most))).await {
            return read.inspect(|bytes| window.patience.got(bytes.len() as u64, 0)).map_err(cut);
        }
        let mut looked = Instant::now();
        flow.timer.as_mut().reset(looked + LOOK);
        loop {
            tokio::select! {
                biased;
                read = window.body.read(&mut flow.buffer, most) => {
                    let bytes = read.map_err(cut)?;
                    window.patience.got(bytes.len() as u64, millis(looked.elapsed()));
                    return Ok(bytes);
                }
                () = flow.timer.as_mut() => {
                    window.patience.waited(millis(looked.elapsed()));
                    looked = Instant::now();
                    if let Some(failure) = self.judge(window) {
                        return Err(Nothing::Failed(failure));
                    }
                    flow.timer.as_mut().reset(looked + LOOK);
                }
                () = gone(session) => return Err(Nothing::Left),
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
        let is_down = |node: usize| self.node(node).live.state() == State::Down;
        let has_other = || {
            let mut others = (self.show.order)(Among::Best);
            if is_down(node) {
                // While everything is down, the policy names nodes that are no better.
                others.retain(|other| !is_down(*other));
            }
            self.course.has_other(&others, node)
        };
        window.patience.look(&limits, is_down(node), has_other)
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

/// Waits until the viewer closes the connection or the stream. A request that follows early is kept for later.
pub async fn gone(session: &mut Session) {
    // Without content there is nothing else to read: an answer here would be a viewer who breaks the protocol.
    let _ = session.as_downstream_mut().read_body_or_idle(true).await;
}

/// Polls a future once.
async fn once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}
