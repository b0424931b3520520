//! What nodes are asked: as much as the viewer's request needs, and nothing of the viewer's own words.

use watchgate_node::Seen;

use crate::gates::KEY;
use crate::support::*;
use crate::viewer::*;

const SIZE: u64 = 3 << 20;

/// The viewer's fields, and the method and range of the first question to the node.
type Row = (&'static [(&'static str, &'static str)], &'static str, Option<&'static str>);

/// Requests about the film that the near node has seen, after the first `before` ones.
fn asked(stage: &Stage, before: usize) -> Vec<Seen> {
    let about = |seen: &Seen| seen.path.ends_with(KEY);
    stage.near().seen().into_iter().filter(about).skip(before).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_question_begins_the_answer_where_it_can() {
    let rows: &[Row] = &[
        (&[], "GET", Some("bytes=0-1048575")),
        (&[("range", "bytes=5-9")], "GET", Some("bytes=5-9")),
        (&[("range", "bytes=100-")], "GET", Some("bytes=100-1048675")),
        (&[("range", "bytes=0-99999999999999999999")], "GET", Some("bytes=0-1048575")),
        (&[("range", "bytes=-5")], "GET", Some("bytes=-5")),
        (&[("range", "bytes=9000000-")], "GET", Some("bytes=9000000-10048575")),
        (&[("range", "lines=1-2")], "GET", Some("bytes=0-1048575")),
        // Where they begin, or whether they are wanted, depends on the film.
        (&[("range", "bytes=-2000000")], "HEAD", None),
        (&[("range", "bytes=0-0,-1")], "HEAD", None),
        (&[("range", "bytes=18446744073709551616-")], "HEAD", None),
        (&[("if-none-match", "\"other\"")], "HEAD", None),
        (&[("if-match", "*"), ("range", "bytes=5-9")], "HEAD", None),
        (&[("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT")], "HEAD", None),
        (&[("if-unmodified-since", "Thu, 01 Jan 1970 00:00:00 GMT")], "HEAD", None),
        // A range that does not count after all costs another question at most.
        (&[("if-range", "\"other\""), ("range", "bytes=5-9")], "GET", Some("bytes=5-9")),
    ];
    let stage = Staging::new(1, SIZE).without_presence().up().await;
    for speaks in BOTH {
        for (fields, method, range) in rows {
            let before = asked(&stage, 0).len();
            let ask = fields.iter().fold(Ask::film(), |ask, (name, value)| ask.with(name, *value));
            let mut answer = Viewer::connect(speaks, &stage).await.ask(&ask).await;
            assert_eq!(answer.end().await, End::Whole, "{fields:?}");
            let first = asked(&stage, before).into_iter().next().expect("a question");
            assert_eq!((&*first.method, first.range.as_deref()), (*method, *range), "{fields:?}");
            assert!(!first.headers.contains_key("if-match"), "nothing is known yet: {first:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_viewer_says_reaches_a_node() {
    const OURS: [&str; 9] = [
        "accept-encoding",
        "authorization",
        "host",
        "if-match",
        "range",
        "user-agent",
        "x-amz-content-sha256",
        "x-amz-date",
        "x-minio-source-proxy-request",
    ];
    let stage = Staging::new(1, SIZE).up().await;
    for speaks in BOTH {
        let theirs = [
            ("accept", "video/*"),
            ("accept-encoding", "gzip"),
            ("authorization", "Bearer viewer"),
            ("cookie", "session=viewer"),
            ("forwarded", "for=viewer"),
            ("if-range", "\"viewer\""),
            ("if-none-match", "\"viewer\""),
            ("referer", "https://viewer.example/"),
            ("user-agent", "viewer"),
            ("x-amz-security-token", "viewer"),
            ("x-amz-date", "viewer"),
            ("x-minio-source-proxy-request", "viewer"),
            ("x-request-id", "viewer"),
        ];
        let before = asked(&stage, 0).len();
        let ask = theirs.iter().fold(Ask::film(), |ask, (name, value)| ask.with(name, *value));
        let answer = Viewer::connect(speaks, &stage).await.ask(&ask).await;
        assert_eq!(answer.shows(stage.film, 0).end().await, End::Whole);
        let asked = asked(&stage, before);
        assert!(asked.len() >= 3, "a head and two windows: {asked:?}");
        for seen in asked {
            assert!(!format!("{seen:?}").contains("viewer"), "{seen:?}");
            for name in seen.headers.keys() {
                assert!(OURS.contains(&name.as_str()), "{name} of {seen:?}");
            }
            let says = |name: &str, value: &str| assert_eq!(seen.headers[name], value, "{seen:?}");
            says("accept-encoding", "identity");
            says("x-minio-source-proxy-request", "false");
            assert!(seen.headers["user-agent"].starts_with("watchgate/"), "{seen:?}");
            assert_eq!(seen.signature_ok, Some(true), "{seen:?}");
        }
    }
}
