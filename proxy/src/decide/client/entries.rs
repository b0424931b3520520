//! The entries of a forwarding header from the right, over all its lines, within limits.
//!
//! Every entry is cut out by the bytes right of its comma alone, so that nothing a viewer wrote on the left
//! can change how a trusted hop's entries are read. What an entry means is not asked here.

use super::Header;

/// More hops than any chain of proxies has, and room for the lists that tests and attackers send.
const ENTRIES_MAX: usize = 1_024;
const BYTES_MAX: usize = 64 * 1_024;

/// Gives each entry with the blanks around it. An empty line is one empty entry.
pub(super) struct Entries<'a, L> {
    /// Lines not yet begun, in the order they came.
    lines: L,
    /// What is left of the current line.
    line: Option<&'a [u8]>,
    last_comma: fn(&[u8]) -> Option<usize>,
    count_left: usize,
    room_left: usize,
}

impl<'a, L: DoubleEndedIterator<Item = &'a [u8]>> Entries<'a, L> {
    pub(super) fn new(lines: L, header: Header) -> Self {
        let last_comma = match header {
            Header::Forwarded => last_comma_outside_quotes,
            Header::XForwardedFor | Header::XRealIp => last_comma,
        };
        Self { lines, line: None, last_comma, count_left: ENTRIES_MAX, room_left: BYTES_MAX }
    }
}

impl<'a, L: DoubleEndedIterator<Item = &'a [u8]>> Iterator for Entries<'a, L> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.count_left = self.count_left.checked_sub(1)?;
        let line = match self.line.take() {
            Some(line) => line,
            None => self.lines.next_back()?,
        };
        let unseen = line.len().saturating_sub(self.room_left);
        let (hidden, seen) = line.split_at(unseen);
        let entry = match (self.last_comma)(seen) {
            Some(at) => {
                self.line = Some(&line[..unseen + at]);
                &seen[at + 1..]
            }
            // It begins beyond the limit: half an entry is none.
            None if !hidden.is_empty() => return None,
            None => seen,
        };
        self.room_left = self.room_left.saturating_sub(entry.len() + 1);
        Some(entry)
    }
}

fn last_comma(line: &[u8]) -> Option<usize> {
    line.iter().rposition(|byte| *byte == b',')
}

/// `None` also if a quoted string has no beginning: then all that is left is one entry, and malformed.
fn last_comma_outside_quotes(line: &[u8]) -> Option<usize> {
    let mut end = line.len();
    while let Some(at) = end.checked_sub(1) {
        end = match line[at] {
            b',' => return Some(at),
            b'"' => opening_quote(&line[..at])?,
            _ => at,
        };
    }
    None
}

/// Where the quoted string that ends behind `before` begins. An odd number of backslashes escapes a quote.
fn opening_quote(before: &[u8]) -> Option<usize> {
    let mut end = before.len();
    loop {
        let at = before[..end].iter().rposition(|byte| *byte == b'"')?;
        let backslashes = before[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
        if backslashes.is_multiple_of(2) {
            return Some(at);
        }
        end = at;
    }
}
