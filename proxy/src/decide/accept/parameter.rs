//! The `name=value` parameters that follow a media range or make up a `Forwarded` element (RFC 9110 5.6.6).
//!
//! Nothing is copied unless a quoted value holds escapes. Which names mean something is the caller's matter.

/// A parameter's value where it stands in the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::decide) enum Value<'a> {
    /// Without quotes, at least one byte.
    Token(&'a [u8]),
    /// Between the quotes, escapes as they stand.
    Quoted(&'a [u8]),
}

impl<'a> Value<'a> {
    /// The value without its escapes, copied into `room` only if there are any. `None`: it does not fit.
    pub(in crate::decide) fn unescaped<'r>(self, room: &'r mut [u8]) -> Option<&'r [u8]>
    where
        'a: 'r,
    {
        let raw = match self {
            Self::Token(raw) => return Some(raw),
            Self::Quoted(raw) if !raw.contains(&b'\\') => return Some(raw),
            Self::Quoted(raw) => raw,
        };
        let mut length = 0;
        let mut bytes = raw.iter();
        while let Some(byte) = bytes.next() {
            // The parser has seen a byte behind every backslash.
            let plain = if *byte == b'\\' { bytes.next()? } else { byte };
            *room.get_mut(length)? = *plain;
            length += 1;
        }
        Some(&room[..length])
    }
}

/// A byte of a token (RFC 9110 5.6.2).
pub(in crate::decide) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The parameters of `text`, parted by semicolons with blanks around them; empty ones are skipped, as the
/// RFC has it. `None` is the first malformed one, and nothing is read behind it.
///
/// `bare` says which bytes an unquoted value may have.
pub(in crate::decide) fn parameters(
    text: &[u8],
    bare: impl Fn(u8) -> bool,
) -> impl Iterator<Item = Option<(&[u8], Value<'_>)>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        while let [b';' | b' ' | b'\t', behind @ ..] = rest {
            rest = behind;
        }
        if rest.is_empty() {
            return None;
        }
        let taken = take(rest, &bare);
        rest = taken.map_or(&[], |(_, _, behind)| behind);
        Some(taken.map(|(name, value, _)| (name, value)))
    })
}

type Taken<'a> = (&'a [u8], Value<'a>, &'a [u8]);

/// One parameter off the front, and what stands behind it: nothing, or a semicolon first.
fn take(text: &[u8], bare: impl Fn(u8) -> bool) -> Option<Taken<'_>> {
    let (name, text) = text.split_at(text.iter().position(|byte| !is_token(*byte))?);
    let (value, behind) = match text.strip_prefix(b"=")? {
        [b'"', quoted @ ..] => {
            let end = closing_quote(quoted)?;
            (Value::Quoted(&quoted[..end]), &quoted[end + 1..])
        }
        token => {
            let end = token.iter().position(|byte| !bare(*byte)).unwrap_or(token.len());
            (end > 0).then_some((Value::Token(&token[..end]), &token[end..]))?
        }
    };
    let behind = behind.trim_ascii_start();
    (!name.is_empty() && matches!(behind, [] | [b';', ..])).then_some((name, value, behind))
}

/// Where a quoted string ends, seen from behind its first quote (RFC 9110 5.6.4).
pub(in crate::decide) fn closing_quote(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => return Some(at),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}
