//! A film of the drill: any byte of it, in any of its versions, can be checked without a copy.
//!
//! The bytes are those that `watchgate-node` generates from a seed, told by its documentation: words of eight bytes,
//! made from their number and the seed by the finalizer of `MurmurHash3`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Bytes of a word.
const WORD: u64 = 8;

/// One version. Versions of a film have different sizes, by which an answer tells which one it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reel {
    pub(super) bytes: u64,
    pub(super) seed: u64,
}

/// A film and its versions, the oldest first.
#[derive(Clone, Debug)]
pub(super) struct Film {
    pub(super) uuid: String,
    pub(super) reels: Vec<Reel>,
}

impl Film {
    /// Its object.
    pub(super) fn key(&self) -> String {
        format!("{}.mp4", self.uuid)
    }

    /// Its place at the gate.
    pub(super) fn path(&self) -> String {
        format!("/watch/{}", self.uuid)
    }

    /// Which version has so many bytes.
    pub(super) fn version(&self, bytes: u64) -> Option<usize> {
        self.reels.iter().position(|reel| reel.bytes == bytes)
    }
}

impl Reel {
    /// Writes it into a file.
    pub(super) fn write(self, path: &Path) -> io::Result<()> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        for index in 0..self.bytes / WORD {
            file.write_all(&word(self.seed, index))?;
        }
        let rest = usize::try_from(self.bytes % WORD).unwrap_or_default();
        file.write_all(&word(self.seed, self.bytes / WORD)[..rest])?;
        file.flush()
    }

    /// The film's offset of the first byte that is not the film's; the bytes should be those from `offset` on.
    pub(super) fn first_wrong(self, offset: u64, bytes: &[u8]) -> Option<u64> {
        let mut at = offset;
        let mut rest = bytes;
        while !rest.is_empty() {
            // Below eight.
            let skip = usize::try_from(at % WORD).unwrap_or_default();
            let word = word(self.seed, at / WORD);
            let (now, later) = rest.split_at(rest.len().min(word.len() - skip));
            let expected = &word[skip..skip + now.len()];
            if now != expected {
                let wrong = now.iter().zip(expected).position(|(got, expected)| got != expected);
                return Some(at + wrong.unwrap_or_default() as u64);
            }
            (at, rest) = (at + now.len() as u64, later);
        }
        (at > self.bytes).then_some(self.bytes)
    }
}

fn word(seed: u64, index: u64) -> [u8; 8] {
    let mut mixed = index.wrapping_add(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(1);
    mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    (mixed ^ (mixed >> 33)).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_byte_is_found_where_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reel");
        let reel = Reel { bytes: 10_003, seed: 7 };
        reel.write(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 10_003);
        let check = |reel: Reel, claimed: u64, bytes: &[u8], expected: Option<u64>| {
            assert_eq!(reel.first_wrong(claimed, bytes), expected, "as if at {claimed}");
        };
        check(reel, 0, &bytes, None);
        check(reel, 13, &bytes[13..5000], None);
        check(reel, 9_999, &bytes[9_999..], None);
        check(reel, 14, &bytes[13..5000], Some(14));
        check(Reel { bytes: 10_003, seed: 8 }, 0, &bytes, Some(0));
        let mut flipped = bytes.clone();
        flipped[5001] ^= 1;
        check(reel, 3, &flipped[3..], Some(5001));
        // Nothing may come after the end.
        check(Reel { bytes: 10_000, seed: 7 }, 0, &bytes, Some(10_000));
    }
}
