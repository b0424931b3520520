//! Finds the viewer's address and scheme behind proxies, believing only what a trusted hop wrote.
//!
//! A forwarding header is read from the right, because everything left of the first untrusted entry may
//! have been written by the viewer. Nothing is guessed: an entry that is no address ends the walk. Where the
//! viewer is on the map is not asked here, and no connection is looked at.

mod address;
mod entries;
mod forwarded;

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use self::{address::address, entries::Entries};

/// The header in which the operator's proxies hand on whom they answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// `X-Forwarded-For`: a list of addresses, each hop appends the one it sees.
    XForwardedFor,
    /// `Forwarded` (RFC 7239): a list of elements, each with `for`, `proto` and more.
    Forwarded,
    /// `X-Real-IP`: one address, set by the last hop.
    XRealIp,
}

impl Header {
    /// The field's name, lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        AddressFrom::from(self).as_str()
    }
}

/// Where the viewer's address was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressFrom {
    /// The other end of the connection.
    Peer,
    /// An entry of `X-Forwarded-For`.
    XForwardedFor,
    /// A `for` of `Forwarded`.
    Forwarded,
    /// `X-Real-IP`.
    XRealIp,
}

impl AddressFrom {
    /// The word for logs and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
            Self::XRealIp => "x-real-ip",
        }
    }
}

impl From<Header> for AddressFrom {
    fn from(header: Header) -> Self {
        match header {
            Header::XForwardedFor => Self::XForwardedFor,
            Header::Forwarded => Self::Forwarded,
            Header::XRealIp => Self::XRealIp,
        }
    }
}

/// How the viewer reached the first hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS: such a viewer is never sent to an `http` link.
    Https,
}

impl Scheme {
    fn parse(text: &[u8]) -> Option<Self> {
        if text.eq_ignore_ascii_case(b"https") {
            Some(Self::Https)
        } else {
            text.eq_ignore_ascii_case(b"http").then_some(Self::Http)
        }
    }
}

/// The networks of the operator's own proxies. Empty: nobody's headers are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trusted(Box<[IpNet]>);

impl Trusted {
    /// A network of IPv4 addresses mapped into IPv6 means those IPv4 addresses, as everywhere here.
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().map(unmapped).collect())
    }

    /// Whether nobody is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of the networks holds the address. Looks at each: proxies are few.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

fn unmapped(network: IpNet) -> IpNet {
    let IpNet::V6(mapped) = network else { return network };
    let v4 = mapped.network().to_ipv4_mapped().zip(mapped.prefix_len().checked_sub(96));
    let v4 = v4.and_then(|(address, bits)| Ipv4Net::new(address, bits).ok());
    v4.map_or(network, IpNet::V4)
}

/// What the operator said about the hops before us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Whose headers are believed.
    pub trusted: Trusted,
    /// Which header they write.
    pub header: Header,
}

/// The other end of the connection, as the listener sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// `None` if there is none to know (a Unix socket): then nothing is believed either.
    pub address: Option<IpAddr>,
    /// Whether the listener itself speaks TLS.
    pub scheme: Scheme,
}

/// Who asks, as far as it can be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Viewer {
    /// Never an IPv4 address mapped into IPv6; `None` only if the peer's is unknown.
    pub address: Option<IpAddr>,
    /// Why that address is believed.
    pub from: AddressFrom,
    /// The trusted hop's word for it, else the listener's own.
    pub scheme: Scheme,
}

/// Who asks. `lines` gives the field lines of a header by its lower-case name, in the order they came; it is
/// called only when the peer is trusted.
///
/// `X-Forwarded-For` and `Forwarded` are walked from the right, over several lines, through trusted addresses
/// to the first one that is not, which is the viewer. If all are trusted it is the leftmost. An entry that is
/// empty or no address (`unknown` and `_hidden` of RFC 7239 too) ends the walk, and the last good address
/// counts; the first of these is the peer's own. So does the end of the limits: at most 1,024 entries and
/// 64 KiB are looked at. `X-Real-IP` is no list: its rightmost value is the nearest hop's, and what stands
/// left of it is never read.
///
/// The scheme is the rightmost `X-Forwarded-Proto`, or beside `Forwarded` the `proto` of the leftmost
/// well-formed element read, the one that tells of the viewer. A trusted hop that says neither `http` nor
/// `https` leaves it at the listener's.
pub fn viewer<'a, L>(peer: Peer, rules: &Rules, lines: impl Fn(&'static str) -> L) -> Viewer
where
    L: DoubleEndedIterator<Item = &'a [u8]>,
{
    let address = peer.address.map(|address| address.to_canonical());
    let viewer = Viewer { address, from: AddressFrom::Peer, scheme: peer.scheme };
    match address {
        Some(hop) if !rules.trusted.is_empty() && rules.trusted.contains(hop) => behind(viewer, rules, lines),
        _ => viewer,
    }
}

/// The viewer behind a trusted hop.
fn behind<'a, L>(mut viewer: Viewer, rules: &Rules, lines: impl Fn(&'static str) -> L) -> Viewer
where
    L: DoubleEndedIterator<Item = &'a [u8]>,
{
    let mut scheme = None;
    for entry in Entries::new(lines(rules.header.name()), rules.header) {
        let found = if rules.header == Header::Forwarded {
            let Some(element) = forwarded::element(entry) else { break };
            scheme = element.scheme;
            element.address
        } else {
            address(entry.trim_ascii())
        };
        let Some(found) = found else { break };
        viewer.address = Some(found);
        viewer.from = rules.header.into();
        if rules.header == Header::XRealIp || !rules.trusted.contains(found) {
            break;
        }
    }
    if rules.header != Header::Forwarded {
        scheme = forwarded_proto(lines("x-forwarded-proto"));
    }
    viewer.scheme = scheme.unwrap_or(viewer.scheme);
    viewer
}

fn forwarded_proto<'a>(mut lines: impl DoubleEndedIterator<Item = &'a [u8]>) -> Option<Scheme> {
    let rightmost = lines.next_back()?.rsplit(|byte| *byte == b',').next()?;
    Scheme::parse(rightmost.trim_ascii())
}

/// Viewers that are treated alike: one /24 of IPv4 or one /56 of IPv6.
///
/// A household or a carrier's small pool moves within these, and nobody has a reason to hold more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group(u64);

impl Group {
    /// A number that no other group has: the network's bits with the family above them.
    #[must_use]
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

/// The group of an address; one of IPv4 mapped into IPv6 counts as IPv4.
#[must_use]
pub fn group(address: IpAddr) -> Group {
    match address.to_canonical() {
        IpAddr::V4(v4) => Group(4 << 56 | u64::from(v4.to_bits() >> 8)),
        IpAddr::V6(v6) => {
            // The upper 56 of 128 bits: they fit.
            Group(6 << 56 | (v6.to_bits() >> 72) as u64)
        }
    }
}

#[cfg(test)]
mod tests;
