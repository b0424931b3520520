//! Work in parts on several threads, with results in the order of the parts: nothing depends on how many there are.

use std::sync::{Mutex, PoisonError};
use std::thread;

/// What `work` makes of each item.
pub fn each<T: Send, R: Send>(items: Vec<T>, threads: usize, work: impl Fn(T) -> R + Sync) -> Vec<R> {
    let count = items.len();
    let queue = Mutex::new(items.into_iter().enumerate());
    let done = Mutex::new(std::iter::repeat_with(|| None).take(count).collect::<Vec<Option<R>>>());
    thread::scope(|scope| {
        for _ in 0..threads.clamp(1, count.max(1)) {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some((at, item)) = next else { break };
                    let result = work(item);
                    done.lock().unwrap_or_else(PoisonError::into_inner)[at] = Some(result);
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().flatten().collect()
}

/// As many as this process may use at once.
#[must_use]
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_keep_their_order() {
        for threads in [1, 2, 7, 100] {
            let squares: Vec<u64> = each((0..50).collect(), threads, |n: u64| n * n);
            assert_eq!(squares, (0..50).map(|n| n * n).collect::<Vec<u64>>());
        }
        assert!(each(Vec::<u8>::new(), 3, |n| n).is_empty());
    }
}
