//! The load: connections that each send their next request when the last one is answered.
//!
//! One thread does it all, and it is kept busy enough that the server is the slower side: then every server works
//! without pauses, and processor time by answer means the same for each. Absent on purpose: latency, for which a
//! closed loop is the wrong instrument.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, LocalSet};
use tokio::time::{sleep, timeout};

use super::requests::Requests;
use crate::Failure;
use crate::process::{LOOK, Server};
use crate::viewer::field;

/// One answer in so many is read to the last field; of the others the status and the end.
const LOOK_CLOSELY_EVERY: u64 = 64;
/// How long an answer may take.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// How long it may take until all connections are made.
const CONNECT_TIME: Duration = Duration::from_secs(20);
/// Between two viewers who connect.
const CONNECT_EVERY: Duration = Duration::from_micros(100);

/// How the load is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    /// Before the measuring starts, once everybody is connected.
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
    /// How long the server is looked at before that, without any load. Zero: it is not.
    pub(crate) idle: Duration,
}

/// What one round found.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    /// Answers while it was measured.
    pub(crate) answers: u64,
    /// Answers before and after as well.
    pub(crate) answers_in_all: u64,
    /// Processor time of the server meanwhile, in nanoseconds.
    pub(crate) used_ns: u64,
    pub(crate) took: Duration,
    /// The part of a core that the server had without load, 0 to 1; 0 where nobody looked.
    pub(crate) idle: f64,
    /// Bytes of an answer, on average.
    pub(crate) answer_bytes: f64,
    /// Hosts that viewers were sent to.
    pub(crate) hosts: BTreeSet<String>,
}

impl Round {
    /// Processor time by answer, in microseconds.
    pub(crate) fn cpu_us(&self) -> f64 {
        self.used_ns as f64 / 1e3 / self.answers as f64
    }

    /// The same without what the server does when nobody asks.
    pub(crate) fn own_cpu_us(&self) -> f64 {
        let idle_ns = self.idle * self.took.as_secs_f64() * 1e9;
        (self.used_ns as f64 - idle_ns) / 1e3 / self.answers as f64
    }

    /// The part of the core that the server had, 0 to 1.
    pub(crate) fn busy(&self) -> f64 {
        self.used_ns as f64 / 1e9 / self.took.as_secs_f64()
    }
}

/// What the connections of a round share.
#[derive(Debug, Default)]
struct Tally {
    connected: Cell<usize>,
    over: Cell<bool>,
    answers: Cell<u64>,
    bytes: Cell<u64>,
    hosts: RefCell<BTreeSet<String>>,
}

/// Which requests a connection sends.
#[derive(Clone, Copy, Debug)]
struct Turns {
    next: usize,
    step: usize,
    left: u64,
}

/// Drives the server for one round.
///
/// # Errors
/// The first answer that is not a redirect, a connection that broke, or an answer that did not come.
pub(crate) async fn round(server: &Server, requests: &Rc<Requests>, shape: Shape) -> Result<Round, Failure> {
    let idle = idle(server, shape.idle).await?;
    let (tally, viewers) = (Rc::new(Tally::default()), LocalSet::new());
    // Each begins somewhere else and goes on until the round is over.
    let turns =
        |index: usize| Turns { next: index * requests.count() / shape.connections, step: 1, left: u64::MAX };
    let tasks = spawned(&viewers, server.address, requests, shape.connections, &tally, turns);
    let measured = viewers.run_until(async {
        let begun = Instant::now();
        while tally.connected.get() < shape.connections && begun.elapsed() < CONNECT_TIME {
            sleep(LOOK).await;
        }
        let connected = tally.connected.get();
        sleep(shape.warm_up).await;
        let (before, answers_before, begun) = (server.used()?, tally.answers.get(), Instant::now());
        sleep(shape.measured).await;
        let (after, answers, took) = (server.used()?, tally.answers.get(), begun.elapsed());
        tally.over.set(true);
        Ok::<_, Failure>((after.since(&before), answers - answers_before, took, connected))
    });
    let (used_ns, answers, took, connected) = measured.await?;
    ended(&viewers, tasks).await.map_err(|complaint| server.misbehaved(&complaint))?;
    if connected < shape.connections {
        let wanted = shape.connections;
        return Err(
            server.misbehaved(&format!("took only {connected} of {wanted} connections in {CONNECT_TIME:?}"))
        );
    }
    if answers == 0 {
        return Err(server.misbehaved("answered nothing"));
    }
    let answers_in_all = tally.answers.get();
    let answer_bytes = tally.bytes.get() as f64 / answers_in_all as f64;
    Ok(Round { answers, answers_in_all, used_ns, took, idle, answer_bytes, hosts: tally.hosts.take() })
}

/// Sends so many requests, each once from the first one on, over so many connections.
///
/// # Errors
/// As [`round`].
pub(crate) async fn exactly(
    server: &Server,
    requests: &Rc<Requests>,
    connections: usize,
    count: u64,
) -> Result<(), Failure> {
    let sent = sent(server.address, requests, connections, count).await;
    sent.map_err(|complaint| server.misbehaved(&complaint))
}

async fn sent(
    address: SocketAddr,
    requests: &Rc<Requests>,
    connections: usize,
    count: u64,
) -> Result<(), String> {
    let (tally, viewers) = (Rc::new(Tally::default()), LocalSet::new());
    let turns = |index: usize| {
        let left = (count.saturating_sub(index as u64)).div_ceil(connections as u64);
        Turns { next: index, step: connections, left }
    };
    let mut tasks = spawned(&viewers, address, requests, connections, &tally, turns);
    // How long they take altogether is the caller's business; that they do not stop is checked here.
    let mut answers = 0;
    while viewers.run_until(timeout(ANSWER_TIME, finished(&mut tasks))).await.is_err() {
        if tally.answers.get() == answers {
            return Err(format!("left requests without an answer for {ANSWER_TIME:?}"));
        }
        answers = tally.answers.get();
    }
    ended(&viewers, tasks).await
}

async fn finished(tasks: &mut [JoinHandle<Result<(), String>>]) {
    while !tasks.iter().all(JoinHandle::is_finished) {
        sleep(LOOK / 5).await;
    }
}

/// The part of a core that the server has while nobody asks.
async fn idle(server: &Server, watched: Duration) -> Result<f64, Failure> {
    if watched.is_zero() {
        return Ok(0.0);
    }
    let (before, begun) = (server.used()?, Instant::now());
    sleep(watched).await;
    Ok(server.used()?.since(&before) as f64 / 1e9 / begun.elapsed().as_secs_f64())
}

fn spawned(
    viewers: &LocalSet,
    address: SocketAddr,
    requests: &Rc<Requests>,
    connections: usize,
    tally: &Rc<Tally>,
    turns: impl Fn(usize) -> Turns,
) -> Vec<JoinHandle<Result<(), String>>> {
    let spawn = |index: usize| {
        let wait = CONNECT_EVERY.saturating_mul(u32::try_from(index).unwrap_or(u32::MAX));
        viewers.spawn_local(viewer(address, Rc::clone(requests), turns(index), wait, Rc::clone(tally)))
    };
    (0..connections).map(spawn).collect()
}

/// Waits for all viewers, who have been told to end.
async fn ended(viewers: &LocalSet, tasks: Vec<JoinHandle<Result<(), String>>>) -> Result<(), String> {
    for task in tasks {
        let complaint = match viewers.run_until(timeout(ANSWER_TIME, task)).await {
            Ok(Ok(Ok(()))) => continue,
            Ok(Ok(Err(complaint))) => complaint,
            Ok(Err(panic)) => panic.to_string(),
            Err(_) => format!("left a request without an answer for {ANSWER_TIME:?}"),
        };
        return Err(complaint);
    }
    Ok(())
}

/// One connection: asks and reads until there are no more requests.
async fn viewer(
    address: SocketAddr,
    requests: Rc<Requests>,
    mut turns: Turns,
    wait: Duration,
    tally: Rc<Tally>,
) -> Result<(), String> {
    sleep(wait).await;
    let mut connection = Connection::open(address).await?;
    tally.connected.set(tally.connected.get() + 1);
    while turns.left > 0 && !tally.over.get() {
        let answer = connection.ask(requests.at(turns.next)).await?;
        (turns.next, turns.left) = (turns.next + turns.step, turns.left - 1);
        let count = tally.answers.get() + 1;
        if count % LOOK_CLOSELY_EVERY == 1 {
            let host = host(answer).ok_or_else(|| format!("redirected nowhere: {}", text(answer)))?;
            tally.hosts.borrow_mut().insert(host);
        }
        tally.answers.set(count);
        tally.bytes.set(tally.bytes.get() + answer.len() as u64);
    }
    Ok(())
}

/// How every answer has to begin.
const REDIRECT: &[u8] = b"HTTP/1.1 302 ";

/// A kept-alive connection to a server whose redirects all have content of the same length, mostly none.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
    /// Bytes of content, once one answer has told.
    content: Option<usize>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self, String> {
        let stream = TcpStream::connect(address).await;
        let stream = stream.map_err(|error| format!("refused a connection: {error}"))?;
        // Requests are one write each and must not wait for each other.
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        Ok(Self { stream, answer: Vec::with_capacity(8192), content: None })
    }

    /// Sends a request and reads the redirect that answers it.
    ///
    /// # Errors
    /// It is none, or the connection broke.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<&[u8], String> {
        let broke = |error: std::io::Error| format!("broke a connection: {error}");
        self.stream.write_all(request).await.map_err(broke)?;
        self.answer.clear();
        while !self.whole()? {
            if self.stream.read_buf(&mut self.answer).await.map_err(broke)? == 0 {
                return Err("closed a connection".to_owned());
            }
        }
        if !self.answer.starts_with(REDIRECT) {
            return Err(format!("answered otherwise: {}", text(&self.answer)));
        }
        Ok(&self.answer)
    }

    /// Whether the answer is all there. The next request is not sent yet, so that nothing follows.
    fn whole(&mut self) -> Result<bool, String> {
        // Whatever else is answered has content of another length.
        let is_other = self.answer.len() >= REDIRECT.len() && !self.answer.starts_with(REDIRECT);
        if let Some(content) = self.content.filter(|_| !is_other) {
            let head = self.answer.len().checked_sub(content);
            return Ok(head.is_some_and(|head| self.answer[..head].ends_with(b"\r\n\r\n")));
        }
        let Some(head) = self.answer.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(false);
        };
        let length = field(&text(&self.answer[..head]), "content-length").and_then(|it| it.parse().ok());
        let length = length.ok_or_else(|| format!("tells no length: {}", text(&self.answer)))?;
        if !is_other {
            self.content = Some(length);
        }
        Ok(self.answer.len() == head + 4 + length)
    }
}

fn text(answer: &[u8]) -> String {
    String::from_utf8_lossy(answer).into_owned()
}

/// Where a redirect leads to; `None`: it leads nowhere, or is not signed.
pub(crate) fn link(answer: &[u8]) -> Option<&str> {
    let head = std::str::from_utf8(answer).ok()?;
    let link = field(head, "location")?;
    (link.starts_with("https://") && link.contains("X-Amz-Signature=")).then_some(link)
}

/// The host of that link.
pub(crate) fn host(answer: &[u8]) -> Option<String> {
    Some(link(answer)?.split('/').nth(2)?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::requests::drawn;
    use super::*;
    use crate::stub;

    #[test]
    fn a_redirect_leads_to_a_host() {
        let check = |answer: &str, expected: Option<&str>| {
            assert_eq!(host(answer.replace('\n', "\r\n").as_bytes()).as_deref(), expected, "{answer:?}");
        };
        let signed = "https://n.example/movies/f.mp4?X-Amz-Signature=0";
        check(&format!("HTTP/1.1 302 Found\nLocation: {signed}\nContent-Length: 0\n\n"), Some("n.example"));
        check(&format!("HTTP/1.1 302 Found\ncontent-length: 0\nlocation: {signed}\n\n"), Some("n.example"));
        check("HTTP/1.1 302 Found\nContent-Length: 0\n\n", None);
        check("HTTP/1.1 302 Found\nLocation: https://n.example/f\nContent-Length: 0\n\n", None);
        check(&format!("HTTP/1.1 302 Found\nLocation: {}\n\n", signed.replace("https", "http")), None);
    }

    #[tokio::test]
    async fn content_of_redirects_is_read_to_its_end() {
        let address = stub::start(|head, to| {
            let answer: &[u8] = match head {
                [b'G', b'E', b'T', b' ', b'/', b'b', ..] => {
                    b"HTTP/1.1 302 Found\r\nContent-Length: 6\r\n\r\nhello\n"
                }
                [b'G', b'E', b'T', b' ', b'/', b'e', ..] => {
                    b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"
                }
                [b'G', b'E', b'T', b' ', b'/', b'o', ..] => {
                    b"HTTP/1.1 503 -\r\nContent-Length: 5\r\n\r\nsorry"
                }
                [b'G', b'E', b'T', b' ', b'/', b'u', ..] => b"HTTP/1.1 302 Found\r\n\r\n",
                _ => b"HTTP/1.1 404 -\r\nContent-Length: 0\r\n\r\n",
            };
            to.extend_from_slice(answer);
        });
        let address = address.unwrap();
        let check = async |path: &str, expected: Result<usize, &str>| {
            let mut connection = Connection::open(address).await.unwrap();
            for _ in 0..3 {
                let answer = connection.ask(format!("GET /{path} HTTP/1.1\r\n\r\n").as_bytes()).await;
                match (answer, expected) {
                    (Ok(answer), Ok(bytes)) => assert_eq!(answer.len(), bytes, "{path}"),
                    (Err(why), Err(word)) => return assert!(why.contains(word), "{path}: {why}"),
                    (answer, _) => panic!("{path}: {answer:?}"),
                }
            }
        };
        check("body", Ok(47)).await;
        check("empty", Ok(41)).await;
        check("unknown length", Err("no length")).await;
        check("404", Err("otherwise")).await;
        let mut connection = Connection::open(address).await.unwrap();
        connection.ask(b"GET /empty HTTP/1.1\r\n\r\n").await.unwrap();
        let why = connection.ask(b"GET /of another length HTTP/1.1\r\n\r\n").await.unwrap_err();
        assert!(why.contains("503") && why.ends_with("sorry"), "{why}");
    }

    #[tokio::test]
    async fn every_request_is_sent_once() {
        let (told, asked) = std::sync::mpsc::channel();
        let address = stub::start(move |head, to| {
            // The test reads for as long as anybody asks.
            let _ = told.send(String::from_utf8_lossy(head).into_owned());
            let link = "https://n.example/f?X-Amz-Signature=0";
            to.extend_from_slice(
                format!("HTTP/1.1 302 Found\r\nLocation: {link}\r\nContent-Length: 0\r\n\r\n").as_bytes(),
            );
        });
        let requests = Rc::new(Requests::of(&drawn(&["192.0.2.1".parse().unwrap()], 1_000_000, 103)));
        sent(address.unwrap(), &requests, 7, 103).await.unwrap();
        let mut asked: Vec<String> = asked.try_iter().collect();
        let mut expected: Vec<_> =
            (0..103).map(|turn| String::from_utf8_lossy(requests.at(turn)).into_owned()).collect();
        asked.sort();
        expected.sort();
        assert_eq!(asked, expected);
    }

    #[test]
    fn time_by_answer() {
        let round = Round {
            answers: 1000,
            answers_in_all: 1200,
            used_ns: 12_500_000,
            took: Duration::from_millis(25),
            idle: 0.1,
            answer_bytes: 500.0,
            hosts: BTreeSet::new(),
        };
        assert_eq!((round.cpu_us(), round.busy(), round.own_cpu_us()), (12.5, 0.5, 10.0));
    }
}
