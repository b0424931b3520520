//! Which statement about a viewer's place wins.

use std::collections::{BTreeMap, HashMap};

use maxminddb_writer::paths::IpAddrWithMask;
use maxminddb_writer::{Database, metadata};
use serde_json::json;

use super::*;
use crate::fleet::metrics::NodeFamilies;
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
    let node = |id: &str, lat: f64| {
        format!(
            "[[node]]\nid = \"{id}\"\nendpoint = \"http://{id}:9000\"\nat = {{ lat = {lat}, lon = 5.0 }}\n\
             access_key = \"a\"\nsecret_key = \"secret\"\n"
        )
    };
    let nodes = format!("{}{}", node("north", 60.0), node("south", 0.0));
    let text = format!("[bucket]\nname = \"movies\"\n{geoip}\n{nodes}");
    let source = config::Source { text: &text, path: None, env: &BTreeMap::new() };
    let config = config::parse(&source).unwrap_or_else(|faults| panic!("{faults}")).config;
    let databases = Databases::from_bytes(vec![("city".to_owned(), city())]).expect("a database");
    let families = NodeFamilies::register(&prometheus::Registry::new()).expect("metrics");
    let reporter = crate::fleet::experience::channel().0;
    Snapshot::new(config, databases, &families, &HashMap::new(), &reporter, 0)
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
