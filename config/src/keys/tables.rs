//! Every key there is, in the order in which they are printed.
//!
//! Names, defaults and words are what users rely on: they change only for a good reason. Rules between keys are absent;
//! they stand in `build`, and those that a JSON Schema can say also in `schema`.

use super::{Absent, Alone, Form, Instead, Key, Kind, Least, Step};
use crate::{Addressing, AllDown, ForwardedHeader, Level, LogFormat, Mode, Profile, Role};
use crate::{address, cors, endpoint, header, name, prefix, query, route, template};

/// The file as a whole.
pub(crate) static ROOT: &[Key] = &[
    section("listen", LISTEN, "Where the gate listens."),
    section("viewer", VIEWER, "How the viewer's address is found."),
    section("geoip", GEOIP, "How a viewer's address becomes a place."),
    section("watch", WATCH, "What is answered under the prefix."),
    section("health", HEALTH, "How nodes are probed."),
    section("presence", PRESENCE, "Which nodes hold a film."),
    section("stream", STREAM, "How films pass through the gate; of use with watch.mode = \"stream\"."),
    Key::new(
        "catalog",
        Kind::Table { keys: CATALOG, form: Form::Section },
        Absent::Unset,
        "How a film's uuid becomes an object key: by a list or a database, not both; without it by watch.object alone.",
    ),
    section("bucket", BUCKET, "The bucket, the same on every node."),
    Key::required(
        "node",
        Kind::Tables { keys: NODE, min: 1 },
        "",
        "A node that holds a replica of the bucket.",
    ),
    Key::new(
        "route",
        Kind::Tables { keys: ROUTE, min: 0 },
        Absent::Unset,
        "Where requests go that are not for films: of the prefixes that fit, the longest wins.",
    ),
    section("log", LOG, "What is logged, and how."),
];

const fn section(name: &'static str, keys: &'static [Key], about: &'static str) -> Key {
    Key::new(name, Kind::Table { keys, form: Form::Section }, Absent::Empty, about)
}

const ADDRESS: Kind = Kind::like(address::SOCKET_PATTERN);
const NETWORK: Kind = Kind::like(address::NETWORK_PATTERN);
const PATH: Kind = Kind::text();
const ORIGIN: Kind = Kind::like(cors::PATTERN);
const NODE_ID: Kind = Kind::like(name::ID_PATTERN);

static LISTEN: &[Key] = &[
    Key::new(
        "http",
        Kind::List { of: &ADDRESS, min: 1, max: 64, alone: Alone::Accepted },
        Absent::Texts(&["0.0.0.0:8080"]),
        "Addresses for viewers: one, or a list. Port 0 takes a free port.",
    )
    .example("\"0.0.0.0:8080\""),
    Key::new("admin", ADDRESS, Absent::Text("127.0.0.1:9900"), "Address of the operator's side."),
    Key::new(
        "admin_token_file",
        Kind::SecretFile,
        Absent::Text(""),
        "File with the token that the operator's side wants, at least 16 characters; empty: no token, loopback only.",
    )
    .example("\"/run/secrets/admin_token\""),
    Key::new("admin_token", Kind::Secret, Absent::Unset, "").not_in_file(),
    Key::new(
        "events",
        Kind::like(address::SOCKET_PATTERN_OR_EMPTY),
        Absent::Text(""),
        "An address for bucket events alone, which the nodes may reach; empty: they come to admin.",
    )
    .example("\"0.0.0.0:9901\""),
];

static VIEWER: &[Key] = &[
    Key::new(
        "trusted_proxies",
        Kind::list(&NETWORK, 1024),
        Absent::Texts(&[]),
        "Networks whose forwarding header is believed; by default nobody's.",
    )
    .example("[\"10.0.0.0/8\"]"),
    Key::new(
        "header",
        Kind::Word(ForwardedHeader::WORDS),
        Absent::Text("x-forwarded-for"),
        "The header in which trusted proxies name the viewer.",
    ),
];

static GEOIP: &[Key] = &[
    Key::new(
        "databases",
        Kind::list(&PATH, 8),
        Absent::Texts(&[]),
        "MMDB files (City, Country, ASN); the first answer wins, field by field. Relative to the config file.",
    )
    .example("[\"/var/lib/GeoIP/GeoLite2-City.mmdb\"]"),
    Key::new("home", PLACE, Absent::Unset, "Where viewers of unknown place are taken to be.")
        .example("{ lat = 55.75, lon = 37.62 }"),
    Key::new(
        "rule",
        Kind::Tables { keys: GEOIP_RULE, min: 0 },
        Absent::Unset,
        "An operator's rule: exactly one of cidr, asn, country, and exactly one of nodes, at.",
    ),
];

static GEOIP_RULE: &[Key] = &[
    Key::new("cidr", NETWORK, Absent::Unset, "Viewers of this network.").example("\"10.20.0.0/16\""),
    Key::new("asn", Kind::Asn, Absent::Unset, "Viewers of this autonomous system.").example("64500"),
    Key::new(
        "country",
        Kind::like(address::COUNTRY_PATTERN),
        Absent::Unset,
        "Viewers of this country (ISO 3166-1, two letters).",
    )
    .example("\"DE\""),
    Key::new(
        "nodes",
        Kind::List { of: &NODE_ID, min: 1, max: 1024, alone: Alone::Refused },
        Absent::Unset,
        "Ids of the nodes that serve them first.",
    )
    .example("[\"spb\"]"),
    Key::new("at", PLACE, Absent::Unset, "Where they are taken to be.").example("{ lat = 59.9, lon = 30.3 }"),
];

const PLACE: Kind = Kind::Table { keys: PLACE_KEYS, form: Form::Inline };

static PLACE_KEYS: &[Key] = &[
    Key::required("lat", degrees(90.0), "55.75", "Degrees north."),
    Key::required("lon", degrees(180.0), "37.62", "Degrees east."),
];

const fn degrees(max: f64) -> Kind {
    Kind::Number { min: -max, max, least: Least::Included }
}

static WATCH: &[Key] = &[
    Key::new(
        "prefix",
        Kind::like(prefix::PATTERN),
        Absent::Text("/watch/"),
        "The path before the film's uuid; begins and ends with a slash.",
    ),
    Key::new("mode", Kind::Word(Mode::WORDS), Absent::Text("redirect"), "How a film reaches the viewer."),
    Key::new(
        "segments",
        Kind::Word(Mode::WORDS),
        Absent::Text("stream"),
        "How the files of a film's tree reach the viewer, except manifests, which always pass through the gate.",
    ),
    Key::new(
        "object",
        Kind::like(template::PATTERN),
        Absent::Text("{uuid}.mp4"),
        "The film's object key: {uuid}, or {uuid:FROM:TO}, a slice of its 32 hex digits without TO; /{path} at the end: \
         films are trees of files.",
    ),
    Key::new(
        "link_lifetime",
        Kind::duration_or(AUTO, 30_000, 604_800, Step::Second),
        Absent::Text("6h"),
        "How long a link works at least; with link_window at most 7d. \"auto\": as long as the film plays, 1h to 24h.",
    ),
    Key::new(
        "auto_bit_rate_kbps",
        Kind::Integer { min: 1, max: 1_000_000 },
        Absent::Integer(1000),
        "With link_lifetime = \"auto\": the rate of the slowest film in kilobits (1000 bits) a second.",
    ),
    Key::new(
        "auto_pause",
        Kind::duration(0, 86_400, Step::Second),
        Absent::Text("2h"),
        "With link_lifetime = \"auto\": what viewers may pause in all.",
    ),
    Key::new(
        "link_window",
        Kind::duration(1000, 604_800, Step::Second),
        Absent::Text("5m"),
        "The signing time is rounded down to it, so that a film's link is the same for everyone in that time.",
    ),
    Key::new(
        "all_down",
        Kind::Word(AllDown::WORDS),
        Absent::Text("nearest-anyway"),
        "What is done when no node is healthy.",
    ),
    Key::new("decision_header", Kind::Bool, Absent::Bool(false), "Adds Watchgate-Decision to answers."),
    Key::new(
        "cors_origins",
        Kind::list(&ORIGIN, 256),
        Absent::Texts(&["*"]),
        "Origins whose pages may read the answers; \"*\" stands for all.",
    ),
];

static HEALTH: &[Key] = &[
    Key::new(
        "interval",
        Kind::duration(100, 3600, Step::Millisecond),
        Absent::Text("2s"),
        "From probe to probe.",
    ),
    Key::new(
        "timeout",
        Kind::duration(10, 60, Step::Millisecond),
        Absent::Text("1s"),
        "The whole time one probe may take; not above interval.",
    ),
    Key::new("rise", COUNT, Absent::Integer(2), "Good probes in a row that take a node up."),
    Key::new("fall", COUNT, Absent::Integer(3), "Bad probes in a row that take a node down."),
    Key::new(
        "canary",
        Kind::text(),
        Absent::Text(""),
        "Object key that the signed probe reads; empty: it asks for the bucket.",
    )
    .example("\"canary.txt\""),
    Key::new(
        "first_verdict_timeout",
        Kind::duration(100, 600, Step::Millisecond),
        Absent::Text("5s"),
        "How long the gate waits for first verdicts before it says it is ready.",
    ),
    Key::new(
        "slow_start",
        Kind::duration(0, 3600, Step::Millisecond),
        Absent::Text("30s"),
        "How long a returning node takes to its full budget; \"0s\" turns it off.",
    ),
];

const OFF: Instead = Instead { word: "off", hint: "\"off\" turns it off" };
const AUTO: Instead = Instead { word: "auto", hint: "" };
const COUNT: Kind = Kind::Integer { min: 1, max: 100 };

static PRESENCE: &[Key] = &[
    Key::new(
        "enabled",
        Kind::Bool,
        Absent::Bool(true),
        "Whether nodes are asked for a film before viewers are sent to them.",
    ),
    Key::new(
        "positive_ttl",
        Kind::duration(1000, 86_400, Step::Millisecond),
        Absent::Text("1m"),
        "How long a node's word that it holds a film is believed.",
    ),
    Key::new(
        "negative_ttl",
        Kind::duration(100, 3600, Step::Millisecond),
        Absent::Text("5s"),
        "How long a node's word that it does not hold a film is believed; not above positive_ttl.",
    ),
    Key::new(
        "capacity",
        Kind::Integer { min: 1000, max: 100_000_000 },
        Absent::Integer(1_000_000),
        "Films that are remembered; each takes about 1.6 KiB of memory.",
    ),
    Key::new(
        "events_token_file",
        Kind::SecretFile,
        Absent::Text(""),
        "File with the token that bucket events bring, at least 16 characters; empty: no events are taken.",
    )
    .example("\"/run/secrets/events_token\""),
    Key::new("events_token", Kind::Secret, Absent::Unset, "").not_in_file(),
];

static STREAM: &[Key] = &[
    Key::new(
        "window",
        Kind::Size { min: 64 << 10, max: 4 << 30 },
        Absent::Text("64MiB"),
        "The largest range asked of a node at once.",
    ),
    Key::new(
        "park_after",
        Kind::duration(100, 600, Step::Millisecond),
        Absent::Text("10s"),
        "A window stuck behind its viewer for so long frees the node; not above viewer_stall_timeout.",
    ),
    Key::new(
        "min_rate",
        Kind::Size { min: 0, max: 1 << 30 },
        Absent::Text("64KiB"),
        "Per second, while the viewer waits: a node that sends less fails; \"0KiB\" turns it off.",
    ),
    Key::new(
        "connect_timeout",
        Kind::duration(10, 60, Step::Millisecond),
        Absent::Text("2s"),
        "How long a connection to a node may take.",
    ),
    Key::new(
        "first_byte_timeout",
        Kind::duration(50, 600, Step::Millisecond),
        Absent::Text("3s"),
        "From a request to the first byte of the node's answer.",
    ),
    Key::new(
        "stall_timeout",
        Kind::duration(50, 600, Step::Millisecond),
        Absent::Text("5s"),
        "From a node's byte to its next one, while the viewer waits.",
    ),
    Key::new(
        "viewer_stall_timeout",
        Kind::duration(100, 86_400, Step::Millisecond),
        Absent::Text("10m"),
        "A viewer that reads nothing at all for so long is let go.",
    ),
    Key::new(
        "attempts",
        COUNT,
        Absent::Integer(6),
        "Failures of every node in a row without a byte at which a film is given up.",
    ),
    Key::new(
        "hedge_after",
        Kind::duration_or(OFF, 10, 60, Step::Millisecond),
        Absent::Text("1s"),
        "Without a first byte for so long, a second node is asked too; below first_byte_timeout, or \"off\".",
    ),
    Key::new(
        "pin_version",
        Kind::Bool,
        Absent::Bool(true),
        "A film goes on with the version it began with; also in redirect links, where presence knows the version.",
    ),
    Key::new(
        "cache_control",
        Kind::like(header::VALUE_PATTERN),
        Absent::Text("private, no-cache"),
        "Cache-Control of streamed answers; empty: none is sent.",
    ),
    Key::new("server_timing", Kind::Bool, Absent::Bool(false), "Adds Server-Timing to streamed answers."),
];

static CATALOG: &[Key] = &[
    Key::new(
        "file",
        PATH,
        Absent::Unset,
        "A list: CSV with the header line uuid,key, or JSON lines if its name ends in .jsonl or .ndjson. Relative to \
         the config file.",
    )
    .example("\"films.csv\""),
    Key::new(
        "postgres",
        Kind::Table { keys: POSTGRES, form: Form::Section },
        Absent::Unset,
        "A PostgreSQL database.",
    )
    .example("{ url_file = \"/run/secrets/films_db\" }"),
];

static POSTGRES: &[Key] = &[
    Key::required(
        "url_file",
        Kind::SecretFile,
        "\"/run/secrets/films_db\"",
        "File with the URL: postgres://user:password@host:port/database.",
    ),
    Key::new("url", Kind::Secret, Absent::Unset, "").not_in_file(),
    Key::new(
        "query",
        Kind::like(query::PATTERN),
        Absent::Text("SELECT file_path FROM content.film_work WHERE id = $1"),
        "$1 is the film's uuid; the first column of the first row is the key.",
    ),
    Key::new(
        "ttl",
        Kind::duration(1000, 86_400, Step::Millisecond),
        Absent::Text("10m"),
        "How long a key is believed.",
    ),
    Key::new(
        "negative_ttl",
        Kind::duration(100, 3600, Step::Millisecond),
        Absent::Text("5s"),
        "How long it is believed that there is no such film.",
    ),
    Key::new(
        "timeout",
        Kind::duration(50, 60, Step::Millisecond),
        Absent::Text("2s"),
        "The whole time one question may take, connecting included.",
    ),
    Key::new("connections", COUNT, Absent::Integer(8), "Connections that are kept at most."),
];

static BUCKET: &[Key] = &[
    Key::required("name", Kind::like(name::BUCKET_PATTERN), "\"movies\"", "The bucket's name."),
    Key::new(
        "region",
        Kind::like(name::REGION_PATTERN),
        Absent::Text("us-east-1"),
        "The region that requests are signed for.",
    ),
];

static NODE: &[Key] = &[
    Key::required("id", NODE_ID, "\"msk\"", "The node's name in links to it, logs and metrics; unique."),
    Key::new("role", Kind::Word(Role::WORDS), Absent::Text("replica"), "Films are uploaded to the source."),
    Key::new(
        "profile",
        Kind::Word(Profile::WORDS),
        Absent::Text("minio"),
        "What kind of server the node is.",
    ),
    Key::required(
        "endpoint",
        Kind::like(endpoint::PATTERN),
        "\"http://10.0.0.5:9000\"",
        "How the gate reaches the node.",
    ),
    Key::new(
        "public_url",
        Kind::like(endpoint::PATTERN_OR_EMPTY),
        Absent::Text(""),
        "How viewers reach the node; empty: as the gate does.",
    )
    .example("\"https://msk.films.example\""),
    Key::required("at", PLACE, "{ lat = 55.75, lon = 37.62 }", "Where the node is."),
    Key::new(
        "max_viewers",
        Kind::Integer { min: 1, max: u32::MAX },
        Absent::Integer(1000),
        "Requests in flight at which the node counts as full.",
    ),
    Key::new(
        "weight",
        Kind::Number { min: 0.0, max: 1000.0, least: Least::Excluded },
        Absent::Number(1.0),
        "Share among nodes about equally near.",
    ),
    Key::new(
        "base_ms",
        Kind::Number { min: 0.0, max: 10_000.0, least: Least::Included },
        Absent::Number(0.0),
        "Milliseconds added to the cost of the distance.",
    ),
    Key::new(
        "addressing",
        Kind::Word(Addressing::WORDS),
        Absent::Text("path"),
        "Whether the bucket stands in the path or before the host.",
    ),
    Key::required("access_key", Kind::like(name::ACCESS_KEY_PATTERN), "\"gate\"", "Who signs."),
    Key::new(
        "secret_key",
        Kind::Secret,
        Absent::Unset,
        "The secret itself; a file or the environment is better.",
    ),
    Key::new(
        "secret_key_file",
        Kind::SecretFile,
        Absent::Unset,
        "File with the secret. WATCHGATE_NODE_<ID>_SECRET_KEY beats both keys.",
    )
    .example("\"/run/secrets/msk\""),
    Key::new(
        "session_token_file",
        Kind::SecretFile,
        Absent::Text(""),
        "File with the session token of temporary credentials; empty: none.",
    )
    .example("\"/run/secrets/msk_token\""),
    Key::new("session_token", Kind::Secret, Absent::Unset, "").not_in_file(),
];

const UPSTREAM: Kind = Kind::like(endpoint::PATTERN);

static ROUTE: &[Key] = &[
    Key::required(
        "prefix",
        Kind::like(prefix::ROUTE_PATTERN),
        "\"/api/\"",
        "The path and all below it, in whole segments; with a slash at the end only what is below it. \"/\": all the rest.",
    ),
    Key::required(
        "to",
        Kind::List { of: &UPSTREAM, min: 1, max: 64, alone: Alone::Accepted },
        "\"http://movies-api:8000\"",
        "Servers that take turns: one, or a list.",
    ),
    Key::new(
        "strip_prefix",
        Kind::Bool,
        Absent::Bool(false),
        "Takes the prefix off the path before it goes on, and tells it in X-Forwarded-Prefix.",
    ),
    Key::new(
        "host",
        Kind::like(route::HOST_PATTERN),
        Absent::Text("viewer"),
        "The Host that the server gets: \"viewer\": as it came; \"upstream\": the server's own; or this name.",
    ),
    Key::new(
        "health_path",
        Kind::like(route::PATH_PATTERN_OR_EMPTY),
        Absent::Text(""),
        "A GET of this path has to answer 200 to 399; empty: a connection is enough.",
    )
    .example("\"/health\""),
    Key::new(
        "health_interval",
        Kind::duration(100, 3600, Step::Millisecond),
        Absent::Text("2s"),
        "From check to check.",
    ),
    Key::new(
        "health_timeout",
        Kind::duration(10, 60, Step::Millisecond),
        Absent::Text("1s"),
        "The whole time one check may take; not above health_interval.",
    ),
    Key::new("health_rise", COUNT, Absent::Integer(2), "Good checks in a row that take a server up."),
    Key::new("health_fall", COUNT, Absent::Integer(3), "Bad checks in a row that take a server down."),
    Key::new(
        "connect_timeout",
        Kind::duration(10, 60, Step::Millisecond),
        Absent::Text("2s"),
        "How long a connection to a server may take, TLS included.",
    ),
    Key::new(
        "read_timeout",
        Kind::duration(50, 86_400, Step::Millisecond),
        Absent::Text("1m"),
        "How long a server may send nothing at all while an answer is awaited, or a viewer nothing of a body.",
    ),
    Key::new(
        "write_timeout",
        Kind::duration(50, 86_400, Step::Millisecond),
        Absent::Text("1m"),
        "How long a server or a viewer may read nothing at all.",
    ),
    Key::new(
        "body_max",
        Kind::Size { min: 0, max: 1 << 40 },
        Absent::Text("16MiB"),
        "The longest request body; \"0KiB\" turns the limit off.",
    ),
    Key::new("websocket", Kind::Bool, Absent::Bool(true), "Whether connections may become WebSockets."),
    Key::new(
        "websocket_timeout",
        Kind::duration(1000, 604_800, Step::Millisecond),
        Absent::Text("1h"),
        "A WebSocket on which nothing is sent for so long is closed.",
    ),
];

static LOG: &[Key] = &[
    Key::new("level", Kind::Word(Level::WORDS), Absent::Text("info"), "The least that is logged."),
    Key::new("format", Kind::Word(LogFormat::WORDS), Absent::Text("text"), "For people, or for programs."),
    Key::new("access", Kind::Bool, Absent::Bool(true), "One line a request."),
];
