//! What a request is about: a health page, a bucket or an object in one.
//!
//! Reads host and path alone. Path style always works; virtual-host style when
//! the node has a domain and the host is a name under it.

use crate::faults::Scope;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// One of the pages that tell whether the node is well.
    Health,
    /// The list of buckets, which the node does not give.
    Root,
    Bucket(String),
    Object {
        bucket: String,
        key: String,
    },
    /// A path that is not UTF-8 behind its percent signs.
    Unreadable,
}

impl Target {
    pub(crate) fn of(host: Option<&str>, path: &str, domain: Option<&str>, health_pages: &[&str]) -> Self {
        let bucket = domain.zip(host).and_then(|(domain, host)| bucket_of_host(host, domain));
        if bucket.is_none() && health_pages.contains(&path) {
            return Self::Health;
        }
        let Some(path) = percent_decoded(path.strip_prefix('/').unwrap_or(path)) else {
            return Self::Unreadable;
        };
        let (bucket, key) = match (&bucket, path.split_once('/')) {
            (Some(bucket), _) => (*bucket, path.as_str()),
            (None, Some((bucket, key))) => (bucket, key),
            (None, None) => (path.as_str(), ""),
        };
        match (bucket, key) {
            ("", _) => Self::Root,
            (bucket, "") => Self::Bucket(bucket.to_owned()),
            (bucket, key) => Self::Object { bucket: bucket.to_owned(), key: key.to_owned() },
        }
    }

    /// Does a fault of this scope concern the request?
    pub(crate) fn within(&self, scope: Scope, is_head: bool) -> bool {
        match (scope, self) {
            (Scope::All, _) => true,
            (_, Self::Health) => false,
            (Scope::S3, _) | (Scope::Objects, Self::Object { .. }) => true,
            (Scope::Gets, Self::Object { .. }) => !is_head,
            (Scope::Heads, Self::Object { .. }) => is_head,
            _ => false,
        }
    }
}

fn bucket_of_host<'a>(host: &'a str, domain: &str) -> Option<&'a str> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.strip_suffix(domain)?.strip_suffix('.').filter(|bucket| !bucket.is_empty())
}

/// Nothing when the bytes are not UTF-8; a lone percent sign stands for itself.
pub(crate) fn percent_decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let pair = (byte == b'%').then(|| bytes.get(at + 1).zip(bytes.get(at + 2))).flatten();
        if let Some((high, low)) = pair.and_then(|(high, low)| hex_digit(*high).zip(hex_digit(*low))) {
            decoded.push(high << 4 | low);
            at += 3;
        } else {
            decoded.push(byte);
            at += 1;
        }
    }
    String::from_utf8(decoded).ok()
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: &str, path: &str, want: &str) {
        let got = match Target::of(Some(host), path, Some("s3.test"), &["/healthz", "/health"]) {
            Target::Object { bucket, key } => format!("{bucket} {key}"),
            other => format!("{other:?}"),
        };
        assert_eq!(got, want, "{host}{path}");
    }

    #[test]
    fn targets() {
        check("127.0.0.1:9000", "/movies/a/b.mp4", "movies a/b.mp4");
        check("127.0.0.1:9000", "/movies", "Bucket(\"movies\")");
        check("127.0.0.1:9000", "/movies/", "Bucket(\"movies\")");
        check("127.0.0.1:9000", "/", "Root");
        check("127.0.0.1:9000", "/movies/a%20b%2Fc+d", "movies a b/c+d");
        check("127.0.0.1:9000", "/movies//a", "movies /a");
        check("127.0.0.1:9000", "/movies/%ff", "Unreadable");
        check("127.0.0.1:9000", "/movies/100%", "movies 100%");
        check("movies.s3.test", "/a/b.mp4", "movies a/b.mp4");
        check("movies.s3.test:9000", "/", "Bucket(\"movies\")");
        check("s3.test", "/movies/a", "movies a");
        check("127.0.0.1", "/minio/health/live", "minio health/live");
        check("127.0.0.1", "/healthz", "Health");
        check("movies.s3.test", "/health", "movies health");
    }

    #[test]
    fn scopes() {
        let object = Target::Object { bucket: "b".into(), key: "k".into() };
        let bucket = Target::Bucket("b".into());
        for (target, is_head, want) in [
            (&object, false, "Objects Gets S3 All"),
            (&object, true, "Objects Heads S3 All"),
            (&bucket, true, "S3 All"),
            (&Target::Health, false, "All"),
        ] {
            let within: Vec<String> = [Scope::Objects, Scope::Gets, Scope::Heads, Scope::S3, Scope::All]
                .into_iter()
                .filter(|scope| target.within(*scope, is_head))
                .map(|scope| format!("{scope:?}"))
                .collect();
            assert_eq!(within.join(" "), want, "{target:?} {is_head}");
        }
    }
}
