//! One HTTP/1.1 exchange for the short commands: connect, ask, read the answer, all before one deadline.
//!
//! Absent on purpose: redirects, keep-alive, compression and requests with a body; whoever needs those has the gate.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The largest answer that is read; the fleet's list is far below.
const BODY_MAX_BYTES: usize = 16 * 1024 * 1024;

/// Where to connect, and what to say there.
pub(crate) struct Question<'a> {
    /// A name or an address, IPv6 without brackets.
    pub(crate) host: &'a str,
    /// The port.
    pub(crate) port: u16,
    /// The trust store, if TLS is to be spoken.
    pub(crate) tls: Option<&'a Arc<rustls::ClientConfig>>,
    /// The method.
    pub(crate) method: Method,
    /// Path and query, encoded.
    pub(crate) path: &'a str,
    /// Headers, `host` among them.
    pub(crate) headers: &'a [(&'a str, &'a str)],
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    /// A header's value, if it is there and text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Why no answer came.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// The name does not resolve.
    #[error("the name does not resolve: {0}")]
    Dns(std::io::Error),
    /// Nobody listens.
    #[error("nothing listens there")]
    Refused,
    /// No connection for another reason.
    #[error("no connection: {0}")]
    Connect(std::io::Error),
    /// The TLS handshake failed.
    #[error("the TLS handshake failed: {0}")]
    Tls(std::io::Error),
    /// The deadline passed.
    #[error("no complete answer within {0:?}")]
    Timeout(Duration),
    /// What was answered is not HTTP, or ended early.
    #[error("the answer broke off: {0}")]
    Broken(String),
}

/// Asks, and waits for the whole answer for at most `timeout`.
pub(crate) async fn exchange(question: &Question<'_>, timeout: Duration) -> Result<Reply, Trouble> {
    tokio::time::timeout(timeout, ask(question)).await.unwrap_or(Err(Trouble::Timeout(timeout)))
}

async fn ask(question: &Question<'_>) -> Result<Reply, Trouble> {
    let addresses: Vec<_> =
        tokio::net::lookup_host((question.host, question.port)).await.map_err(Trouble::Dns)?.collect();
    let stream = TcpStream::connect(&*addresses).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::ConnectionRefused => Trouble::Refused,
        _ => Trouble::Connect(error),
    })?;
    match question.tls {
        None => talk(question, stream).await,
        Some(trust) => {
            let name = ServerName::try_from(question.host.to_owned())
                .map_err(|error| Trouble::Tls(std::io::Error::other(error)))?;
            let stream =
                TlsConnector::from(Arc::clone(trust)).connect(name, stream).await.map_err(Trouble::Tls)?;
            talk(question, stream).await
        }
    }
}

async fn talk<S>(question: &Question<'_>, stream: S) -> Result<Reply, Trouble>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: hyper::Error| Trouble::Broken(error.to_string());
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let mut request = Request::builder().method(&question.method).uri(question.path);
    for (name, value) in question.headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|error| Trouble::Broken(error.to_string()))?;
    let answer = async {
        let (head, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
        let body = Limited::new(body, BODY_MAX_BYTES).collect().await;
        let body = body.map_err(|error| Trouble::Broken(error.to_string()))?.to_bytes();
        Ok(Reply { status: head.status, headers: head.headers, body })
    };
    // The connection does the work, and what goes wrong with it shows in the answer.
    tokio::pin!(answer, connection);
    tokio::select! {
        answer = &mut answer => answer,
        _ = &mut connection => answer.await,
    }
}

/// Trust in the issuers that this machine trusts.
///
/// # Errors
/// There is no issuer to be found, in words.
pub(crate) fn native_trust() -> Result<Arc<rustls::ClientConfig>, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = rustls::RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err("this machine has no trusted certificate issuers (package ca-certificates)".to_owned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// Asks a server that says `answer` and closes.
    async fn asked(answer: &'static [u8]) -> Result<Reply, Trouble> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 1024];
            let read = stream.read(&mut buffer).await.unwrap();
            assert!(
                buffer[..read].starts_with(b"GET /x?y=1 HTTP/1.1\r\nhost: h\r\n"),
                "{:?}",
                &buffer[..read]
            );
            stream.write_all(answer).await.unwrap();
        };
        let question = Question {
            host: "127.0.0.1",
            port,
            tls: None,
            method: Method::GET,
            path: "/x?y=1",
            headers: &[("host", "h")],
        };
        tokio::join!(exchange(&question, Duration::from_secs(10)), server).0
    }

    #[tokio::test]
    async fn whole_answers_are_read_and_broken_ones_are_told() {
        let reply = asked(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: b\r\n\r\nhi").await.unwrap();
        assert_eq!(
            (reply.status, &reply.body[..], reply.header("x-a")),
            (StatusCode::OK, &b"hi"[..], Some("b"))
        );
        let reply = asked(b"HTTP/1.1 503 No\r\nConnection: close\r\n\r\nuntil the end").await.unwrap();
        assert_eq!((reply.status, &reply.body[..]), (StatusCode::SERVICE_UNAVAILABLE, &b"until the end"[..]));
        for bad in [&b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi"[..], b"220 mail\r\n", b""] {
            assert!(matches!(asked(bad).await, Err(Trouble::Broken(_))), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn a_silent_server_costs_the_timeout_and_a_closed_port_nothing() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let ask = |timeout| async move {
            let question =
                Question { host: "127.0.0.1", port, tls: None, method: Method::GET, path: "/", headers: &[] };
            exchange(&question, timeout).await
        };
        assert!(matches!(ask(Duration::from_millis(20)).await, Err(Trouble::Timeout(_))));
        drop(listener);
        assert!(matches!(ask(Duration::from_secs(10)).await, Err(Trouble::Refused)));
    }
}
