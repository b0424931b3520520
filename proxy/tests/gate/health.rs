//! What the gate learns about its nodes, and how each trouble is named.

use watchgate_node::{Health, Policy};

use crate::support::*;

#[tokio::test]
async fn each_trouble_has_a_name_of_its_own() {
    let ([ams, sin, gru], gate) = three().await;
    ams.freeze();
    gate.until_state("ams", "down", Some("timeout")).await;
    sin.set_health(Health::Offline);
    gate.until_state("sin", "down", Some("offline_header")).await;
    gru.remove_credential("gate");
    gate.until_state("gru", "down", Some("bad_signature")).await;
    ams.thaw();
    gate.until_state("ams", "up", None).await;
    ams.remove_bucket("movies");
    gate.until_state("ams", "down", Some("no_bucket")).await;
    sin.set_health(Health::Up);
    gate.until_state("sin", "up", None).await;
    sin.set_clock_skew_s(20 * 60);
    gate.until_state("sin", "down", Some("clock_skew")).await;
    let failed =
        |node, reason| gate.metric("watchgate_probe_failures_total", &[("node", node), ("reason", reason)]);
    assert!(failed("ams", "timeout") >= 3.0 && failed("ams", "no_bucket") >= 3.0);
    assert!(failed("sin", "clock_skew") >= 3.0 && failed("gru", "bad_signature") >= 3.0);
    assert!(gate.metric("watchgate_node_clock_skew_seconds", &[("node", "sin")]) > 1000.0);
}

#[tokio::test]
async fn a_canary_proves_the_permission_to_read() {
    let node = node("ams").await;
    let health = "[health]\ninterval = \"200ms\"\ntimeout = \"200ms\"\ncanary = \"canary\"";
    let gate = Setup::new().extra(health).node("ams", &node.endpoint()).start_proven().await;
    gate.until_state("ams", "down", Some("no_canary")).await;
    node.put("canary", "tweet", "text/plain").expect("put");
    gate.until_state("ams", "up", None).await;
    node.set_policy("gate", Policy::NoGetObject).expect("a known key");
    gate.until_state("ams", "down", Some("forbidden")).await;
}

#[tokio::test]
async fn a_gate_is_ready_when_every_node_has_a_verdict() {
    let node = node("ams").await;
    let gate = Setup::new().node("ams", &node.endpoint()).start();
    eventually("ready", || gate.gate.readiness().is_ok()).await;
    gate.gate.leave();
    assert!(gate.gate.readiness().is_err(), "a gate that leaves wants no viewers");
    assert_eq!(gate.watch(AMSTERDAM).await.status, 302, "and answers those it has");
}
