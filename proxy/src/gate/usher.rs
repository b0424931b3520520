//! Tells the pump who is asked for a film, by what is known of it, and remembers what they say.
//!
//! A film outlives fleets: the nodes that it goes on with are those of the moment. Absent on purpose: any wait. What has to be asked again is asked behind the viewer's back.

use std::sync::Arc;

use super::choose::{Among, Chooser};
use super::find::{Finder, nobody};
use crate::answer::pump::{self, Guide, NODES_USUAL, Nodes, Stage};
use crate::decide::member::Member;
use crate::decide::plan::Plan;
use crate::decide::presence::{Known, Standing, Version};
use crate::decide::rank::Dropped;
use crate::decide::resume::{Failure, Identity, Lie, NoFilm};
use crate::fleet::Node;
use crate::presence::Lookup;
use crate::state::places::PlaceFrom;
use crate::state::{Snapshot, Unknown};

/// Tells the pump who is asked, and hears what they say.
pub(super) struct Usher<'a> {
    pub(super) chooser: Chooser<'a>,
    pub(super) snapshot: &'a Arc<Snapshot>,
    pub(super) key: &'a Arc<str>,
    /// When the viewer came, in milliseconds of the gate's clock.
    pub(super) since_ms: u64,
}

/// What is known before a node is asked.
pub(super) struct Foreseen {
    pub(super) plan: Plan,
    pub(super) from: PlaceFrom,
    /// The version that the first node of the plan is known to hold.
    pub(super) known: Option<Arc<Version>>,
}

impl Usher<'_> {
    pub(super) fn finder(&self) -> Option<&Arc<Finder>> {
        self.chooser.gate.finder.as_ref()
    }

    /// Reads what is known of the film; if that is getting old, it is asked for again behind the viewer's back.
    fn look<R>(&self, snapshot: &Arc<Snapshot>, read: impl FnOnce(Option<&Known>) -> R) -> R {
        let Some(finder) = self.finder() else { return read(None) };
        let (looked, due) = finder.presence.look(self.key, self.chooser.now_ms(), read);
        if let Some(entry) = due {
            finder.refresh(snapshot, &entry);
        }
        looked
    }

    /// The fleet as it is now.
    fn now(&self) -> Arc<Snapshot> {
        self.chooser.gate.snapshot.load_full()
    }

    pub(super) fn foresee(&self) -> Foreseen {
        let now_ms = self.chooser.now_ms();
        let foreseen = self.look(self.snapshot, |known| {
            let (plan, from) = self
                .chooser
                .plan(Among { unknown: Unknown::Tried, ..Among::hopeful(known, now_ms) }, NODES_USUAL);
            let version = plan.winner().and_then(|winner| self.held(known?, winner.node, now_ms));
            Foreseen { known: version, plan, from }
        });
        if let Some(finder) = self.finder() {
            finder.presence.count(match &foreseen {
                Foreseen { known: Some(_), .. } => Lookup::Hit,
                Foreseen { plan, .. } if plan.is_film_missing() => Lookup::Negative,
                Foreseen { .. } => Lookup::Miss,
            });
        }
        foreseen
    }

    fn held(&self, known: &Known, node: usize, now_ms: u64) -> Option<Arc<Version>> {
        let member = self.snapshot.fleet.member(node);
        let holds = known.standing(member, now_ms, self.snapshot.times) == Standing::Holds;
        known.version(member).filter(|_| holds).cloned()
    }

    /// The other nodes are asked behind the viewer's back.
    pub(super) fn fill(&self) {
        if let Some(finder) = self.finder()
            && let Some(entry) = finder.presence.find(self.key)
        {
            finder.fill(&self.now(), &entry);
        }
    }
}

impl Guide for Usher<'_> {
    fn order(&self, among: pump::Among, stage: Stage) -> Nodes {
        let snapshot = self.now();
        let chooser = Chooser { snapshot: &snapshot, ..self.chooser };
        let nodes = &snapshot.fleet.nodes;
        let depth = if among == pump::Among::Best { NODES_USUAL } else { nodes.len() };
        let ranking = match among {
            pump::Among::Everybody => chooser.anyway(depth),
            pump::Among::Best | pump::Among::All => self.look(&snapshot, |known| {
                let unknown = match stage {
                    Stage::Begins => Unknown::Tried,
                    Stage::Behind => Unknown::PassedBut(snapshot.fleet.source_member()),
                    Stage::Runs => Unknown::Running,
                };
                let now_ms = chooser.now_ms();
                chooser.plan(Among { unknown, ..Among::hopeful(known, now_ms) }, depth).0.ranking
            }),
        };
        ranking.best.iter().map(|scored| Arc::clone(&nodes[scored.node])).collect()
    }

    fn no_film(&self, failed: &dyn Fn(Member) -> Option<Failure>) -> NoFilm {
        let snapshot = self.now();
        self.look(&snapshot, |known| {
            let said = |node| failed(node).or_else(|| known?.said(node, self.since_ms, snapshot.times));
            nobody(&snapshot, said)
        })
    }

    fn heard(&self, node: &Node, heard: Result<(&Identity, Option<&str>), Failure>) -> Option<Failure> {
        let finder = self.finder()?;
        let member = node.live.member;
        match heard {
            Ok((film, content_type)) => {
                let (now_ms, times) = (self.chooser.now_ms(), self.snapshot.times);
                let remembered = self.look(self.snapshot, |known| {
                    let known = known.filter(|known| known.has_heard(member, film, now_ms, times))?;
                    Some(known.was_behind(member))
                });
                let behind = remembered.unwrap_or_else(|| {
                    let version = Version { film: film.clone(), content_type: content_type.map(Into::into) };
                    finder.heard(node, self.key, Ok(version));
                    self.look(self.snapshot, |known| known?.was_behind(member))
                });
                behind.map(|why| if why == Dropped::Deleted { Failure::Deleted } else { Failure::Stale })
            }
            Err(failure) => {
                match failure {
                    Failure::Absent | Failure::Deleted | Failure::Forbidden => {
                        finder.heard(node, self.key, Err(failure));
                    }
                    // It holds something else by now.
                    Failure::Stale | Failure::Lie(Lie::Tag | Lie::Total) => {
                        finder.ask_again(&self.now(), self.key);
                    }
                    _ => {}
                }
                None
            }
        }
    }
}
