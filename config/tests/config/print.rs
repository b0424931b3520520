//! The effective configuration, with its origins.

use std::collections::BTreeMap;

use serde_json::json;

use crate::support::{EXAMPLE, SMALL, env, example_env, good};

/// What the next test expects.
const PRINTED: &str = r#"[listen]
http = ["0.0.0.0:8080"]  # default
admin = "127.0.0.1:9900"  # default
admin_token_file = ""  # default
events = ""  # default

[viewer]
trusted_proxies = ["10.0.0.0/8", "::1"]  # env WATCHGATE__VIEWER__TRUSTED_PROXIES
header = "x-forwarded-for"  # default

[geoip]
databases = []  # default
home = { lat = 60.0, lon = 2.5 }  # env WATCHGATE__GEOIP__HOME__LAT, file:2

[watch]
prefix = "/watch/"  # default
mode = "redirect"  # default
segments = "stream"  # default
object = "{uuid}.mp4"  # default
link_lifetime = "6h"  # default
auto_bit_rate_kbps = 1000  # default
auto_pause = "2h"  # default
link_window = "5m"  # default
all_down = "nearest-anyway"  # default
decision_header = false  # default
cors_origins = ["*"]  # default

[health]
interval = "2s"  # default
timeout = "1s"  # default
rise = 4  # file:1
fall = 5  # env WATCHGATE__HEALTH__FALL
canary = ""  # default
first_verdict_timeout = "5s"  # default
slow_start = "30s"  # default

[presence]
enabled = true  # default
positive_ttl = "1m"  # default
negative_ttl = "5s"  # default
capacity = 1000000  # default
events_token_file = ""  # default

[stream]
window = "64MiB"  # default
park_after = "10s"  # default
min_rate = "0MiB"  # file:3
connect_timeout = "2s"  # default
first_byte_timeout = "3s"  # default
stall_timeout = "5s"  # default
viewer_stall_timeout = "10m"  # default
attempts = 6  # default
hedge_after = "off"  # env WATCHGATE__STREAM__HEDGE_AFTER
pin_version = true  # default
cache_control = "private, no-cache"  # default
server_timing = false  # default

[bucket]
name = "movies"  # file:6
region = "us-east-1"  # default

[[node]]
id = "msk"  # file:8
role = "replica"  # default
profile = "minio"  # default
endpoint = "http://10.0.0.5:9000"  # file:9
public_url = ""  # default
at = { lat = 55.75, lon = 37.62 }  # file:10
max_viewers = 1000  # default
weight = 1.0  # default
base_ms = 0.0  # default
addressing = "path"  # default
access_key = "gate"  # file:11
secret_key = "<redacted>"  # file:12
session_token_file = ""  # default

[log]
level = "info"  # default
format = "text"  # default
access = true  # default
"#;

#[test]
fn every_value_says_where_it_comes_from() {
    let loaded = good(
        &format!(
            "health.rise = 4\ngeoip.home = {{ lat = 1, lon = 2.5 }}\nstream.min_rate = \"0MiB\"\n{SMALL}"
        ),
        &env(&[
            ("WATCHGATE__HEALTH__FALL", "5"),
            ("WATCHGATE__GEOIP__HOME__LAT", "60"),
            ("WATCHGATE__STREAM__HEDGE_AFTER", "off"),
            ("WATCHGATE__VIEWER__TRUSTED_PROXIES", "10.0.0.0/8, ::1"),
        ]),
    );
    assert_eq!(loaded.print(), PRINTED);
}

/// What is printed is a file again, and the same configuration but for the secrets.
#[test]
fn a_print_can_be_read_back() {
    for text in [EXAMPLE, SMALL] {
        let env = example_env();
        let env = if text == SMALL { BTreeMap::new() } else { env };
        let first = good(text, &env);
        let mut printed = good(&first.print(), &BTreeMap::new()).config;
        for (again, node) in printed.nodes.iter_mut().zip(&first.config.nodes) {
            assert_eq!(again.secret_key.expose(), "<redacted>");
            again.secret_key = node.secret_key.clone();
        }
        assert_eq!(printed, first.config);
    }
}

#[test]
fn programs_read_the_same_as_json() {
    let printed = good(SMALL, &BTreeMap::new()).print_json();
    assert_eq!(printed["config"]["listen"]["http"], json!(["0.0.0.0:8080"]));
    assert_eq!(printed["config"]["node"][0]["at"], json!({ "lat": 55.75, "lon": 37.62 }));
    assert_eq!(printed["config"]["node"][0]["secret_key"], json!("<redacted>"));
    assert_eq!(printed["config"]["health"]["rise"], json!(2));
    assert_eq!(printed["config"]["stream"]["window"], json!("64MiB"));
    assert_eq!(printed["config"]["stream"]["attempts"], json!(6));
    assert_eq!(printed["origins"]["stream.window"], json!("default"));
    assert_eq!(printed["origins"]["listen.http"], json!("default"));
    assert_eq!(printed["origins"]["node[0].secret_key"], json!("file:9"));
    assert_eq!(printed["origins"]["node[0].at.lat"], json!("file:7"));
}
