//! The decision in full, for operators: the same step as an answer takes, with every node written out.
//!
//! Absent on purpose: a second way to choose.

use std::net::IpAddr;

use watchgate_config::Mode;

use super::Gate;
use super::report::state_word;
use super::serve::{self, choose, group_key};
use crate::clock::rfc3339;
use crate::decide::client::{AddressFrom, Scheme, Viewer};
use crate::decide::decision::{Decision, NodeView, PlaceView, ViewerView};
use crate::decide::plan::Plan;
use crate::decide::rank::{Dropped, Scored, Tier, score_all};
use crate::decide::watch::{Film, Method};
use crate::state::Snapshot;
use crate::state::places::Sited;

/// What an operator wants explained.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    /// The film.
    pub film: Film,
    /// The viewer's address.
    pub address: IpAddr,
    /// The viewer's method.
    pub method: Method,
    /// The viewer's scheme: an `https` viewer is never sent to an `http` address.
    pub scheme: Scheme,
    /// As if the gate were configured so; `None`: as it is.
    pub mode: Option<Mode>,
}

pub(super) fn explain(gate: &Gate, ask: &Ask) -> Decision {
    let snapshot = gate.snapshot.load();
    let address = ask.address.to_canonical();
    let mode = ask.mode.unwrap_or(snapshot.config.watch.mode);
    let (scheme, served) = match mode {
        Mode::Redirect => (ask.scheme, "redirect"),
        // The gate reaches nodes its own way.
        Mode::Stream => (Scheme::Http, "stream"),
    };
    let viewer = Viewer { address: Some(address), from: AddressFrom::Peer, scheme };
    let (plan, _) = choose(gate, &snapshot, &viewer, &ask.film, snapshot.fleet.nodes.len());
    let site = snapshot.places.site(viewer.address);
    let scored = score_all(
        &site.question(group_key(viewer.address, &ask.film)),
        &serve::view(gate, &snapshot, &site, &viewer),
    );
    let id = |scored: &Scored| snapshot.fleet.nodes[scored.node].config.id.to_string();
    let watch = &snapshot.config.watch;
    Decision {
        at: rfc3339(gate.clock.unix_ms()),
        film: ask.film.to_string(),
        key: watch.object.key(ask.film.as_bytes(), ""),
        method: ask.method.as_str().to_owned(),
        mode: mode.as_str().to_owned(),
        viewer: ViewerView { address: Some(address.to_string()), from: "asked".to_owned() },
        place: place(site.sited()),
        policy: watch.all_down.as_str().to_owned(),
        outcome: if plan.winner().is_some() { served } else { "refused" }.to_owned(),
        reason: plan.why.as_str().to_owned(),
        chosen: plan.winner().map(id),
        alternates: plan.ranking.best.iter().skip(1).map(id).collect(),
        nodes: nodes(&snapshot, &plan, &scored),
    }
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

/// Those in the order of the plan first, then those out of the question.
fn nodes(snapshot: &Snapshot, plan: &Plan, scored: &[Scored]) -> Vec<NodeView> {
    let best = plan.winner().map(|winner| winner.tier);
    let rank_of = |node: usize| plan.ranking.best.iter().position(|ranked| ranked.node == node);
    let mut order: Vec<&Scored> = scored.iter().collect();
    order.sort_by_key(|scored| rank_of(scored.node).unwrap_or(usize::MAX));
    order.into_iter().map(|scored| view(snapshot, scored, rank_of(scored.node), best)).collect()
}

fn view(snapshot: &Snapshot, scored: &Scored, rank: Option<usize>, best: Option<Tier>) -> NodeView {
    let node = &snapshot.fleet.nodes[scored.node];
    let lower = best.filter(|best| scored.tier > *best).map(|_| Dropped::LowerTier);
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
        presence: None,
        dropped: scored.dropped.or(lower).map(|dropped| dropped.as_str().to_owned()),
    }
}

/// Two decimals: what an operator reads.
fn round(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}
