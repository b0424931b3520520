//! A database behind TLS: it is believed if its certificate is, and not otherwise.
//!
//! Whom a catalog trusts is a matter of its process, so one half of the story is a process of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use watchgate::catalog::NoAnswer;

use crate::server::{GATE, QUERY, Server, programs};
use crate::support::{A, Asked, config, key};

const URL: &str = "WATCHGATE_TEST_CATALOG_URL";

/// For `localhost`, by itself: no authority stands behind it.
fn certificate() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stream/tls/localhost.crt")
}

#[tokio::test]
async fn a_database_is_believed_by_its_certificate() {
    let Some(programs) = programs("a_database_is_believed_by_its_certificate") else { return };
    let mut server = Server::start(programs).await;
    server.films(&[(A, Some("a.mp4"))]).await;
    server.stop();
    server.certify(&certificate());
    server.run().await;
    let url = |host: &str, sslmode: &str| {
        format!("postgres://{}:{}@{host}:{}/postgres?sslmode={sslmode}", GATE.0, GATE.1, server.port())
    };
    let log = server.log();
    for sslmode in ["prefer", "require"] {
        log.clear();
        let asked = Asked::open(config(&url("localhost", sslmode), QUERY));
        assert_eq!(asked.find(A).await, Err(NoAnswer::Database));
        assert!(log.of("WARN")[0].contains("certificate"), "{}", log.text());
        assert!(log.of("WARN")[0].contains("sslmode=disable"), "{}", log.text());
    }
    let plain = Asked::open(config(&url("localhost", "disable"), QUERY));
    assert_eq!(plain.find(A).await, Ok(key("a.mp4")));

    for (host, is_its_name) in [("localhost", true), ("127.0.0.1", false)] {
        let child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "--ignored", "tls::the_half_that_trusts_it"])
            .env("SSL_CERT_FILE", certificate())
            .env(URL, url(host, "require"))
            .output()
            .expect("it runs");
        let said = String::from_utf8_lossy(&child.stdout);
        assert!(said.contains("running 1 test"), "{said}");
        assert_eq!(child.status.success(), is_its_name, "{host}: {said}");
    }
}

#[tokio::test]
#[ignore = "run by the story above, in an environment of its own"]
async fn the_half_that_trusts_it() {
    let url = std::env::var(URL).expect("the story's URL");
    let asked = Asked::open(config(&url, QUERY));
    assert_eq!(asked.find(A).await, Ok(key("a.mp4")));
}
