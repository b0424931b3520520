//! What `check` says of the catalog: how many films its file lists, or whether its database answers.
//!
//! The file is read when the gate is built; nothing is read twice here. Absent on purpose: the database's URL.

use std::path::Path;
use std::time::Instant;

use prometheus::Registry;
use serde::Serialize;
use serde_json::json;
use watchgate_config::{Catalog as Configured, Config};

use crate::catalog::{Catalog, CatalogError, FileError};
use crate::cli::terminal::{Look, Paint};
use crate::cli::{Failure, block_on};
use crate::clock::Clock;
use crate::gate::GateError;

/// How a film's key is found.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(super) enum Found {
    Template,
    File {
        file: String,
        films: usize,
    },
    Postgres {
        /// `null`: it was not asked.
        online: Option<Answer>,
    },
}

/// How the database took the question.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub(super) enum Answer {
    Good { answer_ms: f64 },
    Bad { why: String },
}

impl Found {
    pub(super) fn of(configured: &Configured, catalog: &Catalog) -> Self {
        match configured {
            Configured::Template => Self::Template,
            Configured::File(path) => {
                Self::File { file: path.display().to_string(), films: catalog.films().unwrap_or_default() }
            }
            Configured::Postgres(_) => Self::Postgres { online: None },
        }
    }

    /// Asks the database, if there is one.
    pub(super) fn prove(&mut self, catalog: &Catalog) -> Result<(), Failure> {
        if let Self::Postgres { online } = self {
            let asked = Instant::now();
            *online = Some(match block_on(catalog.prove())? {
                Ok(()) => Answer::Good { answer_ms: asked.elapsed().as_secs_f64() * 1000.0 },
                Err(why) => Answer::Bad { why },
            });
        }
        Ok(())
    }

    /// Unless the database was asked and did not answer.
    pub(super) fn is_good(&self) -> bool {
        !matches!(self, Self::Postgres { online: Some(Answer::Bad { .. }) })
    }

    /// A line of the report.
    pub(super) fn line(&self) -> Option<String> {
        match self {
            Self::Template => None,
            Self::File { file, films } => {
                Some(format!("{file}: a catalog of {}", super::counted(*films, "film")))
            }
            Self::Postgres { .. } => {
                Some("catalog.postgres: a database names the objects (--online asks it)".to_owned())
            }
        }
    }

    /// What came of the question.
    pub(super) fn render(&self, paint: Paint) -> Option<String> {
        let Self::Postgres { online: Some(answer) } = self else { return None };
        Some(match answer {
            Answer::Good { answer_ms } => {
                format!("\ncatalog.postgres {} in {answer_ms:.1} ms", paint.paint(Look::Good, "answers"))
            }
            Answer::Bad { why } => format!("\n{} {why}", paint.paint(Look::Bad, "catalog.postgres:")),
        })
    }
}

/// What keeps the gate from being built, and what the catalog's file would keep it from: all at once.
pub(super) fn beside(failure: Failure, config: &Config) -> Failure {
    let (object, registry) = (&config.watch.object, Registry::new());
    match Catalog::open(&config.catalog, object, Clock::start(), &registry).map_err(GateError::from) {
        Ok(_) => failure,
        Err(error) => Failure::Config(format!("{failure}\n{}", Failure::from(error))),
    }
}

/// The faults of the catalog's file as `check --json` lists them; none: it is something else.
pub(super) fn faults(error: &GateError, path: &Path) -> Option<serde_json::Value> {
    let fault = |file: &str, line: Option<u64>, why: &str| json!({ "key": "catalog.file", "file": file, "line": line, "why": why });
    let faults: Vec<_> = match error {
        GateError::Catalog(CatalogError::File(FileError::Rows { path, faults })) => {
            faults.iter().map(|row| fault(path, Some(row.line), &row.why)).collect()
        }
        GateError::Catalog(CatalogError::File(FileError::Io { path, source })) => {
            vec![fault(path, None, &source.to_string())]
        }
        _ => return None,
    };
    Some(json!({ "config": path, "faults": faults }))
}
