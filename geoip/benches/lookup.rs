//! What a viewer's place costs: the walk, the decoding, the cached hit, the rules.
//!
//! Runs on a database made here; `WATCHGATE_GEOIP_BENCH=/path/City.mmdb` names a real one, whose size
//! decides how far the processor's caches reach.

use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};

use criterion::{Criterion, criterion_group, criterion_main};
use watchgate_geoip::rule::{Match, Rules};
use watchgate_geoip::{Asn, Databases, PlaceCache};

use self::city::made;

#[path = "fixture/city.rs"]
mod city;

/// Viewers in turn, a power of two.
const VIEWERS: usize = 2048;

fn databases() -> Databases {
    let bytes = match std::env::var_os("WATCHGATE_GEOIP_BENCH") {
        Some(path) => std::fs::read(path).expect("the database that WATCHGATE_GEOIP_BENCH names"),
        None => made(60_000),
    };
    Databases::from_bytes(vec![("bench".to_owned(), bytes)]).expect("a sound database")
}

/// Addresses that have a record, spread over the whole of IPv4.
fn viewers(databases: &Databases) -> Vec<IpAddr> {
    let mut seed = 1_u32;
    let spread = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        [IpAddr::from(Ipv4Addr::from_bits(seed)), Ipv4Addr::from_bits(seed & 0xFFFF_0000 | 0x0101).into()]
    });
    spread.flatten().filter(|address| !databases.find(*address).is_miss()).take(VIEWERS).collect()
}

fn lookup(criterion: &mut Criterion) {
    let databases = databases();
    let viewers = viewers(&databases);
    let mut turn = 0;
    let mut next = || {
        turn = (turn + 1) % VIEWERS;
        viewers[turn]
    };
    criterion.bench_function("find", |bench| bench.iter(|| black_box(databases.find(next()))));
    criterion.bench_function("find + place", |bench| {
        bench.iter(|| black_box(databases.place(&databases.find(next()))));
    });
    criterion.bench_function("lookup", |bench| bench.iter(|| black_box(databases.lookup(next()))));

    let cache = PlaceCache::new(4 * VIEWERS);
    criterion.bench_function("find + cached place", |bench| {
        bench.iter(|| {
            let key = databases.find(next());
            *cache.get_or_insert_with(key, || databases.place(&key))
        });
    });
    let known = PlaceCache::new(4 * VIEWERS);
    criterion.bench_function("place kept by address", |bench| {
        bench.iter(|| {
            let viewer = next();
            *known.get_or_insert_with(viewer, || databases.place(&databases.find(viewer)))
        });
    });
    let key = databases.find(viewers[0]);
    criterion.bench_function("cache hit alone", |bench| {
        bench.iter(|| *cache.get_or_insert_with(black_box(key), || databases.place(&key)));
    });
}

fn rules(criterion: &mut Criterion) {
    let cidr = |net: String| Match::Cidr(net.parse().expect("a network"));
    let hundred = (0..100).map(|index| (cidr(format!("10.{index}.0.0/16")), index));
    let wide = [(cidr("10.0.0.0/8".to_owned()), 100), (cidr("192.0.2.0/24".to_owned()), 101)];
    let rules = Rules::new(hundred.chain(wide).chain([(Match::Asn(Asn(64_500)), 102)]).collect());
    let (hit, miss) = (IpAddr::from([10, 42, 1, 1]), IpAddr::from([198, 51, 100, 1]));
    criterion
        .bench_function("rules, hit of 102", |bench| bench.iter(|| black_box(rules.cidr(black_box(hit)))));
    criterion
        .bench_function("rules, miss of 102", |bench| bench.iter(|| black_box(rules.cidr(black_box(miss)))));
}

criterion_group!(benches, lookup, rules);
criterion_main!(benches);
