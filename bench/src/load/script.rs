//! What one viewer does in one tab, and when: fixed before it begins, whatever the answers are.
//!
//! Times count from the beginning; an act is due by them even if the one before is not answered yet, so that a slow
//! gate gets no fewer questions. Absent on purpose: a clock.

use std::rc::Rc;
use std::time::Duration;

use super::scenario::{ActKind, Behaviour};
use crate::random::Random;

/// The shortest time between two acts: no hand is faster.
const GAP_MIN_S: f64 = 0.05;
/// No viewer has more tabs.
pub(super) const TABS_MAX: usize = 8;

/// Something a viewer does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Act {
    /// Jumps to this part of the film, 0 to 1.
    Seek(f64),
    /// Reads nothing for so long.
    Pause(Duration),
    /// Goes; `early`: has had enough, rather than no more time.
    Leave { early: bool },
}

/// How a tab's player reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Player {
    /// Bytes a second of film.
    pub(super) rate: f64,
    /// Bytes that are read as fast as possible at a start and after a seek.
    pub(super) buffer: f64,
    /// Asks the gate again for each seek.
    pub(super) asks_again: bool,
}

/// The acts of a tab, one after the other.
#[derive(Debug)]
pub(super) struct Script {
    behaviour: Rc<Behaviour>,
    random: Random,
    at_s: f64,
    stays_s: f64,
    is_over: bool,
}

/// How many tabs a viewer opens.
pub(super) fn tabs(behaviour: &Behaviour, random: &mut Random) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to a few")]
    let tabs = behaviour.tabs.draw(random).round().clamp(1.0, TABS_MAX as f64) as usize;
    tabs
}

impl Player {
    pub(super) fn draw(behaviour: &Behaviour, random: &mut Random) -> Self {
        // A player that reads nothing would never end; 8 kbit/s is slower than any film.
        let rate = (behaviour.bit_rate_kbps.draw(random) * 125.0).max(1000.0);
        Self {
            rate,
            buffer: rate * behaviour.buffer_s.draw(random),
            asks_again: random.between(0.0, 1.0) < behaviour.asks_again,
        }
    }
}

impl Script {
    pub(super) fn new(behaviour: Rc<Behaviour>, mut random: Random) -> Self {
        let stays_s = behaviour.stays_s.draw(&mut random);
        Self { behaviour, random, at_s: 0.0, stays_s, is_over: false }
    }

    /// The next act and when it is due. After [`Act::Leave`] the same again.
    pub(super) fn next(&mut self) -> (Duration, Act) {
        let gap = self.behaviour.acts_after_s.draw(&mut self.random).max(GAP_MIN_S);
        let kind = self.behaviour.acts.draw(&mut self.random).copied();
        let due_s = self.at_s + gap;
        let act = match kind {
            _ if self.is_over || due_s >= self.stays_s => None,
            None => None,
            Some(kind) => Some(kind),
        };
        let act = match act {
            None => {
                self.is_over = true;
                return (seconds(self.stays_s), Act::Leave { early: false });
            }
            Some(ActKind::Abandon) => {
                (self.is_over, self.stays_s) = (true, due_s);
                Act::Leave { early: true }
            }
            Some(ActKind::Seek) => Act::Seek(self.random.between(0.0, 1.0)),
            Some(ActKind::Pause) => Act::Pause(seconds(self.behaviour.pause_s.draw(&mut self.random))),
        };
        self.at_s = due_s + if let Act::Pause(pause) = act { pause.as_secs_f64() } else { 0.0 };
        (seconds(due_s), act)
    }
}

/// A day at most: longer than any run.
fn seconds(value: f64) -> Duration {
    Duration::from_secs_f64(value.clamp(0.0, 86_400.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::scenario::Scenario;

    fn behaviours() -> Vec<Rc<Behaviour>> {
        let mut random = Random::new(1);
        let of = |name: &str| Scenario::find(name).unwrap();
        ["prime-time", "premiere", "scrubbing", "paused-evening", "clicks"]
            .iter()
            .flat_map(|name| {
                (0..20)
                    .map(|_| Rc::new(of(name).behaviours.draw(&mut random).unwrap().clone()))
                    .collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn acts_are_in_order_and_end_with_leaving() {
        for (seed, behaviour) in (0..).zip(behaviours()) {
            let mut script = Script::new(behaviour, Random::new(seed));
            let (mut before, mut resting) = (Duration::ZERO, Duration::ZERO);
            for count in 0.. {
                let (due, act) = script.next();
                assert!(count < 100_000, "it ends");
                if let Act::Leave { .. } = act {
                    assert_eq!(script.next().1, Act::Leave { early: false }, "and stays ended");
                    break;
                }
                assert!(due >= before + resting, "{act:?} at {due:?} after {before:?} and {resting:?}");
                resting = if let Act::Pause(pause) = act { pause } else { Duration::ZERO };
                before = due;
            }
        }
    }

    #[test]
    fn who_does_nothing_leaves_when_it_is_time() {
        let scenario = Scenario::find("clicks").unwrap();
        let behaviour = Rc::new(scenario.behaviours.draw(&mut Random::new(1)).unwrap().clone());
        let mut script = Script::new(behaviour, Random::new(1));
        assert_eq!(script.next(), (Duration::from_millis(100), Act::Leave { early: false }));
    }

    #[test]
    fn players_read_and_have_tabs() {
        let mut random = Random::new(3);
        for behaviour in behaviours() {
            let player = Player::draw(&behaviour, &mut random);
            assert!(player.rate >= 1000.0 && player.buffer >= 0.0, "{player:?}");
            assert!((1..=TABS_MAX).contains(&tabs(&behaviour, &mut random)));
        }
    }
}
