//! `[listen]` and `[viewer]`.
//!
//! Whether an address is free, or this host's at all, is found when it is listened on, not here.

use std::net::SocketAddr;

use crate::address::{parse_network, parse_socket};
use crate::fault::{Faults, Wrong};
use crate::tree::{Table, Value};
use crate::{ForwardedHeader, Listen, Viewer, secrets};

pub(super) fn listen(table: &Table, faults: &mut Faults) -> Option<Listen> {
    let http = addresses(table, faults);
    let admin = table.parsed("admin", faults, parse_socket);
    let events = match table.text("events") {
        Some("") => Some(None),
        _ => table.parsed("events", faults, parse_socket).map(Some),
    };
    let admin_token = secrets::find(table, "admin_token");
    if let (Some(admin), Some(item)) = (admin, table.get("admin")) {
        let token_failed = table.refused.iter().any(|key| key.starts_with("admin_token"));
        if !admin.ip().to_canonical().is_loopback() && admin_token.is_none() && !token_failed {
            let wrong = Wrong::new(format!("{admin} is not a loopback address, and there is no token"));
            faults.push(item.fault(wrong.hint("set admin_token_file, or listen on 127.0.0.1")));
        }
    }
    let http_known = http.as_deref().unwrap_or_default();
    check_apart(table, ("admin", admin), ("http", http_known), faults);
    check_apart(table, ("events", events.flatten()), ("admin", admin.as_slice()), faults);
    check_apart(table, ("events", events.flatten()), ("http", http_known), faults);
    Some(Listen { http: http?, admin: admin?, admin_token, events: events? })
}

/// Nobody can listen on one address for two.
fn check_apart(
    table: &Table,
    (key, address): (&str, Option<SocketAddr>),
    (other, others): (&str, &[SocketAddr]),
    faults: &mut Faults,
) {
    if let Some(address) = address
        && address.port() != 0
        && others.contains(&address)
        && let Some(item) = table.written(&[key, other])
    {
        let why = format!("{address} stands in listen.{key} and in listen.{other}");
        faults.push(item.fault(Wrong::new(why)));
    }
}

/// Two addresses with port 0 are two free ports, so that only others can be alike.
fn addresses(table: &Table, faults: &mut Faults) -> Option<Vec<SocketAddr>> {
    let Value::List(items) = &table.get("http")?.value else { return None };
    let mut addresses = Vec::with_capacity(items.len());
    let before = faults.len();
    for item in items {
        let Some(address) = faults.keep(parse_socket(item.text()?).map_err(|wrong| item.fault(wrong))) else {
            continue;
        };
        if address.port() != 0 && addresses.contains(&address) {
            faults.push(item.fault(Wrong::new(format!("{:?} stands here twice", item.text()?))));
        }
        addresses.push(address);
    }
    (faults.len() == before).then_some(addresses)
}

pub(super) fn viewer(table: &Table, faults: &mut Faults) -> Option<Viewer> {
    let trusted_proxies = table.list("trusted_proxies", faults, parse_network);
    Some(Viewer {
        trusted_proxies: trusted_proxies?,
        header: table.word("header", ForwardedHeader::from_word)?,
    })
}
