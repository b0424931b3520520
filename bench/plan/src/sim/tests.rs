//! What holds in every run, and that the simulation's choice is the gate's.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;

use maxminddb_writer::paths::IpAddrWithMask;
use proptest::prelude::*;
use watchgate::decide::client::Scheme;
use watchgate::decide::watch::{Film, Method};
use watchgate::gate::Ask;
use watchgate_config::{Source, parse_without_secrets};
use watchgate_geoip::Databases;

use super::*;
use crate::demand::Usual;
use crate::event::words;
use crate::fault::Faults;
use crate::mix::Atlas;
use crate::world::World;

const CITIES: [(&str, f64, f64); 5] =
    [("ams", 52.4, 4.9), ("fra", 50.1, 8.7), ("mad", 40.4, -3.7), ("nyc", 40.7, -74.0), ("sin", 1.3, 103.8)];

fn config(top: &str, max_viewers: u32) -> Config {
    let mut text = format!("{top}\n[bucket]\nname = \"films\"\n");
    for (id, lat, lon) in CITIES {
        let _ = write!(
            text,
            "[[node]]\nid = \"{id}\"\nendpoint = \"http://{id}:9000\"\nat = {{ lat = {lat}, lon = {lon} }}\n\
             max_viewers = {max_viewers}\naccess_key = \"gate\"\n"
        );
    }
    let loaded = parse_without_secrets(&Source { text: &text, path: None, env: &BTreeMap::new() });
    loaded.unwrap_or_else(|faults| panic!("{faults}")).config
}

const TERMS: Terms =
    Terms { seed: 1, unit: 1, gates: 1, is_silent: true, retry_ms: 10_000, watch_ms: 120_000 };

/// `viewers` at the peak of five minutes.
fn scene(config: Config, viewers: f64, terms: Terms) -> Scene {
    let (world, mut faults) = (World::new(), Faults::default());
    let usual = Usual { bit_rate_kbps: 1_000.0, view_minutes: 3.0 };
    let curve = "time,viewers\n0:01,50\n0:03,100\n0:06,40\n";
    let demand = Demand::read("curve", curve, usual, Some(viewers), &mut faults).expect("a curve");
    let atlas = Atlas { world: &world, databases: None, seed: terms.seed };
    Scene { config, mix: Mix::of_users(atlas), demand, films: Films::new(100, 0.8, terms.seed), terms }
}

fn with_run<T>(scene: &Scene, events: Vec<Event>, look: impl FnOnce(Run<'_>) -> T) -> T {
    let places = fleet::snapshot(scene.config.clone(), Databases::empty()).expect("a snapshot");
    let sites = sites(&places, &scene.mix);
    look(Run::new(scene, &sites, events).expect("a run"))
}

fn event(what: What, second: u64, nodes: &[usize]) -> Event {
    let words = words("somebody", what, nodes.len());
    Event { words, at: At(second * 1000), what, nodes: nodes.to_vec() }
}

/// Every group is at a node that is there, or waits to ask again; and nodes count theirs.
fn check_that_nobody_is_lost(run: &Run<'_>) {
    let mut counted = vec![0; run.state.nodes.len()];
    for (_, _, _, node) in run.state.crowd.seated() {
        counted[node] += run.scene.terms.unit;
    }
    for (node, (counted, server)) in counted.iter().zip(&run.state.nodes).enumerate() {
        assert_eq!(*counted, server.viewers, "{node} at {}", run.at());
        assert!(server.is_there || *counted == 0, "{node} is dead and has viewers");
    }
    let waiting = run.state.crowd.waiting() as u64 * run.scene.terms.unit;
    assert_eq!(run.watching() + waiting, run.viewers(), "at {}", run.at());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_viewer_is_somewhere_and_nobody_is_sent_to_a_node_that_is_seen_down(
        seed in any::<u64>(),
        is_silent in any::<bool>(),
        is_stream in any::<bool>(),
        max_viewers in prop::sample::select(vec![30_u32, 100, 100_000]),
        unit in 1..4_u64,
        kills in prop::collection::vec((70..300_u64, prop::sample::subsequence(vec![0_usize, 1, 2, 3, 4], 1..=5)), 0..3),
        back in 200..340_u64,
    ) {
        // With the usual policy viewers are sent to whoever is nearest while everything is down.
        let mode = if is_stream { "stream" } else { "redirect" };
        let top = format!("[watch]\nmode = \"{mode}\"\nall_down = \"refuse\"");
        let terms = Terms { seed, unit, is_silent, ..TERMS };
        let scene = scene(config(&top, max_viewers), 400.0, terms);
        let mut events: Vec<Event> = kills.iter().map(|(at, nodes)| event(What::Kill, *at, nodes)).collect();
        events.push(event(What::Return, back, &[0, 1]));
        with_run(&scene, events, |mut run| {
            let mut seen: Vec<Option<u64>> = Vec::new();
            while run.at() < run.scene.demand.end() {
                run.tick();
                check_that_nobody_is_lost(&run);
                let wanted = run.scene.demand.at(run.at()).viewers;
                // The curve of a moment ago, in groups.
                let off = (run.viewers() as f64 - wanted).abs();
                assert!(off <= 12.0 + unit as f64, "{} for {wanted}", run.viewers());
                seen.resize(run.state.blows.len(), None);
                for (seen, blow) in seen.iter_mut().zip(&run.state.blows) {
                    let is_down = |node: &usize| run.verdict(*node) == Verdict::Down;
                    if blow.what == What::Kill && blow.nodes.iter().all(is_down) {
                        let before = seen.get_or_insert(blow.sent_to_dead);
                        assert_eq!(*before, blow.sent_to_dead, "{} at {}", blow.words, run.at());
                    } else {
                        *seen = None;
                    }
                }
            }
        });
    }
}

#[test]
fn a_silent_node_is_seen_down_within_the_promise() {
    let scene = scene(config("", 1_000), 300.0, TERMS);
    with_run(&scene, vec![event(What::Kill, 120, &[1, 3])], |mut run| {
        run.run_to(At(140_000));
        let promise_ms = watchgate::decide::health::down_within_ms(&run.rules);
        let blow = &run.blows()[0];
        assert!(blow.on_them > 0);
        assert!(blow.seen_ms.iter().all(|ms| ms.is_some_and(|ms| ms <= promise_ms)), "{:?}", blow.seen_ms);
    });
}

#[test]
fn in_stream_mode_viewers_go_on_within_the_stall_timeout() {
    let scene = scene(config("[watch]\nmode = \"stream\"", 1_000), 300.0, TERMS);
    with_run(&scene, vec![event(What::Kill, 120, &[1])], |mut run| {
        run.run_to(At(140_000));
        let blow = &run.blows()[0];
        // Some had seen enough while they waited.
        assert!(
            blow.moves.len() as u64 * 100 >= blow.on_them * 90,
            "{} of {}",
            blow.moves.len(),
            blow.on_them
        );
        assert!(blow.waits_ms.iter().all(|ms| *ms <= 5_000), "{:?}", blow.waits_ms.iter().max());
    });
}

#[test]
fn the_end_of_a_node_moves_only_its_own_viewers() {
    let scene = scene(config("", 1_000_000_000), 2_000.0, TERMS);
    with_run(&scene, vec![event(What::Kill, 62, &[0])], |mut run| {
        let slots: Vec<(usize, usize)> =
            run.state.crowd.seated().map(|(slot, _, _, node)| (slot, node)).collect();
        let before: Vec<_> = slots.iter().map(|(slot, _)| run.choose(*slot, None)).collect();
        run.advance(run.state.now_ms + 20_000);
        assert_eq!(run.verdict(0), Verdict::Down);
        let mut moved = 0;
        for ((slot, _), before) in slots.iter().zip(before) {
            let after = run.choose(*slot, None);
            if before == Some(0) {
                moved += 1;
                assert_ne!(after, Some(0));
            } else {
                assert_eq!(after, before);
            }
        }
        assert!(moved > 50, "{moved}");
    });
}

#[test]
fn full_nodes_send_their_viewers_on_and_a_return_is_slow() {
    let scene = scene(config("", 100), 400.0, TERMS);
    let events = vec![event(What::Kill, 90, &[0]), event(What::Return, 150, &[0])];
    with_run(&scene, events, |mut run| {
        run.run_to(At(149_000));
        let most = run.state.nodes.iter().map(|node| node.viewers).max().unwrap_or_default();
        assert!(most <= 101, "{most}: four nodes have room for everybody");
        run.run_to(At(160_000));
        let returned = run.state.nodes[0].viewers;
        run.run_to(At(179_000));
        assert!(returned < 40 && run.state.nodes[0].viewers > returned, "{returned}");
        assert!(run.blows()[1].seen_ms[0].is_some());
    });
}

#[test]
fn a_fork_goes_on_as_its_run_would() {
    let scene = scene(config("", 150), 400.0, TERMS);
    let kill = || event(What::Kill, 150, &[1]);
    let told = |run: &Run<'_>| format!("{:?} {:?}", run.blows()[0], run.state.nodes);
    let whole = with_run(&scene, vec![kill()], |mut run| {
        run.run_to(At(240_000));
        told(&run)
    });
    let forked = with_run(&scene, vec![], |mut run| {
        run.run_to(At(150_000));
        let mut fork = run.fork(vec![kill()]).expect("a fork");
        fork.run_to(At(240_000));
        told(&fork)
    });
    assert_eq!(whole, forked);
}

/// Sixteen networks over the world, some of them ruled.
fn database() -> Vec<u8> {
    let mut database = maxminddb_writer::Database::default();
    database.metadata.ip_version = maxminddb_writer::metadata::IpVersion::V4;
    database.metadata.database_type = "Test-City".to_owned();
    database.metadata.binary_format_major_version = 2;
    for n in 0..16_u8 {
        let (lat, lon) = (f64::from(n) * 7.0 - 50.0, f64::from(n) * 22.0 - 170.0);
        let country = if n % 3 == 0 { "NL" } else { "BR" };
        let record = serde_json::json!({
            "country": { "iso_code": country },
            "location": { "latitude": lat, "longitude": lon, "accuracy_radius": 100_u16 },
        });
        let record = database.insert_value(record).expect("a record");
        database.insert_node(IpAddrWithMask::new(IpAddr::from([20, n, 0, 0]), 16), record);
    }
    database.write_to(Vec::new()).expect("a database")
}

#[test]
fn the_choice_is_the_gates_own() {
    const RULES: &str = "[[geoip.rule]]\ncountry = \"NL\"\nnodes = [\"mad\", \"sin\"]\n\
                         [[geoip.rule]]\ncidr = \"20.1.0.0/16\"\nnodes = [\"nyc\"]\n\
                         [[geoip.rule]]\ncidr = \"20.2.0.0/16\"\nat = { lat = 1.0, lon = 100.0 }";
    let databases = || Databases::from_bytes(vec![("city".to_owned(), database())]).expect("a database");
    let (world, mut faults) = (World::new(), Faults::default());
    let rows: Vec<String> = (0..16).map(|n| format!("1,20.{n}.0.0/16")).collect();
    let mix = format!("share,network\n{}\n", rows.join("\n"));
    let atlas = Atlas { world: &world, databases: None, seed: 1 };
    let mix = Mix::read("mix", &mix, atlas, &mut faults).expect("a mix");
    let scene = Scene { mix, ..scene(config(RULES, 1_000_000_000), 2_000.0, TERMS) };
    let places = fleet::snapshot(scene.config.clone(), databases()).expect("a snapshot");
    let sites = sites(&places, &scene.mix);
    let run = Run::new(&scene, &sites, vec![]).expect("a run");
    let registry = prometheus::Registry::new();
    let gate = watchgate::Gate::new(scene.config.clone(), databases(), &registry).expect("a gate");
    let gate = gate.assuming_all_up();
    let mut nodes = std::collections::BTreeSet::new();
    for (slot, spot, film, node) in run.state.crowd.seated().collect::<Vec<_>>() {
        let Seat::Address(address) = scene.mix.spots[spot].seat else { panic!("an address") };
        let uuid = uuid(scene.films.uuid(film));
        let film: Film = uuid.parse().expect("a film");
        let (path, method) = (String::new(), Method::Get);
        let told = gate.explain(&Ask { film, path, address, method, scheme: Scheme::Http, mode: None });
        let chosen = told.chosen.expect("a node");
        assert_eq!(chosen, scene.config.nodes[node].id.as_str(), "{slot}: {uuid} from {address}");
        nodes.insert(node);
    }
    assert_eq!(nodes.len(), 5, "the mix reaches every node");
}

fn uuid(bytes: [u8; 16]) -> String {
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// As a gate sees its fleet.
fn view<'a>(run: &'a Run<'_>, site: &'a Site<'a>) -> watchgate::state::View<'a> {
    watchgate::state::View {
        snapshot: &run.snapshot,
        site,
        now_ms: run.state.now_ms,
        https_only: false,
        assume_up: false,
        take_draining: false,
        held: None,
    }
}

#[test]
fn neither_more_distances_nor_kept_facts_change_a_choice() {
    let world = World::new();
    let config = fleet::made(300, &[fleet::Size { max_viewers: 12 }], false, &world).expect("a fleet");
    let scene = scene(config, 3_000.0, TERMS);
    let events = vec![event(What::Kill, 100, &[0, 1, 2, 3]), event(What::Return, 150, &[0, 1, 2])];
    with_run(&scene, events, |mut run| {
        run.run_to(At(166_000));
        assert_eq!(run.returning.len(), 3, "{:?}", run.returning);
        run.learn_of_returning();
        let mut beyond = 0;
        for (slot, ..) in run.state.crowd.seated().collect::<Vec<_>>() {
            let (origin, key) = run.state.crowd.question(slot);
            let site = &run.sites[origin].site;
            let gates = plan(&site.question(key), &view(&run, site), run.snapshot.policy, 1);
            let node = gates.winner().map(|winner| winner.node);
            assert_eq!(run.choose(slot, None), node);
            let near = site.question(key).near.expect("a place").nodes;
            beyond += usize::from(node.is_some_and(|node| near.iter().all(|near| near.0 as usize != node)));
        }
        assert!(beyond > 0, "the fleet is busy enough to look beyond the nearest");
    });
}
