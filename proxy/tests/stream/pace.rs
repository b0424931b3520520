//! The viewer sets the pace: pauses, slow reading and leaving cost a node little and are nobody's fault.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;
use watchgate_node::{Fault, Node};

use crate::gates::eventually;
use crate::support::*;
use crate::viewer::*;

/// Far more than all sockets on the way hold.
const SIZE: u64 = 256 << 20;
const PARK_AFTER_MS: u64 = 300;

fn staging() -> Staging {
    Staging::new(2, SIZE).stream("park_after", &format!("\"{PARK_AFTER_MS}ms\""))
}

async fn watching(stage: &Stage, speaks: Speaks, bytes: u64) -> Answer {
    let mut answer = Viewer::connect(speaks, stage).await.ask(&Ask::film()).await.shows(stage.film, 0);
    assert!(answer.until(bytes).await);
    answer
}

/// Nothing that a viewer did is held against a node.
fn nobody_blamed(stage: &Stage) {
    assert_eq!(stage.resumes(), 0);
    assert_eq!(stage.count("watchgate_node_transitions_total", &[("to", "down")]), 0);
    assert_eq!(gets(&stage.nodes[1]), [], "the far node was never needed");
}

async fn no_slot_held(node: &Node) {
    eventually("no slot of the node is held", || node.in_flight() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_viewer_frees_the_slot_and_goes_on() {
    for speaks in BOTH {
        let stage = staging().up().await;
        stage.near().set_slots(1);
        let mut paused = watching(&stage, speaks, 2_000_000).await;
        no_slot_held(stage.near()).await;
        let asked = gets(stage.near()).len();
        // The only slot is another viewer's now.
        let ask = Ask::film().range("bytes=1000000-1999999");
        let mut other = Viewer::connect(speaks, &stage).await.ask(&ask).await.shows(stage.film, 1_000_000);
        assert_eq!((other.end().await, other.bytes), (End::Whole, 1_000_000));
        assert!(paused.until(40_000_000).await, "{speaks:?}: it goes on where it stood");
        assert!(gets(stage.near()).len() > asked, "the rest is asked for again");
        no_slot_held(stage.near()).await;
        assert!(paused.until(80_000_000).await, "{speaks:?}: and after the second pause, too");
        nobody_blamed(&stage);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_viewer_holds_the_slot_no_longer_than_the_parking_time() {
    /// A viewer that is late, because the machine is, still gets large windows.
    const PARK_AFTER: Duration = Duration::from_secs(6);
    /// No kernel holds so much: the node has to wait.
    const LARGE: u64 = 14 << 20;
    over_both(async |speaks| {
        let stage = Staging::new(2, SIZE).stream("park_after", "\"6s\"").up().await;
        let near = stage.near();
        // Slower than the viewer, who gets large windows then.
        near.set_bandwidth(Some(10_000_000));
        let mut paused = watching(&stage, speaks, 1).await;
        let stuck = || {
            let last = gets(near).pop().expect("it was asked");
            !last.finished && last.sent + LARGE < wanted(&last, stage.film)
        };
        while !stuck() {
            assert!(paused.until(paused.bytes + 1_000_000).await, "{speaks:?}: no window grew so large");
        }
        let parks = || stage.count("watchgate_parks_total", &[]);
        let (began, before) = (Instant::now(), parks());
        no_slot_held(near).await;
        let took = began.elapsed();
        assert!(took < PARK_AFTER + Duration::from_secs(1), "{speaks:?}: {took:?}");
        let last = gets(near).pop().expect("it was asked");
        assert!(last.sent < wanted(&last, stage.film), "{speaks:?}: it was given up: {last:?}");
        let lasted = Duration::from_millis(last.lasted_ms.expect("it is over"));
        assert!(lasted < PARK_AFTER + Duration::from_millis(1500), "{speaks:?}: {last:?}");
        assert_eq!(parks(), before + 1, "{speaks:?}");
        assert!(paused.until(paused.bytes + 5_000_000).await, "{speaks:?}: it goes on");
        nobody_blamed(&stage);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_paused_viewers_hold_no_slot() {
    let stage = staging().up().await;
    stage.near().set_slots(10);
    let mut paused = Vec::new();
    for speaks in std::iter::repeat_n(BOTH, 15).flatten() {
        paused.push(watching(&stage, speaks, 1_000_000).await);
        if paused.len() % 5 == 0 {
            no_slot_held(stage.near()).await;
        }
    }
    for viewer in &mut paused {
        assert!(viewer.until(2_000_000).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_viewer_never_holds_a_slot_for_long() {
    const PACE: u64 = 2_000_000;
    over_both(async |speaks| {
        let stage = staging().up().await;
        let mut slow = watching(&stage, speaks, 100_000).await;
        let began = Instant::now();
        slow.paced(PACE, 12_000_000).await;
        let took = began.elapsed();
        assert!(took >= Duration::from_secs(5), "{took:?}: the story is of a slow viewer");
        drop(slow);
        no_slot_held(stage.near()).await;
        let gets = gets(stage.near());
        let lasted: Vec<u64> = gets.iter().filter_map(|seen| seen.lasted_ms).collect();
        let longest = lasted.iter().max().expect("it was asked");
        // Twice and a half a second: the machine has other things to do as well.
        assert!(
            *longest <= 2 * PARK_AFTER_MS + 500,
            "{speaks:?}: a slot was held for {longest} ms: {lasted:?}"
        );
        assert!(gets.len() >= 4, "{speaks:?}: {lasted:?}");
        // Windows are worth their requests: a second of film holds a few of them at most.
        let most = 20 + 8 * usize::try_from(took.as_secs()).expect("seconds");
        assert!(gets.len() <= most, "{speaks:?}: {} requests in {took:?}", gets.len());
        nobody_blamed(&stage);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_reads_nothing_is_let_go() {
    over_both(async |speaks| {
        let stage = staging().stream("viewer_stall_timeout", "\"1s\"").up().await;
        let mut asleep = watching(&stage, speaks, 1_000_000).await;
        eventually("it is let go", || {
            stage.lines().iter().any(|line| line["watchgate.outcome"] == "viewer_left")
        })
        .await;
        no_slot_held(stage.near()).await;
        assert_eq!(asleep.end().await, End::Cut, "{speaks:?}");
        assert!(asleep.bytes < SIZE);
        assert_eq!(stage.count("watchgate_streams", &[]), 0);
        nobody_blamed(&stage);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_but_reading_viewer_is_not_let_go() {
    /// Slow enough that an unread buffer of a kernel's usual 4 MB would look like a viewer who sleeps.
    const PACE: u64 = 400_000;
    const STALL_S: u64 = 3;
    over_both(async |speaks| {
        let stage = staging().stream("viewer_stall_timeout", &format!("\"{STALL_S}s\"")).up().await;
        let mut slow = watching(&stage, speaks, 100_000).await;
        let began = Instant::now();
        slow.paced(PACE, 100_000 + 3 * STALL_S * PACE).await;
        assert!(began.elapsed() > Duration::from_secs(2 * STALL_S), "the story is of a slow viewer");
        assert!(slow.until(30_000_000).await, "{speaks:?}");
        nobody_blamed(&stage);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_leaves_costs_the_node_little() {
    for speaks in BOTH {
        let stage = Staging::new(2, 1 << 30).up().await;
        drop(watching(&stage, speaks, 2_000_000).await);
        no_slot_held(stage.near()).await;
        let sent = stage.near().counts().sent;
        // What lies in the sockets between node, gate and viewer is on its way already.
        assert!(sent < 64 << 20, "{speaks:?}: the node gave {sent} bytes for 2 MB");
        let line = |line: &serde_json::Value| line["watchgate.outcome"] == "viewer_left";
        eventually("the access line tells", || stage.lines().iter().any(line)).await;
        nobody_blamed(&stage);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_leaves_is_noticed_while_a_node_is_waited_for() {
    let stage = async || {
        let staging = staging().stream("stall_timeout", "\"10m\"").stream("first_byte_timeout", "\"10m\"");
        staging.stream("min_rate", "\"0KiB\"").up().await
    };
    let noticed = async |stage: &Stage, what: &str| {
        let left = Instant::now();
        no_slot_held(stage.near()).await;
        assert!(left.elapsed() < Duration::from_secs(5), "{what}: {:?}", left.elapsed());
        let line = |line: &serde_json::Value| line["watchgate.outcome"] == "viewer_left";
        eventually("the access line tells", || stage.lines().iter().any(line)).await;
        nobody_blamed(stage);
    };
    over_both(async |speaks| {
        for fault in [Fault::DripHead(10), Fault::DelayMs(600_000)] {
            let stage = stage().await;
            stage.near().faults().set(fault.clone());
            let asking = async { Viewer::connect(speaks, &stage).await.tell(&Ask::film()).await };
            tokio::select! {
                _ = asking => panic!("no head is whole in so short a time"),
                () = eventually("the node is asked", || stage.near().in_flight() == 1) => {}
            }
            noticed(&stage, &format!("{fault:?}, {speaks:?}")).await;
        }
        // In the middle of a window, and where the next one begins.
        for fault in [Fault::StallAfter(60_000), Fault::DelayMs(600_000), Fault::DripHead(10)] {
            let stage = stage().await;
            stage.near().set_bandwidth(Some(4_000_000));
            let mut answer = watching(&stage, speaks, 1).await;
            stage.near().faults().set(fault.clone());
            // At most the first window comes.
            let reading = answer.until(20_000_000);
            let stuck = |node: &Node| {
                let gets = gets(node);
                gets.len() > 1 && gets.iter().any(|seen| !seen.finished)
            };
            tokio::select! {
                _ = reading => panic!("the node gives no more"),
                () = eventually("the next window is waited for", || stuck(stage.near())) => {}
            }
            drop(answer);
            noticed(&stage, &format!("then {fault:?}, {speaks:?}")).await;
        }
    })
    .await;
}

/// Collects what is logged at `WARN` and above.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<u8>>>);

impl Write for Warnings {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Warnings {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

// One thread, so that what is logged anywhere is logged here.
#[tokio::test]
async fn leaving_viewers_are_not_worth_a_warning() {
    let warnings = Warnings::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(warnings.clone())
        .with_ansi(false)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    tracing::warn!("the first line");
    let stage = staging().up().await;
    stage.near().set_bandwidth(Some(4_000_000));
    for bytes in [0, 1, 50_000, 300_000] {
        for speaks in BOTH {
            drop(watching(&stage, speaks, bytes).await);
            // A player that seeks leaves only the stream.
            let answer = watching(&stage, Speaks::H2, bytes).await;
            let mut seek = answer.again().ask(&Ask::film().range("bytes=9000000-9000099")).await;
            assert_eq!((seek.end().await, seek.bytes), (End::Whole, 100));
        }
    }
    no_slot_held(stage.near()).await;
    eventually("all have left", || stage.count("watchgate_streams", &[]) == 0).await;
    nobody_blamed(&stage);
    let text = String::from_utf8(warnings.0.lock().unwrap_or_else(PoisonError::into_inner).clone());
    let text = text.expect("text");
    assert_eq!(text.lines().count(), 1, "nobody has to do anything about this:\n{text}");
    assert!(text.contains("the first line"), "{text}");
}
