//! The choice for one viewer and one film: what every answer and every explanation take their nodes from.
//!
//! Absent on purpose: asking nodes, and what becomes of a viewer for whom there is none.

use std::net::IpAddr;

use super::Gate;
use crate::decide::client::{self, Viewer};
use crate::decide::plan::{Plan, last_resort, plan};
use crate::decide::presence::Known;
use crate::decide::rank::{Ranking, Scored, score_all, viewer_key};
use crate::decide::watch::Film;
use crate::state::places::{PlaceFrom, Site};
use crate::state::{Held, Snapshot, Unknown, View};

/// One viewer's wish.
#[derive(Clone, Copy)]
pub(super) struct Chooser<'a> {
    pub(super) gate: &'a Gate,
    pub(super) snapshot: &'a Snapshot,
    pub(super) viewer: Viewer,
    pub(super) film: Film,
}

/// The choice under one view of the film.
#[derive(Clone, Copy)]
pub(super) struct Among<'a> {
    /// What is known of the film; `None`: nothing.
    pub(super) known: Option<&'a Known>,
    /// The gate's clock.
    pub(super) now_ms: u64,
    /// What becomes of nodes that have to be asked.
    pub(super) unknown: Unknown,
    /// The operator's drains are passed over.
    pub(super) take_draining: bool,
}

impl<'a> Among<'a> {
    /// Those who hold the film, as far as is known, and those who have to be asked.
    pub(super) fn hopeful(known: Option<&'a Known>, now_ms: u64) -> Self {
        Self { known, now_ms, unknown: Unknown::Taken, take_draining: false }
    }

    /// Those who are known to hold the film.
    pub(super) fn holders(known: Option<&'a Known>, now_ms: u64) -> Self {
        Self { known, now_ms, unknown: Unknown::Passed, take_draining: false }
    }
}

impl Chooser<'_> {
    /// The best nodes for the viewer, and where the viewer's place comes from.
    pub(super) fn plan(&self, among: Among<'_>, depth: usize) -> (Plan, PlaceFrom) {
        let site = self.site();
        let question = site.question(self.key());
        (plan(&question, &self.view(&site, among), self.snapshot.policy, depth), site.sited().from)
    }

    /// The order for a film that everybody of [`Chooser::plan`] has failed.
    pub(super) fn anyway(&self, depth: usize) -> Ranking {
        let site = self.site();
        let question = site.question(self.key());
        last_resort(&question, &self.view(&site, Among::hopeful(None, self.now_ms())), depth)
    }

    /// Every node with its figures, in the order of the fleet.
    pub(super) fn all(&self, among: Among<'_>) -> Vec<Scored> {
        let site = self.site();
        score_all(&site.question(self.key()), &self.view(&site, among))
    }

    /// Where the viewer is.
    pub(super) fn site(&self) -> Site<'_> {
        self.snapshot.places.site(self.viewer.address)
    }

    /// The gate's clock.
    pub(super) fn now_ms(&self) -> u64 {
        self.gate.clock.now_ms()
    }

    fn key(&self) -> u64 {
        group_key(self.viewer.address, &self.film)
    }

    fn view<'b>(&'b self, site: &'b Site<'b>, among: Among<'b>) -> View<'b> {
        View {
            snapshot: self.snapshot,
            site,
            now_ms: among.now_ms,
            https_only: self.viewer.scheme == client::Scheme::Https,
            assume_up: self.gate.assume_up,
            take_draining: among.take_draining,
            held: self.gate.finder.is_some().then_some(Held {
                known: among.known,
                times: self.snapshot.times,
                unknown: among.unknown,
            }),
        }
    }
}

/// The hash of viewer group and film; viewers without an address are one group.
fn group_key(address: Option<IpAddr>, film: &Film) -> u64 {
    viewer_key(address.map_or(0, |address| client::group(address).as_u64()), film.as_bytes())
}
