//! The whole course of a film over nodes that fail, lie and hold other versions, without a socket: whatever
//! happens, the viewer's bytes are a part of the film as promised, or visibly fewer.

use proptest::prelude::*;

use super::super::*;
use crate::decide::pace::Pace;

/// What a node does with one request.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// Serves so many bytes of the window, in parts of a thousand, then ends; 1000: all of it.
    Serve(u64),
    /// Serves another version.
    Other,
    /// Answers with other bytes than asked, and says so in `Content-Range`.
    Shifted,
    /// Answers with an error.
    Status(u16),
    /// Does not answer.
    Silent,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0_u64..=1000).prop_map(Act::Serve),
        3 => Just(Act::Serve(1000)),
        1 => Just(Act::Other),
        1 => Just(Act::Shifted),
        2 => prop_oneof![Just(200_u16), Just(404), Just(403), Just(412), Just(429), Just(500), Just(503)].prop_map(Act::Status),
        1 => Just(Act::Silent),
    ]
}

fn byte(at: u64) -> u8 {
    (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8
}

/// One answer to one request: the bytes that the pump may hand on, and how it ended.
fn serve(act: Act, film: &Identity, first: u64, last: u64) -> (Vec<u8>, Option<Failure>) {
    let (etag, shift) = match act {
        Act::Other => ("\"other\"", 0),
        Act::Serve(_) | Act::Silent | Act::Status(_) => (&*film.etag, 0),
        Act::Shifted => (&*film.etag, 1),
    };
    let status = match act {
        Act::Status(status) => status,
        Act::Silent => return (Vec::new(), Some(Failure::FirstByte)),
        _ => 206,
    };
    let (from, to) = (first + shift, (last + shift).min(film.size - 1));
    let range = format!("bytes {from}-{to}/{}", film.size);
    let head = Head {
        status,
        etag: Some(etag.as_bytes()),
        content_range: Some(range.as_bytes()),
        content_length: Some(to.saturating_sub(from) + 1),
        ..Head::default()
    };
    match judge(Ask::Part { first, last }, &head, Some(film), 0) {
        Err(failure) => (Vec::new(), Some(failure)),
        Ok(Judged::Unsatisfiable) => (Vec::new(), Some(Failure::Status)),
        Ok(Judged::Answer(answer)) => {
            let Act::Serve(part) = act else { panic!("{act:?} was taken for an answer") };
            let count = answer.length * part / 1000;
            let bytes = (answer.first..answer.first + count).map(byte).collect();
            (bytes, (count < answer.length).then_some(Failure::Cut))
        }
    }
}

proptest! {
    #[test]
    fn the_viewers_bytes_are_the_films_or_visibly_fewer(
        size in 1_u64..500_000, a in any::<u64>(), b in any::<u64>(), nodes in 1_usize..5,
        acts in proptest::collection::vec((act(), any::<bool>()), 1..60),
    ) {
        let film = Identity { etag: "\"film\"".into(), size, version_id: None, last_modified_unix_s: None };
        let (first, end) = (a % size, a % size + 1 + b % (size - a % size));
        let mut got: Vec<u8> = Vec::new();
        let mut course = Course::new(6);
        let mut pace = Pace::new(1 << 16, 10_000);
        let (mut at, mut script) = (None, acts.into_iter());
        let gave_up = loop {
            let position = first + got.len() as u64;
            if position == end {
                break false;
            }
            let order: Vec<usize> = (0..nodes).collect();
            let node = match course.step(&order, at) {
                Step::Ask(node) | Step::Again { node, .. } => node,
                Step::GiveUp => break true,
            };
            // When the script is over, nodes behave.
            let (act, held) = script.next().unwrap_or((Act::Serve(1000), false));
            let window = pace.window(position, end - position);
            let (bytes, failure) = serve(act, &film, position, position + window - 1);
            if !bytes.is_empty() {
                course.progressed();
            }
            got.extend(&bytes);
            match failure {
                Some(failure) => course.failed(node, failure),
                None => pace.took_window(window, if held { 60_000 } else { 0 }),
            }
            at = Some(node);
        };
        let expected: Vec<u8> = (first..end).map(byte).collect();
        prop_assert!(got.len() <= expected.len());
        prop_assert_eq!(&got[..], &expected[..got.len()]);
        prop_assert_eq!(gave_up, got.len() < expected.len(), "cut if and only if it is not whole");
    }
}
