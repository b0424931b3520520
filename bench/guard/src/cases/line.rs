//! The access line, as a request leaves it, and a writer that does not disturb the count.
//!
//! In a gate at work a line is written into a string that the writer gave back, and finds the writer awake. Here it is
//! held so: awake, in the middle of a write.

use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use watchgate::access_log::{AccessLog, Line};
use watchgate::config::LogFormat;
use watchgate::decide::watch::Film;

use super::fleet::{FILM, NOW_S};
use crate::count::{Count, ROUNDS};

pub(super) fn access_line(count: &mut Count) {
    let (log, _writer) = log();
    let path = path();
    count.each(|turn| log.write(&line(&path, turn as u64)));
}

/// A write that has not come by then never will.
const WRITE_MAX: Duration = Duration::from_mins(1);

/// The writer's end: it is held for as long as this lives.
pub(super) struct Writer {
    lines: Receiver<usize>,
    go_on: Sender<()>,
}

/// A log with strings for as many lines as are counted, whose writer is held.
pub(super) fn log() -> (AccessLog, Writer) {
    let ((lines_to, lines), (go_on, go_on_from)) = (channel(), channel());
    let log =
        AccessLog::start(LogFormat::Json, Held { lines: lines_to, go_on: go_on_from }).expect("a thread");
    let writer = Writer { lines, go_on };
    let path = path();
    // No string comes back while the writer is held with the first line: every other line makes one.
    log.write(&line(&path, 0));
    writer.hold_after(1);
    let turns = 2 * ROUNDS;
    (0..turns).for_each(|turn| log.write(&line(&path, turn as u64)));
    writer.let_go();
    writer.hold_after(turns);
    (log, writer)
}

impl Writer {
    fn hold_after(&self, lines: usize) {
        let mut seen = 0;
        loop {
            seen += self.lines.recv_timeout(WRITE_MAX).expect("a writer at work");
            if seen >= lines {
                return;
            }
            self.let_go();
        }
    }

    fn let_go(&self) {
        self.go_on.send(()).expect("a writer at work");
    }
}

/// Tells of every write, and waits in it.
struct Held {
    lines: Sender<usize>,
    go_on: Receiver<()>,
}

impl Write for Held {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Without the other end nobody waits for these lines, and nothing is waited for.
        let _ = self.lines.send(bytes.split(|byte| *byte == b'\n').count() - 1);
        let _ = self.go_on.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn path() -> String {
    format!("/watch/{}", Film::from_bytes(FILM))
}

fn line(path: &str, later_ms: u64) -> Line<'_> {
    Line {
        time_unix_ms: NOW_S * 1000 + later_ms,
        request_id: "4bf92f3577b34da6a3ce929d0e0e4736",
        client: Some(IpAddr::from([203, 0, 113, 7])),
        method: "GET",
        path: path.as_bytes(),
        status: 302,
        body_bytes: 0,
        duration_us: 57,
        film: Some(Film::from_bytes(FILM)),
        mode: Some("redirect"),
        outcome: "redirect",
        reason: "nearest",
        node: Some("n1"),
        route: None,
        upstream: None,
        passage: None,
    }
}
