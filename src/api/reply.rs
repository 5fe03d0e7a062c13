//! Owns the shapes of answers: bytes with a content type, nothing but a status on Habitat's paths, one JSON body for every
//! error on kubesup's own.

use axum::body::{Body, Bytes};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::answers::json;

pub(super) type Answer = http::Response<Body>;

pub(super) const JSON: &str = "application/json";
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
pub(super) const HTML: &str = "text/html; charset=utf-8";

/// Only a status.
pub(super) fn empty(status: StatusCode) -> Answer {
    let mut answer = http::Response::new(Body::empty());
    *answer.status_mut() = status;
    answer
}

/// A body.
pub(super) fn with(status: StatusCode, content_type: &'static str, body: Bytes) -> Answer {
    let mut answer = http::Response::new(Body::from(body));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

/// The document when there is one, else 503 without a body: the first complete view has not come.
pub(super) fn document(document: Option<Bytes>) -> Answer {
    match document {
        Some(bytes) => with(StatusCode::OK, JSON, bytes),
        None => empty(StatusCode::SERVICE_UNAVAILABLE),
    }
}

/// 405 with what is allowed.
pub(super) fn not_allowed(allowed: &'static str, mut answer: Answer) -> Answer {
    answer
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allowed));
    answer
}

/// Whether a path is kubesup's own, where errors have a body.
pub(super) fn is_own(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/") || path == "/livez" || path == "/readyz"
}

/// The one body of errors on kubesup's own paths.
#[derive(Serialize)]
struct ErrorBody<'a> {
    status: u16,
    error: &'a str,
}

/// An error on one of kubesup's own paths.
pub(super) fn error(status: StatusCode, error: &str) -> Answer {
    let body = ErrorBody {
        status: status.as_u16(),
        error,
    };
    with(status, JSON, json(&body))
}
