//! `[presence]`, and what cannot work without it.
//!
//! A token for events without presence is taken: it may be turned off for a while. No node is asked for a film.

use crate::fault::{Faults, Wrong};
use crate::tree::Table;
use crate::{Presence, duration, secrets};

pub(super) fn presence(root: &Table, faults: &mut Faults) -> Option<Presence> {
    let table = root.table("presence")?;
    check_ttls(table, faults);
    if let Some(watch) = root.table("watch") {
        check_lifetime(watch, table, faults);
    }
    if let Some(listen) = root.table("listen") {
        check_events(listen, table, faults);
    }
    Some(Presence {
        enabled: table.flag("enabled")?,
        positive_ttl: table.duration("positive_ttl")?,
        negative_ttl: table.duration("negative_ttl")?,
        capacity: table.count("capacity")?,
        events_token: secrets::find(table, "events_token"),
    })
}

/// Replicas send no events: that a film has come shows only once "it is not there" is forgotten.
fn check_ttls(table: &Table, faults: &mut Faults) {
    if let (Some(negative), Some(positive)) = (table.duration("negative_ttl"), table.duration("positive_ttl"))
        && negative > positive
        && let Some(item) = table.written(&["negative_ttl", "positive_ttl"])
    {
        let (negative, positive) = (duration::write(negative), duration::write(positive));
        let wrong =
            Wrong::new(format!("negative_ttl ({negative}) must not be above positive_ttl ({positive})"));
        faults.push(item.fault(wrong.hint("films come to nodes far more often than they go")));
    }
}

/// Only presence learns a film's size before a link to it is signed.
fn check_lifetime(watch: &Table, presence: &Table, faults: &mut Faults) {
    if let Some(item) = watch.get("link_lifetime")
        && item.text() == Some("auto")
        && presence.flag("enabled") == Some(false)
    {
        let wrong = Wrong::new("\"auto\" needs the film's size, and presence.enabled is false");
        faults.push(item.fault(wrong.hint("give a duration such as \"6h\", or turn presence on")));
    }
}

/// Without their token no events are taken, so that nothing would answer on their address.
fn check_events(listen: &Table, presence: &Table, faults: &mut Faults) {
    let token_failed = presence.refused.iter().any(|key| key.starts_with("events_token"));
    if let Some(item) = listen.get("events")
        && item.text().is_some_and(|address| !address.is_empty())
        && secrets::find(presence, "events_token").is_none()
        && !token_failed
    {
        let wrong = Wrong::new("there is no token for events, and nothing would answer here");
        faults.push(item.fault(wrong.hint("set presence.events_token_file, or leave listen.events empty")));
    }
}
