//! The errors of S3 as `MinIO` words them, and how one becomes an answer.
//!
//! A refusal names status, code and message. `MinIO` writes the last two into an
//! XML body, and into headers where there can be none: in answers to HEAD alone.

use std::borrow::Cow;

use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

/// Seconds; what `MinIO` asks of everybody it turns away.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("60");

pub(crate) const DELETE_MARKER: HeaderName = HeaderName::from_static("x-amz-delete-marker");
pub(crate) const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");
const ERROR_CODE: HeaderName = HeaderName::from_static("x-minio-error-code");
const ERROR_DESC: HeaderName = HeaderName::from_static("x-minio-error-desc");

/// Takes the words for HEAD away, which only `MinIO` has.
pub(crate) fn unname(headers: &mut HeaderMap) {
    headers.remove(ERROR_CODE);
    headers.remove(ERROR_DESC);
}

/// An S3 error on its way to the client.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: Cow<'static, str>,
    /// Boxed: rarely filled, and the error travels through every `Result`.
    pub(crate) headers: Box<HeaderMap>,
}

impl Refusal {
    pub(crate) fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        let mut headers = Box::<HeaderMap>::default();
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            headers.insert(RETRY_AFTER, RETRY_AFTER_S);
        }
        Self { status, code: code.into(), message: message.into(), headers }
    }

    pub(crate) fn access_denied() -> Self {
        Self::new(StatusCode::FORBIDDEN, "AccessDenied", "Access Denied.")
    }

    pub(crate) fn no_such_bucket() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NoSuchBucket", "The specified bucket does not exist")
    }

    pub(crate) fn no_such_key() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NoSuchKey", "The specified key does not exist.")
    }

    pub(crate) fn no_such_version() -> Self {
        Self::new(StatusCode::NOT_FOUND, "NoSuchVersion", "The specified version does not exist.")
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "The specified method is not allowed against this resource.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
    }

    pub(crate) fn not_implemented() -> Self {
        let message = "A header you provided implies functionality that is not implemented";
        Self::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message)
    }

    pub(crate) fn precondition_failed() -> Self {
        let message = "At least one of the pre-conditions you specified did not hold";
        Self::new(StatusCode::PRECONDITION_FAILED, "PreconditionFailed", message)
    }

    pub(crate) fn invalid_range() -> Self {
        Self::new(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", "The requested range is not satisfiable")
    }

    pub(crate) fn too_many_requests() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", "Please reduce your request rate")
    }

    /// What a `MinIO` that fails with this status says.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::FORBIDDEN => Self::access_denied(),
            StatusCode::NOT_FOUND => Self::no_such_key(),
            StatusCode::TOO_MANY_REQUESTS => Self::too_many_requests(),
            StatusCode::SERVICE_UNAVAILABLE => {
                let message = "Resource requested is unreadable, please reduce your request rate";
                Self::new(status, "SlowDownRead", message)
            }
            _ => {
                let message = "We encountered an internal error, please try again.";
                Self::new(status, "InternalError", message)
            }
        }
    }

    /// From an error document of s3s, which hides its error behind it.
    pub(crate) fn from_document(status: StatusCode, document: &str) -> Self {
        let element = |name: &str| {
            let (_, rest) = document.split_once(&format!("<{name}>"))?;
            rest.split_once(&format!("</{name}>")).map(|(text, _)| text.to_owned())
        };
        let code = element("Code").unwrap_or_else(|| "InternalError".to_owned());
        let message = match code.as_str() {
            "SignatureDoesNotMatch" => {
                "The request signature we calculated does not match the signature you provided. \
                 Check your key and signing method."
                    .to_owned()
            }
            _ => element("Message").unwrap_or_else(|| code.clone()),
        };
        Self::new(status, code, message)
    }

    /// The answer: a document, or for HEAD the code in headers.
    pub(crate) fn answer(&self, method: &Method, path: &str) -> Response<String> {
        let mut answer = Response::new(String::new());
        *answer.status_mut() = self.status;
        *answer.headers_mut() = (*self.headers).clone();
        if method == Method::HEAD {
            self.name_in(answer.headers_mut());
        } else {
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
            *answer.body_mut() = format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{}</Code><Message>{}</Message>\
                 <Resource>{}</Resource></Error>",
                escaped(&self.code),
                escaped(&self.message),
                escaped(path)
            );
        }
        answer
    }

    /// `MinIO` names the code only where a handler refuses; these two are refused before any.
    fn name_in(&self, headers: &mut HeaderMap) {
        if matches!(&*self.code, "RequestTimeTooSkewed" | "TooManyRequests") {
            return;
        }
        for (name, text) in
            [(ERROR_CODE, self.code.to_string()), (ERROR_DESC, format!("\"{}\"", self.message))]
        {
            // A text that is no header value is left out, as Go's server does.
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn get_is_refused_in_the_body_and_head_in_headers() {
        let refusal = Refusal::of_status(StatusCode::SERVICE_UNAVAILABLE);
        let get = refusal.answer(&Method::GET, "/b/<k>");
        assert!(get.body().contains("<Code>SlowDownRead</Code>"), "{}", get.body());
        assert!(get.body().contains("/b/&lt;k&gt;"), "{}", get.body());
        assert_eq!(get.headers().get(ERROR_CODE), None);
        let head = refusal.answer(&Method::HEAD, "/b/k");
        assert_eq!((head.body().as_str(), head.headers()[ERROR_CODE].as_bytes()), ("", &b"SlowDownRead"[..]));
        assert!(head.headers()[ERROR_DESC].to_str().unwrap().starts_with('"'));
        for answer in [&get, &head] {
            assert_eq!(answer.headers()[RETRY_AFTER], "60");
        }
        let early = Refusal::too_many_requests().answer(&Method::HEAD, "/b/k");
        assert_eq!(early.headers().get(ERROR_CODE), None, "refused before any handler");
    }

    #[test]
    fn documents() {
        let document = "<Error><Code>AccessDenied</Code><Message>Signature is required</Message></Error>";
        let refusal = Refusal::from_document(StatusCode::FORBIDDEN, document);
        assert_eq!((&*refusal.code, &*refusal.message), ("AccessDenied", "Signature is required"));
        assert_eq!(Refusal::from_document(StatusCode::FORBIDDEN, "").code, "InternalError");
    }
}
