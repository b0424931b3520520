//! A film whose every eight bytes tell where they belong: a stream can be checked without a copy to compare it with.
//!
//! Absent on purpose: checking every byte. That would cost more than some of what is measured; the first and last word
//! of each piece that is read find what is lost, doubled, or put in another order.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::random::Random;

/// Bytes of a word.
const WORD: u64 = 8;

/// A film of so many bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Film {
    pub(crate) bytes: u64,
}

impl Film {
    /// Writes it into a file.
    pub(crate) fn write(self, path: &Path) -> io::Result<()> {
        let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
        for index in 0..self.bytes / WORD {
            file.write_all(&word(index))?;
        }
        let rest = usize::try_from(self.bytes % WORD).unwrap_or_default();
        file.write_all(&word(self.bytes / WORD)[..rest])?;
        file.flush()
    }

    /// Whether these bytes may stand at this offset: their first and last whole words do.
    pub(crate) fn has(self, offset: u64, bytes: &[u8]) -> bool {
        let end = offset + bytes.len() as u64;
        let (first, last) = (offset.div_ceil(WORD), (end / WORD).wrapping_sub(1));
        let stands = |index: u64| {
            // A word that is not wholly inside is not looked at.
            let at = index.checked_mul(WORD).and_then(|start| start.checked_sub(offset));
            let at = at.and_then(|at| usize::try_from(at).ok());
            let piece = at.and_then(|at| bytes.get(at..at.checked_add(8)?));
            piece.is_none_or(|piece| piece == word(index))
        };
        end <= self.bytes && stands(first) && stands(last)
    }
}

/// The word with this number.
fn word(index: u64) -> [u8; 8] {
    Random::new(index).next().to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_known_by_their_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("film");
        let film = Film { bytes: 100_003 };
        film.write(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 100_003);
        let check = |claimed: u64, from: usize, to: usize, expected: bool| {
            assert_eq!(film.has(claimed, &bytes[from..to]), expected, "{from}..{to} as if at {claimed}");
        };
        check(0, 0, 100_003, true);
        check(13, 13, 5013, true);
        check(16, 16, 24, true);
        check(17, 17, 20, true);
        check(99_999, 99_999, 100_003, true);
        check(13, 14, 5014, false);
        check(0, 8, 16, false);
        // Nothing may come after the end.
        check(99_990, 99_980, 100_003, false);
        let torn = [&bytes[..4096], &bytes[4104..8192]].concat();
        assert!(!film.has(0, &torn));
    }
}
