//! What was measured on: the machine, the versions of all programs, and who else used it meanwhile.
//!
//! Absent on purpose: names and addresses of the machine, which are nobody's business.

use std::path::Path;
use std::process::Command;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use nix::unistd::{SysconfVar, sysconf};
use serde::Serialize;

use crate::Failure;
use crate::needs::Need;
use crate::process::{Place, read};

/// What others may use of a core before figures are to be doubted.
const BUSY: f64 = 0.05;

/// The machine and its programs.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    /// Processor, cores, kernel.
    pub(crate) about: String,
    memory_gib: f64,
    /// The compiler of the gate, as its program names it.
    rustc: String,
    versions: Vec<(&'static str, String)>,
}

/// The machine's use of its processors up to one moment, in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Use {
    /// Of all processes.
    all: f64,
    /// Of this one, and of all that it started and that have ended.
    ours: f64,
    /// Taken away by the machine's host.
    stolen: f64,
}

/// Who used the machine during a run.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Company {
    load_before: f64,
    load_after: f64,
    /// Cores that others used on average.
    others: f64,
    stolen: f64,
}

impl Machine {
    /// Looks around.
    pub(crate) fn look(place: &Place) -> Result<Self, Failure> {
        let about = crate::run::machine()?;
        let memory = crate::process::kib(&read("/proc/meminfo")?, "MemTotal:").unwrap_or_default();
        let gate = place.program("watchgate");
        let mut versions = vec![("watchgate", version(&gate, &["--version"]))];
        let peers: [(Need, &[&str]); 7] = [
            (Need::Nginx, &["-v"]),
            (Need::Haproxy, &["-v"]),
            (Need::Envoy, &["--version"]),
            (Need::Perf, &["--version"]),
            (Need::Valgrind, &["--version"]),
            (Need::NginxLua, &[]),
            (Need::NginxGeoip2, &[]),
        ];
        for (need, arguments) in peers {
            let version = match (need.found(), arguments) {
                (Err(_), _) => "not installed".to_owned(),
                (Ok(file), []) => packaged(&file),
                (Ok(program), arguments) => version(&program, arguments),
            };
            versions.push((need.name(), version));
        }
        Ok(Self {
            about,
            memory_gib: memory as f64 / f64::from(1 << 20),
            rustc: compiler(Path::new(&gate)).unwrap_or_else(|| "unknown".to_owned()),
            versions,
        })
    }

    /// One for tests.
    #[cfg(test)]
    pub(crate) fn unknown() -> Self {
        let (about, rustc) = ("Machine: m".to_owned(), "rustc".to_owned());
        Self { about, memory_gib: 1.0, rustc, versions: vec![("nginx", "1".to_owned())] }
    }

    /// As a list.
    pub(crate) fn rendered(&self) -> String {
        let versions: Vec<_> =
            self.versions.iter().map(|(name, version)| format!("- {name}: {version}\n")).collect();
        format!(
            "- machine: {}, {:.0} GiB of memory\n- the gate was built by {}\n{}",
            self.about.trim_start_matches("Machine: "),
            self.memory_gib,
            self.rustc,
            versions.concat()
        )
    }
}

/// The first line that tells a version.
fn version(program: &str, arguments: &[&str]) -> String {
    let Ok(told) = Command::new(program).args(arguments).output() else { return "unknown".to_owned() };
    // nginx talks on stderr.
    let text = [told.stdout, told.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().map(str::trim).find(|line| line.contains(|letter: char| letter.is_ascii_digit()));
    shortened(line.unwrap_or("unknown"))
}

/// Without the program's name in front, and without a link at the end.
fn shortened(line: &str) -> String {
    let line = line.split_once("version").map_or(line, |(_, version)| version.trim_start_matches([':', ' ']));
    line.split(" - http").next().unwrap_or(line).to_owned()
}

/// The version of the Debian package that a file came with.
fn packaged(file: &str) -> String {
    let told = |arguments: &[&str]| {
        let told = Command::new("dpkg-query").args(arguments).output().ok()?;
        told.status.success().then(|| String::from_utf8_lossy(&told.stdout).trim().to_owned())
    };
    let package = told(&["-S", file]);
    let package = package.as_deref().and_then(|line| line.split(':').next());
    let version = package.and_then(|package| told(&["-W", "-f", "${Package} ${Version}", package]));
    version.unwrap_or_else(|| "version unknown".to_owned())
}

/// The compiler's own line in the program, such as `rustc version 1.95.0 (59807616e 2026-04-14)`.
fn compiler(program: &Path) -> Option<String> {
    compiler_in(&std::fs::read(program).ok()?)
}

fn compiler_in(bytes: &[u8]) -> Option<String> {
    const WORDS: &[u8] = b"rustc version ";
    // The section of comments lies behind everything that is loaded.
    let at = bytes.windows(WORDS.len()).rposition(|window| window == WORDS)?;
    let text: Vec<u8> = bytes[at..].iter().copied().take(80).take_while(|byte| *byte != 0).collect();
    let text = String::from_utf8(text).ok()?.replace("rustc version", "rustc");
    let end = text.find(')').map_or(text.len(), |end| end + 1);
    Some(text[..end].to_owned())
}

impl Use {
    /// Up to now.
    pub(crate) fn so_far() -> Result<Self, Failure> {
        let ticks = sysconf(SysconfVar::CLK_TCK).ok().flatten().unwrap_or(100) as f64;
        let unknown = || Failure::NotHere("/proc/stat does not tell what processes used".to_owned());
        let (all, stolen) = used(&read("/proc/stat")?).ok_or_else(unknown)?;
        let seconds = |time: TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
        let of = |who| getrusage(who).map_or(0.0, |it| seconds(it.user_time()) + seconds(it.system_time()));
        let ours = of(UsageWho::RUSAGE_SELF) + of(UsageWho::RUSAGE_CHILDREN);
        Ok(Self { all: all / ticks, ours, stolen: stolen / ticks })
    }
}

/// Ticks that all processes had, and ticks that were stolen. What interrupts took is nobody's.
fn used(stat: &str) -> Option<(f64, f64)> {
    let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<f64> = line.split_whitespace().map_while(|tick| tick.parse().ok()).collect();
    Some((ticks.get(..3)?.iter().sum(), ticks.get(7).copied().unwrap_or_default()))
}

/// Processes that wanted to run during the last minute, on average.
pub(crate) fn load() -> Result<f64, Failure> {
    let text = read("/proc/loadavg")?;
    let load = text.split_whitespace().next().and_then(|load| load.parse().ok());
    load.ok_or_else(|| Failure::NotHere("/proc/loadavg does not tell the load".to_owned()))
}

impl Company {
    /// Between two looks that lie so many seconds apart.
    pub(crate) fn between(before: (Use, f64), after: (Use, f64), seconds: f64) -> Self {
        let others = (after.0.all - before.0.all) - (after.0.ours - before.0.ours);
        Self {
            load_before: before.1,
            load_after: after.1,
            others: (others / seconds).max(0.0),
            stolen: (after.0.stolen - before.0.stolen) / seconds,
        }
    }

    fn is_busy(&self) -> bool {
        self.others > BUSY || self.stolen > BUSY
    }

    /// As lines of the list, with a warning if figures are to be doubted.
    pub(crate) fn rendered(&self) -> String {
        let mut text = format!(
            "- load average {:.2} at the beginning, {:.2} at the end (the second is this run's own)\n- meanwhile other \
             processes used {:.1} % of a core, and the machine's host took {:.1} %\n",
            self.load_before,
            self.load_after,
            self.others * 100.0,
            self.stolen * 100.0
        );
        if self.is_busy() {
            text.push_str(
                "\n**The machine was busy with something else**: times are too large and lie far apart; ratios within a \
                 round are less wrong, and instructions are right.\n",
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_cut_to_what_matters() {
        let check = |line: &str, expected: &str| assert_eq!(shortened(line), expected);
        check("nginx version: nginx/1.22.1", "nginx/1.22.1");
        check("HAProxy version 2.6.12-1 2026/10/17 - https://haproxy.org/", "2.6.12-1 2026/10/17");
        check("watchgate 0.1.0", "watchgate 0.1.0");
        check(
            "/opt/x/envoy  version: 9e5/1.40.0/Clean/RELEASE/BoringSSL",
            "9e5/1.40.0/Clean/RELEASE/BoringSSL",
        );
    }

    #[test]
    fn the_compiler_names_itself() {
        let bytes =
            b"\x7fELF rustc version is\0...\0GCC: 12\0rustc version 1.95.0 (59807616e 2026-04-14))\0.text";
        assert_eq!(compiler_in(bytes).as_deref(), Some("rustc 1.95.0 (59807616e 2026-04-14)"));
        assert_eq!(compiler_in(b"nothing"), None);
    }

    #[test]
    fn ticks_of_processes() {
        assert_eq!(used("cpu  10 2 30 400 5 6 7 8 0 0\ncpu0 1 1 1\n"), Some((42.0, 8.0)));
        assert_eq!(used("cpu  10 2\n"), None);
        assert_eq!(used(""), None);
        assert!(Use::so_far().unwrap().all > 0.0);
    }

    #[test]
    fn others_are_told_from_ourselves() {
        let at = |all: f64, ours: f64, load: f64| (Use { all, ours, stolen: 0.0 }, load);
        let check = |company: Company, busy: bool| assert_eq!(company.is_busy(), busy, "{company:?}");
        check(Company::between(at(100.0, 10.0, 0.1), at(300.0, 208.0, 2.0), 100.0), false);
        let busy = Company::between(at(100.0, 10.0, 0.1), at(300.0, 108.0, 2.0), 100.0);
        check(busy, true);
        assert!(busy.rendered().contains("102.0 % of a core") && busy.rendered().contains("busy"));
        // A server that has not ended yet is not counted as ours, but more than all there is never is.
        check(Company::between(at(100.0, 10.0, 0.1), at(300.0, 310.0, 2.0), 100.0), false);
    }
}
