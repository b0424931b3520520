//! Who is sent where.

use crate::support::*;

#[tokio::test]
async fn each_viewer_is_sent_to_the_nearest_node_and_the_film_plays_there() {
    let ([ams, sin, gru], gate) = three().await;
    for (viewer, node) in [(AMSTERDAM, &ams), (SINGAPORE, &sin), (SAO_PAULO, &gru)] {
        let got = gate.watch(viewer).await;
        assert!(got.leads_to(node), "{viewer} belongs to {}: {got:?}", node.name());
        let played = Got::of(reqwest::get(got.location()).await.expect("the node answers")).await;
        assert_eq!((played.status, played.body == film()), (200, true), "the link plays the film");
    }
    assert!((gate.metric("watchgate_requests_total", &[("outcome", "redirect")]) - 3.0).abs() < f64::EPSILON);
}

#[tokio::test]
async fn a_viewer_of_nowhere_stays_on_one_node_across_seeks() {
    let (_nodes, gate) = three().await;
    let first = gate.watch(NOWHERE).await.location().to_owned();
    for _ in 0..20 {
        assert_eq!(gate.watch(NOWHERE).await.location(), first);
    }
}

#[tokio::test]
async fn a_dead_node_loses_its_viewers_and_gets_them_back() {
    let ([ams, sin, gru], gate) = three().await;
    ams.kill().await;
    gate.until_state("ams", "down", Some("refused")).await;
    let moved = gate.watch(AMSTERDAM).await;
    assert!(moved.leads_to(&gru), "Sao Paulo is nearer to Amsterdam than Singapore: {moved:?}");
    assert!(gate.watch(SINGAPORE).await.leads_to(&sin), "nobody else moves");
    ams.revive().await.expect("the port is free");
    gate.until_state("ams", "up", None).await;
    assert!(gate.watch(AMSTERDAM).await.leads_to(&ams));
}

#[tokio::test]
async fn a_drained_node_takes_no_new_viewers_until_it_is_enabled() {
    let ([ams, _sin, _gru], gate) = three().await;
    let report = gate.gate.drain("ams", true).expect("a node of this id");
    assert_eq!((report.state.as_str(), report.draining), ("draining", true));
    assert!(!gate.watch(AMSTERDAM).await.leads_to(&ams));
    assert!(
        (gate.metric("watchgate_node_state", &[("node", "ams"), ("state", "draining")]) - 1.0).abs() < 1e-9
    );
    assert!(gate.gate.drain("ams", false).is_some());
    assert!(gate.watch(AMSTERDAM).await.leads_to(&ams));
    assert!(gate.gate.drain("nobody", true).is_none());
}

#[tokio::test]
async fn a_rule_sends_a_network_to_its_nodes() {
    let nodes = [node("ams").await, node("sin").await];
    let rule = "[[geoip.rule]]\ncidr = \"192.0.2.0/28\"\nnodes = [\"sin\"]";
    let setup = Setup::new().extra(rule).watch("decision_header = true");
    let gate = setup.node("ams", &nodes[0].endpoint()).node("sin", &nodes[1].endpoint()).start_proven().await;
    let ruled = gate.watch("192.0.2.10").await;
    assert!(ruled.leads_to(&nodes[1]));
    assert!(ruled.header("watchgate-decision").starts_with("node=sin;tier=cidr;"), "{ruled:?}");
    assert!(ruled.header("watchgate-decision").ends_with(";why=rule"), "{ruled:?}");
    assert!(gate.watch("192.0.2.20").await.leads_to(&nodes[0]), "outside the /28");
    nodes[1].kill().await;
    gate.until_state("sin", "down", None).await;
    assert!(gate.watch("192.0.2.10").await.leads_to(&nodes[0]), "a rule gives way when its nodes are down");
}

#[tokio::test]
async fn while_everything_is_down_the_policy_answers() {
    for (policy, status) in [("nearest-anyway", 302), ("source", 302), ("refuse", 503)] {
        let node = node("ams").await;
        let other = crate::support::node("sin").await;
        let setup = Setup::new().watch(&format!("all_down = \"{policy}\""));
        let gate = setup
            .node("ams", &node.endpoint())
            .node_with("sin", &other.endpoint(), ("gate", "gate-secret"), "role = \"source\"")
            .start_proven()
            .await;
        node.kill().await;
        other.kill().await;
        gate.until("all are down", |nodes| nodes.iter().all(|node| node.state == "down")).await;
        let got = gate.watch(AMSTERDAM).await;
        assert_eq!(got.status, status, "{policy}: {got:?}");
        match policy {
            "nearest-anyway" => assert!(got.leads_to(&node)),
            "source" => assert!(got.leads_to(&other)),
            _ => {
                let seconds: u64 = got.header("retry-after").parse().expect("seconds");
                assert!((1..=10).contains(&seconds));
                assert_eq!(got.json()["status"], 503);
                assert!(gate.gate.readiness().is_err());
            }
        }
    }
}

#[tokio::test]
async fn the_explanation_is_what_happens() {
    let ([ams, _sin, _gru], gate) = three().await;
    let ask = watchgate::gate::Ask {
        film: FILM.parse().expect("a uuid"),
        path: String::new(),
        address: AMSTERDAM.parse().expect("an address"),
        method: watchgate::decide::watch::Method::Get,
        scheme: watchgate::decide::client::Scheme::Http,
        mode: None,
    };
    let told = gate.gate.explain(&ask);
    assert_eq!((told.chosen.as_deref(), told.reason.as_str()), (Some("ams"), "nearest"));
    assert_eq!(told.alternates, ["gru", "sin"]);
    assert_eq!(told.key, KEY);
    assert!(gate.watch(AMSTERDAM).await.leads_to(&ams));
    ams.kill().await;
    gate.until_state("ams", "down", None).await;
    let told = gate.gate.explain(&ask);
    assert_eq!(told.chosen.as_deref(), Some("gru"));
    let of_ams = told.nodes.iter().find(|node| node.id == "ams").expect("every node is told");
    assert_eq!((of_ams.dropped.as_deref(), of_ams.rank), (Some("down"), None));
}

#[tokio::test]
async fn a_full_node_gives_way_before_it_refuses() {
    let nodes = [node("ams").await, node("gru").await];
    nodes[0].set_slots(2);
    let setup =
        Setup::new().node_with("ams", &nodes[0].endpoint(), ("gate", "gate-secret"), "max_viewers = 3");
    let gate = setup.node("gru", &nodes[1].endpoint()).start_proven().await;
    let mut sent = Vec::new();
    for viewer in 1..=40 {
        sent.push(gate.watch(&format!("192.0.2.{viewer}")).await.leads_to(&nodes[0]));
    }
    let near = sent.iter().filter(|near| **near).count();
    assert!(sent[0] && near < 40, "the first goes to the near node, not all of 40 do: {near}");
}
