//! The questions: many films, many viewers, written out before the clock runs.
//!
//! A request looks as a player sends it through a load balancer that adds the viewer's address. Every server that is
//! measured gets the same bytes, whether it reads them or not. Absent on purpose: films that are stored anywhere; a
//! film's name follows from its number.

use std::net::IpAddr;

use crate::random::Random;
use crate::viewer::request;

/// Films in the library, where a measurement does not say otherwise.
pub(crate) const FILMS: u64 = 20_000;
/// Pairs of film and viewer that are asked, over and over, where a measurement does not say otherwise.
pub(crate) const PAIRS: usize = 100_000;

/// A viewer, and the number of the film that it asks for.
pub(crate) type Pair = (IpAddr, u64);

/// Requests in the order they are sent in.
#[derive(Debug)]
pub(crate) struct Requests {
    bytes: String,
    ends: Vec<usize>,
}

/// So many pairs, drawn from these viewers and the first so many films; the same in every run.
pub(crate) fn drawn(viewers: &[IpAddr], films: u64, pairs: usize) -> Vec<Pair> {
    let mut random = Random::new(4);
    let films = usize::try_from(films).unwrap_or(usize::MAX);
    let pair = |_| (viewers[random.below(viewers.len())], random.below(films) as u64);
    (0..pairs).map(pair).collect()
}

/// The request of this viewer for this film.
pub(crate) fn written((viewer, film): Pair) -> String {
    request(&format!("/watch/{}", name(film)), &format!("X-Forwarded-For: {viewer}\r\n"))
}

/// The uuid of the film with this number.
pub(crate) fn name(film: u64) -> String {
    Random::new(film).uuid()
}

impl Requests {
    /// Writes the requests for these pairs, of which there is at least one.
    pub(crate) fn of(pairs: &[Pair]) -> Self {
        let (mut bytes, mut ends) = (String::new(), Vec::with_capacity(pairs.len()));
        for &pair in pairs {
            bytes.push_str(&written(pair));
            ends.push(bytes.len());
        }
        Self { bytes, ends }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.ends.len()
    }

    /// The request at this turn; they come round again after the last.
    pub(crate) fn at(&self, turn: usize) -> &[u8] {
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
        let requests = Requests::of(&drawn(&viewers, FILMS, PAIRS));
        let mut lines = HashSet::new();
        for turn in 0..requests.count() {
            let request = std::str::from_utf8(requests.at(turn)).unwrap();
            assert!(request.starts_with("GET /watch/") && request.ends_with("\r\n\r\n"), "{request}");
            assert!(viewers.iter().any(|viewer| request.contains(&format!("X-Forwarded-For: {viewer}\r\n"))));
            lines.insert(request.lines().next().unwrap());
        }
        // 100,000 throws leave 0.7 % of 20,000 films out.
        assert!(lines.len() as u64 > FILMS * 98 / 100, "{} films", lines.len());
        assert_eq!(requests.at(0), requests.at(requests.count()));
    }

    #[test]
    fn every_film_has_a_name_of_its_own() {
        let names: HashSet<_> = (0..100_000).map(name).collect();
        assert_eq!(names.len(), 100_000);
    }
}
