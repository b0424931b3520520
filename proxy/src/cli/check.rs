//! `watchgate check`: everything that `run` would refuse, and with `--online` everything that nodes would.
//!
//! Without `--online` only files are read. What is odd but allowed is a remark and never a failure.

mod online;

use std::path::Path;

use serde::Serialize;
use serde_json::json;
use watchgate_config::Faults;
use watchgate_geoip::{DatabaseInfo, DatabaseKind, Databases};

use super::args::CheckArgs;
use super::config_file::{self, NotLoaded, Setup};
use super::terminal::{Look, Terminal};
use super::{Done, Failure, explain, json, time};

/// GeoIP data older than this is worth a remark, in days: addresses change hands by the month.
const OLD_DAYS: u64 = 90;

/// What was found; the parts of it are there as far as the check came.
#[derive(Debug, Serialize)]
struct Findings {
    config: String,
    nodes: usize,
    databases: Vec<serde_json::Value>,
    remarks: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    online: Option<Vec<online::Proof>>,
}

pub(crate) fn check(file: Option<&Path>, args: &CheckArgs, terminal: Terminal) -> Result<Done, Failure> {
    let setup = match config_file::load_or_faults(file) {
        Ok(setup) => setup,
        Err(NotLoaded::Faulty(path, faults)) => {
            if args.form.json {
                terminal.data(&json(&json!({ "config": path, "faults": as_json(&faults) }))?)?;
            }
            return Err(NotLoaded::Faulty(path, faults).into());
        }
        Err(other) => return Err(other.into()),
    };
    let databases = setup.databases()?;
    let (infos, remarks) = (databases.info().to_vec(), remarks(&setup, &databases));
    // What a configuration without faults can still meet on this machine: no trusted issuers, for example.
    explain::offline(setup.config().clone(), databases)?;
    let mut findings = Findings {
        config: setup.path.display().to_string(),
        nodes: setup.config().nodes.len(),
        databases: infos.iter().map(database_json).collect(),
        remarks,
        online: None,
    };
    if !args.form.json {
        terminal.data(&report(&setup, &infos, &findings, terminal))?;
    }
    let mut done = Done::Yes;
    if args.online {
        let proofs = online::prove(setup.config())?;
        if proofs.iter().any(|proof| !proof.is_good()) {
            done = Done::No;
        }
        if !args.form.json {
            terminal.data(&online::render(&proofs, terminal.out))?;
        }
        findings.online = Some(proofs);
    }
    if args.form.json {
        terminal.data(&json(&findings)?)?;
    }
    Ok(done)
}

fn as_json(faults: &Faults) -> Vec<serde_json::Value> {
    let fault = |fault: &watchgate_config::Fault| json!({ "key": fault.key, "line": fault.line, "why": fault.why, "hint": fault.hint });
    faults.iter().map(fault).collect()
}

fn report(setup: &Setup, infos: &[DatabaseInfo], findings: &Findings, terminal: Terminal) -> String {
    let config = setup.config();
    let good = terminal.out.paint(Look::Good, "good");
    let mut lines = vec![format!(
        "{} is {good}: {}, bucket {}, mode {}",
        findings.config,
        counted(findings.nodes, "node"),
        config.bucket.name,
        config.watch.mode
    )];
    for info in infos {
        let days = age_days(info).map_or(String::new(), |days| format!(", {days} days old"));
        lines.push(format!("  {}: {} ({}{days})", info.name, info.database_type, kind(info.kind)));
    }
    let remark = |remark: &String| format!("{} {remark}", terminal.out.paint(Look::Warn, "remark:"));
    lines.extend(findings.remarks.iter().map(remark));
    lines.join("\n")
}

fn database_json(info: &DatabaseInfo) -> serde_json::Value {
    json!({
        "name": info.name,
        "type": info.database_type,
        "kind": kind(info.kind),
        "build_epoch": info.build_epoch,
        "ip_version": info.ip_version,
    })
}

fn kind(kind: DatabaseKind) -> &'static str {
    match kind {
        DatabaseKind::City => "city",
        DatabaseKind::Country => "country",
        DatabaseKind::Asn => "asn",
        _ => "other",
    }
}

/// `None`: the file does not say, or says a time to come.
fn age_days(info: &DatabaseInfo) -> Option<u64> {
    let built_s = Some(info.build_epoch).filter(|built_s| *built_s > 0)?;
    Some(time::unix_now().as_secs().checked_sub(built_s)? / 86_400)
}

/// What is allowed and yet seldom meant.
fn remarks(setup: &Setup, databases: &Databases) -> Vec<String> {
    let config = setup.config();
    let mut remarks = Vec::new();
    let knows_places = databases.info().iter().any(|info| info.kind != DatabaseKind::Asn);
    if !knows_places && config.geoip.home.is_none() {
        remarks.push(
            "no database in geoip.databases knows places and there is no geoip.home: viewers are sent by rules, \
             load and hash, not by distance"
                .to_owned(),
        );
    }
    for info in databases.info() {
        if let Some(days) = age_days(info).filter(|days| *days > OLD_DAYS) {
            remarks.push(format!("{} is {days} days old: fetch a newer one", info.name));
        }
    }
    if config.nodes.len() == 1 {
        remarks.push("there is one node: when it fails, nobody takes over".to_owned());
    }
    remarks
}

/// `1 node`, `3 nodes`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
