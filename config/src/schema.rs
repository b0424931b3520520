//! The JSON Schema of the file, made from the same description that the file is checked with.
//!
//! A schema sees one file and neither the environment nor the rules between tables: what it takes may still be
//! refused, and of what it refuses only a required key can come from the environment instead.

use serde_json::{Map, Value, json};

use crate::keys::{Absent, Alone, Key, Kind, Least, Pattern, ROOT, Step};
use crate::{duration, size};

/// The JSON Schema (draft 2020-12) of the configuration file.
#[must_use]
pub fn schema() -> Value {
    let mut root = object(ROOT);
    root.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
    root.insert("title".to_owned(), json!("watchgate configuration"));
    Value::Object(root)
}

fn object(keys: &'static [Key]) -> Map<String, Value> {
    let written = || keys.iter().filter(|key| key.in_file());
    let properties: Map<String, Value> = written().map(|key| (key.name.to_owned(), property(key))).collect();
    let required: Vec<&str> = written().filter(|key| is_required(key)).map(|key| key.name).collect();
    let mut object = Map::new();
    object.insert("type".to_owned(), json!("object"));
    object.insert("properties".to_owned(), Value::Object(properties));
    object.insert("additionalProperties".to_owned(), json!(false));
    if !required.is_empty() {
        object.insert("required".to_owned(), json!(required));
    }
    object
}

/// A table that may be left out is still required if something in it is.
fn is_required(key: &Key) -> bool {
    match (&key.absent, &key.kind) {
        (Absent::Fault, _) => true,
        (Absent::Empty, Kind::Table { keys, .. }) => keys.iter().any(is_required),
        _ => false,
    }
}

fn property(key: &'static Key) -> Value {
    let mut property = kind(&key.kind);
    property.insert("description".to_owned(), json!(key.about));
    if let Some(default) = default(&key.absent) {
        property.insert("default".to_owned(), default);
    }
    let between = match key.name {
        "rule" => Some(json!([one_of(&["cidr", "asn", "country"]), one_of(&["nodes", "at"])])),
        "node" => Some(json!([{ "not": { "required": ["secret_key", "secret_key_file"] } }])),
        _ => None,
    };
    if let (Some(between), Some(Value::Object(items))) = (between, property.get_mut("items")) {
        items.insert("allOf".to_owned(), between);
    }
    if key.name == "catalog" {
        property.insert("not".to_owned(), json!({ "required": ["file", "postgres"] }));
    }
    Value::Object(property)
}

fn one_of(keys: &[&str]) -> Value {
    json!({ "oneOf": keys.iter().map(|key| json!({ "required": [key] })).collect::<Vec<_>>() })
}

fn default(absent: &Absent) -> Option<Value> {
    match absent {
        Absent::Fault | Absent::Unset | Absent::Empty => None,
        Absent::Text(text) => Some(json!(text)),
        Absent::Texts(texts) => Some(json!(texts)),
        Absent::Integer(number) => Some(json!(number)),
        Absent::Number(number) => Some(json!(number)),
        Absent::Bool(truth) => Some(json!(truth)),
    }
}

fn kind(kind: &'static Kind) -> Map<String, Value> {
    let schema = match kind {
        Kind::Text(Pattern(None)) | Kind::SecretFile => json!({ "type": "string" }),
        Kind::Text(Pattern(Some(pattern))) => json!({ "type": "string", "pattern": pattern }),
        Kind::Secret => json!({ "type": "string", "minLength": 1 }),
        Kind::Word(words) => json!({ "type": "string", "enum": words }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Number { min, max, least: Least::Included } => {
            json!({ "type": "number", "minimum": min, "maximum": max })
        }
        Kind::Number { min, max, least: Least::Excluded } => {
            json!({ "type": "number", "exclusiveMinimum": min, "maximum": max })
        }
        Kind::Duration { min, max, step, instead } => {
            let unit = if *step == Step::Second { ", whole seconds" } else { "" };
            let range = format!("{} to {}{unit}", duration::write(*min), duration::write(*max));
            let pattern = instead
                .map_or_else(|| duration::PATTERN.to_owned(), |instead| duration::pattern_or(instead.word));
            json!({ "type": "string", "pattern": pattern, "$comment": range })
        }
        Kind::Size { min, max } => {
            let range = format!("{} to {}", size::write(*min), size::write(*max));
            json!({ "type": "string", "pattern": size::PATTERN, "$comment": range })
        }
        Kind::Asn => json!({ "oneOf": [
            { "type": "integer", "minimum": 1, "maximum": u32::MAX },
            { "type": "string", "pattern": "^([Aa][Ss])?[0-9]{1,10}$" },
        ] }),
        Kind::List { of, min, max, alone } => {
            let item = Value::Object(self::kind(of));
            let list = json!({ "type": "array", "items": item, "minItems": min, "maxItems": max });
            match alone {
                Alone::Refused => list,
                Alone::Accepted => json!({ "oneOf": [item, list] }),
            }
        }
        Kind::Table { keys, .. } => Value::Object(object(keys)),
        Kind::Tables { keys, min } => json!({ "type": "array", "items": object(keys), "minItems": min }),
    };
    match schema {
        Value::Object(schema) => schema,
        // Every arm above is an object.
        _ => Map::new(),
    }
}
