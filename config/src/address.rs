//! What says where something is on the network: sockets, networks, autonomous systems, countries.
//!
//! Names of hosts are refused: nothing is resolved here. A network has to be written as it is meant; bits behind its
//! prefix are a fault, not a rounding.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use watchgate_geoip::{Asn, CountryCode};

use crate::fault::Wrong;

pub(crate) const SOCKET_PATTERN: &str = r"^([0-9.]{7,15}|\[[0-9A-Fa-f:.%]{2,60}\]):[0-9]{1,5}$";
/// The same where nothing may stand instead.
pub(crate) const SOCKET_PATTERN_OR_EMPTY: &str = r"^(([0-9.]{7,15}|\[[0-9A-Fa-f:.%]{2,60}\]):[0-9]{1,5})?$";
pub(crate) const NETWORK_PATTERN: &str = r"^[0-9A-Fa-f:.]{2,45}(/[0-9]{1,3})?$";
pub(crate) const COUNTRY_PATTERN: &str = "^[A-Za-z]{2}$";

/// An address with its port; port 0 takes a free one.
pub(crate) fn parse_socket(text: &str) -> Result<SocketAddr, Wrong> {
    text.parse().map_err(|_| {
        let wrong = Wrong::new(format!("{text:?} is not an address with a port"));
        match text.strip_prefix(':').unwrap_or(text).parse::<u16>() {
            Ok(port) => wrong
                .hint(format!("\"0.0.0.0:{port}\" for all addresses, \"127.0.0.1:{port}\" for this host")),
            Err(_) => wrong.hint("for example \"127.0.0.1:9900\" or \"[::1]:9900\"; names are not resolved"),
        }
    })
}

/// A network, or one address as the network of itself.
pub(crate) fn parse_network(text: &str) -> Result<IpNet, Wrong> {
    let address = text.parse::<IpAddr>().map(IpNet::from);
    let Ok(network) = address.or_else(|_| text.parse::<IpNet>()) else {
        return Err(
            Wrong::new(format!("{text:?} is not a network or an address")).hint("for example \"10.0.0.0/8\"")
        );
    };
    if let IpAddr::V6(address) = network.addr()
        && address.to_ipv4_mapped().is_some()
    {
        // Viewer addresses are compared in their IPv4 form.
        return Err(Wrong::new(format!("{text:?} is an IPv4 address in IPv6 form and would match nobody"))
            .hint("write it as IPv4"));
    }
    if network.trunc() != network {
        return Err(Wrong::new(format!("{text:?} has bits set behind its prefix"))
            .hint(format!("did you mean \"{}\"?", network.trunc())));
    }
    Ok(network)
}

/// `64500`, `AS64500` or `as64500`; 0 is nobody's (RFC 7607).
pub(crate) fn parse_asn(text: &str) -> Result<Asn, Wrong> {
    match text.parse() {
        Ok(Asn(0)) | Err(_) => {
            let why = format!("{text:?} is not the number of an autonomous system");
            Err(Wrong::new(why).hint("for example 64500 or \"AS64500\""))
        }
        Ok(asn) => Ok(asn),
    }
}

/// Two letters of ISO 3166-1.
pub(crate) fn parse_country(text: &str) -> Result<CountryCode, Wrong> {
    text.parse().map_err(|_| {
        Wrong::new(format!("{text:?} is not a country of two letters"))
            .hint("for example \"DE\" (ISO 3166-1)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_addresses_are_read() {
        let check =
            |text: &str, expected: &str| assert_eq!(parse_network(text).unwrap().to_string(), expected);
        check("10.0.0.0/8", "10.0.0.0/8");
        check("10.0.0.5", "10.0.0.5/32");
        check("fd00::/8", "fd00::/8");
        check("::1", "::1/128");
        check("0.0.0.0/0", "0.0.0.0/0");
        for bad in [
            "",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "films.example",
            "10.0.0.0/8/8",
            "::ffff:10.0.0.0/104",
            "010.0.0.1",
        ] {
            assert!(parse_network(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn sockets_need_an_address_and_a_port() {
        for good in ["0.0.0.0:8080", "127.0.0.1:0", "[::]:8080", "[::1]:1"] {
            assert_eq!(parse_socket(good).unwrap().to_string(), good);
        }
        for bad in ["", "8080", ":8080", "localhost:80", "127.0.0.1", "::1:80", "127.0.0.1:70000"] {
            assert!(parse_socket(bad).is_err(), "{bad}");
        }
    }
}
