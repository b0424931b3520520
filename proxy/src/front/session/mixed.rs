//! A connection on which requests for films and others come in any order.
//!
//! Each head is read here, whole and within one limit, before anybody gets it. What asks for a film is answered as by a
//! door without routes; everything else goes through Pingora's proxying, on a connection that is fenced to the bytes of
//! this one request, so that the next one is still here when it is done. Who looks as if asking for no film is judged
//! again, by the parsed path, on the way ([`Routes`]): here is only decided which way is shorter.

use std::pin::pin;

use bytes::{Buf, BytesMut};
use pingora::apps::HttpServerApp;
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::server::ShutdownWatch;
use pingora_proxy::Session;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep_until};

use super::head::{self, Framing};
use super::{Again, Direct, overdue, refuse};
use crate::answer::wire::Wire;
use crate::front::routes::Routes;

/// The longest head, in bytes; what of it nobody needs is what an attacker sends.
const HEAD_MAX: usize = 64 << 10;
/// Room for the usual head; more is made where it is needed.
const HEAD_USUAL: usize = 4 << 10;

/// What came of waiting for a head.
enum Read {
    /// It is all there: so many bytes.
    Head(usize),
    TooLong,
    Ended,
}

impl Direct {
    /// Serves the connection until nothing more may come.
    pub(super) async fn mixed(&self, mut stream: Stream, routes: &Routes, shutdown: &ShutdownWatch) {
        let mut closing = self.closing.subscribe();
        let mut closed = pin!(closing.wait_for(|closing| *closing));
        let mut limit = pin!(sleep_until(Instant::now() + self.patience));
        let mut ahead = BytesMut::new();
        loop {
            let since = Instant::now();
            let read = tokio::select! {
                biased;
                read = read(&mut stream, &mut ahead) => read,
                _ = &mut closed => return,
                () = overdue(limit.as_mut(), since, self.patience) => return,
            };
            let left = match read {
                Read::Head(_) if head::is_below(&ahead, routes.watch_prefix()) => {
                    self.film(stream, ahead, shutdown).await
                }
                // In a box of its own: a redirect must not pay for the size of Pingora's whole proxying.
                Read::Head(len) => Box::pin(pass(stream, ahead, len, routes, shutdown)).await,
                Read::TooLong => return refuse(Session::new_h1(stream), 431).await,
                Read::Ended => return,
            };
            let Some(left) = left else { return };
            (stream, ahead) = left;
        }
    }

    async fn film(
        &self,
        stream: Stream,
        ahead: BytesMut,
        shutdown: &ShutdownWatch,
    ) -> Option<(Stream, BytesMut)> {
        let mut session = Session::new_h1(stream);
        session.set_keepalive(Some(0));
        begin_with(session.as_downstream_mut(), ahead);
        session.as_downstream_mut().set_pipelining_enabled(true);
        match session.as_downstream_mut().read_request().await {
            Ok(true) => {}
            Ok(false) => return None,
            Err(error) => {
                tracing::debug!(%error, "a viewer's request could not be read");
                refuse(session, 400).await;
                return None;
            }
        }
        let Again { stream, ahead, .. } = self.answer(session, shutdown).await?;
        Some((stream, ahead.unwrap_or_default()))
    }
}

/// Reads until the head is whole. Nothing is lost if this is given up.
async fn read(stream: &mut Stream, ahead: &mut BytesMut) -> Read {
    let mut seen = 0;
    if !ahead.is_empty() {
        // A viewer who sends requests without waiting for answers gets no more than its share of the thread.
        tokio::task::consume_budget().await;
    }
    loop {
        ahead.advance(head::blank(ahead));
        if let Some(len) = head::end(ahead, seen) {
            return Read::Head(len);
        }
        if ahead.len() > HEAD_MAX {
            return Read::TooLong;
        }
        seen = ahead.len();
        ahead.reserve(HEAD_USUAL);
        match stream.read_buf(ahead).await {
            Ok(0) | Err(_) => return Read::Ended,
            Ok(_) => {}
        }
    }
}

/// Hands one request to Pingora's proxying; the connection and what came behind the request, if another may come.
async fn pass(
    stream: Stream,
    mut ahead: BytesMut,
    head_len: usize,
    routes: &Routes,
    shutdown: &ShutdownWatch,
) -> Option<(Stream, BytesMut)> {
    let behind = match (head::framing(&ahead[..head_len]), Wire::below(&stream)) {
        (Framing::Length(body), Some(wire)) => {
            let here = body.min(ahead.len() - head_len);
            wire.fence(body - here);
            ahead.split_off(head_len + here)
        }
        _ => BytesMut::new(),
    };
    let mut session = ServerSession::new_http1(stream);
    session.set_keepalive(Some(0));
    begin_with(&mut session, ahead);
    // Without pipelining Pingora returns no connection from which it has read more than the request.
    let (stream, _) = routes.proxy().process_new_http(session, shutdown).await?.consume();
    let left = Wire::below(&stream).and_then(Wire::unfence);
    // A body that was not read to its end would be read as a request.
    (left.unwrap_or(0) == 0).then_some((stream, behind))
}

fn begin_with(session: &mut ServerSession, ahead: BytesMut) {
    if let ServerSession::H1(session) = session {
        session.set_pipelined_prefix(ahead);
    }
}
