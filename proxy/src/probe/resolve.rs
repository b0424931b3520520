//! Names of nodes and where they point: looked up behind the rounds, never in a viewer's request.
//!
//! A known address is used while a new look-up goes on, and kept when that fails: a resolver that is down takes no
//! node down. Only a node without any address waits for its name. Absent on purpose: a cache by TTL, which the
//! system's resolver does not tell.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// How old an address may get. Half of it is how long a moved name stays unnoticed on the average.
const REFRESH_MS: u64 = 30_000;
/// After a failure the name is looked up again at once, but not more often than this.
const RETRY_MS: u64 = 1_000;
/// The longest look-up. It runs beside the rounds, so this only says when to give up and start another.
const LOOK_UP_MAX: Duration = Duration::from_secs(10);

/// Where addresses come from.
pub(super) trait Resolve: Send + Sync + 'static {
    /// All addresses of a host, in any order.
    fn resolve(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Vec<SocketAddr>>> + Send;
}

/// This machine's resolver.
#[derive(Clone, Copy, Debug)]
pub(super) struct System;

impl Resolve for System {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        Ok(tokio::net::lookup_host((host, port)).await?.collect())
    }
}

/// Addresses in a fixed order, so that a resolver which shuffles them changes nothing: at least one.
pub(super) async fn look_up<R: Resolve>(
    resolver: &R,
    host: &str,
    port: u16,
) -> Result<Vec<SocketAddr>, String> {
    let mut addresses = match timeout(LOOK_UP_MAX, resolver.resolve(host, port)).await {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(error)) => return Err(format!("resolving: {error}")),
        Err(_) => return Err("resolving: not in time".to_owned()),
    };
    addresses.sort_unstable();
    addresses.dedup();
    if addresses.is_empty() { Err("resolving: the name has no address".to_owned()) } else { Ok(addresses) }
}

/// When a node's name is looked up. At most one look-up of a name is under way.
#[derive(Debug)]
pub(super) struct Name {
    under_way: bool,
    /// When the last look-up ended.
    ended_ms: Option<u64>,
    /// It had an address once.
    found: bool,
    /// Ticks at the end of each look-up.
    ended: watch::Sender<()>,
}

/// What a round does about the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// The address is fresh, or a look-up is under way already.
    Nothing,
    /// Look it up, and go on with the known address.
    Refresh,
}

impl Name {
    pub(super) fn new() -> Self {
        Self { under_way: false, ended_ms: None, found: false, ended: watch::Sender::new(()) }
    }

    /// Whether a look-up starts now; `reached`: the last round got an answer from the known address.
    pub(super) fn need(&self, now_ms: u64, reached: bool) -> Need {
        let age_max_ms = match (self.found, reached) {
            (false, _) => 0,
            (true, false) => RETRY_MS,
            (true, true) => REFRESH_MS,
        };
        let old = self.ended_ms.is_none_or(|ended_ms| now_ms.saturating_sub(ended_ms) >= age_max_ms);
        if old && !self.under_way { Need::Refresh } else { Need::Nothing }
    }

    /// A look-up starts.
    pub(super) fn starts(&mut self) {
        self.under_way = true;
    }

    /// It ended.
    pub(super) fn ends(&mut self, now_ms: u64, found: bool) {
        self.under_way = false;
        self.ended_ms = Some(now_ms);
        self.found |= found;
        self.ended.send_replace(());
    }

    /// For a round that has no address to go on with: becomes ready when the next look-up ends.
    pub(super) fn wait(&self) -> Option<watch::Receiver<()>> {
        (!self.found).then(|| self.ended.subscribe())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_looked_up_when_its_address_is_old_or_does_not_answer() {
        let check = |found: bool, ended_ms: Option<u64>, reached: bool, now_ms: u64, expected: Need| {
            let name = Name { ended_ms, found, ..Name::new() };
            assert_eq!(name.need(now_ms, reached), expected, "{name:?} at {now_ms}, reached: {reached}");
            assert_eq!(
                Name { under_way: true, ..name }.need(now_ms, reached),
                Need::Nothing,
                "one at a time"
            );
        };
        check(false, None, true, 1, Need::Refresh);
        check(false, Some(5), false, 5, Need::Refresh);
        check(true, Some(5), true, 30_004, Need::Nothing);
        check(true, Some(5), true, 30_005, Need::Refresh);
        check(true, Some(5), false, 1_004, Need::Nothing);
        check(true, Some(5), false, 1_005, Need::Refresh);
    }

    #[test]
    fn only_a_node_without_an_address_waits() {
        let mut name = Name::new();
        name.starts();
        let wait = name.wait().expect("no address yet");
        assert!(!wait.has_changed().unwrap());
        name.ends(9, false);
        assert!(wait.has_changed().unwrap());
        assert!(name.wait().is_some(), "still none");
        name.ends(10, true);
        name.ends(11, false);
        assert!(name.wait().is_none(), "the known address is kept");
    }

    /// Answers with what it holds.
    struct Fixed(Option<Vec<&'static str>>);

    impl Resolve for Fixed {
        async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
            let list = self.0.as_ref().ok_or(io::ErrorKind::NotFound)?;
            Ok(list.iter().map(|text| text.parse().unwrap()).collect())
        }
    }

    #[tokio::test]
    async fn addresses_have_one_order_whatever_the_resolver_does() {
        let ordered = ["10.0.0.1:9", "10.0.0.2:9", "[fd00::1]:9"].map(|text| text.parse().unwrap()).to_vec();
        for list in [["10.0.0.2:9", "[fd00::1]:9", "10.0.0.1:9"], ["[fd00::1]:9", "10.0.0.1:9", "10.0.0.2:9"]]
        {
            let twice = list.iter().chain(&list).copied().collect();
            assert_eq!(look_up(&Fixed(Some(twice)), "minio", 9).await.as_ref(), Ok(&ordered));
        }
        assert!(look_up(&Fixed(Some(vec![])), "minio", 9).await.is_err());
        assert!(look_up(&Fixed(None), "minio", 9).await.is_err());
    }
}
