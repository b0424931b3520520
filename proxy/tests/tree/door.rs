//! The door between players and a gate: a TCP relay that can keep one file's requests waiting, so that a story can do
//! something between two segments.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::gates::PATIENCE;

/// Who may pass.
#[derive(Clone, Debug, Default)]
struct Rule {
    /// Requests with this text wait.
    kept: Option<String>,
    /// How many do.
    waiting: usize,
}

/// A door on a port of its own; it ends when this is dropped.
pub(crate) struct Door {
    pub(crate) addr: SocketAddr,
    rule: Arc<watch::Sender<Rule>>,
    _serving: JoinSet<()>,
}

impl Door {
    pub(crate) async fn before(gate: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let addr = listener.local_addr().expect("an address");
        let rule = Arc::new(watch::Sender::new(Rule::default()));
        let theirs = Arc::clone(&rule);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((player, _)) = listener.accept().await {
                connections.spawn(connection(player, gate, Arc::clone(&theirs)));
                while connections.try_join_next().is_some() {}
            }
        });
        Self { addr, rule, _serving: serving }
    }

    /// From now on requests for a file of this name wait.
    pub(crate) fn keep(&self, name: &str) {
        self.rule.send_replace(Rule { kept: Some(name.to_owned()), waiting: 0 });
    }

    /// Waits, bounded, until somebody waits.
    pub(crate) async fn somebody_waits(&self) {
        let mut rule = self.rule.subscribe();
        let waits = tokio::time::timeout(PATIENCE, rule.wait_for(|rule| rule.waiting > 0)).await;
        assert!(waits.is_ok(), "nobody has come for what the door keeps");
    }

    /// Lets everybody pass.
    pub(crate) fn open(&self) {
        self.rule.send_replace(Rule::default());
    }
}

/// Passes both directions on until one ends.
async fn connection(mut player: TcpStream, gate: SocketAddr, rule: Arc<watch::Sender<Rule>>) {
    let Ok(mut gate) = TcpStream::connect(gate).await else { return };
    let (mut from_player, mut to_player) = player.split();
    let (mut from_gate, mut to_gate) = gate.split();
    let asked = async {
        // A request is smaller, comes in one piece, and waits for the answer to the one before.
        let mut request = vec![0; 16 << 10];
        while let Ok(read @ 1..) = from_player.read(&mut request).await {
            passed(&request[..read], &rule).await;
            if to_gate.write_all(&request[..read]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = asked => {}
        _ = copy(&mut from_gate, &mut to_player) => {}
    }
}

async fn passed(request: &[u8], rule: &watch::Sender<Rule>) {
    let is_kept = |rule: &Rule| {
        let holds = |name: &String| request.windows(name.len()).any(|window| window == name.as_bytes());
        rule.kept.as_ref().is_some_and(holds)
    };
    let waits = rule.send_if_modified(|rule| {
        let kept = is_kept(rule);
        rule.waiting += usize::from(kept);
        kept
    });
    if waits {
        // The sender is borrowed here: it is not gone.
        let _ = rule.subscribe().wait_for(|rule| !is_kept(rule)).await;
    }
}
