//! The storage nodes of the measurement: one listener that says 200 to whatever is asked, and the fleet that it plays.
//!
//! The gate's probes find every node well, every node says that it holds every film, and the choice is by place alone.
//! Absent on purpose: bytes of films; nobody follows the links.

use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::thread;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::Failure;
use crate::random::Random;

/// Whether the gate writes its access line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccessLine {
    /// As it does by default.
    Written,
    /// Switched off.
    Off,
}

/// Whether the gate asks who holds a film.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// As it does by default; what it heard is believed for as long as the measurement takes, so that the requests of
    /// viewers are measured and not the questions to nodes.
    Asked,
    /// Switched off.
    Off,
}

/// What the gate's configuration depends on.
#[derive(Debug)]
pub(super) struct Fleet<'a> {
    pub(super) nodes: usize,
    /// A node's budget of viewers; links are counted against it as if each brought a viewer who stays a while.
    pub(super) max_viewers: u32,
    pub(super) access_line: AccessLine,
    pub(super) presence: Presence,
    pub(super) database: &'a Path,
    /// Where all nodes are found.
    pub(super) stub: SocketAddr,
}

/// Starts the listener in a thread of its own. It ends with the process.
///
/// # Errors
/// No port or no thread is left.
pub(super) fn start() -> Result<SocketAddr, Failure> {
    let failed = || Failure::during("the stub that plays the storage nodes");
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(failed())?;
    listener.set_nonblocking(true).map_err(failed())?;
    let address = listener.local_addr().map_err(failed())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed())?;
    let serve = move || {
        runtime.block_on(async {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream));
            }
        });
    };
    thread::Builder::new().name("nodes".to_owned()).spawn(serve).map_err(failed())?;
    Ok(address)
}

/// What a node says of the bucket and of every film. The gate asks by HEAD, so that no byte follows.
const HELD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4000000000\r\nETag: \"9bb58f26192e4ba00f01e2e7b136bbd8-512\"\r\n\
    Last-Modified: Mon, 23 Nov 2026 12:00:00 GMT\r\nx-amz-version-id: 3d2c38f2-9a0c-488f-b54c-05104ba6a699\r\n\
    Content-Type: video/mp4\r\n\r\n";

/// Answers heads, which end with an empty line, until the connection closes.
async fn answer(mut stream: TcpStream) {
    let mut head = Vec::new();
    while let Ok(1..) = stream.read_buf(&mut head).await {
        while let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            head.drain(..end + 4);
            if stream.write_all(HELD).await.is_err() {
                return;
            }
        }
    }
}

/// The gate's configuration file: what the measurement needs, everything else by default.
pub(super) fn config(http: SocketAddr, admin: SocketAddr, fleet: &Fleet<'_>) -> String {
    let mut text = format!(
        "[listen]\nhttp = \"{http}\"\nadmin = \"{admin}\"\n\n[viewer]\ntrusted_proxies = [\"127.0.0.0/8\"]\n\n\
         [geoip]\ndatabases = [{:?}]\n\n[bucket]\nname = \"movies\"\n\n[log]\naccess = {}\n\n\
         [presence]\nenabled = {}\npositive_ttl = \"24h\"\n",
        fleet.database.to_string_lossy(),
        fleet.access_line == AccessLine::Written,
        fleet.presence == Presence::Asked,
    );
    let mut random = Random::new(6);
    for node in 0..fleet.nodes {
        let (lat, lon) = site(node, &mut random);
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "\n[[node]]\nid = \"node-{node}\"\nendpoint = \"http://{}\"\n\
             public_url = \"https://node-{node}.storage.films.example\"\nat = {{ lat = {lat:.2}, lon = {lon:.2} }}\n\
             max_viewers = {}\naccess_key = \"watchgate-bench\"\nsecret_key = \"a secret of the measurement\"\n",
            fleet.stub, fleet.max_viewers,
        );
    }
    text
}

/// The first five are cities on five continents, the others stand anywhere.
fn site(node: usize, random: &mut Random) -> (f64, f64) {
    const CITIES: [(f64, f64); 5] =
        [(50.11, 8.68), (40.71, -74.01), (1.35, 103.82), (-23.55, -46.63), (-33.92, 18.42)];
    CITIES.get(node).copied().unwrap_or_else(|| (random.between(-55.0, 70.0), random.between(-180.0, 180.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_head_is_answered_on_one_connection() {
        let address = start().unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /a HTTP/1.1\r\n\r\nHEAD /b HTTP/1.1\r\nHost: h\r\n").await.unwrap();
        stream.write_all(b"\r\n").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).await.unwrap();
        assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 2, "{answers}");
    }

    #[test]
    fn every_node_is_written() {
        let here = SocketAddr::from(([127, 0, 0, 1], 1));
        let database = Path::new("/a\"b.mmdb");
        let (access_line, presence) = (AccessLine::Off, Presence::Off);
        let fleet = Fleet { nodes: 7, max_viewers: 9, access_line, presence, database, stub: here };
        let text = config(here, here, &fleet);
        assert!(text.contains("[presence]\nenabled = false"), "{text}");
        assert_eq!(text.matches("[[node]]").count(), 7);
        assert!(text.contains("databases = [\"/a\\\"b.mmdb\"]") && text.contains("access = false"), "{text}");
    }
}
