//! The effective configuration for a person or a program: every value with its origin, no secret.
//!
//! What is printed is what was checked, as it was written. A secret cannot be printed by mistake: in the tree it is a
//! [`crate::Secret`], which has no text to print.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Map, json};

use crate::keys::{Form, Key, Kind, ROOT};
use crate::tree::{Item, Origin, Table, Value};

const REDACTED: &str = "<redacted>";

/// TOML; see [`crate::Loaded::print`].
pub(crate) fn as_toml(root: &Table) -> String {
    let mut out = String::new();
    for key in ROOT {
        section(root, key, "", &mut out);
    }
    out
}

fn section(parent: &Table, key: &'static Key, prefix: &str, out: &mut String) {
    let name = format!("{prefix}{}", key.name);
    match key.kind {
        Kind::Table { keys, .. } => {
            if let Some(table) = parent.table(key.name) {
                header(&format!("[{name}]"), out);
                body(table, keys, &name, out);
            }
        }
        Kind::Tables { keys, .. } => {
            for table in parent.tables(key.name) {
                header(&format!("[[{name}]]"), out);
                body(table, keys, &name, out);
            }
        }
        _ => {}
    }
}

fn header(header: &str, out: &mut String) {
    let gap = if out.is_empty() { "" } else { "\n" };
    append(out, format_args!("{gap}{header}\n"));
}

/// The values first: behind a header of its own, a value would belong to that.
fn body(table: &Table, keys: &'static [Key], name: &str, out: &mut String) {
    let is_section =
        |key: &Key| matches!(key.kind, Kind::Table { form: Form::Section, .. } | Kind::Tables { .. });
    for key in keys.iter().filter(|key| !is_section(key)) {
        if let Some(item) = table.get(key.name) {
            append(out, format_args!("{} = {}  # {}\n", key.name, toml_value(item), origins(item)));
        }
    }
    for key in keys.iter().filter(|key| is_section(key)) {
        section(table, key, &format!("{name}."), out);
    }
}

fn append(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(line);
}

fn toml_value(item: &Item) -> String {
    match &item.value {
        Value::Text(text) => toml::Value::String(text.clone()).to_string(),
        Value::Secret(_) => toml::Value::String(REDACTED.to_owned()).to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Number(number) => toml::Value::Float(*number).to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::List(items) => format!("[{}]", items.iter().map(toml_value).collect::<Vec<_>>().join(", ")),
        Value::Table(table) => {
            let entries = table.entries.iter().map(|(key, item)| format!("{key} = {}", toml_value(item)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Other(what) => format!("\"{what}\""),
    }
}

/// Where a value comes from; of a place, where its parts come from.
fn origins(item: &Item) -> String {
    match &item.value {
        Value::Table(table) => {
            let parts: BTreeSet<String> = table.entries.values().map(origins).collect();
            parts.into_iter().collect::<Vec<_>>().join(", ")
        }
        _ => origin(&item.origin),
    }
}

fn origin(of: &Origin) -> String {
    match of {
        Origin::Default => "default".to_owned(),
        Origin::File(line) => format!("file:{line}"),
        Origin::Env(name) => format!("env {name}"),
        Origin::SecretFile { path, named_by } => format!("secret file {path:?}, {}", origin(named_by)),
    }
}

/// JSON; see [`crate::Loaded::print_json`].
pub(crate) fn as_json(root: &Table) -> serde_json::Value {
    let mut found = Map::new();
    let config = json_table(root, &mut found);
    json!({ "config": config, "origins": found })
}

fn json_table(table: &Table, found: &mut Map<String, serde_json::Value>) -> serde_json::Value {
    let entries = table.entries.iter().map(|(key, item)| (key.clone(), json_value(item, found)));
    serde_json::Value::Object(entries.collect())
}

fn json_value(item: &Item, found: &mut Map<String, serde_json::Value>) -> serde_json::Value {
    match &item.value {
        Value::Table(table) => return json_table(table, found),
        Value::List(items) if items.iter().any(|item| matches!(item.value, Value::Table(_))) => {
            return items.iter().map(|item| json_value(item, found)).collect();
        }
        _ => found.insert(item.path.clone(), json!(origin(&item.origin))),
    };
    bare_json(item)
}

fn bare_json(item: &Item) -> serde_json::Value {
    match &item.value {
        Value::Text(text) => json!(text),
        Value::Secret(_) => json!(REDACTED),
        Value::Integer(number) => json!(i64::try_from(*number).ok()),
        Value::Number(number) => json!(number),
        Value::Bool(truth) => json!(truth),
        Value::List(items) => items.iter().map(bare_json).collect(),
        Value::Table(_) | Value::Other(_) => serde_json::Value::Null,
    }
}
