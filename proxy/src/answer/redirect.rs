//! A chosen node as an answer: `302` with a link, or the link as JSON for those who ask for JSON.
//!
//! The link is bound to the method and to the node's public address. Absent on purpose: the choice.

use bytes::Bytes;
use pingora::{OrErr, Result};
use serde::Serialize;

use super::{Answer, Asking, Framing};
use crate::decide::resume::Identity;
use crate::decide::watch::{Film, Method};

/// A link and what it leads to.
#[derive(Clone, Copy, Debug)]
pub struct Link<'a> {
    /// The presigned URL.
    pub url: &'a str,
    /// The method it is signed for.
    pub method: Method,
    /// The film.
    pub film: &'a Film,
    /// The node's id.
    pub node: &'a str,
    /// The last Unix second at which the node takes it.
    pub expires_at_s: u64,
    /// What the node holds, if it is known.
    pub version: Option<&'a Identity>,
}

#[derive(Serialize)]
struct LinkJson<'a> {
    film: &'a Film,
    node: &'a str,
    url: &'a str,
    method: &'static str,
    expires_at: String,
    size: Option<u64>,
    etag: Option<&'a str>,
    version_id: Option<&'a str>,
}

/// `302 Found` with the link.
///
/// # Errors
/// As [`Asking::head`], or if the link is no field value, which percent-encoding rules out.
pub fn redirect(link: &Link<'_>, asking: &Asking<'_>) -> Result<Answer> {
    let mut head = asking.head(http::StatusCode::FOUND, Framing::of(0))?;
    head.add("Location", link.url)?;
    Ok(Answer { head, body: Bytes::new(), close: false })
}

/// `200 OK` with the link as JSON.
///
/// # Errors
/// As [`Asking::head`].
pub fn link(link: &Link<'_>, asking: &Asking<'_>) -> Result<Answer> {
    let json = LinkJson {
        film: link.film,
        node: link.node,
        url: link.url,
        method: link.method.as_str(),
        expires_at: crate::clock::rfc3339(link.expires_at_s * 1000),
        size: link.version.map(|version| version.size),
        etag: link.version.map(|version| &*version.etag),
        version_id: link.version.and_then(|version| version.version_id.as_deref()),
    };
    let body = Bytes::from(serde_json::to_vec(&json).or_err(pingora::InternalError, "link as JSON")?);
    let mut head = asking.head(http::StatusCode::OK, Framing::of(body.len() as u64))?;
    head.add("Content-Type", "application/json")?;
    let body = if asking.head_only { Bytes::new() } else { body };
    Ok(Answer { head, body, close: false })
}
