//! What a choice costs: the order of 5 and of 1,000 nodes, and the whole decision from an address to a link.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{Criterion, criterion_group, criterion_main};
use watchgate::decide::member::Member;
use watchgate::decide::rank::{rank, viewer_key};
use watchgate::geoip::Databases;
use watchgate::state::{Held, Unknown};

use self::fleet::{FILM, decide, film, key, memory, snapshot, view};

#[path = "fixture/fleet.rs"]
mod fleet;

fn decision(c: &mut Criterion) {
    for count in [5, 1000] {
        let snapshot = snapshot(count, Databases::empty());
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
        // So busy that those who are kept beside a place do not settle it.
        for node in &snapshot.fleet.nodes {
            node.live.heard_load(node.config.max_viewers.get() / 10 * 9);
        }
        c.bench_function(&format!("rank/{count}/busy"), |bench| {
            bench.iter(|| {
                viewer += 1;
                rank(black_box(&site.question(viewer_key(viewer, &FILM))), &view, 1)
            });
        });
        snapshot.fleet.nodes.iter().for_each(|node| node.live.heard_load(0));
        c.bench_function(&format!("decision/{count}"), |bench| {
            bench.iter(|| decide(&snapshot, black_box(address), &key(&snapshot, FILM), None));
        });
    }
}

/// What it adds that the nodes are known which hold the film: the same decision without and with it, and the look-up
/// alone, in memories of which the larger one leaves every cache.
fn presence(c: &mut Criterion) {
    let snapshot = snapshot(5, Databases::empty());
    let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    for films in [1000, 300_000] {
        let presence = memory(&snapshot, films);
        let (times, unknown) = (presence.times(), Unknown::Taken);
        let mut number = 0_u32;
        let mut next = move || {
            number = (number + 1) % films;
            film(number)
        };
        c.bench_function(&format!("presence/{films}/without"), |bench| {
            bench.iter(|| decide(&snapshot, black_box(address), &key(&snapshot, next()), None));
        });
        c.bench_function(&format!("presence/{films}/with"), |bench| {
            bench.iter(|| {
                let key = key(&snapshot, next());
                let (link, _) = presence.look(&key, 1, |known| {
                    decide(&snapshot, black_box(address), &key, Some(Held { known, times, unknown }))
                });
                link
            });
        });
        c.bench_function(&format!("presence/{films}/look"), |bench| {
            let keys: Vec<String> = (0..films).map(|number| key(&snapshot, film(number))).collect();
            let mut at = 0;
            bench.iter(|| {
                at = (at + 1) % keys.len();
                presence.look(&keys[at], 1, |known| known.map(|known| known.standing(Member(0), 1, times))).0
            });
        });
    }
}

criterion_group!(benches, decision, presence);
criterion_main!(benches);
