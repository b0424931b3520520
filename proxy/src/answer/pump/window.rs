//! A window of a film that a node is sending, and one that was asked for ahead of its time.
//!
//! Both count as a stream on their node until they are dropped, and both end their request when they are dropped
//! before its end.

use std::sync::Arc;

use tokio::task::JoinHandle;

use super::body::Body;
use super::engine::Engine;
use super::open::{Opened, Order};
use crate::decide::patience::Patience;
use crate::decide::resume::Failure;
use crate::fleet::{Node, Streaming};

/// What a node is sending.
#[derive(Debug)]
pub(super) struct Window {
    pub(super) body: Body,
    pub(super) patience: Patience,
    node: Arc<Node>,
    index: usize,
    first: u64,
    bytes: u64,
    held_ms: u64,
    _stream: Streaming,
}

impl Window {
    /// The window from `first` on that `body` brings.
    pub(super) fn new(index: usize, node: &Arc<Node>, first: u64, body: Body) -> Self {
        Self {
            bytes: body.left(),
            body,
            patience: Patience::default(),
            _stream: node.live.stream_begins(),
            node: Arc::clone(node),
            index,
            first,
            held_ms: 0,
        }
    }

    /// The node's place in the film's cast.
    pub(super) fn node(&self) -> usize {
        self.index
    }

    /// Position of its first byte.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Position after its last byte.
    pub(super) fn end(&self) -> u64 {
        self.first + self.bytes
    }

    /// All its bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes that are still to be read.
    pub(super) fn left(&self) -> u64 {
        self.body.left()
    }

    /// The longest time for which the viewer held it up.
    pub(super) fn held_ms(&self) -> u64 {
        self.held_ms
    }

    /// No more than `length` bytes are wanted.
    pub(super) fn limit(&mut self, length: u64) {
        self.body.limit(length);
        self.bytes = self.body.left();
    }

    /// What was read is with the viewer, who let us wait for so long.
    pub(super) fn held(&mut self, ms: u64) {
        self.held_ms = self.held_ms.max(ms);
    }

    /// It is given up because the viewer does not read. The node did well.
    pub(super) fn park(self) {
        self.node.live.served();
    }

    /// It is through: its connection is free, and the node did well.
    pub(super) fn release(self, engine: &Engine) {
        self.node.live.served();
        self.body.release(engine.connector());
    }
}

/// A request that was sent before its window is due; it goes on by itself.
#[derive(Debug)]
pub(super) struct Ahead {
    task: Option<JoinHandle<Result<Opened, Failure>>>,
    node: Arc<Node>,
    index: usize,
    first: u64,
    _stream: Streaming,
}

impl Ahead {
    pub(super) fn start(engine: &Arc<Engine>, order: Order, index: usize, first: u64) -> Self {
        let node = Arc::clone(&order.node);
        let engine = Arc::clone(engine);
        let task = tokio::spawn(async move { engine.open(&order).await });
        Self { task: Some(task), _stream: node.live.stream_begins(), node, index, first }
    }

    /// The node's place in the film's cast.
    pub(super) fn node(&self) -> usize {
        self.index
    }

    /// Position of its first byte.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The window, once its head is there.
    pub(super) async fn window(mut self) -> Result<Window, Failure> {
        let Some(task) = &mut self.task else { return Err(Failure::NoAnswer) };
        let opened = task.await.unwrap_or(Err(Failure::NoAnswer))?;
        let body = opened.body.ok_or(Failure::Status)?;
        Ok(Window::new(self.index, &self.node, self.first, body))
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
