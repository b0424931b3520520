//! Ranges and preconditions by RFC 9110, over the wire: each row is asked with GET and HEAD over both protocols, all
//! on one connection each.

use watchgate_node::Node;

use crate::gates::{KEY, eventually};
use crate::support::*;
use crate::viewer::*;

const SIZE: u64 = 10_000;

/// What a GET is to be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    Whole,
    /// First and last byte.
    Part(u64, u64),
    Unsatisfiable,
    NotModified,
    Failed,
}

use Want::{Failed, NotModified, Part, Unsatisfiable, Whole};

type Row = (&'static [(&'static str, &'static str)], Want);

const RANGES: &[Row] = &[
    (&[], Whole),
    (&[("range", "bytes=0-0")], Part(0, 0)),
    (&[("range", "bytes=0-1")], Part(0, 1)),
    (&[("range", "bytes=9999-9999")], Part(9999, 9999)),
    (&[("range", "bytes=5000-")], Part(5000, 9999)),
    (&[("range", "bytes=0-")], Part(0, 9999)),
    (&[("range", "bytes=-1")], Part(9999, 9999)),
    (&[("range", "bytes=-10000")], Part(0, 9999)),
    (&[("range", "bytes=-20000")], Part(0, 9999)),
    (&[("range", "bytes=9000-99999")], Part(9000, 9999)),
    (&[("range", "bytes=10-18446744073709551616")], Part(10, 9999)),
    (&[("range", "bytes=-99999999999999999999999")], Part(0, 9999)),
    (&[("range", "BYTES=0-1")], Part(0, 1)),
    (&[("range", "bytes= 0-1")], Part(0, 1)),
    (&[("range", "bytes=10000-")], Unsatisfiable),
    (&[("range", "bytes=20000-30000")], Unsatisfiable),
    (&[("range", "bytes=18446744073709551616-")], Unsatisfiable),
    (&[("range", "bytes=-0")], Unsatisfiable),
    (&[("range", "bytes=20000-,-0")], Unsatisfiable),
    // Ranges that overlap, touch or lie close are one; others are the whole film.
    (&[("range", "bytes=0-10,5-20")], Part(0, 20)),
    (&[("range", "bytes=11-20,0-10")], Part(0, 20)),
    (&[("range", "bytes=0-10,50-60")], Part(0, 60)),
    (&[("range", "bytes=0-0,-1")], Whole),
    (&[("range", "bytes=0-10,500-600")], Whole),
    (&[("range", "bytes=20000-,0-1")], Part(0, 1)),
    // What cannot be read says nothing.
    (&[("range", "bytes=5-4")], Whole),
    (&[("range", "bytes=a-b")], Whole),
    (&[("range", "bytes=-")], Whole),
    (&[("range", "bytes=")], Whole),
    (&[("range", "items=0-1")], Whole),
    (&[("range", "bytes=0-1"), ("range", "bytes=5-6")], Whole),
];

const CONDITIONS: &[Row] = &[
    (&[("if-none-match", "{etag}")], NotModified),
    (&[("if-none-match", "W/{etag}")], NotModified),
    (&[("if-none-match", "\"a\", {etag} , \"b\"")], NotModified),
    (&[("if-none-match", "\"a\""), ("if-none-match", "{etag}")], NotModified),
    (&[("if-none-match", "*")], NotModified),
    (&[("if-none-match", "\"other\"")], Whole),
    (&[("if-match", "{etag}")], Whole),
    (&[("if-match", "\"a\", {etag}")], Whole),
    (&[("if-match", "*")], Whole),
    (&[("if-match", "W/{etag}")], Failed),
    (&[("if-match", "\"other\"")], Failed),
    (&[("if-modified-since", "{date}")], NotModified),
    (&[("if-modified-since", "{after}")], NotModified),
    (&[("if-modified-since", "{before}")], Whole),
    (&[("if-modified-since", "yesterday")], Whole),
    (&[("if-unmodified-since", "{date}")], Whole),
    (&[("if-unmodified-since", "{after}")], Whole),
    (&[("if-unmodified-since", "{before}")], Failed),
    // Tags outrank dates, and preconditions outrank ranges.
    (&[("if-match", "{etag}"), ("if-unmodified-since", "{before}")], Whole),
    (&[("if-none-match", "\"other\""), ("if-modified-since", "{date}")], Whole),
    (&[("if-match", "\"other\""), ("if-none-match", "{etag}")], Failed),
    (&[("if-match", "{etag}"), ("if-none-match", "{etag}")], NotModified),
    (&[("if-none-match", "{etag}"), ("range", "bytes=0-1")], NotModified),
    (&[("if-none-match", "{etag}"), ("range", "bytes=20000-")], NotModified),
    (&[("if-match", "\"other\""), ("range", "bytes=0-1")], Failed),
    (&[("if-match", "{etag}"), ("range", "bytes=0-1")], Part(0, 1)),
    // If-Range: a strong tag or the very date, else the range does not count.
    (&[("if-range", "{etag}"), ("range", "bytes=5-9")], Part(5, 9)),
    (&[("if-range", "W/{etag}"), ("range", "bytes=5-9")], Whole),
    (&[("if-range", "\"other\""), ("range", "bytes=5-9")], Whole),
    (&[("if-range", "\"other\""), ("range", "bytes=20000-")], Whole),
    (&[("if-range", "{etag}"), ("range", "bytes=20000-")], Unsatisfiable),
    (&[("if-range", "{date}"), ("range", "bytes=5-9")], Part(5, 9)),
    (&[("if-range", "{before}"), ("range", "bytes=5-9")], Whole),
    (&[("if-range", "{after}"), ("range", "bytes=5-9")], Whole),
    (&[("if-range", "{etag}")], Whole),
];

/// What the rows' placeholders stand for.
struct Known {
    etag: String,
    date: String,
    before: String,
    after: String,
}

impl Known {
    async fn of(stage: &Stage) -> Self {
        let answer = Viewer::connect(Speaks::H1, stage).await.ask(&Ask::film().head()).await;
        let date = answer.header("last-modified");
        let at = jiff::fmt::rfc2822::parse(&date).expect("a date").timestamp();
        let after = |s: i64| {
            let at = at + jiff::SignedDuration::from_secs(s);
            jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&at).expect("a date")
        };
        // A date is a strong validator only once its second is over.
        eventually("the film is older than a second", || jiff::Timestamp::now().as_second() > at.as_second())
            .await;
        Self { etag: answer.header("etag"), before: after(-3600), after: after(3600), date }
    }

    fn ask(&self, headers: &[(&'static str, &str)]) -> Ask {
        headers.iter().fold(Ask::film(), |ask, (name, value)| {
            let value = value.replace("{etag}", &self.etag).replace("{date}", &self.date);
            ask.with(name, value.replace("{before}", &self.before).replace("{after}", &self.after))
        })
    }
}

/// Judges one answer to its end, and gives the connection back.
async fn check(answer: Answer, want: Want, film: Film, is_head: bool, what: &str) -> Viewer {
    let (status, first, length) = match want {
        Whole => (200, 0, film.size),
        Part(first, last) => (206, first, last - first + 1),
        Unsatisfiable => (416, 0, 0),
        NotModified => (304, 0, 0),
        Failed => (412, 0, 0),
    };
    let mut answer = answer;
    assert_eq!(answer.status(), status, "{what}: {:?}", answer.head);
    let content_range = match want {
        Part(first, last) => Some(format!("bytes {first}-{last}/{}", film.size)),
        Unsatisfiable => Some(format!("bytes */{}", film.size)),
        _ => None,
    };
    assert_eq!(answer.head.header("content-range"), content_range, "{what}");
    let is_film = matches!(want, Whole | Part(..));
    if is_film {
        assert_eq!(answer.promised, Some(length), "{what}");
        answer = answer.shows(film, first);
    }
    assert_eq!(answer.end().await, End::Whole, "{what}");
    if is_head || want == NotModified {
        assert_eq!(answer.bytes, 0, "{what}");
    } else if is_film {
        assert_eq!(answer.bytes, length, "{what}");
    }
    answer.again()
}

/// All rows over both protocols, with GET and with HEAD, which has no ranges.
async fn judge(stage: &Stage, rows: &[Row]) {
    let known = Known::of(stage).await;
    for speaks in BOTH {
        let mut viewer = Viewer::connect(speaks, stage).await;
        for (headers, want) in rows {
            let ask = known.ask(headers);
            let answer = viewer.ask(&ask).await;
            viewer = check(answer, *want, stage.film, false, &format!("GET {speaks:?} {headers:?}")).await;
            let of_head = match want {
                Part(..) | Unsatisfiable => Whole,
                other => *other,
            };
            let answer = viewer.ask(&ask.head()).await;
            viewer = check(answer, of_head, stage.film, true, &format!("HEAD {speaks:?} {headers:?}")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ranges() {
    judge(&Staging::new(2, SIZE).up().await, RANGES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn preconditions() {
    judge(&Staging::new(2, SIZE).up().await, CONDITIONS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_film() {
    let rows: &[Row] = &[
        (&[], Whole),
        (&[("range", "bytes=0-")], Unsatisfiable),
        (&[("range", "bytes=0-0")], Unsatisfiable),
        (&[("range", "bytes=-5")], Whole),
        (&[("if-none-match", "{etag}")], NotModified),
    ];
    judge(&Staging::new(2, 0).up().await, rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_beyond_four_gigabytes() {
    const HUGE: u64 = 6 << 30;
    let stage = Staging::new(2, HUGE).up().await;
    let rows: &[(&str, Want)] = &[
        ("bytes=4294967290-4294967305", Part((1 << 32) - 6, (1 << 32) + 9)),
        ("bytes=-10", Part(HUGE - 10, HUGE - 1)),
        ("bytes=6442450000-", Part(6_442_450_000, HUGE - 1)),
        ("bytes=6442450944-", Unsatisfiable),
    ];
    for speaks in BOTH {
        let mut viewer = Viewer::connect(speaks, &stage).await;
        let answer = viewer.ask(&Ask::film().head()).await;
        viewer = check(answer, Whole, stage.film, true, "HEAD").await;
        for (range, want) in rows {
            let answer = viewer.ask(&Ask::film().range(range)).await;
            viewer = check(answer, *want, stage.film, false, range).await;
        }
        let whole = viewer.ask(&Ask::film()).await;
        assert_eq!((whole.status(), whole.promised), (200, Some(HUGE)));
        let mut whole = whole.shows(stage.film, 0);
        assert!(whole.until(3 << 20).await);
        drop(whole);
        let answer = Viewer::connect(speaks, &stage).await.ask(&Ask::film().range("bytes=4294967200-")).await;
        let mut rest = answer.shows(stage.film, 4_294_967_200);
        assert_eq!(rest.promised, Some(HUGE - 4_294_967_200));
        assert!(rest.until(3 << 20).await, "past the boundary");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn head_is_answered_without_a_body_from_any_node() {
    let stage = Staging::new(2, 50_000_000).up().await;
    for speaks in BOTH {
        let viewer = Viewer::connect(speaks, &stage).await;
        let answer = viewer.ask(&Ask::film().head().range("bytes=5-9")).await;
        let viewer = check(answer, Whole, stage.film, true, "HEAD").await;
        let bodies = |node: &Node| {
            node.seen().iter().filter(|seen| seen.path.ends_with(KEY)).any(|seen| seen.method != "HEAD")
        };
        assert!(!stage.nodes.iter().any(bodies), "a node is asked for no body: {:?}", stage.near().seen());
        drop(viewer);
    }
}
