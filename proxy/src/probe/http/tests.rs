use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;

use super::*;
use crate::probe::fixture::BOUND;
use crate::probe::tls;

const SHORT: Duration = Duration::from_millis(200);

/// What a server does with its one connection, after the request.
enum Server {
    /// Writes this and waits for the end.
    Says(&'static [u8]),
    /// Writes this and ends the connection.
    SaysAndEnds(&'static [u8]),
    /// Writes the first, then the second for ever.
    Repeats(&'static [u8], &'static [u8]),
    /// Writes the first, then a byte of the second now and then.
    Drips(&'static [u8], u8),
}

/// Its address, and how many bytes it got rid of when the peer went.
async fn serve(server: Server) -> (SocketAddr, oneshot::Receiver<usize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (done, wrote) = oneshot::channel();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let mut wrote = 0;
        let _ = stream.read(&mut request).await;
        match server {
            Server::Says(text) => {
                let _ = stream.write_all(text).await;
                while stream.read(&mut request).await.is_ok_and(|read| read > 0) {}
            }
            Server::SaysAndEnds(text) => {
                let _ = stream.write_all(text).await;
            }
            Server::Repeats(first, more) => {
                let mut text = first;
                while stream.write_all(text).await.is_ok() {
                    wrote += text.len();
                    text = more;
                }
            }
            Server::Drips(first, more) => {
                let _ = stream.write_all(first).await;
                let mut pace = tokio::time::interval(Duration::from_millis(5));
                while stream.write_all(&[more]).await.is_ok() {
                    pace.tick().await;
                }
            }
        }
        let _ = done.send(wrote);
    });
    (address, wrote)
}

async fn get(address: SocketAddr, timeout: Duration) -> Result<u16, Failure> {
    let request = Request::get("/").header("host", "ams").body(Empty::new()).unwrap();
    let answer = exchange(Call { address, tls: None, request }, Instant::now() + timeout).await;
    answer.map(|head| head.status.as_u16())
}

async fn get_over_tls(
    address: SocketAddr,
    config: Arc<ClientConfig>,
    timeout: Duration,
) -> Result<u16, Failure> {
    let name = ServerName::try_from("node.test").unwrap();
    let request = Request::get("/").header("host", "node.test").body(Empty::new()).unwrap();
    let answer =
        exchange(Call { address, tls: Some((config, name)), request }, Instant::now() + timeout).await;
    answer.map(|head| head.status.as_u16())
}

#[track_caller]
fn assert_reason(got: &Result<u16, Failure>, expected: Reason) {
    assert!(matches!(got, Err(Failure::Node(reason, _)) if *reason == expected), "{got:?} is not {expected}");
}

#[tokio::test]
async fn good_answers_are_taken() {
    for text in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
    ] {
        let (address, _) = serve(Server::Says(text)).await;
        assert_eq!(get(address, BOUND).await.unwrap(), 200, "{}", text.escape_ascii());
    }
    let (address, _) = serve(Server::SaysAndEnds(b"HTTP/1.0 503 Busy\r\n\r\nuntil the end")).await;
    assert_eq!(get(address, BOUND).await.unwrap(), 503);
}

#[tokio::test]
async fn a_port_where_nobody_listens_refuses() {
    let bound = TcpSocket::new_v4().unwrap();
    bound.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    assert_reason(&get(bound.local_addr().unwrap(), BOUND).await, Reason::Refused);
}

#[tokio::test]
async fn an_end_before_the_answer_is_over_counts_as_refused() {
    for text in [&b""[..], b"HTTP/1.1 200", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nok"] {
        let (address, _) = serve(Server::SaysAndEnds(text)).await;
        assert_reason(&get(address, BOUND).await, Reason::Refused);
    }
}

#[tokio::test]
async fn what_is_not_http_is_a_bad_status() {
    for text in
        [&b"SSH-2.0-OpenSSH_9.2\r\n"[..], b"HTTP/1.1 2000 OK\r\n\r\n", b"\x15\x03\x01\x00\x02\x02\x46"]
    {
        let (address, _) = serve(Server::SaysAndEnds(text)).await;
        assert_reason(&get(address, BOUND).await, Reason::Status);
    }
}

#[tokio::test]
async fn an_endless_head_is_cut_off() {
    for more in [&b"x-more: and more\r\n"[..], b"xxxxxxxxxxxxxxxx"] {
        let (address, wrote) = serve(Server::Repeats(b"HTTP/1.1 200 OK\r\n", more)).await;
        assert_reason(&get(address, BOUND).await, Reason::Status);
        assert!(wrote.await.unwrap() < 64 << 20, "the connection was closed");
    }
}

#[tokio::test]
async fn an_endless_body_is_not_read() {
    let (address, wrote) = serve(Server::Repeats(b"HTTP/1.1 200 OK\r\n\r\n", &[b'x'; 4096])).await;
    assert_eq!(get(address, BOUND).await.unwrap(), 200);
    assert!(wrote.await.unwrap() < 64 << 20, "the connection was closed");
}

#[tokio::test]
async fn the_deadline_holds_for_the_whole() {
    for server in [
        Server::Says(b""),
        Server::Says(b"HTTP/1.1 200 OK\r\n"),
        Server::Says(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nok"),
        Server::Drips(b"HTTP/1.1 200 OK\r\nx-slow: ", b'x'),
        Server::Drips(b"HTTP/1.1 200 OK\r\n\r\n", b'x'),
        Server::Repeats(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n"),
    ] {
        let (address, _) = serve(server).await;
        let got = tokio::time::timeout(BOUND, get(address, SHORT)).await.expect("bounded");
        assert_reason(&got, Reason::Timeout);
    }
}

#[test]
fn a_lack_of_descriptors_is_our_own_fault() {
    let check = |code: i32, ours: bool| {
        let failure = unconnected(&io::Error::from_raw_os_error(code));
        assert_eq!(matches!(failure, Failure::Ours(_)), ours, "{failure:?}");
    };
    check(24, true);
    check(23, true);
    check(111, false);
    check(99, false);
}

mod over_tls {
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{RootCertStore, ServerConfig};
    use tokio_rustls::TlsAcceptor;

    use super::*;

    /// Names node.test, signed by its own key, valid for a hundred years. It guards nothing.
    const CERTIFICATE: &[u8] = include_bytes!("tests/node.test.crt");
    const KEY: &[u8] = include_bytes!("tests/node.test.key");

    fn certificate() -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(CERTIFICATE).unwrap()
    }

    fn trusting_it() -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate()).unwrap();
        tls::trusting(roots).unwrap()
    }

    async fn serve_tls() -> SocketAddr {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::from_pem_slice(KEY).unwrap();
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(stream).await else { return };
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            let _ = stream.read(&mut request).await;
        });
        address
    }

    #[tokio::test]
    async fn a_node_with_a_trusted_certificate_is_asked() {
        assert_eq!(get_over_tls(serve_tls().await, trusting_it(), BOUND).await.unwrap(), 200);
    }

    #[tokio::test]
    async fn a_certificate_that_nobody_vouches_for_is_refused() {
        let mut roots = RootCertStore::empty();
        let other = rustls_native_certs::load_native_certs().certs;
        roots.add_parsable_certificates(other);
        let config = tls::trusting(roots).unwrap();
        assert_reason(&get_over_tls(serve_tls().await, config, BOUND).await, Reason::Tls);
    }

    #[tokio::test]
    async fn a_certificate_for_another_name_is_refused() {
        let address = serve_tls().await;
        let name = ServerName::try_from("other.test").unwrap();
        let request = Request::get("/").body(Empty::new()).unwrap();
        let call = Call { address, tls: Some((trusting_it(), name)), request };
        let got = exchange(call, Instant::now() + BOUND).await;
        assert_reason(&got.map(|head| head.status.as_u16()), Reason::Tls);
    }

    #[tokio::test]
    async fn a_plain_port_fails_the_handshake() {
        let (address, _) = serve(Server::SaysAndEnds(b"HTTP/1.1 400 Bad Request\r\n\r\n")).await;
        assert_reason(&get_over_tls(address, trusting_it(), BOUND).await, Reason::Tls);
    }

    #[tokio::test]
    async fn a_handshake_without_an_end_is_a_time_out() {
        let (address, _) = serve(Server::Says(b"")).await;
        assert_reason(&get_over_tls(address, trusting_it(), SHORT).await, Reason::Timeout);
    }
}
