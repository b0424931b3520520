//! The environment lies over the file.

use std::collections::BTreeMap;
use std::io::Write;
use std::num::NonZeroU32;
use std::time::Duration;

use watchgate_config::{Catalog, Config, CorsOrigin, Level, LinkLifetime, Mode};
use watchgate_geoip::Coordinates;

use crate::support::{SMALL, env, good};

fn with(pairs: &[(&str, &str)]) -> Config {
    good(SMALL, &env(pairs)).config
}

#[test]
fn values_of_every_kind_can_be_set() {
    let config = with(&[
        ("WATCHGATE__LISTEN__ADMIN", "127.0.0.1:9901"),
        ("WATCHGATE__HEALTH__RISE", "7"),
        ("WATCHGATE__HEALTH__INTERVAL", "5s"),
        ("WATCHGATE__WATCH__DECISION_HEADER", "true"),
        ("WATCHGATE__LOG__LEVEL", "debug"),
        ("WATCHGATE__GEOIP__HOME__LAT", "-33.87"),
        ("WATCHGATE__GEOIP__HOME__LON", "151"),
        ("WATCHGATE__BUCKET__NAME", "other-movies"),
        ("WATCHGATE__STREAM__WINDOW", "8MiB"),
        ("WATCHGATE__STREAM__HEDGE_AFTER", "off"),
        ("WATCHGATE__STREAM__CACHE_CONTROL", ""),
        ("WATCHGATE__STREAM__ATTEMPTS", "3"),
        ("WATCHGATE__STREAM__PIN_VERSION", "false"),
        ("WATCHGATE__WATCH__SEGMENTS", "redirect"),
        ("WATCHGATE__WATCH__LINK_LIFETIME", "auto"),
        ("WATCHGATE__WATCH__AUTO_BIT_RATE_KBPS", "2500"),
        ("WATCHGATE__WATCH__AUTO_PAUSE", "0s"),
        ("WATCHGATE__PRESENCE__POSITIVE_TTL", "2m"),
        ("WATCHGATE__PRESENCE__CAPACITY", "5000"),
    ]);
    assert_eq!(config.listen.admin, "127.0.0.1:9901".parse().unwrap());
    assert_eq!((config.health.rise.get(), config.health.interval.as_secs()), (7, 5));
    assert!(config.watch.decision_header);
    assert_eq!(config.log.level, Level::Debug);
    assert_eq!(config.geoip.home, Some(Coordinates::new(-33.87, 151.0).unwrap()));
    assert_eq!(config.bucket.name, "other-movies");
    assert_eq!((config.stream.window.get(), config.stream.hedge_after), (8 << 20, None));
    assert_eq!((config.stream.attempts.get(), config.stream.pin_version), (3, false));
    assert_eq!(config.stream.cache_control, "");
    assert_eq!(config.watch.segments, Mode::Redirect);
    let lifetime =
        LinkLifetime::Auto { bit_rate_kbps: NonZeroU32::new(2500).unwrap(), pause: Duration::ZERO };
    assert_eq!(config.watch.link_lifetime, lifetime);
    let presence = &config.presence;
    assert_eq!((presence.positive_ttl.as_secs(), presence.capacity.get()), (120, 5000));
}

#[test]
fn a_catalog_can_be_set() {
    let config = with(&[("WATCHGATE__CATALOG__FILE", "films.csv")]);
    assert_eq!(config.catalog, Catalog::File("films.csv".into()));
    let mut url = tempfile::NamedTempFile::new().unwrap();
    writeln!(url, "postgres://gate@db/films").unwrap();
    let text = format!("[catalog.postgres]\nurl_file = \"/nowhere/at/all\"\nttl = \"1m\"\n{SMALL}");
    let env = env(&[
        ("WATCHGATE__CATALOG__POSTGRES__URL_FILE", url.path().to_str().unwrap()),
        ("WATCHGATE__CATALOG__POSTGRES__QUERY", "SELECT key FROM films WHERE id = $1::uuid"),
        ("WATCHGATE__CATALOG__POSTGRES__CONNECTIONS", "2"),
    ]);
    let Catalog::Postgres(postgres) = good(&text, &env).config.catalog else { panic!("a database") };
    assert_eq!(postgres.url.expose(), "postgres://gate@db/films");
    assert_eq!(postgres.query, "SELECT key FROM films WHERE id = $1::uuid");
    assert_eq!((postgres.ttl.as_secs(), postgres.connections.get()), (60, 2));
}

#[test]
fn lists_are_toml_or_have_commas() {
    let check = |text: &str, expected: &[&str]| {
        let config = with(&[("WATCHGATE__LISTEN__HTTP", text)]);
        let http: Vec<String> = config.listen.http.iter().map(ToString::to_string).collect();
        assert_eq!(http, expected, "{text}");
    };
    check("0.0.0.0:80", &["0.0.0.0:80"]);
    check("0.0.0.0:80,127.0.0.1:81", &["0.0.0.0:80", "127.0.0.1:81"]);
    check(" 0.0.0.0:80 , 127.0.0.1:81 ", &["0.0.0.0:80", "127.0.0.1:81"]);
    check("[\"0.0.0.0:80\", \"127.0.0.1:81\"]", &["0.0.0.0:80", "127.0.0.1:81"]);
    check("[::1]:80", &["[::1]:80"]);
    check("[::1]:80,[::1]:81", &["[::1]:80", "[::1]:81"]);
    assert_eq!(with(&[("WATCHGATE__WATCH__CORS_ORIGINS", "")]).watch.cors_origins, []);
    assert_eq!(with(&[("WATCHGATE__WATCH__CORS_ORIGINS", "[]")]).watch.cors_origins, []);
    assert_eq!(with(&[("WATCHGATE__WATCH__CORS_ORIGINS", "*")]).watch.cors_origins, [CorsOrigin::Any]);
}

#[test]
fn the_environment_beats_the_file_even_where_the_file_is_wrong() {
    let text = format!("health.rise = 0\nlisten.http = 8080\n{SMALL}");
    let env = env(&[("WATCHGATE__HEALTH__RISE", "4"), ("WATCHGATE__LISTEN__HTTP", "0.0.0.0:80")]);
    assert_eq!(good(&text, &env).config.health.rise.get(), 4);
}

#[test]
fn a_file_can_leave_to_the_environment_what_it_requires() {
    let text = "[[node]]\nid = \"eu-1\"\nat = { lat = 1, lon = 2 }\n";
    let config = good(
        text,
        &env(&[
            ("WATCHGATE__BUCKET__NAME", "movies"),
            ("WATCHGATE_NODE_EU_1_ENDPOINT", "http://a:9000"),
            ("WATCHGATE_NODE_EU_1_PUBLIC_URL", "https://films.example"),
            ("WATCHGATE_NODE_EU_1_ACCESS_KEY", "gate"),
            ("WATCHGATE_NODE_EU_1_SECRET_KEY", "s3cret"),
            ("WATCHGATE_NODE_EU_1_SESSION_TOKEN", "t0ken"),
        ]),
    )
    .config;
    let node = &config.nodes[0];
    assert_eq!((node.endpoint.authority(), node.public_url.authority()), ("a:9000", "films.example"));
    assert_eq!((node.access_key.as_str(), node.secret_key.expose()), ("gate", "s3cret"));
    assert_eq!(node.session_token.as_ref().map(watchgate_config::Secret::expose), Some("t0ken"));
}

#[test]
fn a_secret_of_the_environment_beats_key_and_file() {
    let secret = |key: &str| {
        let text = SMALL.replace("secret_key = \"verysecretindeed\"", key);
        let env = env(&[("WATCHGATE_NODE_MSK_SECRET_KEY", "from-env")]);
        good(&text, &env).config.nodes[0].secret_key.expose().to_owned()
    };
    assert_eq!(secret("secret_key = \"x\""), "from-env");
    assert_eq!(secret("secret_key_file = \"/nowhere/at/all\""), "from-env");
    assert_eq!(secret("secret_key = \"x\"\nsecret_key_file = \"/nowhere/at/all\""), "from-env");
    assert_eq!(secret(""), "from-env");
}

#[test]
fn what_is_not_ours_is_passed_over() {
    let others = [
        ("PATH", "/bin"),
        ("WATCHGATE_CONFIG", "gate.toml"),
        ("WATCHGATE", "x"),
        ("WATCHGATE_PORT", "tcp://10.0.0.1:80"),
        ("WATCHGATE_NODE_1_SERVICE_HOST", "10.0.0.1"),
        ("WATCHGATE_NODE_1_PORT_9000_TCP", "tcp://10.0.0.1:9000"),
        ("watchgate__listen__admin", "x"),
    ];
    assert_eq!(with(&others), good(SMALL, &BTreeMap::new()).config);
}
