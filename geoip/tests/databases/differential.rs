//! The same addresses through [`Databases`] and through the second reader.

use std::net::IpAddr;

use serde_json::Value;
use watchgate_geoip::{Databases, unmap};

use crate::samples::{flat_v4, flat_v6, maxmind, open, show, with_record_size};
use crate::second_reader::SecondReader;

/// The place of a whole record, field by field, in the form of [`show`].
fn expected(record: Option<&Value>) -> String {
    let at = |path: &str| record.and_then(|record| record.pointer(path)).cloned().unwrap_or_default();
    let number = |value: Value| value.as_f64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    let located = |lat: &str, lon: &str, radius: &str| {
        let (lat, lon) = (number(at(lat))?, number(at(lon))?);
        let fits = lat.abs() <= 90.0 && lon.abs() <= 180.0;
        let radius = at(radius).as_u64().map_or_else(String::new, |km| format!(" ~{km}"));
        fits.then(|| format!("{lat},{lon}{radius}"))
    };
    let text = |path: &str| at(path).as_str().filter(|code| code.len() == 2).map(str::to_owned);
    let asn = at("/autonomous_system_number").as_u64().or(at("/traits/autonomous_system_number").as_u64());
    [
        located("/location/latitude", "/location/longitude", "/location/accuracy_radius")
            .or_else(|| located("/latitude", "/longitude", "/accuracy_radius")),
        text("/country/iso_code").or_else(|| text("/country_code")).filter(|code| code != "ZZ"),
        text("/continent/code").map(|code| format!("({code})")),
        asn.map(|asn| format!("AS{asn}")),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(" ")
}

/// Every edge of every network, and addresses spread over both families. Says how many had a place.
fn check(name: &str, bytes: &[u8]) -> usize {
    let (second, databases) = (SecondReader::new(bytes), open(&[bytes]));
    let mut addresses = second.edges();
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    for _ in 0..500 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let bytes = seed.to_be_bytes();
        addresses.push(IpAddr::from([bytes[0], bytes[1], bytes[2], bytes[3]]));
        addresses.push(IpAddr::V6((u128::from(seed) << 64 | 0x2 << 124).into()));
    }
    let mut placed = 0;
    for address in addresses {
        // Mapped addresses are looked up as IPv4, whatever a tree says under ::ffff:0:0/96.
        let wanted = expected(second.lookup(unmap(address)).as_ref());
        placed += usize::from(!wanted.is_empty());
        assert_eq!(show(&databases.lookup(address)), wanted, "{name}: lookup {address}");
        assert_eq!(show(&databases.place(&databases.find(address))), wanted, "{name}: find {address}");
    }
    assert!(faultless(&databases), "{name}");
    placed
}

fn faultless(databases: &Databases) -> bool {
    databases.faults().all(|(_, count)| count == 0)
}

#[test]
fn both_readers_agree_on_every_network_in_every_record_size() {
    for (name, bytes, places_min) in [
        ("GeoIP2-City-Test", maxmind("GeoIP2-City-Test"), 400),
        ("GeoIP2-Country-Test", maxmind("GeoIP2-Country-Test"), 400),
        ("GeoLite2-ASN-Test", maxmind("GeoLite2-ASN-Test"), 400),
        ("GeoIP2-Enterprise-Test", maxmind("GeoIP2-Enterprise-Test"), 20),
        ("flat v4", flat_v4(), 8),
        ("flat v6", flat_v6(), 4),
    ] {
        let metadata = SecondReader::new(&bytes).metadata;
        let number = |field: &str| usize::try_from(metadata[field].as_u64().unwrap()).unwrap();
        for bits in [24, 28, 32] {
            let again = with_record_size(&bytes, number("node_count"), number("record_size"), bits);
            let placed = check(name, &again);
            assert!(placed >= places_min, "{name}, {bits} bits: only {placed} addresses had a place");
        }
        assert_eq!(
            with_record_size(&bytes, number("node_count"), number("record_size"), {
                u8::try_from(number("record_size")).unwrap()
            }),
            bytes,
            "{name}: rewriting in its own size changes nothing"
        );
    }
}
