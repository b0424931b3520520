//! A PostgreSQL server with a data folder of its own, and the schema of the film service.

use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};
use tracing::subscriber::DefaultGuard;

use crate::gates::{PATIENCE, Running, free_port};
use crate::support::Log;

const REQUIRED: &str = "WATCHGATE_REQUIRE_POSTGRES";
pub(crate) const ADMINISTRATOR: (&str, &str) = ("administrator", "administrator-secret");
/// The gate's user: it may read films.
pub(crate) const GATE: (&str, &str) = ("gate", "gate-secret-1");

const SCHEMA: &str = "
    CREATE SCHEMA content;
    CREATE TABLE content.film_work (id uuid PRIMARY KEY, file_path text);
    CREATE SEQUENCE content.asked;
    CREATE ROLE gate LOGIN PASSWORD 'gate-secret-1';
    GRANT USAGE ON SCHEMA content TO gate;
    GRANT SELECT ON content.film_work TO gate;
    GRANT USAGE ON SEQUENCE content.asked TO gate;
";

/// What the film service's operator would write.
pub(crate) const QUERY: &str = "SELECT file_path FROM content.film_work WHERE id = $1";
/// The same, and the server counts.
pub(crate) const COUNTED: &str =
    "SELECT file_path FROM content.film_work, nextval('content.asked') WHERE id = $1";

/// Finds the server's programs, or says on stderr that the story is skipped. In CI a skip is a failure.
pub(crate) fn programs(story: &str) -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|folder| folder.join("postgres").is_file() && folder.join("initdb").is_file())
        .collect();
    versions.sort();
    let newest = versions.pop();
    if newest.is_none() {
        let why = "there is no server below /usr/lib/postgresql";
        assert!(std::env::var_os(REQUIRED).is_none(), "{why}, and {REQUIRED} is set");
        // Past the test harness, which keeps what a passing test prints.
        let _ = writeln!(std::io::stderr(), "skipped: {story}: {why}");
    }
    newest
}

/// See the module, and the log of the story it stands in. It ends with the value.
pub(crate) struct Server {
    process: Option<Running>,
    port: u16,
    programs: PathBuf,
    owner: Owner,
    folder: TempDir,
    log: Log,
    _listening: DefaultGuard,
}

impl Server {
    /// A server with the schema and no films.
    pub(crate) async fn start(programs: PathBuf) -> Self {
        let mut server = Self::prepare(programs);
        server.run().await;
        server.admin().await.batch_execute(SCHEMA).await.expect("the schema");
        server
    }

    fn prepare(programs: PathBuf) -> Self {
        let (log, listening) = Log::start();
        let folder = tempfile::tempdir().expect("a folder");
        let owner = Owner::find();
        owner.give(folder.path(), 0o700);
        let password = folder.path().join("password");
        std::fs::write(&password, ADMINISTRATOR.1).expect("written");
        owner.give(&password, 0o600);
        let status = owner
            .command(&programs.join("initdb"), folder.path())
            .args(["--no-sync", "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256"])
            .args(["--username", ADMINISTRATOR.0])
            .arg(format!("--pwfile={}", password.display()))
            .arg("--pgdata")
            .arg(folder.path().join("data"))
            .stdout(Stdio::null())
            .status();
        assert!(status.expect("initdb runs").success());
        Self { process: None, port: free_port(), programs, owner, folder, log, _listening: listening }
    }

    /// Starts it, again if need be, on its port and with its films.
    pub(crate) async fn run(&mut self) {
        let process = self
            .owner
            .command(&self.programs.join("postgres"), self.folder.path())
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .args(["-p", &self.port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="])
            .args(["-c", "fsync=off", "-c", "shared_buffers=4MB"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("PostgreSQL starts");
        self.process = Some(Running(process));
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let ready = async {
            while self.connect(ADMINISTRATOR).await.is_err() {
                ticks.tick().await;
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.expect("PostgreSQL is ready in time");
    }

    /// Stops it at once, as a crash would: no connection gets a farewell worth waiting for.
    pub(crate) fn stop(&mut self) {
        if self.process.is_some() {
            self.signal("CONT");
            self.signal_one("QUIT");
        }
        if let Some(mut process) = self.process.take() {
            let _ = process.0.wait();
        }
    }

    /// Freezes all of its processes, or lets them go on: `STOP`, `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.pid();
        // Each has a process group of its own.
        let children =
            std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        let pids = children.split_whitespace().chain([pid.as_str()]);
        // A child may have ended meanwhile.
        let _ = Command::new("kill").arg(format!("-{name}")).args(pids).stderr(Stdio::null()).status();
    }

    fn signal_one(&self, name: &str) {
        let _ = Command::new("kill").args([&format!("-{name}"), &self.pid()]).status();
    }

    fn pid(&self) -> String {
        self.process.as_ref().expect("it runs").0.id().to_string()
    }

    /// Shows this pair of files to those who want TLS, from the next start on.
    pub(crate) fn certify(&self, certificate: &Path) {
        let data = self.folder.path().join("data");
        for (from, to) in [("crt", "server.crt"), ("key", "server.key")] {
            let to = data.join(to);
            std::fs::copy(certificate.with_extension(from), &to).expect("copied");
            self.owner.give(&to, 0o600);
        }
        std::fs::write(data.join("postgresql.auto.conf"), "ssl = on\n").expect("written");
    }

    /// What the story logged since the server was made.
    pub(crate) fn log(&self) -> Log {
        self.log.clone()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://{}:{}@127.0.0.1:{}/postgres", GATE.0, GATE.1, self.port)
    }

    async fn connect(&self, who: (&str, &str)) -> Result<Client, tokio_postgres::Error> {
        let url = format!("postgres://{}:{}@127.0.0.1:{}/postgres", who.0, who.1, self.port);
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    pub(crate) async fn admin(&self) -> Client {
        self.connect(ADMINISTRATOR).await.expect("a connection")
    }

    /// Puts films into the table.
    pub(crate) async fn films(&self, films: &[(&str, Option<&str>)]) {
        let admin = self.admin().await;
        for (id, path) in films {
            let id = uuid::Uuid::parse_str(id).expect("a uuid");
            let sql = "INSERT INTO content.film_work VALUES ($1, $2) \
                       ON CONFLICT (id) DO UPDATE SET file_path = EXCLUDED.file_path";
            admin.execute(sql, &[&id, path]).await.expect("a film");
        }
    }

    /// How often [`COUNTED`] was asked.
    pub(crate) async fn asked(&self) -> i64 {
        let row = self.admin().await.query_one("SELECT nextval('content.asked') - 1", &[]).await;
        row.expect("a number").get(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Killed, it would leave its shared memory behind.
        self.stop();
    }
}

/// Who runs the server: PostgreSQL refuses root.
struct Owner(Option<(u32, u32)>);

impl Owner {
    fn find() -> Self {
        let id = |args: &[&str]| {
            let output = Command::new("id").args(args).output().expect("id runs");
            String::from_utf8_lossy(&output.stdout).trim().parse::<u32>().expect("the user exists")
        };
        let is_root = id(&["-u"]) == 0;
        Self(is_root.then(|| (id(&["-u", "postgres"]), id(&["-g", "postgres"]))))
    }

    fn give(&self, path: &Path, mode: u32) {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("permissions");
        if let Some((user, group)) = self.0 {
            chown(path, Some(user), Some(group)).expect("the owner");
        }
    }

    fn command(&self, program: &Path, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(folder).env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C");
        if let Some((user, group)) = self.0 {
            command.uid(user).gid(group);
        }
        command
    }
}
