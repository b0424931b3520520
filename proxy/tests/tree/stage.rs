//! Stages: nodes that hold trees, a gate before them, and a door before the gate.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use watchgate_node::{Lag, Node, Seen};

use crate::door::Door;
use crate::film::{Kind, Tree};
use crate::gates::{PATIENCE, Running, Setup, TestGate, eventually};

/// Set where a story without its program is a failure.
pub(crate) const REQUIRED: &str = "WATCHGATE_REQUIRE_PLAYERS";

/// How the gate is told to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Everything is streamed.
    Stream,
    /// Films would be redirected, but the files of trees are streamed: what one gets without a word on segments.
    SegmentsStreamed,
    /// Manifests are streamed, everything else is redirected.
    SegmentsRedirected,
}

pub(crate) const MODES: [Mode; 3] = [Mode::Stream, Mode::SegmentsStreamed, Mode::SegmentsRedirected];

/// A gate before three nodes that hold some trees.
pub(crate) struct Stage {
    pub(crate) gate: TestGate,
    pub(crate) nodes: Vec<Node>,
    pub(crate) door: Door,
    mode: Mode,
}

/// The nearest first; the last only when no other is left.
const NODES: [(&str, &str); 3] = [("ams", ""), ("gru", ""), ("sin", "base_ms = 500")];

impl Stage {
    pub(crate) async fn up(mode: Mode, trees: &[&Tree]) -> Self {
        let keys = match mode {
            Mode::Stream => "mode = \"stream\"",
            Mode::SegmentsStreamed => "mode = \"redirect\"",
            Mode::SegmentsRedirected => "mode = \"redirect\"\nsegments = \"redirect\"",
        };
        let mut setup = Setup::new()
            .watch("object = \"films/{uuid}/{path}\"")
            .watch(keys)
            // A dead node refuses at once; a busy machine is no reason for a verdict.
            .extra("[health]\ninterval = \"1s\"\ntimeout = \"1s\"\nrise = 1\nfall = 3\nslow_start = \"0s\"");
        let mut nodes = Vec::new();
        for (name, keys) in NODES {
            let builder = Node::builder(name).credential("gate", "gate-secret").bucket("movies");
            let node = builder.start().await.expect("a node");
            setup = setup.node_with(name, &node.endpoint(), ("gate", "gate-secret"), keys);
            nodes.push(node);
        }
        nodes[1..].iter().for_each(|replica| nodes[0].replicate_to(replica, Lag::After(Duration::ZERO)));
        let gate = setup.start_proven().await;
        gate.until("all are up", |nodes| nodes.iter().all(|node| node.state == "up")).await;
        let door = Door::before(gate.addr).await;
        let stage = Self { gate, nodes, door, mode };
        for tree in trees {
            let path = |path: &str| format!("{}/{path}", tree.kind.uuid());
            for (name, bytes) in &tree.files {
                stage.put(&path(name), bytes.clone());
            }
            stage.replicated(&tree.files.iter().map(|(name, _)| path(name)).collect::<Vec<_>>()).await;
        }
        stage
    }

    /// Puts a file below `films/` into the first node, as an uploader that knows no types does.
    pub(crate) fn put(&self, path: &str, bytes: Vec<u8>) {
        self.nodes[0].put(&format!("films/{path}"), bytes, "application/octet-stream").expect("a file");
    }

    /// Waits, bounded, until every node has these files.
    pub(crate) async fn replicated(&self, paths: &[String]) {
        for replica in &self.nodes[1..] {
            let all = |node: &Node| paths.iter().all(|path| node.has(&format!("films/{path}")));
            replica.wait_until(all, PATIENCE).await.expect("replicated");
        }
    }

    /// Where a player finds the tree.
    pub(crate) fn url(&self, kind: Kind) -> String {
        format!("http://{}/watch/{}/{}", self.door.addr, kind.uuid(), kind.manifest())
    }

    /// The node that has served this tree, once it has nothing to do any more.
    pub(crate) async fn serving(&self, kind: Kind) -> &Node {
        eventually("nothing is on its way", || self.nodes.iter().all(|node| node.in_flight() == 0)).await;
        let served = |node: &&Node| gets(node, kind).len();
        self.nodes.iter().max_by_key(served).expect("three nodes")
    }

    /// No node has refused a signature.
    pub(crate) fn assert_all_signed(&self) {
        for node in &self.nodes {
            assert_eq!(node.counts().signatures_refused, 0, "{} in {:?}", node.name(), self.mode);
        }
    }
}

/// Requests for the bytes of a tree's files that the node has seen.
pub(crate) fn gets(node: &Node, kind: Kind) -> Vec<Seen> {
    let uuid = kind.uuid();
    node.seen().into_iter().filter(|seen| seen.method == "GET" && seen.path.contains(&uuid)).collect()
}

/// What ffmpeg remarks when it has followed a redirect: it opens another connection then.
const GOES_ELSEWHERE: &str = "Cannot reuse HTTP connection for different host";

/// A player at work; it ends with its owner.
pub(crate) struct Playing {
    player: Running,
    told: TempDir,
}

impl Playing {
    pub(crate) fn start(player: &mut Command) -> Self {
        let told = tempfile::tempdir().expect("a folder");
        let to = |name: &str| File::create(told.path().join(name)).expect("a file");
        let child = player.stdin(Stdio::null()).stdout(to("out")).stderr(to("err")).spawn().expect("it runs");
        Self { player: Running(child), told }
    }

    /// Waits, bounded, for its end; gives what it printed. It must not complain.
    pub(crate) async fn end(self) -> String {
        let Self { player, told } = self;
        let player = std::cell::RefCell::new(player);
        let ended = || player.borrow_mut().0.try_wait().expect("our child");
        eventually("the player ends", || ended().is_some()).await;
        let read = |path: &Path| fs::read_to_string(path).expect("text");
        let err = read(&told.path().join("err"));
        let complaints: Vec<&str> = err.lines().filter(|line| !line.contains(GOES_ELSEWHERE)).collect();
        assert_eq!((complaints, ended().map(|status| status.success())), (vec![], Some(true)));
        read(&told.path().join("out"))
    }
}
