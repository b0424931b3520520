//! Bucket events of real MinIO, set up by the script that operators use.
//!
//! Where MinIO is missing, each story says so on stderr and passes; with `WATCHGATE_REQUIRE_MINIO=1` (as in CI) it fails
//! instead.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::sync::watch;
use watchgate::admin::{self, Tokens};
use watchgate::config::Secret;

use crate::minio_cluster::{self as cluster, Cluster, REQUIRED, tools};
use crate::support::*;

const TOKEN: &str = "told.by-the_nodes~1==";
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docker/minio/events");

/// A gate that takes events, and what the script needs to tell a node of it.
struct Stage {
    cluster: Cluster,
    gate: TestGate,
    url: String,
    folder: TempDir,
    /// Its operator's side ends with it.
    _stop: watch::Sender<bool>,
}

impl Stage {
    async fn start(story: &str, nodes: usize) -> Option<Self> {
        let tools = tools(story)?;
        let mc = found("mc", REQUIRED, story)?;
        let cluster = Cluster::start(&tools, nodes).await;
        let gate = Setup::new()
            .node_with("ams", &cluster.nodes[0].endpoint(), cluster::GATE, "")
            .start_proven()
            .await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/api/v1/events", listener.local_addr().expect("an address"));
        let tokens = Tokens { admin: None, events: Some(&Secret::new(TOKEN)) };
        let router = admin::router(Arc::clone(&gate.gate), gate.registry.clone(), tokens, None);
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(admin::serve(listener, router, stopped));
        let folder = tempfile::tempdir().expect("a folder");
        // Writes down how mc was called.
        let spy = format!("#!/bin/sh\necho \"$*\" >>\"$0.calls\"\nexec {} \"$@\"\n", mc.display());
        fs::write(folder.path().join("mc"), spy).expect("written");
        fs::set_permissions(folder.path().join("mc"), fs::Permissions::from_mode(0o755))
            .expect("made a program");
        fs::write(folder.path().join("token"), format!("{TOKEN}\n")).expect("written");
        Some(Self { cluster, gate, url, folder, _stop: stop })
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn script(&self, args: &[&str]) -> Output {
        let mut command = Command::new("bash");
        command.arg(SCRIPT).args(args).env("MC", self.path("mc")).envs(self.cluster.environment());
        let output = command.output().expect("bash runs");
        for said in [&output.stdout, &output.stderr] {
            assert!(!String::from_utf8_lossy(said).contains(TOKEN), "the token is told");
        }
        output
    }

    /// Runs the script for the first node; gives what it printed.
    fn set_up(&self, token_file: &str, options: &[&str]) -> String {
        let token_file = self.path(token_file);
        let arguments = ["n0", "movies", &self.url, &token_file];
        let output = self.script(&[&arguments[..], options].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    fn config(&self) -> String {
        self.cluster.mc(&["admin", "config", "export", "n0"])
    }

    /// One entry for each change of the node's configuration.
    fn history(&self) -> String {
        self.cluster.mc(&["admin", "config", "history", "n0"])
    }

    fn taken(&self, kind: &str) -> f64 {
        self.gate.metric("watchgate_events_total", &[("kind", kind)])
    }

    fn refused(&self) -> f64 {
        self.gate.metric("watchgate_events_refused_total", &[("reason", "token")])
    }

    /// How long it took until one more event of this kind was counted.
    async fn until_told(&self, kind: &str, act: impl FnOnce()) -> Duration {
        let before = self.taken(kind);
        act();
        let since = Instant::now();
        eventually(kind, || self.taken(kind) > before).await;
        since.elapsed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_tells_the_gate_what_changes() {
    let Some(stage) = Stage::start("a_node_tells_the_gate_what_changes", 2).await else { return };
    // Somebody else's settings, one of them turned off.
    stage.cluster.mc(&["admin", "config", "set", "n0", "compression", "enable=off", "extensions=.txt"]);
    let (theirs, changes) = (stage.config(), stage.history());

    let would = stage.set_up("token", &["--dry-run"]);
    assert!(would.contains("n0: webhook watchgate to http://127.0.0.1:"), "{would}");
    assert_eq!((stage.config(), stage.history()), (theirs.clone(), changes), "a dry run changes nothing");

    let said = stage.set_up("token", &[]);
    assert_eq!(said, would, "it does what it said");
    let ours = stage.config();
    let added: Vec<_> = ours.lines().filter(|line| !theirs.contains(line)).collect();
    assert!(added.len() == 1 && added[0].starts_with("notify_webhook:watchgate "), "{added:?}");
    assert!(theirs.lines().all(|line| ours.contains(line)), "nothing of theirs is lost");

    let changes = stage.history();
    let said = stage.set_up("token", &[]);
    assert_eq!(
        said,
        "n0 has the webhook watchgate\n\
         n0/movies has the rule that sends put,delete,replica to the webhook watchgate\n"
    );
    assert_eq!((stage.config(), stage.history()), (ours, changes), "a second run changes nothing");
    let calls = fs::read_to_string(stage.path("mc.calls")).expect("mc was called");
    assert!(calls.contains("admin config import n0") && !calls.contains(TOKEN), "{calls}");

    let mut took = Vec::new();
    for round in 0..3 {
        // Any key that a film may have.
        let key = format!("films {round}+%/фильм.mp4");
        let created = stage.until_told("created", || stage.cluster.put(&key, b"film")).await;
        let removed = stage
            .until_told("removed", || drop(stage.cluster.mc(&["rm", &format!("n0/movies/{key}")])))
            .await;
        took.push(created.max(removed));
    }
    // The best of three: a busy machine is no slow gate.
    assert!(took.iter().min() < Some(&Duration::from_secs(1)), "{took:?}");
    stage.until_told("replicated", || stage.cluster.put(KEY, b"film")).await;
    assert_eq!((stage.refused(), stage.taken("other")), (0.0, 0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_tells_nothing_until_it_is_mended() {
    let Some(stage) = Stage::start("a_wrong_token_tells_nothing_until_it_is_mended", 1).await else { return };
    fs::write(stage.path("wrong"), "told.by-the_nodes~2==").expect("written");
    let queue = stage.path("queue");
    let options = ["--name", "gate-2", "--queue-dir", &queue];
    stage.set_up("wrong", &options);
    stage.cluster.put(KEY, b"film");
    eventually("the webhook is refused", || stage.refused() > 0.0).await;
    assert!(stage.taken("created") < 1.0);
    // What was refused waits in the queue.
    let said = stage.set_up("token", &options);
    assert!(said.starts_with("n0: webhook gate-2 to ") && said.contains("n0/movies has the rule"), "{said}");
    eventually("the event is told again", || stage.taken("created") > 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_before_anything_changes() {
    let Some(stage) = Stage::start("what_is_wrong_is_said_before_anything_changes", 1).await else { return };
    fs::write(stage.path("short"), "short").expect("written");
    let (token, short, changes) = (stage.path("token"), stage.path("short"), stage.history());
    let check = |args: &[&str], exit: i32, said: &str| {
        let output = stage.script(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(exit), "{args:?}: {stderr}");
        assert!(stderr.contains(said), "{args:?}: {stderr}");
    };
    let url = stage.url.as_str();
    check(&[], 2, "wanted: ALIAS BUCKET URL TOKEN_FILE, not 0 arguments");
    check(&["n0", "movies", url, &token, "--color"], 2, "--color is no option");
    check(&["n0", "movies", "gate:9901", &token], 2, "URL: \"gate:9901\"");
    check(&["n0", "movies", url, &token, "--name", "a b"], 2, "--name");
    check(&["n0", "movies", url, &token, "--queue-dir", "queue"], 2, "--queue-dir");
    check(&["n0", "movies", url, &token, "--new-bucket"], 2, "--new-bucket goes with --dry-run");
    check(&["n0", "movies", url, "/nowhere/token"], 1, "cannot read /nowhere/token");
    check(&["n0", "movies", url, &short], 1, "at least 16 of");
    check(&["n0", "films", url, &token], 1, "the events of n0/films cannot be read");
    check(&["n7", "movies", url, &token], 1, "are alias and bucket right");
    assert_eq!(stage.history(), changes);
    let help = stage.script(&["--help"]);
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("--dry-run"));
}
