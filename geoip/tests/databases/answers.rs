//! What good databases answer, alone and together.

use std::path::PathBuf;

use maxminddb_writer::Database;
use maxminddb_writer::metadata::IpVersion;
use maxminddb_writer::paths::IpAddrWithMask;
use serde_json::json;
use watchgate_geoip::{DATABASES_MAX, DatabaseFault, DatabaseKind, Databases};

use crate::samples::{flat, flat_v4, flat_v6, made, maxmind, open, shown, try_open};

fn check(files: &[&[u8]], address: &str, expected: &str) {
    assert_eq!(shown(&open(files), address), expected, "{address}");
}

#[test]
fn nested_city_country_and_asn() {
    let city = maxmind("GeoIP2-City-Test");
    check(&[&city], "81.2.69.142", "51.5142,-0.0931 ~10 GB (EU)");
    check(&[&city], "::ffff:81.2.69.142", "51.5142,-0.0931 ~10 GB (EU)");
    check(&[&city], "2001:218::1", "35.68536,139.75309 ~100 JP (AS)");
    check(&[&city], "127.0.0.1", "");
    // Registered in the USA, used in Great Britain.
    check(&[&maxmind("GeoIP2-Country-Test")], "81.2.69.142", "GB (EU)");
    check(&[&maxmind("GeoLite2-ASN-Test")], "1.128.0.0", "AS1221");
    check(&[&maxmind("GeoLite2-ASN-Test")], "2600:6000::1", "AS237");
    check(&[&maxmind("GeoIP2-Enterprise-Test")], "74.209.24.0", "42.3478,-73.5549 ~27 US (NA) AS14671");
}

#[test]
fn flat_files_for_each_family() {
    let (v4, v6) = (flat_v4(), flat_v6());
    check(&[&v4, &v6], "192.0.2.9", "52.52,13.41 DE");
    check(&[&v6, &v4], "192.0.2.9", "52.52,13.41 DE");
    check(&[&v4, &v6], "2001:db8::9", "38.9,-77.04 US");
    check(&[&v6, &v4], "2001:db8::9", "38.9,-77.04 US");
    check(&[&v4], "2001:db8::9", "");
    check(&[&v6], "192.0.2.9", "");
    check(&[&v4], "198.51.100.130", "JP");
    check(&[&v4], "203.0.113.7", "0,0");
    check(&[&v6], "2001:db8:8000::", "BR");
}

/// JSON has no 32-bit numbers, and flat files have.
#[test]
fn flat_coordinates_of_32_bits() {
    #[derive(serde::Serialize)]
    struct Row {
        latitude: f32,
        longitude: f32,
    }
    let mut database = Database::default();
    database.metadata.binary_format_major_version = 2;
    let record = database.insert_value(Row { latitude: 52.5, longitude: -0.25 }).unwrap();
    database.insert_node("192.0.2.0/24".parse::<IpAddrWithMask>().unwrap(), record);
    check(&[&database.write_to(Vec::new()).unwrap()], "192.0.2.9", "52.5,-0.25");
}

#[test]
fn an_ipv6_address_in_an_ipv4_file_is_a_miss_and_no_fault() {
    let databases = open(&[&flat_v4()]);
    assert!(databases.find("2001:db8::9".parse().unwrap()).is_miss());
    assert!(!databases.find("192.0.2.9".parse().unwrap()).is_miss());
    assert_eq!(databases.faults().collect::<Vec<_>>(), [("file-0", 0)]);
}

#[test]
fn the_first_file_that_knows_a_field_gives_it() {
    let (country, city) = (maxmind("GeoIP2-Country-Test"), maxmind("GeoIP2-City-Test"));
    let own = made(
        IpVersion::V4,
        &[("81.2.69.0/24", flat("XX", "1.5", "2.5")), ("81.2.70.0/24", flat("FR", "", ""))],
    );
    // The radius of the second file belongs to its own coordinates and must not come along.
    check(&[&own, &city], "81.2.69.142", "1.5,2.5 GB (EU)");
    check(&[&country, &own, &maxmind("GeoLite2-ASN-Test")], "81.2.69.142", "1.5,2.5 GB (EU)");
    let asn = made(IpVersion::V4, &[("81.2.0.0/16", json!({"autonomous_system_number": 64_500_u32}))]);
    check(&[&asn, &city], "81.2.69.142", "51.5142,-0.0931 ~10 GB (EU) AS64500");
    check(&[&city, &asn], "81.2.70.1", "AS64500");
    check(&[&asn, &own], "81.2.70.1", "FR AS64500");
}

#[test]
fn keys_are_equal_where_the_records_are() {
    let databases = open(&[&flat_v4(), &maxmind("GeoIP2-City-Test")]);
    let key = |address: &str| databases.find(address.parse().unwrap());
    assert_eq!(key("192.0.2.1"), key("192.0.2.254"));
    assert_eq!(key("192.0.2.1"), key("::ffff:192.0.2.1"));
    assert_ne!(key("192.0.2.1"), key("198.51.100.1"));
    assert!(key("10.0.0.1").is_miss());
    assert_eq!(key("10.0.0.1"), key("fe80::1"));
    assert!(Databases::empty().find("192.0.2.1".parse().unwrap()).is_miss());
    assert_eq!(shown(&Databases::empty(), "192.0.2.1"), "");
}

#[test]
fn files_say_what_they_are() {
    let databases = open(&[
        &maxmind("GeoIP2-City-Test"),
        &maxmind("GeoIP2-Country-Test"),
        &maxmind("GeoLite2-ASN-Test"),
        &flat_v4(),
    ]);
    let told: Vec<_> = databases
        .info()
        .iter()
        .map(|info| (info.name.as_str(), info.database_type.as_str(), info.kind, info.ip_version))
        .collect();
    assert_eq!(
        told,
        [
            ("file-0", "GeoIP2-City", DatabaseKind::City, 6),
            ("file-1", "GeoIP2-Country", DatabaseKind::Country, 6),
            ("file-2", "GeoLite2-ASN", DatabaseKind::Asn, 6),
            ("file-3", "Made-City", DatabaseKind::City, 4),
        ]
    );
    assert_eq!(databases.info()[3].build_epoch, 1_790_000_000);
    assert!(databases.info().iter().all(|info| info.node_count > 0));
}

#[test]
fn eight_files_answer_together_and_a_ninth_is_refused() {
    let file = flat_v4();
    assert_eq!(open(&[file.as_slice(); DATABASES_MAX]).info().len(), 8);
    let errors = try_open(&[file.as_slice(); DATABASES_MAX + 1]).unwrap_err();
    assert!(matches!(errors[..], [ref it] if matches!(it.fault, DatabaseFault::TooMany { count: 9 })));
    assert_eq!(
        errors[0].to_string(),
        "GeoIP database file-8: is beyond the 8 databases that can answer together (9 are named); the operator \
         must remove some"
    );
}

#[test]
fn files_are_opened_by_path_and_all_faults_come_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let good = path("good.mmdb", &flat_v4());
    let databases = Databases::open(std::slice::from_ref(&good)).unwrap();
    assert_eq!(shown(&databases, "192.0.2.9"), "52.52,13.41 DE");
    assert_eq!(databases.info()[0].name, good.display().to_string());

    let absent = folder.path().join("absent.mmdb");
    let text = path("text.mmdb", b"<html>");
    let errors = Databases::open(&[absent.clone(), good, folder.path().into(), text.clone()]).unwrap_err();
    let names: Vec<_> = errors.iter().map(|error| error.name.clone()).collect();
    assert_eq!(names, [absent, folder.path().into(), text].map(|path| path.display().to_string()));
    assert!(matches!(errors[0].fault, DatabaseFault::Unreadable(_)));
    assert!(matches!(errors[1].fault, DatabaseFault::Unreadable(_)));
    assert!(matches!(errors[2].fault, DatabaseFault::NotMmdb));
}
