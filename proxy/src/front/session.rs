//! A viewer's connection from one request to the next, on Pingora's own HTTP/1 session.
//!
//! Pingora's `HttpProxy` moves and boxes the future of its whole proxying for each request, which costs a redirect more
//! than choosing and signing do. A door that proxies nothing does not need it: this loop reads a head, lets the gate
//! answer, and goes on as `HttpProxy` would. A door with routes looks at a request before Pingora does (`mixed`), and
//! only what is not for a film goes that way. Absent on purpose: modules and HTTP/2, which want `HttpProxy` throughout.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::BytesMut;
use http::Method;
use pingora::apps::{HttpPersistentSettings, ServerApp};
use pingora::protocols::Stream;
use pingora::server::ShutdownWatch;
use pingora::{Error, ErrorSource, ErrorType};
use pingora_proxy::Session;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until};

use super::routes::Routes;
use crate::gate::{Gate, Outcome};

mod head;
mod mixed;

/// A viewer's next request, its head included, is waited for so long; as nginx does by default.
const PATIENCE: Duration = Duration::from_secs(75);

/// The application behind the door: the gate, and `404` for what is nobody's.
pub(super) struct Direct {
    gate: Arc<Gate>,
    /// Where the rest goes; none: nowhere.
    routes: Option<Routes>,
    /// Turns true when who waits for a request has to go.
    closing: watch::Sender<bool>,
    patience: Duration,
}

impl Direct {
    pub(super) fn new(gate: Arc<Gate>, routes: Option<Routes>) -> Self {
        Self { gate, routes, closing: watch::Sender::new(false), patience: PATIENCE }
    }

    pub(super) fn routes(&self) -> Option<&Routes> {
        self.routes.as_ref()
    }

    /// Answers one request; the connection, if another may come.
    async fn answer(&self, mut session: Session, shutdown: &ShutdownWatch) -> Option<Again> {
        if session.req_header().method == Method::CONNECT {
            refuse(session, 405).await;
            return None;
        }
        if *shutdown.borrow() {
            session.set_keepalive(None);
        }
        if let Err(error) = self.handle(&mut session).await {
            fail(session, &error).await;
            return None;
        }
        let settings = HttpPersistentSettings::for_session(&session);
        // What ends here is the connection of a viewer who has had the answer.
        let (stream, ahead) = session.downstream_session.finish().await.ok().flatten()?.into_parts();
        Some(Again { stream, ahead, settings })
    }

    async fn handle(&self, session: &mut Session) -> pingora::Result<()> {
        match self.gate.handle(session).await? {
            Outcome::Answered => Ok(()),
            Outcome::NotMine => self.gate.not_found(session).await,
        }
    }
}

/// A connection that may carry another request.
struct Again {
    stream: Stream,
    /// What was read of that request already.
    ahead: Option<BytesMut>,
    settings: HttpPersistentSettings,
}

#[async_trait]
impl ServerApp for Direct {
    async fn process_new(self: &Arc<Self>, stream: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        if let Some(routes) = &self.routes {
            // In a box of its own: a door without routes must not pay for its size.
            Box::pin(self.mixed(stream, routes, shutdown)).await;
            return None;
        }
        let mut closing = self.closing.subscribe();
        // Both are set up once for the connection: for each request they are only looked at.
        let mut closed = pin!(closing.wait_for(|closing| *closing));
        let mut limit = pin!(sleep_until(Instant::now() + self.patience));
        let mut session = Session::new_h1(stream);
        // The limit here takes the place of Pingora's for each read.
        session.set_keepalive(Some(0));
        loop {
            let since = Instant::now();
            let read = tokio::select! {
                biased;
                read = session.as_downstream_mut().read_request() => read,
                _ = &mut closed => return None,
                () = overdue(limit.as_mut(), since, self.patience) => return None,
            };
            match read {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    tracing::debug!(%error, "a viewer's request could not be read");
                    if *error.etype() == ErrorType::InvalidHTTPHeader {
                        refuse(session, 400).await;
                    }
                    return None;
                }
            }
            let Again { stream, ahead, mut settings } = self.answer(session, shutdown).await?;
            session = Session::new_h1(stream);
            if let Some(ahead) = ahead {
                settings.set_pipelined_prefix(ahead);
            }
            settings.apply_to_session(&mut session);
        }
    }

    async fn cleanup(&self) {
        self.closing.send_replace(true);
    }
}

/// Ends when somebody has been waited for since `since` for the whole of `patience`. The timer is set anew only when it
/// fires, not for each request.
async fn overdue(mut limit: Pin<&mut Sleep>, since: Instant, patience: Duration) {
    let due = since + patience;
    loop {
        limit.as_mut().await;
        if Instant::now() >= due {
            return;
        }
        limit.as_mut().reset(due);
    }
}

/// Pingora's own short answer, and the end of the connection.
async fn refuse(mut session: Session, status: u16) {
    // A viewer who does not hear it has gone.
    let _ = session.respond_error(status).await;
    session.as_downstream_mut().shutdown().await;
}

/// What could not be answered: a film that was cut, a viewer who left, or a fault of the gate's.
async fn fail(session: Session, error: &Error) {
    match error.esource() {
        ErrorSource::Downstream => tracing::debug!(%error, "a viewer left"),
        // Said by the gate already, with the film and the byte.
        ErrorSource::Upstream => tracing::debug!(%error, "a film was cut"),
        _ => {
            tracing::error!(%error, "a request failed inside the gate");
            if session.response_written().is_none() {
                refuse(session, 500).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
