//! What the gate does when a node says that something changed in its bucket.
//!
//! Nothing is believed: an event is a reason to ask again. Absent on purpose: the webhook itself (`admin`), and any wait.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

use super::Gate;
use crate::decide::event::{Event, Kind};

impl Gate {
    /// Takes one event of a webhook. What happened in another bucket than the films' counts as other, and is passed over.
    pub fn heard(&self, event: &Event) {
        if event.bucket == self.snapshot.load().config.bucket.name {
            self.object_changed(&event.key, event.kind);
        } else {
            self.object_changed("", Kind::Other);
        }
    }

    /// Something happened to the object at `key` on some node. Never waits. Of [`Kind::Other`] the key may be empty.
    pub fn object_changed(&self, key: &str, kind: Kind) {
        self.events.taken[kind as usize].inc();
        tracing::debug!(key, kind = kind.as_str(), "a bucket event");
        if kind != Kind::Other
            && let Some(finder) = &self.finder
        {
            finder.ask_again(&self.snapshot.load_full(), key);
        }
    }

    /// A webhook was turned away.
    pub(crate) fn event_refused(&self, why: EventRefused) {
        self.events.refused[why as usize].inc();
    }
}

/// Why a webhook was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventRefused {
    /// It did not bring the events token.
    Token,
    /// Its body or its list of records is too long.
    Size,
    /// Its body is no notification, or never came whole.
    Body,
}

impl EventRefused {
    const ALL: [Self; 3] = [Self::Token, Self::Size, Self::Body];

    fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Size => "size",
            Self::Body => "body",
        }
    }
}

/// What is counted about bucket events.
#[derive(Debug)]
pub(super) struct EventMetrics {
    taken: [IntCounter; Kind::ALL.len()],
    refused: [IntCounter; EventRefused::ALL.len()],
}

impl EventMetrics {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let family = |name, help, label| {
            let family = IntCounterVec::new(Opts::new(name, help), &[label])?;
            registry.register(Box::new(family.clone()))?;
            prometheus::Result::Ok(family)
        };
        let taken = family("watchgate_events_total", "Bucket events taken, by what happened.", "kind")?;
        let refused = family("watchgate_events_refused_total", "Webhooks turned away.", "reason")?;
        Ok(Self {
            taken: Kind::ALL.map(|kind| taken.with_label_values(&[kind.as_str()])),
            refused: EventRefused::ALL.map(|why| refused.with_label_values(&[why.as_str()])),
        })
    }
}
