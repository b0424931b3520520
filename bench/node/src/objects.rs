//! The S3 operations of a node: HEAD of a bucket; GET, HEAD, PUT, DELETE of a film.
//!
//! The request is verified when it comes here. Lists, copies and multipart
//! uploads are not offered.

use std::sync::Arc;

use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, ETAG, EXPIRES, LAST_MODIFIED, RANGE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};

use crate::answer::{Asked, Reply};
use crate::auth::{Policy, Verified, parameter};
use crate::content::Content;
use crate::faults::{Picked, RangeFault};
use crate::inner::{Call, Inner};
use crate::locked;
use crate::refusal::{DELETE_MARKER, Refusal, VERSION_ID};
use crate::replicate::Link;
use crate::select::{Condition, Selection, condition, http_date, range};
use crate::store::{Film, Lookup, Replication, Version, Versioning};
use crate::target::Target;

/// Asks for an honest answer instead of a peer's film; its presence counts, not its value.
const NO_PROXY: HeaderName = HeaderName::from_static("x-minio-source-proxy-request");
const WRONG_ETAG: &str = "\"00000000000000000000000000000bad\"";
/// Query parameters of a signed link that replace headers of the answer.
const OVERRIDES: [(&str, HeaderName); 6] = [
    ("response-content-type", CONTENT_TYPE),
    ("response-content-language", CONTENT_LANGUAGE),
    ("response-expires", EXPIRES),
    ("response-cache-control", CACHE_CONTROL),
    ("response-content-disposition", CONTENT_DISPOSITION),
    ("response-content-encoding", CONTENT_ENCODING),
];

pub(crate) fn reply(
    inner: &Arc<Inner>,
    asked: &Asked,
    picked: &Picked,
    call: &Call,
    verified: Verified,
) -> Result<Reply, Refusal> {
    let version_id = parameter(&asked.uri, "versionId").filter(|id| !id.is_empty() && id != "null");
    match (&asked.method, &asked.target) {
        (&Method::HEAD, Target::Bucket(bucket)) if locked(&inner.store).has_bucket(bucket) => {
            Ok(Reply::empty(StatusCode::OK))
        }
        (&Method::HEAD, Target::Bucket(_)) => Err(Refusal::no_such_bucket()),
        (&Method::GET | &Method::HEAD, Target::Object { bucket, key }) => {
            let needs_more = version_id.is_some() && !inner.manners.reads_versions_as_objects();
            if verified.policy == Policy::NoGetObject || needs_more && verified.policy != Policy::All {
                return Err(Refusal::access_denied());
            }
            let found = find(inner, asked, call, bucket, key, version_id.as_deref());
            read(inner, asked, picked, found, version_id.as_deref())
        }
        (&Method::PUT | &Method::DELETE, Target::Object { .. }) if verified.policy == Policy::ReadOnly => {
            Err(Refusal::access_denied())
        }
        (&Method::PUT, Target::Object { bucket, key }) => put(inner, asked, bucket, key, verified),
        (&Method::DELETE, Target::Object { bucket, key }) => {
            delete(inner, bucket, key, version_id.as_deref())
        }
        (_, Target::Unreadable) => {
            let message = "Object name contains unsupported characters.";
            Err(Refusal::new(StatusCode::BAD_REQUEST, "XMinioInvalidObjectName", message))
        }
        (&Method::GET, _) => Err(Refusal::not_implemented()),
        _ => Err(Refusal::method_not_allowed()),
    }
}

/// Looks here, then silently at the peers, unless the request wants the honest answer.
fn find(
    inner: &Inner,
    asked: &Asked,
    call: &Call,
    bucket: &str,
    key: &str,
    version_id: Option<&str>,
) -> Lookup {
    let here = locked(&inner.store).lookup(bucket, key, version_id);
    let asks_peers = inner.manners.fetches_from_peers() && !asked.headers.contains_key(NO_PROXY);
    if !asks_peers || !matches!(here, Lookup::NoKey | Lookup::NoVersion) {
        return here;
    }
    let peers: Vec<Arc<Inner>> = locked(&inner.links).iter().filter_map(Link::peer).collect();
    for peer in peers {
        let there = locked(&peer.store).lookup(bucket, key, version_id);
        if matches!(there, Lookup::Found(..)) {
            call.proxied_from(&peer.name);
            return there;
        }
    }
    here
}

fn read(
    inner: &Inner,
    asked: &Asked,
    picked: &Picked,
    found: Lookup,
    version_id: Option<&str>,
) -> Result<Reply, Refusal> {
    let (version, film) = match found {
        Lookup::NoBucket => return Err(Refusal::no_such_bucket()),
        Lookup::NoKey => return Err(Refusal::no_such_key()),
        Lookup::NoVersion => return Err(Refusal::no_such_version()),
        Lookup::Deleted(marker) => return Err(deleted(&marker, version_id)),
        Lookup::Found(version, film) => (version, film),
    };
    let condition = condition(&asked.headers, &film.etag, version.modified);
    if condition == Condition::Failed {
        return Err(Refusal::precondition_failed());
    }
    let mut headers = object_headers(inner, &version, &film);
    overrides(&mut headers, asked);
    if picked.wrong_etag {
        headers.insert(ETAG, HeaderValue::from_static(WRONG_ETAG));
    }
    if picked.gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if condition == Condition::NotModified {
        return Ok(Reply { headers, ..Reply::empty(StatusCode::NOT_MODIFIED) });
    }
    part(asked, picked, headers, film)
}

/// Chooses the bytes and says which they are, rightly or as the faults want it.
fn part(asked: &Asked, picked: &Picked, mut headers: HeaderMap, film: Film) -> Result<Reply, Refusal> {
    let size = film.content.size();
    let wanted = asked.headers.get(RANGE).and_then(|value| value.to_str().ok());
    let wanted = wanted.filter(|_| picked.range != RangeFault::Ignored);
    let (status, offset, length) = match range(wanted, size) {
        Selection::Unsatisfiable => return Err(Refusal::invalid_range()),
        Selection::Whole => (StatusCode::OK, 0, size),
        Selection::Part(first, last) => {
            let off = u64::from(picked.range == RangeFault::OneOff);
            let total = size + u64::from(picked.range == RangeFault::WrongTotal);
            insert(&mut headers, CONTENT_RANGE, &format!("bytes {}-{}/{total}", first + off, last + off));
            let status = match picked.range {
                RangeFault::As200 => StatusCode::OK,
                _ => StatusCode::PARTIAL_CONTENT,
            };
            (status, first, last - first + 1)
        }
    };
    headers.insert(CONTENT_LENGTH, length.into());
    let length = if asked.method == Method::HEAD { 0 } else { length };
    Ok(Reply { status, headers, content: film.content, offset, length })
}

/// A deleted film is 404, its marker asked by id 405; both say what they are.
fn deleted(marker: &Version, version_id: Option<&str>) -> Refusal {
    let mut refusal = match version_id {
        None => Refusal::no_such_key(),
        Some(_) => Refusal::method_not_allowed(),
    };
    refusal.headers.insert(DELETE_MARKER, HeaderValue::from_static("true"));
    insert(&mut refusal.headers, VERSION_ID, &marker.id);
    refusal
}

fn object_headers(inner: &Inner, version: &Version, film: &Film) -> HeaderMap {
    let mut headers = HeaderMap::new();
    insert(&mut headers, ETAG, &format!("\"{}\"", film.etag));
    insert(&mut headers, LAST_MODIFIED, &http_date(version.modified));
    insert(&mut headers, CONTENT_TYPE, &film.content_type);
    if locked(&inner.store).versioning == Versioning::On {
        insert(&mut headers, VERSION_ID, &version.id);
    }
    let status = match version.replication {
        Replication::None => return headers,
        Replication::Pending(_) => "PENDING",
        Replication::Completed => "COMPLETED",
        Replication::Replica => "REPLICA",
    };
    insert(&mut headers, HeaderName::from_static("x-amz-replication-status"), status);
    headers
}

fn overrides(headers: &mut HeaderMap, asked: &Asked) {
    for (name, header) in OVERRIDES {
        if let Some(value) = parameter(&asked.uri, name) {
            insert(headers, header, &value);
        }
    }
}

fn put(inner: &Inner, asked: &Asked, bucket: &str, key: &str, verified: Verified) -> Result<Reply, Refusal> {
    if asked.headers.contains_key("x-amz-copy-source") || asked.uri.query().is_some_and(is_multipart) {
        return Err(Refusal::not_implemented());
    }
    let content_type = asked.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let content = Content::Bytes(verified.body);
    let film = Film {
        etag: content.etag(),
        content,
        content_type: content_type.unwrap_or("application/octet-stream").to_owned(),
    };
    let stored = inner.write(bucket, key, Some(film)).ok_or_else(Refusal::no_such_bucket)?;
    let mut reply = Reply::empty(StatusCode::OK);
    insert(&mut reply.headers, ETAG, &format!("\"{}\"", stored.etag));
    if locked(&inner.store).versioning == Versioning::On {
        insert(&mut reply.headers, VERSION_ID, &stored.version_id);
    }
    Ok(reply)
}

fn is_multipart(query: &str) -> bool {
    query.split('&').any(|pair| pair.starts_with("partNumber=") || pair.starts_with("uploadId="))
}

fn delete(inner: &Inner, bucket: &str, key: &str, version_id: Option<&str>) -> Result<Reply, Refusal> {
    let mut reply = Reply::empty(StatusCode::NO_CONTENT);
    if version_id.is_some() {
        if !locked(&inner.store).has_bucket(bucket) {
            return Err(Refusal::no_such_bucket());
        }
        locked(&inner.store).forget(bucket, key, version_id);
        inner.log.changed();
        return Ok(reply);
    }
    let marker = inner.write(bucket, key, None).ok_or_else(Refusal::no_such_bucket)?;
    if locked(&inner.store).versioning == Versioning::On {
        reply.headers.insert(DELETE_MARKER, HeaderValue::from_static("true"));
        insert(&mut reply.headers, VERSION_ID, &marker.version_id);
    }
    Ok(reply)
}

/// A text that is no header value is left out, as Go's server does.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
