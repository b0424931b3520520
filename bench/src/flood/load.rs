//! The load: connections that ask by a schedule and count what is answered.
//!
//! Times are counted from the moment a request was due, so that a gate that stops for a while is seen as slow for all
//! who wanted something meanwhile. Absent on purpose: any judgement of the answers.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::timeout;

use crate::schedule::{Schedule, Tickets};
use crate::viewer::field;

/// How long an answer may take.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// Many connections that ask in turn, each when it is free and a request is due.
pub(crate) struct Line {
    address: SocketAddr,
    pub(crate) tickets: Tickets,
    /// Writes the next request.
    question: RefCell<Box<dyn FnMut() -> String>>,
    pub(crate) tally: Tally,
}

/// What a line found.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Answers by status.
    statuses: RefCell<BTreeMap<u16, u64>>,
    /// Requests without a whole answer.
    unanswered: Cell<u64>,
    /// From when it was due to the end of its answer, in microseconds.
    took_us: RefCell<Histogram<u64>>,
    /// From when it was due to when it was sent, in microseconds.
    late_us: RefCell<Histogram<u64>>,
    /// What the first request without an answer met.
    complaint: RefCell<Option<String>>,
}

/// A connection that is made when it is needed, and made again when it broke.
#[derive(Debug)]
pub(crate) struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    received: Vec<u8>,
}

impl Line {
    pub(crate) fn new(
        address: SocketAddr,
        schedule: Schedule,
        question: impl FnMut() -> String + 'static,
    ) -> Rc<Self> {
        let (tickets, question) = (Tickets::new(schedule), RefCell::new(Box::new(question) as Box<_>));
        Rc::new(Self { address, tickets, question, tally: Tally::new() })
    }

    /// Sets so many connections to work; to be called within a `LocalSet`. Each ends when there are no more tickets.
    pub(crate) fn work(self: &Rc<Self>, connections: u32) -> Vec<JoinHandle<()>> {
        let worker = |line: Rc<Self>| async move {
            let mut connection = Connection::new(line.address);
            while let Some(due) = line.tickets.next().await {
                let request = (line.question.borrow_mut())();
                let sent = Instant::now();
                let answer = connection.ask(&request).await;
                line.tally.count(due, sent, answer);
            }
        };
        (0..connections).map(|_| spawn_local(worker(Rc::clone(self)))).collect()
    }
}

impl Tally {
    fn new() -> Self {
        // A minute is more than any answer may take; the line may be late by more, which counts as a minute. Allowed is
        // any range from 1 on that ends above 2, with up to 5 digits.
        let histogram = || Histogram::new_with_bounds(1, 60_000_000, 3).expect("these bounds are allowed");
        Self {
            statuses: RefCell::default(),
            unanswered: Cell::new(0),
            took_us: RefCell::new(histogram()),
            late_us: RefCell::new(histogram()),
            complaint: RefCell::default(),
        }
    }

    fn count(&self, due: Instant, sent: Instant, answer: Result<u16, String>) {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.late_us.borrow_mut().saturating_record(micros(sent.saturating_duration_since(due)));
        self.took_us.borrow_mut().saturating_record(micros(due.elapsed()));
        match answer {
            Ok(status) => *self.statuses.borrow_mut().entry(status).or_default() += 1,
            Err(complaint) => {
                self.unanswered.set(self.unanswered.get() + 1);
                self.complaint.borrow_mut().get_or_insert(complaint);
            }
        }
    }

    /// As if nothing had been counted yet.
    pub(crate) fn forget(&self) {
        self.statuses.borrow_mut().clear();
        self.unanswered.set(0);
        self.took_us.borrow_mut().reset();
        self.late_us.borrow_mut().reset();
        self.complaint.take();
    }

    pub(crate) fn statuses(&self) -> BTreeMap<u16, u64> {
        self.statuses.borrow().clone()
    }

    pub(crate) fn unanswered(&self) -> u64 {
        self.unanswered.get()
    }

    /// What the first request without an answer met.
    pub(crate) fn complaint(&self) -> Option<String> {
        self.complaint.borrow().clone()
    }

    /// The time that this part of all answers, 0 to 1, did not take longer than, in milliseconds.
    pub(crate) fn took_ms(&self, part: f64) -> f64 {
        self.took_us.borrow().value_at_quantile(part) as f64 / 1e3
    }

    /// The same of how late requests were sent.
    pub(crate) fn late_ms(&self, part: f64) -> f64 {
        self.late_us.borrow().value_at_quantile(part) as f64 / 1e3
    }
}

impl Connection {
    fn new(address: SocketAddr) -> Self {
        Self { address, stream: None, received: Vec::with_capacity(4096) }
    }

    /// Sends a request and reads the whole answer; says its status.
    ///
    /// # Errors
    /// There is none, or it has no end. The next request gets a new connection.
    async fn ask(&mut self, request: &str) -> Result<u16, String> {
        let answer = timeout(ANSWER_TIME, self.exchange(request)).await;
        let answer = answer.unwrap_or_else(|_| Err(format!("was silent for {ANSWER_TIME:?}")));
        if answer.is_err() {
            self.stream = None;
        }
        answer
    }

    async fn exchange(&mut self, request: &str) -> Result<u16, String> {
        let broken = |error: std::io::Error| format!("broke a connection: {error}");
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => {
                let stream = TcpStream::connect(self.address).await;
                let stream = stream.map_err(|error| format!("refused a connection: {error}"))?;
                stream.set_nodelay(true).map_err(broken)?;
                none.insert(stream)
            }
        };
        stream.write_all(request.as_bytes()).await.map_err(broken)?;
        self.received.clear();
        let answer = loop {
            if let Some(answer) = Answer::read(&self.received)? {
                break answer;
            }
            if stream.read_buf(&mut self.received).await.map_err(broken)? == 0 {
                return Err(format!("closed a connection after {} bytes", self.received.len()));
            }
        };
        if answer.closes {
            self.stream = None;
        }
        Ok(answer.status)
    }
}

/// What counts of an answer.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    /// Nothing more comes on this connection.
    closes: bool,
}

impl Answer {
    /// `None`: it is not all there yet.
    fn read(received: &[u8]) -> Result<Option<Self>, String> {
        let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
        let head = String::from_utf8_lossy(&received[..end + 2]);
        let strange = || format!("answered strangely:\n{}", head.trim_end());
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.ok_or_else(strange)?;
        let length = field(&head, "content-length").and_then(|length| length.parse::<usize>().ok());
        let length = length.ok_or_else(strange)?;
        let closes = field(&head, "connection").is_some_and(|word| word.eq_ignore_ascii_case("close"));
        Ok((received.len() >= end + 4 + length).then_some(Self { status, closes }))
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Line")
            .field("address", &self.address)
            .field("tally", &self.tally)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tokio::task::LocalSet;

    use super::*;
    use crate::stub;

    #[test]
    fn answers_end_where_they_say() {
        let check = |text: &str, expected: Option<Answer>| {
            assert_eq!(Answer::read(text.as_bytes()), Ok(expected), "{text:?}");
        };
        let answer = |status, closes| Some(Answer { status, closes });
        check("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n", None);
        check("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", answer(302, false));
        check("HTTP/1.1 404 Not Found\r\ncontent-length: 3\r\n\r\nab", None);
        check("HTTP/1.1 404 Not Found\r\ncontent-length: 3\r\n\r\nabc", answer(404, false));
        check("HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", answer(503, true));
        assert!(Answer::read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").is_err());
        assert!(Answer::read(b"SSH-2.0\r\n\r\n").is_err());
    }

    #[test]
    fn times_are_counted_from_when_a_request_was_due() {
        let tally = Tally::new();
        let now = Instant::now();
        let due = now.checked_sub(Duration::from_millis(500)).unwrap();
        (0..99).for_each(|_| tally.count(now, now, Ok(302)));
        tally.count(due, now, Err("silent".to_owned()));
        assert!(tally.took_ms(0.5) < 400.0 && tally.took_ms(1.0) >= 500.0, "{tally:?}");
        assert!(tally.late_ms(0.99) < 1.0 && tally.late_ms(1.0) >= 499.0, "{tally:?}");
        assert_eq!((tally.statuses()[&302], tally.unanswered()), (99, 1));
        assert_eq!(tally.complaint().as_deref(), Some("silent"));
        tally.forget();
        assert_eq!((tally.statuses().len(), tally.unanswered(), tally.complaint()), (0, 0, None));
        assert!(tally.took_ms(1.0) < 1.0, "{tally:?}");
    }

    #[tokio::test]
    async fn every_request_is_sent_once_and_counted() {
        let address = stub::start(|head, to| {
            let answer: &[u8] = match head {
                [b'G', b'E', b'T', b' ', b'/', b'1', ..] => {
                    b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"
                }
                [b'G', b'E', b'T', b' ', b'/', b'2', ..] => {
                    b"HTTP/1.1 503 -\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
                }
                [b'G', b'E', b'T', b' ', b'/', b'3', ..] => b"nonsense\r\n\r\n",
                _ => b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n",
            };
            to.extend_from_slice(answer);
        });
        let schedule = Schedule { begun: Instant::now(), rate: 10_000, total: 400 };
        let mut number = 0;
        let question = move || {
            number += 1;
            format!("GET /{} HTTP/1.1\r\n\r\n", number % 4)
        };
        let line = Line::new(address.unwrap(), schedule, question);
        let all = async {
            let workers = line.work(8);
            line.tickets.issue().await.unwrap();
            for worker in workers {
                worker.await.unwrap();
            }
        };
        LocalSet::new().run_until(all).await;
        let tally = &line.tally;
        assert_eq!(tally.statuses(), BTreeMap::from([(302, 100), (404, 100), (503, 100)]), "{tally:?}");
        assert_eq!(tally.unanswered(), 100);
        assert!(tally.complaint().unwrap().contains("nonsense"));
    }
}
