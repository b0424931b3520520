//! Junk on the wire: an answer or an end within bounded time, and the next honest viewer is served.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::*;

/// Sends bytes, ends the sending side, and reads what comes until the end.
async fn throw(gate: &TestGate, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(gate.addr).await.expect("connected");
    let mut got = Vec::new();
    let talk = async {
        // The gate may have hung up already.
        let _ = stream.write_all(bytes).await;
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut got).await;
    };
    assert!(tokio::time::timeout(PATIENCE, talk).await.is_ok(), "it hangs: {bytes:?}");
    got
}

#[tokio::test]
async fn junk_on_the_wire_hurts_nobody() {
    let ([ams, ..], gate) = three().await;
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(64));
    let header = "[A-Za-z-]{1,20}: [ -~]{0,40}\r\n";
    let any = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..400),
        (".{0,60}", proptest::collection::vec(header, 0..6)).prop_map(|(path, headers)| {
            format!("GET /watch/{path} HTTP/1.1\r\n{}\r\n", headers.concat()).into_bytes()
        }),
    ];
    for _ in 0..200 {
        let bytes = any.new_tree(&mut runner).expect("a value").current();
        let got = throw(&gate, &bytes).await;
        let status =
            got.split(|byte| *byte == b' ').nth(1).map(|status| String::from_utf8_lossy(status).into_owned());
        let fine = status.is_none_or(|status| status.starts_with('4') || status == "302" || status == "204");
        assert!(fine, "{:?} gave {:?}", String::from_utf8_lossy(&bytes), String::from_utf8_lossy(&got));
    }
    assert!(gate.watch(AMSTERDAM).await.leads_to(&ams), "the next honest viewer is served");
}

#[tokio::test]
async fn hostile_headers_are_read_and_survived() {
    let (_nodes, gate) = three().await;
    let long = "1.1.1.1,".repeat(20_000);
    for header in [
        format!("X-Forwarded-For: {long}"),
        "X-Forwarded-For: \u{7f}\u{1}".to_owned(),
        "X-Forwarded-For: [::1".to_owned(),
        "X-Request-Id: a\tb".to_owned(),
        format!("Accept: {}", "application/json;q=0.1,".repeat(5_000)),
        "Origin: null\r\nOrigin: https://x".to_owned(),
    ] {
        let request =
            format!("GET /watch/{FILM} HTTP/1.1\r\nHost: x\r\n{header}\r\nConnection: close\r\n\r\n");
        let got = throw(&gate, request.as_bytes()).await;
        let got = String::from_utf8_lossy(&got);
        assert!(got.starts_with("HTTP/1.1 302") || got.starts_with("HTTP/1.1 4"), "{header:.60}: {got:.200}");
    }
}
