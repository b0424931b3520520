//! Secrets in files of their own, and that no secret is ever told.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;
use watchgate_config::{Catalog, Faults, Loaded, Postgres, Secret, Source, parse, parse_without_secrets};

use crate::support::{SMALL, env, example_env, example_with_catalog};

/// A folder with a configuration whose node takes its secret from the file `key`.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn with(self, name: &str, bytes: impl AsRef<[u8]>) -> Self {
        fs::write(self.0.path().join(name), bytes).unwrap();
        self
    }

    fn load(&self, top: &str, node: &str) -> Result<Loaded, Faults> {
        let text = format!("{top}\n{}", SMALL.replace("secret_key = \"verysecretindeed\"", node));
        let path = self.0.path().join("gate.toml");
        parse(&Source { text: &text, path: Some(&path), env: &BTreeMap::new() })
    }

    /// The reason of the only fault.
    fn why(&self, top: &str, node: &str) -> String {
        let faults = self.load(top, node).expect_err("a fault");
        assert_eq!(faults.len(), 1, "{faults}");
        faults.iter().next().unwrap().why.clone()
    }
}

const NODE: &str = "secret_key_file = \"key\"";
const ADMIN: &str = "listen = { admin = \"0.0.0.0:9900\", admin_token_file = \"token\" }";

#[test]
fn a_secret_file_loses_one_newline() {
    let check = |bytes: &str, secret: &str| {
        let loaded = Folder::new().with("key", bytes).load("", NODE).unwrap();
        assert_eq!(loaded.config.nodes[0].secret_key.expose(), secret);
    };
    check("s3cret", "s3cret");
    check("s3cret\n", "s3cret");
    check("s3cret\r\n", "s3cret");
    check(" s3cret ", " s3cret ");
    check("пароль\n", "пароль");
}

#[test]
fn a_bad_secret_file_is_one_fault_that_tells_nothing() {
    let check = |bytes: &[u8], why: &str| {
        assert_eq!(Folder::new().with("key", bytes).why("", NODE), why);
    };
    check(b"", "the file is empty");
    check(b"\n", "the file is empty");
    check(b"s3cret\n\n", "the secret must be one line without control characters");
    check(b"s3\0cret", "the secret must be one line without control characters");
    check(b"s3\xffcret", "the file is not text (UTF-8)");
    check("x".repeat(65 * 1024).as_bytes(), "the file is larger than 64 KiB");
    assert_eq!(Folder::new().why("", NODE), "the file is not there");
}

#[test]
fn an_admin_token_opens_other_addresses() {
    let folder = Folder::new().with("token", "0123456789abcdef\n").with("key", "s");
    let listen = folder.load(ADMIN, NODE).unwrap().config.listen;
    assert_eq!(listen.admin_token.unwrap().expose(), "0123456789abcdef");
    assert_eq!(listen.admin, "0.0.0.0:9900".parse().unwrap());
}

#[test]
fn a_weak_admin_token_is_refused() {
    let check = |token: &str, why: &str| {
        assert_eq!(Folder::new().with("key", "s").with("token", token).why(ADMIN, NODE), why);
    };
    check("0123456789abcde\n", "the token must have at least 16 characters, not 15");
    check("0123456789 abcdef", "the token must be of printable ASCII characters without blanks");
    check("пароль-пароль-пароль", "the token must be of printable ASCII characters without blanks");
    check("", "the file is empty");
}

#[test]
fn an_events_token_opens_an_address_of_its_own() {
    let events = "listen.events = \"0.0.0.0:9901\"\npresence.events_token_file = \"events\"";
    let folder = Folder::new().with("key", "s").with("events", "fedcba9876543210\n");
    let config = folder.load(events, NODE).unwrap().config;
    assert_eq!(config.listen.events, Some("0.0.0.0:9901".parse().unwrap()));
    assert_eq!(config.presence.events_token.unwrap().expose(), "fedcba9876543210");
    // One fault: that the token is missing because it is weak is no second one.
    let check = |token: &str, why: &str| {
        assert_eq!(Folder::new().with("key", "s").with("events", token).why(events, NODE), why);
    };
    check("fedcba987654321\n", "the token must have at least 16 characters, not 15");
    check("fedcba98 76543210", "the token must be of printable ASCII characters without blanks");
    check("", "the file is empty");
}

#[test]
fn the_url_of_a_database_is_read_from_its_file() {
    let load = |url: &str, top: &str, end: &str| {
        let folder = Folder::new().with("key", "s").with("url", url);
        folder.load(top, &format!("{NODE}\n{end}")).unwrap().config.catalog
    };
    let expected = |url: &str| Postgres {
        url: Secret::new(url),
        query: "SELECT file_path FROM content.film_work WHERE id = $1".to_owned(),
        ttl: Duration::from_mins(10),
        negative_ttl: Duration::from_secs(5),
        timeout: Duration::from_secs(2),
        connections: NonZeroU32::new(8).unwrap(),
    };
    let url = "postgresql://gate:p%40ss@db:5432/films?sslmode=require";
    let section = "[catalog.postgres]\nurl_file = \"url\"";
    assert_eq!(load(url, "", section), Catalog::Postgres(expected(url)));
    let inline = "catalog.postgres = { url_file = \"url\" }";
    assert_eq!(load("postgres://db/films\n", inline, ""), Catalog::Postgres(expected("postgres://db/films")));
    let bounds = "catalog = { postgres = { url_file = \"url\", query = \"SELECT $1\", ttl = \"24h\", \
                  negative_ttl = \"1h\", timeout = \"1m\", connections = 100 } }";
    let Catalog::Postgres(most) = load(url, bounds, "") else { panic!("a database") };
    assert_eq!((most.ttl, most.negative_ttl), (Duration::from_hours(24), Duration::from_hours(1)));
    assert_eq!(
        (most.timeout, most.connections.get(), &*most.query),
        (Duration::from_mins(1), 100, "SELECT $1")
    );
}

#[test]
fn a_bad_url_of_a_database_is_one_fault_that_tells_nothing() {
    let check = |url: &[u8], why: &str| {
        let folder = Folder::new().with("key", "s").with("url", url);
        assert_eq!(folder.why("catalog.postgres.url_file = \"url\"", NODE), why);
    };
    check(b"", "the file is empty");
    check(b"mysql://gate:hush-hush@db/films", "the URL must begin with postgres:// or postgresql://");
    check(b"host=db user=gate password=hush-hush", "the URL must begin with postgres:// or postgresql://");
    check(b"POSTGRES://gate:hush-hush@db/films", "the URL must begin with postgres:// or postgresql://");
    check(b" postgres://gate:hush-hush@db/films", "the URL must begin with postgres:// or postgresql://");
    check(b"postgres://a\npostgres://b", "the secret must be one line without control characters");
}

/// The example's database with a file for its URL; its list would be a second catalog.
#[test]
fn the_catalog_of_the_example_is_right() {
    let text = example_with_catalog();
    let list: Vec<&str> = text.lines().filter(|line| line.starts_with("file = ")).collect();
    let text = text.replace(list[0], "").replace("/run/secrets/films_db", "url");
    let folder = Folder::new().with("url", "postgres://gate:hush-hush@db/films");
    let path = folder.0.path().join("gate.toml");
    let shown = parse(&Source { text: &text, path: Some(&path), env: &example_env() }).unwrap();
    let taken = folder.with("key", "s").load("catalog.postgres.url_file = \"url\"", NODE).unwrap();
    assert_eq!(shown.config.catalog, taken.config.catalog, "it shows the defaults");
    let listed = format!("catalog.{}\n{SMALL}", list[0]);
    let listed = parse(&Source { text: &listed, path: None, env: &BTreeMap::new() }).unwrap();
    assert_eq!(listed.config.catalog, Catalog::File("films.csv".into()));
}

/// Every node that sends events could drain the others with it.
#[test]
fn the_events_token_is_not_the_admin_token() {
    let top = |events: &str| {
        format!("listen.admin_token_file = \"token\"\npresence.events_token_file = \"{events}\"")
    };
    let folder = || {
        Folder::new()
            .with("key", "s")
            .with("token", "hush-hush-0123456\n")
            .with("same", "hush-hush-0123456")
            .with("other", "hush-hush-0123457")
    };
    for file in ["same", "token"] {
        let faults = folder().load(&top(file), NODE).expect_err("one token");
        let path = "presence.events_token_file";
        let expected = format!(
            "{path}: the file holds the admin token, and nodes must not hold the operator's token\n    \
             hint: a token of its own: openssl rand -hex 32"
        );
        let said: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(said, [expected]);
        assert_eq!(faults.iter().next().unwrap().line, Some(2));
    }
    folder().load(&top("other"), NODE).unwrap();
}

#[test]
fn a_session_token_is_read_from_its_file() {
    let folder = Folder::new().with("key", "s").with("session", "t0ken==\n");
    let node = format!("{NODE}\nsession_token_file = \"session\"");
    let loaded = folder.load("", &node).unwrap();
    assert_eq!(loaded.config.nodes[0].session_token.as_ref().unwrap().expose(), "t0ken==");
}

#[test]
fn secrets_of_every_origin_stay_secret() {
    let folder = Folder::new()
        .with("token", "hush-hush-admin-token")
        .with("events", "hush-hush-events-token")
        .with("url", "postgres://gate:hush-hush@db/films")
        .with("key", "hush-hush-file")
        .with("session", "hush-hush-session");
    let second = "[[node]]\nid = \"inline\"\nendpoint = \"http://b\"\nat = { lat = 1, lon = 2 }\naccess_key = \"gate\"\n\
                  secret_key = \"hush-hush-inline\"\n[[node]]\nid = \"env\"\nendpoint = \"http://c\"\n\
                  at = { lat = 1, lon = 2 }\naccess_key = \"gate\"\n";
    let first = SMALL
        .replace("secret_key = \"verysecretindeed\"", &format!("{NODE}\nsession_token_file = \"session\""));
    let top = format!(
        "{ADMIN}\npresence.events_token_file = \"events\"\ncatalog.postgres = {{ url_file = \"url\" }}"
    );
    let text = format!("{top}\n{first}{second}");
    let path = folder.0.path().join("gate.toml");
    let env = env(&[
        ("WATCHGATE_NODE_ENV_SECRET_KEY", "hush-hush-env"),
        ("WATCHGATE_NODE_ENV_SESSION_TOKEN", "hush-hush-env-token"),
    ]);
    let loaded = parse(&Source { text: &text, path: Some(&path), env: &env }).unwrap();
    let shown =
        [format!("{loaded:?}"), format!("{loaded:#?}"), loaded.print(), loaded.print_json().to_string()];
    for shown in shown {
        assert!(!shown.contains("hush"), "{shown}");
        assert!(shown.matches("<redacted>").count() >= 8, "{shown}");
    }
    let printed = loaded.print();
    for line in [
        "admin_token = \"<redacted>\"  # secret file \"token\", file:1",
        "events_token = \"<redacted>\"  # secret file \"events\", file:2",
        "[catalog]\n\n[catalog.postgres]\nurl = \"<redacted>\"  # secret file \"url\", file:3",
        "secret_key = \"<redacted>\"  # secret file \"key\", file:",
        "session_token = \"<redacted>\"  # secret file \"session\", file:",
        "secret_key = \"<redacted>\"  # env WATCHGATE_NODE_ENV_SECRET_KEY",
    ] {
        assert!(printed.contains(line), "{line}\n{printed}");
    }
}

/// Each secret, put where any other key's value belongs and then spoilt, must not appear in the faults.
#[test]
fn faults_of_secrets_do_not_tell_them() {
    let lines = [
        "secret_key = \"hush-hush\\u0001\"",
        "secret_key = [\"hush-hush\"]",
        "secret_key = { hush = \"hush-hush\" }",
        "secret_key = \"\"\"hush-hush\nhush\"\"\"",
        "secret_key_file = \"hush-hush\"",
        "secret_key_file = \"hush-hush\\u0001\"",
        "secret_key_file = [\"hush-hush\"]",
        "secret_key = \"hush-hush\"\nsecret_key_file = \"hush-hush\"",
        "session_token_file = \"hush-hush\"\nsecret_key = \"hush-hush\"",
        "session_token = \"hush-hush\"\nsecret_key = \"hush-hush\"",
        "secretkey = \"hush-hush\"",
        "secret_key = 'hush-hush",
        "secret_key = hush-hush",
    ];
    for line in lines {
        let text = SMALL.replace("secret_key = \"verysecretindeed\"", line);
        let faults =
            parse(&Source { text: &text, path: Some(Path::new("gate.toml")), env: &BTreeMap::new() })
                .expect_err(line);
        // The inner key of a table is a name that somebody wrote as one; its value is not shown.
        assert!(!format!("{faults}{faults:?}").contains("hush-hush"), "{faults}");
    }
}

/// The faults of a file that is read away from its secrets, or `-`.
fn without_secrets(text: &str) -> String {
    let source = Source { text, path: Some(Path::new("/nowhere/gate.toml")), env: &BTreeMap::new() };
    parse_without_secrets(&source).map_or_else(|faults| faults.to_string(), |_| "-".to_owned())
}

#[test]
fn a_configuration_can_be_read_away_from_its_secrets() {
    let check = |top: &str, node: &str, expected: &str| {
        let text = format!("{top}\n{}", SMALL.replace("secret_key = \"verysecretindeed\"", node));
        let told = without_secrets(&text);
        assert!(told.contains(expected) && (expected != "-" || told == "-"), "{top} {node}: {told}");
    };
    check("", NODE, "-");
    check("", "", "-");
    check("", "secret_key_file = \"key\"\nsession_token_file = \"token\"", "-");
    let tokens = format!("{ADMIN}\npresence = {{ events_token_file = \"events\" }}");
    check(&tokens, NODE, "-");
    check("", "secret_key = \"verysecretindeed\"\nsecret_key_file = \"key\"", "are both set");
    check("", "secret_key = \"\"", "the secret is empty");
    check("watch = { mode = \"neither\" }", NODE, "watch.mode");
}

#[test]
fn what_stands_for_a_secret_is_none() {
    let text = SMALL.replace("secret_key = \"verysecretindeed\"", NODE);
    let source = Source { text: &text, path: None, env: &BTreeMap::new() };
    let loaded = parse_without_secrets(&source).unwrap();
    assert!(loaded.config.nodes[0].secret_key.expose().contains("stand-in"));
}
