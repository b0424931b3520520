//! A viewer that writes its requests byte by byte and reads answers one after the other.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long one answer may take.
const WAIT: Duration = Duration::from_secs(30);

/// One connection to the gate.
pub(crate) struct Viewer(BufReader<TcpStream>);

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// As they came, a line each.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let is =
            |line: &&str| line.split_once(':').is_some_and(|(known, _)| known.eq_ignore_ascii_case(name));
        let mut lines = self.head.lines().filter(is);
        let line = lines.next()?;
        assert!(lines.next().is_none(), "{name} stands twice in {}", self.head);
        line.split_once(':').map(|(_, value)| value.trim())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// The label of a refusal, which is a problem document.
    pub(crate) fn problem(&self) -> String {
        assert_eq!(self.field("content-type"), Some("application/problem+json"), "{self:?}");
        let problem: serde_json::Value = serde_json::from_slice(&self.body).expect("JSON");
        assert_eq!(problem["status"], self.status, "{problem}");
        assert_eq!(problem["request_id"].as_str(), self.field("x-request-id"), "{problem}");
        let label = problem["type"].as_str().and_then(|kind| kind.strip_prefix("urn:watchgate:problem:"));
        label.expect("a type of ours").to_owned()
    }
}

impl Viewer {
    pub(crate) async fn connect(gate: SocketAddr) -> Self {
        Self(BufReader::new(TcpStream::connect(gate).await.expect("the gate listens")))
    }

    pub(crate) async fn send(&mut self, text: &str) {
        self.send_bytes(text.as_bytes()).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.expect("the gate reads");
    }

    /// A request without a body, and its answer.
    pub(crate) async fn ask(&mut self, method: &str, target: &str, fields: &str) -> Answer {
        self.send(&format!("{method} {target} HTTP/1.1\r\nHost: films.example\r\n{fields}\r\n")).await;
        if method == "HEAD" { self.head().await } else { self.answer().await }
    }

    pub(crate) async fn get(&mut self, target: &str) -> Answer {
        self.ask("GET", target, "").await
    }

    /// The next answer; informational ones are passed over.
    pub(crate) async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await;
        while answer.status == 100 {
            answer = self.head().await;
        }
        if answer.status == 101 {
            return answer;
        }
        let read = async {
            if let Some(length) = answer.field("content-length") {
                let mut body = vec![0; length.parse().expect("a number")];
                self.0.read_exact(&mut body).await.expect("a whole body");
                return body;
            }
            assert_eq!(answer.field("transfer-encoding"), None, "{answer:?}");
            Vec::new()
        };
        answer.body = timeout(WAIT, read).await.expect("a body in time");
        answer
    }

    /// The head of the next answer.
    pub(crate) async fn head(&mut self) -> Answer {
        let read = async {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                let read = self.0.read_line(&mut head).await.expect("the gate answers");
                assert!(read > 0, "the connection ended after {head:?}");
            }
            head
        };
        let head = timeout(WAIT, read).await.expect("an answer in time");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Answer { status, head, body: Vec::new() }
    }

    /// What still comes until the gate closes the connection.
    pub(crate) async fn rest(mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        // A reset is an end, too.
        let _ = timeout(WAIT, self.0.read_to_end(&mut rest)).await.expect("an end in time");
        rest
    }

    /// So many bytes, whatever they are.
    pub(crate) async fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        timeout(WAIT, self.0.read_exact(&mut bytes)).await.expect("bytes in time").expect("bytes");
        bytes
    }

    /// Both halves of the connection.
    pub(crate) fn split(self) -> TcpStream {
        self.0.into_inner()
    }
}
