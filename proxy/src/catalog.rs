//! The catalog: which object key a film has, by the template, by a list in a file, or by a database.
//!
//! [`Catalog::look`] is for the request path: it waits for nothing and takes no lock. Only a film that the database has
//! not been asked about, or not for long, is [`Look::Ask`]. Absent on purpose: whether the object exists (presence),
//! and encoding, which is the signature's.

use std::fmt;

use prometheus::Registry;
use tokio::sync::watch;
use watchgate_config::ObjectTemplate;

use crate::clock::Clock;
use crate::decide::watch::Film;
use metrics::{FileMetrics, Lookups};
use row::Shape;

#[cfg_attr(not(feature = "postgres"), path = "catalog/database/absent.rs")]
mod database;
mod file;
mod list;
mod metrics;
mod read;
mod row;

pub use file::FileError;
pub use read::RowFault;

/// See the module.
pub struct Catalog {
    kind: Kind,
}

enum Kind {
    Template(ObjectTemplate),
    File { listed: file::Listed, shape: Shape, lookups: Lookups },
    Postgres { database: database::Opened, shape: Shape, lookups: Lookups },
}

/// What the catalog knows of a film.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// The key of its object, or of the file of its tree: within the rules of [`watchgate_config::object_key`].
    Key(String),
    /// There is no such film, or no such file: 404.
    Unknown,
    /// Nothing, or nothing any more: [`Catalog::ask`], then look once more. If it says this again, what was learnt did
    /// not last that long, and the answer is that of [`NoAnswer`].
    Ask,
}

/// Why it stays unknown whether there is such a film: 503. What lies behind it is in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoAnswer {
    /// It answers with errors, or not at all.
    #[error("the catalog's database does not answer")]
    Database,
    /// It took longer than `catalog.postgres.timeout`.
    #[error("the catalog's database does not answer in time")]
    Timeout,
    /// As many questions as it may have are on their way.
    #[error("the catalog's database has too many questions to answer")]
    Busy,
    /// It has a text for this film that can be no object key.
    #[error("the catalog's database has a bad key for this film")]
    BadRow,
}

/// Why there is no catalog.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CatalogError {
    /// `catalog.file` gives no list.
    #[error("`catalog.file`: {0}")]
    File(#[from] FileError),
    /// This program was built without the feature that it needs.
    #[error("`catalog.postgres` needs the feature `postgres`, which this program was built without")]
    NoPostgres,
    /// The URL is not one; it is not quoted, because it holds the password.
    #[error(
        "`catalog.postgres`: the URL cannot be read: it is postgres://USER:PASSWORD@HOST:PORT/DATABASE, with special \
         characters of the password percent-encoded, and sslmode is disable, prefer or require"
    )]
    Url,
    /// The URL wants TLS, and this machine trusts nobody.
    #[error(
        "`catalog.postgres`: the URL says sslmode=require, but this machine has no trusted certificates: install its \
         CA certificates (package ca-certificates) or name a file in SSL_CERT_FILE"
    )]
    NoRoots,
    /// A library refused its own defaults.
    #[error("`catalog.postgres` cannot be set up: {0}")]
    SetUp(String),
    /// The registry has families of these names already.
    #[error("the catalog's metrics cannot be registered: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl Catalog {
    /// Reads the file, or prepares for the database, but opens no connection.
    ///
    /// # Errors
    /// [`CatalogError`].
    pub fn open(
        config: &watchgate_config::Catalog,
        object: &ObjectTemplate,
        clock: Clock,
        registry: &Registry,
    ) -> Result<Self, CatalogError> {
        use watchgate_config::Catalog as Config;
        let shape = if object.has_path() { Shape::Folder } else { Shape::Object };
        let kind = match config {
            Config::Template => Kind::Template(object.clone()),
            Config::File(path) => Kind::File {
                listed: file::Listed::open(path, shape, clock, FileMetrics::register(registry)?)?,
                shape,
                lookups: Lookups::register(registry)?,
            },
            Config::Postgres(config) => Kind::Postgres {
                database: database::open(config, shape, clock, registry)?,
                shape,
                lookups: Lookups::register(registry)?,
            },
        };
        Ok(Self { kind })
    }

    /// The film's key, without waiting. `path` is the decoded path of a file of the film's tree, empty if none is asked
    /// for.
    ///
    /// A film that the database was asked about long ago is asked about again behind this; that needs a Tokio runtime,
    /// and without one it is left out.
    pub fn look(&self, film: &Film, path: &str) -> Look {
        match &self.kind {
            Kind::Template(object) => Look::Key(object.key(film.as_bytes(), path)),
            Kind::File { listed, shape, lookups } => {
                lookups.found(listed.get(film, |row| shape.key(row, path)).flatten())
            }
            Kind::Postgres { database, shape, lookups } => {
                match database.look(film, |row| shape.key(row, path)) {
                    database::Word::Row(key) => lookups.found(key),
                    database::Word::Unknown => lookups.found(None),
                    database::Word::Ask => {
                        lookups.miss.inc();
                        Look::Ask
                    }
                }
            }
        }
    }

    /// After [`Look::Ask`]: asks the database, together with all others who ask for this film now. The question goes on
    /// if the caller stops waiting; it ends within `catalog.postgres.timeout`.
    ///
    /// # Errors
    /// [`NoAnswer`], unless the film was known before: what was known goes on.
    pub async fn ask(&self, film: &Film) -> Result<(), NoAnswer> {
        match &self.kind {
            Kind::Template(_) | Kind::File { .. } => Ok(()),
            Kind::Postgres { database, lookups, .. } => {
                database.ask(film).await.inspect_err(|_| lookups.failed.inc())
            }
        }
    }

    /// What goes on behind requests, until `shutdown` is true or its sender is gone: the file is read again when it
    /// changes; the database is tried once, so that a wrong password is found before a viewer finds it.
    pub async fn run(&self, mut shutdown: watch::Receiver<bool>) {
        match &self.kind {
            Kind::Template(_) => {
                stopped(&mut shutdown).await;
            }
            Kind::File { listed, .. } => listed.follow(shutdown).await,
            Kind::Postgres { database, .. } => database.run(shutdown).await,
        }
    }
}

/// Until there is a stop, or nobody left to say so. What the channel lends is given back: it must not cross an await.
async fn stopped(shutdown: &mut watch::Receiver<bool>) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}

impl Lookups {
    fn found(&self, key: Option<String>) -> Look {
        let Some(key) = key else {
            self.unknown.inc();
            return Look::Unknown;
        };
        self.hit.inc();
        Look::Key(key)
    }
}

impl fmt::Debug for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Catalog");
        match &self.kind {
            Kind::Template(object) => out.field("template", object),
            Kind::File { listed, .. } => out.field("films", &listed.len()),
            Kind::Postgres { database, .. } => out.field("database", database),
        };
        out.finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
