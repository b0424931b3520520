//! A film's bytes, block by block: one hash for each, so that any part can be checked without the film.
//!
//! A block counts as checked when all of it was read in one go, which may go on over several connections. What was read
//! of a block whose beginning or end was not is counted as unchecked. Absent on purpose: protection against forgers;
//! xxh3 finds what goes wrong by itself.

use std::fmt::Write;
use std::rc::Rc;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

/// First word of a file of blocks.
const WORD: &str = "watchgate-blocks";
/// Bytes of a block, if nobody says otherwise.
pub(super) const BLOCK: u32 = 256 << 10;
/// No block is smaller or larger.
pub(super) const BLOCK_BOUNDS: std::ops::RangeInclusive<u32> = 1024..=(16 << 20);

/// Hashes of all blocks of a film; the last block may be shorter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blocks {
    pub(super) size: u64,
    block: u32,
    hashes: Vec<u64>,
}

/// Takes a film's bytes in order and makes its blocks.
pub(super) struct Maker {
    blocks: Blocks,
    hash: Box<Xxh3>,
    in_block: u32,
}

/// Follows one reading of a film.
pub(super) struct Check {
    blocks: Option<Rc<Blocks>>,
    /// The next byte.
    at: u64,
    hash: Box<Xxh3>,
    /// The hash covers the block from its beginning.
    covers: bool,
}

/// A block is not what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// Offset of its first byte in the film.
    pub(super) block_at: u64,
}

impl Blocks {
    /// As a file.
    pub(super) fn text(&self) -> String {
        let Self { size, block, hashes } = self;
        let mut text = format!("{WORD} 1 xxh3-64 {block} {size}\n");
        for hash in hashes {
            // Writing to a String does not fail.
            let _ = writeln!(text, "{hash:016x}");
        }
        text
    }

    /// From a file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        let head: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
        let [WORD, "1", "xxh3-64", block, size] = head[..] else {
            return Err(format!("its first line is not `{WORD} 1 xxh3-64 BLOCK SIZE`"));
        };
        let block = block.parse().ok().filter(|block| BLOCK_BOUNDS.contains(block));
        let (Some(block), Ok(size)) = (block, size.parse::<u64>()) else {
            return Err("its first line has no such block and size".to_owned());
        };
        let hash = |(index, line): (usize, &str)| {
            let hash = (line.len() == 16).then(|| u64::from_str_radix(line, 16).ok()).flatten();
            hash.ok_or_else(|| format!("line {} is not 16 hexadecimal digits", index + 2))
        };
        let hashes: Vec<u64> = lines.enumerate().map(hash).collect::<Result<_, _>>()?;
        let wanted = size.div_ceil(u64::from(block));
        if hashes.len() as u64 != wanted {
            return Err(format!("it has {} blocks, {wanted} are needed for {size} bytes", hashes.len()));
        }
        Ok(Self { size, block, hashes })
    }

    /// The beginning of the block that this byte lies in.
    pub(super) fn aligned(&self, at: u64) -> u64 {
        at - at % u64::from(self.block)
    }

    /// How many blocks there are.
    pub(super) fn count(&self) -> usize {
        self.hashes.len()
    }
}

impl Maker {
    /// `block`: within [`BLOCK_BOUNDS`].
    pub(super) fn new(block: u32) -> Self {
        let blocks = Blocks { size: 0, block, hashes: Vec::new() };
        Self { blocks, hash: Box::default(), in_block: 0 }
    }

    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = (self.blocks.block - self.in_block) as usize;
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.hash.update(now);
            // At most a block.
            self.in_block += u32::try_from(now.len()).unwrap_or_default();
            self.blocks.size += now.len() as u64;
            if self.in_block == self.blocks.block {
                self.close();
            }
            bytes = later;
        }
    }

    pub(super) fn end(mut self) -> Blocks {
        if self.in_block > 0 {
            self.close();
        }
        self.blocks
    }

    fn close(&mut self) {
        self.blocks.hashes.push(self.hash.digest());
        self.hash.reset();
        self.in_block = 0;
    }
}

impl Check {
    /// `None`: nothing is known of the film's bytes, and nothing is checked.
    pub(super) fn new(blocks: Option<Rc<Blocks>>) -> Self {
        Self { blocks, at: 0, hash: Box::default(), covers: true }
    }

    /// The next byte that is expected.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Goes on somewhere else.
    pub(super) fn jump(&mut self, at: u64) {
        if at != self.at {
            self.hash.reset();
            self.covers = self.blocks.as_ref().is_some_and(|blocks| blocks.aligned(at) == at);
            self.at = at;
        }
    }

    /// Bytes up to the end of the block that has begun; 0 at its beginning, and if nothing is known.
    pub(super) fn left_in_block(&self) -> u64 {
        let Some(blocks) = &self.blocks else { return 0 };
        let begun = self.at % u64::from(blocks.block);
        if begun == 0 || !self.covers {
            0
        } else {
            (u64::from(blocks.block) - begun).min(blocks.size - self.at)
        }
    }

    /// Takes the next bytes; says how many were found right by them.
    ///
    /// # Errors
    /// [`Wrong`], after which the check goes on with the next block.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<u64, Wrong> {
        let Some(blocks) = self.blocks.clone() else {
            self.at += bytes.len() as u64;
            return Ok(0);
        };
        let block = u64::from(blocks.block);
        let (mut rest, mut checked, mut wrong) = (bytes, 0, None);
        while !rest.is_empty() {
            let begun = blocks.aligned(self.at);
            let end = (begun + block).min(blocks.size);
            // Nothing is known of what comes after the end of the film.
            let room = usize::try_from(end.saturating_sub(self.at))
                .unwrap_or(usize::MAX)
                .max(usize::from(self.at >= end));
            let (now, later) = rest.split_at(rest.len().min(room));
            // A whole block in one piece needs no copy of it.
            let whole = self.at == begun && self.at + now.len() as u64 == end;
            let digest = if whole { Some(xxh3_64(now)) } else { None };
            if !whole && self.covers {
                self.hash.update(now);
            }
            self.at += now.len() as u64;
            if self.at >= end {
                let index = usize::try_from(begun / block).unwrap_or(usize::MAX);
                let found = digest.or_else(|| self.covers.then(|| self.hash.digest()));
                match (found, blocks.hashes.get(index)) {
                    (Some(found), Some(hash)) if found == *hash => checked += end - begun,
                    (Some(_), _) => wrong = wrong.or(Some(Wrong { block_at: begun })),
                    (None, _) => {}
                }
                self.hash.reset();
                self.covers = true;
            }
            rest = later;
        }
        wrong.map_or(Ok(checked), Err)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::random::Random;

    fn film(bytes: usize) -> Vec<u8> {
        let mut random = Random::new(bytes as u64);
        (0..bytes).map(|_| random.next().to_le_bytes()[0]).collect()
    }

    fn blocks(film: &[u8]) -> Rc<Blocks> {
        let mut maker = Maker::new(1024);
        film.chunks(700).for_each(|piece| maker.feed(piece));
        Rc::new(maker.end())
    }

    #[test]
    fn files_are_read_as_they_were_written() {
        for size in [0, 1, 1024, 1025, 10_000] {
            let blocks = blocks(&film(size));
            assert_eq!(blocks.count(), size.div_ceil(1024));
            assert_eq!(Blocks::read(&blocks.text()).as_ref(), Ok(&*blocks), "{size} bytes");
        }
        let check = |text: &str, expected: &str| {
            let told = Blocks::read(text).unwrap_err();
            assert!(told.contains(expected), "{text:?}: {told}");
        };
        check("", "first line");
        check("watchgate-blocks 2 xxh3-64 1024 5\n", "first line");
        check("watchgate-blocks 1 xxh3-64 5 5\n", "no such block");
        check("watchgate-blocks 1 xxh3-64 1024 5\n", "it has 0 blocks, 1 are needed");
        check("watchgate-blocks 1 xxh3-64 1024 5\nx\n", "line 2 is not");
    }

    #[test]
    fn a_reading_that_goes_on_elsewhere_leaves_edges_unchecked() {
        let film = film(5000);
        let mut check = Check::new(Some(blocks(&film)));
        assert_eq!(check.feed(&film[..1500]), Ok(1024));
        assert_eq!(check.left_in_block(), 548);
        check.jump(1500);
        assert_eq!(check.feed(&film[1500..2048]), Ok(1024), "the same place is no jump");
        check.jump(3000);
        assert_eq!((check.left_in_block(), check.feed(&film[3000..4000])), (0, Ok(0)));
        assert_eq!(check.feed(&film[4000..]), Ok(5000 - 3072), "the last block is short");
        assert_eq!(check.at(), 5000);
    }

    #[test]
    fn nothing_known_nothing_checked() {
        let mut check = Check::new(None);
        assert_eq!((check.feed(&[1, 2, 3]), check.at(), check.left_in_block()), (Ok(0), 3, 0));
    }

    #[test]
    fn bytes_after_the_end_are_wrong() {
        let film = film(1500);
        let mut check = Check::new(Some(blocks(&film)));
        check.feed(&film).unwrap();
        assert!(check.feed(&[0; 3]).is_err());
    }

    proptest! {
        #[test]
        fn every_wrong_byte_in_a_whole_block_is_found(size in 1..20_000_usize, from: prop::sample::Index, wrong: prop::sample::Index, piece in 1..3000_usize) {
            let mut film = film(size);
            let blocks = blocks(&film);
            let (from, wrong) = (from.index(size), wrong.index(size));
            film[wrong] ^= 0x10;
            let mut check = Check::new(Some(Rc::clone(&blocks)));
            check.jump(from as u64);
            let results: Vec<_> = film[from..].chunks(piece).map(|piece| check.feed(piece)).collect();
            let block = blocks.aligned(wrong as u64);
            let is_whole = block >= from as u64;
            let found: Vec<Wrong> = results.iter().filter_map(|result| result.err()).collect();
            prop_assert_eq!(found, if is_whole { vec![Wrong { block_at: block }] } else { vec![] });
            prop_assert_eq!(check.at(), size as u64);
        }

        #[test]
        fn a_right_film_is_right_however_it_is_cut(size in 1..20_000_usize, from: prop::sample::Index, piece in 1..3000_usize) {
            let film = film(size);
            let blocks = blocks(&film);
            let from = from.index(size);
            let mut check = Check::new(Some(Rc::clone(&blocks)));
            check.jump(from as u64);
            let mut checked = 0;
            for piece in film[from..].chunks(piece) {
                checked += check.feed(piece).unwrap();
            }
            let first = (from as u64).div_ceil(1024) * 1024;
            prop_assert_eq!(checked, (size as u64).saturating_sub(first));
        }
    }
}
