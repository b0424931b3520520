//! The one form of an address: IPv4 stays IPv4, however it was written.

use std::net::IpAddr;

/// `::ffff:a.b.c.d` becomes `a.b.c.d`; every other address stays as it is.
///
/// A listener on `[::]` sees IPv4 viewers in the mapped form (RFC 4291, 2.5.5.2). The deprecated
/// IPv4-compatible form `::a.b.c.d` is left alone: no viewer has one.
#[must_use]
pub fn unmap(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &str) {
        assert_eq!(unmap(input.parse().unwrap()), expected.parse::<IpAddr>().unwrap(), "{input}");
    }

    #[test]
    fn only_the_mapped_form_changes() {
        check("192.0.2.7", "192.0.2.7");
        check("::ffff:192.0.2.7", "192.0.2.7");
        check("::ffff:c000:207", "192.0.2.7");
        check("::192.0.2.7", "::192.0.2.7");
        check("64:ff9b::192.0.2.7", "64:ff9b::192.0.2.7");
        check("::1", "::1");
        check("2001:db8::1", "2001:db8::1");
    }
}
