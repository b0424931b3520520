use std::net::TcpListener;

use watchgate_node::{Credential, Fault, Health, Policy, Scope};

use super::*;
use crate::probe::fixture::{ACCESS_KEY, BOUND, BUCKET, Fixture, asker, store};
use crate::probe::tls;

const CANARY: &str = "canary.txt";

/// A round of a store with a canary, after `spoil`.
async fn round_of(
    profile: &str,
    canary: Option<&str>,
    spoil: impl AsyncFnOnce(&watchgate_node::Node),
) -> Round {
    let store = store().await;
    store.put(CANARY, "sings", "text/plain").unwrap();
    spoil(&store).await;
    let fixture = Fixture::new(&store.endpoint(), profile, "").at(store.addr());
    asker(BOUND, canary, None).round(&fixture.node, 0, None).await
}

async fn check(canary: Option<&str>, expected: Verdict, spoil: impl AsyncFnOnce(&watchgate_node::Node)) {
    let round = round_of("minio", canary, spoil).await;
    assert_eq!(round.verdict, expected, "{round:?}");
    assert_eq!(round.cause.is_empty(), expected == Verdict::Good, "{round:?}");
}

const fn bad(reason: Reason) -> Verdict {
    Verdict::Bad(reason)
}

#[tokio::test]
async fn a_node_that_is_well() {
    check(None, Verdict::Good, async |_| {}).await;
    check(Some(CANARY), Verdict::Good, async |_| {}).await;
    let round = round_of("minio", None, async |_| {}).await;
    assert!(round.health.is_some() && round.failed.is_empty());
    let heard = round.signed.unwrap();
    assert_eq!((heard.skew_s, heard.in_flight), (Some(0), Some(0)));
}

#[tokio::test]
async fn every_fault_has_its_own_reason() {
    check(None, bad(Reason::Refused), async |store| store.refuse().await).await;
    check(None, bad(Reason::OfflineHeader), async |store| store.set_health(Health::Offline)).await;
    check(None, bad(Reason::BadSignature), async |store| {
        store.remove_credential(ACCESS_KEY);
    })
    .await;
    check(None, bad(Reason::BadSignature), async |store| {
        store.add_credential(Credential::new(ACCESS_KEY, "another-secret"));
    })
    .await;
    check(None, bad(Reason::NoBucket), async |store| store.remove_bucket(BUCKET)).await;
    check(Some(CANARY), bad(Reason::NoBucket), async |store| store.remove_bucket(BUCKET)).await;
    check(Some(CANARY), bad(Reason::NoCanary), async |store| store.forget(CANARY)).await;
    check(Some(CANARY), bad(Reason::NoCanary), async |store| {
        store.delete(CANARY).unwrap();
    })
    .await;
    check(None, bad(Reason::ClockSkew), async |store| store.set_clock_skew_s(20 * 60)).await;
    check(None, bad(Reason::ClockSkew), async |store| store.set_clock_skew_s(-20 * 60)).await;
    check(Some(CANARY), bad(Reason::Forbidden), async |store| {
        store.set_policy(ACCESS_KEY, Policy::NoGetObject).unwrap();
    })
    .await;
}

#[tokio::test]
async fn either_probe_alone_makes_the_round_bad() {
    let health = round_of("minio", None, async |store| store.set_health(Health::Down)).await;
    assert_eq!(
        (health.verdict, &health.failed[..]),
        (bad(Reason::Status), &[Reason::Status][..]),
        "{health:?}"
    );
    assert!(health.cause.starts_with("health URL"), "{health:?}");
    let s3 = async |store: &watchgate_node::Node| store.faults().set(Fault::Status(503).on(Scope::S3));
    let signed = round_of("minio", None, s3).await;
    assert_eq!(
        (signed.verdict, &signed.failed[..]),
        (bad(Reason::Status), &[Reason::Status][..]),
        "{signed:?}"
    );
    assert!(signed.cause.starts_with("signed probe"), "{signed:?}");
}

#[tokio::test]
async fn a_clock_that_is_a_little_off_is_told_and_no_fault() {
    let round = round_of("minio", None, async |store| store.set_clock_skew_s(90)).await;
    assert_eq!(round.verdict, Verdict::Good, "{round:?}");
    let skew_s = round.signed.unwrap().skew_s.unwrap();
    assert!((88..=90).contains(&skew_s), "{skew_s}");
}

#[tokio::test]
async fn a_full_node_is_alive() {
    let round = round_of("minio", None, async |store| store.set_slots(0)).await;
    assert_eq!(round.verdict, Verdict::Good, "{round:?}");
}

#[tokio::test]
async fn a_frozen_node_is_out_of_time() {
    let store = store().await;
    store.freeze();
    let fixture = Fixture::new(&store.endpoint(), "minio", "").at(store.addr());
    let round = asker(Duration::from_millis(200), None, None).round(&fixture.node, 0, None).await;
    assert_eq!(round.verdict, bad(Reason::Timeout), "{round:?}");
    assert_eq!(round.failed, [Reason::Timeout; 2]);
    assert!(round.unreached() && round.signed.is_none() && round.health.is_none());
}

#[tokio::test]
async fn tls_on_a_plain_port() {
    let store = store().await;
    let fixture = Fixture::new(&format!("https://{}", store.addr()), "s3", "").at(store.addr());
    let config = tls::trusting(rustls::RootCertStore::empty()).unwrap();
    let round = asker(BOUND, None, Some(config)).round(&fixture.node, 0, None).await;
    assert_eq!(round.verdict, bad(Reason::Tls), "{round:?}");
}

#[tokio::test]
async fn each_profile_asks_what_it_has() {
    let check = async |profile: &str, expected: &[(&str, &str)], honest: bool| {
        let store = store().await;
        let fixture = Fixture::new(&store.endpoint(), profile, "").at(store.addr());
        asker(BOUND, Some(CANARY), None).round(&fixture.node, 0, None).await;
        let mut seen = store.seen();
        seen.sort_by(|a, b| a.method.cmp(&b.method));
        let asked: Vec<_> = seen.iter().map(|seen| (seen.method.as_str(), seen.path.as_str())).collect();
        assert_eq!(asked, expected, "{profile}");
        let signed = seen.last().unwrap();
        assert_eq!(signed.signature_ok, Some(true), "{profile}: {signed:?}");
        let header = signed.headers.get("x-minio-source-proxy-request").map(String::as_str);
        assert_eq!(header, honest.then_some("false"), "{profile}");
    };
    let head = ("HEAD", "/movies/canary.txt");
    check("minio", &[("GET", "/minio/health/cluster/read"), head], true).await;
    check("rustfs", &[("GET", "/minio/health/cluster/read"), head], true).await;
    check("garage", &[head], false).await;
    check("ceph", &[head], false).await;
    check("s3", &[head], false).await;
    assert_eq!(health_path(Profile::Seaweedfs), Some("/healthz"));
}

#[tokio::test]
async fn rustfs_without_health_routes_is_judged_by_the_signed_probe() {
    for status in [404, 429] {
        // The bucket is asked for first and is well; the fault is the health page's alone.
        let store = store().await;
        let fixture = Fixture::new(&store.endpoint(), "rustfs", "").at(store.addr());
        let asker = asker(BOUND, None, None);
        let deadline = Instant::now() + BOUND;
        store.faults().set(Fault::Status(status).on(Scope::All));
        let (took, health) = asker.health(&fixture.node, store.addr(), deadline).await;
        assert!(took.is_some() && health.is_ok(), "{status}: {health:?}");
        let minio = Fixture::new(&store.endpoint(), "minio", "").at(store.addr());
        assert!(asker.health(&minio.node, store.addr(), deadline).await.1.is_err(), "{status}");
    }
}

#[tokio::test]
async fn a_node_without_an_address_waits_for_its_name() {
    let fixture = Fixture::new("http://does-not-exist.invalid:9000", "minio", "");
    let round = asker(BOUND, None, None).round(&fixture.node, 0, None).await;
    assert_eq!((round.verdict, &round.failed[..]), (bad(Reason::Dns), &[Reason::Dns][..]), "{round:?}");

    let (sender, resolved) = watch::channel(());
    let asker = asker(Duration::from_millis(100), None, None);
    let round = asker.round(&fixture.node, 0, Some(resolved.clone())).await;
    assert_eq!(round.verdict, bad(Reason::Dns), "it did not resolve in time: {round:?}");
    sender.send_replace(());
    let round = asker.round(&fixture.node, 0, Some(resolved)).await;
    assert_eq!(round.verdict, bad(Reason::Dns), "it did not resolve: {round:?}");
}

#[tokio::test]
async fn addresses_take_turns() {
    let store = store().await;
    let fixture = Fixture::new("http://minio.example:9000", "s3", "");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let addresses = vec![store.addr(), silent.local_addr().unwrap()];
    fixture.node.live.addresses.store(Some(Arc::new(addresses)));
    let check = async |turn: usize, expected: Verdict| {
        let round = asker(Duration::from_millis(300), None, None).round(&fixture.node, turn, None).await;
        assert_eq!(
            round.verdict == bad(Reason::Timeout),
            expected == bad(Reason::Timeout),
            "{turn}: {round:?}"
        );
    };
    check(1, bad(Reason::Timeout)).await;
    check(3, bad(Reason::Timeout)).await;
    check(2, Verdict::Good).await;
    check(usize::MAX - 1, Verdict::Good).await;
}

#[test]
fn two_verdicts_become_one() {
    let node = |reason| Err(Failure::Node(reason, "x".to_owned()));
    let ours = || Err(Failure::Ours("y".to_owned()));
    let check = |probes, expected: Verdict, cause: &str| {
        let round = Round::of(probes);
        assert_eq!((round.verdict, round.cause.as_str()), (expected, cause), "{round:?}");
    };
    check([Ok(()), Ok(())], Verdict::Good, "");
    check([node(Reason::Status), Ok(())], bad(Reason::Status), "x");
    check([node(Reason::Timeout), node(Reason::BadSignature)], bad(Reason::BadSignature), "x");
    check([node(Reason::OfflineHeader), node(Reason::Status)], bad(Reason::OfflineHeader), "x");
    check([ours(), Ok(())], Verdict::Unasked, "y");
    check([ours(), node(Reason::Status)], bad(Reason::Status), "y; x");
}

#[test]
fn load_is_the_nodes_own_word_without_the_probe() {
    let check = |limit: &str, remaining: &str, expected: Option<u32>| {
        let mut headers = HeaderMap::new();
        for (name, value) in [("x-ratelimit-limit", limit), ("x-ratelimit-remaining", remaining)] {
            if !value.is_empty() {
                headers.insert(name, value.parse().unwrap());
            }
        }
        assert_eq!(in_flight(&headers), expected, "{limit} {remaining}");
    };
    check("1000", "999", Some(0));
    check("1000", "990", Some(9));
    check("1000", "1000", Some(0));
    check("10", "20", Some(0));
    check("1000", "", None);
    check("", "5", None);
    check("many", "5", None);
    check("-1", "5", None);
    check("99999999999", "5", None);
}

#[test]
fn nothing_secret_is_shown() {
    let fixture = Fixture::new("http://127.0.0.1:9", "minio", "");
    let ask = HeaderRequest {
        method: Method::Head,
        resource: Resource::Bucket,
        query: &[],
        headers: &[],
        unix_s: Clock::start().unix_ms() / 1000,
    };
    let keys = fixture.node.keys.load();
    let signed = fixture.node.probe.sign_headers(keys.at(ask.unix_s).unwrap(), &ask);
    let request = as_request(&signed, Profile::Minio).body(()).unwrap();
    assert!(!format!("{request:?}").contains("Signature"), "{request:?}");
}

/// The thread is held up for as long as another's work would hold it up; the node may have answered meanwhile.
#[tokio::test]
async fn a_machine_without_time_says_so() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let fixture = Fixture::new(&format!("http://{address}"), "minio", "").at(address);
    let asker = asker(Duration::from_millis(20), None, None);
    let held_up = async {
        let since = Instant::now();
        while since.elapsed() < Duration::from_millis(20) + 2 * LATE {
            std::hint::spin_loop();
        }
    };
    let (round, ()) = tokio::join!(asker.round(&fixture.node, 0, None), held_up);
    assert_eq!((round.verdict, round.is_late), (bad(Reason::Timeout), true), "{round:?}");
}
