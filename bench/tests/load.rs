//! `load` as a process: what a user sees on the terminal, in files and as exit status.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers, too")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A gate that redirects everything, or refuses it.
fn gate(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(1..) = stream.read(&mut buffer) {
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

fn start(folder: &Path, gate: SocketAddr, words: &[&str]) -> Child {
    let films = folder.join("films.csv");
    std::fs::write(&films, "uuid,size\n3d825f60-9fff-4dfe-b294-1a45fa1e115d,1000\n").unwrap();
    Command::new(env!("CARGO_BIN_EXE_watchgate-bench"))
        .args(["load", "--resolve-only", "--target", &format!("http://{gate}"), "--films"])
        .arg(films)
        .args(words)
        .arg("--report")
        .arg(folder.join("report.html"))
        .arg("--save")
        .arg(folder.join("report.json"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for its end, at most half a minute; says the exit status and what it wrote to stdout.
fn ended(mut child: Child) -> (Option<i32>, String) {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_secs(30) {
            child.kill().unwrap();
        }
        std::thread::yield_now();
    }
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

fn saved(folder: &Path) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join("report.json")).unwrap()).unwrap()
}

const FOUND: &str = "HTTP/1.1 302 Found\r\nLocation: http://node.example/film\r\nContent-Length: 0\r\n\r\n";
const REFUSED: &str = "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n";

#[test]
fn ctrl_c_ends_it_with_its_report() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = start(folder.path(), gate(FOUND), &["--duration", "1h", "--scenario", "premiere"]);
    // It says so when the clock runs.
    let talk = BufReader::new(child.stderr.take().unwrap());
    let begun = talk.lines().map_while(Result::ok).find(|line| line.contains("3600 s against"));
    assert!(begun.is_some());
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGINT).unwrap();
    let (status, table) = ended(child);
    assert!(table.contains("stopped early"), "{table}");
    let report = saved(folder.path());
    assert_eq!(report["set_up"]["stopped_early"], true);
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(page.contains("stopped early") && page.ends_with("</html>\n"));
    // Whether anybody had come by then is chance; a run that nobody came to has failed.
    let came = report["requests"].as_array().is_some_and(|requests| !requests.is_empty());
    assert_eq!(status, Some(i32::from(!came)), "{table}");
}

#[test]
fn the_exit_status_says_whether_all_was_well() {
    for (answer, expected) in [(FOUND, 0), (REFUSED, 1)] {
        let folder = tempfile::tempdir().unwrap();
        let words = ["--duration", "1", "--scenario", "clicks", "--scale", "0.05", "--json"];
        let (status, json) = ended(start(folder.path(), gate(answer), &words));
        let report: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(status, Some(expected), "{json}");
        assert_eq!(report["complaints"], saved(folder.path())["complaints"]);
        assert_eq!(report["viewers"]["came"], 50);
        assert_eq!(report["error_share"].as_f64().unwrap() > 0.0, expected == 1);
    }
}

#[test]
fn what_is_missing_is_said() {
    let told = |words: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_watchgate-bench")).arg("load").args(words).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (status, talk) = told(&[]);
    assert!(status == Some(2) && talk.contains("--target"), "{talk}");
    let (status, talk) = told(&["--target", "http://127.0.0.1:1"]);
    assert!(status == Some(1) && talk.contains("which films? --films FILE"), "{talk}");
    let (status, talk) = told(&["--self-contained", "--scenario", "evening"]);
    assert!(status == Some(1) && talk.contains("neither a file nor a ready-made scenario"), "{talk}");
}
