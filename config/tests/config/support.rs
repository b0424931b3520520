//! What the tests share: small files that are right, and the way to read them.

use std::collections::BTreeMap;
use std::path::Path;

use watchgate_config::{Faults, Loaded, Source, parse};

/// The smallest file that is right.
pub const SMALL: &str = r#"
[bucket]
name = "movies"
[[node]]
id = "msk"
endpoint = "http://10.0.0.5:9000"
at = { lat = 55.75, lon = 37.62 }
access_key = "gate"
secret_key = "verysecretindeed"
"#;

/// The example that the documentation points to.
pub const EXAMPLE: &str = include_str!("../../watchgate.example.toml");

/// The same with its catalog: its lines are comments, because a file holds at most one of the two.
pub fn example_with_catalog() -> String {
    let (before, catalog) = EXAMPLE.split_once("[catalog]\n").expect("the example has a catalog");
    let (catalog, behind) = catalog.split_once("\n\n").expect("it ends");
    let lines: Vec<&str> = catalog.lines().filter_map(|line| line.strip_prefix("# ")).collect();
    assert_eq!(lines.len(), catalog.lines().count(), "{catalog}");
    format!("{before}[catalog]\n{}\n\n{behind}", lines.join("\n"))
}

pub fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// Secrets for the nodes of [`EXAMPLE`], whose secret files are not there.
pub fn example_env() -> BTreeMap<String, String> {
    env(&[
        ("WATCHGATE_NODE_MSK_SECRET_KEY", "moscow-secret"),
        ("WATCHGATE_NODE_SPB_SECRET_KEY", "neva-secret"),
    ])
}

pub fn load(text: &str, env: &BTreeMap<String, String>) -> Result<Loaded, Faults> {
    parse(&Source { text, path: Some(Path::new("gate.toml")), env })
}

pub fn good(text: &str, env: &BTreeMap<String, String>) -> Loaded {
    load(text, env).unwrap_or_else(|faults| panic!("{faults}\n{text}"))
}

/// What a person reads.
pub fn message(text: &str, env: &BTreeMap<String, String>) -> String {
    load(text, env).map_or_else(|faults| faults.to_string(), |_| "no fault".to_owned())
}
