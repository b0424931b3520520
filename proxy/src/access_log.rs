//! One line per request, in JSON or as `name=value` pairs, under OpenTelemetry's attribute names.
//!
//! A request formats its line into a recycled string and leaves it in a bounded lock-free queue; one thread writes
//! them out in batches. The request never waits: not for the disk, not for the thread, and not for room, because
//! what does not fit is dropped and counted. Query strings are never logged: links carry signatures there.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;
use std::{io, net::IpAddr};

use crossbeam_queue::ArrayQueue;
use prometheus::{IntCounter, Registry};

use crate::config::LogFormat;
use crate::decide::watch::Film;

mod pen;

/// Lines that may wait for the writer: about 3 MiB at the usual length.
const QUEUE_LINES: usize = 8192;
/// Strings kept for reuse; more than these are freed.
const SPARE_STRINGS: usize = 256;
/// As many waiting lines wake the writer: what they fill still lies in the processor's cache.
const WAKE_LINES: usize = 256;
/// How long lines gather into one write while requests keep coming.
const GATHER: Duration = Duration::from_millis(25);
/// Bytes gathered before they are written, whatever else waits.
const BATCH_BYTES: usize = 256 * 1024;

/// What one line says of one request.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// When the request was read, in Unix milliseconds.
    pub time_unix_ms: u64,
    /// The answer's `X-Request-Id`: letters, digits and `._-`.
    pub request_id: &'a str,
    /// The viewer's address, as it is believed.
    pub client: Option<IpAddr>,
    /// The request's method; cut at 32 bytes.
    pub method: &'a str,
    /// The request's path, any bytes; cut at 256, and before a query.
    pub path: &'a [u8],
    /// The answer's status.
    pub status: u16,
    /// Bytes of the answer's body that were sent.
    pub body_bytes: u64,
    /// From the request's head to the answer's end, in microseconds.
    pub duration_us: u64,
    /// The film that was asked for.
    pub film: Option<Film>,
    /// How it was to reach the viewer.
    pub mode: Option<&'static str>,
    /// What became of the request.
    pub outcome: &'static str,
    /// Why.
    pub reason: &'static str,
    /// The node that the viewer got; of several the last.
    pub node: Option<&'a str>,
    /// For a request that is not for a film: the prefix of its route.
    pub route: Option<&'a str>,
    /// The server that it was passed to; of several the last.
    pub upstream: Option<&'a str>,
    /// For a film that was streamed.
    pub passage: Option<&'a Passage>,
}

/// How a film went through the gate.
#[derive(Clone, Debug, Default)]
pub struct Passage {
    /// First and last byte, if not the whole film was sent.
    pub range: Option<(u64, u64)>,
    /// From the request's head to the film's first byte.
    pub first_byte: Option<Duration>,
    /// `FROM>TO@BYTE:REASON` for each node that failed it, parted by blanks.
    pub resumes: String,
}

/// A handle on the log; clones write to the same place. The writer ends with the last of them.
#[derive(Clone, Debug)]
pub struct AccessLog(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    writer: Thread,
}

#[derive(Debug)]
struct Shared {
    format: LogFormat,
    lines: ArrayQueue<String>,
    spares: ArrayQueue<String>,
    rest: AtomicU8,
    closing: AtomicBool,
    dropped: IntCounter,
    finished: Mutex<bool>,
    finish: Condvar,
}

/// At work: it will look at the queue once more before it rests.
const AWAKE: u8 = 0;
/// Lets lines gather; a half full queue wakes it.
const GATHERING: u8 = 1;
/// Found nothing to write; any line wakes it.
const NAPPING: u8 = 2;

impl AccessLog {
    /// Starts the thread that writes to `out`.
    ///
    /// # Errors
    /// The system has no thread left.
    pub fn start(format: LogFormat, out: impl Write + Send + 'static) -> io::Result<Self> {
        let about = "Access lines that were not written.";
        let dropped =
            IntCounter::new("watchgate_access_lines_dropped_total", about).map_err(io::Error::other)?;
        let shared = Arc::new(Shared {
            format,
            lines: ArrayQueue::new(QUEUE_LINES),
            spares: ArrayQueue::new(SPARE_STRINGS),
            rest: AtomicU8::new(AWAKE),
            closing: AtomicBool::new(false),
            dropped,
            finished: Mutex::new(false),
            finish: Condvar::new(),
        });
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new().name("access-log".to_owned()).spawn(move || theirs.run(out))?;
        Ok(Self(Arc::new(Handle { shared, writer: thread.thread().clone() })))
    }

    /// Leaves a line to the writer. Takes no lock, never waits, and usually costs no system call.
    pub fn write(&self, line: &Line<'_>) {
        let shared = &self.0.shared;
        let mut text = shared.spares.pop().unwrap_or_else(|| String::with_capacity(pen::USUAL_BYTES));
        pen::draw(&mut text, shared.format, line);
        if shared.closing.load(Ordering::Relaxed) || shared.lines.push(text).is_err() {
            shared.dropped.inc();
        }
        self.0.wake();
    }

    /// Lines that were not written: the queue was full, the output broken, or the log finished.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.shared.dropped.get()
    }

    /// Shows that number as `watchgate_access_lines_dropped_total`.
    ///
    /// # Errors
    /// The registry has a metric of this name.
    pub fn register(&self, registry: &Registry) -> prometheus::Result<()> {
        registry.register(Box::new(self.0.shared.dropped.clone()))
    }

    /// Writes what waits and ends the log; blocks, but no longer than `wait`. False: time ran out.
    #[must_use]
    pub fn finish(&self, wait: Duration) -> bool {
        let shared = &self.0.shared;
        self.0.close();
        let finished = shared.finished.lock().unwrap_or_else(PoisonError::into_inner);
        let (finished, _) = shared
            .finish
            .wait_timeout_while(finished, wait, |finished| !*finished)
            .unwrap_or_else(PoisonError::into_inner);
        *finished
    }
}

impl Handle {
    fn wake(&self) {
        let shared = &self.shared;
        let rest = shared.rest.load(Ordering::SeqCst);
        let wanted = match rest {
            NAPPING => true,
            GATHERING => shared.lines.len() >= WAKE_LINES,
            _ => false,
        };
        // One of many requests at once wins, and pays for the system call.
        if wanted && shared.rest.compare_exchange(rest, AWAKE, Ordering::SeqCst, Ordering::Relaxed).is_ok() {
            self.writer.unpark();
        }
    }

    fn close(&self) {
        self.shared.closing.store(true, Ordering::SeqCst);
        self.writer.unpark();
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    fn run(&self, mut out: impl Write) {
        let mut sink = Sink { batch: Vec::with_capacity(BATCH_BYTES), lines: 0, broken: false };
        loop {
            // Read before the queue is emptied: lines that came before the end are written.
            let closing = self.closing.load(Ordering::SeqCst);
            let written = self.drain(&mut sink, &mut out);
            if closing {
                break;
            }
            self.rest(if written == 0 { NAPPING } else { GATHERING });
        }
        *self.finished.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.finish.notify_all();
    }

    /// Writes what waits now; returns how many lines that was. Bounded: at most two queues full.
    fn drain(&self, sink: &mut Sink, out: &mut impl Write) -> usize {
        let mut seen = 0;
        while seen < 2 * QUEUE_LINES {
            let Some(mut line) = self.lines.pop() else { break };
            seen += 1;
            sink.lines += 1;
            sink.batch.extend_from_slice(line.as_bytes());
            if line.capacity() <= pen::LONGEST_BYTES {
                line.clear();
                // A full shelf frees the string.
                let _ = self.spares.push(line);
            }
            if sink.batch.len() >= BATCH_BYTES {
                self.flush(sink, out);
            }
        }
        self.flush(sink, out);
        seen
    }

    fn flush(&self, sink: &mut Sink, out: &mut impl Write) {
        if sink.batch.is_empty() {
            return;
        }
        let result = out.write_all(&sink.batch).and_then(|()| out.flush());
        if let Err(error) = &result {
            self.dropped.inc_by(sink.lines);
            if !sink.broken {
                tracing::warn!(%error, "access lines cannot be written");
            }
        }
        sink.broken = result.is_err();
        sink.lines = 0;
        sink.batch.clear();
    }

    fn rest(&self, how: u8) {
        self.rest.store(how, Ordering::SeqCst);
        // A line pushed before the store above woke nobody, but is seen here; one pushed after it wakes, and a wake
        // that comes before the nap ends it at once. The same holds for the end of the log.
        if !self.closing.load(Ordering::SeqCst) {
            match how {
                GATHERING => thread::park_timeout(GATHER),
                _ if self.lines.is_empty() => thread::park(),
                _ => {}
            }
        }
        self.rest.store(AWAKE, Ordering::SeqCst);
    }
}

/// What is gathered for one write.
struct Sink {
    batch: Vec<u8>,
    lines: u64,
    broken: bool,
}

#[cfg(test)]
mod tests;
