//! The rules of the pump, as it asks for them: once for each piece that it hands on, and once for each window.
//!
//! The order of the questions is that of `answer::pump`, whose own loop is counted by the case `film`. Absent on
//! purpose: connections and buffers.

use watchgate::decide::pace::Pace;
use watchgate::decide::patience::{Limits, Patience};
use watchgate::decide::resume::{Ask, Course, Head, Identity, judge};

use super::keyed::{NOW_S, VERSION};
use crate::count::Count;

const LIMITS: Limits = Limits { stall_ms: 5_000, min_bytes_per_s: 64 << 10 };
const SIZE: u64 = 4_000_000_000;
const WINDOW: u64 = 64 << 20;
const ETAG: &str = "\"9bb58f26192e4ba00f01e2e7b136bbd8-512\"";
const ORDER: [usize; 3] = [2, 0, 1];

pub(super) fn piece(count: &mut Count) {
    let (mut course, mut pace, mut patience) =
        (Course::new(6), Pace::new(WINDOW, 10_000), Patience::default());
    let mut left = u64::MAX;
    count.each(|_| {
        let bytes = pace.read() as u64;
        patience.got(bytes, 1);
        course.progressed();
        let is_ahead = pace.is_ahead(left);
        pace.took_read();
        left -= bytes;
        (is_ahead, patience.look(&LIMITS, false, || course.has_other(&ORDER, 2)))
    });
}

pub(super) fn window(count: &mut Count) {
    let (mut course, mut pace) = (Course::new(6), Pace::new(WINDOW, 10_000));
    let film = Identity {
        etag: ETAG.into(),
        size: SIZE,
        version_id: Some(VERSION.into()),
        last_modified_unix_s: Some(NOW_S),
    };
    let content_range = format!("bytes 1048576-2097151/{SIZE}");
    let head = Head {
        status: 206,
        etag: Some(ETAG.as_bytes()),
        content_range: Some(content_range.as_bytes()),
        content_length: Some(1 << 20),
        version_id: Some(VERSION.as_bytes()),
        last_modified: Some(b"Mon, 23 Nov 2026 12:00:00 GMT"),
        ..Head::default()
    };
    let ask = Ask::Part { first: 1 << 20, last: (2 << 20) - 1 };
    count.each(|turn| {
        let step = course.step(&ORDER, Some(2));
        let bytes = pace.window((turn as u64) << 20, SIZE);
        let judged = judge(ask, &head, Some(&film), NOW_S).expect("a good answer");
        pace.took_window(bytes, 20);
        (step, judged)
    });
}
