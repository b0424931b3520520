//! Stories: viewers against gates and nodes that do well, cut, lie, stall and say nothing.

use clap::Parser;

use self::servers::{FILM_BYTES, Manner, Server, film, seen_from};
use super::*;
use crate::run::Report as _;

mod servers;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

/// Ten viewers in half a second, who read their film as fast as it comes.
const TEN: &str = r#"
about = "ten"
arrivals = { process = "constant", phases = [{ for_s = 0.5, from = 20, to = 20 }, { for_s = 20, from = 0, to = 0 }] }
films = { zipf = 0 }
[[behaviour]]
name = "reads"
share = 1
tabs = 1
bit_rate_kbps = 100_000
buffer_s = 10
stays_s = 1.5
asks_again = 1
"#;

fn home(number: u8) -> Home {
    let at = Some((f64::from(number), -f64::from(number)));
    Home { address: [198, 51, 100, number].into(), country: "DE".to_owned(), at }
}

async fn played(gate: &Server, scenario: &str, words: &[&str]) -> Report {
    let url = gate.url();
    let line = [&["load", "--target", &url, "--patience", "400ms"], words].concat();
    let options = Line::parse_from(line).args.options;
    let mut maker = Maker::new(4096);
    maker.feed(&film());
    let film = Film {
        uuid: "3d825f60-9fff-4dfe-b294-1a45fa1e115d".to_owned(),
        size: FILM_BYTES as u64,
        blocks: Some(Rc::new(maker.end())),
    };
    let ground = Ground {
        targets: vec![target(&url).unwrap()],
        films: vec![Rc::new(film)],
        places: Places::default(),
        homes: (1..=20).map(home).collect(),
        about_homes: "made".to_owned(),
        _stage: None,
    };
    let scenario = Scenario::read("story", scenario).unwrap();
    let play = play(&options, scenario, ground, Rc::new(Stop::default()));
    LocalSet::new().run_until(play).await.unwrap()
}

/// `cause: times` of all that went wrong, at whom.
fn faults(report: &Report) -> Vec<String> {
    let is_node = |at: &str| at != "gate" && at != "bench";
    let told = |fault: &report::FaultRow| {
        format!("{} {}: {}", if is_node(&fault.at) { "node" } else { &fault.at }, fault.cause, fault.count)
    };
    report.faults.iter().map(told).collect()
}

fn ended(report: &Report) -> String {
    let told: Vec<String> =
        report.viewers.films.iter().map(|(end, count)| format!("{} {count}", report::word(end))).collect();
    told.join(", ")
}

#[tokio::test]
async fn every_byte_of_a_good_fleet_is_checked() {
    let node = Server::start(Manner::Film).await;
    let gate = Server::start(Manner::Redirects(node.url())).await;
    let report = played(&gate, TEN, &[]).await;
    assert!(report.is_whole(), "{:?}", report.complaints);
    assert_eq!((report.viewers.came, ended(&report).as_str()), (10, "whole 10"));
    assert_eq!((report.bytes.read, report.bytes.checked), (10 * FILM_BYTES as u64, 10 * FILM_BYTES as u64));
    assert_eq!((report.nodes.len(), report.nodes[0].sent), (1, 10));
    assert_eq!(report.requests[0].gate.count, 10);
    assert!(report.map.iter().map(|cell| cell.requests).sum::<u64>() == 10, "each has a place");
    assert_eq!((gate.asked(), node.asked()), (10, 10));
}

#[tokio::test]
async fn viewers_have_addresses_and_the_gate_is_told() {
    let gate = Server::start(Manner::Redirects("http://127.0.0.1:1".to_owned())).await;
    let report = played(&gate, TEN, &["--resolve-only", "--viewer-header", "x-real-ip"]).await;
    assert!(report.is_whole(), "{:?}", report.complaints);
    assert_eq!((report.requests[0].answered, report.bytes.read), (10, 0));
    let addresses = seen_from(&gate, "x-real-ip");
    assert!(addresses.len() > 5, "{addresses:?}");
}

#[tokio::test]
async fn who_is_cut_off_comes_back_and_checks_across_the_seam() {
    for (manner, cause) in [(Manner::Resets(100_001), "reset"), (Manner::Ends(100_001), "short")] {
        let node = Server::start(manner).await;
        let gate = Server::start(Manner::Redirects(node.url())).await;
        let report = played(&gate, TEN, &["--max-errors", "100"]).await;
        assert!(report.is_whole(), "{:?}", report.complaints);
        assert_eq!(ended(&report), "whole 10", "{:?}", faults(&report));
        // The first answer of each is cut, those to a later part are not.
        assert_eq!(faults(&report), [format!("node {cause}: 10")]);
        assert_eq!(report.resumes.healed, 10);
        let whole = 10 * FILM_BYTES as u64;
        assert_eq!((report.bytes.read, report.bytes.checked), (whole, whole), "{cause}");
        assert_eq!(gate.asked(), 20, "they come back to the gate");
        let report = played(&gate, TEN, &["--max-errors", "10"]).await;
        assert!(!report.is_whole(), "no break is hidden");
    }
}

#[tokio::test]
async fn one_wrong_byte_is_found_whatever_is_allowed() {
    let node = Server::start(Manner::Lies(123_456)).await;
    let gate = Server::start(Manner::Redirects(node.url())).await;
    let report = played(&gate, TEN, &["--max-errors", "100"]).await;
    assert!(!report.is_whole());
    assert_eq!((report.bytes.wrong_blocks, ended(&report).as_str()), (10, "lost 10"));
    assert_eq!(report.bytes.wrong[0].at, 122_880, "the block that holds it");
    assert_eq!(faults(&report), ["node wrong_bytes: 10"]);
}

#[tokio::test]
async fn who_is_kept_waiting_comes_back() {
    let node = Server::start(Manner::Stalls(50_000)).await;
    let gate = Server::start(Manner::Redirects(node.url())).await;
    let report = played(&gate, TEN, &[]).await;
    assert_eq!((faults(&report), ended(&report).as_str()), (vec!["node stall: 10".to_owned()], "whole 10"));
    assert!(report.resumes.silence.count == 10 && report.bytes.wrong_blocks == 0);
}

#[tokio::test]
async fn a_gate_that_says_nothing_is_slow_and_not_forgotten() {
    let gate = Server::start(Manner::Silent).await;
    let report = played(&gate, TEN, &[]).await;
    let starts = &report.requests[0];
    assert_eq!((starts.due, starts.answered, starts.gate.count), (10, 0, 10));
    assert!(starts.gate.p50_ms >= 399.0, "patience is part of the times: {starts:?}");
    assert!(faults(&report)[0].starts_with("gate no_answer: "), "{:?}", faults(&report));
    assert!(!report.is_whole());
}

#[tokio::test]
async fn a_slow_gate_gets_no_fewer_questions() {
    let gate = Server::start(Manner::Slow(Duration::from_millis(300), "http://127.0.0.1:1".to_owned())).await;
    let report = played(&gate, TEN, &["--resolve-only"]).await;
    let starts = &report.requests[0];
    assert_eq!((starts.due, starts.answered), (10, 10));
    assert!(starts.gate.p50_ms >= 299.0, "{starts:?}");
    // Ten within half a second, although the answers take 0.3 s each.
    let sent: f64 = report.slots.iter().take(1).map(|slot| slot.sent_per_s * report.slot_s).sum();
    assert!(sent >= 9.0, "{sent}");
}

#[tokio::test]
async fn answers_that_are_not_the_film_are_told_apart() {
    let check = async |manner: Manner, expected: &str| {
        let gate = Server::start(manner).await;
        let report = played(&gate, TEN, &[]).await;
        assert!(faults(&report)[0].starts_with(expected), "{expected}: {:?}", faults(&report));
        assert_eq!(report.bytes.read, 0, "{expected}");
    };
    check(Manner::Status(503), "gate status_503: ").await;
    check(Manner::WrongRange, "gate wrong_head: ").await;
    check(Manner::Redirects("nowhere".to_owned()), "gate wrong_head: ").await;
    check(Manner::Redirects("http://127.0.0.1:1".to_owned()), "node connect: ").await;
    check(Manner::HangsUp, "gate closed: ").await;
}

#[tokio::test]
async fn a_film_that_is_streamed_resumes_by_range() {
    let gate = Server::start(Manner::Ends(70_000)).await;
    let report = played(&gate, TEN, &["--max-errors", "100"]).await;
    assert_eq!((faults(&report), ended(&report).as_str()), (vec!["gate short: 10".to_owned()], "whole 10"));
    assert_eq!((report.nodes[0].node.as_str(), report.resumes.healed), ("ams", 10));
}

#[tokio::test]
async fn http2_by_prior_knowledge() {
    let gate = Server::http2().await;
    let report = played(&gate, TEN, &["--http2"]).await;
    assert!(report.is_whole(), "{:?} {:?}", report.complaints, faults(&report));
    assert_eq!((ended(&report).as_str(), report.bytes.checked), ("whole 10", 10 * FILM_BYTES as u64));
    assert_eq!(gate.connections(), 10, "one for each viewer");
    let report = played(&gate, TEN, &["--http2", "--shared-connections"]).await;
    assert_eq!((ended(&report).as_str(), report.bytes.wrong_blocks), ("whole 10", 0));
    assert!(gate.connections() < 20, "{}: shared", gate.connections());
}

#[tokio::test]
async fn a_viewers_connections_are_used_again() {
    let gate = Server::start(Manner::Redirects("http://127.0.0.1:1".to_owned())).await;
    let seeks =
        TEN.replace("asks_again = 1", "asks_again = 1\nacts = { seek = 1 }\nacts_after_s = 0.1\npause_s = 0");
    let report = played(&gate, &seeks, &["--resolve-only"]).await;
    assert!(report.is_whole(), "{:?}", faults(&report));
    assert!(gate.asked() > 100, "{} requests", gate.asked());
    assert_eq!(gate.connections(), 10);
}

#[tokio::test]
async fn seeks_and_pauses_read_what_they_should() {
    let node = Server::start(Manner::Film).await;
    let gate = Server::start(Manner::Redirects(node.url())).await;
    let acts = TEN
        .replace("asks_again = 1", "asks_again = 0.5\nacts = { seek = 4, pause = 1, abandon = 0.2 }\nacts_after_s = 0.05\npause_s = 0.05")
        .replace("buffer_s = 10", "buffer_s = 0.001")
        .replace("100_000", "400");
    let report = played(&gate, &acts, &[]).await;
    assert!(report.is_whole(), "{:?} {:?}", report.complaints, faults(&report));
    assert!(report.requests.iter().any(|row| row.kind == tally::Kind::Seek && row.answered > 10));
    assert!(report.bytes.checked_share > 0.1, "{:?}", report.bytes);
}

#[tokio::test]
async fn who_finds_no_room_is_counted() {
    let gate = Server::start(Manner::Silent).await;
    let report = played(&gate, TEN, &["--max-viewers", "4"]).await;
    assert_eq!((report.viewers.came, report.viewers.not_started, report.viewers.at_once_max), (4, 6, 4));
    assert!(faults(&report).contains(&"bench not_started: 6".to_owned()) && !report.is_whole());
}

#[test]
fn targets_have_a_prefix() {
    let check =
        |url: &str, expected: Option<&str>| assert_eq!(target(url).ok().as_deref(), expected, "{url}");
    check("http://gate:8080", Some("http://gate:8080/watch/"));
    check("https://gate/", Some("https://gate/watch/"));
    check("http://[::1]:80/films", Some("http://[::1]:80/films/"));
    check("http://gate/watch/?x", None);
    check("ftp://gate", None);
    check("gate", None);
}

#[tokio::test]
async fn a_list_is_made_from_files_and_through_a_gate() {
    let folder = tempfile::tempdir().unwrap();
    let uuid = "3d825f60-9fff-4dfe-b294-1a45fa1e115d";
    let file = folder.path().join(format!("{uuid}.mp4"));
    std::fs::write(&file, film()).unwrap();
    let node = Server::start(Manner::Film).await;
    let gate = Server::start(Manner::Redirects(node.url())).await;
    let made = async |name: &str, words: &[&str]| {
        let into = folder.path().join(name);
        let into = into.to_str().unwrap().to_owned();
        let line = [&["load", "manifest", "--into", &into], words].concat();
        let line: Vec<String> = line.iter().map(|word| (*word).to_owned()).collect();
        let run = move || run(&Line::parse_from(line).args).unwrap().text;
        let list = tokio::task::spawn_blocking(run).await.unwrap();
        let films = films::read(Path::new(&list)).unwrap();
        (films[0].uuid.clone(), films[0].size, films[0].blocks.as_ref().unwrap().text())
    };
    let from_file = made("files", &[file.to_str().unwrap()]).await;
    let through_gate = made("gate", &["--url", &gate.url(), uuid]).await;
    assert_eq!(from_file, through_gate);
    assert_eq!((from_file.0.as_str(), from_file.1), (uuid, FILM_BYTES as u64));
}
