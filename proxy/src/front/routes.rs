//! Where requests go that are not for films: `[[route]]`.
//!
//! Which route a request takes is decided in `decide::route`; Pingora's own proxying carries it (`proxied`), to the server
//! whose turn it is among those that are up (`servers`). Absent on purpose: anything about films. The gate is asked about
//! every request first, so that no route ever gets one that is the gate's.

use std::sync::Arc;

use pingora::server::configuration::ServerConf;
use pingora_proxy::{HttpProxy, http_proxy};
use prometheus::Registry;
use tokio::task::JoinSet;
use watchgate_config as config;

use crate::decide::route::Table;
use crate::gate::Gate;

mod check;
mod metrics;
mod names;
mod proxied;
mod servers;

use check::{Check, Failed};
use metrics::{RouteFamilies, RouteMetrics};
use proxied::Proxied;
use servers::Servers;

/// Idle connections to servers that are kept at most, of all routes together.
const POOL: usize = 256;

/// See [`super::prove_server`].
pub(super) async fn prove(route: &config::Route, server: usize) -> Result<(), String> {
    let to = &route.to[server];
    let check = Check::new(route, Failed::default());
    let mut said = Err("the name has no address".to_owned());
    for address in names::look_up(to.bare_host(), to.port()).await? {
        let asked = check.once(to, address).await;
        said = asked.map_err(|error| format!("{address}: {}", check::words(&error)));
        if said.is_ok() {
            break;
        }
    }
    said
}

/// All routes, and Pingora's proxying around them.
#[derive(Clone)]
pub(super) struct Routes {
    proxy: Arc<HttpProxy<Proxied>>,
    all: Arc<All>,
}

/// What a request has to know of the routes.
struct All {
    table: Table,
    routes: Vec<Route>,
    watch_prefix: config::WatchPrefix,
}

struct Route {
    config: config::Route,
    servers: Servers,
    metrics: RouteMetrics,
}

impl Routes {
    /// The routes of the gate's configuration; none if there are none.
    pub(super) fn new(gate: &Arc<Gate>, registry: &Registry) -> prometheus::Result<Option<Self>> {
        let configured = gate.routes();
        if configured.is_empty() {
            return Ok(None);
        }
        let families = RouteFamilies::register(registry)?;
        let route = |config: config::Route| Route {
            servers: Servers::new(&config, &families),
            metrics: families.route(&config.prefix),
            config,
        };
        let all = Arc::new(All {
            table: Table::new(configured.iter().map(|route| &*route.prefix)),
            routes: configured.into_iter().map(route).collect(),
            watch_prefix: gate.watch_prefix(),
        });
        let conf = ServerConf { upstream_keepalive_pool_size: POOL, ..ServerConf::default() };
        let proxy = http_proxy(&Arc::new(conf), Proxied::new(Arc::clone(gate), Arc::clone(&all)));
        Ok(Some(Self { proxy: Arc::new(proxy), all }))
    }

    /// Looks the servers' names up for the first time, so that the first request finds somebody.
    pub(super) async fn begin(&self) {
        for route in &self.all.routes {
            route.servers.look_up().await;
        }
    }

    /// Keeps names and health of all servers up to date; ends with its future.
    pub(super) async fn keep(self) {
        let mut tasks = JoinSet::new();
        for index in 0..self.all.routes.len() {
            let all = Arc::clone(&self.all);
            tasks.spawn(async move { all.routes[index].servers.keep().await });
        }
        // They never end; one that panics has been reported, and its servers stay as they are.
        while tasks.join_next().await.is_some() {}
    }

    /// Pingora's proxying.
    pub(super) fn proxy(&self) -> &Arc<HttpProxy<Proxied>> {
        &self.proxy
    }

    /// What is below it never goes to a server.
    pub(super) fn watch_prefix(&self) -> &str {
        &self.all.watch_prefix
    }
}
