//! One window on its way through the gate: read from its node, written to the viewer, until it is through, broken or
//! parked.
//!
//! Whoever is waited for is watched: a node by `decide::patience` and its health, a viewer by two deadlines. No
//! future here is dropped half done but to end the viewer's connection.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::mem;
use std::num::NonZeroU64;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use pingora_proxy::Session;
use tokio::time::{Instant, Sleep};

use super::buffer::Chunk;
use super::window::{Ahead, Window};
use super::{Among, Pump, Show};
use crate::answer::wire::{self, Wire};
use crate::clock::millis;
use crate::decide::health::State;
use crate::decide::patience::Limits;
use crate::decide::resume::Failure;

/// What is given at once to a viewer's connection that is not ours, and so what a paused viewer holds there.
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
    /// How long the viewer let us wait since the last window.
    waited_ms: u64,
    /// How long the viewer held up the last window.
    pub(super) held_ms: u64,
    /// For whatever is waited for now.
    timer: Pin<Box<Sleep>>,
}

impl Flow {
    pub(super) fn new(at: u64, end: u64) -> Self {
        let timer = Box::pin(tokio::time::sleep(Duration::ZERO));
        Self { at, end, ahead: None, waited_ms: 0, held_ms: 0, timer }
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
        // A viewer who let us wait before the window was asked for would have held it up.
        let waited_ms = mem::take(&mut flow.waited_ms);
        let mut held_ms = 0;
        while window.as_ref().is_some_and(|window| window.left() > 0) {
            // Nothing is read that the viewer would not take.
            let before_ms = held_ms;
            if !self.wait_for_room(session, flow, &mut window, &mut held_ms).await {
                return Passed::Left;
            }
            let Some(open) = &mut window else {
                self.pace.parked();
                return Passed::On;
            };
            open.held(held_ms - before_ms);
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
            if !self.hand_on(session, flow, read, &mut window, &mut held_ms).await {
                return Passed::Left;
            }
            let took_ms = held_ms - before_ms;
            if held_ms == 0 {
                self.pace.took_read();
            }
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
            flow.held_ms = held_ms;
            self.pace.took_window(window.bytes(), held_ms + waited_ms);
            window.release(self.show.engine);
        }
        Passed::On
    }

    /// Waits until the viewer's connection takes something, before a window is asked for that it would hold up. False:
    /// the viewer is gone.
    pub(super) async fn wait_before(&self, session: &Session, flow: &mut Flow) -> bool {
        let mut waited_ms = 0;
        let is_there = self.wait_for_room(session, flow, &mut None, &mut waited_ms).await;
        flow.waited_ms += waited_ms;
        is_there
    }

    /// Waits until the viewer's connection takes something, if that can be known beforehand. False: the viewer is gone.
    async fn wait_for_room(
        &self,
        session: &Session,
        flow: &mut Flow,
        window: &mut Option<Window>,
        held_ms: &mut u64,
    ) -> bool {
        let Some(wire) = Wire::of(session).filter(|wire| !wire.has_room()) else { return true };
        let mut hold = Hold { show: &self.show, window, rest: None, held_ms: *held_ms };
        let took_ms = hold.wait(flow, pin!(wire.writable())).await;
        *held_ms += took_ms.unwrap_or(0);
        took_ms.is_some()
    }

    /// Gives the viewer what was read. A window that the viewer holds up for too long is given up meanwhile, and with
    /// it what the viewer's connection has not taken: it is asked for again. False: the viewer is gone.
    async fn hand_on(
        &self,
        session: &mut Session,
        flow: &mut Flow,
        mut read: Chunk,
        window: &mut Option<Window>,
        held_ms: &mut u64,
    ) -> bool {
        let sent_bytes = window.as_ref().map(|window| self.node(window.node()).metrics.sent_bytes.clone());
        let at = flow.at;
        let is_there = if Wire::of(session).is_some() {
            self.write_directly(session, flow, &mut read, window, held_ms).await
        } else {
            self.write_pieces(session, flow, &mut read, window, held_ms).await
        };
        if let Some(sent_bytes) = sent_bytes {
            sent_bytes.inc_by(flow.at - at);
        }
        is_there
    }

    /// Writes to the viewer's connection itself, and holds nothing that it does not take once the window is given up.
    async fn write_directly(
        &self,
        session: &mut Session,
        flow: &mut Flow,
        rest: &mut Chunk,
        window: &mut Option<Window>,
        held_ms: &mut u64,
    ) -> bool {
        while !rest.rest().is_empty() {
            let Some(wire) = Wire::of(session) else { return false };
            match wire.try_write(rest.rest()) {
                Ok(0) => return false,
                Ok(taken) => {
                    rest.advance(taken);
                    flow.at += taken as u64;
                    if wire::account(session, taken, flow.at == flow.end).await.is_err() {
                        return false;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let mut hold =
                        Hold { show: &self.show, window, rest: Some(&mut *rest), held_ms: *held_ms };
                    let Some(took_ms) = hold.wait(flow, pin!(wire.writable())).await else { return false };
                    *held_ms += took_ms;
                }
                Err(_) => return false,
            }
        }
        true
    }

    /// Writes through the session, in pieces: what a piece is copied from must not be kept alive by it for as long as
    /// the viewer does not read.
    async fn write_pieces(
        &self,
        session: &mut Session,
        flow: &mut Flow,
        rest: &mut Chunk,
        window: &mut Option<Window>,
        held_ms: &mut u64,
    ) -> bool {
        while !rest.rest().is_empty() {
            let next = rest.rest();
            let piece = Bytes::copy_from_slice(&next[..next.len().min(PIECE)]);
            rest.advance(piece.len());
            flow.at += piece.len() as u64;
            let is_last = flow.at == flow.end;
            let mut write = pin!(session.write_response_body(Some(piece), is_last));
            let written = match once(write.as_mut()).await {
                Poll::Ready(written) => written,
                Poll::Pending => {
                    let mut hold =
                        Hold { show: &self.show, window, rest: Some(&mut *rest), held_ms: *held_ms };
                    let mut result = Ok(());
                    let write = async { result = write.await };
                    let Some(took_ms) = hold.wait(flow, pin!(write)).await else { return false };
                    *held_ms += took_ms;
                    result
                }
            };
            if written.is_err() {
                return false;
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
    ) -> Result<Chunk, Nothing> {
        let most = self.pace.read();
        let cut = |_| Nothing::Failed(Failure::Cut);
        if let Poll::Ready(read) = once(pin!(window.body.read(self.show.engine.buffers(), most))).await {
            return read.inspect(|chunk| window.patience.got(chunk.rest().len() as u64, 0)).map_err(cut);
        }
        let mut looked = Instant::now();
        flow.timer.as_mut().reset(looked + LOOK);
        loop {
            tokio::select! {
                biased;
                read = window.body.read(self.show.engine.buffers(), most) => {
                    let chunk = read.map_err(cut)?;
                    window.patience.got(chunk.rest().len() as u64, millis(looked.elapsed()));
                    return Ok(chunk);
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
    fn judge(&mut self, window: &mut Window) -> Option<Failure> {
        let config = self.show.config;
        let limits = Limits {
            stall_ms: millis(config.stall_timeout),
            min_bytes_per_s: config.min_rate.map_or(0, NonZeroU64::get),
        };
        let node = window.node();
        let is_down = self.is_down(node);
        let has_other = || {
            let mut others = self.order_of(Among::Best);
            if is_down {
                // While everything is down, the policy names nodes that are no better.
                others.retain(|other| !self.is_down(*other));
            }
            self.course.has_other(&others, node)
        };
        window.patience.look(&limits, is_down, has_other)
    }

    fn is_down(&self, node: usize) -> bool {
        self.node(node).live.state() == State::Down
    }

    /// Asks for the window after this one while the last bytes of this one are on their way, if the viewer is quick
    /// enough to notice the difference.
    fn look_ahead(&mut self, flow: &mut Flow, window: &Window) {
        let next = window.end();
        if flow.ahead.is_some() || next >= flow.end || !self.pace.is_ahead(window.left()) {
            return;
        }
        let node = window.node();
        if self.order_of(Among::Best).contains(&node) {
            flow.ahead =
                Some(Ahead::start(self.show.engine, self.order(node, self.part(next, flow.end)), node, next));
        }
    }
}

/// A wait for the viewer.
struct Hold<'a> {
    show: &'a Show<'a>,
    window: &'a mut Option<Window>,
    /// What was read and is not with the viewer yet.
    rest: Option<&'a mut Chunk>,
    /// How long the viewer has held the window up before.
    held_ms: u64,
}

impl Hold<'_> {
    /// Waits for the viewer to take something and says for how many milliseconds. When the window has been held up
    /// for too long, its node is freed, and what was read of it is dropped. `None`: the viewer takes nothing.
    async fn wait(&mut self, flow: &mut Flow, mut taken: Pin<&mut impl Future<Output = ()>>) -> Option<u64> {
        let config = self.show.config;
        let began = Instant::now();
        let park_at = began + config.park_after.saturating_sub(Duration::from_millis(self.held_ms));
        let leave_at = began + config.viewer_stall_timeout;
        self.rest.iter_mut().for_each(|rest| rest.settle());
        loop {
            let is_held = self.window.is_some() || flow.ahead.is_some();
            flow.timer.as_mut().reset(if is_held { park_at.min(leave_at) } else { leave_at });
            tokio::select! {
                biased;
                () = &mut taken => return Some(millis(began.elapsed())),
                () = flow.timer.as_mut() => {
                    if Instant::now() >= leave_at {
                        return None;
                    }
                    flow.ahead = None;
                    if let Some(window) = self.window.take() {
                        window.park();
                    }
                    self.rest.iter_mut().for_each(|rest| rest.clear());
                    self.show.engine.parked();
                }
            }
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
