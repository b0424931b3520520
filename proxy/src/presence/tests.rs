use std::num::NonZeroU32;

use super::*;
use crate::decide::member::Member;
use crate::decide::presence::Standing;
use crate::decide::resume::Identity;

const NOW_MS: u64 = 1000;

fn presence(capacity: u32) -> Presence {
    let config = config::Presence {
        enabled: true,
        positive_ttl: Duration::from_mins(1),
        negative_ttl: Duration::from_secs(5),
        capacity: NonZeroU32::new(capacity).unwrap(),
        events_token: None,
    };
    Presence::new(&config, Some(Member(0)), &Registry::new()).unwrap()
}

fn version() -> Version {
    let etag = "\"tag\"".into();
    let film = Identity { etag, size: 1, version_id: None, last_modified_unix_s: Some(1) };
    Version { film, content_type: None }
}

fn standing(presence: &Presence, key: &str, node: u32, now_ms: u64) -> Option<Standing> {
    presence
        .look(key, now_ms, |known| known.map(|known| known.standing(Member(node), now_ms, presence.times())))
        .0
}

#[test]
fn what_was_heard_is_read() {
    let presence = presence(1000);
    assert_eq!(standing(&presence, "film", 0, NOW_MS), None);
    let entry = presence.entry("film");
    assert_eq!(standing(&presence, "film", 0, NOW_MS), Some(Standing::Unknown));
    presence.hear(&entry, Member(0), Ok(version()), NOW_MS);
    assert_eq!(standing(&presence, "film", 0, NOW_MS), Some(Standing::Holds));
    assert_eq!(standing(&presence, "other", 0, NOW_MS), None);
    assert_eq!(entry.holder_since_ms(), Some(NOW_MS));
    presence.hear(&entry, Member(0), Err(Failure::Absent), NOW_MS);
    assert!(matches!(standing(&presence, "film", 0, NOW_MS), Some(Standing::Lacks(_))));
    assert_eq!(entry.holder_since_ms(), None);
    assert!(Arc::ptr_eq(&entry, &presence.entry("film")), "it is still the same");
}

#[test]
fn a_flood_of_films_that_nobody_holds_drives_out_none_that_is_held() {
    let presence = presence(2000);
    let held = presence.entry("held");
    presence.hear(&held, Member(0), Ok(version()), NOW_MS);
    for number in 0..20_000 {
        let entry = presence.entry(&format!("unknown-{number}"));
        presence.hear(&entry, Member(0), Err(Failure::Absent), NOW_MS);
    }
    presence.tidy();
    assert_eq!(standing(&presence, "held", 0, NOW_MS), Some(Standing::Holds));
    assert!(presence.lacking.len() <= usize::try_from(LACKING_MIN).unwrap(), "{}", presence.lacking.len());
    assert_eq!(presence.held.len(), 1);
}

#[test]
fn films_that_are_held_are_bounded_by_what_they_take() {
    let presence = presence(1000);
    let longer = "x".repeat(2000);
    for number in 0..5000 {
        let entry = presence.entry(&format!("{number}-{longer}"));
        presence.hear(&entry, Member(0), Ok(version()), NOW_MS);
    }
    presence.tidy();
    assert!((200..=400).contains(&presence.held.len()), "{}", presence.held.len());
    assert_eq!(presence.lacking.len(), 0, "what is held is kept once");
}

#[test]
fn a_node_is_asked_by_one_at_a_time() {
    let presence = presence(1000);
    let entry = presence.entry("film");
    assert!(entry.begin(Member(1), false) && entry.begin(Member(2), false));
    assert!(!entry.begin(Member(1), false));
    assert!(entry.is_asking(Member(1)) && !entry.is_asking(Member(0)));
    assert!(!entry.end(Member(1)));
    assert!(!entry.is_asking(Member(1)) && entry.begin(Member(1), false));
    // Something happened while the question was on its way.
    assert!(!entry.begin(Member(1), true));
    assert!(entry.end(Member(1)), "its answer may be older: ask once more");
    assert!(entry.is_asking(Member(1)));
    assert!(!entry.end(Member(1)));
    assert!(!entry.end(Member(7)), "nobody asked");
}

#[test]
fn one_of_those_who_read_is_told_to_ask_again() {
    let presence = presence(1000);
    let entry = presence.entry("film");
    presence.hear(&entry, Member(0), Ok(version()), NOW_MS);
    let due = |now_ms| presence.look("film", now_ms, |_| ()).1.is_some();
    assert!(!due(NOW_MS + 29_000));
    assert!(due(NOW_MS + 30_000));
    assert!(!due(NOW_MS + 30_000), "somebody sees to it");
    presence.hear(&entry, Member(0), Ok(version()), NOW_MS + 31_000);
    assert!(!due(NOW_MS + 60_000) && due(NOW_MS + 61_000));
    entry.rest_until(NOW_MS + 70_000);
    assert!(!due(NOW_MS + 69_000) && due(NOW_MS + 70_000));
}

#[tokio::test]
async fn who_waits_is_woken_by_an_answer() {
    let presence = Arc::new(presence(1000));
    let entry = presence.entry("film");
    let mut changed = std::pin::pin!(entry.changed().notified());
    changed.as_mut().enable();
    let (teller, told) = (Arc::clone(&presence), Arc::clone(&entry));
    tokio::spawn(async move { teller.hear(&told, Member(0), Ok(version()), NOW_MS) });
    tokio::time::timeout(Duration::from_mins(1), changed).await.expect("woken");
    assert!(entry.is_held());
}

#[test]
fn readers_and_writers_agree() {
    let presence = presence(1000);
    let entry = presence.entry("film");
    std::thread::scope(|scope| {
        for node in 0..4 {
            let (presence, entry) = (&presence, &entry);
            scope.spawn(move || {
                for _ in 0..2000 {
                    presence.hear(entry, Member(node), Ok(version()), NOW_MS);
                    // A word that was heard is never lost to another one.
                    assert_eq!(standing(presence, "film", node, NOW_MS), Some(Standing::Holds));
                }
            });
        }
    });
    assert_eq!(entry.known().words().len(), 4);
}

#[test]
fn who_has_left_is_forgotten_in_every_film_and_not_heard_again() {
    let presence = presence(10_000);
    let (both, alone) = (presence.entry("both"), presence.entry("alone"));
    presence.hear(&both, Member(0), Ok(version()), NOW_MS);
    presence.hear(&both, Member(1), Ok(version()), NOW_MS);
    presence.hear(&alone, Member(1), Ok(version()), NOW_MS);
    let rules = Rules { times: Times { positive_ms: 1, negative_ms: 1 }, source: None, gone: Vec::new() };
    presence.adopt(&rules, vec![Member(1)]);
    assert_eq!(presence.times().positive_ms, 1);
    assert_eq!(standing(&presence, "both", 0, NOW_MS), Some(Standing::Holds));
    assert_eq!(standing(&presence, "both", 1, NOW_MS), Some(Standing::Unknown));
    assert!(both.is_held() && !alone.is_held() && alone.holder_since_ms().is_none());
    assert_eq!((presence.held.len(), presence.lacking.len()), (1, 1));
    // Its answer was on its way.
    presence.hear(&alone, Member(1), Ok(version()), NOW_MS);
    assert!(!alone.is_held());
    presence.adopt(&rules, Vec::new());
    presence.hear(&both, Member(1), Ok(version()), NOW_MS);
    assert_eq!(both.known().words().len(), 1, "later reloads do not bring it back");
}
