//! What is measured: a program of ours in a process of its own, held on one core, and what it used of it.
//!
//! The processor time is that of all threads, in the kernel's nanoseconds, system calls and interrupts served on the
//! way included. Absent on purpose: anything that only some kernels count.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::Failure;

/// Between two looks at something that is awaited.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// The two cores of a measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    /// For what is measured.
    pub(crate) measured: usize,
    /// For the load.
    pub(crate) load: usize,
}

/// Where our programs lie and where their logs go.
#[derive(Debug)]
pub(crate) struct Place {
    /// Folder of the programs.
    pub(crate) programs: PathBuf,
    /// Folder for everything that is written; it goes with this value.
    pub(crate) scratch: TempDir,
}

/// A running program; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    name: String,
    log: PathBuf,
    /// Where it answers.
    pub(crate) address: SocketAddr,
}

/// Processor time of one process at one moment, by thread.
#[derive(Debug)]
pub(crate) struct Used(HashMap<String, u64>);

impl Cores {
    /// Takes two of those that this process may use, and moves this process to one of them.
    ///
    /// # Errors
    /// There is one core only, or no `taskset`.
    pub(crate) fn take() -> Result<Self, Failure> {
        let [load, .., measured] = allowed()?[..] else {
            return Err(Failure::NotHere(
                "two cores are needed: one is measured, the other makes the load".into(),
            ));
        };
        let moved = Command::new("taskset")
            .args(["-cp", &load.to_string(), &std::process::id().to_string()])
            .stdout(Stdio::null())
            .status();
        match moved {
            Ok(status) if status.success() => Ok(Self { measured, load }),
            _ => Err(Failure::NotHere("taskset is needed (Debian: util-linux)".to_owned())),
        }
    }
}

/// The cores that this process may use.
fn allowed() -> Result<Vec<usize>, Failure> {
    let status = read("/proc/self/status")?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    Ok(numbers(list.unwrap_or_default()))
}

/// `0-2,5` as numbers.
fn numbers(list: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some(from.parse::<usize>().ok()?..=to.parse().ok()?)
    };
    list.trim().split(',').filter_map(range).flatten().collect()
}

impl Place {
    /// One of our programs, wherever they lie.
    pub(crate) fn program(&self, name: &str) -> String {
        self.programs.join(name).display().to_string()
    }

    /// Writes a small file into the scratch folder, and says where it lies.
    pub(crate) fn written(&self, name: &str, text: &str) -> Result<String, Failure> {
        let file = self.scratch.path().join(name).display().to_string();
        fs::write(&file, text).map_err(Failure::during(file.clone()))?;
        Ok(file)
    }
}

impl Server {
    /// Starts a program on the core, or on any without one, and waits until it takes connections at `address`.
    ///
    /// # Errors
    /// It is not built, it ended, or it does not listen in time.
    pub(crate) async fn start(
        place: &Place,
        core: impl Into<Option<usize>>,
        name: &str,
        command: &[&str],
        address: SocketAddr,
    ) -> Result<Self, Failure> {
        match core.into() {
            Some(core) => {
                Self::launch(place, &["taskset", "-c", &core.to_string()], name, command, address).await
            }
            None => Self::launch(place, &[], name, command, address).await,
        }
    }

    /// The same on whichever core the system likes; `under`: a program that runs it, with its arguments.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub(crate) async fn launch(
        place: &Place,
        under: &[&str],
        name: &str,
        command: &[&str],
        address: SocketAddr,
    ) -> Result<Self, Failure> {
        let (program, arguments) = command.split_first().unwrap_or((&"", &[]));
        let program = place.programs.join(program);
        if !program.is_file() {
            return Err(not_built(&program));
        }
        let log = place.scratch.path().join(format!("{name}.log"));
        // Appending, so that the file can be emptied while it is written to.
        let out = OpenOptions::new().create(true).append(true).open(&log);
        let out = out.and_then(|file| file.set_len(0).map(|()| file));
        let out = out.map_err(Failure::during(log.display().to_string()))?;
        let err = out.try_clone().map_err(Failure::during(log.display().to_string()))?;
        let mut line = under.iter().map(OsStr::new).chain([program.as_os_str()]);
        // The program itself at least.
        let mut command = Command::new(line.next().unwrap_or_default());
        command.args(line).args(arguments);
        for (variable, _) in std::env::vars_os() {
            if variable.to_string_lossy().starts_with("WATCHGATE_") {
                command.env_remove(variable);
            }
        }
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let child = command.spawn().map_err(Failure::during(program.display().to_string()))?;
        let mut server = Self { child, name: name.to_owned(), log, address };
        server.wait_until("listens", || async move { TcpStream::connect(address).await.is_ok() }).await?;
        Ok(server)
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), Failure> {
        let pid = i32::try_from(self.child.id()).map(Pid::from_raw);
        let sent = pid.ok().map(|pid| kill(pid, signal));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(self.misbehaved("has ended")),
        }
    }

    /// The end of its log, at most so many bytes of it.
    pub(crate) fn log_end(&self, most: usize) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(most)..]).into_owned()
    }

    /// Waits for something that this server should do.
    ///
    /// # Errors
    /// It ended, or half a minute has passed; with the end of its log.
    pub(crate) async fn wait_until<F>(
        &mut self,
        what: &str,
        mut is_so: impl FnMut() -> F,
    ) -> Result<(), Failure>
    where
        F: Future<Output = bool>,
    {
        let begun = Instant::now();
        while !is_so().await {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(self.misbehaved(&format!("ended ({status}) before it {what}")));
            }
            if begun.elapsed() > Duration::from_secs(30) {
                return Err(self.misbehaved(&format!("has not come so far in 30 s that it {what}")));
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Waits until its log has these words.
    ///
    /// # Errors
    /// As [`Server::wait_until`].
    pub(crate) async fn wait_for_log(&mut self, what: &str, words: &str) -> Result<(), Failure> {
        let log = self.log.clone();
        let has = || fs::read(&log).is_ok_and(|log| String::from_utf8_lossy(&log).contains(words));
        self.wait_until(what, || std::future::ready(has())).await
    }

    /// This server's fault, with the end of its log.
    pub(crate) fn misbehaved(&self, what: &str) -> Failure {
        Failure::Misbehaved(format!("{} {what}; the end of its log:\n{}", self.name, self.log_end(2000)))
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// It does not, within half a minute.
    pub(crate) async fn end(mut self) -> Result<(), Failure> {
        let process = i32::try_from(self.child.id()).map_or(Pid::this(), Pid::from_raw);
        if process == Pid::this() || kill(process, Signal::SIGTERM).is_err() {
            return Err(self.misbehaved("ended by itself"));
        }
        let begun = Instant::now();
        while !matches!(self.child.try_wait(), Ok(Some(_))) {
            if begun.elapsed() > Duration::from_secs(30) {
                return Err(self.misbehaved("did not end within 30 s after it was asked to"));
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Processor time so far.
    pub(crate) fn used(&self) -> Result<Used, Failure> {
        Used::of(self.child.id())
    }

    /// Resident memory that is no file's, in KiB.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) fn anonymous_kib(&self) -> Result<i64, Failure> {
        let status = read(&format!("/proc/{}/status", self.child.id()))?;
        kib(&status, "RssAnon:").ok_or_else(|| self.misbehaved("has no memory any more: it has ended"))
    }

    /// Lines in its log.
    pub(crate) fn log_lines(&self) -> Result<u64, Failure> {
        lines(&self.log).map_err(Failure::during(self.log.display().to_string()))
    }

    /// Empties its log.
    pub(crate) fn forget_log(&self) -> Result<(), Failure> {
        let file = OpenOptions::new().write(true).open(&self.log);
        file.and_then(|file| file.set_len(0)).map_err(Failure::during(self.log.display().to_string()))
    }
}

#[cfg(test)]
impl Server {
    /// A process that does nothing, in place of one that answers at this address.
    pub(crate) async fn played(place: &Place, address: SocketAddr) -> Self {
        let core = allowed().expect("cores")[0];
        let server = Self::start(place, core, "played", &["/bin/sleep", "60"], address).await;
        server.expect("every machine has sleep, and somebody listens")
    }
}

#[cfg(test)]
impl Place {
    /// One for tests.
    pub(crate) fn empty() -> Self {
        Self { programs: PathBuf::from("/nowhere"), scratch: tempfile::tempdir().expect("a folder") }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Used {
    fn of(pid: u32) -> Result<Self, Failure> {
        let folder = format!("/proc/{pid}/task");
        let threads = fs::read_dir(&folder).map_err(Failure::during(folder))?;
        let of_thread = |entry: fs::DirEntry| {
            // A thread may end between the listing and the reading.
            let text = fs::read_to_string(entry.path().join("schedstat")).ok()?;
            let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
            Some((entry.file_name().to_string_lossy().into_owned(), nanoseconds))
        };
        let threads: HashMap<_, _> = threads.filter_map(Result::ok).filter_map(of_thread).collect();
        if threads.values().all(|nanoseconds| *nanoseconds == 0) {
            return Err(Failure::NotHere("this kernel keeps no schedstat (CONFIG_SCHED_INFO)".to_owned()));
        }
        Ok(Self(threads))
    }

    /// Nanoseconds between an earlier look and this one.
    pub(crate) fn since(&self, earlier: &Self) -> u64 {
        let before = |thread| earlier.0.get(thread).copied().unwrap_or(0);
        self.0.iter().map(|(thread, now)| now.saturating_sub(before(thread))).sum()
    }
}

fn not_built(program: &Path) -> Failure {
    Failure::NotHere(format!(
        "{} is missing; build everything first:\n    cargo build --profile bench -p watchgate --no-default-features \
         --features front-door -p watchgate-bench -p watchgate-bench-bare -p watchgate-node",
        program.display()
    ))
}

fn lines(path: &Path) -> std::io::Result<u64> {
    let (mut file, mut buffer, mut lines) = (File::open(path)?, vec![0; 1 << 16], 0_u64);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(lines);
        }
        lines += buffer[..read].iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
    }
}

/// Lets this process, and whatever it starts, have so many files open, or as many as the system grants.
///
/// Returns how many.
pub(crate) fn claim_files(wanted: u64) -> Result<u64, Failure> {
    let failed = |error: nix::Error| Failure::during("the limit of open files")(error.into());
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(failed)?;
    if soft >= wanted || setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)).is_ok() {
        return Ok(wanted);
    }
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map_err(failed)?;
    Ok(hard)
}

/// A port of the loopback that nobody has now; whoever takes it in the meantime makes the run fail, not wrong.
pub(crate) fn free_address() -> Result<SocketAddr, Failure> {
    let free =
        std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    free.map_err(Failure::during("a free port"))
}

/// The value behind this word in one of the kernel's books of memory.
pub(crate) fn kib(book: &str, word: &str) -> Option<i64> {
    let line = book.lines().find_map(|line| line.strip_prefix(word))?;
    line.trim().strip_suffix("kB")?.trim_end().parse().ok()
}

/// A small file as text.
pub(crate) fn read(path: &str) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(Failure::during(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_cores() {
        let check = |list: &str, expected: &[usize]| assert_eq!(numbers(list), expected, "{list:?}");
        check("\t0-1\n", &[0, 1]);
        check("3", &[3]);
        check("0,2-4,7", &[0, 2, 3, 4, 7]);
        check("", &[]);
    }

    #[test]
    fn time_of_new_and_ended_threads() {
        let used = |threads: &[(&str, u64)]| {
            Used(threads.iter().map(|&(thread, nanoseconds)| (thread.to_owned(), nanoseconds)).collect())
        };
        let (before, after) = (used(&[("1", 10), ("2", 5)]), used(&[("1", 25), ("3", 7)]));
        assert_eq!(after.since(&before), 22);
    }

    #[test]
    fn this_process_uses_time() {
        let before = Used::of(std::process::id()).unwrap();
        let mut sum = 0_u64;
        while Used::of(std::process::id()).unwrap().since(&before) == 0 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
    }
}
