//! `demo`: the story that plays by itself, and the one that somebody ends.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::support::Place;

#[test]
fn the_story_goes_as_it_should_and_leaves_nothing() {
    let place = Place::empty();
    let ended = place.run(&["demo", "--once"]);
    assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{}", ended.out);
    assert!(ended.out.contains("ok  gru (Sao Paulo) is killed; after "), "{}", ended.out);
    assert!(ended.out.contains("ok  gru (Sao Paulo) is back; after "), "{}", ended.out);
    assert!(
        ended.out.contains("ok  gru (Sao Paulo) is killed in the middle of a film; the last "),
        "{}",
        ended.out
    );
    assert!(ended.out.ends_with("Every step went as it should.\n"), "{}", ended.out);
    assert_eq!(place.folder.path().read_dir().unwrap().count(), 0, "the temporary folder is removed");
}

#[test]
fn a_taken_port_is_named_with_its_flag() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for flag in ["--port", "--admin-port"] {
        let ended = Place::empty().run(&["demo", flag, &port]);
        assert_eq!((ended.code, &*ended.out), (Some(1), ""));
        assert!(ended.err.contains(&format!("cannot listen on 127.0.0.1:{port} ({flag})")), "{}", ended.err);
    }
}

#[test]
fn an_interrupt_ends_the_demo_cleanly() {
    let place = Place::empty();
    let mut command = place.command(&["demo", "--show-config"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let (mut programme, mut line) = (String::new(), String::new());
    // The last line it prints before it waits; should it end instead, the pipe does too.
    while !line.starts_with("Ctrl-C ends") {
        line.clear();
        assert!(out.read_line(&mut line).unwrap() > 0, "the demo ended early: {programme}");
        programme += &line;
    }
    let config: String = programme.split("watchgate demo: one gate").next().unwrap().to_owned();
    assert!(config.contains("[[node]] # Singapore"), "{config}");
    assert_eq!(programme.matches("curl -si -H 'X-Forwarded-For: ").count(), 3);

    let path =
        programme.lines().find_map(|line| line.split(" -c ").nth(1)?.split(' ').next()).unwrap().to_owned();
    let ended =
        place.run(&["-c", &path, "explain", "0f11e000-cafe-4bed-9a7e-5ca1ab1efee1", "--ip", "198.51.100.7"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("is redirected to sin: the nearest node that takes viewers"), "{}", ended.out);
    let ended = place.run(&["-c", &path, "check", "--online"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");

    // As a terminal's Ctrl-C does.
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(place.folder.path().read_dir().unwrap().count(), 0, "the temporary folder is removed");
}
