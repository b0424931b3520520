//! Requests that come before the answer to the one before: each is answered, whole and in order.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use watchgate_node::Fault;

use crate::gates::{FILM, PATIENCE};
use crate::support::{Stage, Staging, gets};

const SIZE: u64 = 300_000;

fn request(first: u64) -> String {
    let last = first + 999;
    format!("GET /watch/{FILM} HTTP/1.1\r\nHost: films.test\r\nRange: bytes={first}-{last}\r\n\r\n")
}

/// Reads one answer: its `Content-Range` and its body.
async fn answer(tcp: &mut TcpStream) -> (String, Vec<u8>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(tcp.read_u8().await.expect("a head"));
    }
    let head = String::from_utf8(head).expect("text");
    assert!(head.starts_with("HTTP/1.1 206"), "{head}");
    let field = |name: &str| {
        let line =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix(name).map(str::to_owned));
        line.unwrap_or_else(|| panic!("{name} in {head}")).trim().to_owned()
    };
    let mut body = vec![0; field("content-length:").parse().expect("a number")];
    tcp.read_exact(&mut body).await.expect("a body");
    (field("content-range:"), body)
}

async fn are_answered(stage: &Stage, mut tcp: TcpStream, firsts: &[u64]) {
    for first in firsts {
        let answered = tokio::time::timeout(PATIENCE, answer(&mut tcp)).await;
        let (range, body) = answered.expect("an answer in time");
        assert_eq!(range, format!("bytes {first}-{}/{SIZE}", first + 999));
        assert_eq!(watchgate_node::first_wrong_byte(stage.film.seed, *first, &body), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_come_together_are_answered_in_order() {
    let stage = Staging::new(1, SIZE).up().await;
    let mut tcp = TcpStream::connect(stage.gate.addr).await.expect("a connection");
    let both = request(1000) + &request(200_000) + &request(5);
    tcp.write_all(both.as_bytes()).await.expect("sent");
    are_answered(&stage, tcp, &[1000, 200_000, 5]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_while_a_node_is_waited_for_keeps_its_first_byte() {
    let stage = Staging::new(1, SIZE).stream("first_byte_timeout", "\"20s\"").up().await;
    stage.nodes[0].faults().set(Fault::DelayMs(400).times(1));
    let mut tcp = TcpStream::connect(stage.gate.addr).await.expect("a connection");
    tcp.write_all(request(1000).as_bytes()).await.expect("sent");
    crate::gates::eventually("the node is asked", || !gets(&stage.nodes[0]).is_empty()).await;
    tcp.write_all(request(7000).as_bytes()).await.expect("sent");
    are_answered(&stage, tcp, &[1000, 7000]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn half_of_a_request_that_comes_with_another_one_keeps_every_byte() {
    let stage = Staging::new(1, SIZE).stream("first_byte_timeout", "\"20s\"").up().await;
    stage.nodes[0].faults().set(Fault::DelayMs(400).times(1));
    let mut tcp = TcpStream::connect(stage.gate.addr).await.expect("a connection");
    let second = request(123_456);
    // Within the range: a byte that is lost there makes another range.
    let (begin, end) = second.split_at(second.find("3456").expect("a range"));
    tcp.write_all((request(1000) + begin).as_bytes()).await.expect("sent");
    crate::gates::eventually("the node is asked", || !gets(&stage.nodes[0]).is_empty()).await;
    tcp.write_all(end.as_bytes()).await.expect("sent");
    are_answered(&stage, tcp, &[1000, 123_456]).await;
}
