//! Gates and nodes in this process, with one film, each with one manner.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::random::Random;
use crate::viewer::field;

pub(super) const FILM_BYTES: usize = 300_007;

/// What a server does.
#[derive(Clone, Debug)]
pub(super) enum Manner {
    /// Gives the film.
    Film,
    /// Gives the film, but the whole one only up to this byte, then RST.
    Resets(usize),
    /// The same, then FIN.
    Ends(usize),
    /// The same, then nothing.
    Stalls(usize),
    /// Gives the film with this byte wrong.
    Lies(usize),
    /// Gives the film with a wrong `Content-Range`.
    WrongRange,
    Redirects(String),
    /// Redirects after a time.
    Slow(Duration, String),
    Status(u16),
    Silent,
    HangsUp,
}

/// A server on the loopback, which ends with the test's runtime.
pub(super) struct Server {
    address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    heads: Mutex<Vec<String>>,
    connections: AtomicUsize,
}

/// The bytes of the film.
pub(super) fn film() -> Vec<u8> {
    let mut random = Random::new(42);
    (0..FILM_BYTES).map(|_| random.next().to_le_bytes()[3]).collect()
}

/// The different values of a header field that a server has seen.
pub(super) fn seen_from(server: &Server, name: &str) -> BTreeSet<String> {
    let heads = server.seen.heads.lock().unwrap();
    heads.iter().filter_map(|head| field(head, name).map(str::to_owned)).collect()
}

impl Server {
    pub(super) async fn start(manner: Manner) -> Self {
        let (listener, server) = Self::bind().await;
        let seen = Arc::clone(&server.seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seen.connections.fetch_add(1, Ordering::Relaxed);
                // Who goes early breaks its connection, and nobody minds.
                let (manner, seen) = (manner.clone(), Arc::clone(&seen));
                tokio::spawn(async move { answer(stream, &manner, &seen).await });
            }
        });
        server
    }

    /// A gate that streams over HTTP/2.
    pub(super) async fn http2() -> Self {
        let (listener, server) = Self::bind().await;
        let seen = Arc::clone(&server.seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                seen.connections.fetch_add(1, Ordering::Relaxed);
                let service = hyper::service::service_fn(|request: Request<Incoming>| async move {
                    let range = request.headers().get("range").and_then(|range| range.to_str().ok());
                    let from = first_byte(range.unwrap_or("bytes=0-"));
                    let range = format!("bytes {from}-{}/{FILM_BYTES}", FILM_BYTES - 1);
                    let body = Full::new(Bytes::from(film()).slice(from..));
                    let answer = Response::builder().status(206).header("content-range", range);
                    Ok::<_, Infallible>(answer.body(body).unwrap())
                });
                let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
            }
        });
        server
    }

    async fn bind() -> (TcpListener, Self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        (listener, Self { address, seen: Arc::default() })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn asked(&self) -> usize {
        self.seen.heads.lock().unwrap().len()
    }

    pub(super) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::Relaxed)
    }
}

fn first_byte(range: &str) -> usize {
    range.trim_start_matches("bytes=").split('-').next().unwrap().parse().unwrap()
}

async fn answer(mut stream: TcpStream, manner: &Manner, seen: &Seen) -> std::io::Result<()> {
    let mut received = Vec::new();
    while stream.read_buf(&mut received).await? > 0 {
        while let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&received[..end + 2]).into_owned();
            received.drain(..end + 4);
            let from = first_byte(field(&head, "range").unwrap_or("bytes=0-"));
            let has_range = field(&head, "range").is_some();
            seen.heads.lock().unwrap().push(head);
            let redirect =
                |to: &str| format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
            match manner {
                Manner::Redirects(to) => stream.write_all(redirect(to).as_bytes()).await?,
                Manner::Slow(after, to) => {
                    tokio::time::sleep(*after).await;
                    stream.write_all(redirect(to).as_bytes()).await?;
                }
                Manner::Status(status) => {
                    let text = format!("HTTP/1.1 {status} -\r\nContent-Length: 2\r\n\r\nno");
                    stream.write_all(text.as_bytes()).await?;
                }
                Manner::Silent => {}
                Manner::HangsUp => return Ok(()),
                _ => {
                    if !give(&mut stream, manner, from, has_range).await? {
                        return Ok(());
                    }
                }
            }
        }
    }
    Ok(())
}

/// Writes the film from there on; `false`: no more on this connection.
async fn give(
    stream: &mut TcpStream,
    manner: &Manner,
    from: usize,
    has_range: bool,
) -> std::io::Result<bool> {
    let mut film = film();
    if let Manner::Lies(at) = manner {
        film[*at] ^= 1;
    }
    let off = usize::from(matches!(manner, Manner::WrongRange));
    let range = format!("Content-Range: bytes {}-{}/{FILM_BYTES}\r\n", from + off, FILM_BYTES - 1);
    let (status, range) = if has_range { ("206 Partial", range.as_str()) } else { ("200 OK", "") };
    let head = format!(
        "HTTP/1.1 {status}\r\n{range}Content-Length: {}\r\nWatchgate-Decision: node=ams;tier=geo\r\n\r\n",
        FILM_BYTES - from
    );
    stream.write_all(head.as_bytes()).await?;
    match manner {
        Manner::Resets(at) | Manner::Ends(at) | Manner::Stalls(at) if from == 0 => {
            stream.write_all(&film[..*at]).await?;
            if matches!(manner, Manner::Stalls(_)) {
                // Until the viewer goes.
                stream.read_buf(&mut Vec::new()).await?;
            } else if matches!(manner, Manner::Resets(_)) {
                // What has arrived can still be read.
                stream.set_zero_linger()?;
            }
            Ok(false)
        }
        _ => {
            stream.write_all(&film[from..]).await?;
            Ok(true)
        }
    }
}
