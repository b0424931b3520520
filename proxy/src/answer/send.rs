//! Writes a whole answer to the viewer.
//!
//! To a connection of ours it goes in one piece, and Pingora's session, which would build a map of the fields and write
//! head and body apart, is only asked whether another request may follow. Everything else, HTTP/2 for one, goes
//! through the session. Absent on purpose: films, which the pump writes.

use std::io;
use std::time::Duration;

use pingora::protocols::http::ServerSession;
use pingora::protocols::http::date::get_cached_date;
use pingora::protocols::http::v1::server::HttpSession;
use pingora::{Error, ErrorType, OrErr, Result};
use pingora_proxy::Session;
use tokio::time::timeout;

use super::Answer;
use super::wire::Wire;

/// Writes it; `stall`: how long the viewer may take nothing.
///
/// # Errors
/// Of the downstream: the viewer left, or took nothing for too long.
pub async fn send(session: &mut Session, answer: Answer, stall: Duration) -> Result<()> {
    let Some(wire_session) = on_wire(session) else { return hand_over(session, answer).await };
    // Nobody reads the rest of a request that is answered before its end.
    if answer.close || !wire_session.is_body_done() {
        wire_session.set_server_keepalive(None);
    }
    let mut text = answer.head.into_text(&get_cached_date(), wire_session.will_keepalive())?;
    text.extend_from_slice(&answer.body);
    match Wire::of(session) {
        Some(wire) => write(wire, &text, stall).await.map_err(Error::into_down),
        None => Ok(()),
    }
}

fn on_wire(session: &mut Session) -> Option<&mut HttpSession> {
    Wire::of(session)?;
    match session.as_downstream_mut() {
        ServerSession::H1(session) => Some(session),
        _ => None,
    }
}

/// Writes it through Pingora's session, which then knows that there is an answer.
///
/// # Errors
/// Of the downstream: the viewer left.
pub async fn hand_over(session: &mut Session, answer: Answer) -> Result<()> {
    if answer.close {
        session.set_keepalive(None);
    }
    let end = answer.body.is_empty();
    session.write_response_header(answer.head.into_response()?, end).await?;
    if !end {
        session.write_response_body(Some(answer.body), true).await?;
    }
    Ok(())
}

async fn write(wire: &Wire, mut bytes: &[u8], stall: Duration) -> Result<()> {
    while !bytes.is_empty() {
        match wire.try_write(bytes) {
            Ok(0) => return Err(Error::explain(ErrorType::WriteError, "the connection takes nothing")),
            Ok(taken) => bytes = &bytes[taken..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                timeout(stall, wire.writable())
                    .await
                    .or_err(ErrorType::WriteTimedout, "the viewer does not read")?;
            }
            Err(error) => return Err(error).or_err(ErrorType::WriteError, "writing an answer"),
        }
    }
    Ok(())
}
