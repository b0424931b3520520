//! One node refuses the gate: its operator is told once, and viewers go elsewhere.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::minio_cluster::tools;

/// A policy under which the gate's probes go well, and viewers' films do not.
const LIST_ONLY: &str = r#"{"Version":"2012-10-17","Statement":[
{"Effect":"Allow","Action":["s3:ListBucket"],"Resource":["arn:aws:s3:::movies"]}]}"#;

/// What is logged as an error.
#[derive(Clone, Default)]
struct Errors(Arc<Mutex<Vec<u8>>>);

impl Errors {
    fn lines(&self) -> Vec<String> {
        let text = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
    }
}

impl Write for Errors {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Errors {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

// One thread, so that what is logged anywhere is logged here.
#[tokio::test]
async fn a_node_that_refuses_the_gate_is_named_and_passed_over() {
    let story = "a_node_that_refuses_the_gate_is_named_and_passed_over";
    let Some(tools) = tools(story) else { return };
    let errors = Errors::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::ERROR)
        .with_writer(errors.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let cluster = Cluster::start(&tools, 3).await;
    cluster.put(KEY, &film(1));
    cluster.until_replicated(KEY).await;
    for mode in ["redirect", "stream"] {
        let gate = up(&setup(&cluster, mode, SHORT)).await;
        let home = |got: &Got| leads_to(&cluster, got, GRU) || got.is_from(GRU);
        assert!(home(&gate.watch(SAO_PAULO).await), "{mode}");
        cluster.forbid_films(GRU);
        let forbidden =
            || gate.metric("watchgate_presence_checks_total", &[("node", "gru"), ("result", "forbidden")]);
        let elsewhere = |got: &Got| {
            // Nobody meets an error at the gate, from the first moment on.
            assert!(matches!(got.status, 200 | 302), "{mode}: {got:?}");
            assert!(got.status == 302 || got.body == film(1));
            !home(got)
        };
        let got = gate.until_watched(SAO_PAULO, "others take its viewers", elsewhere).await;
        for _ in 0..20 {
            let got = gate.watch(SAO_PAULO).await;
            assert!(elsewhere(&got), "{mode}: nobody goes back: {got:?}");
        }
        if mode == "redirect" {
            assert_eq!(got.follow().await.body, film(1));
        }
        gate.until_watched(SAO_PAULO, "gru is asked again", |_| forbidden() >= 2.0).await;
        assert!(gate.gate.nodes().iter().all(|node| node.state == "up"), "its probes go well");
        let said = errors.lines();
        assert!(said.len() == 1 && said[0].contains("node=\"gru\""), "{mode}: {said:?}");
        errors.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
        cluster.allow_films(GRU);
        gate.until_watched(SAO_PAULO, "gru serves again", home).await;
        assert_eq!(errors.lines(), [""; 0]);
    }
}

impl Cluster {
    /// Takes `s3:GetObject` from the gate's user.
    fn forbid_films(&self, node: usize) {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("list.json");
        std::fs::write(&file, LIST_ONLY).expect("written");
        let alias = format!("n{node}");
        self.mc(&["admin", "policy", "create", &alias, "list", &file.display().to_string()]);
        self.mc(&["admin", "policy", "attach", &alias, "list", "--user", GATE.0]);
        self.mc(&["admin", "policy", "detach", &alias, "gate", "--user", GATE.0]);
    }

    fn allow_films(&self, node: usize) {
        self.mc(&["admin", "policy", "attach", &format!("n{node}"), "gate", "--user", GATE.0]);
    }
}
