//! What can be said on the command line of `load`.
//!
//! Absent on purpose: what the values mean.

use std::path::PathBuf;
use std::time::Duration;

use super::manifest;
use crate::run::Common;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(super) sub: Option<Sub>,
    #[command(flatten)]
    pub(super) options: Options,
}

#[derive(Debug, clap::Subcommand)]
pub(super) enum Sub {
    /// Lists the ready-made scenarios, or prints one to begin an own one with
    Scenarios {
        /// Name of a ready-made scenario, or a file to be checked
        name: Option<String>,
    },
    /// Makes the list of films (--films) with hashes of all their blocks
    Manifest(manifest::Args),
}

#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// The gate: `http://HOST` or `https://HOST` (then /watch/UUID), or with another prefix; several share the viewers
    #[arg(
        long,
        value_name = "URL",
        required_unless_present = "self_contained",
        conflicts_with = "self_contained"
    )]
    pub(super) target: Vec<String>,
    /// Starts everything itself: three nodes in different cities with made films, and the gate before them
    #[arg(long)]
    pub(super) self_contained: bool,
    /// With --self-contained: the gate streams instead of redirecting
    #[arg(long, requires = "self_contained")]
    pub(super) stream: bool,
    /// A ready-made scenario (`load scenarios`), or a file
    #[arg(long, value_name = "NAME|FILE", default_value = "prime-time")]
    pub(super) scenario: String,
    /// Presses or stretches the scenario's phases to this time, at most a day; their rates stay (10, 90s, 5m, 1h)
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(super) duration: Option<Duration>,
    /// So many times as many viewers
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = factor)]
    pub(super) scale: f64,
    /// Films, most wanted first: CSV with the columns uuid, size and, optional, blocks (`load manifest` makes it)
    ///
    /// Without blocks nothing is known of a film's bytes: then only lengths and ranges are checked.
    #[arg(long, value_name = "FILE", conflicts_with = "self_contained")]
    pub(super) films: Option<PathBuf>,
    /// A City database (.mmdb) that viewers' addresses are drawn from, the gate's own if possible; without it one is made
    ///
    /// Countries have viewers in proportion to their users of the internet.
    #[arg(long, value_name = "FILE")]
    pub(super) city: Option<PathBuf>,
    /// How the gate is told a viewer's address; it must trust this machine as a proxy
    #[arg(long, value_enum, default_value_t = ViewerHeader::XForwardedFor)]
    pub(super) viewer_header: ViewerHeader,
    /// The gate's configuration file, for names and places of nodes in the report
    #[arg(long, value_name = "FILE", conflicts_with = "self_contained")]
    pub(super) gate_config: Option<PathBuf>,
    /// Asks the gate, and reads no film
    #[arg(long)]
    pub(super) resolve_only: bool,
    /// HTTP/2: by prior knowledge without TLS, by agreement with it
    ///
    /// The ready front door speaks HTTP/1.1 only; a proxy before it, and hosts of the plugin, may do better.
    #[arg(long, conflicts_with = "self_contained")]
    pub(super) http2: bool,
    /// All viewers' requests to the gate go over shared connections, as from a proxy before it
    #[arg(long)]
    pub(super) shared_connections: bool,
    /// Certificates (PEM) to believe beside the machine's own
    #[arg(long, value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,
    /// Viewers at once; more are counted as errors (`not_started`). Each needs about 0.1 to 1 MiB and four open files
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(super) max_viewers: u32,
    /// Errors that are allowed, in percent of all requests; one wrong byte is never allowed
    #[arg(long, value_name = "PERCENT", default_value_t = 0.0, value_parser = percent)]
    pub(super) max_errors: f64,
    /// How long a connection, an answer, and the next bytes of a film are waited for
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = patience)]
    pub(super) patience: Duration,
    /// The same seed gives the same viewers with the same wishes
    #[arg(long, default_value_t = 1)]
    pub(super) seed: u64,
    /// Writes a page with charts, one file that loads nothing
    #[arg(long, value_name = "FILE.html")]
    pub(super) report: Option<PathBuf>,
    /// Writes the report as JSON
    #[arg(long, value_name = "FILE.json")]
    pub(super) save: Option<PathBuf>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// How the gate is told a viewer's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ViewerHeader {
    XForwardedFor,
    Forwarded,
    XRealIp,
    /// Not at all: everybody comes from this machine
    None,
}

impl ViewerHeader {
    /// As on the command line and in the gate's configuration.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
            Self::XRealIp => "x-real-ip",
            Self::None => "none",
        }
    }
}

/// `10`, `10s`, `2m`, `1h`, `500ms`.
fn time(text: &str) -> Option<Duration> {
    let units = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("", 1.0)];
    let (number, unit) = units.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, unit)))?;
    let seconds = number.parse::<f64>().ok()? * unit;
    Duration::try_from_secs_f64(seconds).ok()
}

fn within(text: &str, least: Duration, most: Duration) -> Result<Duration, String> {
    let time = time(text).filter(|time| (least..=most).contains(time));
    time.ok_or_else(|| format!("not a time from {least:?} to {most:?}, such as 10, 90s, 5m or 1h"))
}

fn duration(text: &str) -> Result<Duration, String> {
    within(text, Duration::from_secs(1), Duration::from_hours(24))
}

fn patience(text: &str) -> Result<Duration, String> {
    within(text, Duration::from_millis(100), Duration::from_mins(5))
}

fn factor(text: &str) -> Result<f64, String> {
    number(text, 1e-3, 1e4)
}

fn percent(text: &str) -> Result<f64, String> {
    number(text, 0.0, 100.0)
}

fn number(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("not a number from {least} to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(time(text), expected.map(Duration::from_millis), "{text}");
        };
        check("10", Some(10_000));
        check("1.5s", Some(1500));
        check("500ms", Some(500));
        check("2m", Some(120_000));
        check("1h", Some(3_600_000));
        check("-1s", None);
        check("s", None);
        check("1d", None);
        assert!(duration("0").is_err() && duration("1d").is_err() && duration("24h").is_ok());
        assert!(factor("0").is_err() && percent("101").is_err() && percent("NaN").is_err());
    }
}
