//! A second request to another node when the first byte of the first one is late, within a budget.
//!
//! The budget counts requests, not time: what hedges add stays below a twentieth of what is asked anyway, however
//! slow all nodes are. The one that comes second is dropped, and nothing is said against it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::engine::{Engine, Won};
use super::open::{Opened, Order};
use crate::decide::resume::Failure;

/// Hedges in hand when a gate starts, so that a quiet one can hedge at all.
const FIRST: u32 = 5;
/// The most that may be saved up.
const SAVED_MAX: u32 = 20;
/// Requests that earn one hedge.
const PRICE: u32 = 20;

/// The request that is sent if the first one is late.
#[derive(Debug)]
pub(super) struct Second {
    pub(super) after: Duration,
    pub(super) node: usize,
    pub(super) order: Order,
}

/// How a race ended.
#[derive(Debug)]
pub(super) struct Raced {
    /// Whose answer this is.
    pub(super) node: usize,
    pub(super) opened: Result<Opened, Failure>,
    /// Who failed before.
    pub(super) failed: Option<(usize, Failure)>,
}

/// Sends a request, and the second one if the first is late and the budget allows it. The first good answer wins.
pub(super) async fn race(engine: &Engine, node: usize, order: Order, second: Option<Second>) -> Raced {
    // Connecting takes a large future, and only for a moment: it must not be part of the film's.
    let mut first = Box::pin(engine.open(&order));
    let alone = |opened| Raced { node, opened, failed: None };
    let Some(second) = second else { return alone(first.await) };
    if let Ok(opened) = tokio::time::timeout(second.after, &mut first).await {
        return alone(opened);
    }
    if !engine.may_hedge() {
        return alone(first.await);
    }
    let other = second.node;
    let mut second = Box::pin(engine.open(&second.order));
    let (answered, opened) = tokio::select! {
        opened = &mut first => (node, opened),
        opened = &mut second => (other, opened),
    };
    let raced = match opened {
        Ok(opened) => Raced { node: answered, opened: Ok(opened), failed: None },
        Err(failure) => {
            let (node, opened) = if answered == node { (other, second.await) } else { (node, first.await) };
            Raced { node, opened, failed: Some((answered, failure)) }
        }
    };
    engine.hedged(match &raced.opened {
        Err(_) => Won::Nobody,
        Ok(_) if raced.node == node => Won::First,
        Ok(_) => Won::Second,
    });
    raced
}

/// Requests that may be spent on hedges, in twentieths.
#[derive(Debug)]
pub(super) struct Budget(AtomicU32);

impl Budget {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(FIRST * PRICE))
    }

    /// A request was sent anyway.
    pub(super) fn earn(&self) {
        let saved = |saved: u32| (saved < SAVED_MAX * PRICE).then_some(saved + 1);
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, saved);
    }

    /// Takes one hedge out, if there is one.
    pub(super) fn spend(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |saved| saved.checked_sub(PRICE)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hedges_stay_below_a_twentieth_of_the_requests() {
        let budget = Budget::new();
        let mut hedges = 0;
        for _ in 0..10_000 {
            budget.earn();
            hedges += u32::from(budget.spend());
        }
        assert_eq!(hedges, FIRST + 10_000 / PRICE);
    }

    #[test]
    fn what_is_saved_up_is_bounded() {
        let budget = Budget::new();
        (0..100_000).for_each(|_| budget.earn());
        assert_eq!((0..1000).filter(|_| budget.spend()).count(), SAVED_MAX as usize);
    }
}
