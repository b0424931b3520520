//! Bodies: how long they may be, and that they pass whole in either direction without being kept.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_long_is_413_however_it_is_framed() {
    let server = Server::start("api").await;
    let story = Story::with(&[route("/", &[&server], "body_max = \"1KiB\"")]).await;
    let post = "POST /echo HTTP/1.1\r\nHost: films.example\r\n";
    let most = "x".repeat(1024);

    let mut viewer = story.viewer().await;
    viewer.send(&format!("{post}Content-Length: 1024\r\n\r\n{most}")).await;
    assert_eq!(viewer.answer().await.text(), most);
    viewer.send(&format!("{post}Transfer-Encoding: chunked\r\n\r\n400\r\n{most}\r\n0\r\n\r\n")).await;
    assert_eq!(viewer.answer().await.text(), most);
    assert_eq!(server.asked().len(), 2);

    viewer.send(&format!("{post}Content-Length: 1025\r\n\r\n")).await;
    let answer = viewer.answer().await;
    assert_eq!((answer.status, answer.problem().as_str()), (413, "too_large"));
    assert_eq!(answer.field("connection"), Some("close"));
    assert!(answer.text().contains("1024"), "{}", answer.text());
    viewer.send(&"y".repeat(1025)).await;
    assert_eq!(viewer.rest().await, b"");
    assert_eq!(server.asked().len(), 2, "the server heard nothing of it");

    let mut viewer = story.viewer().await;
    viewer
        .send(&format!("{post}Transfer-Encoding: chunked\r\n\r\n400\r\n{most}\r\n1\r\nz\r\n0\r\n\r\n"))
        .await;
    assert_eq!(viewer.answer().await.problem(), "too_large");
    assert_eq!(server.asked().len(), 2, "it never got a whole request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_nothing_is_no_limit() {
    let server = Server::start("api").await;
    let story = Story::with(&[route("/", &[&server], "body_max = \"0KiB\"")]).await;
    let mut viewer = story.viewer().await;
    viewer.send(&format!("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: {BIG}\r\n\r\n")).await;
    let (mut reader, mut writer) = viewer.split().into_split();
    let sent = tokio::spawn(async move {
        for _ in 0..BIG >> 13 {
            writer.write_all(&[b'x'; 1 << 13]).await.expect("the gate reads");
        }
        writer
    });
    let mut status = [0; 12];
    reader.read_exact(&mut status).await.expect("an answer");
    assert_eq!(&status, b"HTTP/1.1 200");
    assert_eq!(server.asked_once().body_bytes, BIG);
    let _writer = sent.await.expect("it is all sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_big_answer_streams() {
    let server = Server::start("api").await;
    let story = Story::with(&[route("/", &[&server], "")]).await;
    let mut viewer = story.viewer().await;
    let answer = viewer.get("/big").await;
    assert_eq!((answer.status, answer.body.len()), (200, BIG));
    assert!(answer.body.iter().all(|byte| *byte == b'x'));
    assert_eq!(viewer.get("/x").await.status, 200, "and the connection goes on");
    assert_eq!(viewer.ask("HEAD", "/x", "").await.status, 200);
    assert_eq!(viewer.get("/x").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_who_stops_in_the_middle_of_a_body_is_408() {
    let server = Server::start("api").await;
    let story = Story::with(&[route("/", &[&server], "read_timeout = \"300ms\"")]).await;
    for framing in ["Content-Length: 10\r\n\r\nhalf", "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"] {
        let mut viewer = story.viewer().await;
        viewer.send(&format!("POST /echo HTTP/1.1\r\nHost: films.example\r\n{framing}")).await;
        let answer = viewer.answer().await;
        // Both sides wait for the same body; whoever gives up first says it.
        assert!([408, 504].contains(&answer.status), "{framing}: {answer:?}");
    }
    assert!(server.asked().is_empty());
}
