//! The network between the gate and one node: a TCP relay that is slow, and that can be cut or black-holed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What the relay's own sockets hold of an answer.
const BUFFER_BYTES: u32 = 128 << 10;
/// Pieces of a paced answer.
const PIECES_PER_S: u64 = 20;
/// An answer to a probe or a refusal is smaller, a film larger.
const FILM_BYTES_MIN: u64 = 1_000_000;

/// What the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Weather {
    /// Nothing passes in either direction.
    black_hole: bool,
    /// Connections of an older storm are reset.
    storms: u64,
}

/// A relay on a port of its own; it ends when this is dropped.
pub(crate) struct Relay {
    addr: SocketAddr,
    weather: Arc<watch::Sender<Weather>>,
    ended: Arc<AtomicU64>,
    _serving: JoinSet<()>,
}

impl Relay {
    /// Answers pass at so many bytes a second and connection.
    pub(crate) fn start(node: SocketAddr, bytes_per_s: u64) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        // Connections have it from here.
        socket.set_send_buffer_size(BUFFER_BYTES).expect("an open socket");
        socket.bind(([127, 0, 0, 1], 0).into()).expect("a free port");
        let listener = socket.listen(1024).expect("a bound socket");
        let addr = listener.local_addr().expect("an address");
        let weather = Arc::new(watch::Sender::new(Weather { black_hole: false, storms: 0 }));
        let mut serving = JoinSet::new();
        let ended = Arc::new(AtomicU64::new(0));
        let (theirs, ends) = (Arc::clone(&weather), Arc::clone(&ended));
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((gate, _)) = listener.accept().await {
                let (weather, ends) = (theirs.subscribe(), Arc::clone(&ends));
                connections.spawn(connection(gate, node, bytes_per_s, weather, ends));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { addr, weather, ended, _serving: serving }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Connections with films that the node ended.
    pub(crate) fn ended_by_node(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    /// Resets all connections; new ones pass.
    pub(crate) fn reset(&self) {
        self.weather.send_modify(|weather| weather.storms += 1);
    }

    /// Lets nothing pass until it is switched off: no byte, no end.
    pub(crate) fn black_hole(&self, on: bool) {
        self.weather.send_modify(|weather| weather.black_hole = on);
    }
}

async fn connection(
    mut gate: TcpStream,
    node: SocketAddr,
    bytes_per_s: u64,
    weather: watch::Receiver<Weather>,
    ended: Arc<AtomicU64>,
) {
    let storm = weather.borrow().storms;
    let mut stormy = weather.clone();
    let reset = async move { stormy.wait_for(|weather| weather.storms > storm).await.is_ok() };
    tokio::select! {
        passed = relayed(&mut gate, node, bytes_per_s, weather) => {
            if passed >= FILM_BYTES_MIN {
                ended.fetch_add(1, Ordering::Relaxed);
            }
        }
        _ = reset => {
            // A socket that refuses the option is closed all the same.
            let _ = gate.set_zero_linger();
        }
    }
}

/// Passes both directions on until one ends; an end of either is passed on by dropping both. If it was the node that
/// ended, gives the bytes of its answers.
async fn relayed(
    gate: &mut TcpStream,
    node: SocketAddr,
    bytes_per_s: u64,
    weather: watch::Receiver<Weather>,
) -> u64 {
    let clear = weather.clone();
    if passable(clear).await.is_none() {
        return 0;
    }
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(BUFFER_BYTES).expect("an open socket");
    // A node that is dead: its kernel refuses, and so does the relay, as late as a network may.
    let Ok(mut node) = socket.connect(node).await else { return 0 };
    let (mut from_gate, mut to_gate) = gate.split();
    let (mut from_node, mut to_node) = node.split();
    let asked = async {
        let mut piece = vec![0; 16 << 10];
        while let Ok(read @ 1..) = from_gate.read(&mut piece).await {
            if passable(weather.clone()).await.is_none() || to_node.write_all(&piece[..read]).await.is_err() {
                break;
            }
        }
    };
    let answered = async {
        let mut piece = vec![0; usize::try_from(bytes_per_s / PIECES_PER_S).expect("a pace")];
        let mut ticks = tokio::time::interval(Duration::from_secs(1).div_f64(PIECES_PER_S as f64));
        let mut passed = 0;
        while let Ok(read @ 1..) = from_node.read(&mut piece).await {
            ticks.tick().await;
            if passable(weather.clone()).await.is_none() || to_gate.write_all(&piece[..read]).await.is_err() {
                return 0;
            }
            passed += read as u64;
        }
        passed
    };
    tokio::select! {
        () = asked => 0,
        passed = answered => passed,
    }
}

/// Waits until bytes may pass; nothing: the relay is gone.
async fn passable(mut weather: watch::Receiver<Weather>) -> Option<()> {
    weather.wait_for(|weather| !weather.black_hole).await.ok().map(|_| ())
}
