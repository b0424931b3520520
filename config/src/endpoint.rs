//! The root of a node's URLs: scheme, host and port, and nothing else.
//!
//! The text is taken apart by hand because a URL library would accept, and carry along, what must not be here: a
//! user, a path, a query. Names are not resolved. Reasons never quote the text: it may hold a password by mistake.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use crate::fault::Wrong;

/// What [`Endpoint`] takes, as a regular expression for the JSON Schema.
pub(crate) const PATTERN: &str =
    r"^[Hh][Tt][Tt][Pp][Ss]?://([A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?/?$";
/// The same, or nothing.
pub(crate) const PATTERN_OR_EMPTY: &str =
    r"^([Hh][Tt][Tt][Pp][Ss]?://([A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?/?)?$";

/// The scheme of an [`Endpoint`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// `http` or `https`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that goes without saying: 80 or 443.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

/// `http://10.0.0.5:9000`. Scheme and host are kept in lower case and IPv6 in its canonical form (RFC 3986 6.2.2.1,
/// RFC 5952), because that is how players send the host that a link was signed for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    scheme: Scheme,
    port: u16,
    host: HostKind,
    /// Host, and the port if it is not the scheme's own.
    authority: String,
    host_len: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum HostKind {
    Name,
    Ipv4,
    Ipv6,
}

impl Endpoint {
    /// The scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host as it stands in a URL: IPv6 in brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.authority[..self.host_len]
    }

    /// The host for a resolver, a connection or a certificate: IPv6 without brackets.
    #[must_use]
    pub fn bare_host(&self) -> &str {
        self.host().trim_start_matches('[').trim_end_matches(']')
    }

    /// The port, written or implied.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What goes into `Host` and is signed: the host, and the port only if it is not the scheme's own.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Whether the host is a name, before which a bucket can be put.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.host == HostKind::Name
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}://{}", self.scheme, self.authority)
    }
}

/// A lone slash at the end is accepted and dropped: it is the same URL (RFC 3986 6.2.3).
impl FromStr for Endpoint {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        let unknown = || Wrong::new("must begin with http:// or https://");
        let (scheme, rest) = text.split_once("://").ok_or_else(unknown)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(unknown()),
        };
        if rest.contains('@') {
            return Err(Wrong::new("must not hold a user name or password")
                .hint("credentials belong in access_key and secret_key_file"));
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if let Some(mark) = rest.chars().find(|mark| matches!(mark, '/' | '?' | '#')) {
            let part = match mark {
                '/' => "path",
                '?' => "query",
                _ => "fragment",
            };
            return Err(
                Wrong::new(format!("must not have a {part}")).hint("scheme, host and port are all there is")
            );
        }
        let (host, port) = split_port(rest)?;
        let (host, kind) = parse_host(host)?;
        let host_len = host.len();
        let port = port.unwrap_or(scheme.default_port());
        let authority = if port == scheme.default_port() { host } else { format!("{host}:{port}") };
        Ok(Self { scheme, port, host: kind, authority, host_len })
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), Wrong> {
    let after_host = match authority.strip_prefix('[') {
        Some(inner) => inner.find(']').ok_or_else(not_ipv6)? + 2,
        None => 0,
    };
    let Some(colon) = authority[after_host..].find(':').map(|colon| after_host + colon) else {
        return Ok((authority, None));
    };
    let (host, port) = (&authority[..colon], &authority[colon + 1..]);
    if port.contains(':') {
        return Err(Wrong::new("has more than one port")
            .hint("an IPv6 address stands in brackets: http://[fd00::5]:9000"));
    }
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(number) if digits && number > 0 => Ok((host, Some(number))),
        _ => Err(Wrong::new("the port must be from 1 to 65535")),
    }
}

fn parse_host(host: &str) -> Result<(String, HostKind), Wrong> {
    if host.is_empty() {
        return Err(Wrong::new("has no host"));
    }
    if host.starts_with('[') || host.ends_with(']') {
        let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let address = inner.and_then(|inner| inner.parse::<Ipv6Addr>().ok());
        return address.map(|address| (format!("[{address}]"), HostKind::Ipv6)).ok_or_else(not_ipv6);
    }
    let host = host.to_ascii_lowercase();
    // A name never ends in a label of digits; what does was meant as an address (WHATWG URL, host parsing).
    if host
        .rsplit('.')
        .next()
        .is_some_and(|last| !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()))
    {
        return match host.parse::<Ipv4Addr>() {
            Ok(address) => Ok((address.to_string(), HostKind::Ipv4)),
            Err(_) => Err(Wrong::new("the host is not an IPv4 address")),
        };
    }
    if is_dns_name(&host) {
        Ok((host, HostKind::Name))
    } else {
        Err(Wrong::new("the host is not a DNS name or an address"))
    }
}

fn not_ipv6() -> Wrong {
    Wrong::new("the host is not an IPv6 address in brackets")
}

/// Labels of 1-63 letters, digits, hyphens and (as compose files have them) underscores; at most 253 in all.
fn is_dns_name(host: &str) -> bool {
    let label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len())
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.len() <= 253 && host.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_taken_apart() {
        let check = |text: &str, shown: &str, host: &str, bare: &str, port: u16| {
            let endpoint: Endpoint = text.parse().unwrap();
            assert_eq!(endpoint.to_string(), shown, "{text}");
            assert_eq!(
                (endpoint.host(), endpoint.bare_host(), endpoint.port()),
                (host, bare, port),
                "{text}"
            );
            assert_eq!(endpoint.to_string().parse::<Endpoint>().unwrap(), endpoint, "{text}");
        };
        check("http://10.0.0.5:9000", "http://10.0.0.5:9000", "10.0.0.5", "10.0.0.5", 9000);
        check("http://minio-msk", "http://minio-msk", "minio-msk", "minio-msk", 80);
        check("http://minio:80", "http://minio", "minio", "minio", 80);
        check("https://minio:443/", "https://minio", "minio", "minio", 443);
        check("https://minio:80", "https://minio:80", "minio", "minio", 80);
        check(
            "HTTPS://MSK.Films.Example",
            "https://msk.films.example",
            "msk.films.example",
            "msk.films.example",
            443,
        );
        check("http://[FD00::0005]:9000", "http://[fd00::5]:9000", "[fd00::5]", "fd00::5", 9000);
        check("http://[::1]", "http://[::1]", "[::1]", "::1", 80);
        check("http://minio_1:9000", "http://minio_1:9000", "minio_1", "minio_1", 9000);
    }

    #[test]
    fn what_is_no_endpoint_says_why() {
        let check = |text: &str, why: &str| {
            assert_eq!(text.parse::<Endpoint>().unwrap_err().why, why, "{text}");
        };
        check("", "must begin with http:// or https://");
        check("minio:9000", "must begin with http:// or https://");
        check("ftp://minio", "must begin with http:// or https://");
        check("http://", "has no host");
        check("http:///", "has no host");
        check("http://:9000", "has no host");
        check("http://user:pass@minio", "must not hold a user name or password");
        check("http://minio/films", "must not have a path");
        check("http://minio//", "must not have a path");
        check("http://minio?x=1", "must not have a query");
        check("http://minio/#top", "must not have a path");
        check("http://minio#top", "must not have a fragment");
        check("http://minio:", "the port must be from 1 to 65535");
        check("http://minio:0", "the port must be from 1 to 65535");
        check("http://minio:65536", "the port must be from 1 to 65535");
        check("http://minio:+80", "the port must be from 1 to 65535");
        check("http://minio:90:90", "has more than one port");
        check("http://fd00::5", "has more than one port");
        check("http://[fd00::5", "the host is not an IPv6 address in brackets");
        check("http://[fe80::1%eth0]:9000", "the host is not an IPv6 address in brackets");
        check("http://[minio]", "the host is not an IPv6 address in brackets");
        check("http://10.0.0", "the host is not an IPv4 address");
        check("http://10.0.0.256", "the host is not an IPv4 address");
        check("http://minio..local", "the host is not a DNS name or an address");
        check("http://minio.", "the host is not a DNS name or an address");
        check("http://-minio", "the host is not a DNS name or an address");
        check("http://mi nio", "the host is not a DNS name or an address");
        check("http://фильмы.example", "the host is not a DNS name or an address");
        check(&format!("http://{}.example", "a".repeat(64)), "the host is not a DNS name or an address");
    }
}
