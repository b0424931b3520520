//! The cable between the source and one replica: whoever holds it holds replication back, and nobody else.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// See the module; it ends when this is dropped.
pub(super) struct Cable {
    addr: SocketAddr,
    passes: watch::Sender<bool>,
    _serving: JoinSet<()>,
}

impl Cable {
    pub(super) fn start(replica: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("an open socket");
        let addr = listener.local_addr().expect("an address");
        let listener = TcpListener::from_std(listener).expect("an open socket");
        let (passes, clear) = watch::channel(true);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((source, _)) = listener.accept().await {
                connections.spawn(connection(source, replica, clear.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { addr, passes, _serving: serving }
    }

    pub(super) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// From now on no byte passes, in either direction, and nobody is told.
    pub(super) fn hold(&self) {
        self.passes.send_replace(false);
    }

    /// What was held passes, and so does what follows.
    pub(super) fn release(&self) {
        self.passes.send_replace(true);
    }
}

async fn connection(mut source: TcpStream, replica: SocketAddr, mut passes: watch::Receiver<bool>) {
    if passes.wait_for(|passes| *passes).await.is_err() {
        return;
    }
    // A replica that is dead: the source is told by the end of its connection.
    let Ok(mut replica) = TcpStream::connect(replica).await else { return };
    let (from_source, to_source) = source.split();
    let (from_replica, to_replica) = replica.split();
    tokio::select! {
        _ = pass(from_source, to_replica, passes.clone()) => {}
        _ = pass(from_replica, to_source, passes) => {}
    }
}

/// Passes bytes on until either side ends.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut passes: watch::Receiver<bool>,
) -> Option<()> {
    let mut piece = vec![0; 64 << 10];
    loop {
        let read = from.read(&mut piece).await.ok().filter(|read| *read > 0)?;
        passes.wait_for(|passes| *passes).await.ok()?;
        to.write_all(&piece[..read]).await.ok()?;
    }
}
