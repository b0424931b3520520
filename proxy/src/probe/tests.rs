use std::collections::BTreeMap;

use prometheus::Registry;
use tokio::time::timeout;
use watchgate_config::{Source, parse};
use watchgate_geoip::Databases;

use super::fixture::{ACCESS_KEY, BOUND, BUCKET, SECRET_KEY, store};
use super::*;
use crate::decide::health::{State, Trouble};
use crate::fleet::Makings;

/// A second task, as after a reload, hears of nodes from the requests' ends that were there before it.
#[tokio::test]
async fn whoever_runs_hears_what_viewers_meet() {
    let store = store().await;
    let text = format!(
        "[health]\ninterval = \"10m\"\ntimeout = \"10s\"\n[bucket]\nname = {BUCKET:?}\n\
         [[node]]\nid = \"ams\"\nendpoint = {:?}\nat = {{ lat = 52.37, lon = 4.9 }}\n\
         access_key = {ACCESS_KEY:?}\nsecret_key = {SECRET_KEY:?}\n",
        store.endpoint()
    );
    let config = parse(&Source { text: &text, path: None, env: &BTreeMap::new() }).unwrap().config;
    let (makings, experiences) = Makings::new(&Registry::new()).unwrap();
    let clock = Clock::start();
    let snapshot = Snapshot::new(config, Databases::empty(), None, &makings, clock.unix_ms());
    let snapshot = Arc::new(snapshot);
    let prober = Arc::new(Prober::new(&snapshot, experiences).unwrap());
    let mut rounds = prober.rounds();
    let run = || {
        let (prober, snapshot) = (Arc::clone(&prober), Arc::clone(&snapshot));
        let (shutdown, stop) = watch::channel(false);
        let (same, never) = watch::channel(());
        let task = async move {
            prober.run(|| Arc::clone(&snapshot), never, &clock, stop).await;
            drop(same);
        };
        (shutdown, tokio::spawn(task))
    };
    let (first, first_task) = run();
    timeout(BOUND, rounds.wait_for(|count| *count == 2)).await.expect("rise").unwrap();
    let (_second, _second_task) = run();
    first.send_replace(true);
    timeout(BOUND, first_task).await.expect("at once").unwrap();
    timeout(BOUND, rounds.wait_for(|count| *count == 3)).await.expect("one, by the second one").unwrap();
    store.refuse().await;
    let live = &snapshot.fleet.nodes[0].live;
    live.failed(Trouble::Refused);
    let down = rounds.wait_for(|_| live.state() == State::Down);
    timeout(BOUND, down).await.expect("hurried, or it would take ten minutes").unwrap();
}

/// One that waits for its turn ends as quickly as one that has it.
#[tokio::test]
async fn a_task_that_waits_for_another_can_be_stopped() {
    let config = "[bucket]\nname = \"movies\"\n[[node]]\nid = \"ams\"\nendpoint = \"http://127.0.0.1:9\"\n\
                  at = { lat = 52.37, lon = 4.9 }\naccess_key = \"gate\"\nsecret_key = \"secret-of-tests\"\n";
    let config = parse(&Source { text: config, path: None, env: &BTreeMap::new() }).unwrap().config;
    let (makings, experiences) = Makings::new(&Registry::new()).unwrap();
    let snapshot = Arc::new(Snapshot::new(config, Databases::empty(), None, &makings, 0));
    let prober = Prober::new(&snapshot, experiences).unwrap();
    let _held = prober.experiences.lock().await;
    let (shutdown, stop) = watch::channel(false);
    let clock = Clock::start();
    let (_same, never) = watch::channel(());
    let run = prober.run(|| Arc::clone(&snapshot), never, &clock, stop);
    let run = async { tokio::join!(run, async { shutdown.send(true) }) };
    let ((), sent) = timeout(BOUND, run).await.expect("at once");
    sent.expect("it was there to hear it");
}
