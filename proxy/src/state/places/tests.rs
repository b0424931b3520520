//! Which statement about a viewer's place wins.

use std::collections::BTreeMap;

use maxminddb_writer::paths::IpAddrWithMask;
use maxminddb_writer::{Database, metadata};
use serde_json::json;

use super::*;
use crate::fleet::Makings;
use crate::state::Snapshot;

/// 192.0.2.0/24 is a town in the Netherlands, 198.51.100.0/24 only the country, 203.0.113.0/24 is 0°/0°.
fn city() -> Vec<u8> {
    let mut database = Database::default();
    database.metadata.ip_version = metadata::IpVersion::V4;
    database.metadata.database_type = "Test-City".to_owned();
    database.metadata.binary_format_major_version = 2;
    for (network, record) in [
        (
            [192, 0, 2, 0],
            json!({"country": {"iso_code": "NL"}, "location": {"latitude": 52.0, "longitude": 5.0, "accuracy_radius": 50_u16}}),
        ),
        ([198, 51, 100, 0], json!({"country": {"iso_code": "NL"}})),
        ([203, 0, 113, 0], json!({"location": {"latitude": 0.0, "longitude": 0.0}})),
    ] {
        let record = database.insert_value(record).expect("a record");
        database.insert_node(IpAddrWithMask::new(IpAddr::from(network), 24), record);
    }
    database.write_to(Vec::new()).expect("a database")
}

fn snapshot(geoip: &str) -> Snapshot {
    of(geoip, &[("north", 60.0, 5.0), ("south", 0.0, 5.0)])
}

fn of(geoip: &str, nodes: &[(&str, f64, f64)]) -> Snapshot {
    let node = |(id, lat, lon): &(&str, f64, f64)| {
        format!(
            "[[node]]\nid = \"{id}\"\nendpoint = \"http://{id}:9000\"\nat = {{ lat = {lat}, lon = {lon} }}\n\
             access_key = \"a\"\nsecret_key = \"secret\"\n"
        )
    };
    let nodes: String = nodes.iter().map(node).collect();
    let text = format!("[bucket]\nname = \"movies\"\n{geoip}\n{nodes}");
    let source = config::Source { text: &text, path: None, env: &BTreeMap::new() };
    let config = config::parse(&source).unwrap_or_else(|faults| panic!("{faults}")).config;
    let databases = Databases::from_bytes(vec![("city".to_owned(), city())]).expect("a database");
    let makings = Makings::new(&prometheus::Registry::new()).expect("metrics").0;
    Snapshot::new(config, databases, None, &makings, 0)
}

/// `latitude from nearest`, and the nodes named by rules.
fn check(geoip: &str, address: &str, expected: &str) {
    let snapshot = snapshot(geoip);
    let site = snapshot.places.site(address.parse().ok());
    assert_eq!(words(&snapshot, &site), expected, "{geoip} {address}");
}

fn words(snapshot: &Snapshot, site: &Site<'_>) -> String {
    let sited = site.sited();
    let question = site.question(1);
    let name = |node: usize| snapshot.fleet.nodes[node].config.id.as_str();
    let nearest = question.near.map_or("-", |near| name(near.nodes[0].0 as usize));
    let lat = sited.place.at.map_or_else(|| "-".to_owned(), |at| format!("{:.1}", at.lat()));
    let ruled: Vec<String> = question
        .rules
        .iter()
        .flat_map(|(tier, nodes)| nodes.iter().map(|node| format!(" {}:{}", tier.as_str(), name(*node))))
        .collect();
    format!("{lat} {} {nearest}{}", sited.from.as_str(), ruled.concat())
}

#[test]
fn a_place_without_an_address_meets_the_rules_but_those_for_networks() {
    let rules = "[[geoip.rule]]\ncidr = \"0.0.0.0/0\"\nnodes = [\"south\"]\n\
                 [[geoip.rule]]\ncountry = \"NL\"\nnodes = [\"north\"]\n\
                 [[geoip.rule]]\ncountry = \"FI\"\nat = { lat = -5.0, lon = 5.0 }\n";
    let snapshot = snapshot(rules);
    let check = |lat: Option<f64>, country: Option<&str>, expected: &str| {
        let at = lat.map(|lat| Coordinates::new(lat, 5.0).unwrap());
        let country = country.map(|code| code.parse().unwrap());
        let site = snapshot.places.site_of(Place { at, country, ..Place::default() });
        assert_eq!(words(&snapshot, &site), expected);
    };
    check(Some(52.0), Some("NL"), "52.0 database north country:north");
    check(Some(1.0), None, "1.0 database south");
    check(Some(52.0), Some("FI"), "-5.0 rule south");
    check(None, None, "- unknown -");
}

#[test]
fn a_place_comes_from_the_best_statement() {
    check("", "192.0.2.1", "52.0 database north");
    check("", "203.0.113.1", "0.0 database south");
    check("", "100.64.0.1", "- unknown -");
    check("", "::ffff:192.0.2.1", "52.0 database north");
    check("", "not an address", "- unknown -");
    let home = "[geoip]\nhome = { lat = 59.0, lon = 5.0 }";
    check(home, "100.64.0.1", "59.0 home north");
    check(home, "not an address", "59.0 home north");
    check(home, "192.0.2.1", "52.0 database north");
}

#[test]
fn a_country_stands_in_for_a_town() {
    let snapshot = snapshot("");
    let site = snapshot.places.site("198.51.100.1".parse().ok());
    let place = site.sited().place;
    assert_eq!(site.sited().from, PlaceFrom::Country);
    assert!(place.at.is_some_and(|at| (51.0..54.0).contains(&at.lat())), "{place:?}");
    assert!(place.radius_km.is_some_and(|radius| radius > 50), "a country is not as exact as a town");
}

#[test]
fn a_rule_beats_the_database() {
    let rules = "[[geoip.rule]]\ncidr = \"192.0.2.0/25\"\nat = { lat = -10.0, lon = 5.0 }\n\
                 [[geoip.rule]]\ncountry = \"NL\"\nat = { lat = 20.0, lon = 5.0 }\n";
    check(rules, "192.0.2.1", "-10.0 rule south");
    check(rules, "192.0.2.200", "20.0 rule south");
    check(rules, "198.51.100.1", "20.0 rule south");
    check(rules, "203.0.113.1", "0.0 database south");
}

#[test]
fn rules_name_nodes_by_tier() {
    let rules = "[[geoip.rule]]\ncidr = \"192.0.2.0/25\"\nnodes = [\"south\"]\n\
                 [[geoip.rule]]\ncountry = \"NL\"\nnodes = [\"north\", \"south\"]\n";
    check(rules, "192.0.2.1", "52.0 database north cidr:south country:north country:south");
    check(rules, "192.0.2.200", "52.0 database north country:north country:south");
    check(rules, "203.0.113.1", "0.0 database south");
    check(rules, "100.64.0.1", "- unknown -");
}

#[test]
fn the_nearest_of_a_large_fleet_are_kept_as_if_all_were_measured() {
    let mut seed = 1_u32;
    let mut up_to = |most: f64| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(seed >> 8) / f64::from(1 << 24) * most
    };
    let ids: Vec<String> = (0..400).map(|node| format!("n{node}")).collect();
    // The last ones share a town, some of them a house.
    let spread = ids[..300].iter().map(|id| (id.as_str(), up_to(180.0) - 90.0, up_to(360.0) - 180.0));
    let mut nodes: Vec<(&str, f64, f64)> = spread.collect();
    let town = (0_u32..).zip(&ids[300..]).map(|(n, id)| (id.as_str(), 52.0, 5.0 + f64::from(n / 4) / 1e4));
    nodes.extend(town);
    let snapshot = of("", &nodes);
    for (lat, lon) in [(52.0, 5.0), (-33.0, 151.0), (90.0, 0.0), (0.0, 180.0), (-52.0, -175.0)] {
        let at = Coordinates::new(lat, lon).expect("a place");
        let mut all: Vec<f32> = snapshot.fleet.nodes.iter().map(|node| km(at, node.config.at)).collect();
        all.sort_unstable_by(f32::total_cmp);
        let near = snapshot.places.near(at);
        let kept: Vec<f32> = near.iter().map(|(_, distance_km)| *distance_km).collect();
        assert_eq!(kept, all[..NEAR_MAX], "near {lat}, {lon}");
        for (node, distance_km) in near {
            assert_eq!(
                km(at, snapshot.fleet.nodes[node as usize].config.at).to_bits(),
                distance_km.to_bits()
            );
        }
    }
}

#[test]
fn a_viewer_who_comes_back_is_seen_as_before() {
    let rules = "[[geoip.rule]]\ncidr = \"192.0.2.0/25\"\nnodes = [\"south\"]\n";
    let snapshot = snapshot(rules);
    let told = |address: &str| {
        let site = snapshot.places.site(address.parse().ok());
        (format!("{:?}", site.sited()), format!("{:?}", site.question(1).rules))
    };
    let viewers = ["192.0.2.1", "192.0.2.200", "198.51.100.1", "2001:db8::1", "0.0.0.0", "no address"];
    let first = viewers.map(told);
    assert_eq!(viewers.map(told), first);
    assert_ne!(first[0].1, first[1].1, "one record, and only one of both is ruled");
}
