//! What all films of a gate have in common: connections to nodes, the budget of hedges, and counters.
//!
//! One for each gate. Its connections are pooled by node; they are opened on whatever runtime a film runs.

use std::fmt;
use std::sync::Arc;

use pingora::connectors::{ConnectorOptions, TransportConnector};
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use super::buffer::Buffers;
use super::hedge::Budget;
use super::open::{self, Opened, Order};
use crate::clock::Clock;
use crate::config;
use crate::decide::health::Trouble;
use crate::decide::presence::Version;
use crate::decide::resume::{Ask, Failure, Lie};
use crate::fleet::Node;

/// Idle connections to nodes that are kept, in all.
const POOL_CONNECTIONS: usize = 1024;

/// See the module.
pub struct Engine {
    connector: TransportConnector,
    clock: Clock,
    buffers: Buffers,
    hedges: Budget,
    hedged: [IntCounter; 3],
    parks: IntCounter,
}

/// Who was first after a hedge.
#[derive(Clone, Copy, Debug)]
pub(super) enum Won {
    First,
    Second,
    Nobody,
}

/// The words of [`Won`], in its order.
const WON: [&str; 3] = ["first", "second", "nobody"];

impl Engine {
    /// Makes an engine and registers its counters. Opens nothing.
    ///
    /// # Errors
    /// The registry has families of these names.
    pub fn new(clock: Clock, registry: &Registry) -> prometheus::Result<Self> {
        let about = "Second requests to another node because a first byte was late, by who was first.";
        let hedges = IntCounterVec::new(Opts::new("watchgate_hedges_total", about), &["won"])?;
        registry.register(Box::new(hedges.clone()))?;
        let about =
            "Requests to nodes given up because the viewer did not read; the film goes on when it does.";
        let parks = IntCounter::new("watchgate_parks_total", about)?;
        registry.register(Box::new(parks.clone()))?;
        Ok(Self {
            connector: TransportConnector::new(Some(ConnectorOptions::new(POOL_CONNECTIONS))),
            clock,
            buffers: Buffers::new(),
            hedges: Budget::new(),
            hedged: WON.map(|won| hedges.with_label_values(&[won])),
            parks,
        })
    }

    /// Asks a node by HEAD whether it holds a film, and which version. What that says of the node's health is told.
    ///
    /// # Errors
    /// The [`Failure`] of the node; [`Failure::Absent`] and [`Failure::Deleted`] are its word on the film.
    pub async fn look(
        &self,
        node: &Arc<Node>,
        key: &Arc<str>,
        config: &config::Stream,
    ) -> Result<Version, Failure> {
        let order = Order {
            node: Arc::clone(node),
            key: Arc::clone(key),
            ask: Ask::Look,
            film: None,
            pin_version: false,
            connect_timeout: config.connect_timeout,
            first_byte_timeout: config.first_byte_timeout,
        };
        let opened = open::open(&self.connector, &self.clock, &order).await;
        let looked = opened.and_then(|opened| {
            let film = opened.answer.ok_or(Failure::Status)?.film;
            Ok(Version { film, content_type: opened.content_type })
        });
        if let Some(trouble) = looked.as_ref().err().and_then(|failure| trouble(*failure)) {
            node.live.failed(trouble);
        }
        looked
    }

    pub(super) fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    pub(super) fn connector(&self) -> &TransportConnector {
        &self.connector
    }

    /// One request to one node.
    pub(super) async fn open(&self, order: &Order) -> Result<Opened, Failure> {
        self.hedges.earn();
        let opened = open::open(&self.connector, &self.clock, order).await;
        // A store that cannot read the other's ids may say so by 400; AWS S3 wants `s3:GetObjectVersion` for any id.
        let is_refused =
            matches!(opened, Err(Failure::Absent | Failure::Forbidden | Failure::Lie(Lie::Status)));
        if !order.is_pinned() || !is_refused {
            return opened;
        }
        // Copies that were not made by replication have versions of their own; their tag says whether they are equal.
        let order = Order { pin_version: false, ..order.clone() };
        self.hedges.earn();
        open::open(&self.connector, &self.clock, &order).await
    }

    /// Whether a late first byte may be answered with a second request.
    pub(super) fn may_hedge(&self) -> bool {
        self.hedges.spend()
    }

    pub(super) fn hedged(&self, won: Won) {
        self.hedged[won as usize].inc();
    }

    pub(super) fn parked(&self) {
        self.parks.inc();
    }
}

/// Counts a node's failure and tells its health.
pub(super) fn failed(node: &Node, failure: Failure) {
    node.metrics.resumes[failure.index()].inc();
    if let Some(trouble) = trouble(failure) {
        node.live.failed(trouble);
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("hedges", &self.hedges).finish_non_exhaustive()
    }
}

/// What a failure says of the node, not of the film.
fn trouble(failure: Failure) -> Option<Trouble> {
    match failure {
        Failure::Refused | Failure::NoAnswer => Some(Trouble::Refused),
        Failure::ConnectTimeout | Failure::FirstByte => Some(Trouble::Timeout),
        Failure::Stall | Failure::Drip => Some(Trouble::Stall),
        Failure::Cut => Some(Trouble::Cut),
        Failure::Busy => Some(Trouble::Busy),
        Failure::Status => Some(Trouble::Status),
        Failure::Lie(Lie::Whole | Lie::Range | Lie::Total | Lie::Tag | Lie::Length) => Some(Trouble::Lie),
        // The film's own affair, or the operator's: other films may be served well.
        Failure::Lie(Lie::NoTag | Lie::Coded | Lie::Status)
        | Failure::Forbidden
        | Failure::Down
        | Failure::Absent
        | Failure::Deleted
        | Failure::Stale => None,
    }
}
