//! What a choice costs: the order of 5 and of 1,000 nodes, and the whole decision from an address to a link.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{Criterion, criterion_group, criterion_main};
use watchgate::config::{Source, parse};
use watchgate::decide::health::State;
use watchgate::decide::plan::plan;
use watchgate::decide::presence::Version;
use watchgate::decide::rank::{rank, viewer_key};
use watchgate::decide::resume::Identity;
use watchgate::fleet::experience;
use watchgate::fleet::metrics::NodeFamilies;
use watchgate::geoip::Databases;
use watchgate::presence::Presence;
use watchgate::sign::{Method, link_time};
use watchgate::state::places::Site;
use watchgate::state::{Held, Snapshot, Unknown, View};

const NOW_S: u64 = 1_795_435_200;
const FILM: [u8; 16] = [7; 16];

/// A fleet spread over the globe, all of it up, and a home for viewers without a place.
fn snapshot(count: u32) -> Snapshot {
    let mut text = String::from("[geoip]\nhome = { lat = 52.0, lon = 5.0 }\n[bucket]\nname = \"movies\"\n");
    for node in 0..count {
        let (lat, lon) = (f64::from(node * 37 % 120) - 60.0, f64::from(node * 101 % 360) - 180.0);
        let _ = write!(
            text,
            "[[node]]\nid = \"n{node}\"\nendpoint = \"https://n{node}.films.example\"\nat = {{ lat = {lat:.1}, lon = {lon:.1} }}\n\
             access_key = \"gate\"\nsecret_key = \"gate-secret\"\n"
        );
    }
    let source = Source { text: &text, path: None, env: &BTreeMap::new() };
    let config = parse(&source).expect("a good configuration").config;
    let families = NodeFamilies::register(&prometheus::Registry::new()).expect("metrics");
    let (reporter, _experiences) = experience::channel();
    let known = HashMap::new();
    let snapshot = Snapshot::new(config, Databases::empty(), &families, &known, &reporter, NOW_S * 1000);
    for node in &snapshot.fleet.nodes {
        node.live.set_state(State::Up, None);
    }
    snapshot
}

/// As the gate sees it, with what is known of the film.
fn view<'a>(snapshot: &'a Snapshot, site: &'a Site<'a>, held: Option<Held<'a>>) -> View<'a> {
    View { snapshot, site, now_ms: 1, https_only: false, assume_up: false, take_draining: false, held }
}

/// From an address and a key to a link.
fn decide(snapshot: &Snapshot, address: IpAddr, key: &str, held: Option<Held<'_>>) -> String {
    let site = snapshot.places.site(Some(address));
    let question = site.question(viewer_key(1, &FILM));
    let plan = plan(&question, &view(snapshot, &site, held), snapshot.policy, 1);
    let node = &snapshot.fleet.nodes[plan.winner().expect("a node").node];
    let time = link_time(NOW_S, 300, 21_600);
    let keys = node.live.keys.load();
    node.link.presign(keys.at(time.signed_at_s()).expect("today"), Method::Get, key, None, time)
}

fn film(number: u32) -> [u8; 16] {
    let mut film = FILM;
    film[..4].copy_from_slice(&number.wrapping_mul(2_654_435_761).to_le_bytes());
    film
}

/// A memory of so many films, each held by the first few nodes.
fn memory(snapshot: &Snapshot, films: u32) -> Presence {
    let presence =
        Presence::new(&snapshot.config.presence, None, &prometheus::Registry::new()).expect("metrics");
    for number in 0..films {
        let entry = presence.entry(&snapshot.config.watch.object.key(&film(number), ""));
        for node in 0..snapshot.fleet.nodes.len().min(5) {
            let identity = Identity {
                etag: format!("\"{number:032x}\"").into(),
                size: 4_000_000_000,
                version_id: Some(format!("{number:08x}-d9cb-469f-a165-70867728950e").into()),
                last_modified_unix_s: Some(NOW_S),
            };
            let version = Version { film: identity, content_type: Some("video/mp4".into()) };
            presence.hear(&entry, node, Ok(version), 1);
        }
    }
    presence
}

fn decision(c: &mut Criterion) {
    for count in [5, 1000] {
        let snapshot = snapshot(count);
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let site = snapshot.places.site(Some(address));
        let view = view(&snapshot, &site, None);
        let mut viewer = 0_u64;
        c.bench_function(&format!("rank/{count}"), |bench| {
            bench.iter(|| {
                viewer += 1;
                rank(black_box(&site.question(viewer_key(viewer, &FILM))), &view, 1)
            });
        });
        c.bench_function(&format!("rank/{count}/whole"), |bench| {
            bench.iter(|| rank(black_box(&site.question(1)), &view, count as usize));
        });
        let key = |film: [u8; 16]| snapshot.config.watch.object.key(&film, "");
        c.bench_function(&format!("decision/{count}"), |bench| {
            bench.iter(|| decide(&snapshot, black_box(address), &key(FILM), None));
        });
    }
}

/// What it adds that the nodes are known which hold the film: the same decision without and with it, and the look-up
/// alone, in memories of which the larger one leaves every cache.
fn presence(c: &mut Criterion) {
    let snapshot = snapshot(5);
    let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    for films in [1000, 300_000] {
        let presence = memory(&snapshot, films);
        let (times, unknown) = (presence.times(), Unknown::Taken);
        let mut number = 0_u32;
        let mut next = move || {
            number = (number + 1) % films;
            film(number)
        };
        let key = |film: [u8; 16]| snapshot.config.watch.object.key(&film, "");
        c.bench_function(&format!("presence/{films}/without"), |bench| {
            bench.iter(|| decide(&snapshot, black_box(address), &key(next()), None));
        });
        c.bench_function(&format!("presence/{films}/with"), |bench| {
            bench.iter(|| {
                let key = key(next());
                let (link, _) = presence.look(&key, 1, |known| {
                    decide(&snapshot, black_box(address), &key, Some(Held { known, times, unknown }))
                });
                link
            });
        });
        c.bench_function(&format!("presence/{films}/look"), |bench| {
            let keys: Vec<String> = (0..films).map(|number| key(film(number))).collect();
            let mut at = 0;
            bench.iter(|| {
                at = (at + 1) % keys.len();
                presence.look(&keys[at], 1, |known| known.map(|known| known.standing(0, 1, times))).0
            });
        });
    }
}

criterion_group!(benches, decision, presence);
criterion_main!(benches);
