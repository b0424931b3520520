//! Links: presigned URLs, the whole signature in the query.
//!
//! One allocation (the link), one SHA-256 over the canonical request read out of the link itself, one HMAC
//! over a cloned key. Only `host` is signed, because nobody knows what else the viewer's player will send.
//! Whether a film exists, and how long a link should live, is decided elsewhere.

use super::canonical::{self, ALGORITHM, SERVICE, Tail, UNSIGNED_PAYLOAD};
use super::{DayKey, Method, Target};

/// The longest life of a link in seconds, seven days (Amazon S3 API reference, `X-Amz-Expires`).
pub const EXPIRES_MAX_S: u64 = 604_800;

/// When a link was signed and how long it lives; made by [`link_time`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkTime {
    signed_at_s: u64,
    expires_s: u64,
}

impl LinkTime {
    /// Signing time in unix seconds, the start of the window; its day chooses the [`DayKey`].
    #[must_use]
    pub fn signed_at_s(self) -> u64 {
        self.signed_at_s
    }

    /// `X-Amz-Expires`: seconds from the signing time, 1 to [`EXPIRES_MAX_S`].
    #[must_use]
    pub fn expires_s(self) -> u64 {
        self.expires_s
    }

    /// The last unix second at which a node takes the link.
    #[must_use]
    pub fn expires_at_s(self) -> u64 {
        self.signed_at_s.saturating_add(self.expires_s)
    }
}

/// Rounds the signing time down to the window, so that a film has one link for everybody in that window, and
/// adds the window to the life, so that nobody gets less than `lifetime_s`.
///
/// A window of 0 rounds nothing. The sum never exceeds [`EXPIRES_MAX_S`], where a node would refuse it; the
/// configuration has to see to it that this clips nothing.
#[must_use]
pub fn link_time(now_s: u64, window_s: u64, lifetime_s: u64) -> LinkTime {
    let into_window_s = now_s.checked_rem(window_s).unwrap_or(0);
    LinkTime {
        signed_at_s: now_s - into_window_s,
        expires_s: lifetime_s.saturating_add(window_s).clamp(1, EXPIRES_MAX_S),
    }
}

/// The parts of a link and of its signature between what changes, encoded, in the order in which they are needed.
///
/// One piece of memory: of a large fleet the next viewer's node is in no cache, and each piece would be waited for.
#[derive(Clone)]
pub(super) struct LinkParts {
    text: Box<str>,
    /// Where each part ends.
    ends: [usize; 6],
}

/// The parts by name.
struct Parts<'a> {
    /// What an object's URL begins with.
    object_base: &'a str,
    /// `?X-Amz-Algorithm=..&X-Amz-Credential=KEY%2F`; then the date.
    credential_head: &'a str,
    /// `%2Fregion%2Fs3%2Faws4_request&X-Amz-Date=`; then the stamp.
    credential_tail: &'a str,
    /// `&X-Amz-Security-Token=..&X-Amz-SignedHeaders=host`, after the seconds of `X-Amz-Expires`.
    after_expires: &'a str,
    /// End of the canonical request.
    tail: &'a str,
    /// What follows the date in a credential scope.
    scope_tail: &'a str,
}

impl LinkParts {
    pub(super) fn new(
        object_base: &str,
        authority: &str,
        access_key: &str,
        region: &str,
        session_token: Option<&str>,
    ) -> Self {
        let mut text = object_base.to_owned();
        let mut ends = [text.len(); 6];
        text.push_str("?X-Amz-Algorithm=");
        text.push_str(ALGORITHM);
        text.push_str("&X-Amz-Credential=");
        canonical::push_value(&mut text, access_key);
        text.push_str("%2F");
        ends[1] = text.len();
        let scope_tail = canonical::scope_tail(region, SERVICE);
        canonical::push_value(&mut text, &scope_tail);
        text.push_str("&X-Amz-Date=");
        ends[2] = text.len();
        if let Some(token) = session_token {
            text.push_str("&X-Amz-Security-Token=");
            canonical::push_value(&mut text, token);
        }
        text.push_str("&X-Amz-SignedHeaders=host");
        ends[3] = text.len();
        text.push_str(&Tail::new(&[("host", authority)], UNSIGNED_PAYLOAD).text);
        ends[4] = text.len();
        text.push_str(&scope_tail);
        ends[5] = text.len();
        Self { text: text.into_boxed_str(), ends }
    }

    fn parts(&self) -> Parts<'_> {
        let [base, head, tail, expires, canonical, scope] = self.ends;
        Parts {
            object_base: &self.text[..base],
            credential_head: &self.text[base..head],
            credential_tail: &self.text[head..tail],
            after_expires: &self.text[tail..expires],
            tail: &self.text[expires..canonical],
            scope_tail: &self.text[canonical..scope],
        }
    }
}

impl Parts<'_> {
    /// Bytes that a link adds to its key, but for a version id.
    fn link_len(&self) -> usize {
        const DATE_STAMP_EXPIRES_SIGNATURE: usize = 8 + 16 + EXPIRES.len() + 6 + SIGNATURE.len() + 64;
        let parts = [self.object_base, self.credential_head, self.credential_tail, self.after_expires];
        parts.map(str::len).iter().sum::<usize>() + DATE_STAMP_EXPIRES_SIGNATURE
    }
}

const EXPIRES: &str = "&X-Amz-Expires=";
/// Sorts behind every `X-Amz-` name, so that it stands last in the canonical query.
const VERSION: &str = "&versionId=";
const SIGNATURE: &str = "&X-Amz-Signature=";

impl Target {
    /// The whole link to an object, for this method only.
    ///
    /// `key` must cover [`LinkTime::signed_at_s`] and belong to this target's credential and region, or the
    /// node will refuse the link.
    #[must_use]
    pub fn presign(
        &self,
        key: &DayKey,
        method: Method,
        object_key: &str,
        version_id: Option<&str>,
        time: LinkTime,
    ) -> String {
        debug_assert!(key.covers(time.signed_at_s), "the key of another day");
        let parts = self.link.parts();
        // One allocation even if every byte of the key becomes three.
        let key_len = 3 * object_key.len();
        let version_len = version_id.map_or(0, |version| VERSION.len() + 3 * version.len());
        let mut url = String::with_capacity(parts.link_len() + key_len + version_len);

        url.push_str(parts.object_base);
        canonical::push_key(&mut url, object_key);
        let path_end = url.len();

        let stamp = key.stamp(time.signed_at_s);
        url.push_str(parts.credential_head);
        url.push_str(key.date());
        url.push_str(parts.credential_tail);
        url.push_str(stamp.as_str());
        url.push_str(EXPIRES);
        url.push_str(itoa::Buffer::new().format(time.expires_s));
        url.push_str(parts.after_expires);
        if let Some(version) = version_id {
            url.push_str(VERSION);
            canonical::push_value(&mut url, version);
        }

        let (path, query) = (&url[self.path_at..path_end], &url[path_end + "?".len()..]);
        let hash = canonical::request_hash(method.as_str(), path, query, parts.tail);
        let signature = key.sign(&stamp, parts.scope_tail, &hash);
        url.push_str(SIGNATURE);
        url.push_str(signature.as_str());
        url
    }
}
