use bytes::Bytes;
use http::HeaderMap;

use super::*;

fn finding(status: u16, code: &str, has_canary: bool) -> Result<(), (Reason, String)> {
    let body = format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message></Error>");
    let reply = Reply {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::from(if code.is_empty() { String::new() } else { body }),
    };
    match link_finding(&reply, has_canary, &"https://films.example".parse().unwrap()) {
        Finding::Good => Ok(()),
        Finding::Bad { reason, advice } => Err((reason, advice)),
    }
}

#[test]
fn what_the_answer_to_a_link_means() {
    let check = |status: u16, code: &str, has_canary: bool, expected: Result<(), Reason>| {
        let found = finding(status, code, has_canary).map_err(|(reason, _)| reason);
        assert_eq!(found, expected, "{status} {code} {has_canary}");
    };
    check(206, "", true, Ok(()));
    check(200, "", true, Ok(()));
    check(404, "NoSuchKey", true, Err(Reason::NoCanary));
    check(404, "NoSuchKey", false, Ok(()));
    // A page for everything, as a console or another site has it, is no proof.
    check(200, "", false, Err(Reason::Status));
    check(404, "", false, Err(Reason::Status));
    check(404, "NoSuchBucket", false, Err(Reason::NoBucket));
    check(403, "SignatureDoesNotMatch", false, Err(Reason::BadSignature));
    check(403, "InvalidAccessKeyId", true, Err(Reason::BadSignature));
    check(403, "AccessDenied", false, Err(Reason::Forbidden));
    check(403, "RequestTimeTooSkewed", false, Err(Reason::ClockSkew));
    check(502, "", true, Err(Reason::Status));
}

#[test]
fn a_rewritten_host_is_named_as_the_likely_cause() {
    let (_, advice) = finding(403, "SignatureDoesNotMatch", false).unwrap_err();
    assert!(advice.contains("https://films.example") && advice.contains("Host"), "{advice}");
}

#[test]
fn the_answer_for_an_object_that_exists_nowhere_names_the_permission_that_is_lacking() {
    let check = |status: u16,
                 verdict: Result<(), Reason>,
                 (list, read): (bool, bool),
                 expected: Result<(), &str>| {
        let status = StatusCode::from_u16(status).unwrap();
        match (missing_finding(Some(status), verdict, May { list, read }, "movies"), expected) {
            (Finding::Good, Ok(())) => {}
            (Finding::Bad { advice, .. }, Err(said)) => assert!(advice.ends_with(said), "{said}\n{advice}"),
            (found, _) => panic!("{status} {found:?}"),
        }
    };
    check(404, Err(Reason::NoCanary), (true, true), Ok(()));
    check(429, Ok(()), (true, true), Ok(()));
    check(200, Ok(()), (true, true), Err("look for a proxy before it"));
    let forbidden = Err(Reason::Forbidden);
    check(403, forbidden, (false, true), Err("the key needs s3:ListBucket on movies"));
    check(403, forbidden, (true, true), Err("the key needs s3:ListBucket on movies"));
    check(403, forbidden, (true, false), Err("the key needs s3:GetObject on movies/*"));
    check(403, forbidden, (false, false), Err("s3:GetObject on movies/* and s3:ListBucket on movies"));
    check(403, Err(Reason::BadSignature), (false, false), Err(Reason::BadSignature.advice()));
}

#[test]
fn failures_follow_the_table_each_with_what_to_do() {
    let proof = |id: &str, link: Finding| Proof {
        id: id.to_owned(),
        bucket: Finding::Good,
        canary: None,
        link,
        missing: Some(Finding::Good),
        clock_skew_s: Some(2),
        probe_ms: Some(3.21),
    };
    let bad = Finding::Bad { reason: Reason::Tls, advice: "mend it".to_owned() };
    let expected = "
node  bucket  canary  link  missing  clock  answer
ams   good    none    good  good      +2 s  3.2 ms
sin   good    none    tls   good      +2 s  3.2 ms

sin link (tls): mend it
";
    assert_eq!(render(&[proof("ams", Finding::Good), proof("sin", bad)], Paint::Plain), expected);
}
