//! What a film's bytes are: held in memory, or computed from their offset.
//!
//! A generated film costs no memory at any size, and every byte of it can be
//! checked by whoever knows seed and offset. Nothing here knows about HTTP.

use bytes::Bytes;
use md5::{Digest, Md5};

/// A generated film is a row of such words, so that any offset is found at once.
const WORD_BYTES: u64 = 8;

/// The bytes of one film.
#[derive(Clone, Debug)]
pub enum Content {
    /// Bytes in memory.
    Bytes(Bytes),
    /// A pattern that [`generated_byte`] gives for every offset.
    Generated {
        /// Length in bytes; more than 2^32 is fine.
        size: u64,
        /// Films of different seeds differ in every word.
        seed: u64,
    },
}

impl Content {
    /// Length in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Generated { size, .. } => *size,
        }
    }

    /// Up to `most` bytes from `offset`; fewer only at the end of the film.
    #[must_use]
    pub fn piece(&self, offset: u64, most: usize) -> Bytes {
        let left = usize::try_from(self.size().saturating_sub(offset)).unwrap_or(usize::MAX);
        let length = left.min(most);
        match self {
            Self::Bytes(bytes) => {
                // Fits: an offset beyond the end leaves a length of zero.
                let start = usize::try_from(offset).unwrap_or(bytes.len()).min(bytes.len());
                bytes.slice(start..start + length)
            }
            Self::Generated { seed, .. } => {
                let mut piece = vec![0; length];
                generate(*seed, offset, &mut piece);
                piece.into()
            }
        }
    }

    /// The tag a node gives on its own, without quotes: the MD5 of the bytes.
    ///
    /// A generated film is not read for it: its tag is made from seed and size
    /// and has the form of a multipart upload's.
    #[must_use]
    pub fn etag(&self) -> String {
        match self {
            Self::Bytes(bytes) => hex(&Md5::digest(bytes)),
            Self::Generated { size, seed } => {
                let digest = Md5::digest(format!("generated {seed} {size}"));
                format!("{}-{}", hex(&digest), size.div_ceil(64 << 20).max(1))
            }
        }
    }
}

/// The byte at `offset` of the generated film of `seed`.
#[must_use]
pub fn generated_byte(seed: u64, offset: u64) -> u8 {
    // The remainder of eight is a valid index into eight bytes.
    word(seed, offset / WORD_BYTES)[(offset % WORD_BYTES) as usize]
}

/// Fills `into` with the generated film of `seed` from `offset` on.
pub fn generate(seed: u64, offset: u64, into: &mut [u8]) {
    let (mut index, mut skip) = (offset / WORD_BYTES, (offset % WORD_BYTES) as usize);
    let mut rest = into;
    while !rest.is_empty() {
        let word = word(seed, index);
        let length = rest.len().min(word.len() - skip);
        let (now, later) = rest.split_at_mut(length);
        now.copy_from_slice(&word[skip..skip + length]);
        (rest, index, skip) = (later, index + 1, 0);
    }
}

/// The film's offset of the first byte in `got` that is not the generated one; `got` starts at `offset`.
#[must_use]
pub fn first_wrong_byte(seed: u64, offset: u64, got: &[u8]) -> Option<u64> {
    let mut want = [0; 4096];
    let mut at = offset;
    for piece in got.chunks(want.len()) {
        let want = &mut want[..piece.len()];
        generate(seed, at, want);
        if let Some(wrong) = piece.iter().zip(want.iter()).position(|(got, want)| got != want) {
            return Some(at + wrong as u64);
        }
        at += piece.len() as u64;
    }
    None
}

/// Lower-case hexadecimal, as in an `ETag`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]])
        .map(char::from)
        .collect()
}

/// A counter, mixed so that neighbours and seeds share no bytes; the finalizer of `MurmurHash3`.
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
    fn every_way_to_read_a_generated_film_agrees() {
        let film = Content::Generated { size: 6 << 30, seed: 7 };
        for offset in [0, 1, 7, 8, 4095, (1 << 32) - 3, (6 << 30) - 10] {
            let piece = film.piece(offset, 50);
            let single: Vec<u8> =
                (offset..offset + piece.len() as u64).map(|at| generated_byte(7, at)).collect();
            assert_eq!(piece, single, "from {offset}");
            assert_eq!(first_wrong_byte(7, offset, &piece), None);
        }
        assert_eq!(film.piece((6 << 30) - 10, 50).len(), 10, "the film ends");
        assert_eq!(film.piece(7 << 30, 50).len(), 0);
    }

    #[test]
    fn a_wrong_byte_is_found_where_it_is() {
        let mut piece = Content::Generated { size: 1 << 20, seed: 1 }.piece(100, 10_000).to_vec();
        piece[5_000] ^= 1;
        assert_eq!(first_wrong_byte(1, 100, &piece), Some(5_100));
        assert_ne!(generated_byte(1, 0), generated_byte(2, 0), "another seed is another film");
    }

    #[test]
    fn tags() {
        let bytes = Content::Bytes(Bytes::from_static(b"hello"));
        assert_eq!(bytes.etag(), "5d41402abc4b2a76b9719d911017c592", "RFC 1321 MD5");
        assert!(Content::Generated { size: 200 << 20, seed: 1 }.etag().ends_with("-4"));
    }
}
