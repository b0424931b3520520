//! The load: a few dozen connections, each sending its next request when the last one is answered.
//!
//! One thread does it all, and it is kept busy enough that the server is the slower side: then every server works
//! without pauses, and processor time by answer means the same for each. Absent on purpose: latency, for which a
//! closed loop is the wrong instrument.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

use super::requests::Requests;
use crate::Failure;
use crate::process::Server;
use crate::viewer::field;

/// One answer in so many is read to the last field; of the others the status and the end.
const LOOK_CLOSELY_EVERY: u64 = 64;
/// How long an answer may take.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// How the load is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) connections: usize,
    /// Before the measuring starts.
    pub(super) warm_up: Duration,
    pub(super) measured: Duration,
}

/// What one round found.
#[derive(Clone, Debug)]
pub(super) struct Round {
    /// Answers while it was measured.
    pub(super) answers: u64,
    /// Answers before and after as well.
    pub(super) answers_in_all: u64,
    /// Processor time of the server meanwhile, in nanoseconds.
    pub(super) used_ns: u64,
    pub(super) took: Duration,
    /// Bytes of an answer, on average.
    pub(super) answer_bytes: f64,
    /// Hosts that viewers were sent to.
    pub(super) hosts: BTreeSet<String>,
}

impl Round {
    /// Processor time by answer, in microseconds.
    pub(super) fn cpu_us(&self) -> f64 {
        self.used_ns as f64 / 1e3 / self.answers as f64
    }

    /// The part of the core that the server had, 0 to 1.
    pub(super) fn busy(&self) -> f64 {
        self.used_ns as f64 / 1e9 / self.took.as_secs_f64()
    }
}

/// What the connections of a round share.
#[derive(Debug, Default)]
struct Tally {
    answers: Cell<u64>,
    bytes: Cell<u64>,
    hosts: RefCell<BTreeSet<String>>,
    over: Cell<bool>,
}

/// Drives the server for one round.
///
/// # Errors
/// The first answer that is not a redirect, a connection that broke, or an answer that did not come.
pub(super) async fn round(server: &Server, requests: &Rc<Requests>, shape: Shape) -> Result<Round, Failure> {
    let tally = Rc::new(Tally::default());
    let viewers = LocalSet::new();
    let tasks: Vec<_> = (0..shape.connections)
        .map(|connection| {
            let first = connection * requests.count() / shape.connections;
            viewers.spawn_local(viewer(server.address, Rc::clone(requests), first, Rc::clone(&tally)))
        })
        .collect();
    let measured = viewers.run_until(async {
        sleep(shape.warm_up).await;
        let (before, answers_before, begun) = (server.used()?, tally.answers.get(), Instant::now());
        sleep(shape.measured).await;
        let (after, answers, took) = (server.used()?, tally.answers.get(), begun.elapsed());
        tally.over.set(true);
        Ok::<_, Failure>((after.since(&before), answers - answers_before, took))
    });
    let (used_ns, answers, took) = measured.await?;
    for task in tasks {
        let ended = viewers.run_until(timeout(ANSWER_TIME, task)).await;
        let complaint = match ended {
            Ok(Ok(Ok(()))) => continue,
            Ok(Ok(Err(complaint))) => complaint,
            Ok(Err(panic)) => panic.to_string(),
            Err(_) => format!("left a request without an answer for {ANSWER_TIME:?}"),
        };
        return Err(server.misbehaved(&complaint));
    }
    if answers == 0 {
        return Err(server.misbehaved("answered nothing"));
    }
    let answers_in_all = tally.answers.get();
    let answer_bytes = tally.bytes.get() as f64 / answers_in_all as f64;
    Ok(Round { answers, answers_in_all, used_ns, took, answer_bytes, hosts: tally.hosts.take() })
}

/// One connection: asks and reads until the round is over.
async fn viewer(
    address: std::net::SocketAddr,
    requests: Rc<Requests>,
    first: usize,
    tally: Rc<Tally>,
) -> Result<(), String> {
    let stream = TcpStream::connect(address).await;
    let mut stream = stream.map_err(|error| format!("refused a connection: {error}"))?;
    // Requests are one write each and must not wait for each other.
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    let mut answer = Vec::with_capacity(8192);
    let mut turn = first;
    while !tally.over.get() {
        stream.write_all(requests.at(turn)).await.map_err(|error| format!("broke a connection: {error}"))?;
        turn += 1;
        answer.clear();
        // A redirect has no content, and the next request is not sent yet: the answer ends with the empty line.
        while !answer.ends_with(b"\r\n\r\n") {
            match stream.read_buf(&mut answer).await {
                Ok(0) => return Err("closed a connection".to_owned()),
                Ok(_) => {}
                Err(error) => return Err(format!("broke a connection: {error}")),
            }
        }
        let count = tally.answers.get() + 1;
        if !answer.starts_with(b"HTTP/1.1 302 ") {
            return Err(format!("answered otherwise: {}", String::from_utf8_lossy(&answer)));
        }
        if count % LOOK_CLOSELY_EVERY == 1 {
            let host = host(&answer);
            let host =
                host.ok_or_else(|| format!("redirected nowhere: {}", String::from_utf8_lossy(&answer)))?;
            tally.hosts.borrow_mut().insert(host);
        }
        tally.answers.set(count);
        tally.bytes.set(tally.bytes.get() + answer.len() as u64);
    }
    Ok(())
}

/// Where a redirect leads to; `None`: it leads nowhere, is not signed, or has content.
fn host(answer: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(answer).ok()?;
    let link = field(text, "location")?.strip_prefix("https://")?;
    (field(text, "content-length")? == "0" && link.contains("X-Amz-Signature=")).then_some(())?;
    Some(link.split('/').next().unwrap_or(link).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_leads_to_a_host() {
        let check = |answer: &str, expected: Option<&str>| {
            assert_eq!(host(answer.replace('\n', "\r\n").as_bytes()).as_deref(), expected, "{answer:?}");
        };
        let signed = "https://n.example/movies/f.mp4?X-Amz-Signature=0";
        check(&format!("HTTP/1.1 302 Found\nLocation: {signed}\nContent-Length: 0\n\n"), Some("n.example"));
        check(&format!("HTTP/1.1 302 Found\ncontent-length: 0\nlocation: {signed}\n\n"), Some("n.example"));
        check(&format!("HTTP/1.1 302 Found\nLocation: {signed}\n\n"), None);
        check(&format!("HTTP/1.1 302 Found\nLocation: {signed}\nContent-Length: 5\n\n"), None);
        check("HTTP/1.1 302 Found\nContent-Length: 0\n\n", None);
        check("HTTP/1.1 302 Found\nLocation: https://n.example/f\nContent-Length: 0\n\n", None);
    }

    #[test]
    fn time_by_answer() {
        let round = Round {
            answers: 1000,
            answers_in_all: 1200,
            used_ns: 12_500_000,
            took: Duration::from_millis(25),
            answer_bytes: 500.0,
            hosts: BTreeSet::new(),
        };
        assert_eq!((round.cpu_us(), round.busy()), (12.5, 0.5));
    }
}
