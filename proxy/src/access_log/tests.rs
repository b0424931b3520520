use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::mpsc;

use serde_json::Value;

use super::*;

const WAIT: Duration = Duration::from_secs(10);

fn line() -> Line<'static> {
    Line {
        time_unix_ms: 1_795_424_403_007,
        request_id: "r-1",
        client: Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7))),
        method: "GET",
        path: b"/watch/0b9ab1a5-29d9-4f2d-9d5a-0f1e2d3c4b5a",
        status: 302,
        body_bytes: 0,
        duration_us: 1023,
        film: Film::parse(b"0b9ab1a5-29d9-4f2d-9d5a-0f1e2d3c4b5a"),
        mode: Some("redirect"),
        outcome: "redirect",
        reason: "nearest",
        node: Some("msk"),
        route: None,
        upstream: None,
        passage: None,
    }
}

fn drawn(format: LogFormat, line: &Line<'_>) -> String {
    let mut text = String::new();
    pen::draw(&mut text, format, line);
    assert!(text.len() <= pen::LONGEST_BYTES, "{} bytes", text.len());
    text
}

#[test]
fn a_whole_line_in_both_forms() {
    assert_eq!(
        drawn(LogFormat::Json, &line()),
        concat!(
            r#"{"time":"2026-11-23T09:00:03.007Z","request_id":"r-1","client.address":"192.0.2.7","#,
            r#""http.request.method":"GET","url.path":"/watch/0b9ab1a5-29d9-4f2d-9d5a-0f1e2d3c4b5a","#,
            r#""http.response.status_code":302,"http.response.body.size":0,"duration_ms":1.023,"#,
            r#""watchgate.film":"0b9ab1a5-29d9-4f2d-9d5a-0f1e2d3c4b5a","watchgate.mode":"redirect","#,
            r#""watchgate.outcome":"redirect","watchgate.reason":"nearest","watchgate.node":"msk"}"#,
            "\n"
        )
    );
    assert_eq!(
        drawn(LogFormat::Text, &line()),
        "time=2026-11-23T09:00:03.007Z request_id=r-1 client.address=192.0.2.7 http.request.method=GET \
         url.path=/watch/0b9ab1a5-29d9-4f2d-9d5a-0f1e2d3c4b5a http.response.status_code=302 \
         http.response.body.size=0 duration_ms=1.023 watchgate.film=0b9ab1a5-29d9-4f2d-9d5a-0f1e2d3c4b5a \
         watchgate.mode=redirect watchgate.outcome=redirect watchgate.reason=nearest watchgate.node=msk\n"
    );
}

#[test]
fn a_request_that_was_passed_on_names_its_route_and_its_server() {
    let (route, upstream) = (Some("/api/"), Some("http://api:8000"));
    let line = Line {
        film: None,
        mode: None,
        node: None,
        outcome: "routed",
        reason: "ok",
        route,
        upstream,
        ..line()
    };
    let json = drawn(LogFormat::Json, &line);
    let end = r#""watchgate.outcome":"routed","watchgate.reason":"ok","watchgate.route":"/api/","watchgate.upstream":"http://api:8000"}"#;
    assert!(json.ends_with(&format!("{end}\n")), "{json}");
}

#[test]
fn what_is_not_known_is_left_out() {
    let bare = Line { client: None, film: None, mode: None, node: None, duration_us: 0, ..line() };
    let text = drawn(LogFormat::Json, &bare);
    let object: Value = serde_json::from_str(&text).unwrap();
    let keys: BTreeSet<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    assert!(
        keys.is_disjoint(&BTreeSet::from(["client.address", "watchgate.film", "watchgate.mode"])),
        "{text}"
    );
    assert_eq!(object["duration_ms"], 0.0);
}

/// The path as a JSON parser reads it back, and as the text form shows it.
#[track_caller]
fn check_path(path: &[u8], json: &str, text: &str) {
    let line = Line { path, ..line() };
    let object: Value = serde_json::from_str(&drawn(LogFormat::Json, &line)).unwrap();
    assert_eq!(object["url.path"], json);
    let drawn = drawn(LogFormat::Text, &line);
    assert!(drawn.contains(&format!(" url.path={text} http.")), "{drawn}");
    assert!(drawn.trim_end_matches('\n').bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{drawn:?}");
}

#[test]
fn paths_of_strangers() {
    check_path(b"/a b", "/a b", r#""/a b""#);
    check_path(b"", "", r#""""#);
    check_path(b"/x?X-Amz-Signature=1", "/x", "/x");
    check_path(b"/\"\\", "/\"\\", r#""/\"\\""#);
    check_path(b"/a=b", "/a=b", r#""/a=b""#);
    check_path(b"/\n\x1b[2J\x00\x7f", "/\n\u{1b}[2J\0\u{7f}", r#""/\u000a\u001b[2J\u0000\u007f""#);
    check_path(
        "/\u{9b}\u{202e}\u{1f3ac}".as_bytes(),
        "/\u{9b}\u{202e}\u{1f3ac}",
        r#""/\u009b\u202e\ud83c\udfac""#,
    );
    check_path(b"/\xff\xc3/\xf0\x9f", "/\u{fffd}\u{fffd}/\u{fffd}", r#""/\ufffd\ufffd/\ufffd""#);
    let long = "x".repeat(300);
    check_path(long.as_bytes(), &format!("{}\u{2026}", &long[..256]), &format!("{}...", &long[..256]));
}

#[test]
fn addresses_times_and_numbers() {
    let check = |line: &Line<'_>, want: &str| {
        let text = drawn(LogFormat::Text, line);
        assert!(text.contains(want), "{text}");
    };
    check(&Line { client: Some(Ipv6Addr::LOCALHOST.into()), ..line() }, " client.address=::1 ");
    check(
        &Line { client: Some(Ipv4Addr::new(255, 0, 10, 1).into()), ..line() },
        " client.address=255.0.10.1 ",
    );
    check(&Line { time_unix_ms: 0, ..line() }, "time=1970-01-01T00:00:00.000Z ");
    check(&Line { time_unix_ms: u64::MAX, ..line() }, "time=1970-01-01T00:00:00.000Z ");
    check(&Line { body_bytes: u64::MAX, ..line() }, " http.response.body.size=18446744073709551615 ");
    check(&Line { duration_us: u64::MAX, ..line() }, " duration_ms=18446744073709551.615 ");
    check(&Line { method: "\"", ..line() }, r#" http.request.method="\"" "#);
}

/// Hands every write over; blocks in the first one until the test lets go.
struct Gated {
    written: mpsc::Sender<Vec<u8>>,
    entered: mpsc::Sender<()>,
    go: mpsc::Receiver<()>,
}

impl Write for Gated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.entered.send(());
        let _ = self.go.recv();
        let _ = self.written.send(bytes.to_vec());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn many_writers_lose_nothing_that_fits() {
    let kept = Kept::default();
    let log = AccessLog::start(LogFormat::Json, kept.clone()).unwrap();
    thread::scope(|scope| {
        for writer in 0..4 {
            let log = log.clone();
            scope.spawn(move || {
                for number in 0..1000 {
                    let id = format!("{writer}-{number}");
                    log.write(&Line { request_id: &id, ..line() });
                }
            });
        }
    });
    assert!(log.finish(WAIT));
    let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
    let ids: BTreeSet<String> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["request_id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!((ids.len(), log.dropped()), (4000, 0));
}

#[test]
fn a_full_queue_drops_and_counts_and_never_waits() {
    let (written, lines) = mpsc::channel();
    let (entered, is_stuck) = mpsc::channel();
    let (let_go, go) = mpsc::channel();
    let log = AccessLog::start(LogFormat::Text, Gated { written, entered, go }).unwrap();
    let registry = Registry::new();
    log.register(&registry).unwrap();
    log.write(&line());
    is_stuck.recv_timeout(WAIT).unwrap();

    for _ in 0..QUEUE_LINES + 5 {
        log.write(&line());
    }

    assert_eq!(log.dropped(), 5);
    assert_eq!(registry.gather()[0].name(), "watchgate_access_lines_dropped_total");
    assert!(!log.finish(Duration::from_millis(1)), "a stuck output must not hold up the end");
    drop(let_go);
    assert!(log.finish(WAIT));
    let count: usize =
        lines.try_iter().map(|bytes| String::from_utf8_lossy(&bytes).matches('\n').count()).sum();
    assert_eq!(count, QUEUE_LINES + 1);
    log.write(&line());
    assert_eq!(log.dropped(), 6, "what comes after the end is counted as well");
}

#[test]
fn a_lone_line_is_written_without_a_second_one() {
    let (written, lines) = mpsc::channel();
    let (entered, _is_stuck) = mpsc::channel();
    let (let_go, go) = mpsc::channel();
    drop(let_go);
    let log = AccessLog::start(LogFormat::Text, Gated { written, entered, go }).unwrap();
    for number in 0..3 {
        let id = number.to_string();
        log.write(&Line { request_id: &id, ..line() });
        let got = String::from_utf8(lines.recv_timeout(WAIT).unwrap()).unwrap();
        assert!(got.contains(&format!("request_id={number} ")), "{got}");
    }
}

#[test]
fn a_broken_output_is_counted_and_ends_nothing() {
    struct Broken;
    impl Write for Broken {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let log = AccessLog::start(LogFormat::Text, Broken).unwrap();
    log.write(&line());
    log.write(&line());
    assert!(log.finish(WAIT));
    assert_eq!(log.dropped(), 2);
}

#[test]
fn the_thread_ends_with_the_last_handle() {
    struct Told(mpsc::Sender<()>);
    impl Write for Told {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    impl Drop for Told {
        fn drop(&mut self) {
            let _ = self.0.send(());
        }
    }
    let (told, ended) = mpsc::channel();
    let log = AccessLog::start(LogFormat::Text, Told(told)).unwrap();
    drop(log.clone());
    log.write(&line());
    assert!(ended.try_recv().is_err(), "one handle is left");
    drop(log);
    ended.recv_timeout(WAIT).unwrap();
}
