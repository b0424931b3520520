//! What a command says, and where: data on stdout, talk on stderr.
//!
//! Colour is for terminals, never for pipes, and `NO_COLOR` (no-color.org) turns it off. A reader that went away,
//! as `head` does, is no error. Nothing is read here.

use std::ffi::OsStr;
use std::io::{self, IsTerminal, Write};

use super::{Done, Failure};

/// Where a command's words go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    /// For data.
    pub(crate) out: Paint,
    /// For talk.
    pub(crate) err: Paint,
}

/// Whether text may carry colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// A person reads it.
    Colour,
    /// A file, a pipe, or a person who wants none.
    Plain,
}

/// What a piece of text is, and so how it looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Look {
    /// As it is.
    #[default]
    Plain,
    /// What to read first.
    Strong,
    /// What may be passed over.
    Faint,
    /// As it should be.
    Good,
    /// Worth a look.
    Warn,
    /// Broken.
    Bad,
}

impl Terminal {
    /// Looks at this process's own stdout and stderr.
    pub(crate) fn of_process() -> Self {
        let [no_color, term] = ["NO_COLOR", "TERM"].map(std::env::var_os);
        let paint = |terminal: bool| Paint::new(terminal, no_color.as_deref(), term.as_deref());
        Self { out: paint(io::stdout().is_terminal()), err: paint(io::stderr().is_terminal()) }
    }

    /// Writes data to stdout, ending it with a newline if it has none.
    ///
    /// # Errors
    /// stdout cannot take it (a full disk); a closed pipe is none.
    #[expect(clippy::unused_self, reason = "whoever writes has been given the right to")]
    pub(crate) fn data(self, text: &str) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        let end = if text.ends_with('\n') { "" } else { "\n" };
        let written = out.write_all(text.as_bytes()).and_then(|()| out.write_all(end.as_bytes()));
        match written.and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Failure::Other(format!("cannot write to stdout: {error}")))
            }
            _ => Ok(()),
        }
    }

    /// Writes data and says how the command ended.
    pub(crate) fn done(self, text: &str, done: Done) -> Result<Done, Failure> {
        self.data(text).map(|()| done)
    }

    /// Writes a line of talk to stderr; if nobody hears it, that is that.
    #[expect(clippy::unused_self, reason = "whoever writes has been given the right to")]
    pub(crate) fn talk(self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Says why a command failed.
    pub(crate) fn failure(self, failure: &Failure) {
        self.talk(&format!("{} {failure}", self.err.paint(Look::Bad, "error:")));
    }
}

impl Paint {
    /// Any value of `NO_COLOR` but the empty one turns colours off.
    fn new(terminal: bool, no_color: Option<&OsStr>, term: Option<&OsStr>) -> Self {
        let unwanted =
            no_color.is_some_and(|value| !value.is_empty()) || term.is_some_and(|term| term == "dumb");
        if terminal && !unwanted { Self::Colour } else { Self::Plain }
    }

    /// The text in its look.
    pub(crate) fn paint(self, look: Look, text: &str) -> String {
        let code = match look {
            Look::Plain => return text.to_owned(),
            Look::Strong => "1",
            Look::Faint => "2",
            Look::Good => "32",
            Look::Warn => "33",
            Look::Bad => "1;31",
        };
        match self {
            Self::Colour => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Plain => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_for_terminals_that_want_it() {
        let check = |terminal: bool, no_color: Option<&str>, term: Option<&str>, expected: Paint| {
            assert_eq!(Paint::new(terminal, no_color.map(OsStr::new), term.map(OsStr::new)), expected);
        };
        check(true, None, None, Paint::Colour);
        check(true, Some(""), Some("xterm"), Paint::Colour);
        check(true, Some("0"), None, Paint::Plain);
        check(true, None, Some("dumb"), Paint::Plain);
        check(false, None, Some("xterm"), Paint::Plain);
    }

    #[test]
    fn plain_text_carries_no_codes() {
        for look in [Look::Plain, Look::Strong, Look::Faint, Look::Good, Look::Warn, Look::Bad] {
            assert_eq!(Paint::Plain.paint(look, "ams"), "ams");
        }
        assert_eq!(Paint::Colour.paint(Look::Bad, "down"), "\x1b[1;31mdown\x1b[0m");
        assert_eq!(Paint::Colour.paint(Look::Plain, "up"), "up");
    }
}
