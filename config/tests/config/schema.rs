//! The JSON Schema and the reader agree.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value, json};
use watchgate_config::schema;

use crate::support::{EXAMPLE, SMALL, example_with_catalog, load, message};

mod validator;

use validator::violations;

const ROUTE: &str = "[[route]]\nprefix = \"/\"\nto = \"http://app\"\n";

fn json_of(text: &str) -> Value {
    toml::from_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

#[test]
fn the_example_and_the_smallest_file_are_valid() {
    assert_eq!(violations(&schema(), &json_of(EXAMPLE)), Vec::<String>::new());
    assert_eq!(violations(&schema(), &json_of(SMALL)), Vec::<String>::new());
}

/// Every property, by its path: `node[].at.lat`.
fn properties(schema: &Value, path: &str, found: &mut BTreeMap<String, Value>) {
    for (key, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        properties(property, &path, found);
        properties(&property["items"], &format!("{path}[]"), found);
        found.insert(path, property.clone());
    }
}

#[test]
fn every_key_of_the_schema_is_known_to_the_reader_and_explained() {
    let mut found = BTreeMap::new();
    properties(&schema(), "", &mut found);
    assert!(found.len() > 80, "{:?}", found.keys());
    for (path, property) in &found {
        assert!(
            property["description"].as_str().is_some_and(|text| text.ends_with('.')),
            "{path}: {property}"
        );
        // Written with a value of no use, the key must be judged, not be unknown.
        let text = format!("{} = 1979-05-27", path.replace("[]", ""));
        let text = match path.rsplit_once("[].") {
            Some((table, key)) => format!("[[{table}]]\n{key} = 1979-05-27"),
            None => text,
        };
        let said = message(&text, &BTreeMap::new());
        assert!(!said.contains("unknown"), "{path}: {said}");
        assert!(said.contains("date or time"), "{path}: {said}");
    }
}

#[test]
fn every_key_of_the_reader_stands_in_the_schema() {
    // The example has every key, and the schema no other.
    let mut found = BTreeMap::new();
    properties(&schema(), "", &mut found);
    let mut shown: Vec<String> = Vec::new();
    keys(&json_of(&example_with_catalog()), "", &mut shown);
    shown.extend(["node[].secret_key".to_owned()]);
    shown.sort();
    shown.dedup();
    assert_eq!(shown, found.into_keys().collect::<Vec<_>>());
}

fn keys(value: &Value, path: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                keys(value, &path, found);
                found.push(path);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, &format!("{path}[]"), found)),
        _ => {}
    }
}

/// Written down, every default is what it says, and the reader takes it.
#[test]
fn defaults_are_values_that_are_taken() {
    let mut found = BTreeMap::new();
    properties(&schema(), "", &mut found);
    let mut seen = 0;
    let mut url = tempfile::NamedTempFile::new().unwrap();
    writeln!(url, "postgres://gate@db/films").unwrap();
    let postgres = format!("catalog.postgres.url_file = {:?}\n", url.path());
    for (path, property) in &found {
        let Some(default) = property.get("default") else { continue };
        assert_eq!(violations(property, default), Vec::<String>::new(), "{path}");
        let toml: toml::Value = serde_json::from_value(default.clone()).unwrap();
        let text = match path.split_once("[].") {
            Some(("route", key)) => format!("{SMALL}{ROUTE}{key} = {toml}\n"),
            Some((_, key)) => format!("{SMALL}{key} = {toml}\n"),
            None if path.starts_with("catalog.postgres.") => format!("{postgres}{path} = {toml}\n{SMALL}"),
            None => format!("{path} = {toml}\n{SMALL}"),
        };
        let text = text.replace("bucket.region = \"us-east-1\"\n", "").replace(
            "[bucket]",
            if path == "bucket.region" { "[bucket]\nregion = \"us-east-1\"" } else { "[bucket]" },
        );
        assert_eq!(message(&text, &BTreeMap::new()), "no fault", "{path}");
        seen += 1;
    }
    assert!(seen > 50, "{seen}");
}

/// What the schema refuses, the reader refuses too.
#[test]
fn the_schema_refuses_nothing_that_is_right() {
    let mut lines = vec![
        "listen.http = \"[::1]:8080\"",
        "listen.http = [\"127.0.0.1:0\", \"[::]:1\"]",
        "viewer.trusted_proxies = [\"fd00::/8\", \"192.0.2.1\", \"0.0.0.0/0\", \"::/0\"]",
        "geoip.rule = [{ asn = 4294967295, nodes = [\"msk\"] }, { asn = \"as1\", at = { lat = 90, lon = -180 } }]",
        "geoip.rule = [{ country = \"de\", nodes = [\"msk\"] }, { cidr = \"::1\", nodes = [\"msk\"] }]",
        "watch.prefix = \"/a/b.c~d_e-f/\"",
        "watch.object = \"{uuid:0:16}/{uuid:16:32}/фильм.mp4\"",
        "watch.object = \"films/{uuid:0:2}/{uuid}/{path}\"",
        "watch.cors_origins = [\"HTTPS://films.example:8443\", \"http://[::1]:80\"]",
        "health.interval = \"3600000ms\"",
        "watch.mode = \"stream\"",
        "catalog = {}",
        "catalog.file = \"films.csv\"",
        "watch = { link_lifetime = \"auto\", auto_bit_rate_kbps = 1, auto_pause = \"0s\", segments = \"redirect\" }",
        "presence = { enabled = false, positive_ttl = \"1h\", negative_ttl = \"1m\", capacity = 1000 }",
        "listen.events = \"\"",
        "stream = { window = \"4GiB\", min_rate = \"0KiB\", hedge_after = \"off\", cache_control = \"\" }",
        "stream = { window = \"064KiB\", hedge_after = \"10ms\", cache_control = \"no-cache=\\\"set-cookie\\\"\" }",
        "route = [{ prefix = \"/\", to = \"https://a_b:1\", host = \"[::1]:9000\", health_path = \"/?x=1\" }]",
        "route = [{ prefix = \"/a.b/~c-d\", to = [\"http://[::1]/\"], body_max = \"0KiB\", websocket = false }]",
    ];
    let endpoints = ["http://a_b:1", "HTTP://[fd00::1]:9000/", "https://films.example/"];
    let nodes = endpoints.map(|url| SMALL.replace("http://10.0.0.5:9000", url));
    let texts = lines.drain(..).map(|line| format!("{line}\n{SMALL}")).chain(nodes);
    for text in texts {
        assert_eq!(message(&text, &BTreeMap::new()), "no fault", "{text}");
        assert_eq!(violations(&schema(), &json_of(&text)), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn the_schema_refuses_what_it_can_see() {
    let lines = [
        "listen.events = \"localhost:1\"",
        "listen.http = []",
        "listen.http = 8080",
        "listen.admin = \"localhost\"",
        "viewer.header = \"via\"",
        "geoip.databases = [\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]",
        "geoip.home = { lat = 91, lon = 0 }",
        "geoip.home = { lat = 9 }",
        "geoip.rule = [{ cidr = \"10.0.0.0/8\" }]",
        "geoip.rule = [{ cidr = \"10.0.0.0/8\", asn = 1, nodes = [\"msk\"] }]",
        "geoip.rule = [{ cidr = \"10.0.0.0/8\", nodes = [\"msk\"], at = { lat = 1, lon = 2 } }]",
        "watch.mode = \"proxy\"",
        "watch.link_lifetime = \"off\"",
        "watch.link_window = \"auto\"",
        "watch.segments = \"auto\"",
        "watch.auto_pause = \"auto\"",
        "watch.auto_bit_rate_kbps = 0",
        "watch.object = \"{path}\"",
        "watch.object = \"{uuid}{path}\"",
        "watch.object = \"{uuid}/{path}.ts\"",
        "watch.object = \"{uuid}/{path}/{path}\"",
        "watch.prefix = \"/\"",
        "health.rise = 0",
        "health.rise = 1.5",
        "health.interval = 5",
        "stream.window = \"64MB\"",
        "stream.window = 67108864",
        "stream.min_rate = \"off\"",
        "stream.stall_timeout = \"off\"",
        "stream.hedge_after = \"offside\"",
        "stream.hedge_after = false",
        "stream.attempts = 0",
        "stream.cache_control = \" private\"",
        "stream.cache_control = \"private\\r\\nX-Evil: 1\"",
        "stream.server_timing = \"on\"",
        "catalog.file = 1",
        "catalog.postgres = {}",
        "catalog.postgres = { url = \"postgres://gate@db/films\" }",
        "catalog = { file = \"films.csv\", postgres = { url_file = \"/nowhere\" } }",
        "catalog.postgres = { url_file = \"/nowhere\", query = \"\" }",
        "catalog.postgres = { url_file = \"/nowhere\", query = \"SELECT $2\" }",
        "catalog.postgres = { url_file = \"/nowhere\", connections = 0 }",
        "catalog.postgres = { url_file = \"/nowhere\", ttl = \"off\" }",
        "presence.enabled = \"yes\"",
        "presence.capacity = 999",
        "presence.positive_ttl = 60",
        "presence.events_token = \"0123456789abcdef\"",
    ];
    for line in lines {
        let text = format!("{line}\n{SMALL}");
        assert!(!violations(&schema(), &json_of(&text)).is_empty(), "{line}");
        assert!(load(&text, &BTreeMap::new()).is_err(), "{line}");
    }
    for (from, to) in [
        ("http://10.0.0.5:9000", "http://10.0.0.5:9000/x"),
        ("id = \"msk\"", "id = \"MSK\""),
        ("id = \"msk\"", ""),
        ("access_key = \"gate\"", "access_key = \"a b\""),
        ("access_key = \"gate\"", "access_key = \"gate\"\nweight = 0"),
        ("access_key = \"gate\"", "access_key = \"gate\"\nsecret_key_file = \"x\""),
        ("name = \"movies\"", "name = \"Movies\""),
        ("name = \"movies\"", ""),
    ] {
        let text = SMALL.replace(from, to);
        assert!(!violations(&schema(), &json_of(&text)).is_empty(), "{to}");
        assert!(load(&text, &BTreeMap::new()).is_err(), "{to}");
    }
}

#[test]
fn the_schema_refuses_what_it_can_see_of_routes() {
    for line in [
        "route = [{ prefix = \"/\" }]",
        "route = [{ to = \"http://a\" }]",
        "route = [{ prefix = \"a/\", to = \"http://a\" }]",
        "route = [{ prefix = \"/a//\", to = \"http://a\" }]",
        "route = [{ prefix = \"/\", to = [] }]",
        "route = [{ prefix = \"/\", to = \"http://a/b\" }]",
        "route = [{ prefix = \"/\", to = \"http://a\", host = \"\" }]",
        "route = [{ prefix = \"/\", to = \"http://a\", health_path = \"health\" }]",
        "route = [{ prefix = \"/\", to = \"http://a\", health_fall = 0 }]",
        "route = [{ prefix = \"/\", to = \"http://a\", websocket = \"no\" }]",
    ] {
        let text = format!("{line}\n{SMALL}");
        assert!(!violations(&schema(), &json_of(&text)).is_empty(), "{line}");
        assert!(load(&text, &BTreeMap::new()).is_err(), "{line}");
    }
}

/// The validator can say no: without that, the tests above could not fail.
#[test]
fn the_validator_sees_each_kind_of_violation() {
    let check = |schema: Value, value: Value, count: usize| {
        assert_eq!(violations(&schema, &value).len(), count, "{schema} {value}");
    };
    check(json!({ "type": "string" }), json!(1), 1);
    check(json!({ "type": "integer" }), json!(1.5), 1);
    check(json!({ "type": "integer" }), json!(2), 0);
    check(json!({ "type": "string", "pattern": "^a+$" }), json!("ab"), 1);
    check(json!({ "type": "string", "enum": ["a"] }), json!("b"), 1);
    check(json!({ "type": "number", "exclusiveMinimum": 0, "maximum": 1 }), json!(0), 1);
    check(json!({ "type": "array", "items": { "type": "string" }, "minItems": 3 }), json!([1, "a"]), 2);
    check(json!({ "oneOf": [{ "type": "string" }, { "type": "string" }] }), json!("both"), 1);
    check(json!({ "not": { "required": ["a"] } }), json!({ "a": 1 }), 1);
    let object = json!({ "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"], "additionalProperties": false });
    check(object, json!({ "b": 1 }), 2);
}
