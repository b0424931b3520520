//! What a signature costs. The figures that matter are per redirect (`presign`) and per node request (`headers`).

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use watchgate::sign::{DayKey, DayKeys, HeaderRequest, Method, Resource, Target, encode_key, link_time};

use self::signing::{FILM, NOW_S, REGION, VERSION, keys, target};

#[path = "fixture/signing.rs"]
mod signing;

fn sign(c: &mut Criterion) {
    let keys = keys();
    let key = keys.at(NOW_S).expect("today");
    let plain = target(None);
    let with_token = target(Some(&"FwoGZXIvYXdzE".repeat(30)));
    let version = Some(VERSION);
    let link = |target: &Target, film: &str, version: Option<&str>| {
        target.presign(key, Method::Get, film, version, link_time(black_box(NOW_S), 300, 21_600))
    };

    c.bench_function("presign", |b| b.iter(|| link(&plain, black_box(FILM), None)));
    c.bench_function("presign/version", |b| b.iter(|| link(&plain, black_box(FILM), version)));
    c.bench_function("presign/token", |b| b.iter(|| link(&with_token, black_box(FILM), None)));
    c.bench_function("presign/encoded", |b| b.iter(|| link(&plain, black_box("фильмы/it's 50%.mp4"), None)));
    c.bench_function("headers", |b| {
        b.iter(|| {
            let (method, resource) = (Method::Head, Resource::Object(black_box(FILM)));
            plain.sign_headers(
                key,
                &HeaderRequest { method, resource, query: &[], headers: &[], unix_s: NOW_S },
            )
        });
    });
    c.bench_function("encode_key", |b| b.iter(|| encode_key(black_box(FILM))));
    c.bench_function("derive/day", |b| b.iter(|| DayKey::derive("secret", black_box(NOW_S), REGION)));
    c.bench_function("derive/all", |b| b.iter(|| DayKeys::derive("secret", black_box(NOW_S), REGION)));
}

criterion_group!(benches, sign);
criterion_main!(benches);
