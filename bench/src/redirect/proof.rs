//! The proof that links are right: a node that verifies signatures takes them, and none that is altered.
//!
//! The verifier is `watchgate-node`, whose signatures are checked by another library than any of those that sign. The
//! links name hosts that do not exist; they are asked for at the node, under the name that they were signed for.
//! Absent on purpose: films; a small object of each name is enough.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::load::{Connection, host, link};
use super::requests::{Pair, name, written};
use crate::Failure;
use crate::process::{Place, Server, free_address};
use crate::stub::{ACCESS_KEY, SECRET_KEY};

/// Links that are proved.
const PROVED: usize = 16;
/// How long the node may take for an answer.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// A node that verifies, and the pairs whose links it is asked about.
#[derive(Debug)]
pub(crate) struct Verifier {
    node: Server,
    pairs: Vec<Pair>,
}

impl Verifier {
    /// Starts the node with the films of the first few pairs.
    pub(crate) async fn start(place: &Place, core: usize, pairs: &[Pair]) -> Result<Self, Failure> {
        let (address, pairs) = (free_address()?, pairs[..PROVED.min(pairs.len())].to_vec());
        let (listen, program) = (address.to_string(), place.program("watchgate-node"));
        let films: Vec<String> = pairs.iter().map(|(_, film)| format!("{}.mp4=1000", name(*film))).collect();
        let mut command = vec![
            &*program,
            "--bucket",
            "movies",
            "--access-key",
            ACCESS_KEY,
            "--secret-key",
            SECRET_KEY,
            "--address",
            &listen,
        ];
        command.extend(films.iter().flat_map(|film| ["--generate", film]));
        let node = Server::start(place, core, "verifier", &command, address).await?;
        Ok(Self { node, pairs })
    }

    /// Has the server sign, and the node judge: the links as they are, and each with another signature.
    ///
    /// # Errors
    /// A link is refused, or an altered one is not.
    pub(crate) async fn prove(&self, server: &Server) -> Result<(), Failure> {
        let mut connection = Connection::open(server.address).await.map_err(|why| server.misbehaved(&why))?;
        for &pair in &self.pairs {
            let answer = connection.ask(written(pair).as_bytes()).await;
            let answer = answer.map_err(|why| server.misbehaved(&why))?;
            let link = link(answer).ok_or_else(|| server.misbehaved("signed no link"))?;
            let status = self.judged(link).await?;
            if !is_taken(status, link) {
                let why = format!("signed a link that a node answers with {status}: {link}");
                return Err(server.misbehaved(&why));
            }
            let other = altered(link);
            let status = self.judged(&other).await?;
            if status != 403 {
                let why =
                    format!("answered {status} instead of 403 to a link with another signature: {other}");
                return Err(self.node.misbehaved(&why));
            }
        }
        Ok(())
    }

    /// The status with which the node answers this link.
    async fn judged(&self, link: &str) -> Result<u16, Failure> {
        let answered = timeout(ANSWER_TIME, fetched(self.node.address, link)).await;
        let status = answered.ok().flatten();
        status.ok_or_else(|| self.node.misbehaved(&format!("did not answer {link}")))
    }
}

/// A link that pins the version that the stub told is for an object that the verifier lacks. It looks at the signature
/// before it looks for the object.
fn is_taken(status: u16, link: &str) -> bool {
    matches!(status, 200 | 206) || status == 404 && link.contains("versionId=")
}

/// The same link with another last digit of its signature.
fn altered(link: &str) -> String {
    let Some((before, signature)) = link.split_once("X-Amz-Signature=") else { return link.to_owned() };
    let mut signature: Vec<char> = signature.chars().collect();
    if let Some(digit) = signature.get_mut(63) {
        *digit = if *digit == '0' { '1' } else { '0' };
    }
    format!("{before}X-Amz-Signature={}", signature.into_iter().collect::<String>())
}

async fn fetched(node: SocketAddr, link: &str) -> Option<u16> {
    let (host, path) = link.strip_prefix("https://")?.split_once('/')?;
    let mut stream = TcpStream::connect(node).await.ok()?;
    let ask =
        format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\nRange: bytes=0-9\r\nConnection: close\r\n\r\n");
    stream.write_all(ask.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let head = std::str::from_utf8(answer.get(..12)?).ok()?;
    head.strip_prefix("HTTP/1.1 ")?.parse().ok()
}

/// The hosts that viewers of these pairs are sent to, in the same order.
///
/// # Errors
/// The first answer that is not a redirect to a signed link.
pub(crate) async fn destinations(server: &Server, pairs: &[Pair]) -> Result<Vec<String>, Failure> {
    let mut connection = Connection::open(server.address).await.map_err(|why| server.misbehaved(&why))?;
    let mut hosts = Vec::with_capacity(pairs.len());
    for &pair in pairs {
        let answer = connection.ask(written(pair).as_bytes()).await;
        let host = answer.map(host).map_err(|why| server.misbehaved(&why))?;
        hosts.push(host.ok_or_else(|| server.misbehaved("redirected nowhere"))?);
    }
    Ok(hosts)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::super::requests::drawn;
    use super::*;
    use crate::stub;

    const SIGNATURE: &str = "3f0e8a6c5d4b3a29180f7e6d5c4b3a291f0e8d7c6b5a49382716f5e4d3c2b1a0";

    /// What the proof says of a server that signs well, before a node that takes what `takes` says.
    async fn proved(takes: impl Fn(&str) -> bool + Clone + Send + 'static) -> Result<(), String> {
        let place = Place::empty();
        let signer = stub::start(|_, to| {
            let link = format!("https://n.example/movies/f.mp4?X-Amz-Signature={SIGNATURE}");
            let answer = format!("HTTP/1.1 302 Found\r\nLocation: {link}\r\nContent-Length: 0\r\n\r\n");
            to.extend_from_slice(answer.as_bytes());
        });
        let node = judging(takes).await;
        let pairs = drawn(&["192.0.2.1".parse().unwrap()], 10, 3);
        let verifier = Verifier { node: Server::played(&place, node).await, pairs };
        let server = Server::played(&place, signer.unwrap()).await;
        verifier.prove(&server).await.map_err(|failure| failure.to_string())
    }

    /// A node that closes each connection after its answer.
    async fn judging(takes: impl Fn(&str) -> bool + Send + 'static) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut head = Vec::with_capacity(4096);
                // Whoever only looks whether somebody listens sends nothing.
                if stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {
                    let status = if takes(&String::from_utf8_lossy(&head)) { 206 } else { 403 };
                    let answer = format!("HTTP/1.1 {status} -\r\nContent-Length: 0\r\n\r\n");
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            }
        });
        address
    }

    #[tokio::test]
    async fn a_proof_needs_a_node_that_takes_and_refuses() {
        assert_eq!(proved(|head| head.contains(SIGNATURE)).await, Ok(()));
        let all = proved(|_| true).await.unwrap_err();
        assert!(all.contains("206 instead of 403"), "{all}");
        let none = proved(|_| false).await.unwrap_err();
        assert!(none.contains("a node answers with 403"), "{none}");
    }

    #[test]
    fn a_digit_of_the_signature_is_another() {
        let signature = "0123456789abcdef".repeat(4);
        let check = |link: &str, expected: &str| assert_eq!(altered(link), expected);
        let other = format!("{}0", &signature[..63]);
        check(
            &format!("https://n/f?a=b&X-Amz-Signature={signature}"),
            &format!("https://n/f?a=b&X-Amz-Signature={other}"),
        );
        check(
            &format!("https://n/f?X-Amz-Signature={other}&c=d"),
            &format!("https://n/f?X-Amz-Signature={}1&c=d", &signature[..63]),
        );
        check("https://n/f", "https://n/f");
    }

    #[test]
    fn what_counts_as_taken() {
        let check = |status: u16, link: &str, expected: bool| assert_eq!(is_taken(status, link), expected);
        check(206, "https://n/f", true);
        check(404, "https://n/f?versionId=3&X", true);
        check(404, "https://n/f", false);
        check(403, "https://n/f?versionId=3&X", false);
    }
}
