//! Databases for the tests: small ones of `MaxMind`, and ones made here.

use maxminddb_writer::Database;
use maxminddb_writer::metadata::IpVersion;
use maxminddb_writer::paths::IpAddrWithMask;
use serde_json::{Value, json};
use watchgate_geoip::{DatabaseError, DatabaseFault, Databases, Place};

/// A file of `tests/data`, by its name without the ending.
pub(crate) fn maxmind(name: &str) -> Vec<u8> {
    let path = format!("{}/tests/data/{name}.mmdb", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A database made of networks and their records.
pub(crate) fn made(ip_version: IpVersion, networks: &[(&str, Value)]) -> Vec<u8> {
    let mut database = Database::default();
    database.metadata.ip_version = ip_version;
    "Made-City".clone_into(&mut database.metadata.database_type);
    database.metadata.binary_format_major_version = 2;
    database.metadata.build_epoch = 1_790_000_000;
    for (network, record) in networks {
        let record = database.insert_value(record).expect("serialisable");
        database.insert_node(network.parse::<IpAddrWithMask>().expect("a network"), record);
    }
    database.write_to(Vec::new()).expect("a vector takes everything")
}

/// ip-location-db's layout: everything at the top, coordinates as text, empty when unknown.
pub(crate) fn flat(country: &str, lat: &str, lon: &str) -> Value {
    json!({"city": "Somewhere", "country_code": country, "latitude": lat, "longitude": lon, "state1": "X"})
}

pub(crate) fn flat_v4() -> Vec<u8> {
    made(
        IpVersion::V4,
        &[
            ("192.0.2.0/24", flat("DE", "52.52", "13.41")),
            ("198.51.100.0/25", flat("FR", "48.86", "2.35")),
            ("198.51.100.128/25", flat("JP", "", "")),
            ("203.0.113.0/24", flat("ZZ", "0", "0")),
        ],
    )
}

pub(crate) fn flat_v6() -> Vec<u8> {
    made(
        IpVersion::V6,
        &[("2001:db8::/33", flat("US", "38.9", "-77.04")), ("2001:db8:8000::/33", flat("BR", "91", "0"))],
    )
}

/// The same database with tree records of another size. Data pointers do not change with it.
pub(crate) fn with_record_size(bytes: &[u8], node_count: usize, from_bits: usize, to_bits: u8) -> Vec<u8> {
    let tree_bytes = node_count * from_bits / 4;
    let mut out = Vec::new();
    for node in bytes[..tree_bytes].chunks(from_bits / 4) {
        let whole = node.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let (left, right) = match from_bits {
            28 => (whole >> 32 | (whole >> 28 & 0xF) << 24, whole & 0x0FFF_FFFF),
            bits => (whole >> bits, whole & ((1 << bits) - 1)),
        };
        let again = match to_bits {
            28 => (left & 0x00FF_FFFF) << 32 | (left >> 24) << 28 | right,
            bits => left << bits | right,
        };
        out.extend_from_slice(&again.to_be_bytes()[8 - usize::from(to_bits) / 4..]);
    }
    out.extend_from_slice(&bytes[tree_bytes..]);
    let field = out.windows(11).rposition(|window| window == b"record_size").expect("a record size");
    assert_eq!(out[field + 11], 0xA1, "a 16-bit number of one byte");
    out[field + 12] = to_bits;
    out
}

pub(crate) fn open(files: &[&[u8]]) -> Databases {
    try_open(files).unwrap_or_else(|errors| panic!("{errors:?}"))
}

pub(crate) fn try_open(files: &[&[u8]]) -> Result<Databases, Vec<DatabaseError>> {
    let named = files.iter().enumerate().map(|(index, bytes)| (format!("file-{index}"), bytes.to_vec()));
    Databases::from_bytes(named.collect())
}

/// The one fault of the one file.
pub(crate) fn refusal(bytes: &[u8]) -> DatabaseFault {
    let mut errors = try_open(&[bytes]).expect_err("a refusal");
    assert_eq!(errors.len(), 1, "{errors:?}");
    errors.remove(0).fault
}

/// `lat,lon ~radius country (continent) AS`, each where known; by both ways of looking up.
pub(crate) fn shown(databases: &Databases, address: &str) -> String {
    let address = address.parse().expect("an address");
    let place = databases.lookup(address);
    assert_eq!(place, databases.place(&databases.find(address)), "both ways, for {address}");
    show(&place)
}

pub(crate) fn show(place: &Place) -> String {
    let fields = [
        place.at.map(|at| format!("{},{}", at.lat(), at.lon())),
        place.radius_km.map(|km| format!("~{km}")),
        place.country.map(|code| code.to_string()),
        place.continent.map(|code| format!("({code})")),
        place.asn.map(|asn| asn.to_string()),
    ];
    fields.into_iter().flatten().collect::<Vec<_>>().join(" ")
}
