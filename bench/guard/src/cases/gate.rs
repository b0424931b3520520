//! Whole requests in the gate, from the head that Pingora has read to the access line, and a film through it.
//!
//! Absent on purpose: Pingora's own reading, and sockets of another machine.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use watchgate::config::{Source, parse};
use watchgate::decide::watch::Film;
use watchgate::geoip::Databases;
use watchgate::{Gate, Outcome};

use super::fleet::film as film_of;
use super::line::Writer;
use super::node::{FILM_BYTES, node, read, viewer};
use super::{city, line};
use crate::count::{Count, ROUNDS, WARM_UP};

/// Networks in the database.
const NETWORKS: u32 = 4000;
/// Films that are watched, and viewers of each turn: all are met before it is counted.
const TURNS: usize = WARM_UP;
/// A story of some seconds that has not ended by then never will.
const STORY_MAX: Duration = Duration::from_mins(2);
/// Films before those that are counted, and those.
const FILMS: (usize, usize) = (8, 32);

pub(super) fn redirect(count: &mut Count) {
    to_the_end(async {
        let stage = Stage::build("redirect").await;
        for turn in 0..WARM_UP + ROUNDS {
            let (mut session, viewer) = viewer(&stage.listener, &request(turn % TURNS)).await;
            let handled = stage.gate.handle(&mut session);
            let outcome = if turn < WARM_UP { handled.await } else { count.one(handled).await };
            assert_eq!(outcome.expect("a connection that holds"), Outcome::Answered);
            drop(session);
            let answer = read(viewer).await;
            assert!(answer.starts_with(b"HTTP/1.1 302 "), "{}", String::from_utf8_lossy(&answer));
        }
    });
}

pub(super) fn film(count: &mut Count) {
    to_the_end(async {
        let stage = Stage::build("stream").await;
        let (before, counted) = FILMS;
        for turn in 0..before + counted {
            let (mut session, viewer) = viewer(&stage.listener, &request(0)).await;
            let viewer = tokio::spawn(read(viewer));
            let handled = stage.gate.handle(&mut session);
            let outcome = if turn < before { handled.await } else { count.one(handled).await };
            assert_eq!(outcome.expect("a connection that holds"), Outcome::Answered);
            drop(session);
            let answer = viewer.await.expect("an answer");
            assert!(answer.starts_with(b"HTTP/1.1 200 ") && answer.len() as u64 > FILM_BYTES, "a whole film");
        }
    });
}

/// All in one thread, in the same order every time.
fn to_the_end(story: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ended = runtime.block_on(async { tokio::time::timeout(STORY_MAX, story).await });
    ended.expect("answers to all requests within two minutes");
}

/// A gate with five nodes, all of which are up, and a listener for its viewers.
struct Stage {
    gate: Arc<Gate>,
    listener: TcpListener,
    _writer: Writer,
    _running: watch::Sender<bool>,
}

impl Stage {
    async fn build(mode: &str) -> Self {
        let text = config(mode, node().await);
        let config = parse(&Source { text: &text, path: None, env: &BTreeMap::new() });
        let database = ("made".to_owned(), city::made(NETWORKS));
        let databases = Databases::from_bytes(vec![database]).expect("a sound database");
        let (log, writer) = line::log();
        let config = config.expect("a good configuration").config;
        let gate = Gate::new(config, databases, &prometheus::Registry::new()).expect("a gate");
        let gate = Arc::new(gate.with_access_log(log));
        let (running, shutdown) = watch::channel(false);
        tokio::spawn(Arc::clone(&gate).run(shutdown));
        while gate.readiness().is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        Self { gate, listener, _writer: writer, _running: running }
    }
}

fn config(mode: &str, node: SocketAddr) -> String {
    let mut text = format!(
        "[viewer]\ntrusted_proxies = [\"127.0.0.0/8\"]\n[geoip]\nhome = {{ lat = 52.0, lon = 5.0 }}\n\
         [bucket]\nname = \"movies\"\n[watch]\nmode = \"{mode}\"\n[presence]\npositive_ttl = \"24h\"\n"
    );
    for (number, lat) in [50.0, 40.0, 1.0, -23.0, -33.0].iter().enumerate() {
        // Writing to a String does not fail.
        let _ = write!(
            text,
            "[[node]]\nid = \"n{number}\"\nendpoint = \"http://{node}\"\npublic_url = \"https://n{number}.films.example\"\n\
             at = {{ lat = {lat:.1}, lon = {lat:.1} }}\naccess_key = \"gate\"\nsecret_key = \"gate-secret\"\n"
        );
    }
    text
}

/// As a browser sends it through a proxy.
fn request(turn: usize) -> String {
    let turn = u32::try_from(turn).expect("a small number");
    let film = Film::from_bytes(film_of(turn));
    let viewer = city::network(turn * (NETWORKS / u32::try_from(TURNS).expect("a small number")));
    format!(
        "GET /watch/{film} HTTP/1.1\r\nHost: films.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\
         Accept: */*\r\nAccept-Encoding: gzip\r\nReferer: https://films.example/\r\nX-Forwarded-For: {viewer}\r\n\
         X-Forwarded-Proto: https\r\nConnection: close\r\n\r\n"
    )
}
