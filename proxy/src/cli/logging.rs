//! Where the process's own words go: stderr, as text or JSON, from the level that is configured.
//!
//! `RUST_LOG`, where it is set, takes the place of the level whole. Other crates are heard from warnings up, and
//! Pingora from errors up: a viewer's bad header or early leave must not fill a log. Absent on purpose: access
//! lines (`access_log`), files and rotation.

use std::io;
use std::panic;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;
use watchgate_config::{Level, Log, LogFormat};

use super::Failure;
use super::terminal::Paint;

/// Takes the place of `log.level`.
const VARIABLE: &str = "RUST_LOG";

/// Starts logging, for the whole process, and logs panics as errors.
///
/// # Errors
/// Somebody has set up logging before.
pub(crate) fn start(log: &Log, paint: Paint) -> Result<(), Failure> {
    let wish = std::env::var(VARIABLE).ok().filter(|wish| !wish.is_empty());
    let (filter, bad_wish) = filter(log.level, wish.as_deref());
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    let started = match log.format {
        LogFormat::Text => lines.with_ansi(paint == Paint::Colour).finish().try_init(),
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .finish()
            .try_init(),
    };
    started.map_err(|error| Failure::Other(format!("cannot start logging: {error}")))?;
    panic::set_hook(Box::new(tell_panic));
    if let Some(fault) = bad_wish {
        tracing::warn!("{VARIABLE} is not understood and not used: {fault}");
    }
    Ok(())
}

/// What is let through; and what is wrong with the wish, if it is.
fn filter(level: Level, wish: Option<&str>) -> (EnvFilter, Option<String>) {
    let ours = || EnvFilter::new(directives(level));
    match wish.map(EnvFilter::try_new) {
        None => (ours(), None),
        Some(Ok(filter)) => (filter, None),
        Some(Err(fault)) => (ours(), Some(fault.to_string())),
    }
}

fn directives(level: Level) -> String {
    let others = if level == Level::Error { Level::Error } else { Level::Warn };
    // Pingora logs a viewer that leaves as an error of `pingora_proxy`; `front` says what matters itself.
    format!("{others},pingora_core=error,pingora_proxy=off,watchgate={level}")
}

/// A panic ends one task, not the process: without this line nobody would know.
fn tell_panic(panic: &panic::PanicHookInfo<'_>) {
    let payload = panic.payload();
    let message = payload.downcast_ref::<&str>().copied();
    let message =
        message.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message");
    let at = panic.location().map(ToString::to_string).unwrap_or_default();
    let backtrace = std::backtrace::Backtrace::capture();
    if backtrace.status() == std::backtrace::BacktraceStatus::Captured {
        tracing::error!(at, %backtrace, "a panic, please report it: {message}");
    } else {
        tracing::error!(at, "a panic, please report it: {message}");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What of these events is let through, by their messages.
    fn heard(level: Level, wish: Option<&str>) -> String {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&lines);
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(filter(level, wish).0)
            .with_writer(move || Sink(Arc::clone(&writer)))
            .without_time()
            .with_level(false)
            .with_target(false)
            .with_ansi(false)
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!(target: "watchgate::gate", "our-error");
            tracing::warn!(target: "watchgate_geoip", "our-warn");
            tracing::info!(target: "watchgate::gate", "our-info");
            tracing::debug!(target: "watchgate", "our-debug");
            tracing::error!(target: "hyper::proto", "their-error");
            tracing::warn!(target: "hyper", "their-warn");
            tracing::info!(target: "hyper", "their-info");
            tracing::error!(target: "pingora_core::apps", "core-error");
            tracing::warn!(target: "pingora_core::apps", "core-warn");
            tracing::error!(target: "pingora_proxy", "proxy-error");
        });
        let text = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn levels() {
        assert_eq!(heard(Level::Error, None), "our-error their-error core-error");
        assert_eq!(heard(Level::Warn, None), "our-error our-warn their-error their-warn core-error");
        assert_eq!(heard(Level::Info, None), "our-error our-warn our-info their-error their-warn core-error");
        assert_eq!(
            heard(Level::Debug, None),
            "our-error our-warn our-info our-debug their-error their-warn core-error"
        );
    }

    #[test]
    fn the_variable_takes_the_place_of_the_level() {
        assert_eq!(heard(Level::Info, Some("off,pingora_proxy=error")), "proxy-error");
        assert_eq!(heard(Level::Error, Some("watchgate=verbose")), heard(Level::Error, None));
        assert!(filter(Level::Error, Some("watchgate=verbose")).1.is_some());
    }
}
