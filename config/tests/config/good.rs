//! Files that are right, and the values they become.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};
use std::time::Duration;

use watchgate_config::{
    Addressing, AllDown, Catalog, CorsOrigin, ForwardedHeader, Level, LinkLifetime, LogFormat, Mode,
    Presence, Profile, Role, RuleTarget, Source, Stream, parse,
};
use watchgate_geoip::rule::Match;
use watchgate_geoip::{Asn, Coordinates};

use crate::support::{EXAMPLE, SMALL, example_env, good};

#[test]
fn a_small_file_has_the_documented_defaults() {
    let config = good(SMALL, &BTreeMap::new()).config;
    assert_eq!(config.listen.http, ["0.0.0.0:8080".parse().unwrap()]);
    assert_eq!(config.listen.admin, "127.0.0.1:9900".parse().unwrap());
    assert_eq!((config.listen.admin_token, config.listen.events), (None, None));
    assert!(config.viewer.trusted_proxies.is_empty());
    assert_eq!(config.viewer.header, ForwardedHeader::XForwardedFor);
    assert_eq!((config.geoip.databases.len(), config.geoip.home, config.geoip.rules.len()), (0, None, 0));
    assert_eq!((&*config.watch.prefix, config.watch.mode), ("/watch/", Mode::Redirect));
    assert_eq!(config.watch.segments, Mode::Stream);
    assert_eq!(config.watch.object.key(&[0xab; 16], ""), "abababab-abab-abab-abab-abababababab.mp4");
    assert_eq!(config.watch.link_lifetime, LinkLifetime::Fixed(Duration::from_hours(6)));
    assert_eq!(config.watch.link_window, Duration::from_mins(5));
    assert_eq!((config.watch.all_down, config.watch.decision_header), (AllDown::NearestAnyway, false));
    assert_eq!(config.watch.cors_origins, [CorsOrigin::Any]);
    let health = &config.health;
    assert_eq!((health.interval, health.timeout), (Duration::from_secs(2), Duration::from_secs(1)));
    assert_eq!((health.rise.get(), health.fall.get(), &health.canary), (2, 3, &None));
    assert_eq!(
        (health.first_verdict_timeout, health.slow_start),
        (Duration::from_secs(5), Duration::from_secs(30))
    );
    let presence = Presence {
        enabled: true,
        positive_ttl: Duration::from_mins(1),
        negative_ttl: Duration::from_secs(5),
        capacity: NonZeroU32::new(1_000_000).unwrap(),
        events_token: None,
    };
    assert_eq!(config.presence, presence);
    assert_eq!(config.catalog, Catalog::Template);
    let stream = Stream {
        window: NonZeroU64::new(64 << 20).unwrap(),
        park_after: Duration::from_secs(10),
        min_rate: NonZeroU64::new(64 << 10),
        connect_timeout: Duration::from_secs(2),
        first_byte_timeout: Duration::from_secs(3),
        stall_timeout: Duration::from_secs(5),
        viewer_stall_timeout: Duration::from_mins(10),
        attempts: NonZeroU32::new(6).unwrap(),
        hedge_after: Some(Duration::from_secs(1)),
        pin_version: true,
        cache_control: "private, no-cache".to_owned(),
        server_timing: false,
    };
    assert_eq!(config.stream, stream);
    assert_eq!((config.bucket.name.as_str(), config.bucket.region.as_str()), ("movies", "us-east-1"));
    assert_eq!(
        (config.log.level, config.log.format, config.log.access),
        (Level::Info, LogFormat::Text, true)
    );

    let [node] = &config.nodes[..] else { panic!("{:?}", config.nodes) };
    assert_eq!((node.id.as_str(), node.role, node.profile), ("msk", Role::Replica, Profile::Minio));
    assert_eq!(node.public_url, node.endpoint, "an empty public_url means the endpoint");
    assert_eq!(node.at, Coordinates::new(55.75, 37.62).unwrap());
    assert_eq!((node.max_viewers.get(), node.addressing), (1000, Addressing::Path));
    assert!((node.weight - 1.0).abs() < 1e-9 && node.base_ms.abs() < 1e-9);
    assert_eq!((node.access_key.as_str(), node.secret_key.expose()), ("gate", "verysecretindeed"));
    assert_eq!(node.session_token, None);
}

#[test]
fn the_example_is_right() {
    let config = good(EXAMPLE, &example_env()).config;
    assert_eq!(config.geoip.databases.len(), 2);
    assert_eq!(config.geoip.home, Some(Coordinates::new(55.75, 37.62).unwrap()));
    let matchers: Vec<Match> = config.geoip.rules.iter().map(|rule| rule.matcher).collect();
    let expected = [
        Match::Cidr("10.20.0.0/16".parse().unwrap()),
        Match::Asn(Asn(64500)),
        Match::Country("FI".parse().unwrap()),
    ];
    assert_eq!(matchers, expected);
    let both: Vec<_> = config.nodes.iter().rev().map(|node| node.id.clone()).collect();
    assert_eq!(config.geoip.rules[2].target, RuleTarget::Nodes(both));
    assert_eq!(config.geoip.rules[1].target, RuleTarget::At(Coordinates::new(59.94, 30.31).unwrap()));
    assert_eq!(config.nodes[0].role, Role::Source);
    assert_eq!(config.nodes[1].public_url.to_string(), "https://spb.films.example");
}

/// Every default that the example shows is the one that is taken without it: only what has none differs.
#[test]
fn the_example_shows_the_defaults() {
    let shown = good(EXAMPLE, &example_env()).config;
    let taken = good(SMALL, &BTreeMap::new()).config;
    assert_eq!((shown.listen, shown.viewer), (taken.listen, taken.viewer));
    assert_eq!((shown.watch, shown.health), (taken.watch, taken.health));
    assert_eq!((shown.presence, shown.catalog), (taken.presence, taken.catalog));
    assert_eq!((shown.stream, shown.bucket, shown.log), (taken.stream, taken.bucket, taken.log));
    assert_eq!(shown.nodes[0].max_viewers, taken.nodes[0].max_viewers);
    assert_eq!(
        (shown.nodes[0].profile, shown.nodes[0].addressing),
        (taken.nodes[0].profile, taken.nodes[0].addressing)
    );
}

/// Every line beside the smallest file must be taken.
#[test]
fn settings_of_every_shape_are_taken() {
    let check = |top: &str| {
        good(&format!("{top}\n{SMALL}"), &BTreeMap::new());
    };
    check("listen.http = \"[::]:8080\"");
    check("listen.http = [\"127.0.0.1:0\", \"127.0.0.1:0\"]");
    check("listen.admin = \"[::1]:9900\"");
    check("listen.admin = \"127.0.0.1:0\"");
    check(
        "viewer = { trusted_proxies = [\"10.0.0.0/8\", \"fd00::/8\", \"192.0.2.7\"], header = \"forwarded\" }",
    );
    check(
        "[[geoip.rule]]\nasn = \"AS64500\"\nnodes = [\"msk\"]\n[[geoip.rule]]\nasn = 64500\nat = { lat = 0, lon = 0 }",
    );
    check("[[geoip.rule]]\ncountry = \"de\"\nat = { lat = -90, lon = 180 }");
    check("watch.prefix = \"/films/v1.0/\"");
    check("watch.object = \"films/{uuid:0:2}/{uuid:2:32}.mkv\"");
    check("watch.object = \"films/{uuid:0:2}/{uuid}/{path}\"");
    check("watch.link_lifetime = \"30s\"\nwatch.link_window = \"1s\"");
    check("watch.link_lifetime = \"604500s\"");
    check("watch.link_lifetime = \"auto\"\nwatch.link_window = \"6d\"");
    check("watch.auto_pause = \"24h\"\nwatch.auto_bit_rate_kbps = 1000000");
    check("presence.enabled = false\nwatch.auto_pause = \"0s\"\nwatch.auto_bit_rate_kbps = 1");
    check("watch.segments = \"redirect\"");
    check("presence = { positive_ttl = \"24h\", negative_ttl = \"1h\", capacity = 100000000 }");
    check("presence = { positive_ttl = \"1s\", negative_ttl = \"1000ms\", capacity = 1000 }");
    check("presence.negative_ttl = \"100ms\"");
    check("catalog = {}");
    check("catalog.file = \"films.jsonl\"");
    check("watch.cors_origins = []");
    check("watch.cors_origins = [\"https://films.example\", \"http://localhost:3000\"]");
    check(
        "health = { interval = \"100ms\", timeout = \"100ms\", rise = 1, fall = 100, slow_start = \"0s\" }",
    );
    check("health.canary = \"probe/canary.txt\"");
    check("log = { level = \"trace\", format = \"json\", access = false }");
}

/// What may be said of the film's size and the viewers' pauses.
#[test]
fn a_lifetime_follows_the_size_as_far_as_it_says() {
    let check = |lines: &str, bit_rate_kbps: u32, pause: Duration| {
        let config =
            good(&format!("watch.link_lifetime = \"auto\"\n{lines}\n{SMALL}"), &BTreeMap::new()).config;
        let bit_rate_kbps = NonZeroU32::new(bit_rate_kbps).unwrap();
        assert_eq!(config.watch.link_lifetime, LinkLifetime::Auto { bit_rate_kbps, pause });
    };
    check("", 1000, Duration::from_hours(2));
    check("watch.auto_pause = \"0s\"\nwatch.auto_bit_rate_kbps = 1", 1, Duration::ZERO);
    check(
        "watch.auto_pause = \"1d\"\nwatch.auto_bit_rate_kbps = 1000000",
        1_000_000,
        Duration::from_hours(24),
    );
}

/// The shortest and the longest of everything, and what can be turned off.
#[test]
fn streams_are_taken_to_their_bounds() {
    let stream = |lines: &str| {
        let config =
            good(&format!("watch.mode = \"stream\"\n{SMALL}[stream]\n{lines}"), &BTreeMap::new()).config;
        assert_eq!(config.watch.mode, Mode::Stream);
        config.stream
    };
    let least = stream(
        "window = \"64KiB\"\npark_after = \"100ms\"\nmin_rate = \"1KiB\"\nconnect_timeout = \"10ms\"\n\
         first_byte_timeout = \"50ms\"\nstall_timeout = \"50ms\"\nviewer_stall_timeout = \"100ms\"\n\
         attempts = 1\nhedge_after = \"49ms\"\npin_version = false\ncache_control = \"x\"\nserver_timing = true",
    );
    assert_eq!((least.window.get(), least.min_rate.map(NonZeroU64::get)), (65_536, Some(1024)));
    assert_eq!(least.hedge_after, Some(Duration::from_millis(49)));
    assert_eq!(
        (least.park_after, least.viewer_stall_timeout),
        (Duration::from_millis(100), Duration::from_millis(100))
    );
    assert_eq!((least.attempts.get(), least.pin_version, least.server_timing), (1, false, true));
    let most = stream(
        "window = \"4GiB\"\npark_after = \"10m\"\nmin_rate = \"1GiB\"\nconnect_timeout = \"1m\"\n\
         first_byte_timeout = \"10m\"\nstall_timeout = \"10m\"\nviewer_stall_timeout = \"24h\"\n\
         attempts = 100\nhedge_after = \"1m\"",
    );
    assert_eq!((most.window.get(), most.viewer_stall_timeout), (4 << 30, Duration::from_hours(24)));
    let off = stream(
        "min_rate = \"0KiB\"\nhedge_after = \"off\"\nfirst_byte_timeout = \"50ms\"\ncache_control = \"\"",
    );
    assert_eq!((off.min_rate, off.hedge_after, off.cache_control.as_str()), (None, None, ""));
}

#[test]
fn virtual_hosts_and_the_policy_of_the_source_are_taken_where_they_can_work() {
    let text = "watch.all_down = \"source\"\nbucket.name = \"my.movies\"\nnode = [{ id = \"a\", role = \"source\", \
                endpoint = \"http://msk:9000/\", addressing = \"virtual-host\", at = { lat = 1, lon = 2 }, \
                access_key = \"k\", secret_key = \"s\", weight = 0.5, base_ms = 10000, max_viewers = 4294967295 }]";
    let config = good(text, &BTreeMap::new()).config;
    assert_eq!(config.watch.all_down, AllDown::Source);
    assert_eq!(config.nodes[0].addressing, Addressing::VirtualHost);
    assert_eq!(config.nodes[0].endpoint.to_string(), "http://msk:9000", "a lone slash is no path");
}

#[test]
fn databases_are_found_from_the_folder_of_the_file() {
    let text = format!("geoip.databases = [\"City.mmdb\", \"/srv/ASN.mmdb\"]\n{SMALL}");
    let env = BTreeMap::new();
    let databases = |path| parse(&Source { text: &text, path, env: &env }).unwrap().config.geoip.databases;
    let expected = [PathBuf::from("/etc/watchgate/City.mmdb"), PathBuf::from("/srv/ASN.mmdb")];
    assert_eq!(databases(Some(Path::new("/etc/watchgate/watchgate.toml"))), expected);
    assert_eq!(databases(None)[0], PathBuf::from("City.mmdb"));
}

#[test]
fn a_list_of_films_is_found_from_the_folder_of_the_file() {
    let env = BTreeMap::new();
    let catalog = |line: &str| {
        let text = format!("{line}\n{SMALL}");
        let path = Some(Path::new("/etc/watchgate/watchgate.toml"));
        parse(&Source { text: &text, path, env: &env }).unwrap().config.catalog
    };
    let file = |path: &str| Catalog::File(PathBuf::from(path));
    assert_eq!(catalog("catalog.file = \"films.csv\""), file("/etc/watchgate/films.csv"));
    assert_eq!(catalog("catalog.file = \"/srv/films.csv\""), file("/srv/films.csv"));
    assert_eq!(catalog("[catalog]"), Catalog::Template);
    assert_eq!(catalog(""), Catalog::Template);
}

#[test]
fn two_readings_of_one_file_are_equal() {
    let first = good(EXAMPLE, &example_env()).config;
    assert_eq!(first, good(EXAMPLE, &example_env()).config);
    assert_ne!(first, good(SMALL, &BTreeMap::new()).config);
}
