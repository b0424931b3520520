//! One snapshot of all that a request needs: configuration, fleet, places.
//!
//! A request takes the snapshot once and keeps it, so that a reload never changes the rules in the
//! middle of an answer. Absent on purpose: sockets, and everything that is worked out per request.

pub mod places;

use watchgate_config::{self as config, Config};
use watchgate_geoip::Databases;

use crate::decide::client;
use crate::decide::member::Member;
use crate::decide::plan::{AllDown, Policy};
use crate::decide::presence::{Known, Standing, Times};
use crate::decide::rank::{Dropped, Facts, Fixed, Nodes};
use crate::fleet::{Fleet, Makings};
use crate::presence;

use self::places::{Places, Site};

/// Configuration, fleet and places of one moment.
#[derive(Debug)]
pub struct Snapshot {
    /// What the operator wrote.
    pub config: Config,
    /// The nodes.
    pub fleet: Fleet,
    /// Address to place and to the nodes near it.
    pub places: Places,
    /// Whose headers are believed.
    pub client: client::Rules,
    /// What to do while no node is healthy.
    pub policy: Policy,
    /// How long a node that returned takes fewer viewers.
    pub slow_start_ms: u64,
    /// How long the words of nodes on films are believed.
    pub times: Times,
}

impl Snapshot {
    /// Builds the snapshot aside. Nodes of the earlier fleet keep what is known of them.
    #[must_use]
    pub fn new(
        config: Config,
        databases: Databases,
        earlier: Option<&Fleet>,
        makings: &Makings,
        now_unix_ms: u64,
    ) -> Self {
        let fleet = Fleet::made(&config, earlier, makings, now_unix_ms);
        let all_down = match config.watch.all_down {
            config::AllDown::NearestAnyway => AllDown::NearestAnyway,
            config::AllDown::Source => AllDown::Source,
            config::AllDown::Refuse => AllDown::Refuse,
        };
        let header = match config.viewer.header {
            config::ForwardedHeader::XForwardedFor => client::Header::XForwardedFor,
            config::ForwardedHeader::Forwarded => client::Header::Forwarded,
            config::ForwardedHeader::XRealIp => client::Header::XRealIp,
        };
        Self {
            places: Places::new(databases, &config.geoip, &fleet),
            client: client::Rules {
                trusted: client::Trusted::new(config.viewer.trusted_proxies.iter().copied()),
                header,
            },
            policy: Policy { all_down, source: fleet.source() },
            slow_start_ms: crate::clock::millis(config.health.slow_start),
            times: presence::Rules::of(&config.presence, None).times,
            fleet,
            config,
        }
    }
}

/// The fleet as one viewer's chooser sees it at one moment.
#[derive(Debug)]
pub struct View<'a> {
    /// The snapshot of the request.
    pub snapshot: &'a Snapshot,
    /// Where the viewer is.
    pub site: &'a Site<'a>,
    /// The gate's clock.
    pub now_ms: u64,
    /// The viewer came over TLS and is never sent to an address without.
    pub https_only: bool,
    /// Health forgotten: what would be chosen if every node were up.
    pub assume_up: bool,
    /// The operator's drains forgotten.
    pub take_draining: bool,
    /// Who holds the film; `None`: not asked for.
    pub held: Option<Held<'a>>,
}

/// Who holds one film.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    /// What the nodes said; `None`: nobody was asked.
    pub known: Option<&'a Known>,
    /// How long that is believed.
    pub times: Times,
    /// What becomes of a node that has to be asked.
    pub unknown: Unknown,
}

/// What becomes of a node that has to be asked whether it holds a film.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// It may be chosen: somebody will ask it before a viewer is sent there.
    Taken,
    /// It may be chosen, and so may one that did not answer: the viewer's own request will ask it. Not so one that was
    /// behind when it spoke last: it would serve what it has.
    Tried,
    /// It may not.
    Passed,
    /// It may not, unless it is this one, whose word on what is newest weighs most.
    PassedBut(Option<Member>),
    /// It may, and so may whoever holds another version or knows of a deletion: the film runs already, and older
    /// versions can be asked for by their ids.
    Running,
}

impl Held<'_> {
    fn lacks(&self, node: Member, now_ms: u64) -> Option<Dropped> {
        let ask = |known: &Known| known.standing(node, now_ms, self.times);
        match (self.known.map_or(Standing::Unknown, ask), self.unknown) {
            (Standing::Lacks(dropped @ (Dropped::Absent | Dropped::Forbidden)), _) => Some(dropped),
            (_, Unknown::Running) => None,
            (Standing::Unknown | Standing::Lacks(Dropped::Unanswered), Unknown::Tried) => {
                self.known.and_then(|known| known.was_behind(node))
            }
            (Standing::Lacks(dropped), _) => Some(dropped),
            (Standing::Unknown, Unknown::PassedBut(source)) if source == Some(node) => None,
            (Standing::Unknown, Unknown::Passed | Unknown::PassedBut(_)) => Some(Dropped::Unanswered),
            (Standing::Unknown | Standing::Holds, _) => None,
        }
    }
}

impl Nodes for View<'_> {
    fn count(&self) -> usize {
        self.snapshot.fleet.nodes.len()
    }

    fn fixed(&self, node: usize) -> Fixed {
        self.snapshot.fleet.fixed(node)
    }

    fn facts(&self, node: usize) -> Facts {
        let weighed = self.snapshot.fleet.weighed(node);
        let slow_start_ms = self.snapshot.slow_start_ms;
        let mut facts = weighed.facts(self.now_ms, slow_start_ms, self.https_only, self.take_draining);
        if self.assume_up {
            facts.dropped = facts.dropped.filter(|dropped| !dropped.is_health());
        }
        facts.lacks = self.held.and_then(|held| held.lacks(weighed.member(), self.now_ms));
        facts
    }

    fn distance_km(&self, node: usize) -> Option<f32> {
        self.site.distance_km(node)
    }

    fn is_beyond(&self, node: usize, km: f64) -> bool {
        self.site.is_beyond(node, km)
    }
}
