//! What the nodes have said about one film, and what follows from it for a viewer.
//!
//! A node's word is believed for a time. Where nodes disagree the newest version counts, and a deletion counts against
//! the version that was deleted. Failing to answer is no word about the film. Absent on purpose: asking, and the memory
//! of many films (`presence`).

mod next;

use std::sync::Arc;

use arrayvec::ArrayString;
use smallvec::SmallVec;

use super::member::Member;
use super::rank::Dropped;
use super::resume::{Failure, Identity};

pub use self::next::{Breadth, GRACE_MS, Next, next};

/// A version of a film as a node holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// Which bytes it is.
    pub film: Identity,
    /// The node's own word on the type.
    pub content_type: Option<Box<str>>,
}

/// How long words are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// That a node holds the film, in milliseconds.
    pub positive_ms: u64,
    /// That it does not, in milliseconds, while nobody is known to hold it; with a holder known the others are asked
    /// again after as long, and half as often each time they deny it.
    pub negative_ms: u64,
}

/// What a node is to a viewer of the film now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It holds the version that counts.
    Holds,
    /// It must not be sent a viewer.
    Lacks(Dropped),
    /// It has to be asked.
    Unknown,
}

/// A node's last word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing yet.
    Nothing,
    /// It holds this version.
    Holds(Arc<Version>),
    /// It holds none, or refuses us.
    Lacks(Failure),
    /// It was deleted there.
    Deleted {
        /// The version it held before, if it was known.
        was: Option<Arc<Version>>,
    },
}

/// All that one node said of the film.
#[derive(Clone, Debug)]
pub struct Word {
    /// Who said it.
    pub node: Member,
    said: Said,
    heard: Tick,
    failed: Option<Failure>,
    failed_at: Tick,
    /// How often in a row it denied the film.
    denied: u8,
    /// It holds the version that counts.
    is_newest: bool,
}

/// So many words on a film are kept beside it: those of a usual fleet.
const WORDS_USUAL: usize = 5;

/// All that is known of one film.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// In the order of the members.
    words: SmallVec<[Word; WORDS_USUAL]>,
    /// Who said them, if they are more than usual: a line or two of memory to search, where the words are many.
    speakers: Box<[Member]>,
    /// The version that counts.
    newest: Option<Arc<Version>>,
    /// That version was deleted by somebody who knows.
    gone: bool,
    /// What a link to that version needs, beside the words: a redirect follows no pointer.
    brief: Option<Brief>,
}

/// What of a version stands in a link; only of versions whose id is short enough, as all are that are known.
#[derive(Clone, Copy, Debug)]
struct Brief {
    size: u64,
    version_id: Option<ArrayString<40>>,
}

/// A tenth of a second of the gate's clock: 32 bits reach for 13 years, and a film has a handful of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Tick(u32);

impl Tick {
    const MS: u64 = 100;

    fn at(ms: u64) -> Self {
        Self(u32::try_from(ms / Self::MS).unwrap_or(u32::MAX))
    }

    fn ms(self) -> u64 {
        u64::from(self.0) * Self::MS
    }

    fn is_within(self, now_ms: u64, ms: u64) -> bool {
        now_ms.saturating_sub(self.ms()) <= ms
    }
}

impl Known {
    /// A node has answered, or failed to, at `now_ms` of the gate's clock. `source`: the fleet's source, whose word
    /// weighs more.
    pub fn hear(
        &mut self,
        node: Member,
        heard: Result<Version, Failure>,
        now_ms: u64,
        source: Option<Member>,
    ) {
        let version = heard.map(|version| self.shared(version));
        let at = self.words.binary_search_by_key(&node, |word| word.node).unwrap_or_else(|at| {
            self.words.insert(at, Word::new(node));
            self.list_speakers();
            at
        });
        self.words[at].hear(version, now_ms);
        self.weigh(source);
    }

    /// Those for whom `is_gone` holds have left the fleet, and what they said with them; false: none of them had spoken.
    pub fn forget(&mut self, is_gone: impl Fn(Member) -> bool, source: Option<Member>) -> bool {
        let before = self.words.len();
        self.words.retain(|word| !is_gone(word.node));
        let has_forgotten = self.words.len() < before;
        if has_forgotten {
            self.list_speakers();
            self.weigh(source);
        }
        has_forgotten
    }

    /// What a node is to a viewer at `now_ms`.
    #[must_use]
    pub fn standing(&self, node: Member, now_ms: u64, times: Times) -> Standing {
        let Some(word) = self.word(node) else { return Standing::Unknown };
        let lacks = match &word.said {
            Said::Holds(_) if word.heard.is_within(now_ms, times.positive_ms) => {
                match self.was_behind(node) {
                    None => return Standing::Holds,
                    behind => behind,
                }
            }
            Said::Nothing | Said::Holds(_) => None,
            Said::Lacks(_) | Said::Deleted { .. } => {
                word.heard.is_within(now_ms, self.denial_ms(times)).then(|| word.dropped())
            }
        };
        match lacks {
            Some(dropped) => Standing::Lacks(dropped),
            None if word.failed.is_some() && word.failed_at.is_within(now_ms, times.negative_ms) => {
                Standing::Lacks(Dropped::Unanswered)
            }
            None => Standing::Unknown,
        }
    }

    /// Why a node that holds the film by its own last word, however old, is no good for it: it held another version than
    /// the newest, or what was deleted. Until it is asked again it has to be taken for one that does so still.
    #[must_use]
    pub fn was_behind(&self, node: Member) -> Option<Dropped> {
        self.behind(self.word(node)?)
    }

    /// What a node said that bears on whether there is such a film, for those who have to give up: its word on the film
    /// if it is believed, else how it failed.
    ///
    /// `since_ms`: when the viewer came. What was believed then, and what was heard since, counts however long the viewer
    /// had to wait for others.
    #[must_use]
    pub fn said(&self, node: Member, since_ms: u64, times: Times) -> Option<Failure> {
        let word = self.word(node)?;
        // As exact as words are.
        let since_ms = Tick::at(since_ms).ms();
        let is_believed = |ms| word.heard.is_within(since_ms, ms);
        match &word.said {
            Said::Lacks(failure) if is_believed(self.denial_ms(times)) => Some(*failure),
            Said::Deleted { .. } if is_believed(self.denial_ms(times)) => Some(Failure::Deleted),
            // Whoever holds what was deleted has not heard of it yet.
            Said::Holds(_) if self.gone && is_believed(times.positive_ms) => Some(Failure::Deleted),
            _ => word.failed.filter(|_| word.failed_at.is_within(since_ms, times.negative_ms)),
        }
    }

    fn behind(&self, word: &Word) -> Option<Dropped> {
        match (&word.said, self.gone, word.is_newest) {
            (Said::Holds(_), true, _) => Some(Dropped::Deleted),
            (Said::Holds(_), false, false) => Some(Dropped::StaleVersion),
            _ => None,
        }
    }

    /// How long it is believed of a node that it has not got the film.
    fn denial_ms(&self, times: Times) -> u64 {
        if self.newest.is_some() { times.positive_ms } else { times.negative_ms }
    }

    /// Whether a node said not long ago that it holds exactly this: hearing it once more would tell nothing.
    #[must_use]
    pub fn has_heard(&self, node: Member, film: &Identity, now_ms: u64, times: Times) -> bool {
        self.word(node).is_some_and(|word| {
            let is_recent = word.heard.is_within(now_ms, times.positive_ms / 4);
            is_recent && word.version().is_some_and(|version| version.film == *film)
        })
    }

    /// When somebody should be asked again while the film is watched, in milliseconds of the gate's clock; `None`: not
    /// before a viewer has to wait for it.
    #[must_use]
    pub fn due_ms(&self, times: Times) -> Option<u64> {
        self.newest.as_ref()?;
        self.words.iter().map(|word| word.due_ms(times)).min()
    }

    /// Who should be asked again at `now_ms` while the film is watched.
    pub fn due(&self, now_ms: u64, times: Times) -> impl Iterator<Item = Member> {
        let is_due = move |word: &&Word| word.due_ms(times) <= now_ms;
        self.words.iter().filter(is_due).map(|word| word.node)
    }

    /// The version that counts, whoever holds it.
    #[must_use]
    pub fn newest(&self) -> Option<&Arc<Version>> {
        self.newest.as_ref()
    }

    /// The version by its own word on a node.
    #[must_use]
    pub fn version(&self, node: Member) -> Option<&Arc<Version>> {
        self.word(node).and_then(Word::version)
    }

    /// Size and id of the version that a node holds by its own word.
    #[must_use]
    pub fn linked(&self, node: Member) -> Option<(u64, Option<&str>)> {
        let version = self.version(node)?;
        let is_newest = self.newest().is_some_and(|newest| Arc::ptr_eq(newest, version));
        match &self.brief {
            Some(brief) if is_newest => Some((brief.size, brief.version_id.as_deref())),
            _ => Some((version.film.size, version.film.version_id.as_deref())),
        }
    }

    /// What one node said.
    #[must_use]
    pub fn word(&self, node: Member) -> Option<&Word> {
        let words = self.words.as_slice();
        if self.speakers.is_empty() {
            // Mostly all nodes of the first configuration have spoken.
            return match words.get(node.0 as usize) {
                Some(own) if own.node == node => Some(own),
                _ => words.iter().find(|word| word.node == node),
            };
        }
        self.speakers.binary_search(&node).ok().map(|at| &words[at])
    }

    /// All words, in the order of the members.
    #[must_use]
    pub fn words(&self) -> &[Word] {
        &self.words
    }

    /// Whether somebody holds it, as far as is known.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.newest.is_some()
    }

    /// About how many bytes of memory it takes beside itself.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let version = |version: &Version| {
            let text = |text: &Option<Box<str>>| text.as_deref().map_or(0, str::len);
            let texts =
                version.film.etag.len() + text(&version.film.version_id) + text(&version.content_type);
            size_of::<Version>() + texts
        };
        let words = if self.words.spilled() { self.words.capacity() * size_of::<Word>() } else { 0 };
        words + size_of_val(&*self.speakers) + self.newest().map_or(0, |newest| version(newest))
    }

    fn list_speakers(&mut self) {
        let is_usual = self.words.len() <= WORDS_USUAL;
        self.speakers =
            if is_usual { Box::default() } else { self.words.iter().map(|word| word.node).collect() };
    }

    /// The same version is kept once, whoever holds it.
    fn shared(&self, version: Version) -> Arc<Version> {
        let known = self.words.iter().filter_map(Word::version).find(|known| ***known == version);
        known.cloned().unwrap_or_else(|| Arc::new(version))
    }

    /// Which version counts, and whether it was deleted. Of two versions of one second the source's counts, then the
    /// one with the greater tag, so that all gates agree.
    fn weigh(&mut self, source: Option<Member>) {
        let rank = |word: &Word| {
            let film = &word.version()?.film;
            Some((film.last_modified_unix_s, Some(word.node) == source, film.etag.clone()))
        };
        let ranked = self.words.iter().filter_map(|word| Some((rank(word)?, word.version()?)));
        let newest = ranked.max_by(|one, other| one.0.cmp(&other.0)).map(|(_, version)| Arc::clone(version));
        self.newest.clone_from(&newest);
        self.brief = newest.as_ref().and_then(|newest| Brief::of(&newest.film));
        for word in &mut self.words {
            let same =
                |newest: &Arc<Version>| word.version().is_some_and(|it| is_same(&it.film, &newest.film));
            word.is_newest = newest.as_ref().is_some_and(same);
        }
        self.gone = newest.is_some_and(|newest| {
            let is_source = |word: &Word| Some(word.node) == source;
            let source_holds = self.words.iter().any(|word| is_source(word) && word.version().is_some());
            self.words.iter().any(|word| match &word.said {
                // The marker has no date on the wire (HEAD of MinIO gives none), but what it stands on has one.
                Said::Deleted { was: Some(was) } => {
                    let is_newer = newest.film.last_modified_unix_s > was.film.last_modified_unix_s;
                    !is_newer && (is_source(word) || !source_holds)
                }
                Said::Deleted { was: None } => is_source(word),
                _ => false,
            })
        });
    }
}

impl Brief {
    fn of(film: &Identity) -> Option<Self> {
        let version_id = film.version_id.as_deref().map(ArrayString::from).transpose().ok()?;
        Some(Self { size: film.size, version_id })
    }
}

impl Word {
    fn new(node: Member) -> Self {
        Self {
            node,
            said: Said::Nothing,
            heard: Tick(0),
            failed: None,
            failed_at: Tick(0),
            denied: 0,
            is_newest: false,
        }
    }

    /// What it said last.
    #[must_use]
    pub fn said(&self) -> &Said {
        &self.said
    }

    /// When, in milliseconds of the gate's clock, to a tenth of a second.
    #[must_use]
    pub fn heard_ms(&self) -> u64 {
        self.heard.ms()
    }

    /// How the last question failed, and when, if it did.
    #[must_use]
    pub fn failed(&self) -> Option<(Failure, u64)> {
        self.failed.map(|failure| (failure, self.failed_at.ms()))
    }

    fn version(&self) -> Option<&Arc<Version>> {
        if let Said::Holds(version) = &self.said { Some(version) } else { None }
    }

    fn dropped(&self) -> Dropped {
        match self.said {
            Said::Lacks(Failure::Forbidden) => Dropped::Forbidden,
            Said::Deleted { .. } => Dropped::Deleted,
            _ => Dropped::Absent,
        }
    }

    fn hear(&mut self, heard: Result<Arc<Version>, Failure>, now_ms: u64) {
        let said = match heard {
            Ok(version) => Said::Holds(version),
            Err(failure @ (Failure::Absent | Failure::Forbidden)) => Said::Lacks(failure),
            Err(Failure::Deleted) => {
                let was = match &self.said {
                    Said::Holds(version) => Some(Arc::clone(version)),
                    Said::Deleted { was } => was.clone(),
                    _ => None,
                };
                Said::Deleted { was }
            }
            Err(failure) => {
                self.failed = Some(failure);
                self.failed_at = Tick::at(now_ms);
                return;
            }
        };
        let denies = |said: &Said| matches!(said, Said::Lacks(_) | Said::Deleted { .. });
        self.denied = if denies(&said) && denies(&self.said) { self.denied.saturating_add(1) } else { 0 };
        self.said = said;
        self.heard = Tick::at(now_ms);
        self.failed = None;
    }

    fn due_ms(&self, times: Times) -> u64 {
        let half_ms = times.positive_ms / 2;
        let due_ms = match self.said {
            Said::Holds(_) => self.heard.ms() + half_ms,
            Said::Nothing => 0,
            Said::Lacks(_) | Said::Deleted { .. } => {
                let pause_ms = times.negative_ms.saturating_mul(1 << self.denied.min(20));
                self.heard.ms() + pause_ms.min(half_ms)
            }
        };
        match self.failed {
            Some(_) => due_ms.max(self.failed_at.ms() + times.negative_ms),
            None => due_ms,
        }
    }
}

/// Whether two nodes hold the same bytes. The version's id may differ: copies that were not made by replication have
/// ids of their own.
fn is_same(one: &Identity, other: &Identity) -> bool {
    one.etag == other.etag && one.size == other.size
}

#[cfg(test)]
mod tests;
