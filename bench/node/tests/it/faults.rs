//! Every fault as it shows on the wire.

use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use watchgate_node::{Cut, Fault, Node, Rule, Scope, first_wrong_byte};

use crate::client::{Ask, Connection, End, Got};
use crate::{ACCESS, SECRET, SOON, node};

const SIZE: usize = 200_000;

async fn with_film() -> Node {
    let node = node("ams").await;
    node.put_generated("film.mp4", SIZE as u64, 1).unwrap();
    node
}

async fn get(node: &Node, range: Option<&str>) -> Got {
    let ask = Ask::new("GET", "/movies/film.mp4");
    let ask = range.into_iter().fold(ask, |ask, range| ask.with("range", range));
    ask.signed(node).send(node).await
}

/// Opens a connection, asks for the film and reads the head.
async fn open(node: &Node) -> (Connection, Got) {
    let mut connection = Connection::open(node.addr()).await;
    let ask = Ask::new("GET", "/movies/film.mp4").signed(node);
    connection.send(&ask, &node.addr().to_string()).await;
    let head = tokio::time::timeout(SOON, connection.head()).await.expect("a head in time");
    (connection, head)
}

async fn faulty(rule: impl Into<Rule>) -> Node {
    let node = with_film().await;
    node.faults().set(rule);
    node
}

#[tokio::test]
async fn a_fixed_status() {
    for (status, code, retry_after) in [
        (500, "InternalError", None),
        (503, "SlowDownRead", Some("60")),
        (429, "TooManyRequests", Some("60")),
        (403, "AccessDenied", None),
    ] {
        let node = faulty(Fault::Status(status)).await;
        let got = get(&node, None).await;
        assert_eq!((got.status, got.code()), (status, code));
        assert_eq!(got.header("retry-after"), retry_after, "{status}");
        assert!(got.text().contains(code));
        assert_eq!(Ask::new("GET", "/minio/health/live").send(&node).await.status, 200, "health is well");
        let bucket = Ask::new("HEAD", "/movies").signed(&node).send(&node).await;
        assert_eq!(bucket.status, 200, "only films are concerned");
        node.faults().set(Fault::Status(status).on(Scope::All));
        assert_eq!(Ask::new("GET", "/minio/health/live").send(&node).await.status, status);
    }
}

#[tokio::test]
async fn a_late_first_byte() {
    let node = faulty(Fault::DelayMs(200).times(1)).await;
    let started = Instant::now();
    assert_eq!(get(&node, None).await.status, 200);
    assert!(started.elapsed() >= Duration::from_millis(200));
    let lasted_ms = node.seen()[0].lasted_ms.expect("it is finished");
    assert!((200..10_000).contains(&lasted_ms), "{lasted_ms} ms");
}

#[tokio::test]
async fn a_head_that_drips_and_none_at_all() {
    let node = faulty(Fault::DripHead(2000).times(1)).await;
    let started = Instant::now();
    let got = get(&node, None).await;
    let took = started.elapsed();
    assert_eq!((got.status, got.body.len(), got.end), (200, SIZE, End::Whole), "the body does not drip");
    assert_eq!(first_wrong_byte(1, 0, &got.body), None);
    // A head has hundreds of bytes, 2 a millisecond.
    assert!(took >= Duration::from_millis(150), "whole in {took:?}");

    node.faults().set(Fault::HangUp.times(1));
    let mut connection = Connection::open(node.addr()).await;
    connection.send(&Ask::new("GET", "/movies/film.mp4").signed(&node), &node.addr().to_string()).await;
    assert_eq!(connection.read(&mut Vec::new(), 1).await, End::Closed);
    node.wait_until(|node| node.in_flight() == 0, SOON).await.unwrap();
    assert_eq!(node.seen().last().unwrap().status, None);
    assert_eq!(get(&node, None).await.status, 200, "only once");
}

#[tokio::test]
async fn a_body_that_stalls() {
    let node = faulty(Fault::StallAfter(70_000).times(1)).await;
    let (mut connection, head) = open(&node).await;
    assert_eq!(head.header("content-length"), Some("200000"));
    let mut body = Vec::new();
    assert_eq!(connection.read(&mut body, 70_000).await, End::Whole);
    assert_eq!(first_wrong_byte(1, 0, &body), None);
    assert!(connection.is_silent().await);
    assert_eq!(node.in_flight(), 1);
    drop(connection);
    node.wait_until(|node| node.in_flight() == 0, SOON).await.unwrap();
    assert_eq!(node.seen().last().unwrap().sent, 70_000);
    assert_eq!(get(&node, None).await.body.len(), SIZE, "only once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_end_early() {
    for (fault, want) in [
        (Fault::ResetAfter(70_000), (End::Reset, 70_000)),
        (Fault::ResetAfter(0), (End::Reset, 0)),
        (Fault::CloseAfter(70_000), (End::Closed, 70_000)),
        (Fault::CloseAfter(0), (End::Closed, 0)),
        (Fault::ShortBy(1), (End::Closed, SIZE - 1)),
    ] {
        let node = faulty(fault.clone().times(1)).await;
        let got = get(&node, None).await;
        assert_eq!((got.status, got.end, got.body.len()), (200, want.0, want.1), "{fault:?}");
        assert_eq!(got.header("content-length"), Some("200000"), "{fault:?}");
        assert_eq!(first_wrong_byte(1, 0, &got.body), None, "{fault:?}");
        let got = get(&node, None).await;
        assert_eq!((got.end, got.body.len()), (End::Whole, SIZE), "{fault:?} only once");
    }
}

#[tokio::test]
async fn a_body_longer_than_promised() {
    let node = faulty(Fault::LongBy(3).times(1)).await;
    let (mut connection, _) = open(&node).await;
    let mut body = Vec::new();
    assert_eq!(connection.read(&mut body, SIZE + 3).await, End::Whole);
    assert_eq!(&body[SIZE..], b"xxx");
    assert_eq!(first_wrong_byte(1, 0, &body[..SIZE]), None);
}

#[tokio::test]
async fn drips_and_bandwidth() {
    let pace = async |node: &Node, bytes: usize| {
        let (mut connection, _) = open(node).await;
        let started = Instant::now();
        let mut body = Vec::new();
        connection.read(&mut body, bytes).await;
        assert_eq!(first_wrong_byte(1, 0, &body), None);
        started.elapsed()
    };
    let dripping = faulty(Fault::Drip(10)).await;
    let took = pace(&dripping, 4).await;
    assert!(took >= Duration::from_millis(250), "4 bytes at 10 a second in {took:?}");
    let narrow = with_film().await;
    narrow.set_bandwidth(Some(400_000));
    let took = pace(&narrow, SIZE).await;
    assert!(took >= Duration::from_millis(350), "200 kB at 400 kB/s in {took:?}");
    narrow.set_bandwidth(None);
    assert!(pace(&narrow, SIZE).await < took, "the limit is gone");
}

#[tokio::test]
async fn lies_in_the_head() {
    let honest = get(&with_film().await, Some("bytes=10-19")).await;
    let etag = honest.header("etag").unwrap().to_owned();
    let check = async |fault: Fault, status: u16, length: usize, range: Option<&str>| {
        let node = faulty(fault.clone()).await;
        let got = get(&node, Some("bytes=10-19")).await;
        assert_eq!((got.status, got.body.len(), got.end), (status, length, End::Whole), "{fault:?}");
        assert_eq!(got.header("content-range"), range, "{fault:?}");
        let from = if length == SIZE { 0 } else { 10 };
        assert_eq!(first_wrong_byte(1, from, &got.body), None, "{fault:?}: the bytes are the film's");
        assert_eq!(got.header("etag") == Some(&*etag), fault != Fault::WrongEtag, "{fault:?}");
        assert_eq!(got.header("content-encoding").is_some(), fault == Fault::Gzip, "{fault:?}");
        assert_eq!(got.interim.first(), (fault == Fault::EarlyHints).then_some(&103), "{fault:?}");
    };
    check(Fault::IgnoreRange, 200, SIZE, None).await;
    check(Fault::RangeAs200, 200, 10, Some("bytes 10-19/200000")).await;
    check(Fault::WrongContentRange, 206, 10, Some("bytes 11-20/200000")).await;
    check(Fault::WrongTotal, 206, 10, Some("bytes 10-19/200001")).await;
    check(Fault::WrongEtag, 206, 10, Some("bytes 10-19/200000")).await;
    check(Fault::Gzip, 206, 10, Some("bytes 10-19/200000")).await;
    check(Fault::EarlyHints, 206, 10, Some("bytes 10-19/200000")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_killed_and_revived_on_the_same_port() {
    let node = with_film().await;
    let (mut running, _) = open(&node).await;
    let mut body = Vec::new();
    node.refuse().await;
    assert!(TcpStream::connect(node.addr()).await.is_err());
    assert_eq!(running.read(&mut body, SIZE).await, End::Whole, "open connections go on");
    node.revive().await.unwrap();
    assert_eq!(get(&node, None).await.status, 200);

    node.set_bandwidth(Some(100_000));
    let (mut running, _) = open(&node).await;
    node.kill().await;
    assert!(TcpStream::connect(node.addr()).await.is_err());
    let mut body = Vec::new();
    assert_eq!(running.read(&mut body, SIZE).await, End::Closed);
    assert!(body.len() < SIZE);
    assert_eq!((node.in_flight(), node.open_connections()), (0, 0));
    node.revive().await.unwrap();
    node.set_bandwidth(None);
    assert_eq!(get(&node, None).await.body.len(), SIZE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_cut_by_hand() {
    for (cut, want) in [(Cut::Reset, End::Reset), (Cut::Close, End::Closed)] {
        let node = with_film().await;
        node.set_bandwidth(Some(100_000));
        let (mut running, _) = open(&node).await;
        node.cut_connections(cut).await;
        assert_eq!(running.read(&mut Vec::new(), SIZE).await, want);
        assert!(TcpStream::connect(node.addr()).await.is_ok(), "the port is open");
    }
}

#[tokio::test]
async fn a_frozen_node_accepts_and_never_answers() {
    let node = with_film().await;
    node.set_bandwidth(Some(1_000_000));
    let (mut running, _) = open(&node).await;
    node.freeze();
    let mut health = Connection::open(node.addr()).await;
    health.send(&Ask::new("GET", "/minio/health/cluster/read"), "ams").await;
    assert!(health.is_silent().await, "not even health");
    let mut body = Vec::new();
    let rest = running.read(&mut body, SIZE);
    assert!(tokio::time::timeout(Duration::from_millis(400), rest).await.is_err(), "the film stands still");
    assert!(body.len() < SIZE);
    node.thaw();
    assert_eq!(health.receive("GET").await.status, 200, "it goes on where it stood");
    assert_eq!(running.read(&mut body, SIZE).await, End::Whole);
    assert_eq!(first_wrong_byte(1, 0, &body), None);
}

#[tokio::test]
async fn a_reader_that_takes_nothing_is_let_go() {
    let builder = Node::builder("ams").credential(ACCESS, SECRET).bucket("movies");
    let node = builder.write_timeout(Duration::from_millis(200)).start().await.unwrap();
    node.put_generated("film.mp4", 1 << 30, 1).unwrap();
    let (mut paused, _) = open(&node).await;
    node.wait_until(|node| node.in_flight() == 0, SOON).await.unwrap();
    let sent = node.seen().last().unwrap().sent;
    let mut body = Vec::new();
    let end = tokio::time::timeout(SOON, paused.read(&mut body, 1 << 30)).await.unwrap();
    assert_eq!(end, End::Closed, "what the kernels held, then a clean end");
    assert!(!body.is_empty() && body.len() as u64 <= sent);
    assert_eq!(first_wrong_byte(1, 0, &body), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_node_leaves_nothing_behind() {
    let node = with_film().await;
    node.set_bandwidth(Some(10_000));
    let (mut running, _) = open(&node).await;
    let addr = node.addr();
    drop(node);
    let end = tokio::time::timeout(SOON, running.read(&mut Vec::new(), SIZE)).await.unwrap();
    assert_eq!(end, End::Closed);
    let refused = async { while TcpStream::connect(addr).await.is_ok() {} };
    tokio::time::timeout(SOON, refused).await.expect("the port is closed");
}
