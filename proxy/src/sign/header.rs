//! Header signatures, for requests that the gate itself sends: probes, presence checks, the pump.
//!
//! The payload hash is that of an empty body, not `UNSIGNED-PAYLOAD`: it is a constant, so it costs nothing,
//! it is what every SDK sends with GET and HEAD and so what every store has seen, and it binds the request to
//! having no body. Nothing of a viewer's request comes in here.

use super::canonical::{self, ALGORITHM, EMPTY_SHA256, Tail};
use super::{DayKey, Method, Target};
use std::fmt;

/// What is asked of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource<'a> {
    /// The bucket itself.
    Bucket,
    /// An object, by its key (not encoded).
    Object(&'a str),
}

/// One request to be signed in its headers.
#[derive(Clone, Copy, Debug)]
pub struct HeaderRequest<'a> {
    /// The only method for which the signature holds.
    pub method: Method,
    /// The bucket or an object.
    pub resource: Resource<'a>,
    /// Query parameters, not encoded, in any order; e.g. `versionId`.
    pub query: &'a [(&'a str, &'a str)],
    /// Headers to sign beside our own four; they must be sent as given. Needed for `x-amz-*` alone, which
    /// some stores refuse unsigned; `Range` and the conditional headers need no signature.
    pub headers: &'a [(&'a str, &'a str)],
    /// Now, in unix seconds; nodes allow their clock 15 minutes of difference.
    pub unix_s: u64,
}

/// What has to be sent for a node to take the request.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedHeaders {
    /// `Host`
    pub host: String,
    /// `x-amz-date`
    pub x_amz_date: String,
    /// `x-amz-content-sha256`
    pub x_amz_content_sha256: &'static str,
    /// `Authorization`
    pub authorization: String,
    /// `x-amz-security-token`, if the credential has one.
    pub x_amz_security_token: Option<String>,
    /// Path and query for the request line, encoded: exactly these bytes are signed.
    pub path_and_query: String,
}

impl SignedHeaders {
    /// Every header to send, `host` first, names in lower case; those of [`HeaderRequest::headers`] not among
    /// them.
    pub fn pairs(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let token = self.x_amz_security_token.as_deref().map(|token| (TOKEN, token));
        let own = [
            (HOST, self.host.as_str()),
            (DATE, &self.x_amz_date),
            (CONTENT_SHA256, self.x_amz_content_sha256),
            ("authorization", &self.authorization),
        ];
        own.into_iter().chain(token)
    }
}

/// Names the request, neither signature nor token.
impl fmt::Debug for SignedHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedHeaders")
            .field("host", &self.host)
            .field("path_and_query", &self.path_and_query)
            .field("x_amz_date", &self.x_amz_date)
            .finish_non_exhaustive()
    }
}

const HOST: &str = "host";
const DATE: &str = "x-amz-date";
const CONTENT_SHA256: &str = "x-amz-content-sha256";
const TOKEN: &str = "x-amz-security-token";

impl Target {
    /// Signs a request of our own to this target.
    ///
    /// `key` must cover [`HeaderRequest::unix_s`] and belong to this target's credential and region, or the
    /// node will refuse the request.
    #[must_use]
    pub fn sign_headers(&self, key: &DayKey, request: &HeaderRequest<'_>) -> SignedHeaders {
        debug_assert!(key.covers(request.unix_s), "the key of another day");
        let stamp = key.stamp(request.unix_s);
        let path = self.path_of(request.resource);
        let query = canonical::query(request.query);

        let mut headers = Vec::with_capacity(4 + request.headers.len());
        headers.extend([(HOST, &*self.authority), (DATE, stamp.as_str()), (CONTENT_SHA256, EMPTY_SHA256)]);
        headers.extend(self.session_token.as_deref().map(|token| (TOKEN, token)));
        headers.extend_from_slice(request.headers);
        let tail = Tail::new(&headers, EMPTY_SHA256);

        let hash = canonical::request_hash(request.method.as_str(), &path, &query, &tail.text);
        let signature = key.sign(&stamp, &self.scope_tail, &hash);
        SignedHeaders {
            host: self.authority.clone(),
            x_amz_date: stamp.as_str().to_owned(),
            x_amz_content_sha256: EMPTY_SHA256,
            authorization: [
                ALGORITHM,
                " Credential=",
                &self.access_key,
                "/",
                key.date(),
                &self.scope_tail,
                ", SignedHeaders=",
                &tail.signed_headers,
                ", Signature=",
                signature.as_str(),
            ]
            .concat(),
            x_amz_security_token: self.session_token.clone(),
            path_and_query: if query.is_empty() { path } else { [&path, "?", &query].concat() },
        }
    }

    fn path_of(&self, resource: Resource<'_>) -> String {
        match resource {
            // Without a slash at the end, as the SDKs ask for a bucket.
            Resource::Bucket => self.bucket_root.clone(),
            Resource::Object(key) => {
                let base = &self.object_base[self.path_at..];
                let mut path = String::with_capacity(base.len() + 3 * key.len());
                path.push_str(base);
                canonical::push_key(&mut path, key);
                path
            }
        }
    }
}
