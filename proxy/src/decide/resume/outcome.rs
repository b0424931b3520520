//! What a viewer is told when no node could begin the film.
//!
//! 404 is a statement about the library and needs the word of somebody who knows: the source, or, in a fleet
//! without one, every enabled node. Everything else is a statement about this moment.

use super::Failure;

/// What one enabled node had to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// The node is the source.
    pub is_source: bool,
    /// How it failed; `None`: it was not asked, because it is down or may take no viewer.
    pub said: Option<Failure>,
}

/// Why there is no film.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoFilm {
    /// There is no such film.
    Unknown,
    /// There was one.
    Deleted,
    /// Nobody who could know answers.
    NoAnswer,
    /// The nodes refuse us.
    Forbidden,
    /// The nodes that were asked failed.
    Failed,
    /// They were too late.
    Late,
}

/// Sums up what the enabled nodes of a fleet said.
pub fn no_film(words: impl Iterator<Item = Word> + Clone) -> NoFilm {
    let denies = |said: Option<Failure>| matches!(said, Some(Failure::Absent | Failure::Deleted));
    let source = words.clone().find(|word| word.is_source);
    let knows = match source {
        Some(source) => denies(source.said),
        None => words.clone().all(|word| denies(word.said)),
    };
    if knows {
        let mut heard = words.filter(|word| source.is_none() || word.is_source);
        let deleted = heard.any(|word| word.said == Some(Failure::Deleted));
        return if deleted { NoFilm::Deleted } else { NoFilm::Unknown };
    }
    let mut heard = words.filter_map(|word| word.said).peekable();
    if heard.peek().is_none() {
        return NoFilm::NoAnswer;
    }
    let (mut late, mut forbidden) = (true, true);
    for said in heard {
        if denies(Some(said)) {
            // Somebody answers, and whoever holds the film does not.
            return NoFilm::NoAnswer;
        }
        late &= said.is_late();
        forbidden &= said == Failure::Forbidden;
    }
    match (forbidden, late) {
        (true, _) => NoFilm::Forbidden,
        (_, true) => NoFilm::Late,
        _ => NoFilm::Failed,
    }
}
