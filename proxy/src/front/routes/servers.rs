//! The servers of one route: which address is up, and whose turn it is.
//!
//! Pingora's load balancing counts verdicts and takes turns; the rhythm is here. It begins with everybody up, which a
//! request outlives because it tries another server where one cannot be reached, and after a failure the next check
//! follows at once until there is a verdict. Absent on purpose: weights, and sessions that stay with one server.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use pingora_load_balancing::prelude::{LoadBalancer, RoundRobin};
use pingora_load_balancing::{Backend, Backends};
use prometheus::IntGauge;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use watchgate_config::{self as config, Endpoint};

use super::check::{Check, Failed};
use super::metrics::RouteFamilies;
use super::names::{Names, Owner};

/// How old an address may get while its server answers.
const REFRESH: Duration = Duration::from_secs(10);
/// Between a failed check and the next one, until the verdict.
const HURRY: Duration = Duration::from_millis(50);
/// More addresses than this are never looked at for one request.
const LOOK_MAX: usize = 4096;

/// See the module.
pub(super) struct Servers {
    balancer: LoadBalancer<RoundRobin>,
    failed: Failed,
    list: Vec<Server>,
    interval: Duration,
    /// A request found somebody unreachable.
    trouble: Notify,
}

/// One entry of `to`.
pub(super) struct Server {
    pub(super) url: Endpoint,
    /// The same as text.
    pub(super) shown: String,
    up: IntGauge,
}

/// Who gets a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chosen {
    /// Which of the servers.
    pub(super) server: usize,
    /// Which of its addresses.
    pub(super) address: SocketAddr,
}

impl Servers {
    pub(super) fn new(route: &config::Route, families: &RouteFamilies) -> Self {
        let failed = Failed::default();
        let mut backends = Backends::new(Box::new(Names::new(route.prefix.clone(), route.to.clone())));
        backends.set_health_check(Box::new(Check::new(route, Arc::clone(&failed))));
        let server = |url: &Endpoint| {
            let shown = url.to_string();
            Server { url: url.clone(), up: families.up(&route.prefix, &shown), shown }
        };
        Self {
            balancer: LoadBalancer::from_backends(backends),
            failed,
            list: route.to.iter().map(server).collect(),
            interval: route.health.interval,
            trouble: Notify::new(),
        }
    }

    pub(super) fn get(&self, server: usize) -> &Server {
        &self.list[server]
    }

    /// Whose turn it is among those that are up and were not tried; none: nobody is left.
    pub(super) fn choose(&self, tried: &[SocketAddr]) -> Option<Chosen> {
        let fresh =
            |backend: &Backend| backend.addr.as_inet().is_some_and(|address| !tried.contains(address));
        let backend = self.balancer.select_with(b"", LOOK_MAX, |backend, is_up| is_up && fresh(backend))?;
        let Owner(server) = *backend.ext.get()?;
        Some(Chosen { server, address: *backend.addr.as_inet()? })
    }

    /// Somebody could not be reached: looks after all of them soon.
    pub(super) fn unreachable(&self) {
        self.trouble.notify_one();
    }

    pub(super) async fn look_up(&self) {
        // Only a discovery fails, and that of names never does.
        let _ = self.balancer.update().await;
    }

    /// Looks after names and health for ever.
    pub(super) async fn keep(&self) {
        let mut looked = Instant::now();
        loop {
            self.balancer.backends().run_health_check(true).await;
            let all_up = self.show();
            sleep(HURRY).await;
            if !self.is_in_doubt() {
                // Whatever happened meanwhile ends the pause.
                let _ = timeout(self.interval.saturating_sub(HURRY), self.trouble.notified()).await;
            }
            if !all_up || looked.elapsed() >= REFRESH {
                self.look_up().await;
                looked = Instant::now();
            }
        }
    }

    /// Somebody's last check failed, and it is still taken for up.
    fn is_in_doubt(&self) -> bool {
        let failed = std::mem::take(&mut *self.failed.lock().unwrap_or_else(PoisonError::into_inner));
        let backends = self.balancer.backends();
        let doubted = |backend: &Backend| {
            backend.addr.as_inet().is_some_and(|address| failed.contains(address)) && backends.ready(backend)
        };
        !failed.is_empty() && backends.get_backend().iter().any(doubted)
    }

    /// Shows who is up; whether all are.
    fn show(&self) -> bool {
        let backends = self.balancer.backends();
        let all = backends.get_backend();
        let mut all_up = true;
        for (index, server) in self.list.iter().enumerate() {
            let is_its =
                |backend: &&Backend| backend.ext.get::<Owner>().is_some_and(|Owner(own)| *own == index);
            let is_up = all.iter().filter(is_its).any(|backend| backends.ready(backend));
            server.up.set(i64::from(is_up));
            all_up &= is_up;
        }
        all_up
    }
}
