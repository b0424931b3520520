//! Signs what the gate asks of a node and what it hands to a viewer: AWS Signature Version 4, S3 flavour.
//!
//! The path is percent-encoded once and never normalised, the `host` header is signed with its non-default
//! port. No clock, socket or lock here: time comes in as unix seconds, secrets come in once a day (see
//! [`DayKeys`]). Absent on purpose: chunked uploads, signed bodies, asymmetric signatures, and any service
//! but S3.

mod canonical;
mod header;
mod key;
mod lifetime;
mod presign;

pub use crate::decide::watch::Method;
pub use canonical::encode_key;
pub use header::{HeaderRequest, Resource, SignedHeaders};
pub use key::{DayKey, DayKeys};
pub use lifetime::lifetime_s;
pub use presign::{EXPIRES_MAX_S, LinkTime, link_time};

use std::fmt;
use std::net::Ipv6Addr;

/// How the bucket is named in a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// `host/bucket/key`
    Path,
    /// `bucket.host/key`; the host must be a name that has such labels, not an address.
    VirtualHost,
}

/// Scheme of a node's URL; it decides which port is the default one and is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http`, port 80
    Http,
    /// `https`, port 443
    Https,
}

impl Scheme {
    fn prefix_and_default_port(self) -> (&'static str, &'static str) {
        match self {
            Self::Http => ("http://", ":80"),
            Self::Https => ("https://", ":443"),
        }
    }
}

/// What a [`Target`] is made of.
#[derive(Clone, Copy)]
pub struct TargetParts<'a> {
    /// Scheme of the node's URL.
    pub scheme: Scheme,
    /// Host, or `host:port`; an IPv6 address in brackets. No user name, no path.
    pub authority: &'a str,
    /// Bucket name.
    pub bucket: &'a str,
    /// Where the bucket name goes.
    pub addressing: Addressing,
    /// Region of the credential scope; must be the one that the [`DayKey`] was derived for.
    pub region: &'a str,
    /// Access key id.
    pub access_key: &'a str,
    /// Session token of temporary credentials; empty counts as none.
    pub session_token: Option<&'a str>,
}

/// All of a signature that does not change from request to request: one node under one name, one credential.
///
/// Made when a snapshot is built. A node whose viewers reach it by another URL than the gate has two.
#[derive(Clone)]
pub struct Target {
    /// `https://host:port/bucket/`, what an object's URL begins with.
    object_base: String,
    /// Where the path starts in `object_base`.
    path_at: usize,
    /// `/bucket`, or `/` where the bucket is in the host.
    bucket_root: String,
    authority: String,
    access_key: String,
    session_token: Option<String>,
    /// What follows the date in a credential scope: `/region/s3/aws4_request`.
    scope_tail: String,
    link: presign::LinkParts,
}

impl Target {
    /// Joins and encodes the parts.
    ///
    /// The host is put in lower case, an IPv6 address in its short form, and a default port is dropped, as
    /// browsers do before they send `Host`: signed as written, such a link would be refused.
    #[must_use]
    pub fn new(parts: TargetParts<'_>) -> Self {
        let (prefix, default_port) = parts.scheme.prefix_and_default_port();
        let host = as_browsers_write(parts.authority.strip_suffix(default_port).unwrap_or(parts.authority));
        let (authority, bucket_path) = match parts.addressing {
            Addressing::VirtualHost => {
                (format!("{}.{host}", parts.bucket).to_ascii_lowercase(), String::new())
            }
            Addressing::Path => (host, format!("/{}", encode_key(parts.bucket))),
        };
        let session_token = parts.session_token.filter(|token| !token.is_empty());
        let object_base = format!("{prefix}{authority}{bucket_path}/");
        Self {
            path_at: prefix.len() + authority.len(),
            bucket_root: if bucket_path.is_empty() { "/".to_owned() } else { bucket_path },
            link: presign::LinkParts::new(
                &object_base,
                &authority,
                parts.access_key,
                parts.region,
                session_token,
            ),
            object_base,
            authority,
            access_key: parts.access_key.to_owned(),
            session_token: session_token.map(str::to_owned),
            scope_tail: canonical::scope_tail(parts.region, canonical::SERVICE),
        }
    }

    /// The `Host` header that every signature of this target covers.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

/// The host in the one form that the WHATWG URL standard gives it; a port stays.
fn as_browsers_write(authority: &str) -> String {
    let address = authority.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let parsed = address.and_then(|(address, port)| Some((address.parse::<Ipv6Addr>().ok()?, port)));
    match parsed {
        // The standard library writes these with dots, browsers do not.
        Some((address, port)) if address.to_ipv4_mapped().is_some() => {
            let [.., high, low] = address.segments();
            format!("[::ffff:{high:x}:{low:x}]{port}")
        }
        Some((address, port)) => format!("[{address}]{port}"),
        None => authority.to_ascii_lowercase(),
    }
}

/// Names the place, never the credential.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("object_base", &self.object_base).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
