//! A node that holds every film, on a socket of this machine, and a viewer's connection to the gate.
//!
//! Both are tasks of the thread that is counted, so that what they send is there before the gate looks for it, in every
//! run alike. Absent on purpose: any look at signatures.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};

use pingora_proxy::Session;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use watchgate::answer::wire::Wire;

/// Bytes of every film: one window, and no more than sockets take at once, so that nobody waits and no clock matters.
pub(super) const FILM_BYTES: u64 = 256 << 10;

const HEAD: &str = "ETag: \"9bb58f26192e4ba00f01e2e7b136bbd8-512\"\r\nContent-Type: video/mp4\r\n\
    Last-Modified: Mon, 23 Nov 2026 12:00:00 GMT\r\nx-amz-version-id: 3d2c38f2-9a0c-488f-b54c-05104ba6a699\r\n";

/// Starts the node.
pub(super) async fn node() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream));
        }
    });
    address
}

async fn answer(mut stream: TcpStream) {
    let film = vec![0; usize::try_from(FILM_BYTES).expect("a film that fits into memory")];
    let mut asked = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut asked).await {
        if !asked.ends_with(b"\r\n\r\n") {
            continue;
        }
        let request = String::from_utf8_lossy(&asked).to_ascii_lowercase();
        let (mut head, body) = match range(&request) {
            Some((first, last)) => {
                let last = last.min(FILM_BYTES - 1);
                let bytes = last + 1 - first;
                let range = format!("Content-Range: bytes {first}-{last}/{FILM_BYTES}\r\n");
                (format!("HTTP/1.1 206 Partial Content\r\nContent-Length: {bytes}\r\n{range}"), bytes)
            }
            // The questions of health get an empty answer, those of presence a film's head.
            None if request.starts_with("head ") => {
                (format!("HTTP/1.1 200 OK\r\nContent-Length: {FILM_BYTES}\r\n"), 0)
            }
            None => ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n".to_owned(), 0),
        };
        let _ = write!(head, "{HEAD}\r\n");
        let body = &film[..usize::try_from(body).expect("a part of the film")];
        if stream.write_all(head.as_bytes()).await.is_err() || stream.write_all(body).await.is_err() {
            return;
        }
        asked.clear();
    }
}

/// First and last byte that are asked for.
fn range(request: &str) -> Option<(u64, u64)> {
    let (first, last) = request.split_once("\r\nrange: bytes=")?.1.split_once("\r\n")?.0.split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// A viewer's request as it lies before the gate, and the viewer's end of its connection.
pub(super) async fn viewer(listener: &TcpListener, request: &str) -> (Session, TcpStream) {
    let address = listener.local_addr().expect("an address");
    let mut viewer = TcpStream::connect(address).await.expect("a listener");
    viewer.write_all(request.as_bytes()).await.expect("an open connection");
    let (stream, peer) = listener.accept().await.expect("the connection");
    let mut session = Session::new_h1(Box::new(Wire::new(stream, peer)));
    assert!(session.as_downstream_mut().read_request().await.expect("a request"), "a whole request");
    (session, viewer)
}

/// Reads the answer to its end.
pub(super) async fn read(mut viewer: TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    // A connection that is cut shows in what is missing.
    let _ = viewer.read_to_end(&mut answer).await;
    answer
}
