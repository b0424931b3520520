//! `watchgate check`: everything that `run` would refuse, and with `--online` everything that nodes would.
//!
//! Without `--online` only files are read. What is odd but allowed is a remark and never a failure.

mod catalog;
mod online;
mod routes;

use std::path::Path;

use serde::Serialize;
use serde_json::json;
use watchgate_config::{Config, Faults, Role};
use watchgate_geoip::{DatabaseInfo, DatabaseKind};

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
    catalog: catalog::Found,
    remarks: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    online: Option<Vec<online::Proof>>,
    /// Servers of routes that were asked; none without `--online`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    routes: Vec<routes::Proof>,
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
    let databases = setup.databases().map_err(|failure| catalog::beside(failure, setup.config()))?;
    let infos = databases.info().to_vec();
    // What a configuration without faults can still meet: a catalog with faults, a machine without trusted issuers.
    let gate = match explain::offline(setup.config().clone(), databases) {
        Ok(gate) => gate,
        Err(error) => {
            if let Some(faults) = catalog::faults(&error, &setup.path).filter(|_| args.form.json) {
                terminal.data(&json(&faults)?)?;
            }
            return Err(error.into());
        }
    };
    let mut findings = Findings {
        config: setup.path.display().to_string(),
        nodes: setup.config().nodes.len(),
        databases: infos.iter().map(database_json).collect(),
        catalog: catalog::Found::of(&setup.config().catalog, gate.catalog()),
        remarks: remarks(setup.config(), &infos, gate.asks_for_films()),
        online: None,
        routes: Vec::new(),
    };
    if !args.form.json {
        terminal.data(&report(&setup, &infos, &findings, terminal))?;
    }
    let mut done = Done::Yes;
    if args.online {
        let proofs = online::prove(setup.config(), gate.asks_for_films())?;
        findings.catalog.prove(gate.catalog())?;
        findings.routes = routes::prove(&setup.config().routes)?;
        let routes_good = findings.routes.iter().all(routes::Proof::is_good);
        if !routes_good || !findings.catalog.is_good() || proofs.iter().any(|proof| !proof.is_good()) {
            done = Done::No;
        }
        if !args.form.json {
            terminal.data(&online::render(&proofs, terminal.out))?;
            if let Some(text) = findings.catalog.render(terminal.out) {
                terminal.data(&text)?;
            }
            if let Some(text) = routes::render(&findings.routes, terminal.out) {
                terminal.data(&text)?;
            }
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
    lines.extend(routes::lines(&config.routes).map(|line| format!("  {line}")));
    lines.extend(findings.catalog.line().map(|line| format!("  {line}")));
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

/// What is allowed and yet seldom meant. `asks` says whether nodes are asked for films.
fn remarks(config: &Config, databases: &[DatabaseInfo], asks: bool) -> Vec<String> {
    let mut remarks = Vec::new();
    let knows_places = databases.iter().any(|info| info.kind != DatabaseKind::Asn);
    if !knows_places && config.geoip.home.is_none() {
        remarks.push(
            "no database in geoip.databases knows places and there is no geoip.home: viewers are sent by rules, \
             load and hash, not by distance"
                .to_owned(),
        );
    }
    for info in databases {
        if let Some(days) = age_days(info).filter(|days| *days > OLD_DAYS) {
            remarks.push(format!("{} is {days} days old: fetch a newer one", info.name));
        }
    }
    if config.nodes.len() == 1 {
        remarks.push("there is one node: when it fails, nobody takes over".to_owned());
    } else {
        if asks && config.nodes.iter().all(|node| node.role != Role::Source) {
            remarks.push(
                "no node has role = \"source\": a film is unknown (404) only when every node says so, and one that is \
                 down makes it 503"
                    .to_owned(),
            );
        }
        if !config.presence.enabled {
            remarks.push(
                "presence.enabled is false: nobody asks which nodes hold a film, and viewers meet nodes that \
                 replication has not reached yet"
                    .to_owned(),
            );
        }
    }
    if let Some(address) = config.listen.events.filter(|address| address.ip().to_canonical().is_loopback()) {
        remarks.push(format!(
            "listen.events is {address}, a loopback address: only nodes on this machine can send bucket events"
        ));
    }
    remarks
}

/// `1 node`, `3 nodes`.
fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
