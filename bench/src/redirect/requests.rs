//! The questions: many films, many viewers, written out before the clock runs.
//!
//! A request looks as a player sends it through a load balancer that adds the viewer's address. Every server that is
//! measured gets the same bytes, whether it reads them or not.

use std::net::IpAddr;

use crate::random::Random;
use crate::viewer::request;

/// Films in the library.
pub(super) const FILMS: usize = 20_000;
/// Pairs of film and viewer that are asked, over and over.
const PAIRS: usize = 100_000;

/// Requests in the order they are sent in.
#[derive(Debug)]
pub(super) struct Requests {
    bytes: String,
    ends: Vec<usize>,
}

impl Requests {
    /// Draws pairs of a film and one of these viewers.
    pub(super) fn draw(viewers: &[IpAddr]) -> Self {
        let mut random = Random::new(4);
        let films: Vec<String> = (0..FILMS).map(|_| random.uuid()).collect();
        let (mut bytes, mut ends) = (String::new(), Vec::with_capacity(PAIRS));
        for _ in 0..PAIRS {
            let film = &films[random.below(films.len())];
            let viewer = viewers[random.below(viewers.len())];
            let forwarded = format!("X-Forwarded-For: {viewer}\r\n");
            bytes.push_str(&request(&format!("/watch/{film}"), &forwarded));
            ends.push(bytes.len());
        }
        Self { bytes, ends }
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.ends.len()
    }

    /// The request at this turn; they come round again after the last.
    pub(super) fn at(&self, turn: usize) -> &[u8] {
        let index = turn % self.ends.len();
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.bytes.as_bytes()[start..self.ends[index]]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn requests_are_whole_and_mixed() {
        let viewers = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        let requests = Requests::draw(&viewers);
        let mut lines = HashSet::new();
        for turn in 0..requests.count() {
            let request = std::str::from_utf8(requests.at(turn)).unwrap();
            assert!(request.starts_with("GET /watch/") && request.ends_with("\r\n\r\n"), "{request}");
            assert!(viewers.iter().any(|viewer| request.contains(&format!("X-Forwarded-For: {viewer}\r\n"))));
            lines.insert(request.lines().next().unwrap());
        }
        // 100,000 throws leave 0.7 % of 20,000 films out.
        assert!(lines.len() > FILMS * 98 / 100, "{} films", lines.len());
        assert_eq!(requests.at(0), requests.at(requests.count()));
    }
}
