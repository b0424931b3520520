//! What stands around every measurement: where the programs lie, what ends it early, how its report is told.

use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

use crate::Failure;
use crate::process::{Place, read};

/// Options of every measurement.
#[derive(Debug, clap::Args)]
pub(crate) struct Common {
    /// JSON instead of a table
    #[arg(long)]
    json: bool,
    /// Where the built programs lie [default: beside this one]
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
}

/// What a measurement found.
pub(crate) trait Report: Serialize {
    /// As Markdown, so that it can stand in a README as it is.
    fn table(&self) -> String;

    /// Whether everything that should be in it is in it.
    fn is_whole(&self) -> bool {
        true
    }
}

/// A report as text.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) text: String,
    /// As [`Report::is_whole`] says.
    pub(crate) whole: bool,
}

/// Whether a run shall end before its time, and still be told.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    is_set: Cell<bool>,
    set: Notify,
}

impl Stop {
    /// Everybody shall end.
    pub(crate) fn set(&self) {
        self.is_set.set(true);
        self.set.notify_waiters();
    }

    pub(crate) fn is_set(&self) -> bool {
        self.is_set.get()
    }

    /// Waits until everybody shall end.
    pub(crate) async fn stopped(&self) {
        while !self.is_set() {
            self.set.notified().await;
        }
    }
}

impl Common {
    /// The place of the programs, with a fresh scratch folder.
    pub(crate) fn place(&self) -> Result<Place, Failure> {
        let scratch = tempfile::tempdir().map_err(Failure::during("a folder for logs"))?;
        Ok(Place { programs: self.programs()?, scratch })
    }

    fn programs(&self) -> Result<PathBuf, Failure> {
        if let Some(folder) = &self.programs {
            return std::path::absolute(folder).map_err(Failure::during(folder.display().to_string()));
        }
        let here = std::env::current_exe().map_err(Failure::during("the place of this program"))?;
        Ok(here.parent().map_or_else(PathBuf::new, Path::to_owned))
    }

    /// Measures on this thread and tells the report. Whatever ends it, the servers are dropped and end too.
    ///
    /// # Errors
    /// As the measurement, or a signal came.
    pub(crate) fn tell<R: Report>(
        &self,
        measure: impl Future<Output = Result<R, Failure>>,
    ) -> Result<Told, Failure> {
        let report = runtime()?.block_on(async {
            let mut signals = Signals::new()?;
            tokio::select! {
                report = measure => report,
                word = signals.next() => Err(Failure::NotHere(word.to_owned())),
            }
        })?;
        self.told(&report)
    }

    /// The same for a measurement that ends early and still reports when it is told to stop; told twice, it is over.
    ///
    /// # Errors
    /// As the measurement, or a second signal came.
    pub(crate) fn tell_when_stopped<R: Report>(
        &self,
        stop: &Stop,
        measure: impl Future<Output = Result<R, Failure>>,
    ) -> Result<Told, Failure> {
        let measure = async {
            let mut measure = std::pin::pin!(measure);
            let mut signals = Signals::new()?;
            tokio::select! {
                report = &mut measure => return report,
                _ = signals.next() => stop.set(),
            }
            tokio::select! {
                report = &mut measure => report,
                word = signals.next() => Err(Failure::NotHere(word.to_owned())),
            }
        };
        let report = runtime()?.block_on(measure)?;
        self.told(&report)
    }

    fn told<R: Report>(&self, report: &R) -> Result<Told, Failure> {
        let text = if self.json {
            let failed = |error| Failure::System {
                what: "the report as JSON".to_owned(),
                error: io::Error::from(error),
            };
            serde_json::to_string_pretty(report).map_err(failed)?
        } else {
            report.table()
        };
        Ok(Told { text, whole: report.is_whole() })
    }
}

/// What ends a measurement.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let of = |kind| signal(kind).map_err(Failure::during("signals"));
        Ok(Self { interrupt: of(SignalKind::interrupt())?, terminate: of(SignalKind::terminate())? })
    }

    /// Waits for one and says what it is.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "interrupted",
            _ = self.terminate.recv() => "terminated",
        }
    }
}

fn runtime() -> Result<Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::during("a runtime"))
}

/// One line about this machine.
pub(crate) fn machine() -> Result<String, Failure> {
    let processors = read("/proc/cpuinfo")?;
    let of = |field: &str| {
        let line = processors.lines().find(|line| line.starts_with(field));
        line.and_then(|line| line.split_once(':')).map_or("unknown", |(_, value)| value.trim()).to_owned()
    };
    let cores = processors.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = read("/proc/sys/kernel/osrelease")?;
    Ok(format!("Machine: {}, {cores} cores, Linux {}", of("model name"), kernel.trim()))
}
