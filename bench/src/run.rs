//! What stands around every measurement: where the programs lie, what ends it early, how its report is told.

use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

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
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(Failure::during("a runtime"))?;
        let report = runtime.block_on(async {
            let failed = || Failure::during("signals");
            let mut interrupt = signal(SignalKind::interrupt()).map_err(failed())?;
            let mut terminate = signal(SignalKind::terminate()).map_err(failed())?;
            tokio::select! {
                report = measure => report,
                _ = interrupt.recv() => Err(Failure::NotHere("interrupted".to_owned())),
                _ = terminate.recv() => Err(Failure::NotHere("terminated".to_owned())),
            }
        })?;
        let text = if self.json {
            let failed = |error| Failure::System {
                what: "the report as JSON".to_owned(),
                error: io::Error::from(error),
            };
            serde_json::to_string_pretty(&report).map_err(failed)?
        } else {
            report.table()
        };
        Ok(Told { text, whole: report.is_whole() })
    }
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
