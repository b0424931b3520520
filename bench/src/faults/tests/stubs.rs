//! Nodes and gates in process: nodes that can be killed, and gates good and bad.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::faults::client::Answer;
use crate::faults::film::Film;
use crate::stage::CITIES;
use crate::viewer::field;

const PATIENCE: Duration = Duration::from_secs(5);
/// A node says so much at once ...
const PIECE: usize = 64 << 10;
/// ... and then so long nothing, or loopback swallows a film before anybody can die.
const PAUSE: Duration = Duration::from_millis(10);

/// What a gate does when it should do well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Behaviour {
    /// Streams, and goes on from the next node where one stops.
    GoesOn,
    /// Streams from the near node, and ends when it does.
    Cuts,
    /// Goes on from the next node, a few bytes off.
    Lies,
    /// Streams without a length.
    Endless,
    /// Refuses everybody with a node's address in its words.
    Talks,
    /// Redirects to the near node while it lives.
    RedirectsWell,
    /// Redirects to the near node, whatever comes.
    RedirectsBlindly,
}

/// A node without signatures.
pub(super) struct Node {
    pub(super) address: SocketAddr,
    films: Vec<Film>,
    bytes: Arc<Vec<Vec<u8>>>,
    serving: Mutex<Option<JoinHandle<()>>>,
}

impl Node {
    pub(super) async fn start(films: &[Film]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let node = Self {
            address,
            films: films.to_vec(),
            bytes: Arc::new(films.iter().map(bytes).collect()),
            serving: Mutex::default(),
        };
        node.serve(listener);
        node
    }

    fn serve(&self, listener: TcpListener) {
        let (films, bytes) = (self.films.clone(), Arc::clone(&self.bytes));
        *self.serving.lock().unwrap() = Some(tokio::spawn(accept(listener, move |stream, head| {
            let (films, bytes) = (films.clone(), Arc::clone(&bytes));
            async move { answer(stream, &head, &films, &bytes).await }
        })));
    }

    /// Listener and connections are gone soon after.
    pub(super) fn kill(&self) {
        if let Some(serving) = self.serving.lock().unwrap().take() {
            serving.abort();
        }
    }

    pub(super) async fn revive(&self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.serve(listener);
    }
}

async fn accept<F>(listener: TcpListener, answer: impl Fn(TcpStream, String) -> F + Clone + Send + 'static)
where
    F: Future<Output = Option<()>> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let answer = answer.clone();
        connections.spawn(async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                    return None;
                }
            }
            answer(stream, String::from_utf8(head).unwrap()).await
        });
        while connections.try_join_next().is_some() {}
    }
}

/// The film that a request is for, and from which byte on.
fn wanted<'a>(head: &str, films: &'a [Film]) -> Option<(&'a Film, u64, bool)> {
    let film = films.iter().find(|film| head.contains(&film.uuid))?;
    let range = field(head, "range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
    Some((film, range.map_or(0, |from| from.parse().unwrap()), range.is_some()))
}

/// The head of an answer from this byte on.
fn begin(film: &Film, from: u64, ranged: bool, more: &str) -> String {
    let whole = film.reels[0].bytes;
    let range = format!("Content-Range: bytes {from}-{}/{whole}\r\n", whole - 1);
    let (status, range) = if ranged { ("206 Partial Content", range.as_str()) } else { ("200 OK", "") };
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{range}{more}\r\n", whole - from)
}

async fn answer(mut stream: TcpStream, head: &str, films: &[Film], bytes: &[Vec<u8>]) -> Option<()> {
    let (film, from, ranged) = wanted(head, films)?;
    let bytes = &bytes[films.iter().position(|listed| listed.uuid == film.uuid)?];
    stream.write_all(begin(film, from, ranged, "").as_bytes()).await.ok()?;
    for piece in bytes[usize::try_from(from).unwrap()..].chunks(PIECE) {
        stream.write_all(piece).await.ok()?;
        sleep(PAUSE).await;
    }
    Some(())
}

/// What it holds, worked out once: the machine may be busy.
fn bytes(film: &Film) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("film");
    film.reels[0].write(&path).unwrap();
    std::fs::read(&path).unwrap()
}

/// Starts a gate before these nodes, which hold these films. It ends with the runtime.
pub(super) async fn gate(
    behaviour: Behaviour,
    nodes: [SocketAddr; CITIES.len()],
    films: &[Film],
) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let films = films.to_vec();
    tokio::spawn(accept(listener, move |stream, head| {
        let films = films.clone();
        async move { serve(stream, &head, behaviour, nodes, &films).await }
    }));
    address
}

async fn serve(
    mut stream: TcpStream,
    head: &str,
    behaviour: Behaviour,
    nodes: [SocketAddr; CITIES.len()],
    films: &[Film],
) -> Option<()> {
    let (film, from, ranged) = wanted(head, films)?;
    let viewer = field(head, "x-forwarded-for")?;
    let home =
        (0..CITIES.len()).find(|city| (0..9).any(|n| CITIES[*city].viewer(n).to_string() == viewer))?;
    let order = [home, (home + 1) % CITIES.len(), (home + 2) % CITIES.len()];
    let told = |node: usize| format!("Watchgate-Decision: node={}\r\n", CITIES[node].id);
    let mut living = None;
    for node in order {
        if TcpStream::connect(nodes[node]).await.is_ok() {
            living = living.or(Some(node));
        }
    }
    let redirect = |node: usize| {
        let (address, uuid) = (nodes[node], &film.uuid);
        format!(
            "HTTP/1.1 302 Found\r\nLocation: http://{address}/{uuid}\r\n{}Content-Length: 0\r\n\r\n",
            told(node)
        )
    };
    let first = match behaviour {
        Behaviour::RedirectsWell => redirect(living?),
        Behaviour::RedirectsBlindly => redirect(home),
        Behaviour::Endless => format!("HTTP/1.1 200 OK\r\n{}\r\n", told(home)),
        Behaviour::Talks => format!("HTTP/1.1 503 No\r\n\r\n{} does not answer", nodes[0]),
        Behaviour::GoesOn | Behaviour::Lies | Behaviour::Cuts => {
            begin(film, from, ranged, &told(living.unwrap_or(home)))
        }
    };
    stream.write_all(first.as_bytes()).await.ok()?;
    let nodes = order.map(|node| nodes[node]);
    match behaviour {
        Behaviour::GoesOn | Behaviour::Lies => pump(&mut stream, behaviour, &nodes, film, from).await,
        Behaviour::Cuts => pump(&mut stream, behaviour, &nodes[..1], film, from).await,
        _ => Some(()),
    }
}

/// From node to node, each from where the one before it stopped.
async fn pump(
    viewer: &mut TcpStream,
    behaviour: Behaviour,
    nodes: &[SocketAddr],
    film: &Film,
    from: u64,
) -> Option<()> {
    let (mut at, mut buffer) = (from, vec![0; PIECE]);
    for (turn, node) in nodes.iter().enumerate() {
        let off = if turn > 0 && behaviour == Behaviour::Lies { 8 } else { 0 };
        let range = format!("Range: bytes={}-\r\n", at.saturating_sub(off));
        let Ok(mut answer) = Answer::of(*node, "node", &film.path(), &range, PATIENCE).await else {
            continue;
        };
        while let Ok(read @ 1..) = answer.read(&mut buffer, PATIENCE).await {
            viewer.write_all(&buffer[..read]).await.ok()?;
            at += read as u64;
        }
        if at >= film.reels[0].bytes {
            return Some(());
        }
    }
    None
}
