//! The operator's rules over addresses, networks' owners and countries.
//!
//! It finds the one answer a rule gives; which kind of rule comes first is the caller's decision, and
//! what `T` means is the caller's too. What is unknown of a viewer never matches anything.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};

use crate::{Asn, CountryCode, unmap};

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Match {
    /// Viewers in this network. Host bits are ignored; `::ffff:10.0.0.0/104` means `10.0.0.0/8`.
    Cidr(IpNet),
    /// Viewers whose network is announced by this autonomous system.
    Asn(Asn),
    /// Viewers in this country.
    Country(CountryCode),
}

/// Rules, laid out for finding. Among equal matchers the first rule wins.
#[derive(Clone, Debug)]
pub struct Rules<T> {
    v4: Prefixes<T>,
    v6: Prefixes<T>,
    asns: HashMap<Asn, T>,
    countries: HashMap<CountryCode, T>,
}

impl<T> Rules<T> {
    /// Takes the rules in the operator's order.
    #[must_use]
    pub fn new(rules: Vec<(Match, T)>) -> Self {
        let mut built = Self::default();
        for (matcher, answer) in rules {
            match matcher {
                Match::Cidr(net) => built.insert_net(unmap_net(net), answer),
                Match::Asn(asn) => {
                    built.asns.entry(asn).or_insert(answer);
                }
                Match::Country(country) => {
                    built.countries.entry(country).or_insert(answer);
                }
            }
        }
        built
    }

    /// The rule of the longest prefix that holds `address`; a mapped IPv4 address counts as IPv4.
    #[must_use]
    pub fn cidr(&self, address: IpAddr) -> Option<&T> {
        match unmap(address) {
            IpAddr::V4(address) => self.v4.longest(v4_bits(address.to_bits())),
            IpAddr::V6(address) => self.v6.longest(address.to_bits()),
        }
    }

    /// The rule for this autonomous system.
    #[must_use]
    pub fn asn(&self, asn: Option<Asn>) -> Option<&T> {
        self.asns.get(&asn?)
    }

    /// The rule for this country.
    #[must_use]
    pub fn country(&self, country: Option<CountryCode>) -> Option<&T> {
        self.countries.get(&country?)
    }

    /// True when no rule can ever match.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty() && self.asns.is_empty() && self.countries.is_empty()
    }

    fn insert_net(&mut self, net: IpNet, answer: T) {
        match net {
            IpNet::V4(net) => self.v4.insert(v4_bits(net.addr().to_bits()), net.prefix_len(), answer),
            IpNet::V6(net) => self.v6.insert(net.addr().to_bits(), net.prefix_len(), answer),
        }
    }
}

impl<T> Default for Rules<T> {
    fn default() -> Self {
        Self {
            v4: Prefixes::default(),
            v6: Prefixes::default(),
            asns: HashMap::new(),
            countries: HashMap::new(),
        }
    }
}

/// One table for each prefix length in use, longest first: a look-up asks at most one entry of each, and
/// a fleet's rules use a handful of lengths.
#[derive(Clone, Debug)]
struct Prefixes<T>(BTreeMap<Reverse<u8>, BTreeMap<u128, T>>);

impl<T> Prefixes<T> {
    /// `network`: the address's bits from the top of the word; an IPv4 address fills 32 of them.
    fn insert(&mut self, network: u128, length: u8, answer: T) {
        let table = self.0.entry(Reverse(length)).or_default();
        table.entry(network & mask(length)).or_insert(answer);
    }

    fn longest(&self, address: u128) -> Option<&T> {
        self.0.iter().find_map(|(Reverse(length), table)| table.get(&(address & mask(*length))))
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T> Default for Prefixes<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

fn v4_bits(bits: u32) -> u128 {
    u128::from(bits) << 96
}

fn mask(length: u8) -> u128 {
    // A shift by all 128 bits is what `checked_shl` refuses, and length 0 masks everything away.
    u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0)
}

/// A network within `::ffff:0:0/96` as the IPv4 network it stands for.
fn unmap_net(net: IpNet) -> IpNet {
    let IpNet::V6(v6) = net else { return net };
    let v4 = v6.addr().to_ipv4_mapped().zip(v6.prefix_len().checked_sub(96));
    v4.and_then(|(address, length)| Ipv4Net::new(address, length).ok()).map_or(net, IpNet::V4)
}

#[cfg(test)]
mod tests;
