//! Who stays, who leaves, and who has to be asked, from one configuration to the next.

use std::collections::BTreeMap;

use super::*;
use crate::config::{Source, parse};
use crate::decide::health::State;

const AMS: &str = "id = \"ams\"\nendpoint = \"http://ams:9000\"\nat = { lat = 52.4, lon = 4.9 }\n";
const SIN: &str = "id = \"sin\"\nendpoint = \"http://sin:9000\"\nat = { lat = 1.4, lon = 103.8 }\n";
const KEYS: &str = "access_key = \"gate\"\nsecret_key = \"a-secret-of-the-tests\"\n";

fn config(nodes: &[&str]) -> config::Config {
    in_bucket("name = \"movies\"", nodes)
}

fn in_bucket(bucket: &str, nodes: &[&str]) -> config::Config {
    let mut text = format!("[bucket]\n{bucket}\n");
    for node in nodes {
        let keys = if node.contains("secret_key") { "" } else { KEYS };
        text.extend(["[[node]]\n", node, keys]);
    }
    parse(&Source { text: &text, path: None, env: &BTreeMap::new() }).expect("a configuration").config
}

/// From the first configuration to the second.
struct Step {
    before: Fleet,
    after: Fleet,
}

impl Step {
    fn of(before: &config::Config, after: &config::Config) -> Self {
        let makings = Makings::new(&Registry::new()).expect("metrics").0;
        let before = Fleet::made(before, None, &makings, 1_000_000);
        before.nodes.iter().for_each(|node| node.live.set_state(State::Up, None));
        let after = Fleet::made(after, Some(&before), &makings, 2_000_000);
        Self { before, after }
    }

    /// Of each node: `=` the same, `~` another shape of the same store, `+` another store; and whether it has to be asked.
    fn words(&self) -> String {
        let word = |node: &Arc<Node>| {
            let id = node.config.id.as_str();
            let kind = match self.before.by_id(id) {
                Some(before) if Arc::ptr_eq(before, node) => "=",
                Some(before) if Arc::ptr_eq(&before.live, &node.live) => "~",
                _ => "+",
            };
            let unproven =
                self.after.unproven_since(&self.before).any(|unproven| Arc::ptr_eq(unproven, node));
            format!("{kind}{id}{}", if unproven { "?" } else { "" })
        };
        let words: Vec<_> = self.after.nodes.iter().map(word).collect();
        let left = self.before.left_by(&self.after).map(|node| format!("-{}", node.config.id));
        words.into_iter().chain(left).collect::<Vec<_>>().join(" ")
    }
}

#[test]
fn a_store_stays_whatever_else_is_written_of_it() {
    let before = config(&[AMS, SIN]);
    let check = |nodes: &[&str], expected: &str| {
        assert_eq!(Step::of(&before, &config(nodes)).words(), expected, "{nodes:?}");
    };
    check(&[AMS, SIN], "=ams =sin");
    check(&[SIN, AMS], "=sin =ams");
    check(&[SIN], "=sin -ams");
    check(&[&AMS.replace("\"ams\"", "\"lon\""), SIN], "+lon? =sin -ams");
    check(&[&AMS.replace("ams:9000", "ams:9001"), SIN], "+ams? =sin -ams");
    check(&[&format!("{AMS}weight = 2.0\n"), SIN], "~ams =sin");
    check(&[&format!("{AMS}public_url = \"https://ams.example\"\n"), SIN], "~ams =sin");
    check(&[&format!("{AMS}profile = \"s3\"\n"), SIN], "~ams? =sin");
    check(&[&format!("{AMS}access_key = \"gate\"\nsecret_key = \"another\"\n"), SIN], "~ams? =sin");
    check(
        &[&format!("{AMS}access_key = \"other\"\nsecret_key = \"a-secret-of-the-tests\"\n"), SIN],
        "~ams? =sin",
    );
    let mut with_token = config(&[AMS, SIN]);
    with_token.nodes[1].session_token = Some(config::Secret::new("a-token"));
    assert_eq!(Step::of(&before, &with_token).words(), "=ams ~sin?");
}

#[test]
fn another_bucket_is_another_store_and_another_region_another_signature() {
    let before = config(&[AMS]);
    let step = |bucket: &str| Step::of(&before, &in_bucket(bucket, &[AMS]));
    assert_eq!(step("name = \"series\"").words(), "+ams? -ams");
    let step = step("name = \"movies\"\nregion = \"eu-west-1\"");
    assert_eq!((step.words().as_str(), &*step.after.nodes[0].region), ("~ams?", "eu-west-1"));
}

#[test]
fn a_number_is_never_given_twice() {
    let makings = Makings::new(&Registry::new()).expect("metrics").0;
    let members = |fleet: &Fleet| fleet.nodes.iter().map(|node| node.live.member.0).collect::<Vec<_>>();
    let mut fleet = Fleet::made(&config(&[AMS, SIN]), None, &makings, 0);
    assert_eq!(members(&fleet), [0, 1]);
    for (nodes, expected) in [(vec![SIN], vec![1]), (vec![SIN, AMS], vec![1, 2]), (vec![AMS], vec![2])] {
        fleet = Fleet::made(&config(&nodes), Some(&fleet), &makings, 0);
        assert_eq!(members(&fleet), expected);
        for (place, node) in fleet.nodes.iter().enumerate() {
            assert_eq!(fleet.place(node.live.member), Some(place));
            assert_eq!(fleet.member(place), node.live.member);
        }
    }
    assert!(fleet.by_member(Member(1)).is_none() && fleet.place(Member(0)).is_none());
}

#[test]
fn credentials_are_as_old_as_they_are() {
    let since = |node: &str| {
        let step = Step::of(&config(&[AMS]), &config(&[node]));
        step.after.nodes[0].credentials_unix_s
    };
    assert_eq!(since(AMS), 1_000);
    assert_eq!(since(&format!("{AMS}weight = 2.0\n")), 1_000, "the same ones");
    assert_eq!(since(&format!("{AMS}access_key = \"gate\"\nsecret_key = \"another\"\n")), 2_000);
}
