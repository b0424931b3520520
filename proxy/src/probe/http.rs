//! One request to one address on a connection of its own, under one deadline, with every failure named.
//!
//! Fresh connections prove the way in, which a pooled one does not. Heads and bodies are bounded, so that a node gone
//! mad costs a few KiB. Absent on purpose: redirects, retries, keep-alive, cookies.

use std::convert::Infallible;
use std::future::{Future, pending};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http::response::Parts;
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::decide::health::Reason;

/// A real answer's head has under 2 KiB; hyper takes no smaller bound than 8.
const HEAD_MAX: usize = 16 * 1024;
/// A health page has a few words. What comes after is not read.
const BODY_MAX: usize = 8 * 1024;

/// Why a probe failed, with the detail for the log.
#[derive(Debug)]
pub(super) enum Failure {
    /// The node, or the way there.
    Node(Reason, String),
    /// This machine: it says nothing of the node.
    Ours(String),
}

/// What to send, and where.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) address: SocketAddr,
    /// For https: whom the certificate must name.
    pub(super) tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    pub(super) request: Request<Empty<Bytes>>,
}

/// Sends the request and reads the answer to its end, or to as much of its body as is read at all.
pub(super) async fn exchange(call: Call, deadline: Instant) -> Result<Parts, Failure> {
    let connecting = TcpStream::connect(call.address);
    let tcp = in_time(deadline, "connecting", connecting).await?.map_err(|error| unconnected(&error))?;
    // A probe is one small packet: it must not wait for another. Without the option it is merely slower.
    let _ = tcp.set_nodelay(true);
    let Some((config, name)) = call.tls else {
        return in_time(deadline, "connected, answer", ask(tcp, call.request)).await?;
    };
    let handshake = TlsConnector::from(config).connect(name, tcp);
    let stream = in_time(deadline, "connected, TLS handshake", handshake)
        .await?
        .map_err(|error| Failure::Node(Reason::Tls, format!("TLS handshake: {error}")))?;
    in_time(deadline, "connected over TLS, answer", ask(stream, call.request)).await?
}

/// The step's name goes into the time-out's text: a frozen node connects, a lost one does not.
pub(super) async fn in_time<T>(
    deadline: Instant,
    step: &str,
    work: impl Future<Output = T>,
) -> Result<T, Failure> {
    timeout_at(deadline, work)
        .await
        .map_err(|_| Failure::Node(Reason::Timeout, format!("{step}: not in time")))
}

async fn ask<S>(stream: S, request: Request<Empty<Bytes>>) -> Result<Parts, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_MAX);
    let (mut sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(|error| unanswered(&error))?;
    let answer = async {
        let (head, mut body) = sender.send_request(request).await?.into_parts();
        let mut left = BODY_MAX;
        while left > 0 {
            let Some(frame) = body.frame().await.transpose()? else { break };
            left = left.saturating_sub(frame.data_ref().map_or(0, Bytes::len));
        }
        Ok(head)
    };
    // The connection may end before what it read is taken; its faults come out of `answer`, too.
    let drive = async {
        let _ = connection.await;
        pending::<Infallible>().await
    };
    tokio::select! {
        answer = answer => answer.map_err(|error| unanswered(&error)),
        never = drive => match never {},
    }
}

/// `ENFILE` and `EMFILE`: the same numbers on every Unix, and without a name in the standard library.
const NO_DESCRIPTORS: [i32; 2] = [23, 24];

fn unconnected(error: &io::Error) -> Failure {
    let text = format!("connecting: {error}");
    match (error.kind(), error.raw_os_error()) {
        (_, Some(code)) if NO_DESCRIPTORS.contains(&code) => Failure::Ours(text),
        (io::ErrorKind::TimedOut, _) => Failure::Node(Reason::Timeout, text),
        _ => Failure::Node(Reason::Refused, text),
    }
}

fn unanswered(error: &hyper::Error) -> Failure {
    let reason = if error.is_parse() { Reason::Status } else { Reason::Refused };
    Failure::Node(reason, format!("connected, answer: {error}"))
}

#[cfg(test)]
mod tests;
