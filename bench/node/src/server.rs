//! The node's listener and its connections: open, refuse, cut.
//!
//! hyper speaks HTTP/1.1 over a [`Wire`]; each connection is a task of its own,
//! kept in a table so that a killed node can end them all.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::answer;
use crate::auth::Verifier;
use crate::faults::Cut;
use crate::inner::{Connection, Inner};
use crate::locked;
use crate::wire::{Script, Wire};

const BACKLOG: u32 = 1024;

/// Binds without listening. Others with the same option may bind the port too, and one may listen.
pub(crate) fn bound(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match addr {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}

/// Opens the node's port; an open one stays as it is.
pub(crate) fn listen(inner: &Arc<Inner>) -> io::Result<()> {
    let mut acceptor = locked(&inner.acceptor);
    if acceptor.is_some() {
        return Ok(());
    }
    let listener = bound(inner.addr)?.listen(BACKLOG)?;
    inner.serving.send_modify(|serving| serving.listening = true);
    *acceptor = Some(tokio::spawn(accept(Arc::clone(inner), listener)));
    Ok(())
}

/// Closes the port; connections stay. The port is closed when this returns.
pub(crate) async fn refuse(inner: &Inner) {
    let acceptor = locked(&inner.acceptor).take();
    inner.serving.send_modify(|serving| serving.listening = false);
    if let Some(acceptor) = acceptor {
        acceptor.abort();
        // The error says that it was aborted.
        let _ = acceptor.await;
    }
}

/// Ends all connections; they are gone when this returns.
pub(crate) async fn cut(inner: &Inner, cut: Cut) {
    let connections: Vec<Connection> = locked(&inner.connections).drain().map(|(_, open)| open).collect();
    for connection in connections {
        connection.script.cut(cut);
        connection.task.abort();
        let _ = connection.task.await;
    }
}

async fn accept(inner: Arc<Inner>, listener: TcpListener) {
    let verifier = Arc::new(Verifier::new(inner.keys.clone()));
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(node = inner.name, %error, "cannot accept");
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
                continue;
            }
        };
        let id = inner.log.connection();
        // Without it a drip comes in clumps.
        let _ = stream.set_nodelay(true);
        let script = Arc::new(Script::default());
        let mut connections = locked(&inner.connections);
        if !inner.serving().listening {
            // Aborted already, but on another thread: what is spawned now nobody would cut.
            return;
        }
        // Spawned under the lock, so that it cannot end before it stands in the table.
        let task =
            tokio::spawn(serve(Arc::clone(&inner), Arc::clone(&verifier), stream, Arc::clone(&script), id));
        connections.insert(id, Connection { task, script });
    }
}

async fn serve(inner: Arc<Inner>, verifier: Arc<Verifier>, stream: TcpStream, script: Arc<Script>, id: u64) {
    let wire = Wire::new(stream, Arc::clone(&script), inner.serving.subscribe(), inner.write_timeout);
    let service = service_fn(|request| {
        answer::answer(Arc::clone(&inner), Arc::clone(&verifier), Arc::clone(&script), request)
    });
    let served = http1::Builder::new()
        // A frozen node must not close what it does not read.
        .header_read_timeout(None)
        .title_case_headers(true)
        .serve_connection(TokioIo::new(wire), service)
        .await;
    if let Err(error) = served {
        // A client that leaves, a cut by plan: nothing of interest to an operator.
        tracing::debug!(node = inner.name, %error, "connection ended");
    }
    locked(&inner.connections).remove(&id);
    inner.log.changed();
}
