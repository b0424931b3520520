//! A film in all its versions, which any four bytes of it tell apart.

use bytes::Bytes;

/// Of every version: 2 MiB.
const WORDS: u32 = 1 << 19;

/// See the module. Versions are counted from 1.
pub(super) struct Reels(Vec<Bytes>);

impl Reels {
    pub(super) fn new(versions: u32) -> Self {
        let reel = |version: u32| (0..WORDS).flat_map(|word| (word ^ version).to_le_bytes()).collect();
        Self((1..=versions).map(reel).collect())
    }

    pub(super) fn bytes(&self) -> usize {
        self.0[0].len()
    }

    pub(super) fn version(&self, version: u32) -> &Bytes {
        &self.0[version as usize - 1]
    }

    /// The one version that all these bytes are of, the first of them being the film's at `first`, a multiple of four.
    pub(super) fn version_of(&self, first: usize, got: &[u8]) -> Option<u32> {
        let word = u32::from_le_bytes(got.get(..4)?.try_into().ok()?);
        let version = word ^ u32::try_from(first / 4).ok()?;
        let reel = self.0.get((version as usize).checked_sub(1)?)?;
        (reel.get(first..first + got.len())? == got).then_some(version)
    }
}
