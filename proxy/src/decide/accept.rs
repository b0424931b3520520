//! Tells from the `Accept` field whether a client wants JSON rather than the film.
//!
//! This is no content negotiation: two answers exist, and only a client that names JSON gets that one. What
//! is malformed says nothing; no other media type is looked for.

pub(in crate::decide) mod parameter;

/// More than any client's `Accept`; a longer one is not read for JSON.
const BYTES_MAX: usize = 8 * 1_024;

/// Whether `application/json` is named with a weight above zero, and nothing has a greater one.
///
/// Takes the field's lines in any order (RFC 9110 12.5.1). So the default of axios counts, a player's or a
/// browser's `*/*` does not. Parameters of a range are ignored. A malformed member of the list (no
/// subtype, a weight that is not 0 to 1 with three decimals, a parameter without a value) is ignored
/// whole, the others stand; with more than 8 KiB of lines the answer is no.
pub fn wants_json<'a>(lines: impl Iterator<Item = &'a [u8]>) -> bool {
    let (mut json, mut greatest, mut bytes) = (0, 0, 0);
    for line in lines {
        bytes += line.len();
        if bytes > BYTES_MAX {
            return false;
        }
        for range in members(line).filter_map(range) {
            greatest = range.weight.max(greatest);
            if range.names_json {
                json = range.weight.max(json);
            }
        }
    }
    json > 0 && json == greatest
}

/// The members of a list, parted by commas outside quotes. An open quote holds all that follows it.
fn members(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest.take()?;
        let mut at = 0;
        loop {
            match line.get(at) {
                None => return Some(line),
                Some(b',') => break,
                Some(b'"') => match parameter::closing_quote(&line[at + 1..]) {
                    Some(length) => at += length + 2,
                    None => return Some(line),
                },
                Some(_) => at += 1,
            }
        }
        rest = Some(&line[at + 1..]);
        Some(&line[..at])
    })
}

struct Range {
    names_json: bool,
    /// Thousandths.
    weight: u16,
}

/// `None` for a malformed member, an empty one too.
fn range(member: &[u8]) -> Option<Range> {
    let member = member.trim_ascii();
    let end = member.iter().position(|byte| matches!(byte, b';' | b' ' | b'\t')).unwrap_or(member.len());
    let (name, behind) = member.split_at(end);
    let behind = behind.trim_ascii_start();
    let slash = name.iter().position(|byte| *byte == b'/')?;
    let is_word = |word: &[u8]| !word.is_empty() && word.iter().all(|byte| parameter::is_token(*byte));
    if !is_word(&name[..slash]) || !is_word(&name[slash + 1..]) || !matches!(behind, [] | [b';', ..]) {
        return None;
    }
    let mut said = None;
    for pair in parameter::parameters(behind, parameter::is_token) {
        let (name, value) = pair?;
        if name.eq_ignore_ascii_case(b"q") && said.replace(weight(value)?).is_some() {
            return None;
        }
    }
    let names_json = name.eq_ignore_ascii_case(b"application/json");
    Some(Range { names_json, weight: said.unwrap_or(1_000) })
}

/// Thousandths of a `qvalue` (RFC 9110 12.4.2).
fn weight(value: parameter::Value<'_>) -> Option<u16> {
    let parameter::Value::Token([whole @ (b'0' | b'1'), decimals @ ..]) = value else { return None };
    let decimals = match decimals {
        [] => &[],
        [b'.', decimals @ ..] if decimals.len() <= 3 => decimals,
        _ => return None,
    };
    let mut thousandths = u16::from(whole - b'0') * 1_000;
    for (digit, worth) in decimals.iter().zip([100, 10, 1]) {
        thousandths += worth * u16::from(digit.checked_sub(b'0').filter(|worth| *worth <= 9)?);
    }
    (thousandths <= 1_000).then_some(thousandths)
}

#[cfg(test)]
mod tests;
