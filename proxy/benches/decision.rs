//! What a choice costs: the order of 5 and of 1,000 nodes, and the whole decision from an address to a link.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{Criterion, criterion_group, criterion_main};
use watchgate::config::{Source, parse};
use watchgate::decide::health::State;
use watchgate::decide::plan::plan;
use watchgate::decide::rank::{rank, viewer_key};
use watchgate::fleet::experience;
use watchgate::fleet::metrics::NodeFamilies;
use watchgate::geoip::Databases;
use watchgate::sign::{Method, link_time};
use watchgate::state::{Snapshot, View};

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

fn decide(snapshot: &Snapshot, address: IpAddr) -> String {
    let site = snapshot.places.site(Some(address));
    let view = View {
        snapshot,
        site: &site,
        now_ms: 1,
        https_only: false,
        assume_up: false,
        take_draining: false,
        held: None,
    };
    let question = site.question(viewer_key(1, &FILM));
    let plan = plan(&question, &view, snapshot.policy, 1);
    let node = &snapshot.fleet.nodes[plan.winner().expect("a node").node];
    let time = link_time(NOW_S, 300, 21_600);
    let keys = node.live.keys.load();
    let key = snapshot.config.watch.object.key(&FILM, "");
    node.link.presign(keys.at(time.signed_at_s()).expect("today"), Method::Get, &key, None, time)
}

fn decision(c: &mut Criterion) {
    for count in [5, 1000] {
        let snapshot = snapshot(count);
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let site = snapshot.places.site(Some(address));
        let view = View {
            snapshot: &snapshot,
            site: &site,
            now_ms: 1,
            https_only: false,
            assume_up: false,
            take_draining: false,
            held: None,
        };
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
        c.bench_function(&format!("decision/{count}"), |bench| {
            bench.iter(|| decide(&snapshot, black_box(address)));
        });
    }
}

criterion_group!(benches, decision);
criterion_main!(benches);
