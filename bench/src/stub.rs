//! A stub that plays storage nodes: one listener for all of them, and what their place in the gate's configuration is.
//!
//! What it answers is each measurement's own. Absent on purpose: any look at signatures, and requests with a body.

use std::fmt;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::thread;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::Failure;

/// Five cities on five continents, in degrees.
pub(crate) const CITIES: [(f64, f64); 5] =
    [(50.11, 8.68), (40.71, -74.01), (1.35, 103.82), (-23.55, -46.63), (-33.92, 18.42)];

/// A node takes more viewers than any measurement brings: the choice is by place.
pub(crate) const ROOMY: u32 = 1_000_000_000;

/// With these links are signed.
pub(crate) const ACCESS_KEY: &str = "watchgate-bench";
pub(crate) const SECRET_KEY: &str = "a secret of the measurement";

/// What a node says of a film beside its length.
const FILM: &str = "ETag: \"9bb58f26192e4ba00f01e2e7b136bbd8-512\"\r\n\
    Last-Modified: Mon, 23 Nov 2026 12:00:00 GMT\r\nx-amz-version-id: 3d2c38f2-9a0c-488f-b54c-05104ba6a699\r\n\
    Content-Type: video/mp4\r\n";

/// Starts the listener in a thread of its own, which ends with the process.
///
/// `reply` gets the head of each request, with its empty line, and writes the answer.
///
/// # Errors
/// No port or no thread is left.
pub(crate) fn start(
    reply: impl Fn(&[u8], &mut Vec<u8>) + Clone + Send + 'static,
) -> Result<SocketAddr, Failure> {
    let failed = || Failure::during("the stub that plays the storage nodes");
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed())?;
    listener.set_nonblocking(true).map_err(failed())?;
    let address = listener.local_addr().map_err(failed())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed())?;
    let serve = move || {
        runtime.block_on(async {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, reply.clone()));
            }
        });
    };
    thread::Builder::new().name("nodes".to_owned()).spawn(serve).map_err(failed())?;
    Ok(address)
}

/// Answers heads, which end with an empty line, until the connection closes.
async fn answer(mut stream: TcpStream, reply: impl Fn(&[u8], &mut Vec<u8>)) {
    let (mut heads, mut answers) = (Vec::new(), Vec::new());
    while let Ok(1..) = stream.read_buf(&mut heads).await {
        while let Some(end) = heads.windows(4).position(|four| four == b"\r\n\r\n") {
            reply(&heads[..end + 4], &mut answers);
            heads.drain(..end + 4);
        }
        if stream.write_all(&answers).await.is_err() {
            return;
        }
        answers.clear();
    }
}

/// Writes what a node says of itself and of its bucket.
pub(crate) fn well(to: &mut Vec<u8>) {
    to.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

/// Writes the head of an answer about a film that is held. `more`: further lines, each with its end.
pub(crate) fn held(to: &mut Vec<u8>, status: &str, length: u64, more: fmt::Arguments<'_>) {
    // Writing to a Vec does not fail.
    let _ = write!(to, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{FILM}{more}\r\n");
}

/// Where viewers find the node with this number.
pub(crate) fn host(number: usize) -> String {
    format!("node-{number}.storage.films.example")
}

/// The table of a node in the gate's configuration, played by the stub at `endpoint`.
pub(crate) fn node(number: usize, (lat, lon): (f64, f64), endpoint: SocketAddr, max_viewers: u32) -> String {
    format!(
        "\n[[node]]\nid = \"node-{number}\"\nendpoint = \"http://{endpoint}\"\n\
         public_url = \"https://{host}\"\nat = {{ lat = {lat:.2}, lon = {lon:.2} }}\n\
         max_viewers = {max_viewers}\naccess_key = \"{ACCESS_KEY}\"\nsecret_key = \"{SECRET_KEY}\"\n",
        host = host(number),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_head_is_answered_on_one_connection() {
        let address = start(|head, to| {
            let first = head.split(|byte| *byte == b' ').next().unwrap();
            to.extend_from_slice(first);
            held(to, "200 OK", 5, format_args!("X: y\r\n"));
        });
        let mut stream = TcpStream::connect(address.unwrap()).await.unwrap();
        stream.write_all(b"GET /a HTTP/1.1\r\n\r\nHEAD /b HTTP/1.1\r\nHost: h\r\n").await.unwrap();
        stream.write_all(b"\r\n").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).await.unwrap();
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: ";
        assert!(answers.starts_with(&format!("GET{head}")), "{answers}");
        assert!(answers.contains(&format!("X: y\r\n\r\nHEAD{head}")), "{answers}");
    }
}
