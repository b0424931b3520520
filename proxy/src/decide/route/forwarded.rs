//! What a server behind the gate is told about the viewer, and which of the viewer's own words about that it never sees.
//!
//! Told is what the gate itself believes ([`Viewer`]), and nothing that it does not: read from the left or from the
//! right, the headers name the same viewer. Absent on purpose: `Forwarded` (RFC 7239), which would say it all twice.

use std::fmt::Write;
use std::net::IpAddr;

use crate::decide::client::Viewer;

/// Names under which programs look for the viewer's address or for another path; nobody may write them but the gate,
/// and the gate writes none of these.
const NEVER: [&str; 9] = [
    "forwarded",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "true-client-ip",
    "cf-connecting-ip",
    "fastly-client-ip",
    "x-original-url",
    "x-rewrite-url",
];

/// What the gate writes itself.
const OURS: [&str; 3] = ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-prefix"];

/// Whether a field of the request is kept from the server. `trusted`: the peer is a proxy of the operator's, whose
/// other `X-Forwarded-*` are passed on.
///
/// The name is in lower case. An underscore counts as a hyphen: programs that get headers as variables (CGI, WSGI) cannot
/// tell them apart.
#[must_use]
pub fn is_dropped(name: &str, trusted: bool) -> bool {
    let hyphened;
    let (name, disguised) = if name.contains('_') {
        hyphened = name.replace('_', "-");
        (hyphened.as_str(), true)
    } else {
        (name, false)
    };
    NEVER.contains(&name)
        || OURS.contains(&name)
        || (name.starts_with("x-forwarded-") && (!trusted || disguised))
        || (disguised && name == "x-request-id")
}

/// `X-Forwarded-For`: the viewer, and behind it the peer, if that is a proxy. Empty: nobody knows.
#[must_use]
pub fn forwarded_for(viewer: &Viewer, peer: Option<IpAddr>) -> String {
    let mut text = String::new();
    let peer = peer.map(|peer| peer.to_canonical());
    for address in viewer.address.into_iter().chain(peer.filter(|_| viewer.address != peer)) {
        let comma = if text.is_empty() { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}{address}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::client::{AddressFrom, Scheme};

    #[test]
    fn nobody_else_says_who_the_viewer_is() {
        let check = |name: &str, of_anybody: bool, of_a_proxy: bool| {
            assert_eq!((is_dropped(name, false), is_dropped(name, true)), (of_anybody, of_a_proxy), "{name}");
        };
        check("x-forwarded-for", true, true);
        check("x-forwarded-proto", true, true);
        check("x_forwarded_for", true, true);
        check("x-forwarded-host", true, false);
        check("x-forwarded-port", true, false);
        check("x_forwarded-host", true, true);
        check("forwarded", true, true);
        check("x-real-ip", true, true);
        check("x_real_ip", true, true);
        check("x-original-url", true, true);
        check("x_request_id", true, true);
        check("accept", false, false);
        check("x-request-id", false, false);
        check("x-api-key", false, false);
        check("x_api_key", false, false);
    }

    #[test]
    fn the_list_names_the_viewer_from_either_end() {
        let check = |viewer: Option<&str>, peer: Option<&str>, expected: &str| {
            let address = |text: &str| text.parse::<IpAddr>().unwrap();
            let viewer =
                Viewer { address: viewer.map(address), from: AddressFrom::Peer, scheme: Scheme::Http };
            assert_eq!(forwarded_for(&viewer, peer.map(address)), expected);
        };
        check(Some("192.0.2.1"), Some("192.0.2.1"), "192.0.2.1");
        check(Some("192.0.2.1"), Some("::ffff:192.0.2.1"), "192.0.2.1");
        check(Some("192.0.2.1"), Some("10.0.0.1"), "192.0.2.1, 10.0.0.1");
        check(Some("2001:db8::1"), Some("10.0.0.1"), "2001:db8::1, 10.0.0.1");
        check(None, None, "");
    }
}
