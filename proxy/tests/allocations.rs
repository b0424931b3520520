//! What the request path takes from the allocator.
//!
//! One story alone in its program: the counter counts everything that happens in it.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use watchgate::config;
use watchgate::decide::presence::{Standing, Version};
use watchgate::decide::resume::{Failure, Identity};
use watchgate::presence::Presence;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[test]
fn looking_for_a_film_that_is_known_allocates_nothing() {
    let config = config::Presence {
        enabled: true,
        positive_ttl: std::time::Duration::from_mins(1),
        negative_ttl: std::time::Duration::from_secs(5),
        capacity: std::num::NonZeroU32::MAX,
        events_token: None,
    };
    let presence = Presence::new(&config, Some(0), &prometheus::Registry::new()).expect("metrics");
    let key = |film: usize| format!("{film:08x}-d9cb-469f-a165-70867728950e.mp4");
    let keys: Vec<String> = (0..1000).map(key).collect();
    for (film, key) in keys.iter().enumerate() {
        let entry = presence.entry(key);
        for node in 0..3 {
            let etag = format!("\"{film}\"").into();
            let identity = Identity { etag, size: 1, version_id: None, last_modified_unix_s: Some(1) };
            let heard = if node < 2 {
                Ok(Version { film: identity, content_type: None })
            } else {
                Err(Failure::Absent)
            };
            presence.hear(&entry, node, heard, 1);
        }
    }
    let look = |key: &str| {
        let standings = |node| {
            presence.look(key, 1, |known| known.map(|known| known.standing(node, 1, presence.times())))
        };
        [0, 1, 2].map(|node| standings(node).0)
    };
    // What a thread sets up for itself when it first reads the map.
    look(&keys[0]);
    let counted = Region::new(ALLOCATOR);
    let found = keys.iter().filter(|key| look(key)[..2] == [Some(Standing::Holds); 2]).count();
    let changed = counted.change();
    assert_eq!(found, keys.len());
    assert_eq!((changed.allocations, changed.reallocations), (0, 0), "{changed:?}");
}
