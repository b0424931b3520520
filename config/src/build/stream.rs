//! `[stream]`.
//!
//! Ranges of single values stand in `keys`; here are the rules between two of them. The table is judged in either mode,
//! so that a change of `watch.mode` brings no new fault to light.

use std::num::NonZeroU64;

use crate::fault::{Faults, Wrong};
use crate::header::parse_value;
use crate::tree::Table;
use crate::{Stream, duration};

pub(super) fn stream(table: &Table, faults: &mut Faults) -> Option<Stream> {
    check_hedge(table, faults);
    check_park(table, faults);
    let cache_control = table.parsed("cache_control", faults, parse_value);
    let hedge_after = match table.text("hedge_after")? {
        "off" => None,
        _ => Some(table.duration("hedge_after")?),
    };
    Some(Stream {
        window: NonZeroU64::new(table.size("window")?)?,
        park_after: table.duration("park_after")?,
        min_rate: NonZeroU64::new(table.size("min_rate")?),
        connect_timeout: table.duration("connect_timeout")?,
        first_byte_timeout: table.duration("first_byte_timeout")?,
        stall_timeout: table.duration("stall_timeout")?,
        viewer_stall_timeout: table.duration("viewer_stall_timeout")?,
        attempts: table.count("attempts")?,
        hedge_after,
        pin_version: table.flag("pin_version")?,
        cache_control: cache_control?,
        server_timing: table.flag("server_timing")?,
    })
}

/// A hedge that is as late as the time-out finds a request that has failed already.
fn check_hedge(table: &Table, faults: &mut Faults) {
    if let (Some(hedge), Some(timeout)) =
        (table.duration("hedge_after"), table.duration("first_byte_timeout"))
        && hedge >= timeout
        && let Some(item) = table.written(&["hedge_after", "first_byte_timeout"])
    {
        let (hedge, timeout) = (duration::write(hedge), duration::write(timeout));
        let wrong = Wrong::new(format!("hedge_after ({hedge}) must be below first_byte_timeout ({timeout})"));
        let hint =
            "by then the first request has failed, and there is nothing to hedge; \"off\" turns it off";
        faults.push(item.fault(wrong.hint(hint)));
    }
}

/// A viewer that is let go first never has its window parked.
fn check_park(table: &Table, faults: &mut Faults) {
    if let (Some(park), Some(viewer)) = (table.duration("park_after"), table.duration("viewer_stall_timeout"))
        && park > viewer
        && let Some(item) = table.written(&["park_after", "viewer_stall_timeout"])
    {
        let (park, viewer) = (duration::write(park), duration::write(viewer));
        let wrong =
            Wrong::new(format!("park_after ({park}) must not be above viewer_stall_timeout ({viewer})"));
        faults.push(item.fault(wrong.hint("a viewer that is let go frees its node already")));
    }
}
