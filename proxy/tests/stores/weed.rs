//! Real SeaweedFS servers, each a whole cluster of its own: master, volumes, filer and S3 in one process.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use reqwest::Method;
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use tempfile::TempDir;

use crate::gates::{PATIENCE, Running, found, free_port};
use crate::support::GATE;

const ADMIN: (&str, &str) = ("administrator", "administrator-secret");
/// Set where a story without SeaweedFS is a failure.
const REQUIRED: &str = "WATCHGATE_REQUIRE_SEAWEEDFS";
const TICK: Duration = Duration::from_millis(50);
/// Every port that a server listens on.
const PORTS: [&str; 8] = [
    "master.port",
    "master.port.grpc",
    "volume.port",
    "volume.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "s3.port",
    "s3.port.grpc",
];

/// Who may do what: the gate reads one bucket.
const IDENTITIES: &str = r#"{"identities":[
{"name":"admin","credentials":[{"accessKey":"ADMIN_KEY","secretKey":"ADMIN_SECRET"}],"actions":["Admin","Read","Write","List"]},
{"name":"gate","credentials":[{"accessKey":"GATE_KEY","secretKey":"GATE_SECRET"}],"actions":["Read:movies"]}]}"#;

/// One server with a folder of its own.
pub(crate) struct Weed {
    process: Running,
    program: PathBuf,
    folder: TempDir,
    /// By the name of the option.
    ports: BTreeMap<&'static str, u16>,
}

impl Weed {
    /// A server with an empty bucket; none, and the reason on stderr, where there is no SeaweedFS.
    pub(crate) async fn start(story: &str) -> Option<Self> {
        let program = found("weed", REQUIRED, story)?;
        let folder = tempfile::tempdir().expect("a folder");
        let identities = [
            ("ADMIN_KEY", ADMIN.0),
            ("ADMIN_SECRET", ADMIN.1),
            ("GATE_KEY", GATE.0),
            ("GATE_SECRET", GATE.1),
        ];
        let identities =
            identities.iter().fold(IDENTITIES.to_owned(), |text, (name, value)| text.replace(name, value));
        std::fs::write(folder.path().join("s3.json"), identities).expect("written");
        std::fs::create_dir(folder.path().join("data")).expect("made");
        let mut free = BTreeSet::new();
        while free.len() < PORTS.len() {
            free.insert(free_port());
        }
        let ports = PORTS.into_iter().zip(free).collect();
        let process = process(&program, &folder, &ports);
        let weed = Self { process, program, folder, ports };
        weed.until_ready().await;
        let bucket = weed.bucket();
        let admin = Credentials::new(ADMIN.0, ADMIN.1);
        let url = rusty_s3::actions::CreateBucket::new(&bucket, &admin).sign(Duration::from_mins(1));
        weed.put_until_taken(url.as_str(), &[]).await;
        Some(weed)
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", SocketAddr::from(([127, 0, 0, 1], self.ports["s3.port"])))
    }

    pub(crate) async fn upload(&self, key: &str, bytes: &[u8]) {
        let (bucket, admin) = (self.bucket(), Credentials::new(ADMIN.0, ADMIN.1));
        let url = rusty_s3::actions::PutObject::new(&bucket, Some(&admin), key).sign(Duration::from_mins(5));
        self.put_until_taken(url.as_str(), bytes).await;
    }

    /// As SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.0.kill().expect("it ran");
        self.process.0.wait().expect("it ended");
    }

    /// The killed server again, on its ports and with its films.
    pub(crate) async fn restart(&mut self) {
        self.process = process(&self.program, &self.folder, &self.ports);
        self.until_ready().await;
    }

    fn bucket(&self) -> Bucket {
        let endpoint = self.endpoint().parse().expect("a URL");
        Bucket::new(endpoint, UrlStyle::Path, "movies", "us-east-1").expect("a bucket")
    }

    async fn until_ready(&self) {
        let url = format!("{}/healthz", self.endpoint());
        until("SeaweedFS is ready", async || {
            reqwest::get(&url).await.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
    }

    /// The S3 side answers before the rest of the cluster has found itself.
    async fn put_until_taken(&self, url: &str, bytes: &[u8]) {
        let client = reqwest::Client::new();
        until("SeaweedFS takes a write", async || {
            let put =
                client.request(Method::PUT, url).header("content-type", "video/mp4").body(bytes.to_vec());
            put.send().await.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
    }
}

fn process(program: &Path, folder: &TempDir, ports: &BTreeMap<&str, u16>) -> Running {
    let inside = |name: &str| folder.path().join(name).display().to_string();
    let mut command = Command::new(program);
    command.args(["server", "-s3", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false"]);
    command.args(["-s3.port.iceberg=0", "-s3.port.lance=0", "-volume.max=8", "-master.volumeSizeLimitMB=64"]);
    // A master that comes back waits so long for others that might lead.
    command.arg("-master.electionTimeout=1s");
    command.arg(format!("-dir={}", inside("data"))).arg(format!("-s3.config={}", inside("s3.json")));
    command.arg(format!("-s3.localSocket={}", inside("s3.sock")));
    command.arg(format!("-filer.localSocket={}", inside("filer.sock")));
    command.args(ports.iter().map(|(name, port)| format!("-{name}={port}")));
    // It looks for more configuration where it stands.
    command.current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
    Running(command.spawn().expect("SeaweedFS starts"))
}

/// A bounded wait for an answer.
pub(crate) async fn until(what: &str, reached: impl AsyncFn() -> bool) {
    let mut ticks = tokio::time::interval(TICK);
    let waiting = async {
        while !reached().await {
            ticks.tick().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "not reached in time: {what}");
}
