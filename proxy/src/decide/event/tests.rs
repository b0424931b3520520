use proptest::prelude::*;

use super::*;

/// The key that was captured from real `MinIO`: a blank, a plus, a percent sign, a slash and Cyrillic.
const KEY: &str = "a b+c%d/фильм.mp4";

fn said(body: &[u8]) -> String {
    let events = match parse(body) {
        Ok(events) => events,
        Err(fault) => return fault.to_string(),
    };
    let words = events.iter().map(|event| format!("{} {} {}", event.kind.as_str(), event.bucket, event.key));
    words.collect::<Vec<_>>().join(" | ")
}

#[track_caller]
fn check(body: &str, want: &str) {
    assert_eq!(said(body.as_bytes()), want, "{body}");
}

/// One record as AWS writes it: no `s3:` before the name.
fn record(name: &str, key: &str) -> String {
    format!(r#"{{"eventName":"{name}","s3":{{"bucket":{{"name":"movies"}},"object":{{"key":"{key}"}}}}}}"#)
}

fn records(list: &[String]) -> String {
    format!(r#"{{"Records":[{}]}}"#, list.join(","))
}

#[test]
fn what_real_minio_sends() {
    for (body, kind) in [
        (include_str!("tests/put.json"), "created"),
        (include_str!("tests/replicated.json"), "replicated"),
        (include_str!("tests/delete_marker.json"), "removed"),
        (include_str!("tests/undelete.json"), "removed"),
        (include_str!("tests/version_removed.json"), "removed"),
    ] {
        check(body, &format!("{kind} movies {KEY}"));
    }
}

#[test]
fn names_of_events() {
    for (kind, names) in [
        (
            "created",
            "ObjectCreated:Put ObjectCreated:CompleteMultipartUpload ObjectCreated:Copy ObjectCreated:Post",
        ),
        ("created", "ObjectCreated:PutTagging ObjectCreated:* ObjectRestore:Completed"),
        ("removed", "ObjectRemoved:Delete ObjectRemoved:DeleteMarkerCreated ObjectRemoved:DeleteAllVersions"),
        ("removed", "LifecycleExpiration:Delete LifecycleExpiration:DeleteMarkerCreated"),
        ("removed", "ObjectRemoved:NoOP LifecycleDelMarkerExpiration:Delete"),
        (
            "replicated",
            "Replication:OperationCompletedReplication Replication:OperationReplicatedAfterThreshold",
        ),
        ("other", "Replication:OperationFailedReplication Replication:OperationMissedThreshold"),
        (
            "other",
            "Replication:OperationNotTracked ObjectRestore:Post ObjectRestore:Delete ObjectAccessed:Get",
        ),
        ("other", "ObjectTransition:Complete Scanner:ManyVersions ObjectCreated objectcreated:Put s3:s3:x :"),
    ] {
        for name in names.split(' ') {
            check(&records(&[record(name, "k")]), &format!("{kind} movies k"));
            check(&records(&[record(&format!("s3:{name}"), "k")]), &format!("{kind} movies k"));
        }
    }
}

#[test]
fn keys_are_decoded_once() {
    for (key, want) in [
        ("a+b", "created movies a b"),
        ("a%2Bb%2bc", "created movies a+b+c"),
        ("a%2520b", "created movies a%20b"),
        ("films%2Fx.mp4", "created movies films/x.mp4"),
        ("films/x.mp4", "created movies films/x.mp4"),
        ("%D1%84", "created movies ф"),
        ("%", "other movies "),
        ("a%2", "other movies "),
        ("a%zz", "other movies "),
        ("a%+1", "other movies "),
        ("%ff", "other movies "),
        ("", "other movies "),
    ] {
        check(&records(&[record("ObjectCreated:Put", key)]), want);
    }
    let longest = "x".repeat(1024);
    check(&records(&[record("ObjectCreated:Put", &longest)]), &format!("created movies {longest}"));
    check(&records(&[record("ObjectCreated:Put", &format!("{longest}x"))]), "other movies ");
}

#[test]
fn a_bad_record_spoils_no_other() {
    let good = record("ObjectCreated:Put", "k");
    for (bad, counts) in [
        (record("ObjectCreated:Put", "%"), "other movies "),
        ("{}".to_owned(), "other  "),
        (r#"{"eventName":null,"s3":null}"#.to_owned(), "other  "),
        (r#"{"eventName":"ObjectCreated:Put","s3":{"bucket":{},"object":{}}}"#.to_owned(), "other  "),
        (r#"{"s3":{"bucket":{"name":"movies"},"object":{"key":"k"}}}"#.to_owned(), "other movies k"),
    ] {
        check(&records(&[bad, good.clone()]), &format!("{counts} | created movies k"));
    }
}

#[test]
fn the_summary_counts_where_there_are_no_records() {
    check(r#"{"EventName":"s3:ObjectCreated:Put","Key":"movies/a b+c%d"}"#, "created movies a b+c%d");
    check(r#"{"EventName":"s3:ObjectCreated:Put","Key":"movies/a","Records":null}"#, "created movies a");
    check(r#"{"EventName":"s3:ObjectCreated:Put","Key":"movies/a","Records":[]}"#, "");
    check(r#"{"EventName":"s3:BucketRemoved:*","Key":"movies"}"#, "other movies ");
    check(r#"{"EventName":"s3:ObjectCreated:Put","Key":"movies/"}"#, "other movies ");
    let both =
        r#"{"EventName":"s3:ObjectRemoved:Delete","Key":"movies/no","Records":[RECORD],"Unknown":{"x":[1]}}"#;
    check(&both.replace("RECORD", &record("ObjectCreated:Put", "yes")), "created movies yes");
}

#[test]
fn what_is_no_notification() {
    let no_shape = Fault::Shape.to_string();
    check(r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"movies"}"#, "");
    for body in ["{}", r#"{"EventName":"s3:ObjectCreated:Put"}"#, r#"{"Key":"movies/a"}"#, r#"{"Event":"x"}"#]
    {
        check(body, &no_shape);
    }
    let unreadable = Fault::Unreadable.to_string();
    for body in
        ["", "null", "1", r#""Records""#, "<xml/>", r#"{"Records":{}}"#, r#"{"Records":[1]}"#, "{} {}"]
    {
        check(body, &unreadable);
    }
    assert_eq!(said(b"\xff"), unreadable);
    assert_eq!(said("[".repeat(100_000).as_bytes()), unreadable);
}

#[test]
fn a_thousand_records_and_no_more() {
    let list = |count| records(&vec![record("ObjectCreated:Put", "k"); count]);
    assert_eq!(parse(list(RECORDS_MAX).as_bytes()).map(|events| events.len()), Ok(RECORDS_MAX));
    assert_eq!(parse(list(RECORDS_MAX + 1).as_bytes()), Err(Fault::TooMany));
    // What is beyond the limit is not kept, but has to be JSON.
    let cut = list(RECORDS_MAX + 1);
    assert_eq!(parse(&cut.as_bytes()[..cut.len() - 3]), Err(Fault::Unreadable));
}

#[test]
fn words_are_those_of_the_contract() {
    assert_eq!(Kind::ALL.map(Kind::as_str).join(" "), "created removed replicated other");
    assert!(Kind::ALL.is_sorted());
}

/// As S3 encodes a key.
fn encoded(key: &str) -> String {
    key.bytes().fold(String::new(), |text, byte| match byte {
        b' ' => text + "+",
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'*' => {
            text + &char::from(byte).to_string()
        }
        byte => text + &format!("%{byte:02X}"),
    })
}

proptest! {
    #[test]
    fn no_body_is_too_strange(body in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = parse(&body);
    }

    #[test]
    fn a_damaged_body_is_read_or_refused(at in 0_usize..1000, byte in any::<u8>()) {
        let mut body = include_bytes!("tests/put.json").to_vec();
        let at = at % body.len();
        body[at] = byte;
        if let Ok(events) = parse(&body) {
            prop_assert_eq!(events.len(), 1);
        }
    }

    #[test]
    fn every_key_arrives_as_it_is(key in "\\PC{1,200}") {
        let body = records(&[record("ObjectCreated:Put", &encoded(&key))]);
        let events = parse(body.as_bytes()).expect("a notification");
        prop_assert_eq!(&events, &[Event { kind: Kind::Created, bucket: "movies".to_owned(), key }]);
    }
}
