//! Both commands as an operator meets them: options and files in, tables and faults out.

#![allow(clippy::unwrap_used, reason = "all of this is a test, helpers too")]

use std::fmt::Write;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path: PathBuf = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_watchgate-plan")).args(args).stdin(Stdio::null()).output().unwrap()
}

/// What it says when all is well.
fn told(args: &[&str]) -> String {
    let output = run(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What it says when not.
fn refused(args: &[&str]) -> String {
    let output = run(args);
    assert!(!output.status.success() && output.stdout.is_empty(), "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

fn json(args: &[&str]) -> Value {
    serde_json::from_str(&told(args)).unwrap()
}

/// A configuration whose secret files are nowhere.
fn gate(nodes: &[(&str, f64, f64)]) -> String {
    let mut text = "[bucket]\nname = \"films\"\n[listen]\nadmin_token_file = \"/nowhere/token\"\n".to_owned();
    for (id, lat, lon) in nodes {
        let _ = write!(
            text,
            "[[node]]\nid = \"{id}\"\nendpoint = \"http://{id}:9000\"\nat = {{ lat = {lat}, lon = {lon} }}\n\
             max_viewers = 500\naccess_key = \"gate\"\nsecret_key_file = \"/nowhere/{id}\"\n"
        );
    }
    text
}

const BER: (&str, f64, f64) = ("ber", 52.5, 13.4);
const PAR: (&str, f64, f64) = ("par", 48.9, 2.3);
const NYC: (&str, f64, f64) = ("nyc", 40.7, -74.0);

const EVENING: &str = "time,viewers\n20:00,300\n20:20,600\n20:40,300\n";
const MIX: &str = "share,country\n2,DE\n1,FR\n1,US\n";

#[test]
fn a_plan_of_a_real_configuration_without_its_secrets() {
    let folder = Folder::new();
    let config = folder.file("watchgate.toml", &gate(&[BER, PAR, NYC]));
    let (mix, demand) = (folder.file("mix.csv", MIX), folder.file("evening.csv", EVENING));
    let page = folder.0.path().join("plan.html").display().to_string();
    let of_plan = ["plan", "--config", &config, "--mix", &mix, "--demand", &demand, "--report", &page];
    let events =
        ["--kill", "ber@20:20", "--return", "ber@20:30", "--what-if", "one,two,region", "--watch", "3"];
    let mut args = [&of_plan[..], &events[..]].concat();

    let text = told(&args);
    for part in [
        "# 3 nodes at the peak of 20:20",
        "## ber dies at 20:20",
        "## ber returns at 20:30",
        "watching again",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    args.push("--json");
    let plan = json(&args);
    assert_eq!(plan["peak"]["viewers"], 600);
    assert_eq!(plan["nodes"].as_array().map(Vec::len), Some(3));
    let ends = plan["what_ifs"].as_array().unwrap();
    assert_eq!(ends.len(), 3, "{ends:?}");
    assert_eq!(ends[1]["nodes"].as_array().map(Vec::len), Some(2));
    let seen_s = plan["events"][0]["seen_last_s"].as_f64().unwrap();
    assert!(seen_s <= plan["about"]["down_within_s"].as_f64().unwrap(), "{seen_s}");
    let page = fs::read_to_string(page).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("ber dies"), "{}", &page[..200]);
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let plan = |seed: &str, threads: &str| {
        let fleet = [
            "plan",
            "--fleet",
            "14",
            "--viewers",
            "3000",
            "--what-if",
            "one,two,region",
            "--watch",
            "2",
            "--json",
        ];
        told(&[&fleet[..], &["--seed", seed, "--threads", threads][..]].concat())
    };
    let one = plan("5", "1");
    assert_eq!(one, plan("5", "2"));
    assert_eq!(one, plan("5", "5"));
    assert_ne!(one, plan("6", "2"));
}

#[test]
fn all_faults_of_a_plan_come_at_once() {
    let folder = Folder::new();
    let config = folder.file("watchgate.toml", &gate(&[BER, PAR]));
    let mix = folder.file("mix.csv", "share,country\n1,Germany\nx,FR\n");
    let demand = folder.file("evening.csv", "time,viewers\n20:00,1\n19:00,2\n");
    let costs = folder.file("costs.json", "{\"redirect\": 1}");
    let files = ["plan", "--config", &config, "--mix", &mix, "--demand", &demand, "--costs", &costs];
    let text = refused(
        &[&files[..], &["--kill", "rom@20:00", "--kill-region", "asia@20:00", "--zipf", "9"][..]].concat(),
    );
    let expected = [
        "--zipf: 9 is not from 0 to 5",
        &format!("{costs}: unknown field `redirect`"),
        &format!("{mix}:2: country: \"Germany\" is not a code of two letters"),
        &format!("{mix}:3: share: \"x\" is no number"),
        &format!("{demand}:3: time: 19:00 does not come after 20:00"),
        "--kill rom@20:00: \"rom\" is no node (ber, par), no continent",
        "--kill-region asia@20:00: no node lies in asia",
    ];
    for (line, expected) in text.lines().zip(expected) {
        assert!(line.starts_with(expected), "{line}\n{expected}");
    }
    assert_eq!(text.lines().count(), expected.len(), "{text}");
}

#[test]
fn a_bad_configuration_is_told_as_the_gate_tells_it() {
    let folder = Folder::new();
    let config =
        folder.file("watchgate.toml", &gate(&[BER]).replace("max_viewers = 500", "max_viewer = 500"));
    let text = refused(&["plan", "--config", &config]);
    assert!(text.contains("max_viewer") && text.contains("max_viewers"), "{text}");
    assert!(refused(&["plan", "--config", "/nowhere/gate.toml"]).starts_with("/nowhere/gate.toml: "));
    assert!(refused(&["plan"]).contains("--config <FILE>|--fleet <N>"));
}

/// A line for a viewer of this network, from this node.
fn line(second: u64, network: u64, node: &str, reason: &str) -> String {
    format!(
        "time=2026-11-23T20:{:02}:{:02}.000Z request_id=r client.address=192.0.{network}.7 http.request.method=GET \
         url.path=/watch/0b9ab1a5-29d9-4f2d-9d5a-0f1e2d3c4b5a http.response.status_code=302 http.response.body.size=0 \
         duration_ms=1.023 watchgate.film=0b9ab1a5-29d9-4f2d-9d5a-0f1e2d3c4b5a watchgate.mode=redirect \
         watchgate.outcome=redirect watchgate.reason={reason} watchgate.node={node}",
        second / 60 % 60,
        second % 60
    )
}

/// Home is Berlin, unless a rule says otherwise.
fn ruled(nodes: &[(&str, f64, f64)], rules: &str) -> String {
    format!("[geoip]\nhome = {{ lat = 52.5, lon = 13.4 }}\n{rules}\n{}", gate(nodes))
}

#[test]
fn a_log_is_replayed_through_two_configurations() {
    let folder = Folder::new();
    let before = folder.file("before.toml", &ruled(&[BER, NYC], ""));
    let rules = "[[geoip.rule]]\ncidr = \"192.0.1.0/24\"\nnodes = [\"nyc\"]";
    let after = folder.file("after.toml", &ruled(&[BER, NYC], rules));
    let mut log: Vec<String> = (0..60).map(|n| line(n, n % 3, "ber", "nearest")).collect();
    log.push("not an access line".to_owned());
    log.push(
        "time=2026-11-23T20:01:00Z request_id=r watchgate.outcome=refused watchgate.reason=bad_path"
            .to_owned(),
    );
    let log = folder.file("access.log", &log.join("\n"));
    let args = ["replay", &log, "--before", &before, "--after", &after, "--examples", "1"];

    let text = told(&args);
    for part in [
        "# 20 of 60 asks go elsewhere than before",
        "| ber | nyc | lower_tier | 20 |",
        "Bad line: ",
        ":61: \"not an access line\" is no name=value",
        "refused 1",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let replay = json(&[&args[..], &["--json"][..]].concat());
    assert_eq!((&replay["moved_groups"], &replay["groups"]), (&1.into(), &3.into()));
    let example = &replay["examples"][0];
    assert_eq!(example["viewer"], "192.0.1.0/24");
    assert_eq!(example["after"]["why"], "rule");
    assert_eq!(replay["after"][1]["most"], 1, "one viewer asks twenty times for one film");
}

#[test]
fn a_log_is_replayed_against_what_it_says() {
    let folder = Folder::new();
    let config = folder.file("gate.toml", &ruled(&[BER, NYC], ""));
    let log: Vec<String> = [
        line(0, 1, "ber", "nearest"),
        line(1, 2, "rom", "nearest"),
        line(2, 3, "nyc", "only_holder"),
        line(3, 4, "nyc", "nearest"),
    ]
    .into();
    let log = folder.file("access.log", &log.join("\n"));
    let replay = json(&["replay", &log, "--after", &config, "--json"]);
    let mut moves: Vec<String> = replay["moves"]
        .as_array()
        .unwrap()
        .iter()
        .map(|way| format!("{} {} {}", way["from"], way["to"], way["reason"]).replace('"', ""))
        .collect();
    moves.sort();
    assert_eq!(moves, ["nyc ber nearest", "nyc ber was only_holder", "rom ber removed"]);
    assert_eq!(replay["stay"], 1);
}

#[test]
fn a_log_may_come_by_stdin_and_must_be_one() {
    let folder = Folder::new();
    let config = folder.file("gate.toml", &ruled(&[BER, NYC], ""));
    let mut child = Command::new(env!("CARGO_BIN_EXE_watchgate-plan"))
        .args(["replay", "-", "--after", &config])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let text = line(0, 1, "ber", "nearest") + "\n";
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("# 0 of 1 asks go elsewhere"));
    let text = refused(&["replay", &config, "--after", &config]);
    assert!(text.starts_with("no access line: none of ") && text.contains("gate.toml:1: "), "{text}");
}

#[test]
fn nodes_fill_up_if_asked_for() {
    let folder = Folder::new();
    let config =
        folder.file("gate.toml", &ruled(&[BER, NYC], "").replace("max_viewers = 500", "max_viewers = 20"));
    let log: Vec<String> = (0..100).map(|n| line(n / 20, n, "ber", "nearest")).collect();
    let log = folder.file("access.log", &log.join("\n"));
    let asks = |more: &[&str]| {
        let replay = json(&[&["replay", &log, "--after", &config, "--json"][..], more].concat());
        replay["after"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["asks"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(asks(&[]), [100, 0]);
    let filled = asks(&["--with-load"]);
    assert!(filled[1] >= 20, "{filled:?}");
}
