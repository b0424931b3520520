//! A viewer: one to a few tabs, each of them a film that is asked for, read at its pace, left and come back to.
//!
//! A player that is let down comes back to the gate where it stopped, as good players do; each time counts as a fault
//! of whoever let it down. Absent on purpose: skipping anything because something was late.

use std::cell::RefCell;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, HeaderValue, LOCATION, RANGE};
use http::uri::Authority;
use http::{HeaderName, StatusCode, Uri};
use tokio::time::{sleep, timeout};

use super::blocks::Check;
use super::cause::Cause;
use super::client::{Answer, Body, Client, Pool, Speak};
use super::films::Film;
use super::homes::Home;
use super::places::Places;
use super::script::{Act, Player, Script};
use super::tally::{End, Kind, Node, Party, Tally};
use crate::run::Stop;
use crate::schedule::Alarm;

/// How often in a row a player tries before it gives up.
const TRIES: u32 = 4;
/// Before a player tries again, by how often it has failed.
const TRY_AFTER: [Duration; 3] = [Duration::ZERO, Duration::from_secs(1), Duration::from_secs(2)];
/// The rest of a block is read at most so long, when a viewer leaves it.
const FINISH: Duration = Duration::from_secs(2);
/// A store may let go who pauses at least so long: together with what the kernels still hold it is half a minute soon.
const LONG_PAUSE: Duration = Duration::from_secs(1);
/// What may have been on its way when a store let go: kernels on both sides hold no more.
const ON_ITS_WAY: u64 = 8 << 20;
/// Of an answer that is no film.
const DRAINED: usize = 64 << 10;

/// What all viewers of a run share.
pub(super) struct Shared {
    pub(super) client: Rc<Client>,
    /// Where films are asked for: `http://host/watch/`.
    pub(super) targets: Vec<String>,
    pub(super) speak: Speak,
    pub(super) header: Option<Header>,
    pub(super) resolve_only: bool,
    pub(super) patience: Duration,
    pub(super) alarm: Rc<Alarm>,
    pub(super) stop: Rc<Stop>,
    pub(super) tally: RefCell<Tally>,
    pub(super) places: Places,
}

/// How the gate is told a viewer's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Header {
    XForwardedFor,
    Forwarded,
    XRealIp,
}

/// A film in a tab.
pub(super) struct Tab {
    pub(super) shared: Rc<Shared>,
    /// Connections of this viewer.
    pub(super) pool: Rc<Pool>,
    /// Connections to the gate: the same, or those of all viewers.
    pub(super) gate_pool: Rc<Pool>,
    pub(super) home: Home,
    pub(super) film: Rc<Film>,
    pub(super) player: Player,
    pub(super) script: Script,
    /// When it is due.
    pub(super) begun: Instant,
    /// Index in [`Shared::targets`].
    pub(super) target: usize,
}

/// What is to be asked for.
struct Want {
    kind: Kind,
    due: Instant,
    from: u64,
}

/// A film on its way.
struct Stream {
    body: Body,
    node: usize,
    party: Party,
}

enum Opened {
    Stream(Stream),
    /// The gate's word was enough.
    Resolved,
}

/// Why reading stopped.
enum Read {
    /// To go on at this part of the film, as was due then.
    Seek(f64, Instant),
    /// The viewer goes.
    Leave {
        early: bool,
    },
    End,
    Broken(Cause),
    RunOver,
}

/// One reading at a player's pace.
struct Pace {
    begun: Instant,
    player: Player,
    read: u64,
}

impl Pace {
    /// How long to wait, so that no more is read than was shown and what fits the buffer.
    fn ahead(&self, now: Instant) -> Duration {
        let shown = now.saturating_duration_since(self.begun).as_secs_f64() * self.player.rate;
        let ahead = self.read as f64 - shown - self.player.buffer;
        Duration::from_secs_f64((ahead / self.player.rate).clamp(0.0, 3600.0))
    }
}

impl Header {
    fn field(self, home: &Home) -> Option<(HeaderName, HeaderValue)> {
        let address = home.address;
        let (name, value) = match self {
            Self::XForwardedFor => ("x-forwarded-for", address.to_string()),
            Self::XRealIp => ("x-real-ip", address.to_string()),
            Self::Forwarded if address.is_ipv6() => ("forwarded", format!("for=\"[{address}]\"")),
            Self::Forwarded => ("forwarded", format!("for={address}")),
        };
        Some((HeaderName::from_static(name), HeaderValue::from_str(&value).ok()?))
    }
}

impl Tab {
    /// From the beginning to the end, whatever comes.
    pub(super) async fn watch(mut self) -> End {
        let mut check = Check::new(self.film.blocks.clone());
        let mut act = self.script.next();
        let mut want = Want { kind: Kind::Start, due: self.begun, from: 0 };
        let (mut link, mut failures, mut broke) = (None, 0, None);
        loop {
            if !self.wait(want.due).await {
                return End::RunOver;
            }
            check.jump(want.from);
            let read = match self.open(&want, &mut link).await {
                Ok(Opened::Resolved) => self.rest(&mut act).await,
                Ok(Opened::Stream(mut stream)) => {
                    let before = check.at();
                    let read = self.read(&mut stream, &mut check, &want, &mut act, broke).await;
                    if check.at() > before {
                        (failures, broke) = (0, None);
                    }
                    if let Read::Broken(cause) = read {
                        self.fault(stream.party, cause);
                    }
                    read
                }
                Err((party, cause)) => {
                    self.fault(party, cause);
                    Read::Broken(cause)
                }
            };
            want = match read {
                Read::End => return End::Whole,
                Read::RunOver => return End::RunOver,
                Read::Leave { early } => return if early { End::Abandoned } else { End::Left },
                Read::Seek(part, due) => {
                    if self.player.asks_again {
                        link = None;
                    }
                    (failures, broke) = (0, None);
                    Want { kind: Kind::Seek, due, from: self.place(part) }
                }
                Read::Broken(Cause::WrongBytes) => return End::Lost,
                Read::Broken(_) => {
                    failures += 1;
                    if failures >= TRIES {
                        return End::Lost;
                    }
                    link = None;
                    let now = Instant::now();
                    broke = broke.or(Some(now));
                    let due = now + TRY_AFTER[(failures as usize - 1).min(TRY_AFTER.len() - 1)];
                    // Who would have left by then does not try again.
                    if matches!(act, (after, Act::Leave { .. }) if self.begun + after <= due) {
                        return End::Lost;
                    }
                    Want { kind: Kind::Resume, due, from: check.at() }
                }
            };
        }
    }

    fn fault(&self, party: Party, cause: Cause) {
        self.shared.tally.borrow_mut().fault(party, cause, Instant::now());
    }

    /// Waits for a moment; `false`: the run is over first.
    async fn wait(&self, until: Instant) -> bool {
        tokio::select! {
            biased;
            () = self.shared.stop.stopped() => false,
            () = self.shared.alarm.until(until) => true,
        }
    }

    /// Where a seek to this part goes: to the beginning of a block, so that all of it can be checked.
    fn place(&self, part: f64) -> u64 {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the film")]
        let at = (part * self.film.size as f64) as u64;
        let at = at.min(self.film.size - 1);
        self.film.blocks.as_ref().map_or(at, |blocks| blocks.aligned(at))
    }

    /// Without reading: until the next act that asks something.
    async fn rest(&mut self, act: &mut (Duration, Act)) -> Read {
        loop {
            let (after, what) = *act;
            let due = self.begun + after;
            if !self.wait(due).await {
                return Read::RunOver;
            }
            *act = self.script.next();
            match what {
                Act::Leave { early } => return Read::Leave { early },
                Act::Seek(part) if self.player.asks_again => return Read::Seek(part, due),
                // Who has a link needs no other one.
                Act::Seek(_) | Act::Pause(_) => {}
            }
        }
    }

    /// Asks the gate, or the node of the link, for the film from there on.
    async fn open(&self, want: &Want, link: &mut Option<Uri>) -> Result<Opened, (Party, Cause)> {
        let mut range = HeaderMap::new();
        let from = HeaderValue::from_str(&format!("bytes={}-", want.from));
        range.extend(from.ok().map(|from| (RANGE, from)));
        if let Some(link) = link.as_ref() {
            self.shared.tally.borrow_mut().sent_to_link(want.due, Instant::now());
            return self.open_node(link, &range, want, Kind::Seek).await.map(Opened::Stream);
        }
        let answer = self.ask_gate(want, &range).await?;
        if !answer.status.is_redirection() {
            let node = self.streamed_by(&answer);
            self.shared.tally.borrow_mut().sent_to(node, &self.home);
            let stream = self.stream(answer, want, node, Party::Gate).await?;
            return Ok(if self.shared.resolve_only { Opened::Resolved } else { Opened::Stream(stream) });
        }
        let location = answer.fields.get(LOCATION).and_then(|location| location.to_str().ok());
        let location = location.and_then(|location| location.parse::<Uri>().ok());
        let location = location.filter(|location| location.scheme().is_some());
        let location = location.ok_or((Party::Gate, Cause::WrongHead))?;
        answer.body.drain(DRAINED).await;
        let node = self.node(&location);
        self.shared.tally.borrow_mut().sent_to(node, &self.home);
        if self.shared.resolve_only {
            *link = Some(location);
            return Ok(Opened::Resolved);
        }
        let stream = self.open_node(&location, &range, want, want.kind).await?;
        *link = Some(location);
        Ok(Opened::Stream(stream))
    }

    /// The gate's answer, if it is a film or a redirect.
    async fn ask_gate(&self, want: &Want, range: &HeaderMap) -> Result<Answer, (Party, Cause)> {
        let shared = &self.shared;
        let uri = format!("{}{}", shared.targets[self.target], self.film.uuid);
        let uri: Uri = uri.parse().map_err(|_| (Party::Bench, Cause::WrongHead))?;
        let mut fields = range.clone();
        fields.extend(shared.header.and_then(|header| header.field(&self.home)));
        {
            let mut tally = shared.tally.borrow_mut();
            tally.due(want.kind, want.due);
            tally.sent(want.due, Instant::now());
        }
        let asked = shared.client.get(&self.gate_pool, &uri, &fields, shared.speak).await;
        let now = Instant::now();
        let mut tally = shared.tally.borrow_mut();
        match asked {
            Err(cause) => {
                if cause == Cause::NoAnswer {
                    tally.unanswered(want.kind, want.due, now);
                }
                Err((Party::Gate, cause))
            }
            Ok(answer) if answer.status.is_redirection() || answer.status.is_success() => {
                tally.answered(want.kind, want.due, now);
                Ok(answer)
            }
            Ok(answer) => {
                drop(tally);
                let status = answer.status.as_u16();
                answer.body.drain(DRAINED).await;
                Err((Party::Gate, Cause::Status(status)))
            }
        }
    }

    async fn open_node(
        &self,
        link: &Uri,
        range: &HeaderMap,
        want: &Want,
        kind: Kind,
    ) -> Result<Stream, (Party, Cause)> {
        let node = self.node(link);
        let party = Party::Node(node);
        // Stores speak no HTTP/2 without TLS.
        let speak = if link.scheme_str() == Some("https") { self.shared.speak } else { Speak::Http1 };
        let asked = self.shared.client.get(&self.pool, link, range, speak).await;
        let answer = asked.map_err(|cause| (party, cause))?;
        let want = Want { kind, ..*want };
        self.stream(answer, &want, node, party).await
    }

    /// The film, if the head of the answer says that it is, and from where it was asked for.
    async fn stream(
        &self,
        answer: Answer,
        want: &Want,
        node: usize,
        party: Party,
    ) -> Result<Stream, (Party, Cause)> {
        if !answer.status.is_success() {
            let status = answer.status.as_u16();
            answer.body.drain(DRAINED).await;
            return Err((party, Cause::Status(status)));
        }
        if !is_film(&answer, want.from, self.film.size) {
            return Err((party, Cause::WrongHead));
        }
        Ok(Stream { body: answer.body, node, party })
    }

    fn node(&self, link: &Uri) -> usize {
        let authority = link.authority().map_or("", Authority::as_str);
        self.shared.tally.borrow_mut().node(authority, || self.shared.places.node_at(authority))
    }

    /// The node that the gate has the film of, if it says so.
    fn streamed_by(&self, answer: &Answer) -> usize {
        let decision = answer.fields.get("watchgate-decision").and_then(|value| value.to_str().ok());
        let id = decision.and_then(|text| text.split(';').find_map(|part| part.trim().strip_prefix("node=")));
        let mut tally = self.shared.tally.borrow_mut();
        match id {
            Some(id) => tally.node(id, || self.shared.places.node_named(id)),
            None => tally.node("", || Node { name: "through the gate".to_owned(), ..Node::default() }),
        }
    }

    /// Reads until something is to be done.
    async fn read(
        &mut self,
        stream: &mut Stream,
        check: &mut Check,
        want: &Want,
        act: &mut (Duration, Act),
        broke: Option<Instant>,
    ) -> Read {
        let mut pace = Pace { begun: Instant::now(), player: self.player, read: 0 };
        // Bytes since a long pause.
        let mut since_pause = None;
        loop {
            let (after, what) = *act;
            let due = self.begun + after;
            let before = pace.read;
            let stopped = self.read_until(due, stream, check, want, broke, &mut pace).await;
            since_pause = since_pause.map(|since: u64| since + pace.read - before);
            match stopped {
                Some(Read::Broken(cause)) => return Read::Broken(after_pause(cause, since_pause)),
                Some(read) => return read,
                None => {}
            }
            *act = self.script.next();
            let pause = match what {
                Act::Pause(pause) => pause,
                Act::Seek(part) => {
                    self.finish_block(stream, check).await;
                    return Read::Seek(part, due);
                }
                Act::Leave { early } => {
                    self.finish_block(stream, check).await;
                    return Read::Leave { early };
                }
            };
            if !self.wait(due + pause).await {
                return Read::RunOver;
            }
            pace.begun += due.max(Instant::now()).saturating_duration_since(due);
            if pause >= LONG_PAUSE {
                since_pause = Some(0);
            }
        }
    }

    /// Reads at its pace until a moment; `None`: it has come.
    async fn read_until(
        &self,
        due: Instant,
        stream: &mut Stream,
        check: &mut Check,
        want: &Want,
        broke: Option<Instant>,
        pace: &mut Pace,
    ) -> Option<Read> {
        let mut over = pin!(self.shared.stop.stopped());
        let mut bell = pin!(self.shared.alarm.until(due));
        loop {
            let ahead = pace.ahead(Instant::now());
            let bytes = tokio::select! {
                biased;
                () = &mut over => return Some(Read::RunOver),
                () = &mut bell => return None,
                () = sleep(ahead), if !ahead.is_zero() => continue,
                read = timeout(self.shared.patience, stream.body.next()), if ahead.is_zero() => match read {
                    Err(_) => return Some(Read::Broken(Cause::Stall)),
                    Ok(Err(cause)) => return Some(Read::Broken(cause)),
                    Ok(Ok(None)) if check.at() == self.film.size => return Some(Read::End),
                    Ok(Ok(None)) => return Some(Read::Broken(Cause::Short)),
                    Ok(Ok(Some(bytes))) => bytes,
                },
            };
            let now = Instant::now();
            if pace.read == 0 && !bytes.is_empty() {
                let mut tally = self.shared.tally.borrow_mut();
                tally.first_byte(want.kind, want.due, now);
                if let Some(broke) = broke {
                    tally.resumed(broke, now);
                }
            }
            pace.read += bytes.len() as u64;
            if let Err(cause) = self.take(stream.node, check, &bytes, now) {
                return Some(Read::Broken(cause));
            }
        }
    }

    fn take(&self, node: usize, check: &mut Check, bytes: &[u8], now: Instant) -> Result<(), Cause> {
        let checked = check.feed(bytes);
        let mut tally = self.shared.tally.borrow_mut();
        tally.read(node, bytes.len() as u64, checked.unwrap_or(0), now);
        checked.map(drop).map_err(|wrong| {
            tally.wrong(&self.film.uuid, wrong.block_at, node);
            Cause::WrongBytes
        })
    }

    /// Reads on to the end of the block, so that what was read of it is checked.
    async fn finish_block(&self, stream: &mut Stream, check: &mut Check) {
        let finish = async {
            while check.left_in_block() > 0 {
                match stream.body.next().await? {
                    Some(bytes) => self.take(stream.node, check, &bytes, Instant::now())?,
                    None => return Err(Cause::Short),
                }
            }
            Ok(())
        };
        // Who is slow now would have been seen to be slow; who breaks, breaks.
        if let Ok(Err(cause)) = timeout(FINISH, finish).await {
            self.fault(stream.party, cause);
        }
    }
}

/// What a break is, so many bytes after the end of a long pause, if there was one.
fn after_pause(cause: Cause, since_pause: Option<u64>) -> Cause {
    match (cause, since_pause) {
        (Cause::Short | Cause::Reset, Some(0..=ON_ITS_WAY)) => Cause::ClosedInPause,
        _ => cause,
    }
}

/// Whether the head of an answer announces all of a film from there on, as it is.
fn is_film(answer: &Answer, from: u64, size: u64) -> bool {
    let field = |name: HeaderName| answer.fields.get(name).and_then(|value| value.to_str().ok());
    let length = field(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
    let is_plain = !answer.fields.contains_key("content-encoding");
    let is_there = match answer.status {
        StatusCode::OK => from == 0,
        StatusCode::PARTIAL_CONTENT => {
            field(CONTENT_RANGE) == Some(format!("bytes {from}-{}/{size}", size - 1).as_str())
        }
        _ => false,
    };
    is_plain && is_there && length == Some(size - from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_pauses_may_be_let_go() {
        let check = |cause: Cause, since: Option<u64>, expected: Cause| {
            assert_eq!(after_pause(cause, since), expected, "{cause} {since:?}");
        };
        check(Cause::Short, Some(0), Cause::ClosedInPause);
        check(Cause::Reset, Some(1 << 20), Cause::ClosedInPause);
        check(Cause::Reset, Some(ON_ITS_WAY + 1), Cause::Reset);
        check(Cause::Short, None, Cause::Short);
        check(Cause::Stall, Some(0), Cause::Stall);
        check(Cause::WrongBytes, Some(0), Cause::WrongBytes);
    }

    #[test]
    fn a_player_reads_what_it_shows_and_fills_its_buffer() {
        let begun = Instant::now();
        let player = Player { rate: 1000.0, buffer: 5000.0, asks_again: true };
        let check = |read: u64, after_ms: u64, expected_ms: u64| {
            let wait = Pace { begun, player, read }.ahead(begun + Duration::from_millis(after_ms));
            let off = wait.as_secs_f64() - expected_ms as f64 / 1e3;
            assert!(off.abs() < 1e-6, "{read} bytes after {after_ms} ms: {wait:?}");
        };
        check(0, 0, 0);
        check(5000, 0, 0);
        check(6000, 0, 1000);
        check(6000, 400, 600);
        check(6000, 2000, 0);
    }

    #[test]
    fn viewers_are_told_in_each_header() {
        let check = |header: Header, address: &str, expected: &str| {
            let home = Home { address: address.parse().unwrap(), country: String::new(), at: None };
            let (name, value) = header.field(&home).unwrap();
            assert_eq!(format!("{name}: {}", value.to_str().unwrap()), expected);
        };
        check(Header::XForwardedFor, "192.0.2.7", "x-forwarded-for: 192.0.2.7");
        check(Header::XRealIp, "2001:db8::1", "x-real-ip: 2001:db8::1");
        check(Header::Forwarded, "192.0.2.7", "forwarded: for=192.0.2.7");
        check(Header::Forwarded, "2001:db8::1", "forwarded: for=\"[2001:db8::1]\"");
    }
}
