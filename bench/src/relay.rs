//! A TCP relay that makes trouble on command: what a network does to a node that is well itself.
//!
//! It passes bytes and knows no HTTP, so that signatures, which name the host and port asked for, stay right when the
//! relay's address is the one that is asked. Absent on purpose: half-open connections; when one side ends, both do.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use crate::Failure;

/// What is read at once.
const CHUNK: usize = 64 << 10;
/// A drip comes in so many portions a second.
const DRIPS_PER_S: u32 = 10;

/// What happens on the way back from the node; byte counts start for each connection when the trouble does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing.
    None,
    /// Connections are taken, and nothing passes.
    Hold,
    /// Nothing more passes after so many bytes.
    StallAfter(u64),
    /// So many bytes a second pass, for each connection.
    Drip(u64),
    /// Both connections are reset after so many bytes.
    ResetAfter(u64),
    /// Both connections end cleanly after so many bytes.
    CloseAfter(u64),
    /// What the client sends reaches the node so much later.
    Delay(Duration),
}

/// A running relay; it ends, with its connections, when this is dropped.
#[derive(Debug)]
pub(crate) struct Relay {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    trouble: watch::Sender<Trouble>,
    accepting: JoinHandle<()>,
}

impl Relay {
    /// Takes a free port of the loopback and passes on to `target`, which need not listen yet.
    ///
    /// # Errors
    /// No port is left.
    pub(crate) async fn start(target: SocketAddr) -> Result<Self, Failure> {
        let failed = || Failure::during("a relay");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed())?;
        let address = listener.local_addr().map_err(failed())?;
        let (trouble, watched) = watch::channel(Trouble::None);
        let accept = async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                while connections.try_join_next().is_some() {}
                connections.spawn(pass(client, target, watched.clone()));
            }
        };
        Ok(Self { address, trouble, accepting: tokio::spawn(accept) })
    }

    /// From now on.
    pub(crate) fn make(&self, trouble: Trouble) {
        self.trouble.send_replace(trouble);
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// How a connection ends.
enum End {
    Plain,
    Reset,
}

async fn pass(mut client: TcpStream, target: SocketAddr, trouble: watch::Receiver<Trouble>) {
    // Whoever asks for a node that is gone sees the connection close.
    let Ok(mut node) = TcpStream::connect(target).await else { return };
    let _ = (client.set_nodelay(true), node.set_nodelay(true));
    let end = {
        let ((from_client, to_client), (from_node, to_node)) = (client.split(), node.split());
        tokio::select! {
            () = ask(from_client, to_node, trouble.clone()) => End::Plain,
            end = answer(from_node, to_client, trouble) => end,
        }
    };
    if matches!(end, End::Reset) {
        // A socket that refuses the option is closed all the same.
        let _ = (client.set_zero_linger(), node.set_zero_linger());
    }
}

async fn ask(mut client: ReadHalf<'_>, mut node: WriteHalf<'_>, mut trouble: watch::Receiver<Trouble>) {
    let mut buffer = vec![0; CHUNK];
    while let Ok(read @ 1..) = client.read(&mut buffer).await {
        let now = *trouble.borrow_and_update();
        match now {
            Trouble::Delay(delay) => sleep(delay).await,
            Trouble::Hold if trouble.changed().await.is_err() => return,
            _ => {}
        }
        if node.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

async fn answer(
    mut node: ReadHalf<'_>,
    mut client: WriteHalf<'_>,
    mut trouble: watch::Receiver<Trouble>,
) -> End {
    let (mut buffer, mut passed) = (vec![0; CHUNK], 0);
    while let Ok(read @ 1..) = node.read(&mut buffer).await {
        let mut rest = &buffer[..read];
        while !rest.is_empty() {
            if trouble.has_changed().unwrap_or(false) {
                passed = 0;
            }
            let now = *trouble.borrow_and_update();
            let most = match now {
                Trouble::None | Trouble::Delay(_) => rest.len() as u64,
                Trouble::Hold => 0,
                Trouble::Drip(rate) => (rate / u64::from(DRIPS_PER_S)).max(1),
                Trouble::StallAfter(bytes) | Trouble::ResetAfter(bytes) | Trouble::CloseAfter(bytes) => {
                    bytes.saturating_sub(passed)
                }
            };
            match now {
                Trouble::ResetAfter(_) if most == 0 => return End::Reset,
                Trouble::CloseAfter(_) if most == 0 => return End::Plain,
                _ if most == 0 => {
                    if trouble.changed().await.is_err() {
                        return End::Plain;
                    }
                    passed = 0;
                    continue;
                }
                Trouble::Drip(_) => sleep(Duration::from_secs(1) / DRIPS_PER_S).await,
                _ => {}
            }
            let (now, later) = rest.split_at(rest.len().min(usize::try_from(most).unwrap_or(usize::MAX)));
            if client.write_all(now).await.is_err() {
                return End::Plain;
            }
            (passed, rest) = (passed + now.len() as u64, later);
        }
    }
    End::Plain
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    /// A relay before a server that says a megabyte, and a client of it who has had a few bytes.
    async fn begun() -> (Relay, TcpStream) {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = Relay::start(server.local_addr().unwrap()).await.unwrap();
        let mut client = TcpStream::connect(relay.address).await.unwrap();
        client.write_all(b"say").await.unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = server.accept().await.unwrap();
            let mut ask = [0; 3];
            stream.read_exact(&mut ask).await.unwrap();
            let _ = stream.write_all(&vec![7; 64 << 20]).await;
            // Ends when the client does.
            let _ = stream.read(&mut ask).await;
        });
        client.read_exact(&mut [0; 1000]).await.unwrap();
        (relay, client)
    }

    #[tokio::test]
    async fn each_trouble_shows() {
        for (trouble, ends) in [
            (Trouble::ResetAfter(10_000), Some(false)),
            (Trouble::CloseAfter(10_000), Some(true)),
            (Trouble::StallAfter(10_000), None),
        ] {
            let (relay, mut client) = begun().await;
            relay.make(trouble);
            let mut all = Vec::new();
            let read = timeout(Duration::from_secs(2), client.read_to_end(&mut all)).await;
            assert_eq!(read.ok().map(|read| read.is_ok()), ends, "{trouble:?}");
            assert!(all.len() < 64 << 20, "{trouble:?}");
        }
    }

    #[tokio::test]
    async fn what_was_held_goes_on() {
        let (relay, mut client) = begun().await;
        relay.make(Trouble::Hold);
        let mut left = vec![0; (64 << 20) - 1000];
        assert!(timeout(Duration::from_millis(300), client.read_exact(&mut left)).await.is_err());
        relay.make(Trouble::None);
        assert!(timeout(Duration::from_secs(5), client.read(&mut left)).await.unwrap().unwrap() > 0);
    }
}
