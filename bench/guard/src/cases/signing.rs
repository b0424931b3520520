//! The two signatures: of a link, once for each redirect, and of a request to a node, once for each window.

use watchgate::sign::{HeaderRequest, Method, Resource, link_time};

use super::keyed::{FILM, NOW_S, VERSION, keys, target};
use crate::count::Count;

pub(super) fn link(count: &mut Count) {
    let (keys, target) = (keys(), target(None));
    let key = keys.at(NOW_S).expect("today");
    count.each(|_| target.presign(key, Method::Get, FILM, Some(VERSION), link_time(NOW_S, 300, 21_600)));
}

pub(super) fn headers(count: &mut Count) {
    let (keys, target) = (keys(), target(None));
    let key = keys.at(NOW_S).expect("today");
    let request = HeaderRequest {
        method: Method::Get,
        resource: Resource::Object(FILM),
        query: &[("versionId", VERSION)],
        headers: &[],
        unix_s: NOW_S,
    };
    count.each(|_| target.sign_headers(key, &request));
}
