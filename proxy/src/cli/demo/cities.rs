//! Where the demo's nodes and viewers claim to be.
//!
//! The networks are those that are set aside for documentation (RFC 5737, RFC 3849): nobody has them.

/// A city with a node and viewers.
#[derive(Debug)]
pub(super) struct City {
    /// The node's id.
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    /// Degrees north.
    pub(super) lat: f64,
    /// Degrees east.
    pub(super) lon: f64,
    pub(super) country: &'static str,
    pub(super) continent: &'static str,
    /// How exactly the database knows where its viewers are.
    pub(super) radius_km: u16,
    /// Networks of its viewers, IPv4 and IPv6, and one address in the first.
    pub(super) networks: [&'static str; 2],
    pub(super) viewer: &'static str,
}

pub(super) static ALL: [City; 3] = [
    City {
        id: "ams",
        name: "Amsterdam",
        lat: 52.37,
        lon: 4.90,
        country: "NL",
        continent: "EU",
        radius_km: 20,
        networks: ["192.0.2.0/24", "2001:db8:a::/48"],
        viewer: "192.0.2.10",
    },
    City {
        id: "sin",
        name: "Singapore",
        lat: 1.35,
        lon: 103.82,
        country: "SG",
        continent: "AS",
        radius_km: 10,
        networks: ["198.51.100.0/24", "2001:db8:5::/48"],
        viewer: "198.51.100.10",
    },
    City {
        id: "gru",
        name: "Sao Paulo",
        lat: -23.55,
        lon: -46.63,
        country: "BR",
        continent: "SA",
        radius_km: 50,
        networks: ["203.0.113.0/24", "2001:db8:6::/48"],
        viewer: "203.0.113.10",
    },
];
