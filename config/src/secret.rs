//! A text that must not be seen.
//!
//! There is deliberately no `Display`, no `Serialize` and no `Deref`: whoever needs the text says `expose`, which is
//! easy to search for. The memory is not wiped on drop: the process that holds it also holds what it opens.

use std::fmt;
use std::sync::Arc;

/// A secret key, a token or the URL of a database. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

impl Secret {
    /// Hides a text; what a secret of some kind may look like is checked where it is read.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text itself: for signing and for comparing, never for printing.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("<redacted>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_tell() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{:?} {:#?}", secret, Some(&secret)), "<redacted> Some(\n    <redacted>,\n)");
        assert_eq!(secret.expose(), "hunter2");
    }
}
