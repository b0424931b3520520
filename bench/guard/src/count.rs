//! What is counted: the instructions below one function, whose name callgrind is told.
//!
//! A case first does what it measures some times uncounted, so that caches, pools and what a thread sets up for itself
//! are as they are in a gate at work. Absent on purpose: callgrind itself, which runs round the whole process.

use std::future::{Future, poll_fn};
use std::hint::black_box;
use std::pin::pin;
use std::task::Poll;

/// The name by which callgrind finds [`instructions_counted_here`].
pub(crate) const COUNTED: &str = "*instructions_counted_here*";

/// Operations before those that are counted.
pub(crate) const WARM_UP: usize = 64;
/// Operations that are counted: enough that a rare growth of a table or a path of a hash cannot show.
pub(crate) const ROUNDS: usize = 256;

/// How many operations were counted.
#[derive(Debug, Default)]
pub(crate) struct Count(usize);

impl Count {
    /// Operations so far.
    pub(crate) fn operations(&self) -> usize {
        self.0
    }

    /// Counts an operation, which gets the number of its turn.
    pub(crate) fn each<R>(&mut self, mut operation: impl FnMut(usize) -> R) {
        let mut turns = |from: usize, to: usize| {
            for turn in from..to {
                black_box(operation(black_box(turn)));
            }
        };
        turns(0, WARM_UP);
        instructions_counted_here(&mut || turns(WARM_UP, WARM_UP + ROUNDS));
        self.0 += ROUNDS;
    }

    /// Counts one operation that waits, without what goes on while it does.
    pub(crate) async fn one<F: Future>(&mut self, operation: F) -> F::Output {
        let mut operation = pin!(operation);
        self.0 += 1;
        poll_fn(|cx| {
            let mut polled = Poll::Pending;
            instructions_counted_here(&mut || polled = operation.as_mut().poll(cx));
            polled
        })
        .await
    }
}

/// Callgrind counts from the entry of this function to its end.
#[inline(never)]
fn instructions_counted_here(work: &mut dyn FnMut()) {
    work();
    // Something to come back for: a jump in place of the call would leave callgrind inside.
    black_box(());
}
