//! One element of a `Forwarded` field (RFC 7239 4), such as `for="[2001:db8::1]:4711";proto=https`.
//!
//! Only `for` and `proto` are kept. Brackets and colons are taken without quotes too, as many write them.

use std::net::IpAddr;

use super::{Scheme, address::address};
use crate::decide::accept::parameter::{self, Value};

/// Longer than any address with its zone and port; an escaped one is copied into so much room.
const NODE_MAX: usize = 128;

/// What a well-formed element says of the node before the hop that wrote it.
pub(super) struct Element {
    /// `None`: without `for`, or hidden (`unknown`, `_name`).
    pub(super) address: Option<IpAddr>,
    /// `None`: without `proto`, or one that is not HTTP.
    pub(super) scheme: Option<Scheme>,
}

/// `None` if any part of it is malformed, or `for` or `proto` stands in it twice.
pub(super) fn element(text: &[u8]) -> Option<Element> {
    let (mut node, mut proto) = (None, None);
    for pair in
        parameter::parameters(text, |byte| parameter::is_token(byte) || matches!(byte, b'[' | b']' | b':'))
    {
        let (name, value) = pair?;
        let known = if name.eq_ignore_ascii_case(b"for") {
            &mut node
        } else if name.eq_ignore_ascii_case(b"proto") {
            &mut proto
        } else {
            continue;
        };
        if known.replace(value).is_some() {
            return None;
        }
    }
    let mut room = [0; NODE_MAX];
    let address = node.and_then(|value| address(value.unescaped(&mut room)?));
    let scheme = proto.and_then(|value: Value<'_>| Scheme::parse(value.unescaped(&mut room)?));
    Some(Element { address, scheme })
}
