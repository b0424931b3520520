//! Nodes behind TLS: the gate streams from those whose certificate it trusts, and from no other.
//!
//! Whom a gate trusts is a matter of its process, so these gates are processes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use watchgate_node::Node;

use crate::gates::{FILM, KEY, PATIENCE, Running, free_port};

/// For `localhost`, by itself: no authority stands behind it.
fn certificate() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stream/tls/localhost.crt")
}

/// Takes TLS off what comes for the node; returns the port.
async fn front(node: &Node, tasks: &mut JoinSet<()>) -> u16 {
    let key = PrivateKeyDer::from_pem_file(certificate().with_extension("key")).expect("a key");
    let chain = vec![CertificateDer::from_pem_file(certificate()).expect("a certificate")];
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .expect("a pair");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let node = node.endpoint().trim_start_matches("http://").to_owned();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((tcp, _)) = listener.accept().await {
            let (acceptor, node) = (acceptor.clone(), node.clone());
            connections.spawn(async move {
                let Ok(mut gate) = acceptor.accept(tcp).await else { return };
                let mut node = TcpStream::connect(&node).await.expect("the node listens");
                // Either side may end it.
                let _ = tokio::io::copy_bidirectional(&mut gate, &mut node).await;
            });
        }
    });
    port
}

/// A gate before the node, and the film's address.
fn gate(port: u16, trusted: Option<&Path>) -> (Running, tempfile::TempDir, String) {
    let (http, admin) = (free_port(), free_port());
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("watchgate.toml");
    let config = format!(
        "[listen]\nhttp = \"127.0.0.1:{http}\"\nadmin = \"127.0.0.1:{admin}\"\n[watch]\nmode = \"stream\"\n\
         [bucket]\nname = \"movies\"\n[[node]]\nid = \"ams\"\nendpoint = \"https://localhost:{port}\"\n\
         at = {{ lat = 52.4, lon = 4.9 }}\naccess_key = \"gate\"\nsecret_key = \"gate-secret\"\n"
    );
    std::fs::write(&file, config).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchgate"));
    command.arg("-c").arg(&file).arg("run").stdout(Stdio::null()).stderr(Stdio::null());
    if let Some(trusted) = trusted {
        command.env("SSL_CERT_FILE", trusted).env_remove("SSL_CERT_DIR");
    }
    let child = command.spawn().expect("the gate starts");
    (Running(child), folder, format!("http://127.0.0.1:{http}/watch/{FILM}"))
}

/// Asks until there is an answer with this status.
async fn until_answered(url: &str, status: u16) -> Vec<u8> {
    let mut ticks = tokio::time::interval(Duration::from_millis(50));
    let answered = async {
        loop {
            ticks.tick().await;
            let Ok(answer) = reqwest::get(url).await else { continue };
            if answer.status() == status {
                return answer.bytes().await.expect("a whole body").to_vec();
            }
        }
    };
    let answer = tokio::time::timeout(PATIENCE, answered).await;
    answer.unwrap_or_else(|_| panic!("{url} is not answered with {status} in time"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_comes_over_tls_from_a_node_that_is_trusted_and_from_no_other() {
    let node = Node::builder("ams").credential("gate", "gate-secret").bucket("movies");
    let node = node.start().await.expect("a node");
    let film: Vec<u8> = (0_u32..1_500_000).flat_map(u32::to_le_bytes).collect();
    node.put(KEY, film.clone(), "video/mp4").expect("the film");
    let mut tasks = JoinSet::new();
    let port = front(&node, &mut tasks).await;

    let (_gate, _folder, url) = gate(port, Some(&certificate()));
    assert!(until_answered(&url, 200).await == film, "the film, byte by byte");

    let gets = || node.seen().iter().filter(|seen| seen.method == "GET").count();
    let before = gets();
    let (_gate, _folder, url) = gate(port, None);
    until_answered(&url, 502).await;
    assert_eq!(gets(), before, "nothing is asked of a node that nobody vouches for");
}
