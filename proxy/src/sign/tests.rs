//! Proofs that the signatures are the ones AWS means: equality with two foreign signers and with AWS's
//! vectors, and the clock's edges.

mod oracles;
mod vectors;

use super::{
    Addressing, DayKey, DayKeys, EXPIRES_MAX_S, HeaderRequest, Method, Resource, Scheme, Target, TargetParts,
    link_time,
};
use proptest::prelude::*;

pub(super) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub(super) const REGION: &str = "eu-north-1";
const NOW_S: u64 = 1_795_435_200; // 2026-11-23T12:00:00Z

fn parts(scheme: Scheme, authority: &str, addressing: Addressing) -> TargetParts<'_> {
    TargetParts {
        scheme,
        authority,
        bucket: "movies",
        addressing,
        region: REGION,
        access_key: "AKIDEXAMPLE",
        session_token: None,
    }
}

fn link(target: &Target, method: Method, now_s: u64, version: Option<&str>) -> String {
    let time = link_time(now_s, 300, 21_600);
    let keys = DayKeys::derive(SECRET, now_s, REGION);
    target.presign(keys.at(time.signed_at_s()).expect("held"), method, "a film.mp4", version, time)
}

#[test]
fn a_link_reads_as_expected() {
    let parts = parts(Scheme::Http, "10.0.0.5:9000", Addressing::Path);
    let target = Target::new(TargetParts { session_token: Some("to/ken=="), ..parts });
    let link = link(&target, Method::Get, NOW_S + 299, Some("a/b"));
    let (unsigned, signature) = link.rsplit_once('=').expect("signature");
    assert_eq!(
        unsigned,
        "http://10.0.0.5:9000/movies/a%20film.mp4?X-Amz-Algorithm=AWS4-HMAC-SHA256\
         &X-Amz-Credential=AKIDEXAMPLE%2F20261123%2Feu-north-1%2Fs3%2Faws4_request&X-Amz-Date=20261123T120000Z\
         &X-Amz-Expires=21900&X-Amz-Security-Token=to%2Fken%3D%3D&X-Amz-SignedHeaders=host\
         &versionId=a%2Fb&X-Amz-Signature"
    );
    assert!(signature.len() == 64 && signature.bytes().all(|byte| b"0123456789abcdef".contains(&byte)));
}

#[test]
fn methods_do_not_share_a_signature() {
    let target = Target::new(parts(Scheme::Https, "films.example.org", Addressing::Path));
    let (get, head) = (link(&target, Method::Get, NOW_S, None), link(&target, Method::Head, NOW_S, None));
    assert_ne!(get, head);
    assert_eq!(get[..get.len() - 64], head[..head.len() - 64], "only the signature differs");
}

#[test]
fn authorities_are_written_as_clients_send_them() {
    let check = |scheme, authority, addressing, expected: &str| {
        let target = Target::new(parts(scheme, authority, addressing));
        assert_eq!(target.authority(), expected);
        let (_, rest) = target.object_base.split_once("://").expect("scheme");
        assert_eq!(rest.split('/').next(), Some(expected), "URL and Host agree");
    };
    check(Scheme::Http, "h:80", Addressing::Path, "h");
    check(Scheme::Http, "h:443", Addressing::Path, "h:443");
    check(Scheme::Https, "h:443", Addressing::Path, "h");
    check(Scheme::Https, "h:80", Addressing::Path, "h:80");
    check(Scheme::Https, "h:8443", Addressing::Path, "h:8443");
    check(Scheme::Https, "Films.Example.ORG:443", Addressing::VirtualHost, "movies.films.example.org");
    check(Scheme::Http, "films.example.org:9000", Addressing::VirtualHost, "movies.films.example.org:9000");
    check(Scheme::Http, "[2001:db8::80]:80", Addressing::Path, "[2001:db8::80]");
    check(Scheme::Http, "[2001:db8::80]", Addressing::Path, "[2001:db8::80]");
    check(Scheme::Http, "[::1]:9000", Addressing::Path, "[::1]:9000");
    check(Scheme::Http, "[2001:DB8:0:0::01]:9000", Addressing::Path, "[2001:db8::1]:9000");
    check(Scheme::Https, "[::ffff:10.0.0.5]:443", Addressing::Path, "[::ffff:a00:5]");
}

#[test]
fn requests_name_bucket_and_object_in_both_addressings() {
    let check = |addressing, resource, query: &[(&str, &str)], expected: &str| {
        let target = Target::new(parts(Scheme::Http, "h:9000", addressing));
        let request = HeaderRequest { method: Method::Head, resource, query, headers: &[], unix_s: NOW_S };
        let signed = target.sign_headers(&DayKey::derive(SECRET, NOW_S, REGION), &request);
        assert_eq!(signed.path_and_query, expected);
    };
    check(Addressing::Path, Resource::Bucket, &[], "/movies");
    check(Addressing::VirtualHost, Resource::Bucket, &[], "/");
    check(Addressing::Path, Resource::Object("/a b"), &[], "/movies//a%20b");
    check(Addressing::VirtualHost, Resource::Object("a/b"), &[("versionId", "v/1")], "/a/b?versionId=v%2F1");
}

#[test]
fn an_empty_session_token_is_none() {
    let plain = parts(Scheme::Http, "h", Addressing::Path);
    let empty = TargetParts { session_token: Some(""), ..plain };
    let [plain, empty] = [plain, empty].map(|parts| link(&Target::new(parts), Method::Get, NOW_S, None));
    assert_eq!(plain, empty);
}

#[test]
fn headers_to_send_are_all_there_and_host_comes_first() {
    let names = |session_token| {
        let parts = TargetParts { session_token, ..parts(Scheme::Http, "h", Addressing::Path) };
        let (method, resource) = (Method::Get, Resource::Bucket);
        let request = HeaderRequest { method, resource, query: &[], headers: &[], unix_s: NOW_S };
        let signed = Target::new(parts).sign_headers(&DayKey::derive(SECRET, NOW_S, REGION), &request);
        signed.pairs().map(|(name, _)| name).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(None), "host x-amz-date x-amz-content-sha256 authorization");
    assert_eq!(names(Some("t")), "host x-amz-date x-amz-content-sha256 authorization x-amz-security-token");
}

#[test]
fn debug_shows_no_secret_key_token_or_signature() {
    let parts = TargetParts { session_token: Some("TOKEN"), ..parts(Scheme::Http, "h", Addressing::Path) };
    let (target, keys) = (Target::new(parts), DayKeys::derive(SECRET, NOW_S, REGION));
    let (method, resource) = (Method::Get, Resource::Object("k"));
    let request = HeaderRequest { method, resource, query: &[], headers: &[], unix_s: NOW_S };
    let signed = target.sign_headers(keys.at(NOW_S).expect("held"), &request);
    let shown = format!("{target:?} {keys:?} {signed:?}");
    let (_, signature) = signed.authorization.rsplit_once('=').expect("signature");
    for secret in ["AKIDEXAMPLE", "TOKEN", SECRET, signature] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn a_window_over_midnight_signs_under_yesterday() {
    // Seven minutes do not divide a day: the window that holds midnight began before it.
    let midnight_s = 1_795_478_400; // 2026-11-24T00:00:00Z
    let time = link_time(midnight_s, 420, 3600);
    assert!((midnight_s - 419..midnight_s).contains(&time.signed_at_s()));
    let keys = DayKeys::derive(SECRET, midnight_s, REGION);
    let target = Target::new(parts(Scheme::Http, "h", Addressing::Path));
    let key = keys.at(time.signed_at_s()).expect("yesterday is held");
    let link = target.presign(key, Method::Get, "k", None, time);
    assert!(link.contains("%2F20261123%2F") && link.contains("X-Amz-Date=20261123T235"), "{link}");
}

#[test]
fn link_times_at_the_edges() {
    let check = |now_s, window_s, lifetime_s, expected: (u64, u64)| {
        let time = link_time(now_s, window_s, lifetime_s);
        assert_eq!((time.signed_at_s(), time.expires_s()), expected);
        assert_eq!(time.expires_at_s(), expected.0.saturating_add(expected.1));
    };
    check(NOW_S, 300, 21_600, (NOW_S, 21_900));
    check(NOW_S + 299, 300, 21_600, (NOW_S, 21_900));
    check(NOW_S + 300, 300, 21_600, (NOW_S + 300, 21_900));
    check(NOW_S + 7, 0, 60, (NOW_S + 7, 60));
    check(NOW_S, 300, 604_500, (NOW_S, 604_800));
    check(NOW_S, 300, u64::MAX, (NOW_S, 604_800));
    check(0, 0, 0, (0, 1));
    check(u64::MAX, 1, 1, (u64::MAX, 2));
}

proptest! {
    /// Valid configurations: window + lifetime up to a week. Times to the year 2200.
    #[test]
    fn nobody_gets_less_than_the_lifetime(
        now_s in 0..7_258_118_400_u64, window_s in 1..=86_400_u64, lifetime_s in 1..=EXPIRES_MAX_S - 86_400,
    ) {
        let time = link_time(now_s, window_s, lifetime_s);
        prop_assert!(time.signed_at_s() <= now_s, "never in the future");
        prop_assert_eq!(time.signed_at_s() % window_s, 0);
        prop_assert!(time.expires_at_s() - now_s >= lifetime_s);
        prop_assert!(time.expires_s() <= EXPIRES_MAX_S);
    }

    #[test]
    fn a_link_is_one_within_a_window_and_another_in_the_next(
        now_s in 0..7_258_118_400_u64, later_s in 0..604_800_u64, window_s in 1..=604_799_u64,
    ) {
        let target = Target::new(parts(Scheme::Http, "h", Addressing::Path));
        let link_at = |at_s| {
            let time = link_time(at_s, window_s, 1);
            let keys = DayKeys::derive(SECRET, at_s, REGION);
            target.presign(keys.at(time.signed_at_s()).expect("a week is held"), Method::Get, "k", None, time)
        };
        let same_window = now_s / window_s == (now_s + later_s) / window_s;
        prop_assert_eq!(link_at(now_s) == link_at(now_s + later_s), same_window);
    }

    /// The held keys are those that would be derived for the moment itself.
    #[test]
    fn held_keys_sign_as_freshly_derived_ones(now_s in 0..253_402_127_999_u64, back_s in 0..604_800_u64) {
        let at_s = now_s.saturating_sub(back_s);
        let keys = DayKeys::derive(SECRET, now_s, REGION);
        let (held, fresh) = (keys.at(at_s).expect("held"), DayKey::derive(SECRET, at_s, REGION));
        let target = Target::new(parts(Scheme::Http, "h", Addressing::Path));
        let time = link_time(at_s, 0, 60);
        let [held, fresh] = [held, &fresh].map(|key| target.presign(key, Method::Head, "k", None, time));
        prop_assert_eq!(held, fresh);
    }
}
