//! An HTTP client that hides nothing: it tells how the connection ended.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use watchgate_node::Node;

use crate::{ACCESS, SECRET, SOON};

/// How the body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// As long as promised, the connection still open.
    Whole,
    /// The connection was closed short of it.
    Closed,
    /// The connection was reset short of it.
    Reset,
}

#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) interim: Vec<u16>,
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) end: End,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    /// The S3 error code: of the body, or for HEAD of the header.
    pub(crate) fn code(&self) -> &str {
        self.header("x-minio-error-code").or_else(|| self.element("Code")).unwrap_or("")
    }

    pub(crate) fn element(&self, name: &str) -> Option<&str> {
        let body = std::str::from_utf8(&self.body).ok()?;
        let (_, rest) = body.split_once(&format!("<{name}>"))?;
        rest.split_once(&format!("</{name}>")).map(|(text, _)| text)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// A request before it is sent; built up by its methods.
#[derive(Clone)]
pub(crate) struct Ask {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Ask {
    pub(crate) fn new(method: &str, target: &str) -> Self {
        Self { method: method.into(), target: target.into(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn body(self, body: &[u8]) -> Self {
        Self { body: body.into(), ..self }
    }

    /// Signs by header with the test's key, now.
    pub(crate) fn signed(self, node: &Node) -> Self {
        let signer = Signer::default();
        signer.header(self, &node.addr().to_string())
    }

    /// Sends it on a connection of its own and reads the whole answer.
    pub(crate) async fn send(&self, node: &Node) -> Got {
        let mut connection = Connection::open(node.addr()).await;
        connection.send(self, &node.addr().to_string()).await;
        connection.receive(&self.method).await
    }
}

pub(crate) struct Connection {
    pub(crate) stream: TcpStream,
    rest: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(addr: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(addr).await.unwrap(), rest: Vec::new() }
    }

    pub(crate) async fn send(&mut self, ask: &Ask, host: &str) {
        use std::fmt::Write;
        let mut head = format!("{} {} HTTP/1.1\r\n", ask.method, ask.target);
        if !ask.headers.iter().any(|(name, _)| name == "host") {
            write!(head, "host: {host}\r\n").unwrap();
        }
        for (name, value) in &ask.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        if !ask.body.is_empty() {
            write!(head, "content-length: {}\r\n", ask.body.len()).unwrap();
        }
        head.push_str("\r\n");
        self.stream.write_all(head.as_bytes()).await.unwrap();
        self.stream.write_all(&ask.body).await.unwrap();
    }

    pub(crate) async fn receive(&mut self, method: &str) -> Got {
        tokio::time::timeout(SOON, self.receive_at_leisure(method)).await.expect("an answer in time")
    }

    async fn receive_at_leisure(&mut self, method: &str) -> Got {
        let mut got = self.head().await;
        let length = got.header("content-length").map_or(0, |length| length.parse().unwrap());
        let has_body = method != "HEAD" && got.status != 304;
        got.end = self.read(&mut got.body, if has_body { length } else { 0 }).await;
        got
    }

    /// Reads up to the end of the final head.
    pub(crate) async fn head(&mut self) -> Got {
        let mut interim = Vec::new();
        loop {
            let head = self.one_head().await;
            let mut lines = head.split("\r\n");
            let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
            if (100..200).contains(&status) {
                interim.push(status);
                continue;
            }
            let headers = lines.filter_map(|line| line.split_once(": "));
            let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
            return Got { interim, status, headers, body: Vec::new(), end: End::Whole };
        }
    }

    async fn one_head(&mut self) -> String {
        loop {
            if let Some(at) = self.rest.windows(4).position(|four| four == b"\r\n\r\n") {
                let after = self.rest.split_off(at + 4);
                let head = std::mem::replace(&mut self.rest, after);
                return String::from_utf8(head).unwrap();
            }
            let read = self.stream.read_buf(&mut self.rest).await.unwrap();
            assert!(read > 0, "closed before the head was whole: {:?}", self.rest);
        }
    }

    /// Reads until `into` has `length` bytes or the connection ends.
    pub(crate) async fn read(&mut self, into: &mut Vec<u8>, length: usize) -> End {
        tokio::time::timeout(SOON, self.read_at_leisure(into, length)).await.expect("the bytes in time")
    }

    async fn read_at_leisure(&mut self, into: &mut Vec<u8>, length: usize) -> End {
        into.append(&mut self.rest);
        while into.len() < length {
            match self.stream.read_buf(into).await {
                Ok(0) => return End::Closed,
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return End::Reset,
                Err(error) => panic!("{error}"),
            }
        }
        self.rest = into.split_off(length);
        End::Whole
    }

    /// Does nothing come for a while?
    pub(crate) async fn is_silent(&mut self) -> bool {
        let mut byte = [0; 1];
        tokio::time::timeout(Duration::from_millis(150), self.stream.read(&mut byte)).await.is_err()
    }
}

/// What a signature is made of.
#[derive(Clone)]
pub(crate) struct Signer {
    pub(crate) access: &'static str,
    pub(crate) secret: &'static str,
    pub(crate) token: Option<&'static str>,
    /// Seconds from now.
    pub(crate) at_s: i64,
    pub(crate) expires_s: u64,
}

impl Default for Signer {
    fn default() -> Self {
        Self { access: ACCESS, secret: SECRET, token: None, at_s: 0, expires_s: 600 }
    }
}

impl Signer {
    pub(crate) fn header(&self, ask: Ask, host: &str) -> Ask {
        let Ask { method, target, headers, body } = ask;
        let mut request = http::Request::builder().method(&*method).uri(format!("http://{host}{target}"));
        for (name, value) in &headers {
            request = request.header(name, value);
        }
        let mut request = request.body(()).unwrap();
        let mut settings = Self::settings();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        self.apply(settings, SignableBody::Bytes(&body), &mut request);
        let headers = request.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
        Ask { headers: headers.collect(), method, target, body }
    }

    /// Gives path and query of a presigned link.
    pub(crate) fn link(&self, method: &str, host: &str, target: &str) -> String {
        let mut request =
            http::Request::builder().method(method).uri(format!("http://{host}{target}")).body(()).unwrap();
        let mut settings = Self::settings();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(self.expires_s));
        self.apply(settings, SignableBody::UnsignedPayload, &mut request);
        request.uri().path_and_query().unwrap().to_string()
    }

    fn settings() -> SigningSettings {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings
    }

    fn apply(&self, settings: SigningSettings, body: SignableBody<'_>, request: &mut http::Request<()>) {
        let identity =
            Credentials::new(self.access, self.secret, self.token.map(str::to_owned), None, "test").into();
        let offset = Duration::from_secs(self.at_s.unsigned_abs());
        let now = SystemTime::now();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("s3")
            .time(if self.at_s < 0 { now - offset } else { now + offset })
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let method = request.method().to_string();
        let uri = request.uri().to_string();
        let headers: Vec<(String, String)> = request
            .headers()
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let signable = SignableRequest::new(&method, uri, headers, body).unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        instructions.apply_to_request_http1x(request);
    }
}
