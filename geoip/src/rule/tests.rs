//! Rules against tables and against the slow, obvious way of finding them.

use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::Ipv6Net;
use proptest::prelude::*;

use super::*;

fn cidr(net: &str) -> Match {
    Match::Cidr(net.parse().unwrap())
}

fn check(rules: &[&str], address: &str, expected: Option<&str>) {
    let built = Rules::new(rules.iter().map(|net| (cidr(net), *net)).collect());
    assert_eq!(built.cidr(address.parse().unwrap()).copied(), expected, "{address} in {rules:?}");
}

#[test]
fn the_longest_prefix_wins_whatever_the_order() {
    check(&["10.0.0.0/8", "10.20.0.0/16"], "10.20.3.4", Some("10.20.0.0/16"));
    check(&["10.20.0.0/16", "10.0.0.0/8"], "10.20.3.4", Some("10.20.0.0/16"));
    check(&["10.20.0.0/16", "10.0.0.0/8"], "10.21.3.4", Some("10.0.0.0/8"));
    check(&["10.20.0.0/16"], "10.21.3.4", None);
    check(&["0.0.0.0/0", "192.0.2.1/32"], "192.0.2.1", Some("192.0.2.1/32"));
    check(&["0.0.0.0/0", "192.0.2.1/32"], "192.0.2.2", Some("0.0.0.0/0"));
    check(&["2001:db8::/32", "2001:db8:1::/48"], "2001:db8:1::9", Some("2001:db8:1::/48"));
}

#[test]
fn host_bits_of_a_rule_are_ignored() {
    check(&["10.1.2.3/8"], "10.200.0.1", Some("10.1.2.3/8"));
}

#[test]
fn the_families_are_apart_but_mapped_is_v4() {
    check(&["::/0"], "192.0.2.1", None);
    check(&["0.0.0.0/0"], "2001:db8::1", None);
    check(&["192.0.2.0/24"], "::ffff:192.0.2.1", Some("192.0.2.0/24"));
    check(&["::ffff:192.0.2.0/120"], "192.0.2.1", Some("::ffff:192.0.2.0/120"));
    check(&["::ffff:192.0.2.0/120"], "::ffff:192.0.2.1", Some("::ffff:192.0.2.0/120"));
    check(&["::ffff:0:0/96"], "198.51.100.1", Some("::ffff:0:0/96"));
    check(&["::ffff:0:0/95"], "198.51.100.1", None);
}

#[test]
fn the_first_of_equal_matchers_wins() {
    let germany = "DE".parse().unwrap();
    let rules = Rules::new(vec![
        (cidr("10.0.0.0/8"), 1),
        (cidr("10.9.9.9/8"), 2),
        (cidr("::ffff:10.0.0.0/104"), 3),
        (Match::Asn(Asn(64_500)), 4),
        (Match::Asn(Asn(64_500)), 5),
        (Match::Country(germany), 6),
        (Match::Country(germany), 7),
    ]);
    assert_eq!(rules.cidr("10.1.1.1".parse().unwrap()), Some(&1));
    assert_eq!(rules.asn(Some(Asn(64_500))), Some(&4));
    assert_eq!(rules.country(Some(germany)), Some(&6));
}

#[test]
fn the_unknown_matches_nothing() {
    let rules =
        Rules::new(vec![(Match::Asn(Asn(0)), "asn"), (Match::Country("ZZ".parse().unwrap()), "country")]);
    assert_eq!(rules.asn(None), None);
    assert_eq!(rules.country(None), None);
    assert!(!rules.is_empty());
    assert!(Rules::<()>::new(Vec::new()).is_empty());
    assert_eq!(Rules::<()>::default().cidr("192.0.2.1".parse().unwrap()), None);
}

/// Few leading bits and few lengths, so that rules nest and addresses meet them.
fn net() -> impl Strategy<Value = IpNet> {
    let v4 = (0_u32..64, 0_u8..=32)
        .prop_map(|(top, length)| IpNet::V4(Ipv4Net::new((top << 26 | top).into(), length).unwrap()));
    let v6 = (0_u128..64, 0_u8..=128)
        .prop_map(|(top, length)| IpNet::V6(Ipv6Net::new((top << 122 | top).into(), length).unwrap()));
    prop_oneof![v4, v6]
}

fn address() -> impl Strategy<Value = IpAddr> {
    let v4 = (0_u32..64, 0_u32..64).prop_map(|(top, low)| IpAddr::V4(Ipv4Addr::from(top << 26 | low)));
    let v6 = (0_u128..64, 0_u128..64).prop_map(|(top, low)| IpAddr::V6(Ipv6Addr::from(top << 122 | low)));
    prop_oneof![v4, v6]
}

proptest! {
    #[test]
    fn longest_prefix_equals_the_obvious_way(
        nets in proptest::collection::vec(net(), 0..40),
        addresses in proptest::collection::vec(address(), 1..40),
    ) {
        let rules = Rules::new(nets.iter().enumerate().map(|(index, net)| (Match::Cidr(*net), index)).collect());
        for address in addresses {
            // `max_by_key` takes the last of equals, so the first rule must come last.
            let obvious = nets.iter().enumerate().rev()
                .filter(|(_, net)| net.contains(&address))
                .max_by_key(|(_, net)| net.prefix_len())
                .map(|(index, _)| index);
            prop_assert_eq!(rules.cidr(address).copied(), obvious, "{}", address);
        }
    }
}
