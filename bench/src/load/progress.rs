//! What is seen while a run goes on: a bar on a terminal, a line now and then otherwise.
//!
//! Absent on purpose: anything on stdout, which is for the report.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::tally::{Counts, Kind};
use crate::say;

/// Between two looks on a terminal.
pub(super) const LOOK: Duration = Duration::from_millis(200);
/// Between two lines where there is none.
const LINE: Duration = Duration::from_secs(10);

/// Tells how far a run is.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    line_due: Instant,
    lasts: Duration,
}

impl Progress {
    pub(super) fn new(lasts: Duration) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let ticks = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX);
            let bar = ProgressBar::with_draw_target(Some(ticks), ProgressDrawTarget::stderr_with_hz(5));
            // A template that cannot be read would be a plain bar.
            let style = ProgressStyle::with_template("{prefix:>9} [{bar:30}] {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
            bar
        });
        Self { bar, line_due: Instant::now() + LINE, lasts }
    }

    /// Shows what has been counted so far.
    pub(super) fn look(&mut self, passed: Duration, counts: &Counts) {
        let now = Instant::now();
        if let Some(bar) = &self.bar {
            bar.set_position(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX));
            bar.set_prefix(format!("{:.0}/{:.0} s", passed.as_secs_f64(), self.lasts.as_secs_f64()));
            bar.set_message(line(counts));
        } else if now >= self.line_due {
            self.line_due = now + LINE;
            say(&format!(
                "{:.0} of {:.0} s: {}",
                passed.as_secs_f64(),
                self.lasts.as_secs_f64(),
                line(counts)
            ));
        }
    }

    /// The run is over.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn line(counts: &Counts) -> String {
    let answered: u64 = counts.kinds.values().map(|requests| requests.answered).sum();
    let errors: u64 =
        counts.faults.iter().filter(|((_, cause), _)| cause.is_error()).map(|(_, count)| count).sum();
    let p99 = counts
        .kinds
        .get(&Kind::Start)
        .map_or(0.0, |starts| starts.gate_us.value_at_quantile(0.99) as f64 / 1e3);
    format!(
        "{} viewers, {answered} answers, p99 {p99:.1} ms, {:.1} MiB, {errors} errors",
        counts.at_once,
        counts.read as f64 / 1_048_576.0
    )
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::tally;
    use super::*;

    #[test]
    fn a_line_tells_what_matters() {
        let told = line(&tally().counts);
        assert!(
            told.starts_with("0 viewers, 100 answers, p99 99.") && told.ends_with("0.1 MiB, 4 errors"),
            "{told}"
        );
    }
}
