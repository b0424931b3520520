//! As much of JSON Schema 2020-12 as the schema uses; a word that it does not know is a failure of the test.

use regex::Regex;
use serde_json::Value;

/// What is wrong with a value; empty: nothing.
pub fn violations(schema: &Value, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    validate(schema, value, "", &mut found);
    found
}

fn validate(schema: &Value, value: &Value, path: &str, found: &mut Vec<String>) {
    let words = schema.as_object().expect("a schema is an object");
    for (word, rule) in words {
        if let Some(why) = judge(word, rule, schema, value, path, found) {
            found.push(format!("{path}: {why}: {rule}"));
        }
    }
}

/// The violation of one keyword; those of inner values go into `found` by themselves.
fn judge(
    word: &str,
    rule: &Value,
    schema: &Value,
    value: &Value,
    path: &str,
    found: &mut Vec<String>,
) -> Option<String> {
    let number = |check: fn(f64, f64) -> bool| match (value.as_f64(), rule.as_f64()) {
        (Some(value), Some(rule)) => check(value, rule),
        _ => true,
    };
    let list = || rule.as_array().expect("a list");
    let right = match word {
        "$schema" | "$comment" | "title" | "description" | "default" => true,
        "type" => is_of_type(value, rule.as_str().expect("a type")),
        "enum" => list().contains(value),
        "pattern" => {
            let pattern = Regex::new(rule.as_str().expect("a pattern")).expect("a pattern that is right");
            value.as_str().is_none_or(|text| pattern.is_match(text))
        }
        "minLength" => {
            value.as_str().is_none_or(|text| text.chars().count() as u64 >= rule.as_u64().unwrap())
        }
        "minimum" => number(|value, least| value >= least),
        "exclusiveMinimum" => number(|value, least| value > least),
        "maximum" => number(|value, most| value <= most),
        "minItems" => value.as_array().is_none_or(|items| items.len() as u64 >= rule.as_u64().unwrap()),
        "maxItems" => value.as_array().is_none_or(|items| items.len() as u64 <= rule.as_u64().unwrap()),
        "required" => value
            .as_object()
            .is_none_or(|object| list().iter().all(|key| object.contains_key(key.as_str().expect("a key")))),
        "oneOf" => list().iter().filter(|schema| violations(schema, value).is_empty()).count() == 1,
        "not" => !violations(rule, value).is_empty(),
        "allOf" => {
            for schema in list() {
                validate(schema, value, path, found);
            }
            true
        }
        "items" => {
            for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                validate(rule, item, &format!("{path}[{index}]"), found);
            }
            true
        }
        "properties" => {
            for (key, inner) in value.as_object().into_iter().flatten() {
                if let Some(schema) = rule.get(key) {
                    validate(schema, inner, &format!("{path}.{key}"), found);
                }
            }
            true
        }
        "additionalProperties" => {
            assert_eq!(rule, &Value::Bool(false));
            value
                .as_object()
                .is_none_or(|object| object.keys().all(|key| schema["properties"].get(key).is_some()))
        }
        other => panic!("{other} is not known to this validator"),
    };
    (!right).then(|| word.to_owned())
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        other => panic!("{other} is no type"),
    }
}
