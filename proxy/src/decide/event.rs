//! Reads what a node's webhook says of its bucket: which object came, went, or reached its replicas.
//!
//! The body is an S3 event notification as `MinIO` sends it. What is unknown in it is passed over, so that a newer server
//! breaks nothing. Absent on purpose: sizes, tags, versions and times. An event is a reason to ask the nodes again,
//! never a truth by itself, and so nothing in it is worth keeping but the name of the object.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};

/// Records of one body that are read; `MinIO` sends them one by one.
pub const RECORDS_MAX: usize = 1000;
/// The longest object key of S3, in bytes of UTF-8 (AWS S3 user guide, "Naming Amazon S3 objects").
const KEY_BYTES_MAX: usize = 1024;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// There is a new version of it, or it was brought back from an archive.
    Created,
    /// A version of it went, or a delete marker was put upon it. `MinIO` also says so when a delete marker is removed and
    /// the object is back.
    Removed,
    /// Its newest change is on every replica.
    Replicated,
    /// Anything else, and whatever cannot be read.
    Other,
}

impl Kind {
    /// All of them, for labels that must exist before they happen.
    pub const ALL: [Self; 4] = [Self::Created, Self::Removed, Self::Replicated, Self::Other];

    /// The word for logs and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Removed => "removed",
            Self::Replicated => "replicated",
            Self::Other => "other",
        }
    }

    /// By the event's name, with `s3:` before it as `MinIO` writes it or without as AWS does.
    fn of(name: &str) -> Self {
        let (group, detail) = name.strip_prefix("s3:").unwrap_or(name).split_once(':').unwrap_or_default();
        match group {
            "ObjectCreated" => Self::Created,
            "ObjectRestore" if detail.ends_with("Completed") => Self::Created,
            "ObjectRemoved" | "LifecycleExpiration" | "LifecycleDelMarkerExpiration" => Self::Removed,
            "Replication" => match detail {
                "OperationCompletedReplication" | "OperationReplicatedAfterThreshold" => Self::Replicated,
                _ => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

/// One thing that happened to one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub kind: Kind,
    /// Where; empty if nothing was said of it.
    pub bucket: String,
    /// The object's key, decoded; empty if it cannot be read, and then the kind is [`Kind::Other`].
    pub key: String,
}

/// Why a body is no notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It cannot be read.
    #[error("the body is not JSON, or a field of it is not of its type")]
    Unreadable,
    /// It is JSON of another kind.
    #[error("the body is no bucket notification: it has neither Records nor EventName and Key")]
    Shape,
    /// It has more records than are read; none of them counts.
    #[error("the body has more than {RECORDS_MAX} records")]
    TooMany,
}

/// The events of one body, in their order.
///
/// `Records` win over the `EventName` and `Key` that `MinIO` puts beside them. A record that lacks something, or whose key
/// cannot be decoded, is one of [`Kind::Other`] and spoils no other. A list without records is a notification of
/// nothing, and so is the `s3:TestEvent` that AWS sends when a target is set up (`MinIO` sends nothing then).
///
/// # Errors
/// [`Fault`].
pub fn parse(body: &[u8]) -> Result<Vec<Event>, Fault> {
    let body: Body = serde_json::from_slice(body).map_err(|_| Fault::Unreadable)?;
    if let Some(Records { list, are_all }) = body.records {
        return if are_all { Ok(list.into_iter().map(Record::event).collect()) } else { Err(Fault::TooMany) };
    }
    match (body.event_name, body.key, body.test.as_deref()) {
        (Some(name), Some(path), _) => Ok(vec![of_summary(&name, &path)]),
        (_, _, Some("s3:TestEvent")) => Ok(Vec::new()),
        _ => Err(Fault::Shape),
    }
}

/// `MinIO`'s summary of the one record: bucket and key as they are, with a slash between.
fn of_summary(name: &str, path: &str) -> Event {
    match path.split_once('/') {
        Some((bucket, key)) => Event::new(name, bucket.to_owned(), Some(key.to_owned())),
        None => Event::new(name, path.to_owned(), None),
    }
}

impl Event {
    fn new(name: &str, bucket: String, key: Option<String>) -> Self {
        match key.filter(|key| !key.is_empty() && key.len() <= KEY_BYTES_MAX) {
            Some(key) => Self { kind: Kind::of(name), bucket, key },
            None => Self { kind: Kind::Other, bucket, key: String::new() },
        }
    }
}

/// Undoes the encoding of HTML forms that S3 puts on keys: `+` is a blank. None: not an encoding, or not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// The body as it is written (AWS S3 user guide, "Event message structure"); fields that nobody asks for are passed over.
#[derive(Deserialize)]
struct Body {
    #[serde(rename = "Records")]
    records: Option<Records>,
    #[serde(rename = "EventName")]
    event_name: Option<String>,
    #[serde(rename = "Key")]
    key: Option<String>,
    #[serde(rename = "Event")]
    test: Option<String>,
}

#[derive(Deserialize)]
struct Record {
    #[serde(rename = "eventName", default)]
    event_name: Option<String>,
    #[serde(default)]
    s3: Option<Entity>,
}

#[derive(Deserialize)]
struct Entity {
    #[serde(default)]
    bucket: Option<Bucket>,
    #[serde(default)]
    object: Option<Object>,
}

#[derive(Deserialize)]
struct Bucket {
    #[serde(default)]
    name: Option<String>,
}

#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    key: Option<String>,
}

impl Record {
    fn event(self) -> Event {
        let Entity { bucket, object } = self.s3.unwrap_or(Entity { bucket: None, object: None });
        let bucket = bucket.and_then(|bucket| bucket.name).unwrap_or_default();
        let key = object.and_then(|object| object.key).and_then(|key| decoded(&key));
        Event::new(&self.event_name.unwrap_or_default(), bucket, key)
    }
}

/// A list that keeps no more than it may.
struct Records {
    list: Vec<Record>,
    are_all: bool,
}

impl<'de> Deserialize<'de> for Records {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Taking;
        impl<'de> Visitor<'de> for Taking {
            type Value = Records;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a list of records")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Records, A::Error> {
                let mut list = Vec::new();
                while list.len() < RECORDS_MAX {
                    match from.next_element()? {
                        Some(record) => list.push(record),
                        None => return Ok(Records { list, are_all: true }),
                    }
                }
                let mut are_all = true;
                while from.next_element::<IgnoredAny>()?.is_some() {
                    are_all = false;
                }
                Ok(Records { list, are_all })
            }
        }
        from.deserialize_seq(Taking)
    }
}

#[cfg(test)]
mod tests;
