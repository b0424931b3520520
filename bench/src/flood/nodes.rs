//! The storage nodes of the flood: a stub that holds a fixed set of films and has never heard of any other.
//!
//! It counts what it is asked, by whether the film is one of those. Absent on purpose: nodes that differ; each of them
//! gives the same answer.

use std::collections::HashSet;
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use super::Mode;
use crate::random::Random;
use crate::stub::{self, CITIES, ROOMY};

/// Bytes of a film.
const FILM_BYTES: u64 = 1 << 20;

/// What the nodes hold, and what they were asked.
#[derive(Debug)]
pub(super) struct Library {
    /// Names of the films that are held.
    pub(super) films: Vec<String>,
    known: HashSet<String>,
    asked: [AtomicU64; 4],
}

/// Requests to all nodes together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Asked {
    /// Whether a known film is held: HEAD.
    pub(super) known_heads: u64,
    /// Bytes of a known film: GET.
    pub(super) known_gets: u64,
    /// Both of any other name.
    pub(super) unknown_heads: u64,
    pub(super) unknown_gets: u64,
}

impl Library {
    /// So many films.
    pub(super) fn new(films: usize) -> Self {
        let mut random = Random::new(7);
        let films: Vec<String> = (0..films).map(|_| random.uuid()).collect();
        Self { known: films.iter().cloned().collect(), films, asked: Default::default() }
    }

    /// Requests so far.
    pub(super) fn asked(&self) -> Asked {
        let [known_heads, known_gets, unknown_heads, unknown_gets] =
            [0, 1, 2, 3].map(|kind: usize| self.asked[kind].load(Ordering::Relaxed));
        Asked { known_heads, known_gets, unknown_heads, unknown_gets }
    }

    /// Answers a request as a node does.
    fn reply(&self, head: &[u8], to: &mut Vec<u8>) {
        let head = String::from_utf8_lossy(head);
        let (method, target) = head.split_once(' ').unwrap_or_default();
        let (is_get, film) = (method == "GET", film(target));
        let is_held = film.is_some_and(|film| self.known.contains(film));
        if film.is_some() {
            let kind = usize::from(!is_held) * 2 + usize::from(is_get);
            self.asked[kind].fetch_add(1, Ordering::Relaxed);
        }
        match film {
            None => stub::well(to),
            Some(_) if !is_held => {
                to.extend_from_slice(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
            }
            Some(_) if !is_get => stub::held(to, "200 OK", FILM_BYTES, format_args!("")),
            Some(_) => {
                let (first, last) = range(&head).unwrap_or((0, FILM_BYTES - 1));
                let length = last + 1 - first;
                let more = format_args!("Content-Range: bytes {first}-{last}/{FILM_BYTES}\r\n");
                stub::held(to, "206 Partial Content", length, more);
                to.resize(to.len() + usize::try_from(length).unwrap_or_default(), 0);
            }
        }
    }
}

impl Asked {
    /// Requests since an earlier look.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        Self {
            known_heads: self.known_heads - earlier.known_heads,
            known_gets: self.known_gets - earlier.known_gets,
            unknown_heads: self.unknown_heads - earlier.unknown_heads,
            unknown_gets: self.unknown_gets - earlier.unknown_gets,
        }
    }
}

/// Starts the stub, which ends with the process.
///
/// # Errors
/// No port or no thread is left.
pub(super) fn start(library: &Arc<Library>) -> Result<SocketAddr, crate::Failure> {
    let library = Arc::clone(library);
    stub::start(move |head, to| library.reply(head, to))
}

/// The film that a request target names.
fn film(target: &str) -> Option<&str> {
    let path = target.split([' ', '?']).next()?;
    path.strip_prefix("/movies/")?.strip_suffix(".mp4")
}

/// The first and the last byte that are asked for, if a part is.
fn range(head: &str) -> Option<(u64, u64)> {
    let range = crate::viewer::field(head, "range")?.strip_prefix("bytes=")?;
    let (first, last) = range.split_once('-')?;
    let last = last.parse().unwrap_or(FILM_BYTES - 1).min(FILM_BYTES - 1);
    Some((first.parse().ok()?, last)).filter(|(first, last)| first <= last)
}

/// The gate's configuration file: a node in each city, the first one being the source; what the measurement needs, and
/// everything else by default. Viewers of the network `10.N.0.0/16` are near the node with that number.
pub(super) fn config(http: SocketAddr, admin: SocketAddr, stub: SocketAddr, mode: Mode) -> String {
    let mut text = format!(
        "[listen]\nhttp = \"{http}\"\nadmin = \"{admin}\"\n\n[watch]\nmode = \"{}\"\n\n\
         [viewer]\ntrusted_proxies = [\"127.0.0.0/8\"]\n\n[bucket]\nname = \"movies\"\n",
        mode.word()
    );
    for (number, (lat, lon)) in CITIES.into_iter().enumerate() {
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "\n[[geoip.rule]]\ncidr = \"10.{number}.0.0/16\"\nat = {{ lat = {lat:.2}, lon = {lon:.2} }}\n"
        );
    }
    for (number, city) in CITIES.into_iter().enumerate() {
        text.push_str(&stub::node(number, city, stub, ROOMY));
        if number == 0 {
            text.push_str("role = \"source\"\n");
        }
    }
    text
}

/// The address of some viewer, near some node.
pub(super) fn viewer(random: &mut Random) -> Ipv4Addr {
    let near = u8::try_from(random.below(CITIES.len())).unwrap_or_default();
    let [.., third, fourth] = random.next().to_be_bytes();
    Ipv4Addr::new(10, near, third, fourth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_films_are_held() {
        let library = Library::new(3);
        let check = |line: &str, more: &str, expected: &str| {
            let mut to = Vec::new();
            library.reply(format!("{line} HTTP/1.1\r\nHost: h\r\n{more}\r\n").as_bytes(), &mut to);
            let answer = String::from_utf8(to).unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            let length = crate::viewer::field(head, "content-length").unwrap();
            let told = format!("{} {length} {}", head.split(' ').nth(1).unwrap(), body.len());
            assert_eq!(told, expected, "{line} {more:?}");
        };
        let film = library.films[2].clone();
        let stranger = Random::new(1).uuid();
        check("GET /minio/health/cluster/read", "", "200 0 0");
        check("HEAD /movies", "", "200 0 0");
        check("HEAD /movies/?location=", "", "200 0 0");
        check(&format!("HEAD /movies/{film}.mp4"), "", "200 1048576 0");
        check(&format!("GET /movies/{film}.mp4?versionId=1"), "Range: bytes=10-19\r\n", "206 10 10");
        check(&format!("GET /movies/{film}.mp4"), "range: bytes=1048570-\r\n", "206 6 6");
        check(&format!("HEAD /movies/{stranger}.mp4"), "", "404 0 0");
        check(&format!("GET /movies/{stranger}.mp4"), "Range: bytes=0-9\r\n", "404 0 0");
        let before = Asked { known_heads: 1, ..Asked::default() };
        let expected = Asked { known_heads: 0, known_gets: 2, unknown_heads: 1, unknown_gets: 1 };
        assert_eq!(library.asked().since(&before), expected);
    }

    #[test]
    fn every_node_is_written_and_one_is_the_source() {
        let here = SocketAddr::from(([127, 0, 0, 1], 1));
        let text = config(here, here, here, Mode::Stream);
        assert_eq!(text.matches("[[node]]").count(), 5, "{text}");
        assert_eq!(text.matches("role = \"source\"").count(), 1, "{text}");
        assert!(text.contains("mode = \"stream\"") && text.contains("cidr = \"10.4.0.0/16\""), "{text}");
    }
}
