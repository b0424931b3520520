//! `[geoip]` and its rules.
//!
//! Databases are not opened here, and of two rules for the same viewers the later one would be dead: it is refused.

use std::mem::discriminant;
use std::path::Path;

use watchgate_geoip::rule::Match;

use super::node::Ids;
use super::{from_str, parse_path};
use crate::address::{parse_asn, parse_country, parse_network};
use crate::fault::{Fault, Faults, Wrong};
use crate::tree::{Item, Table, Value};
use crate::{GeoIp, GeoRule, NodeId, RuleTarget};

pub(super) fn geoip(table: &Table, ids: &Ids, folder: &Path, faults: &mut Faults) -> Option<GeoIp> {
    let databases = table.list("databases", faults, parse_path);
    let rules = rules(table, ids, faults);
    let home_is_right = table.get("home").is_none() || table.place("home").is_some();
    Some(GeoIp {
        databases: databases?.iter().map(|path| folder.join(path)).collect(),
        home: if home_is_right { table.place("home") } else { return None },
        rules: rules?,
    })
}

/// No two rules may say the same kind of thing of the same viewers: only one of them would ever count.
fn rules(geoip: &Table, ids: &Ids, faults: &mut Faults) -> Option<Vec<GeoRule>> {
    let mut rules: Vec<Option<GeoRule>> = Vec::new();
    for table in geoip.tables("rule") {
        let rule = rule(table, ids, faults);
        let is_same = |known: &GeoRule, new: &GeoRule| {
            known.matcher == new.matcher && discriminant(&known.target) == discriminant(&new.target)
        };
        if rule.as_ref().is_some_and(|new| rules.iter().flatten().any(|known| is_same(known, new))) {
            let wrong = Wrong::new("an earlier rule says of the same viewers where they go");
            faults.push(Fault::new(&table.path, table.line, wrong.hint("put all their nodes into one rule")));
        }
        rules.push(rule);
    }
    rules.into_iter().collect()
}

fn rule(table: &Table, ids: &Ids, faults: &mut Faults) -> Option<GeoRule> {
    let matcher = exactly_one(table, &["cidr", "asn", "country"], faults);
    let target = exactly_one(table, &["nodes", "at"], faults);
    let matcher = matcher.and_then(|item| matcher_of(table, item, faults));
    let target = match target {
        Some("nodes") => nodes(table, ids, faults).map(RuleTarget::Nodes),
        Some(_) => table.place("at").map(RuleTarget::At),
        None => None,
    };
    Some(GeoRule { matcher: matcher?, target: target? })
}

fn matcher_of(table: &Table, key: &str, faults: &mut Faults) -> Option<Match> {
    match key {
        "cidr" => table.parsed(key, faults, parse_network).map(Match::Cidr),
        "country" => table.parsed(key, faults, parse_country).map(Match::Country),
        _ => match &table.get(key)?.value {
            Value::Integer(number) => parse_asn(&number.to_string()).ok().map(Match::Asn),
            Value::Text(text) => parse_asn(text).ok().map(Match::Asn),
            _ => None,
        },
    }
}

/// The one key of these that is written; a fault if there is none, or one for each beyond the first.
fn exactly_one(table: &Table, keys: &[&'static str], faults: &mut Faults) -> Option<&'static str> {
    let written = |key: &&&'static str| table.get(key).is_some() || table.refused.contains(*key);
    let mut found = keys.iter().filter(written);
    let words = format!("exactly one of {} is wanted", keys.join(", "));
    let Some(first) = found.next() else {
        faults.push(Fault::new(&table.path, table.line, Wrong::new(format!("{words}, and none is there"))));
        return None;
    };
    let mut alone = true;
    for key in found {
        let wrong = Wrong::new(format!("{words}, and {first} is there too"));
        faults.push(
            table
                .get(key)
                .map_or_else(|| table.lacks(key, wrong.clone()), |item: &Item| item.fault(wrong.clone())),
        );
        alone = false;
    }
    alone.then_some(*first)
}

fn nodes(table: &Table, ids: &Ids, faults: &mut Faults) -> Option<Vec<NodeId>> {
    let wanted = table.list("nodes", faults, from_str::<NodeId>)?;
    let Value::List(items) = &table.get("nodes")?.value else { return None };
    let before = faults.len();
    for (item, id) in items.iter().zip(&wanted) {
        if ids.complete && !ids.known.contains(id) {
            let wrong = Wrong::new(format!("there is no node \"{id}\""));
            faults.push(item.fault(wrong.nearest(id.as_str(), ids.known.iter().map(NodeId::as_str))));
        }
    }
    (faults.len() == before).then_some(wanted)
}
