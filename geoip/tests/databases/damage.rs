//! Files that are damaged, cut short or something else: refused with a sentence, or harmless.

use std::net::IpAddr;

use maxminddb_writer::Database;
use maxminddb_writer::metadata::IpVersion;
use maxminddb_writer::paths::IpAddrWithMask;
use proptest::prelude::*;
use serde_json::json;
use watchgate_geoip::{DatabaseFault, Databases};

use crate::samples::{flat_v4, flat_v6, made, maxmind, open, refusal, shown, try_open};

/// The sentence of the refusal, whole or in its beginning.
fn check(bytes: &[u8], expected: &str) {
    let errors = try_open(&[bytes]).expect_err(expected);
    assert_eq!(errors.len(), 1, "{errors:?}");
    let sentence = errors[0].to_string();
    assert!(sentence.starts_with(&format!("GeoIP database file-0: {expected}")), "{sentence}");
    assert!(sentence.contains("; "), "who must act: {sentence}");
}

/// `bytes` with a metadata field's number replaced.
fn patched(bytes: &[u8], field: &str, value: u8) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let at = bytes.windows(field.len()).rposition(|window| window == field.as_bytes()).expect("the field");
    let control = bytes[at + field.len()];
    let size = usize::from(control & 0x1F);
    bytes[at + field.len() + size] = value;
    bytes
}

/// Looks all over the address space; whatever the file says, it must say it without a panic.
fn look_around(databases: &Databases) {
    for step in 0..=255_u8 {
        for address in [IpAddr::from([step, 2, 69, 142]), IpAddr::from([192, 0, 2, step])] {
            let _ = databases.place(&databases.find(address));
        }
        let _ = databases.lookup(IpAddr::from([u16::from(step) << 8 | 1, 0x218, 0, 0, 0, 0, 0, 1]));
    }
}

#[test]
fn other_files_are_told_from_databases() {
    check(b"", "is not a whole MaxMind DB file");
    check(b"<!doctype html><title>Log in</title>", "is not a whole MaxMind DB file");
    check(&[0x1F, 0x8B, 8, 0], "is packed (gzip)");
    check(b"PK\x03\x04...", "is packed (zip)");
    check(b"\xab\xcd\xefMaxMind.com", "is damaged");
}

#[test]
fn metadata_that_cannot_be_served_are_refused() {
    let good = flat_v4();
    check(&patched(&good, "record_size", 25), "has a form that this version cannot read (record_size");
    check(&patched(&good, "binary_format_major_version", 3), "has a form that this version cannot read");
    check(&patched(&good, "ip_version", 5), "has a form that this version cannot read (ip_version");
    check(&patched(&good, "record_size", 32), "is damaged");
    check(&patched(&good, "node_count", 255), "is damaged");
    check(&patched(&good, "node_count", 1), "is damaged");
}

#[test]
fn trees_that_do_not_fit_their_metadata_are_refused() {
    check(
        &patched(&flat_v6(), "ip_version", 4),
        "is damaged (its search tree is deeper than an address is long)",
    );
    let mut smeared = flat_v4();
    let node_count = open(&[&smeared]).info()[0].node_count as usize;
    smeared[node_count * 6 + 15] = 1;
    check(&smeared, "is damaged (its search tree does not end where its metadata say)");
}

#[test]
fn maxminds_broken_files_are_refused() {
    check(&maxmind("GeoIP2-City-Test-Broken-Double-Format"), "is damaged");
    check(&maxmind("GeoIP2-City-Test-Invalid-Node-Count"), "is damaged");
    check(&maxmind("MaxMind-DB-test-broken-search-tree-24"), "is damaged (its search tree runs in a circle)");
    check(&maxmind("MaxMind-DB-test-broken-pointers-24"), "is damaged (its search tree points outside");
}

#[test]
fn databases_that_tell_no_place_are_refused_and_not_silently_useless() {
    for name in [
        "GeoIP2-Domain-Test",
        "MaxMind-DB-no-ipv4-search-tree",
        "MaxMind-DB-test-decoder",
        "MaxMind-DB-test-ipv4-24",
        "MaxMind-DB-test-ipv4-28",
        "MaxMind-DB-test-ipv4-32",
        "MaxMind-DB-test-ipv6-24",
        "MaxMind-DB-test-ipv6-28",
        "MaxMind-DB-test-ipv6-32",
        "MaxMind-DB-test-mixed-24",
        "MaxMind-DB-test-mixed-28",
        "MaxMind-DB-test-mixed-32",
        "MaxMind-DB-test-metadata-pointers",
        "MaxMind-DB-test-nested",
        "MaxMind-DB-string-value-entries",
        "MaxMind-DB-test-pointer-decoder",
    ] {
        let fault = refusal(&maxmind(name));
        assert!(matches!(fault, DatabaseFault::NoPlace { .. }), "{name}: {fault}");
    }
    check(&maxmind("GeoIP2-Domain-Test"), "of type \"GeoIP2-Domain\" knows no coordinates");
}

#[test]
fn every_cut_of_a_small_database_is_refused() {
    for whole in [flat_v4(), flat_v6()] {
        open(&[&whole]);
        for length in 0..whole.len() {
            refusal(&whole[..length]);
        }
    }
}

#[test]
fn a_file_with_its_head_missing_is_refused() {
    let whole = maxmind("GeoIP2-City-Test");
    for lost in (1..whole.len()).step_by(97) {
        refusal(&whole[lost..]);
    }
}

/// 20,000 networks of which the probe decodes about every fifth: one that it passes by is broken.
#[test]
fn damage_deep_inside_is_a_counted_miss() {
    let mut database = Database::default();
    database.metadata.binary_format_major_version = 2;
    let network = |index: u32| format!("{}.{}.{}.0", 11 + index / 65_536, index / 256 % 256, index % 256);
    let mut records = Vec::new();
    for index in 0..20_000 {
        let record =
            database.insert_value(json!({"country_code": "DE", "city": format!("#{index:05}")})).unwrap();
        let path: IpAddrWithMask = format!("{}/24", network(index)).parse().unwrap();
        database.insert_node(path, record);
        records.push(index);
    }
    let good = database.write_to(Vec::new()).unwrap();
    let france = json!({"country_code": "FR"});
    let backup = made(IpVersion::V4, &[("0.0.0.0/1", france.clone()), ("128.0.0.0/1", france)]);
    let passed = records.iter().take(40).find_map(|index| {
        let mut bytes = good.clone();
        let name = format!("#{index:05}");
        let at = bytes.windows(6).position(|window| window == name.as_bytes()).unwrap();
        // The text's control byte becomes one of a type that does not exist.
        (bytes[at - 1], bytes[at]) = (0, 0xFF);
        try_open(&[&bytes, &backup]).ok().map(|databases| (*index, databases))
    });
    let (index, databases) = passed.expect("some damage passes the probe");
    let faults = || databases.faults().map(|(_, count)| count).collect::<Vec<_>>();
    assert_eq!(shown(&databases, &network(index + 1)), "DE");
    assert_eq!(faults(), [0, 0]);
    let address = network(index).parse().unwrap();
    assert_eq!(databases.lookup(address).country.map(|code| code.to_string()).as_deref(), Some("FR"));
    assert_eq!(faults(), [1, 0]);
}

proptest! {
    #[test]
    fn random_bytes_are_refused(mut bytes in proptest::collection::vec(any::<u8>(), 0..600), tail in 0_usize..3) {
        match tail {
            0 => {}
            1 => bytes.extend_from_slice(b"\xab\xcd\xefMaxMind.com"),
            // A whole database's metadata behind a body of noise.
            _ => {
                let good = flat_v4();
                let at = good.windows(3).rposition(|window| window == b"\xab\xcd\xef").unwrap();
                bytes.extend_from_slice(&good[at..]);
            }
        }
        prop_assert!(try_open(&[&bytes]).is_err());
    }

    #[test]
    fn flipped_bytes_are_refused_or_harmless(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        flat in any::<bool>(),
    ) {
        let mut bytes = if flat { flat_v4() } else { maxmind("GeoIP2-Enterprise-Test") };
        for (index, byte) in flips {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(databases) = try_open(&[&bytes]) {
            look_around(&databases);
        }
    }
}
