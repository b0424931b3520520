use std::sync::Barrier;

use prometheus::Registry;
use proptest::prelude::*;

use super::*;
use crate::decide::member::Member;
use crate::fleet::experience;
use crate::fleet::metrics::{LiveMetrics, NodeFamilies};

fn live() -> (Arc<Live>, LiveMetrics) {
    let metrics = NodeFamilies::register(&Registry::new()).unwrap().live(&"ams".parse().unwrap());
    let live = Live::new(Member(7), 0, experience::channel().0, metrics.clone());
    (Arc::new(live), metrics)
}

#[test]
fn a_node_that_says_nothing_serves_our_streams_and_late_redirects() {
    let (live, metrics) = live();
    assert_eq!(live.viewers(), 0);
    let streams = [live.stream_begins(), live.stream_begins()];
    (0..10).for_each(|_| live.count_sent());
    assert_eq!((live.viewers(), metrics.streams.get()), (12, 2));
    live.set_in_flight(None, 0.5);
    assert_eq!(live.viewers(), 7, "half of the redirects, and both streams");
    drop(streams);
    assert_eq!((live.viewers(), metrics.streams.get()), (5, 0));
}

#[test]
fn a_nodes_word_counts_no_stream_twice() {
    let (live, metrics) = live();
    let before = live.stream_begins();
    live.count_sent();
    live.heard_load(40);
    assert_eq!(live.viewers(), 40, "all that was there is in it");
    let after = live.stream_begins();
    live.count_sent();
    assert_eq!((live.viewers(), metrics.streams.get()), (42, 2));
    drop(before);
    assert_eq!(live.viewers(), 42, "it is in the word, and until the next one");
    drop(after);
    assert_eq!((live.viewers(), metrics.streams.get()), (41, 0));
    live.heard_load(7);
    assert_eq!(live.viewers(), 7);
}

#[test]
fn words_come_and_go() {
    let (live, _) = live();
    let stream = live.stream_begins();
    live.set_in_flight(Some(3), 1.0);
    assert_eq!(live.viewers(), 3);
    live.set_in_flight(None, 1.0);
    assert_eq!(live.viewers(), 1, "the stream runs");
    drop(stream);
    assert_eq!(live.viewers(), 0);
    live.heard_load(u32::MAX);
    assert_eq!(live.viewers(), u32::MAX - 1, "a word, however odd");
    (0..3).for_each(|_| live.count_sent());
    assert_eq!(live.viewers(), u32::MAX);
}

#[test]
fn streams_that_begin_and_end_everywhere_leave_nothing_behind() {
    const TASKS: usize = 8;
    let (live, metrics) = live();
    let start = Barrier::new(TASKS + 1);
    std::thread::scope(|scope| {
        for _ in 0..TASKS {
            scope.spawn(|| {
                start.wait();
                for turn in 0..2_000 {
                    let streams = [live.stream_begins(), live.stream_begins()];
                    assert!(live.viewers() < 100 + 4 * u32::try_from(TASKS).unwrap(), "at turn {turn}");
                    drop(streams);
                }
            });
        }
        start.wait();
        (0..2_000).for_each(|_| live.heard_load(5));
    });
    assert_eq!((live.viewers(), metrics.streams.get()), (5, 0));
    live.set_in_flight(None, 1.0);
    assert_eq!(live.viewers(), 0);
}

#[derive(Clone, Debug)]
enum Event {
    Begins,
    /// One of those that run, if any does.
    Ends(prop::sample::Index),
    Sent,
    Heard(u32),
    Unheard,
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => Just(Event::Begins),
        3 => any::<prop::sample::Index>().prop_map(Event::Ends),
        2 => Just(Event::Sent),
        2 => (0..1_000_u32).prop_map(Event::Heard),
        1 => Just(Event::Unheard),
    ]
}

proptest! {
    /// Against the plain reading of the rule, with every stream and redirect remembered.
    #[test]
    fn viewers_are_counted_once(events in prop::collection::vec(any_event(), 0..100)) {
        let (live, metrics) = live();
        // The guard, and whether it began after the last word.
        let mut running: Vec<(Streaming, bool)> = Vec::new();
        let (mut sent, mut word) = (0, None);
        for event in events {
            match event {
                Event::Begins => running.push((live.stream_begins(), true)),
                Event::Ends(index) if !running.is_empty() => {
                    drop(running.swap_remove(index.index(running.len())));
                }
                Event::Ends(_) => {}
                Event::Sent => {
                    live.count_sent();
                    sent += 1;
                }
                Event::Heard(in_flight) => {
                    live.heard_load(in_flight);
                    (sent, word) = (0, Some(in_flight));
                    for (_, fresh) in &mut running {
                        *fresh = false;
                    }
                }
                Event::Unheard => {
                    live.set_in_flight(None, 1.0);
                    (sent, word) = (0, None);
                }
            }
            let count = |streams: usize| u32::try_from(streams).expect("few");
            let fresh = count(running.iter().filter(|(_, fresh)| *fresh).count());
            let expected = word.map_or(count(running.len()), |word| word + fresh) + sent;
            prop_assert_eq!(live.viewers(), expected);
            prop_assert_eq!(metrics.streams.get(), i64::try_from(running.len()).expect("few"));
        }
    }
}
