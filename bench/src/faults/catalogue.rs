//! The catalogue: every fault as data. What is done, to whom, who can find it out, and what was promised for it.
//!
//! Pure. How a harm is done stands in `scene`, how a promise is held against what was seen in `judge`.

use serde::Serialize;

use crate::relay::Trouble;
use crate::stage::Mode;

/// A fault by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Fault {
    /// The process of the near node is killed
    Kill,
    /// The process of the near node is stopped (SIGSTOP): it takes connections and says nothing
    Freeze,
    /// Connections are reset in the middle of an answer
    Reset,
    /// Answers stop in their middle, connections stay open
    Stall,
    /// Answers come at a few bytes a second
    Drip,
    /// Connections end cleanly before the promised length
    Short,
    /// The node answers with another tag than the film's
    WrongEtag,
    /// The node answers 429: its request slots are taken
    Status429,
    /// The node answers 503
    Status503,
    /// First bytes come late, as from a busy disk
    SlowDisk,
    /// The node's clock is 16 minutes behind
    WrongClock,
    /// The node has lost the films
    DeletedKey,
    /// The films are deleted at the source while they play
    TakenDown,
    /// The node no longer lets the gate's key read films
    LostPermission,
    /// The node's file table is full
    NodeFiles,
    /// The gate's file table is full of idle connections
    GateFiles,
    /// The gate is told to read a configuration that is no TOML, then one with wrong secrets, then none
    BadReload,
    /// The catalog's file becomes bad, is truncated, is removed
    BadCatalog,
    /// A new film is on the source alone
    Lag,
    /// A new version of the films is on the source alone
    NewVersion,
    /// All nodes are killed and come back at once
    MassReturn,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Harm {
    /// SIGKILL; later the process is started again.
    Kill,
    /// SIGSTOP; later SIGCONT.
    Freeze,
    /// A switch of `watchgate-node`: a rule as JSON, in which `SLOW` is the time of a slow disk; and whether
    /// connections that are open are reset first, so that answers that have begun meet it too.
    Switch { rule: &'static str, cut: bool },
    /// The node's clock is put so many seconds off.
    Clock(i64),
    /// A relay before the node; the time of a delay is that of a slow disk.
    Relay(Trouble),
    /// The films are lost at the node.
    Forget,
    /// The films get a delete marker everywhere.
    TakeDown,
    /// The gate's key loses `s3:GetObject`.
    Forbid,
    /// The node's limit of open files is put below what it has open.
    NodeFiles,
    /// Idle connections fill the gate's table, which is small from the start.
    GateFiles,
    /// The gates' configurations are damaged in three ways, and read again after each.
    Config,
    /// The catalog's file is damaged in three ways, one after the other.
    Catalog,
    /// A film is put on the source, and replication held up.
    Lag,
    /// The films are overwritten on the source, and replication is held up.
    Overwrite,
    /// SIGKILL for all nodes; later all are started again at once.
    KillAll,
}

/// Who can find a fault out before viewers meet it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finder {
    /// The health checks.
    Probes,
    /// Questions after films that are watched.
    Presence,
    /// Only a viewer, or nobody.
    Viewers,
}

/// What the README promises, and the three last that any operator would expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Promise {
    PlaysOn,
    NotSlow,
    Bytes,
    CutShort,
    PlaysToItsEnd,
    NotSent,
    Noticed,
    Holders,
    Newest,
    Gone,
    Config,
    Catalog,
    Blameless,
    Discreet,
    /// Of those who had begun when the fault came; those who come have to wait.
    BegunPlayOn,
    Returns,
    Calm,
}

/// One fault's story.
#[derive(Debug)]
pub(super) struct Story {
    pub(super) fault: Fault,
    pub(super) own: Result<Harm, &'static str>,
    pub(super) minio: Result<Harm, &'static str>,
    pub(super) finder: Finder,
    /// Beside those that always hold.
    pub(super) stream: &'static [Promise],
    pub(super) redirect: &'static [Promise],
    /// Whether it is part of the form for CI.
    pub(super) short: bool,
}

use Promise::{
    BegunPlayOn, Blameless, Bytes, Calm, Catalog, Config, CutShort, Discreet, Gone, Holders, Newest, NotSent,
    NotSlow, Noticed, PlaysOn, PlaysToItsEnd, Returns,
};

const NO_SWITCH: &str = "real MinIO has no switch for it";
const AFTER: u64 = 100_000;

/// In the order in which they are played.
pub(super) const STORIES: [Story; 21] = [
    story(Fault::Kill, Finder::Probes, Harm::Kill, Ok(Harm::Kill), &[PlaysOn, Returns], &[NotSent, Returns]),
    story(
        Fault::Freeze,
        Finder::Probes,
        Harm::Freeze,
        Ok(Harm::Freeze),
        &[PlaysOn, Returns],
        &[NotSent, Returns],
    ),
    story(
        Fault::Reset,
        Finder::Viewers,
        Harm::Switch { rule: r#"{"fault":{"reset_after":100000},"scope":"gets"}"#, cut: true },
        Ok(Harm::Relay(Trouble::ResetAfter(AFTER))),
        &[PlaysOn, Returns],
        &[],
    ),
    story(
        Fault::Stall,
        Finder::Viewers,
        Harm::Switch { rule: r#"{"fault":{"stall_after":100000},"scope":"gets"}"#, cut: false },
        Ok(Harm::Relay(Trouble::StallAfter(AFTER))),
        &[PlaysOn, Returns],
        &[],
    ),
    story(
        Fault::Drip,
        Finder::Viewers,
        Harm::Switch { rule: r#"{"fault":{"drip":2000},"scope":"gets"}"#, cut: false },
        Ok(Harm::Relay(Trouble::Drip(2_000))),
        &[PlaysOn, NotSlow, Returns],
        &[],
    ),
    story(
        Fault::Short,
        Finder::Viewers,
        Harm::Switch { rule: r#"{"fault":{"close_after":100000},"scope":"gets"}"#, cut: false },
        Ok(Harm::Relay(Trouble::CloseAfter(AFTER))),
        &[PlaysOn, Returns],
        &[],
    ),
    story(
        Fault::WrongEtag,
        Finder::Presence,
        Harm::Switch { rule: r#"{"fault":"wrong_etag"}"#, cut: false },
        Err(NO_SWITCH),
        &[PlaysOn, Returns],
        &[],
    ),
    story(
        Fault::Status429,
        Finder::Viewers,
        Harm::Switch { rule: r#"{"fault":{"status":429},"scope":"s3"}"#, cut: false },
        Err("real MinIO needs hundreds of viewers at once for it"),
        &[PlaysOn, Returns],
        &[],
    ),
    story(
        Fault::Status503,
        Finder::Probes,
        Harm::Switch { rule: r#"{"fault":{"status":503},"scope":"s3"}"#, cut: false },
        Err(NO_SWITCH),
        &[PlaysOn, Returns],
        &[NotSent, Returns],
    ),
    story(
        Fault::SlowDisk,
        Finder::Viewers,
        Harm::Switch { rule: r#"{"fault":{"delay_ms":SLOW}}"#, cut: false },
        Ok(Harm::Relay(Trouble::Delay(std::time::Duration::ZERO))),
        &[PlaysOn, Returns],
        &[],
    ),
    story(
        Fault::WrongClock,
        Finder::Probes,
        Harm::Clock(-960),
        Err(
            "MinIO is written in Go, which asks the kernel for the time and not the library that faketime replaces",
        ),
        &[PlaysOn, Returns],
        &[NotSent, Returns],
    ),
    story(
        Fault::DeletedKey,
        Finder::Presence,
        Harm::Forget,
        Ok(Harm::Forget),
        &[PlaysOn, Returns],
        &[Noticed, Returns],
    ),
    story(
        Fault::TakenDown,
        Finder::Presence,
        Harm::TakeDown,
        Ok(Harm::TakeDown),
        &[PlaysToItsEnd, Gone],
        &[PlaysToItsEnd, Gone],
    ),
    story(
        Fault::LostPermission,
        Finder::Presence,
        Harm::Forbid,
        Ok(Harm::Forbid),
        &[PlaysOn, Returns],
        &[Noticed, Returns],
    ),
    story(
        Fault::NodeFiles,
        Finder::Probes,
        Harm::NodeFiles,
        Ok(Harm::NodeFiles),
        &[PlaysOn, Returns],
        &[NotSent, Returns],
    ),
    story(
        Fault::GateFiles,
        Finder::Viewers,
        Harm::GateFiles,
        Ok(Harm::GateFiles),
        &[BegunPlayOn, Returns],
        &[Returns],
    ),
    story(
        Fault::BadReload,
        Finder::Viewers,
        Harm::Config,
        Ok(Harm::Config),
        &[PlaysOn, Config, Returns],
        &[Config, Returns],
    ),
    story(
        Fault::BadCatalog,
        Finder::Viewers,
        Harm::Catalog,
        Ok(Harm::Catalog),
        &[BegunPlayOn, Catalog, Returns],
        &[Catalog, Returns],
    ),
    story(Fault::Lag, Finder::Presence, Harm::Lag, Ok(Harm::Lag), &[PlaysOn, Returns], &[Holders, Returns]),
    story(
        Fault::NewVersion,
        Finder::Presence,
        Harm::Overwrite,
        Ok(Harm::Overwrite),
        &[PlaysOn, PlaysToItsEnd, Newest, Returns],
        &[PlaysToItsEnd, Newest, Returns],
    ),
    story(
        Fault::MassReturn,
        Finder::Probes,
        Harm::KillAll,
        Ok(Harm::KillAll),
        &[Returns, Calm],
        &[Returns, Calm],
    ),
];

const fn story(
    fault: Fault,
    finder: Finder,
    own: Harm,
    minio: Result<Harm, &'static str>,
    stream: &'static [Promise],
    redirect: &'static [Promise],
) -> Story {
    // What the short form leaves out is near to something that it has, or waits for the end of an ejection.
    let short = !matches!(
        fault,
        Fault::Reset
            | Fault::Drip
            | Fault::Short
            | Fault::Status429
            | Fault::SlowDisk
            | Fault::TakenDown
            | Fault::LostPermission
    );
    Story { fault, own: Ok(own), minio, finder, stream, redirect, short }
}

impl Story {
    /// All that is promised in this mode.
    pub(super) fn promises(&self, mode: Mode) -> Vec<Promise> {
        let (always, its): (&[Promise], _) = match mode {
            Mode::Stream => (&[Bytes, CutShort, Blameless, Discreet], self.stream),
            Mode::Redirect => (&[Bytes, Blameless, Discreet], self.redirect),
        };
        its.iter().chain(always).copied().collect()
    }
}

impl Fault {
    /// As on the command line.
    pub(super) fn name(self) -> String {
        clap::ValueEnum::to_possible_value(&self).map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

impl Promise {
    /// For a cell of the table.
    pub(super) fn short(self) -> &'static str {
        match self {
            PlaysOn => "plays on",
            NotSlow => "not slow",
            Bytes => "bytes",
            CutShort => "cut, not padded",
            PlaysToItsEnd => "plays to its end",
            NotSent => "not sent there",
            Noticed => "noticed",
            Holders => "holders only",
            Newest => "newest version",
            Gone => "gone",
            Config => "last good configuration",
            Catalog => "last good list",
            Blameless => "no other node blamed",
            Discreet => "discreet",
            BegunPlayOn => "begun ones play on",
            Returns => "returns",
            Calm => "calm",
        }
    }

    /// As the README says it, or, for what it takes for granted, in our words.
    pub(super) fn words(self) -> &'static str {
        match self {
            PlaysOn => {
                "In stream mode, while one node that holds the film is up, a viewer never sees a node die: at most a gap of \
                 stream.stall_timeout and what the next node takes for its first byte."
            }
            NotSlow => "A node that is slow is left for the next one.",
            Bytes => "Never a byte of the wrong film or of another version.",
            CutShort => {
                "If nobody can go on, the viewer's connection is cut short of what was promised, never padded and never \
                 ended cleanly."
            }
            PlaysToItsEnd => "A film that is overwritten or deleted while it plays plays to its end.",
            NotSent => {
                "No new viewer goes to a dead or frozen node later than interval + fall * timeout after it stopped \
                 answering; a wrong clock and the like are found by the same checks."
            }
            Noticed => {
                "An object that a node loses, or a permission that its key loses, is noticed within presence.positive_ttl."
            }
            Holders => {
                "No viewer is sent to a node that is known to lack the film, and none before the node has said that it \
                 holds it."
            }
            Newest => {
                "A node that holds an older version than another takes no new viewers once that is known \
                       (presence.positive_ttl)."
            }
            Gone => "A deleted film is gone as soon as the source is asked (presence.positive_ttl): 404.",
            Config => {
                "A configuration with faults, or one by which no node would be up, changes nothing and says why."
            }
            Catalog => "A bad file keeps the last good one and says which line is wrong.",
            Blameless => {
                "A viewer that reads slowly, pauses or leaves is no node's fault, and one node's fault is not another's."
            }
            Discreet => {
                "A refusal has no word about nodes, keys, buckets or internal addresses; secrets appear in no log."
            }
            BegunPlayOn => "A full file table makes those wait who come, and harms nobody who has begun.",
            Returns => "A node that is well again gets viewers again.",
            Calm => "Nodes that come back at once stay, and no viewer network is thrown to and fro.",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use clap::ValueEnum;

    use super::*;

    #[test]
    fn every_fault_has_one_story_and_every_story_promises() {
        let told: HashSet<Fault> = STORIES.iter().map(|story| story.fault).collect();
        assert_eq!(told.len(), STORIES.len());
        assert_eq!(told.len(), Fault::value_variants().len());
        for story in &STORIES {
            assert!(!story.stream.is_empty(), "{:?}", story.fault);
            if let Ok(Harm::Switch { rule, .. }) = story.own {
                let rule = rule.replace("SLOW", "1");
                assert!(serde_json::from_str::<serde_json::Value>(&rule).is_ok(), "{rule}");
            }
        }
        assert!(STORIES.iter().filter(|story| story.short).count() > STORIES.len() / 2);
    }
}
