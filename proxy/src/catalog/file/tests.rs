//! Files that change, and what becomes of them.

use std::fs;

use prometheus::Registry;
use tempfile::TempDir;

use super::*;

const A: &str = "01234567-89ab-cdef-fedc-ba9876543210";
const B: &str = "ffffffff-ffff-ffff-ffff-ffffffffffff";

struct Case {
    folder: TempDir,
    name: &'static str,
}

impl Case {
    fn new(name: &'static str, text: &str) -> Self {
        let case = Self { folder: tempfile::tempdir().unwrap(), name };
        fs::write(case.path(), text).unwrap();
        case
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join(self.name)
    }

    fn try_open(&self) -> Result<Listed, String> {
        let metrics = FileMetrics::register(&Registry::new()).unwrap();
        let opened = Listed::open(&self.path(), Shape::Object, Clock::start(), metrics);
        opened.map_err(|error| error.to_string().replace(self.folder.path().to_str().unwrap(), ""))
    }

    fn open(&self) -> Listed {
        self.try_open().unwrap()
    }

    /// As editors do.
    fn replace(&self, text: &str) {
        let aside = self.folder.path().join("aside");
        fs::write(&aside, text).unwrap();
        fs::rename(aside, self.path()).unwrap();
    }
}

fn key(listed: &Listed, uuid: &str) -> Option<String> {
    listed.get(&uuid.parse().unwrap(), str::to_owned)
}

#[test]
fn the_ending_says_how_the_rows_are_written() {
    let csv = format!("uuid,key\n{A},a.mp4\n");
    let json = format!("{{\"uuid\":\"{A}\",\"key\":\"a.mp4\"}}\n");
    for (name, text) in [
        ("films.csv", &csv),
        ("films", &csv),
        ("films.jsonl.txt", &csv),
        ("films.jsonl", &json),
        ("FILMS.NDJSON", &json),
    ] {
        let listed = Case::new(name, text).open();
        assert_eq!((key(&listed, A).as_deref(), key(&listed, B)), (Some("a.mp4"), None), "{name}");
        assert_eq!(listed.metrics.rows.get(), 1);
        assert!(listed.metrics.bytes.get() > 0 && listed.metrics.loaded_s.get() > 0);
    }
}

#[test]
fn a_bad_file_says_where() {
    let fault = |name, text: &str| Case::new(name, text).try_open().err().unwrap();
    assert_eq!(
        fault("films.csv", &format!("uuid,key\n{A},../a\nx,b\n")),
        "/films.csv:2: key \"../a\" must not have a segment \"..\"\n\
         /films.csv:3: uuid \"x\" is not 8-4-4-4-12 hexadecimal digits"
    );
    assert_eq!(fault("films.jsonl", "{}"), "/films.jsonl:1: missing field `uuid` (column 2)");
    let case = Case::new("films.csv", "");
    fs::remove_file(case.path()).unwrap();
    assert_eq!(case.try_open().err().unwrap(), "/films.csv: No such file or directory (os error 2)");
}

#[tokio::test]
async fn a_change_is_read_when_it_has_stood_for_a_second_look() {
    let case = Case::new("films.csv", &format!("uuid,key\n{A},old.mp4\n"));
    let listed = case.open();
    let mut watcher = Watcher::new(listed.first);
    for write in [(|case: &Case, text: &str| case.replace(text)) as fn(&Case, &str), |case, text| {
        fs::write(case.path(), text).unwrap();
    }] {
        let before = key(&listed, B);
        let next = format!("next-{}.mp4", listed.metrics.reloaded.get());
        write(&case, &format!("uuid,key\n{B},{next}\n"));
        watcher = listed.look(watcher).await;
        assert_eq!(key(&listed, B), before, "a look is not enough");
        watcher = listed.look(watcher).await;
        assert_eq!((key(&listed, A), key(&listed, B)), (None, Some(next)));
    }
    listed.look(watcher).await;
    assert_eq!((listed.metrics.reloaded.get(), listed.metrics.failed.get()), (2, 0), "not read without need");
}

#[tokio::test]
async fn a_bad_file_changes_nothing_and_is_read_once() {
    let case = Case::new("films.csv", &format!("uuid,key\n{A},good.mp4\n"));
    let listed = case.open();
    let mut watcher = Watcher::new(listed.first);
    let counts = |listed: &Listed| (listed.metrics.reloaded.get(), listed.metrics.failed.get());
    case.replace(&format!("uuid,key\n{A},new.mp4\n{A},twice.mp4\n"));
    for _ in 0..5 {
        watcher = listed.look(watcher).await;
    }
    assert_eq!((key(&listed, A).as_deref(), counts(&listed)), (Some("good.mp4"), (0, 1)));
    fs::remove_file(case.path()).unwrap();
    for _ in 0..5 {
        watcher = listed.look(watcher).await;
    }
    assert_eq!((key(&listed, A).as_deref(), counts(&listed)), (Some("good.mp4"), (0, 2)));
    case.replace(&format!("uuid,key\n{A},repaired.mp4\n"));
    for _ in 0..2 {
        watcher = listed.look(watcher).await;
    }
    assert_eq!((key(&listed, A).as_deref(), counts(&listed)), (Some("repaired.mp4"), (1, 2)));
}

#[tokio::test]
async fn following_ends_with_the_gate() {
    let case = Case::new("films.csv", &format!("uuid,key\n{A},old.mp4\n"));
    let listed = case.open();
    let (stop, shutdown) = watch::channel(false);
    let story = async {
        case.replace(&format!("uuid,key\n{A},new.mp4\n"));
        while key(&listed, A).as_deref() != Some("new.mp4") {
            tokio::task::yield_now().await;
        }
        stop.send_replace(true);
    };
    let both = async { tokio::join!(listed.follow(shutdown), story) };
    tokio::time::timeout(Duration::from_secs(30), both).await.expect("in time");
}

/// By hand: `cargo test -p watchgate --lib --release a_million -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn a_million_rows_are_read_twice() {
    use std::fmt::Write as _;
    use std::io::Write as _;
    let tell = |line: std::fmt::Arguments<'_>| writeln!(std::io::stderr(), "{line}").unwrap();
    let mut text = String::from("uuid,key\n");
    for number in 0..1_000_000_u32 {
        let film = Film::from_bytes((u128::from(number) * 0x9e37_79b9_7f4a_7c15).to_be_bytes());
        writeln!(text, "{film},films/2026/{film}/film.mp4").unwrap();
    }
    let case = Case::new("films.csv", &text);
    drop(text);
    let resident = || {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let lines = status.lines().filter(|line| line.starts_with("VmRSS"));
        lines.collect::<String>()
    };
    tell(format_args!("before: {}", resident()));
    let started = std::time::Instant::now();
    let listed = case.open();
    tell(format_args!("one: {} bytes, {}, {:?}", listed.metrics.bytes.get(), resident(), started.elapsed()));
    let second = read(&case.path(), Shape::Object).unwrap();
    tell(format_args!("two: {} bytes, {}", second.0.bytes() + listed.list.load().bytes(), resident()));
    assert!(second.0.bytes() + listed.list.load().bytes() < 200_000_000);
}
