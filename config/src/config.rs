//! The configuration as the rest of the program sees it: typed, complete, and right.
//!
//! Fields are public because nothing can be done to a value that would make another one wrong unseen; the rules
//! between values are those of [`crate::parse`], the only maker of a [`Config`] from text.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use watchgate_geoip::Coordinates;
use watchgate_geoip::rule::Match;

use crate::{
    Addressing, AllDown, CorsOrigin, Endpoint, ForwardedHeader, HostRule, Level, LogFormat, Mode, NodeId,
    ObjectTemplate, Profile, Role, RoutePrefix, Secret, WatchPrefix,
};

/// Everything that is configured.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[listen]`.
    pub listen: Listen,
    /// `[viewer]`.
    pub viewer: Viewer,
    /// `[geoip]`.
    pub geoip: GeoIp,
    /// `[watch]`.
    pub watch: Watch,
    /// `[health]`.
    pub health: Health,
    /// `[stream]`; complete and right in either mode.
    pub stream: Stream,
    /// `[presence]`; complete and right even if it is turned off.
    pub presence: Presence,
    /// `[catalog]`.
    pub catalog: Catalog,
    /// `[bucket]`.
    pub bucket: Bucket,
    /// Every `[[node]]`, in the order of the file: at least one, ids unique, at most one source.
    pub nodes: Vec<Node>,
    /// Every `[[route]]`, in the order of the file: no two of the same path, none within the watch path.
    pub routes: Vec<Route>,
    /// `[log]`.
    pub log: Log,
}

/// `[listen]`: where the gate listens.
#[derive(Clone, Debug, PartialEq)]
pub struct Listen {
    /// For viewers: at least one, no two alike; port 0 takes a free one.
    pub http: Vec<SocketAddr>,
    /// For the operator; loopback unless there is a token.
    pub admin: SocketAddr,
    /// What the operator's side wants as a bearer token; at least 16 characters.
    pub admin_token: Option<Secret>,
    /// For bucket events alone, unlike all others; none: they come to `admin`.
    pub events: Option<SocketAddr>,
}

/// `[viewer]`: how the viewer's address is found.
#[derive(Clone, Debug, PartialEq)]
pub struct Viewer {
    /// Whose forwarding header is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Which header that is.
    pub header: ForwardedHeader,
}

/// `[geoip]`: how an address becomes a place.
#[derive(Clone, Debug, PartialEq)]
pub struct GeoIp {
    /// MMDB files, at most 8; relative ones are joined to the config file's folder. Whether they exist is not known.
    pub databases: Vec<PathBuf>,
    /// Where viewers of unknown place are taken to be.
    pub home: Option<Coordinates>,
    /// The operator's rules, in the order of the file.
    pub rules: Vec<GeoRule>,
}

/// One `[[geoip.rule]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct GeoRule {
    /// Whom it is about.
    pub matcher: Match,
    /// What becomes of them.
    pub target: RuleTarget,
}

/// What a rule says of its viewers.
#[derive(Clone, Debug, PartialEq)]
pub enum RuleTarget {
    /// These nodes serve them first: at least one, no two alike, all of them configured.
    Nodes(Vec<NodeId>),
    /// They are here.
    At(Coordinates),
}

/// `[watch]`: what is answered under the prefix.
#[derive(Clone, Debug, PartialEq)]
pub struct Watch {
    /// The path before the uuid.
    pub prefix: WatchPrefix,
    /// How a film reaches the viewer.
    pub mode: Mode,
    /// How an object key is made from a uuid; beside a catalog it only says whether films are trees.
    pub object: ObjectTemplate,
    /// How long a link works at least.
    pub link_lifetime: LinkLifetime,
    /// What the signing time is rounded down to: whole seconds, 1 s and up; with the lifetime at most 7 days.
    pub link_window: Duration,
    /// How the files of a film's tree reach the viewer, except manifests, which always pass through the gate.
    pub segments: Mode,
    /// What is done when no node is healthy; `Source` only if there is one.
    pub all_down: AllDown,
    /// Whether answers carry `Watchgate-Decision`.
    pub decision_header: bool,
    /// Whose pages may read the answers; `Any` stands alone. Empty: nobody's.
    pub cors_origins: Vec<CorsOrigin>,
}

/// How long a link works at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkLifetime {
    /// So long, whatever the film: whole seconds, 30 s and up.
    Fixed(Duration),
    /// As long as the film plays at this rate, and the pause: between 1 h and 24 h. Only with presence, which knows
    /// the size.
    Auto {
        /// Kilobits (1000 bits) a second of the slowest film: 1 to 1,000,000.
        bit_rate_kbps: NonZeroU32,
        /// What viewers may pause in all: whole seconds, up to 24 h.
        pause: Duration,
    },
}

/// `[health]`: how nodes are probed.
#[derive(Clone, Debug, PartialEq)]
pub struct Health {
    /// From probe to probe: 100 ms to 1 h.
    pub interval: Duration,
    /// The whole time a probe may take: 10 ms to 1 min, not above the interval.
    pub timeout: Duration,
    /// Good probes in a row that take a node up: 1 to 100.
    pub rise: NonZeroU32,
    /// Bad probes in a row that take a node down: 1 to 100.
    pub fall: NonZeroU32,
    /// The object that the signed probe reads; none: it asks for the bucket.
    pub canary: Option<String>,
    /// How long the gate waits for first verdicts before it says it is ready: 100 ms to 10 min.
    pub first_verdict_timeout: Duration,
    /// How long a returning node takes to its full budget: up to 1 h, zero is off.
    pub slow_start: Duration,
}

/// `[stream]`: how films pass through the gate.
#[derive(Clone, Debug, PartialEq)]
pub struct Stream {
    /// The largest range that a node is asked for at once, in bytes: 64 KiB to 4 GiB.
    pub window: NonZeroU64,
    /// How long a window may be stuck behind its viewer before its node is freed: 100 ms to 10 min, not above
    /// `viewer_stall_timeout`.
    pub park_after: Duration,
    /// Bytes a second below which a node fails while the viewer waits: at most 1 GiB; none: no rate is too low.
    pub min_rate: Option<NonZeroU64>,
    /// To a node's connection, TLS included: 10 ms to 1 min.
    pub connect_timeout: Duration,
    /// From a request to the first byte of its answer: 50 ms to 10 min.
    pub first_byte_timeout: Duration,
    /// From a node's byte to its next one, while the viewer waits: 50 ms to 10 min.
    pub stall_timeout: Duration,
    /// How long a viewer may read nothing at all before it is let go: 100 ms to 24 h.
    pub viewer_stall_timeout: Duration,
    /// Failures of every node in a row without a byte at which a film is given up: 1 to 100.
    pub attempts: NonZeroU32,
    /// How long the first byte may take before a second node is asked too: 10 ms to 1 min, below
    /// `first_byte_timeout`; none: never.
    pub hedge_after: Option<Duration>,
    /// Whether a film's later windows come from the version that its first one came from; also in redirect links,
    /// where presence knows the version.
    pub pin_version: bool,
    /// The `Cache-Control` of streamed answers: printable ASCII, no blanks around it; empty: none is sent.
    pub cache_control: String,
    /// Whether streamed answers carry `Server-Timing`.
    pub server_timing: bool,
}

/// `[presence]`: which nodes hold a film.
#[derive(Clone, Debug, PartialEq)]
pub struct Presence {
    /// Whether nodes are asked at all before viewers are sent to them.
    pub enabled: bool,
    /// How long a node's word that it holds a film is believed: 1 s to 24 h.
    pub positive_ttl: Duration,
    /// How long its word that it does not: 100 ms to 1 h, not above `positive_ttl`.
    pub negative_ttl: Duration,
    /// Films that are remembered, of usual names and on few nodes: 1,000 to 100,000,000.
    pub capacity: NonZeroU32,
    /// What bucket events have to bring as a bearer token, at least 16 characters; none: no events are taken.
    pub events_token: Option<Secret>,
}

/// `[catalog]`: how a film's uuid becomes an object key.
#[derive(Clone, Debug, PartialEq)]
pub enum Catalog {
    /// By `watch.object` alone.
    Template,
    /// By a list: CSV (header line `uuid,key`) or, if its name ends in `.jsonl` or `.ndjson`, JSON lines. Relative paths
    /// are joined to the config file's folder. Whether it exists is not known.
    File(PathBuf),
    /// By a database.
    Postgres(Postgres),
}

/// `catalog.postgres`.
#[derive(Clone, Debug, PartialEq)]
pub struct Postgres {
    /// `postgres://user:password@host:port/database`, with libpq's parameters.
    pub url: Secret,
    /// One parameter, the uuid; the first column of the first row is the key.
    pub query: String,
    /// How long a key is believed: 1 s to 24 h.
    pub ttl: Duration,
    /// How long the word that there is none: 100 ms to 1 h.
    pub negative_ttl: Duration,
    /// The whole time one question may take, connecting included: 50 ms to 1 min.
    pub timeout: Duration,
    /// Connections that are kept at most: 1 to 100.
    pub connections: NonZeroU32,
}

/// `[bucket]`: the same on every node.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    /// Its name, by the rules of S3.
    pub name: String,
    /// The region that requests are signed for.
    pub region: String,
}

/// One `[[node]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name, unique.
    pub id: NodeId,
    /// Source or replica.
    pub role: Role,
    /// What kind of server it is.
    pub profile: Profile,
    /// How the gate reaches it.
    pub endpoint: Endpoint,
    /// How viewers reach it: what links are signed for.
    pub public_url: Endpoint,
    /// Where it is.
    pub at: Coordinates,
    /// Requests in flight at which it counts as full.
    pub max_viewers: NonZeroU32,
    /// Share among nodes about equally near: above 0, at most 1000.
    pub weight: f64,
    /// Milliseconds added to the cost of its distance: 0 to 10,000.
    pub base_ms: f64,
    /// Where the bucket stands in a URL; virtual-host only with hosts that are names.
    pub addressing: Addressing,
    /// Who signs.
    pub access_key: String,
    /// With what.
    pub secret_key: Secret,
    /// For temporary credentials.
    pub session_token: Option<Secret>,
}

/// One `[[route]]`: where requests go that are not for films.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Under which path.
    pub prefix: RoutePrefix,
    /// The servers that take turns: at least one, no two alike.
    pub to: Vec<Endpoint>,
    /// Whether the prefix is taken off the path before it goes on.
    pub strip_prefix: bool,
    /// Which `Host` the server gets.
    pub host: HostRule,
    /// How servers are checked.
    pub health: RouteHealth,
    /// To a server's connection, TLS included: 10 ms to 1 min.
    pub connect_timeout: Duration,
    /// How long a server may send nothing while its answer is awaited, or a viewer nothing of a body: 50 ms to 24 h.
    pub read_timeout: Duration,
    /// How long a server or a viewer may read nothing at all: 50 ms to 24 h.
    pub write_timeout: Duration,
    /// The longest request body in bytes: at most 1 TiB; none: there is no limit.
    pub body_max: Option<NonZeroU64>,
    /// How long nothing may be sent on a `WebSocket`: 1 s to 7 days; none: there are no `WebSockets`.
    pub websocket_timeout: Option<Duration>,
}

/// How the servers of a route are checked.
#[derive(Clone, Debug, PartialEq)]
pub struct RouteHealth {
    /// The path that has to answer 200 to 399; none: a connection is enough.
    pub path: Option<String>,
    /// From check to check: 100 ms to 1 h.
    pub interval: Duration,
    /// The whole time a check may take: 10 ms to 1 min, not above the interval.
    pub timeout: Duration,
    /// Good checks in a row that take a server up: 1 to 100.
    pub rise: NonZeroU32,
    /// Bad checks in a row that take a server down: 1 to 100.
    pub fall: NonZeroU32,
}

/// `[log]`: what is logged, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// The least that is logged.
    pub level: Level,
    /// For people or for programs.
    pub format: LogFormat,
    /// One line a request.
    pub access: bool,
}
