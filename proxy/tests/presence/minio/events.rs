//! MinIO's webhook tells the gate what happened, and nothing else could: words are believed for hours.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::sync::watch;
use watchgate::admin::{self, Tokens};
use watchgate::config::Secret;

use super::*;
use crate::minio_cluster::tools;

const TOKEN: &str = "events-token-of-the-story";
/// Of the slowest answer, on a machine that does other things as well.
const MOST: Duration = Duration::from_secs(3);
/// What is promised, and held by the middle one of all.
const PROMISED: Duration = Duration::from_secs(1);

/// How long each change took to reach viewers.
#[derive(Default)]
struct Took(Vec<(&'static str, Duration)>);

impl Took {
    /// From `done`, when MinIO had done it, until a viewer in Sao Paulo is answered as it should be.
    async fn until(
        &mut self,
        what: &'static str,
        done: Instant,
        gate: &TestGate,
        reached: impl Fn(&Got) -> bool,
    ) {
        gate.until_watched(SAO_PAULO, what, reached).await;
        self.0.push((what, done.elapsed()));
    }

    fn judge(mut self, story: &str) {
        // Past the test harness, which keeps what a passing test prints.
        let _ = writeln!(std::io::stderr(), "{story}: {:?}", self.0);
        self.0.sort_by_key(|(_, took)| *took);
        let (middle, most) = (self.0[self.0.len() / 2], *self.0.last().expect("some"));
        assert!(middle.1 < PROMISED, "{middle:?}");
        assert!(most.1 < MOST, "{most:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_source_tells_reaches_viewers_within_a_second() {
    let story = "what_the_source_tells_reaches_viewers_within_a_second";
    let Some(tools) = tools(story) else { return };
    // MinIO looks for it when it starts.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let webhook = format!("http://{}/api/v1/events", listener.local_addr().expect("an address"));
    let env = [
        ("MINIO_NOTIFY_WEBHOOK_ENABLE_GATE", "on"),
        ("MINIO_NOTIFY_WEBHOOK_ENDPOINT_GATE", &webhook),
        ("MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_GATE", TOKEN),
    ];
    let fleet = Fleet::start_with(&tools, &env).await;
    let gate = fleet.gate("redirect", LONG).await;
    let tokens = Tokens { admin: None, events: Some(&Secret::new(TOKEN)) };
    let router = admin::router(Arc::clone(&gate.gate), gate.registry.clone(), tokens, None);
    let (_running, shutdown) = watch::channel(false);
    let serving = tokio::spawn(admin::serve(listener, router, shutdown));
    let arn = "arn:minio:sqs::GATE:webhook";
    fleet.cluster.mc(&["event", "add", "n0/movies", arn, "--event", "put,delete,replica"]);

    let mut took = Took::default();
    fleet.to_gru.hold();
    for viewer in [SAO_PAULO, AMSTERDAM] {
        assert_eq!(gate.watch(viewer).await.problem(), "unknown_film");
    }
    fleet.cluster.put(KEY, &film(1));
    took.until("uploaded", Instant::now(), &gate, |got| fleet.leads_to(got, AMS)).await;
    fleet.to_gru.release();
    took.until("replicated", Instant::now(), &gate, |got| fleet.leads_to(got, GRU)).await;
    for version in 2..5 {
        fleet.cluster.put(KEY, &film(version));
        let done = Instant::now();
        let (newest, _) = fleet.on_top_of(AMS);
        let is_newest = |got: &Got| got.header("location").contains(&newest);
        took.until("overwritten", done, &gate, is_newest).await;
        fleet.delete();
        took.until("deleted", Instant::now(), &gate, |got| got.status == 404).await;
        fleet.undelete();
        took.until("undeleted", Instant::now(), &gate, |got| got.status == 302).await;
    }
    let home = |got: &Got| fleet.leads_to(got, GRU);
    let link = gate.until_watched(SAO_PAULO, "gru has all of it", home).await;
    assert_eq!(link.follow().await.body, film(4));
    assert!(gate.metric("watchgate_events_refused_total", &[]) < 1.0);
    took.judge(story);
    serving.abort();
}
