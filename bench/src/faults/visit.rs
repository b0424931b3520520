//! One visit: a viewer asks the gate, goes where it is sent, and reads, with every byte looked at.
//!
//! Absent on purpose: who comes when (`audience`), and what a visit says about the gate (`judge`).

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::client::{Answer, Failed};
use super::film::Reel;
use super::seen::{End, Gap, PIECE, Role, Visit, Which};
use super::world::{Phase, World};
use crate::stage::{CITIES, Mode};

/// After the last byte nothing may follow; so long it is listened for.
const LISTEN: Duration = Duration::from_millis(500);

/// Nobody pauses for longer: after half a minute MinIO lets a reader go that takes nothing, which is no fault.
const PAUSE_MAX: Duration = Duration::from_secs(20);

/// Whom a viewer asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Door {
    pub(super) mode: Mode,
    pub(super) address: SocketAddr,
}

/// Who comes, and how it behaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guest {
    pub(super) role: Role,
    pub(super) which: Which,
    /// Its city.
    pub(super) home: usize,
    /// Its number among those of its city.
    pub(super) number: u8,
    /// First byte that is wanted; `None`: no range is asked for.
    pub(super) from: Option<u64>,
    /// It leaves when it has so many bytes.
    pub(super) leaves_after: Option<u64>,
    /// It reads so many bytes a second until the end is hurried; `None`: as fast as it can.
    pub(super) pace: Option<u64>,
    /// It stops reading after so many bytes ...
    pub(super) pauses_after: Option<u64>,
    /// ... until so long after the fault came, or it is lifted.
    pub(super) wakes_after: Duration,
}

/// How long a viewer waits for the next bytes, and for a piece.
#[derive(Clone, Copy, Debug)]
struct Patience {
    silence: Duration,
    piece: Duration,
}

impl Guest {
    fn address(&self) -> IpAddr {
        CITIES[self.home].viewer(self.number)
    }
}

/// Asks and reads.
pub(super) async fn visit(world: &Rc<World>, door: Door, guest: Guest) -> Visit {
    let asked = Instant::now();
    let mut reader = Reader {
        world: Rc::clone(world),
        guest,
        wanting_since: asked,
        piece_since: asked,
        piece: 0,
        bytes: 0,
        gate_ms: 0,
        silence: Gap::default(),
        wait: Gap::default(),
    };
    let mut sent_to = None;
    let end = match reader.ask(door, &mut sent_to).await {
        Ok((answer, patience)) => reader.read(answer, patience).await,
        Err(end) => {
            // The time that it waited for nothing counts.
            reader.got(0);
            end
        }
    };
    reader.visit(asked, sent_to, end)
}

struct Reader {
    world: Rc<World>,
    guest: Guest,
    wanting_since: Instant,
    piece_since: Instant,
    /// Bytes of the piece that has begun.
    piece: u64,
    bytes: u64,
    gate_ms: u64,
    silence: Gap,
    wait: Gap,
}

impl Reader {
    fn visit(self, asked: Instant, sent_to: Option<usize>, end: End) -> Visit {
        Visit {
            role: self.guest.role,
            which: self.guest.which,
            home: self.guest.home,
            asked_ms: self.world.ms(asked),
            ended_ms: self.world.now_ms(),
            sent_to,
            bytes: self.bytes,
            gate_ms: self.gate_ms,
            silence: self.silence,
            wait: self.wait,
            end,
        }
    }

    /// The answer with the film in it, and how long its bytes are waited for.
    async fn ask(&mut self, door: Door, sent_to: &mut Option<usize>) -> Result<(Answer, Patience), End> {
        let path = self.world.film(self.guest.which).path();
        let range = self.guest.from.map(|from| format!("Range: bytes={from}-\r\n")).unwrap_or_default();
        let more = format!("X-Forwarded-For: {}\r\n{range}", self.guest.address());
        let patience = Duration::from_millis(self.world.times.patience_ms());
        let answer = Answer::of(door.address, "films.example", &path, &more, patience).await;
        self.gate_ms = u64::try_from(self.wanting_since.elapsed().as_millis()).unwrap_or(u64::MAX);
        let answer = match answer {
            Ok(answer) => answer,
            Err(Failed::Late) => return Err(End::Silent { at: 0 }),
            Err(Failed::Broken(what)) => return Err(End::Unanswered(what)),
        };
        *sent_to = answer.field("watchgate-decision").and_then(decided);
        match (door.mode, answer.status) {
            (Mode::Stream, 200 | 206) => {
                let piece = Duration::from_millis(self.world.times.piece_patience_ms());
                Ok((answer, Patience { silence: patience, piece }))
            }
            (Mode::Redirect, 302) => self.follow(&answer, &range).await,
            (_, status @ 400..) => Err(self.refusal(status, answer, patience).await),
            (_, status) => Err(End::Unanswered(format!("answers with {status}"))),
        }
    }

    async fn follow(&self, answer: &Answer, range: &str) -> Result<(Answer, Patience), End> {
        let location = answer.field("location").and_then(|link| link.strip_prefix("http://"));
        let link = location.and_then(|link| link.split_once('/'));
        let Some((host, address, path)) =
            link.and_then(|(host, path)| Some((host, host.parse().ok()?, format!("/{path}"))))
        else {
            return Err(End::Unanswered("redirects to something that is no link".to_owned()));
        };
        let patience = Duration::from_millis(self.world.times.node_patience_ms());
        match Answer::of(address, host, &path, range, patience).await {
            Ok(answer) if matches!(answer.status, 200 | 206) => {
                Ok((answer, Patience { silence: patience, piece: patience }))
            }
            Ok(answer) => Err(End::NodeRefused { status: answer.status }),
            Err(Failed::Late) => Err(End::Silent { at: 0 }),
            Err(Failed::Broken(_)) => Err(End::NodeRefused { status: 0 }),
        }
    }

    async fn refusal(&self, status: u16, answer: Answer, patience: Duration) -> End {
        // The decision's header is asked for in the gate's configuration and names a node.
        let told = answer.head().lines().filter(|line| !line.to_lowercase().starts_with("watchgate-"));
        let mut told: Vec<String> = told.map(str::to_owned).collect();
        told.push(answer.text(patience).await);
        let word = self.world.private.iter().find(|word| told.iter().any(|line| line.contains(*word)));
        match word {
            Some(word) => End::Leaky { status, word: word.clone() },
            None => End::Refused { status },
        }
    }

    async fn read(&mut self, mut answer: Answer, patience: Patience) -> End {
        let film = self.world.film(self.guest.which);
        let (length, whole) = match answer.promised(self.guest.from) {
            Ok(promised) => promised,
            Err(what) => return End::Padded(what),
        };
        let Some(version) = film.version(whole) else {
            return End::Padded(format!("promises {whole} bytes, which no version of the film has"));
        };
        let wanted = self.guest.leaves_after.map_or(length, |bytes| bytes.min(length));
        if let Err(end) = self.pieces(&mut answer, film.reels[version], wanted, patience).await {
            return end;
        }
        // What follows the end of the film nobody asked for.
        if wanted == length
            && let Ok(more @ 1..) = answer.read(&mut [0; 1024], LISTEN).await
        {
            return End::Padded(format!("{more} bytes after the end"));
        }
        End::Whole { version }
    }

    async fn pieces(
        &mut self,
        answer: &mut Answer,
        reel: Reel,
        wanted: u64,
        patience: Patience,
    ) -> Result<(), End> {
        let (first, begun) = (self.guest.from.unwrap_or(0), Instant::now());
        let mut buffer = vec![0; 64 << 10];
        while self.bytes < wanted {
            let at = first + self.bytes;
            let most = (wanted - self.bytes).min(PIECE - self.piece);
            // A piece at most, which is the buffer.
            let most = usize::try_from(most).unwrap_or(buffer.len());
            // A drip is no film either.
            let left = patience.piece.saturating_sub(self.piece_since.elapsed());
            let read = match answer.read(&mut buffer[..most], patience.silence.min(left)).await {
                Ok(0) | Err(Failed::Broken(_)) => Err(End::Cut { at }),
                Err(Failed::Late) if left < patience.silence => Err(End::Slow { at }),
                Err(Failed::Late) => Err(End::Silent { at }),
                Ok(read) => Ok(read),
            };
            self.got(*read.as_ref().unwrap_or(&0));
            if let Some(at) = reel.first_wrong(at, &buffer[..read?]) {
                return Err(End::Wrong { at });
            }
            if self.piece == 0 {
                self.rest(begun).await;
            }
        }
        Ok(())
    }

    /// Keeps account of bytes that came, or of the end of waiting for them.
    fn got(&mut self, bytes: usize) {
        let gap = |since: Instant| {
            let ms = u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX);
            Gap { ms, from_ms: self.world.ms(since) }
        };
        self.silence = self.silence.max(gap(self.wanting_since));
        self.wait = self.wait.max(gap(self.piece_since));
        self.bytes += bytes as u64;
        self.piece = (self.piece + bytes as u64) % PIECE;
        self.wanting_since = Instant::now();
        if self.piece == 0 {
            self.piece_since = self.wanting_since;
        }
    }

    /// After a piece: keeps the pace, and pauses where it is to be paused.
    async fn rest(&mut self, begun: Instant) {
        if self.guest.pauses_after.is_some_and(|after| self.bytes >= after) {
            self.guest.pauses_after = None;
            let pause = async {
                self.world.reached(Phase::Harm).await;
                tokio::time::sleep(self.guest.wakes_after).await;
            };
            tokio::select! {
                () = pause => {}
                () = self.world.reached(Phase::After) => {}
                () = tokio::time::sleep(PAUSE_MAX) => {}
            }
        } else if let Some(pace) = self.guest.pace {
            let due = begun + Duration::from_secs_f64(self.bytes as f64 / pace as f64);
            tokio::select! {
                () = sleep_until(due) => {}
                () = self.world.reached(Phase::Hurry) => {}
            }
        } else {
            return;
        }
        self.wanting_since = Instant::now();
        self.piece_since = self.wanting_since;
    }
}

/// The node that a decision names.
fn decided(header: &str) -> Option<usize> {
    let node = header.split(';').find_map(|part| part.trim().strip_prefix("node="))?;
    CITIES.iter().position(|city| city.id == node)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_name_nodes() {
        let check = |header: &str, expected: Option<usize>| assert_eq!(decided(header), expected, "{header}");
        check("node=nyc;tier=geo;distance_km=12;score_ms=3;why=nearest", Some(1));
        check("tier=geo; node=fra", Some(0));
        check("node=mars", None);
        check("", None);
    }
}
