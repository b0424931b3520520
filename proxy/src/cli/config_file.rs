//! Finds the configuration file and reads it together with the environment.
//!
//! Where the file is looked for is decided by [`places`], which touches nothing. What stands in it is judged by
//! `watchgate_config`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use watchgate_config::{Config, Faults, Loaded, Node, Source};
use watchgate_geoip::Databases;

use super::Failure;

/// Names the file where no flag does.
const VARIABLE: &str = "WATCHGATE_CONFIG";
/// Where it is looked for if nobody names it.
const USUAL: [&str; 2] = ["watchgate.toml", "/etc/watchgate/watchgate.toml"];

/// A configuration without faults, and the file it came from.
#[derive(Debug)]
pub(crate) struct Setup {
    /// The file.
    pub(crate) path: PathBuf,
    /// What it says.
    pub(crate) loaded: Loaded,
}

impl Setup {
    pub(crate) fn config(&self) -> &Config {
        &self.loaded.config
    }

    /// Opens the GeoIP databases that it names; the failure tells all their faults.
    pub(crate) fn databases(&self) -> Result<Databases, Failure> {
        self.open(&self.config().geoip.databases)
    }

    /// The same databases, each alone, under its name.
    pub(crate) fn each_database(&self) -> Result<Vec<(String, Databases)>, Failure> {
        let open = |path: &PathBuf| Ok((path.display().to_string(), self.open(std::slice::from_ref(path))?));
        self.config().geoip.databases.iter().map(open).collect()
    }

    fn open(&self, paths: &[PathBuf]) -> Result<Databases, Failure> {
        Databases::open(paths).map_err(|errors| {
            let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
            Failure::Config(format!("geoip.databases in {}:\n{}", self.path.display(), lines.join("\n")))
        })
    }

    /// The node of this id.
    pub(crate) fn node(&self, id: &str) -> Result<&Node, Failure> {
        let nodes = &self.config().nodes;
        nodes.iter().find(|node| node.id.as_str() == id).ok_or_else(|| {
            let ids: Vec<&str> = nodes.iter().map(|node| node.id.as_str()).collect();
            Failure::Other(format!("there is no node {id:?}; the configuration has: {}", ids.join(", ")))
        })
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotLoaded {
    /// There is no file, or it cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// This file has faults.
    #[error("{} in the configuration {}\n{}", counted(.1.len()), .0.display(), .1)]
    Faulty(PathBuf, Faults),
}

impl From<NotLoaded> for Failure {
    fn from(why: NotLoaded) -> Self {
        Self::Config(why.to_string())
    }
}

fn counted(faults: usize) -> String {
    if faults == 1 { "1 fault".to_owned() } else { format!("{faults} faults") }
}

/// Finds and reads the configuration; `flag` is what stands behind `-c`.
///
/// # Errors
/// [`Failure::Config`]: there is none, it cannot be read, or it has faults: all of them.
pub(crate) fn load(flag: Option<&Path>) -> Result<Setup, Failure> {
    Ok(load_or_faults(flag)?)
}

/// The same, with the faults as they are.
pub(crate) fn load_or_faults(flag: Option<&Path>) -> Result<Setup, NotLoaded> {
    let places = places(flag, std::env::var_os(VARIABLE));
    let (path, text) = read_first(&places).map_err(NotLoaded::Unreadable)?;
    let env = environment(std::env::vars_os()).map_err(NotLoaded::Unreadable)?;
    match watchgate_config::parse(&Source { text: &text, path: Some(&path), env: &env }) {
        Ok(loaded) => Ok(Setup { path, loaded }),
        Err(faults) => Err(NotLoaded::Faulty(path, faults)),
    }
}

/// Where to look, in order, and whether somebody named the place.
#[derive(Debug, PartialEq, Eq)]
enum Places {
    /// This file and no other; and who said so.
    Named(PathBuf, &'static str),
    /// The first that exists.
    Usual([&'static str; 2]),
}

fn places(flag: Option<&Path>, variable: Option<OsString>) -> Places {
    match (flag, variable) {
        (Some(path), _) => Places::Named(path.to_owned(), "--config"),
        (None, Some(path)) if !path.is_empty() => Places::Named(path.into(), "$WATCHGATE_CONFIG"),
        _ => Places::Usual(USUAL),
    }
}

fn read_first(places: &Places) -> Result<(PathBuf, String), String> {
    let read = |path: &Path| std::fs::read_to_string(path);
    match places {
        Places::Named(path, by) => match read(path) {
            Ok(text) => Ok((path.clone(), text)),
            Err(error) => Err(format!("cannot read {} ({by}): {error}", path.display())),
        },
        Places::Usual(usual) => {
            for path in usual.map(PathBuf::from) {
                match read(&path) {
                    Ok(text) => return Ok((path, text)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => {
                        return Err(format!("cannot read {}: {error}", path.display()));
                    }
                }
            }
            Err(format!(
                "no configuration file; looked for\n    --config FILE (not given)\n    ${VARIABLE} (not set)\n    \
                 ./{}\n    {}{}",
                usual[0],
                usual[1],
                if cfg!(feature = "demo") { "\nTo try watchgate without one: watchgate demo" } else { "" }
            ))
        }
    }
}

/// The environment as text. What is not ours may be anything; what is ours must be readable.
fn environment(
    variables: impl Iterator<Item = (OsString, OsString)>,
) -> Result<BTreeMap<String, String>, String> {
    let mut env = BTreeMap::new();
    for (name, value) in variables {
        let Ok(name) = name.into_string() else { continue };
        match value.into_string() {
            Ok(value) => {
                env.insert(name, value);
            }
            Err(_) if name.starts_with("WATCHGATE_") => {
                return Err(format!("the environment's {name} is not UTF-8"));
            }
            Err(_) => {}
        }
    }
    Ok(env)
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt as _;

    use super::*;

    #[test]
    fn the_flag_beats_the_variable_and_an_empty_variable_is_none() {
        let check = |flag: Option<&str>, variable: Option<&str>, expected: Places| {
            assert_eq!(places(flag.map(Path::new), variable.map(OsString::from)), expected);
        };
        check(Some("a"), Some("b"), Places::Named("a".into(), "--config"));
        check(None, Some("b"), Places::Named("b".into(), "$WATCHGATE_CONFIG"));
        check(None, Some(""), Places::Usual(USUAL));
        check(None, None, Places::Usual(USUAL));
    }

    #[test]
    fn only_our_own_variables_must_be_text() {
        let bad = || OsString::from_vec(vec![0xff]);
        let kept =
            environment([("A".into(), bad()), (bad(), "x".into()), ("B".into(), "b".into())].into_iter());
        assert_eq!(kept.unwrap(), BTreeMap::from([("B".to_owned(), "b".to_owned())]));
        let failure = environment([("WATCHGATE__LISTEN__ADMIN".into(), bad())].into_iter()).unwrap_err();
        assert!(failure.contains("WATCHGATE__LISTEN__ADMIN"), "{failure}");
    }
}
