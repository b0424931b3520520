//! The addresses behind the servers' names, as Pingora's load balancing wants to be told them.
//!
//! Each address of a name is a place of its own. A look-up that fails or hangs changes nothing: what was known is kept, so
//! that a resolver which is down takes no server down. Absent on purpose: a cache by TTL, which the system's resolver
//! does not tell.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::l4::socket::SocketAddr as Address;
use pingora_load_balancing::discovery::ServiceDiscovery;
use pingora_load_balancing::{Backend, Extensions};
use tokio::net::lookup_host;
use tokio::task::JoinSet;
use tokio::time::timeout;
use watchgate_config::{Endpoint, RoutePrefix};

/// The longest look-up.
const LOOK_UP_MAX: Duration = Duration::from_secs(2);
/// Addresses of one name that are used.
const ADDRESSES_MAX: usize = 32;

/// Which server of the route an address belongs to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner(pub(super) usize);

/// The names of one route's servers.
pub(super) struct Names {
    route: RoutePrefix,
    to: Vec<Endpoint>,
    /// Only the task that keeps the servers looks here.
    known: Mutex<Vec<Known>>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    addresses: Vec<SocketAddr>,
    /// The last look-up failed, and somebody was told.
    is_failing: bool,
}

impl Names {
    pub(super) fn new(route: RoutePrefix, to: Vec<Endpoint>) -> Self {
        let known = Mutex::new(vec![Known::default(); to.len()]);
        Self { route, to, known }
    }

    /// Takes in what a look-up said.
    fn note(&self, server: usize, said: Result<Vec<SocketAddr>, String>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, to, route) = (&mut known[server], &self.to[server], &*self.route);
        match said {
            Ok(addresses) => {
                if known.is_failing {
                    tracing::info!(route, upstream = %to, "the server's name has an address again");
                }
                *known = Known { addresses, is_failing: false };
            }
            Err(error) => {
                if !known.is_failing {
                    let kept = known.addresses.len();
                    tracing::warn!(route, upstream = %to, error, kept, "the server's name cannot be looked up");
                }
                known.is_failing = true;
            }
        }
    }

    /// Two servers at one address are one place: the first has it.
    fn backends(&self) -> BTreeSet<Backend> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut backends = BTreeSet::new();
        for (server, known) in known.iter().enumerate() {
            for address in &known.addresses {
                let mut ext = Extensions::new();
                ext.insert(Owner(server));
                backends.insert(Backend { addr: Address::Inet(*address), weight: 1, ext });
            }
        }
        backends
    }
}

#[async_trait]
impl ServiceDiscovery for Names {
    async fn discover(&self) -> pingora::Result<(BTreeSet<Backend>, HashMap<u64, bool>)> {
        let mut looked = JoinSet::new();
        for (server, to) in self.to.iter().enumerate() {
            let (host, port) = (to.bare_host().to_owned(), to.port());
            looked.spawn(async move { (server, look_up(&host, port).await) });
        }
        while let Some(joined) = looked.join_next().await {
            // A look-up that panicked has been reported, and changes nothing.
            if let Ok((server, said)) = joined {
                self.note(server, said);
            }
        }
        Ok((self.backends(), HashMap::new()))
    }
}

/// Addresses in a fixed order: at least one.
pub(super) async fn look_up(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let mut addresses: Vec<SocketAddr> = match timeout(LOOK_UP_MAX, lookup_host((host, port))).await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err("not in time".to_owned()),
    };
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(ADDRESSES_MAX);
    if addresses.is_empty() { Err("the name has no address".to_owned()) } else { Ok(addresses) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_failed_look_up_keeps_what_was_known() {
        let to = ["http://127.0.0.1:1", "http://[::1]:2", "http://127.0.0.1:1/"];
        let names = Names::new("/".parse().unwrap(), to.map(|to| to.parse().unwrap()).to_vec());
        let shown = |backends: &BTreeSet<Backend>| {
            let one = |backend: &Backend| (backend.addr.to_string(), backend.ext.get::<Owner>().unwrap().0);
            backends.iter().map(one).collect::<Vec<_>>()
        };
        let (found, _) = names.discover().await.unwrap();
        assert_eq!(shown(&found), [("127.0.0.1:1".to_owned(), 0), ("[::1]:2".to_owned(), 1)]);
        names.note(0, Err("no resolver".to_owned()));
        assert_eq!(shown(&names.backends()), shown(&found));
        names.note(0, Ok(vec!["127.0.0.1:3".parse().unwrap()]));
        assert_eq!(names.backends().len(), 3, "the third server has the first address now");
    }
}
