//! A log line by line, in memory that does not grow with it.

use std::io::{self, BufRead};

/// Far above the gate's longest line.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// See the module.
pub(super) struct Lines<R> {
    from: R,
    line: Vec<u8>,
    number: u64,
}

/// One line with its number, from 1.
#[derive(Debug, PartialEq)]
pub(super) enum Text<'a> {
    /// Without its end.
    Line(u64, &'a [u8]),
    /// It is passed over.
    TooLong(u64),
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, line: Vec::new(), number: 0 }
    }

    /// The next line; empty ones are passed over.
    pub(super) fn next(&mut self) -> io::Result<Option<Text<'_>>> {
        loop {
            self.line.clear();
            let (mut is_long, mut has_any) = (false, false);
            loop {
                let bytes = self.from.fill_buf()?;
                if bytes.is_empty() {
                    break;
                }
                has_any = true;
                let end = bytes.iter().position(|byte| *byte == b'\n');
                let taken = end.unwrap_or(bytes.len());
                is_long |= self.line.len() + taken > LINE_BYTES_MAX;
                if !is_long {
                    self.line.extend_from_slice(&bytes[..taken]);
                }
                self.from.consume(taken + usize::from(end.is_some()));
                if end.is_some() {
                    break;
                }
            }
            if !has_any {
                return Ok(None);
            }
            self.number += 1;
            if is_long {
                return Ok(Some(Text::TooLong(self.number)));
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(Some(Text::Line(self.number, self.line.trim_ascii())));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_numbered_and_bounded() {
        let text = format!("one\r\n\n{}\nlast", "x".repeat(LINE_BYTES_MAX + 1));
        let mut lines = Lines::new(io::BufReader::with_capacity(7, text.as_bytes()));
        assert_eq!(lines.next().unwrap(), Some(Text::Line(1, b"one")));
        assert_eq!(lines.next().unwrap(), Some(Text::TooLong(3)));
        assert_eq!(lines.next().unwrap(), Some(Text::Line(4, b"last")));
        assert_eq!(lines.next().unwrap(), None);
        assert!(lines.line.capacity() <= 2 * LINE_BYTES_MAX);
    }
}
