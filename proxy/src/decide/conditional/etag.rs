//! Entity tags and lists of them (RFC 9110 8.8.3).
//!
//! A tag is opaque bytes: nothing in it is an escape, and commas, `*` and bytes above 127 are as good as any.

/// An entity tag where it stands in a field.
///
/// Not `PartialEq`, on purpose: whoever compares has to say how.
#[derive(Clone, Copy, Debug)]
pub struct ETag<'a> {
    pub(super) opaque: &'a [u8],
    is_weak: bool,
}

impl<'a> ETag<'a> {
    /// Reads `"opaque"` or `W/"opaque"`; the `W` is upper case, and no blank or control byte is allowed inside.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let (is_weak, quoted) = text.strip_prefix(b"W/").map_or((false, text), |quoted| (true, quoted));
        let opaque = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
        let is_opaque = |byte: &u8| matches!(byte, 0x21 | 0x23..=0x7E | 0x80..);
        opaque.iter().all(is_opaque).then_some(Self { opaque, is_weak })
    }

    /// Whether films of equal tags may differ byte by byte.
    #[must_use]
    pub fn is_weak(self) -> bool {
        self.is_weak
    }

    /// The same bytes for certain: neither is weak, and they are equal (RFC 9110 8.8.3.2).
    #[must_use]
    pub fn equals_strongly(self, other: ETag<'_>) -> bool {
        !self.is_weak && !other.is_weak && self.opaque == other.opaque
    }

    /// As good as the same: they are equal, weak or not (RFC 9110 8.8.3.2).
    #[must_use]
    pub fn equals_weakly(self, other: ETag<'_>) -> bool {
        self.opaque == other.opaque
    }
}

/// The members of a list, parted by commas outside quotes, without the empty ones and the blanks around them.
/// An open quote holds all that follows it.
pub(super) fn members(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut is_quoted = false;
    line.split(move |byte| {
        is_quoted ^= *byte == b'"';
        *byte == b',' && !is_quoted
    })
    .map(<[u8]>::trim_ascii)
    .filter(|member| !member.is_empty())
}
