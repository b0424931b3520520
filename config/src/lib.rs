//! watchgate's configuration: one file and the environment become one typed value that cannot be wrong, or every
//! fault at once, each with its key, its line and a hint.
//!
//! The file is read as a tree with lines (`tree`), the environment is laid over it (`env`), the whole is compared
//! with one description of all keys (`keys`, `check`), secrets are fetched (`secrets`) and values are put together
//! (`build`). The same description makes the JSON Schema and the redacted print. Files are read, but no socket is
//! opened, no name resolved and no clock read; nothing here knows the proxy.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

mod address;
mod build;
mod check;
mod config;
mod cors;
mod duration;
mod endpoint;
mod env;
mod fault;
mod header;
mod keys;
mod name;
mod prefix;
mod print;
mod query;
mod route;
mod schema;
mod secret;
mod secrets;
mod size;
mod template;
mod tree;
mod words;

pub use config::{
    Bucket, Catalog, Config, GeoIp, GeoRule, Health, LinkLifetime, Listen, Log, Node, Postgres, Presence,
    Route, RouteHealth, RuleTarget, Stream, Viewer, Watch,
};
pub use cors::CorsOrigin;
pub use endpoint::{Endpoint, Scheme};
pub use fault::{Fault, Faults, Wrong};
pub use name::{NodeId, check_object_key as object_key};
pub use prefix::{RoutePrefix, WatchPrefix};
pub use route::HostRule;
pub use schema::schema;
pub use secret::Secret;
pub use template::ObjectTemplate;
pub use words::{Addressing, AllDown, ForwardedHeader, Level, LogFormat, Mode, Profile, Role};

/// What a configuration is made from. Without `Debug`: both texts may hold secrets.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// The file's text.
    pub text: &'a str,
    /// The file's path: faults name it, and relative paths in the file (and in the environment) start at its folder.
    /// None: relative paths start at the working directory.
    pub path: Option<&'a Path>,
    /// The environment; what is not ours in it is passed over.
    pub env: &'a BTreeMap<String, String>,
}

/// A configuration, and where each of its values came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    effective: tree::Table,
    secret_files: Vec<PathBuf>,
}

impl Loaded {
    /// The effective configuration as TOML; behind every value a comment says where it comes from: `default`,
    /// `file:LINE`, `env NAME` or `secret file`. Secrets are `"<redacted>"`.
    #[must_use]
    pub fn print(&self) -> String {
        print::as_toml(&self.effective)
    }

    /// The files that secrets were read from.
    #[must_use]
    pub fn secret_files(&self) -> &[PathBuf] {
        &self.secret_files
    }

    /// The same as JSON: `{"config": {...}, "origins": {"listen.admin": "default", ...}}`.
    #[must_use]
    pub fn print_json(&self) -> serde_json::Value {
        print::as_json(&self.effective)
    }
}

/// Reads a configuration.
///
/// # Errors
/// Every fault of the file, the environment and the secret files. Only text that is not TOML hides other faults.
pub fn parse(source: &Source<'_>) -> Result<Loaded, Faults> {
    read(source, Secrets::Read)
}

/// Reads a configuration as [`parse`] does, but no secret: wherever one is named by a file or missing, a text that
/// opens nothing stands for it. For planning with a configuration away from the machine that it is for; a gate
/// that ran with it would be refused by every node.
///
/// # Errors
/// As [`parse`], but those of secret files.
pub fn parse_without_secrets(source: &Source<'_>) -> Result<Loaded, Faults> {
    read(source, Secrets::StandIn)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Secrets {
    Read,
    StandIn,
}

fn read(source: &Source<'_>, secrets: Secrets) -> Result<Loaded, Faults> {
    let mut faults = Faults::none(source.path);
    let mut written = match tree::read(source.text) {
        Ok(root) => root,
        Err(list) => {
            for fault in list {
                faults.push(fault);
            }
            return Err(faults.in_order());
        }
    };
    env::overlay(&mut written, source.env, &mut faults);
    let mut effective = check::table(written, keys::ROOT, &mut faults);
    let folder = source.path.and_then(Path::parent).unwrap_or(Path::new(""));
    if secrets == Secrets::StandIn {
        secrets::stand_in(&mut effective);
    }
    secrets::load(&mut effective, folder, &mut faults);
    match build::config(&effective, folder, &mut faults) {
        Some(config) if faults.is_empty() => {
            let secret_files = secrets::files(&effective, folder);
            Ok(Loaded { config, effective, secret_files })
        }
        _ => Err(faults.in_order()),
    }
}
