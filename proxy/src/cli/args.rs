//! The command line as it is written; what its commands do stands in their own modules.
//!
//! The doc comments are the help texts. Nothing is read from files here, and no default depends on the machine.

#![expect(clippy::doc_markdown, reason = "doc comments are help texts here, and terminals show no Markdown")]

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::decide::watch::{Film, PathFault, film_or_file};

/// Sends each viewer of a film to the nearest healthy storage node that holds it.
///
/// watchgate answers `/watch/<uuid>`: it finds out where the viewer is, picks the nearest node that is up,
/// and redirects the viewer there with a signed link that expires.
#[derive(Debug, Parser)]
#[command(name = "watchgate", version, arg_required_else_help = true, max_term_width = 100, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    /// Configuration file
    ///
    /// Without it: $WATCHGATE_CONFIG, else ./watchgate.toml, else /etc/watchgate/watchgate.toml.
    #[arg(short, long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
Exit codes: 0 done, 1 the answer is no or something failed, 2 wrong usage, 78 bad configuration.
Data goes to stdout, talk to stderr. NO_COLOR turns colours off.";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the front door
    ///
    /// Answers viewers on `listen.http` and operators on `listen.admin` until SIGTERM or SIGINT; then it
    /// finishes what is under way and ends. SIGHUP: it reads its configuration again.
    Run,

    /// Say what is wrong with the configuration, all of it at once
    ///
    /// Reads the file, the environment, the secrets, the GeoIP databases and the catalog's file as `run` would.
    /// Nothing is changed and, without --online, nobody is asked. What is allowed and yet seldom meant is a remark.
    /// Exit code 78: there are faults.
    Check(CheckArgs),

    /// Show where a viewer is sent, and why
    ///
    /// The decision is the one that a request of this viewer would meet now: every node with its distance, cost, score
    /// and load, and for each that was not chosen the reason. The running gate takes it, over `listen.admin`; it asks
    /// its nodes who holds the film, if it does not know. Exit code 1: refused.
    Explain(ExplainArgs),

    /// Show the fleet, drain a node, or enable it again
    Nodes(NodesArgs),

    /// Have the running gate read its configuration again
    ///
    /// It does so by itself a few seconds after a file changes, and on SIGHUP; this says what came of it. A configuration
    /// with faults, or one by which no node would be up, changes nothing. Exit code 1: it was not taken; 78: there are
    /// faults.
    Reload(Form),

    /// Say what the GeoIP databases and rules know of addresses
    Geo(GeoArgs),

    /// Print one signed link to an object on one node
    ///
    /// The link is signed here, with the node's configured key, for its public address. The node is not
    /// asked: the link is also printed if the object does not exist.
    Sign(SignArgs),

    /// Show the configuration's schema, or the configuration in effect
    #[command(subcommand)]
    Config(ConfigCommand),

    /// Try everything on this machine: a gate, three nodes, a film, no set-up
    ///
    /// Starts three small storage nodes that claim to stand in Amsterdam, Singapore and Sao Paulo, puts a short
    /// film on them, makes a GeoIP database for the addresses reserved for documentation, and runs the gate in
    /// front. Prints what to open and what to type. Ctrl-C ends all of it and leaves nothing behind.
    #[cfg(feature = "demo")]
    Demo(DemoArgs),

    /// Ask the running gate whether it is ready: exit code 0 if it is, 1 if not
    ///
    /// Made for a container's health check. Asks /readyz on `listen.admin`.
    Healthcheck,

    /// Print a completion script for a shell
    ///
    /// For example: watchgate completions bash > /etc/bash_completion.d/watchgate
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// Also ask every node and the catalog's database
    ///
    /// Of a node: its clock, the bucket, the canary, a film that does not exist, and a signed link through its
    /// public address. Of the database: the query. Exit code 1 if one of them fails.
    #[arg(long)]
    pub(crate) online: bool,

    #[command(flatten)]
    pub(crate) form: Form,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// What stands behind /watch/ in the address: the film's uuid, and the path of a file where films are trees
    ///
    /// A path follows if and only if watch.object has {path}; it is percent-encoded as in the address.
    /// For example: 0b9ab1a5-29d9-4f2d-9d5a-0f1e2d3c4b5a/hd/master.m3u8
    #[arg(value_name = "UUID[/PATH]", value_parser = parse_film)]
    pub(crate) film: FilmOrFile,

    /// The viewer's address
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) ip: IpAddr,

    /// The viewer's method
    #[arg(long, value_enum, default_value_t = Method::Get, ignore_case = true)]
    pub(crate) method: Method,

    /// As if the gate were configured with this mode; manifests are streamed in either [default: as it is]
    #[arg(long, value_enum)]
    pub(crate) mode: Option<Mode>,

    /// Decide here, from the configuration alone: every node counts as up and idle, and as holding the film
    #[arg(long)]
    pub(crate) offline: bool,

    #[command(flatten)]
    pub(crate) form: Form,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct NodesArgs {
    #[command(subcommand)]
    pub(crate) command: Option<NodesCommand>,

    #[command(flatten)]
    pub(crate) form: Form,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodesCommand {
    /// Show every node: state, load, clock, last probe (this is the default)
    List {
        #[command(flatten)]
        form: Form,
    },
    /// Take a node out: it keeps the viewers it has and gets no new ones
    ///
    /// Holds until `enable` or a restart of the gate.
    Drain(NodeArgs),
    /// Let a drained node take viewers again
    Enable(NodeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct NodeArgs {
    /// The node's id
    #[arg(value_name = "ID")]
    pub(crate) id: String,

    #[command(flatten)]
    pub(crate) form: Form,
}

#[derive(Debug, Args)]
pub(crate) struct GeoArgs {
    /// IPv4 or IPv6 addresses
    #[arg(value_name = "ADDRESS", required = true)]
    pub(crate) addresses: Vec<IpAddr>,

    #[command(flatten)]
    pub(crate) form: Form,
}

#[derive(Debug, Args)]
pub(crate) struct SignArgs {
    /// The node's id
    #[arg(value_name = "NODE")]
    pub(crate) node: String,

    /// The object's key in the bucket
    #[arg(value_name = "KEY")]
    pub(crate) key: String,

    /// The method that the link is for; a link for one is refused with the other
    #[arg(long, value_enum, default_value_t = Method::Get, ignore_case = true)]
    pub(crate) method: Method,

    /// How long the link works, for example 90s, 15m or 6h; at most 7d
    ///
    /// Default: watch.link_lifetime.
    #[arg(long, value_name = "DURATION", value_parser = parse_lifetime)]
    pub(crate) lifetime: Option<Lifetime>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the JSON Schema of the configuration file, for editors
    Schema,
    /// Print the configuration in effect, with the origin of every value; secrets are redacted
    Print {
        #[command(flatten)]
        form: Form,
    },
}

#[cfg(feature = "demo")]
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Port for viewers on 127.0.0.1; default: a free one
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    pub(crate) port: u16,

    /// Port for operators on 127.0.0.1; default: a free one
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true)]
    pub(crate) admin_port: u16,

    /// How the film reaches the viewer
    #[arg(long, value_enum, default_value_t = Mode::Redirect)]
    pub(crate) mode: Mode,

    /// Play the whole story of both modes by itself and end: exit code 0 if every step went as it should
    #[arg(long)]
    pub(crate) once: bool,

    /// Print the configuration that the demo writes for itself, before anything else
    #[arg(long)]
    pub(crate) show_config: bool,
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Form {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a viewer asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilmOrFile {
    pub(crate) film: Film,
    /// The decoded path of a file of the film's tree; empty: the film itself.
    pub(crate) path: String,
}

/// The two methods that ask for a film.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub(crate) enum Method {
    /// The film
    Get,
    /// Only its headers
    Head,
}

impl Method {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
        }
    }
}

/// How a film reaches the viewer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// By a signed link to a node
    Redirect,
    /// Through the gate
    Stream,
}

impl From<Mode> for watchgate_config::Mode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Redirect => Self::Redirect,
            Mode::Stream => Self::Stream,
        }
    }
}

impl From<Method> for crate::sign::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Get => Self::Get,
            Method::Head => Self::Head,
        }
    }
}

/// A link's life in whole seconds, 1 s to 7 days (Amazon S3 API reference, `X-Amz-Expires`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    pub(crate) seconds: u64,
}

fn parse_film(text: &str) -> Result<FilmOrFile, String> {
    if text.split('/').next().is_some_and(|uuid| Film::parse(uuid.as_bytes()).is_none()) {
        return Err("a film is named by 8-4-4-4-12 hexadecimal digits".to_owned());
    }
    match film_or_file(text.as_bytes()) {
        Ok((film, path)) => Ok(FilmOrFile { film, path: path.into_owned() }),
        Err(PathFault::NoFile) => Err("no file is named behind the slash".to_owned()),
        Err(fault) => Err(fault.to_string()),
    }
}

fn parse_lifetime(text: &str) -> Result<Lifetime, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit_s = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err("a whole number with its unit: s, m, h or d".to_owned()),
    };
    let seconds = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_s));
    match seconds {
        Some(seconds @ 1..=crate::sign::EXPIRES_MAX_S) => Ok(Lifetime { seconds }),
        _ => Err("from 1s to 7d".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_film_or_a_file_is_named_as_in_an_address() {
        const UUID: &str = "0b9ab1a5-29d9-4f2d-9d5a-0f1e2d3c4b5a";
        let check = |behind: &str, expected: Result<&str, &str>| {
            let parsed = parse_film(&format!("{UUID}{behind}"));
            let path = parsed.as_ref().map(|asked| asked.path.as_str()).map_err(String::as_str);
            assert_eq!(path, expected, "{behind}");
        };
        check("", Ok(""));
        check("/master.m3u8", Ok("master.m3u8"));
        check("/hd/a%20b.ts", Ok("hd/a b.ts"));
        check("/", Err("no file is named behind the slash"));
        check("/../x", Err("the path holds a dot segment, and paths are not normalised here"));
        check("/a b", Err("the path holds a character that must be percent-encoded"));
        check("x/a", Err("a film is named by 8-4-4-4-12 hexadecimal digits"));
    }

    #[test]
    fn lifetimes_have_a_unit_and_a_limit() {
        let check = |text: &str, seconds: Option<u64>| {
            assert_eq!(parse_lifetime(text).ok().map(|lifetime| lifetime.seconds), seconds, "{text}");
        };
        check("90s", Some(90));
        check("15m", Some(900));
        check("6h", Some(21_600));
        check("7d", Some(604_800));
        for bad in ["", "s", "90", "0s", "8d", "604801s", "-1s", "1.5h", "99999999999999999999d"] {
            check(bad, None);
        }
    }

    #[test]
    fn every_command_and_argument_has_a_help_text() {
        fn check(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{}", command.get_name());
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{} {}", command.get_name(), argument.get_id());
            }
            command.get_subcommands().for_each(check);
        }
        check(&Cli::command());
    }
}
