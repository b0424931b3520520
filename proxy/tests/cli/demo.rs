//! `demo`: the story that plays by itself, and the one that somebody ends.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
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
    let chapter =
        ended.out.split("A film that is not replicated yet: ams (Amsterdam) alone holds it.\n").nth(1);
    for said in [
        "is redirected to ams: the first node in order that holds the film, ",
        "\n  sin (Singapore): does not hold the film.\n",
        "ok  replication goes on; after ",
    ] {
        assert!(chapter.is_some_and(|chapter| chapter.contains(said)), "{said}\n{}", ended.out);
    }
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

/// Where a viewer who brings this field is sent.
fn location(url: &str, (name, value): (&str, &str)) -> String {
    let (authority, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(authority).unwrap();
    let asked =
        format!("GET /{path} HTTP/1.1\r\nhost: {authority}\r\n{name}: {value}\r\nconnection: close\r\n\r\n");
    stream.write_all(asked.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let field = |line: &str| {
        line.split_once(": ")
            .filter(|(name, _)| name.eq_ignore_ascii_case("location"))
            .map(|(_, value)| value.to_owned())
    };
    answer.lines().find_map(field).unwrap_or_else(|| panic!("no location: {answer}"))
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
    assert_eq!(programme.matches("curl -si -H 'X-Forwarded-For: ").count(), 4);

    let new =
        programme.lines().find(|line| line.ends_with("# 302 to ams, the only node that holds it")).unwrap();
    let curl: Vec<&str> = new.split('\'').collect();
    let (field, url) = (curl[1].split_once(": ").unwrap(), curl[2].split_whitespace().next().unwrap());
    let source =
        programme.lines().find(|line| line.starts_with("ams ")).unwrap().split_whitespace().last().unwrap();
    let film = format!("{source}/movies/0f11e000-cafe-4bed-9a7e-5ca1ab1efee2.mp4?");
    let location = location(url, field);
    assert!(location.starts_with(&film), "{location}");

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
