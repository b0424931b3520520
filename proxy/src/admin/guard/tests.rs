use axum::http::{HeaderName, HeaderValue};

use super::*;

const TOKEN: &str = "correct-horse-battery";

/// `fields` is `name: value` separated by `|`; `None` stands for a pass.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "tables read better without borrows")]
fn check(token: Option<&str>, method: Method, fields: &str, want: Option<Refused>) {
    let mut headers = HeaderMap::new();
    for field in fields.split('|').filter(|field| !field.is_empty()) {
        let (name, value) = field.split_once(": ").unwrap();
        headers.append(name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let guard = Guard::new(token.map(Secret::new).as_ref());
    assert_eq!(guard.judge(&method, &headers).err(), want, "{method} {fields}");
}

#[test]
fn the_token() {
    let with = |fields: &str, want| check(Some(TOKEN), Method::GET, fields, want);
    with(&format!("host: gate.example|authorization: Bearer {TOKEN}"), None);
    with(&format!("authorization: bEaReR  {TOKEN}"), None);
    with("host: 127.0.0.1", Some(Refused::Token));
    with("authorization: Bearer", Some(Refused::Token));
    with("authorization: Bearer ", Some(Refused::Token));
    with(&format!("authorization: {TOKEN}"), Some(Refused::Token));
    with(&format!("authorization: Basic {TOKEN}"), Some(Refused::Token));
    with(&format!("authorization: Bearer {TOKEN}x"), Some(Refused::Token));
    with(&format!("authorization: Bearer {TOKEN} "), Some(Refused::Token));
    with(&format!("authorization: Bearer {}", &TOKEN[1..]), Some(Refused::Token));
    with(&format!("authorization: Bearer {}", TOKEN.to_uppercase()), Some(Refused::Token));
    with(&format!("authorization: Bearer {TOKEN}|authorization: Bearer {TOKEN}"), Some(Refused::Token));
}

#[test]
fn without_a_token_only_own_names() {
    let with = |host: &str, want| check(None, Method::GET, &format!("host: {host}"), want);
    for host in ["127.0.0.1:9900", "[::1]:9900", "localhost", "LOCALHOST:9900", "10.1.2.3"] {
        with(host, None);
    }
    for host in
        ["evil.example", "evil.example:9900", "localhost.evil.example", "127.0.0.1.evil.example", "[::1"]
    {
        with(host, Some(Refused::Host));
    }
    check(None, Method::GET, "", Some(Refused::Host));
    check(None, Method::GET, "host: localhost|host: localhost", Some(Refused::Host));
}

#[test]
fn other_sites_change_nothing() {
    let with =
        |fields: &str, want| check(None, Method::POST, &format!("host: localhost:9900|{fields}"), want);
    with("", None);
    with("sec-fetch-site: same-origin", None);
    with("sec-fetch-site: none", None);
    with("sec-fetch-site: cross-site", Some(Refused::OtherSite));
    with("sec-fetch-site: same-site", Some(Refused::OtherSite));
    with("sec-fetch-site: cross-site|origin: http://localhost:9900", Some(Refused::OtherSite));
    with("origin: http://localhost:9900", None);
    with("origin: http://localhost:9901", Some(Refused::OtherSite));
    with("origin: https://evil.example", Some(Refused::OtherSite));
    with("origin: null", Some(Refused::OtherSite));
    check(None, Method::GET, "host: localhost|sec-fetch-site: cross-site", None);
}
