//! Reads which bytes of a film of known size a `Range` field wants, and what one answer can give of them.
//!
//! One answer is one piece: no `multipart/byteranges` is ever written, for players ask for one range and
//! parse nothing else. Only a GET has ranges (RFC 9110 14.2), and `If-Range` and the other preconditions come
//! first ([`conditional`](super::conditional)): both are the caller's to see to. Nothing is allocated.

mod content_range;

pub use self::content_range::{ContentRange, unsatisfied};

/// More ranges than any player asks for; a field with more is ignored, as RFC 9110 14.2 and 17.15 advise.
const SPECS_MAX: usize = 64;

/// What RFC 9110 15.3.7.2 takes a further part of a multipart answer to cost: ranges with a smaller gap between
/// them may be answered as one.
const PART_OVERHEAD_BYTES: u64 = 80;

/// What a GET is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// `200`: all of it. Nothing else is asked for, or the field says nothing that can be honoured.
    Whole,
    /// `206`: the bytes from `first` to `last`, both included and both below the size; perhaps all of them.
    Part {
        /// Position of the first byte, from zero.
        first: u64,
        /// Position of the last byte.
        last: u64,
    },
    /// `416`, with [`unsatisfied`] as its `Content-Range`.
    Unsatisfiable,
}

/// What the lines of a `Range` field want of a film of `size` bytes.
///
/// Ignored, and so answered whole: several lines, another unit than bytes, a field with any malformed range
/// (one that ends before it begins is malformed, RFC 9110 14.1.1) or with more than 64. Numbers beyond 2^64
/// saturate. A range is clipped to the film, a suffix longer than the film is all of it; what begins
/// behind the end and a suffix of no bytes cannot be satisfied, and if nothing can, the answer is `416`.
/// Of an empty film only a suffix is satisfiable, and as no `Content-Range` can say so it is answered whole.
///
/// Several ranges are one `206` if those that can be satisfied overlap, touch or lie so close (gaps below 80
/// bytes) that RFC 9110 15.3.7.2 lets a server send what is between them too, in whatever order they
/// came. Otherwise the whole film is sent, which every client of ranges must be ready for.
pub fn wanted<'a>(mut lines: impl Iterator<Item = &'a [u8]>, size: u64) -> Wanted {
    match (lines.next(), lines.next()) {
        (Some(field), None) => in_field(field, size).unwrap_or(Wanted::Whole),
        _ => Wanted::Whole,
    }
}

/// What to ask of a film whose size is not known yet, so that one request both tells the size and begins the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opening {
    /// The bytes from `first` to at most `last`, which is the largest position if the viewer names none.
    From {
        /// Position of the first byte, from zero.
        first: u64,
        /// Position of the last byte.
        last: u64,
    },
    /// The last so many bytes, at least one.
    Suffix {
        /// How many.
        length: u64,
    },
    /// The size has to be known first.
    Unknown,
}

/// The opening for the lines of a `Range` field. What [`wanted`] says of the size decides in the end.
pub fn opening<'a>(mut lines: impl Iterator<Item = &'a [u8]>) -> Opening {
    const WHOLE: Opening = Opening::From { first: 0, last: u64::MAX };
    let (Some(field), None) = (lines.next(), lines.next()) else { return WHOLE };
    let Some(set) = set(field) else { return WHOLE };
    let mut specs = specs(set);
    match (specs.next().map(Spec::parse), specs.next()) {
        (None | Some(None), _) => WHOLE,
        (Some(Some(Spec::Positions { first, last })), None) => Opening::From { first, last },
        (Some(Some(Spec::Suffix { length })), None) if length > 0 => Opening::Suffix { length },
        _ => Opening::Unknown,
    }
}

/// The list after the unit; `None` for another unit.
fn set(field: &[u8]) -> Option<&[u8]> {
    const UNIT: &[u8] = b"bytes=";
    let (unit, set) = field.trim_ascii().split_at_checked(UNIT.len())?;
    unit.eq_ignore_ascii_case(UNIT).then_some(set)
}

fn specs(set: &[u8]) -> impl Iterator<Item = &[u8]> {
    set.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|spec| !spec.is_empty())
}

/// `None`: the field is to be ignored.
fn in_field(field: &[u8], size: u64) -> Option<Wanted> {
    let mut slices = [Slice::default(); SPECS_MAX];
    let (mut count, mut satisfiable) = (0, 0);
    for spec in specs(set(field)?) {
        count += 1;
        if count > SPECS_MAX {
            return None;
        }
        if let Some(slice) = Spec::parse(spec)?.slice(size) {
            slices[satisfiable] = slice;
            satisfiable += 1;
        }
    }
    let slices = &mut slices[..satisfiable];
    slices.sort_unstable();
    (count > 0).then(|| joined(slices))
}

/// The answer that holds all these slices, which are in order of their positions.
fn joined(slices: &[Slice]) -> Wanted {
    let Some((&Slice { start, mut end }, others)) = slices.split_first() else {
        return Wanted::Unsatisfiable;
    };
    for slice in others {
        if slice.start.saturating_sub(end) >= PART_OVERHEAD_BYTES {
            return Wanted::Whole;
        }
        end = slice.end.max(end);
    }
    // Empty only if the film is.
    if start < end { Wanted::Part { first: start, last: end - 1 } } else { Wanted::Whole }
}

/// Bytes of the film, from `start` to before `end`.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Slice {
    start: u64,
    end: u64,
}

/// One member of the field's list (RFC 9110 14.1.2).
enum Spec {
    Positions { first: u64, last: u64 },
    Suffix { length: u64 },
}

impl Spec {
    fn parse(text: &[u8]) -> Option<Self> {
        let dash = text.iter().position(|byte| *byte == b'-')?;
        match (&text[..dash], &text[dash + 1..]) {
            (b"", length) => Some(Self::Suffix { length: saturating(length)? }),
            (first, b"") => Some(Self::Positions { first: saturating(first)?, last: u64::MAX }),
            (first, last) => {
                let (first, last) = (saturating(first)?, saturating(last)?);
                (first <= last).then_some(Self::Positions { first, last })
            }
        }
    }

    /// The bytes of a film of this size that it names, `None` if it cannot be satisfied.
    fn slice(&self, size: u64) -> Option<Slice> {
        match *self {
            Self::Positions { first, last } => {
                (first < size).then(|| Slice { start: first, end: last.saturating_add(1).min(size) })
            }
            Self::Suffix { length } => {
                (length > 0).then(|| Slice { start: size.saturating_sub(length), end: size })
            }
        }
    }
}

/// At least one digit and nothing else; what is too large is the largest.
fn saturating(text: &[u8]) -> Option<u64> {
    let worth = |number: u64, byte: &u8| Some(number.saturating_mul(10).saturating_add(digit(*byte)?));
    if text.is_empty() { None } else { text.iter().try_fold(0, worth) }
}

fn digit(byte: u8) -> Option<u64> {
    byte.is_ascii_digit().then(|| u64::from(byte - b'0'))
}

#[cfg(test)]
mod tests;
