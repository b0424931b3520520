//! The id that one request carries through answer, log and problem document.
//!
//! Ours are 16 hexadecimal digits that do not repeat within a process and start at random. Absent on
//! purpose: secrecy; an id names a request, it opens nothing.

/// 1 to 64 of `[A-Za-z0-9._-]`.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestId {
    text: [u8; Self::LEN_MAX],
    len: usize,
}

impl RequestId {
    const LEN_MAX: usize = 64;

    /// A trusted proxy's id, if it is one.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let good = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        if text.is_empty() || text.len() > Self::LEN_MAX || !text.iter().all(good) {
            return None;
        }
        let mut id = Self { text: [0; Self::LEN_MAX], len: text.len() };
        id.text[..text.len()].copy_from_slice(text);
        Some(id)
    }

    /// An id of ours: numbers in a row become ids that share no beginning.
    pub(super) fn from_number(number: u64) -> Self {
        // Fibonacci hashing (Knuth, TAOCP 3, 6.4): odd, so no two numbers become one.
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut id = Self { text: [0; Self::LEN_MAX], len: 16 };
        for (pair, byte) in id.text[..16].chunks_exact_mut(2).zip(mixed.to_be_bytes()) {
            pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
        id
    }

    /// As text.
    pub(super) fn as_str(&self) -> &str {
        // Both constructors put nothing but ASCII in.
        std::str::from_utf8(&self.text[..self.len]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::RequestId;

    fn check(theirs: &str, kept: bool) {
        let id = RequestId::parse(theirs.as_bytes());
        assert_eq!(id.map(|id| id.as_str() == theirs), kept.then_some(true), "{theirs:?}");
    }

    #[test]
    fn a_proxys_id_is_kept_if_it_is_harmless() {
        check("a", true);
        check("01HZ.x_Y-9", true);
        check(&"x".repeat(64), true);
        check(&"x".repeat(65), false);
        check("", false);
        check("a b", false);
        check("a\r\nSet-Cookie: x", false);
        check("ä", false);
    }

    #[test]
    fn ids_of_ours_differ() {
        let ids: Vec<_> =
            (0..1000).map(|number| RequestId::from_number(number).as_str().to_owned()).collect();
        let distinct: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(distinct.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 16));
    }
}
