//! What an operator got wrong, and what the log says of it: never the password.

use prometheus::Registry;
use watchgate::catalog::{CatalogError, NoAnswer};
use watchgate::config::Postgres;

use crate::server::{GATE, QUERY, Server, programs};
use crate::support::{A, Asked, config, try_open};

#[tokio::test]
async fn faults_of_the_operator_are_named() {
    let Some(programs) = programs("faults_of_the_operator_are_named") else { return };
    let server = Server::start(programs).await;
    server.films(&[(A, Some("a.mp4"))]).await;
    let log = server.log();
    let (good, port) = (server.url(), server.port());
    let other = |user: &str, database: &str| format!("postgres://{user}@127.0.0.1:{port}/{database}");
    let check = async |url: &str, query: &str, cause: &str| {
        log.clear();
        let asked = Asked::open(config(url, query));
        assert_eq!(asked.find(A).await, Err(NoAnswer::Database), "{url} {query}");
        let text = log.text();
        assert!(log.of("WARN").len() == 1 && log.of("WARN")[0].contains(cause), "{cause} is not in {text}");
        for secret in [GATE.1, "wrong-secret", "postgres://", "administrator-secret"] {
            assert!(!text.contains(secret), "{secret} is in {text}");
            assert!(!format!("{:?}", asked.catalog).contains(secret));
        }
    };
    check(&other("gate:wrong-secret", "postgres"), QUERY, "password authentication failed for user").await;
    check(&other("nobody:wrong-secret", "postgres"), QUERY, "password authentication failed for user").await;
    check(&other("gate:gate-secret-1", "moviez"), QUERY, "database \"moviez\" does not exist").await;
    check(&other("gate", "postgres"), QUERY, "password missing").await;
    check(&format!("{good}?sslmode=require"), QUERY, "server does not support TLS").await;
    check(&good, "SELECT path FROM content.film_work WHERE id = $1", "column \"path\" does not exist").await;
    check(&good, "SELEKT", "syntax error").await;
    check(&good, "SELECT 'a'", "it has 0 parameters; it must have one, $1, the film's uuid").await;
    check(&good, "SELECT $1::text || $2::text", "it has 2 parameters").await;
    check(&good, "SELECT 'a' WHERE 1 = $1", "its parameter has the type int4; write $1::uuid or $1::text")
        .await;
    check(&good, "SELECT id FROM content.film_work WHERE id = $1", "id, has the type uuid; write id::text")
        .await;
    check(&good, "DELETE FROM content.film_work WHERE id = $1", "it returns no column").await;
    check("postgres://gate:gate-secret-1@127.0.0.1:1/postgres", QUERY, "Connection refused").await;
    check("postgres://gate:gate-secret-1@nowhere.invalid/postgres", QUERY, "lookup address").await;
}

#[tokio::test]
async fn a_table_that_is_made_anew_is_no_fault() {
    let Some(programs) = programs("a_table_that_is_made_anew_is_no_fault") else { return };
    let server = Server::start(programs).await;
    server.films(&[(A, Some("a.mp4"))]).await;
    let mut config = config(&server.url(), "SELECT * FROM content.paths WHERE $1::uuid IS NOT NULL");
    config.connections = std::num::NonZeroU32::MIN;
    let admin = server.admin().await;
    let make = |column: &str| {
        format!(
            "DROP TABLE IF EXISTS content.paths; CREATE TABLE content.paths (path {column}); \
             INSERT INTO content.paths VALUES ('a.mp4'); GRANT SELECT ON content.paths TO gate"
        )
    };
    admin.batch_execute(&make("text")).await.expect("a table");
    let asked = Asked::open(config);
    assert!(asked.ask(A).await.is_ok());
    // The statement that was prepared on the one connection fits no more.
    admin.batch_execute(&make("varchar(50)")).await.expect("another table");
    let uuid = |number: u32| format!("00000000-0000-4000-8000-{number:012}");
    let outcomes = [asked.ask(&uuid(1)).await, asked.ask(&uuid(2)).await];
    assert_eq!(outcomes[1], Ok(()), "{outcomes:?}");
}

#[test]
fn a_bad_url_is_not_quoted() {
    let open = |url: &str| {
        let config: Postgres = config(url, QUERY);
        try_open(config, &Registry::new())
    };
    for url in [
        "",
        "hunter2",
        "mysql://gate:hunter2@db/movies",
        "postgres://gate:hunter2@db:port/movies",
        "postgres://gate:secret@db/movies?hunter2=1",
        "postgres://gate:hunter2@db/movies?sslmode=allow",
        "postgres:///movies?password=hunter2",
    ] {
        let error = open(url).expect_err(url);
        assert!(matches!(error, CatalogError::Url), "{url}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{url}: {error}");
    }
    let good = open("postgres://gate:hunter2@db/movies?sslmode=disable").expect("a catalog");
    assert!(!format!("{good:?}").contains("hunter2"), "{good:?}");
}
