//! `[watch]` and `[health]`.
//!
//! Ranges of single values stand in `keys`; here are the rules between two of them.

use std::time::Duration;

use super::from_str;
use crate::fault::{Faults, Wrong};
use crate::name::check_object_key;
use crate::tree::{Table, Value};
use crate::{AllDown, CorsOrigin, Health, LinkLifetime, Mode, Watch, duration};

/// Longest life of a signed URL (Amazon S3 API Reference, query-string authentication, `X-Amz-Expires`).
const LINK_MAX: Duration = Duration::from_hours(7 * 24);

/// The longest lifetime that follows from a film's size: ours, said in [`LinkLifetime::Auto`].
const AUTO_MAX: Duration = Duration::from_hours(24);

pub(super) fn watch(table: &Table, faults: &mut Faults) -> Option<Watch> {
    let prefix = table.parsed("prefix", faults, from_str);
    let object = table.parsed("object", faults, from_str);
    let lifetime = lifetime(table);
    let window = table.duration("link_window");
    check_link(table, lifetime, window, faults);
    let cors_origins = origins(table, faults);
    Some(Watch {
        prefix: prefix?,
        mode: table.word("mode", Mode::from_word)?,
        object: object?,
        link_lifetime: lifetime?,
        segments: table.word("segments", Mode::from_word)?,
        link_window: window?,
        all_down: table.word("all_down", AllDown::from_word)?,
        decision_header: table.flag("decision_header")?,
        cors_origins: cors_origins?,
    })
}

fn lifetime(table: &Table) -> Option<LinkLifetime> {
    match table.text("link_lifetime")? {
        "auto" => Some(LinkLifetime::Auto {
            bit_rate_kbps: table.count("auto_bit_rate_kbps")?,
            pause: table.duration("auto_pause")?,
        }),
        _ => table.duration("link_lifetime").map(LinkLifetime::Fixed),
    }
}

/// A link lives for its lifetime and what is left of the window.
fn check_link(table: &Table, lifetime: Option<LinkLifetime>, window: Option<Duration>, faults: &mut Faults) {
    let (Some(lifetime), Some(window)) = (lifetime, window) else { return };
    let (most, said) = match lifetime {
        LinkLifetime::Fixed(lifetime) => (lifetime, duration::write(lifetime)),
        LinkLifetime::Auto { .. } => (AUTO_MAX, format!("up to {}", duration::write(AUTO_MAX))),
    };
    if most + window > LINK_MAX
        && let Some(item) = table.written(&["link_lifetime", "link_window"])
    {
        let sum = format!("{said} and {}", duration::write(window));
        let wrong = Wrong::new(format!("link_lifetime and link_window are above 7d together: {sum}"));
        faults.push(item.fault(wrong.hint("S3 takes no link that is valid for longer than 604800 s")));
    }
}

fn origins(table: &Table, faults: &mut Faults) -> Option<Vec<CorsOrigin>> {
    let origins = table.list("cors_origins", faults, from_str::<CorsOrigin>)?;
    if origins.len() > 1 && origins.contains(&CorsOrigin::Any) {
        let wrong = Wrong::new("\"*\" stands for every origin and leaves nothing to the others");
        faults
            .push(table.get("cors_origins")?.fault(wrong.hint("keep \"*\" alone, or the others without it")));
        return None;
    }
    Some(origins)
}

pub(super) fn health(table: &Table, faults: &mut Faults) -> Option<Health> {
    let interval = table.duration("interval");
    let timeout = table.duration("timeout");
    if let (Some(interval), Some(timeout)) = (interval, timeout)
        && timeout > interval
        && let Some(item) = table.written(&["timeout", "interval"])
    {
        let (timeout, interval) = (duration::write(timeout), duration::write(interval));
        faults.push(
            item.fault(
                Wrong::new(format!("timeout ({timeout}) must not be above interval ({interval})"))
                    .hint("a probe has to end before the next one begins"),
            ),
        );
    }
    let canary = canary(table, faults);
    Some(Health {
        interval: interval?,
        timeout: timeout?,
        rise: table.count("rise")?,
        fall: table.count("fall")?,
        canary: canary?,
        first_verdict_timeout: table.duration("first_verdict_timeout")?,
        slow_start: table.duration("slow_start")?,
    })
}

#[expect(clippy::option_option, reason = "the outer one is a fault, the inner one is what the file says")]
fn canary(table: &Table, faults: &mut Faults) -> Option<Option<String>> {
    let item = table.get("canary")?;
    let Value::Text(key) = &item.value else { return None };
    if key.is_empty() {
        return Some(None);
    }
    faults.keep(check_object_key(key).map(|()| Some(key.clone())).map_err(|wrong| item.fault(wrong)))
}
