//! What the request path takes from the allocator.
//!
//! One story alone in its program: the counter counts everything that happens in it.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use watchgate::config;
use watchgate::decide::member::Member;
use watchgate::decide::presence::{Standing, Version};
use watchgate::decide::resume::{Failure, Identity};
use watchgate::presence::Presence;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Films of usual names, on three nodes, of which one lacks them.
fn filled(films: usize) -> (Presence, Vec<String>) {
    let config = config::Presence {
        enabled: true,
        positive_ttl: std::time::Duration::from_mins(1),
        negative_ttl: std::time::Duration::from_secs(5),
        capacity: std::num::NonZeroU32::MAX,
        events_token: None,
    };
    let presence = Presence::new(&config, Some(Member(0)), &prometheus::Registry::new()).expect("metrics");
    let key = |film: usize| format!("{film:08x}-d9cb-469f-a165-70867728950e.mp4");
    let keys: Vec<String> = (0..films).map(key).collect();
    for (film, key) in keys.iter().enumerate() {
        let entry = presence.entry(key);
        for node in 0..3 {
            let identity = Identity {
                etag: format!("\"{film:032x}\"").into(),
                size: 1,
                version_id: Some(format!("{film:08x}-d9cb-469f-a165-70867728950e").into()),
                last_modified_unix_s: Some(1),
            };
            let version = Version { film: identity, content_type: Some("video/mp4".into()) };
            presence.hear(&entry, Member(node), if node < 2 { Ok(version) } else { Err(Failure::Absent) }, 1);
        }
    }
    presence.tidy();
    (presence, keys)
}

#[test]
fn a_known_film_costs_no_allocation_and_little_memory() {
    let counted = Region::new(ALLOCATOR);
    let (presence, keys) = filled(10_000);
    let kept = counted.change();
    let names: usize = keys.iter().map(|key| key.capacity() + size_of::<String>()).sum();
    let a_film = (kept.bytes_allocated - kept.bytes_deallocated - names) / keys.len();
    assert!((300..1500).contains(&a_film), "{a_film} bytes a film");

    let look = |key: &str| {
        let standings = |node| {
            presence
                .look(key, 1, |known| known.map(|known| known.standing(Member(node), 1, presence.times())))
                .0
        };
        [0, 1, 2].map(standings)
    };
    // What a thread sets up for itself when it first reads the map.
    look(&keys[0]);
    let counted = Region::new(ALLOCATOR);
    let found = keys.iter().filter(|key| look(key)[..2] == [Some(Standing::Holds); 2]).count();
    let changed = counted.change();
    assert_eq!(found, keys.len());
    assert_eq!((changed.allocations, changed.reallocations), (0, 0), "{changed:?}");
}
