//! A list of films and their rows in little memory: one text in pieces, and an index of numbers into it.
//!
//! A row costs its own bytes, 22 before them, and 5 to 12 in the index. The text grows by whole pieces, so that growing
//! copies nothing and leaves nothing unused. Absent on purpose: removing; a list is filled once and then read.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use xxhash_rust::xxh3::xxh3_64;

use crate::decide::watch::Film;

/// A place in the text is one number: the piece above, the byte in it below.
const PIECE_BITS: u32 = 20;
const PIECE_BYTES: usize = 1 << PIECE_BITS;
/// As many as the bits above count: 4 GiB in all.
const PIECES_MAX: usize = 1 << (u32::BITS - PIECE_BITS);

const FILM_BYTES: usize = 16;
const LINE_BYTES: usize = 4;
const LENGTH_BYTES: usize = 2;
const HEAD_BYTES: usize = FILM_BYTES + LINE_BYTES + LENGTH_BYTES;

/// See the module.
#[derive(Default)]
pub(super) struct List {
    pieces: Vec<Vec<u8>>,
    index: HashTable<u32>,
}

/// Why a row was not put into a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The film stands there already, from this line.
    Twice(u32),
    /// The list cannot take more, or not a row of this length.
    Size,
}

impl List {
    /// Adds a film and its row, which came from this line.
    pub(super) fn insert(&mut self, film: &Film, line: u32, row: &str) -> Result<(), Full> {
        let length = u16::try_from(row.len()).map_err(|_| Full::Size)?;
        let Self { pieces, index } = self;
        let is_it = |place: &u32| record(pieces, *place).is_some_and(|record| record.film == film.as_bytes());
        let rehash = |place: &u32| record(pieces, *place).map_or(0, |record| xxh3_64(record.film));
        let vacant = match index.entry(xxh3_64(film.as_bytes()), is_it, rehash) {
            Entry::Occupied(there) => {
                let line = record(pieces, *there.get()).map_or(0, |record| record.line);
                return Err(Full::Twice(line));
            }
            Entry::Vacant(vacant) => vacant,
        };
        let needed = HEAD_BYTES + row.len();
        if pieces.last().is_none_or(|piece| PIECE_BYTES - piece.len() < needed) {
            if pieces.len() == PIECES_MAX {
                return Err(Full::Size);
            }
            pieces.push(Vec::with_capacity(PIECE_BYTES));
        }
        let number = pieces.len() - 1;
        let piece = &mut pieces[number];
        // Below 2^12 and below 2^20, by what was looked at just now.
        let place = u32::try_from(number << PIECE_BITS | piece.len()).map_err(|_| Full::Size)?;
        piece.extend_from_slice(film.as_bytes());
        piece.extend_from_slice(&line.to_le_bytes());
        piece.extend_from_slice(&length.to_le_bytes());
        piece.extend_from_slice(row.as_bytes());
        vacant.insert(place);
        Ok(())
    }

    /// The film's row.
    pub(super) fn get(&self, film: &Film) -> Option<&str> {
        let is_it = |place: &u32| self.record(*place).is_some_and(|record| record.film == film.as_bytes());
        let place = self.index.find(xxh3_64(film.as_bytes()), is_it)?;
        std::str::from_utf8(self.record(*place)?.row).ok()
    }

    /// Films in it.
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Bytes of memory that it holds, used or not.
    pub(super) fn bytes(&self) -> usize {
        let text: usize = self.pieces.iter().map(Vec::capacity).sum();
        text + self.pieces.capacity() * size_of::<Vec<u8>>() + self.index.allocation_size()
    }

    fn record(&self, place: u32) -> Option<Record<'_>> {
        record(&self.pieces, place)
    }
}

struct Record<'a> {
    film: &'a [u8; FILM_BYTES],
    line: u32,
    row: &'a [u8],
}

/// What stands at a place; None only for a number that is no place.
fn record(pieces: &[Vec<u8>], place: u32) -> Option<Record<'_>> {
    let piece = pieces.get((place >> PIECE_BITS) as usize)?;
    let rest = piece.get(place as usize & (PIECE_BYTES - 1)..)?;
    let (film, rest) = rest.split_first_chunk()?;
    let (line, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let row = rest.get(..usize::from(u16::from_le_bytes(*length)))?;
    Some(Record { film, line: u32::from_le_bytes(*line), row })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn film(number: u32) -> Film {
        let mut bytes = [0x5a; 16];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        Film::from_bytes(bytes)
    }

    #[test]
    fn rows_come_back_as_they_went_in() {
        let mut list = List::default();
        assert_eq!((list.len(), list.get(&film(0))), (0, None));
        // Enough for several pieces, with lengths that end at no round number.
        let row = |number: u32| format!("{}/{number}", "ё".repeat(number as usize % 500));
        for number in 0..10_000 {
            list.insert(&film(number), number + 2, &row(number)).unwrap();
        }
        assert!(list.pieces.len() > 4, "{} pieces", list.pieces.len());
        for number in 0..10_000 {
            assert_eq!(list.get(&film(number)), Some(row(number).as_str()));
        }
        assert_eq!((list.len(), list.get(&film(10_000))), (10_000, None));
    }

    #[test]
    fn a_film_stands_there_once() {
        let mut list = List::default();
        list.insert(&film(1), 7, "a").unwrap();
        assert_eq!(list.insert(&film(1), 9, "b"), Err(Full::Twice(7)));
        assert_eq!((list.get(&film(1)), list.len()), (Some("a"), 1));
        assert_eq!(list.insert(&film(2), 9, &"a".repeat(65_536)), Err(Full::Size));
        assert_eq!(list.len(), 1);
    }

    /// What README promises of a million films, twice at the moment of a reload: counted from a fifth of them.
    #[test]
    fn a_million_films_twice_take_less_than_200_mb() {
        let mut list = List::default();
        let row = "films/2026/01234567-89ab-cdef-fedc-ba9876543210/film.mp4";
        for number in 0..200_000 {
            list.insert(&film(number), number, row).unwrap();
        }
        let bytes = list.bytes();
        assert!(bytes * 5 * 2 < 200_000_000, "{bytes} bytes for 200,000 rows");
    }
}
