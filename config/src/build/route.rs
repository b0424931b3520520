//! Every `[[route]]`.
//!
//! Films come first: a route that could never get a request because of them is a fault. So are two routes of one path.
//! No server is asked whether it is there.

use std::num::NonZeroU64;

use super::from_str;
use crate::fault::{Faults, Wrong};
use crate::route::{parse_host, parse_path};
use crate::tree::Table;
use crate::{Endpoint, Route, RouteHealth, RoutePrefix, WatchPrefix, duration};

pub(super) fn routes(root: &Table, watch: Option<&WatchPrefix>, faults: &mut Faults) -> Option<Vec<Route>> {
    let mut earlier: Vec<(String, RoutePrefix)> = Vec::new();
    let mut routes = Vec::new();
    for table in root.tables("route") {
        let prefix = table.parsed("prefix", faults, from_str::<RoutePrefix>);
        if let Some(prefix) = &prefix {
            check_watch(table, prefix, watch, faults);
            check_twice(table, prefix, &earlier, faults);
            earlier.push((table.path.clone(), prefix.clone()));
        }
        routes.push(route(table, prefix, faults));
    }
    routes.into_iter().collect()
}

fn check_watch(table: &Table, prefix: &RoutePrefix, watch: Option<&WatchPrefix>, faults: &mut Faults) {
    let (Some(watch), Some(item)) = (watch, table.get("prefix")) else { return };
    if prefix.starts_with(&**watch) || prefix.trimmed() == watch.trim_end_matches('/') {
        let wrong =
            Wrong::new(format!("{prefix:?} lies in {watch:?}, the path of the films, which come first"));
        faults.push(item.fault(wrong.hint("choose another prefix, or another watch.prefix")));
    }
}

fn check_twice(table: &Table, prefix: &RoutePrefix, earlier: &[(String, RoutePrefix)], faults: &mut Faults) {
    let same = earlier.iter().find(|(_, other)| other.trimmed() == prefix.trimmed());
    if let (Some((path, _)), Some(item)) = (same, table.get("prefix")) {
        let wrong = Wrong::new(format!("{path} has this path already"));
        faults.push(item.fault(wrong.hint("several servers of one path stand in `to` of one route")));
    }
}

fn route(table: &Table, prefix: Option<RoutePrefix>, faults: &mut Faults) -> Option<Route> {
    let to = table.list("to", faults, upstream);
    let host = table.parsed("host", faults, parse_host);
    let health = health(table, faults);
    let (websocket, websocket_timeout) = (table.flag("websocket"), table.duration("websocket_timeout"));
    Some(Route {
        prefix: prefix?,
        to: to?,
        strip_prefix: table.flag("strip_prefix")?,
        host: host?,
        health: health?,
        connect_timeout: table.duration("connect_timeout")?,
        read_timeout: table.duration("read_timeout")?,
        write_timeout: table.duration("write_timeout")?,
        body_max: NonZeroU64::new(table.size("body_max")?),
        websocket_timeout: websocket?.then_some(websocket_timeout?),
    })
}

/// The gate signs nothing for a route, so that there is no better place for credentials to point to.
fn upstream(text: &str) -> Result<Endpoint, Wrong> {
    text.parse()
        .map_err(|wrong: Wrong| if text.contains('@') { Wrong { hint: None, ..wrong } } else { wrong })
}

fn health(table: &Table, faults: &mut Faults) -> Option<RouteHealth> {
    let (interval, timeout) = (table.duration("health_interval"), table.duration("health_timeout"));
    if let (Some(interval), Some(timeout)) = (interval, timeout)
        && timeout > interval
        && let Some(item) = table.written(&["health_timeout", "health_interval"])
    {
        let (timeout, interval) = (duration::write(timeout), duration::write(interval));
        let wrong =
            Wrong::new(format!("health_timeout ({timeout}) must not be above health_interval ({interval})"));
        faults.push(item.fault(wrong.hint("a check has to end before the next one begins")));
    }
    let path = match table.text("health_path") {
        Some("") => Some(None),
        _ => table.parsed("health_path", faults, parse_path).map(Some),
    };
    Some(RouteHealth {
        path: path?,
        interval: interval?,
        timeout: timeout?,
        rise: table.count("health_rise")?,
        fall: table.count("health_fall")?,
    })
}
