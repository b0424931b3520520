//! What the people of a story share: its clock, its phase, the films, and who is asked.
//!
//! One thread, no locks. Absent on purpose: anything about nodes and how they are harmed.

use std::cell::RefCell;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::film::Film;
use super::seen::Which;
use super::times::Times;

/// Where a story stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Before,
    Harm,
    After,
    /// Everything is read to its end at full speed; nobody comes any more.
    Hurry,
}

/// The films of a story.
#[derive(Clone, Debug)]
pub(super) struct Films {
    pub(super) feature: Film,
    pub(super) clip: Film,
    /// What arriving viewers ask for as soon as it is there.
    pub(super) fresh: Option<Film>,
}

/// How many viewers there are, in each mode.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) watching: u8,
    pub(super) paused: u8,
    /// One comes so often to be streamed to ...
    pub(super) stream_every: Duration,
    /// ... and to be redirected.
    pub(super) redirect_every: Duration,
    /// Bytes a second of those who watch.
    pub(super) pace: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct World {
    pub(super) times: Times,
    pub(super) size: Size,
    pub(super) films: RefCell<Films>,
    /// Words that no refusal may have in it.
    pub(super) private: Vec<String>,
    begun: Instant,
    phase: watch::Sender<Phase>,
}

impl World {
    pub(super) fn new(times: Times, size: Size, films: Films, private: Vec<String>) -> Self {
        let phase = watch::Sender::new(Phase::Before);
        Self { times, size, films: RefCell::new(films), private, begun: Instant::now(), phase }
    }

    /// Milliseconds since the story began.
    pub(super) fn now_ms(&self) -> u64 {
        self.ms(Instant::now())
    }

    pub(super) fn ms(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.begun).as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    /// Waits until the story has come so far.
    pub(super) async fn reached(&self, phase: Phase) {
        let mut watched = self.phase.subscribe();
        // Fails only when the sender is gone, which is part of this.
        let _ = watched.wait_for(|now| *now >= phase).await;
    }

    /// What an arriving viewer asks for now.
    pub(super) fn wanted(&self) -> Which {
        if self.films.borrow().fresh.is_some() { Which::Fresh } else { Which::Clip }
    }

    pub(super) fn film(&self, which: Which) -> Film {
        let films = self.films.borrow();
        match which {
            Which::Feature => films.feature.clone(),
            Which::Clip => films.clip.clone(),
            Which::Fresh => films.fresh.clone().unwrap_or_else(|| films.clip.clone()),
        }
    }
}
