//! What viewers' requests meet reaches the machines: nodes whose probes are answered all the time.

use super::*;
use crate::decide::health::Trouble;

/// No failure is the same event as another, and an ejection outlasts the test.
const FOREVER: Ejection = Ejection {
    within_ms: 600_000,
    event_ms: 0,
    first_ms: 600_000,
    longest_ms: 600_000,
    forgiven_after_ms: 600_000,
};
const BRIEFLY: Ejection = Ejection { first_ms: 50, longest_ms: 50, ..FOREVER };

/// Two nodes that are up: `ams`, the fixture's first one, and `sin`.
async fn two(stores: [&Store; 2], rules: Rules) -> Running {
    let more = format!(
        "[[node]]\nid = \"sin\"\nendpoint = {:?}\nat = {{ lat = 1.35, lon = 103.8 }}\n\
         access_key = {ACCESS_KEY:?}\nsecret_key = {:?}\n",
        stores[1].endpoint(),
        fixture::SECRET_KEY,
    );
    let mut running =
        Running::start(Fixture::new(&stores[0].endpoint(), "minio", &more), rules, Book::default());
    running.until_state(State::Up).await;
    let sin = Arc::clone(sin(&running));
    running.until("up as a whole", |_| sin.live.state() == State::Up).await;
    running
}

fn sin(running: &Running) -> &Arc<Node> {
    &running.fixture.nodes[1]
}

fn fail(node: &Node, times: usize, trouble: Trouble) {
    (0..times).for_each(|_| node.live.failed(trouble));
}

/// Several at every node; between two of them, all reports that were there are read.
async fn more_rounds(running: &mut Running) {
    let before = *running.rounds.borrow();
    timeout(BOUND, running.rounds.wait_for(|count| *count >= before + 12)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_node_that_fails_its_viewers_is_ejected() {
    let stores = [store().await, store().await];
    let mut running = two([&stores[0], &stores[1]], Rules { ejection: FOREVER, ..RULES }).await;
    let before = running.report();
    fail(&running.fixture.node, 5, Trouble::Stall);
    running.until_state(State::Down).await;
    let (report, live) = (running.report(), &running.fixture.node.live);
    assert_eq!((live.state(), report.reason), (State::Down, Some(Reason::Ejected)));
    assert!(report.since_ms >= before.since_ms && report.last_probe_at_ms.is_some(), "{report:?}");
    running.fixture.assert_metric("watchgate_node_up{node=\"ams\"} 0");
    running.fixture.assert_metric("watchgate_node_state{node=\"ams\",state=\"down\"} 1");
    running.fixture.assert_metric("watchgate_node_transitions_total{node=\"ams\",to=\"down\"} 1");
    running.fixture.assert_metric("watchgate_node_troubles_total{kind=\"stall\",node=\"ams\"} 5");
    // Good rounds do not bring it back before its time.
    more_rounds(&mut running).await;
    assert_eq!(running.report().reason, Some(Reason::Ejected));
    assert_eq!(sin(&running).live.state(), State::Up);
}

#[tokio::test]
async fn an_ejected_node_comes_back_slowly() {
    let stores = [store().await, store().await];
    let mut running = two([&stores[0], &stores[1]], Rules { ejection: BRIEFLY, ..RULES }).await;
    fail(&running.fixture.node, 5, Trouble::Cut);
    let back = |node: &Node| node.live.state() == State::Up && is_slow(node);
    running.until("back", back).await;
    assert_eq!(running.report().reason, None);
    running.fixture.assert_metric("watchgate_node_transitions_total{node=\"ams\",to=\"down\"} 1");
    running.fixture.assert_metric("watchgate_node_transitions_total{node=\"ams\",to=\"up\"} 2");
}

#[tokio::test]
async fn a_success_between_saves_a_node_and_the_last_one_is_spared() {
    let stores = [store().await, store().await];
    let mut running = two([&stores[0], &stores[1]], Rules { ejection: FOREVER, ..RULES }).await;
    let sin = Arc::clone(sin(&running));
    fail(&running.fixture.node, 4, Trouble::Status);
    running.fixture.node.live.served();
    fail(&running.fixture.node, 4, Trouble::Status);
    fail(&running.fixture.node, 9, Trouble::Busy);
    // Reports keep their order: when these had their effect, the earlier ones had none.
    fail(&sin, 5, Trouble::Lie);
    running.until("ejected", |_| sin.live.state() == State::Down).await;
    assert_eq!(running.report().state, State::Up);
    // Now it is the last one.
    fail(&running.fixture.node, 20, Trouble::Status);
    more_rounds(&mut running).await;
    assert_eq!(running.report().state, State::Up);
    running.fixture.assert_metric("watchgate_node_troubles_total{kind=\"busy\",node=\"ams\"} 9");
    running.fixture.assert_metric("watchgate_node_troubles_total{kind=\"status\",node=\"ams\"} 28");
    running.fixture.assert_metric("watchgate_node_troubles_dropped_total 0");
}

#[tokio::test]
async fn one_failure_finds_a_dead_node_before_its_round_is_due() {
    let stores = [store().await, store().await];
    let rules = Rules { interval_ms: SLOW.interval_ms, ..RULES };
    let mut running = two([&stores[0], &stores[1]], rules).await;
    stores[0].refuse().await;
    fail(&running.fixture.node, 1, Trouble::Refused);
    assert_eq!(running.until_state(State::Down).await, 3, "fall, and no interval of ten minutes");
    assert_eq!(running.report().reason, Some(Reason::Refused));
}

#[tokio::test]
async fn an_ejected_node_that_fails_its_probes_says_why() {
    let stores = [store().await, store().await];
    let mut running = two([&stores[0], &stores[1]], Rules { ejection: FOREVER, ..RULES }).await;
    fail(&running.fixture.node, 5, Trouble::Timeout);
    running.until_state(State::Down).await;
    assert_eq!(running.report().reason, Some(Reason::Ejected));
    stores[0].set_health(Health::Offline);
    let explained = |node: &Node| node.live.report.load().reason == Some(Reason::OfflineHeader);
    running.until("explained", explained).await;
    stores[0].set_health(Health::Up);
    running.until_state(State::Up).await;
    running.fixture.assert_metric("watchgate_node_transitions_total{node=\"ams\",to=\"down\"} 1");
}

#[tokio::test]
async fn a_drained_node_is_not_the_one_that_stays() {
    let stores = [store().await, store().await];
    let mut running = two([&stores[0], &stores[1]], Rules { ejection: FOREVER, ..RULES }).await;
    running.fixture.node.live.set_draining(true);
    fail(sin(&running), 5, Trouble::Stall);
    more_rounds(&mut running).await;
    assert_eq!(sin(&running).live.state(), State::Up, "the other one takes no new viewers");
}
