//! What is read of every request: its path, its viewer, its range.

use std::net::IpAddr;

use watchgate::decide::client::{Header, Peer, Rules, Scheme, Trusted, viewer as who};
use watchgate::decide::range::wanted;
use watchgate::decide::watch::{BodyFraming, Film, RequestLine, watch};

use super::fleet::film;
use crate::count::Count;

pub(super) fn path(count: &mut Count) {
    let paths: Vec<String> =
        (0..64).map(|number| format!("/watch/{}", Film::from_bytes(film(number)))).collect();
    count.each(|turn| {
        let body = BodyFraming::of(std::iter::empty(), std::iter::empty());
        let path = paths[turn % paths.len()].as_bytes();
        watch(&RequestLine { method: "GET", path, body }, "/watch/", false).is_ok()
    });
}

pub(super) fn viewer(count: &mut Count) {
    let trusted = ["127.0.0.0/8", "10.0.0.0/8"].map(|network| network.parse().expect("a network"));
    let rules = Rules { trusted: Trusted::new(trusted), header: Header::XForwardedFor };
    let peer = Peer { address: Some(IpAddr::from([127, 0, 0, 1])), scheme: Scheme::Http };
    let fields: Vec<String> = (0..64).map(|number| format!("203.0.113.{number}, 10.1.2.3")).collect();
    count.each(|turn| {
        who(peer, &rules, |name| {
            let field = match name {
                "x-forwarded-for" => fields[turn % fields.len()].as_bytes(),
                _ => b"https",
            };
            std::iter::once(field)
        })
    });
}

pub(super) fn range(count: &mut Count) {
    const SIZE: u64 = 4_000_000_000;
    let fields = ["bytes=0-", "bytes=1048576-2097151", "bytes=-500", "bytes=0-99,150-299, 3000-"];
    count.each(|turn| wanted(std::iter::once(fields[turn % fields.len()].as_bytes()), SIZE));
}
