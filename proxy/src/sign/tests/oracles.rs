//! Equality with two signers that share no code with ours: the `aws-sigv4` crate's own `sign`, and
//! `rusty-s3`.

use super::super::{
    Addressing, DayKey, HeaderRequest, Method, Resource, Scheme, SignedHeaders, Target, TargetParts,
    encode_key, link_time,
};
use super::{REGION, SECRET};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningInstructions, SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use proptest::prelude::*;
use rusty_s3::S3Action;
use std::time::{Duration, UNIX_EPOCH};

/// One film on one node with one credential.
#[derive(Clone, Debug)]
struct Case {
    https: bool,
    host: String,
    port: Option<u16>,
    virtual_host: bool,
    token: Option<String>,
    access_key: String,
    key: String,
    version: Option<String>,
    method: Method,
    unix_s: u64,
    expires_s: u64,
}

impl Case {
    fn scheme(&self) -> Scheme {
        if self.https { Scheme::Https } else { Scheme::Http }
    }

    fn scheme_name(&self) -> &'static str {
        if self.https { "https" } else { "http" }
    }

    fn authority(&self) -> String {
        self.port.map_or_else(|| self.host.clone(), |port| format!("{}:{port}", self.host))
    }

    fn target(&self) -> Target {
        Target::new(TargetParts {
            scheme: self.scheme(),
            authority: &self.authority(),
            bucket: "movies",
            addressing: if self.virtual_host { Addressing::VirtualHost } else { Addressing::Path },
            region: REGION,
            access_key: &self.access_key,
            session_token: self.token.as_deref(),
        })
    }

    fn day_key(&self) -> DayKey {
        DayKey::derive(SECRET, self.unix_s, REGION)
    }

    fn bucket(&self) -> rusty_s3::Bucket {
        let endpoint = format!("{}://{}", self.scheme_name(), self.authority()).parse().expect("URL");
        let style =
            if self.virtual_host { rusty_s3::UrlStyle::VirtualHost } else { rusty_s3::UrlStyle::Path };
        rusty_s3::Bucket::new(endpoint, style, "movies", REGION).expect("bucket")
    }

    /// Host and port as a browser's URL parser leaves them.
    fn as_sent(&self) -> Self {
        let bucket = Self { virtual_host: false, ..self.clone() }.bucket();
        let url = bucket.base_url();
        Self { host: url.host_str().expect("host").to_owned(), port: url.port(), ..self.clone() }
    }

    fn link(&self) -> String {
        let time = link_time(self.unix_s, 0, self.expires_s);
        self.target().presign(&self.day_key(), self.method, &self.key, self.version.as_deref(), time)
    }

    /// The URL before signing, put together with an encoder of the test's own.
    fn plain_url(&self, query: &[(String, String)]) -> String {
        let (label, folder) = if self.virtual_host { ("movies.", "") } else { ("", "/movies") };
        let path = naive(&self.key, b"/");
        let query: Vec<_> =
            query.iter().map(|(name, value)| format!("{}={}", naive(name, b""), naive(value, b""))).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let (scheme, authority, query) = (self.scheme_name(), self.authority(), query.join("&"));
        format!("{scheme}://{label}{authority}{folder}/{path}{mark}{query}")
    }

    fn by_aws(
        &self,
        settings: SigningSettings,
        url: &str,
        headers: &[(&str, &str)],
        body: SignableBody<'_>,
    ) -> Signed {
        let credentials =
            Credentials::new(self.access_key.as_str(), SECRET, self.token.clone(), None, "test");
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name("s3")
            .time(UNIX_EPOCH + Duration::from_secs(self.unix_s))
            .settings(settings)
            .build()
            .expect("complete");
        let request =
            SignableRequest::new(self.method.as_str(), url, headers.iter().copied(), body).expect("URL");
        let (instructions, signature) = sign(request, &params.into()).expect("signs").into_parts();
        Signed { instructions, signature }
    }
}

struct Signed {
    instructions: SigningInstructions,
    signature: String,
}

fn naive(text: &str, also_plain: &[u8]) -> String {
    let plain =
        |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || also_plain.contains(byte);
    text.bytes().map(|b| if plain(&b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

fn s3_settings(location: SignatureLocation) -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    settings.signature_location = location;
    settings
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\\.mp4",
        "[a-zA-Z0-9 %+()'/.!*~@:?#&=;,$-]{1,60}",
        "(/|//|\\.|\\.\\.|a|%2F|%|ф| ){1,12}",
        "\\PC{1,40}",
        "[\\x00-\\x7f]{1,40}",
        any::<String>(),
    ]
}

/// Host, and whether it can carry a bucket label.
fn host() -> impl Strategy<Value = (String, bool)> {
    let name =
        "[a-zA-Z][a-z0-9]{0,6}(-[a-z0-9]{1,4})?(\\.[a-zA-Z][a-z0-9]{0,8}){0,3}".prop_map(|host| (host, true));
    let v4 = any::<std::net::Ipv4Addr>().prop_map(|address| (address.to_string(), false));
    let v6 = any::<std::net::Ipv6Addr>().prop_map(|address| (format!("[{address}]"), false));
    prop_oneof![2 => name, 1 => v4, 1 => v6]
}

fn case() -> impl Strategy<Value = Case> {
    let port = prop_oneof![
        Just(None),
        Just(Some(80)),
        Just(Some(443)),
        Just(Some(9000)),
        (1..=u16::MAX).prop_map(Some)
    ];
    let node = (any::<bool>(), host(), port, any::<bool>());
    let token = proptest::option::of("[A-Za-z0-9/+=]{1,300}");
    let credential = (token, "[A-Za-z0-9/+_@.-]{3,30}");
    let version =
        proptest::option::of(prop_oneof!["[A-Za-z0-9._-]{1,36}", Just("null".to_owned()), "\\PC{1,12}"]);
    let method = prop_oneof![Just(Method::Get), Just(Method::Head)];
    let time = (0..7_258_118_400_u64, 1..=604_800_u64); // to the year 2200
    (node, credential, key(), version, method, time).prop_map(
        |(
            (https, (host, has_labels), port, virtual_host),
            (token, access_key),
            key,
            version,
            method,
            time,
        )| Case {
            https,
            host,
            port,
            virtual_host: virtual_host && has_labels,
            token,
            access_key,
            key,
            version,
            method,
            unix_s: time.0,
            expires_s: time.1,
        },
    )
}

fn split(link: &str) -> (&str, Vec<(String, String)>) {
    let (base, query) = link.split_once('?').expect("query");
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').expect("name=value");
        (name.to_owned(), value.to_owned())
    };
    (base, query.split('&').map(pair).collect())
}

fn sorted(mut pairs: Vec<(String, String)>) -> Vec<(String, String)> {
    pairs.sort();
    pairs
}

fn aws_link_is_ours(case: &Case) -> Result<(), TestCaseError> {
    let version: Vec<_> =
        case.version.iter().map(|version| ("versionId".to_owned(), version.clone())).collect();
    let mut settings = s3_settings(SignatureLocation::QueryParams);
    settings.expires_in = Some(Duration::from_secs(case.expires_s));
    // The port as written: that a default one is not signed is the oracle's word too.
    let url = Case { host: case.as_sent().host, ..case.clone() }.plain_url(&version);
    let signed = case.by_aws(settings, &url, &[], SignableBody::UnsignedPayload);

    let link = case.link();
    let (base, pairs) = split(&link);
    prop_assert_eq!(base, case.as_sent().plain_url(&[]));
    prop_assert_eq!(pairs.last(), Some(&("X-Amz-Signature".to_owned(), signed.signature)));

    let aws =
        signed.instructions.params().iter().map(|(name, value)| ((*name).to_owned(), naive(value, b"")));
    let version = version.into_iter().map(|(name, value)| (name, naive(&value, b"")));
    prop_assert_eq!(sorted(pairs.clone()), sorted(aws.chain(version).collect()));
    prop_assert_eq!(
        &sorted(pairs[..pairs.len() - 1].to_vec()),
        &pairs[..pairs.len() - 1],
        "sent in canonical order"
    );
    Ok(())
}

fn ours_by_header(case: &Case, query: &[(String, String)], headers: &[(&str, &str)]) -> SignedHeaders {
    let query: Vec<_> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let request = HeaderRequest {
        method: case.method,
        resource: Resource::Object(&case.key),
        query: &query,
        headers,
        unix_s: case.unix_s,
    };
    case.target().sign_headers(&case.day_key(), &request)
}

fn aws_headers_are_ours(
    case: &Case,
    query: &[(String, String)],
    headers: &[(String, String)],
) -> Result<(), TestCaseError> {
    let headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let url = Case { host: case.as_sent().host, ..case.clone() }.plain_url(query);
    let body = SignableBody::Bytes(&[]);
    let signed = case.by_aws(s3_settings(SignatureLocation::Headers), &url, &headers, body);
    let ours = ours_by_header(case, query, &headers);

    let (_, signature) = ours.authorization.rsplit_once('=').expect("signature");
    prop_assert_eq!(signature, &signed.signature);
    let ours: Vec<_> = ours.pairs().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let host = ("host".to_owned(), case.target().authority().to_owned());
    let aws = signed.instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
    prop_assert_eq!(sorted(ours), sorted(aws.chain([host]).collect()));
    Ok(())
}

fn url_survives_a_url_parser(key: &str) -> bool {
    // `rusty-s3` keeps its URL in the WHATWG type, which resolves dot segments.
    !key.split('/').any(|segment| matches!(segment, "." | ".."))
}

/// A version is an ordinary query parameter.
fn with_version<'a, A: S3Action<'a>>(mut action: A, version: Option<&'a str>) -> A {
    if let Some(version) = version {
        action.query_mut().insert("versionId", version);
    }
    action
}

fn rusty_link_is_ours(case: &Case) -> Result<(), TestCaseError> {
    let bucket = case.bucket();
    let credentials = match &case.token {
        Some(token) => rusty_s3::Credentials::new_with_token(&case.access_key, SECRET, token),
        None => rusty_s3::Credentials::new(&case.access_key, SECRET),
    };
    let life = Duration::from_secs(case.expires_s);
    let time = jiff::Timestamp::from_second(i64::try_from(case.unix_s).expect("small")).expect("calendar");
    let version = case.version.as_deref();
    let url = match case.method {
        Method::Get => {
            let action = bucket.get_object(Some(&credentials), &case.key);
            with_version(action, version).sign_with_time(life, &time)
        }
        Method::Head => {
            let action = bucket.head_object(Some(&credentials), &case.key);
            with_version(action, version).sign_with_time(life, &time)
        }
    };
    prop_assert_eq!(case.link(), url.as_str());
    Ok(())
}

proptest! {
    #[test]
    fn links_equal_those_of_aws(case in case()) {
        aws_link_is_ours(&case)?;
    }

    #[test]
    fn header_signatures_equal_those_of_aws(
        case in case(),
        query in prop::collection::vec(("[a-zA-Z][a-zA-Z0-9/ é-]{0,10}", "\\PC{0,12}"), 0..4),
        headers in prop::collection::btree_map(
            "(x-minio|X-Amz-Meta|range|If)-[a-zA-Z]{1,8}", "[!-~]([ -~]{0,20}[!-~])?", 0..4,
        ),
    ) {
        let headers: Vec<_> = headers.into_iter().collect();
        aws_headers_are_ours(&case, &query, &headers)?;
    }

    #[test]
    fn links_equal_those_of_rusty_s3(
        case in case().prop_filter("dot segments", |case| url_survives_a_url_parser(&case.key)),
    ) {
        rusty_link_is_ours(&case)?;
    }

    #[test]
    fn encoding_equals_the_naive_one(key in any::<String>()) {
        prop_assert_eq!(encode_key(&key), naive(&key, b"/"));
    }
}

/// The cases named in bug reports, by hand, so that no run of luck misses them.
#[test]
fn awkward_films_equal_both_oracles() {
    let keys = [
        "plain.mp4",
        "a b.mp4",
        "100%.mp4",
        "100%25.mp4",
        "a+b.mp4",
        "f(1).mp4",
        "it's.mp4",
        "a//b.mp4",
        "/lead.mp4",
        "trail/",
        "a/./b",
        "a/../b",
        "..",
        "ф/🎬.mp4",
        "\0\u{1f}\u{7f}",
        "q?x=1&y=2#z",
        "[x]{y}|z\\^`\"<>",
        "~._-",
        "é",
        "e\u{301}",
    ];
    let hosts = [
        ("h", None),
        ("h", Some(80)),
        ("h", Some(443)),
        ("h", Some(9000)),
        ("[::1]", Some(9000)),
        ("[2001:db8::1]", None),
    ];
    for (key, (host, port), https) in keys
        .iter()
        .flat_map(|key| hosts.map(|host| (key, host)))
        .flat_map(|(k, h)| [(k, h, false), (k, h, true)])
    {
        let case = Case {
            https,
            host: host.to_owned(),
            port,
            virtual_host: false,
            token: Some("IQoJ//b3Jp+Z2luX2VjE==".to_owned()),
            access_key: "AKIDEXAMPLE".to_owned(),
            key: (*key).to_owned(),
            version: Some("3/L4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY".to_owned()),
            method: Method::Head,
            unix_s: 1_709_164_800, // 2024-02-29
            expires_s: 604_800,
        };
        aws_link_is_ours(&case).expect(key);
        aws_headers_are_ours(&case, &[], &[]).expect(key);
        if url_survives_a_url_parser(key) {
            rusty_link_is_ours(&case).expect(key);
        }
    }
}
