//! One address as proxies write it: with a port, in brackets, with a zone, or bare.
//!
//! No names are resolved and nothing is repaired: a text that is not wholly an address is none.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// The address in `text`, without port, brackets and zone, and never mapped into IPv6.
///
/// `1.2.3.4`, `1.2.3.4:5`, `2001:db8::1`, `fe80::1%eth0`, `[2001:db8::1]`, `[2001:db8::1]:5`.
pub(super) fn address(text: &[u8]) -> Option<IpAddr> {
    let found = match text {
        [b'[', rest @ ..] => {
            let end = rest.iter().position(|byte| *byte == b']')?;
            let port = &rest[end + 1..];
            (port.is_empty() || is_port(port)).then(|| v6(&rest[..end]))?
        }
        // Two colons are an IPv6 address, which has a port only in brackets.
        _ => match text.iter().position(|byte| *byte == b':') {
            Some(at) if text[at + 1..].contains(&b':') => v6(text),
            Some(at) => is_port(&text[at..]).then(|| v4(&text[..at]))?,
            None => v4(text),
        },
    };
    found.map(|address| address.to_canonical())
}

fn v4(text: &[u8]) -> Option<IpAddr> {
    parse::<Ipv4Addr>(text).map(IpAddr::V4)
}

fn v6(text: &[u8]) -> Option<IpAddr> {
    let bare = match text.iter().position(|byte| *byte == b'%') {
        Some(at) => is_zone(&text[at + 1..]).then_some(&text[..at])?,
        None => text,
    };
    parse::<Ipv6Addr>(bare).map(IpAddr::V6)
}

fn parse<A: FromStr>(text: &[u8]) -> Option<A> {
    str::from_utf8(text).ok()?.parse().ok()
}

/// `:` and a number of sixteen bits, or a hidden port as RFC 7239 6.3 has it. Neither is kept.
fn is_port(text: &[u8]) -> bool {
    match text {
        [b':', b'_', hidden @ ..] => !hidden.is_empty() && hidden.iter().all(|byte| is_plain(*byte)),
        [b':', digits @ ..] => {
            digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit) && parse::<u16>(digits).is_some()
        }
        _ => false,
    }
}

/// An interface's name or number (RFC 4007 11), percent-encoded or not.
fn is_zone(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_plain(*byte) || matches!(byte, b'%' | b'~'))
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}
