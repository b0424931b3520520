//! The nodes as the gate knows them: what is configured, what is known now, and each node's metrics.
//!
//! One writer, the probe task, keeps the live part; requests only read atomics. An operator's drain is
//! the one switch written from elsewhere. Absent on purpose: the health rules (`decide::health`) and
//! the choice (`decide::rank`).

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use watchgate_config as config;

use crate::decide::health::{Reason, State, Trouble, slow_start_share};
use crate::decide::member::Member;
use crate::decide::rank::{self, Dropped, Facts, Fixed};
use crate::sign::{DayKeys, Target, TargetParts};

use self::experience::{Entrance, Full, Reporter};
use self::lanes::Lanes;
use self::load::Load;
use self::metrics::{LiveMetrics, NodeMetrics};

pub use self::load::{Streaming, decay_after};
pub use self::make::Makings;

pub mod experience;
mod lanes;
mod load;
mod make;
pub mod metrics;

/// Who asks, in every request of the gate's own to a node.
pub const AGENT: &str = concat!("watchgate/", env!("CARGO_PKG_VERSION"));
/// The presence of this field keeps `MinIO` and `RustFS` from fetching from a peer what they lack themselves. It needs no
/// signature.
pub const HONEST: (&str, &str) = ("x-minio-source-proxy-request", "false");

/// One node: configuration, live state, and all that can be worked out before a request comes.
#[derive(Debug)]
pub struct Node {
    weighed: Weighed,
    fixed: Fixed,
    /// Signing keys of today and tomorrow.
    pub keys: ArcSwap<DayKeys>,
    /// What the operator wrote.
    pub config: config::Node,
    /// Links are signed for the public address.
    pub link: Target,
    /// The gate's own requests are signed for the endpoint.
    pub probe: Target,
    /// What is known now.
    pub live: Arc<Live>,
    /// Handles resolved once.
    pub metrics: NodeMetrics,
    /// The region that requests are signed for.
    pub region: Arc<str>,
    /// Since when its credentials are these, in Unix seconds.
    pub credentials_unix_s: u64,
}

/// What each request that weighs the node reads of it beside its place: of a fleet they lie side by side, for the same
/// reason as in [`Live`].
#[derive(Clone, Debug)]
pub struct Weighed {
    live: Arc<Live>,
    viewers_max: f64,
    is_https: bool,
}

/// What is known of a node now.
///
/// What each request reads of each node that it weighs comes first and fills one line of the processor's cache: of a
/// large fleet the next viewer's nodes are in no cache.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Live {
    load: Load,
    /// When it returned, in milliseconds of the gate's clock; 0: it never left.
    returned_at_ms: AtomicU64,
    state: AtomicU8,
    draining: AtomicBool,
    /// It refused us the last film that we asked for.
    refuses_films: AtomicBool,
    /// Who it is, whatever its place in the fleet.
    pub member: Member,
    entrance: Entrance,
    metrics: LiveMetrics,
    /// The ways of questions for its films.
    pub(crate) lanes: Lanes,
    /// Where the endpoint's name points; empty until it is resolved.
    pub addresses: ArcSwapOption<Vec<SocketAddr>>,
    /// The same knowledge in words, for operators.
    pub report: ArcSwap<Report>,
}

/// The latest verdicts about one node, for operators.
#[derive(Clone, Debug)]
pub struct Report {
    /// The machine's state.
    pub state: State,
    /// Since when, in Unix milliseconds.
    pub since_ms: u64,
    /// Why the last round failed, or why it is down.
    pub reason: Option<Reason>,
    /// Duration of the last round's signed probe, in milliseconds.
    pub probe_ms: Option<f64>,
    /// The node's clock minus ours, in seconds.
    pub clock_skew_s: Option<i64>,
    /// When the last round ended, in Unix milliseconds.
    pub last_probe_at_ms: Option<u64>,
}

impl Node {
    /// Prepares a node; `live` survives reloads.
    #[must_use]
    pub fn new(
        config: config::Node,
        bucket: &config::Bucket,
        live: Arc<Live>,
        metrics: NodeMetrics,
        now_unix_s: u64,
    ) -> Self {
        let keys = DayKeys::derive(config.secret_key.expose(), now_unix_s, &bucket.region);
        let target = |endpoint: &config::Endpoint| {
            Target::new(TargetParts {
                scheme: match endpoint.scheme() {
                    config::Scheme::Http => crate::sign::Scheme::Http,
                    config::Scheme::Https => crate::sign::Scheme::Https,
                },
                authority: endpoint.authority(),
                bucket: &bucket.name,
                addressing: match config.addressing {
                    config::Addressing::Path => crate::sign::Addressing::Path,
                    config::Addressing::VirtualHost => crate::sign::Addressing::VirtualHost,
                },
                region: &bucket.region,
                access_key: &config.access_key,
                session_token: config.session_token.as_ref().map(config::Secret::expose),
            })
        };
        Self {
            weighed: Weighed {
                live: Arc::clone(&live),
                viewers_max: f64::from(config.max_viewers.get()),
                is_https: config.public_url.scheme() == config::Scheme::Https,
            },
            fixed: Fixed {
                seed: rank::seed(config.id.as_str()),
                weight_inverse: 1.0 / config.weight,
                base_ms: config.base_ms,
            },
            link: target(&config.public_url),
            probe: target(&config.endpoint),
            keys: ArcSwap::from_pointee(keys),
            region: bucket.region.as_str().into(),
            credentials_unix_s: now_unix_s,
            live,
            metrics,
            config,
        }
    }

    /// Hash of the id.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.fixed.seed
    }

    /// What is weighed of it.
    #[must_use]
    pub fn weighed(&self) -> &Weighed {
        &self.weighed
    }
}

impl Weighed {
    /// Who it is, whatever its place in the fleet.
    #[must_use]
    pub fn member(&self) -> Member {
        self.live.member
    }

    /// What the chooser needs to know at `now_ms` of the gate's clock. `take_draining`: an operator's drain is passed
    /// over.
    #[must_use]
    pub fn facts(&self, now_ms: u64, slow_start_ms: u64, https_only: bool, take_draining: bool) -> Facts {
        let live = &self.live;
        let returned_at_ms = live.returned_at_ms.load(Ordering::Relaxed);
        let dropped = if live.is_draining() && !take_draining {
            Some(Dropped::Draining)
        } else if https_only && !self.is_https {
            Some(Dropped::Scheme)
        } else {
            match live.state() {
                State::Up => None,
                State::Down => Some(Dropped::Down),
                State::Unproven => Some(Dropped::Unproven),
            }
        };
        Facts {
            load: f64::from(live.viewers()) / self.viewers_max,
            budget_share: slow_start_share(
                now_ms,
                (returned_at_ms > 0).then_some(returned_at_ms),
                slow_start_ms,
            ),
            dropped,
            lacks: None,
        }
    }
}

impl Live {
    /// A node nobody has asked yet. What viewers' requests meet there is told to `reporter`.
    #[must_use]
    pub fn new(member: Member, since_unix_ms: u64, reporter: Reporter, metrics: LiveMetrics) -> Self {
        Self {
            state: AtomicU8::new(State::Unproven as u8),
            draining: AtomicBool::new(false),
            returned_at_ms: AtomicU64::new(0),
            refuses_films: AtomicBool::new(false),
            load: Load::unknown(),
            member,
            entrance: Entrance::new(member, reporter),
            metrics,
            lanes: Lanes::new(),
            addresses: ArcSwapOption::empty(),
            report: ArcSwap::from_pointee(Report {
                state: State::Unproven,
                since_ms: since_unix_ms,
                reason: None,
                probe_ms: None,
                clock_skew_s: None,
                last_probe_at_ms: None,
            }),
        }
    }

    /// The machine's state.
    #[must_use]
    pub fn state(&self) -> State {
        match self.state.load(Ordering::Relaxed) {
            state if state == State::Up as u8 => State::Up,
            state if state == State::Down as u8 => State::Down,
            _ => State::Unproven,
        }
    }

    /// The probe task's verdict; `returned_at_ms` (gate's clock) is given when a node that was down is up again.
    pub fn set_state(&self, state: State, returned_at_ms: Option<u64>) {
        self.returned_at_ms.store(returned_at_ms.unwrap_or(0), Ordering::Relaxed);
        self.state.store(state as u8, Ordering::Relaxed);
    }

    /// Whether an operator drains it.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// The operator's switch.
    pub fn set_draining(&self, draining: bool) {
        self.draining.store(draining, Ordering::Relaxed);
    }

    /// Whether it refused us the last film that we asked for: a matter of its key's permissions, not of its health.
    #[must_use]
    pub fn refuses_films(&self) -> bool {
        self.refuses_films.load(Ordering::Relaxed)
    }

    /// It refuses us films, or gives them; true: that is news.
    #[must_use]
    pub fn set_refuses_films(&self, refuses: bool) -> bool {
        // Mostly it is as it was, and nobody else's memory is touched.
        let is_news =
            self.refuses_films() != refuses && self.refuses_films.swap(refuses, Ordering::Relaxed) != refuses;
        if is_news {
            self.metrics.refuses_films.set(i64::from(refuses));
        }
        is_news
    }

    /// Viewers the node serves now, as well as the gate can know: the node's own word plus the redirects and the
    /// streams that began since; or, of a node that gives no word, our streams plus a decaying count of redirects.
    #[must_use]
    pub fn viewers(&self) -> u32 {
        self.load.viewers()
    }

    /// One more viewer was redirected there.
    pub fn count_sent(&self) {
        self.load.count_sent();
    }

    /// A stream asks the node for its film from now on, until the guard is dropped.
    pub fn stream_begins(self: &Arc<Self>) -> Streaming {
        Streaming::begin(self)
    }

    /// The node's own word on its load, from any of its answers: requests in flight there, with the one that was
    /// answered if that goes on as a stream.
    pub fn heard_load(&self, in_flight: u32) {
        self.load.heard(in_flight);
    }

    /// The probe task's word on the load: requests in flight as the node told it, or `None` where the
    /// store tells nothing; then the count of viewers redirected loses `decay` (0..=1) of itself.
    pub fn set_in_flight(&self, in_flight: Option<u32>, decay: f64) {
        match in_flight {
            Some(in_flight) => self.load.heard(in_flight),
            None => self.load.unheard(decay),
        }
    }

    /// A viewer's request failed by the node's fault; the health task hears of it. Never waits. That a viewer left
    /// or paused is nobody's fault and not for here.
    pub fn failed(&self, trouble: Trouble) {
        self.metrics.count_trouble(trouble);
        // Of a node that is not up no verdict is left to be made: nothing floods the task when a large node dies.
        if trouble.is_fault() && self.state() == State::Up {
            self.count_full(self.entrance.failed(trouble));
        }
    }

    /// A viewer's request went well. One atomic load, unless failures are outstanding.
    pub fn served(&self) {
        self.count_full(self.entrance.served());
    }

    fn count_full(&self, told: Result<(), Full>) {
        if told.is_err() {
            self.metrics.dropped.inc();
        }
    }
}

/// All configured nodes with what is known of them now.
#[derive(Debug)]
pub struct Fleet {
    /// In the order of the configuration.
    pub nodes: Vec<Arc<Node>>,
    /// What of each node stays as it is configured, side by side: of a large fleet most nodes are weighed by it alone.
    fixed: Box<[Fixed]>,
    /// And what is read of those that may win.
    weighed: Box<[Weighed]>,
    /// Every member's place in `nodes`, in the order of the members.
    members: Vec<(Member, usize)>,
    /// The number of the next store that no fleet of the gate has had.
    next: u32,
    /// The bucket's name.
    bucket: String,
}

impl Fleet {
    /// What of the node at a place stays as it is configured.
    #[must_use]
    pub fn fixed(&self, place: usize) -> Fixed {
        self.fixed[place]
    }

    /// What is weighed of the node at a place.
    #[must_use]
    pub fn weighed(&self, place: usize) -> &Weighed {
        &self.weighed[place]
    }

    /// A node by its id.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<&Arc<Node>> {
        self.nodes.iter().find(|node| node.config.id.as_str() == id)
    }

    /// The node that is this member; `None`: it has left.
    #[must_use]
    pub fn by_member(&self, member: Member) -> Option<&Arc<Node>> {
        self.place(member).map(|place| &self.nodes[place])
    }

    /// Its place.
    #[must_use]
    pub fn place(&self, member: Member) -> Option<usize> {
        let at = self.members.binary_search_by_key(&member, |(member, _)| *member).ok()?;
        Some(self.members[at].1)
    }

    /// The member at a place.
    #[must_use]
    pub fn member(&self, place: usize) -> Member {
        self.weighed[place].member()
    }

    /// The source, if there is one.
    #[must_use]
    pub fn source_member(&self) -> Option<Member> {
        self.source().map(|place| self.member(place))
    }

    /// Index of the source, if there is one.
    #[must_use]
    pub fn source(&self) -> Option<usize> {
        self.nodes.iter().position(|node| node.config.role == config::Role::Source)
    }
}
