//! `watchgate run` as a process: exit codes, signals, and what it says where.
//!
//! One process a test, every port free; its own binary, because signals and limits are of a process as a whole.

#![allow(missing_docs, clippy::unwrap_used)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

const WAIT: Duration = Duration::from_secs(30);
const FILM: &str = "/watch/0b9ab1a5-29d9-4f2d-9d5a-0f1e2d3c4b5a";

fn config(listen: &str, more: &str) -> String {
    format!(
        "[listen]\n{listen}\n[log]\nformat = \"json\"\n[bucket]\nname = \"movies\"\n[[node]]\nid = \"msk\"\n\
         endpoint = \"http://127.0.0.1:1\"\nat = {{ lat = 55.75, lon = 37.62 }}\naccess_key = \"gate\"\n\
         secret_key = \"not-so-secret\"\n{more}"
    )
}

const EVENTS_TOKEN: &str = "told-by-the-nodes-1";
const FREE: &str = "http = [\"127.0.0.1:0\", \"127.0.0.2:0\"]\nadmin = \"127.0.0.1:0\"";

struct Process {
    child: Child,
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    folder: TempDir,
}

/// Starts it, under a limit of open files if one is given.
fn run(config: &str, files_max: Option<u32>) -> Process {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("watchgate.toml");
    fs::write(&path, config).unwrap();
    let limit = files_max.map(|files| format!("ulimit -n {files}; ")).unwrap_or_default();
    let mut child = Command::new("sh")
        .args(["-c", &format!("{limit}exec \"$0\" -c \"$1\" run"), env!("CARGO_BIN_EXE_watchgate")])
        .arg(&path)
        .env_remove("RUST_LOG")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stdout = lines(child.stdout.take().unwrap());
    let stderr = lines(child.stderr.take().unwrap());
    Process { child, stdout, stderr, folder }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        BufReader::new(from).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });
    receiver
}

impl Process {
    /// The next stderr line with this message, and its fields.
    fn says(&self, message: &str) -> Value {
        let deadline = Instant::now() + WAIT;
        loop {
            let line = self.stderr.recv_timeout(deadline.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|_| panic!("never said: {message}"));
            let fields: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
            if fields["message"].as_str().is_some_and(|said| said.contains(message)) {
                return fields;
            }
        }
    }

    fn listens(&self, for_whom: &str) -> SocketAddr {
        self.says(&format!("listening for {for_whom}"))["address"].as_str().unwrap().parse().unwrap()
    }

    /// The configuration becomes this one, as editors and orchestrators do it.
    fn write(&self, config: &str) {
        let aside = self.folder.path().join("aside");
        fs::write(&aside, config).unwrap();
        fs::rename(aside, self.folder.path().join("watchgate.toml")).unwrap();
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(status.unwrap().success());
    }

    fn ended(mut self) -> (ExitStatus, Vec<String>, Vec<String>) {
        let deadline = Instant::now() + WAIT;
        // Both pipes end with the process.
        let read = |from: &Receiver<String>| {
            let mut lines = Vec::new();
            while let Ok(line) = from.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                lines.push(line);
            }
            lines
        };
        let (stdout, stderr) = (read(&self.stdout), read(&self.stderr));
        assert!(Instant::now() < deadline, "still running; it said {stderr:?}");
        (self.child.wait().unwrap(), stdout, stderr)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn connect(at: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&at, WAIT).unwrap();
    stream.set_read_timeout(Some(WAIT)).unwrap();
    stream
}

fn send(stream: &mut TcpStream, path: &str) {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").as_bytes()).unwrap();
}

/// The status of the next answer, without its body.
fn status(stream: &mut TcpStream) -> u16 {
    let mut head = [0; 12];
    stream.read_exact(&mut head).unwrap();
    std::str::from_utf8(&head[9..]).unwrap().parse().unwrap()
}

fn get(at: SocketAddr, path: &str) -> u16 {
    let mut stream = connect(at);
    send(&mut stream, path);
    status(&mut stream)
}

/// The whole answer of the operator's side.
fn read(at: SocketAddr, path: &str) -> String {
    let mut stream = connect(at);
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn it_serves_says_where_and_ends_cleanly() {
    let process = run(&config(FREE, ""), None);
    let viewers = [process.listens("viewers"), process.listens("viewers")];
    let operators = process.listens("operators");
    assert_eq!(viewers.map(|at| get(at, FILM)), [302, 302]);
    assert_eq!(get(viewers[0], "/elsewhere"), 404);
    assert_eq!(get(operators, "/livez"), 200);
    let metrics = read(operators, "/metrics");
    for family in [
        concat!("watchgate_build_info{revision=\"unknown\",version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        "watchgate_config_last_success_timestamp_seconds 1",
        "watchgate_viewer_connections ",
        "watchgate_access_lines_dropped_total 0",
    ] {
        assert!(metrics.contains(family), "no {family} in\n{metrics}");
    }
    let mut idle = connect(viewers[0]);
    send(&mut idle, FILM);
    assert_eq!(status(&mut idle), 302);

    process.signal("TERM");

    assert_eq!(process.says("stopping")["by"], "SIGTERM");
    let (exit, stdout, _) = process.ended();
    assert_eq!(exit.code(), Some(0));
    let mut statuses: Vec<u64> = stdout
        .iter()
        .map(|line| {
            serde_json::from_str::<Value>(line).expect("an access line")["http.response.status_code"].clone()
        })
        .map(|status| status.as_u64().unwrap())
        .collect();
    // A line is written after its answer: the next connection's may come before it.
    statuses.sort_unstable();
    assert_eq!(statuses, [302, 302, 302, 404]);
}

#[test]
fn a_taken_port_is_told_with_its_key() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap();
    for (listen, key) in [
        (format!("http = [\"127.0.0.1:0\", \"{at}\"]\nadmin = \"127.0.0.1:0\""), "listen.http[1]"),
        (format!("http = \"{at}\"\nadmin = \"127.0.0.1:0\""), "listen.http"),
        (format!("http = \"127.0.0.1:0\"\nadmin = \"{at}\""), "listen.admin"),
        (format!("{FREE}\nevents = \"{at}\""), "listen.events"),
    ] {
        let (_folder, presence) = events_token();
        let (exit, _, stderr) = run(&config(&listen, &presence), None).ended();
        assert_eq!(exit.code(), Some(1), "{stderr:?}");
        let said = format!("{key}: cannot listen on {at}: ");
        assert!(stderr.iter().any(|line| line.contains(&said)), "no {said:?} in {stderr:?}");
    }
}

/// A token in a file, and the table that names it.
fn events_token() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, format!("{EVENTS_TOKEN}\n")).unwrap();
    let table = format!("[presence]\nevents_token_file = \"{}\"\n", file.display());
    (folder, table)
}

/// The status of a webhook without records.
fn tell(at: SocketAddr) -> u16 {
    let mut stream = connect(at);
    let body = "{\"Records\":[]}";
    let head = format!(
        "POST /api/v1/events HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer {EVENTS_TOKEN}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    status(&mut stream)
}

#[test]
fn bucket_events_come_to_the_admin_listener_or_to_their_own() {
    let (_folder, presence) = events_token();
    let shared = run(&config(FREE, &presence), None);
    assert_eq!(tell(shared.listens("operators")), 204);
    shared.signal("TERM");
    assert_eq!(shared.ended().0.code(), Some(0));

    let apart = run(&config(&format!("{FREE}\nevents = \"127.0.0.1:0\""), &presence), None);
    let (operators, events) = (apart.listens("operators"), apart.listens("bucket events"));
    assert_eq!((tell(operators), tell(events)), (404, 204));
    assert_eq!(get(events, "/livez"), 404, "nothing else is there");
    apart.signal("TERM");
    let (exit, _, stderr) = apart.ended();
    assert_eq!(exit.code(), Some(0));
    assert!(!stderr.iter().any(|line| line.contains(EVENTS_TOKEN)), "{stderr:?}");
}

#[test]
fn a_bad_database_is_a_fault_of_the_configuration() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("cities.mmdb");
    fs::write(&path, "no database").unwrap();
    let (exit, _, stderr) = run(&config(FREE, &geoip(&path)), None).ended();
    assert_eq!(exit.code(), Some(78), "{stderr:?}");
    assert!(stderr.iter().any(|line| line.contains("cities.mmdb")), "{stderr:?}");
}

#[test]
fn what_is_not_as_by_default_is_told_at_the_start() {
    let folder = TempDir::new().unwrap();
    let [films, token] = ["films.csv", "token"].map(|name| folder.path().join(name));
    fs::write(&films, "uuid,key\n0b9ab1a5-29d9-4f2d-9d5a-0f1e2d3c4b5a,a.mp4\n").unwrap();
    fs::write(&token, "a-token-of-the-nodes").unwrap();
    let more = format!(
        "[catalog]\nfile = \"{}\"\n[presence]\nenabled = false\nevents_token_file = \"{}\"\n",
        films.display(),
        token.display()
    );
    let process = run(&config(FREE, &more), None);
    let list = process.says("object keys come from a list");
    assert_eq!((&list["films"], list["path"].as_str()), (&1.into(), films.to_str()));
    process.says("presence is off");
    let operators = process.listens("operators");
    assert_eq!(process.listens("bucket events, too"), operators);
    process.signal("TERM");
    let (exit, _, stderr) = process.ended();
    assert_eq!(exit.code(), Some(0), "{stderr:?}");
}

fn geoip(database: &Path) -> String {
    format!("[geoip]\ndatabases = [\"{}\"]\n", database.display())
}

#[test]
fn a_viewer_that_is_still_asking_does_not_hold_up_the_end() {
    let process = run(&config(FREE, ""), None);
    let mut slow = connect(process.listens("viewers"));
    slow.write_all(format!("GET {FILM} HTTP/1.1\r\nHo").as_bytes()).unwrap();
    process.signal("INT");
    assert_eq!(process.says("stopping")["by"], "SIGINT");
    assert_eq!(process.ended().0.code(), Some(0));
}

#[test]
fn a_small_file_table_makes_viewers_wait_and_breaks_nothing() {
    let process = run(&config(FREE, ""), Some(64));
    let told = process.says("listening for viewers");
    let viewers: SocketAddr = told["address"].as_str().unwrap().parse().unwrap();
    assert_eq!(told["viewers_max"], 16);
    let mut waiting: Vec<TcpStream> = (0..100).map(|_| connect(viewers)).collect();
    process.says("every place is taken");
    let mut last = connect(viewers);
    send(&mut last, FILM);
    waiting.clear();
    assert_eq!(status(&mut last), 302);
    process.signal("TERM");
    assert_eq!(process.ended().0.code(), Some(0));
}

const READ_AGAIN: &str = "the configuration was read again";
const NOT_TAKEN: &str = "the configuration was not taken, and all is as before";

/// Nobody listens at this one either, and the gate tells the two apart by their names.
const SECOND: &str = "[[node]]\nid = \"lon\"\nendpoint = \"http://127.0.0.1:1\"\nat = { lat = 51.5, lon = -0.1 }\n\
                      access_key = \"gate\"\nsecret_key = \"not-so-secret\"\n";

/// What the operator's side says to a POST: status and body.
fn post(at: SocketAddr, path: &str) -> (u16, Value) {
    let mut stream = connect(at);
    let request = format!("POST {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head[9..12].parse().unwrap(), serde_json::from_str(body).unwrap())
}

#[test]
fn sighup_reads_the_configuration_again_and_a_bad_one_changes_nothing() {
    let process = run(&config(FREE, ""), None);
    let viewers = process.listens("viewers");
    let operators = process.listens("operators");
    process.write(&config(FREE, SECOND));
    process.signal("HUP");
    assert_eq!(process.says(READ_AGAIN)["added"], "lon");
    assert!(read(operators, "/api/v1/nodes/lon").contains("\"id\":\"lon\""));

    process.write(&config(FREE, "[health]\ninterval = \"often\"\n[nodes]\n"));
    process.signal("HUP");
    let said = process.says(NOT_TAKEN)["message"].as_str().unwrap().to_owned();
    // All faults at once, with their lines, as `check` tells them.
    assert!(
        said.contains("2 faults") && said.contains("interval") && said.contains("nodes: unknown key"),
        "{said}"
    );
    assert!(!said.contains("not-so-secret"), "{said}");
    assert!(read(operators, "/api/v1/nodes/lon").contains("\"id\":\"lon\""), "as before");
    let metrics = read(operators, "/metrics");
    for line in ["{result=\"ok\"} 1", "{result=\"failed\"} 1"] {
        assert!(metrics.contains(&format!("watchgate_config_reloads_total{line}\n")), "{line} in {metrics}");
    }
    assert_eq!(get(viewers, FILM), 302, "and it lives: while every node is down, the nearest one anyway");
}

#[test]
fn a_change_of_a_file_is_noticed_and_so_is_one_of_a_secret() {
    let folder = TempDir::new().unwrap();
    let secret = folder.path().join("lon.secret");
    fs::write(&secret, "not-so-secret").unwrap();
    let second = SECOND
        .replace("secret_key = \"not-so-secret\"", &format!("secret_key_file = \"{}\"", secret.display()));
    let process = run(&config(FREE, ""), None);
    process.listens("operators");
    process.write(&config(FREE, &second));
    let said = process.says(READ_AGAIN);
    assert_eq!((&said["by"], &said["added"]), (&"a change of its files".into(), &"lon".into()));
    fs::write(&secret, "another secret").unwrap();
    assert_eq!(process.says(READ_AGAIN)["changed"], "lon");
}

#[test]
fn the_operator_reloads_and_is_told_what_came_of_it() {
    let process = run(&config(FREE, ""), None);
    let operators = process.listens("operators");
    process.write(&config(FREE, &format!("[watch]\nprefix = \"/films/\"\n{SECOND}")));
    let (status, said) = post(operators, "/api/v1/reload");
    assert_eq!(status, 200, "{said}");
    assert_eq!((&said["added"][0], &said["restart"][0]), (&"lon".into(), &"watch.prefix".into()));
    assert_eq!(said["unwell"][0]["node"], "lon");
    process.write("[bucket\n");
    let (status, said) = post(operators, "/api/v1/reload");
    assert_eq!((status, &said["title"]), (422, &"Unprocessable Entity".into()));
    assert!(said["detail"].as_str().unwrap().contains("watchgate.toml"), "{said}");
}
