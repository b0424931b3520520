//! Reads one access line, in either form that the gate writes.
//!
//! Absent on purpose: what a replay has no use for (sizes, durations, request ids). Names and escapes are those of
//! `watchgate::access_log`.

use std::borrow::Cow;
use std::net::IpAddr;

use serde::Deserialize;
use watchgate::decide::watch::Film;

/// What a line says, as far as it is of use.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    /// Unix milliseconds.
    pub(super) time_ms: u64,
    /// The viewer; `None` if the gate did not know it, or the line was stripped of it.
    pub(super) client: Option<IpAddr>,
    /// `None`: no film was asked for.
    pub(super) film: Option<Film>,
    pub(super) outcome: String,
    pub(super) reason: String,
    pub(super) node: Option<String>,
}

/// The fields as they stand in a line.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Fields<'a> {
    #[serde(borrow)]
    time: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "client.address")]
    client: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "watchgate.film")]
    film: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "watchgate.outcome")]
    outcome: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "watchgate.reason")]
    reason: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "watchgate.node")]
    node: Option<Cow<'a, str>>,
}

impl Entry {
    /// Reads a line.
    ///
    /// # Errors
    /// Why it is no access line.
    pub(super) fn read(line: &[u8]) -> Result<Self, String> {
        let text = str::from_utf8(line).map_err(|_| "not text (UTF-8)".to_owned())?;
        let fields = if text.starts_with('{') {
            serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?
        } else {
            pairs(text)?
        };
        fields.entry()
    }
}

impl Fields<'_> {
    fn entry(self) -> Result<Entry, String> {
        let time = self.time.ok_or("no field time")?;
        let at: jiff::Timestamp = time.parse().map_err(|_| format!("time: {time:?} is not RFC 3339"))?;
        let outcome = self.outcome.ok_or("no field watchgate.outcome")?.into_owned();
        let client = self.client.map(|text| {
            let what = "is no address (a replay needs addresses, or networks' first ones)";
            text.parse::<IpAddr>().map_err(|_| format!("client.address: {text:?} {what}"))
        });
        let film =
            self.film.map(|text| text.parse().map_err(|_| format!("watchgate.film: {text:?} is no uuid")));
        Ok(Entry {
            time_ms: u64::try_from(at.as_millisecond()).unwrap_or(0),
            client: client.transpose()?,
            film: film.transpose()?,
            outcome,
            reason: self.reason.map(Cow::into_owned).unwrap_or_default(),
            node: self.node.map(Cow::into_owned),
        })
    }
}

/// `name=value` pairs; a value with blanks or other odd letters is quoted as in JSON.
fn pairs(text: &str) -> Result<Fields<'_>, String> {
    let (mut fields, mut rest) = (Fields::default(), text);
    while !rest.is_empty() {
        let (name, behind) =
            rest.split_once('=').ok_or_else(|| format!("{:?} is no name=value", cut(rest)))?;
        let (value, behind) = value(behind)?;
        let field = match name {
            "time" => Some(&mut fields.time),
            "client.address" => Some(&mut fields.client),
            "watchgate.film" => Some(&mut fields.film),
            "watchgate.outcome" => Some(&mut fields.outcome),
            "watchgate.reason" => Some(&mut fields.reason),
            "watchgate.node" => Some(&mut fields.node),
            _ => None,
        };
        if let Some(field) = field {
            *field = Some(value);
        }
        rest = behind.trim_start_matches(' ');
    }
    Ok(fields)
}

/// A value, and what stands behind it.
fn value(text: &str) -> Result<(Cow<'_, str>, &str), String> {
    if !text.starts_with('"') {
        let end = text.find(' ').unwrap_or(text.len());
        return Ok((Cow::Borrowed(&text[..end]), &text[end..]));
    }
    let (mut is_escaped, mut end) = (false, None);
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => {
                end = Some(at + 1);
                break;
            }
            _ => {}
        }
    }
    let end = end.ok_or_else(|| format!("{:?}: the quote is not closed", cut(text)))?;
    let value: String =
        serde_json::from_str(&text[..end]).map_err(|error| format!("{:?}: {error}", cut(&text[..end])))?;
    Ok((Cow::Owned(value), &text[end..]))
}

/// As much of a text as a message needs.
fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &str = r#"{"time":"2026-11-23T09:00:03.007Z","request_id":"r-1","client.address":"192.0.2.7","http.request.method":"GET","url.path":"/watch/0b9ab1a5-29d9-4f2d-9d5a-0f1e2d3c4b5a","http.response.status_code":302,"http.response.body.size":0,"duration_ms":1.023,"watchgate.film":"0b9ab1a5-29d9-4f2d-9d5a-0f1e2d3c4b5a","watchgate.mode":"redirect","watchgate.outcome":"redirect","watchgate.reason":"nearest","watchgate.node":"msk"}"#;
    const TEXT: &str = "time=2026-11-23T09:00:03.007Z request_id=r-1 client.address=192.0.2.7 http.request.method=GET \
        url.path=/watch/0b9ab1a5-29d9-4f2d-9d5a-0f1e2d3c4b5a http.response.status_code=302 http.response.body.size=0 \
        duration_ms=1.023 watchgate.film=0b9ab1a5-29d9-4f2d-9d5a-0f1e2d3c4b5a watchgate.mode=redirect \
        watchgate.outcome=redirect watchgate.reason=nearest watchgate.node=msk";

    #[test]
    fn both_forms_say_the_same() {
        let entry = Entry::read(JSON.as_bytes()).unwrap();
        assert_eq!(entry, Entry::read(TEXT.as_bytes()).unwrap());
        assert_eq!((entry.time_ms, entry.client), (1_795_424_403_007, "192.0.2.7".parse().ok()));
        assert_eq!((entry.outcome.as_str(), entry.node.as_deref()), ("redirect", Some("msk")));
        assert!(entry.film.is_some());
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let entry =
            Entry::read(b"time=2026-11-23T09:00:03Z url.path=\"/a b=\\\" c\" watchgate.outcome=refused")
                .unwrap();
        assert_eq!((entry.client, entry.film, entry.node), (None, None, None));
    }

    #[test]
    fn bad_lines_are_told() {
        let check = |line: &str, expected: &str| {
            let told = Entry::read(line.as_bytes()).unwrap_err();
            assert!(told.starts_with(expected), "{line}: {told}");
        };
        check("{\"time\":", "not JSON: ");
        check("{}", "no field time");
        check("Started the gate", "\"Started the gate\" is no name=value");
        check("time=now watchgate.outcome=redirect", "time: \"now\" is not RFC 3339");
        check("time=2026-11-23T09:00:03Z", "no field watchgate.outcome");
        check("time=\"2026", "\"\\\"2026\": the quote is not closed");
        check(&TEXT.replace("192.0.2.7", "3f9a"), "client.address: \"3f9a\" is no address");
        check(&TEXT.replace("film=0b9a", "film=xxxx"), "watchgate.film: ");
        assert!(Entry::read(&[0xff, 0xfe]).is_err());
    }
}
