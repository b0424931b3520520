//! A database that is slow, stops, freezes, and comes back.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use watchgate::catalog::{Look, NoAnswer};

use crate::gates::{PATIENCE, eventually};
use crate::server::{QUERY, Server, programs};
use crate::support::{A, Asked, B, C, config, key};

#[tokio::test]
async fn known_films_go_on_without_the_database() {
    let Some(programs) = programs("known_films_go_on_without_the_database") else { return };
    let mut server = Server::start(programs).await;
    server.films(&[(A, Some("a.mp4")), (B, Some("b.mp4")), (C, Some("c.mp4"))]).await;
    let log = server.log();
    let mut config = config(&server.url(), QUERY);
    config.ttl = Duration::from_millis(200);
    let asked = Asked::open(config);
    assert_eq!(asked.find(A).await, Ok(key("a.mp4")));
    assert_eq!(asked.find(B).await, Ok(key("b.mp4")));
    let up = || asked.metric("watchgate_catalog_database_up", "");
    assert!(up() > 0.5);

    server.stop();
    for _ in 0..3 {
        assert_eq!(asked.find(C).await, Err(NoAnswer::Database));
        assert_eq!(asked.find(A).await, Ok(key("a.mp4")));
        assert_eq!(asked.find(B).await, Ok(key("b.mp4")));
    }
    // Well past the time for which they are believed.
    let long_ago = Instant::now();
    eventually("ten times the ttl", || {
        assert_eq!((asked.look(A), asked.look(B)), (key("a.mp4"), key("b.mp4")));
        long_ago.elapsed() > Duration::from_secs(2)
    })
    .await;
    assert_eq!((up(), log.of("WARN").len()), (0.0, 1), "{}", log.text());

    server.run().await;
    assert_eq!(asked.find(C).await, Ok(key("c.mp4")), "without a restart of ours");
    assert_eq!((up(), log.of("WARN").len(), log.of("INFO").len()), (1.0, 1, 1), "{}", log.text());
    assert!(!log.text().contains("gate-secret"));
}

#[tokio::test]
async fn a_known_film_finds_out_that_the_database_is_back() {
    let Some(programs) = programs("a_known_film_finds_out_that_the_database_is_back") else { return };
    let mut server = Server::start(programs).await;
    server.films(&[(A, Some("a.mp4"))]).await;
    let mut config = config(&server.url(), QUERY);
    config.ttl = Duration::from_millis(200);
    let asked = Asked::open(config);
    asked.ask(A).await.expect("a key");
    server.stop();
    assert_eq!(asked.find(B).await, Err(NoAnswer::Database));
    server.run().await;
    server.films(&[(A, Some("new.mp4"))]).await;
    let seen = || matches!(asked.look(A), Look::Ask) || asked.look(A) == key("new.mp4");
    eventually("the film is refreshed", seen).await;
    assert_eq!(asked.find(A).await, Ok(key("new.mp4")));
}

#[tokio::test]
async fn a_frozen_database_costs_the_time_limit_and_no_more() {
    let Some(programs) = programs("a_frozen_database_costs_the_time_limit_and_no_more") else { return };
    let server = Server::start(programs).await;
    server.films(&[(A, Some("a.mp4")), (B, Some("b.mp4"))]).await;
    let mut config = config(&server.url(), QUERY);
    config.timeout = Duration::from_millis(500);
    let asked = Asked::open(config);
    eventually_found(&asked, A).await;
    server.signal("STOP");
    for _ in 0..2 {
        let started = Instant::now();
        assert_eq!(asked.find(B).await, Err(NoAnswer::Timeout));
        let took = started.elapsed();
        assert!(took >= Duration::from_millis(450) && took < Duration::from_secs(10), "{took:?}");
        assert_eq!(asked.look(A), key("a.mp4"));
    }
    server.signal("CONT");
    eventually_found(&asked, B).await;
    assert!(asked.questions("timeout") >= 2.0);
}

/// A question may take longer than this story's limit on a busy machine.
async fn eventually_found(asked: &Asked, film: &str) {
    let wait = async { while asked.find(film).await.is_err() {} };
    tokio::time::timeout(PATIENCE, wait).await.expect("found in time");
}

#[tokio::test]
async fn a_slow_query_is_cut_at_the_server_too() {
    let Some(programs) = programs("a_slow_query_is_cut_at_the_server_too") else { return };
    let server = Server::start(programs).await;
    let mut config = config(
        &server.url(),
        "SELECT file_path FROM content.film_work, pg_sleep(600) WHERE $1::uuid IS NOT NULL",
    );
    config.timeout = Duration::from_secs(1);
    server.films(&[(A, Some("a.mp4"))]).await;
    let asked = Asked::open(config);
    assert_eq!(asked.find(A).await, Err(NoAnswer::Timeout));
    let admin = server.admin().await;
    let sql =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'watchgate' AND state = 'active'";
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let cut = async {
        loop {
            ticks.tick().await;
            let active: i64 = admin.query_one(sql, &[]).await.expect("a number").get(0);
            if active == 0 {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, cut).await.expect("the server stops working in time");
}

#[tokio::test]
async fn running_warns_before_a_viewer_comes() {
    let Some(programs) = programs("running_warns_before_a_viewer_comes") else { return };
    let mut server = Server::start(programs).await;
    server.stop();
    let log = server.log();
    let asked = Asked::open(config(&server.url(), QUERY));
    let (stop, shutdown) = watch::channel(false);
    let story = async {
        eventually("a warning", || !log.of("WARN").is_empty()).await;
        stop.send_replace(true);
    };
    let both = async { tokio::join!(asked.catalog.run(shutdown), story) };
    tokio::time::timeout(PATIENCE, both).await.expect("it ends with the gate");
    assert!(log.of("WARN")[0].contains("Connection refused"), "{}", log.text());
}
