//! Real MinIO processes: a source, its replicas, and one user with the least that the gate needs.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::gates::{PATIENCE, Running, eventually, found, free_port};

/// MinIO's own administrator.
pub(crate) const ROOT: (&str, &str) = ("administrator", "administrator-secret");
/// The gate's user: `s3:GetObject` on the films, `s3:ListBucket` on the bucket.
pub(crate) const GATE: (&str, &str) = ("gate", "gate-secret-1");
/// A user without any policy.
pub(crate) const BARRED: (&str, &str) = ("barred", "barred-secret-1");

/// Set where a story without MinIO is a failure.
pub(crate) const REQUIRED: &str = "WATCHGATE_REQUIRE_MINIO";

const POLICY: &str = r#"{"Version":"2012-10-17","Statement":[
{"Effect":"Allow","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::movies/*"]},
{"Effect":"Allow","Action":["s3:ListBucket"],"Resource":["arn:aws:s3:::movies"]}]}"#;

/// The programs that the stories need.
pub(crate) struct Tools {
    minio: PathBuf,
    mc: PathBuf,
}

/// Finds MinIO, or says on stderr that the story is skipped. In CI a skip is a failure.
pub(crate) fn tools(story: &str) -> Option<Tools> {
    Some(Tools { minio: found("minio", REQUIRED, story)?, mc: found("mc", REQUIRED, story)? })
}

/// Environment variables of a process, in addition to those that every node has.
pub(crate) type Env<'a> = &'a [(&'a str, &'a str)];

/// One MinIO server with a folder of its own.
pub(crate) struct Minio {
    process: Running,
    port: u16,
    folder: PathBuf,
}

/// Nodes with the bucket `movies` each; the first one is the source of all others.
pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Minio>,
    folder: TempDir,
    mc: PathBuf,
}

impl Minio {
    fn start(minio: &Path, folder: PathBuf, port: u16, env: Env<'_>) -> Self {
        let process = Command::new(minio)
            .args(["server", "--quiet", "--address", &format!("127.0.0.1:{port}")])
            .arg(&folder)
            .envs([("MINIO_ROOT_USER", ROOT.0), ("MINIO_ROOT_PASSWORD", ROOT.1)])
            // CI_CD allows a folder on the root disk.
            .envs([("MINIO_BROWSER", "off"), ("MINIO_CI_CD", "1")])
            .envs(env.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("MinIO starts");
        Self { process: Running(process), port, folder }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.process.0.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &pid]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// As SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.0.kill().expect("it ran");
        self.process.0.wait().expect("it ended");
    }

    async fn until_ready(&self) {
        let url = format!("{}/minio/health/cluster/read", self.endpoint());
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(50));
        let ready = async {
            loop {
                ticks.tick().await;
                if reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success()) {
                    break;
                }
            }
        };
        tokio::time::timeout(PATIENCE, ready).await.expect("MinIO is ready in time");
    }
}

impl Cluster {
    /// The first node replicates to all others.
    pub(crate) async fn start(tools: &Tools, count: usize) -> Self {
        let cluster = Self::apart(tools, count, &[]).await;
        for (number, node) in cluster.nodes.iter().enumerate().skip(1) {
            cluster.replicate(number, &format!("127.0.0.1:{}", node.port));
        }
        cluster
    }

    /// Nothing is replicated yet. `env` is the source's.
    pub(crate) async fn apart(tools: &Tools, count: usize, env: Env<'_>) -> Self {
        let cluster = Self::bare(tools, count, env).await;
        for number in 0..count {
            cluster.set_up(number);
        }
        cluster
    }

    /// Nodes without a bucket and without users. `env` is the first one's.
    pub(crate) async fn bare(tools: &Tools, count: usize, env: Env<'_>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let nodes = (0..count).map(|node| {
            let env = if node == 0 { env } else { &[] };
            Minio::start(&tools.minio, folder.path().join(format!("n{node}")), free_port(), env)
        });
        let cluster = Self { nodes: nodes.collect(), folder, mc: tools.mc.clone() };
        std::fs::write(cluster.folder.path().join("policy.json"), POLICY).expect("written");
        for node in &cluster.nodes {
            node.until_ready().await;
        }
        cluster
    }

    /// From now on the source replicates to this node, which it reaches at `authority`.
    pub(crate) fn replicate(&self, node: usize, authority: &str) {
        let remote = format!("http://{}:{}@{authority}/movies", ROOT.0, ROOT.1);
        let (what, priority) = ("delete,delete-marker,existing-objects", node.to_string());
        let to = ["--remote-bucket", &remote, "--replicate", what, "--priority", &priority];
        self.mc(&[&["replicate", "add", "n0/movies"][..], &to[..]].concat());
    }

    fn set_up(&self, node: usize) {
        let policy = self.folder.path().join("policy.json").display().to_string();
        let (alias, bucket) = (format!("n{node}"), format!("n{node}/movies"));
        self.mc(&["mb", &bucket]);
        self.mc(&["version", "enable", &bucket]);
        self.mc(&["admin", "policy", "create", &alias, "gate", &policy]);
        for (user, secret) in [GATE, BARRED] {
            self.mc(&["admin", "user", "add", &alias, user, secret]);
        }
        self.mc(&["admin", "policy", "attach", &alias, "gate", "--user", GATE.0]);
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.mc);
        command.args(["--quiet", "--no-color"]).args(args).envs(self.environment());
        command
    }

    /// What tells `mc` where the nodes are.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let hosts = self.nodes.iter().enumerate().map(|(number, node)| {
            let host = format!("http://{}:{}@127.0.0.1:{}", ROOT.0, ROOT.1, node.port);
            (format!("MC_HOST_n{number}"), host)
        });
        let folder = self.folder.path().join("mc").display().to_string();
        hosts.chain([("MC_CONFIG_DIR".to_owned(), folder)]).collect()
    }

    /// Runs `mc`, for which node 0 is `n0` and so on; gives what it printed.
    pub(crate) fn mc(&self, args: &[&str]) -> String {
        let output = self.command(args).output().expect("mc runs");
        let said = String::from_utf8_lossy(&output.stderr);
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "mc {args:?}: {said}{printed}");
        printed.into_owned()
    }

    /// Uploads to the source.
    pub(crate) fn put(&self, key: &str, bytes: &[u8]) {
        self.put_at(0, key, bytes);
    }

    /// Uploads to one node.
    pub(crate) fn put_at(&self, node: usize, key: &str, bytes: &[u8]) {
        let mut child = self
            .command(&["pipe", &format!("n{node}/movies/{key}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("mc runs");
        child.stdin.take().expect("a pipe").write_all(bytes).expect("written");
        assert!(child.wait().expect("mc ends").success(), "upload of {key}");
    }

    /// Waits until every replica holds the film itself.
    pub(crate) async fn until_replicated(&self, key: &str) {
        for node in &self.nodes {
            // The object's folder on the node's disk: no question to the node that it could hand on to a peer.
            let meta = node.folder.join("movies").join(key).join("xl.meta");
            eventually("the film is replicated", || meta.is_file()).await;
        }
    }

    /// Starts a killed node again, on its port and with its films.
    pub(crate) async fn restart(&mut self, tools: &Tools, node: usize) {
        let (folder, port) = (self.nodes[node].folder.clone(), self.nodes[node].port);
        self.nodes[node] = Minio::start(&tools.minio, folder, port, &[]);
        self.nodes[node].until_ready().await;
    }
}
