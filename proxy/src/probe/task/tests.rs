use std::io;
use std::sync::Mutex;

use tokio::task::JoinHandle;
use tokio::time::timeout;
use watchgate_node::{Health, Node as Store};

use super::*;
use crate::decide::health::{Ejection, Reason};
use crate::fleet::Report;
use crate::probe::fixture::{self, ACCESS_KEY, BOUND, Fixture, REGION, store};

/// Many rounds a second; nothing here waits for the time-out, which leaves a busy machine its time.
const RULES: Rules = Rules {
    interval_ms: 20,
    timeout_ms: 10_000,
    rise: 2,
    fall: 3,
    slow_start_ms: 30_000,
    ejection: Ejection::OURS,
};
/// For rounds that have to run out of time.
const SHORT: Rules = Rules { timeout_ms: 200, ..RULES };
/// No second round within the test, unless it comes at once.
const SLOW: Rules = Rules { interval_ms: 600_000, ..RULES };
/// Rounds that do not end by themselves.
const ENDLESS: Rules = Rules { timeout_ms: 600_000, ..RULES };

/// A resolver whose answer the test changes.
#[derive(Clone, Default)]
struct Book {
    addresses: Arc<Mutex<Vec<SocketAddr>>>,
    asked: Arc<Mutex<usize>>,
}

impl Book {
    fn of(addresses: &[SocketAddr]) -> Self {
        let book = Self::default();
        book.turn_to(addresses);
        book
    }

    fn turn_to(&self, addresses: &[SocketAddr]) {
        *self.addresses.lock().unwrap() = addresses.to_vec();
    }
}

impl Resolve for Book {
    async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
        *self.asked.lock().unwrap() += 1;
        Ok(self.addresses.lock().unwrap().clone())
    }
}

/// A task at work on one node.
struct Running {
    fixture: Fixture,
    rounds: watch::Receiver<u64>,
    shutdown: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Running {
    fn start(mut fixture: Fixture, rules: Rules, book: Book) -> Self {
        let (shutdown, stop) = watch::channel(false);
        let sender = watch::Sender::new(0);
        let rounds = sender.subscribe();
        let nodes = fixture.nodes.clone();
        let asker = fixture::asker(Duration::from_millis(rules.timeout_ms), None, None);
        let mut experiences = fixture.experiences.take().expect("one task");
        let task = tokio::spawn(async move {
            let parts = Parts { resolver: book, rounds: &sender, experiences: &mut experiences };
            let charge = Charge { nodes, asker, rules };
            let (_same, never) = watch::channel(());
            let no_other = || unreachable!("nothing is reloaded");
            Task::new(charge, parts).run(stop, never, no_other).await;
        });
        Self { fixture, rounds, shutdown, task }
    }

    fn report(&self) -> Arc<Report> {
        self.fixture.node.live.report.load_full()
    }

    /// Waits until it holds, looking again after each round; says how many rounds that took.
    async fn until(&mut self, what: &str, holds: impl Fn(&Node) -> bool) -> u64 {
        let before = *self.rounds.borrow_and_update();
        let wait = async {
            while !holds(&self.fixture.node) {
                self.rounds.changed().await.expect("the task runs");
            }
        };
        timeout(BOUND, wait).await.unwrap_or_else(|_| panic!("not {what}: {:?}", self.fixture.node.live));
        *self.rounds.borrow() - before
    }

    async fn until_state(&mut self, state: State) -> u64 {
        self.until(state.as_str(), |node| node.live.report.load().state == state).await
    }
}

fn of(store: &Store) -> Fixture {
    Fixture::new(&store.endpoint(), "minio", "")
}

#[tokio::test]
async fn a_good_node_is_up_after_its_rise_without_a_wait() {
    let store = store().await;
    let before_ms = crate::clock::Clock::start().unix_ms();
    let mut running = Running::start(of(&store), SLOW, Book::default());
    let rounds = running.until_state(State::Up).await;
    assert_eq!(rounds, 2, "rise, and no interval of ten minutes between");
    let (report, live) = (running.report(), &running.fixture.node.live);
    assert_eq!((live.state(), report.reason, report.clock_skew_s), (State::Up, None, Some(0)));
    assert!(report.probe_ms.is_some() && report.since_ms >= before_ms, "{report:?}");
    assert_eq!(report.last_probe_at_ms, Some(report.since_ms));
    running.fixture.assert_metric("watchgate_node_up{node=\"ams\"} 1");
    running.fixture.assert_metric("watchgate_node_transitions_total{node=\"ams\",to=\"up\"} 1");
    running.fixture.assert_metric("watchgate_probe_seconds_count{node=\"ams\",probe=\"signed\"} 2");
    running.fixture.assert_metric("watchgate_node_clock_skew_seconds{node=\"ams\"} 0");
}

#[tokio::test]
async fn a_node_that_refuses_from_the_start_is_down_after_its_fall() {
    let store = store().await;
    store.refuse().await;
    let mut running = Running::start(of(&store), SLOW, Book::default());
    assert_eq!(running.until_state(State::Down).await, 3);
    assert_eq!(running.report().reason, Some(Reason::Refused));
    running.fixture.assert_metric("watchgate_probe_failures_total{node=\"ams\",reason=\"refused\"} 6");
}

#[tokio::test]
async fn a_frozen_node_goes_down_and_comes_back_slowly() {
    let store = store().await;
    let mut running = Running::start(of(&store), SHORT, Book::default());
    running.until_state(State::Up).await;
    assert!(!is_slow(&running.fixture.node), "it never was down");
    store.freeze();
    let rounds = running.until_state(State::Down).await;
    assert!((3..=4).contains(&rounds), "{rounds}: one may have been under way, then fall");
    let report = running.report();
    assert_eq!(report.reason, Some(Reason::Timeout));
    assert_eq!(report.probe_ms, None, "there was no answer");
    store.thaw();
    running.until_state(State::Up).await;
    assert!(is_slow(&running.fixture.node), "it has just come back");
    assert!(running.report().since_ms >= report.since_ms);
    running.fixture.assert_metric("watchgate_node_transitions_total{node=\"ams\",to=\"up\"} 2");
}

/// Has less than its whole budget a millisecond after the start of time: only a node that came back has.
fn is_slow(node: &Node) -> bool {
    node.weighed().facts(1, RULES.slow_start_ms, false, false).budget_share < 1.0
}

#[tokio::test]
async fn fewer_bad_rounds_than_its_fall_change_nothing() {
    use watchgate_node::{Fault, Scope};
    let store = store().await;
    let mut running = Running::start(of(&store), RULES, Book::default());
    running.until_state(State::Up).await;
    store.faults().set(Fault::Status(503).on(Scope::S3).times(2));
    let well = |node: &Node| store.faults().rules().is_empty() && node.live.report.load().reason.is_none();
    running.until("well again", well).await;
    assert_eq!(running.report().state, State::Up);
    running.fixture.assert_metric("watchgate_node_transitions_total{node=\"ams\",to=\"down\"} 0");
    running.fixture.assert_metric("watchgate_probe_failures_total{node=\"ams\",reason=\"status\"} 2");
}

#[tokio::test]
async fn reasons_reach_the_report() {
    let store = store().await;
    let mut running = Running::start(of(&store), RULES, Book::default());
    running.until_state(State::Up).await;
    store.set_health(Health::Offline);
    running.until_state(State::Down).await;
    assert_eq!(running.report().reason, Some(Reason::OfflineHeader));
    store.set_health(Health::Up);
    store.remove_credential(ACCESS_KEY);
    running
        .until("refused by key", |node| node.live.report.load().reason == Some(Reason::BadSignature))
        .await;
    assert_eq!(running.report().state, State::Down);
    running.fixture.assert_metric("watchgate_node_state{node=\"ams\",state=\"down\"} 1");
}

#[tokio::test]
async fn a_name_that_points_elsewhere_is_followed() {
    let (before, after) = (store().await, store().await);
    let book = Book::of(&[before.addr()]);
    let fixture = Fixture::new("http://minio.example:9000", "s3", "");
    let mut running = Running::start(fixture, RULES, book.clone());
    running.until("asked", |_| !before.seen().is_empty()).await;
    before.kill().await;
    book.turn_to(&[after.addr()]);
    running.until("moved", |node| node.live.addresses.load().as_deref() == Some(&vec![after.addr()])).await;
    after.wait_until(|store| !store.seen().is_empty(), BOUND).await.unwrap();
}

#[tokio::test]
async fn an_address_that_does_not_answer_gives_way_to_the_next() {
    let mut stores = [store().await, store().await];
    stores.sort_by_key(Store::addr);
    stores[0].kill().await;
    let book = Book::of(&[stores[1].addr(), stores[0].addr()]);
    let fixture = Fixture::new("http://minio.example:9000", "s3", "");
    let mut running = Running::start(fixture, RULES, book);
    running.until_state(State::Up).await;
    assert_eq!(stores[0].seen().len(), 0);
}

#[tokio::test]
async fn what_this_machine_cannot_ask_says_nothing_of_the_node() {
    let fixture = Fixture::new("https://127.0.0.1:9", "s3", "");
    let mut running = Running::start(fixture, RULES, Book::default());
    timeout(BOUND, running.rounds.wait_for(|count| *count > 5)).await.unwrap().unwrap();
    assert_eq!(running.report().state, State::Unproven);
    assert_eq!(running.report().last_probe_at_ms, None);
}

#[tokio::test]
async fn a_name_without_an_address_is_down_by_dns_and_asked_again() {
    let store = store().await;
    let book = Book::default();
    let fixture = Fixture::new("http://minio.example:9000", "s3", "");
    let mut running = Running::start(fixture, RULES, book.clone());
    running.until_state(State::Down).await;
    assert_eq!(running.report().reason, Some(Reason::Dns));
    assert!(*book.asked.lock().unwrap() >= 3, "each round looks it up");
    book.turn_to(&[store.addr()]);
    running.until("resolved", |node| node.live.addresses.load().is_some()).await;
}

#[tokio::test]
async fn a_fresh_address_is_not_looked_up_again() {
    let store = store().await;
    let book = Book::of(&[store.addr()]);
    let fixture = Fixture::new("http://minio.example:9000", "s3", "");
    let mut running = Running::start(fixture, RULES, book.clone());
    timeout(BOUND, running.rounds.wait_for(|count| *count >= 10)).await.unwrap().unwrap();
    assert_eq!(*book.asked.lock().unwrap(), 1);
}

#[tokio::test]
async fn an_unresolvable_name_in_this_machines_resolver() {
    let fixture = Fixture::new("http://does-not-exist.invalid:9000", "s3", "");
    let endpoint = &fixture.node.config.endpoint;
    let found = timeout(BOUND, look_up(&super::super::resolve::System, endpoint.bare_host(), 9000)).await;
    assert!(found.expect("bounded").is_err());
}

#[tokio::test]
async fn yesterdays_keys_are_replaced_before_they_are_used() {
    let store = store().await;
    let fixture = of(&store);
    let old = DayKeys::derive(fixture::SECRET_KEY, 1_000_000_000, REGION);
    fixture.node.keys.store(Arc::new(old));
    let mut running = Running::start(fixture, SLOW, Book::default());
    running.until_state(State::Up).await;
    let unix_s = running.report().last_probe_at_ms.unwrap() / 1000;
    assert!(!running.fixture.node.keys.load().stale(unix_s));
}

#[tokio::test]
async fn shutdown_ends_it_at_once_whatever_is_in_flight() {
    let store = store().await;
    store.freeze();
    let running = Running::start(of(&store), ENDLESS, Book::default());
    store.wait_until(|store| store.open_connections() == 2, BOUND).await.unwrap();
    running.shutdown.send_replace(true);
    timeout(BOUND, running.task).await.expect("at once").unwrap();
    let orphan = Running::start(of(&store), ENDLESS, Book::default());
    drop(orphan.shutdown);
    timeout(BOUND, orphan.task).await.expect("at once").unwrap();
}

#[tokio::test]
async fn load_follows_the_nodes_own_word() {
    let store = store().await;
    let mut running = Running::start(of(&store), RULES, Book::default());
    running.until_state(State::Up).await;
    let node = &running.fixture.node;
    (0..5).for_each(|_| node.live.count_sent());
    running.until("counted by the node", |node| node.live.viewers() == 0).await;
}

mod ejection;

#[test]
fn a_busy_machine_is_excused_for_a_while() {
    let mut late = 0;
    let rounds = [true, true, true, true, true, false, true];
    let excused = rounds.map(|is_late| is_excused(&mut late, is_late));
    assert_eq!(excused, [true, true, true, false, false, false, true]);
}
