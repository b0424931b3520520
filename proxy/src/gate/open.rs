//! Conveniences for a host with a Pingora server of its own: a gate from a file, and its background task as a service.
//!
//! Absent on purpose: decisions; everything here could be written by the host.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use prometheus::Registry;
use watchgate_config::{Faults, Source, parse};
use watchgate_geoip::{DatabaseError, Databases};

use super::{Gate, GateError};

/// Why a configuration file did not become a gate.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The configuration has faults: all of them.
    #[error("{0}")]
    Config(#[from] Faults),
    /// GeoIP databases have faults: all of them.
    #[error("{}", lines(.0))]
    Databases(Vec<DatabaseError>),
    /// The rest.
    #[error(transparent)]
    Gate(#[from] GateError),
}

fn lines(errors: &[DatabaseError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Gate {
    /// A gate from a configuration file and the process's environment. Reads the file, the secrets and the GeoIP
    /// databases; opens no socket. `[listen]` and `[log]` are the ready front door's and are not used here.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(path: &Path, registry: &Registry) -> Result<Self, OpenError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| OpenError::File { path: path.display().to_string(), source })?;
        let env: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let config = parse(&Source { text: &text, path: Some(path), env: &env })?.config;
        let databases = Databases::open(&config.geoip.databases).map_err(OpenError::Databases)?;
        Ok(Self::new(config, databases, registry)?)
    }
}

/// [`Gate::run`] as a service of a Pingora server.
#[derive(Debug)]
pub struct Background(pub Arc<Gate>);

#[async_trait]
impl BackgroundService for Background {
    async fn start(&self, shutdown: ShutdownWatch) {
        Arc::clone(&self.0).run(shutdown).await;
    }
}
