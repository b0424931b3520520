//! What the answer to a probe says of the node: the health URL's, and the signed request's.
//!
//! That no answer came at all (refused, time-out, DNS, TLS) is known to whoever sent the probe. Sources:
//! the health handlers and API errors of `MinIO`, the S3 API reference on error codes.

use jiff::fmt::rfc2822::DateTimeParser;

use super::Reason;

/// S3 refuses a signature whose time is farther off than this, both ways (`RequestTimeTooSkewed`).
const SKEW_MAX_S: u64 = 15 * 60;

/// What the answer of the health URL means. `offline_header` is `x-minio-server-status`.
///
/// `MinIO` answers 200 with that header while it starts, and 503 with `iam-offline` and the like. Every success
/// is health; anything else is not, 429 too, which no store's health URL says of itself.
pub fn health_verdict(status: u16, offline_header: Option<&[u8]>) -> Result<(), Reason> {
    const OFFLINE: &[u8] = b"offline";
    let last = offline_header.and_then(|value| value.trim_ascii_end().last_chunk::<{ OFFLINE.len() }>());
    match status {
        _ if last.is_some_and(|word| word.eq_ignore_ascii_case(OFFLINE)) => Err(Reason::OfflineHeader),
        200..=299 => Ok(()),
        _ => Err(Reason::Status),
    }
}

/// What the signed probe asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probed {
    /// HEAD of the bucket.
    Bucket,
    /// The canary object.
    Canary,
}

/// An answer to the signed probe.
#[derive(Clone, Copy, Debug)]
pub struct SignedAnswer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// `X-Minio-Error-Code`, or the `Code` of the XML body if there is one.
    pub error_code: Option<&'a str>,
    /// Of [`clock_skew_s`].
    pub skew_s: Option<i64>,
    /// What was asked for.
    pub probed: Probed,
}

/// What the answer to the signed probe means.
///
/// The cause outranks its effect: a wrong clock comes before the refusals it brings about, and takes a node
/// down even if it answers, because viewers' links to it would not be valid. A server error comes before the
/// clock. 429 is a node whose request slots are all taken: alive, and rank turns viewers away from it by its
/// load; taking it down would push them all onto the next node, which would be full in turn.
pub fn signed_verdict(answer: &SignedAnswer<'_>) -> Result<(), Reason> {
    let skewed = answer.skew_s.is_some_and(|skew_s| skew_s.unsigned_abs() > SKEW_MAX_S);
    match (answer.status, answer.error_code.unwrap_or_default()) {
        (_, "RequestTimeTooSkewed") => Err(Reason::ClockSkew),
        (500.., _) => Err(Reason::Status),
        _ if skewed => Err(Reason::ClockSkew),
        (200..=299 | 429, _) => Ok(()),
        (
            400 | 401 | 403,
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "AuthorizationHeaderMalformed"
            | "InvalidToken"
            | "InvalidTokenId"
            | "ExpiredToken",
        ) => Err(Reason::BadSignature),
        (401 | 403, _) => Err(Reason::Forbidden),
        (404, "NoSuchBucket") => Err(Reason::NoBucket),
        (404, _) => Err(match answer.probed {
            Probed::Bucket => Reason::NoBucket,
            Probed::Canary => Reason::NoCanary,
        }),
        _ => Err(Reason::Status),
    }
}

/// The node's clock minus ours, by the `Date` of an answer (RFC 9110 6.6.1); times of ours are Unix time.
///
/// The header names a whole second, and the node wrote it at some moment between our sending and receiving.
/// Returned is the smallest difference that explains it, in whole seconds towards zero: what this calls skew
/// is skew. `None` if the header is no date.
#[must_use]
pub fn clock_skew_s(date: &[u8], sent_ms: u64, received_ms: u64) -> Option<i64> {
    let second = DateTimeParser::new().parse_timestamp(date.trim_ascii()).ok()?.as_second();
    let first_ms = second.saturating_mul(1_000);
    let [sent_ms, received_ms] = [sent_ms, received_ms].map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
    let least_ms = first_ms.saturating_sub(received_ms.max(sent_ms));
    let most_ms = first_ms.saturating_add(999).saturating_sub(sent_ms);
    Some(if least_ms > 0 { least_ms } else { most_ms.min(0) } / 1_000)
}

/// Requests that a node has in flight by its own word, the answered one among them: the difference between its
/// `X-Ratelimit-Limit` and `X-Ratelimit-Remaining`, which `MinIO` sends with every answer. `None` if they are no numbers.
#[must_use]
pub fn requests_in_flight(limit: &[u8], remaining: &[u8]) -> Option<u32> {
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.trim().parse::<u32>().ok();
    Some(number(limit)?.saturating_sub(number(remaining)?))
}

/// Both probes of a round as one verdict: either alone makes the round bad.
///
/// Of two reasons the more telling one is kept: what stopped us from asking at all, then the cause that
/// explains other failures, and last that something failed or was late, which says nothing of why.
pub fn worst(a: Result<(), Reason>, b: Result<(), Reason>) -> Result<(), Reason> {
    match (a, b) {
        (Err(a), Err(b)) => Err(a.min(b)),
        (bad @ Err(_), Ok(())) | (Ok(()), bad) => bad,
    }
}
