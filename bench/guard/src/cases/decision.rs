//! The decision of a redirect: a viewer's address and a film, to a link. Viewers and films come in turn, all of them
//! seen before, as in a gate at work.

use std::net::{IpAddr, Ipv4Addr};

use watchgate::decide::member::Member;
use watchgate::decide::presence::{Known, Standing};
use watchgate::geoip::Databases;
use watchgate::state::{Held, Snapshot, Unknown};

use super::city;
use super::fleet::{decide, film, key, memory, snapshot};
use crate::count::{Count, WARM_UP};

/// Networks in the database.
const NETWORKS: u32 = 4000;
/// Nodes that hold each film.
const NODES: u32 = 5;
/// Films and viewers; no more than are met before it is counted.
const TURNS: usize = WARM_UP;

pub(super) fn five(count: &mut Count) {
    of(5, count);
}

pub(super) fn thousand(count: &mut Count) {
    of(1000, count);
}

pub(super) fn known(count: &mut Count) {
    let snapshot = located(5);
    let (viewers, keys) = (viewers(), keys(&snapshot));
    let presence = memory(&snapshot, 1000);
    let (times, unknown) = (presence.times(), Unknown::Taken);
    count.each(|turn| {
        let (viewer, key) = (viewers[turn % TURNS], &keys[turn % TURNS]);
        let (link, _) = presence
            .look(key, 1, |known| decide(&snapshot, viewer, key, Some(Held { known, times, unknown })));
        link
    });
}

pub(super) fn presence(count: &mut Count) {
    let snapshot = snapshot(5, Databases::empty());
    let (presence, keys) = (memory(&snapshot, 1000), keys(&snapshot));
    let times = presence.times();
    count.each(|turn| {
        let holds = |known: &Known| {
            (0..NODES).filter(|node| known.standing(Member(*node), 1, times) == Standing::Holds).count()
        };
        presence.look(&keys[turn % TURNS], 1, |known| known.map(holds)).0
    });
}

fn of(nodes: u32, count: &mut Count) {
    let snapshot = located(nodes);
    let (viewers, keys) = (viewers(), keys(&snapshot));
    count.each(|turn| decide(&snapshot, viewers[turn % TURNS], &keys[turn % TURNS], None));
}

fn located(nodes: u32) -> Snapshot {
    let database = ("made".to_owned(), city::made(NETWORKS));
    snapshot(nodes, Databases::from_bytes(vec![database]).expect("a sound database"))
}

/// Spread over the whole database.
fn viewers() -> Vec<IpAddr> {
    let address = |network| Ipv4Addr::from_bits(city::network(network).to_bits() + 7);
    (0..NETWORKS)
        .step_by(NETWORKS as usize / TURNS)
        .take(TURNS)
        .map(|network| address(network).into())
        .collect()
}

fn keys(snapshot: &Snapshot) -> Vec<String> {
    (0_u32..).take(TURNS).map(|number| key(snapshot, film(number))).collect()
}
