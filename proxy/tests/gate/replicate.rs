//! A source and its replicas, set up on real MinIO by the script that operators use.
//!
//! Where MinIO is missing, each story says so on stderr and passes; with `WATCHGATE_REQUIRE_MINIO=1` (as in CI) it fails
//! instead.

mod refused;
mod rerun;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::minio_cluster::{Cluster, REQUIRED, ROOT, tools};
use crate::support::*;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docker/minio/replicate");

/// All that the script may use besides bash: MinIO's own image of mc has coreutils, and neither grep nor sed.
const TOOLS: &str = "base64 bash cat comm head mkdir mktemp mv rm sleep sort uniq wc";

/// Nodes with nothing on them, and what the script needs.
struct Stage {
    cluster: Cluster,
    folder: TempDir,
    mc: PathBuf,
    /// Aliases of mc besides the nodes' own, as in its environment.
    aliases: Vec<(String, String)>,
}

impl Stage {
    async fn start(story: &str, nodes: usize) -> Option<Self> {
        let tools = tools(story)?;
        let mc = found("mc", REQUIRED, story)?;
        let cluster = Cluster::bare(&tools, nodes, &[]).await;
        let folder = tempfile::tempdir().expect("a folder");
        let spy = format!("#!/bin/sh\necho \"$*\" >>\"$0.calls\"\nexec {} \"$@\"\n", mc.display());
        let stage = Self { cluster, folder, mc, aliases: Vec::new() };
        stage.program("mc", &spy);
        fs::create_dir(stage.path("bin")).expect("made");
        for tool in TOOLS.split(' ') {
            std::os::unix::fs::symlink(found(tool, REQUIRED, story)?, stage.path("bin").join(tool))
                .expect("linked");
        }
        Some(stage)
    }

    fn program(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("written");
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).expect("made a program");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|why| panic!("{name}: {why}"))
    }

    /// Runs the script in the stage's folder, where its secrets are, with this program for mc.
    fn script_with(&self, mc: &Path, args: &[&str]) -> Output {
        let mut command = Command::new(self.path("bin/bash"));
        command
            .env("PATH", self.path("bin"))
            .arg(SCRIPT)
            .args(args)
            .current_dir(self.folder.path())
            .env("MC", mc);
        command.envs(self.cluster.environment()).envs(self.aliases.iter().cloned());
        command.output().expect("bash runs")
    }

    fn script(&self, args: &[&str]) -> Output {
        self.script_with(&self.path("mc"), args)
    }

    /// What the script printed; it must succeed.
    fn set_up(&self, args: &[&str]) -> String {
        let output = self.script(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// How mc was called since the last look.
    fn calls(&self) -> String {
        let calls = self.read("mc.calls");
        fs::remove_file(self.path("mc.calls")).expect("removed");
        calls
    }

    /// Fails if mc was asked to change anything since the last look.
    fn nothing_was_changed(&self, why: &str) {
        let changing = [
            " mb ",
            " enable ",
            " policy create ",
            " attach ",
            " user add ",
            " user rm ",
            " replicate add ",
            " replicate update ",
            " resync ",
            " rule add ",
            " rule edit ",
            " import ",
            " event add ",
            " restart ",
        ];
        let calls = self.calls();
        for change in changing {
            assert!(!calls.contains(change), "{why}: {change} in {calls}");
        }
    }

    /// Whether `mc` can do this as a user of a node, who is `user` for it.
    fn may(&self, node: usize, (user, secret): (&str, &str), args: &[&str]) -> bool {
        let host = self.cluster.nodes[node].endpoint().replace("://", &format!("://{user}:{secret}@"));
        let mut command = Command::new(&self.mc);
        command
            .args(["--quiet", "--json"])
            .args(args)
            .envs(self.cluster.environment())
            .env("MC_HOST_user", host);
        let output = command.output().expect("mc runs");
        let said = String::from_utf8_lossy(&output.stdout);
        output.status.success() && !said.contains("\"status\":\"error\"")
    }

    /// The gate's secret key on a node.
    fn secret(&self, node: usize) -> String {
        self.read(&format!("secrets/n{node}")).trim_end().to_owned()
    }

    /// Name and key of the user with whom the source writes to a node.
    fn writer(&self, node: usize) -> (String, String) {
        let text = self.read(&format!("secrets/n{node}.movies.replication"));
        let (name, key) = text.trim_end().split_once('\n').expect("two lines");
        (name.to_owned(), key.to_owned())
    }

    /// A gate before the nodes, with the user and the secrets that the script made.
    async fn gate(&self) -> TestGate {
        let nodes = self.cluster.nodes.iter().zip(CITIES).enumerate();
        let setup = nodes.fold(Setup::new(), |setup, (number, (node, (city, ..)))| {
            setup.node_with(city, &node.endpoint(), ("gate", &self.secret(number)), "")
        });
        let gate = setup.start_proven().await;
        gate.until("all are up", |nodes| nodes.iter().all(|node| node.state == "up")).await;
        gate
    }

    /// The versions of a bucket: key, `ETag` and id of each.
    fn versions(&self, node: usize) -> Vec<(String, String, String)> {
        let listed =
            self.cluster.mc(&["ls", "--json", "--recursive", "--versions", &format!("n{node}/movies")]);
        let lines = listed.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("JSON"));
        lines
            .map(|line| {
                let text = |name: &str| line[name].as_str().expect("text").to_owned();
                (text("key"), text("etag"), text("versionId"))
            })
            .collect()
    }

    /// Waits until a replica holds exactly what the source holds.
    async fn until_alike(&self, node: usize) {
        let wanted = self.versions(0);
        eventually("source and replica are alike", || self.versions(node) == wanted).await;
    }
}

const EVENTS: [&str; 4] = ["--events", "http://127.0.0.1:9/api/v1/events", "--events-token", "token"];

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_set_up_fills_replicas_for_a_gate_that_can_only_read() {
    let story = "a_fresh_set_up_fills_replicas_for_a_gate_that_can_only_read";
    let Some(stage) = Stage::start(story, 2).await else { return };
    let wanted = [&["movies", "n0", "n1", "--keep-versions", "30"], &EVENTS[..]].concat();

    let would = stage.set_up(&[&wanted[..], &["--dry-run"]].concat());
    assert!(!stage.path("secrets").exists() && !stage.path("token").exists(), "a dry run makes no secrets");
    stage.nothing_was_changed("a dry run");
    let said = stage.set_up(&wanted);
    assert_eq!(format!("{said}nothing was done (--dry-run)\n"), would, "it does what it said");
    let calls = stage.calls();
    for secret in ["token", "secrets/n0", "secrets/n1", "secrets/n1.movies.replication"] {
        let mode = fs::metadata(stage.path(secret)).expect("it was made").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{secret}");
        let text = stage.read(secret);
        let key = text.lines().last().expect("a line");
        assert!(key.len() == 32 && !calls.contains(key) && !said.contains(key), "{secret} is told");
    }
    assert!(!calls.contains(ROOT.1) && calls.contains("replicate add n0/movies"), "{calls}");

    let again = stage.set_up(&wanted);
    assert_eq!(again, "n0/movies fills n1: nothing to change\n");
    stage.nothing_was_changed("a second run");

    stage.cluster.put(KEY, &film());
    stage.until_alike(1).await;
    let gate = stage.gate().await;
    for viewer in [AMSTERDAM, SINGAPORE] {
        let got =
            Got::of(reqwest::get(gate.watch(viewer).await.location()).await.expect("MinIO answers")).await;
        assert!(got.status == 200 && got.body == film(), "{}", got.status);
    }
    users_may_do_no_more_than_they_need(&stage);
}

fn users_may_do_no_more_than_they_need(stage: &Stage) {
    stage.cluster.mc(&["mb", "n1/other"]);
    fs::write(stage.path("upload"), "bytes").expect("written");
    let (upload, film) = (stage.path("upload").display().to_string(), format!("user/movies/{KEY}"));
    let (secret, (name, key)) = (stage.secret(1), stage.writer(1));
    let (reader, writer) = (("gate", secret.as_str()), (name.as_str(), key.as_str()));
    for allowed in
        [&["stat", &film][..], &["cat", &film], &["ls", "user/movies"], &["ls", "--versions", "user/movies"]]
    {
        assert!(stage.may(1, reader, allowed), "{allowed:?}");
    }
    let other = ["user/other/film", "user/other"];
    for denied in [
        &["cp", &upload, "user/movies/film"][..],
        &["rm", &film],
        &["tag", "set", &film, "a=b"],
        &["ls", other[1]],
        &["version", "suspend", "user/movies"],
        &["admin", "user", "ls", "user"],
    ] {
        assert!(!stage.may(1, reader, denied), "the gate: {denied:?}");
    }
    for denied in [&["cp", &upload, other[0]][..], &["ls", other[1]], &["admin", "user", "ls", "user"]] {
        assert!(!stage.may(1, writer, denied), "the source: {denied:?}");
    }
}
