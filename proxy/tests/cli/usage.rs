//! Help, wrong usage, completions, and pipes that close.

use std::io::Read as _;
use std::process::Stdio;

use crate::support::Place;

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_right() {
    let check = |args: &[&str], said: &str| {
        let ended = Place::empty().run(args);
        assert_eq!(ended.code, Some(2), "{args:?} {ended:?}");
        assert!(ended.out.is_empty() && ended.err.contains(said), "{args:?} {ended:?}");
    };
    check(&[], "Usage: watchgate");
    check(&["exlpain"], "'explain'");
    check(&["explain", "nonsense", "--ip", "1.2.3.4"], "8-4-4-4-12");
    check(&["explain", "00000000-0000-0000-0000-000000000001", "--ip", "1.2.3"], "--ip");
    check(&["explain", "00000000-0000-0000-0000-000000000001/a/../b", "--ip", "::1"], "holds a dot segment");
    check(&["explain", "00000000-0000-0000-0000-000000000001"], "--ip <ADDRESS>");
    check(&["sign", "ams", "a.mp4", "--lifetime", "8d"], "from 1s to 7d");
    check(&["sign", "ams", "a.mp4", "--method", "PUT"], "[possible values: GET, HEAD]");
    check(&["geo"], "<ADDRESS>");
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let ended = Place::empty().run(&["--help"]);
    assert_eq!(ended.code, Some(0));
    for word in [
        "run",
        "check",
        "explain",
        "nodes",
        "geo",
        "sign",
        "config",
        "healthcheck",
        "completions",
        "Exit codes",
        "78",
    ] {
        assert!(ended.out.contains(word), "{word}\n{}", ended.out);
    }
    assert_eq!(ended.out.contains("\n  demo"), cfg!(feature = "demo"));
    assert!(Place::empty().run(&["--version"]).out.starts_with("watchgate "));
}

#[test]
fn completions_are_made_for_the_usual_shells() {
    for shell in ["bash", "zsh", "fish"] {
        let ended = Place::empty().run(&["completions", shell]);
        assert_eq!(ended.code, Some(0));
        assert!(ended.out.contains("healthcheck"), "{shell}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::empty();
    let mut command = place.command(&["completions", "zsh"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Far more than a pipe holds is to come, so the program is still writing when its reader leaves.
    let mut first = [0; 1];
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut first).unwrap();
    drop(out);
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8(ended.stderr).unwrap()), (Some(0), String::new()));
}

#[test]
fn a_full_disk_is_an_error() {
    let place = Place::empty();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ended = place.command(&["config", "schema"]).stdout(full).output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(String::from_utf8(ended.stderr).unwrap().starts_with("error: cannot write to stdout"));
}
