//! What the node has seen: the last requests, and a signal for every change.
//!
//! For tests and the demo, so it keeps queries whole; the values of
//! `Authorization` and of session tokens in headers are left out.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use http::Request;
use http::header::{AUTHORIZATION, HOST, RANGE};
use serde::Serialize;
use tokio::sync::watch;

use crate::locked;

/// Requests kept; older ones are forgotten.
const SEEN_MAX: usize = 10_000;

/// One request as the node saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Seen {
    /// Counts from zero over the node's life.
    pub number: u64,
    /// In capital letters.
    pub method: String,
    /// As sent, still encoded.
    pub path: String,
    /// As sent, without the question mark.
    pub query: Option<String>,
    /// The `Host` header.
    pub host: Option<String>,
    /// The `Range` header.
    pub range: Option<String>,
    /// All headers by their lower-case names; secrets as `...`.
    pub headers: BTreeMap<String, String>,
    /// Nothing: not looked at (health page, fault, node full).
    pub signature_ok: Option<bool>,
    /// Nothing: not answered yet.
    pub status: Option<u16>,
    /// The S3 error code of a refusal.
    pub error: Option<String>,
    /// Name of the peer whose film was silently served.
    pub proxied_from: Option<String>,
    /// Bytes of the body handed to the connection so far.
    pub sent: u64,
    /// The answer was given whole, or given up.
    pub finished: bool,
    /// Milliseconds from the head of the request to that; nothing: it is not finished.
    pub lasted_ms: Option<u64>,
}

/// Sums over the node's life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Counts {
    /// Connections accepted.
    pub connections: u64,
    /// Requests whose head was read.
    pub requests: u64,
    /// Refused for key, signature, time or token.
    pub signatures_refused: u64,
    /// Body bytes handed to connections.
    pub sent: u64,
}

#[derive(Debug)]
pub(crate) struct Log {
    ring: Mutex<Ring>,
    changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Ring {
    seen: VecDeque<Seen>,
    counts: Counts,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self { ring: Mutex::default(), changes: watch::Sender::new(()) }
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        locked(&self.ring).seen.iter().cloned().collect()
    }

    pub(crate) fn counts(&self) -> Counts {
        locked(&self.ring).counts
    }

    pub(crate) fn forget(&self) {
        locked(&self.ring).seen.clear();
    }

    /// Told of everything a waiting test may look at.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    pub(crate) fn changed(&self) {
        self.changes.send_replace(());
    }

    /// Gives the connection's number.
    pub(crate) fn connection(&self) -> u64 {
        let mut ring = locked(&self.ring);
        ring.counts.connections += 1;
        let number = ring.counts.connections;
        drop(ring);
        self.changed();
        number
    }

    /// Gives the request's number, by which its later fate is noted.
    pub(crate) fn arrived<B>(&self, request: &Request<B>) -> u64 {
        let headers = request.headers();
        let text =
            |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        let shown = |name: &http::HeaderName, value: &http::HeaderValue| match name {
            secret if *secret == AUTHORIZATION || secret.as_str() == "x-amz-security-token" => {
                "...".to_owned()
            }
            _ => String::from_utf8_lossy(value.as_bytes()).into_owned(),
        };
        let mut ring = locked(&self.ring);
        let number = ring.counts.requests;
        ring.counts.requests += 1;
        if ring.seen.len() == SEEN_MAX {
            ring.seen.pop_front();
        }
        ring.seen.push_back(Seen {
            number,
            method: request.method().to_string(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().map(str::to_owned),
            host: text(HOST),
            range: text(RANGE),
            headers: headers.iter().map(|(name, value)| (name.to_string(), shown(name, value))).collect(),
            ..Seen::default()
        });
        drop(ring);
        self.changed();
        number
    }

    /// Changes the note on a request, if it is still kept.
    pub(crate) fn note(&self, number: u64, change: impl FnOnce(&mut Seen, &mut Counts)) {
        let mut ring = locked(&self.ring);
        let Ring { seen, counts } = &mut *ring;
        let first = seen.front().map_or(0, |seen| seen.number);
        let index = number.checked_sub(first).and_then(|index| usize::try_from(index).ok());
        match index.and_then(|index| seen.get_mut(index)) {
            Some(seen) => change(seen, counts),
            None => change(&mut Seen::default(), counts),
        }
        drop(ring);
        self.changed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_bounded_and_notes_find_their_request() {
        let log = Log::new();
        let request = Request::builder().uri("/b/k?v=1").header(AUTHORIZATION, "secret").body(()).unwrap();
        for _ in 0..SEEN_MAX + 5 {
            log.arrived(&request);
        }
        log.note(7, |seen, _| seen.status = Some(206));
        log.note(2, |seen, counts| (seen.status, counts.sent) = (Some(500), 9));
        let seen = log.seen();
        assert_eq!(seen.len(), SEEN_MAX);
        assert_eq!((seen[0].number, seen[2].status), (5, Some(206)), "two after five is seven");
        assert!(seen.iter().all(|seen| seen.status != Some(500)), "what is forgotten stays so");
        assert_eq!((log.counts().requests, log.counts().sent), (10_005, 9));
        assert_eq!(seen[0].headers["authorization"], "...");
    }
}
