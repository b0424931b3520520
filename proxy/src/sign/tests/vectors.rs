//! AWS's own signing test suite, as shipped in the `aws-sigv4` crate's package: every case, both locations.
//!
//! S3 neither normalises a path nor encodes it twice, so those two steps are done here, by the driver, where
//! a case asks for them; all else is the code under test. A suite that is not found fails.

use super::super::canonical::{EMPTY_SHA256, Tail, encode_key, hex, query, request_hash, scope_tail};
use super::super::key::DayKey;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::Command;

const CASES: usize = 40;
/// Cases without a `context.json`: only the header location, and the path is encoded twice.
const DOUBLE_ENCODED: [&str; 2] = ["double-encode-path", "double-url-encode"];
/// Of those, this one's answers were made with three different keys and dates: only its path can be compared.
const INCONSISTENT: &str = "double-encode-path";
const SECRET: &str = super::SECRET;

#[test]
fn every_case_of_the_suite_signs_as_aws_says() {
    let suite = suite_folder();
    let mut names: Vec<String> = std::fs::read_dir(&suite)
        .expect("suite is readable")
        .map(|entry| entry.expect("entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    assert_eq!(names.len(), CASES, "in {}", suite.display());

    let (mut by_query, mut by_header) = (0, 0);
    for name in &names {
        let folder = suite.join(name);
        if DOUBLE_ENCODED.contains(&name.as_str()) {
            double_encoded(name, &folder);
            continue;
        }
        let case = Case::read(&folder);
        case.check(name, &folder, Location::Query);
        by_query += 1;
        case.check(name, &folder, Location::Header);
        by_header += 1;
    }
    let single = CASES - DOUBLE_ENCODED.len();
    assert_eq!((by_query, by_header), (single, single));
}

#[derive(Clone, Copy)]
enum Location {
    Query,
    Header,
}

/// One `request.txt` with its `context.json`.
struct Case {
    request: Request,
    context: Value,
}

struct Request {
    method: String,
    path: String,
    query: Vec<(String, String)>,
    headers: Vec<(String, String)>,
    body: String,
}

impl Case {
    fn read(folder: &Path) -> Self {
        let context = serde_json::from_str(&read(folder, "context.json")).expect("JSON");
        Self { request: Request::parse(&read(folder, "request.txt")), context }
    }

    fn text(&self, pointer: &str) -> &str {
        self.context.pointer(pointer).and_then(Value::as_str).expect(pointer)
    }

    fn flag(&self, name: &str) -> bool {
        self.context.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    fn check(&self, name: &str, folder: &Path, location: Location) {
        let request = &self.request;
        let time: jiff::Timestamp = self.text("/timestamp").parse().expect("RFC 3339");
        let unix_s = u64::try_from(time.as_second()).expect("after 1970");
        let (region, service) = (self.text("/region"), self.text("/service"));
        let day_key = DayKey::for_service(
            self.text("/credentials/secret_access_key"),
            unix_s / 86_400,
            region,
            service,
        );
        let stamp = day_key.stamp(unix_s);

        let mut headers = request.headers.clone();
        let mut pairs = request.query.clone();
        let payload = hex(&Sha256::digest(&request.body).into());
        if request.body.is_empty() {
            assert_eq!(payload.as_str(), EMPTY_SHA256);
        }
        let token = self.context.pointer("/credentials/token").and_then(Value::as_str);
        let token = token.filter(|_| !self.flag("omit_session_token")).map(str::to_owned);
        let prefix = match location {
            Location::Header => {
                headers.push(("X-Amz-Date".to_owned(), stamp.as_str().to_owned()));
                headers.extend(token.map(|token| ("X-Amz-Security-Token".to_owned(), token)));
                if self.flag("sign_body") {
                    headers.push(("x-amz-content-sha256".to_owned(), payload.as_str().to_owned()));
                }
                "header"
            }
            Location::Query => {
                let credential = self.text("/credentials/access_key_id");
                let credential = format!("{credential}/{}{}", day_key.date(), scope_tail(region, service));
                let expires_s = self.context["expiration_in_seconds"].to_string();
                let signed_headers = Tail::new(&borrowed(&headers), payload.as_str()).signed_headers;
                let own = [
                    ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
                    ("X-Amz-Credential", &credential),
                    ("X-Amz-Date", stamp.as_str()),
                    ("X-Amz-Expires", &expires_s),
                    ("X-Amz-SignedHeaders", &signed_headers),
                ];
                pairs.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
                pairs.extend(token.map(|token| ("X-Amz-Security-Token".to_owned(), token)));
                "query"
            }
        };

        let path = if self.flag("normalize") { normalized(&request.path) } else { request.path.clone() };
        let (path, query) = (encode_key(&path), query(&borrowed(&pairs)));
        let tail = Tail::new(&borrowed(&headers), payload.as_str());
        let canonical = [request.method.as_str(), &path, &query, &tail.text].join("\n");
        assert_eq!(canonical, read(folder, &format!("{prefix}-canonical-request.txt")), "{name} {prefix}");

        let hash = request_hash(&request.method, &path, &query, &tail.text);
        let to_sign = read(folder, &format!("{prefix}-string-to-sign.txt"));
        let expected_hash = to_sign.trim_end().lines().last();
        assert_eq!(Some(hash.as_str()), expected_hash, "{name} {prefix}");
        let signature = day_key.sign(&stamp, &scope_tail(region, service), &hash);
        assert_eq!(
            signature.as_str(),
            read(folder, &format!("{prefix}-signature.txt")).trim_end(),
            "{name} {prefix}"
        );
    }
}

impl Request {
    /// The suite's requests hold raw blanks, raw UTF-8 and folded headers; the path is decoded to what it
    /// means.
    fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
        let (line, head) = head.split_once('\n').unwrap_or((head, ""));
        let (method, rest) = line.split_once(' ').expect("method");
        let target = rest.strip_suffix(" HTTP/1.1").expect("version");
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let pair = |pair: &str| {
            let (name, value) = pair.split_once('=').expect("name=value");
            (decoded(name), decoded(value))
        };
        let unfolded = head.replace("\n ", " ");
        let header = |line: &str| {
            let (name, value) = line.split_once(':').expect("name:value");
            (name.to_owned(), value.to_owned())
        };
        Self {
            method: method.to_owned(),
            path: decoded(path),
            query: query.split('&').filter(|pair| !pair.is_empty()).map(pair).collect(),
            headers: unfolded.lines().filter(|line| !line.is_empty()).map(header).collect(),
            body: body.to_owned(),
        }
    }
}

/// Other services encode the encoded path once more: our encoder over the path as it is on the wire.
fn double_encoded(name: &str, folder: &Path) {
    let wire = read(folder, "request.txt");
    let mut words = wire.split(' ');
    let (method, wire_path) = (words.next().expect("method"), words.next().expect("path"));
    let expected = read(folder, "header-canonical-request.txt");
    let path = encode_key(wire_path);
    assert_eq!(Some(path.as_str()), expected.lines().nth(1), "{name}");
    if name == INCONSISTENT {
        return;
    }
    let request = Request::parse(&wire);
    let tail = Tail::new(&borrowed(&request.headers), EMPTY_SHA256);
    assert_eq!([method, &path, "", &tail.text].join("\n"), expected, "{name}");

    let unix_s = 1_620_747_645; // 2021-05-11T15:40:45Z, as in its date header
    let day_key = DayKey::for_service(SECRET, unix_s / 86_400, "us-east-2", "lambda");
    let hash = request_hash(method, &path, "", &tail.text);
    assert_eq!(Some(hash.as_str()), read(folder, "header-string-to-sign.txt").lines().last(), "{name}");
    let signature = day_key.sign(&day_key.stamp(unix_s), &scope_tail("us-east-2", "lambda"), &hash);
    let signed = read(folder, "header-signed-request.txt");
    assert!(signed.contains(&format!("Signature={}", signature.as_str())), "{name}: {}", signature.as_str());
}

fn borrowed(pairs: &[(String, String)]) -> Vec<(&str, &str)> {
    pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let digits = tail.get(..2).filter(|_| *first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        if let Some(byte) = digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}

/// RFC 3986 section 5.2.4 with empty segments dropped, as services other than S3 do it.
fn normalized(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            other => kept.push(other),
        }
    }
    let slash = if path.ends_with('/') && !kept.is_empty() { "/" } else { "" };
    format!("/{}{slash}", kept.join("/"))
}

fn read(folder: &Path, file: &str) -> String {
    let path = folder.join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// Asks cargo where the package of the dependency lies.
fn suite_folder() -> PathBuf {
    let host = cargo(&["-vV"]).expect("cargo runs");
    let host = host.lines().find_map(|line| line.strip_prefix("host: ")).expect("host").to_owned();
    let metadata = ["metadata", "--format-version", "1", "--filter-platform", &host];
    // Offline where that is enough: a test should not need the network only to look around.
    let metadata =
        cargo(&[&metadata[..], &["--offline"]].concat()).or_else(|_| cargo(&metadata)).expect("metadata");
    let metadata: Value = serde_json::from_str(&metadata).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let package =
        packages.iter().find(|package| package["name"] == "aws-sigv4").expect("aws-sigv4 is a dependency");
    let manifest = package["manifest_path"].as_str().expect("path");
    Path::new(manifest).with_file_name("aws-signing-test-suite").join("v4")
}

fn cargo(arguments: &[&str]) -> Result<String, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let out = Command::new(cargo).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let out = out.map_err(|why| why.to_string())?;
    if !out.status.success() {
        return Err(String::from_utf8_lossy(&out.stderr).into_owned());
    }
    String::from_utf8(out.stdout).map_err(|why| why.to_string())
}
