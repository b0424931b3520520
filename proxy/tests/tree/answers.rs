//! What the files of a tree are answered with, and which paths are none: byte for byte, over sockets.

use reqwest::header::{ACCESS_CONTROL_ALLOW_ORIGIN, CONTENT_TYPE, LOCATION, ORIGIN};
use reqwest::{Client, Method, Response, redirect};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use watchgate_node::Seen;

use crate::film::{KINDS, Kind, Tree};
use crate::gates::{PATIENCE, found};
use crate::stage::{MODES, Mode, REQUIRED, Stage, gets};

/// Endings of what stands in the trees, with the types that players want; the first two are of manifests.
const TYPES: [(&str, &str); 6] = [
    (".m3u8", "application/vnd.apple.mpegurl"),
    (".mpd", "application/dash+xml"),
    (".ts", "video/mp2t"),
    (".m4s", "video/iso.segment"),
    (".mp4", "video/mp4"),
    (".key", "application/octet-stream"),
];
const MANIFESTS: usize = 2;

/// Paths behind a film that name no file, parted by blanks.
const TRICKS: &str = "\
    / // /../x /.. /. /./x /a/../../x /a/.. /%2e%2e/x /%2E%2e /.%2e/x /a/%2e%2e/%2e%2e/x /%20../x /a//b //a /a/ \
    /a%2fb /..%2fx /%2F /a%5cb /..%5cx /a\\b \
    /a%00b /a%0d%0aX-Evil:%201 /a%7f /a%c2%85 /a\u{1}b /a% /a%2 /a%zz /a%u0041 /%ff /%c0%ae%c0%ae/x /%ed%a0%80 \
    /a\"b /a<b /a>b /a^b /a`b /a{b} /a|b /[a] /\u{444}.ts";

/// What Pingora itself refuses, with an answer of its own.
const NO_URI: [char; 4] = ['<', '>', '`', '\u{1}'];

/// A request of a page of another origin, which follows nothing.
async fn ask(stage: &Stage, method: Method, path: &str) -> Response {
    let client = Client::builder().redirect(redirect::Policy::none()).build().expect("a client");
    let request = client.request(method, format!("http://{}/watch/{path}", stage.gate.addr));
    request.header(ORIGIN, "https://films.example").send().await.expect("an answer")
}

fn header(answer: &Response, name: impl reqwest::header::AsHeaderName) -> String {
    answer.headers().get(name).map_or("", |value| value.to_str().expect("text")).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn manifests_are_streamed_and_the_rest_goes_the_way_of_segments() {
    let story = "manifests_are_streamed_and_the_rest_goes_the_way_of_segments";
    let Some(ffmpeg) = found("ffmpeg", REQUIRED, story) else { return };
    let trees = KINDS.map(|kind| Tree::make(&ffmpeg, kind));
    for mode in MODES {
        let stage = Stage::up(mode, &trees.each_ref()).await;
        for tree in &trees {
            for (name, bytes) in &tree.files {
                is_answered(&stage, mode, &format!("{}/{name}", tree.kind.uuid()), bytes).await;
            }
        }
        stage.assert_all_signed();
    }
}

async fn is_answered(stage: &Stage, mode: Mode, path: &str, bytes: &[u8]) {
    let row = TYPES.iter().position(|(ending, _)| path.ends_with(ending)).expect("a known ending");
    let (head, get) = (ask(stage, Method::HEAD, path).await, ask(stage, Method::GET, path).await);
    let status = [head.status().as_u16(), get.status().as_u16()];
    assert_eq!(header(&get, ACCESS_CONTROL_ALLOW_ORIGIN), "*", "{path} in {mode:?}");
    if row < MANIFESTS || mode != Mode::SegmentsRedirected {
        assert_eq!(status, [200, 200], "{path} in {mode:?}");
        assert_eq!([&head, &get].map(|answer| header(answer, CONTENT_TYPE)), [TYPES[row].1; 2], "{path}");
        assert!(get.bytes().await.expect("a body") == bytes, "{path} in {mode:?}");
    } else {
        assert_eq!(status, [302, 302], "{path} in {mode:?}");
        let followed = reqwest::get(header(&get, LOCATION)).await.expect("an answer");
        assert!(followed.bytes().await.expect("a body") == bytes, "{path} in {mode:?}");
        let followed = Client::new().head(header(&head, LOCATION)).send().await.expect("an answer");
        assert_eq!(followed.status().as_u16(), 200, "a link of its own for HEAD: {path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_any_alphabet_are_found_under_their_decoded_key() {
    const NAMES: [(&str, &str, &str); 4] = [
        // The name, as a player writes it, and as the node is asked.
        ("video 1/seg 1.ts", "video%201/seg%201.ts", "video%201/seg%201.ts"),
        ("\u{444}/1.ts", "%d1%84/1.ts", "%D1%84/1.ts"),
        ("a+b&c=(1)@'!.ts", "a+b&c=(1)@'!.ts", "a%2Bb%26c%3D%281%29%40%27%21.ts"),
        ("50%25 #1?.ts", "50%2525%20%231%3F.ts", "50%2525%20%231%3F.ts"),
    ];
    let kind = Kind::TransportStream;
    for mode in MODES {
        let stage = Stage::up(mode, &[]).await;
        let path = |name: &str| format!("{}/{name}", kind.uuid());
        for (name, ..) in NAMES {
            stage.put(&path(name), name.as_bytes().to_vec());
        }
        stage.replicated(&NAMES.map(|(name, ..)| path(name))).await;
        for (name, written, asked) in NAMES {
            let mut answer = ask(&stage, Method::GET, &path(written)).await;
            if mode == Mode::SegmentsRedirected {
                let location = header(&answer, LOCATION);
                assert!(location.contains(&format!("/movies/films/{}?", path(asked))), "{name}: {location}");
                answer = reqwest::get(location).await.expect("an answer");
            }
            assert_eq!(answer.text().await.expect("a body"), name, "{mode:?}");
            let seen =
                stage.nodes.iter().flat_map(|node| gets(node, kind)).find(|seen| seen.path.ends_with(asked));
            let seen = seen.unwrap_or_else(|| panic!("{name} in {mode:?} was asked for under another name"));
            assert_eq!(seen.path, format!("/movies/films/{}", path(asked)));
            assert_eq!(seen.signature_ok, Some(true), "{name}");
        }
        stage.assert_all_signed();
    }
}

/// One request, byte for byte, and the whole answer.
async fn raw(stage: &Stage, method: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(stage.gate.addr).await.expect("connected");
    let head = format!("{method} {path} HTTP/1.1\r\nHost: films.example\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("written");
    let mut got = Vec::new();
    let reading = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut got)).await;
    reading.expect("in time").expect("an answer");
    String::from_utf8_lossy(&got).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_that_plays_tricks_is_refused_before_any_node_hears_of_it() {
    let uuid = Kind::TransportStream.uuid();
    let long = [String::new(), format!("/{}", "a".repeat(256)), format!("/{}a", "a/".repeat(384))];
    let tricks: Vec<&str> = TRICKS.split(' ').chain(long.iter().map(String::as_str)).collect();
    for mode in MODES {
        let stage = Stage::up(mode, &[]).await;
        stage.put(&format!("{uuid}/x"), b"a file".to_vec());
        for trick in &tricks {
            for method in ["GET", "HEAD", "OPTIONS"] {
                let answer = raw(&stage, method, &format!("/watch/{uuid}{trick}")).await;
                assert!(answer.starts_with("HTTP/1.1 400 "), "{method} {trick} in {mode:?}: {answer}");
                let ours = answer.contains("urn:watchgate:problem:bad_path") || method == "HEAD";
                assert!(ours || trick.contains(NO_URI), "{method} {trick} in {mode:?}: {answer}");
            }
        }
        for outside in ["/watch/../x", "/watch/%2e%2e/x", "/watch//x", "/watch/x/x", "/watch/"] {
            let answer = raw(&stage, "GET", outside).await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{outside} in {mode:?}: {answer}");
        }
        for node in &stage.nodes {
            let is_film = |seen: &Seen| seen.path.contains("/films/");
            assert!(!node.seen().iter().any(is_film), "{} in {mode:?} was asked for a film", node.name());
        }
        stage.replicated(&[format!("{uuid}/x")]).await;
        let answer = raw(&stage, "GET", &format!("/watch/{uuid}/x")).await;
        let good = if mode == Mode::SegmentsRedirected { "HTTP/1.1 302 " } else { "HTTP/1.1 200 " };
        assert!(answer.starts_with(good), "{mode:?}: {answer}");
    }
}
