//! Makes and lifts faults on real nodes and gates.
//!
//! Absent on purpose: any judgement of what comes of it.

use std::cell::RefCell;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::catalogue::Harm;
use super::film::Film;
use super::nodes::Nodes;
use super::play::Scene;
use super::seen::{Finding, Looked};
use super::times::{CATALOG_LOOK_MS, Times};
use super::world::Films;
use crate::Failure;
use crate::process::{Place, read};
use crate::relay::{Relay, Trouble};
use crate::stage::{Gate, SECRET_KEY};

/// The gate's limit of open files where its table is to be full: 24 viewers fit beside its reserve.
pub(super) const FEW_FILES: u32 = 96;
/// More connections than that table has room for.
const IDLE: usize = 120;
/// How often a log is looked at for what a reload says, and how many times.
const RELOAD_LOOK: Duration = Duration::from_millis(100);
const RELOAD_LOOKS_MAX: u32 = 150;
/// Name of the catalog's file.
pub(super) const CATALOG: &str = "films.csv";

/// See the module.
pub(super) struct Real<'a> {
    pub(super) place: &'a Place,
    pub(super) nodes: &'a mut Nodes,
    pub(super) harm: Harm,
    /// The node that it is done to, unless to all.
    pub(super) near: usize,
    pub(super) times: Times,
    pub(super) gates: Vec<Gate>,
    /// Before the near node.
    pub(super) front: Option<Relay>,
    /// What comes onto the stage with the fault or after it.
    pub(super) fresh: Film,
    /// What the catalog's file says at first.
    pub(super) listed: Vec<Film>,
    pub(super) held: Held,
}

/// What has to be given back.
#[derive(Debug, Default)]
pub(super) struct Held {
    idle: Vec<TcpStream>,
    /// The limit that a node had.
    files: Option<String>,
    /// The configurations that the gates had.
    configs: Vec<String>,
    /// Where the gates' logs did not say what is wrong.
    unsaid: Vec<String>,
}

impl Scene for Real<'_> {
    async fn harm(&mut self, films: &RefCell<Films>) -> Result<(), Failure> {
        let near = self.near;
        match self.harm {
            Harm::Kill => self.nodes.kill(near),
            Harm::KillAll => (0..crate::stage::CITIES.len()).for_each(|node| self.nodes.kill(node)),
            Harm::Freeze => self.nodes.signal(near, Signal::SIGSTOP)?,
            Harm::Switch { rule, cut } => self.switch(rule, cut).await?,
            Harm::Clock(skew_s) => self.clock(skew_s).await?,
            Harm::Relay(trouble) => self.make(trouble),
            Harm::Forget => {
                for film in played(films) {
                    self.nodes.forget(near, &film).await?;
                }
            }
            Harm::TakeDown => {
                for film in played(films) {
                    self.nodes.take_down(&film).await?;
                }
            }
            Harm::Forbid => self.nodes.allow(near, false).await?,
            Harm::NodeFiles => self.fill_node()?,
            Harm::GateFiles => self.fill_gates().await?,
            Harm::Config => self.damage_configs().await?,
            Harm::Catalog => self.damage_catalog().await?,
            Harm::Lag => {
                self.nodes.hold_replication(true);
                self.nodes.put_at_source(self.place, &self.fresh, 0).await?;
                films.borrow_mut().fresh = Some(self.fresh.clone());
            }
            Harm::Overwrite => {
                self.nodes.hold_replication(true);
                for film in played(films) {
                    self.nodes.put_at_source(self.place, &film, 1).await?;
                }
            }
        }
        Ok(())
    }

    async fn lift(&mut self, films: &RefCell<Films>) -> Result<bool, Failure> {
        let near = self.near;
        match self.harm {
            Harm::Kill | Harm::KillAll => self.nodes.revive(self.place).await?,
            Harm::Freeze => self.nodes.signal(near, Signal::SIGCONT)?,
            Harm::Switch { .. } => self.nodes.switch(near, "DELETE", "/faults", &Value::Null).await?,
            Harm::Clock(_) => self.clock(0).await?,
            Harm::Relay(_) => self.make(Trouble::None),
            Harm::Forget => {
                for film in played(films) {
                    self.nodes.restore(near, &film).await?;
                }
            }
            Harm::TakeDown => return Ok(false),
            Harm::Forbid => self.nodes.allow(near, true).await?,
            Harm::NodeFiles => {
                let limit = self.held.files.take().unwrap_or_default();
                limit_files(self.nodes.id(near)?, &limit)?;
            }
            Harm::GateFiles => self.held.idle.clear(),
            Harm::Config => {
                for (gate, good) in self.gates.iter().zip(self.held.configs.drain(..)) {
                    write(&gate.file, &good)?;
                    gate.process.signal(Signal::SIGHUP)?;
                }
            }
            Harm::Catalog => {
                let films_listed: Vec<&Film> = self.listed.iter().chain([&self.fresh]).collect();
                write(&self.catalog(), &listed(&films_listed))?;
                films.borrow_mut().fresh = Some(self.fresh.clone());
            }
            Harm::Lag => {
                self.nodes.hold_replication(false);
                self.nodes.replicate(&self.fresh, 0).await?;
            }
            Harm::Overwrite => {
                self.nodes.hold_replication(false);
                for film in played(films) {
                    self.nodes.replicate(&film, 1).await?;
                }
            }
        }
        Ok(true)
    }

    fn findings(&self) -> Vec<Finding> {
        let leaks = self.gates.iter().any(|gate| gate.process.log_end(usize::MAX).contains(SECRET_KEY));
        let result = if leaks { Err("a node's secret key is in the gate's log".to_owned()) } else { Ok(()) };
        let mut findings = vec![Finding { what: Looked::Secrets, result }];
        let looked = match self.harm {
            Harm::Config => Some(Looked::Config),
            Harm::Catalog => Some(Looked::Catalog),
            _ => None,
        };
        if let Some(what) = looked {
            let unsaid = self.held.unsaid.join("; ");
            let result = if unsaid.is_empty() { Ok(()) } else { Err(unsaid) };
            findings.push(Finding { what, result });
        }
        findings
    }
}

impl Real<'_> {
    async fn switch(&self, rule: &str, cut: bool) -> Result<(), Failure> {
        let rule = rule.replace("SLOW", &self.times.slow_ms.to_string());
        let rule = serde_json::from_str(&rule);
        let rule: Value = rule.map_err(|error| Failure::Misbehaved(format!("the catalogue: {error}")))?;
        self.nodes.switch(self.near, "POST", "/faults", &rule).await?;
        if cut {
            self.nodes.switch(self.near, "POST", "/cut", &json!("reset")).await?;
        }
        Ok(())
    }

    async fn clock(&self, skew_s: i64) -> Result<(), Failure> {
        self.nodes.switch(self.near, "PUT", "/settings", &json!({"clock_skew_s": skew_s})).await
    }

    fn make(&self, trouble: Trouble) {
        let trouble = match trouble {
            Trouble::Delay(_) => Trouble::Delay(Duration::from_millis(self.times.slow_ms)),
            other => other,
        };
        if let Some(front) = &self.front {
            front.make(trouble);
        }
    }

    /// Nothing new fits into the node's table: what is open stays open.
    fn fill_node(&mut self) -> Result<(), Failure> {
        let id = self.nodes.id(self.near)?;
        self.held.files = Some(files_limit(id)?);
        limit_files(id, "1")
    }

    async fn fill_gates(&mut self) -> Result<(), Failure> {
        for gate in &self.gates {
            for _ in 0..IDLE {
                let idle = TcpStream::connect(gate.address).await;
                self.held.idle.push(idle.map_err(Failure::during("an idle connection"))?);
            }
        }
        Ok(())
    }

    fn catalog(&self) -> PathBuf {
        self.place.scratch.path().join(CATALOG)
    }

    /// A bad row, then an end in the middle of a row, then nothing at all, then no file: each for so long that the gate
    /// has looked at it.
    /// Each bad one has to be refused before the next one is written.
    async fn damage_configs(&mut self) -> Result<(), Failure> {
        for gate in &self.gates {
            let good = read(&gate.file.to_string_lossy())?;
            let strange = good.replace(SECRET_KEY, "secret-of-another-fleet");
            let bad = [
                (Some("[listen\n"), "1 fault in the configuration"),
                (Some(&*strange), "no node would be up"),
                (None, "cannot read"),
            ];
            for (text, said) in bad {
                match text {
                    Some(text) => write(&gate.file, text)?,
                    None => std::fs::remove_file(&gate.file).map_err(Failure::during("a configuration"))?,
                }
                gate.process.signal(Signal::SIGHUP)?;
                let mut looks = 0;
                while !gate.process.log_end(usize::MAX).contains(said) {
                    sleep(RELOAD_LOOK).await;
                    looks += 1;
                    if looks > RELOAD_LOOKS_MAX {
                        self.held.unsaid.push(format!("its log does not say {said:?}"));
                        break;
                    }
                }
            }
            self.held.configs.push(good);
        }
        Ok(())
    }

    async fn damage_catalog(&mut self) -> Result<(), Failure> {
        let good: Vec<&Film> = self.listed.iter().collect();
        let good = listed(&good);
        let bad = format!("{good}this is no uuid,film.mp4\n");
        let line = bad.lines().count();
        write(&self.catalog(), &bad)?;
        sleep(Duration::from_millis(CATALOG_LOOK_MS)).await;
        for gate in &self.gates {
            if !gate.process.log_end(usize::MAX).contains(&format!("{CATALOG}:{line}")) {
                self.held.unsaid.push(format!("its log does not name line {line} of {CATALOG}"));
            }
        }
        let first_row = good.find('\n').map_or(0, |end| end + 1);
        for cut in [&good[..first_row + 10], ""] {
            write(&self.catalog(), cut)?;
            sleep(Duration::from_millis(CATALOG_LOOK_MS)).await;
        }
        let removed = std::fs::remove_file(self.catalog());
        removed.map_err(Failure::during(CATALOG))?;
        sleep(Duration::from_millis(CATALOG_LOOK_MS)).await;
        Ok(())
    }
}

/// What a catalog's file says of these films.
pub(super) fn listed(films: &[&Film]) -> String {
    let rows = films.iter().map(|film| format!("{},{}\n", film.uuid, film.key()));
    std::iter::once("uuid,key\n".to_owned()).chain(rows).collect()
}

fn played(films: &RefCell<Films>) -> [Film; 2] {
    let films = films.borrow();
    [films.feature.clone(), films.clip.clone()]
}

fn write(path: &std::path::Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(Failure::during(path.display().to_string()))
}

/// The soft limit of open files of a process.
fn files_limit(id: u32) -> Result<String, Failure> {
    let output = Command::new("prlimit")
        .args(["--pid", &id.to_string(), "--nofile", "--noheadings", "--output=SOFT"])
        .output()
        .map_err(Failure::during("prlimit"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn limit_files(id: u32, soft: &str) -> Result<(), Failure> {
    let status = Command::new("prlimit")
        .args(["--pid", &id.to_string(), &format!("--nofile={soft}:")])
        .stdout(Stdio::null())
        .status()
        .map_err(Failure::during("prlimit"))?;
    if status.success() { Ok(()) } else { Err(Failure::Misbehaved("prlimit refused a limit".to_owned())) }
}
