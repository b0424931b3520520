//! What the database says, and what becomes of it.

use std::time::Duration;

use futures_util::future::join_all;
use watchgate::catalog::{Look, NoAnswer};

use crate::gates::eventually;
use crate::server::{COUNTED, QUERY, Server, programs};
use crate::support::{A, Asked, B, C, config, key};

#[tokio::test]
async fn rows_are_keys_and_nothing_is_decoded() {
    let Some(programs) = programs("rows_are_keys_and_nothing_is_decoded") else { return };
    let server = Server::start(programs).await;
    let log = server.log();
    let too_long = "a".repeat(2000);
    let rows = [
        ("films/a.mp4", Ok(key("films/a.mp4"))),
        ("/movies/x.mp4", Ok(key("movies/x.mp4"))),
        ("фильмы/1 серия.mp4", Ok(key("фильмы/1 серия.mp4"))),
        ("%2e%2e/%2Fetc", Ok(key("%2e%2e/%2Fetc"))),
        (" a b ", Ok(key(" a b "))),
        (
            "it's \"it\"; DROP TABLE content.film_work; --",
            Ok(key("it's \"it\"; DROP TABLE content.film_work; --")),
        ),
        ("", Ok(Look::Unknown)),
        ("../../etc/passwd", Err(NoAnswer::BadRow)),
        ("/../x", Err(NoAnswer::BadRow)),
        ("a//b", Err(NoAnswer::BadRow)),
        ("/", Err(NoAnswer::BadRow)),
        ("films/", Err(NoAnswer::BadRow)),
        ("a\r\nSet-Cookie: b", Err(NoAnswer::BadRow)),
        (&too_long, Err(NoAnswer::BadRow)),
    ];
    let uuid = |number: usize| format!("00000000-0000-4000-8000-{number:012}");
    let uuids: Vec<String> = (0..rows.len()).map(uuid).collect();
    let films: Vec<_> =
        uuids.iter().zip(rows.iter()).map(|(uuid, (text, _))| (uuid.as_str(), Some(*text))).collect();
    server.films(&films).await;
    let asked = Asked::open(config(&server.url(), QUERY));
    for (number, (text, expected)) in rows.iter().enumerate() {
        assert_eq!(asked.find(&uuid(number)).await, *expected, "{text:?}");
        assert_eq!(asked.find(&uuid(number)).await, *expected, "{text:?} again");
    }
    assert_eq!((asked.questions("found"), asked.questions("bad_row")), (6.0, 7.0));
    assert_eq!((asked.lookups("hit"), asked.lookups("failed")), (12.0, 14.0));
    // One line a second, whatever the rows.
    let errors = log.of("ERROR");
    assert!(errors[0].contains("key=\"../../etc/passwd\"") && errors[0].contains("..\""), "{errors:?}");
    assert!(!log.text().contains("gate-secret"), "{}", log.text());
}

#[tokio::test]
async fn films_come_go_and_come_back() {
    let Some(programs) = programs("films_come_go_and_come_back") else { return };
    let server = Server::start(programs).await;
    server.films(&[(A, Some("a.mp4")), (B, None)]).await;
    for query in [
        QUERY,
        "SELECT file_path FROM content.film_work WHERE id::text = $1",
        "SELECT file_path::varchar(100), id FROM content.film_work WHERE id = $1::uuid UNION ALL SELECT 'other', NULL",
    ] {
        let asked = Asked::open(config(&server.url(), query));
        let upper = A.to_uppercase();
        assert_eq!(asked.find(&upper).await, Ok(key("a.mp4")), "{query}");
        assert_eq!(asked.look(A), key("a.mp4"));
        assert_eq!(asked.find(B).await, Ok(Look::Unknown), "no path: {query}");
    }
    let mut config = config(&server.url(), QUERY);
    config.ttl = Duration::from_secs(1);
    let asked = Asked::open(config);
    assert_eq!(asked.find(A).await, Ok(key("a.mp4")));
    assert_eq!(asked.find(C).await, Ok(Look::Unknown));
    assert_eq!(asked.look(C), Look::Unknown, "and this is remembered");
    // Both are found out by looking alone: the known one is refreshed, the unknown one asked about again.
    server.films(&[(A, Some("b.mp4")), (C, Some("c.mp4"))]).await;
    eventually("the film's new key", || asked.look(A) == key("b.mp4")).await;
    eventually("the end of what is unknown", || asked.look(C) == Look::Ask).await;
    assert_eq!(asked.find(C).await, Ok(key("c.mp4")));
    let admin = server.admin().await;
    admin.batch_execute("DELETE FROM content.film_work").await.expect("deleted");
    eventually("the film's end", || asked.look(A) == Look::Unknown).await;
}

#[tokio::test]
async fn five_hundred_viewers_are_one_question() {
    let Some(programs) = programs("five_hundred_viewers_are_one_question") else { return };
    let server = Server::start(programs).await;
    server.films(&[(A, Some("a.mp4"))]).await;
    let asked = Asked::open(config(&server.url(), COUNTED));
    let answers = join_all((0..500).map(|_| asked.find(A))).await;
    assert!(answers.iter().all(|answer| *answer == Ok(key("a.mp4"))), "{answers:?}");
    assert_eq!(server.asked().await, 1, "the server counts one query");
    assert_eq!((asked.questions("found"), asked.lookups("miss"), asked.lookups("hit")), (1.0, 500.0, 500.0));
    // Connections are as few as configured, and the server knows whose they are.
    let uuids = (0..16).map(|number| format!("00000000-0000-4000-9000-{number:012}")).collect::<Vec<_>>();
    let answers = join_all(uuids.iter().map(|uuid| asked.find(uuid))).await;
    assert!(answers.iter().all(|answer| *answer == Ok(Look::Unknown)), "{answers:?}");
    let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'watchgate'";
    let row = server.admin().await.query_one(sql, &[]).await.expect("a number");
    let connections: i64 = row.get(0);
    assert!((1..=4).contains(&connections), "{connections}");
}
