//! One request that is answered by a link: chosen among those who hold the film, signed, told.
//!
//! Of a film that is known this is a plain function: no await, no lock. Absent on purpose: rules.

use std::sync::Arc;

use pingora::Result;
use watchgate_config::Profile;

use super::Gate;
use super::choose::{Among, Chooser};
use super::find::no_holder;
use super::serve::{Arrival, By, Size, Told, Wanted, decision_header, refused, retry_after_s};
use crate::answer::{Answer, Asking, WATCHGATE_DECISION, redirect};
use crate::decide::plan::{Plan, Why};
use crate::decide::presence::{Known, Standing};
use crate::decide::watch::Method;
use crate::fleet::Node;
use crate::presence::Lookup;
use crate::refusal::Refusal;
use crate::sign::{DayKey, LinkTime, lifetime_s, link_time};
use crate::state::Snapshot;

/// The answer, if nobody has to be asked for it.
///
/// # Errors
/// As [`Asking::head`].
pub(super) fn answer(
    gate: &Gate,
    snapshot: &Arc<Snapshot>,
    arrival: &Arrival,
    wanted: &Wanted,
) -> Result<Option<(Answer, Told)>> {
    let Some(finder) = &gate.finder else {
        let now_ms = gate.clock.at_ms(arrival.began);
        return Linking { gate, snapshot, arrival, wanted }.at_once(None, now_ms).transpose();
    };
    let linking = Linking { gate, snapshot, arrival, wanted };
    let now_ms = gate.clock.at_ms(arrival.began);
    let (answered, due) = finder.presence.look(&wanted.key, now_ms, |known| linking.at_once(known, now_ms));
    if let Some(entry) = due {
        finder.refresh(snapshot, &entry);
    }
    if answered.is_some() {
        finder.presence.count(Lookup::Hit);
    }
    answered.transpose()
}

/// The answer, after those who know were asked, and the fleet that it is about: if those who were asked have left
/// meanwhile, those who came are.
///
/// # Errors
/// As [`Asking::head`].
pub(super) async fn answer_asked(
    gate: &Gate,
    snapshot: &Arc<Snapshot>,
    arrival: &Arrival,
    wanted: &Wanted,
) -> Result<(Arc<Snapshot>, Answer, Told)> {
    let (mut snapshot, mut asked) = (Arc::clone(snapshot), false);
    let since_ms = gate.clock.now_ms();
    loop {
        let linking = Linking { gate, snapshot: &snapshot, arrival, wanted };
        let Some(finder) = &gate.finder else {
            let (answer, told) = linking.refused(Refusal::NotFound)?;
            return Ok((snapshot, answer, told));
        };
        let entry = finder.presence.entry(&wanted.key);
        asked |= finder.find(&snapshot, &linking.chooser(), &entry, wanted.size).await;
        if wanted.size == Size::Film && entry.is_held() {
            finder.fill(&snapshot, &entry);
        }
        let known = entry.known();
        let plan = linking.plan_of_holders(&known);
        let now = gate.snapshot.load_full();
        if plan.winner().is_some() || Arc::ptr_eq(&now, &snapshot) {
            finder.presence.count(if asked { Lookup::Miss } else { Lookup::Negative });
            let (answer, told) = linking.at_last(&plan, &known, since_ms)?;
            return Ok((snapshot, answer, told));
        }
        snapshot = now;
    }
}

/// One request for a link.
#[derive(Clone, Copy)]
struct Linking<'a> {
    gate: &'a Gate,
    snapshot: &'a Snapshot,
    arrival: &'a Arrival,
    wanted: &'a Wanted,
}

impl<'a> Linking<'a> {
    fn chooser(&self) -> Chooser<'a> {
        let (gate, snapshot) = (self.gate, self.snapshot);
        Chooser { gate, snapshot, viewer: self.arrival.viewer, film: self.wanted.film }
    }

    /// `None`: somebody has to be asked first.
    fn at_once(&self, known: Option<&Known>, now_ms: u64) -> Option<Result<(Answer, Told)>> {
        let (plan, from) = self.chooser().plan(Among::hopeful(known, now_ms), 1);
        let Some(winner) = plan.winner() else {
            if plan.is_film_missing() {
                return None;
            }
            self.gate.metrics.located(from);
            return Some(self.refused(self.no_node()));
        };
        let member = self.snapshot.fleet.member(winner.node);
        let standing = |known: &Known| known.standing(member, now_ms, self.snapshot.times);
        let is_asked = self.gate.finder.is_some();
        // While everything is down nobody answers, and the policy hopes that viewers come through where we do not.
        if plan.why != Why::AllDown && is_asked && known.map(standing) != Some(Standing::Holds) {
            return None;
        }
        self.gate.metrics.located(from);
        Some(self.link(&plan, known))
    }

    /// The choice among those who are known to hold the film.
    fn plan_of_holders(&self, known: &Known) -> Plan {
        let among = Among::holders(Some(known), self.gate.clock.now_ms());
        let (plan, _) = self.chooser().plan(among, 1);
        if plan.winner().is_some() {
            return plan;
        }
        // Somebody whom an operator drains may be the only one who holds the film.
        self.chooser().plan(Among { take_draining: true, ..among }, 1).0
    }

    /// After the nodes were asked: a holder, or a refusal.
    fn at_last(&self, plan: &Plan, known: &Known, since_ms: u64) -> Result<(Answer, Told)> {
        self.gate.metrics.located(self.chooser().site().sited().from);
        match plan.winner() {
            Some(_) => self.link(plan, Some(known)),
            None if plan.is_film_missing() => {
                let why = no_holder(self.snapshot, Some(known), since_ms);
                self.refused(Refusal::NoFilm { why, retry_after_s: retry_after_s(self.snapshot) })
            }
            None => self.refused(self.no_node()),
        }
    }

    fn link(&self, plan: &Plan, known: Option<&Known>) -> Result<(Answer, Told)> {
        let Some(winner) = plan.winner() else { return self.refused(self.no_node()) };
        let (gate, snapshot, wanted) = (self.gate, self.snapshot, self.wanted);
        let node = &snapshot.fleet.nodes[winner.node];
        let member = node.live.member;
        let linked = known.and_then(|known| known.linked(member));
        let time = link_time_at(snapshot, self.arrival.unix_ms, linked.map(|(size, _)| size));
        let pinned = linked.filter(|_| snapshot.config.stream.pin_version && may_pin(node));
        let version_id = pinned.and_then(|(_, version_id)| version_id);
        let url = sign_link(node, &wanted.key, version_id, wanted.method, time);
        let link = redirect::Link {
            url: &url,
            method: wanted.method,
            film: &wanted.film,
            node: node.config.id.as_str(),
            expires_at_s: time.expires_at_s(),
            version: known.and_then(|known| known.version(member)).map(|version| &version.film),
        };
        node.live.count_sent();
        let asking = self.asking();
        let (mut answer, outcome) = if wanted.wants_json {
            gate.metrics.linked(plan.why);
            node.metrics.link.inc();
            (redirect::link(&link, &asking)?, "link")
        } else {
            gate.metrics.redirected(plan.why);
            node.metrics.redirect.inc();
            (redirect::redirect(&link, &asking)?, "redirect")
        };
        if snapshot.config.watch.decision_header {
            let value = decision_header(node, plan, Some(winner.node), plan.why);
            answer.head.add(WATCHGATE_DECISION, value)?;
        }
        gate.metrics.decision_seconds.observe(self.arrival.began.elapsed().as_secs_f64());
        let told = Told::plain(wanted.mode, Some(wanted.film), outcome, plan.why.as_str());
        Ok((answer, Told { node: By::Place(winner.node), ..told }))
    }

    fn refused(&self, refusal: Refusal) -> Result<(Answer, Told)> {
        let about = (self.wanted.mode, Some(self.wanted.film));
        refused(self.gate, self.arrival, &self.asking(), refusal, about)
    }

    fn no_node(&self) -> Refusal {
        Refusal::NoNode { retry_after_s: retry_after_s(self.snapshot) }
    }

    fn asking(&self) -> Asking<'a> {
        self.arrival.asking(self.snapshot, self.wanted.method == Method::Head)
    }
}

/// AWS S3 and Ceph want `s3:GetObjectVersion` for any version's id, and who follows a link has nobody to ask again
/// without it.
fn may_pin(node: &Node) -> bool {
    !matches!(node.config.profile, Profile::S3 | Profile::Ceph)
}

fn link_time_at(snapshot: &Snapshot, unix_ms: u64, size: Option<u64>) -> LinkTime {
    let watch = &snapshot.config.watch;
    link_time(unix_ms / 1000, watch.link_window.as_secs(), lifetime_s(watch.link_lifetime, size))
}

fn sign_link(node: &Node, key: &str, version_id: Option<&str>, method: Method, time: LinkTime) -> String {
    let keys = node.keys.load();
    if let Some(day) = keys.at(time.signed_at_s()) {
        return node.link.presign(day, method, key, version_id, time);
    }
    // Only while the task that keeps the keys has not run yet after midnight: a few microseconds more.
    let secret = node.config.secret_key.expose();
    let day = DayKey::derive(secret, time.signed_at_s(), &node.region);
    node.link.presign(&day, method, key, version_id, time)
}
