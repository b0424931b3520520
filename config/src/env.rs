//! The environment laid over the file: it beats what the file says, and is checked like it.
//!
//! `WATCHGATE__TABLE__KEY` sets a key, `WATCHGATE_NODE_<ID>_<KEY>` a key of a node, where `<ID>` is its id in upper
//! case with `_` for `-`. A list is written as TOML (`["a", "b"]`) or with commas (`a, b`); nothing is an empty list.
//! The environment comes in as an argument. A name that begins like ours and is not known is a fault.

use std::collections::BTreeMap;

use crate::NodeId;
use crate::fault::{self, Fault, Faults, Wrong};
use crate::keys::{Key, Kind, ROOT};
use crate::tree::{self, Item, Origin, Table, Value, join};

const KEY_PREFIX: &str = "WATCHGATE__";
const NODE_PREFIX: &str = "WATCHGATE_NODE_";

/// What may be set for one node: the name's end, the key, and the key that it makes void.
const NODE_VARIABLES: [(&str, &str, &str); 5] = [
    ("_SECRET_KEY", "secret_key", "secret_key_file"),
    ("_SESSION_TOKEN", "session_token", "session_token_file"),
    ("_ACCESS_KEY", "access_key", ""),
    ("_ENDPOINT", "endpoint", ""),
    ("_PUBLIC_URL", "public_url", ""),
];

/// Lays the variables that are ours over the tree.
pub(crate) fn overlay(root: &mut Table, env: &BTreeMap<String, String>, faults: &mut Faults) {
    for (name, text) in env {
        if let Some(rest) = name.strip_prefix(KEY_PREFIX) {
            if set_key(root, name, rest, text).is_none() {
                faults.push(Fault::new(name, None, unknown_key(rest)));
            }
        } else if let Some(rest) = name.strip_prefix(NODE_PREFIX)
            && !set_node(root, name, rest, text)
            && !is_service_link(rest)
            && let Some(candidates) = node_candidates(root)
        {
            let wrong = Wrong::new("unknown variable: no node has this id, or no such key can be set");
            faults.push(Fault::new(name, None, near(wrong, NODE_PREFIX, rest, &candidates)));
        }
    }
}

/// None: there is no such key.
fn set_key(root: &mut Table, name: &str, rest: &str, text: &str) -> Option<()> {
    let mut keys = ROOT;
    let mut trail: Vec<&'static Key> = Vec::new();
    for segment in rest.split("__") {
        let key = keys.iter().find(|key| key.in_file() && key.name.to_uppercase() == segment)?;
        trail.push(key);
        keys = if let Kind::Table { keys, .. } = key.kind { keys } else { &[] };
    }
    let (last, tables) = trail.split_last()?;
    if !last.kind.fits_variable() {
        return None;
    }
    let origin = Origin::Env(name.to_owned());
    let mut table = root;
    for key in tables {
        let path = join(&table.path, key.name);
        let fresh = || Item::new(&path, origin.clone(), Value::Table(Table::at(&path, None)));
        let item = table.entries.entry(key.name.to_owned()).or_insert_with(fresh);
        // A file that has something else in the table's place gets its own fault.
        let Value::Table(inner) = &mut item.value else { return Some(()) };
        table = inner;
    }
    let path = join(&table.path, last.name);
    let value = read(text, &last.kind, &path, &origin);
    table.entries.insert(last.name.to_owned(), Item { path, origin, value });
    Some(())
}

/// The text as the value that the key wants; where it is not one, text, which the check then refuses.
fn read(text: &str, kind: &Kind, path: &str, origin: &Origin) -> Value {
    let as_text = || Value::Text(text.to_owned());
    match kind {
        Kind::Bool => text.parse().map_or_else(|_| as_text(), Value::Bool),
        Kind::Integer { .. } => text.parse().map_or_else(|_| as_text(), Value::Integer),
        Kind::Number { .. } => text.parse().map_or_else(|_| as_text(), Value::Number),
        Kind::List { of, .. } => {
            // An IPv6 address begins with a bracket too, but is no TOML.
            let toml = if text.trim_start().starts_with('[') {
                tree::read_value(text.trim(), path, origin)
            } else {
                None
            };
            if let Some(Item { value: Value::List(items), .. }) = toml {
                return Value::List(items);
            }
            let parts = text.split(',').map(str::trim).enumerate().filter(|_| !text.trim().is_empty());
            let item = |(index, part)| {
                let path = format!("{path}[{index}]");
                let value = read(part, of, &path, origin);
                Item { path, origin: origin.clone(), value }
            };
            Value::List(parts.map(item).collect())
        }
        _ => as_text(),
    }
}

fn unknown_key(rest: &str) -> Wrong {
    let wrong = Wrong::new("unknown variable");
    if rest == "NODE" || rest.starts_with("NODE__") {
        return wrong.hint("a node's keys are set by its id, for example WATCHGATE_NODE_MSK_SECRET_KEY");
    }
    let mut names = Vec::new();
    collect_names(ROOT, "", &mut names);
    near(wrong, KEY_PREFIX, rest, &names)
}

/// Adds the variable that was meant; the prefix that all share says nothing of how near they are.
fn near(wrong: Wrong, prefix: &str, rest: &str, names: &[String]) -> Wrong {
    match fault::nearest(rest, names.iter().map(String::as_str)) {
        Some(name) => wrong.hint(format!("did you mean {prefix}{name}?")),
        None => wrong,
    }
}

/// Every name there is, without the prefix.
fn collect_names(keys: &'static [Key], prefix: &str, names: &mut Vec<String>) {
    for key in keys.iter().filter(|key| key.in_file()) {
        let name = format!("{prefix}{}", key.name.to_uppercase());
        match key.kind {
            Kind::Table { keys, .. } => collect_names(keys, &format!("{name}__"), names),
            _ if key.kind.fits_variable() => names.push(name),
            _ => {}
        }
    }
}

fn set_node(root: &mut Table, name: &str, rest: &str, text: &str) -> bool {
    let mut known = false;
    for (end, key, void) in NODE_VARIABLES {
        let Some(id) = rest.strip_suffix(end) else { continue };
        for node in root.tables_mut("node").filter(|node| variable_id(node).is_some_and(|own| own == id)) {
            let origin = Origin::Env(name.to_owned());
            node.entries.remove(void);
            node.entries.insert(
                key.to_owned(),
                Item::new(join(&node.path, key), origin, Value::Text(text.to_owned())),
            );
            known = true;
        }
    }
    known
}

/// Ids have no `_`, so that no two of them look the same here.
fn variable_id(node: &Table) -> Option<String> {
    let id: NodeId = node.get("id")?.text()?.parse().ok()?;
    Some(id.as_str().to_uppercase().replace('-', "_"))
}

/// All names that could be set, without the prefix; none if a node's id is not known, for the variable may be that node's.
fn node_candidates(root: &Table) -> Option<Vec<String>> {
    let ids: Vec<String> = root.tables("node").map(variable_id).collect::<Option<_>>()?;
    let names = ids.iter().flat_map(|id| NODE_VARIABLES.map(|(end, ..)| format!("{id}{end}")));
    Some(names.collect())
}

/// Kubernetes and Docker describe a service called `watchgate-node-…` in variables that begin like ours.
fn is_service_link(rest: &str) -> bool {
    let port = rest.find("_PORT").map(|at| &rest[at + "_PORT".len()..]);
    rest.ends_with("_SERVICE_HOST") || port.is_some_and(|behind| behind.is_empty() || behind.starts_with('_'))
}

/// The variable that holds a node's secret, for a hint.
pub(crate) fn secret_variable(node: &Table) -> String {
    let id = variable_id(node).unwrap_or_else(|| "<ID>".to_owned());
    format!("{NODE_PREFIX}{id}_SECRET_KEY")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_sets_a_key() {
        let mut names = Vec::new();
        collect_names(ROOT, "", &mut names);
        assert!(names.contains(&"LISTEN__ADMIN".to_owned()), "{names:?}");
        assert!(names.contains(&"GEOIP__HOME__LAT".to_owned()), "{names:?}");
        assert!(!names.iter().any(|name| name.contains("NODE") || name.ends_with("_TOKEN")), "{names:?}");
        for name in names {
            assert_eq!(set_key(&mut Table::default(), "", &name, ""), Some(()), "{name}");
        }
    }

    #[test]
    fn service_links_are_told_from_slips() {
        for link in
            ["1_SERVICE_HOST", "1_SERVICE_PORT", "1_PORT", "1_PORT_9000_TCP_ADDR", "A_SERVICE_PORT_S3"]
        {
            assert!(is_service_link(link), "{link}");
        }
        for slip in ["MSK_SECRETKEY", "MSK_ENDPOINT", "PORTO_SECRET_KEY", "A_PORTO_SECRET_KEY"] {
            assert!(!is_service_link(slip), "{slip}");
        }
    }
}
