//! The fault switches: what goes wrong, for which requests, how often.
//!
//! Only bookkeeping. What a fault does to the answer stands in `answer.rs`, to
//! the bytes in `body.rs`, to the connection in `wire.rs`. Switches that concern
//! the node as a whole (freeze, refuse, clock, health) are methods of the node.

use std::mem;
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::locked;
use crate::target::Target;

/// One thing that goes wrong. Byte counts are of one answer's body, not of the film.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// Every request is refused with this status and the code `MinIO` gives it.
    Status(u16),
    /// Milliseconds before the first byte; an hour is as good as never.
    DelayMs(u64),
    /// Nothing more after so many bytes; the connection stays open.
    StallAfter(u64),
    /// So many bytes a second.
    Drip(u64),
    /// A reset (`SO_LINGER` 0) after so many bytes.
    ResetAfter(u64),
    /// The connection ends cleanly after so many bytes.
    CloseAfter(u64),
    /// The connection ends cleanly so many bytes before the promised length.
    ShortBy(u64),
    /// So many bytes follow the promised length on the connection.
    LongBy(u64),
    /// The answer carries another tag than the film has.
    WrongEtag,
    /// A range is answered with 200 and the whole film.
    IgnoreRange,
    /// A range is answered with 200, but with `Content-Range` and the part alone.
    RangeAs200,
    /// `Content-Range` is one byte off.
    WrongContentRange,
    /// `Content-Range` gives the film one byte more than it has.
    WrongTotal,
    /// `Content-Encoding: gzip` on plain bytes.
    Gzip,
    /// An interim answer (103) comes first.
    EarlyHints,
    /// The connection ends cleanly in place of an answer.
    HangUp,
    /// So many bytes of the head a second; the body comes as ever.
    DripHead(u64),
}

/// Which requests a fault concerns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Requests for a film.
    #[default]
    Objects,
    /// Requests for a film that are not HEAD.
    Gets,
    /// HEAD of a film.
    Heads,
    /// Every S3 request, also for the bucket.
    S3,
    /// Health pages too.
    All,
}

/// A fault with its limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What goes wrong.
    pub fault: Fault,
    /// For which requests.
    #[serde(default)]
    pub scope: Scope,
    /// For so many requests more; nothing: until it is cleared.
    #[serde(default)]
    pub times: Option<u32>,
}

impl Fault {
    /// The fault for the next `times` requests it concerns.
    #[must_use]
    pub fn times(self, times: u32) -> Rule {
        Rule { times: Some(times), ..self.into() }
    }

    /// The fault for other requests than those for a film.
    #[must_use]
    pub fn on(self, scope: Scope) -> Rule {
        Rule { scope, ..self.into() }
    }

    /// Can it show at all? A fault that cannot is not used up by the request.
    fn shows(&self, is_head: bool, has_range: bool, is_health: bool) -> bool {
        match self {
            Self::Status(_) | Self::DelayMs(_) | Self::EarlyHints | Self::HangUp | Self::DripHead(_) => true,
            _ if is_health => false,
            Self::WrongEtag | Self::Gzip => true,
            Self::IgnoreRange | Self::RangeAs200 | Self::WrongContentRange | Self::WrongTotal => has_range,
            Self::StallAfter(_)
            | Self::Drip(_)
            | Self::ResetAfter(_)
            | Self::CloseAfter(_)
            | Self::ShortBy(_)
            | Self::LongBy(_) => !is_head,
        }
    }
}

impl From<Fault> for Rule {
    fn from(fault: Fault) -> Self {
        Self { fault, scope: Scope::default(), times: None }
    }
}

impl Rule {
    /// Limits the rule to the next `times` requests it concerns.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }
}

/// The switches of one node.
#[derive(Debug, Default)]
pub struct Faults(Mutex<Vec<Rule>>);

impl Faults {
    /// Switches a fault on, in place of an earlier one of the same kind.
    pub fn set(&self, rule: impl Into<Rule>) {
        let rule = rule.into();
        let mut rules = locked(&self.0);
        rules.retain(|old| mem::discriminant(&old.fault) != mem::discriminant(&rule.fault));
        rules.push(rule);
    }

    /// Switches all faults off; answers that have begun keep theirs.
    pub fn clear(&self) {
        locked(&self.0).clear();
    }

    /// What is switched on.
    #[must_use]
    pub fn rules(&self) -> Vec<Rule> {
        locked(&self.0).clone()
    }

    /// What goes wrong with this request; uses up counted rules.
    pub(crate) fn pick(&self, request: Request<'_>) -> Picked {
        let mut picked = Picked::default();
        let is_health = *request.target == Target::Health;
        locked(&self.0).retain_mut(|rule| {
            let concerned = request.target.within(rule.scope, request.is_head)
                && rule.fault.shows(request.is_head, request.has_range, is_health);
            if !concerned {
                return true;
            }
            if rule.times != Some(0) {
                picked.add(&rule.fault);
            }
            rule.times = rule.times.map(|left| left.saturating_sub(1));
            rule.times != Some(0)
        });
        picked
    }
}

/// What a fault's limits are judged by.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) target: &'a Target,
    pub(crate) is_head: bool,
    pub(crate) has_range: bool,
}

/// How a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// FIN: what was written is still delivered.
    Close,
    /// RST: what the peer has not read may be lost.
    Reset,
}

/// The faults of one answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Picked {
    pub(crate) status: Option<u16>,
    pub(crate) delay: Option<Duration>,
    pub(crate) early_hints: bool,
    pub(crate) hang_up: bool,
    pub(crate) head_bytes_per_s: Option<u64>,
    pub(crate) wrong_etag: bool,
    pub(crate) range: RangeFault,
    pub(crate) gzip: bool,
    pub(crate) body: BodyFaults,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RangeFault {
    #[default]
    None,
    Ignored,
    As200,
    OneOff,
    WrongTotal,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct BodyFaults {
    pub(crate) stall_after: Option<u64>,
    pub(crate) cut_after: Option<(u64, Cut)>,
    pub(crate) short_by: u64,
    pub(crate) long_by: u64,
    pub(crate) bytes_per_s: Option<u64>,
}

impl Picked {
    fn add(&mut self, fault: &Fault) {
        match *fault {
            Fault::Status(status) => self.status = Some(status),
            Fault::DelayMs(delay_ms) => self.delay = Some(Duration::from_millis(delay_ms)),
            Fault::StallAfter(bytes) => self.body.stall_after = Some(bytes),
            Fault::Drip(bytes_per_s) => self.body.bytes_per_s = Some(bytes_per_s.max(1)),
            Fault::ResetAfter(bytes) => self.body.cut_after = Some((bytes, Cut::Reset)),
            Fault::CloseAfter(bytes) => self.body.cut_after = Some((bytes, Cut::Close)),
            Fault::ShortBy(bytes) => self.body.short_by = bytes,
            Fault::LongBy(bytes) => self.body.long_by = bytes,
            Fault::WrongEtag => self.wrong_etag = true,
            Fault::IgnoreRange => self.range = RangeFault::Ignored,
            Fault::RangeAs200 => self.range = RangeFault::As200,
            Fault::WrongContentRange => self.range = RangeFault::OneOff,
            Fault::WrongTotal => self.range = RangeFault::WrongTotal,
            Fault::Gzip => self.gzip = true,
            Fault::EarlyHints => self.early_hints = true,
            Fault::HangUp => self.hang_up = true,
            Fault::DripHead(bytes_per_s) => self.head_bytes_per_s = Some(bytes_per_s.max(1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick(faults: &Faults, is_head: bool, has_range: bool) -> Picked {
        let target = Target::Object { bucket: "b".into(), key: "k".into() };
        faults.pick(Request { target: &target, is_head, has_range })
    }

    #[test]
    fn counted_rules_are_used_up_by_requests_that_show_them() {
        let faults = Faults::default();
        faults.set(Fault::ResetAfter(10).times(2));
        assert_eq!(pick(&faults, true, false), Picked::default(), "HEAD has no body to reset");
        let cut = Some((10, Cut::Reset));
        assert_eq!(pick(&faults, false, false).body.cut_after, cut);
        assert_eq!(pick(&faults, false, false).body.cut_after, cut);
        assert_eq!(pick(&faults, false, false), Picked::default());
        assert_eq!(faults.rules(), []);
    }

    #[test]
    fn a_rule_replaces_its_own_kind_only() {
        let faults = Faults::default();
        faults.set(Fault::Status(500));
        faults.set(Fault::DelayMs(5));
        faults.set(Fault::Status(503));
        let picked = pick(&faults, false, false);
        assert_eq!((picked.status, picked.delay), (Some(503), Some(Duration::from_millis(5))));
        faults.clear();
        assert_eq!(pick(&faults, false, false), Picked::default());
    }

    #[test]
    fn rules_as_json() {
        for (json, want) in [
            (r#"{"fault":{"status":503}}"#, Fault::Status(503).into()),
            (
                r#"{"fault":"ignore_range","scope":"gets","times":3}"#,
                Fault::IgnoreRange.on(Scope::Gets).times(3),
            ),
            (r#"{"fault":{"delay_ms":20},"scope":"all"}"#, Fault::DelayMs(20).on(Scope::All)),
        ] {
            assert_eq!(serde_json::from_str::<Rule>(json).unwrap(), want, "{json}");
        }
        for json in [r#"{"fault":"nonsense"}"#, r#"{"fault":"gzip","time":1}"#, r#"{"fault":{"status":"x"}}"#]
        {
            assert!(serde_json::from_str::<Rule>(json).is_err(), "{json}");
        }
    }
}
