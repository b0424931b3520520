//! The decision in full, for operators: the same step as an answer takes, with every node written out.
//!
//! Absent on purpose: a second way to choose.

use std::net::IpAddr;

use watchgate_config::Mode;

use super::Gate;
use super::choose::{Among, Chooser};
use super::find::no_holder;
use super::report::state_word;
use super::serve::{self, Size};
use crate::catalog::Look;
use crate::clock::rfc3339;
use crate::decide::client::{AddressFrom, Scheme, Viewer};
use crate::decide::decision::{Decision, NodeView, PlaceView, PresenceView, ViewerView};
use crate::decide::plan::{Plan, Why};
use crate::decide::presence::Known;
use crate::decide::rank::{Dropped, Ranking, Scored, Tier};
use crate::decide::resume::NoFilm;
use crate::decide::watch::{Film, Method};
use crate::refusal::Refusal;
use crate::state::places::Sited;
use crate::state::{Snapshot, Unknown};

/// What an operator wants explained.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The film.
    pub film: Film,
    /// The decoded path of a file of its tree, as [`check_file`](crate::decide::watch::check_file) takes it; empty where
    /// films are no trees ([`Gate::has_trees`]).
    pub path: String,
    /// The viewer's address.
    pub address: IpAddr,
    /// The viewer's method.
    pub method: Method,
    /// The viewer's scheme: an `https` viewer is never sent to an `http` address.
    pub scheme: Scheme,
    /// As if the gate were configured so, which changes nothing for manifests; `None`: as it is.
    pub mode: Option<Mode>,
}

/// Asks the catalog and the nodes about the film as the viewer's request would.
pub(super) async fn look_for(gate: &Gate, ask: &Ask) {
    if gate.catalog.look(&ask.film, &ask.path) == Look::Ask {
        // What it says, or that it says nothing, is found by looking again.
        let _ = gate.catalog.ask(&ask.film).await;
    }
    let (Some(finder), Look::Key(key)) = (&gate.finder, gate.catalog.look(&ask.film, &ask.path)) else {
        return;
    };
    let snapshot = gate.snapshot.load_full();
    let entry = finder.presence.entry(&key);
    // Of a part, too, an operator wants to see who else holds it.
    finder.find(&snapshot, &chooser(gate, &snapshot, ask), &entry, Size::Film).await;
    finder.fill(&snapshot, &entry);
    finder.settled(&snapshot, &entry).await;
}

pub(super) fn explain(gate: &Gate, ask: &Ask) -> Decision {
    let snapshot = gate.snapshot.load();
    let (key, no_film) = match gate.catalog.look(&ask.film, &ask.path) {
        Look::Key(key) => (key, None),
        Look::Unknown => (String::new(), Some(NoFilm::Unknown)),
        Look::Ask => (String::new(), Some(NoFilm::NoAnswer)),
    };
    let entry = gate.finder.as_ref().and_then(|finder| finder.presence.find(&key));
    let known = entry.as_ref().map(|entry| entry.known());
    let known = known.as_ref();
    let mode = mode(&snapshot, ask);
    let chooser = chooser(gate, &snapshot, ask);
    let unknown = if mode == Mode::Stream { Unknown::Tried } else { Unknown::Taken };
    let among = Among { unknown, ..Among::hopeful(known, chooser.now_ms()) };
    let plan = match no_film {
        Some(_) => Plan { ranking: Ranking::default(), why: Why::OnlyHolder },
        None => planned(&chooser, among, mode, snapshot.fleet.nodes.len()),
    };
    let reason = match (no_film, plan.winner(), &gate.finder) {
        (Some(why), ..) => Refusal::NoFilm { why, retry_after_s: 0 }.label(),
        (None, None, Some(_)) if plan.is_film_missing() => {
            let why = no_holder(&snapshot, known, chooser.now_ms());
            Refusal::NoFilm { why, retry_after_s: 0 }.label()
        }
        _ => plan.why.as_str(),
    };
    let id = |scored: &Scored| snapshot.fleet.nodes[scored.node].config.id.to_string();
    let shown = Shown { gate, snapshot: &snapshot, known };
    Decision {
        at: rfc3339(gate.clock.unix_ms()),
        film: ask.film.to_string(),
        path: Some(ask.path.clone()).filter(|path| !path.is_empty()),
        key,
        method: ask.method.as_str().to_owned(),
        mode: mode.as_str().to_owned(),
        viewer: ViewerView {
            address: Some(ask.address.to_canonical().to_string()),
            from: "asked".to_owned(),
        },
        place: place(chooser.site().sited()),
        policy: snapshot.config.watch.all_down.as_str().to_owned(),
        outcome: if plan.winner().is_some() { mode.as_str() } else { "refused" }.to_owned(),
        reason: reason.to_owned(),
        chosen: plan.winner().map(id),
        alternates: plan.ranking.best.iter().skip(1).map(id).collect(),
        nodes: shown.nodes(&plan, &chooser.all(among)),
    }
}

/// As an answer is planned.
fn planned(chooser: &Chooser<'_>, among: Among<'_>, mode: Mode, nodes: usize) -> Plan {
    let (plan, _) = chooser.plan(among, nodes);
    if mode == Mode::Redirect && plan.is_film_missing() {
        let undrained = chooser.plan(Among { take_draining: true, ..among }, nodes).0;
        return if undrained.winner().is_some() { undrained } else { plan };
    }
    plan
}

fn mode(snapshot: &Snapshot, ask: &Ask) -> Mode {
    serve::mode(&snapshot.config.watch, &ask.path, ask.mode)
}

fn chooser<'a>(gate: &'a Gate, snapshot: &'a Snapshot, ask: &Ask) -> Chooser<'a> {
    let scheme = match mode(snapshot, ask) {
        Mode::Redirect => ask.scheme,
        // The gate reaches nodes its own way.
        Mode::Stream => Scheme::Http,
    };
    let viewer = Viewer { address: Some(ask.address.to_canonical()), from: AddressFrom::Peer, scheme };
    Chooser { gate, snapshot, viewer, film: ask.film }
}

fn place(sited: &Sited) -> PlaceView {
    let place = &sited.place;
    PlaceView {
        lat: place.at.map(watchgate_geoip::Coordinates::lat),
        lon: place.at.map(watchgate_geoip::Coordinates::lon),
        radius_km: place.radius_km,
        country: place.country.map(|country| country.to_string()),
        continent: place.continent.map(|continent| continent.to_string()),
        asn: place.asn.map(|asn| asn.0),
        from: sited.from.as_str().to_owned(),
    }
}

/// What nodes are shown by.
struct Shown<'a> {
    gate: &'a Gate,
    snapshot: &'a Snapshot,
    known: Option<&'a Known>,
}

impl Shown<'_> {
    /// Those in the order of the plan first, then those out of the question.
    fn nodes(&self, plan: &Plan, scored: &[Scored]) -> Vec<NodeView> {
        let best = plan.winner().map(|winner| winner.tier);
        let rank_of = |node: usize| plan.ranking.best.iter().position(|ranked| ranked.node == node);
        let mut order: Vec<&Scored> = scored.iter().collect();
        order.sort_by_key(|scored| rank_of(scored.node).unwrap_or(usize::MAX));
        order.into_iter().map(|scored| self.node(scored, rank_of(scored.node), best)).collect()
    }

    fn node(&self, scored: &Scored, rank: Option<usize>, best: Option<Tier>) -> NodeView {
        let node = &self.snapshot.fleet.nodes[scored.node];
        let lower = best.filter(|best| scored.tier > *best).map(|_| Dropped::LowerTier);
        let now_ms = self.gate.clock.now_ms();
        let word = self.known.and_then(|known| known.word(node.live.member));
        NodeView {
            id: node.config.id.to_string(),
            state: state_word(node).to_owned(),
            since: rfc3339(node.live.report.load().since_ms),
            tier: scored.tier.as_str().to_owned(),
            distance_km: scored.distance_km.map(|km| round(f64::from(km))),
            cost_ms: round(scored.cost_ms),
            spread_ms: round(scored.spread_ms),
            score_ms: round(scored.score_ms()),
            rank: rank.map(|rank| rank + 1),
            load: round(scored.load * 100.0) / 100.0,
            presence: word.map(|word| PresenceView::of(word, now_ms)),
            dropped: scored.dropped.or(lower).map(|dropped| dropped.as_str().to_owned()),
        }
    }
}

/// Two decimals: what an operator reads.
fn round(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}
