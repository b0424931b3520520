//! Who may ask: the signature, its time, the session token, the policy.
//!
//! The signature itself is verified by the crate `s3s`, which shares no line with
//! any signer. Time is judged here, by the node's own clock, which can be wrong
//! on purpose. Only `SigV4` counts; `SigV2`, anonymous access and STS do not.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use hyper::body::Incoming;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil};
use s3s::auth::{S3Auth, SecretKey};
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::route::S3Route;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::validation::NameValidation;
use s3s::{Body, S3Request, S3Response, S3Result};
use serde::Deserialize;

use crate::locked;
use crate::refusal::Refusal;
use crate::target::percent_decoded;

/// AWS S3 API reference, query-parameter authentication: seven days.
const EXPIRES_S_MAX: i64 = 604_800;
/// `MinIO`'s and AWS's fifteen minutes.
const SKEW_MAX: SignedDuration = SignedDuration::from_mins(15);
/// Enough for a demo film, little enough for a test machine.
const UPLOAD_BYTES_MAX: usize = 1 << 30;

/// What a credential may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// Everything.
    #[default]
    All,
    /// `s3:GetObject` and `s3:ListBucket`: what a front door needs.
    ReadOnly,
    /// Everything but `s3:GetObject`: GET and HEAD of a film are 403.
    NoGetObject,
}

/// One key pair that the node knows.
#[derive(Clone)]
pub struct Credential {
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
    pub(crate) session_token: Option<String>,
    pub(crate) policy: Policy,
}

impl Credential {
    /// A long-lived key pair that may do everything.
    pub fn new(access_key: impl Into<String>, secret_key: impl Into<String>) -> Self {
        Self {
            access_key: access_key.into(),
            secret_key: secret_key.into(),
            session_token: None,
            policy: Policy::All,
        }
    }

    /// Makes the pair a temporary one: requests must carry this token.
    #[must_use]
    pub fn session_token(self, token: impl Into<String>) -> Self {
        Self { session_token: Some(token.into()), ..self }
    }

    /// Limits what the pair may do.
    #[must_use]
    pub fn policy(self, policy: Policy) -> Self {
        Self { policy, ..self }
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("access_key", &self.access_key)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// The credentials of one node, by access key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys(Arc<Mutex<HashMap<String, Credential>>>);

impl Keys {
    pub(crate) fn add(&self, credential: Credential) {
        locked(&self.0).insert(credential.access_key.clone(), credential);
    }

    pub(crate) fn remove(&self, access_key: &str) {
        locked(&self.0).remove(access_key);
    }

    /// Nothing: no such key.
    pub(crate) fn set_policy(&self, access_key: &str, policy: Policy) -> Option<()> {
        locked(&self.0).get_mut(access_key).map(|credential| credential.policy = policy)
    }

    fn find(&self, access_key: &str) -> Option<Credential> {
        locked(&self.0).get(access_key).cloned()
    }
}

/// How a request is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Signed {
    Header { access_key: String },
    Query { access_key: String, signed_headers: String, date: String, signature: String, scope: String },
}

/// What a verified request brings.
pub(crate) struct Verified {
    pub(crate) policy: Policy,
    /// The upload, its checksum verified.
    pub(crate) body: Bytes,
}

/// Verifies requests for one node.
pub(crate) struct Verifier {
    service: S3Service,
    keys: Keys,
}

impl Verifier {
    pub(crate) fn new(keys: Keys) -> Self {
        let mut config = S3Config::default();
        // Time is judged here before, by the node's clock.
        config.presigned_url_max_skew_time_secs = u32::MAX;
        let mut builder = S3ServiceBuilder::new(NoOperations);
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(config))));
        builder.set_auth(SecretOf(keys.clone()));
        builder.set_validation(AnyName);
        builder.set_route(HandOver);
        Self { service: builder.build(), keys }
    }

    /// `skewed`: the node's clock is not the system's, which s3s goes by.
    pub(crate) async fn verify(
        &self,
        now: Timestamp,
        skewed: Skewed,
        request: Request<Incoming>,
    ) -> Result<Verified, Refusal> {
        let (mut parts, body) = request.into_parts();
        let signed = signed(now, &parts, &self.keys)?;
        let access_key = match &signed {
            Signed::Header { access_key } | Signed::Query { access_key, .. } => access_key.clone(),
        };
        let credential = self.keys.find(&access_key).ok_or_else(invalid_access_key)?;
        let token = token(&parts);
        if skewed == Skewed::Yes {
            as_header_signed(&mut parts, &signed);
        }
        let answer = self.service.call(Request::from_parts(parts, Body::from(body))).await;
        let mut answer = answer.map_err(|_| Refusal::of_status(StatusCode::INTERNAL_SERVER_ERROR))?;
        let Some(HandedOver(body)) = answer.extensions_mut().remove() else {
            let document = answer.body().bytes().unwrap_or_default();
            return Err(Refusal::from_document(answer.status(), &String::from_utf8_lossy(&document)));
        };
        if token != credential.session_token {
            let message = "The security token included in the request is invalid";
            return Err(Refusal::new(StatusCode::FORBIDDEN, "InvalidTokenId", message));
        }
        Ok(Verified { policy: credential.policy, body })
    }
}

/// Does the node's clock differ from the system's?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Skewed {
    Yes,
    No,
}

/// The value of a query parameter, decoded.
pub(crate) fn parameter(uri: &Uri, name: &str) -> Option<String> {
    let pairs = uri.query()?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let (_, value) = pairs.into_iter().find(|(have, _)| *have == name)?;
    percent_decoded(&value.replace('+', " "))
}

/// Reads how the request is signed and judges everything about it but the signature.
fn signed(now: Timestamp, parts: &Parts, keys: &Keys) -> Result<Signed, Refusal> {
    if parameter(&parts.uri, "X-Amz-Signature").is_some() {
        return signed_link(now, &parts.uri, keys);
    }
    let text = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let authorization = text("authorization").unwrap_or_default();
    if !authorization.starts_with("AWS4-HMAC-SHA256") {
        return Err(Refusal::access_denied());
    }
    if let Some(date) = text("x-amz-date").and_then(amz_date)
        && now.duration_since(date).abs() > SKEW_MAX
    {
        let message = "The difference between the request time and the server's time is too large.";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "RequestTimeTooSkewed", message));
    }
    let field = |name: &str| {
        let (_, rest) = authorization.split_once(name).unwrap_or_default();
        rest.split(',').next().unwrap_or_default().trim()
    };
    let access_key = field("Credential=").split('/').next().unwrap_or_default().to_owned();
    keys.find(&access_key).ok_or_else(invalid_access_key)?;
    with_host(field("SignedHeaders="))?;
    Ok(Signed::Header { access_key })
}

fn signed_link(now: Timestamp, uri: &Uri, keys: &Keys) -> Result<Signed, Refusal> {
    let value = |name: &str| parameter(uri, name).unwrap_or_default();
    let malformed = |message: &'static str| {
        Refusal::new(StatusCode::BAD_REQUEST, "AuthorizationQueryParametersError", message)
    };
    let (scope, date, signed_headers) =
        (value("X-Amz-Credential"), value("X-Amz-Date"), value("X-Amz-SignedHeaders"));
    let signed_at = amz_date(&date).ok_or_else(|| malformed("X-Amz-Date is not a date"))?;
    let expires_s: i64 =
        value("X-Amz-Expires").parse().map_err(|_| malformed("X-Amz-Expires should be a number"))?;
    if expires_s < 0 {
        return Err(malformed("X-Amz-Expires must be non-negative"));
    }
    if expires_s > EXPIRES_S_MAX {
        return Err(malformed("X-Amz-Expires must be less than a week (in seconds)"));
    }
    let access_key = scope.split('/').next().unwrap_or_default().to_owned();
    keys.find(&access_key).ok_or_else(invalid_access_key)?;
    with_host(&signed_headers)?;
    let age = now.duration_since(signed_at);
    if -age > SKEW_MAX {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "AccessDenied", "Request is not valid yet"));
    }
    if age > SignedDuration::from_secs(expires_s) {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "AccessDenied", "Request has expired"));
    }
    let signature = value("X-Amz-Signature");
    Ok(Signed::Query { access_key, signed_headers, date, signature, scope })
}

/// A signature that leaves the host out would be good for any node.
fn with_host(signed_headers: &str) -> Result<(), Refusal> {
    if signed_headers.split(';').any(|name| name == "host") {
        return Ok(());
    }
    let message = "There were headers present in the request which were not signed";
    Err(Refusal::new(StatusCode::BAD_REQUEST, "AccessDenied", message))
}

/// Rewrites a link into the header form of the same signature.
///
/// s3s judges a link's age by the system's clock. The canonical request of a link
/// is that of an unsigned-payload request without the signature parameter, and
/// for the header form s3s takes any age: so it verifies the same signature, and
/// the node's clock alone has judged the time.
fn as_header_signed(parts: &mut Parts, signed: &Signed) {
    let Signed::Query { signed_headers, date, signature, scope, .. } = signed else { return };
    let query = parts.uri.query().unwrap_or_default().split('&');
    let query: Vec<&str> = query.filter(|pair| !pair.starts_with("X-Amz-Signature=")).collect();
    let target = format!("{}?{}", parts.uri.path(), query.join("&"));
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={signed_headers}, Signature={signature}");
    let (Ok(target), Ok(authorization), Ok(date)) =
        (target.parse(), HeaderValue::from_str(&authorization), HeaderValue::from_str(date))
    else {
        // Then s3s judges the link as it is.
        return;
    };
    parts.uri = target;
    parts.headers.insert(header::AUTHORIZATION, authorization);
    parts.headers.insert("x-amz-date", date);
    parts.headers.insert("x-amz-content-sha256", HeaderValue::from_static("UNSIGNED-PAYLOAD"));
}

fn token(parts: &Parts) -> Option<String> {
    let header = parts.headers.get("x-amz-security-token").and_then(|value| value.to_str().ok());
    header.map(str::to_owned).or_else(|| parameter(&parts.uri, "X-Amz-Security-Token"))
}

fn amz_date(text: &str) -> Option<Timestamp> {
    let date = civil::DateTime::strptime("%Y%m%dT%H%M%SZ", text).ok()?;
    date.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
}

fn invalid_access_key() -> Refusal {
    let message = "The Access Key Id you provided does not exist in our records.";
    Refusal::new(StatusCode::FORBIDDEN, "InvalidAccessKeyId", message)
}

/// The operations are the node's own; s3s only verifies and hands over.
struct NoOperations;

impl s3s::S3 for NoOperations {}

struct SecretOf(Keys);

#[async_trait::async_trait]
impl S3Auth for SecretOf {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let credential = self.0.find(access_key);
        credential
            .map(|credential| SecretKey::from(credential.secret_key))
            .ok_or_else(|| s3s::S3ErrorCode::InvalidAccessKeyId.into())
    }
}

/// In virtual-host style the first step of a key stands where s3s looks for a bucket.
struct AnyName;

impl NameValidation for AnyName {
    fn validate_bucket_name(&self, _: &str) -> bool {
        true
    }
}

#[derive(Clone)]
struct HandedOver(Bytes);

struct HandOver;

#[async_trait::async_trait]
impl S3Route for HandOver {
    fn is_match(&self, _: &Method, _: &Uri, _: &HeaderMap, _: &mut http::Extensions) -> bool {
        true
    }

    async fn call(&self, mut request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        let body = request.input.store_all_limited(UPLOAD_BYTES_MAX).await;
        let body =
            body.map_err(|error| s3s::S3Error::with_source(s3s::S3ErrorCode::IncompleteBody, error))?;
        let mut response = S3Response::new(Body::empty());
        response.extensions.insert(HandedOver(body));
        Ok(response)
    }
}
